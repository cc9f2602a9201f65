//! Requests: parameters and bodies are parsed to values, or violations are reported.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_contract::Value;
use demur_source::{Diagnostics, Source};
use demur_validation::{
    ApiDocument, CheckedBody, DocumentOptions, Find, Formats, RequestParameters, UnknownQuery,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

const PARAMETERS: &str = "openapi: 3.1.0
paths:
  /shelves/{shelf}/{marks}:
    get:
      operationId: x
      parameters:
        - { name: page, in: query, required: true, schema: { type: integer, minimum: 1 } }
        - { name: tags, in: query, schema: { type: array, maxItems: 3, items: { enum: [a, b, 'x,y'] } } }
        - { name: ids, in: query, explode: false, schema: { type: array, items: { type: integer } } }
        - { name: ratio, in: query, schema: { type: number } }
        - { name: deep, in: query, schema: { type: boolean } }
        - { name: mixed, in: query, schema: { type: [integer, string] } }
        - { name: 'null', in: query, schema: { type: [string, 'null'] } }
        - { name: kind, in: query, schema: { $ref: '#/components/schemas/Kind' } }
        - { name: empty, in: query, allowEmptyValue: true, schema: { type: integer } }
        - { name: day, in: query, schema: { type: string, format: date } }
        - { name: shelf, in: path, required: true, schema: { type: string, maxLength: 5 } }
        - { name: marks, in: path, required: true, schema: { type: array, items: { type: string } } }
        - { name: X-List, in: header, schema: { type: array, items: { type: integer } } }
        - { name: X-Text, in: header, schema: { type: string } }
        - { name: sid, in: cookie, schema: { type: integer } }
        - { name: page, in: cookie, schema: { type: string } }
components:
  schemas:
    Kind: { allOf: [{ enum: [1, 2] }] }
";

fn load(text: &str, options: DocumentOptions) -> ApiDocument {
    let mut diagnostics = Diagnostics::new();
    let document = ApiDocument::load(&Source::new("t.yaml", text), &options, &mut diagnostics);
    document.unwrap_or_else(|| panic!("{diagnostics}"))
}

/// Checks the parameters of a request with a target (`path?query`) and headers.
fn check_request(
    document: &ApiDocument,
    target: &str,
    lines: &[(&'static str, &'static str)],
) -> RequestParameters {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    match document.find(&Method::GET, path) {
        Find::Found(matched) => document.check_parameters(&matched, query, &headers),
        other => panic!("{other:?}"),
    }
}

fn lines(parameters: &RequestParameters) -> Vec<String> {
    let line = |violation: &demur_contract::Violation| {
        let limit = match &violation.limit {
            Some(Value::Int(limit)) => limit.to_string(),
            Some(Value::Text(limit)) => limit.clone(),
            Some(Value::List(limit)) => limit.join("|"),
            None => "-".to_owned(),
        };
        format!(
            "{} {} {} {} {limit}",
            violation.location.as_str(),
            violation.condition,
            violation.pointer,
            violation.value.as_deref().unwrap_or("-")
        )
    };
    parameters.violations.iter().map(line).collect()
}

/// Each query contains `page`, which is required.
#[track_caller]
fn check_query(query: &str, values: &str, violations: &[&str]) {
    let document = load(PARAMETERS, DocumentOptions::default());
    let mut checked = check_request(&document, &format!("/shelves/s/m?page=1&{query}"), &[]);
    assert_eq!(lines(&checked), violations, "{query}");
    if violations.is_empty() {
        for name in ["page", "shelf", "marks"] {
            checked.values.shift_remove(name);
        }
        assert_eq!(serde_json::Value::Object(checked.values).to_string(), values, "{query}");
    }
}

#[test]
fn parses_parameters_as_the_types_of_their_schemas() {
    for (query, values) in [
        ("", "{}"),
        ("other=1&&=x&page", "{}"),
        ("tags=a", r#"{"tags":["a"]}"#),
        ("tags=a&tags=b", r#"{"tags":["a","b"]}"#),
        ("tags=x,y", r#"{"tags":["x,y"]}"#),
        ("tags=", r#"{"tags":[]}"#),
        ("ids=1,2,3", r#"{"ids":[1,2,3]}"#),
        ("ids=", r#"{"ids":[]}"#),
        ("%69ds=1", r#"{"ids":[1]}"#),
        ("ratio=1", r#"{"ratio":1}"#),
        ("ratio=-1.5e3", r#"{"ratio":-1500.0}"#),
        ("deep=true", r#"{"deep":true}"#),
        ("mixed=5", r#"{"mixed":5}"#),
        ("mixed=five", r#"{"mixed":"five"}"#),
        ("null=5", r#"{"null":"5"}"#),
        ("kind=2", r#"{"kind":2}"#),
        ("empty=", "{}"),
        ("empty=5", r#"{"empty":5}"#),
        ("mixed=a+b%2Bc%C3%A9", r#"{"mixed":"a b+cé"}"#),
    ] {
        // A repeated `page` is tested elsewhere.
        if query.contains("page") {
            continue;
        }
        check_query(query, values, &[]);
    }
}

#[test]
fn reports_parameters_that_do_not_match_their_schemas() {
    for (query, violations) in [
        ("page=2", &["query param.invalid.type.integer /page [1,2] integer"][..]),
        ("ratio=NaN", &["query param.invalid.type.number /ratio NaN number"]),
        ("ratio=0x10", &["query param.invalid.type.number /ratio 0x10 number"]),
        ("ratio=1e999", &["query param.invalid.type.number /ratio 1e999 number"]),
        ("ratio=+1", &["query param.invalid.type.number /ratio  1 number"]),
        (
            "ids=1,x,2.5",
            &[
                "query param.invalid.type.integer /ids/1 x integer",
                "query param.invalid.type.integer /ids/2 2.5 integer",
            ],
        ),
        ("ids=01", &["query param.invalid.type.integer /ids/0 01 integer"]),
        ("deep=True", &["query param.invalid.type.boolean /deep True boolean"]),
        ("deep", &["query param.invalid.type.boolean /deep  boolean"]),
        ("kind=3", &["query param.invalid.enum /kind 3 -"]),
        ("tags=a&tags=c", &["query param.invalid.enum /tags/1 c -"]),
        (
            "tags=a&tags=a&tags=a&tags=z",
            &[
                "query param.invalid.count.max /tags [\"a\",\"a\",\"a\",\"z\"] 3",
                "query param.invalid.enum /tags/3 z -",
            ],
        ),
        ("day=2026-02-30", &["query param.invalid.format.date /day 2026-02-30 date"]),
        ("mixed=%zz", &["query param.invalid.format.other /mixed %zz percent-encoding"]),
        ("mixed=%ff", &["query param.invalid.format.other /mixed %ff percent-encoding"]),
        ("mixed=1&mixed=2", &["query param.invalid.type.union /mixed [1,2] integer|string"]),
    ] {
        check_query(query, "", violations);
    }
}

#[test]
fn reports_violations_of_all_locations_in_order() {
    let document = load(PARAMETERS, DocumentOptions::default());
    let headers = [
        ("x-list", "1, 2"),
        ("x-list", "3"),
        ("x-text", "a, b"),
        ("cookie", "sid=5; page=\"c\""),
        ("cookie", "other=1"),
    ];
    let checked = check_request(&document, "/shelves/a%20b/m,n%2Co?page=7", &headers);
    assert_eq!(lines(&checked), [""; 0]);
    assert_eq!(
        serde_json::Value::Object(checked.values).to_string(),
        r#"{"shelf":"a b","marks":["m","n,o"],"page":7,"X-List":[1,2,3],"X-Text":"a, b","sid":5}"#
    );

    // A comma separates the elements of a list only.
    let checked = check_request(&document, "/shelves/a,b/m?page=7", &[]);
    assert_eq!(checked.values["shelf"], "a,b");

    let headers = [("x-list", "x"), ("cookie", "sid=y")];
    let checked = check_request(&document, "/shelves/toolong/%f?tags=z&day=x", &headers);
    assert_eq!(
        lines(&checked),
        [
            "path param.invalid.length.max /shelf toolong 5",
            "path param.invalid.format.other /marks %f percent-encoding",
            "query param.missing /page - -",
            "query param.invalid.enum /tags/0 z -",
            "query param.invalid.format.date /day x date",
            "header param.invalid.type.integer /X-List/0 x integer",
            "cookie param.invalid.type.integer /sid y integer",
        ]
    );
}

#[test]
fn rejects_unknown_query_parameters_if_configured() {
    let options = DocumentOptions { unknown_query: UnknownQuery::Reject, ..DocumentOptions::default() };
    let document = load(PARAMETERS, options);
    let checked = check_request(&document, "/shelves/s/m?zz=1&page=0&a/b=2&zz=3&c%0a=", &[]);
    assert_eq!(
        lines(&checked),
        [
            "query param.invalid.minimum /page 0 1",
            "query param.invalid.unknown /zz 1 -",
            "query param.invalid.unknown /a~1b 2 -",
            "query param.invalid.unknown /c\u{fffd}  -",
        ]
    );
    let bare = load("openapi: 3.1.0\npaths: { /x: { get: { operationId: x } } }\n", options);
    assert_eq!(lines(&check_request(&bare, "/x?a=1", &[])), ["query param.invalid.unknown /a 1 -"]);
    assert_eq!(lines(&check_request(&bare, "/x?", &[])), [""; 0]);
}

const ALIASED: &str = "openapi: 3.1.0
paths:
  /x:
    get:
      operationId: x
      parameters:
        - { name: brand, in: query, schema: { type: string } }
        - { name: a_b, in: query, schema: { type: string } }
        - { name: free, in: query, schema: { pattern: ^user$ } }
        - { name: data, in: query, content: { application/json: { schema: { type: object } } } }
        - { name: ids, in: query, explode: false, schema: { type: array, items: { type: string } } }
        - { name: deep, in: query, style: deepObject, explode: true, schema: { type: object } }
  /bare: { get: { operationId: bare } }
";

#[test]
fn rejects_query_names_that_servers_read_as_declared_ones() {
    let (unknown, format) = ("param.invalid.unknown", "param.invalid.format.other");
    for unknown_query in [UnknownQuery::Ignore, UnknownQuery::Warn, UnknownQuery::Reject] {
        let document = load(ALIASED, DocumentOptions { unknown_query, ..DocumentOptions::default() });
        for (query, expected) in [
            ("+brand=x", unknown),
            ("%20brand=x", unknown),
            ("brand[]=x", unknown),
            ("brand%5B0%5D=x", unknown),
            ("brand%00=x", unknown),
            ("?brand=x", unknown),
            ("BRAND=x", unknown),
            ("a.b=x", unknown),
            ("a+b=x", unknown),
            ("brand%FF=x", unknown),
            ("brand=a;brand=x", unknown),
            ("brand=a]=x", unknown),
            ("free=user&free=admin", format),
            ("data=%7B%7D&data=%7B%7D", format),
            ("ids=a,b&ids=c", format),
            ("deep=x", format),
            ("deep[a]=x&deep=y", format),
            ("deep[a]=x&deep[a]=y", format),
            ("deep[a]=x&deep[a][b]=y", format),
        ] {
            let violations = check_request(&document, &format!("/x?{query}"), &[]).violations;
            let conditions: Vec<_> =
                violations.iter().map(|violation| violation.condition.to_string()).collect();
            assert_eq!(conditions, [expected], "{query} where unknown ones are {unknown_query:?}");
        }
    }
    let ignored = load(ALIASED, DocumentOptions::default());
    for target in [
        "/x?brands=x&brand_=y&utm_source=z&_=1&other[a]=b&c.d=e",
        "/x?brand=a;b&a_b=%3Bbrand%3Dx",
        "/x?deep[a]=x&deep[b][c]=y",
        "/bare?+brand=x&brand[]=y&%FF=z;brand",
    ] {
        assert_eq!(lines(&check_request(&ignored, target, &[])), [""; 0], "{target}");
    }
    let violations = check_request(&ignored, &format!("/x?{}", "x&".repeat(1_001)), &[]).violations;
    assert_eq!(violations[0].condition.to_string(), "param.invalid.count.max");
}

#[test]
fn limits_violations_and_ignores_formats_if_configured() {
    let options =
        DocumentOptions { max_violations: 2, formats: Formats::Annotate, ..DocumentOptions::default() };
    let document = load(PARAMETERS, options);
    let checked = check_request(&document, "/shelves/s/m?ids=a,b,c&day=x&ratio=x", &[]);
    assert_eq!(
        lines(&checked),
        ["query param.missing /page - -", "query param.invalid.type.integer /ids/0 a integer"]
    );
    assert_eq!(lines(&check_request(&document, "/shelves/s/m?page=1&day=x", &[])), [""; 0]);
}

#[test]
fn debug_output_does_not_show_parameter_values() {
    let document = load(PARAMETERS, DocumentOptions::default());
    let checked = check_request(&document, "/shelves/s/m?page=1", &[("x-text", "hunter2")]);
    assert!(!format!("{checked:?}").contains("hunter2"));
}

/// A document whose operation has this request body (in YAML flow style).
fn with_body(body: &str) -> ApiDocument {
    let text =
        format!("openapi: 3.1.0\npaths: {{ /x: {{ post: {{ operationId: x, requestBody: {body} }} }} }}\n");
    load(&text, DocumentOptions::default())
}

#[track_caller]
fn check_body(document: &ApiDocument, content_type: Option<&str>, bytes: &[u8], expected: &str) {
    let checked = match document.check_body(&document.operations()[0], content_type, bytes) {
        CheckedBody::Rejected(problem) => problem.condition.to_string(),
        CheckedBody::Checked { value, violations } if violations.is_empty() => {
            value.map_or("none".to_owned(), |value| value.to_string())
        }
        CheckedBody::Checked { violations, .. } => {
            violations.iter().map(|violation| violation.condition.to_string()).collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(checked, expected, "{content_type:?} {}", String::from_utf8_lossy(bytes));
}

#[test]
fn parses_bodies_by_media_type() {
    let json = "{ required: true, content: { application/json: { schema: { type: object } } } }";
    let several = "{ content: { application/json: {}, application/*+json: { schema: { type: object } }, text/*: {}, application/x-yaml: {} } }";
    let any = "{ content: { '*/*': {} } }";
    let opaque = "{ required: true, content: { text/csv: {} } }";
    let form = "{ content: { application/x-www-form-urlencoded: { schema: { type: object } } } }";
    for (body, content_type, bytes, expected) in [
        (json, Some("application/json"), "{}", "{}"),
        (json, Some("Application/JSON; charset=UTF-8"), "{}", "{}"),
        (json, Some("application/json;charset=\"utf-8\""), "{}", "{}"),
        (json, None, "{}", "{}"),
        (json, Some(" "), "{}", "{}"),
        (json, Some("application/json; charset=latin1"), "{}", "body.unsupported_media_type"),
        (json, Some("text/plain"), "{}", "body.unsupported_media_type"),
        (json, Some("application/*"), "{}", "body.unsupported_media_type"),
        (json, Some("nonsense"), "{}", "body.unsupported_media_type"),
        (json, Some("application/json"), "[]", "param.invalid.type.object"),
        (json, Some("application/json"), "{", "body.invalid_json"),
        (json, Some("application/json"), "{\"a\":1,\"a\":2}", "body.invalid_json"),
        (json, Some("application/json"), "", "body.missing"),
        (json, None, "", "body.missing"),
        (several, Some("application/json"), "5", "5"),
        (several, Some("application/problem+json"), "5", "param.invalid.type.object"),
        (several, Some("text/csv"), "{", "none"),
        (several, Some("application/x-yaml"), "{", "none"),
        (several, Some("image/png"), "{", "body.unsupported_media_type"),
        (several, None, "{}", "body.unsupported_media_type"),
        (several, None, "", "none"),
        (any, Some("image/png"), "{", "none"),
        (any, Some("application/json"), "{", "none"),
        (opaque, Some("text/csv"), "a,b", "none"),
        (opaque, Some("text/csv"), "", "body.missing"),
        (form, Some("application/x-www-form-urlencoded"), "a=1", "{\"a\":\"1\"}"),
        (form, None, "a=1", "body.unsupported_media_type"),
        (form, Some("application/x-www-form-urlencoded,text/plain"), "a=1", "body.unsupported_media_type"),
        (form, Some("application/X-www-form-urlencoded"), "a=1", "body.unsupported_media_type"),
        (form, Some("application/x-www-form-urlencoded; a=b; A=c"), "a=1", "body.unsupported_media_type"),
        (json, Some("application/json; charset=utf-8; charset=utf-16"), "{}", "body.unsupported_media_type"),
        (any, Some("application/json, text/plain"), "{", "body.unsupported_media_type"),
    ] {
        check_body(&with_body(body), content_type, bytes.as_bytes(), expected);
    }
}

#[test]
fn ignores_undeclared_bodies() {
    let document =
        load("openapi: 3.1.0\npaths: { /x: { get: { operationId: x } } }\n", DocumentOptions::default());
    assert!(!document.operations()[0].takes_body());
    check_body(&document, Some("application/json"), b"{", "none");
}

#[test]
fn limits_the_depth_of_json_before_parsing() {
    let document = load(
        "openapi: 3.1.0
paths:
  /x:
    post:
      operationId: x
      requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/Nest' } } } }
components:
  schemas:
    Nest: { type: array, items: { $ref: '#/components/schemas/Nest' } }
",
        DocumentOptions::default(),
    );
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    check_body(&document, None, nested(64).as_bytes(), &nested(64));
    check_body(&document, None, nested(65).as_bytes(), "body.too_deep");
    check_body(&document, None, "[".repeat(1_000_000).as_bytes(), "body.too_deep");
    check_body(&document, None, b"\"\xff\"", "body.invalid_json");
}
