use serde_json::json;

use super::*;

fn entry(json: serde_json::Value) -> Entry {
    serde_json::from_value(json).unwrap()
}

#[test]
fn explains_with_the_values_that_decided() {
    for (given, reason, next) in [
        (
            json!({ "status": 429, "condition": "rate.exceeded", "origin": "client", "cause": "rate `burst`", "retry_after": 1,
                    "values": { "limit": 5, "window": 1, "remaining": 0 } }),
            "The rate `burst` allows 5 requests in 1 second, and 0 were left.",
            "Wait 1 second, and send the request again.",
        ),
        (
            json!({ "status": 429, "condition": "quota.exceeded", "origin": "client",
                    "values": { "limit": 100, "window": 86400, "remaining": 0, "resets_at": "2026-12-02T00:00:00Z" } }),
            "The quota allows 100 requests in 1 day, and 0 were left. It resets at 2026-12-02T00:00:00Z.",
            "Wait for the next period of the quota, or change the plan.",
        ),
        (
            json!({ "status": 402, "condition": "credits.exhausted", "origin": "client",
                    "values": { "needed": 5, "available": 3 } }),
            "The operation costs 5 credits, and 3 are available.",
            "Add credits (`demur accounts top-up`), or wait for the next grant of the plan.",
        ),
        (
            json!({ "status": 401, "condition": "credential.revoked", "origin": "client", "cause": "revoked at 2026-11-01T00:00:00Z" }),
            "The API key was revoked or disabled (revoked at 2026-11-01T00:00:00Z).",
            "Use another key: `demur keys create`, or `demur keys rotate` beforehand.",
        ),
        (
            json!({ "status": 400, "condition": "param.missing", "origin": "client",
                    "violations": [{ "param": "brand", "location": "query", "rule": "param.missing" }] }),
            "`brand` (query) is missing: `param.missing`.",
            "Correct the request as the reason says. The same request fails again.",
        ),
        (
            json!({ "status": 400, "condition": "param.invalid.type.integer", "origin": "client",
                    "violations": [{ "param": "lines", "location": "body", "pointer": "/lines/0/count", "rule": "param.invalid.type.integer" }] }),
            "`/lines/0/count` (body) must be an integer: `param.invalid.type.integer`.",
            "Correct the request as the reason says. The same request fails again.",
        ),
        (
            json!({ "status": 502, "condition": "upstream.unreachable", "origin": "upstream", "cause": "connection refused" }),
            "The service is temporarily unreachable (connection refused).",
            "Look at the logs of the API at this time; the cause above is what the gateway saw of it.",
        ),
        (
            json!({ "status": 404, "condition": "order_unknown", "origin": "client" }),
            "The API raised the error `order_unknown`.",
            "See what the contract says of this error: `demur explain order_unknown`.",
        ),
        (
            json!({ "status": 401, "condition": "credential.token.expired", "origin": "client",
                    "cause": "expired 90 seconds ago" }),
            "The token has expired (expired 90 seconds ago).",
            "Get a new token from the identity provider, before the old one expires.",
        ),
        (
            json!({ "status": 403, "condition": "permission.address", "origin": "client",
                    "values": { "address": "192.0.2.1" } }),
            "The address `192.0.2.1` is not allowed, by the API or by the API key.",
            "Send the request from another address, or change `addresses` of the API or the addresses of the key.",
        ),
    ] {
        let explanation = Explanation::of(&entry(given.clone()));
        assert_eq!(explanation.reason, [reason], "{given}");
        assert_eq!(explanation.next.first().map_or("", String::as_str), next, "{given}");
    }
}

#[test]
fn says_what_was_charged_and_who_has_to_act() {
    let passed = json!([{ "check": "authentication", "outcome": "passed" }, { "check": "rate", "outcome": "passed" },
        { "check": "validation", "outcome": "rejected" }]);
    for (given, charge, responsible) in [
        (
            json!({ "status": 401, "condition": "credential.missing", "origin": "client" }),
            "Nothing. The request counts against no limit.",
            "client",
        ),
        (
            json!({ "status": 400, "condition": "param.missing", "origin": "client", "checks": passed }),
            "No credits. The request counts against rate and quota.",
            "client",
        ),
        (
            json!({ "status": 503, "condition": "overloaded", "origin": "gateway" }),
            "Nothing. What it had taken from the limits was given back.",
            "gateway",
        ),
        (
            json!({ "status": 200, "message": "request completed" }),
            "As the operation costs: see `demur accounts statement`.",
            "none",
        ),
    ] {
        let explanation = Explanation::of(&entry(given.clone()));
        assert_eq!((explanation.charge.as_str(), explanation.responsible), (charge, responsible), "{given}");
    }
    let of_checks = Explanation::of(&entry(json!({ "checks": passed })));
    assert_eq!(of_checks.checks, ["passed: authentication, rate", "rejected by: validation"]);
}

#[test]
fn every_condition_has_a_reason() {
    for condition in demur_contract::Condition::all() {
        let explanation = Explanation::of(&entry(
            json!({ "status": 400, "condition": condition.name(), "origin": "client" }),
        ));
        let [reason] = explanation.reason.as_slice() else { panic!("{}: {explanation:?}", condition.name()) };
        assert!(reason.ends_with('.') && !reason.contains(".."), "{}: {reason}", condition.name());
    }
}
