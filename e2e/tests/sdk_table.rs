//! Real SDKs of other projects, pinned (`sdks/requirements.txt`, `sdks/package.json`), against the gateway: what their
//! users read of each failure, and how often each of them asks. `sdks/golden.txt` has the table; `DEMUR_UPDATE_GOLDENS=1`
//! writes it anew: read the difference, because each row is what a customer gets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex};

use demur_e2e::{
    Gateway, MockResponse, NewKey, Received, Request, TestDir, Upstream, installed, refusing_address,
};
use serde_json::{Value as Json, json};

/// A name, the program's first argument, whether it runs on Node, and the contract that fits it.
const SDKS: [(&str, &str, bool, &str); 10] = [
    ("openai-python", "openai", false, "openai"),
    ("openai-node", "openai", true, "openai"),
    ("anthropic-python", "anthropic", false, "anthropic.yaml"),
    ("anthropic-node", "anthropic", true, "anthropic.yaml"),
    ("stripe-python", "stripe", false, "stripe"),
    ("stripe-node", "stripe", true, "stripe"),
    ("azure-core", "azure", false, "odata"),
    ("google-api-core", "google", false, "google"),
    ("huggingface-hub", "huggingface", false, "rails"),
    ("octokit", "octokit", true, "github.yaml"),
];

/// A situation: its name, the account, the path, and whether the upstream is dead.
const SITUATIONS: [(&str, &str, &str, bool); 12] = [
    ("401", "nobody", "/things", false),
    ("403", "free", "/admin", false),
    ("404", "free", "/nowhere", false),
    ("400", "free", "/things?limit=1000", false),
    ("429", "busy", "/things", false),
    ("quota", "spent", "/things", false),
    ("402", "free", "/paid", false),
    ("500", "free", "/fails", false),
    ("503", "free", "/down", false),
    ("dead", "free", "/things", true),
    ("html", "free", "/page", false),
    ("cut", "free", "/cut", false),
];

/// The shape of Anthropic's errors, as its documentation has it.
const ANTHROPIC: &str = r#"
demur: 1
name: anthropic
request_id: { header: request-id, prefix: req_ }
headers: [x-should-retry]
formats:
  default: { type: error, error: { type: $type, message: $detail }, request_id: $request_id }
errors:
  invalid: { status: 400, type: invalid_request_error, message: The request is invalid., on: [request, body, param] }
  unauthorized: { status: 401, type: authentication_error, message: invalid x-api-key, on: [credential] }
  unpaid: { status: 402, type: billing_error, message: There are no credits left., on: [credits.exhausted, plan.inactive] }
  forbidden: { status: 403, type: permission_error, message: The key does not cover this., on: [permission, plan.required] }
  not_found: { status: 404, type: not_found_error, message: Not found., on: [resource.not_found, upstream.refused.404] }
  limited: { status: 429, type: rate_limit_error, message: Slow down., on: [rate, credential.throttled, credits.held] }
  spent: { status: 429, type: rate_limit_error, message: The quota is used up., retry: at_reset, on: [quota] }
  failed: { status: 500, type: api_error, message: Internal server error., on: [internal, rule, upstream.failed, upstream.invalid_response] }
  busy: { status: 529, type: overloaded_error, message: Overloaded., retry: backoff, on: [overloaded, upstream.unreachable, upstream.unavailable, upstream.unhealthy] }
"#;

/// The shape of GitHub's errors.
const GITHUB: &str = r#"
demur: 1
name: github
request_id: { header: X-GitHub-Request-Id, prefix: "" }
headers: [x-ratelimit]
formats:
  default: { message: $message, errors?: [{ resource: Thing, field: $violation.field, code: $violation.rule }] }
violations: { field: path }
errors:
  bad: { status: 400, message: Problems parsing JSON, on: [request, body] }
  invalid: { status: 422, message: Validation Failed, on: [param] }
  unauthorized: { status: 401, message: Bad credentials, on: [credential] }
  unpaid: { status: 402, message: Payment required, on: [credits.exhausted, plan.inactive] }
  forbidden: { status: 403, message: Resource not accessible, on: [permission, plan.required] }
  not_found: { status: 404, message: Not Found, on: [resource.not_found, upstream.refused.404] }
  limited: { status: 429, message: API rate limit exceeded, on: [rate, quota.exceeded, credential.throttled, credits.held] }
  failed: { status: 500, message: Server Error, on: [internal, rule, upstream.failed, upstream.invalid_response] }
"#;

const DOCUMENT: &str = r#"
openapi: 3.1.0
info: { title: Things, version: "1" }
paths:
  /things:
    get:
      operationId: listThings
      parameters: [{ name: limit, in: query, schema: { type: integer, maximum: 100 } }]
      responses: { "200": { description: Things, content: { application/json: { schema: { type: object } } } } }
  /admin: { get: { operationId: administer, responses: { "200": { description: Done, content: { application/json: { schema: { type: object } } } } } } }
  /paid: { get: { operationId: buy, responses: { "200": { description: Done, content: { application/json: { schema: { type: object } } } } } } }
  /fails: { get: { operationId: fail, responses: { "200": { description: Done, content: { application/json: { schema: { type: object } } } } } } }
  /down: { get: { operationId: goDown, responses: { "200": { description: Done, content: { application/json: { schema: { type: object } } } } } } }
  /page: { get: { operationId: showPage, responses: { "200": { description: Done, content: { application/json: { schema: { type: object } } } } } } }
  /cut: { get: { operationId: cut, responses: { "200": { description: Done, content: { application/json: { schema: { type: object } } } } } } }
  /hold: { get: { operationId: hold, responses: { "200": { description: Done } } } }
"#;

/// The folder of the SDKs; the first call installs them.
fn folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| installed("sdks/install.sh"));
    &FOLDER
}

fn react(received: &Received) -> MockResponse {
    let path = received.target.split('?').next().unwrap();
    match path.rsplit('/').next().unwrap() {
        "fails" => MockResponse::stack_trace(),
        "down" => MockResponse::html(503),
        "page" => MockResponse::html(200),
        "cut" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 64\r\n\r\n";
            MockResponse::bytes(format!("{head}{{\"id\": \"one\",")).and_closes()
        }
        "hold" => MockResponse::silence(),
        _ => MockResponse::json(200, &json!({ "id": "one" })),
    }
}

fn configuration(upstream: &Upstream, dead: std::net::SocketAddr) -> String {
    let mut apis = String::new();
    for (name, _, _, contract) in SDKS {
        let contract =
            if contract.ends_with(".yaml") { format!("./{contract}") } else { contract.to_owned() };
        for (suffix, address) in [("", upstream.address()), ("-dead", dead)] {
            write!(
                apis,
                "  - name: {name}{suffix}\n    contract: {contract}\n    openapi: things.yaml\n    mount: {{ path: /{name}{suffix} }}\n    \
                 upstream: {{ url: \"http://{address}\", timeout: 120s }}\n    authentication: {{ scheme: bearer, prefix: sk }}\n    \
                 operations: {{ administer: {{ scope: admin }}, buy: {{ credits: 2 }} }}\n"
            )
            .unwrap();
        }
    }
    format!(
        "demur: 2\naccess_log: all\nworkers: 1\nplans:\n  free: {{ credits: {{ monthly: 1 }} }}\n  busy: {{ concurrency: 1 }}\n  \
         spent: {{ quota: {{ requests: 0, time_zone: UTC }} }}\napis:\n{apis}"
    )
}

/// The distinct requests to an API that the log has.
fn asked(gateway: &Gateway, api: &str) -> usize {
    let log = gateway.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let of_api = lines.filter(|line| line["api"] == api && line["status"].is_number());
    of_api.filter_map(|line| line["request_id"].as_str().map(str::to_owned)).collect::<BTreeSet<_>>().len()
}

/// A process that makes all calls with one SDK. It may take minutes: some SDKs take many seconds to import, and others wait
/// between their attempts.
struct Sdk {
    process: Child,
    outcomes: std::io::Lines<BufReader<ChildStdout>>,
}

impl Sdk {
    fn start(sdk: &str, is_node: bool) -> Self {
        let folder = folder();
        let mut command = Command::new("timeout");
        command.arg("900");
        if is_node {
            command.arg("node").arg(folder.join("calls.mjs"));
        } else {
            command.arg(folder.join("python/bin/python")).arg(folder.join("calls.py"));
        }
        command.arg(sdk).env("NO_PROXY", "*").env("no_proxy", "*").current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let outcomes = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, outcomes }
    }

    /// What a user reads of the outcome of one call.
    fn call(&mut self, base: &str, key: &str, path: &str) -> Json {
        writeln!(self.process.stdin.as_mut().unwrap(), "{base} {key} {path}").unwrap();
        let said =
            self.outcomes.next().unwrap_or_else(|| panic!("{base}{path}: the SDK has stopped")).unwrap();
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{base}{path}: {error}: {said}"))
    }
}

impl Drop for Sdk {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn shown(read: &Json) -> String {
    if let Some(ok) = read.get("ok") {
        return format!("a success: {}", ok.to_string().chars().take(40).collect::<String>());
    }
    let mut text = read["class"].as_str().unwrap().to_owned();
    for (name, value) in read.as_object().unwrap().iter().filter(|(name, _)| *name != "class") {
        match value {
            Json::Null | Json::Bool(false) => {}
            Json::Bool(true) => write!(text, " +{name}").unwrap(),
            other => write!(text, " {name}={other}").unwrap(),
        }
    }
    text
}

fn rows(gateway: &Mutex<Gateway>, (name, sdk, is_node, _): (&str, &str, bool, &str)) -> String {
    let mut table = String::new();
    let key = |api: &str, account: &str| {
        let gateway = gateway.lock().unwrap();
        gateway.folder().create_key(&NewKey { api, account, scopes: &["read"], ..NewKey::default() }).secret
    };
    let busy = key(name, "busy");
    // Holds the only slot of its account for as long as the test lasts.
    let (address, held) = (gateway.lock().unwrap().address(), busy.clone());
    let hold = format!("GET /{name}/hold HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {held}\r\n\r\n");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(hold.as_bytes()).unwrap();
    let mut sdk = Sdk::start(sdk, is_node);
    let (free, spent, dead) = (key(name, "free"), key(name, "spent"), key(&format!("{name}-dead"), "free"));
    for (situation, account, path, is_dead) in SITUATIONS {
        let api = if is_dead { format!("{name}-dead") } else { name.to_owned() };
        let secret = match account {
            // A well-formed key of another API.
            "nobody" => &dead,
            "busy" => &busy,
            "spent" => &spent,
            _ if is_dead => &dead,
            _ => &free,
        };
        let before = asked(&gateway.lock().unwrap(), &api);
        let read = sdk.call(&format!("http://{address}/{api}"), secret, path);
        // The only worker logs in order: once this request is in the log, so are those of the SDK.
        let gateway = gateway.lock().unwrap();
        let last = gateway.client_of_no_api().send(&Request::get("/nowhere"));
        gateway.logged(last.header("x-request-id"));
        let times = asked(&gateway, &api) - before;
        writeln!(table, "{situation:<6} asks {times}  {}", shown(&read)).unwrap();
    }
    drop(stream);
    table
}

#[test]
fn users_of_sdks_read_what_the_golden_table_says() {
    folder();
    let upstream = Upstream::start(react);
    let (dead, _kept) = refusing_address();
    let folder = TestDir::empty();
    folder.write("demur.yaml", &configuration(&upstream, dead));
    folder.write("things.yaml", DOCUMENT);
    folder.write("anthropic.yaml", ANTHROPIC);
    folder.write("github.yaml", GITHUB);
    for plan in ["free", "busy", "spent"] {
        folder.create_account(plan, plan);
    }
    let gateway = Mutex::new(Gateway::serve(folder));
    let tables: Vec<String> = std::thread::scope(|scope| {
        let gateway = &gateway;
        let running: Vec<_> = SDKS.into_iter().map(|sdk| scope.spawn(move || rows(gateway, sdk))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut table = String::from(
        "# What users of SDKs read of each failure, and how often each SDK asks: written by tests/sdk_table.rs.\n\
         # `+name`: the field is there. `raw`: an error of the transport, not of the SDK.\n",
    );
    for ((name, _, _, contract), rows) in SDKS.into_iter().zip(tables) {
        write!(table, "\n## {name} ({})\n{rows}", contract.trim_end_matches(".yaml")).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdks/golden.txt");
    if std::env::var_os("DEMUR_UPDATE_GOLDENS").is_some() {
        std::fs::write(path, table).unwrap();
        return;
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), table, "run it with DEMUR_UPDATE_GOLDENS=1");
}
