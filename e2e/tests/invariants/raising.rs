//! How an upstream raises a declared error: by name, with a problem document, in the contract's own format.
//! And what it cannot raise.

use std::sync::Arc;

use demur_contract::Contract;
use demur_e2e::{
    Client, Folder, Gateway, MARKER, Reaction, Request, Response, Scripted, Upstream, read_contract,
};
use serde_json::{Value as Json, json};

use crate::because;

/// `Demur-Error: NAME`, with whatever status; no answer has it as its status.
fn raise(name: &str, content: &str) -> Reaction {
    Reaction::answer(418, &[("Demur-Error", name), ("Content-Type", "application/json")], content)
}

fn problem(status: u16, content: &Json) -> Reaction {
    let fields = [("Content-Type", "application/problem+json; charset=utf-8")];
    Reaction::answer(status, &fields, content.to_string())
}

fn error_of(answer: &Response, scripted: &Scripted) -> String {
    let logged = scripted.gateway().logged(answer.field("x-request-id"));
    logged["error"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_declared_error_is_raised_by_its_name() {
    let rows = [
        ("trackbot-pro", "invalid_courier", 400),
        ("trackbot-pro", "shipment_already_exists", 400),
        ("trackbot-pro", "not_found", 404),
        ("trackunit", "exactly_one_telematics_device_is_required", 400),
        ("trackunit", "telematics_device_already_onboarded", 400),
        ("trackyard", "track_not_found", 404),
        ("trakkr", "not_found", 404),
        ("trakkr-get-scores", "brand_access_denied", 403),
        ("trakkr-get-scores", "date_range_validation_error", 500),
    ];
    let scripted = Scripted::start();
    for (api, name, status) in rows {
        let kind = format!("https://docs.example/errors/{name}");
        let urn = format!("urn:example:error:{name}");
        for reaction in [
            raise(name, ""),
            raise(name, "no JSON"),
            raise(&format!("  {name} "), "{}"),
            problem(400, &json!({ "type": kind, "title": MARKER })),
            problem(500, &json!({ "type": urn, "detail": MARKER, "instance": "/x" })),
            problem(409, &json!({ "code": name, "trace": MARKER })),
            problem(409, &json!({ "type": "about:blank", "code": name, "status": 200 })),
        ] {
            let answer = scripted.answer(api, reaction.clone());
            assert_eq!(
                (answer.status, error_of(&answer, &scripted).as_str()),
                (status, name),
                "{reaction:?}"
            );
        }
    }
}

#[test]
fn a_condition_is_raised_by_its_name() {
    let scripted = Scripted::start();
    for api in crate::APIS {
        let conditions = [
            "resource.not_found",
            "resource.exists",
            "resource.conflict",
            "precondition.failed",
            "upstream.unavailable",
            "upstream.timeout",
            "body.unreadable",
        ];
        for condition in conditions {
            let answer = scripted.answer(api, raise(condition, "{}"));
            because(&scripted, api, condition, answer);
        }
    }
}

/// Keys, rates and credits are the gateway's to judge; and a name that nobody declared is a mistake of the
/// upstream's, not of the caller's.
#[test]
fn what_an_upstream_cannot_raise_is_its_own_failure() {
    let rows: [(&str, &[&str]); 5] = [
        (
            "trakkr",
            &["missing_authorization", "api_key_revoked", "rate_limit_exceeded", "daily_limit_exceeded"],
        ),
        ("trakkr-get-scores", &["missing_api_key", "invalid_api_key", "authentication_error"]),
        ("trackyard", &["unauthorized", "out_of_credits", "too_many_requests"]),
        ("trackbot-pro", &["unauthorized", "too_many_requests"]),
        ("trackunit", &["unauthorized"]),
    ];
    let always = [
        "credential.missing",
        "credential.revoked",
        "rate.exceeded",
        "quota.exceeded",
        "credits.exhausted",
        "plan.inactive",
        "store.unavailable.keys",
        "internal",
        "overloaded",
        "resource",
        "heard_of_by_nobody",
        "",
        "not_found, not_found",
        MARKER,
    ];
    let scripted = Scripted::start();
    for (api, names) in rows {
        for name in names.iter().chain(&always) {
            let answer = scripted.answer(api, raise(name, "{}"));
            because(&scripted, api, "upstream.invalid_response", answer);
            // In a problem document it names nothing, and the status speaks.
            let answer = scripted.answer(api, problem(401, &json!({ "code": name, "type": name })));
            because(&scripted, api, "upstream.failed", answer);
        }
    }
}

/// The same in the contract's own format: what the API may say itself is rendered again, the rest is not
/// believed.
#[test]
fn the_contracts_own_format_is_rendered_again() {
    let believed = [
        (
            "trackbot-pro",
            400,
            json!({ "error": { "status": 400, "message": "The courier slug you specified doesn't exist.", "code": "invalid_courier" } }),
        ),
        (
            "trackbot-pro",
            400,
            json!({ "error": { "status": 400, "message": "Input parameters validation failed.", "code": "validation_failed",
                "errors": [{ "field": "Courier", "message": "'Courier' is closed on Sundays." }] } }),
        ),
        ("trackyard", 404, json!({ "error": "Not Found", "message": "Track not found" })),
        (
            "trackunit",
            400,
            json!({ "status": 400, "code": "telematics_device_already_onboarded",
                "message": "The telematics device was already onboarded on Trackunit platform" }),
        ),
        (
            "trakkr-get-scores",
            403,
            json!({ "error": "Brand access denied", "errors": ["You do not have access to this brand"] }),
        ),
    ];
    let scripted = Scripted::start();
    for (api, status, content) in believed {
        let answer = scripted.answer(api, Reaction::json(status, &content));
        assert_eq!((answer.status, answer.json()), (status, content), "{api}");
    }
    let not_believed = [
        (
            "trackbot-pro",
            429,
            json!({ "error": { "status": 429, "message": "The API rate limit has been exceeded." } }),
        ),
        ("trackyard", 401, json!({ "error": "Unauthorized", "message": "Invalid API key" })),
        (
            "trackyard",
            402,
            json!({ "error": "Out of credits", "message": "Please top up or upgrade your plan" }),
        ),
    ];
    for (api, status, content) in not_believed {
        let answer = scripted.answer(api, Reaction::json(status, &content));
        assert_ne!(answer.status, status, "{api}: {answer:?}");
    }
}

/// An id that the upstream made up would lead nowhere: the answer has the gateway's, and no other.
#[test]
fn the_id_in_the_content_is_the_gateways() {
    let theirs = "upstream-made-id-0001";
    let scripted = Scripted::start();
    let content = json!({ "error": "Internal server error", "errors": [format!("An unexpected error occurred: {theirs}")] });
    let answer = scripted.answer("trakkr-get-scores", Reaction::json(500, &content));
    let ours = answer.field("x-request-id");
    let expected = json!({ "error": "Internal server error", "errors": [format!("An unexpected error occurred: {ours}")] });
    assert_eq!(answer.json(), expected);
    assert!(!answer.text().contains(theirs), "{answer:?}");

    // And a field of that name in any answer of the upstream's.
    for status in [200, 201, 404, 500] {
        let fields = [("X-Request-Id", theirs), ("Content-Type", "application/json")];
        let answer = scripted.answer("trakkr-get-scores", Reaction::answer(status, &fields, "{}"));
        let ids: Vec<&str> = answer.fields.all("x-request-id").collect();
        assert!(ids.len() == 1 && ids[0] != theirs, "{answer:?}");
    }
}

/// On a success the name means nothing, and does not reach the caller.
#[test]
fn a_success_raises_nothing() {
    let scripted = Scripted::start();
    for api in crate::APIS {
        let fields =
            [("Demur-Error", "not_found"), ("Demur-Account", "x"), ("Content-Type", "application/json")];
        let answer = scripted.answer(api, Reaction::answer(200, &fields, "{\"well\":true}"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "{\"well\":true}"));
    }
}

const SHOP: &str = r#"
demur: 1
name: shop
request_id: { field: X-Trace, prefix: t_ }
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

/// A contract of somebody's own, with parameters, an open message, and an id in the content.
struct Shop {
    _gateway: Gateway,
    client: Client,
    key: String,
}

impl Shop {
    fn open(upstream: &Upstream) -> Self {
        let folder = Folder::empty();
        folder.write("shop.yaml", SHOP);
        folder.write("openapi.yaml", SHOP_OPENAPI);
        let config = format!(
            "demur: 1\nstore: sqlite:demur.db\nplans: {{ all: {{}} }}\napis:\n  - name: shop\n    contract: ./shop.yaml\n    \
             openapi: openapi.yaml\n    at: {{ path: /shop }}\n    upstream: {{ url: \"http://{}\" }}\n    \
             authentication: {{ scheme: bearer, prefix: shp }}\n    operations:\n      listThings: {{ anonymous: true }}\n",
            upstream.address()
        );
        folder.write("demur.yaml", &config);
        let gateway = Gateway::serve(folder);
        let contract: Arc<Contract> = read_contract("shop.yaml", SHOP);
        let client = Client::new(gateway.address(), "/shop", contract);
        Self { _gateway: gateway, client, key: String::new() }
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
            Reaction::json(
                409,
                &json!({ "code": "out_of_stock", "message": "Tea is sold out until May.", "id": "t_theirs-0000000000", "item": "Tea" }),
            ),
            "Tea is sold out until May.",
            Some("Tea"),
        ),
        (raise("on_hold", ""), "It is on hold.", None),
        (raise("on_hold", r#"{"message":"Ask Ms. Moor first."}"#), "Ask Ms. Moor first.", None),
        (
            problem(409, &json!({ "code": "on_hold", "detail": "Ask Ms. Moor first." })),
            "Ask Ms. Moor first.",
            None,
        ),
        // Text that would be markup, or break a line, is text.
        (
            raise("out_of_stock", r#"{"item":"\"<b>\\\r\n\u0000","until":"{until}"}"#),
            "\"<b>\\\r\n\0 is sold out until {until}.",
            Some("\"<b>\\\r\n\0"),
        ),
    ];
    for (reaction, message, item) in rows {
        let upstream = Upstream::always(reaction.clone());
        let shop = Shop::open(&upstream);
        let answer = shop.client.send(&Request::get("/things").key(&shop.key));
        let content = answer.json();
        assert_eq!(answer.status, 409, "{answer:?}");
        assert_eq!(content["message"], message);
        assert_eq!(content["id"], answer.field("x-trace"), "the one id: {answer:?}");
        assert_eq!(content.get("item").and_then(Json::as_str), item);
    }
}
