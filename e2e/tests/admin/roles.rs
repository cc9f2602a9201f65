//! Role by operation, and the audit log of each.

use std::collections::BTreeSet;

use demur_e2e::{Request, Response};
use serde_json::{Value as Json, json};

use crate::operator::{API, ROLES, Running, code};

/// Each operation: its method, its path in the document, the least role, and whether it changes something.
const OPERATIONS: &[(&str, &str, &str, bool)] = &[
    ("GET", "/v1/accounts", "viewer", false),
    ("POST", "/v1/accounts", "operator", true),
    ("GET", "/v1/accounts/{account}", "viewer", false),
    ("PATCH", "/v1/accounts/{account}", "operator", true),
    ("GET", "/v1/accounts/{account}/statement", "viewer", false),
    ("POST", "/v1/accounts/{account}/top-ups", "support", true),
    ("POST", "/v1/accounts/{account}/withdrawals", "operator", true),
    ("POST", "/v1/accounts/{account}/refunds", "support", true),
    ("GET", "/v1/keys", "viewer", false),
    ("POST", "/v1/keys", "support", true),
    ("GET", "/v1/keys/{key}", "viewer", false),
    ("POST", "/v1/keys/{key}/rotate", "support", true),
    ("POST", "/v1/keys/{key}/disable", "support", true),
    ("POST", "/v1/keys/{key}/enable", "support", true),
    ("GET", "/v1/plans", "viewer", false),
    ("GET", "/v1/journal", "viewer", false),
    ("POST", "/v1/explain", "viewer", false),
    ("GET", "/v1/configuration", "operator", false),
    ("POST", "/v1/configuration/reload", "operator", true),
    ("GET", "/v1/audit", "operator", false),
    ("POST", "/v1/keys/{key}/revoke", "support", true),
    ("DELETE", "/v1/accounts/{account}", "operator", true),
];

fn body(path: &str) -> Option<Json> {
    let booking = json!({ "amount": 5, "reason": "test" });
    Some(match path {
        "/v1/accounts" => json!({ "name": "Acme", "plan": "pro" }),
        "/v1/accounts/{account}" => json!({ "plan": "free" }),
        "/v1/accounts/{account}/top-ups" | "/v1/accounts/{account}/withdrawals" => booking,
        "/v1/accounts/{account}/refunds" => json!({ "operation": "op_1", "reason": "test" }),
        "/v1/keys" => json!({ "api": API, "account": "acme" }),
        "/v1/keys/{key}/rotate" => json!({ "grace_seconds": 0 }),
        "/v1/explain" => json!({ "text": "01a2309e6c007d5a9c1f0b8e2d3c4b5a" }),
        _ => return None,
    })
}

fn rank(role: &str) -> usize {
    ROLES.iter().position(|known| *known == role).unwrap()
}

#[test]
fn roles_by_operation_and_every_change_is_in_the_audit_log() {
    let running = Running::start();
    let (key, _) = running.account_with_key("acme");
    let mut changes: Vec<(String, u16, &str)> = Vec::new();
    let mut seen = BTreeSet::new();
    for (method, path, least, is_change) in OPERATIONS {
        for role in ROLES {
            let target = path.replace("{account}", "acme").replace("{key}", &key);
            let target = if *method == "DELETE" { format!("{target}?revoke_keys=true") } else { target };
            let request = Request::new(method, &target);
            let request = match body(path).filter(|_| *method != "GET" && *method != "DELETE") {
                Some(body) => request.json(&body),
                None => request,
            };
            let response: Response = running.send(role, request);
            let expected = rank(role) >= rank(least);
            let is_allowed = response.status != 403;
            assert_eq!(is_allowed, expected, "{role} {method} {path}: {response:?}");
            if is_allowed {
                assert!(response.status < 500, "{role} {method} {path}: {response:?}");
            } else {
                assert_eq!(code(&response), "role_insufficient");
            }
            // What is expected to fail, fails for another reason than the role.
            let has_failed = response.status >= 400;
            let fails = ["/v1/accounts/{account}/refunds", "/v1/explain"].contains(path);
            assert_eq!(has_failed, !is_allowed || fails, "{role} {method} {path}: {response:?}");
            if *is_change {
                changes.push((response.header("x-request-id").to_owned(), response.status, role));
            }
        }
        seen.insert((method.to_lowercase(), (*path).to_owned()));
    }
    // The table has every operation of the document.
    let document = running.client.send(&Request::get("/openapi.json")).json();
    let paths = document["paths"].as_object().unwrap();
    let documented: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, operations)| {
            let methods = operations.as_object().unwrap().keys().filter(|name| *name != "parameters");
            methods.map(|method| (method.clone(), path.clone()))
        })
        .collect();
    assert_eq!(seen, documented);

    let audit = running.audit();
    assert_eq!(changes.len(), 36);
    for (id, status, role) in &changes {
        let of_request: Vec<&Json> = audit.iter().filter(|entry| entry["request_id"] == **id).collect();
        assert_eq!(of_request.len(), 1, "{id}: {of_request:?}");
        assert_eq!(of_request[0]["status"], *status, "{}", of_request[0]);
        assert_eq!(of_request[0]["role"], *role);
        assert_eq!(of_request[0]["code"].is_null(), *status < 400, "{}", of_request[0]);
    }
    // Beside them: the account and the key of the beginning, and the tokens.
    let tokens = audit.iter().filter(|entry| entry["operation"] == "createToken").count();
    assert_eq!((audit.len(), tokens), (changes.len() + 2 + 4, 4));
    // The command line shows the same.
    let shown = running.gateway.folder().result(&["admin", "audit", "--limit", "1000"]);
    assert_eq!(shown, Json::Array(audit));
}
