//! What comes back of an answer grows with the answer's length, whatever its author does to make it more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use demur_contract::{Contract, ParseResult, ParsedProblem, ResponseView};
use demur_source::Source;

fn load(format: &str) -> Contract {
    let text = format!(
        "demur: 1\nname: shop\nformats: {{ default: {format} }}\nerrors:\n  \
         bad: {{ status: 400, message: Bad., on: [request, internal, param] }}\n"
    );
    Contract::load(&Source::new("shop.yaml", text)).unwrap_or_else(|found| panic!("{found}")).contract
}

/// How many bytes of text came back.
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

/// An answer by name: the name, and so many times the item.
fn answer(name: &str, item: &str, count: usize) -> String {
    format!(r#"{{"code":"bad","errors":{{"{name}":[{}]}}}}"#, vec![item; count].join(","))
}

#[test]
fn twice_the_answer_is_at_most_twice_the_memory() {
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
            let content = answer(&letter.repeat(n), item, n);
            match contract.parse(&ResponseView::new(400, content.as_bytes())) {
                ParseResult::Exact(read) => {
                    let most = TIMES * content.len() + 4096;
                    assert!(
                        bytes(&read) <= most,
                        "{format} {letter} {n}: {} of {}",
                        bytes(&read),
                        content.len()
                    );
                }
                ParseResult::Unknown { .. } => unread += 1,
                ParseResult::Ambiguous { .. } => panic!("{format}"),
            }
        }
        assert!((1..8).contains(&unread), "{format} {letter}: {unread} of 13 are beyond the bound");
    }
}

#[test]
fn what_servers_say_is_within_the_bounds() {
    let long_name = "shipments[12].parcels[3].customs_declaration.items[7].country_of_origin";
    for (format, name, item, count) in [
        (BY_NAME, "email", r#""is invalid""#, 20_000),
        (BY_NAME, long_name, r#""must be one of the countries of ISO 3166""#, 20_000),
        (BY_NAME, &*"n".repeat(20_000), r#""is not a known parameter""#, 5),
        (OBJECTS_BY_NAME, "email", r#"{"message":"is invalid","hint":1}"#, 20_000),
    ] {
        let contract = load(format);
        let content = answer(name, item, count);
        let ParseResult::Exact(read) = contract.parse(&ResponseView::new(400, content.as_bytes())) else {
            panic!("{format} {name}")
        };
        assert_eq!(read.violations.len(), count);
    }
}

/// What is beyond the bound of one format is not read as another one that has no place for it.
#[test]
fn beyond_the_bound_no_format_fits() {
    let text = format!(
        "demur: 1\nname: shop\nformats: {{ default: {BY_NAME}, other: {{ message?: $params.text }} }}\nerrors:\n  \
         bad: {{ status: 400, message: Bad., on: [request, internal, param] }}\n  \
         other: {{ status: 400, message: Other., format: other, params: [text] }}\n"
    );
    let contract = Contract::load(&Source::new("shop.yaml", text)).unwrap().contract;
    let content = answer(&"n".repeat(4096), r#""m""#, 4096);
    assert!(matches!(
        contract.parse(&ResponseView::new(400, content.as_bytes())),
        ParseResult::Unknown { .. }
    ));
}

#[test]
fn a_name_that_comes_twice_is_not_read() {
    let contract = load(BY_NAME);
    let many = |last: &str| {
        let names = (0..100).map(|index| format!(r#""n{index}":["m"],"#));
        format!(r#"{{"code":"bad","errors":{{{}"{last}":["m"]}}}}"#, names.collect::<String>())
    };
    for (content, is_known) in [
        (r#"{"code":"bad","errors":{"a":["first"],"b":["second"]}}"#.to_owned(), true),
        (r#"{"code":"bad","errors":{"a":["first"],"a":["second"]}}"#.to_owned(), false),
        (r#"{"code":"bad","errors":{"a":["first"],"b":["m"],"\u0061":["second"]}}"#.to_owned(), false),
        (r#"{"code":"bad","errors":{"\u0061":["first"],"\u0062":["second"]}}"#.to_owned(), true),
        (many("x"), true),
        (many("n99"), false),
        (many("n0"), false),
        (many(r"\u006e0"), false),
    ] {
        let parsed = contract.parse(&ResponseView::new(400, content.as_bytes()));
        assert_eq!(matches!(parsed, ParseResult::Exact(_)), is_known, "{content}");
    }
}
