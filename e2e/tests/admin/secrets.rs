//! No secret is anywhere but with its owner: no file, log, record or response has what keys and tokens are made of.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use demur_e2e::Request;
use serde_json::json;

use crate::operator::{API, Running, code};

#[test]
fn the_first_token_is_in_a_file_of_its_owner_only() {
    let running = Running::start();
    let folder = running.gateway.folder();
    let file = folder.path().join("admin.db.token");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(folder.path().join("admin.db")).unwrap().permissions().mode() & 0o777, 0o600);
    let token = fs::read_to_string(&file).unwrap();
    let request = Request::get("/v1/configuration").key(token.trim());
    assert_eq!(running.client.send(&request).status, 200, "it is an operator's");
    assert!(!running.gateway.log().contains(token.trim()));
}

#[test]
fn no_file_log_or_response_contains_a_secret() {
    let running = Running::start();
    let folder = running.gateway.folder();
    fs::remove_file(folder.path().join("admin.db.token")).unwrap();
    let (key, first) = running.account_with_key("acme");
    let body = json!({ "grace_seconds": 60 });
    let rotate =
        Request::post(&format!("/v1/keys/{key}/rotate")).json(&body).header("Idempotency-Key", "rotate-1");
    let second = running.done(rotate)["secret"].as_str().unwrap().to_owned();
    let tokens: Vec<String> =
        ["viewer", "support", "operator"].map(|role| running.token(role).to_owned()).into();
    let secrets: Vec<String> = tokens.into_iter().chain([first, second]).collect();
    let mut texts = Vec::new();
    for secret in &secrets {
        // Where they do not belong: in names, reasons, labels, IDs, filters, idempotency keys, and in what is pasted.
        let reason = format!("the customer sent {secret}");
        let top_up = |reason: &str| {
            Request::post("/v1/accounts/acme/top-ups").json(&json!({ "amount": 1, "reason": reason }))
        };
        let label = json!({ "api": API, "account": "acme", "label": secret });
        let metadata = json!({ "api": API, "account": "acme", "metadata": { secret.as_str(): "x" } });
        for request in [
            top_up(&reason),
            top_up("fine").header("Idempotency-Key", secret),
            Request::post("/v1/accounts").json(&json!({ "id": secret, "name": "a", "plan": "pro" })),
            Request::post("/v1/keys").json(&label),
            Request::post("/v1/keys").json(&metadata),
            Request::get(&format!("/v1/keys/{secret}")),
            Request::post(&format!("/v1/keys/{secret}/revoke")),
            Request::get(&format!("/v1/journal?key={secret}")),
        ] {
            for role in ["support", "operator"] {
                let response = running.send(role, request.clone());
                let is_rejected =
                    ["credential_in_request", "role_insufficient"].contains(&code(&response).as_str());
                assert!(is_rejected, "{response:?}");
                texts.push(("a response", response.text()));
            }
        }
        let pasted = json!({ "text": format!("curl -i -H 'Authorization: Bearer {secret}'") });
        let explained = running.send("viewer", Request::post("/v1/explain").json(&pasted));
        assert_eq!(code(&explained), "no_request_id");
        texts.push(("an explanation", explained.text()));
        texts.push(("a path", running.send("operator", Request::get(&format!("/{secret}"))).text()));
    }
    texts.push(("the audit log", running.done(Request::get("/v1/audit?limit=1000")).to_string()));
    texts.push(("the keys", running.done(Request::get("/v1/keys")).to_string()));
    texts.push(("the tokens", folder.result(&["admin", "token", "list"]).to_string()));
    texts.push(("the configuration", running.done(Request::get("/v1/configuration")).to_string()));
    texts.push(("the log", running.gateway.log()));
    let files: Vec<(String, Vec<u8>)> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    assert!(files.iter().any(|(name, _)| name.ends_with("admin.db-wal")), "the changes are among them");
    for secret in &secrets {
        // Eight characters of the random part are no coincidence.
        let random = &secret[secret.rfind('_').unwrap() + 1..];
        for part in random.as_bytes().windows(8) {
            let holds = |bytes: &[u8]| bytes.windows(8).any(|window| window == part);
            if let Some((place, _)) = texts.iter().find(|(_, text)| holds(text.as_bytes())) {
                panic!("{place} contains a part of a secret");
            }
        }
        for (name, bytes) in &files {
            // All parts of a secret at once: the files are large.
            let parts: std::collections::HashSet<&[u8]> = random.as_bytes().windows(8).collect();
            assert!(
                !bytes.windows(8).any(|window| parts.contains(window)),
                "{name} contains a part of a secret"
            );
        }
    }
}
