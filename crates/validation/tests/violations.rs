//! Each keyword is reported with its condition, name, pointer, limit, allowed values, and the received value.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_contract::{Value, Violation};
use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions};

/// A document whose operation takes JSON of this schema (in YAML flow style).
fn document(schema: &str) -> ApiDocument {
    load(&format!(
        "openapi: 3.1.0\npaths:\n  /x:\n    post:\n      operationId: x\n      requestBody:\n        required: true\n        content:\n          application/json:\n            schema: {schema}\n"
    ))
}

fn load(text: &str) -> ApiDocument {
    let mut diagnostics = Diagnostics::new();
    let document =
        ApiDocument::load(&Source::new("t.yaml", text), &DocumentOptions::default(), &mut diagnostics);
    document.unwrap_or_else(|| panic!("{diagnostics}"))
}

fn violations(document: &ApiDocument, content: &str) -> Vec<Violation> {
    match document.check_body(&document.operations()[0], Some("application/json"), content.as_bytes()) {
        CheckedBody::Checked { violations, .. } => violations,
        CheckedBody::Rejected(problem) => panic!("{problem:?}"),
    }
}

/// One line: `condition param pointer value=… limit=… allowed=…`.
fn line(violation: &Violation) -> String {
    let mut line = format!("{} {:?} {:?}", violation.condition, violation.param, violation.pointer);
    if let Some(value) = &violation.value {
        line += &format!(" value={value}");
    }
    match &violation.limit {
        Some(Value::Int(limit)) => line += &format!(" limit={limit}"),
        Some(Value::Text(limit)) => line += &format!(" limit={limit:?}"),
        Some(Value::List(limit)) => line += &format!(" limit={limit:?}"),
        None => {}
    }
    if !violation.allowed.is_empty() {
        line += &format!(" allowed={}", violation.allowed.join("|"));
    }
    line
}

#[track_caller]
fn check(schema: &str, content: &str, expected: &[&str]) {
    let lines: Vec<String> = violations(&document(schema), content).iter().map(line).collect();
    assert_eq!(lines, expected, "{schema} against {content}");
}

/// Checks a value for the member `a` with this schema.
#[track_caller]
fn check_member(schema: &str, value: &str, expected: &str) {
    let expected: Vec<&str> = if expected.is_empty() { Vec::new() } else { vec![expected] };
    check(&format!("{{ properties: {{ a: {schema} }} }}"), &format!("{{\"a\":{value}}}"), &expected);
}

#[test]
fn reports_the_expected_type() {
    for (schema, value, expected) in [
        ("{ type: string }", "5", r#"param.invalid.type.string "a" "/a" value=5 limit="string""#),
        ("{ type: number }", "\"x\"", r#"param.invalid.type.number "a" "/a" value=x limit="number""#),
        ("{ type: integer }", "1.5", r#"param.invalid.type.integer "a" "/a" value=1.5 limit="integer""#),
        ("{ type: integer }", "1.0", ""),
        (
            "{ type: boolean }",
            "\"true\"",
            r#"param.invalid.type.boolean "a" "/a" value=true limit="boolean""#,
        ),
        ("{ type: array }", "\"model\"", r#"param.invalid.type.array "a" "/a" value=model limit="array""#),
        ("{ type: object }", "[1]", r#"param.invalid.type.object "a" "/a" value=[1] limit="object""#),
        ("{ type: 'null' }", "0", r#"param.invalid.type.null "a" "/a" value=0 limit="null""#),
        ("{ type: [string, 'null'] }", "0", r#"param.invalid.type.string "a" "/a" value=0 limit="string""#),
        ("{ type: [string, 'null'] }", "null", ""),
        (
            "{ type: [string, integer] }",
            "true",
            r#"param.invalid.type.union "a" "/a" value=true limit=["integer", "string"] allowed=integer|string"#,
        ),
    ] {
        check_member(schema, value, expected);
    }
}

#[test]
fn reports_the_violated_bound() {
    for (schema, value, expected) in [
        ("{ minimum: 1 }", "0", r#"param.invalid.minimum "a" "/a" value=0 limit=1"#),
        ("{ minimum: 1.0 }", "0", r#"param.invalid.minimum "a" "/a" value=0 limit=1"#),
        ("{ minimum: 0.5 }", "0", r#"param.invalid.minimum "a" "/a" value=0 limit="0.5""#),
        ("{ exclusiveMinimum: 1 }", "1", r#"param.invalid.minimum "a" "/a" value=1 limit=1"#),
        ("{ maximum: 100 }", "101", r#"param.invalid.maximum "a" "/a" value=101 limit=100"#),
        ("{ exclusiveMaximum: 100 }", "100", r#"param.invalid.maximum "a" "/a" value=100 limit=100"#),
        ("{ multipleOf: 5 }", "7", r#"param.invalid.multiple "a" "/a" value=7 limit=5"#),
        ("{ multipleOf: 0.5 }", "0.7", r#"param.invalid.multiple "a" "/a" value=0.7 limit="0.5""#),
        ("{ minLength: 1 }", "\"\"", r#"param.invalid.length.empty "a" "/a" value= limit=1"#),
        ("{ minLength: 2 }", "\"x\"", r#"param.invalid.length.min "a" "/a" value=x limit=2"#),
        ("{ maxLength: 2 }", "\"été\"", r#"param.invalid.length.max "a" "/a" value=été limit=2"#),
        ("{ minItems: 1 }", "[]", r#"param.invalid.count.min "a" "/a" value=[] limit=1"#),
        ("{ maxItems: 1 }", "[1,2]", r#"param.invalid.count.max "a" "/a" value=[1,2] limit=1"#),
        ("{ minProperties: 1 }", "{}", r#"param.invalid.count.min "a" "/a" value={} limit=1"#),
        ("{ maxProperties: 0 }", "{\"b\":1}", r#"param.invalid.count.max "a" "/a" value={"b":1} limit=0"#),
        ("{ uniqueItems: true }", "[1,1]", r#"param.invalid.unique "a" "/a" value=[1,1]"#),
        ("{ pattern: '^a+$' }", "\"b\"", r#"param.invalid.pattern "a" "/a" value=b limit="^a+$""#),
        ("{ enum: [model, 5] }", "\"x\"", r#"param.invalid.enum "a" "/a" value=x allowed=model|5"#),
        ("{ const: v1 }", "\"v2\"", r#"param.invalid.const "a" "/a" value=v2 allowed=v1"#),
        (
            "{ prefixItems: [{ type: string }], items: false }",
            "[\"x\",1]",
            r#"param.invalid.unknown "a" "/a/1" value=1"#,
        ),
        (
            "{ items: { enum: [model, prompt] } }",
            "[\"model\",\"invalid\"]",
            r#"param.invalid.enum "a" "/a/1" value=invalid allowed=model|prompt"#,
        ),
    ] {
        check_member(schema, value, expected);
    }
}

#[test]
fn maps_each_format_to_its_condition() {
    for (format, bad, good, leaf) in [
        ("date", "2026-02-30", "2026-02-28", "date"),
        ("date-time", "2026-02-28", "2026-02-28T10:00:00Z", "date-time"),
        ("time", "25:00:00Z", "10:00:00Z", "time"),
        ("duration", "1 day", "P1D", "duration"),
        ("email", "nobody", "a@b.example", "email"),
        ("hostname", "a_b..c", "a.example", "hostname"),
        ("ipv4", "1.2.3", "192.0.2.1", "ipv4"),
        ("ipv6", "1::2::3", "2001:db8::1", "ipv6"),
        ("uri", "no uri", "https://a.example/", "uri"),
        ("uuid", "123", "00000000-0000-4000-8000-000000000000", "uuid"),
        ("json-pointer", "a", "/a", "other"),
    ] {
        let expected = format!("param.invalid.format.{leaf} \"a\" \"/a\" value={bad} limit=\"{format}\"");
        check_member(&format!("{{ format: {format} }}"), &format!("\"{bad}\""), &expected);
        check_member(&format!("{{ format: {format} }}"), &format!("\"{good}\""), "");
    }
    // An unknown format is not validated.
    check_member("{ format: shelf-mark }", "\"x\"", "");
}

#[test]
fn reports_missing_and_unknown_members() {
    check("{ required: [b, a] }", "{}", &[r#"param.missing "b" "/b""#, r#"param.missing "a" "/a""#]);
    check("{ properties: { a: { required: [b] } } }", r#"{"a":{}}"#, &[r#"param.missing "a" "/a/b""#]);
    check(
        "{ dependentRequired: { hit: [duration] } }",
        r#"{"hit":5}"#,
        &[r#"param.requires "hit" "/hit" value=5 limit="duration""#],
    );
    check(
        "{ dependentRequired: { a: [c], b: [c] } }",
        r#"{"a":1,"b":2}"#,
        &[r#"param.requires "a" "/a" value=1 limit="c""#, r#"param.requires "b" "/b" value=2 limit="c""#],
    );
    for closed in ["additionalProperties: false", "unevaluatedProperties: false"] {
        check(
            &format!("{{ properties: {{ a: {{}} }}, {closed} }}"),
            r#"{"z/":1,"a":2,"y":"x"}"#,
            &[r#"param.invalid.unknown "y" "/y" value=x"#, r#"param.invalid.unknown "z/" "/z~1" value=1"#],
        );
    }
    check(
        "{ properties: { a: { additionalProperties: false } } }",
        r#"{"a":{"x":{},"y":2}}"#,
        &[r#"param.invalid.unknown "a" "/a/x" value={}"#, r#"param.invalid.unknown "a" "/a/y" value=2"#],
    );
    check(
        "{ properties: { a: false } }",
        r#"{"a":{"b":1}}"#,
        &[r#"param.invalid.unknown "a" "/a" value={"b":1}"#],
    );
    check("{ properties: { a: false } }", r#"{"a":1}"#, &[r#"param.invalid.unknown "a" "/a" value=1"#]);
    check(
        "{ propertyNames: { maxLength: 2 } }",
        r#"{"abc":1}"#,
        &[r#"param.invalid.length.max "abc" "/abc" value=abc limit=2"#],
    );
}

#[test]
fn reports_keywords_without_their_own_condition_as_schema_violations() {
    for (schema, value, keyword) in [
        ("{ oneOf: [{ type: integer }, { minimum: 5 }] }", "7", "oneOf"),
        ("{ not: { type: integer } }", "1", "not"),
        ("{ contains: { type: string } }", "[1]", "contains"),
    ] {
        let expected = format!("param.invalid.schema \"a\" \"/a\" value={value} limit=\"{keyword}\"");
        check_member(schema, value, &expected);
    }
}

#[test]
fn reports_the_whole_body_without_a_name() {
    check("{ type: object }", "[]", &[r#"param.invalid.type.object "" "" value=[] limit="object""#]);
}

#[test]
fn reports_all_violations_in_document_order() {
    check(
        "{ type: object, required: [z, a], additionalProperties: false, properties: { z: {}, m: { minimum: 1, multipleOf: 2 }, list: { items: { type: string } }, a: {} } }",
        r#"{"list":[0,1,2,3,4,5,6,7,8,9,10],"m":-1,"other":1}"#,
        &[
            r#"param.missing "z" "/z""#,
            r#"param.invalid.minimum "m" "/m" value=-1 limit=1"#,
            r#"param.invalid.multiple "m" "/m" value=-1 limit=2"#,
            r#"param.invalid.type.string "list" "/list/0" value=0 limit="string""#,
            r#"param.invalid.type.string "list" "/list/1" value=1 limit="string""#,
            r#"param.invalid.type.string "list" "/list/2" value=2 limit="string""#,
            r#"param.invalid.type.string "list" "/list/3" value=3 limit="string""#,
            r#"param.invalid.type.string "list" "/list/4" value=4 limit="string""#,
            r#"param.invalid.type.string "list" "/list/5" value=5 limit="string""#,
            r#"param.invalid.type.string "list" "/list/6" value=6 limit="string""#,
            r#"param.invalid.type.string "list" "/list/7" value=7 limit="string""#,
            r#"param.invalid.type.string "list" "/list/8" value=8 limit="string""#,
            r#"param.invalid.type.string "list" "/list/9" value=9 limit="string""#,
            r#"param.invalid.type.string "list" "/list/10" value=10 limit="string""#,
            r#"param.missing "a" "/a""#,
            r#"param.invalid.unknown "other" "/other" value=1"#,
        ],
    );
}

#[test]
fn reports_violations_in_document_order_at_every_depth() {
    check(
        "{ properties: { outer: { required: [z, y], properties: { z: {}, m: { type: object, properties: { t: { type: string }, s: { type: string }, r: { type: string } } }, a: { type: string } }, additionalProperties: false } } }",
        r#"{"outer":{"x10":1,"x9":1,"a":1,"m":{"r":1,"s":1,"t":1}}}"#,
        &[
            r#"param.missing "outer" "/outer/z""#,
            r#"param.invalid.type.string "outer" "/outer/m/t" value=1 limit="string""#,
            r#"param.invalid.type.string "outer" "/outer/m/s" value=1 limit="string""#,
            r#"param.invalid.type.string "outer" "/outer/m/r" value=1 limit="string""#,
            r#"param.invalid.type.string "outer" "/outer/a" value=1 limit="string""#,
            r#"param.missing "outer" "/outer/y""#,
            r#"param.invalid.unknown "outer" "/outer/x10" value=1"#,
            r#"param.invalid.unknown "outer" "/outer/x9" value=1"#,
        ],
    );
    // Through a reference, a list, `allOf`, and members that share a schema.
    check(
        "{ $defs: { line: { properties: { sku: { type: string }, amount: { type: integer } } } }, properties: { lines: { items: { allOf: [{ $ref: '#/paths/~1x/post/requestBody/content/application~1json/schema/$defs/line' }, { properties: { extra: { type: string } } }] } }, map: { additionalProperties: { properties: { b: { type: string }, a: { type: string } } } } } }",
        r#"{"map":{"k":{"a":1,"b":1}},"lines":[{"extra":1,"amount":"x","sku":1},{"amount":"x","sku":1}]}"#,
        &[
            r#"param.invalid.type.string "lines" "/lines/0/sku" value=1 limit="string""#,
            r#"param.invalid.type.integer "lines" "/lines/0/amount" value=x limit="integer""#,
            r#"param.invalid.type.string "lines" "/lines/0/extra" value=1 limit="string""#,
            r#"param.invalid.type.string "lines" "/lines/1/sku" value=1 limit="string""#,
            r#"param.invalid.type.integer "lines" "/lines/1/amount" value=x limit="integer""#,
            r#"param.invalid.type.string "map" "/map/k/b" value=1 limit="string""#,
            r#"param.invalid.type.string "map" "/map/k/a" value=1 limit="string""#,
        ],
    );
}

#[test]
fn supports_recursive_references() {
    let document = load(
        "openapi: 3.0.3
paths:
  /x:
    post:
      operationId: x
      requestBody: { $ref: '#/components/requestBodies/Tree' }
components:
  requestBodies:
    Tree:
      content: { application/json: { schema: { $ref: '#/components/schemas/Node' } } }
  schemas:
    Node:
      type: object
      required: [name, id]
      properties:
        id: { type: integer, readOnly: true }
        name: { type: string, nullable: true }
        weight: { type: number, minimum: 0, exclusiveMinimum: true }
        children: { type: array, items: { $ref: '#/components/schemas/Node' } }
",
    );
    let content = r#"{"name":null,"children":[{"name":"a","weight":0},{"children":[{"name":5}]}]}"#;
    let lines: Vec<String> = violations(&document, content).iter().map(line).collect();
    assert_eq!(
        lines,
        [
            r#"param.invalid.minimum "children" "/children/0/weight" value=0 limit=0"#,
            r#"param.missing "children" "/children/1/name""#,
            r#"param.invalid.type.string "children" "/children/1/children/0/name" value=5 limit="string""#,
        ]
    );
}

#[test]
fn validates_hostile_bodies_in_bounded_time() {
    // 100,000 unknown members, a megabyte for a pattern with nested quantifiers, 100,000 invalid elements. Without a
    // clock: if validation were quadratic, the test would not end.
    let closed = document("{ additionalProperties: false }");
    let keys: Vec<String> = (0..100_000).map(|number| format!("\"k{number}\":0")).collect();
    assert_eq!(violations(&closed, &format!("{{{}}}", keys.join(","))).len(), 20);

    let pattern = document("{ pattern: '^(a+)+$' }");
    let reported = violations(&pattern, &format!("\"{}!\"", "a".repeat(1_000_000)));
    assert_eq!(reported.len(), 1);
    assert!(reported[0].value.as_ref().is_some_and(|value| value.chars().count() == 65));

    // Two branches that refer to the same recursive schema: violations are named for ordinary values only.
    let nested = load(
        "openapi: 3.1.0
paths:
  /x: { post: { operationId: x, requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/E' } } } } } }
components:
  schemas:
    E: { type: object, allOf: [{ properties: { a: { $ref: '#/components/schemas/E' } } }, { properties: { a: { $ref: '#/components/schemas/E' } } }] }
",
    );
    let content = |levels: usize| "{\"a\":".repeat(levels) + "5" + &"}".repeat(levels);
    let place = |reported: &[Violation]| reported.first().map(|violation| violation.pointer.clone());
    let shallow = violations(&nested, &content(3));
    assert_eq!((shallow.len(), place(&shallow).as_deref()), (1, Some("/a/a/a")));
    assert_eq!(place(&violations(&nested, &content(60))).as_deref(), Some(""));

    let items = document("{ items: { type: string }, uniqueItems: true }");
    let numbers: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
    assert_eq!(violations(&items, &format!("[{}]", numbers.join(","))).len(), 20);
}
