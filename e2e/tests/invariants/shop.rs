//! A contract of somebody's own, with what the five do not have: parameters of an error's own, an open
//! message, the request's id in every body, and an operation that needs no key.

use demur_e2e::{Client, Gateway, MockResponse, Request, TestDir, Upstream, read_contract};
use serde_json::{Value as Json, json};

use crate::raising::{problem, raise};

const SHOP: &str = r#"
demur: 1
name: shop
request_id: { header: X-Trace, prefix: t_ }
formats:
  default: { code: $code, message: $message, id: $request_id, item?: $params.item }
errors:
  bad_request: { status: 400, message: The request is invalid., on: [request] }
  out_of_stock:
    status: 409
    message: "{item} is sold out until {until}."
    params: [item, until]
  on_hold: { status: 409, message: { default: It is on hold., open: true } }
  internal_error: { status: 500, message: Something went wrong on our side., on: [internal] }
"#;

const SHOP_OPENAPI: &str = r#"
openapi: 3.1.0
info: { title: Shop, version: "1" }
security: [{ key: [] }]
paths:
  /things: { get: { operationId: listThings, responses: { "200": { description: All. } } } }
components: { securitySchemes: { key: { type: http, scheme: bearer } } }
"#;

struct Shop {
    _gateway: Gateway,
    client: Client,
}

impl Shop {
    fn open(upstream: &Upstream) -> Self {
        let folder = TestDir::empty();
        folder.write("shop.yaml", SHOP);
        folder.write("openapi.yaml", SHOP_OPENAPI);
        let config = format!(
            "demur: 2\nstore: sqlite:demur.db\nplans: {{ all: {{}} }}\napis:\n  - name: shop\n    contract: ./shop.yaml\n    \
             openapi: openapi.yaml\n    mount: {{ path: /shop }}\n    upstream: {{ url: \"http://{}\" }}\n    \
             authentication: {{ scheme: bearer, prefix: shp }}\n    operations:\n      listThings: {{ anonymous: true }}\n",
            upstream.address()
        );
        folder.write("demur.yaml", &config);
        let gateway = Gateway::serve(folder);
        let contract = read_contract("shop.yaml", SHOP);
        let client = Client::new(gateway.address(), "/shop", contract);
        Self { _gateway: gateway, client }
    }
}

#[test]
fn parameters_reach_the_message_and_the_format() {
    let rows = [
        (raise("out_of_stock", r#"{"item":"Tea","until":"May"}"#), "Tea is sold out until May.", Some("Tea")),
        (
            raise("out_of_stock", r#"{"item":"Tea","until":7,"other":"x"}"#),
            "Tea is sold out until 7.",
            Some("Tea"),
        ),
        (
            problem(500, &json!({ "type": "https://x.example/out_of_stock", "item": "Tea", "until": "May" })),
            "Tea is sold out until May.",
            Some("Tea"),
        ),
        (
            MockResponse::json(
                409,
                &json!({ "code": "out_of_stock", "message": "Tea is sold out until May.", "id": "t_theirs-0000000000", "item": "Tea" }),
            ),
            "Tea is sold out until May.",
            Some("Tea"),
        ),
        // Reserved names are no parameters.
        (
            raise(
                "out_of_stock",
                r#"{"item":"Tea","until":"May","request_id":"theirs","code":"x","status":200,"message":"x"}"#,
            ),
            "Tea is sold out until May.",
            Some("Tea"),
        ),
        // A missing parameter leaves a gap, not a template.
        (raise("out_of_stock", r#"{"item":"Tea"}"#), "Tea is sold out until .", Some("Tea")),
        (raise("on_hold", ""), "It is on hold.", None),
        (raise("on_hold", r#"{"message":"Ask Ms. Moor first."}"#), "Ask Ms. Moor first.", None),
        (
            problem(409, &json!({ "code": "on_hold", "detail": "Ask Ms. Moor first." })),
            "Ask Ms. Moor first.",
            None,
        ),
        // Markup and line breaks are escaped.
        (
            raise("out_of_stock", r#"{"item":"\"<b>\\\r\n\u0000","until":"{until}"}"#),
            "\"<b>\\\r\n\0 is sold out until {until}.",
            Some("\"<b>\\\r\n\0"),
        ),
    ];
    for (reaction, message, item) in rows {
        says(reaction, message, item);
    }
}

/// What the catalogue leaves to the API is the API's to say in its own format too.
#[test]
fn keeps_an_open_message_in_the_own_format() {
    let body = json!({ "code": "on_hold", "message": "Ask Ms. Moor first.", "id": "t_theirs" });
    says(MockResponse::json(409, &body), "Ask Ms. Moor first.", None);
}

/// With this reaction of the upstream's a caller of the shop gets 409, this message and this item.
fn says(reaction: MockResponse, message: &str, item: Option<&str>) {
    let upstream = Upstream::always(reaction);
    let shop = Shop::open(&upstream);
    let response = shop.client.send(&Request::get("/things"));
    let body = response.json();
    assert_eq!(response.status, 409, "{response:?}");
    assert_eq!(body["message"], message);
    assert_eq!(body["id"], response.header("x-trace"), "the one id: {response:?}");
    assert_eq!(body.get("item").and_then(Json::as_str), item);
}
