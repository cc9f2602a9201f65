use demur_admission::{Account, Balance, Command, CommandFault, Reply};
use demur_journal::{Entry, EntryViolation, Journal, JournalSettings, Sink};
use http::Request;
use serde_json::json;

use super::*;

const HOST: &str = "127.0.0.1:8091";
const ID: &str = "01a2309e6c007d5a9c1f0b8e2d3c4b5a";
const PROBE: &str = "\"><script data-probe>alert(1)</script>'<<{{ 7 * 7 }}>>";

struct Fixture {
    console: Console,
    session: String,
    _folder: tempfile::TempDir,
}

/// Accounts with a probe in whatever an operator or a customer may have named.
struct Probes;

impl Directory for Probes {
    fn execute(&self, command: &Command) -> Result<Reply, String> {
        let account = Account {
            id: "acme".parse().unwrap(),
            name: PROBE.to_owned(),
            plan: PROBE.to_owned(),
            grant_day: None,
        };
        Ok(match command {
            Command::ListAccounts { .. } => Reply::Accounts { accounts: vec![account], more: false },
            Command::Statement { account: id, .. } if id.as_str() != "acme" => {
                Reply::Rejected { fault: CommandFault::UnknownAccount { account: id.clone() } }
            }
            Command::Statement { .. } => {
                let entry = json!({ "at": "2026-12-01T08:00:00Z", "kind": "top_up", "amount": 7, "balance": 7,
                    "operation": PROBE, "reason": PROBE });
                let credits = json!({ "available": 7, "held": 0, "posted": 0, "granted": 7, "expired": 0, "resets_at": null });
                let credits: Balance = serde_json::from_value(credits).unwrap();
                let account =
                    demur_admission::AccountStatement { account, credits, limits: Vec::new(), deleted: None };
                Reply::Statement {
                    account,
                    entries: vec![serde_json::from_value(entry).unwrap()],
                    more: false,
                }
            }
            Command::ListKeys { .. } => Reply::Keys { keys: Vec::new(), more: false },
            other => panic!("it only reads: {other:?}"),
        })
    }
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let journal = Journal::start(JournalSettings::new(&path)).unwrap();
        let mut entry: Entry = serde_json::from_value(json!({
            "request_id": format!("req_{ID}"), "message": "request rejected", "status": 400,
            "method": PROBE, "path": PROBE, "api": PROBE, "operation": PROBE, "account": PROBE, "key": PROBE,
            "condition": PROBE, "error": PROBE, "code": PROBE, "origin": "client", "contract": PROBE, "cause": PROBE,
            "values": { "plan": PROBE }, "notes": [PROBE], "stream_error": PROBE,
            "checks": [{ "check": "request", "outcome": "passed" }, { "check": "validation", "outcome": "rejected" }],
            "would_reject": [{ "error": PROBE, "status": 400, "cause": PROBE }],
        }))
        .unwrap();
        entry.violations = vec![EntryViolation::new(PROBE, PROBE, PROBE, PROBE)];
        entry.timestamp = jiff::Timestamp::now();
        journal.put(entry);
        drop(journal);
        let console = Console::new(path, Box::new(Probes), vec![HOST.to_owned()]);
        let secret = console.login_secret(Duration::from_secs(60)).unwrap();
        let session = console.login.begin(&secret).unwrap();
        Self { console, session, _folder: folder }
    }

    fn send(&self, request: http::request::Builder, body: &str) -> Response<Bytes> {
        let (head, ()) = request.body(()).unwrap().into_parts();
        self.console.respond(&head, body.as_bytes())
    }

    fn get(&self, path: &str) -> Response<Bytes> {
        let cookie = format!("other=1; {COOKIE_NAME}={}", self.session);
        self.send(Request::get(path).header(HOST_NAME, HOST).header(COOKIE, cookie), "")
    }
}

const HOST_NAME: http::HeaderName = http::header::HOST;

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

#[test]
fn every_page_shows_probes_as_text() {
    let fixture = Fixture::new();
    let id = format!("/request?id={ID}");
    for path in [
        "/",
        "/?q=script",
        "/rows?after=0",
        &id,
        "/errors",
        "/errors?range=7d",
        "/accounts",
        "/accounts?id=none",
    ] {
        let response = fixture.get(path);
        let page = text(&response);
        assert_eq!(response.status(), 200, "{path}: {page}");
        assert!(!page.contains("<script data-probe") && !page.contains("\"><script"), "{path}: {page}");
        assert!(!page.contains("&lt;&lt;49"), "{path}: no template in it is rendered");
    }
    for query in ["q", "api", "class", "stage", "code", "account", "range", "id"] {
        let probe: String = form_urlencoded::byte_serialize(PROBE.as_bytes()).collect();
        for path in ["/", "/request", "/errors", "/accounts"] {
            let page = text(&fixture.get(&format!("{path}?{query}={probe}")));
            assert!(!page.contains("<script data-probe"), "{path} {query}: {page}");
        }
    }
}

#[test]
fn only_a_session_sees_pages() {
    let fixture = Fixture::new();
    for (cookie, status) in [("", 303), ("demur-console=", 303), ("demur-console=1234", 303)] {
        for path in ["/", "/rows?after=0", "/request?id=1", "/errors", "/accounts", "/nothing"] {
            let response =
                fixture.send(Request::get(path).header(HOST_NAME, HOST).header(COOKIE, cookie), "");
            assert_eq!(response.status(), status, "{path} {cookie}");
            assert!(response.body().is_empty());
        }
    }
    assert_eq!(fixture.get("/nothing").status(), 404);
    // A login secret works once.
    let secret = fixture.console.login_secret(Duration::from_secs(60)).unwrap();
    let log_in = |secret: &str| {
        fixture.send(Request::post("/login").header(HOST_NAME, HOST), &format!("secret={secret}"))
    };
    let first = log_in(&secret);
    let cookie = first.headers()[SET_COOKIE].to_str().unwrap();
    assert!(
        first.status() == 303 && cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    assert_eq!(log_in(&secret).status(), 403);
    assert_eq!(log_in("").status(), 403);
    let expired = fixture.console.login_secret(Duration::ZERO).unwrap();
    assert_eq!(log_in(&expired).status(), 403);
}

#[test]
fn rejects_other_names_methods_and_sites() {
    let fixture = Fixture::new();
    for host in ["evil.example", "127.0.0.1", "127.0.0.1:80", "localhost.evil.example:8091", ""] {
        let response = fixture.send(Request::get("/login").header(HOST_NAME, host), "");
        assert_eq!(response.status(), 421, "{host}");
    }
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        let response = fixture.send(Request::builder().method(method).uri("/").header(HOST_NAME, HOST), "");
        assert_eq!(response.status(), 405, "{method}");
    }
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let response =
            fixture.send(Request::post("/login").header(HOST_NAME, HOST).header(name, value), "secret=x");
        assert_eq!(response.status(), 403, "{name}: {value}");
    }
    for path in ["/login", "/", "/console.css", "/console.js"] {
        let headers = fixture.get(path).headers().clone();
        assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY, "{path}");
        assert_eq!(headers[CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
    }
    assert!(!POLICY.contains("unsafe"));
}

#[test]
fn what_is_pasted_comes_into_no_address() {
    let fixture = Fixture::new();
    let cookie = format!("{COOKIE_NAME}={}", fixture.session);
    let paste = |pasted: &str| {
        let body: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("text", pasted).finish();
        let response =
            fixture.send(Request::post("/request").header(HOST_NAME, HOST).header(COOKIE, &cookie), &body);
        assert_eq!(response.status(), 303);
        response.headers()[LOCATION].to_str().unwrap().to_owned()
    };
    let whole = format!(
        "HTTP/1.1 400 Bad Request\r\nx-request-id: req_{ID}\r\nauthorization: Bearer sk_live_secret\r\n"
    );
    assert_eq!(paste(&whole), format!("/request?id={ID}"));
    assert_eq!(paste("sk_live_secret"), "/request?id=none");
    let found = text(&fixture.get(&paste(&whole)));
    assert!(found.contains("Where it stopped") && !found.contains("sk_live_secret"));
    for (id, expected) in [
        ("none", "no request ID"),
        ("4bf92f3577b34da6a3ce929d0e0e4736", "not a request ID"),
        ("018a230a429d70369192443f1d1e1c2b", "expired"),
    ] {
        assert!(text(&fixture.get(&format!("/request?id={id}"))).contains(expected), "{id}");
    }
}

#[test]
fn says_that_the_journal_cannot_be_read() {
    let fixture = Fixture::new();
    std::fs::remove_file(fixture.console.journal()).unwrap();
    let response = fixture.get("/");
    assert!(
        response.status() == 503 && text(&response).contains("The journal cannot be read"),
        "{}",
        text(&response)
    );
}
