//! Real clients of other projects, pinned, against the gateway: openai-python and openai-node with an
//! OpenAI-shaped contract, stripe-python and stripe-node with a Stripe-shaped one.
//!
//! Their users must read type, code, param and request id, and they must retry or stop as the contract says.
//! Of themselves all four repeat 409 and every 5xx, and those of OpenAI 429 too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use demur_e2e::{Gateway, MockResponse, NewKey, Received, TestDir, Upstream, installed};
use serde_json::{Value as Json, json};

const CONFIGURATION: &str = r#"
demur: 2
plans:
  free: { rates: [{ name: burst, requests: 100, per: 1s, burst: 100 }] }
  slow: { rates: [{ name: burst, requests: 1, per: 1s, burst: 1 }] }
  slower: { rates: [{ name: burst, requests: 1, per: 1h, burst: 1 }] }
  spent: { quota: { requests: 0, time_zone: UTC } }
apis:
  - name: completions
    contract: openai
    openapi: completions.yaml
    mount: { path: /openai }
    upstream: http://UPSTREAM
    authentication: { scheme: bearer, prefix: sk-oai }
  - name: charges
    contract: stripe
    openapi: charges.yaml
    mount: { path: /v1 }
    upstream: http://UPSTREAM
    authentication: { scheme: bearer, prefix: sk_pay }
"#;

const COMPLETIONS: &str = r#"
openapi: 3.1.0
info: { title: Completions, version: "1" }
paths:
  /chat/completions:
    post:
      operationId: complete
      requestBody:
        required: true
        content:
          application/json:
            schema: { type: object, required: [model], properties: { model: { type: string } } }
      responses: { "200": { description: Done } }
"#;

const CHARGES: &str = r#"
openapi: 3.1.0
info: { title: Charges, version: "1" }
paths:
  /customers:
    get:
      operationId: listCustomers
      parameters: [{ name: limit, in: query, schema: { type: integer, maximum: 100 } }]
      responses: { "200": { description: Customers } }
    post:
      operationId: createCustomer
      responses: { "200": { description: Created } }
"#;

/// An SDK, and how to run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sdk {
    OpenAiPython,
    OpenAiNode,
    StripePython,
    StripeNode,
}

impl Sdk {
    fn is_openai(self) -> bool {
        matches!(self, Sdk::OpenAiPython | Sdk::OpenAiNode)
    }

    /// The folder of the SDKs; the first call installs them.
    fn folder() -> &'static Path {
        static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| installed("sdks/install.sh"));
        &FOLDER
    }

    /// What a user of the SDK reads from a call with this text.
    fn call(self, gateway: &Gateway, key: &str, what: &str) -> Json {
        let folder = Self::folder();
        let (program, script) = match self {
            Sdk::OpenAiPython => (folder.join("python/bin/python"), "openai_calls.py"),
            Sdk::OpenAiNode => ("node".into(), "openai_calls.mjs"),
            Sdk::StripePython => (folder.join("python/bin/python"), "stripe_calls.py"),
            Sdk::StripeNode => ("node".into(), "stripe_calls.mjs"),
        };
        let path = if self.is_openai() { "/openai" } else { "" };
        let mut command = Command::new(program);
        command.arg(folder.join(script)).arg(format!("http://{}{path}", gateway.address())).args([key, what]);
        command.stdin(Stdio::null()).env("NO_PROXY", "*").env("no_proxy", "*").current_dir(folder);
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| {
            panic!("{self:?} {what}: {error}: {said}{}", String::from_utf8_lossy(&output.stderr))
        })
    }
}

/// The upstream of both: the request names the error that it raises.
fn react(received: &Received) -> MockResponse {
    let said = String::from_utf8_lossy(&received.body).into_owned();
    let errors = [
        "not_found",
        "conflict",
        "server_error",
        "service_unavailable",
        "resource_missing",
        "resource_already_exists",
        "api_error",
    ];
    match errors.into_iter().find(|error| said.contains(&format!("raise-{error}"))) {
        Some(error) => MockResponse::response(400, &[("Demur-Error", error)], ""),
        None => MockResponse::json(200, &json!({ "id": "one", "object": "thing" })),
    }
}

struct Scene {
    gateway: Gateway,
    upstream: Upstream,
}

impl Scene {
    fn set() -> Self {
        let upstream = Upstream::start(react);
        let folder = TestDir::empty();
        folder.write("demur.yaml", &CONFIGURATION.replace("UPSTREAM", &upstream.address().to_string()));
        folder.write("completions.yaml", COMPLETIONS);
        folder.write("charges.yaml", CHARGES);
        for plan in ["free", "slow", "slower", "spent"] {
            folder.create_account(plan, plan);
        }
        Self { gateway: Gateway::serve(folder), upstream }
    }

    fn key(&self, sdk: Sdk, account: &str) -> String {
        let api = if sdk.is_openai() { "completions" } else { "charges" };
        self.gateway.folder().create_key(&NewKey { api, account, ..NewKey::default() }).secret
    }
}

/// What is expected of one call: status, type, code, param; and how often it reaches the upstream, or the
/// gateway where it does not get that far.
struct Case {
    what: &'static str,
    account: &'static str,
    read: (u16, &'static str, Option<&'static str>, Option<&'static str>),
    attempts: usize,
}

const fn case(
    what: &'static str,
    account: &'static str,
    read: (u16, &'static str, Option<&'static str>, Option<&'static str>),
    attempts: usize,
) -> Case {
    Case { what, account, read, attempts }
}

const INVALID: &str = "invalid_request_error";

/// What contracts say of retries: 4xx of a mistake never, trouble of the server's again, and a 409 and a
/// 429 that the contract calls final not, whatever the SDK would do of itself.
#[rustfmt::skip]
const OPENAI: &[Case] = &[
    case("gpt", "nobody", (401, INVALID, Some("invalid_api_key"), None), 1),
    case("no-model", "free", (400, INVALID, Some("missing_required_parameter"), Some("model")), 1),
    case("raise-not_found", "free", (404, INVALID, Some("not_found"), None), 1),
    case("raise-conflict", "free", (409, INVALID, Some("conflict"), None), 1),
    case("gpt", "spent", (429, "insufficient_quota", Some("insufficient_quota"), None), 1),
    case("raise-server_error", "free", (500, "server_error", Some("server_error"), None), 3),
    case("raise-service_unavailable", "free", (503, "server_error", Some("service_unavailable"), None), 3),
];

#[rustfmt::skip]
const STRIPE: &[Case] = &[
    case("Tea", "nobody", (401, INVALID, None, None), 1),
    case("list", "free", (400, INVALID, Some("parameter_invalid"), Some("limit")), 1),
    case("raise-resource_missing", "free", (404, INVALID, Some("resource_missing"), None), 1),
    case("raise-resource_already_exists", "free", (400, INVALID, Some("resource_already_exists"), None), 1),
    case("raise-api_error", "free", (500, "api_error", None, None), 3),
];

fn check(scene: &Scene, sdk: Sdk, case: &Case) {
    let key = match case.account {
        // A well-formed key that another gateway issued.
        "nobody" => Scene::set().key(sdk, "free"),
        account => scene.key(sdk, account),
    };
    let before = attempts(scene);
    let said = sdk.call(&scene.gateway, &key, case.what);
    let (status, kind, code, param) = case.read;
    let expected = json!({ "status": status, "type": kind, "code": code, "param": param });
    for (name, expected) in expected.as_object().unwrap() {
        assert_eq!(&said[name], expected, "{sdk:?} {}: {said}", case.what);
    }
    let id = said["request_id"].as_str().unwrap_or_else(|| panic!("{sdk:?} {}: {said}", case.what));
    // The log entry of the last attempt comes last.
    assert!(scene.gateway.logged(id).to_string().contains(id));
    assert_eq!(attempts(scene) - before, case.attempts, "attempts of {sdk:?} {}: {said}", case.what);
}

/// Every rejected request has a log entry with its ID.
fn attempts(scene: &Scene) -> usize {
    scene.gateway.log().lines().filter(|line| line.contains("req_")).count()
}

fn check_all(sdk: Sdk, cases: &[Case]) {
    let scene = Scene::set();
    for case in cases {
        check(&scene, sdk, case);
    }
    // A rate is waited out as the gateway says, and then the call succeeds. Stripe's clients never read how long, so that
    // `Should-Retry` is `false`: their user gets the 429.
    let key = scene.key(sdk, if sdk.is_openai() { "slow" } else { "slower" });
    assert!(sdk.call(&scene.gateway, &key, "Tea")["ok"].is_object());
    let reached = scene.upstream.received().len();
    let again = sdk.call(&scene.gateway, &key, "Tea");
    match sdk.is_openai() {
        true => assert!(again["ok"].is_object(), "{sdk:?}: {again}"),
        false => assert_eq!(again["status"], 429, "{sdk:?}: {again}"),
    }
    assert_eq!(scene.upstream.received().len(), reached + usize::from(sdk.is_openai()));
}

#[test]
fn openai_python_reads_and_retries_as_the_contract_says() {
    check_all(Sdk::OpenAiPython, OPENAI);
}

#[test]
fn openai_node_reads_and_retries_as_the_contract_says() {
    check_all(Sdk::OpenAiNode, OPENAI);
}

#[test]
fn stripe_python_reads_and_retries_as_the_contract_says() {
    check_all(Sdk::StripePython, STRIPE);
}

#[test]
fn stripe_node_reads_and_retries_as_the_contract_says() {
    check_all(Sdk::StripeNode, STRIPE);
}
