//! Documents: what is reported when they are loaded, and which operation a request finds.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails says why")]

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, DocumentOptions, Find};
use http::Method;

fn read(text: &str) -> (Option<ApiDocument>, String) {
    let mut found = Diagnostics::new();
    let document = ApiDocument::load(&Source::new("t.yaml", text), &DocumentOptions::default(), &mut found);
    assert_eq!(document.is_none(), found.has_errors(), "{found}");
    (document, found.to_string())
}

/// A document with one operation, which has these parameters.
fn with_parameters(parameters: &str) -> String {
    format!("openapi: 3.1.0\npaths:\n  /x:\n    get: {{ operationId: op, parameters: {parameters} }}\n")
}

/// A document with one operation, which takes JSON of this schema.
fn with_schema(version: &str, schema: &str) -> String {
    format!(
        "openapi: {version}\npaths: {{ /x: {{ post: {{ operationId: x, requestBody: {{ content: {{ application/json: {{\n schema: {schema} }} }} }} }} }} }}\n"
    )
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (_, found) = read(text);
    let lines: Vec<&str> = found.lines().map(|line| line.strip_prefix("t.yaml:").unwrap_or(line)).collect();
    assert_eq!(lines, expected, "{text}");
}

#[test]
fn ten_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text = "openapi: 3.2.0
paths:
  shelves:
    get: { operationId: a }
  /shelves/{shelf}:
    get:
      operationId: show
      parameters:
        - { name: shelv, in: path, required: true, schema: { type: string } }
    delete:
      operationId: show
      parameters:
        - { name: shelf, in: path, required: true, schema: { type: sting } }
        - { name: page, in: qeury, schema: { type: integer } }
        - { name: size, in: query, schema: { $ref: '#/components/schemas/Sise' } }
        - { name: mark, in: query, schema: { pattern: '(?!x)y' } }
        - { name: code, in: query, schema: { pattern: '[' } }
        - { name: away, in: query, schema: { $ref: 'https://example.com/s.json' } }
components:
  schemas:
    Size: { type: integer, minLength: -1 }
";
    check(
        text,
        &[
            "1:10: error[version]: OpenAPI `3.2.0` is not supported: 3.0 and 3.1 are read (help: write `openapi: 3.1.0`)",
            "3:3: error[path]: the path `shelves` must start with `/` (help: write `/shelves`)",
            "6:5: error[path-parameter]: the path parameter `shelf` of `/shelves/{shelf}` is not declared (help: add `{ name: shelf, in: path, required: true, schema: … }` to `parameters`)",
            "9:19: error[path-parameter]: `/shelves/{shelf}` has no `{shelv}` (help: did you mean `shelf`?)",
            "11:20: error[operation-id]: the operationId `show` is taken by GET /shelves/{shelf} (help: choose another one)",
            "13:68: error[schema]: there is no type `sting` (help: did you mean `string`?)",
            "14:29: error[parameter]: a parameter cannot be in `qeury` (help: did you mean `query`?)",
            "15:52: error[unresolved-ref]: `#/components/schemas/Sise` names nothing (help: did you mean `#/components/schemas/Size`?)",
            "16:55: error[pattern]: the pattern `(?!x)y` looks around, which cannot be matched in linear time (help: say it without `(?=…)`, `(?!…)`, `(?<=…)`, `(?<!…)`; `not` and `allOf` may help)",
            "17:55: error[pattern]: the pattern `[` is not a regular expression, or too large a one",
            "18:52: error[remote-ref]: `https://example.com/s.json` cannot be read: other files are not read here (help: nothing is fetched: keep a copy beside the document, and name it by its path, or under `references`)",
            "21:39: warning[schema]: `minLength` is not valid: -1 is less than the minimum of 0 (no request is held against this schema)",
        ],
    );
}

#[test]
fn what_is_no_document_says_so() {
    for (text, expected) in [
        ("", "1:1: error[wrong-kind]: an OpenAPI document must be a mapping, not nothing"),
        ("[]", "1:1: error[wrong-kind]: an OpenAPI document must be a mapping, not a list"),
        (
            "swagger: '2.0'\npaths: {}",
            "1:10: error[version]: this is a Swagger 2 document: OpenAPI 3.0 and 3.1 are read (help: convert it to OpenAPI 3)",
        ),
        (
            "paths: {}",
            "1:1: error[version]: the document does not say its version (help: add `openapi: 3.1.0`)",
        ),
        ("openapi: 3.1.0", "1:1: error[missing-key]: an OpenAPI document needs `paths`"),
        ("openapi: 3.1.0\npaths: []", "2:8: error[wrong-kind]: `paths` must be a mapping, not a list"),
    ] {
        check(text, &[expected]);
    }
    assert!(read("openapi: [").0.is_none());
    assert!(read("{\"openapi\": \"3.0.0\", \"paths\": {}}").0.is_some());
    assert!(read("openapi: 3.1\npaths: {}").0.is_some());
}

#[test]
fn a_parameter_that_cannot_be_checked_is_named() {
    for (parameters, expected) in [
        ("[{ in: query, schema: {} }]", "4:42: error[missing-key]: a parameter needs `name`"),
        ("[{ name: a, schema: {} }]", "4:42: error[missing-key]: a parameter needs `in`"),
        (
            "[{ name: a, in: query }]",
            "4:50: error[missing-key]: the parameter `a` needs a `schema` (help: add `schema: { type: string }`)",
        ),
        (
            "[{ name: a, in: body, schema: {} }]",
            "4:57: error[parameter]: a parameter cannot be in `body` (help: OpenAPI 3 declares content under `requestBody`)",
        ),
        (
            "[{ name: a, in: query, schema: {} }, { name: a, in: query, schema: {} }]",
            "4:86: error[parameter]: the query parameter `a` is declared here a second time (help: keep one of the two)",
        ),
        (
            "[{ name: a, in: header, style: deepObject, schema: {} }]",
            "4:72: error[parameter]: a header parameter has no style `deepObject` (help: one of: simple)",
        ),
        (
            "[{ name: a, in: query, schema: { type: array, items: { type: object } } }]",
            "4:50: warning[unsupported]: OpenAPI does not say how the parts of `a` are written in this style: they are read as text",
        ),
        (
            "[{ name: a, in: query, content: { application/xml: {} } }]",
            "4:75: warning[unsupported]: `application/xml` in a parameter is not supported: `a` is not checked",
        ),
        (
            "[{ name: a, in: query, requird: true, schema: {} }]",
            "4:64: warning[unknown-key]: a parameter has no key `requird` (help: did you mean `required`?)",
        ),
        (
            "[{ name: Accept, in: header, schema: {} }]",
            "4:50: warning[parameter]: a parameter for the field `Accept` is ignored, as OpenAPI says",
        ),
        ("[{ $ref: '#/x' }]", "4:50: error[unresolved-ref]: `#/x` names nothing"),
        (
            "[{ $ref: '#/paths/~1x/get/parameters/0' }]",
            "4:50: error[ref-cycle]: this `$ref` leads back to itself",
        ),
    ] {
        check(&with_parameters(parameters), &[expected]);
    }
}

/// What is said of a document whose one operation has these members; answers are held against it.
fn said_of(operation: &str) -> Vec<String> {
    let text = format!(
        "openapi: 3.1.0\npaths: {{ /x: {{ post: {{ operationId: x, {operation} }}, put: {{ operationId: y, {operation} }} }} }}\n"
    );
    let mut found = Diagnostics::new();
    let options = DocumentOptions { checks_responses: true, ..DocumentOptions::default() };
    let document = ApiDocument::load(&Source::new("t.yaml", &text), &options, &mut found);
    assert!(document.is_some(), "{found}");
    let lines = found.to_string();
    let lines = lines.lines().map(|line| line.splitn(4, ':').nth(3).unwrap().trim().to_owned());
    // The same is said of both operations, or once for all of them.
    let mut said: Vec<String> = Vec::new();
    lines.for_each(|line| {
        if !said.contains(&line) {
            said.push(line);
        }
    });
    said
}

#[test]
fn a_pattern_that_would_take_all_memory_is_refused() {
    for (pattern, is_taken) in [
        ("^.{0,100}$", true),
        ("^\\p{L}{1,100}$", true),
        ("x{1000}{1000}", false),
        ("(?:\\w{500}){500}", false),
    ] {
        let (document, found) = read(&with_schema("3.1.0", &format!("{{ pattern: '{pattern}' }}")));
        assert_eq!(document.is_some(), is_taken, "{pattern}: {found}");
    }
}

#[test]
fn what_is_not_supported_is_said_and_never_skipped_in_silence() {
    let object = "{ type: object, properties: { a: {} } }";
    for (operation, expected) in [
        (
            format!("requestBody: {{ content: {{ application/xml: {{ schema: {object} }} }} }}"),
            "warning[unsupported]: content in `application/xml` is passed on without being checked",
        ),
        (
            format!("responses: {{ '200': {{ content: {{ text/xml: {{ schema: {object} }} }} }} }}"),
            "warning[unsupported]: an answer in `text/xml` is passed on without being checked",
        ),
        (
            format!("responses: {{ '200': {{ content: {{ application/x-www-form-urlencoded: {{ schema: {object} }} }} }} }}"),
            "warning[unsupported]: an answer in `application/x-www-form-urlencoded` is passed on without being checked",
        ),
        (
            "responses: { '200': { headers: { X-Total: { schema: { type: integer } } } } }".to_owned(),
            "warning[unsupported]: header fields of answers are not checked, here and elsewhere",
        ),
        (
            format!("requestBody: {{ content: {{ multipart/form-data: {{ schema: {object}, encoding: {{ a: {{ headers: {{ X-A: {{ schema: {{}} }} }} }} }} }} }} }}"),
            "warning[unsupported]: header fields of a form's parts are not checked, here and elsewhere",
        ),
        (
            "requestBody: { content: { application/json: { schema: { $schema: 'https://example.com/own' } } } }".to_owned(),
            "warning[unsupported]: the schema dialect `https://example.com/own` is not supported: 2020-12 is used",
        ),
        (
            "requestBody: { content: { application/json: { schema: { $vocabulary: { 'https://example.com/own': true } } } } }".to_owned(),
            "warning[unsupported]: vocabularies of one's own are not supported: 2020-12 is used",
        ),
        (
            "requestBody: { content: { application/json: { schema: { type: string, format: iban } } } }".to_owned(),
            "warning[unsupported]: the format `iban` is not known: it is checked neither here nor elsewhere",
        ),
        (
            "requestBody: { content: { application/json: { schema: { type: string, format: date_time } } } }".to_owned(),
            "warning[unsupported]: the format `date_time` is not known: it is checked neither here nor elsewhere (help: did you mean `date-time`?)",
        ),
    ] {
        assert_eq!(said_of(&operation), [expected], "{operation}");
    }
    // What says no more than bytes, or nothing that could be checked, is no news.
    for operation in [
        "requestBody: { content: { application/xml: { schema: { type: string, format: binary } } } }",
        "responses: { '200': { content: { text/plain: { schema: { type: string } }, image/png: {} } } }",
        "requestBody: { content: { application/json: { schema: { type: string, format: password } } } }",
    ] {
        assert!(said_of(operation).is_empty(), "{operation}: {:?}", said_of(operation));
    }
}

#[test]
fn a_schema_that_cannot_be_held_against_content_is_named() {
    for (version, schema, expected) in [
        ("3.1.0", "5", "3:10: error[schema]: a schema must be a mapping, not a whole number"),
        (
            "3.1.0",
            "{ required: true }",
            "3:22: error[schema]: `required` is not valid: true is not of type \"array\"",
        ),
        (
            "3.1.0",
            "{ minLenght: 1 }",
            "3:12: warning[unknown-key]: a schema has no keyword `minLenght`: it has no effect (help: did you mean `minLength`?)",
        ),
        (
            "3.1.0",
            "{ type: string, nullable: true }",
            "3:26: warning[nullable]: OpenAPI 3.1 has no `nullable`: it has no effect (help: write `type: [string, 'null']`)",
        ),
        (
            "3.0.3",
            "{ nullable: true }",
            "3:12: warning[nullable]: `nullable` has no effect without `type` beside it (help: add `type`)",
        ),
        (
            "3.1.0",
            "{ $schema: 'http://json-schema.org/draft-04/schema#' }",
            "3:12: warning[unsupported]: the schema dialect `http://json-schema.org/draft-04/schema` is not supported: 2020-12 is used",
        ),
        (
            "3.1.0",
            "{ $ref: '#nowhere' }",
            "3:18: error[remote-ref]: `#nowhere` cannot be read: there is no such anchor (help: name a place as `#/components/schemas/…`)",
        ),
        (
            "3.1.0",
            "{ patternProperties: { '(a)\\1': {} } }",
            "3:33: error[pattern]: the pattern `(a)\\1` refers back to a group, which cannot be matched in linear time (help: say it without `\\1`)",
        ),
    ] {
        check(&with_schema(version, schema), &[expected]);
    }
}

#[test]
fn references_in_a_circle_are_told_from_recursion() {
    let circle = |schemas: &str| {
        let text = with_schema("3.1.0", "{ $ref: '#/components/schemas/A' }");
        read(&format!("{text}components:\n  schemas:\n{schemas}")).1
    };
    for schemas in [
        "    A: { $ref: '#/components/schemas/A' }\n",
        "    A: { $ref: '#/components/schemas/B' }\n    B: { allOf: [{ $ref: '#/components/schemas/A' }] }\n",
        "    A: { if: { not: { $ref: '#/components/schemas/A' } } }\n",
    ] {
        let found = circle(schemas);
        assert_eq!(found.matches("error[ref-cycle]").count(), 1, "{schemas}{found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
    for schemas in [
        "    A: { properties: { a: { $ref: '#/components/schemas/A' } } }\n",
        "    A: { items: { anyOf: [{ type: string }, { $ref: '#/components/schemas/A' }] } }\n",
    ] {
        assert_eq!(circle(schemas), "", "{schemas}");
    }
}

#[test]
fn paths_that_cannot_be_told_apart_are_refused() {
    for (second, message) in [
        ("/a/{y}", "the path `/a/{y}` cannot be used: the same requests would match `/a/{x}`"),
        ("/b/{y}{z}", "the path `/b/{y}{z}` cannot be used: nothing parts two parameters from each other"),
    ] {
        let item = |path: &str, id: &str| {
            let parameters: Vec<String> = path
                .split('{')
                .skip(1)
                .map(|rest| {
                    format!(
                        "{{ name: {}, in: path, required: true, schema: {{}} }}",
                        rest.split('}').next().unwrap()
                    )
                })
                .collect();
            format!(
                "  {path}:\n    parameters: [{}]\n    get: {{ operationId: {id} }}\n",
                parameters.join(",")
            )
        };
        let text = format!("openapi: 3.1.0\npaths:\n{}{}", item("/a/{x}", "a"), item(second, "b"));
        check(&text, &[&format!("6:3: error[path]: {message}")]);
    }
}

#[test]
fn an_operation_without_a_name_is_known_by_its_method_and_path() {
    let (document, found) = read("openapi: 3.1.0\npaths: { /x: { get: {} } }\n");
    assert_eq!(document.unwrap().operations()[0].id(), "GET /x");
    assert!(found.starts_with("t.yaml:2:16: warning[operation-id]: "), "{found}");
}

const ROUTES: &str = "openapi: 3.1.0
paths:
  /:
    get: { operationId: root }
  /shelves:
    get: { operationId: list }
    post: { operationId: create }
  /shelves/{shelf}:
    parameters: [{ name: shelf, in: path, required: true, schema: {} }]
    get: { operationId: show }
    head: { operationId: peek }
  /shelves/{id}/books:
    parameters: [{ name: id, in: path, required: true, schema: {} }]
    delete: { operationId: clear }
  /shelves/new:
    get: { operationId: form }
  /shelves/{mark}:
    parameters: [{ name: mark, in: path, required: true, schema: {} }]
    delete: { operationId: drop }
  /odd}/{x}/{y:
    parameters: [{ name: x, in: path, required: true, schema: {} }]
    get: { operationId: odd }
";

#[test]
fn a_request_finds_its_operation() {
    let (document, found) = read(ROUTES);
    let document = document.unwrap_or_else(|| panic!("{found}"));
    for (method, path, expected) in [
        (Method::GET, "/", "root"),
        (Method::GET, "/shelves", "list"),
        (Method::POST, "/shelves", "create"),
        (Method::HEAD, "/shelves", "list"),
        (Method::PUT, "/shelves", "405 GET, HEAD, POST"),
        (Method::from_bytes(b"BREW").unwrap(), "/shelves", "405 GET, HEAD, POST"),
        (Method::GET, "/shelves/", "404"),
        (Method::GET, "/shelves/new", "form"),
        (Method::GET, "/shelves/a%2Fb", "show shelf=a%2Fb"),
        (Method::HEAD, "/shelves/a", "peek shelf=a"),
        (Method::POST, "/shelves/a", "405 GET, DELETE, HEAD"),
        (Method::DELETE, "/shelves/a", "drop mark=a"),
        (Method::GET, "/odd}/5/{y", "odd x=5"),
        (Method::DELETE, "/shelves/a/books", "clear id=a"),
        (Method::GET, "/shelves/a/books", "405 DELETE"),
        (Method::GET, "/Shelves", "404"),
        (Method::GET, "", "404"),
        (Method::GET, "//", "404"),
    ] {
        let answer = match document.find(&method, path) {
            Find::Found(found) => {
                let names = found.operation.path_parameters();
                names.fold(found.operation.id().to_owned(), |line, name| {
                    format!("{line} {name}={}", found.raw_path_parameter(name).unwrap_or_default())
                })
            }
            Find::MethodNotAllowed { allow } => format!("405 {allow}"),
            Find::NotFound => "404".to_owned(),
        };
        assert_eq!(answer, expected, "{method} {path}");
    }
}

#[test]
fn operations_keep_the_order_of_the_document_and_are_known_by_name() {
    let document = read(ROUTES).0.unwrap();
    let ids: Vec<&str> = document.operations().iter().map(|operation| operation.id()).collect();
    assert_eq!(ids, ["root", "list", "create", "show", "peek", "clear", "form", "drop", "odd"]);
    for (index, operation) in document.operations().iter().enumerate() {
        assert_eq!(operation.index(), index);
        assert_eq!(document.operation(operation.id()).map(|found| found.index()), Some(index));
    }
    assert!(document.operation("shwo").is_none());
    assert_eq!(document.similar_operation("shwo"), Some("show"));
}

#[test]
fn ten_thousand_operations_load() {
    let mut text = "openapi: 3.1.0\npaths:\n".to_owned();
    for number in 0..10_000 {
        text += &format!("  /things{number}/all: {{ get: {{ operationId: op{number} }} }}\n");
    }
    let document = read(&text).0.unwrap();
    assert!(matches!(document.find(&Method::GET, "/things9999/all"), Find::Found(_)));
}

#[test]
fn a_document_is_shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    is_shared(&read(ROUTES).0.unwrap());
}
