//! Upstream errors are rendered in the contract, without any of their text.

use std::time::{Duration, Instant};

use demur_e2e::{MARKER, MockResponse, MockedGateway, Request, Response, TestDir, sound_request};
use serde_json::json;

use crate::{APIS, assert_condition};

#[test]
fn maps_html_errors_by_their_status() {
    let rows = [
        (400, "upstream.refused.400"),
        (401, "upstream.failed"),
        (402, "upstream.failed"),
        (403, "upstream.refused.403"),
        (404, "upstream.refused.404"),
        (405, "upstream.refused.405"),
        (407, "upstream.failed"),
        (408, "upstream.refused.408"),
        (409, "upstream.refused.409"),
        (410, "upstream.refused.410"),
        (412, "upstream.refused.412"),
        (413, "upstream.refused.413"),
        (418, "upstream.refused.418"),
        (422, "upstream.refused.422"),
        (429, "upstream.refused.429"),
        (431, "upstream.refused.431"),
        (451, "upstream.refused.451"),
        (499, "upstream.refused.499"),
        (500, "upstream.failed"),
        (501, "upstream.failed"),
        (502, "upstream.unreachable"),
        (503, "upstream.unavailable"),
        (504, "upstream.timeout"),
        (511, "upstream.failed"),
        (599, "upstream.failed"),
    ];
    // The condition that means the same, if its error has the status or claims it by its name.
    let by_name: [(u16, &str, &[&str]); 7] = [
        (404, "resource.not_found", &["trakkr-get-scores"]),
        (
            405,
            "resource.method_not_allowed",
            &["trakkr-get-scores", "trackyard", "trackbot-pro", "trackunit"],
        ),
        (
            409,
            "resource.conflict",
            &["trakkr", "trakkr-get-scores", "trackyard", "trackbot-pro", "trackunit"],
        ),
        (410, "resource.gone", &["trakkr-get-scores", "trackunit"]),
        (
            412,
            "precondition.failed",
            &["trakkr", "trakkr-get-scores", "trackyard", "trackbot-pro", "trackunit"],
        ),
        (413, "body.too_large", &[]),
        (422, "param.invalid.schema", &[]),
    ];
    let scripted = MockedGateway::start();
    for api in APIS {
        for (status, condition) in rows {
            let named = by_name.iter().find(|(of, _, apis)| *of == status && apis.contains(&api));
            let condition = named.map_or(condition, |(_, named, _)| named);
            let response = scripted.response(api, MockResponse::html(status));
            let response = assert_condition(&scripted, api, condition, response);
            assert_eq!(
                response.status / 100,
                status / 100 + u16::from([401, 402, 407].contains(&status)),
                "{api}: {status}"
            );
        }
    }
}

#[test]
fn reports_a_broken_or_missing_response_as_an_upstream_failure() {
    let half = |status: u16| {
        MockResponse::bytes(format!(
            "HTTP/1.1 {status} S\r\nContent-Length: 1000\r\n\r\n{{\"error\": \"{MARKER}"
        ))
    };
    let rows = [
        ("upstream.invalid_response", MockResponse::closes()),
        ("upstream.invalid_response", MockResponse::bytes("HTTP/1.1 200 OK\r\nContent-Le").and_closes()),
        ("upstream.invalid_response", MockResponse::bytes(format!("{MARKER}\r\n\r\n")).and_closes()),
        ("upstream.invalid_response", MockResponse::bytes(*b"\x16\x03\x01\x00\xa5\x01\x00").and_closes()),
        ("upstream.invalid_response", MockResponse::bytes("HTTP/1.1 20 OK\r\n\r\n").and_closes()),
        ("upstream.invalid_response", MockResponse::bytes("HTTP/9.9 200 OK\r\n\r\n").and_closes()),
        (
            "upstream.invalid_response",
            MockResponse::bytes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
                .and_closes(),
        ),
        (
            "upstream.invalid_response",
            MockResponse::bytes(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", MARKER.repeat(50_000)))
                .and_closes(),
        ),
        (
            "upstream.invalid_response",
            MockResponse::bytes(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            ),
        ),
        (
            "upstream.invalid_response",
            MockResponse::bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "upstream.invalid_response",
            MockResponse::bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx").and_closes(),
        ),
        ("upstream.failed", half(500).and_closes()),
        ("upstream.refused.418", half(418).and_closes()),
        ("upstream.failed", MockResponse::stack_trace()),
        ("upstream.failed", MockResponse::response(500, &[], vec![b'{'; 300_000])),
        ("upstream.failed", MockResponse::response(500, &[("Content-Type", "application/json")], "{}")),
        (
            "upstream.failed",
            MockResponse::json(500, &json!({ "error": MARKER, "trace": ["at Store::read"] })),
        ),
        (
            "upstream.failed",
            MockResponse::response(500, &[("Content-Encoding", "gzip")], b"\x1f\x8b\x08\x00"),
        ),
    ];
    let scripted = MockedGateway::start();
    for api in APIS {
        for (condition, reaction) in &rows {
            let response = scripted.response(api, reaction.clone());
            assert_condition(&scripted, api, condition, response);
        }
    }
}

/// RFC 9110, section 15: there are no statuses above 599, and clients treat one as a failure.
#[test]
fn rejects_a_nonexistent_status() {
    let scripted = MockedGateway::start();
    for api in APIS {
        for status in [600, 799, 999] {
            let response = scripted.response(api, MockResponse::html(status));
            assert_condition(&scripted, api, "upstream.invalid_response", response);
        }
    }
}

/// No client requested an upgrade.
#[test]
fn unrequested_switching_protocols_is_an_invalid_response() {
    let scripted = MockedGateway::start();
    for api in APIS {
        let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
        let response = scripted.response(api, MockResponse::bytes(format!("{switch}{MARKER}")).and_closes());
        assert_condition(&scripted, api, "upstream.invalid_response", response);
    }
}

#[test]
fn skips_interim_responses() {
    let scripted = MockedGateway::start();
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for api in APIS {
        let reaction = MockResponse::bytes(interim).and("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        assert_eq!(scripted.response(api, reaction).body, b"{}");
        let reaction = MockResponse::bytes(interim).and("HTTP/1.1 500 S\r\nContent-Length: 0\r\n\r\n");
        assert_condition(&scripted, api, "upstream.failed", scripted.response(api, reaction));
    }
}

/// JSON of another API's contract names no error of this one.
#[test]
fn does_not_parse_errors_of_another_api() {
    let others = [
        ("trakkr", json!({ "error": { "type": "api_error", "code": "boom", "message": MARKER } })),
        ("trakkr-get-scores", json!({ "error": MARKER, "errors": [MARKER] })),
        ("trackyard", json!({ "error": "Forbidden", "message": MARKER })),
        ("trackbot-pro", json!({ "error": { "status": 400, "message": MARKER } })),
        ("trackunit", json!({ "status": 400, "code": "unheard_of", "message": MARKER })),
    ];
    let scripted = MockedGateway::start();
    for api in APIS {
        for (_, body) in &others {
            for (status, condition) in [(400, "upstream.refused.400"), (500, "upstream.failed")] {
                let response = scripted.response(api, MockResponse::json(status, body));
                assert_condition(&scripted, api, condition, response);
            }
        }
    }
}

/// An upstream may say when trying again makes sense; what it says is a whole number of seconds, or nothing.
#[test]
fn forwards_a_valid_retry_after_of_the_upstream() {
    let delay = |said: &str, scripted: &MockedGateway, api: &str| -> Response {
        scripted.response(api, MockResponse::response(503, &[("Retry-After", said)], MARKER))
    };
    let rows = [
        ("7", Some("7")),
        (" 7 ", Some("7")),
        ("0", Some("1")),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("99999999999999999999999", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
    ];
    let scripted = MockedGateway::start();
    for api in APIS {
        for (said, passed) in rows {
            let response = delay(said, &scripted, api);
            assert_eq!(response.headers.first("retry-after"), passed, "{said:?}: {response:?}");
        }
    }
}

/// A silent upstream runs into the configured timeout, before the head and in the body of an error response.
#[test]
fn upstream_timeout_is_as_configured() {
    let folder = TestDir::of_examples();
    folder.edit("timeout: 5s", "timeout: 300ms");
    folder.edit("timeout: 2s", "timeout: 300ms");
    let scripted = MockedGateway::on(folder);
    for api in APIS {
        for (condition, reaction) in [
            ("upstream.timeout", MockResponse::silence()),
            ("upstream.timeout", MockResponse::bytes("HTTP/1.1 200 OK\r\n").and_silence()),
            (
                "upstream.failed",
                MockResponse::bytes("HTTP/1.1 500 S\r\nContent-Length: 9\r\n\r\n{").and_silence(),
            ),
        ] {
            let began = Instant::now();
            assert_condition(&scripted, api, condition, scripted.response(api, reaction));
            assert!(began.elapsed() >= Duration::from_millis(300), "it was waited for");
            assert!(began.elapsed() < Duration::from_secs(10), "and not for ever: {:?}", began.elapsed());
        }
    }
}

/// The response to HEAD has no body, also if it is an error, and the connection to the upstream stays usable.
#[test]
fn error_response_to_head_has_no_body() {
    let scripted = MockedGateway::start();
    for (status, condition) in [(500, "upstream.failed"), (404, "upstream.refused.404")] {
        scripted.upstream_does(MockResponse::bytes(format!(
            "HTTP/1.1 {status} S\r\nContent-Length: 999\r\n\r\n"
        )));
        for (api, target) in
            [("trakkr", "/brands"), ("trackbot-pro", "/shipments"), ("trackunit", "/devices")]
        {
            for _ in 0..3 {
                let head = Request::new("HEAD", target).key(scripted.key(api));
                assert_condition(&scripted, api, condition, scripted.client(api).send(&head));
            }
        }
    }
}

/// What came right after the end of a response, in one piece with it, is no response to whoever asks next. (One
/// that comes later, when the next request is on its way, nobody could tell from that request's response.)
#[test]
fn discards_unrequested_responses() {
    let response = |text: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nasked for\r\n0\r\n\r\n".to_owned();
    let scripted = MockedGateway::start();
    for asked in [response("asked for"), chunked] {
        scripted.upstream_does(MockResponse::bytes(asked + &response("unasked")));
        for api in APIS.into_iter().cycle().take(200) {
            let got = scripted.client(api).send(&sound_request(api, scripted.key(api)));
            assert_eq!((got.status, got.text().as_str()), (200, "asked for"), "{api}: {got:?}");
        }
    }
}

/// The body of a failed response is for the journal. That it comes a byte at a time is no reason to let the
/// caller wait for it.
#[test]
fn does_not_wait_for_a_slow_error_body() {
    let folder = TestDir::of_examples();
    folder.edit("timeout: 5s", "timeout: 1s");
    let scripted = MockedGateway::on(folder);
    let mut drip = MockResponse::bytes("HTTP/1.1 500 S\r\nContent-Length: 1000\r\n\r\n");
    for _ in 0..100 {
        drip = drip.and("x").and_wait(Duration::from_millis(200));
    }
    let began = Instant::now();
    assert_condition(&scripted, "trackyard", "upstream.failed", scripted.response("trackyard", drip));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
