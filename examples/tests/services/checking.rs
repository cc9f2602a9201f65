//! Holds one service against its OpenAPI document and its contract, row by row.

use std::collections::BTreeSet;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use demur_examples::{Example, all};
use demur_source::{Source, parse};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use Expected::{Fails, Raises, Redirects, Success};

/// The expected response.
pub(crate) enum Expected {
    /// A documented success, and members (by JSON Pointer) that the body must have.
    Success(u16, Vec<(&'static str, Value)>),
    /// A declared error, by name, with an empty body.
    Raises(&'static str),
    /// A redirection there.
    Redirects(&'static str),
    /// A page with a trace on it, and status 500.
    Fails,
}

/// A request and its expected response.
pub(crate) struct Row {
    operation: &'static str,
    request: &'static str,
    body: Option<Value>,
    expected: Expected,
}

/// A row of a table.
pub(crate) fn row(
    operation: &'static str,
    request: &'static str,
    body: Option<Value>,
    expected: Expected,
) -> Row {
    Row { operation, request, body, expected }
}

/// Sends the rows one after the other to one service, and sees that no operation of its document is left
/// out.
pub(crate) async fn check(name: &str, rows: Vec<Row>) {
    let example = example(name);
    let router = (example.router)();
    let document = parse(&Source::new("openapi.yaml", example.openapi)).unwrap().to_json();
    let contract = contract(name);
    let mut succeeded = BTreeSet::new();

    for Row { operation, request, body, expected } in rows {
        let documented = documented(&document, operation, request);
        let (status, headers, body) = send(router.clone(), request, body).await;
        let text = String::from_utf8_lossy(&body);
        let raised = headers.get("demur-error").map(|error| error.to_str().unwrap());
        let said = format!("{request}: {status} {raised:?} {text}");
        match expected {
            Success(wanted, members) => {
                assert_eq!(status, wanted, "{said}");
                let response = &documented["responses"][wanted.to_string()];
                assert!(response.is_object(), "{said}: not in the document");
                let schema = &response["content"]["application/json"]["schema"];
                if schema.is_null() {
                    assert!(body.is_empty(), "{said}");
                } else {
                    let body = serde_json::from_slice(&body).expect(&said);
                    assert_required(&document, schema, &body, &said);
                    for (pointer, wanted) in members {
                        assert_eq!(
                            *body.pointer(pointer).unwrap_or(&Value::Null),
                            wanted,
                            "{said}: {pointer}"
                        );
                    }
                }
                succeeded.insert(operation);
            }
            Raises(error) => {
                assert_eq!(raised, Some(error), "{said}");
                assert!(contract["errors"][error].is_object(), "{said}: not in the contract");
                assert!((400..600).contains(&status) && body.is_empty(), "{said}");
            }
            Redirects(location) => {
                assert_eq!((status, headers[header::LOCATION].to_str().unwrap()), (302, location), "{said}");
                assert!(documented["responses"]["302"].is_object(), "{said}");
                succeeded.insert(operation);
            }
            Fails => {
                assert_eq!((status, raised), (500, None), "{said}");
                assert!(text.starts_with("<!DOCTYPE html>") && text.contains("DecodeError"), "{said}");
            }
        }
    }

    let operations: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(succeeded, operations, "an operation whose success no row shows, or a row of none");
}

/// The service of that name.
pub(crate) fn example(name: &str) -> &'static Example {
    all().iter().find(|example| example.name == name).unwrap()
}

/// The built-in contract of that name.
fn contract(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../contracts/{name}.yaml"));
    parse(&Source::read(&path).unwrap()).unwrap().to_json()
}

/// Sends `METHOD TARGET` with a JSON body, and reads the whole response.
pub(crate) async fn send(router: Router, request: &str, body: Option<Value>) -> (u16, HeaderMap, Vec<u8>) {
    let (method, target) = request.split_once(' ').unwrap();
    let mut builder = Request::builder().method(method).uri(target);
    if body.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let response = router.oneshot(builder.body(body).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    (head.status.as_u16(), head.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

/// The operation of that id; its method and path must be those of the request.
fn documented<'d>(document: &'d Value, operation: &str, request: &str) -> &'d Value {
    let (method, target) = request.split_once(' ').unwrap();
    let path = target.split('?').next().unwrap();
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (documented_method, documented) in methods.as_object().unwrap() {
            if documented["operationId"] == operation {
                assert_eq!(documented_method, &method.to_lowercase(), "{operation}");
                let same = |(part, wanted): (&str, &str)| wanted.starts_with('{') || part == wanted;
                assert_eq!(path.split('/').count(), template.split('/').count(), "{operation}");
                assert!(path.split('/').zip(template.split('/')).all(same), "{operation}: {path}");
                return documented;
            }
        }
    }
    panic!("{operation} is not in the document");
}

/// The members that the schema requires are there, those of objects within included.
fn assert_required(document: &Value, schema: &Value, body: &Value, said: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect(reference),
        None => schema,
    };
    for part in schema["allOf"].as_array().into_iter().flatten() {
        assert_required(document, part, body, said);
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(body.get(name.as_str().unwrap()).is_some(), "{said}: no {name}");
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(member) = body.get(name) {
            assert_required(document, schema, member, said);
        }
    }
    for item in body.as_array().into_iter().flatten() {
        assert_required(document, &schema["items"], item, said);
    }
}
