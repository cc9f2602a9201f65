//! Formats against text that was made to be slow to judge. There is no clock here: where judging were quadratic,
//! or worse, the test would not end.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails says why")]

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

/// What parsers of names, addresses, templates and patterns stumble over.
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
    let mut found = Diagnostics::new();
    let document = ApiDocument::load(&Source::new("t.yaml", text), &DocumentOptions::default(), &mut found);
    document.unwrap_or_else(|| panic!("{found}"))
}

#[test]
fn no_text_takes_a_format_long_to_judge() {
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
