//! What the operations do: what they change can be seen on the data port, and what they read is what happened there.

use std::time::{Duration, Instant};

use demur_e2e::Request;
use serde_json::{Value as Json, json};

use crate::operator::{API, Running, code};

const SEARCH: &str = "/api/external/v1/search";

#[test]
fn keys_work_as_they_are_changed() {
    let running = Running::start();
    let (key, secret) = running.account_with_key("acme");
    let data = running.gateway.client(API);
    let is_accepted = |secret: &str| {
        let request = Request::post(SEARCH).key(secret).json(&json!({ "query": "epic" }));
        // Nothing listens at the upstream: a request that is admitted cannot be forwarded.
        data.send(&request).status != 401
    };
    let change = |action: &str| running.done(Request::post(&format!("/v1/keys/{key}/{action}")));
    assert!(is_accepted(&secret));
    assert_eq!(change("disable")["state"], "disabled");
    assert!(!is_accepted(&secret));
    assert_eq!(change("enable")["state"], "active");
    assert!(is_accepted(&secret));
    let rotate = |grace: u64| {
        let body = json!({ "grace_seconds": grace });
        let rotated = running.done(Request::post(&format!("/v1/keys/{key}/rotate")).json(&body));
        rotated["secret"].as_str().unwrap().to_owned()
    };
    let second = rotate(3600);
    assert!(is_accepted(&secret) && is_accepted(&second), "both within the grace period");
    let third = rotate(0);
    assert!(!is_accepted(&secret) && !is_accepted(&second) && is_accepted(&third));
    assert_eq!(change("revoke")["state"], "revoked");
    assert!(!is_accepted(&third));
    let body = json!({ "grace_seconds": 0 });
    let rotated = running.send("operator", Request::post(&format!("/v1/keys/{key}/rotate")).json(&body));
    assert_eq!((rotated.status, code(&rotated).as_str()), (409, "key_not_active"));
    for (body, expected) in [
        (json!({ "api": "none", "account": "acme" }), "api_unknown"),
        (json!({ "api": API, "account": "nobody" }), "account_not_found"),
        (json!({ "api": API, "account": "acme", "environment": "live" }), "environment_unknown"),
        (json!({ "api": API, "account": "acme", "operations": ["fly"] }), "operation_unknown"),
        (json!({ "api": API, "account": "acme", "label": "  " }), "command_invalid"),
    ] {
        let response = running.send("operator", Request::post("/v1/keys").json(&body));
        assert_eq!(code(&response), expected, "{body}");
    }
}

#[test]
fn accounts_are_listed_in_pages_and_keep_their_books() {
    let running = Running::start();
    for number in 0..7 {
        let body = json!({ "id": format!("account-{number}"), "name": "a", "plan": "pro" });
        running.done(Request::post("/v1/accounts").json(&body));
    }
    let (mut listed, mut cursor): (Vec<String>, _) = (Vec::new(), String::new());
    loop {
        let page = running.done(Request::get(&format!("/v1/accounts?limit=3{cursor}")));
        listed
            .extend(page["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&after={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..7).map(|number| format!("account-{number}")).collect();
    assert_eq!(listed, expected);

    let base = "/v1/accounts/account-1";
    let book = |what: &str, amount: u64| {
        let body = json!({ "amount": amount, "reason": "goodwill" });
        running.send("operator", Request::post(&format!("{base}/{what}")).json(&body))
    };
    let begin = running.done(Request::get(base))["credits"]["available"].as_u64().unwrap();
    assert_eq!(book("top-ups", 50).json()["credits"]["available"], begin + 50);
    assert_eq!(book("withdrawals", 20).json()["credits"]["available"], begin + 30);
    assert_eq!(code(&book("withdrawals", 10_000_000_000)), "insufficient_credits");
    let statement = running.done(Request::get(&format!("{base}/statement")));
    let kinds: Vec<&str> = statement["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["withdrawal", "top_up", "grant"]);
    assert_eq!(running.done(Request::new("PATCH", base).json(&json!({ "plan": "free" })))["plan"], "free");
    let unknown = running.send("operator", Request::new("PATCH", base).json(&json!({ "plan": "gold" })));
    assert_eq!(code(&unknown), "plan_unknown");
    assert!(running.done(Request::new("DELETE", base))["deleted"].is_string());
    let deleted = running.send("operator", Request::new("PATCH", base).json(&json!({ "plan": "free" })));
    assert_eq!(code(&deleted), "account_deleted");
    let plans = running.done(Request::get("/v1/plans"));
    let names: Vec<&str> =
        plans["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"pro") && names.contains(&"daily"), "{names:?}");
}

#[test]
fn explains_requests_and_searches_the_journal() {
    let running = Running::start();
    let data = running.gateway.client(API);
    let rejected = data.send(&Request::post(SEARCH).json(&json!({ "query": "epic" })));
    let id = rejected.header("x-request-id").to_owned();
    let explain =
        |text: &str| running.send("viewer", Request::post("/v1/explain").json(&json!({ "text": text })));
    let pasted = format!("HTTP/1.1 401\r\nx-request-id: {id}\r\nauthorization: Bearer whatever\r\n");
    let deadline = Instant::now() + Duration::from_secs(60);
    while explain(&id).status != 200 {
        assert!(Instant::now() < deadline, "the journal has the entry");
        std::thread::sleep(Duration::from_millis(50));
    }
    let explained = explain(&pasted).json();
    assert_eq!(explained["entry"]["request_id"], id);
    assert_eq!(explained["entry"]["condition"], "credential.missing");
    assert_eq!(explained["explanation"]["responsible"], "client");
    assert!(!explained.to_string().contains("whatever"), "{explained}");
    for (text, status, expected) in [
        ("no ID", 422, "no_request_id"),
        ("4bf92f3577b34da6a3ce929d0e0e4736", 422, "foreign_request_id"),
        ("018a230a429d70369192443f1d1e1c2b", 410, "request_expired"),
        ("7fffffff429d70369192443f1d1e1c2b", 404, "request_not_found"),
    ] {
        let response = explain(text);
        assert_eq!((response.status, code(&response).as_str()), (status, expected), "{text}");
    }
    let search = |query: &str| running.done(Request::get(&format!("/v1/journal?{query}")));
    let count = |query: &str| search(query)["items"].as_array().unwrap().len();
    for _ in 0..4 {
        data.send(&Request::get("/nowhere"));
    }
    while count("status=4xx") < 5 {
        assert!(Instant::now() < deadline, "the journal has the entries");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(count("condition=credential&api=trackyard"), 1);
    assert_eq!(count("status=5xx"), 0);
    assert_eq!(count("account=nobody"), 0);
    let first = search("limit=2");
    let second = search(&format!("limit=3&after={}", first["next"].as_str().unwrap()));
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (2, 3));
    assert_eq!(second["next"], Json::Null);
    assert_eq!(second["items"][2]["request_id"], id, "the oldest is last");
}

#[test]
fn shows_and_reloads_the_configuration() {
    let running = Running::start();
    let folder = running.gateway.folder();
    let shown = || running.done(Request::get("/v1/configuration"));
    let first = shown();
    assert_eq!((&first["generation"], &first["last_rejected"]), (&json!(1), &Json::Null));
    assert_eq!(first["effective"]["limits"]["max_headers"], 100, "with defaults");
    let reload = || running.send("operator", Request::post("/v1/configuration/reload"));
    folder.edit("  pro:\n", "  gold: { rates: [{ name: burst, requests: 5, per: 1s }] }\n  pro:\n");
    let reloaded = reload().json();
    assert_eq!(reloaded["generation"], 2);
    assert!(reloaded["changes"].to_string().contains("plans.gold"), "{reloaded}");
    let second = shown();
    assert!(second["digest"] != first["digest"] && second["effective"]["plans"]["gold"].is_object());
    assert!(running.done(Request::get("/v1/plans")).to_string().contains("\"gold\""));
    folder.edit("plans:\n", "plans: 5 #\n");
    let rejected = reload();
    assert_eq!((rejected.status, code(&rejected).as_str()), (422, "reload_rejected"));
    let third = shown();
    assert_eq!((&third["generation"], &third["digest"]), (&json!(2), &second["digest"]));
    assert!(!third["last_rejected"]["reasons"].as_array().unwrap().is_empty(), "{third}");
}
