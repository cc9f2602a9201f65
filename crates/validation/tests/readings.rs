//! Text with several readings, text that cannot be read, forms without fields, media types of parts, and paths that the
//! document does not have.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_source::{Diagnostics, Source};
use demur_validation::{
    ApiDocument, CATCH_ALL, CheckedBody, DocumentOptions, Find, ServerPaths, UnknownPaths,
};
use http::{HeaderMap, Method};

fn load_with(text: &str, options: &DocumentOptions) -> (ApiDocument, String) {
    let mut diagnostics = Diagnostics::new();
    let document = ApiDocument::load(&Source::new("t.yaml", text), options, &mut diagnostics);
    (document.unwrap_or_else(|| panic!("{diagnostics}")), diagnostics.to_string())
}

fn load(text: &str) -> (ApiDocument, String) {
    load_with(text, &DocumentOptions::default())
}

/// A parameter of `GET /x`, queries that pass with the value that rules see, and queries that are rejected.
type Row = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const PARAMETERS: &[Row] = &[
    (
        "schema: { anyOf: [{ type: string, enum: ['1', '2'] }, { type: integer, minimum: 10 }] }",
        &[("p=1", r#""1""#), ("p=11", "11"), ("p=2", r#""2""#)],
        &["p=3"],
    ),
    (
        "schema: { oneOf: [{ type: boolean }, { type: string, enum: [all] }] }",
        &[("p=true", "true"), ("p=all", r#""all""#)],
        &["p=any"],
    ),
    // A list or one of its elements.
    (
        "schema: { anyOf: [{ type: array, items: { enum: [a, b] } }, { type: string, enum: [all] }] }",
        &[("p=a", r#"["a"]"#), ("p=a&p=b", r#"["a","b"]"#), ("p=all", r#""all""#)],
        &["p=c", "p=all&p=a"],
    ),
    (
        "explode: false, schema: { anyOf: [{ type: array, items: { type: integer } }, { type: string, pattern: '^x,' }] }",
        &[("p=1,2", "[1,2]"), ("p=x,2", r#""x,2""#), ("p=1", "[1]")],
        &["p=y,2"],
    ),
    (
        "schema: { type: array, items: { anyOf: [{ type: integer, maximum: 9 }, { type: string, maxLength: 3, minLength: 3 }] } }",
        &[("p=1&p=2", "[1,2]"), ("p=100&p=200", r#"["100","200"]"#)],
        &["p=1000"],
    ),
    ("schema: { type: [integer, 'null'] }", &[("p=5", "5"), ("p=null", "null"), ("p=", "null")], &["p=x"]),
    (
        "schema: { anyOf: [{ type: string, enum: [a] }, { type: 'null' }] }",
        &[("p=a", r#""a""#), ("p=null", "null")],
        &["p=b"],
    ),
    ("schema: { enum: ['5', 6] }", &[("p=5", r#""5""#), ("p=6", "6")], &["p=7"]),
    // What cannot be read passes: not every value is rejected.
    (
        "schema: { type: array, items: { type: object, required: [a] } }",
        &[("p=x", r#"["x"]"#), ("p=%7B%7D", r#"["{}"]"#)],
        &[],
    ),
    (
        "explode: false, schema: { type: array, items: { type: array, items: { type: integer } } }",
        &[("p=1,2", r#"["1","2"]"#)],
        &[],
    ),
    (
        "explode: false, schema: { type: object, properties: { a: { type: object } } }",
        &[("p=a,1", r#"{"a":"1"}"#)],
        &[],
    ),
    ("content: { application/xml: { schema: { type: integer } } }", &[("p=x", r#""x""#)], &[]),
    ("style: unheard-of, schema: { type: integer }", &[("p=x", r#""x""#)], &[]),
];

#[test]
fn a_parameter_with_several_readings_passes_if_one_is_valid() {
    for (parameter, valid, invalid) in PARAMETERS {
        let text = format!(
            "openapi: 3.1.0\npaths: {{ /x: {{ get: {{ operationId: x, parameters: [{{ name: p, in: query, {parameter} }}] }} }} }}\n"
        );
        let (document, diagnostics) = load(&text);
        let check = |query: &str| {
            let Find::Found(found) = document.find(&Method::GET, "/x") else { panic!("{text}") };
            document.check_parameters(&found, Some(query), &HeaderMap::new())
        };
        for (query, value) in *valid {
            let checked = check(query);
            assert!(checked.violations.is_empty(), "{parameter}: {query} {:?}", checked.violations);
            assert_eq!(checked.values["p"].to_string(), *value, "{parameter}: {query}");
        }
        for query in *invalid {
            assert!(!check(query).violations.is_empty(), "{parameter}: {query}");
        }
        // An unvalidated parameter is named, and counted.
        let is_unchecked = invalid.is_empty();
        assert_eq!(diagnostics.contains("not checked"), is_unchecked, "{parameter}: {diagnostics}");
        let lost = document.operation("x").unwrap().unsupported();
        assert_eq!(lost, usize::from(is_unchecked), "{parameter}: {diagnostics}");
    }
}

/// Media type and schema, bodies that pass with their value, and bodies that are rejected.
type Body = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const BODIES: &[Body] = &[
    (
        "application/x-www-form-urlencoded",
        "{ type: object, properties: { a: { type: integer } } }",
        &[("", "{}"), ("a=1", r#"{"a":1}"#)],
        &["a=x"],
    ),
    (
        "application/x-www-form-urlencoded",
        "{ type: object, required: [a] }",
        &[("a=1", r#"{"a":"1"}"#)],
        &["b=1"],
    ),
    (
        "application/x-www-form-urlencoded",
        "{ type: object, properties: { a: { anyOf: [{ type: integer, minimum: 10 }, { type: string, enum: ['1'] }] }, b: { anyOf: [{ type: array, items: { type: integer } }, { type: string, enum: [all] }] }, c: { type: integer } } }",
        &[("a=1&b=5&c=7", r#"{"a":"1","b":[5],"c":7}"#), ("a=12&b=all", r#"{"a":12,"b":"all"}"#)],
        &["a=2&b=5", "a=1&b=none", "a=1&b=5&c=x"],
    ),
    // No form is a string, and no text is an object.
    ("application/x-www-form-urlencoded", "{ type: string }", &[("a=1", "")], &[]),
    ("text/plain", "{ type: object, required: [a] }", &[("x", "")], &[]),
    ("text/plain", "{ type: integer, maximum: 9 }", &[("5", "5")], &["10", "x"]),
    ("text/plain", "{ type: string, maxLength: 3 }", &[("5", r#""5""#)], &["1000"]),
    (
        "text/plain",
        "{ anyOf: [{ type: integer, minimum: 10 }, { type: string, enum: ['1'] }] }",
        &[("1", r#""1""#), ("10", "10")],
        &["2"],
    ),
];

#[test]
fn a_body_with_several_readings_passes_if_one_is_valid() {
    for (media_type, schema, valid, invalid) in BODIES {
        let text = format!(
            "openapi: 3.1.0\npaths: {{ /x: {{ post: {{ operationId: x, requestBody: {{ content: {{ {media_type}: {{ schema: {schema} }} }} }} }} }} }}\n"
        );
        let (document, diagnostics) = load(&text);
        let operation = document.operation("x").unwrap();
        let check = |body: &str| match document.check_body(operation, Some(media_type), body.as_bytes()) {
            CheckedBody::Checked { value, violations } => (value, violations),
            CheckedBody::Rejected(problem) => panic!("{schema}: {body} {problem:?}"),
        };
        for (body, expected) in *valid {
            let (value, violations) = check(body);
            assert!(violations.is_empty(), "{schema}: {body} {violations:?}");
            let expected = serde_json::from_str::<serde_json::Value>(expected).ok();
            assert_eq!(value, expected, "{schema}: {body}");
        }
        for body in *invalid {
            assert!(!check(body).1.is_empty(), "{schema}: {body}");
        }
        assert_eq!(diagnostics.contains("not checked"), invalid.is_empty(), "{schema}: {diagnostics}");
    }
}

/// A form without fields is `{}`; without a Content-Type there is no body.
#[test]
fn a_form_without_fields_is_an_empty_object() {
    let body = |required: bool, schema: &str| {
        format!(
            "openapi: 3.1.0\npaths: {{ /x: {{ post: {{ operationId: x, requestBody: {{ required: {required}, content: {{ application/x-www-form-urlencoded: {{ schema: {schema} }} }} }} }} }} }}\n"
        )
    };
    let form = Some("application/x-www-form-urlencoded; charset=UTF-8");
    let (any, needs) = ("{ type: object }", "{ type: object, required: [a] }");
    for (required, schema, content_type, expected) in [
        (true, any, form, "Some({})"),
        (true, needs, form, "Some({}) /a"),
        (true, any, None, "body.missing"),
        (false, any, form, "Some({})"),
        // An optional body may be absent, so nothing is missing.
        (false, needs, form, "None"),
        (false, needs, None, "None"),
    ] {
        let (document, _) = load(&body(required, schema));
        let operation = document.operation("x").unwrap();
        let shown = match document.check_body(operation, content_type, b"") {
            CheckedBody::Checked { value, violations } => {
                let value = value.map(|value| value.to_string());
                let pointers: Vec<&str> =
                    violations.iter().map(|violation| violation.pointer.as_str()).collect();
                let value = value.map_or_else(|| "None".to_owned(), |value| format!("Some({value})"));
                format!("{value} {}", pointers.join(" ")).trim_end().to_owned()
            }
            CheckedBody::Rejected(problem) => problem.condition.to_string(),
        };
        assert_eq!(shown, expected, "{required} {schema} {content_type:?}");
    }
}

/// cdimascio/express-openapi-validator#693, thephpleague/openapi-psr7-validator#134: `encoding.contentType`.
#[test]
fn checks_the_media_types_of_parts() {
    let text = "openapi: 3.0.3
paths:
  /x:
    post:
      operationId: x
      requestBody:
        content:
          multipart/form-data:
            schema: { type: object, properties: { a: { type: string, format: binary }, b: { type: object }, c: {} } }
            encoding: { a: { contentType: 'image/png, image/jpeg' }, b: { contentType: application/json }, c: { contentType: 'image/*' } }
";
    let (document, _) = load(text);
    let operation = document.operation("x").unwrap();
    for (name, content_type, expected) in [
        ("a\"; filename=\"f", "image/png", ""),
        ("a\"; filename=\"f", "IMAGE/JPEG; x=y", ""),
        (
            "a\"; filename=\"f",
            "application/x-msdownload",
            "/a param.invalid.format.other image/png, image/jpeg",
        ),
        ("a\"; filename=\"f", "", ""),
        ("b", "application/json", ""),
        ("b", "text/plain", "/b param.invalid.format.other application/json"),
        ("c\"; filename=\"f", "image/webp", ""),
        ("c\"; filename=\"f", "video/mp4", "/c param.invalid.format.other image/*"),
    ] {
        let line =
            if content_type.is_empty() { String::new() } else { format!("Content-Type: {content_type}\r\n") };
        let body =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{line}\r\n{{}}\r\n--b--\r\n");
        let checked =
            document.check_body(operation, Some("multipart/form-data; boundary=b"), body.as_bytes());
        let CheckedBody::Checked { violations, .. } = checked else { panic!("{body}") };
        let shown: Vec<String> = violations
            .iter()
            .map(|violation| {
                let limit = match &violation.limit {
                    Some(demur_contract::Value::Text(limit)) => limit.as_str(),
                    _ => "",
                };
                format!("{} {} {limit}", violation.pointer, violation.condition)
            })
            .collect();
        assert_eq!(shown.join("; "), expected, "{name} {content_type}");
    }
}

const SERVERS: &str = "openapi: 3.0.3
servers:
  - { url: 'https://api.example{base}', variables: { base: { default: /v1, enum: [/v1, /v2/] } } }
  - { url: /v1/beta }
paths:
  /pets/{id}: { get: { operationId: pets, parameters: [{ name: id, in: path, required: true, schema: { type: string } }] } }
  /own: { get: { operationId: own, servers: [{ url: /other }] } }
";

/// python-openapi/openapi-core#218, cdimascio/express-openapi-validator#113: the path of `servers`.
#[test]
fn paths_follow_the_path_of_a_server() {
    let find = |options: &DocumentOptions, path: &str| {
        let (document, diagnostics) = load_with(SERVERS, options);
        assert!(diagnostics.contains("servers of single paths and operations are not used"), "{diagnostics}");
        assert_eq!(document.server_paths(), ["/v1/beta", "/v1", "/v2"]);
        match document.find(&Method::GET, path) {
            Find::Found(found) => {
                format!("{} {}", found.operation.id(), found.raw_path_parameter("id").unwrap_or_default())
            }
            _ => String::new(),
        }
    };
    let ignore = DocumentOptions::default();
    let used = DocumentOptions { server_paths: ServerPaths::Use, ..ignore };
    let forward = DocumentOptions { unknown_paths: UnknownPaths::Forward, ..used };
    for (options, path, expected) in [
        (&ignore, "/pets/5", "pets 5"),
        (&ignore, "/v1/pets/5", ""),
        (&used, "/v1/pets/5", "pets 5"),
        (&used, "/v2/pets/5", "pets 5"),
        (&used, "/v1/beta/pets/5", "pets 5"),
        (&used, "/v10/pets/5", ""),
        (&used, "/v1", ""),
        (&used, "/pets/5", ""),
        (&forward, "/pets/5", "* "),
        (&forward, "/v1/own", "own "),
    ] {
        assert_eq!(find(options, path), expected, "{path}");
    }
}

#[test]
fn unknown_paths_belong_to_an_operation_of_their_own() {
    let text = "openapi: 3.1.0\npaths: { /x: { get: { operationId: x } }, /export: { post: { operationId: export } } }\n";
    let (document, _) = load_with(
        text,
        &DocumentOptions { unknown_paths: UnknownPaths::Forward, ..DocumentOptions::default() },
    );
    let operation = document.operation(CATCH_ALL).unwrap();
    assert!(operation.is_catch_all() && !operation.takes_body());
    for (method, path, expected) in [
        (Method::GET, "/x", "x"),
        (Method::GET, "/y", "*"),
        (Method::POST, "/", "*"),
        (Method::DELETE, "/x/y", "*"),
        // The path is known, but not with this method.
        (Method::POST, "/x", "405"),
        // A lenient server would run another operation.
        (Method::POST, "/EXPORT", "* export"),
    ] {
        let found = match document.find(&method, path) {
            Find::Found(found) => {
                let lenient = found.lenient_match().map(|operation| format!(" {}", operation.id()));
                format!("{}{}", found.operation.id(), lenient.unwrap_or_default())
            }
            Find::MethodNotAllowed { .. } => "405".to_owned(),
            Find::NotFound => "404".to_owned(),
        };
        assert_eq!(found, expected, "{method} {path}");
    }
    let document = ApiDocument::without_declarations(&DocumentOptions::default());
    let Find::Found(found) = document.find(&Method::PATCH, "/any/path") else { panic!("not found") };
    assert_eq!(found.operation.id(), CATCH_ALL);
    let saved = found.save("/any/path");
    assert_eq!(document.restore(&saved, "/any/path").unwrap().operation.id(), CATCH_ALL);
}

/// A media type that is declared several times, with parameters that are not compared.
#[test]
fn a_media_type_with_several_declarations_is_not_checked() {
    for (content, warnings, accepted, rejected) in [
        (
            "'application/json; v=1': { schema: { required: [a] } }, 'application/json; v=2': { schema: { required: [b] } }",
            1,
            &["{}", "{\"a\":1}", "{\"b\":1}"][..],
            &[][..],
        ),
        (
            "application/json: { schema: { required: [a] } }, 'application/json; charset=utf-8': { schema: { required: [a] } }",
            0,
            &["{\"a\":1}"],
            &["{}"],
        ),
        (
            "application/json: { schema: { required: [a] } }, APPLICATION/JSON: { schema: { required: [b] } }, application/merge-patch+json: { schema: { required: [c] } }",
            1,
            &["{}"],
            &[],
        ),
    ] {
        let (document, diagnostics) = load(&format!(
            "openapi: 3.0.3\npaths: {{ /x: {{ post: {{ operationId: x, requestBody: {{ content: {{ {content} }} }} }} }} }}\n"
        ));
        assert_eq!(diagnostics.lines().count(), warnings, "{content}: {diagnostics}");
        assert!(
            warnings == 0 || diagnostics.contains("is declared again with other parameters"),
            "{diagnostics}"
        );
        let operation = document.operation("x").unwrap();
        for (bodies, is_accepted) in [(accepted, true), (rejected, false)] {
            for body in bodies {
                let checked = document.check_body(operation, Some("application/json"), body.as_bytes());
                let CheckedBody::Checked { violations, .. } = checked else { panic!("{body}") };
                assert_eq!(violations.is_empty(), is_accepted, "{content} {body}");
            }
        }
    }
}
