//! Trakkr, the older contract version: POST /get-scores.

use std::fs::OpenOptions;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Duration;

use demur_e2e::{MockResponse, MockedGateway, NewKey, OWNED_BRAND, Request, Response, sound_request};
use serde_json::{Value as Json, json};

use crate::registry::Produced;
use crate::world::{World, assert_condition, failures};

const API: &str = "trakkr-get-scores";

const fn case(case: &'static str, alternative: usize, produce: fn(&World) -> Vec<Response>) -> Produced {
    Produced { contract: API, case, alternative, produce }
}

/// With a key that owns the brand.
fn asked(w: &World, body: &Json) -> Request {
    Request::post("/get-scores").key(w.key(API, "active")).json(body)
}

fn one(w: &World, condition: &str, request: &Request) -> Vec<Response> {
    vec![w.assert_rejected(condition, API, request)]
}

fn invalid(w: &World, condition: &str, body: &Json) -> Vec<Response> {
    one(w, condition, &asked(w, body))
}

pub(crate) const CASES: &[Produced] = &[
    case("missing_brand", 1, |w| invalid(w, "param.missing", &json!({}))),
    case("breakdown_not_an_array", 1, |w| {
        [json!("model"), json!({ "0": "model" }), json!(1)]
            .iter()
            .flat_map(|breakdown| {
                invalid(
                    w,
                    "param.invalid.type.array",
                    &json!({ "brand": OWNED_BRAND, "breakdown": breakdown }),
                )
            })
            .collect()
    }),
    case("breakdown_value", 1, |w| {
        invalid(w, "param.invalid.enum", &json!({ "brand": OWNED_BRAND, "breakdown": ["invalid"] }))
    }),
    case("start_date_format", 1, |w| {
        invalid(w, "param.invalid.pattern", &json!({ "brand": OWNED_BRAND, "start_date": "20-11-2026" }))
    }),
    case("date_range_too_large", 1, |w| {
        let range = |end: &str| json!({ "brand": OWNED_BRAND, "start_date": "2026-01-01", "end_date": end });
        let just_right = w.send(API, &asked(w, &range("2026-04-01")));
        assert_eq!(just_right.status, 200, "90 days apart: {just_right:?}");
        invalid(w, "-", &range("2026-04-02"))
    }),
    case("missing_api_key", 1, |w| {
        one(w, "credential.missing", &Request::post("/get-scores").json(&json!({ "brand": OWNED_BRAND })))
    }),
    case("invalid_api_key", 1, |w| one(w, "credential.unknown", &sound_request(API, w.unknown_key(API)))),
    case("brand_access_denied", 1, |w| {
        invalid(w, "-", &json!({ "brand": "1718000000000x100000000000000001" }))
    }),
    case("authentication_error", 1, |_| vec![unreadable_store()]),
    case("date_range_validation_error", 1, |w| {
        invalid(w, "-", &json!({ "brand": OWNED_BRAND, "start_date": "2026-02-30" }))
    }),
    case("internal_server_error", 1, any_other_failure),
    case("bad_request", 1, |w| {
        let post = Request::post("/get-scores").key(w.key(API, "active"));
        one(w, "body.invalid_json", &post.body("application/json", "brand=x"))
    }),
    case("forbidden", 1, |w| {
        let account = w.account("unmetered");
        let new = NewKey { api: API, account: &account, operations: &["getLastUpdate"], ..NewKey::default() };
        let key = w.demo.folder().create_key(&new).secret;
        let covered = w.send(API, &Request::get("/get-last-update").key(&key));
        assert_eq!(covered.status, 200, "{covered:?}");
        one(w, "permission.operation", &sound_request(API, &key))
    }),
    case("wrong_scheme", 1, |w| {
        let post = Request::post("/get-scores").header("Authorization", "Basic x");
        one(w, "credential.scheme", &post.json(&json!({ "brand": OWNED_BRAND })))
    }),
];

/// The upstream in every bad state. The client has checked that the detail is the ID of the response;
/// the case checks that it has nothing else.
fn any_other_failure(w: &World) -> Vec<Response> {
    let mut responses = invalid(w, "upstream.failed", &json!({ "brand": "corrupt-record" }));
    responses.extend(w.failing("upstream.failed", API, failures()));
    let not_http = vec![
        MockResponse::closes(),
        MockResponse::bytes(*b"\x16\x03\x01\x02\x00 this is no HTTP").and_closes(),
        MockResponse::bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n")
            .and_closes(),
    ];
    responses.extend(w.failing("upstream.invalid_response", API, not_http));
    responses.extend(w.failing("upstream.timeout", API, vec![MockResponse::silence()]));
    responses.extend(w.failing(
        "upstream.unavailable",
        API,
        vec![MockResponse::html(503).after(Duration::ZERO)],
    ));
    responses.push(w.unreachable(API));
    responses
}

/// A key that is not cached, when the files of the running gateway are corrupt.
fn unreadable_store() -> Response {
    let scripted = MockedGateway::start();
    let gateway = scripted.gateway();
    for name in ["demur.db", "demur.db-wal", "demur.db-shm"] {
        overwrite(&gateway.folder().path().join(name));
    }
    let response = scripted.client(API).send(&sound_request(API, scripted.key(API)));
    assert_condition("store.unavailable.keys", gateway, response)
}

/// Overwrites in place, without changing the length, as a failing disk does.
fn overwrite(path: &Path) {
    let mut file =
        OpenOptions::new().write(true).open(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let length = file.seek(std::io::SeekFrom::End(0)).unwrap();
    file.rewind().unwrap();
    let garbage: Vec<u8> = b"garbage ".iter().copied().cycle().take(length.max(64) as usize).collect();
    file.write_all(&garbage).unwrap();
}
