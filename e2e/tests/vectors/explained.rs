//! `demur explain` for each response that a case produces: by its ID, by its whole text, and by its body where that has the
//! ID. The explanations are in `explanations.txt`, to be read by a person.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use demur_e2e::{Gateway, Response, run};
use regex::Regex;
use serde_json::Value as Json;

/// The explanations, by API, condition and code. Those that differ in numbers alone are one.
static EXPLANATIONS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

pub(crate) fn check(gateway: &Gateway, response: &Response, logged: &Json) {
    let id = response.header("x-request-id");
    let explained = json(gateway, id);
    let (request, explanation) = (&explained["request"], &explained["explanation"]);
    for name in ["request_id", "condition", "code", "status", "account", "key", "operation"] {
        assert_eq!(request[name], logged[name], "{name}: {explained}");
    }
    let reason = explanation["reason"].as_array().unwrap();
    assert!(!reason.is_empty() && !explanation["charge"].as_str().unwrap().is_empty(), "{explained}");
    let body = String::from_utf8_lossy(&response.body).into_owned();
    let headers: String = response.headers.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = write!(text, "{name}: {value}\r\n");
        text
    });
    let whole = format!("HTTP/1.1 {} Error\r\n{headers}\r\n{body}", response.status);
    assert_eq!(json(gateway, &whole), explained, "by the whole response");
    if body.contains(id) {
        assert_eq!(json(gateway, &body), explained, "by the body");
    }
    let config = gateway.folder().config();
    let shown = run(&["explain", "-c", config.to_str().unwrap(), id], gateway.folder().path());
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let name = ["api", "condition", "code"].map(|name| request[name].as_str().unwrap_or("-")).join(" ");
    EXPLANATIONS.lock().unwrap().entry(name).or_insert_with(|| without_numbers(&shown.stdout));
}

/// The explanation as JSON. The journal is written a moment after the response.
fn json(gateway: &Gateway, given: &str) -> Json {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let outcome = gateway.folder().run(&["explain", given]);
        if outcome.code == Some(0) {
            return serde_json::from_str(&outcome.stdout).unwrap();
        }
        assert!(Instant::now() < deadline, "{given}: {outcome:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An explanation without what differs from run to run.
fn without_numbers(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, by) in [
        (r"[0-9a-f]{32}", "ID"),
        (r"key key_\w+", "key KEY"),
        (r"account [\w-]+", "account ACCOUNT"),
        (r"\d{4}-\d{2}-\d{2}T[0-9:.]+Z", "TIME"),
        (r"TIME, [0-9.]+ ms", "TIME, DURATION"),
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"Wait \d+ seconds?", "Wait SOME seconds"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, by).into_owned();
    }
    text
}

pub(crate) fn compare_with_golden() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/explanations.txt");
    let explanations = EXPLANATIONS.lock().unwrap();
    let found = explanations.iter().fold(String::new(), |mut all, (name, text)| {
        let _ = write!(all, "=== {name}\n\n{}\n\n", text.trim_end());
        all
    });
    if std::env::var_os("DEMUR_UPDATE_GOLDENS").is_some() {
        fs::write(&file, &found).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(found == expected, "DEMUR_UPDATE_GOLDENS=1 writes {}: {differs:?}", file.display());
}
