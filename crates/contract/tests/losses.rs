//! The table of what comes back, a row for each rule by which something changes or is lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use demur_contract::Contract;
use demur_source::Source;

/// What is told of a part: of all errors that have no row of their own, and of those that have one.
fn told(format: &str, errors: &str, part: &str) -> Vec<String> {
    let text = format!(
        "demur: 1\nname: shop\nproblem_json: off\nformats: {{ default: {format} }}\nerrors:\n  \
         rest: {{ status: 500, message: Rest., on: [request, internal] }}\n{errors}"
    );
    let loaded = Contract::load(&Source::new("shop.yaml", text)).unwrap_or_else(|found| panic!("{found}"));
    let contract = loaded.contract;
    let rows = contract.round_trip_report().into_iter().filter(|loss| loss.part == part);
    let row = |loss: demur_contract::FieldFidelity| match loss.error {
        Some(error) => format!("{}: {}", contract.entry(error).name, loss.fidelity),
        None => loss.fidelity.to_string(),
    };
    rows.map(row).collect()
}

#[test]
fn casts_of_a_parameter_are_told() {
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
        ("{ c: $code }", "sold: lost: nothing shows it"),
    ] {
        assert_eq!(told(format, SOLD, "params.item"), [how], "{format}");
    }
}

#[test]
fn which_violations_come_back_is_told() {
    const LIST: &str = "{ c: $code, e: [{ f: $violation.field }] }";
    const BY_NAME: &str = "{ c: $code, e: { $violation.field: [$violation.message] } }";
    const FIRST_OF_NAME: &str = "{ c: $code, e: { $violation.field: $violation.message } }";
    const BESIDE: &str = "{ c: $code, f?: $violation.field }";
    for (format, entry, how) in [
        (LIST, "show: all", "kept"),
        (LIST, "show: first", "kept, the first alone"),
        (LIST, "show: same_error", "kept, those of the same error"),
        (LIST, "show: all, collect: values", "kept, those of one list as one"),
        (BY_NAME, "show: all", "kept, in the order of the names"),
        (FIRST_OF_NAME, "show: all", "kept, the first of each name"),
        (BESIDE, "show: all", "kept, the first alone"),
        ("{ c: $code, f: $violation.field|empty }", "show: all", "kept, the first alone, unless it is empty"),
        ("{ c: $code, p: $param }", "show: all", "lost: nothing shows it"),
        ("{ e: [$detail] }", "show: all, message: Bad.", "kept"),
        (
            "{ e: [$detail] }",
            "show: all, message: 'item is required'",
            "kept, unless the text can be the message",
        ),
    ] {
        let errors = format!("  bad: {{ status: 400, on: [param], {entry} }}\n");
        assert_eq!(told(format, &errors, "violations"), [how], "{format} {entry}");
    }
}

/// A slot of some locations shows nothing of a violation elsewhere; of one location alone it tells that one.
#[test]
fn where_a_violation_must_stand_to_come_back_is_told() {
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
        (SOURCE, NAMED, "violation.location", "kept, of violations in query, body"),
        (SOURCE, NAMED, "violation.param", "kept, of violations in query"),
        (SOURCE, NAMED, "violation.pointer", "kept, of violations in body"),
        (EACH, NAMED, "violation.location", "kept"),
        (EACH, NAMED, "violation.rule", "kept"),
        (SEVERAL, NAMED, "violation.location", "lost: nothing shows it"),
        (SEVERAL, NAMED, "violation.param", "kept, of violations in path, query"),
        (EMPTY, NAMED, "violation.location", "lost: nothing shows it"),
        (EMPTY, NAMED, "violation.param", "kept, unless it is empty, of violations in query"),
        (BOTH, NAMED, "violation.location", "kept"),
        (BOTH, NAMED, "violation.param", "kept"),
        (BESIDE, NAMED, "violations", "kept, the first alone, of violations in query"),
        (DETAIL, PLAIN, "violations", "kept, unless the text can be the message"),
        (PARTED, PLAIN, "violations", "kept"),
        (MESSAGE, NAMED, "violation.param", "kept, as text, of violations in query"),
    ] {
        let errors = format!("  bad: {{ status: 400, on: [param], show: all, message: '{message}' }}\n");
        let told = told(format, &errors, part);
        assert_eq!(told, [how], "{format} {part}");
    }
}

/// Where the errors of one format differ, each that is not as most are has its own row.
#[test]
fn errors_that_differ_have_their_own_rows() {
    const FORMAT: &str = "{ c: $code, e: [{ m: $violation.message }] }";
    let errors = "  one: { status: 400, message: '{param} must be {allowed}', on: [param.invalid.enum], show: first }\n  \
                  two: { status: 400, message: '{param} is missing', on: [param.missing], show: same_error }\n  \
                  three: { status: 400, message: Bad., on: [param.invalid], show: same_error }\n  \
                  four: { status: 400, message: Bad., on: [param.requires], show: same_error }\n";
    for (part, rows) in [
        ("violations", &["kept, those of the same error", "one: kept, the first alone"][..]),
        ("violation.pointer", &["lost: nothing shows it"]),
        ("violation.rule", &["kept", "three: lost: several rules have one text"]),
        (
            "violation.allowed",
            &[
                "lost: nothing shows it",
                "one: kept, as text, unless a value holds \" must be \"",
                "three: kept, as text, unless a value holds \" must be \", where the rule's text shows it, where the \
                 text cannot be another rule's",
            ],
        ),
    ] {
        // Of conditions that none of them claims there are errors of their own.
        let mut told = told(FORMAT, errors, part);
        told.retain(|row| !row.starts_with("param_"));
        assert_eq!(told, rows, "{part}");
    }
}
