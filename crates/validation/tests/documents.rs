//! Diagnostics of documents.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, DocumentOptions, Unsupported};

fn read(text: &str) -> (Option<ApiDocument>, String) {
    let mut diagnostics = Diagnostics::new();
    let options = DocumentOptions { unsupported: Unsupported::Reject, ..DocumentOptions::default() };
    let document = ApiDocument::load(&Source::new("t.yaml", text), &options, &mut diagnostics);
    assert_eq!(document.is_none(), diagnostics.has_errors(), "{diagnostics}");
    (document, diagnostics.to_string())
}

/// A document whose operation has these parameters.
fn with_parameters(parameters: &str) -> String {
    format!("openapi: 3.1.0\npaths:\n  /x:\n    get: {{ operationId: op, parameters: {parameters} }}\n")
}

/// A document whose operation takes JSON of this schema.
fn with_schema(version: &str, schema: &str) -> String {
    format!(
        "openapi: {version}\npaths: {{ /x: {{ post: {{ operationId: x, requestBody: {{ content: {{ application/json: {{\n schema: {schema} }} }} }} }} }} }}\n"
    )
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (_, diagnostics) = read(text);
    let lines: Vec<&str> =
        diagnostics.lines().map(|line| line.strip_prefix("t.yaml:").unwrap_or(line)).collect();
    assert_eq!(lines, expected, "{text}");
}

#[test]
fn reports_all_mistakes_at_once_in_file_order() {
    let text = "openapi: 3.3.0
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
            "1:10: error[version]: OpenAPI version `3.3.0` is not supported, only 3.0 to 3.2 (help: write `openapi: 3.1.0`)",
            "3:3: error[path]: path `shelves` must start with `/` (help: write `/shelves`)",
            "6:5: error[path-parameter]: path parameter `shelf` of `/shelves/{shelf}` is not declared (help: add `{ name: shelf, in: path, required: true, schema: … }` to `parameters`)",
            "9:19: error[path-parameter]: path parameter `shelv` does not occur in `/shelves/{shelf}` (help: did you mean `shelf`?)",
            "11:20: error[operation-id]: duplicate `operationId` `show`, already used by `GET /shelves/{shelf}` (help: choose a unique ID)",
            "13:68: error[schema]: unknown type `sting` (help: did you mean `string`?)",
            "14:29: error[parameter]: unknown parameter location `qeury` (help: did you mean `query`?)",
            "15:52: error[unresolved-ref]: `$ref` target `#/components/schemas/Sise` does not exist (help: did you mean `#/components/schemas/Size`?)",
            "16:55: error[pattern]: pattern `(?!x)y` contains look-around, which cannot be matched in linear time (help: rewrite it without `(?=…)`, `(?!…)`, `(?<=…)` and `(?<!…)`, for example with `not` and `allOf`)",
            "17:55: error[pattern]: invalid pattern `[`: unclosed character class",
            "18:52: error[remote-ref]: cannot read `$ref` target `https://example.com/s.json`: this document was loaded without its folder (help: URLs are not fetched: refer to a local copy by its path, or configure the copy under `references`)",
            "21:39: warning[schema]: invalid `minLength`: -1 is less than the minimum of 0 (this schema is not used)",
        ],
    );
}

#[test]
fn rejects_files_that_are_not_openapi_3() {
    for (text, expected) in [
        ("", "1:1: error[wrong-kind]: an OpenAPI document must be a mapping, not null"),
        ("[]", "1:1: error[wrong-kind]: an OpenAPI document must be a mapping, not a list"),
        (
            "swagger: '2.0'\npaths: {}",
            "1:10: error[version]: Swagger 2 is not supported, only OpenAPI 3.0 to 3.2 (help: convert the document to OpenAPI 3)",
        ),
        (
            "paths: {}",
            "1:1: error[version]: missing key `openapi` in an OpenAPI document (help: add `openapi: 3.1.0`)",
        ),
        ("openapi: 3.1.0", "1:1: error[missing-key]: missing key `paths` in an OpenAPI document"),
        ("openapi: 3.1.0\npaths: []", "2:8: error[wrong-kind]: `paths` must be a mapping, not a list"),
    ] {
        check(text, &[expected]);
    }
    assert!(read("openapi: [").0.is_none());
    assert!(read("{\"openapi\": \"3.0.0\", \"paths\": {}}").0.is_some());
    assert!(read("openapi: 3.1\npaths: {}").0.is_some());
}

#[test]
fn reports_invalid_parameters() {
    for (parameters, expected) in [
        ("[{ in: query, schema: {} }]", "4:42: error[missing-key]: missing key `name` in a parameter"),
        ("[{ name: a, schema: {} }]", "4:42: error[missing-key]: missing key `in` in a parameter"),
        (
            "[{ name: a, in: query }]",
            "4:50: error[missing-key]: missing key `schema` in parameter `a` (help: add `schema: { type: string }`)",
        ),
        (
            "[{ name: a, in: body, schema: {} }]",
            "4:57: error[parameter]: unknown parameter location `body` (help: declare the body under `requestBody`)",
        ),
        (
            "[{ name: a, in: query, schema: {} }, { name: a, in: query, schema: {} }]",
            "4:86: error[parameter]: duplicate query parameter `a` (help: remove one of the two declarations)",
        ),
        (
            "[{ name: a, in: header, style: deepObject, schema: {} }]",
            "4:72: error[parameter]: unknown style `deepObject` for a header parameter (help: use one of: simple)",
        ),
        (
            "[{ name: a, in: query, schema: { type: array, items: { type: object } } }]",
            "4:50: warning[unsupported]: OpenAPI does not define how nested values of `a` are serialized in this style: the parameter is not checked",
        ),
        (
            "[{ name: a, in: query, content: { application/xml: {} } }]",
            "4:75: warning[unsupported]: media type `application/xml` is not supported in a parameter: `a` is not checked",
        ),
        (
            "[{ name: a, in: query, requird: true, schema: {} }]",
            "4:64: warning[unknown-key]: unknown key `requird` in a parameter (help: did you mean `required`?)",
        ),
        (
            "[{ name: Accept, in: header, schema: {} }]",
            "4:50: warning[parameter]: parameter for header `Accept` is ignored, as OpenAPI requires",
        ),
        ("[{ $ref: '#/x' }]", "4:50: error[unresolved-ref]: `$ref` target `#/x` does not exist"),
        (
            "[{ $ref: '#/paths/~1x/get/parameters/0' }]",
            "4:50: error[ref-cycle]: `$ref` refers back to itself",
        ),
    ] {
        check(&with_parameters(parameters), &[expected]);
    }
}

/// The diagnostics of a document whose operations have these members, with checks of responses.
fn diagnostics_of(operation: &str) -> Vec<String> {
    let text = format!(
        "openapi: 3.1.0\npaths: {{ /x: {{ post: {{ operationId: x, {operation} }}, put: {{ operationId: y, {operation} }} }} }}\n"
    );
    let mut diagnostics = Diagnostics::new();
    let unsupported = Unsupported::Reject;
    let options = DocumentOptions { checks_responses: true, unsupported, ..DocumentOptions::default() };
    let document = ApiDocument::load(&Source::new("t.yaml", &text), &options, &mut diagnostics);
    assert!(document.is_some(), "{diagnostics}");
    let lines = diagnostics.to_string();
    let lines = lines.lines().map(|line| line.splitn(4, ':').nth(3).unwrap().trim().to_owned());
    // Each diagnostic is reported for both operations, or once for both.
    let mut reported: Vec<String> = Vec::new();
    lines.for_each(|line| {
        if !reported.contains(&line) {
            reported.push(line);
        }
    });
    reported
}

#[test]
fn rejects_patterns_that_exceed_the_memory_limit() {
    for (pattern, is_taken) in [
        ("^.{0,100}$", true),
        ("^\\p{L}{1,100}$", true),
        ("x{1000}{1000}", false),
        ("(?:\\w{500}){500}", false),
    ] {
        let (document, diagnostics) = read(&with_schema("3.1.0", &format!("{{ pattern: '{pattern}' }}")));
        assert_eq!(document.is_some(), is_taken, "{pattern}: {diagnostics}");
    }
}

#[test]
fn warns_of_everything_that_is_not_checked() {
    let object = "{ type: object, properties: { a: {} } }";
    for (operation, expected) in [
        (
            format!("requestBody: {{ content: {{ application/xml: {{ schema: {object} }} }} }}"),
            "warning[unsupported]: a request body of type `application/xml` is forwarded without being checked",
        ),
        (
            format!("responses: {{ '200': {{ content: {{ text/xml: {{ schema: {object} }} }} }} }}"),
            "warning[unsupported]: a response body of type `text/xml` is forwarded without being checked",
        ),
        (
            format!("responses: {{ '200': {{ content: {{ application/x-www-form-urlencoded: {{ schema: {object} }} }} }} }}"),
            "warning[unsupported]: a response body of type `application/x-www-form-urlencoded` is forwarded without being checked",
        ),
        (
            "responses: { '200': { headers: { X-Total: { schema: { type: integer } } } } }".to_owned(),
            "warning[unsupported]: response headers are not checked (reported once)",
        ),
        (
            format!("requestBody: {{ content: {{ multipart/form-data: {{ schema: {object}, encoding: {{ a: {{ headers: {{ X-A: {{ schema: {{}} }} }} }} }} }} }} }}"),
            "warning[unsupported]: headers of form parts are not checked (reported once)",
        ),
        (
            "requestBody: { content: { application/json: { schema: { $schema: 'https://example.com/own' } } } }".to_owned(),
            "warning[unsupported]: schema dialect `https://example.com/own` is not supported, JSON Schema 2020-12 is used instead",
        ),
        (
            "requestBody: { content: { application/json: { schema: { $vocabulary: { 'https://example.com/own': true } } } } }".to_owned(),
            "warning[unsupported]: custom vocabularies are not supported, JSON Schema 2020-12 is used instead",
        ),
        (
            "requestBody: { content: { application/json: { schema: { type: string, format: iban } } } }".to_owned(),
            "warning[unsupported]: unknown format `iban` is not validated (reported once)",
        ),
        (
            "requestBody: { content: { application/json: { schema: { type: string, format: date_time } } } }".to_owned(),
            "warning[unsupported]: unknown format `date_time` is not validated (reported once) (help: did you mean `date-time`?)",
        ),
    ] {
        assert_eq!(diagnostics_of(&operation), [expected], "{operation}");
    }
    // No warnings for schemas that do not constrain the body.
    for operation in [
        "requestBody: { content: { application/xml: { schema: { type: string, format: binary } } } }",
        "responses: { '200': { content: { text/plain: { schema: { type: string } }, image/png: {} } } }",
        "requestBody: { content: { application/json: { schema: { type: string, format: password } } } }",
    ] {
        assert!(diagnostics_of(operation).is_empty(), "{operation}: {:?}", diagnostics_of(operation));
    }
}

#[test]
fn reports_invalid_schemas() {
    for (version, schema, expected) in [
        ("3.1.0", "5", "3:10: error[schema]: a schema must be a mapping, not an integer"),
        (
            "3.1.0",
            "{ required: true }",
            "3:22: error[schema]: `required` must be a list, not `true` (help: list the names of required properties in the schema of the object)",
        ),
        (
            "3.1.0",
            "{ minLenght: 1 }",
            "3:12: warning[unknown-key]: unknown keyword `minLenght` has no effect (help: did you mean `minLength`?)",
        ),
        (
            "3.1.0",
            "{ type: string, nullable: true }",
            "3:26: warning[nullable]: `nullable` is not part of OpenAPI 3.1, and is read as in 3.0: null is accepted (help: write `type: [string, 'null']`)",
        ),
        (
            "3.0.3",
            "{ nullable: true }",
            "3:12: warning[nullable]: `nullable` has no effect without `type` beside it: null is accepted only if the other keywords allow it (help: add `type` beside it, or a branch for null: `anyOf: [{ $ref: … }, { type: string, nullable: true, enum: [null] }]`)",
        ),
        (
            "3.1.0",
            "{ $schema: 'http://json-schema.org/draft-04/schema#' }",
            "3:12: warning[unsupported]: schema dialect `http://json-schema.org/draft-04/schema` is not supported, JSON Schema 2020-12 is used instead",
        ),
        (
            "3.1.0",
            "{ $ref: '#nowhere' }",
            "3:18: error[remote-ref]: cannot read `$ref` target `#nowhere`: no such anchor (help: write a pointer, such as `#/components/schemas/NAME`)",
        ),
        (
            "3.1.0",
            "{ patternProperties: { '(a)\\1': {} } }",
            "3:33: error[pattern]: pattern `(a)\\1` contains a backreference, which cannot be matched in linear time (help: rewrite it without backreferences)",
        ),
    ] {
        check(&with_schema(version, schema), &[expected]);
    }
}

#[test]
fn rejects_endless_cycles_but_not_recursion() {
    let circle = |schemas: &str| {
        let text = with_schema("3.1.0", "{ $ref: '#/components/schemas/A' }");
        read(&format!("{text}components:\n  schemas:\n{schemas}")).1
    };
    for schemas in [
        "    A: { $ref: '#/components/schemas/A' }\n",
        "    A: { $ref: '#/components/schemas/B' }\n    B: { allOf: [{ $ref: '#/components/schemas/A' }] }\n",
        "    A: { if: { not: { $ref: '#/components/schemas/A' } } }\n",
    ] {
        let diagnostics = circle(schemas);
        assert_eq!(diagnostics.matches("error[ref-cycle]").count(), 1, "{schemas}{diagnostics}");
        assert_eq!(diagnostics.lines().count(), 1, "{diagnostics}");
    }
    for schemas in [
        "    A: { properties: { a: { $ref: '#/components/schemas/A' } } }\n",
        "    A: { items: { anyOf: [{ type: string }, { $ref: '#/components/schemas/A' }] } }\n",
    ] {
        assert_eq!(circle(schemas), "", "{schemas}");
    }
}

#[test]
fn rejects_ambiguous_paths() {
    for (second, message) in [
        ("/a/{y}", "path `/a/{y}` cannot be routed: `/a/{x}` matches the same requests"),
        ("/b/{y}{z}", "path `/b/{y}{z}` cannot be routed: no text separates two parameters"),
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
fn derives_missing_operation_ids_from_method_and_path() {
    let (document, diagnostics) = read("openapi: 3.1.0\npaths: { /x: { get: {} } }\n");
    assert_eq!(document.unwrap().operations()[0].id(), "GET /x");
    assert!(diagnostics.starts_with("t.yaml:2:16: warning[operation-id]: "), "{diagnostics}");
}
