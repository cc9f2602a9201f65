//! The memory of a parsed response is linear in the length of its body, also for hostile bodies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use demur_contract::{Contract, ParseResult, ParsedProblem, ResponseView};
use demur_source::Source;

fn load(format: &str) -> Contract {
    let text = format!(
        "demur: 1\nname: shop\nformats: {{ default: {format} }}\nerrors:\n  \
         bad: {{ status: 400, message: Bad., on: [request, internal, param] }}\n"
    );
    Contract::load(&Source::new("shop.yaml", text))
        .unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
        .contract
}

/// The number of bytes of text in a parsed response.
fn bytes(read: &ParsedProblem<'_>) -> usize {
    let of_violations = read.violations.iter().flat_map(|violation| {
        [&violation.field, &violation.param, &violation.message, &violation.pointer, &violation.value]
    });
    let texts: usize = of_violations.flatten().map(|text| text.len()).sum();
    let pointers: usize =
        read.unknown_members.iter().map(|member| member.pointer.len() + member.raw.len()).sum();
    texts + pointers
}

const BY_NAME: &str = "{ code: $code, errors: { $violation.field: [$violation.message] } }";
const OBJECTS_BY_NAME: &str =
    "{ code: $code, errors: { $violation.field: [{ message?: $violation.message }] } }";

/// A body with violations grouped by name: one name with `count` items.
fn body_with(name: &str, item: &str, count: usize) -> String {
    format!(r#"{{"code":"bad","errors":{{"{name}":[{}]}}}}"#, vec![item; count].join(","))
}

#[test]
fn memory_grows_at_most_linearly_with_the_body() {
    const TIMES: usize = 16;
    for (format, letter, item) in [
        (BY_NAME, "n", r#""m""#),
        (BY_NAME, r"\u00e9", r#""m""#),
        (BY_NAME, "/", r#""m""#),
        (OBJECTS_BY_NAME, "n", r#"{"x":1}"#),
        (OBJECTS_BY_NAME, "~", r#"{"x":1,"y":2}"#),
    ] {
        let contract = load(format);
        let mut unread = 0;
        for n in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096] {
            let body = body_with(&letter.repeat(n), item, n);
            match contract.parse(&ResponseView::new(400, body.as_bytes())) {
                ParseResult::Exact(read) => {
                    let most = TIMES * body.len() + 4096;
                    assert!(
                        bytes(&read) <= most,
                        "{format} {letter} {n}: {} of {}",
                        bytes(&read),
                        body.len()
                    );
                }
                ParseResult::Unknown { .. } => unread += 1,
                ParseResult::Ambiguous { .. } => panic!("{format}"),
            }
        }
        assert!((1..8).contains(&unread), "{format} {letter}: {unread} of 13 are beyond the limit");
    }
}

#[test]
fn realistic_bodies_are_within_the_limits() {
    let long_name = "shipments[12].parcels[3].customs_declaration.items[7].country_of_origin";
    for (format, name, item, count) in [
        (BY_NAME, "email", r#""is invalid""#, 20_000),
        (BY_NAME, long_name, r#""must be one of the countries of ISO 3166""#, 20_000),
        (BY_NAME, &*"n".repeat(20_000), r#""is not a known parameter""#, 5),
        (OBJECTS_BY_NAME, "email", r#"{"message":"is invalid","hint":1}"#, 20_000),
    ] {
        let contract = load(format);
        let body = body_with(name, item, count);
        let ParseResult::Exact(read) = contract.parse(&ResponseView::new(400, body.as_bytes())) else {
            panic!("{format} {name}")
        };
        assert_eq!(read.violations.len(), count);
    }
}

/// A body beyond the limit of one format is not parsed by another one that ignores the member.
#[test]
fn a_body_beyond_the_limit_matches_no_format() {
    let text = format!(
        "demur: 1\nname: shop\nformats: {{ default: {BY_NAME}, other: {{ message?: $params.text }} }}\nerrors:\n  \
         bad: {{ status: 400, message: Bad., on: [request, internal, param] }}\n  \
         other: {{ status: 400, message: Other., format: other, params: [text] }}\n"
    );
    let contract = Contract::load(&Source::new("shop.yaml", text)).unwrap().contract;
    let body = body_with(&"n".repeat(4096), r#""m""#, 4096);
    assert!(matches!(contract.parse(&ResponseView::new(400, body.as_bytes())), ParseResult::Unknown { .. }));
}

#[test]
fn rejects_duplicate_member_names() {
    let contract = load(BY_NAME);
    let many = |last: &str| {
        let names = (0..100).map(|index| format!(r#""n{index}":["m"],"#));
        format!(r#"{{"code":"bad","errors":{{{}"{last}":["m"]}}}}"#, names.collect::<String>())
    };
    for (body, is_known) in [
        (r#"{"code":"bad","errors":{"a":["first"],"b":["second"]}}"#.to_owned(), true),
        (r#"{"code":"bad","errors":{"a":["first"],"a":["second"]}}"#.to_owned(), false),
        (r#"{"code":"bad","errors":{"a":["first"],"b":["m"],"\u0061":["second"]}}"#.to_owned(), false),
        (r#"{"code":"bad","errors":{"\u0061":["first"],"\u0062":["second"]}}"#.to_owned(), true),
        (many("x"), true),
        (many("n99"), false),
        (many("n0"), false),
        (many(r"\u006e0"), false),
    ] {
        let parsed = contract.parse(&ResponseView::new(400, body.as_bytes()));
        assert_eq!(matches!(parsed, ParseResult::Exact(_)), is_known, "{body}");
    }
}
