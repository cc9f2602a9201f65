//! Formats with text that is slow to validate. Without a clock: if validation were quadratic, the test would not end.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions};

const FORMATS: [&str; 19] = [
    "date",
    "date-time",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
    "uuid",
];

const BYTES: usize = 200_000;

/// Pieces that are difficult for parsers of names, addresses, templates and patterns.
const PIECES: [&str; 16] = [
    "a",
    "1",
    "(",
    "a.",
    "ü.",
    "{a}",
    "/~",
    ":",
    "%41",
    "x{1000}",
    "(a|b)*",
    "P1Y",
    "xn--",
    "../",
    "[",
    "\u{5d0}1.",
];

fn document(format: &str) -> ApiDocument {
    let text = format!(
        "openapi: 3.1.0\npaths: {{ /x: {{ post: {{ operationId: x, requestBody: {{ content: {{ application/json: {{ schema: {{ format: {format} }} }} }} }} }} }} }}\n"
    );
    let mut diagnostics = Diagnostics::new();
    let document =
        ApiDocument::load(&Source::new("t.yaml", text), &DocumentOptions::default(), &mut diagnostics);
    document.unwrap_or_else(|| panic!("{diagnostics}"))
}

#[test]
fn validates_every_format_in_linear_time() {
    for format in FORMATS {
        let document = document(format);
        let repeated = PIECES.iter().flat_map(|piece| {
            let text = piece.repeat(BYTES / piece.len());
            ["", "http://", "a@"].map(|before| format!("{before}{text}"))
        });
        let nested = "(((((x{1000}){1000}){1000}){1000}){1000})".to_owned();
        for text in repeated.chain([nested]) {
            let content = serde_json::to_vec(&text).unwrap();
            match document.check_body(&document.operations()[0], Some("application/json"), &content) {
                CheckedBody::Checked { violations, .. } => assert!(violations.len() <= 1, "{format}"),
                CheckedBody::Rejected(problem) => panic!("{format}: {problem:?}"),
            }
        }
    }
}
