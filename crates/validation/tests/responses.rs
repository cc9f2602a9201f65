//! Responses checked against the document, `Accept`, and security schemes.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, DocumentOptions, ResponseCheck, SecurityKind};
use http::StatusCode;

const DOCUMENT: &str = "openapi: 3.1.0
security: [{ key: [] }]
paths:
  /x:
    get:
      operationId: x
      security: [{}, { key: [], other: [] }]
      responses:
        '200':
          description: all is well
          content:
            application/json: { schema: { $ref: '#/components/schemas/Book' } }
            text/csv: {}
        '204': { description: nothing }
        4XX: { description: refused, content: { application/problem+json: { schema: { type: object } } } }
  /y:
    get: { operationId: y, responses: { default: { description: anything } } }
components:
  securitySchemes:
    key: { type: http, scheme: Bearer }
    other: { type: apiKey, in: cookie, name: sid }
  schemas:
    Book:
      type: object
      required: [id, secret, title]
      properties:
        id: { type: integer, readOnly: true }
        secret: { type: string, writeOnly: true }
        title: { type: string }
";

fn load(checks_responses: bool) -> ApiDocument {
    let mut diagnostics = Diagnostics::new();
    let options = DocumentOptions { checks_responses, ..DocumentOptions::default() };
    let document = ApiDocument::load(&Source::new("t.yaml", DOCUMENT), &options, &mut diagnostics);
    document.unwrap_or_else(|| panic!("{diagnostics}"))
}

#[test]
fn reports_how_a_response_breaks_the_document() {
    let document = load(true);
    let x = document.operation("x").unwrap();
    for (status, content_type, content, expected) in [
        (200, "application/json", r#"{"id":1,"title":"a"}"#, ""),
        (200, "application/json; charset=utf-8", r#"{"title":"a"}"#, "/id: param.missing"),
        (
            200,
            "application/json",
            r#"{"id":"1","title":5}"#,
            "/id: param.invalid.type.integer; /title: param.invalid.type.string",
        ),
        (200, "application/json", "{", "the body ends too early (line 1, column 1)"),
        (200, "text/html", "<p>", "media type `text/html` is not declared"),
        (200, "text/csv", "a;b", ""),
        (204, "", "", ""),
        (201, "", "", "status 201 is not declared"),
        (404, "application/problem+json", "[]", "body: param.invalid.type.object"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let checked =
            match document.check_response(x, status, Some(content_type), content.as_bytes()).unwrap() {
                ResponseCheck::Valid => String::new(),
                ResponseCheck::Invalid(fault) => fault.to_string(),
            };
        assert_eq!(checked, expected, "{status} {content}");
    }
    let y = document.operation("y").unwrap();
    assert_eq!(document.check_response(y, StatusCode::IM_A_TEAPOT, None, b"x"), Some(ResponseCheck::Valid));
    assert!(document.needs_response_body(x, StatusCode::OK));
    assert!(!document.needs_response_body(x, StatusCode::NO_CONTENT));
    assert!(!document.needs_response_body(y, StatusCode::OK));
}

#[test]
fn skips_responses_without_checks_responses() {
    let document = load(false);
    let x = document.operation("x").unwrap();
    assert_eq!(document.check_response(x, StatusCode::OK, None, b"{"), None);
    assert!(!document.needs_response_body(x, StatusCode::OK));
}

#[test]
fn matches_accept_against_successful_responses() {
    let document = load(false);
    let x = document.operation("x").unwrap();
    assert!(x.is_acceptable("text/csv"));
    assert!(x.is_acceptable("application/*;q=0.5, text/html"));
    assert!(!x.is_acceptable("application/problem+json"), "a failure is no reason to accept");
    assert!(document.operation("y").unwrap().is_acceptable("image/png"));
}

#[test]
fn reads_security_requirements() {
    let document = load(false);
    let kinds: Vec<_> = document.security_schemes().iter().map(|scheme| scheme.kind.clone()).collect();
    assert_eq!(kinds, [SecurityKind::Authorization("bearer".into()), SecurityKind::Cookie("sid".into())]);
    let x = document.operation("x").unwrap();
    assert_eq!(x.security().unwrap(), [vec![], vec!["key".to_owned(), "other".to_owned()]]);
    assert_eq!(document.operation("y").unwrap().security().unwrap(), [["key".to_owned()]]);
}
