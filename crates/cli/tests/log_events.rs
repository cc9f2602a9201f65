//! Every log event of every crate has a row in `docs/reference/log-events.md`, with its level and fields, and every row has an event.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// What a call and a row of the table have in common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    name: String,
    level: String,
    fields: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust files below, without those of tests.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The arguments of a macro call, from its opening parenthesis on.
fn arguments(code: &str) -> Vec<String> {
    let (mut arguments, mut current, mut depth, mut is_text) = (Vec::new(), String::new(), 0, false);
    for char in code.chars() {
        match char {
            '"' => is_text = !is_text,
            '(' | '[' | '{' if !is_text => depth += 1,
            ')' | ']' | '}' if !is_text => depth -= 1,
            _ => {}
        }
        let is_end = depth == 0;
        if !is_text && (is_end || (char == ',' && depth == 1)) {
            arguments.push(current.trim().trim_start_matches('(').trim().to_owned());
            current.clear();
            if is_end {
                break;
            }
        } else {
            current.push(char);
        }
    }
    arguments.retain(|argument| !argument.is_empty());
    arguments
}

fn event(level: &str, code: &str, file: &Path) -> Event {
    let mut arguments = arguments(code);
    let name = arguments.pop().unwrap_or_default();
    let is_name = Regex::new(r#"^"[A-Za-z][A-Za-z ]*[a-z]"$"#).unwrap();
    assert!(is_name.is_match(&name), "{}: the event has no short, constant name: {name}", file.display());
    let field = |argument: &String| {
        let name = argument.split('=').next().unwrap().trim().trim_start_matches(['%', '?']);
        name.rsplit('.').next().unwrap().to_owned()
    };
    Event {
        name: name.trim_matches('"').to_owned(),
        level: level.to_owned(),
        fields: arguments.iter().map(field).collect(),
    }
}

/// The events in the sources of all crates.
fn emitted() -> BTreeSet<Event> {
    let mut files = Vec::new();
    for folder in fs::read_dir(root().join("crates")).unwrap() {
        sources(&folder.unwrap().path().join("src"), &mut files);
    }
    sources(&root().join("examples/src"), &mut files);
    let call = Regex::new(r"\b(trace|debug|info|warn|error|event)!\s*\(").unwrap();
    let import = Regex::new(r"\buse tracing::(?:\{[^}]*\b)?(?:trace|debug|info|warn|error|event)\b").unwrap();
    let mut events = BTreeSet::new();
    for file in files {
        let code = fs::read_to_string(&file).unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        assert!(
            !import.is_match(&code),
            "{}: write `tracing::warn!`, so that calls are found",
            file.display()
        );
        for found in call.captures_iter(&code) {
            assert_ne!(&found[1], "event", "{}: use a macro with a level", file.display());
            let start = found.get(0).unwrap();
            events.insert(event(&found[1], &code[start.end() - 1..], &file));
        }
    }
    events
}

/// The rows of the first table of the page.
fn documented(page: &str) -> Vec<Event> {
    let log = page.split("## Access log").next().unwrap();
    let rows = log.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let fields = cells[3].split(", ").filter(|field| !field.is_empty());
        let fields = fields.map(|field| field.trim_matches('`').to_owned());
        assert!(cells[4].ends_with('.'), "{line}");
        Event {
            name: cells[1].trim_matches('`').to_owned(),
            level: cells[2].to_owned(),
            fields: fields.collect(),
        }
    };
    rows.map(row).collect()
}

#[test]
fn every_log_event_is_documented() {
    let page = fs::read_to_string(root().join("docs/reference/log-events.md")).unwrap();
    let documented = documented(&page);
    assert!(
        documented.is_sorted_by(|one, other| one.name < other.name),
        "rows are sorted, and names are unique"
    );
    let emitted = emitted();
    assert!(emitted.len() > 10, "only {} events were found", emitted.len());
    let documented: BTreeSet<Event> = documented.into_iter().collect();
    let missing: Vec<&Event> = emitted.difference(&documented).collect();
    let gone: Vec<&Event> = documented.difference(&emitted).collect();
    assert!(missing.is_empty() && gone.is_empty(), "without a row: {missing:#?}\nwithout a call: {gone:#?}");
}

/// The access log writes its entries itself: the names are in one function of it.
#[test]
fn every_access_log_event_is_documented() {
    let page = fs::read_to_string(root().join("docs/reference/log-events.md")).unwrap();
    let (_, access) = page.split_once("## Access log").unwrap();
    let code = fs::read_to_string(root().join("crates/gateway/src/access_log/line.rs")).unwrap();
    let name = Regex::new(r#"\("(?:INFO|WARN)", "([^"]+)"\)"#).unwrap();
    let names: BTreeSet<&str> = name.captures_iter(&code).map(|found| found.extract::<1>().1[0]).collect();
    let (events, fields_of_entry) = access.split_once("Fields of an entry").unwrap();
    let rows = |table| str::lines(table).filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(names, rows(events).collect());
    // And the fields of an entry.
    let fields = code.split_once("struct LogLine").unwrap().1.split_once("\n}").unwrap().0;
    let field = Regex::new(r"(?m)^    (\w+):").unwrap();
    let known: Vec<&str> = field.captures_iter(fields).map(|found| found.extract::<1>().1[0]).collect();
    let documented: Vec<&str> = rows(fields_of_entry).collect();
    assert_eq!(documented, known, "in the order of an entry");
}
