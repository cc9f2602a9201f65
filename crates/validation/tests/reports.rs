//! Public bug reports about other validators, rebuilt small: what their users expected, and what must be rejected beside it.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, Discriminators, DocumentOptions, Find};
use http::{HeaderMap, Method};

/// A request, and its violations: `pointer condition`, or the condition of the body, or `ok`.
struct Row {
    request: &'static str,
    content_type: &'static str,
    body: &'static str,
    expected: &'static str,
}

struct Report {
    source: &'static str,
    paths: &'static str,
    schemas: &'static str,
    rows: &'static [Row],
    discriminators: Discriminators,
}

const fn get(request: &'static str, expected: &'static str) -> Row {
    Row { request, content_type: "", body: "", expected }
}

const fn json(body: &'static str, expected: &'static str) -> Row {
    Row { request: "POST /x", content_type: "application/json", body, expected }
}

const fn sent(content_type: &'static str, body: &'static str, expected: &'static str) -> Row {
    Row { request: "POST /x", content_type, body, expected }
}

const PETS: &str = "
    Pet: { type: object, required: [pet_type], properties: { pet_type: { type: string } } }
    Dog:
      allOf:
        - { $ref: '#/components/schemas/Pet' }
        - { type: object, properties: { bark: { type: boolean }, breed: { enum: [Dingo, Husky] } }, required: [bark] }
    Cat:
      allOf:
        - { $ref: '#/components/schemas/Pet' }
        - { type: object, properties: { hunts: { type: boolean } }, required: [hunts] }
";

const REPORTS: &[Report] = &[
    Report {
        source: "cdimascio/express-openapi-validator#917",
        paths: "/x: { get: { parameters: [{ name: test, in: query, explode: false, schema: { type: array, items: { type: string, minLength: 5, pattern: '^[a-zA-Z0-9]+:(EQ|IN)(:.+)?$' } } }] } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            get("GET /x?test=categoryId%3AIN%3A%5B1%2C2%2C3%5D,itemId%3AEQ%3A2", "ok"),
            get("GET /x?test=categoryId:IN:%5B1%2C2%5D", "ok"),
            get("GET /x?test=itemId%3AEQ%3A2,itemId%3AGT%3A2", "/test/1 param.invalid.pattern"),
        ],
    },
    Report {
        source: "cdimascio/express-openapi-validator#1064",
        paths: "/x: { get: { parameters: [{ name: id, in: query, required: true, explode: false, schema: { type: object, required: [role, firstName], properties: { role: { type: string }, firstName: { type: string } } } }] } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            get("GET /x?id=role,admin,firstName,Alex", "ok"),
            get("GET /x?id=role,admin", "/id/firstName param.missing"),
            get("GET /x", "/id param.missing"),
        ],
    },
    Report {
        source: "pb33f/libopenapi-validator#147, lezhnev74/openapi-psr7-validator#38",
        paths: "/x: { get: { parameters: [{ name: fish, in: query, explode: false, schema: { type: array, items: { type: string, enum: [cod, haddock] } } }] } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            get("GET /x?fish=cod,haddock", "ok"),
            get("GET /x?fish=cod", "ok"),
            get("GET /x?fish=cod,ling", "/fish/1 param.invalid.enum"),
        ],
    },
    Report {
        source: "Hilzu/express-openapi-validate#31",
        paths: "/x: { get: { parameters: [{ name: filter, in: query, required: true, schema: { type: object, properties: { petid: { type: integer }, petname: { type: string } }, additionalProperties: false, oneOf: [{ required: [petid] }, { required: [petname] }] } }] } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            get("GET /x?petid=12334", "ok"),
            get("GET /x?petname=cuty", "ok"),
            get("GET /x?petid=many", "/filter/petid param.invalid.type.integer"),
        ],
    },
    Report {
        source: "getkin/kin-openapi#80, OAI/OpenAPI-Specification#2141",
        paths: "/x: { post: { requestBody: { content: { application/json: { schema: { anyOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/Dog' }], discriminator: { propertyName: pet_type } } } } } } }",
        discriminators: Discriminators::Decide,
        schemas: PETS,
        rows: &[
            json(r#"{"pet_type":"Dog","bark":true,"breed":"Dingo"}"#, "ok"),
            json(r#"{"pet_type":"Cat","hunts":true}"#, "ok"),
            // It is a Dog, and says that it is a Cat.
            json(r#"{"pet_type":"Cat","bark":true,"breed":"Dingo"}"#, "/hunts param.missing"),
        ],
    },
    Report {
        source: "Gi60s/openapi-enforcer#108, python-openapi/openapi-core#66",
        paths: "/x: { post: { requestBody: { content: { application/json: { schema: { oneOf: [{ $ref: '#/components/schemas/Text' }, { $ref: '#/components/schemas/File' }], discriminator: { propertyName: type, mapping: { text: '#/components/schemas/Text', file: '#/components/schemas/File' } } } } } } } }",
        discriminators: Discriminators::Decide,
        schemas: "
    Text: { type: object, required: [type, body], properties: { type: { type: string }, body: { type: string } } }
    File: { type: object, required: [type, url], properties: { type: { type: string }, url: { type: string } } }
",
        rows: &[
            json(r#"{"type":"text","body":"b"}"#, "ok"),
            // Both schemas fit, and the discriminator names one.
            json(r#"{"type":"file","url":"u","body":"b"}"#, "ok"),
            json(r#"{"type":"audio","url":"u"}"#, "/type param.invalid.enum"),
            json(r#"{"type":"file","body":"b"}"#, "/url param.missing"),
            json(r#"{"url":"u"}"#, "/type param.missing"),
        ],
    },
    Report {
        source: "python-openapi/openapi-schema-validator#15",
        paths: "/x: { post: { requestBody: { content: { application/json: { schema: { allOf: [{ type: object, properties: { some: { type: string } } }, { type: object, required: [some] }] } } } } } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[json(r#"{"some":"s"}"#, "ok"), json(r#"{"another":"bla"}"#, "/some param.missing")],
    },
    Report {
        source: "vert-x3/vertx-web#2053, cdimascio/express-openapi-validator#389",
        paths: "/x: { post: { requestBody: { content: { application/json: { schema: { allOf: [{ $ref: '#/components/schemas/Id' }, { $ref: '#/components/schemas/Name' }] } } } } } }",
        discriminators: Discriminators::Report,
        schemas: "
    Id: { type: object, properties: { id: { type: string, readOnly: true } }, required: [id] }
    Name: { type: object, properties: { name: { type: string } }, required: [name] }
",
        rows: &[json(r#"{"name":"n"}"#, "ok"), json("{}", "/name param.missing")],
    },
    Report {
        source: "cdimascio/express-openapi-validator#1105, spec-first/connexion#1211, thephpleague/openapi-psr7-validator#117",
        paths: "/x: { post: { requestBody: { content: { application/json: { schema: { type: object, properties: { price: { type: number, multipleOf: 0.01 } } } } } } }, get: { parameters: [{ name: price, in: query, schema: { type: number, multipleOf: 0.01 } }] } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            json(r#"{"price":2.34}"#, "ok"),
            json(r#"{"price":0.58}"#, "ok"),
            json(r#"{"price":283.66}"#, "ok"),
            json(r#"{"price":1070468.14}"#, "ok"),
            json(r#"{"price":9007199254740993.01}"#, "ok"),
            json(r#"{"price":2.345}"#, "/price param.invalid.multiple"),
            json(r#"{"price":1070468.141}"#, "/price param.invalid.multiple"),
            get("GET /x?price=283.66", "ok"),
            get("GET /x?price=283.665", "/price param.invalid.multiple"),
        ],
    },
    Report {
        source: "ajv-validator/ajv#993, swagger-api/swagger-editor#2098",
        paths: "/x: { post: { requestBody: { content: { application/json: { schema: { type: object, properties: { with: { type: string, nullable: true, enum: [null, a] }, without: { type: string, nullable: true, enum: [a] } } } } } } } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            json(r#"{"with":null}"#, "ok"),
            json(r#"{"with":"a","without":"a"}"#, "ok"),
            // OpenAPI 3.0.3, proposal 003: `nullable` adds a type, and `enum` has to name null itself.
            json(r#"{"without":null}"#, "/without param.invalid.enum"),
        ],
    },
    Report {
        source: "apache/apisix#11687",
        paths: "/x: { post: { requestBody: { content: { application/x-www-form-urlencoded: { schema: { type: object, required: [payload], properties: { payload: { type: integer } } } } } } } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            sent("application/x-www-form-urlencoded; charset=utf-8", "payload=101", "ok"),
            sent("application/x-www-form-urlencoded;charset=UTF-8", "payload=101", "ok"),
            sent("application/x-www-form-urlencoded; charset=utf-8", "payload=x", "/payload param.invalid.type.integer"),
            sent("application/x-www-form-urlencoded; charset=latin1", "payload=1", "body.unsupported_media_type"),
        ],
    },
    Report {
        source: "elixir-oasis/oasis#15, wso2/product-apim#7947",
        paths: "/x: { post: { requestBody: { content: { application/json: { schema: { type: object, required: [a] } } } } } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            sent("application/json; charset=utf-8", r#"{"a":1}"#, "ok"),
            sent("application/json; charset=utf-8", "{}", "/a param.missing"),
            sent("application/json;charset=\"UTF-8\"", "{}", "/a param.missing"),
            sent("Application/JSON ; charset=UTF-8", "{}", "/a param.missing"),
        ],
    },
    Report {
        source: "vert-x3/issues#585, cdimascio/express-openapi-validator#710, thephpleague/openapi-psr7-validator#234",
        paths: "/x: { post: { requestBody: { content: { multipart/form-data: { schema: { type: object, required: [meta], properties: { meta: { type: object, required: [n], properties: { n: { type: integer } } }, file: { type: string, format: binary } } } } } } } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            sent(
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{\"n\":1}\r\n--b--\r\n",
                "ok",
            ),
            sent(
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=\"meta\"; filename=\"m.json\"\r\nContent-Type: application/json\r\n\r\n{\"n\":1}\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\nContent-Type: application/octet-stream\r\n\r\n\u{1}\r\n--b--\r\n",
                "ok",
            ),
            sent(
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{\"n\":\"x\"}\r\n--b--\r\n",
                "/meta/n param.invalid.type.integer",
            ),
            sent(
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nx\r\n--b--\r\n",
                "/meta param.missing",
            ),
        ],
    },
    Report {
        source: "thephpleague/openapi-psr7-validator#62",
        paths: "/x: { post: { requestBody: { content: { multipart/form-data: { schema: { type: object, properties: { upload: { type: array, maxItems: 2, items: { type: string, format: binary } } } } } } } } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            sent(
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"a\"\r\n\r\nA\r\n--b\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"b\"\r\n\r\nB\r\n--b--\r\n",
                "ok",
            ),
            sent(
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"a\"\r\n\r\nA\r\n--b--\r\n",
                "ok",
            ),
        ],
    },
    Report {
        source: "cdimascio/express-openapi-validator#712, #214; openapi-library/OpenAPIValidators#229",
        paths: "/x/{id}:reset: { post: { parameters: [{ name: id, in: path, required: true, schema: { type: integer } }] } }
  /x/{id}: { get: { parameters: [{ name: id, in: path, required: true, schema: { type: integer } }] } }
  /x/mine: { get: {} }
  /shops/{shop}/pets/{pet}: { get: { parameters: [{ name: shop, in: path, required: true, schema: {} }, { name: pet, in: path, required: true, schema: { type: integer } }] } }
  /shops/{shop}/pets/_search: { post: { parameters: [{ name: shop, in: path, required: true, schema: { type: integer } }] } }",
        discriminators: Discriminators::Report,
        schemas: "",
        rows: &[
            get("POST /x/5:reset", "ok"),
            get("POST /x/five:reset", "/id param.invalid.type.integer"),
            get("GET /x/5", "ok"),
            get("GET /x/mine", "ok"),
            get("GET /x/others", "/id param.invalid.type.integer"),
            get("POST /shops/12345/pets/_search", "ok"),
            get("POST /shops/none/pets/_search", "/shop param.invalid.type.integer"),
            get("GET /shops/12345/pets/7", "ok"),
        ],
    },
];

fn outcome(document: &ApiDocument, row: &Row) -> String {
    let (method, target) = row.request.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let method: Method = method.parse().unwrap();
    let found = match document.find(&method, path) {
        Find::Found(found) => found,
        other => return format!("{other:?}"),
    };
    let mut violations = document.check_parameters(&found, query, &HeaderMap::new()).violations;
    let is_accepted = document.accepts_body(found.operation, Some(row.content_type), row.body.as_bytes());
    if !row.body.is_empty() {
        match document.check_body(found.operation, Some(row.content_type), row.body.as_bytes()) {
            CheckedBody::Rejected(problem) => return problem.condition.to_string(),
            CheckedBody::Checked { violations: more, .. } => {
                assert!(more.is_empty() || !is_accepted, "{}", row.body);
                violations.extend(more);
            }
        }
    }
    let shown: Vec<String> = violations
        .iter()
        .map(|violation| {
            // The pointer of a parameter is within its value.
            let is_body = violation.location.as_str() == "body";
            let name = if is_body { String::new() } else { format!("/{}", violation.param) };
            let pointer = &violation.pointer;
            let pointer =
                if pointer.starts_with(&name) { pointer.clone() } else { format!("{name}{pointer}") };
            format!("{pointer} {}", violation.condition)
        })
        .collect();
    if shown.is_empty() { "ok".to_owned() } else { shown.join(", ") }
}

#[test]
fn reported_requests_are_judged_as_their_documents_say() {
    let mut wrong = Vec::new();
    for report in REPORTS {
        let text = format!(
            "openapi: 3.0.3\ninfo: {{ title: t, version: '1' }}\npaths:\n  {}\ncomponents:\n  schemas:\n{}    None: {{}}\n",
            report.paths,
            report.schemas.trim_start_matches('\n')
        );
        let mut diagnostics = Diagnostics::new();
        let options = DocumentOptions { discriminators: report.discriminators, ..DocumentOptions::default() };
        let document = ApiDocument::load(&Source::new("t.yaml", text), &options, &mut diagnostics);
        let document = document.unwrap_or_else(|| panic!("{}: {diagnostics}", report.source));
        for row in report.rows {
            let outcome = outcome(&document, row);
            if outcome != row.expected {
                wrong.push(format!(
                    "{}: {} {} {}: {outcome}, expected {}",
                    report.source, row.request, row.content_type, row.body, row.expected
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(REPORTS.len() >= 14);
}

/// The same document in both modes. cdimascio/express-openapi-validator#400, digitalocean/openapi (actions of floating IPs).
#[test]
fn discriminators_decide_where_that_is_chosen() {
    let text = "openapi: 3.0.3
info: { title: t, version: '1' }
paths:
  /orders: { post: { operationId: orders, requestBody: { content: { application/json: { schema: { oneOf: [{ $ref: '#/components/schemas/A' }, { $ref: '#/components/schemas/B' }], discriminator: { propertyName: type, mapping: { A: '#/components/schemas/A', b: B, bee: '#/components/schemas/B' } } } } } } } }
  /actions: { post: { operationId: actions, requestBody: { content: { application/json: { schema: { anyOf: [{ $ref: '#/components/schemas/Unassign' }, { $ref: '#/components/schemas/Assign' }], discriminator: { propertyName: type, mapping: { assign: '#/components/schemas/Assign', unassign: '#/components/schemas/Unassign' } } } } } } } }
  /files: { post: { operationId: files, requestBody: { content: { application/json: { schema: { anyOf: [{ $ref: '#/components/schemas/A' }, { type: integer }], discriminator: { propertyName: type, mapping: { A: 'models/a.yml' } } } } } } } }
components:
  schemas:
    Common: { type: object, required: [type], properties: { type: { type: string } } }
    A: { allOf: [{ $ref: '#/components/schemas/Common' }] }
    B: { allOf: [{ $ref: '#/components/schemas/Common' }] }
    Action: { type: object, required: [type], properties: { type: { type: string, enum: [assign, unassign] } } }
    Unassign: { allOf: [{ $ref: '#/components/schemas/Action' }] }
    Assign: { allOf: [{ $ref: '#/components/schemas/Action' }, { required: [droplet], properties: { droplet: { type: integer } } }] }
";
    let load = |discriminators| {
        let mut diagnostics = Diagnostics::new();
        let options = DocumentOptions { discriminators, ..DocumentOptions::default() };
        let document = ApiDocument::load(&Source::new("t.yaml", text), &options, &mut diagnostics);
        (document.unwrap_or_else(|| panic!("{diagnostics}")), diagnostics.to_string())
    };
    let (by_report, silent) = load(Discriminators::Report);
    let (by_decision, warned) = load(Discriminators::Decide);
    assert_eq!(silent, "");
    assert_eq!(warned.lines().count(), 1, "{warned}");
    assert!(warned.contains("its mapping names `models/a.yml`, which is no branch"), "{warned}");
    for (target, body, report, decision) in [
        ("/orders", r#"{"type":"A"}"#, " param.invalid.schema", "ok"),
        ("/orders", r#"{"type":"b"}"#, " param.invalid.schema", "ok"),
        ("/orders", r#"{"type":"bee"}"#, " param.invalid.schema", "ok"),
        // A name of a schema is a value too.
        ("/orders", r#"{"type":"B"}"#, " param.invalid.schema", "ok"),
        ("/orders", r#"{"type":"C"}"#, " param.invalid.schema", "/type param.invalid.enum"),
        ("/orders", r#"{"type":5}"#, "/type param.invalid.enum", "/type param.invalid.enum"),
        ("/orders", "{}", "/type param.missing", "/type param.missing"),
        ("/actions", r#"{"type":"assign"}"#, "ok", "/droplet param.missing"),
        ("/actions", r#"{"type":"assign","droplet":1}"#, "ok", "ok"),
        ("/actions", r#"{"type":"unassign"}"#, "ok", "ok"),
        ("/actions", r#"{"type":"none"}"#, "/type param.invalid.enum", "/type param.invalid.enum"),
        ("/files", r#"{"type":"A"}"#, "ok", "ok"),
        ("/files", "5", "ok", "ok"),
    ] {
        let request = format!("POST {target}");
        for (document, expected) in [(&by_report, report), (&by_decision, decision)] {
            let row =
                Row { request: request.clone().leak(), content_type: "application/json", body, expected };
            assert_eq!(outcome(document, &row), expected, "{target} {body}");
        }
    }
}
