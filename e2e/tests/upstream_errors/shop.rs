//! A shop with two operations behind a gateway: `list` needs a key, `login` needs none.

use std::sync::{Arc, Mutex};

use demur_e2e::{
    Client, Gateway, MockResponse, NewKey, Received, Request, Response, TestDir, Upstream, contract,
    read_contract,
};

const OPENAPI: &str = r#"
openapi: 3.1.0
info: { title: Shop, version: "1" }
paths:
  /items:
    get: { operationId: list, responses: { "200": { description: All. } } }
    post: { operationId: create, responses: { "201": { description: Made. } } }
  /login: { get: { operationId: login, responses: { "200": { description: In. } } } }
"#;

pub(crate) struct Shop {
    gateway: Gateway,
    client: Client,
    upstream: Upstream,
    next: Arc<Mutex<MockResponse>>,
    pub(crate) key: String,
}

impl Shop {
    /// `settings` are lines of the API, at its indentation; `top` lines of the file.
    pub(crate) fn open(top: &str, settings: &str) -> Self {
        Self::with_contract(top, settings, None)
    }

    pub(crate) fn with_contract(top: &str, settings: &str, contract_text: Option<&str>) -> Self {
        let next = Arc::new(Mutex::new(MockResponse::response(200, &[], "{}")));
        let responses = Arc::clone(&next);
        let upstream = Upstream::start(move |_| responses.lock().unwrap().clone());
        let folder = TestDir::empty();
        folder.write("openapi.yaml", OPENAPI);
        let named = if contract_text.is_some() { "./shop.yaml" } else { "problem" };
        folder.write("shop.yaml", contract_text.unwrap_or_default());
        let text = format!(
            "demur: 2\nlisten: 127.0.0.1:0\nstore: sqlite:demur.db\n{top}plans: {{ all: {{}} }}\napis:\n  - name: shop\n    \
             contract: {named}\n    openapi: openapi.yaml\n    mount: {{ path: /shop }}\n    \
             upstream: \"http://{}\"\n    authentication: {{ scheme: bearer, prefix: shp }}\n{settings}",
            upstream.address()
        );
        folder.write("demur.yaml", &text);
        folder.create_account("acme", "all");
        let key = NewKey { api: "shop", account: "acme", ..NewKey::default() };
        let key = folder.create_key(&key).secret;
        let gateway = Gateway::serve(folder);
        let contract =
            contract_text.map_or_else(|| contract("problem"), |text| read_contract("shop.yaml", text));
        let client = Client::new(gateway.address(), "/shop", contract);
        Self { gateway, client, upstream, next, key }
    }

    pub(crate) fn upstream_does(&self, response: MockResponse) {
        *self.next.lock().unwrap() = response;
    }

    /// The response to `GET /items` with a key, if the upstream sends this one.
    pub(crate) fn response(&self, response: MockResponse) -> Response {
        self.upstream_does(response);
        self.send(&Request::get("/items").key(&self.key))
    }

    pub(crate) fn send(&self, request: &Request) -> Response {
        self.client.send(request)
    }

    pub(crate) fn last(&self) -> Received {
        self.upstream.last()
    }

    pub(crate) fn condition(&self, response: &Response) -> String {
        let logged = self.gateway.logged(response.header("x-request-id"));
        logged["condition"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(crate) fn log(&self) -> String {
        self.gateway.log()
    }
}
