//! Broken documents and rules: together they have every diagnostic of the crate.

/// Files that the documents refer to.
pub(crate) const FILES: &[(&str, &str)] = &[("broken.yaml", "a: [")];

/// A document that refers to another file.
pub(crate) const OTHER_FILE: &str = "openapi: 3.1.0\npaths:\n  /x: { get: { operationId: x, parameters: [{ $ref: 'shared.yaml#/page' }] } }\n";

/// Whole documents.
const WHOLE: &[&str] = &[
    "[]",
    "swagger: '2.0'\npaths: {}",
    "paths: {}",
    "openapi: 3.3.0\npaths: {}",
    "openapi: 3.1.0",
    "openapi: 3.1.0\npaths: []",
    "openapi: 3.1.0\njsonSchemaDialect: 'http://json-schema.org/draft-07/schema#'\npaths: {}",
    "openapi: 3.1.0\ninof: {}\npaths: {}",
    "openapi: 3.1.0\npaths:\n  shelves: {}",
    "openapi: 3.1.0\npaths:\n  /x:\n    get: list",
    "openapi: 3.1.0\npaths:\n  /x: list",
    "openapi: 3.1.0\npaths:\n  /x:\n    get: {}",
    "openapi: 3.1.0\npaths:\n  /x:\n    gte: {}",
    "openapi: 3.1.0\npaths:\n  /x:\n    get: { operationId: x }\n    put: { operationId: x }",
    "openapi: 3.1.0\npaths:\n  /x:\n    get: { operationId: x, security: [{ other: [] }] }",
    "openapi: 3.1.0\npaths: {}\ncomponents:\n  securitySchemes: { key: { type: apiKey, in: header } }",
    // Paths.
    "openapi: 3.1.0\npaths:\n  /x/{id}:\n    get: { operationId: x }",
    "openapi: 3.1.0\npaths:\n  /x#part:\n    get: { operationId: x }\n  /y?z=1:\n    get: { operationId: y }\n  /y: {}",
    "openapi: 3.2.0\npaths:\n  /x:\n    additionalOperations: { 'GE T': {} }",
    "openapi: 3.2.0\npaths:\n  /x:\n    post: { operationId: x, requestBody: { content: { application/jsonl: { itemSchema: {} } } } }",
    "openapi: 3.1.0\npaths:\n  /x: { $ref: '#/paths/~1y', get: { operationId: x } }\n  /y:\n    get: { operationId: y }",
    "openapi: 3.1.0\npaths:\n  /x: { $ref: '#/paths/~1x' }",
    "openapi: 3.1.0\nservers: [{ url: 'https://example.com/{base}' }]\npaths:\n  /x: { servers: [{ url: /v2 }] }",
    "openapi: 3.1.0\npaths:\n  /x:\n    get: { operationId: x, parameters: [{ name: id, in: path, required: true, schema: {} }] }",
    "openapi: 3.1.0\npaths:\n  /x/{id}:\n    get: { operationId: x, parameters: [{ name: id, in: path, required: true, schema: {} }, { name: di, in: path, required: true, schema: {} }] }",
    "openapi: 3.1.0\npaths:\n  /x/{id}/{id}:\n    get: { operationId: x, parameters: [{ name: id, in: path, required: true, schema: {} }] }",
    "openapi: 3.1.0\npaths:\n  /x/{a}{b}:\n    get: { operationId: x, parameters: [{ name: a, in: path, required: true, schema: {} }, { name: b, in: path, required: true, schema: {} }] }",
    "openapi: 3.1.0\npaths:\n  /x/{a}:\n    get: { operationId: x, parameters: [{ name: a, in: path, required: true, schema: {} }] }\n  /x/{b}:\n    get: { operationId: y, parameters: [{ name: b, in: path, required: true, schema: {} }] }",
    "openapi: 3.1.0\npaths:\n  /x/{id}:\n    get: { operationId: x, parameters: [{ name: id, in: path, schema: {} }] }",
    // Cycles, unused schemas, and references of schemas.
    "openapi: 3.1.0\npaths:\n  /x:\n    post: { operationId: x, requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/A' } } } } }\ncomponents:\n  schemas:\n    A: { allOf: [{ $ref: '#/components/schemas/A' }] }",
    "openapi: 3.1.0\npaths: {}\ncomponents:\n  schemas:\n    Unused: { minLength: -1 }",
    "openapi: 3.1.0\npaths: {}\ncomponents:\n  parameters: { Size: {} }\n  schemas:\n    Size: { $ref: '#/components/schemas/Sise' }",
    "openapi: 3.1.0\nx-extension: { $ref: 'unread.yaml' }\npaths:\n  /x: { $ref: '#/x-extension' }",
    "openapi: 3.0.3\npaths:\n  /x:\n    post: { operationId: x, requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/A', maxLength: 3 } } } } }\ncomponents:\n  schemas:\n    A: { type: string }",
    "openapi: 3.0.3\npaths:\n  /x:\n    post: { operationId: x, requestBody: { content: { application/json: { schema: { nullable: true } } } } }",
];

/// Parameters of an operation.
const PARAMETERS: &[&str] = &[
    "{ name: a }",
    "[a]",
    "[{ in: query, schema: {} }]",
    "[{ name: a, schema: {} }]",
    "[{ name: [a], in: query, schema: {} }]",
    "[{ name: a, in: query, required: maybe, schema: {} }]",
    "[{ name: a, in: query }]",
    "[{ name: a, in: body, schema: {} }]",
    "[{ name: a, in: qeury, schema: {} }]",
    "[{ name: a, in: url, schema: {} }]",
    "[{ name: a, in: query, schema: {} }, { name: a, in: query, schema: {} }]",
    "[{ name: a, in: header, style: deepObject, schema: {} }]",
    "[{ name: a, in: query, schema: { type: array, items: { type: object } } }]",
    "[{ name: a, in: query, content: { application/xml: {} } }]",
    "[{ name: a, in: query, content: {} }]",
    "[{ name: a, in: query, requird: true, schema: {} }]",
    "[{ name: Accept, in: header, schema: {} }]",
    "[{ $ref: '#/x' }]",
    "[{ name: a, in: header, allowEmptyValue: true, schema: {} }]",
    "[{ name: a, in: query, style: form, schema: {}, content: { text/plain: {} } }]",
    "[{ $ref: '#/components/parameters/a', required: true }]",
    "[{ $ref: '#/components/parameters/a' }, { $ref: '#/paths/~1x/get/parameters/1' }]",
    "[{ $ref: 'missing.yaml#/a' }]",
    "[{ $ref: 'broken.yaml#/a' }]",
    "[{ $ref: 'endless0.yaml#/page' }]",
    "[{ $ref: 'https://example.com/a.yaml' }]",
];

/// Members of an operation.
const MEMBERS: &[&str] = &[
    "parameter: []",
    "requestBody: { required: true }",
    "requestBody: { requird: true, content: {} }",
    "requestBody: { content: { json: {} } }",
    "requestBody: { content: { application/json: { schemas: {} } } }",
    "requestBody: { content: { application/xml: { schema: { type: object } } } }",
    "requestBody: { content: { multipart/form-data: { encoding: { a: { headers: {} } } } } }",
    "requestBody: { content: { multipart/form-data: { encoding: { a: { style: simple } } } } }",
    "requestBody: { content: { multipart/form-data: { encoding: { a: { contenType: text/plain } } } } }",
    "requestBody: { content: { application/json: { encoding: { a: {} } } } }",
    "requestBody: { content: { application/x-www-form-urlencoded: { schema: { type: string } } } }",
    "requestBody: { content: { text/plain: { schema: { type: object } } } }",
    "requestBody: { content: { application/x-www-form-urlencoded: { encoding: { a: { contentType: image/png } } } } }",
    "requestBody: { content: { multipart/form-data: { encoding: { a: { contentType: png } } } } }",
    "requestBody: { content: { multipart/form-data: { encoding: { a: { explode: true } } } } }",
    "responses: { '2000': {} }",
    "responses: { '200': { header: {} } }",
    "responses: { '200': { headers: { X-Total: { schema: {} } } } }",
    "responses: { '200': { content: { text/xml: { schema: { type: object } } } } }",
    "responses: { '200': ok }",
];

/// Schemas of a request body.
const SCHEMAS: &[&str] = &[
    "5",
    "{ type: sting }",
    "{ type: text }",
    "{ type: string, enum: [1, 2] }",
    "{ type: object, required: [a], additionalProperties: false }",
    "{ type: string, minLength: 5, maxLength: 2 }",
    "{ minimum: 1, exclusiveMinimum: true }",
    "{ exclusiveMinimum: true }",
    "{ items: [{}, {}] }",
    "{ additionalItems: false }",
    "{ dependencies: { a: [b] } }",
    "{ $recursiveRef: '#' }",
    "{ $recursiveAnchor: true, items: { $recursiveRef: '#' } }",
    "{ type: string, nullable: true }",
    "{ maximum: lots }",
    "{ required: true }",
    "{ minLenght: 1 }",
    "{ nullable: true }",
    "{ $schema: 'http://json-schema.org/draft-04/schema#' }",
    "{ $vocabulary: { 'https://example.com/own': true } }",
    "{ format: date_time }",
    "{ format: iban }",
    "{ $ref: 5 }",
    "{ $ref: '#nowhere' }",
    "{ pattern: '(?!x)y' }",
    "{ pattern: '(a)\\1' }",
    "{ pattern: '[' }",
];

/// Rules, and the operations of `golden/rule_types.yaml` that they are about.
const RULES: &[(&str, &[&str])] = &[
    ("", &[]),
    ("body.a ==", &[]),
    ("bdy.a == 1", &[]),
    ("true || xyzzy", &[]),
    ("key.scope == []", &[]),
    ("now.year == 1", &[]),
    ("plan.tariff == 'x'", &[]),
    ("1 == siez(body.a)", &[]),
    ("type(body) == type(1)", &[]),
    ("date() < now", &[]),
    ("size(1, 2) == 3", &[]),
    ("all(body.tags)", &[]),
    ("body.a.matches(body.b)", &[]),
    ("body.a.matches('(')", &[]),
    ("body.a.matches('x{9999}{9999}')", &[]),
    ("body.a.all(x, x.exists(y, y == 1))", &[]),
    ("Thing{a: 1} == 1", &[]),
    ("1 + 2", &[]),
    ("body.name == 'a'", &["show"]),
    ("{'a': 1}[1] == 1", &[]),
    ("timestamp(params.n) > 5", &["make"]),
    ("now > params.n", &["make"]),
    ("[1] > 'a'", &[]),
];

/// All documents.
pub(crate) fn documents() -> Vec<String> {
    let mut documents: Vec<String> = WHOLE.iter().map(|text| (*text).to_owned()).collect();
    let operation =
        |members: &str| format!("openapi: 3.1.0\npaths:\n  /x:\n    post: {{ operationId: x, {members} }}\n");
    documents.extend(PARAMETERS.iter().map(|list| {
        format!(
            "openapi: 3.1.0\npaths:\n  /x:\n    get: {{ operationId: x, parameters: {list} }}\ncomponents: {{ parameters: {{ a: {{ name: a, in: query, schema: {{}} }} }} }}\n"
        )
    }));
    documents.extend(MEMBERS.iter().map(|members| operation(members)));
    let body = |schema: &str| {
        operation(&format!("requestBody: {{ content: {{ application/json: {{ schema: {schema} }} }} }}"))
    };
    documents.extend(SCHEMAS.iter().map(|schema| body(schema)));
    documents.push(expensive());
    documents
}

/// Thirty schemas, each of which refers to the next one in two branches.
fn expensive() -> String {
    let mut text = "openapi: 3.1.0\npaths:\n  /x:\n    post: { operationId: x, requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/S0' } } } } }\ncomponents:\n  schemas:\n".to_owned();
    for level in 0..30 {
        let next = format!("{{ $ref: '#/components/schemas/S{}' }}", level + 1);
        text += &format!("    S{level}: {{ allOf: [{next}, {next}] }}\n");
    }
    text + "    S30: {}\n"
}

/// All rules.
pub(crate) fn rules() -> Vec<(String, &'static [&'static str])> {
    let mut rules: Vec<_> = RULES.iter().map(|(rule, on)| ((*rule).to_owned(), *on)).collect();
    rules.push((format!("{}true{}", "!(".repeat(200), ")".repeat(200)), &[]));
    rules.push((format!("0 {} == 0", "+ 1".repeat(200)), &[]));
    rules.push(("true || ".repeat(1_000) + "true", &[]));
    rules
}
