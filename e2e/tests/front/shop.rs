//! A small API, with the lines that a test adds to its configuration.

use demur_e2e::{Client, Gateway, NewKey, TestDir, Upstream, contract};

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
security: [{ key: [] }]
paths:
  /items:
    get: { operationId: listItems, responses: { '200': { description: All. } } }
    post:
      operationId: addItem
      requestBody: { content: { application/json: { schema: { type: object } } } }
      responses: { '200': { description: Made. } }
  /notes:
    post:
      operationId: addNote
      security: []
      requestBody: { content: { application/json: { schema: { type: object } } } }
      responses: { '200': { description: Made. } }
  /report:
    get:
      operationId: report
      responses:
        '200':
          description: All.
          content: { application/json: { schema: { type: object, properties: { n: { type: integer } } } } }
  /open:
    get: { operationId: open, security: [], responses: { '200': { description: All. } } }
    post: { operationId: put, security: [], responses: { '200': { description: All. } } }
components: { securitySchemes: { key: { type: http, scheme: bearer } } }
";

/// The gateway, a client for the API, and a key.
pub(crate) struct Shop {
    pub(crate) gateway: Gateway,
    pub(crate) client: Client,
    pub(crate) key: String,
}

/// Serves with these additional lines of the file and of the API.
pub(crate) fn serve(upstream: &Upstream, top: &str, of_api: &str) -> Shop {
    shop_of(Gateway::serve(folder(upstream, top, of_api)))
}

/// The same under these soft and hard limits on file descriptors.
pub(crate) fn serve_with_descriptors(upstream: &Upstream, top: &str, (soft, hard): (u64, u64)) -> Shop {
    shop_of(Gateway::serve_with_descriptors(folder(upstream, top, ""), soft, hard))
}

fn folder(upstream: &Upstream, top: &str, of_api: &str) -> TestDir {
    let folder = TestDir::empty();
    folder.write("openapi.yaml", DOCUMENT);
    // On a busy machine requests wait for their worker. These tests are not about load shedding.
    let limits = if top.contains("limits:") { "" } else { "limits: { max_queue_delay: 60s }" };
    let config = format!(
        "demur: 2
store: sqlite:demur.db
{limits}
{top}
plans: {{ all: {{ rates: [{{ name: burst, requests: 1000, per: 1s }}] }} }}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    mount: {{ path: /shop }}
    upstream: {{ url: \"http://{}\" }}
    authentication: {{ scheme: bearer, prefix: shp }}
    {of_api}
    operations:
      open: {{ anonymous: true, timeout: 300ms }}
      put: {{ anonymous: true }}
      addNote: {{ anonymous: true }}
",
        upstream.address()
    );
    folder.write("demur.yaml", &config);
    folder
}

fn shop_of(gateway: Gateway) -> Shop {
    gateway.folder().create_account("acme", "all");
    let key = NewKey { api: "shop", account: "acme", ..NewKey::default() };
    let key = gateway.folder().create_key(&key).secret;
    let client = Client::new(gateway.address(), "/shop", contract("problem"));
    Shop { gateway, client, key }
}
