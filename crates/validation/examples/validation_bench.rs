//! Measures validation, each figure compared with a baseline in the same run: a lookup among 10 and 10,000
//! operations, a body of 1 KB and a plain jsonschema call, and rules.
//!
//! `cargo run --release -p demur-validation --example validation_bench`
//!
//! With the number of a rule and of calls, it only evaluates that rule: the difference of `valgrind --tool=callgrind
//! … 3 1000` and `… 3 2000` is the instructions of one call. The number behind that of the last rule accepts the body.

#![allow(clippy::print_stdout, clippy::panic, clippy::unwrap_used, reason = "a program for people")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use demur_source::{Diagnostics, Source, Span};
use demur_validation::{
    ApiDocument, CheckedBody, Declarations, DocumentOptions, Expression, Find, RuleInputs, Variable,
};
use http::Method;
use serde_json::{Value, json};

const ROUNDS: usize = 15;

/// The median time of one call. The programs take turns, so that the load of the machine affects all alike.
fn compare<const N: usize>(calls: u32, mut programs: [&mut dyn FnMut(); N]) -> [Duration; N] {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (program, times) in programs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (0..calls).for_each(|_| program());
            times.push(start.elapsed() / calls);
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[ROUNDS / 2]
    })
}

fn load(text: &str) -> ApiDocument {
    let mut diagnostics = Diagnostics::new();
    let document =
        ApiDocument::load(&Source::new("bench.yaml", text), &DocumentOptions::default(), &mut diagnostics);
    document.unwrap_or_else(|| panic!("{diagnostics}"))
}

fn operations(count: usize) -> ApiDocument {
    let mut text = "openapi: 3.1.0\npaths:\n".to_owned();
    for number in 0..count {
        text += &format!(
            "  /group{}/things{number}/{{id}}/parts/{{part}}:\n    get: {{ operationId: o{number}, parameters: [{{ name: id, in: path, required: true, schema: {{}} }}, {{ name: part, in: path, required: true, schema: {{}} }}] }}\n",
            number % 100
        );
    }
    load(&text)
}

fn look_up() {
    let (few, many) = (operations(10), operations(10_000));
    let paths = |count: usize| -> Vec<String> {
        (0..64)
            .map(|n| n * (count - 1) / 63)
            .map(|n| format!("/group{}/things{n}/4711/parts/5", n % 100))
            .collect()
    };
    let ask = |document: &ApiDocument, paths: &[String]| {
        for path in paths {
            assert!(matches!(document.find(&Method::GET, black_box(path)), Find::Found(_)));
        }
    };
    let (few_paths, many_paths) = (paths(10), paths(10_000));
    let [few, many] = compare(2_000, [&mut || ask(&few, &few_paths), &mut || ask(&many, &many_paths)]);
    let (few, many) = (few.as_nanos() as f64 / 64.0, many.as_nanos() as f64 / 64.0);
    println!("look-up        10 operations {few:.0} ns, 10,000 operations {many:.0} ns: {:.2} x", many / few);
}

const ORDER: &str = "{ type: object, additionalProperties: false, required: [id, customer, lines], properties: {
  id: { type: string, format: uuid }, placed: { type: string, format: date-time }, note: { type: string, maxLength: 400 },
  customer: { type: object, required: [name, email], properties: { name: { type: string, minLength: 1 }, email: { type: string, format: email }, age: { type: integer, minimum: 0 } } },
  lines: { type: array, minItems: 1, maxItems: 50, items: { type: object, required: [sku, count], properties: { sku: { type: string, pattern: '^[A-Z]{2}-[0-9]{4}$' }, count: { type: integer, minimum: 1 }, price: { type: number }, kind: { enum: [book, map, card] } } } } } }";

/// The document with the order, and a valid one of about 1 KB.
fn order() -> (ApiDocument, Value) {
    let line = |number: usize| json!({ "sku": format!("AB-{number:04}"), "count": number + 1, "price": 9.5, "kind": "book" });
    let order = json!({
        "id": "b51ec534-ee48-4575-b6a9-ead2955b8069", "placed": "2026-11-20T10:00:00Z", "note": "x".repeat(240),
        "customer": { "name": "Ann Other", "email": "ann@example.com", "age": 41 },
        "lines": (0..10).map(line).collect::<Vec<_>>(),
    });
    let document = load(&format!(
        "openapi: 3.1.0\npaths: {{ /x: {{ post: {{ operationId: x, requestBody: {{ content: {{ application/json: {{ schema: {ORDER} }} }} }} }} }} }}\n"
    ));
    (document, order)
}

fn body() {
    let (document, order) = order();
    let bytes = order.to_string().into_bytes();
    let schema = demur_source::parse(&Source::new("s", ORDER)).unwrap().to_json();
    let plain = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&schema)
        .unwrap();
    let operation = &document.operations()[0];
    let mut ours = || match document.check_body(operation, Some("application/json"), black_box(&bytes)) {
        CheckedBody::Checked { violations, .. } => assert!(violations.is_empty()),
        CheckedBody::Rejected(problem) => panic!("{problem:?}"),
    };
    let mut accepted =
        || assert!(document.accepts_body(operation, Some("application/json"), black_box(&bytes)));
    let mut theirs = || {
        let value: Value = serde_json::from_slice(black_box(&bytes)).unwrap();
        assert!(plain.is_valid(&value));
    };
    let mut judged = || assert!(plain.is_valid(black_box(&order)));
    let [ours, accepted, theirs, judged] =
        compare(3_000, [&mut ours, &mut accepted, &mut theirs, &mut judged]);
    println!(
        "{} bytes     accepted without a tree {accepted:?} ({:.2} x), read and checked {ours:?} ({:.2} x); serde_json and jsonschema {theirs:?}, of which jsonschema {judged:?}",
        bytes.len(),
        accepted.as_secs_f64() / theirs.as_secs_f64(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
}

const RULES: [&str; 6] = [
    "body.brand == 'b1'",
    "size(body.brand) <= 10",
    "body.brand.matches('^[a-z][0-9]+$')",
    "body.brand in key.resources",
    "date(body.end) - date(body.start) <= duration('2160h')",
    "!has(body.start) && !has(body.end) || date(has(body.end) ? body.end : body.start) - date(has(body.start) ? body.start : body.end) <= duration('2160h')",
];

/// Runs a program that evaluates a rule, including its inputs.
fn with_rule<T>(text: &str, run: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
    let body = json!({ "brand": "b1", "start": "2026-01-01", "end": "2026-03-01", "list": (0..200).collect::<Vec<_>>() });
    let now = "2026-11-20T10:00:00Z".parse().unwrap();
    let source = Source::new("rule", text);
    let compiled = Expression::compile_condition(
        text,
        &Declarations::none(),
        &source,
        Span::new(0, text.len()),
        &mut Diagnostics::new(),
    );
    let compiled = compiled.unwrap();
    run(&mut || {
        let inputs = RuleInputs::new(now)
            .bind(Variable::Body, black_box(&body))
            .bind_lazy(Variable::Key, || json!({ "resources": ["b1", "b2"] }));
        assert_eq!(compiled.evaluate(&inputs), Ok(true));
    })
}

fn rules() {
    for text in RULES {
        let [time] = with_rule(text, |evaluate| compare(20_000, [evaluate]));
        println!("rule           {time:?}, its inputs included: {text}");
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|number| number.parse().unwrap()).collect();
    if let [rule, calls] = numbers[..] {
        if rule == RULES.len() {
            let (document, order) = order();
            let (operation, bytes) = (&document.operations()[0], order.to_string().into_bytes());
            let accepts = || document.accepts_body(operation, None, black_box(&bytes));
            return (0..calls).for_each(|_| assert!(accepts()));
        }
        return with_rule(RULES[rule], |evaluate| (0..calls).for_each(|_| evaluate()));
    }
    look_up();
    body();
    rules();
}
