//! How an upstream raises a declared error: by name, with a problem document, in the contract's own format.
//! And what it cannot raise.

use demur_e2e::{MARKER, MockResponse, MockedGateway, Response};
use serde_json::{Value as Json, json};

use crate::assert_condition;

/// `Demur-Error: NAME`, with whatever status; no response has it as its status.
pub(crate) fn raise(name: &str, body: &str) -> MockResponse {
    MockResponse::response(418, &[("Demur-Error", name), ("Content-Type", "application/json")], body)
}

pub(crate) fn problem(status: u16, body: &Json) -> MockResponse {
    let headers = [("Content-Type", "application/problem+json; charset=utf-8")];
    MockResponse::response(status, &headers, body.to_string())
}

fn error_of(response: &Response, scripted: &MockedGateway) -> String {
    let logged = scripted.gateway().logged(response.header("x-request-id"));
    logged["error"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn upstream_raises_a_declared_error_by_name() {
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
    let scripted = MockedGateway::start();
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
            let response = scripted.response(api, reaction.clone());
            assert_eq!(
                (response.status, error_of(&response, &scripted).as_str()),
                (status, name),
                "{reaction:?}"
            );
        }
    }
}

#[test]
fn upstream_raises_a_condition_by_name() {
    let scripted = MockedGateway::start();
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
            let response = scripted.response(api, raise(condition, "{}"));
            assert_condition(&scripted, api, condition, response);
        }
    }
}

/// Only the gateway decides about keys, rates and credits; and an undeclared name is a mistake of the
/// upstream's, not of the caller's.
#[test]
fn raising_an_unknown_error_is_an_upstream_failure() {
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
    let scripted = MockedGateway::start();
    for (api, names) in rows {
        for name in names.iter().chain(&always) {
            let response = scripted.response(api, raise(name, "{}"));
            assert_condition(&scripted, api, "upstream.invalid_response", response);
            // In a problem document it names nothing, and the status decides.
            let response = scripted.response(api, problem(401, &json!({ "code": name, "type": name })));
            assert_condition(&scripted, api, "upstream.failed", response);
        }
    }
}

/// The same in the contract's own format: what the API may say itself is rendered again, the rest is not
/// believed.
#[test]
fn renders_errors_in_the_own_format_again() {
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
    let scripted = MockedGateway::start();
    for (api, status, body) in believed {
        let response = scripted.response(api, MockResponse::json(status, &body));
        assert_eq!((response.status, response.json()), (status, body), "{api}");
    }
    // A limit of the upstream keeps its status, and is none of the gateway's.
    let limited = json!({ "error": { "status": 429, "message": "The API rate limit has been exceeded." } });
    let response = scripted.response("trackbot-pro", MockResponse::json(429, &limited));
    let response = assert_condition(&scripted, "trackbot-pro", "upstream.refused.429", response);
    assert_eq!(response.status, 429);
    let not_believed = [
        ("trackyard", 401, json!({ "error": "Unauthorized", "message": "Invalid API key" })),
        (
            "trackyard",
            402,
            json!({ "error": "Out of credits", "message": "Please top up or upgrade your plan" }),
        ),
    ];
    for (api, status, body) in not_believed {
        let response = scripted.response(api, MockResponse::json(status, &body));
        assert_ne!(response.status, status, "{api}: {response:?}");
    }
}

/// Members that the format does not have would be the upstream's own words, and so would those of a member
/// that stands there twice: a reader sees the one, and the caller gets both.
#[test]
fn forwards_nothing_outside_of_the_format() {
    let sound = r#""error":{"status":400,"message":"Input parameters validation failed.","code":"validation_failed","errors":[{"field":"Courier","message":"'Courier' is closed on Sundays."}]}"#;
    let rows = [
        format!(r#"{{{sound},"trace":"{MARKER}"}}"#),
        format!(r#"{{"error":"{MARKER}",{sound}}}"#),
        format!(r#"{{{}}}"#, sound.replace(r#""code""#, &format!(r#""debug":"{MARKER}","code""#))),
        format!(r#"{{{}}}"#, sound.replace(r#""field""#, &format!(r#""sql":"{MARKER}","field""#))),
    ];
    let scripted = MockedGateway::start();
    for body in rows {
        let headers = [("Content-Type", "application/json")];
        let response = scripted.response("trackbot-pro", MockResponse::response(400, &headers, &body));
        assert_eq!(response.status, 400, "{body}: {response:?}");
    }
}

/// An id that the upstream made up would lead nowhere: the response has the gateway's, and no other.
#[test]
fn request_id_in_the_body_is_from_the_gateway() {
    let theirs = "upstream-made-id-0001";
    let scripted = MockedGateway::start();
    let body = json!({ "error": "Internal server error", "errors": [format!("An unexpected error occurred: {theirs}")] });
    let response = scripted.response("trakkr-get-scores", MockResponse::json(500, &body));
    let ours = response.header("x-request-id");
    let expected = json!({ "error": "Internal server error", "errors": [format!("An unexpected error occurred: {ours}")] });
    assert_eq!(response.json(), expected);
    assert!(!response.text().contains(theirs), "{response:?}");

    // And a header of that name in any upstream response.
    for status in [200, 201, 404, 500] {
        let headers = [("X-Request-Id", theirs), ("Content-Type", "application/json")];
        let response = scripted.response("trakkr-get-scores", MockResponse::response(status, &headers, "{}"));
        let ids: Vec<&str> = response.headers.all("x-request-id").collect();
        assert!(ids.len() == 1 && ids[0] != theirs, "{response:?}");
    }
}

/// On a success the name has no meaning, and is not forwarded.
#[test]
fn success_cannot_raise_an_error() {
    let scripted = MockedGateway::start();
    for api in crate::APIS {
        let headers =
            [("Demur-Error", "not_found"), ("Demur-Account", "x"), ("Content-Type", "application/json")];
        let response = scripted.response(api, MockResponse::response(200, &headers, "{\"well\":true}"));
        assert_eq!((response.status, response.text().as_str()), (200, "{\"well\":true}"));
    }
}
