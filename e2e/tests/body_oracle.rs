//! Bodies and queries that servers read differently (`e2e/oracle/bodies/`): each spelling is sent through the gateway,
//! and what arrives is read by Werkzeug, PHP, busboy, qs and Tomcat. Whatever Demur admits, all of them read as Demur's
//! validator judged it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

#[path = "body_oracle/parsers.rs"]
mod parsers;
#[path = "body_oracle/reading.rs"]
mod reading;
#[path = "body_oracle/rows.rs"]
mod rows;

use std::collections::BTreeSet;

use demur_e2e::{Gateway, MockResponse, Received, Response, TestDir, Upstream};
use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, DocumentOptions};
use serde_json::json;

use parsers::Parsers;
use reading::{Reading, judged};
use rows::{Row, rows};

const DOCUMENT: &str = include_str!("../oracle/bodies/openapi.yaml");

/// A gateway in front of a recording upstream.
struct Site {
    gateway: Gateway,
    upstream: Upstream,
}

impl Site {
    fn start() -> Self {
        let upstream = Upstream::always(MockResponse::json(200, &json!({ "fine": true })));
        let folder = TestDir::empty();
        folder.write("demur.yaml", include_str!("../oracle/bodies/demur.yaml"));
        folder.write("openapi.yaml", DOCUMENT);
        folder.edit("127.0.0.1:9001", &upstream.address().to_string());
        Self { gateway: Gateway::serve(folder), upstream }
    }

    /// Sends every row to the API that is mounted there, one after the other. `check` gets the response, and the request
    /// as it reached the upstream, if it did.
    fn send(&self, mount: &str, rows: &[Row], mut check: impl FnMut(&Row, Response, Option<Received>)) {
        let client = self.gateway.client_of_no_api();
        let mut connection = client.connect();
        for row in rows {
            let before = self.upstream.count();
            connection.write(&row.request(mount));
            let response =
                connection.try_read("POST").unwrap_or_else(|error| panic!("{}: {error}", row.note));
            if response.header("connection") == "close" {
                connection = client.connect();
            }
            check(row, response, self.upstream.received_since(before).pop());
        }
    }
}

#[test]
fn every_parser_reads_what_was_validated() {
    let (rows, document) = (rows(), document());
    let passing = rows.iter().filter(|row| row.passes).count();
    assert!(rows.len() >= 400 && passing >= 80, "{} rows, {passing} of them pass", rows.len());
    let mut parsers = Parsers::start();
    let mut wrong = Vec::new();
    Site::start().send("/enforced", &rows, |row, response, arrived| match (arrived, response.status) {
        (Some(arrived), 200) => {
            if !row.passes {
                wrong.push(format!("- {}: admitted", row.note));
            }
            wrong.extend(disagreements(&document, &mut parsers, row, &arrived));
        }
        (None, 400 | 415) if row.passes => {
            wrong.push(format!("- {}: rejected: {}", row.note, response.text()));
        }
        (None, 400 | 415) => {}
        (arrived, status) => wrong.push(format!("- {}: {status}, {arrived:?}", row.note)),
    });
    assert!(wrong.is_empty(), "of {} rows:\n{}", rows.len(), wrong.join("\n"));
}

#[test]
fn monitor_mode_forwards_every_spelling_unchanged() {
    let mut rows = rows();
    // A target that is not a URI reaches no API.
    let is_uri = |row: &Row| {
        row.target
            .split('%')
            .skip(1)
            .all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
    };
    rows.retain(is_uri);
    let mut wrong = Vec::new();
    Site::start().send("/monitored", &rows, |row, response, arrived| {
        let is_unchanged =
            arrived.is_some_and(|arrived| arrived.target == row.target && arrived.body == row.body);
        if response.status != 200 || !is_unchanged {
            wrong.push(format!("- {}: {} {}", row.note, response.status, response.text()));
        }
    });
    assert!(wrong.is_empty(), "of {} rows:\n{}", rows.len(), wrong.join("\n"));
}

/// What the validator read, and what each parser read instead.
fn disagreements(
    document: &ApiDocument,
    parsers: &mut Parsers,
    row: &Row,
    arrived: &Received,
) -> Vec<String> {
    let declared: BTreeSet<String> =
        ["role", "note", "free", "tags", "ids", "filter", "data", "a_b", "list"].map(str::to_owned).into();
    let judged = match judged(document, arrived) {
        Ok(judged) => judged,
        Err(violations) => return vec![format!("- {}: admitted, and not valid: {violations}", row.note)],
    };
    let mut wrong = Vec::new();
    let mut files: Option<(&str, Vec<reading::File>)> = None;
    for (parser, read) in parsers.read(arrived) {
        if row.except.as_deref() == Some(parser) {
            continue;
        }
        let mut disagrees = |what: String| wrong.push(format!("- {}: {parser}: {what}", row.note));
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                disagrees(format!("fails: {error}"));
                continue;
            }
        };
        let Reading { query, fields, files: read_files } = read;
        // The declared query parameters; others are not validated.
        if let Some(query) = query
            && let Some(what) = judged.query.difference(&query.only(&declared), parser)
        {
            disagrees(format!("in the query: {what}"));
        }
        if let Some(fields) = fields
            && let Some(what) = judged.fields.difference(&fields, parser)
        {
            disagrees(what);
        }
        let Some(read_files) = read_files else { continue };
        match &files {
            Some((other, known)) if *known != read_files => {
                disagrees(format!("files {read_files:?}, not {known:?} as {other}"));
            }
            Some(_) => {}
            None => files = Some((parser, read_files)),
        }
    }
    wrong
}

fn document() -> ApiDocument {
    let mut found = Diagnostics::new();
    let source = Source::new("openapi.yaml", DOCUMENT);
    let document = ApiDocument::load(&source, &DocumentOptions::default(), &mut found);
    document.unwrap_or_else(|| panic!("{found}"))
}
