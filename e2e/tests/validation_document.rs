//! A document in two files through the real gateway: forms, `Accept`, unknown names, and responses
//! that break what their own API declares.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use demur_e2e::{Client, Gateway, MockResponse, Request, TestDir, Upstream, contract, run};
use serde_json::json;

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Books, version: '1' }
security: [{ key: [] }]
paths:
  /books:
    get:
      operationId: listBooks
      security: []
      responses:
        '200': { description: All., content: { application/json: { schema: { $ref: 'schemas.yaml#/List' } } } }
    post:
      operationId: addBook
      security: []
      requestBody: { required: true, content: { application/x-www-form-urlencoded: { schema: { $ref: 'schemas.yaml#/Book' } } } }
      responses: { '201': { description: Made. } }
  /open: { get: { operationId: open, responses: { '200': { description: All. } } } }
components: { securitySchemes: { key: { type: apiKey, in: header, name: X-Api-Key } } }
";

const SCHEMAS: &str = "List: { type: array, items: { $ref: '#/Book' } }
Book: { type: object, required: [title], properties: { title: { type: string }, pages: { type: integer } } }
";

fn folder(upstream: &Upstream, validation: &str) -> TestDir {
    let folder = TestDir::empty();
    folder.write("openapi.yaml", DOCUMENT);
    folder.write("schemas.yaml", SCHEMAS);
    let config = format!(
        "demur: 2\nstore: sqlite:demur.db\nplans: {{ all: {{}} }}\napis:\n  - name: books\n    contract: problem\n    \
         openapi: openapi.yaml\n    mount: {{ path: /books-api }}\n    upstream: {{ url: \"http://{}\" }}\n    \
         authentication: {{ scheme: bearer, prefix: bok }}\n    validation: {validation}\n    operations:\n      \
         listBooks: {{ anonymous: true }}\n      addBook: {{ anonymous: true }}\n      open: {{ anonymous: true }}\n",
        upstream.address()
    );
    folder.write("demur.yaml", &config);
    folder
}

fn serve(upstream: &Upstream, validation: &str) -> (Gateway, Client) {
    let gateway = Gateway::serve(folder(upstream, validation));
    let client = Client::new(gateway.address(), "/books-api", contract("problem"));
    (gateway, client)
}

#[test]
fn rejects_invalid_responses_when_configured() {
    for (reaction, status) in [
        (MockResponse::json(200, &json!([{ "title": "a", "pages": 5 }])), 200),
        (MockResponse::json(200, &json!([{ "pages": "many" }])), 502),
        (MockResponse::json(200, &json!({})), 502),
        (MockResponse::response(200, &[("Content-Type", "application/json")], "[{"), 502),
        (MockResponse::response(200, &[("Content-Type", "text/html")], "<p>"), 502),
        (MockResponse::json(203, &json!([])), 502),
        (
            MockResponse::response(
                200,
                &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
                "x",
            ),
            200,
        ),
    ] {
        let upstream = Upstream::always(reaction);
        let (_gateway, client) = serve(&upstream, "{ responses: reject }");
        let response = client.send(&Request::get("/books"));
        assert_eq!(response.status, status, "{response:?}");
        if status == 200 && response.header("content-encoding").is_empty() {
            assert_eq!(response.json(), json!([{ "title": "a", "pages": 5 }]));
        }
    }
}

#[test]
fn report_mode_forwards_and_logs_invalid_responses() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([{ "pages": "many" }])));
    let (gateway, client) = serve(&upstream, "{ responses: report, unknown_query: warn }");
    let response = client.send(&Request::get("/books?sort=title"));
    assert_eq!(response.status, 200);
    assert_eq!(response.json(), json!([{ "pages": "many" }]));
    gateway.reveals("/0/title: param.missing; /0/pages: param.invalid.type.integer");
    gateway.reveals("unknown query parameters: sort");
}

#[test]
fn rejects_unsatisfiable_accept_when_configured() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let (_gateway, client) = serve(&upstream, "{ accept: reject }");
    assert_eq!(client.send(&Request::get("/books").header("Accept", "text/html")).status, 406);
    assert_eq!(client.send(&Request::get("/books").header("Accept", "text/html, */*;q=0.1")).status, 200);
    assert_eq!(client.send(&Request::get("/books")).status, 200);
}

#[test]
fn validates_forms_and_forwards_them_unchanged() {
    let upstream = Upstream::always(MockResponse::response(201, &[], ""));
    let (_gateway, client) = serve(&upstream, "{}");
    let form = |text: &str| Request::post("/books").body("application/x-www-form-urlencoded", text);
    assert_eq!(client.send(&form("pages=many")).status, 400);
    assert_eq!(client.send(&form("title=a+b&pages=5")).status, 201);
    assert_eq!(upstream.last().body, b"title=a+b&pages=5");
}

#[test]
fn check_reports_conflicts_of_document_and_configuration() {
    let upstream = Upstream::always(MockResponse::response(200, &[], ""));
    let folder = folder(&upstream, "{}");
    let outcome = run(&["check", "demur.yaml", "--format", "json"], folder.path());
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(said.contains("the document requires credentials for `anonymous` operations: `open`"), "{said}");
    folder.edit("      open: { anonymous: true }\n", "");
    folder.edit("      addBook: { anonymous: true }\n", "");
    let outcome = run(&["check", "demur.yaml", "--format", "json"], folder.path());
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(said.contains("the document requires other credentials than"), "{said}");
    assert!(
        said.contains("the document requires no credentials, but the gateway requires a key: `addBook`"),
        "{said}"
    );
    // Whichever of the ways that the gateway reads the document asks for, callers who follow it are let in.
    for authentication in
        ["{ header: X-Api-Key, prefix: bok }", "{ scheme: bearer, also: { header: X-Api-Key }, prefix: bok }"]
    {
        folder.edit("{ scheme: bearer, prefix: bok }", authentication);
        let outcome = run(&["check", "demur.yaml", "--format", "json"], folder.path());
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!said.contains("other credentials"), "{said}");
        folder.edit(authentication, "{ scheme: bearer, prefix: bok }");
    }
}

#[test]
fn reads_url_references_from_local_copies() {
    let upstream = Upstream::always(MockResponse::response(201, &[], ""));
    let copies = "{ references: { \"https://schemas.example.com/v1/\": ./copies } }";
    let folder = folder(&upstream, copies);
    let text =
        DOCUMENT.replace("schemas.yaml#/Book", "https://schemas.example.com/v1/library/book.yaml#/Book");
    folder.write("openapi.yaml", &text);
    std::fs::create_dir_all(folder.path().join("copies/library")).unwrap();
    folder.write(
        "copies/library/book.yaml",
        "Book: { type: object, properties: { title: { $ref: 'title.yaml' } } }\n",
    );
    folder.write("copies/library/title.yaml", "{ type: string, maxLength: 3 }\n");
    let gateway = Gateway::serve(folder);
    let client = Client::new(gateway.address(), "/books-api", contract("problem"));
    let form = |text: &str| Request::post("/books").body("application/x-www-form-urlencoded", text);
    assert_eq!(client.send(&form("title=abcd")).status, 400);
    assert_eq!(client.send(&form("title=abc")).status, 201);
}

#[test]
fn reports_url_references_without_a_local_copy() {
    let upstream = Upstream::always(MockResponse::response(201, &[], ""));
    let folder = folder(&upstream, "{}");
    folder.write(
        "openapi.yaml",
        &DOCUMENT.replace("schemas.yaml#/Book", "https://schemas.example.com/book.yaml#/Book"),
    );
    let outcome = run(&["check", "demur.yaml", "--format", "json"], folder.path());
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(said.contains("URLs are not fetched: refer to a local copy"), "{said}");
    assert!(said.contains("configure the copy under `references`"), "{said}");
}

#[test]
fn reports_rules_that_name_undeclared_parameters() {
    let upstream = Upstream::always(MockResponse::response(200, &[], ""));
    let folder = folder(&upstream, "{}");
    let rule = |require: &str| {
        format!(
            "    validation: {{}}\n    rules: [{{ name: r, operations: [addBook], require: \"{require}\", raise: rule.failed }}]\n"
        )
    };
    folder.edit("    validation: {}\n", &rule("params.limit > 1 && body.pagse > 1"));
    let outcome = run(&["check", "demur.yaml", "--format", "json"], folder.path());
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(said.contains("`params.limit` is not declared by any operation of this rule"), "{said}");
    assert!(said.contains("the document does not declare `pagse`"), "{said}");
    assert!(said.contains("did you mean `pages`?"), "{said}");
}
