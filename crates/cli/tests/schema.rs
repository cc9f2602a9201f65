//! The committed JSON Schemas agree with the loaders: the same keys, and all files of this repository are valid.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what failed by failing"
)]

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use demur_contract::{Contract, builtin};
use demur_source::{Diagnostics, Source};
use serde_json::{Value as Json, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schema(name: &str) -> Json {
    let text = std::fs::read_to_string(root().join(format!("docs/schema/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn json(text: &str) -> Json {
    demur_source::parse(&Source::new("t.yaml", text)).unwrap().to_json()
}

fn mistakes(schema: &Json, file: &Json) -> Vec<String> {
    let validator = jsonschema::draft7::new(schema).unwrap();
    validator.iter_errors(file).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schemas_are_draft_07_themselves() {
    for name in ["contract", "configuration"] {
        let schema = schema(name);
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        assert!(jsonschema::draft7::meta::is_valid(&schema), "{name}");
    }
}

#[test]
fn committed_files_name_their_schema_and_are_valid() {
    let contracts = builtin::names().map(|name| (format!("contracts/{name}.yaml"), "contract"));
    let others = [
        ("examples/demur.yaml".to_owned(), "configuration"),
        ("e2e/tests/configuration/sound/contract.yaml".to_owned(), "contract"),
        ("e2e/tests/configuration/sound/demur.yaml".to_owned(), "configuration"),
        ("crates/cli/src/commands/first-contract.yaml".to_owned(), "contract"),
        ("crates/admin/data/contract.yaml".to_owned(), "contract"),
    ];
    let mut files = 0;
    for (file, kind) in contracts.chain(others) {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        let found = mistakes(&schema(kind), &json(&text));
        assert!(found.is_empty(), "{file}: {found:#?}");
        if file.starts_with("contracts/") || file.starts_with("examples/") {
            let line = format!("# yaml-language-server: $schema=../docs/schema/{kind}.json");
            assert_eq!(text.lines().next(), Some(line.as_str()), "{file}");
        }
        files += 1;
    }
    assert!(files > 15, "only {files} files");
}

#[test]
fn the_command_prints_the_committed_schema() {
    for name in ["contract", "configuration"] {
        let output = Command::new(env!("CARGO_BIN_EXE_demur")).args(["schema", name]).output().unwrap();
        assert!(output.status.success());
        assert_eq!(serde_json::from_slice::<Json>(&output.stdout).unwrap(), schema(name));
    }
}

#[test]
fn init_writes_a_valid_contract_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demur"));
        command.args(arguments).current_dir(folder.path()).output().unwrap()
    };
    assert_eq!(run(&["init", "shop.yaml"]).status.code(), Some(0));
    let written = std::fs::read_to_string(folder.path().join("shop.yaml")).unwrap();
    assert!(written.contains("name: shop "), "{written}");
    assert_eq!(run(&["check", "shop.yaml"]).status.code(), Some(0));
    let again = run(&["init", "shop.yaml"]);
    assert_eq!(again.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&again.stderr).contains("`shop.yaml` already exists"));
    assert_eq!(std::fs::read_to_string(folder.path().join("shop.yaml")).unwrap(), written);
    assert_eq!(run(&["init"]).status.code(), Some(0));
    assert!(folder.path().join("contract.yaml").exists());
}

/// Every mapping of a contract: where it is in the sound file, and in the schema.
const CONTRACT_MAPPINGS: &[(&str, &str)] = &[
    ("", ""),
    ("/request_id", "/properties/request_id"),
    ("/violations", "/properties/violations"),
    ("/headers/1", "/definitions/familyFields"),
    ("/errors/one", "/definitions/error"),
    ("/errors/one/message", "/definitions/message"),
    ("/errors/one/retry", "/definitions/retry"),
    ("/locales/it", "/definitions/translation"),
    ("/locales/it/errors/one", "/definitions/translatedError"),
];

fn sound_contract() -> Json {
    json(
        "{ demur: 1, name: shop, request_id: { prefix: r_ }, violations: { show: all },
           headers: [ietf, { limit: L }], formats: { default: { m: $message } },
           errors: { one: { status: 500, message: { default: One }, retry: { class: never },
                            on: [request, internal] } },
           locales: { it: { errors: { one: { message: Uno } } } } }",
    )
}

const CONFIGURATION_MAPPINGS: &[(&str, &str)] = &[
    ("", ""),
    ("/listen", "/definitions/listener"),
    ("/listen/tls", "/definitions/listener/properties/tls"),
    ("/listen/tls/certificates/0", "/definitions/listener/properties/tls/properties/certificates/items"),
    ("/store", "/properties/store/oneOf/1"),
    ("/limits", "/properties/limits"),
    ("/limits/min_body_rate", "/properties/limits/properties/min_body_rate"),
    ("/cache", "/properties/cache"),
    ("/trusted_proxies", "/properties/trusted_proxies"),
    ("/access_log", "/properties/access_log/anyOf/1"),
    ("/journal", "/properties/journal/anyOf/1"),
    ("/admin", "/properties/admin/anyOf/1"),
    ("/reload", "/properties/reload"),
    ("/docs", "/properties/docs"),
    ("/plans/free", "/definitions/plan"),
    ("/plans/free/rates/0", "/definitions/rate"),
    ("/plans/free/quota", "/definitions/quota"),
    ("/plans/free/credits", "/definitions/credits"),
    ("/plans/free/concurrency", "/definitions/plan/properties/concurrency/oneOf/1"),
    ("/apis/0", "/definitions/api"),
    ("/apis/0/mount", "/definitions/api/properties/mount"),
    ("/apis/0/versions/0", "/definitions/version"),
    ("/apis/0/versions/0/match", "/definitions/match"),
    ("/apis/0/versions/0/match/header", "/definitions/matchHeader"),
    ("/apis/0/upstream", "/definitions/upstream"),
    ("/apis/0/upstream/tls", "/definitions/upstream/properties/tls"),
    ("/apis/0/upstream/endpoints/0", "/definitions/endpoint"),
    ("/apis/0/upstream/health_check", "/definitions/upstream/properties/health_check/oneOf/1"),
    ("/apis/0/upstream/ejection", "/definitions/upstream/properties/ejection"),
    ("/apis/0/authentication", "/definitions/authentication"),
    ("/apis/0/authentication/also", "/definitions/alsoAuthentication"),
    ("/apis/0/authentication/tokens", "/definitions/tokens"),
    ("/apis/0/authentication/tokens/keys", "/definitions/tokens/properties/keys"),
    ("/apis/0/authentication/tokens/claims", "/definitions/tokens/properties/claims"),
    ("/apis/0/addresses", "/definitions/api/properties/addresses"),
    ("/apis/0/authentication/failures", "/definitions/authentication/properties/failures"),
    ("/apis/0/validation", "/definitions/api/properties/validation"),
    ("/apis/0/cors", "/definitions/cors"),
    ("/apis/0/overload", "/definitions/overload"),
    ("/apis/0/idempotency", "/definitions/idempotency/oneOf/1"),
    ("/apis/0/websocket", "/definitions/websocket/oneOf/1"),
    ("/apis/0/upstream_errors", "/definitions/upstreamErrors"),
    ("/apis/0/upstream_errors/rules/0", "/definitions/translationRule"),
    ("/apis/0/headers", "/definitions/headers"),
    ("/apis/0/headers/request", "/definitions/requestHeaders"),
    ("/apis/0/headers/request/set/X-Token", "/definitions/secret"),
    ("/apis/0/headers/response", "/definitions/responseHeaders"),
    ("/apis/0/operations/list", "/definitions/operation"),
    ("/apis/0/operations/list/usage", "/definitions/usage"),
    ("/apis/0/rules/0", "/definitions/rule"),
];

fn sound_configuration() -> Json {
    json(
        "{ demur: 2, listen: { address: '127.0.0.1:8443', tls: { certificates: [{ certificate: shop.pem, key: shop.key }] } },
           store: { postgres: { env: PATH }, pepper: { env: PATH } },
           limits: { max_headers: 10, min_body_rate: { per: 1s } }, cache: { keys: 100 }, trusted_proxies: { networks: [10.0.0.0/8] }, access_log: { requests: all }, journal: { path: journal.db }, admin: { address: '127.0.0.1:8092' }, docs: { path: /pages }, reload: { watch: true },
           plans: { free: { rates: [{ requests: 1, per: 1s }], quota: { requests: 1 }, credits: { monthly: 1 },
                            concurrency: { requests: 5 } } },
           apis: [{ name: shop, contract: problem, openapi: openapi.yaml, mount: { path: /shop },
                    versions: [{ contract: problem, match: { header: { name: V, value: '1' } } }],
                    upstream: { endpoints: [{ url: 'https://127.0.0.1:9' }], tls: { roots: shop.pem }, health_check: { path: /health }, ejection: { failures: 3 } },
                    authentication: { prefix: shp, also: { header: X-Key }, failures: { requests: 9, per: 1m },
                                      tokens: { issuer: 'https://id.example', audience: api, algorithms: [ES256, EdDSA], claims: { plan: plan }, plan: free, require: { tenant: [a, b] },
                                                keys: { url: 'https://id.example/keys', roots: shop.pem, refresh: 1m, max_age: 1h } } },
                    addresses: { allow: [10.0.0.0/8], deny: 10.9.0.1 },
                    validation: { formats: assert },
                    cors: { origins: ['https://app.example'] }, overload: { in_flight: 9 },
                    idempotency: { mode: upstream, ttl: 1h, max_repeats: 3 }, traceparent: create, websocket: { idle_timeout: 1m },
                    upstream_errors: { rules: [{ status: 404, when: { /kind: gone }, raise: resource.gone }] },
                    headers: { request: { set: { X-Token: { env: PATH } }, remove: [Cookie] }, response: { keep: [Server] } },
                    operations: { list: { credits: 1, usage: { header: X-Used } } },
                    rules: [{ name: r, require: 'true', raise: internal }] }] }",
    )
}

fn load_contract(file: &Json) -> Result<(), Diagnostics> {
    Contract::load(&Source::new("shop.yaml", file.to_string())).map(drop)
}

fn load_configuration(file: &Json) -> Result<(), Diagnostics> {
    let folder = tempfile::tempdir().unwrap();
    let document = json!({
        "openapi": "3.1.0", "info": { "title": "shop", "version": "1" },
        "paths": { "/a": { "get": { "operationId": "list", "responses": { "200": { "description": "" } } } } },
    });
    std::fs::write(folder.path().join("openapi.yaml"), document.to_string()).unwrap();
    let certified = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    std::fs::write(folder.path().join("shop.pem"), certified.cert.pem()).unwrap();
    std::fs::write(folder.path().join("shop.key"), certified.signing_key.serialize_pem()).unwrap();
    let source: Arc<Source> = Source::new("demur.yaml", file.to_string());
    demur_config::load_gateway(&source, folder.path()).map(drop)
}

const STRANGER: &str = "zzzzzzzzzzzz";

/// The keys, from the loader's message about an unknown one.
fn known_to_loader(found: &Diagnostics) -> BTreeSet<String> {
    let is_it = |message: &str| message.contains(&format!("unknown key `{STRANGER}` in"));
    let hit = found.iter().find(|diagnostic| diagnostic.check == "unknown-key" && is_it(&diagnostic.message));
    let hit = hit.unwrap_or_else(|| panic!("the loader takes a key that nobody knows:\n{found}"));
    let help = hit.help.as_deref().unwrap();
    let keys = help.strip_prefix("known keys: ").unwrap_or_else(|| panic!("{help}"));
    keys.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}

fn check(kind: &str, sound: &Json, mappings: &[(&str, &str)], load: fn(&Json) -> Result<(), Diagnostics>) {
    let schema = schema(kind);
    load(sound).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(mistakes(&schema, sound), Vec::<String>::new());
    for (place, at) in mappings {
        let mut broken = sound.clone();
        let mapping = broken.pointer_mut(place).unwrap_or_else(|| panic!("{place}"));
        mapping[STRANGER] = json!(1);
        let found = load(&broken).expect_err(place);
        assert!(!mistakes(&schema, &broken).is_empty(), "{kind}: the schema takes a stranger at `{place}`");
        let properties = schema.pointer(at).unwrap()["properties"].as_object().unwrap();
        let told: BTreeSet<String> = properties.keys().cloned().collect();
        assert_eq!(told, known_to_loader(&found), "{kind} at `{place}`: schema (left) and loader (right)");
    }
    // No mapping of the schema is without a row above.
    let closed: HashSet<String> = closed_mappings(&schema, String::new()).into_iter().collect();
    let rows: HashSet<String> = mappings.iter().map(|(_, at)| (*at).to_owned()).collect();
    let untried: Vec<_> =
        closed.difference(&rows).filter(|at| !at.starts_with("/properties/statuses")).collect();
    assert!(untried.is_empty(), "{kind}: {untried:?}");
}

fn closed_mappings(schema: &Json, at: String) -> Vec<String> {
    let mut found = Vec::new();
    match schema {
        Json::Object(members) => {
            if members.get("additionalProperties") == Some(&json!(false)) {
                found.push(at.clone());
            }
            found.extend(
                members.iter().flat_map(|(name, value)| closed_mappings(value, format!("{at}/{name}"))),
            );
        }
        Json::Array(items) => {
            let numbered = items.iter().enumerate();
            found.extend(numbered.flat_map(|(index, value)| closed_mappings(value, format!("{at}/{index}"))));
        }
        _ => {}
    }
    found
}

#[test]
fn loader_and_schema_know_the_same_keys_of_a_contract() {
    check("contract", &sound_contract(), CONTRACT_MAPPINGS, load_contract);
}

#[test]
fn loader_and_schema_know_the_same_keys_of_a_configuration() {
    check("configuration", &sound_configuration(), CONFIGURATION_MAPPINGS, load_configuration);
}

/// Mistakes that a schema can find: what the loader rejects, an editor underlines.
#[test]
fn the_schema_rejects_what_the_loader_rejects() {
    let refused = |pointer: &str, value: Json| {
        let mut broken = sound_contract();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        broken.pointer_mut(parent).unwrap()[key] = value.clone();
        assert!(load_contract(&broken).is_err(), "the loader takes {pointer}: {value}");
        assert!(!mistakes(&schema("contract"), &broken).is_empty(), "the schema takes {pointer}: {value}");
    };
    for (pointer, value) in [
        ("/demur", json!(2)),
        ("/code_style", json!("snake")),
        ("/headers", json!(["x-ratelimits"])),
        ("/headers", json!([{ "limit": "a b" }])),
        ("/headers", json!([{ "reset": "R", "reset_as": "epoch" }])),
        ("/statuses", json!({ "700": "Bad" })),
        ("/statuses", json!("shut")),
        ("/request_id", json!({ "field": "a b" })),
        ("/formats", json!({ "other": {} })),
        ("/violations", json!({ "field": "pascall" })),
        ("/violations", json!({ "show": "some" })),
        ("/problem_json", json!("maybe")),
        ("/errors/one/status", json!(200)),
        ("/errors/one", json!({ "on": ["request", "internal"] })),
        ("/errors/one/retry", json!("sometimes")),
        ("/errors/one/retry", json!({ "class": "sometimes" })),
        ("/errors/one/retry", json!({ "default_delay": "soon" })),
        ("/errors/one/show", json!("some")),
        ("/errors/one/collect", json!("all")),
        ("/errors/one", json!(409)),
        ("/errors", json!([])),
        ("/locales", json!({ "it": 1 })),
    ] {
        refused(pointer, value);
    }
}
