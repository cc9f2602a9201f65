//! The round-trip report: a row for each rule by which a part changes or is lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use demur_contract::Contract;
use demur_source::Source;

/// The rows of a part: that of all errors without a row of their own, and those of single errors.
fn rows(format: &str, errors: &str, part: &str) -> Vec<String> {
    let text = format!(
        "demur: 1\nname: shop\nproblem_json: off\nviolations: {{ field: name }}\nformats: {{ default: {format} }}\nerrors:\n  \
         rest: {{ status: 500, message: Rest., on: [request, internal] }}\n{errors}"
    );
    let loaded =
        Contract::load(&Source::new("shop.yaml", text)).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let contract = loaded.contract;
    let rows = contract.round_trip_report().into_iter().filter(|row| row.part == part);
    let row = |row: demur_contract::FieldFidelity| match row.error {
        Some(error) => format!("{}: {}", contract.entry(error).name, row.fidelity),
        None => row.fidelity.to_string(),
    };
    rows.map(row).collect()
}

#[test]
fn reports_casts_of_parameters() {
    const SOLD: &str = "  sold: { status: 409, message: '{item} is sold.', params: [item] }\n";
    for (format, how) in [
        ("{ m: $message, i: $params.item }", "sold: kept"),
        ("{ m: $message, i?: $params.item }", "sold: kept"),
        ("{ m: $message, i: $params.item|string }", "sold: kept, as text"),
        ("{ m: $message, i: $params.item|empty }", "sold: kept, unless it is empty"),
        ("{ i: $params.item|string, j: $params.item }", "sold: kept"),
        ("{ i: $params.item|empty, j: $params.item }", "sold: kept"),
        ("{ i: $params.item|empty, j: $params.item|string }", "sold: kept"),
        ("{ m: $message }", "sold: kept, as text"),
        ("{ c: $code }", "sold: lost: the response does not show it"),
    ] {
        assert_eq!(rows(format, SOLD, "params.item"), [how], "{format}");
    }
}

#[test]
fn reports_which_violations_are_recovered() {
    const LIST: &str = "{ c: $code, e: [{ f: $violation.field }] }";
    const BY_NAME: &str = "{ c: $code, e: { $violation.field: [$violation.message] } }";
    const FIRST_OF_NAME: &str = "{ c: $code, e: { $violation.field: $violation.message } }";
    const BESIDE: &str = "{ c: $code, f?: $violation.field }";
    for (format, entry, how) in [
        (LIST, "show: all", "kept"),
        (LIST, "show: first", "kept, only the first"),
        (LIST, "show: same_error", "kept, only those of the same error"),
        (LIST, "show: all, collect: values", "kept, those of one list as one"),
        (BY_NAME, "show: all", "kept, in the order of parameter names"),
        (FIRST_OF_NAME, "show: all", "kept, only the first of each parameter"),
        (BESIDE, "show: all", "kept, only the first"),
        ("{ c: $code, f: $violation.field|empty }", "show: all", "kept, only the first, unless it is empty"),
        ("{ c: $code, p: $param }", "show: all", "lost: the response does not show it"),
        ("{ e: [$detail] }", "show: all, message: Bad.", "kept"),
        (
            "{ e: [$detail] }",
            "show: all, message: 'item is required'",
            "kept, unless the text can be the message of the error",
        ),
    ] {
        let errors = format!("  bad: {{ status: 400, on: [param], {entry} }}\n");
        assert_eq!(rows(format, &errors, "violations"), [how], "{format} {entry}");
    }
}

/// A slot for some locations does not show violations elsewhere; a slot for a single location determines it.
#[test]
fn reports_the_locations_in_which_violations_are_recovered() {
    const SOURCE: &str =
        "{ c: $code, e: [{ q?: '$violation.field|in:query', b?: '$violation.pointer|in:body' }] }";
    const EACH: &str = "{ e: [{ p?: '$violation.rule|in:path', q?: '$violation.rule|in:query', h?: '$violation.rule|in:header', \
                         k?: '$violation.rule|in:cookie', b?: '$violation.rule|in:body' }] }";
    const SEVERAL: &str = "{ c: $code, e: [{ q?: '$violation.field|in:path+query' }] }";
    const EMPTY: &str = "{ c: $code, e: [{ q: '$violation.field|in:query|empty' }] }";
    const BOTH: &str =
        "{ c: $code, e: [{ q: '$violation.field|in:query', l: $violation.location, f: $violation.field }] }";
    const BESIDE: &str = "{ c: $code, q: '$violation.field|in:query' }";
    const DETAIL: &str = "{ e: [{ d: $detail, q?: '$violation.field|in:query' }] }";
    const PARTED: &str = "{ e: [{ d: $detail, q?: '$violation.field|in:query', r?: '$violation.rule|in:body+path+header+cookie' }] }";
    const MESSAGE: &str = "{ c: $code, e: [{ m: '$violation.message|in:query' }] }";
    const NAMED: &str = "{param} is missing";
    const PLAIN: &str = "a is required";
    for (format, message, part, how) in [
        (SOURCE, NAMED, "violations", "kept"),
        (SOURCE, NAMED, "violation.location", "kept, only for violations in query, body"),
        (SOURCE, NAMED, "violation.param", "kept, only for violations in query"),
        (SOURCE, NAMED, "violation.pointer", "kept, only for violations in body"),
        (EACH, NAMED, "violation.location", "kept"),
        (EACH, NAMED, "violation.rule", "kept"),
        (SEVERAL, NAMED, "violation.location", "lost: the response does not show it"),
        (SEVERAL, NAMED, "violation.param", "kept, only for violations in path, query"),
        (EMPTY, NAMED, "violation.location", "lost: the response does not show it"),
        (EMPTY, NAMED, "violation.param", "kept, unless it is empty, only for violations in query"),
        (BOTH, NAMED, "violation.location", "kept"),
        (BOTH, NAMED, "violation.param", "kept"),
        (BESIDE, NAMED, "violations", "kept, only the first, only for violations in query"),
        (DETAIL, PLAIN, "violations", "kept, unless the text can be the message of the error"),
        (PARTED, PLAIN, "violations", "kept"),
        (MESSAGE, NAMED, "violation.param", "kept, as text, only for violations in query"),
    ] {
        let errors = format!("  bad: {{ status: 400, on: [param], show: all, message: '{message}' }}\n");
        let rows = rows(format, &errors, part);
        assert_eq!(rows, [how], "{format} {part}");
    }
}

/// If the errors of a format differ, those that differ from most have rows of their own.
#[test]
fn errors_that_differ_from_most_have_their_own_rows() {
    const FORMAT: &str = "{ c: $code, e: [{ m: $violation.message }] }";
    let errors = "  one: { status: 400, message: '{param} must be {allowed}', on: [param.invalid.enum], show: first }\n  \
                  two: { status: 400, message: '{param} is missing', on: [param.missing], show: same_error }\n  \
                  three: { status: 400, message: Bad., on: [param.invalid], show: same_error }\n  \
                  four: { status: 400, message: Bad., on: [param.requires], show: same_error }\n";
    for (part, expected) in [
        ("violations", &["kept, only those of the same error", "one: kept, only the first"][..]),
        ("violation.pointer", &["lost: the response does not show it"]),
        ("violation.rule", &["kept", "three: lost: several rules have the same text"]),
        (
            "violation.allowed",
            &[
                "lost: the response does not show it",
                "one: kept, as text, unless a value contains \" must be \"",
                "three: kept, as text, unless a value contains \" must be \", only if the text of the rule shows it, only \
                 if no other rule can have the same text",
            ],
        ),
    ] {
        // Unclaimed conditions have derived errors.
        let mut actual = rows(FORMAT, errors, part);
        actual.retain(|row| !row.starts_with("param_"));
        assert_eq!(actual, expected, "{part}");
    }
}

/// A table cell, and the same without the list of texts.
#[test]
fn reasons_are_short() {
    let mut rows = 0;
    for name in demur_contract::builtin::names() {
        let source = demur_contract::builtin::source(name).unwrap();
        for row in Contract::load(&source).unwrap().contract.round_trip_report() {
            let reason = row.fidelity.reason();
            assert!(reason.len() <= 200, "{name} {}: {reason}", row.part);
            assert!(row.fidelity.word() == "kept" || !reason.is_empty(), "{name} {}", row.part);
            rows += 1;
        }
    }
    assert!(rows > 100);
    for (message, says) in [
        (
            "{param} must be {limit}",
            "as text, if the message shows it and is unique, unless the value contains words of the message",
        ),
        ("{limit}{param}", "no separator from another parameter, or part of a plural form"),
    ] {
        let text = format!(
            "demur: 1\nname: shop\nformats: {{ default: {{ m: $message, v: [{{ m: $violation.message }}] }} }}\nviolations: \
             {{ messages: {{ maximum: '{message}' }} }}\nerrors:\n  rest: {{ status: 500, message: R, on: [request, \
             internal, param] }}\n"
        );
        let contract = Contract::load(&Source::new("shop.yaml", text)).unwrap().contract;
        let report = contract.round_trip_report();
        let row = report.iter().find(|row| row.part == "violation.limit").unwrap();
        assert_eq!(row.fidelity.reason(), says, "{message}: {}", row.fidelity);
    }
}
