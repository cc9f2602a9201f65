//! Whom a token is for: account, plan, scopes and limits.

use demur_e2e::{Request, TestDir};
use serde_json::{Value as Json, json};

use crate::issuer::{Issuer, claims, encoded};
use crate::shop::{self, Shop};

struct Fixture {
    issuer: Issuer,
    shop: Shop,
}

impl Fixture {
    fn new() -> Self {
        let (issuer, folder) = (Issuer::new(), TestDir::empty());
        folder.write("keys.json", &issuer.key_set("").to_string());
        let shop = shop::serve(folder, "keys: { file: keys.json }\nalgorithms: [ES256]");
        Self { issuer, shop }
    }

    fn token(&self, changes: Json) -> String {
        self.issuer.sign(&json!({ "alg": "ES256", "kid": "ec" }), &claims(changes))
    }
}

#[test]
fn an_account_of_the_store_keeps_its_plan_and_another_one_has_that_of_the_token() {
    let fixture = Fixture::new();
    fixture.shop.gateway.folder().create_account("known", "pro");
    for (changes, plan) in [
        (json!({ "sub": "known" }), "pro"),
        // The plan of the store wins: a token cannot change what an account pays for.
        (json!({ "sub": "known", "plan": "free" }), "pro"),
        (json!({ "sub": "unknown" }), "pro"),
        (json!({ "sub": "unknown", "plan": "free" }), "free"),
    ] {
        let response = fixture.shop.list(&fixture.token(changes.clone()));
        assert_eq!(response.status, 200, "{changes}: {}", response.text());
        let received = fixture.shop.upstream.last();
        assert_eq!(received.headers.first("demur-account"), changes["sub"].as_str(), "{changes}");
        assert_eq!(received.headers.first("demur-plan"), Some(plan), "{changes}");
        let key = received.headers.first("demur-key").unwrap_or_default();
        assert!(key.starts_with("jwt_") && key.len() == 36, "{key}");
        assert_eq!(received.headers.first("authorization"), None, "the token is not forwarded");
    }
    for (changes, condition) in [
        (json!({ "sub": "other", "plan": "off" }), "plan.inactive"),
        (json!({ "sub": "other", "plan": "gone" }), "plan.inactive"),
    ] {
        let response = fixture.shop.list(&fixture.token(changes.clone()));
        assert_eq!(fixture.shop.condition(&response), condition, "{changes}");
    }
}

#[test]
fn scopes_of_a_token_grant_operations() {
    let fixture = Fixture::new();
    for (scope, status) in [
        (json!("read"), 403),
        (json!("read write"), 200),
        (json!(["write"]), 200),
        (json!("writer"), 403),
        (json!(""), 403),
        (Json::Null, 403),
    ] {
        let token = fixture.token(json!({ "scope": scope }));
        let response = fixture.shop.send(Request::post("/items"), &token);
        assert_eq!(response.status, status, "{scope}");
    }
}

/// An account that is not in the store has rates in memory, which all tokens of it share, and no credits.
#[test]
fn limits_apply_to_the_account_of_a_token() {
    let fixture = Fixture::new();
    let token = |sub: &str, id: u32| fixture.token(json!({ "sub": sub, "plan": "free", "jti": id }));
    let statuses: Vec<u16> = (0..5).map(|id| fixture.shop.list(&token("one", id)).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(fixture.shop.list(&token("two", 9)).status, 200);

    fixture.shop.gateway.folder().create_account("known", "pro");
    let report =
        |sub: &str| fixture.shop.send(Request::get("/reports"), &fixture.token(json!({ "sub": sub })));
    assert_eq!(fixture.shop.condition(&report("unknown")), "credits.exhausted");
    assert_eq!(report("known").status, 200);
    assert_eq!(fixture.shop.gateway.folder().account("known")["credits"]["available"], 95);
}

/// What a request has done is remembered for accounts of the store only.
#[test]
fn idempotency_keys_need_an_account_of_the_store() {
    let fixture = Fixture::new();
    fixture.shop.gateway.folder().create_account("known", "pro");
    for (sub, executions) in [("known", 1), ("unknown", 2)] {
        let token = fixture.token(json!({ "sub": sub, "scope": "write" }));
        let before = fixture.shop.upstream.count();
        for _ in 0..2 {
            let request = Request::post("/items").header("idempotency-key", "order-7");
            let response = fixture.shop.send(request, &token);
            assert_eq!(response.status, 200, "{sub}");
            let logged = fixture.shop.logged(&response).to_string();
            assert_eq!(logged.contains("the idempotency key has no effect"), sub == "unknown", "{logged}");
        }
        assert_eq!(fixture.shop.upstream.count() - before, executions, "{sub}");
    }
    let forwarded = fixture.shop.upstream.last();
    assert_eq!(forwarded.headers.first("idempotency-key"), Some("order-7"));
}

#[test]
fn a_token_of_a_deleted_account_is_rejected() {
    let fixture = Fixture::new();
    let folder = fixture.shop.gateway.folder();
    folder.create_account("known", "pro");
    let token = fixture.token(json!({ "sub": "known" }));
    assert_eq!(fixture.shop.list(&token).status, 200);
    folder.result(&["accounts", "delete", "known"]);
    let response = fixture.shop.list(&token);
    assert_eq!(fixture.shop.condition(&response), "credential.token.revoked");
}

/// Keys and tokens are accepted side by side, and never both at once.
#[test]
fn keys_are_accepted_beside_tokens() {
    let fixture = Fixture::new();
    let folder = fixture.shop.gateway.folder();
    folder.create_account("known", "pro");
    let key = folder.create_key(&demur_e2e::NewKey { api: "shop", account: "known", ..Default::default() });
    let response = fixture.shop.list(&key.secret);
    assert_eq!((response.status, response.text()), (200, "known".to_owned()));
    let token = fixture.token(json!({}));
    assert_eq!(fixture.shop.list(&token).status, 200);
    let both = Request::get("/items")
        .header("authorization", &format!("Bearer {}", key.secret))
        .header("authorization", &format!("Bearer {token}"));
    let response = fixture.shop.client.send(&both);
    assert_eq!(fixture.shop.condition(&response), "credential.malformed");
    let missing = fixture.shop.client.send(&Request::get("/items"));
    assert_eq!(missing.header("www-authenticate"), "Bearer realm=\"shop\"");
}

/// A token is verified again after the configuration has changed, and the old keys no longer verify it.
#[test]
fn a_reload_replaces_keys_and_policy() {
    let (issuer, folder) = (Issuer::new(), TestDir::empty());
    folder.write("keys.json", &issuer.key_set("").to_string());
    let shop = shop::serve(folder, "keys: { file: keys.json }\nalgorithms: [ES256]");
    let token = issuer.sign(&json!({ "alg": "ES256", "kid": "ec" }), &claims(json!({})));
    assert_eq!(shop.list(&token).status, 200);
    let folder = shop.gateway.folder();
    folder.edit("[https://api.example, https://other.example]", "https://other.example");
    folder.result(&["reload"]);
    assert_eq!(shop.condition(&shop.list(&token)), "credential.token.audience");
    folder.edit("audience: https://other.example", "audience: https://api.example");
    folder.result(&["reload"]);
    assert_eq!(shop.list(&token).status, 200);
    folder.write("keys.json", &Issuer::new().key_set("").to_string());
    folder.result(&["reload"]);
    assert_eq!(shop.condition(&shop.list(&token)), "credential.token.signature");
}

/// No log has a token, however it is sent, nor has an upstream.
#[test]
fn no_log_shows_a_token() {
    let fixture = Fixture::new();
    let token = fixture.token(json!({}));
    let expired = fixture.token(json!({ "exp": 1 }));
    let query = Request::get(&format!("/items?access_token={token}"));
    for response in [
        fixture.shop.list(&token),
        fixture.shop.list(&expired),
        fixture.shop.client.send(&query),
        fixture.shop.send(Request::get(&format!("/items?token={token}")), &token),
    ] {
        fixture.shop.logged(&response);
    }
    let log = fixture.shop.gateway.log();
    for token in [&token, &expired] {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!log.contains(signature) && !log.contains(&encoded("{\"aud\"")), "{log}");
    }
    assert!(fixture.shop.upstream.received().iter().all(|received| !received.target.contains("eyJ")));
}
