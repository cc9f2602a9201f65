//! Changes: each is made once for an `Idempotency-Key`, also if the requests come at the same time.

use std::thread;

use demur_e2e::{Request, Response};
use serde_json::json;

use crate::operator::{API, Running, code};

fn top_up(key: &str, amount: u64) -> Request {
    let body = json!({ "amount": amount, "reason": "test" });
    Request::post("/v1/accounts/acme/top-ups").json(&body).header("Idempotency-Key", key)
}

fn available(running: &Running) -> u64 {
    running.done(Request::get("/v1/accounts/acme"))["credits"]["available"].as_u64().unwrap()
}

#[test]
fn makes_a_change_once_for_an_idempotency_key() {
    let running = Running::start();
    running.account_with_key("acme");
    let begin = available(&running);
    let first = running.send("operator", top_up("once", 7));
    let again = running.send("operator", top_up("once", 7));
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.body, again.body);
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(available(&running), begin + 7);
    // The key with another request, and the key of another token.
    let other = running.send("operator", top_up("once", 8));
    assert_eq!((other.status, code(&other).as_str()), (422, "idempotency_key_reused"));
    let elsewhere = Request::post("/v1/configuration/reload").header("Idempotency-Key", "once");
    assert_eq!(code(&running.send("operator", elsewhere)), "idempotency_key_reused");
    let of_support = running.send("support", top_up("once", 8));
    assert_eq!(
        (of_support.status, code(&of_support).as_str()),
        (409, "operation_mismatch"),
        "the ledger knows it"
    );
    assert_eq!(available(&running), begin + 7);
    // What has failed runs again.
    let missing = || {
        let body = json!({ "id": "later", "name": "a", "plan": "none" });
        running.send("operator", Request::post("/v1/accounts").json(&body).header("Idempotency-Key", "fails"))
    };
    assert_eq!((code(&missing()), code(&missing())), ("plan_unknown".to_owned(), "plan_unknown".to_owned()));
    let audited = running.audit().iter().filter(|entry| entry["operation"] == "topUp").count();
    assert_eq!(audited, 2, "a repetition changes nothing");
    for key in ["", "with space", "\u{e9}", &"k".repeat(129)] {
        let response = running.send("operator", top_up(key, 1));
        assert_eq!(response.status, 400, "{key}: {response:?}");
    }
}

#[test]
fn makes_concurrent_repetitions_once() {
    let running = Running::start();
    running.account_with_key("acme");
    let keys = || running.done(Request::get("/v1/keys?account=acme"))["items"].as_array().unwrap().len();
    let before = keys();
    let (client, token) = (running.client.clone(), running.token("support").to_owned());
    let create = || {
        let body = json!({ "api": API, "account": "acme" });
        client.send(&Request::post("/v1/keys").json(&body).header("Idempotency-Key", "one").key(&token))
    };
    let responses: Vec<Response> = thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(keys(), before + 1);
    let secrets = responses.iter().filter(|it| it.status == 201 && it.json()["secret"].is_string()).count();
    assert_eq!(secrets, 1, "the secret is shown once");
    for response in &responses {
        let is_progress = response.status == 409 && code(response) == "idempotency_in_progress";
        assert!(response.status == 201 || is_progress, "{response:?}");
    }
    let replayed = create();
    assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (201, "true"));
    assert!(replayed.json().get("secret").is_none(), "{replayed:?}");
}
