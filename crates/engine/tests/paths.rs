//! The path that is checked is the path that is sent, and what servers read differently is rejected: by operation, through
//! the whole engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod support;

use support::{Sent, World};

const DOCUMENT: &str = "\
openapi: 3.1.0
info: { title: items, version: '1' }
paths:
  /items/export:
    get: { operationId: export, responses: { '200': { description: all } } }
  /items/{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get: { operationId: item, responses: { '200': { description: one } } }
    delete: { operationId: delete, responses: { '204': { description: gone } } }
  /items/{id}/secret:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get: { operationId: secret, responses: { '200': { description: it } } }
  /items/{id}:archive:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get: { operationId: archive, responses: { '200': { description: it } } }
  /matrix/{point}:
    parameters: [{ name: point, in: path, required: true, style: matrix, schema: { type: string } }]
    get: { operationId: matrix, responses: { '200': { description: it } } }
  /opaque/{name}:
    parameters: [{ name: name, in: path, required: true, schema: { type: string } }]
    get: { operationId: opaque, responses: { '200': { description: it } } }
  /café/~a:
    get: { operationId: coffee, responses: { '200': { description: it } } }
";

const API: &str = "\
name: items
contract: problem
openapi: openapi.yaml
authentication: { scheme: bearer, prefix: shop }
operations:
  export: { anonymous: true }
  item: { anonymous: true }
  delete: { anonymous: true }
  secret: { anonymous: true }
  archive: { anonymous: true }
  matrix: { anonymous: true }
  opaque: { anonymous: true, path_characters: [slash, percent] }
  coffee: { anonymous: true }
";

/// What became of a request: the operation and the path that was sent, or the status of the rejection.
fn outcome(world: &World, target: &str) -> Result<(String, String), u16> {
    let sent = world.send("GET", target, &[]);
    match sent {
        Sent::Forwarded { operation, target, .. } => Ok((operation.unwrap_or_default(), target)),
        Sent::Rejected { status, .. } => Err(status),
    }
}

#[test]
fn forwards_the_operation_that_was_checked() {
    let world = World::of(DOCUMENT, API);
    for (target, expected) in [
        ("/items/1", Ok(("item", "/items/1"))),
        ("/items/export", Ok(("export", "/items/export"))),
        ("/items/%65xport", Ok(("export", "/items/export"))),
        ("/items/%65%78%70%6F%72%74?a=%62", Ok(("export", "/items/export?a=%62"))),
        ("/%69tems/export", Ok(("export", "/items/export"))),
        ("/items/a%2cb,c", Ok(("item", "/items/a%2cb,c"))),
        ("/items/a%20b%c3%a9", Ok(("item", "/items/a%20b%c3%a9"))),
        ("/items/a%0Db", Ok(("item", "/items/a%0Db"))),
        ("/items/a%3Bb", Ok(("item", "/items/a%3Bb"))),
        ("/items/1:archive", Ok(("archive", "/items/1:archive"))),
        ("/items/exports", Ok(("item", "/items/exports"))),
        ("/items/export.json", Ok(("item", "/items/export.json"))),
        ("/items/1/%73ecret", Ok(("secret", "/items/1/secret"))),
        ("/items/export/secret", Ok(("secret", "/items/export/secret"))),
        ("/items/EXPORT/secret", Ok(("secret", "/items/EXPORT/secret"))),
        ("/caf%c3%a9/%7Ea", Ok(("coffee", "/caf%c3%a9/~a"))),
        ("/matrix/;point=1", Ok(("matrix", "/matrix/;point=1"))),
        ("/opaque/a%2fb", Ok(("opaque", "/opaque/a%2fb"))),
        ("/opaque/100%2525", Ok(("opaque", "/opaque/100%2525"))),
        // Characters that servers read differently.
        ("/items/1%2fsecret", Err(400)),
        ("/items/1%5csecret", Err(400)),
        ("/items/1%00", Err(400)),
        ("/items/export%0a", Err(400)),
        ("/items/1;a=b", Err(400)),
        ("/items/%2531", Err(400)),
        ("/opaque/a%5cb", Err(400)),
        ("/opaque/a%2f..%2fb", Err(400)),
        // Segments that a lenient server reads as another operation's.
        ("/items/EXPORT", Err(400)),
        ("/items/export.", Err(400)),
        ("/items/export%20", Err(400)),
        ("/items/export%3Bx", Err(400)),
        ("/items/export;x", Err(400)),
        ("/items/%2565xport", Err(400)),
        ("/items/1%3Aarchive", Err(400)),
        ("/items/1:ARCHIVE", Err(400)),
        // No path at all.
        ("/items/..", Err(400)),
        ("/items/%2e%2e/export", Err(400)),
        ("/items/%252e%252e", Err(400)),
        ("/items/..;/export", Err(400)),
        ("/items/%c0%ae%c0%ae", Err(400)),
        ("/items/%ff", Err(400)),
        // Nothing of the document.
        ("/items//export", Err(404)),
        ("/items/export/", Err(404)),
        ("/items/", Err(404)),
    ] {
        let expected = expected.map(|(operation, target)| (operation.to_owned(), target.to_owned()));
        assert_eq!(outcome(&world, target), expected, "{target}");
    }
}

#[test]
fn method_missing_on_a_literal_path_is_not_ambiguous() {
    let world = World::of(DOCUMENT, API);
    let Sent::Forwarded { operation, target, .. } = world.send("DELETE", "/items/EXPORT", &[]) else {
        panic!("rejected")
    };
    assert_eq!((operation.as_deref(), target.as_str()), (Some("delete"), "/items/EXPORT"));
}

#[test]
fn settings_allow_characters_that_the_upstream_reads_exactly() {
    let api = format!("{API}path_characters: [semicolon]\nvalidation: {{ ambiguous_path: ignore }}\n");
    let world = World::of(DOCUMENT, &api);
    for (target, expected) in [
        ("/items/EXPORT", Ok(("item", "/items/EXPORT"))),
        ("/items/1;a=b", Ok(("item", "/items/1;a=b"))),
        ("/items/export;a", Ok(("item", "/items/export;a"))),
        ("/items/1%2fsecret", Err(400)),
    ] {
        let expected = expected.map(|(operation, target)| (operation.to_owned(), target.to_owned()));
        assert_eq!(outcome(&world, target), expected, "{target}");
    }
}

#[test]
fn monitor_mode_forwards_the_original_path_and_records_rejections() {
    let world = World::of(DOCUMENT, &format!("{API}mode: monitor\nmount: {{ path: /shop }}\n"));
    for (target, sent, reported) in [
        ("/shop/items/%65xport?a=b", "/items/%65xport?a=b", "would have been forwarded as `/items/export`"),
        ("/%73hop/items/1", "/items/1", ""),
        ("/shop/items/1%2fsecret", "/items/1%2fsecret", "does not allow slash"),
        ("/shop/items/%2e%2e", "/items/%2e%2e", "dot segment"),
        ("/shop/items/EXPORT", "/items/EXPORT", "would read it as `export`"),
    ] {
        let Sent::Forwarded { target: forwarded, notes, .. } = world.send("GET", target, &[]) else {
            panic!("{target} is rejected")
        };
        assert_eq!(forwarded, sent, "{target}");
        assert!(notes.contains(reported), "{target}: {notes}");
    }
}

#[test]
fn rejects_connection_options_that_name_checked_headers() {
    let world = World::of(DOCUMENT, API);
    for (connection, status) in [
        ("content-type", Some(400)),
        ("X-Forwarded-For", Some(400)),
        ("Idempotency-Key", Some(400)),
        ("Upgrade, HTTP2-Settings", None),
        ("keep-alive", None),
        ("x-private", None),
    ] {
        let headers = [("connection", connection), ("content-type", "a/b"), ("x-private", "1")];
        match world.send("GET", "/items/1", &headers) {
            Sent::Rejected { status: rejected, .. } => assert_eq!(Some(rejected), status, "{connection}"),
            Sent::Forwarded { headers, .. } => {
                assert_eq!(status, None, "{connection}");
                assert_eq!(headers.contains_key("x-private"), connection != "x-private", "{connection}");
                assert!(headers.contains_key("content-type"), "{connection}");
            }
        }
    }
}
