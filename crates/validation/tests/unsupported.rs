//! Parts of a document that cannot be used cost that part, and nothing else.
//! Long because each keyword has its row.
//!
//! Each row is a schema or an operation with one part that cannot be used, what `check` says, and which values pass.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions, Find, Unsupported};
use http::{HeaderMap, Method};

fn load(text: &str, unsupported: Unsupported) -> (Option<ApiDocument>, String) {
    let mut diagnostics = Diagnostics::new();
    let options = DocumentOptions { unsupported, ..DocumentOptions::default() };
    let document = ApiDocument::load(&Source::new("t.yaml", text), &options, &mut diagnostics);
    (document, diagnostics.to_string())
}

fn with_schema(version: &str, schema: &str) -> String {
    format!(
        "openapi: {version}
paths:
  /x: {{ post: {{ operationId: x, requestBody: {{ content: {{ application/json: {{ schema: {schema} }} }} }} }} }}
  /y: {{ get: {{ operationId: y }} }}
components:
  schemas:
    Back: {{ type: string, pattern: '^(a)\\1$' }}
    Loop: {{ allOf: [{{ $ref: '#/components/schemas/Loop' }}], maxLength: 2 }}
    Text: {{ type: string }}
"
    )
}

fn passes(document: &ApiDocument, body: &str) -> bool {
    let operation = document.operation("x").unwrap();
    match document.check_body(operation, Some("application/json"), body.as_bytes()) {
        CheckedBody::Checked { violations, .. } => violations.is_empty(),
        CheckedBody::Rejected(problem) => panic!("{problem:?}"),
    }
}

/// Version, schema, a part of the warning, bodies that pass, bodies that are rejected, number of lost keywords.
type Row =
    (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str], usize);

const SCHEMAS: &[Row] = &[
    // asana/openapi: two patterns refer back.
    (
        "3.0.3",
        "{ type: string, pattern: '^([ab])(,\\1)*$', maxLength: 3 }",
        "backreference",
        &[r#""zzz""#],
        &[r#""zzzz""#, "5"],
        1,
    ),
    (
        "3.1.0",
        "{ type: string, pattern: 'a(?=b)', maxLength: 3 }",
        "look-around",
        &[r#""zzz""#],
        &[r#""zzzz""#],
        1,
    ),
    ("3.1.0", "{ type: string, pattern: '[' }", "invalid pattern `[`", &[r#""z""#], &["5"], 1),
    ("3.1.0", "{ $ref: '#/components/schemas/Back' }", "backreference", &[r#""z""#], &["5"], 1),
    (
        "3.1.0",
        "{ type: object, properties: { a: { $ref: '#/components/schemas/Back' }, b: { type: integer } } }",
        "backreference",
        &[r#"{"a":"z"}"#],
        &[r#"{"b":"z"}"#, r#"{"a":5}"#],
        1,
    ),
    // What stands above a lost keyword must not reject more.
    ("3.1.0", "{ type: string, not: { pattern: '(a)\\1' } }", "`not` is not checked", &[r#""z""#], &["5"], 2),
    (
        "3.1.0",
        "{ not: { $ref: '#/components/schemas/Back' } }",
        "`not` is not checked",
        &[r#""z""#, "5"],
        &[],
        1,
    ),
    (
        "3.1.0",
        "{ oneOf: [{ pattern: '(a)\\1' }, { type: string, maxLength: 2 }] }",
        "backreference",
        &[r#""zz""#],
        &[],
        1,
    ),
    (
        "3.1.0",
        "{ oneOf: [{ $ref: '#/components/schemas/Back' }, { type: string }] }",
        "backreference",
        &[r#""zz""#],
        &["5"],
        1,
    ),
    (
        "3.1.0",
        "{ if: { pattern: '(a)\\1' }, then: { maxLength: 1 } }",
        "`if` is not checked",
        &[r#""zz""#],
        &[],
        2,
    ),
    (
        "3.1.0",
        "{ contains: { pattern: '(a)\\1' }, minContains: 1, maxContains: 1 }",
        "backreference",
        &[r#"["y","z"]"#],
        &["[]"],
        1,
    ),
    (
        "3.1.0",
        "{ type: object, patternProperties: { '(a)\\1': {} }, additionalProperties: false }",
        "backreference",
        &[r#"{"aa":1}"#],
        &["5"],
        1,
    ),
    (
        "3.1.0",
        "{ allOf: [{ patternProperties: { '(a)\\1': {} } }], unevaluatedProperties: false }",
        "backreference",
        &[r#"{"aa":1}"#],
        &[],
        1,
    ),
    (
        "3.1.0",
        "{ propertyNames: { pattern: '(a)\\1', maxLength: 2 } }",
        "backreference",
        &[r#"{"zz":1}"#],
        &[r#"{"zzz":1}"#],
        1,
    ),
    // Keywords with invalid values.
    ("3.1.0", "{ type: sting, maxLength: 1 }", "unknown type `sting`", &["5", r#""z""#], &[r#""zz""#], 1),
    (
        "3.1.0",
        "{ minLength: '5', maxLength: 1 }",
        "`minLength` must be an integer",
        &[r#""z""#],
        &[r#""zz""#],
        1,
    ),
    (
        "3.1.0",
        "{ type: object, required: true, properties: { a: { type: integer, required: true } } }",
        "`required` must be a list",
        &["{}"],
        &[r#"{"a":"z"}"#],
        2,
    ),
    (
        "3.1.0",
        "{ type: object, properties: 5, additionalProperties: false }",
        "`properties` must be a mapping",
        &[r#"{"a":1}"#],
        &["5"],
        1,
    ),
    (
        "3.1.0",
        "{ type: object, properties: { a: 5, b: { type: integer } }, additionalProperties: false }",
        "a schema must be a mapping",
        &[r#"{"a":1,"b":1}"#],
        &[r#"{"b":"z"}"#, r#"{"c":1}"#],
        1,
    ),
    (
        "3.1.0",
        "{ type: object, examples: { a: {} }, description: 5 }",
        "`examples` must be a list",
        &["{}"],
        &["5"],
        2,
    ),
    ("3.1.0", "{ oneOf: [], type: string }", "invalid `oneOf`", &[r#""z""#], &["5"], 1),
    ("3.1.0", "{ enum: a, type: string }", "`enum` must be a list", &[r#""z""#], &["5"], 1),
    // References.
    (
        "3.1.0",
        "{ $ref: '#/components/schemas/Nowhere', maxLength: 1 }",
        "does not exist",
        &[r#""z""#, "5"],
        &[r#""zz""#],
        1,
    ),
    (
        "3.0.3",
        "{ $ref: '#/components/schemas/Nowhere', maxLength: 1 }",
        "does not exist",
        &[r#""zz""#, "5"],
        &[],
        1,
    ),
    ("3.1.0", "{ $ref: 5, maxLength: 1 }", "must be a string", &[r#""z""#], &[r#""zz""#], 1),
    (
        "3.1.0",
        "{ $ref: '#/components/schemas/Loop' }",
        "refers to itself without an end",
        &[r#""z""#],
        &[r#""zzz""#],
        1,
    ),
];

/// Spellings of older drafts that can only mean one thing, as rows without a loss.
const OLDER: &[Row] = &[
    // openai/openai-openapi: six boolean `exclusiveMinimum` in a document of 3.1.
    ("3.1.0", "{ minimum: 0, exclusiveMinimum: true }", "older draft", &["0.5"], &["0"], 0),
    (
        "3.1.0",
        "{ maximum: 9, exclusiveMaximum: true, minimum: 0, exclusiveMinimum: false }",
        "older draft",
        &["0", "8"],
        &["9"],
        0,
    ),
    ("3.1.0", "{ exclusiveMaximum: true }", "has no effect without `maximum`", &["5"], &[], 0),
    // openai/openai-openapi: `$recursiveAnchor`.
    (
        "3.1.0",
        "{ $recursiveAnchor: true, type: object, properties: { a: { type: array, items: { oneOf: [{ type: string }, { $recursiveRef: '#' }] } } } }",
        "older draft",
        &[r#"{"a":["z",{"a":[]}]}"#],
        &[r#"{"a":[{"a":[5]}]}"#],
        0,
    ),
    ("3.1.0", "{ items: { $recursiveRef: '#' } }", "`$recursiveRef` must be `#`", &["[5]"], &[], 1),
    (
        "3.1.0",
        "{ type: array, items: [{ type: integer }, { $ref: '#/components/schemas/Text' }], additionalItems: false }",
        "older draft",
        &["[1]", r#"[1,"z"]"#],
        &[r#"["z"]"#, r#"[1,2]"#, r#"[1,"z",3]"#],
        0,
    ),
    (
        "3.0.3",
        "{ type: array, items: [{ type: integer }] }",
        "older draft",
        &[r#"[1,"z"]"#],
        &[r#"["z"]"#],
        0,
    ),
    ("3.1.0", "{ items: [{ items: [{ type: integer }] }] }", "older draft", &["[[1]]"], &[r#"[["z"]]"#], 0),
    ("3.1.0", "{ items: {}, additionalItems: false }", "has no effect", &["[1,2]"], &[], 0),
    (
        "3.1.0",
        "{ dependencies: { a: [b], c: { minProperties: 3 } } }",
        "older draft",
        &[r#"{"a":1,"b":1}"#],
        &[r#"{"a":1}"#, r#"{"c":1,"b":1}"#],
        0,
    ),
    ("3.1.0", "{ type: [string, null] }", "", &["null", r#""z""#], &["5"], 0),
    ("3.1.0", "{ type: null }", "", &["null"], &["5"], 0),
    (
        "3.1.0",
        "{ type: string, nullable: true }",
        "`nullable` is not part of OpenAPI 3.1",
        &["null", r#""z""#],
        &["5"],
        0,
    ),
    (
        "3.1.0",
        "{ nullable: true, oneOf: [{ type: string }] }",
        "null is accepted only if the other keywords allow it",
        &[r#""z""#],
        &["null"],
        0,
    ),
    (
        "3.0.3",
        "{ nullable: true, oneOf: [{ type: string }] }",
        "null is accepted only if the other keywords allow it",
        &[r#""z""#],
        &["null"],
        0,
    ),
    (
        "3.0.3",
        "{ nullable: true, allOf: [{ $ref: '#/components/schemas/Text' }] }",
        "null is accepted only if the other keywords allow it",
        &[r#""z""#],
        &["null"],
        0,
    ),
];

#[track_caller]
fn check((version, schema, warning, valid, invalid, lost): Row) {
    let text = with_schema(version, schema);
    let (document, diagnostics) = load(&text, Unsupported::Warn);
    let document = document.unwrap_or_else(|| panic!("{diagnostics}"));
    assert!(diagnostics.contains(warning), "{schema}: {diagnostics}");
    for body in valid {
        assert!(passes(&document, body), "{schema} allows {body}");
    }
    for body in invalid {
        assert!(!passes(&document, body), "{schema} allows no {body}");
    }
    assert_eq!(document.operation("x").unwrap().unsupported(), lost, "{schema}: {diagnostics}");
    assert_eq!(document.operation("y").unwrap().unsupported(), 0);
    let (document, diagnostics) = load(&text, Unsupported::Reject);
    assert_eq!(document.is_none(), lost > 0, "{schema}: {diagnostics}");
}

#[test]
fn a_keyword_that_cannot_be_used_costs_that_keyword() {
    SCHEMAS.iter().for_each(|row| check(*row));
}

#[test]
fn reads_spellings_of_older_drafts() {
    OLDER.iter().for_each(|row| check(*row));
}

/// A path with its operations, a part of the warning, and requests with whether they find operation `x`.
type Declaration = (&'static str, &'static str, &'static [(&'static str, &'static str, bool)]);

const OPERATIONS: &[Declaration] = &[
    // plaid/plaid-openapi: a stray key under `content`.
    (
        "/x: { post: { operationId: x, requestBody: { content: { application/json: {}, description: all } } } }",
        "`description` is not a valid media type: the key is ignored",
        &[("POST", "/x", true)],
    ),
    (
        "/x: { post: { operationId: x, requestBody: { content: { json: { schema: { type: string } } } } } }",
        "bodies of types that are not declared are not checked",
        &[("POST", "/x", true)],
    ),
    (
        "/x: { post: { operationId: x, requestBody: { required: true } } }",
        "missing key `content` in a request body: bodies are not checked",
        &[("POST", "/x", true)],
    ),
    (
        "x: { get: { operationId: z } }\n  /x: { get: { operationId: x } }",
        "requests for it are not found",
        &[("GET", "/x", true)],
    ),
    (
        "/x: { get: none, post: { operationId: x } }",
        "an operation must be a mapping",
        &[("POST", "/x", true), ("GET", "/x", false)],
    ),
    (
        "/x/{id}: { get: { operationId: x } }",
        "path parameter `id` of `/x/{id}` is not declared: any value is forwarded",
        &[("GET", "/x/5", true)],
    ),
    (
        "/x: { get: { operationId: x, parameters: [{ name: id, in: path, required: true, schema: {} }] } }",
        "does not occur in `/x`: the declaration is ignored",
        &[("GET", "/x", true)],
    ),
    (
        "/x/{id}/{id}: { get: { operationId: x, parameters: [{ name: id, in: path, required: true, schema: { type: integer } }] } }",
        "only the first one is checked",
        &[("GET", "/x/5/z", true)],
    ),
    (
        "/x/{a}: { get: { operationId: x, parameters: [{ name: a, in: path, required: true, schema: {} }] } }\n  /x/{b}: { get: { operationId: z, parameters: [{ name: b, in: path, required: true, schema: {} }] } }",
        "`/x/{a}` matches the same requests: the operation is never served",
        &[("GET", "/x/5", true)],
    ),
    (
        "/x: { get: { operationId: x }, put: { operationId: x } }",
        "its ID is `PUT /x`",
        &[("GET", "/x", true)],
    ),
    (
        "/x: { get: { operationId: x, parameters: [{ name: a, in: qeury, schema: {} }, { name: b, in: query }, { in: query }] } }",
        "unknown parameter location `qeury`: the parameter is not checked",
        &[("GET", "/x?a=1&b=2", true)],
    ),
    (
        "/x: { get: { operationId: x, parameters: [{ name: a, in: query, style: simpel, schema: { type: array } }] } }",
        "unknown style `simpel` for a query parameter: the parameter is not checked",
        &[("GET", "/x?a=1", true)],
    ),
    (
        "/x: { get: { operationId: x, parameters: [{ $ref: '#/nowhere' }] } }",
        "does not exist: the declaration is ignored",
        &[("GET", "/x", true)],
    ),
    (
        "/x: { get: { operationId: x, responses: { '2000': {} } } }",
        "not a valid status code",
        &[("GET", "/x", true)],
    ),
    // box/box-openapi: nineteen paths with a fragment; openai/openai-openapi: six with a query.
    (
        "/x: { get: { operationId: x } }\n  /x#all: { get: { operationId: z } }",
        "requests are checked as those of `/x`",
        &[("GET", "/x", true), ("GET", "/x%23all", false)],
    ),
    (
        "/x: { get: { operationId: x } }\n  /y?beta=true: { get: { operationId: z } }",
        "requests for `/y` are not found",
        &[("GET", "/x", true), ("GET", "/y", false)],
    ),
    (
        "/x/{id}: { get: { operationId: x, parameters: [{ name: id, in: path, required: true, schema: {} }] } }\n  /x/{id}?kind={kind}: { get: { operationId: z, parameters: [{ name: id, in: path, required: true, schema: {} }] } }",
        "contains a query",
        &[("GET", "/x/5", true)],
    ),
];

#[test]
fn a_declaration_that_cannot_be_used_costs_that_declaration() {
    for (paths, warning, requests) in OPERATIONS {
        let text = format!("openapi: 3.1.0\npaths:\n  {paths}\n");
        let (document, diagnostics) = load(&text, Unsupported::Warn);
        let document = document.unwrap_or_else(|| panic!("{text}: {diagnostics}"));
        assert!(diagnostics.contains(warning), "{text}: {diagnostics}");
        for (method, target, is_found) in *requests {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let found = match document.find(&method.parse::<Method>().unwrap(), path) {
                Find::Found(found) => {
                    let checked = document.check_parameters(&found, Some(query), &HeaderMap::new());
                    assert!(checked.violations.is_empty(), "{text}: {target} {:?}", checked.violations);
                    found.operation.id() == "x"
                }
                _ => false,
            };
            assert_eq!(found, *is_found, "{text}: {method} {target}");
        }
    }
}

#[test]
fn counts_what_each_operation_has_lost() {
    let text = "openapi: 3.1.0
paths:
  /a:
    parameters: [{ name: shared, in: query }]
    get: { operationId: two, parameters: [{ name: p, in: query, schema: { pattern: '(a)\\1' } }] }
    post: { operationId: one }
  /b: { get: { operationId: none } }
";
    let (document, diagnostics) = load(text, Unsupported::Warn);
    let document = document.unwrap_or_else(|| panic!("{diagnostics}"));
    let counts = ["two", "one", "none"].map(|id| document.operation(id).unwrap().unsupported());
    assert_eq!(counts, [2, 1, 0]);
}

/// digitalocean/openapi: all operations are written as references.
#[test]
fn follows_references_in_the_place_of_operations() {
    let root = "openapi: 3.0.3
paths:
  /a/{id}: { get: { $ref: 'ops.yaml' } }
  /b: { $ref: 'item.yaml', parameters: [{ name: q, in: query, required: true, schema: { type: integer } }], post: { operationId: post } }
";
    let files = [
        (
            "ops.yaml",
            "operationId: a\nparameters: [{ name: id, in: path, required: true, schema: { $ref: 'types.yaml#/id' } }]\n",
        ),
        (
            "item.yaml",
            "get: { operationId: b, requestBody: { content: {} } }\npost: { operationId: other }\n",
        ),
        ("types.yaml", "id: { type: integer }\n"),
    ];
    let mut diagnostics = Diagnostics::new();
    let mut read = |name: &str| {
        let file = files.iter().find(|(known, _)| *known == name);
        file.map(|(name, text)| Source::new(*name, *text)).ok_or_else(|| "no such file".to_owned())
    };
    let options = DocumentOptions::default();
    let source = Source::new("openapi.yaml", root);
    let document = ApiDocument::load_files(&source, &mut read, &options, &mut diagnostics);
    let document = document.unwrap_or_else(|| panic!("{diagnostics}"));
    let ids: Vec<&str> = document.operations().iter().map(demur_validation::Operation::id).collect();
    assert_eq!(ids, ["a", "post", "b"]);
    assert!(
        diagnostics.to_string().contains("`POST /b` is already declared beside the `$ref`"),
        "{diagnostics}"
    );
    for (method, target, expected) in [
        (Method::GET, "/a/5", "[]"),
        (Method::GET, "/a/z", "[ParamTypeInteger]"),
        (Method::GET, "/b?q=1", "[]"),
        (Method::GET, "/b", "[ParamMissing]"),
        (Method::POST, "/b", "[ParamMissing]"),
    ] {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Find::Found(found) = document.find(&method, path) else { panic!("{method} {target}") };
        let checked = document.check_parameters(&found, Some(query), &HeaderMap::new());
        let conditions: Vec<_> = checked.violations.iter().map(|violation| violation.condition).collect();
        assert_eq!(format!("{conditions:?}"), expected, "{method} {target}");
    }
}

/// OpenAPI 3.2: the method QUERY (RFC 10008), and methods of the document's own.
#[test]
fn reads_the_methods_of_openapi_3_2() {
    let text = "openapi: 3.2.0
$self: https://example.com/openapi
info: { title: t, version: '1' }
paths:
  /x:
    query: { operationId: find, requestBody: { content: { application/json: { schema: { type: object } } } } }
    additionalOperations: { PURGE: { operationId: purge }, 'NO NO': { operationId: no } }
    get: { operationId: get, responses: { '200': { summary: s, description: d } } }
";
    let (document, diagnostics) = load(text, Unsupported::Warn);
    let document = document.unwrap_or_else(|| panic!("{diagnostics}"));
    let lines: Vec<String> = diagnostics.lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        ["t.yaml:7:60: warning[method]: `NO NO` is not a valid method: the operation is never served"]
    );
    for (method, expected) in [("QUERY", "find"), ("PURGE", "purge"), ("GET", "get"), ("HEAD", "get")] {
        let method: Method = method.parse().unwrap();
        let Find::Found(found) = document.find(&method, "/x") else { panic!("{method}") };
        assert_eq!(found.operation.id(), expected);
    }
    match document.find(&Method::PUT, "/x") {
        Find::MethodNotAllowed { allow } => assert_eq!(allow, "GET, HEAD, QUERY, PURGE"),
        other => panic!("{other:?}"),
    }
}

/// getkin/kin-openapi#925, cdimascio/express-openapi-validator#883: `readOnly` in another schema than `required`.
#[test]
fn read_only_members_are_not_required_wherever_that_is_said() {
    let text = "openapi: 3.0.3
paths:
  /x: { post: { operationId: x, requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/Full' } } } } } }
  /y: { post: { operationId: y, requestBody: { content: { application/json: { schema: { type: object, required: [id, name], allOf: [{ $ref: '#/components/schemas/Part' }] } } } } } }
  /z: { post: { operationId: z, requestBody: { content: { application/json: { schema: { type: array, items: { $ref: '#/components/schemas/Kinds' } } } } } } }
  /t: { post: { operationId: t, requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/Named' } } } } } }
components:
  schemas:
    Part: { type: object, properties: { id: { type: integer, readOnly: true }, name: { type: string } } }
    Named: { required: [id, name] }
    Full: { allOf: [{ $ref: '#/components/schemas/Part' }, { $ref: '#/components/schemas/Named' }] }
    Kinds:
      oneOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/Dog' }]
      discriminator: { propertyName: kind }
    Cat: { required: [kind], properties: { kind: { enum: [Cat] } }, allOf: [{ $ref: '#/components/schemas/Full' }] }
    Dog: { required: [kind, id], properties: { kind: { enum: [Dog] }, id: { type: integer } } }
";
    let (document, diagnostics) = load(text, Unsupported::Warn);
    let document = document.unwrap_or_else(|| panic!("{diagnostics}"));
    for (id, body, expected) in [
        ("x", r#"{"name":"n"}"#, ""),
        ("x", r#"{"id":1,"name":"n"}"#, ""),
        ("x", "{}", "/name"),
        ("y", r#"{"name":"n"}"#, ""),
        ("y", "{}", "/name"),
        ("z", r#"[{"kind":"Cat","name":"n"}]"#, ""),
        ("z", r#"[{"kind":"Cat"}]"#, "/0/name"),
        ("z", r#"[{"kind":"Dog"}]"#, "/0/id"),
        ("z", r#"[{"kind":"Cow"}]"#, "/0/kind"),
        // The same schema where `id` is not read-only.
        ("t", r#"{"name":"n"}"#, "/id"),
    ] {
        let operation = document.operation(id).unwrap();
        let checked = document.check_body(operation, Some("application/json"), body.as_bytes());
        let CheckedBody::Checked { violations, .. } = checked else { panic!("{id} {body}") };
        let pointers: Vec<&str> = violations.iter().map(|violation| violation.pointer.as_str()).collect();
        assert_eq!(pointers.join(" "), expected, "{id} {body}");
    }
}
