//! Parameter styles, forms, patterns with look-ahead, and integer formats.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use std::time::{Duration, Instant};

use demur_contract::Violation;
use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions, Find, RequestParameters, UnknownQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

fn load(text: &str, options: DocumentOptions) -> ApiDocument {
    let mut diagnostics = Diagnostics::new();
    let document = ApiDocument::load(&Source::new("t.yaml", text), &options, &mut diagnostics);
    document.unwrap_or_else(|| panic!("{diagnostics}"))
}

/// Checks a request for an operation with the parameter `a`.
fn check_request(parameter: &str, target: &str, header: Option<(&'static str, &str)>) -> RequestParameters {
    let in_path = parameter.contains("in: path");
    let path = if in_path { "/x/{a}" } else { "/x" };
    let required = if in_path { "required: true, " } else { "" };
    let text = format!(
        "openapi: 3.1.0\npaths:\n  {path}:\n    get: {{ operationId: x, parameters: [{{ name: a, {required}{parameter} }}] }}\n"
    );
    let document =
        load(&text, DocumentOptions { unknown_query: UnknownQuery::Reject, ..DocumentOptions::default() });
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = header {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    match document.find(&Method::GET, path) {
        Find::Found(matched) => document.check_parameters(&matched, query, &headers),
        other => panic!("{other:?}"),
    }
}

const LIST: &str = "schema: { type: array, items: { type: integer } }";
const OBJECT: &str = "schema: { type: object, properties: { r: { type: integer }, s: { type: string } } }";

#[test]
fn decodes_every_style() {
    for (parameter, target, value) in [
        (format!("in: path, {LIST}"), "/x/3,4", "[3,4]"),
        (format!("in: path, style: label, {LIST}"), "/x/.3,4", "[3,4]"),
        (format!("in: path, style: label, explode: true, {LIST}"), "/x/.3.4", "[3,4]"),
        (format!("in: path, style: matrix, {LIST}"), "/x/;a=3,4", "[3,4]"),
        (format!("in: path, style: matrix, explode: true, {LIST}"), "/x/;a=3;a=4", "[3,4]"),
        ("in: path, style: matrix, schema: { type: integer }".to_owned(), "/x/;a=5", "5"),
        ("in: path, style: label, schema: { type: string }".to_owned(), "/x/.b%2Ec", "\"b.c\""),
        (format!("in: path, {OBJECT}"), "/x/r,1,s,b%2Cc", r#"{"r":1,"s":"b,c"}"#),
        (format!("in: path, explode: true, {OBJECT}"), "/x/r=1,s=b", r#"{"r":1,"s":"b"}"#),
        (format!("in: path, style: label, explode: true, {OBJECT}"), "/x/.r=1.s=b", r#"{"r":1,"s":"b"}"#),
        (format!("in: path, style: matrix, {OBJECT}"), "/x/;a=r,1,s,b", r#"{"r":1,"s":"b"}"#),
        (format!("in: path, style: matrix, explode: true, {OBJECT}"), "/x/;r=1;s=b", r#"{"r":1,"s":"b"}"#),
        (format!("in: query, {LIST}"), "/x?a=3&a=4", "[3,4]"),
        (format!("in: query, explode: false, {LIST}"), "/x?a=3,4", "[3,4]"),
        (format!("in: query, style: spaceDelimited, {LIST}"), "/x?a=3%204+5", "[3,4,5]"),
        (format!("in: query, style: pipeDelimited, {LIST}"), "/x?a=3|4%7C5", "[3,4,5]"),
        (format!("in: query, {OBJECT}"), "/x?r=1&s=b", r#"{"r":1,"s":"b"}"#),
        (format!("in: query, explode: false, {OBJECT}"), "/x?a=r,1,s,b", r#"{"r":1,"s":"b"}"#),
        (format!("in: query, style: deepObject, explode: true, {OBJECT}"), "/x?a[r]=1&a%5Bs%5D=b", r#"{"r":1,"s":"b"}"#),
        (format!("in: query, style: deepObject, {LIST}"), "/x?a[]=3&a[]=4", "[3,4]"),
        (
            "in: query, style: deepObject, schema: { type: object, properties: { f: { type: object, properties: { g: { type: boolean } } }, l: { type: array, items: { type: integer } } } }".to_owned(),
            "/x?a[f][g]=true&a[l][0]=7&a[l][1]=8",
            r#"{"f":{"g":true},"l":[7,8]}"#,
        ),
        ("in: query, content: { application/json: { schema: { type: object } } }".to_owned(), "/x?a=%7B%22b%22:[1]%7D", r#"{"b":[1]}"#),
        ("in: query, schema: { oneOf: [{ type: string }, { type: array, items: { enum: [b, c] } }] }".to_owned(), "/x?a=z", "\"z\""),
    ] {
        let parameters = check_request(&parameter, target, None);
        assert!(parameters.violations.is_empty(), "{parameter}: {:?}", parameters.violations);
        let expected: Value = serde_json::from_str(value).unwrap();
        assert_eq!(parameters.values.get("a"), Some(&expected), "{parameter} in {target}");
    }
    for (parameter, line, value) in [
        (format!("in: header, {LIST}"), "3, 4", "[3,4]"),
        (format!("in: header, {OBJECT}"), "r,1,s,b", r#"{"r":1,"s":"b"}"#),
        (format!("in: header, explode: true, {OBJECT}"), "r=1, s=b", r#"{"r":1,"s":"b"}"#),
        ("in: header, content: { application/json: { schema: {} } }".to_owned(), "{\"b\":1}", r#"{"b":1}"#),
    ] {
        let parameters = check_request(&parameter, "/x", Some(("a", line)));
        let expected: Value = serde_json::from_str(value).unwrap();
        assert_eq!(parameters.values.get("a"), Some(&expected), "{parameter} of {line}");
    }
}

#[test]
fn reports_violations_within_objects() {
    for (parameter, target, expected) in [
        (format!("in: query, style: deepObject, {OBJECT}"), "/x?a[r]=b", "param.invalid.type.integer /a/r"),
        (format!("in: query, {OBJECT}"), "/x?r=b", "param.invalid.type.integer /a/r"),
        (
            "in: query, style: deepObject, schema: { type: object, additionalProperties: false, properties: { r: {} } }".to_owned(),
            "/x?a[t]=1",
            "param.invalid.unknown /a/t",
        ),
        (format!("in: query, {OBJECT}"), "/x?t=1", "param.invalid.unknown /t"),
        ("in: query, content: { application/json: { schema: { type: object } } }".to_owned(), "/x?a=%7B", "param.invalid.type.object /a"),
    ] {
        assert_eq!(lines(&check_request(&parameter, target, None).violations), [expected], "{parameter} in {target}");
    }
}

fn lines(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(|violation| format!("{} {}", violation.condition, violation.pointer)).collect()
}

#[test]
fn lists_unknown_query_parameters_if_configured() {
    let options = DocumentOptions { unknown_query: UnknownQuery::Warn, ..DocumentOptions::default() };
    let document = load("openapi: 3.1.0\npaths: { /x: { get: { operationId: x } } }\n", options);
    let Find::Found(matched) = document.find(&Method::GET, "/x") else { panic!("no operation") };
    let parameters = document.check_parameters(&matched, Some("b=1&c=2&b=3"), &HeaderMap::new());
    assert!(parameters.violations.is_empty());
    assert_eq!(parameters.unknown, ["b", "c"]);
}

const FORM: &str = "openapi: 3.1.0
paths:
  /x:
    post:
      operationId: x
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema: { $ref: '#/components/schemas/Form' }
            encoding: { ids: { style: pipeDelimited, explode: false }, json: { contentType: application/json } }
          multipart/form-data:
            schema: { $ref: '#/components/schemas/Form' }
components:
  schemas:
    Form:
      type: object
      additionalProperties: false
      required: [name]
      properties:
        name: { type: string, maxLength: 3 }
        age: { type: integer }
        tags: { type: array, items: { type: string }, maxItems: 2 }
        ids: { type: array, items: { type: integer } }
        owner: { type: object, properties: { id: { type: integer } } }
        json: { type: object, properties: { a: { type: boolean } } }
        file: { type: string, format: binary }
";

fn content(content_type: &str, text: &str) -> Result<(Option<Value>, Vec<String>), String> {
    let document = load(FORM, DocumentOptions::default());
    match document.check_body(&document.operations()[0], Some(content_type), text.as_bytes()) {
        CheckedBody::Checked { value, violations } => Ok((value, lines(&violations))),
        CheckedBody::Rejected(problem) => Err(problem.condition.to_string()),
    }
}

#[test]
fn validates_forms_like_json() {
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    for (text, value) in [
        ("name=a+b&age=5", r#"{"name":"a b","age":5}"#),
        ("name=a&tags=x&tags=y", r#"{"name":"a","tags":["x","y"]}"#),
        ("name=a&ids=1|2", r#"{"name":"a","ids":[1,2]}"#),
        ("name=a&owner[id]=7", r#"{"name":"a","owner":{"id":7}}"#),
        ("name=a&owner=%7B%22id%22:7%7D", r#"{"name":"a","owner":{"id":7}}"#),
        ("name=a&json=%7B%22a%22:true%7D", r#"{"name":"a","json":{"a":true}}"#),
    ] {
        let expected: Value = serde_json::from_str(value).unwrap();
        assert_eq!(content(form, text), Ok((Some(expected), Vec::new())), "{text}");
    }
    for (text, expected) in [
        ("name=abcd&age=x", vec!["param.invalid.length.max /name", "param.invalid.type.integer /age"]),
        ("age=5", vec!["param.missing /name"]),
        ("name=a&other=1", vec!["param.invalid.unknown /other"]),
        ("name=a&name=b", vec!["param.invalid.type.string /name"]),
        ("name=a&owner[id]=x", vec!["param.invalid.type.integer /owner/id"]),
        ("name=%zz", vec!["param.invalid.format.other "]),
    ] {
        assert_eq!(content(form, text).unwrap().1, expected, "{text}");
    }
}

#[test]
fn parses_multipart_parts_as_members() {
    let part = |name: &str, more: &str, text: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{text}\r\n")
    };
    let of = |parts: &[String]| {
        content("multipart/form-data; boundary=x", &format!("{}--x--\r\n", parts.concat()))
    };
    let file = part("file", "; filename=f\r\nContent-Type: application/octet-stream", "\u{0}\r\n--y");
    let sound = of(&[
        part("name", "", "abc"),
        part("age", "", "7"),
        part("tags", "", "x"),
        part("tags", "", "y"),
        part("owner", "", "{\"id\":1}"),
        file,
    ]);
    let expected = r#"{"name":"abc","age":7,"tags":["x","y"],"owner":{"id":1},"file":"\u0000\r\n--y"}"#;
    assert_eq!(sound, Ok((Some(serde_json::from_str(expected).unwrap()), Vec::new())));
    let wrong = of(&[part("age", "", "x"), part("owner", "", "{"), part("what", "", "1")]).unwrap().1;
    assert_eq!(
        wrong,
        [
            "param.missing /name",
            "param.invalid.type.integer /age",
            "param.invalid.type.object /owner",
            "param.invalid.unknown /what"
        ]
    );
    assert_eq!(content("multipart/form-data; boundary=x", "--x\r\n"), Err("body.unreadable".to_owned()));
    assert_eq!(content("multipart/form-data", "--x--"), Err("body.unreadable".to_owned()));
}

#[test]
fn rejects_form_fields_that_servers_read_differently() {
    let urlencoded = |text: &str| content("application/x-www-form-urlencoded", text);
    let multipart = |name: &str| {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"");
        content("multipart/form-data; boundary=x", &format!("{head}\r\n\r\n1\r\n--x--\r\n"))
    };
    for name in ["NAME", "name[]", "name[x]", "[name]", "!name"] {
        let expected = vec![format!("param.invalid.unknown /{name}")];
        assert_eq!(urlencoded(&format!("{name}=1")).unwrap().1, expected, "{name}");
        assert_eq!(multipart(name).unwrap().1, expected, "{name} in a part");
    }
    for (text, expected) in [
        ("+name=1", "param.invalid.unknown / name"),
        ("name%00=1", "param.invalid.unknown /name\u{fffd}"),
        ("x=1;name=2", "param.invalid.unknown /name"),
        ("name=a&ids[0]=2", "param.invalid.unknown /ids[0]"),
        ("name=a&tags=x&tags[]=y", "param.invalid.format.other "),
        ("name=a&json=%7B%7D&json=%7B%7D", "param.invalid.format.other "),
        ("name=a&owner=id%2C7", "param.invalid.type.object /owner"),
    ] {
        assert_eq!(urlencoded(text).unwrap().1, [expected], "{text}");
    }
    let unreadable = Err("body.unreadable".to_owned());
    assert_eq!(urlencoded("name=a&_charset_=utf-16"), unreadable);
    // Brackets of declared objects and lists are parsed.
    for (name, member) in [("owner[id]", r#"{"owner":{"id":1}}"#), ("tags[]", r#"{"tags":["1"]}"#)] {
        let value = serde_json::from_str(member).unwrap();
        assert_eq!(multipart(name), Ok((Some(value), vec!["param.missing /name".to_owned()])), "{name}");
    }
}

#[test]
fn parses_hostile_forms_in_bounded_time() {
    let many: String = (0..100_000).map(|number| format!("k{number}=1&")).collect();
    let deep = format!("name=a&owner{}=1", "[a]".repeat(100_000));
    let same = "name=a&".repeat(100_000);
    let brackets: String = (0..50_000).map(|number| format!("owner[k{number}]=1&")).collect();
    let start = Instant::now();
    for text in [&many, &deep, &same, &brackets] {
        let (_, violations) = content("application/x-www-form-urlencoded", text).unwrap();
        assert!(violations.len() <= 20);
    }
    let parts = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n".repeat(10_001);
    assert_eq!(
        content("multipart/form-data; boundary=x", &format!("{parts}--x--")),
        Err("body.unreadable".to_owned())
    );
    // Generous, for builds without optimisation on a busy machine.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn supports_look_ahead_at_the_start_of_a_pattern() {
    let text = "openapi: 3.1.0\npaths: { /x: { get: { operationId: x, parameters: [{ name: a, in: query, schema: { type: string, pattern: '^(?!\\s*$)[a-z ]+$' } }] } } }\n";
    let document = load(text, DocumentOptions::default());
    let Find::Found(matched) = document.find(&Method::GET, "/x") else { panic!("no operation") };
    for (query, expected) in [
        ("a=b+c", vec![]),
        ("a=++", vec!["param.invalid.pattern /a"]),
        ("a=B", vec!["param.invalid.pattern /a"]),
    ] {
        let parameters = document.check_parameters(&matched, Some(query), &HeaderMap::new());
        assert_eq!(lines(&parameters.violations), expected, "{query}");
    }
}

#[test]
fn enforces_bounds_of_int32_and_int64() {
    for (format, sound, wrong) in
        [("int32", "2147483647", "2147483648"), ("int64", "9223372036854775807", "9223372036854775808")]
    {
        let parameter = format!("in: query, schema: {{ type: integer, format: {format} }}");
        assert!(check_request(&parameter, &format!("/x?a={sound}"), None).violations.is_empty(), "{format}");
        let violations = check_request(&parameter, &format!("/x?a={wrong}"), None).violations;
        assert_eq!(lines(&violations), ["param.invalid.maximum /a"], "{format}");
    }
}
