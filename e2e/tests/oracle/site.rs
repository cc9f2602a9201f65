//! One gateway with one API for each server, and a relay in front of each server that keeps what ran.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use demur_e2e::servers::{self, Ran, Servers};
use demur_e2e::{Connection, Gateway, MockResponse, NewKey, Received, TestDir, Upstream};
use serde_json::{Value as Json, json};

use crate::spelling::{OPERATIONS, Spelling};

const DOCUMENT: &str = include_str!("../../oracle/openapi.yaml");

/// The key of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// One that covers everything; of the API that needs a key, where they are divided.
    Full,
    /// One without scopes, for one item.
    Poor,
    /// No key.
    None,
}

/// How the operations are split into APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// All are in one API, which needs a key.
    Whole,
    /// Those below `/admin` are in an API that needs a key, the others in one that needs none.
    Divided,
}

/// What reached a server, by request id.
type Arrived = Arc<Mutex<HashMap<String, (String, Option<Ran>)>>>;

pub(crate) struct Site {
    gateway: Gateway,
    apis: Vec<Api>,
    arrived: Arrived,
}

struct Api {
    server: &'static str,
    full: String,
    poor: String,
    _relay: Upstream,
}

/// The outcome of one spelling on one server.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) server: &'static str,
    pub(crate) spelling: Spelling,
    pub(crate) status: u16,
    /// The operation in the access log.
    pub(crate) judged: Option<String>,
    /// The target that reached the server.
    arrived: Option<String>,
    pub(crate) ran: Option<Ran>,
    cause: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.spelling.target(&host(self.server));
        let target: String = target.iter().take(120).map(|byte| byte.escape_ascii().to_string()).collect();
        let none = || "nothing".to_owned();
        let ran = self.ran.as_ref().map(|ran| match &ran.values {
            Some(values) => format!("{} {values:?}", ran.operation),
            None => ran.operation.clone(),
        });
        write!(
            formatter,
            "- {}: {target} ({}): judged {}, ran {}, arrived {}, status {} {}",
            self.server,
            self.spelling.note,
            self.judged.clone().unwrap_or_else(none),
            ran.unwrap_or_else(none),
            self.arrived.as_deref().map_or_else(none, |arrived| arrived.chars().take(120).collect()),
            self.status,
            self.cause,
        )
    }
}

fn host(server: &str) -> String {
    format!("{server}.oracle.example")
}

impl Site {
    pub(crate) fn start(servers: &[&'static str], layout: Layout) -> Self {
        let running = Servers::shared();
        let arrived = Arrived::default();
        let folder = TestDir::empty();
        let (open, admin) = divided(DOCUMENT);
        folder.write("openapi.yaml", DOCUMENT);
        folder.write("open.yaml", &open);
        folder.write("admin.yaml", &admin);
        let mut config =
            "demur: 2\nstore: sqlite:demur.db\naccess_log: { requests: all, output: access.log }\n\
                          plans:\n  pro: {}\napis:\n"
                .to_owned();
        let mut relays = Vec::new();
        for server in servers {
            let (address, arrived) = (running.address(server), Arc::clone(&arrived));
            let relay = Upstream::start(move |request| relayed(request, address, &arrived));
            let upstream = relay.address().to_string();
            match layout {
                Layout::Whole => {
                    config.push_str(&api(server, server, "openapi.yaml", "", &upstream, settings));
                }
                Layout::Divided => {
                    let name = format!("{server}-admin");
                    config.push_str(&api(&name, server, "admin.yaml", "/admin", &upstream, |name| {
                        if ["purge", "showAdmin"].contains(&name) { "scope: secrets" } else { "" }
                    }));
                    config.push_str(&api(server, server, "open.yaml", "", &upstream, |name| {
                        if ["purge", "showAdmin"].contains(&name) { "" } else { "anonymous: true" }
                    }));
                }
            }
            relays.push(relay);
        }
        folder.write("demur.yaml", &config);
        folder.create_account("acme", "pro");
        let apis = servers.iter().zip(relays).map(|(server, relay)| {
            let key = NewKey { api: server, account: "acme", ..NewKey::default() };
            let admin = format!("{server}-admin");
            let of_full = if layout == Layout::Divided { &*admin } else { *server };
            let full = folder.create_key(&NewKey { api: of_full, scopes: &["secrets"], ..key }).secret;
            let poor = folder.create_key(&NewKey { scopes: &["none"], resources: &["item:1"], ..key }).secret;
            Api { server, full, poor, _relay: relay }
        });
        let apis = apis.collect();
        Self { gateway: Gateway::serve(folder), apis, arrived }
    }

    /// Sends every spelling to every server and ends the gateway, so that its log is complete.
    pub(crate) fn send_all(self, spellings: &[Spelling], key: Key) -> Vec<Outcome> {
        let Self { gateway, apis, arrived } = self;
        let responses: Vec<_> = thread::scope(|scope| {
            let of_each = apis.iter().map(|api| {
                let client = gateway.client_of_no_api();
                scope.spawn(move || {
                    let secret = match key {
                        Key::Full => Some(&*api.full),
                        Key::Poor => Some(&*api.poor),
                        Key::None => None,
                    };
                    let send =
                        |spelling: &Spelling| send(&mut client.connect(), api.server, spelling, secret);
                    spellings
                        .iter()
                        .map(|spelling| (api.server, spelling, send(spelling)))
                        .collect::<Vec<_>>()
                })
            });
            let of_each: Vec<_> = of_each.collect();
            of_each.into_iter().flat_map(|thread| thread.join().expect("its panic was told")).collect()
        });
        gateway.terminate();
        let (_, folder) = gateway.wait_for_exit();
        let log = fs::read_to_string(folder.path().join("access.log")).expect("it was logged");
        let lines = log.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let lines: HashMap<String, Json> = lines
            .map(|line: Json| (line["request_id"].as_str().unwrap_or_default().to_owned(), line))
            .collect();
        let arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = |(server, spelling, (status, id)): (&'static str, &Spelling, (u16, String))| {
            let line = lines.get(&id).unwrap_or_else(|| panic!("no line for {id}: {spelling:?}"));
            let (target, ran) = arrived.get(&id).cloned().unzip();
            Outcome {
                server,
                spelling: spelling.clone(),
                status,
                judged: line["operation"].as_str().map(str::to_owned),
                arrived: target,
                ran: ran.flatten(),
                cause: [&line["condition"], &line["cause"]]
                    .map(|text| text.as_str().unwrap_or_default())
                    .join(" "),
            }
        };
        responses.into_iter().map(outcome).collect()
    }
}

/// The document without what is below `/admin`, and that alone, with its paths relative to it.
fn divided(document: &str) -> (String, String) {
    let (before, rest) = document.split_once("  /admin/purge:\n").expect("it has the operation");
    let (admin, after) = rest.split_once("  /files/").expect("what follows");
    let (head, _) = before.split_once("  /items:\n").expect("the first path");
    let admin = format!("{head}  /purge:\n{}", admin.replace("/admin/", "/"));
    (format!("{before}  /files/{after}"), admin)
}

/// An API of the configuration; each of its operations that has settings has them.
fn api(
    name: &str,
    server: &str,
    document: &str,
    path: &str,
    upstream: &str,
    settings: impl Fn(&str) -> &'static str,
) -> String {
    let at = if path.is_empty() { String::new() } else { format!(", path: {path}") };
    let mut api = format!(
        "  - name: {name}\n    contract: problem\n    openapi: {document}\n    mount: {{ host: {}{at} }}\n    \
         upstream: {{ url: \"http://{upstream}{path}\" }}\n    \
         authentication: {{ scheme: bearer, prefix: orc }}\n    operations:\n",
        host(server),
    );
    for operation in &OPERATIONS {
        let settings = settings(operation.name);
        if !settings.is_empty() {
            api.push_str(&format!("      {}: {{ {settings} }}\n", operation.name));
        }
    }
    api
}

/// What an operation requires if all are in one API.
fn settings(name: &str) -> &'static str {
    let operation = OPERATIONS.iter().find(|operation| operation.name == name);
    match operation.map(|operation| (operation.needs_scope, operation.needs_grant)) {
        Some((true, true)) => "scope: secrets, resource: \"item:{id}\"",
        Some((true, false)) => "scope: secrets",
        Some((false, true)) => "resource: \"item:{id}\"",
        _ => "",
    }
}

/// The status, and the request id.
fn send(connection: &mut Connection, server: &str, spelling: &Spelling, key: Option<&str>) -> (u16, String) {
    let host = host(server);
    let mut request = b"GET ".to_vec();
    request.extend_from_slice(&spelling.target(&host));
    request.extend_from_slice(format!(" HTTP/1.1\r\nHost: {host}\r\n").as_bytes());
    if let Some(key) = key {
        request.extend_from_slice(format!("Authorization: Bearer {key}\r\n").as_bytes());
    }
    request.extend_from_slice(b"Connection: close\r\n\r\n");
    connection.write(&request);
    let response = connection.try_read("GET").unwrap_or_else(|error| panic!("{spelling:?}: {error}"));
    (response.status, response.header("x-request-id").to_owned())
}

/// Forwards the target unchanged to the server, and records what ran.
fn relayed(request: &Received, server: std::net::SocketAddr, arrived: &Arrived) -> MockResponse {
    let ran = servers::run(server, request.target.as_bytes());
    let response = match &ran {
        Some(ran) => MockResponse::json(200, &json!({ "ran": ran.operation })),
        None => MockResponse::json(404, &json!({})),
    };
    let id = request.headers.first("x-request-id").unwrap_or_default().to_owned();
    arrived.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (request.target.clone(), ran));
    response
}
