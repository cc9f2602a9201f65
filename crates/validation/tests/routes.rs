//! Routes: which operation a method and a path find.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, DocumentOptions, Find};
use http::Method;

fn load(text: &str) -> ApiDocument {
    let mut diagnostics = Diagnostics::new();
    let document =
        ApiDocument::load(&Source::new("t.yaml", text), &DocumentOptions::default(), &mut diagnostics);
    document.unwrap_or_else(|| panic!("{diagnostics}"))
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
fn finds_the_operation_for_method_and_path() {
    let document = load(ROUTES);
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
        let route = match document.find(&method, path) {
            Find::Found(matched) => {
                let names = matched.operation.path_parameters();
                names.fold(matched.operation.id().to_owned(), |line, name| {
                    format!("{line} {name}={}", matched.raw_path_parameter(name).unwrap_or_default())
                })
            }
            Find::MethodNotAllowed { allow } => format!("405 {allow}"),
            Find::NotFound => "404".to_owned(),
        };
        assert_eq!(route, expected, "{method} {path}");
    }
}

#[test]
fn finds_operations_by_index_and_id() {
    let document = load(ROUTES);
    let ids: Vec<&str> = document.operations().iter().map(|operation| operation.id()).collect();
    assert_eq!(ids, ["root", "list", "create", "show", "peek", "clear", "form", "drop", "odd"]);
    for (index, operation) in document.operations().iter().enumerate() {
        assert_eq!(operation.index(), index);
        assert_eq!(document.operation(operation.id()).map(|operation| operation.index()), Some(index));
    }
    assert!(document.operation("shwo").is_none());
    assert_eq!(document.similar_operation("shwo"), Some("show"));
}

#[test]
fn loads_ten_thousand_operations() {
    let mut text = "openapi: 3.1.0\npaths:\n".to_owned();
    for number in 0..10_000 {
        text += &format!("  /things{number}/all: {{ get: {{ operationId: op{number} }} }}\n");
    }
    let document = load(&text);
    assert!(matches!(document.find(&Method::GET, "/things9999/all"), Find::Found(_)));
}

#[test]
fn document_is_send_and_sync() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    is_shared(&load(ROUTES));
}
