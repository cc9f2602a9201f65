//! The handling samples of the references, run as callers have them: only host and key are replaced. They
//! must behave against the gateway as their pages say.
//!
//! `samples/` has them character for character. The code around a sample is here: a call of
//! the function that a page defines, and the function in which code with a `return` must stand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use demur_e2e::{Gateway, NewKey, Outcome, TestDir, installed, refusing_address};

const TRACKYARD: &str = include_str!("../samples/trackyard.py");
const GET_SCORES_PYTHON: &str = include_str!("../samples/trakkr-get-scores.py");
const GET_SCORES_JAVASCRIPT: &str = include_str!("../samples/trakkr-get-scores.js");

/// The function of the page, followed by the lines of a caller.
fn trackyard(base: &str, calls: &str) -> Outcome {
    let sample = replaced(TRACKYARD, "https://api.trackyard.com", base);
    python(&format!("{sample}\n\n{calls}\n"))
}

fn get_scores_python(base: &str, key: &str) -> Outcome {
    python(&replaced(&replaced(GET_SCORES_PYTHON, "https://api.trakkr.ai", base), "YOUR_API_KEY", key))
}

fn get_scores_javascript(base: &str, key: &str) -> Outcome {
    let sample =
        replaced(&replaced(GET_SCORES_JAVASCRIPT, "https://api.trakkr.ai", base), "YOUR_API_KEY", key);
    let mut node = Command::new("node");
    run(node.args(["--eval", &format!("async function main() {{\n{sample}}}\nmain();")]))
}

fn replaced(sample: &str, old: &str, new: &str) -> String {
    assert_eq!(sample.matches(old).count(), 1, "{old} in {sample}");
    sample.replace(old, new)
}

/// Runs a script under a Python that has `requests`; `python.sh` makes it where it is not there yet.
fn python(script: &str) -> Outcome {
    run(Command::new(installed("python.sh")).args(["-c", script]))
}

/// Without the HTTP proxy of the machine's environment.
fn run(command: &mut Command) -> Outcome {
    command.stdin(Stdio::null()).env("NO_PROXY", "*").env("no_proxy", "*");
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn base(gateway: &Gateway, api: &str) -> String {
    format!("http://{}/{api}", gateway.address())
}

#[test]
fn trackyard_search_succeeds() {
    let demo = Gateway::demo();
    let key = demo.sample_key("trackyard", "active");
    let said = trackyard(&base(&demo, "trackyard"), &format!("print(search_with_retry('epic', '{key}'))"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.starts_with("{'tracks': ["), "{said:?}");
}

#[test]
fn trackyard_search_waits_for_retry_after_and_then_succeeds() {
    let demo = Gateway::demo();
    let key = demo.sample_key("trackyard", "limited");
    // Three requests in two seconds: one of a few in a row must wait.
    let calls = format!(
        "for _ in range(6):\n    search_with_retry('epic', '{key}')\n    print('found')\nprint('all')"
    );
    let begun = Instant::now();
    let said = trackyard(&base(&demo, "trackyard"), &calls);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<&str> = said.stdout.lines().collect();
    let waits: Vec<u64> = lines
        .iter()
        .filter_map(|line| {
            line.strip_prefix("Rate limited. Retrying in ")?.strip_suffix("s...")?.parse().ok()
        })
        .collect();
    assert!(!waits.is_empty(), "{said:?}");
    assert_eq!(lines.iter().filter(|line| **line == "found").count(), 6, "{said:?}");
    assert_eq!(lines.len(), waits.len() + 7, "{said:?}");
    // A client that waits for `Retry-After` is admitted next: no two waits in a row.
    assert!(!lines.windows(2).any(|pair| pair.iter().all(|line| line.starts_with("Rate"))), "{said:?}");
    assert!(begun.elapsed() >= Duration::from_secs(waits.iter().sum()), "{said:?}");
}

#[test]
fn trackyard_search_does_not_retry_permanent_errors() {
    let demo = Gateway::demo();
    let key = |label| demo.sample_key("trackyard", label);
    let rows = [
        // One search per month: the second has no credits left.
        ("broke", "'epic'", 2, "Exception: Out of credits. Please upgrade your plan."),
        ("revoked", "'epic'", 1, "Exception: API error: Unauthorized (code: None)"),
        ("expired", "'epic'", 1, "Exception: API error: Unauthorized (code: None)"),
        ("active", "''", 1, "(code: invalid_parameters)"),
        ("active", "None", 1, "(code: invalid_parameters)"),
    ];
    for (label, query, times, raises) in rows {
        let calls =
            format!("for _ in range({times}):\n    print(search_with_retry({query}, '{}'))", key(label));
        let said = trackyard(&base(&demo, "trackyard"), &calls);
        assert_eq!(said.code, Some(1), "{label} {query}: {said:?}");
        assert_eq!(said.stdout.lines().count(), times - 1, "{label} {query}: {said:?}");
        let last = said.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("Exception: ") && last.ends_with(raises), "{label} {query}: {said:?}");
    }
}

#[test]
fn get_scores_prints_the_scores() {
    let demo = Gateway::demo();
    let (base, key) = (base(&demo, "trakkr-get-scores"), demo.sample_key("trakkr-get-scores", "active"));
    for said in [get_scores_python(&base, key), get_scores_javascript(&base, key)] {
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.starts_with("Success: {"), "{said:?}");
        assert_eq!(said.stderr, "", "{said:?}");
    }
}

#[test]
fn get_scores_prints_status_title_and_details() {
    let demo = Gateway::demo();
    let base = base(&demo, "trakkr-get-scores");
    let rows = [
        ("foreign", "Error 403: Brand access denied", "You do not have access to this brand"),
        ("revoked", "Error 403: Invalid API key", "No accounts found for this API key"),
        ("expired", "Error 403: Invalid API key", "No accounts found for this API key"),
    ];
    for (label, title, detail) in rows {
        let key = demo.sample_key("trakkr-get-scores", label);
        assert_printed(&get_scores_python(&base, key), &get_scores_javascript(&base, key), title, detail);
    }
    // As copied from the page, without a key filled in.
    let (title, detail) = ("Error 403: Invalid API key", "No accounts found for this API key");
    let key = "YOUR_API_KEY";
    assert_printed(&get_scores_python(&base, key), &get_scores_javascript(&base, key), title, detail);
}

#[test]
fn get_scores_prints_a_failure_of_the_service_without_its_cause() {
    let (refusing, _kept) = refusing_address();
    let folder = TestDir::of_examples();
    folder.point("trakkr-get-scores", refusing);
    folder.create_account("acme", "unmetered");
    let brand = ["0000000000000x000000000000000000"];
    let key = NewKey { api: "trakkr-get-scores", account: "acme", resources: &brand, ..NewKey::default() };
    let key = folder.create_key(&key).secret;
    let gateway = Gateway::serve(folder);
    let base = base(&gateway, "trakkr-get-scores");
    let (python, javascript) = (get_scores_python(&base, &key), get_scores_javascript(&base, &key));
    assert_printed(
        &python,
        &javascript,
        "Error 500: Internal server error",
        "An unexpected error occurred: req_",
    );
}

#[test]
fn get_scores_distinguishes_a_network_failure_from_a_response() {
    let (refusing, _kept) = refusing_address();
    let base = format!("http://{refusing}");
    let (python, javascript) = (get_scores_python(&base, "key"), get_scores_javascript(&base, "key"));
    assert!(python.stdout.starts_with("Network error: "), "{python:?}");
    assert!(javascript.stderr.starts_with("Network error: "), "{javascript:?}");
}

/// Both samples print the title on one line and the details on the next; the one in JavaScript calls it an
/// error of the console.
fn assert_printed(python: &Outcome, javascript: &Outcome, title: &str, detail: &str) {
    for (said, text) in [(python, &python.stdout), (javascript, &javascript.stderr)] {
        assert_eq!(said.code, Some(0), "{said:?}");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(title), "{said:?}");
        // Node wraps long arrays.
        let details = lines.collect::<String>().replace("[  '", "['").replace("[ '", "['");
        assert!(details.starts_with(&format!("Details: ['{detail}")), "{said:?}");
    }
}
