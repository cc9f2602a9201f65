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
    get:
      operationId: list
      parameters: [{ name: p, in: query, schema: { type: string, pattern: '(a)\\1' } }]
      responses: { '200': { content: { 'application/json; charset=utf-8': {} } }, '404': { content: { text/html: {} } } }
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
fn accept_is_checked_as_far_as_the_operation_is_validated() {
    let list = "list /items";
    for (setting, mode, accept, expected) in [
        ("reject", "on", &["application/json"][..], list),
        ("reject", "on", &[], list),
        ("reject", "on", &["text/html"], "406 request.not_acceptable"),
        ("reject", "on", &["text/html", "application/*;q=0.1"], list),
        ("reject", "on", &["application/json;q=0"], "406 request.not_acceptable"),
        // A line that cannot be read rejects nothing.
        ("reject", "on", &["text/html", "text/\u{e9}"], list),
        ("reject", "on", &["text/html;v=\"a", "text/html"], list),
        ("reject", "shadow", &["text/html"], "list /items would be request.not_acceptable"),
        ("reject", "shadow", &["application/json"], list),
        ("reject", "off", &["text/html"], list),
        ("ignore", "on", &["text/html"], list),
    ] {
        let world = world(&format!(
            "validation: {{ accept: {setting} }}\noperations: {{ list: {{ anonymous: true, validation: {mode} }} }}\n"
        ));
        let headers: Vec<(&str, &str)> = accept.iter().map(|accept| ("accept", *accept)).collect();
        let sent = outcome(world.send_body("GET", "/items", &headers, Bytes::new()));
        assert_eq!(sent, expected, "{setting} {mode} {accept:?}");
    }
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

/// RFC 10008, and RFC 9110, section 15.5.16.
#[test]
fn query_requests_need_a_declared_content_type() {
    let document = "\
openapi: 3.2.0
info: { title: items, version: '1' }
paths:
  /items:
    query:
      operationId: find
      requestBody: { content: { application/json: { schema: { type: object } }, text/plain: {} } }
    post:
      operationId: add
      requestBody: { content: { application/json: { schema: { type: object } } } }
  /one: { query: { operationId: one, requestBody: { required: true, content: { application/json: {} } } } }
";
    let world = World::of(
        document,
        &format!(
            "{API}operations: {{ find: {{ anonymous: true }}, add: {{ anonymous: true }}, one: {{ anonymous: true }} }}\n"
        ),
    );
    let both = "application/json, text/plain";
    for (method, target, content_type, body, expected, accept, accept_query) in [
        ("QUERY", "/items", Some("application/json"), "{}", "find /items", "", ""),
        ("QUERY", "/items", Some("application/json"), "[]", "400 param.invalid.type.object", "", ""),
        ("QUERY", "/items", Some("application/json"), "{", "400 body.invalid_json", "", ""),
        ("QUERY", "/items", Some("text/csv"), "a", "415 body.unsupported_media_type", both, both),
        ("QUERY", "/items", None, "{}", "400 request.malformed", "", ""),
        ("QUERY", "/items", None, "", "find /items", "", ""),
        // One declared media type is assumed for other methods only.
        ("QUERY", "/one", None, "{}", "400 request.malformed", "", ""),
        ("QUERY", "/one", None, "", "400 body.missing", "", ""),
        ("POST", "/items", None, "{}", "add /items", "", ""),
        ("POST", "/items", Some("text/csv"), "a", "415 body.unsupported_media_type", "application/json", ""),
        ("GET", "/items", None, "", "405 resource.method_not_allowed", "", ""),
    ] {
        let headers: Vec<(&str, &str)> = content_type.iter().map(|name| ("content-type", *name)).collect();
        let sent = world.send_body(method, target, &headers, Bytes::from_static(body.as_bytes()));
        if let Sent::Rejected { headers, .. } = &sent {
            let header = |name| headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
            assert_eq!(
                (header("accept"), header("accept-query")),
                (accept, accept_query),
                "{method} {content_type:?}"
            );
        }
        assert_eq!(outcome(sent), expected, "{method} {target} {content_type:?}");
    }
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
