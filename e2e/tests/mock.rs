//! `demur mock`: every error on demand, faults of the connection, scripts, checks on request, and the control endpoint. That
//! its errors are those of the gateway, byte for byte, is checked in `vectors`.
//!
//! Long because one client of the mock serves all tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use demur_e2e::{Program, Response, TestDir, installed, run, sound_request};
use serde_json::{Value as Json, json};

/// A running mock of the examples.
struct Mock {
    _program: Program,
    folder: TestDir,
    address: String,
    control: String,
    about: Json,
}

fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/demur.yaml")
}

fn names() -> Vec<&'static str> {
    demur_examples::all().iter().map(|example| example.name).collect()
}

impl Mock {
    fn start(options: &[&str]) -> Self {
        let (folder, config) = (TestDir::empty(), config());
        let fixed = ["mock", "--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        let more = ["--control", "127.0.0.1:0", "--format", "json"];
        let mut program = Program::start(&[&fixed[..], &more, options].concat(), folder.path());
        let about: Json = serde_json::from_str(&program.line()).unwrap();
        let address = |name: &str| about[name].as_str().unwrap().trim_start_matches("http://").to_owned();
        let (address, control) = (address("mock"), address("control"));
        Self { _program: program, folder, address, control, about }
    }

    /// Sends a request with these headers.
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let bytes = exchange(&self.address, method, path, headers, "").unwrap();
        Response::read(&bytes, method).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The sound request to an API, with these headers.
    fn sound(&self, api: &str, headers: &[(&str, &str)]) -> Response {
        let request = sound_request(api, "none");
        let bytes = request_bytes(&self.address, api, &request, headers);
        Response::read(&raw(&self.address, &bytes).unwrap(), &request.method).unwrap()
    }

    fn control(&self, method: &str, path: &str, body: &str) -> Response {
        let headers = [("Content-Type", "application/json")];
        let bytes = exchange(&self.control, method, path, &headers, body).unwrap();
        Response::read(&bytes, method).unwrap()
    }
}

fn request_bytes(host: &str, api: &str, request: &demur_e2e::Request, headers: &[(&str, &str)]) -> Vec<u8> {
    let text = request.bytes(host, &format!("/{api}"));
    let end = text.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let (head, rest) = text.split_at(end);
    let lines: String = headers.iter().map(|(name, value)| format!("\r\n{name}: {value}")).collect();
    [head, lines.as_bytes(), b"\r\nConnection: close", rest].concat()
}

fn exchange(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Vec<u8>> {
    let host = headers.iter().find(|(name, _)| *name == "Host").map_or(address, |(_, host)| *host);
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| *name != "Host") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    raw(address, format!("{head}\r\n{body}").as_bytes())
}

/// Everything that comes until the connection ends.
fn raw(address: &str, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(bytes)?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    Ok(all)
}

/// The JSON form of the matrix of the examples.
fn matrix() -> Json {
    let folder = TestDir::empty();
    let config = config();
    let outcome = run(&["matrix", "--config", config.to_str().unwrap(), "--format", "json"], folder.path());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// For each error of each operation the response is the one that the matrix has, and so the pages, and the document.
#[test]
fn every_error_of_every_operation_is_answered_as_the_matrix_says() {
    let (mock, matrix) = (Mock::start(&[]), matrix());
    let mut count = 0;
    for api in matrix["apis"].as_array().unwrap() {
        let (name, contract) = (api["name"].as_str().unwrap(), &api["contracts"][0]);
        for operation in contract["operations"].as_array().unwrap() {
            let path = operation["path"].as_str().unwrap().replace(['{', '}'], "");
            let method = operation["method"].as_str().unwrap();
            let mut known = Vec::new();
            for cell in operation["cells"].as_array().unwrap() {
                let error = cell["error"].as_str().unwrap();
                if known.contains(&error) {
                    continue;
                }
                known.push(error);
                let mocked =
                    mock.send(method, &format!("/{name}{path}"), &[("Prefer", &format!("code={error}"))]);
                let of_error = operation["cells"].as_array().unwrap();
                let mut of_error = of_error.iter().filter(|cell| cell["error"] == error);
                let differences: Vec<String> =
                    of_error.clone().filter_map(|cell| difference(&mocked, &cell["answer"])).collect();
                assert!(
                    of_error.any(|cell| difference(&mocked, &cell["answer"]).is_none()),
                    "{name} {method} {path} {error}: {differences:?}"
                );
                count += 1;
            }
        }
    }
    assert!(count > 150, "only {count} errors");
}

/// What differs from an answer of the matrix, apart from the request ID and moments.
fn difference(mocked: &Response, answer: &Json) -> Option<String> {
    let id = |headers: &[(String, String)]| {
        let is_id = |(name, _): &&(String, String)| name.ends_with("request-id");
        headers.iter().find(is_id).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let ours: Vec<(String, String)> =
        mocked.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let theirs: Vec<(String, String)> = answer["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let (our_id, their_id) = (id(&ours), id(&theirs));
    let comparable = |headers: &[(String, String)], id: &str| {
        let mut lines: Vec<String> = headers
            .iter()
            .filter(|(name, _)| !["date", "content-length", "connection"].contains(&name.as_str()))
            .map(|(name, value)| match name.contains("reset") {
                true => name.clone(),
                false => format!("{name}: {}", value.replace(id, "ID")),
            })
            .collect();
        lines.sort();
        lines
    };
    let (ours, theirs) = (comparable(&ours, &our_id), comparable(&theirs, &their_id));
    let our_body = mocked.text().replace(&our_id, "ID");
    let their_body = answer["body"].as_str().unwrap().replace(&their_id, "ID");
    let is_same = ours == theirs && our_body == their_body && answer["status"] == mocked.status;
    (!is_same).then(|| format!("{ours:?} {our_body} instead of {theirs:?} {their_body}"))
}

#[test]
fn requests_ask_for_errors_statuses_and_details() {
    let mock = Mock::start(&[]);
    let api = "trackyard";
    for (header, value, status) in [
        ("Prefer", "code=not_found", 404),
        ("Prefer", "status=429", 429),
        ("Prefer", "code=429", 429),
        ("Demur-Mock", "error=out_of_credits", 402),
        ("Demur-Mock", "status=500", 500),
        ("Prefer", "respond-async", 200),
        // What nobody knows is logged, and the request is answered as without it.
        ("Prefer", "code=none_such", 200),
        ("Demur-Mock", "nonsense", 200),
    ] {
        let response = mock.sound(api, &[(header, value)]);
        assert_eq!(response.status, status, "{header}: {value}: {response:?}");
    }
    assert!(mock._program.log().contains("unknown error `none_such`"), "{}", mock._program.log());
    let delayed = mock.sound(api, &[("Demur-Mock", "error=too_many_requests, retry-after=7")]);
    assert_eq!((delayed.status, delayed.header("retry-after")), (429, "7"));
    // In the language and the format that the request asks for.
    let problem = mock.sound(api, &[("Prefer", "code=not_found"), ("Accept", "application/problem+json")]);
    assert_eq!(problem.header("content-type"), "application/problem+json");
    // At a path that the document does not have.
    assert_eq!(mock.send("GET", "/trackyard/none", &[]).status, 404);
    assert_eq!(mock.send("GET", "/trackyard/none", &[("Prefer", "code=unauthorized")]).status, 401);
}

#[test]
fn every_operation_has_a_success() {
    let (mock, matrix) = (Mock::start(&[]), matrix());
    for api in matrix["apis"].as_array().unwrap() {
        let name = api["name"].as_str().unwrap();
        for operation in api["contracts"][0]["operations"].as_array().unwrap() {
            let path = operation["path"].as_str().unwrap().replace(['{', '}'], "");
            let response = mock.send(operation["method"].as_str().unwrap(), &format!("/{name}{path}"), &[]);
            assert!((200..400).contains(&response.status), "{name} {path}: {response:?}");
            let again = mock.send(operation["method"].as_str().unwrap(), &format!("/{name}{path}"), &[]);
            assert_eq!(again.body, response.body, "{name} {path}");
        }
    }
}

#[test]
fn delays_truncates_and_resets() {
    let mock = Mock::start(&[]);
    let since = Instant::now();
    assert_eq!(mock.sound("trackyard", &[("Demur-Mock", "delay=300")]).status, 200);
    assert!(since.elapsed() >= Duration::from_millis(300));

    let request = |headers: &[(&str, &str)]| {
        let sound = sound_request("trackyard", "none");
        raw(&mock.address, &request_bytes(&mock.address, "trackyard", &sound, headers))
    };
    let whole = request(&[("Demur-Mock", "error=not_found")]).unwrap();
    for length in [0, 10] {
        let line = format!("error=not_found, truncate-at={length}");
        let cut = request(&[("Demur-Mock", &line)]).unwrap();
        let text = String::from_utf8(cut).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        // The head announces the whole body.
        assert!(head.contains("content-length: 71"), "{head}");
        assert_eq!(body.len(), length, "{text}");
    }
    assert!(whole.ends_with(b"}"));
    let longer = request(&[("Demur-Mock", "error=not_found, truncate-at=5000")]).unwrap();
    assert!(longer.ends_with(b"}"), "a limit beyond the body");
    let reset = request(&[("Demur-Mock", "reset")]);
    let is_reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
    assert!(reset.as_ref().is_err_and(is_reset), "{reset:?}");
}

const SCRIPT: &str = "
seed: 4
rules:
  - api: trackyard
    steps: [{ times: 2 }, { error: too_many_requests, retry_after: 2s }]
";

#[test]
fn a_script_plays_its_steps_and_then_the_api_recovers() {
    let folder = TestDir::empty();
    folder.write("script.yaml", SCRIPT);
    let script = folder.path().join("script.yaml");
    let mock = Mock::start(&["--script", script.to_str().unwrap()]);
    let play =
        |count: usize| -> Vec<u16> { (0..count).map(|_| mock.sound("trackyard", &[]).status).collect() };
    assert_eq!(play(4), [200, 200, 429, 200]);
    // Other APIs, and requests that ask for their own answer, are no steps.
    let next = |rule: &Json| mock.control("POST", "/next", &rule.to_string()).status;
    assert_eq!(next(&json!({ "error": "not_found", "api": "trackyard", "times": 1 })), 204);
    assert_eq!(mock.sound("trackunit", &[]).status, 200);
    assert_eq!(mock.sound("trackyard", &[("Prefer", "code=unauthorized")]).status, 401);
    assert_eq!(play(2), [404, 200]);
    // A script replaces all rules.
    let flaky = json!({ "seed": 1, "rules": [{ "probability": 0.5, "error": "internal_server_error" }] });
    assert_eq!(mock.control("PUT", "/script", &flaky.to_string()).status, 204);
    let first = play(20);
    assert!(first.contains(&500) && first.contains(&200), "{first:?}");
    assert_eq!(mock.control("PUT", "/script", &flaky.to_string()).status, 204);
    assert_eq!(play(20), first, "the same seed");
    assert_eq!(mock.control("DELETE", "/script", "").status, 204);
    assert_eq!(play(2), [200, 200]);
    let calls = mock.control("GET", "/calls", "").json();
    let calls = calls["calls"].as_array().unwrap();
    assert_eq!(calls.iter().filter(|call| call["error"] == "too_many_requests").count(), 1);
    assert_eq!(mock.control("DELETE", "/calls", "").status, 204);
    assert_eq!(mock.control("GET", "/calls", "").json(), json!({ "calls": [] }));
}

#[test]
fn the_control_endpoint_reports_mistakes_and_rejects_browsers() {
    let mock = Mock::start(&["--fail", "internal_server_error=0", "--delay", "1ms"]);
    for (path, body, message) in [
        ("/script", json!({ "rules": [{ "error": "not_fond" }] }), "did you mean `not_found`?"),
        ("/script", json!({ "rules": [{ "error": "not_found", "api": "trackyrd" }] }), "`trackyard`"),
        ("/script", json!({ "rule": [] }), "did you mean `rules`?"),
        ("/next", json!({ "status": 99 }), "between 200 and 599"),
        ("/next", json!({}), "no effect"),
    ] {
        let method = if path == "/next" { "POST" } else { "PUT" };
        let response = mock.control(method, path, &body.to_string());
        assert!(response.status == 400 && response.text().contains(message), "{body}: {}", response.text());
    }
    let send = |headers: &[(&str, &str)], body: &str| {
        let bytes = exchange(&mock.control, "POST", "/next", headers, body).unwrap();
        Response::read(&bytes, "POST").unwrap().status
    };
    let rule = r#"{"error":"not_found"}"#;
    assert_eq!(send(&[("Content-Type", "text/plain")], rule), 415, "needs no preflight");
    let rebound = [("Host", "attacker.example"), ("Content-Type", "application/json")];
    assert_eq!(send(&rebound, rule), 403, "a name that leads here");
    assert_eq!(send(&[("Content-Type", "application/json")], &" ".repeat(2 << 20)), 413);
    let about = mock.control("GET", "/", "").json();
    assert_eq!(about, mock.about);
}

#[test]
fn checks_requests_where_that_is_wanted() {
    let free = Mock::start(&[]);
    assert_eq!(free.sound("trackyard", &[]).status, 200, "no key is needed");
    let mock = Mock::start(&["--authenticate", "--validate"]);
    assert_eq!(mock.sound("trackyard", &[]).status, 401);
    let key = mock.about["apis"]["trackyard"]["keys"]["pro"].as_str().unwrap();
    let request = sound_request("trackyard", key);
    let bytes = request_bytes(&mock.address, "trackyard", &request, &[]);
    let response = Response::read(&raw(&mock.address, &bytes).unwrap(), "POST").unwrap();
    assert_eq!(response.status, 200, "{response:?}");
    let headers = [("Authorization", &*format!("Bearer {key}")), ("Content-Type", "application/json")];
    let path = "/trackyard/api/external/v1/search";
    let bytes = exchange(&mock.address, "POST", path, &headers, "{query: epic}").unwrap();
    let invalid = Response::read(&bytes, "POST").unwrap();
    assert_eq!(invalid.status, 400, "{invalid:?}");
    // Nothing of the configuration's own files is used.
    assert!(!config().with_file_name("demur.db").exists());
    assert_eq!(std::fs::read_dir(mock.folder.path()).unwrap().count(), 0);
}

#[test]
fn rejects_scripts_and_options_that_are_wrong() {
    let folder = TestDir::empty();
    folder.write("script.yaml", "rules: [{ eror: x }]");
    let config = config();
    let fixed = ["mock", "--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0", "--control"];
    for (options, code, message) in [
        (&["127.0.0.1:0", "--script", "script.yaml"][..], 3, "did you mean `error`?"),
        (&["127.0.0.1:0", "--script", "none.yaml"], 4, "none.yaml"),
        (&["127.0.0.1:0", "--fail", "not_fond=0.5"], 2, "did you mean `not_found`?"),
        (&["127.0.0.1:0", "--fail", "not_found=2"], 2, "a share from 0 to 1"),
        (&["127.0.0.1:0", "--delay", "2h"], 2, "at most one minute"),
        (&["192.0.2.1:1"], 4, "`--control ADDRESS`"),
    ] {
        let outcome = run(&[&fixed[..], options].concat(), folder.path());
        assert_eq!(outcome.code, Some(code), "{options:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{options:?}: {}", outcome.stderr);
    }
}

/// Another mock server, killed on drop.
struct Prism(Child, String);

impl Prism {
    fn start(document: &Path) -> Self {
        let program = installed("prism/install.sh").join("node_modules/.bin/prism");
        let mut child = Command::new(program)
            .args(["mock", "--host", "127.0.0.1", "--port", "0"])
            .arg(document)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let line = lines.find(|line| line.contains("Prism is listening on")).expect("it starts");
        let address = line.split("http://").nth(1).unwrap().trim().to_owned();
        // Its log must go somewhere, or it waits.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, address)
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prism mocks the document that `demur openapi` writes.
#[test]
fn prism_with_the_written_document_agrees_on_statuses() {
    let (mock, config, folder) = (Mock::start(&[]), config(), TestDir::empty());
    let mut count = 0;
    for api in names() {
        let file = folder.path().join(format!("{api}.json"));
        let fixed = ["openapi", "--config", config.to_str().unwrap(), "--api", api, "--output"];
        let outcome = run(&[&fixed[..], &[file.to_str().unwrap()]].concat(), folder.path());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let document: Json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let Prism(_, prism) = &Prism::start(&file);
        let request = sound_request(api, "none");
        let path = request.target.split('?').next().unwrap();
        let fits = |template: &str| {
            let (own, other) = (template.split('/'), path.split('/'));
            own.clone().count() == other.clone().count()
                && own.zip(other).all(|(own, other)| own == other || own.starts_with('{'))
        };
        let paths = document["paths"].as_object().unwrap();
        let (_, item) = paths.iter().find(|(template, _)| fits(template)).unwrap_or_else(|| panic!("{path}"));
        let responses = item[request.method.to_ascii_lowercase()]["responses"].as_object().unwrap();
        // A class is not a status that can be asked for.
        for status in responses.keys().filter(|status| status.parse::<u16>().is_ok()) {
            let prefer = format!("code={status}");
            let bytes = request_bytes(prism, api, &request, &[("Prefer", &prefer)]);
            // Prism serves the document without the mount.
            let bytes = String::from_utf8(bytes).unwrap().replacen(&format!("/{api}"), "", 1);
            let theirs = Response::read(&raw(prism, bytes.as_bytes()).unwrap(), &request.method).unwrap();
            let ours = mock.sound(api, &[("Prefer", &prefer)]);
            assert_eq!((ours.status, ours.status.to_string()), (theirs.status, status.clone()), "{api}");
            count += 1;
        }
    }
    assert!(count > 30, "only {count} statuses");
}
