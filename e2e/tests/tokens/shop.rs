//! A small API that takes tokens beside keys.

use demur_e2e::{Client, Gateway, MockResponse, Request, Response, TestDir, Upstream, contract};
use serde_json::Value as Json;

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /items:
    get: { operationId: list, responses: { '200': { description: All. } } }
    post: { operationId: add, responses: { '200': { description: Made. } } }
  /reports: { get: { operationId: report, responses: { '200': { description: One. } } } }
";

pub(crate) struct Shop {
    pub(crate) gateway: Gateway,
    pub(crate) client: Client,
    pub(crate) upstream: Upstream,
}

/// The configuration with these lines below `tokens`.
pub(crate) fn configuration(tokens: &str, upstream: &Upstream) -> String {
    format!(
        "demur: 2
store: sqlite:demur.db
access_log: all
limits: {{ max_queue_delay: 1m, max_header_bytes: 64KiB }}
plans:
  free: {{ rates: [{{ requests: 3, per: 1h }}] }}
  pro: {{ credits: {{ monthly: 100, grant_day: 1 }} }}
  off: {{ active: false }}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    mount: {{ path: /shop }}
    upstream: {{ url: \"http://{}\" }}
    authentication:
      scheme: bearer
      prefix: shp
      tokens:
        issuer: https://id.example
        audience: [https://api.example, https://other.example]
        require: {{ tenant: [north, south] }}
        claims: {{ plan: plan }}
        plan: pro
{}
    operations: {{ add: {{ scope: write }}, report: {{ credits: 5 }} }}
",
        upstream.address(),
        tokens.lines().map(|line| format!("        {line}\n")).collect::<String>()
    )
}

/// Serves with these lines below `tokens`. `folder` has the files that they name.
pub(crate) fn serve(folder: TestDir, tokens: &str) -> Shop {
    let upstream = Upstream::start(|received| {
        MockResponse::response(200, &[], received.headers.first("demur-account").unwrap_or_default())
    });
    folder.write("openapi.yaml", DOCUMENT);
    folder.write("demur.yaml", &configuration(tokens, &upstream));
    let gateway = Gateway::serve(folder);
    let client = Client::new(gateway.address(), "/shop", contract("problem"));
    Shop { gateway, client, upstream }
}

impl Shop {
    pub(crate) fn send(&self, request: Request, token: &str) -> Response {
        self.client.send(&request.header("authorization", &format!("Bearer {token}")))
    }

    pub(crate) fn list(&self, token: &str) -> Response {
        self.send(Request::get("/items"), token)
    }

    /// The log entry of a response.
    pub(crate) fn logged(&self, response: &Response) -> Json {
        self.gateway.logged(response.header("x-request-id"))
    }

    /// The condition of a rejected request.
    pub(crate) fn condition(&self, response: &Response) -> String {
        self.logged(response)["condition"].as_str().unwrap_or_default().to_owned()
    }
}
