//! How much of a request is validated: per operation, for paths that the document does not have, for an API without a
//! document, and for compressed bodies. Through the whole engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod support;

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use support::{Sent, World};

const DOCUMENT: &str = "\
openapi: 3.1.0
info: { title: items, version: '1' }
servers: [{ url: 'https://api.example/v1' }]
paths:
  /items:
    post:
      operationId: add
      parameters: [{ name: n, in: query, schema: { type: integer } }]
      requestBody: { content: { application/json: { schema: { type: object, required: [a] } } } }
    get: { operationId: list, parameters: [{ name: p, in: query, schema: { type: string, pattern: '(a)\\1' } }] }
  /export: { get: { operationId: export } }
";

const API: &str = "\
name: items
contract: problem
openapi: openapi.yaml
authentication: { scheme: bearer, prefix: shop }
";

fn world(rest: &str) -> World {
    World::of(DOCUMENT, &format!("{API}{rest}"))
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// `operation target` with the rejections that were not enforced, or the status and the condition of the rejection.
fn outcome(sent: Sent) -> String {
    match sent {
        Sent::Forwarded { operation, target, would_reject, .. } => {
            let operation = operation.unwrap_or_default();
            let would = would_reject.iter().map(|condition| format!(" would be {condition}"));
            format!("{operation} {target}{}", would.collect::<String>())
        }
        Sent::Rejected { status, condition, .. } => format!("{status} {condition}"),
    }
}

#[test]
fn validates_each_operation_as_its_settings_say() {
    let rule = "rules: [{ name: small, operations: [add], require: '!has(params.n) || params.n < 5', raise: bad_request }]\n";
    for (settings, target, body, expected) in [
        ("", "/items?n=1", r#"{"a":1}"#, "add /items?n=1"),
        ("", "/items?n=x", r#"{"a":1}"#, "400 param.invalid.type.integer"),
        (", validation: on", "/items?n=x", r#"{"a":1}"#, "400 param.invalid.type.integer"),
        ("", "/items?n=1", "{}", "400 param.missing"),
        (", validation: shadow", "/items?n=1", r#"{"a":1}"#, "add /items?n=1"),
        (
            ", validation: shadow",
            "/items?n=x",
            r#"{"a":1}"#,
            "add /items?n=x would be param.invalid.type.integer",
        ),
        (", validation: shadow", "/items", "{", "add /items would be body.invalid_json"),
        (", validation: off", "/items?n=x", "{}", "add /items?n=x"),
        (", validation: off", "/items", "{", "add /items"),
    ] {
        let world = world(&format!("operations: {{ add: {{ anonymous: true{settings} }} }}\n"));
        let sent = outcome(world.send_body("POST", target, JSON, Bytes::from_static(body.as_bytes())));
        assert_eq!(sent, expected, "{settings} {target} {body}");
    }
    // Rules apply whatever the mode, and read typed values.
    for (mode, target, expected) in [
        ("off", "/items?n=4", "add /items?n=4"),
        ("off", "/items?n=9", "400 "),
        ("shadow", "/items?n=9", "400 "),
    ] {
        let world =
            world(&format!("operations: {{ add: {{ anonymous: true, validation: {mode} }} }}\n{rule}"));
        assert_eq!(
            outcome(world.send_body("POST", target, JSON, Bytes::from_static(br#"{"a":1}"#))),
            expected.trim_end_matches('\n'),
            "{mode} {target}"
        );
    }
    // The mode of all operations, and an exception.
    let world = world(
        "validation: { requests: off }\noperations: { add: { anonymous: true }, list: { anonymous: true, validation: on } }\n",
    );
    assert_eq!(outcome(world.send_body("POST", "/items?n=x", JSON, Bytes::new())), "add /items?n=x");
}

#[test]
fn paths_outside_of_the_document_are_forwarded_where_configured() {
    let forward = "validation: { unknown_paths: forward }\noperations: { '*': { anonymous: true, max_body_bytes: 4 }, list: { anonymous: true } }\n";
    let closed = "validation: { unknown_paths: forward }\n";
    for (settings, method, target, body, expected) in [
        ("", "GET", "/other", "", "404 resource.not_found"),
        (forward, "GET", "/other?x=1", "", "* /other?x=1"),
        (forward, "PUT", "/a/b", "1234", "* /a/b"),
        (forward, "PUT", "/items", "", "405 resource.method_not_allowed"),
        (forward, "GET", "/items", "", "list /items"),
        // A more lenient server would run another operation.
        (forward, "GET", "/EXPORT", "", "400 request.malformed"),
        (closed, "GET", "/other", "", "401 credential.missing"),
    ] {
        let sent = world(settings).send_body(method, target, &[], Bytes::from_static(body.as_bytes()));
        assert_eq!(outcome(sent), expected, "{settings} {method} {target}");
    }
    // Without a document there is nothing else.
    let api = API.replace("openapi: openapi.yaml\n", "");
    let api = format!(
        "{api}validation: {{ unknown_paths: forward }}\noperations: {{ '*': {{ anonymous: true }} }}\n"
    );
    let world = World::of(DOCUMENT, &api);
    for (method, target, expected) in
        [("GET", "/items", "* /items"), ("DELETE", "/", "* /"), ("QUERY", "/a?b=c", "* /a?b=c")]
    {
        assert_eq!(outcome(world.send(method, target, &[])), expected);
    }
}

#[test]
fn paths_of_servers_precede_those_of_operations_where_configured() {
    let used = "validation: { server_paths: use }\noperations: { list: { anonymous: true } }\n";
    for (settings, target, expected) in [
        (used, "/v1/items", "list /v1/items"),
        (used, "/items", "404 resource.not_found"),
        ("operations: { list: { anonymous: true } }\n", "/v1/items", "404 resource.not_found"),
    ] {
        assert_eq!(outcome(world(settings).send("GET", target, &[])), expected, "{settings} {target}");
    }
}

#[test]
fn the_record_counts_what_was_not_checked() {
    let world = world("operations: { list: { anonymous: true }, export: { anonymous: true } }\n");
    for (target, expected) in [("/items?p=x", 1), ("/export", 0)] {
        let Sent::Forwarded { unsupported, .. } = world.send("GET", target, &[]) else { panic!("{target}") };
        assert_eq!(unsupported, expected, "{target}");
    }
}

fn gzip(text: &str) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().into()
}

/// BerriAI/litellm#41567, outmoded/discuss#354.
#[test]
fn compressed_bodies_are_decoded_where_configured() {
    let decode = "validation: { compressed_bodies: decode }\noperations: { add: { anonymous: true, max_body_bytes: 100 } }\n";
    let reject = "operations: { add: { anonymous: true } }\n";
    let bomb = format!("{{\"a\":\"{}\"}}", " ".repeat(10_000));
    for (settings, coding, body, expected) in [
        (decode, "gzip", gzip(r#"{"a":1}"#), Ok(r#"{"a":1}"#)),
        (decode, "gzip", gzip("{}"), Err("400 param.missing")),
        (decode, "gzip", gzip(&bomb), Err("413 body.too_large")),
        (decode, "gzip", Bytes::from_static(b"{}"), Err("400 body.unreadable")),
        (decode, "br", gzip("{}"), Err("415 body.unsupported_media_type gzip, deflate")),
        (decode, "gzip, gzip", gzip("{}"), Err("415 body.unsupported_media_type gzip, deflate")),
        (reject, "gzip", gzip(r#"{"a":1}"#), Err("415 body.unsupported_media_type identity")),
        (reject, "identity", Bytes::from_static(br#"{"a":1}"#), Ok(r#"{"a":1}"#)),
    ] {
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", coding),
            ("content-digest", "sha-256=:x:"),
        ];
        match world(settings).send_body("POST", "/items", &headers, body) {
            Sent::Forwarded { body, headers, .. } => {
                assert_eq!(Ok(std::str::from_utf8(&body).unwrap()), expected, "{coding}");
                let is_decoded = coding == "gzip";
                assert_eq!(headers.contains_key(CONTENT_ENCODING), !is_decoded, "{headers:?}");
                assert_eq!(headers.contains_key("content-digest"), !is_decoded, "{headers:?}");
                assert!(!headers.contains_key(CONTENT_LENGTH), "{headers:?}");
            }
            Sent::Rejected { status, condition, headers } => {
                let accepted = headers.get(ACCEPT_ENCODING).map(|value| value.to_str().unwrap().to_owned());
                let shown = format!("{status} {condition} {}", accepted.unwrap_or_default());
                assert_eq!(Err(shown.trim_end()), expected, "{coding}");
            }
        }
    }
}
