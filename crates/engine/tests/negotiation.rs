//! One API with two contract versions, in several languages and media types: the response to each client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what failed by failing"
)]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use demur_admission::memory::{MemoryDirectory, MemoryLedger};
use demur_admission::{
    Account, AccountId, Admission, CacheConfig, Clock, ConnectionCache, Grants, KeyId, KeyRecord,
    LocalCounters, Pepper, Plans, Secret, Stores,
};
use demur_config::{ServiceSettings, load_service};
use demur_contract::Contract;
use demur_engine::{Api, BodyError, Engine, RequestBody, RequestInfo, RequestRecord, ResponseBody};
use demur_source::{Diagnostics, Source};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value as Json, json};

const NEW: &str = "\
demur: 1
name: shop-2
request_id: { header: Shop-Request-Id, prefix: two_ }
headers: [ietf, { retry_after_ms: Shop-Wait }]
doc_url: https://shop.example/errors/{name}
formats: { default: { code: $code, text: $message, fields?: [$violation.message] } }
violations: { messages: { invalid: 'wrong: {param}' } }
errors:
  invalid: { status: 422, message: Some fields are wrong., on: [param] }
  bad_request: { status: 400, message: Bad., on: [request] }
  unauthenticated: { status: 401, message: Who are you?, on: [credential] }
  sold_out: { status: 409, message: '{item} is sold out.', params: [item] }
  internal: { status: 500, message: Ours., on: [internal] }
locales:
  it:
    errors:
      invalid: Alcuni campi sono errati.
      bad_request: Errata.
      unauthenticated: Chi sei?
      sold_out: '{item} è esaurito.'
      internal: Nostro.
    violations: { invalid: 'errato: {param}' }
";

const OLD: &str = "\
demur: 1
name: shop-1
problem_json: off
formats: { default: { error: $message } }
errors:
  bad: { status: 400, message: 'No: {param}', on: [request, param] }
  no_key: { status: 401, message: No key., on: [credential] }
  gone: { status: 404, message: Not there., on: [resource, sold_out] }
  oops: { status: 500, message: Oops., on: [internal] }
";

const DOCUMENT: &str = "\
openapi: 3.1.0
info: { title: shop, version: '2' }
paths:
  /items:
    get:
      operationId: items
      parameters: [{ name: limit, in: query, schema: { type: integer, maximum: 5 } }]
      responses: { '200': { description: them } }
  /v1/items:
    get:
      operationId: oldItems
      parameters: [{ name: limit, in: query, schema: { type: integer, maximum: 5 } }]
      responses: { '200': { description: them } }
";

const API: &str = "\
name: shop
contract: new.yaml
versions:
  - { contract: old.yaml, match: { path: /v1 } }
  - { contract: old.yaml, match: { header: { name: Api-Version, value: '1' } } }
  - { contract: old.yaml, match: { host: old.shop.example } }
  - { contract: old.yaml, match: { key_header: X-Api-Key } }
openapi: openapi.yaml
authentication: { scheme: bearer, also: { header: X-Api-Key }, prefix: shop }
rules:
  - { name: stock, require: \"!has(params.limit) || params.limit != 3\", raise: sold_out, with: { item: \"'Tea'\" } }
";

fn read(api: &str, new: &str, old: &str) -> Result<ServiceSettings, Diagnostics> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("new.yaml", new), ("old.yaml", old), ("openapi.yaml", DOCUMENT)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let api: String = api.lines().map(|line| format!("    {line}\n")).collect();
    let plans = "plans: { free: { rates: [{ name: burst, requests: 7, per: 60s, burst: 7 }] } }";
    let source = Source::new("demur.yaml", format!("demur: 2\n{plans}\napis:\n  -\n{api}"));
    load_service(&source, folder.path()).map(|(settings, _)| settings)
}

struct World {
    engine: Arc<Engine>,
    clock: Clock,
    secret: String,
    /// Over which all requests come.
    connection: ConnectionCache,
}

fn world() -> World {
    let service = read(API, NEW, OLD).unwrap_or_else(|found| panic!("{found}"));
    let settings = service.apis.into_iter().next().unwrap();
    let plans = Arc::new(Plans::new(service.plans));
    let keys = Arc::new(MemoryDirectory::new());
    let stores = Stores {
        keys: keys.clone(),
        limits: Arc::new(LocalCounters::new()),
        credits: Arc::new(MemoryLedger::new()),
    };
    let pepper = Pepper::from_bytes(&[0; 32]);
    let clock = Clock::start();
    let account =
        Account { id: AccountId::generate(), name: "Acme".into(), plan: "free".into(), grant_day: None };
    let secret = Secret::generate("shop").unwrap();
    let record = KeyRecord {
        id: KeyId::generate(),
        account: account.id.clone(),
        api: "shop".into(),
        prefix: "shop".into(),
        created: clock.now().wall,
        expires: None,
        revoked: None,
        grants: Grants::default(),
        disabled: None,
        metadata: std::collections::BTreeMap::new(),
    };
    keys.insert(pepper.digest(secret.expose()), record, account);
    let admission = Admission::new(stores, pepper, plans, CacheConfig::default());
    let voice = Contract::load(&demur_contract::builtin::source("problem").unwrap()).unwrap().contract;
    let engine = Engine::new(vec![Api::new(settings)], admission, Arc::new(voice));
    World { engine, clock, secret: secret.expose().to_owned(), connection: ConnectionCache::default() }
}

/// A response, with its body as JSON.
struct Reply {
    response: Response<()>,
    record: RequestRecord,
    json: Json,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).map(|value| value.to_str().unwrap())
    }
}

impl World {
    fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, value.replace("KEY", &self.secret));
        }
        let body = Full::<Bytes>::default().map_err(|never| match never {});
        let request: Request<http_body_util::combinators::BoxBody<Bytes, BodyError>> =
            request.body(body.boxed()).unwrap();
        let arrival = RequestInfo {
            is_trusted_proxy: false,
            now: self.clock.now(),
            peer: None,
            connection_cache: Some(&self.connection),
            listener: None,
            rejection: None,
            lag: Duration::ZERO,
        };
        let upstream = |_: &Arc<Api>, _: Request<RequestBody<_>>| async {
            let body = Full::new(Bytes::from_static(b"{}"));
            Ok(Response::new(body))
        };
        let (response, record): (Response<ResponseBody<Full<Bytes>>>, _) =
            block(self.engine.serve(request, arrival, upstream));
        let (head, body) = response.into_parts();
        let body = block(body.collect()).unwrap().to_bytes();
        let json = serde_json::from_slice(&body).unwrap();
        Reply { response: Response::from_parts(head, ()), record, json }
    }
}

/// The stores are in memory: nothing here ever waits.
fn block<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("this waits"),
    }
}

const KEY: (&str, &str) = ("authorization", "Bearer KEY");

#[test]
fn connection_caches_its_caller() {
    let world = world();
    let known = || format!("{:?}", world.connection);
    assert_eq!(known(), "ConnectionCache { has_principal: false }");
    for _ in 0..2 {
        assert_eq!(world.ask("/items", &[KEY]).response.status(), 200);
    }
    assert_eq!(known(), "ConnectionCache { has_principal: true }");
}

#[test]
fn serves_two_contract_versions() {
    let world = world();
    for (path, headers, status, body, id_header) in [
        (
            "/items?limit=9",
            &[KEY][..],
            422,
            json!({"code":"invalid","text":"Some fields are wrong.","fields":["wrong: limit"]}),
            "shop-request-id",
        ),
        ("/v1/items?limit=9", &[KEY], 400, json!({"error":"No: limit"}), "x-request-id"),
        ("/items?limit=9", &[KEY, ("api-version", "1")], 400, json!({"error":"No: limit"}), "x-request-id"),
        (
            "/items?limit=9",
            &[KEY, ("host", "old.shop.example:80")],
            400,
            json!({"error":"No: limit"}),
            "x-request-id",
        ),
        ("/items", &[("x-api-key", "nonsense")], 401, json!({"error":"No key."}), "x-request-id"),
        ("/items", &[], 401, json!({"code":"unauthenticated","text":"Who are you?"}), "shop-request-id"),
        // A rule raises one condition; each contract version has its own error for it.
        (
            "/items?limit=3",
            &[KEY],
            409,
            json!({"code":"sold_out","text":"Tea is sold out."}),
            "shop-request-id",
        ),
        ("/items?limit=3", &[KEY, ("api-version", "1")], 404, json!({"error":"Not there."}), "x-request-id"),
        ("/items?limit=3", &[("x-api-key", "KEY")], 404, json!({"error":"Not there."}), "x-request-id"),
    ] {
        let response = world.ask(path, headers);
        assert_eq!(response.response.status(), status, "{path} {headers:?}: {}", response.json);
        assert_eq!(response.json, body, "{path} {headers:?}");
        assert!(response.header(id_header).is_some(), "{path} {headers:?}");
    }
}

#[test]
fn renders_in_the_clients_language_and_media_type() {
    let world = world();
    let problem = ("accept", "application/problem+json, */*;q=0.1");
    let italian = ("accept-language", "de, it-IT;q=0.9");
    let response = world.ask("/items?limit=9", &[KEY, problem]);
    let id = response.header("shop-request-id").unwrap().to_owned();
    assert_eq!(
        response.json,
        json!({
            "type": "https://shop.example/errors/invalid", "title": "Parameters are missing or invalid",
            "status": 422, "detail": "Some fields are wrong.", "instance": id, "code": "invalid",
            "errors": [{ "pointer": "/limit", "location": "query", "rule": "maximum", "detail": "wrong: limit" }],
        })
    );
    for (headers, media_type, language, vary) in [
        (&[KEY][..], "application/json", Some("en"), Some("accept, accept-language")),
        (&[KEY, problem], "application/problem+json", Some("en"), Some("accept, accept-language")),
        (&[KEY, italian], "application/json", Some("it"), Some("accept, accept-language")),
        (&[KEY, problem, italian], "application/problem+json", Some("it"), Some("accept, accept-language")),
        // The other generation has one language, and rules problem documents out.
        (&[KEY, problem, italian, ("api-version", "1")], "application/json", None, None),
    ] {
        let response = world.ask("/items?limit=9", headers);
        assert_eq!(response.header("content-type"), Some(media_type), "{headers:?}");
        assert_eq!(response.header("content-language"), language, "{headers:?}");
        assert_eq!(response.header("vary"), vary, "{headers:?}");
        if language == Some("it") {
            let text = response.json.to_string();
            assert!(text.contains("Alcuni campi sono errati.") && text.contains("errato: limit"), "{text}");
        }
        // Whatever is said, it is the same error for the operators.
        let rejection = response.record.rejection().unwrap();
        let code = if headers.len() == 4 { "bad" } else { "invalid" };
        assert_eq!((rejection.code(), rejection.status), (code, response.response.status().as_u16()));
    }
    // What passes is not touched.
    let response = world.ask("/items", &[KEY, problem, italian]);
    assert_eq!((response.response.status().as_u16(), response.header("content-language")), (200, None));
}

#[test]
fn limit_headers_are_those_of_the_contract_version() {
    let world = world();
    let mut response = world.ask("/items", &[KEY]);
    assert_eq!(response.header("ratelimit-policy"), Some("\"burst\";q=7;w=60"));
    assert!(response.header("ratelimit").unwrap().starts_with("\"burst\";r=6;t="));
    for _ in 0..7 {
        response = world.ask("/items", &[KEY, ("accept", "application/problem+json")]);
    }
    assert_eq!(response.response.status(), 429);
    assert_eq!(response.json["violated-policies"], json!(["burst"]));
    let seconds: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(response.header("shop-wait").unwrap(), (seconds * 1000).to_string());
    let old = world.ask("/items", &[KEY, ("api-version", "1")]);
    assert_eq!(old.response.status(), 429);
    assert_eq!((old.header("ratelimit"), old.header("shop-wait")), (None, None));
}

#[test]
fn unknown_api_is_rejected_in_the_default_contract() {
    let engine = world();
    let response = engine.ask("/elsewhere/", &[]);
    assert_eq!(response.response.status(), 404);
}

#[test]
fn reports_mistakes_in_contract_versions() {
    for (old, new, check, says) in [
        ("match: { path: /v1 }", "match: { path: v1 }", "path", "write `/v1`"),
        ("match: { path: /v1 }", "match: {}", "match", "key_header"),
        (", match: { path: /v1 }", "", "missing-key", "`match`"),
        ("match: { path: /v1 }", "mtach: { path: /v1 }", "unknown-key", "did you mean `match`?"),
        ("value: '1'", "valeu: '1'", "unknown-key", "did you mean `value`?"),
        ("key_header: X-Api-Key", "key_header: X-Api-Kez", "key-header", "did you mean `x-api-key`?"),
        ("name: Api-Version", "name: 'Api Version'", "header-name", "Api Version"),
        ("match: { host: old.shop.example }", "match: { path: /v1 }", "unreachable-version", "same `match`"),
        (
            "contract: old.yaml, match: { path",
            "contract: problm, match: { path",
            "unknown-contract",
            "did you mean",
        ),
        ("also: { header: X-Api-Key }", "also: { scheme: bearer }", "scheme", "already"),
        ("raise: sold_out", "raise: invalid", "unknown-error", "shop-1"),
    ] {
        let api = API.replacen(old, new, 1);
        assert_ne!(api, API, "{old}");
        let found = read(&api, NEW, OLD).expect_err(new).to_string();
        assert!(found.contains(&format!("error[{check}]")) && found.contains(says), "{new}: {found}");
    }
    let unclaimed = OLD.replace("[resource, sold_out]", "[resource]");
    let found = read(API, NEW, &unclaimed).expect_err("sold_out").to_string();
    assert!(found.contains("unclaimed-by-version") && found.contains("`sold_out`"), "{found}");
}
