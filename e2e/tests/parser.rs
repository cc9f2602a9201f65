//! Malformed requests: each gets an error of the contract with a request ID, the connection is closed, and the
//! upstream sees nothing of it.
//! Long because its tables have a row for each rule of the parser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::time::{Duration, Instant};

use demur_contract::Condition;
use demur_e2e::{Connection, Gateway, MockResponse, NewKey, Request, Response, TestDir, Upstream};
use serde_json::{Value as Json, json};

/// The timeout to detect a closed connection.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A gateway with all example APIs in front of one recording upstream.
struct Guarded {
    gateway: Gateway,
    upstream: Upstream,
    key: String,
}

fn guarded() -> Guarded {
    let upstream = Upstream::always(MockResponse::json(200, &json!({ "brands": [] })));
    let folder = TestDir::of_examples();
    for example in demur_examples::all() {
        folder.point(example.name, upstream.address());
    }
    folder.edit("default_contract: problem", "limits: { header_timeout: 300ms }\ndefault_contract: problem");
    folder.create_account("acme", "pro");
    let key = folder.create_key(&NewKey { api: "trakkr", account: "acme", ..NewKey::default() }).secret;
    Guarded { gateway: Gateway::serve(folder), upstream, key }
}

impl Guarded {
    fn connect(&self, contract: &str) -> Connection {
        match contract {
            "problem" => self.gateway.client_of_no_api().connect(),
            api => self.gateway.client(api).connect(),
        }
    }

    /// Compares a rejection with the contract's error for a condition, and with its log entry.
    fn assert_rejected(&self, name: &str, response: &Response, contract: &str, condition: &str) {
        let contract = demur_e2e::contract(contract);
        let known = Condition::from_name(condition).unwrap_or_else(|| panic!("no condition {condition}"));
        let expected = contract.entry(contract.answer(known));
        assert_eq!(response.status, expected.status.as_u16(), "{name}: {response:?}");
        let logged = self.gateway.logged(response.header("x-request-id"));
        for (member, value) in [
            ("condition", condition),
            ("contract", contract.name()),
            ("error", &expected.name),
            ("origin", "client"),
        ] {
            assert_eq!(logged[member], value, "{name}: {logged}");
        }
    }
}

/// What the client of a row does after sending its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Waits for the response, with its sending side open.
    Waits,
    /// Shuts down its sending side.
    Ends,
}

use Then::{Ends, Waits};

const LONG: usize = 20_000;

/// The name, the bytes, what follows, the expected contract, the condition. In the bytes `~` stands
/// for [`LONG`] letters.
#[rustfmt::skip] // One row a line can be read; broken up, the table cannot.
const HEADS: &[(&str, &[u8], Then, &str, &str)] = &[
    // The request line.
    ("a method that is no token", b"G(T /trakkr/brands HTTP/1.1\r\nHost: a\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a method longer than any", b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA /trakkr/brands HTTP/1.1\r\nHost: a\r\n\r\n", Waits, "trakkr", "request.not_implemented"),
    ("CONNECT", b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n", Waits, "problem", "request.not_implemented"),
    ("no version", b"GET /trakkr/brands\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a version that is none", b"GET /trackunit/groups HTTP/1.10\r\nHost: a\r\n\r\n", Waits, "trackunit", "request.malformed"),
    ("a version to come", b"GET /trackunit/groups HTTP/3.0\r\nHost: a\r\n\r\n", Waits, "trackunit", "request.version_not_supported"),
    ("a version of a hundred years", b"GET /trackunit/groups HTTP/1.2\r\nHost: a\r\n\r\n", Waits, "trackunit", "request.version_not_supported"),
    ("a space in the target", b"GET /trakkr/a b HTTP/1.1\r\nHost: a\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a tab for a space", b"GET\t/trakkr/brands\tHTTP/1.1\r\nHost: a\r\n\r\n", Waits, "problem", "request.malformed"),
    ("a fragment", b"GET /trackyard/api#top HTTP/1.1\r\nHost: a\r\n\r\n", Waits, "trackyard", "request.malformed"),
    ("a bare % in the target", b"GET /trackyard/%zz HTTP/1.1\r\nHost: a\r\n\r\n", Waits, "trackyard", "request.malformed"),
    ("a character that must be encoded", b"GET /trackyard/<b> HTTP/1.1\r\nHost: a\r\n\r\n", Waits, "trackyard", "request.malformed"),
    ("the target *", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Waits, "problem", "request.malformed"),
    ("an authority for a target", b"GET shop.example:80 HTTP/1.1\r\nHost: shop.example\r\n\r\n", Waits, "problem", "request.malformed"),
    ("a scheme of another protocol", b"GET ftp://a/trackbot-pro/x HTTP/1.1\r\nHost: a\r\n\r\n", Waits, "trackbot-pro", "request.misdirected"),
    ("a target over its bound", b"GET /trakkr/~ HTTP/1.1\r\nHost: a\r\n\r\n", Waits, "trakkr", "request.uri_too_long"),
    // Headers.
    ("no Host", b"GET /trakkr/brands HTTP/1.1\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("no Host, and the old version of the API", b"POST /trakkr-get-scores/get-scores HTTP/1.1\r\nContent-Length: 0\r\n\r\n", Waits, "trakkr-get-scores", "request.malformed"),
    ("two Hosts", b"GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("an empty Host", b"GET /trakkr/brands HTTP/1.1\r\nHost:\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a Host that is none", b"GET /trakkr/brands HTTP/1.1\r\nHost: a/b@c\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a Host that is not the target's", b"GET http://a/trakkr/brands HTTP/1.1\r\nHost: b\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a head over its bound", b"GET /trackunit/groups HTTP/1.1\r\nHost: a\r\nX-Long: ~\r\n\r\n", Waits, "trackunit", "request.head_too_large"),
    ("a head without an end, over its bound", b"GET /trackunit/groups HTTP/1.1\r\nHost: a\r\nX-Long: ~", Waits, "trackunit", "request.head_too_large"),
    ("a line without a colon", b"GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nNonsense\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a name that is no token", b"GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nX(Y): b\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a space before the colon", b"GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nX-Y : b\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a folded line", b"GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nX-Y: b\r\n c\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a NUL in a value", b"GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nX-Y: b\0c\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("LF without CR", b"GET /trakkr/brands HTTP/1.1\nHost: a\n\n", Waits, "trakkr", "request.malformed"),
    ("one LF without CR", b"GET /trakkr/brands HTTP/1.1\r\nHost: a\nX-Y: b\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("CR without LF", b"GET /trakkr/brands HTTP/1.1\r\nHost: a\rX-Y: b\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("too many empty lines first", b"\r\n\r\n\r\nGET /trakkr/brands HTTP/1.1\r\nHost: a\r\n\r\n", Waits, "problem", "request.malformed"),
    ("an expectation that cannot be met", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\n", Waits, "trakkr", "request.expectation_failed"),
    // Framing.
    ("CL with TE", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("the same CL twice", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", Waits, "trakkr", "request.malformed"),
    ("two CLs", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}", Waits, "trakkr", "request.malformed"),
    ("a list as CL", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}", Waits, "trakkr", "request.malformed"),
    ("a signed CL", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", Waits, "trakkr", "request.malformed"),
    ("a CL that no number holds", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551618\r\n\r\n{}", Waits, "trakkr", "request.malformed"),
    ("chunked twice", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("chunked and identity in two fields", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("a coding that nobody knows", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x-shop, chunked\r\n\r\n0\r\n\r\n", Waits, "trakkr", "request.not_implemented"),
    ("a coding that hides chunked", b"POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", Waits, "trakkr", "request.malformed"),
    ("chunks in the old version", b"POST /trakkr/brands HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Waits, "trakkr", "request.malformed"),
    // Incomplete heads.
    ("a truncated head", b"GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nAutho", Ends, "trakkr", "request.malformed"),
    ("a truncated request line", b"GET /trakkr/bra", Ends, "problem", "request.malformed"),
    ("a slow head", b"GET /trakkr/brands HTTP/1.1\r\nHost: a\r\n", Waits, "trakkr", "request.timeout"),
    ("a slow request line", b"GET /trak", Waits, "problem", "request.timeout"),
    // Other protocols.
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03shop.example", Waits, "problem", "request.malformed"),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Waits, "problem", "request.version_not_supported"),
    ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n", Waits, "problem", "request.malformed"),
    ("PROXY", b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", Waits, "problem", "request.malformed"),
    ("binary", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", Waits, "problem", "request.malformed"),
];

fn expanded(bytes: &[u8]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = bytes.split(|byte| *byte == b'~').collect();
    pieces.join(&[b'a'; LONG][..])
}

#[test]
fn rejects_malformed_heads_in_the_contract_and_forwards_nothing() {
    let guarded = guarded();
    for (name, bytes, then, contract, condition) in HEADS {
        let mut connection = guarded.connect(contract);
        connection.write(&expanded(bytes));
        if *then == Ends {
            connection.finish_sending();
        }
        let response = connection.try_read("GET").unwrap_or_else(|error| panic!("{name}: {error}"));
        guarded.assert_rejected(name, &response, contract, condition);
        // In the old version nothing has to be said of it: that is what closing is there.
        let is_old = bytes.windows(8).any(|window| window == b"HTTP/1.0");
        assert_eq!(response.header("connection"), if is_old { "" } else { "close" }, "{name}: {response:?}");
        let rest = connection.closed_within(TIMEOUT).unwrap_or_else(|error| panic!("{name}: open: {error}"));
        assert_eq!(String::from_utf8_lossy(&rest), "", "{name}: said after the refusal");
    }
    assert_eq!(guarded.upstream.received(), []);
}

#[test]
fn distinguishes_uri_limits_from_header_limits() {
    let guarded = guarded();
    let headers: String = (0..101).map(|number| format!("X-{number}: a\r\n")).collect();
    let rows = [
        (format!("GET /trakkr/{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(8192)), "request.uri_too_long"),
        (format!("GET /trakkr/brands HTTP/1.1\r\nHost: a\r\n{headers}\r\n"), "request.head_too_large"),
    ];
    for (bytes, condition) in rows {
        let mut connection = guarded.connect("trakkr");
        connection.write(bytes.as_bytes());
        guarded.assert_rejected(condition, &connection.read("GET"), "trakkr", condition);
        assert_eq!(connection.closed_within(TIMEOUT).unwrap(), b"");
    }
    // A request just within the limits is served.
    let headers: String = (0..98).map(|number| format!("X-{number}: a\r\n")).collect();
    let mut connection = guarded.connect("trakkr");
    let key = &guarded.key;
    connection.write(
        format!("GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n{headers}\r\n")
            .as_bytes(),
    );
    assert_eq!(connection.read("GET").status, 200);
    assert_eq!(guarded.upstream.received().len(), 1);
}

/// A limit that an operator has raised is rejected when it is loaded, or it holds: no library below the parser
/// sends a response of its own.
#[test]
fn accepts_requests_within_raised_limits() {
    let headers = |count| (0..count).map(|number| format!("X-{number}: a\r\n")).collect::<String>();
    let path = "a".repeat(70_000);
    let rows = [
        ("max_headers: 200", format!("GET /trakkr/brands HTTP/1.1\r\nHost: a\r\n{}\r\n", headers(150))),
        ("max_headers: 200", format!("GET /trakkr/brands HTTP/1.1\r\nHost: a\r\n{}\r\n", headers(250))),
        (
            "max_uri_bytes: 60KiB, max_header_bytes: 200KiB",
            format!("GET /trakkr/{} HTTP/1.1\r\nHost: a\r\n\r\n", &path[..50_000]),
        ),
        (
            "max_header_bytes: 2MiB",
            format!("GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", path.repeat(12)),
        ),
    ];
    for (bounds, head) in rows {
        let folder = TestDir::of_examples();
        folder
            .edit("default_contract: problem", &format!("limits: {{ {bounds} }}\ndefault_contract: problem"));
        let gateway = Gateway::serve(folder);
        let mut connection = gateway.client("trakkr").connect();
        connection.write(head.as_bytes());
        // The client checks that the response is in the contract.
        let response = connection.read("GET");
        assert!(response.status >= 400, "{bounds}: {response:?}");
    }
}

#[test]
fn responds_to_a_malformed_head_request_without_a_body() {
    let guarded = guarded();
    let mut connection = guarded.connect("trakkr");
    connection.write(b"HEAD /trakkr/brands HTTP/1.1\r\n\r\n");
    let response = connection.read("HEAD");
    guarded.assert_rejected("HEAD without Host", &response, "trakkr", "request.malformed");
    assert_eq!(connection.closed_within(TIMEOUT).unwrap(), b"");
    assert_eq!(guarded.upstream.received(), []);
}

/// Bodies whose framing breaks after the head was accepted: the name, the header that frames the body, and
/// its bytes.
#[rustfmt::skip] // One row a line can be read; broken up, the table cannot.
const BODIES: &[(&str, &str, &[u8], Then)] = &[
    ("a size that is no number", CHUNKED, b"zz\r\n{}\r\n0\r\n\r\n", Waits),
    ("a negative size", CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n", Waits),
    ("a size with a prefix", CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n", Waits),
    ("a size beyond all bounds", CHUNKED, b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n", Waits),
    ("an empty size", CHUNKED, b"\r\n{}\r\n0\r\n\r\n", Waits),
    ("LF after a size", CHUNKED, b"2\n{}\r\n0\r\n\r\n", Waits),
    ("a chunk longer than its size", CHUNKED, b"2\r\n{}{}\r\n0\r\n\r\n", Waits),
    ("a bare LF in an extension", CHUNKED, b"2;a\n=b\r\n{}\r\n0\r\n\r\n", Waits),
    ("a trailer that would frame", CHUNKED, b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n", Waits),
    ("a trailer that is no field", CHUNKED, b"2\r\n{}\r\n0\r\nnonsense\r\n\r\n", Waits),
    ("chunks cut short", CHUNKED, b"20\r\n{\"name\":", Ends),
    ("no last chunk", CHUNKED, b"e\r\n{\"name\": \"aa\"}\r\n", Ends),
    ("less than was announced", "Content-Length: 20", b"{\"name\": \"aa\"}", Ends),
];

const CHUNKED: &str = "Transfer-Encoding: chunked";

#[test]
fn rejects_malformed_bodies_in_the_contract_and_forwards_nothing() {
    let guarded = guarded();
    let key = &guarded.key;
    for (name, framing, body, then) in BODIES {
        let mut connection = guarded.connect("trakkr");
        let head = format!(
            "POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\n{framing}\r\n\r\n"
        );
        connection.write(&[head.as_bytes(), body].concat());
        if *then == Ends {
            connection.finish_sending();
        }
        let response = connection.try_read("POST").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(response.status, 400, "{name}: {response:?}");
        assert_eq!(response.json()["error"]["type"], "invalid_request_error", "{name}: {response:?}");
        let logged = guarded.gateway.logged(response.header("x-request-id"));
        assert_eq!(logged["origin"], "client", "{name}: {logged}");
        let rest = connection.closed_within(TIMEOUT).unwrap_or_else(|error| panic!("{name}: open: {error}"));
        assert_eq!(String::from_utf8_lossy(&rest), "", "{name}: said after the refusal");
    }
    assert_eq!(guarded.upstream.received(), []);
}

/// Unusual but valid requests, which a strict parser must accept. `KEY` stands for a key.
#[rustfmt::skip] // One row a line can be read; broken up, the table cannot.
const ODD: &[(&str, &str, Then)] = &[
    ("one empty line first", "\r\nGET /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer KEY\r\n\r\n", Waits),
    ("the old version, without Host", "GET /trakkr/brands HTTP/1.0\r\nAuthorization: Bearer KEY\r\n\r\n", Waits),
    ("a whole URL", "GET http://a/trakkr/brands HTTP/1.1\r\nHost: A:80\r\nAuthorization: Bearer KEY\r\n\r\n", Waits),
    ("spaces around values, and none", "GET /trakkr/brands HTTP/1.1\r\nhOST:a\r\nAUTHORIZATION: \t Bearer KEY \t\r\n\r\n", Waits),
    ("bytes beyond ASCII in a value", "GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nX-Name: Zoë\r\nAuthorization: Bearer KEY\r\n\r\n", Waits),
    ("a side closed early", "GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer KEY\r\n\r\n", Ends),
    ("chunks with extensions and a trailer", "POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer KEY\r\nContent-Type: application/json\r\nTransfer-Encoding: Chunked\r\n\r\n00E;a=\"b;c\"\r\n{\"name\": \"aa\"}\r\n0\r\nX-Sum: 1\r\n\r\n", Waits),
    ("a wish to go on, not waited for", "POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer KEY\r\nContent-Type: application/json\r\nExpect: 100-Continue\r\nContent-Length: 14\r\n\r\n{\"name\": \"aa\"}", Waits),
];

#[test]
fn accepts_unusual_valid_requests() {
    let guarded = guarded();
    for (index, (name, request, then)) in ODD.iter().enumerate() {
        let mut connection = guarded.connect("trakkr");
        connection.write(request.replace("KEY", &guarded.key).as_bytes());
        if *then == Ends {
            connection.finish_sending();
        }
        let response = connection.try_read("GET").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(response.status, 200, "{name}: {response:?}");
        assert_eq!(guarded.upstream.received().len(), index + 1, "{name}");
        let last = guarded.upstream.last();
        assert_eq!(last.target, "/brands", "{name}: {last:?}");
        // The key is not forwarded.
        assert_eq!(last.headers.first("authorization"), None, "{name}: {last:?}");
        let body = if last.method == "POST" { "{\"name\": \"aa\"}" } else { "" };
        assert_eq!(String::from_utf8_lossy(&last.body), body, "{name}: {last:?}");
    }
}

#[test]
fn responds_to_pipelined_requests_in_order_up_to_the_malformed_one() {
    let guarded = guarded();
    let key = &guarded.key;
    let good = format!("GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n");
    let bad = "GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let unknown = "GET /trakkr/brands HTTP/1.1\r\nHost: a\r\n\r\n";
    // The bytes that are sent at once, the statuses of the responses, and how many requests the upstream sees.
    let rows = [
        ([good.as_str(), &good, bad].concat(), &[200, 200, 400][..], 2),
        // Nothing after a malformed head is parsed.
        ([&good, bad, &good].concat(), &[200, 400], 1),
        ([bad, &good, &good].concat(), &[400], 0),
        ([unknown, &good, bad].concat(), &[401, 200, 400], 1),
    ];
    let mut seen = 0;
    for (bytes, statuses, reached) in rows {
        let mut connection = guarded.connect("trakkr");
        connection.write(bytes.as_bytes());
        let responses: Vec<Response> = statuses.iter().map(|_| connection.read("GET")).collect();
        let found: Vec<u16> = responses.iter().map(|response| response.status).collect();
        assert_eq!(found, statuses, "{bytes}");
        guarded.assert_rejected(&bytes, responses.last().unwrap(), "trakkr", "request.malformed");
        assert_eq!(connection.closed_within(TIMEOUT).unwrap(), b"", "{bytes}");
        seen += reached;
        assert_eq!(guarded.upstream.received().len(), seen, "{bytes}");
    }
}

/// A body that is rejected unread must never be parsed as the next request (as in CVE-2025-4366).
#[test]
fn unread_body_is_never_parsed_as_a_request() {
    let guarded = guarded();
    let key = &guarded.key;
    let hidden = format!("GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n");
    // Rejected before the body is read: no key, unknown path, unknown method, too large.
    for (line, headers, status) in [
        ("POST /trakkr/brands", "", 401),
        ("POST /trakkr/nowhere", "", 404),
        ("DELETE /trakkr/brands", "", 404),
        ("POST /trakkr/brands", "X-Large: yes\r\n", 400),
    ] {
        let is_large = !headers.is_empty();
        let body = if is_large { hidden.repeat(20_000) } else { hidden.repeat(3) };
        let authorization = if is_large { format!("Authorization: Bearer {key}\r\n") } else { String::new() };
        let mut connection = guarded.connect("trakkr");
        let head = format!(
            "{line} HTTP/1.1\r\nHost: a\r\n{authorization}{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write(&[head.as_bytes(), body.as_bytes()].concat());
        let response = connection.try_read("POST").unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(response.status, status, "{line}: {response:?}");
        // The next request on the connection gets its own response, or the connection is closed.
        connection.write(b"GET /trakkr/here HTTP/1.1\r\nHost: a\r\n\r\n");
        match connection.try_read("GET") {
            Ok(next) => assert_eq!(next.status, 404, "{line}: {next:?}"),
            Err(_) => continue,
        }
        connection.finish_sending();
        assert_eq!(connection.closed_within(TIMEOUT).unwrap(), b"", "{line}");
    }
    assert_eq!(guarded.upstream.received(), []);
}

#[test]
fn times_out_slow_bodies() {
    let guarded = guarded();
    let mut connection = guarded.connect("trakkr");
    let key = &guarded.key;
    let head = format!(
        "POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    );
    connection.write(head.as_bytes());
    let begun = Instant::now();
    // A byte now and then does not count as progress.
    while begun.elapsed() < Duration::from_secs(8) {
        connection.write(b" ");
        std::thread::sleep(Duration::from_millis(500));
    }
    let response = connection.read("POST");
    // The minimum rate of 500 bytes per second is checked every 15 seconds.
    assert!((14..25).contains(&begun.elapsed().as_secs()), "after {:?}", begun.elapsed());
    guarded.assert_rejected("slow content", &response, "trakkr", "request.timeout");
    assert_eq!(connection.closed_within(TIMEOUT).unwrap(), b"");
    assert_eq!(guarded.upstream.received(), []);
}

#[test]
fn valid_requests_still_pass_and_the_log_has_no_secrets() {
    let guarded = guarded();
    let mut connection = guarded.connect("trakkr");
    let key = &guarded.key;
    connection.write(
        format!("GET /trakkr/brands?token={key} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nX: \0\r\n\r\n")
            .as_bytes(),
    );
    let response = connection.read("GET");
    guarded.assert_rejected("a secret in a bad head", &response, "trakkr", "request.malformed");
    let secret = key.split_once('_').unwrap().1;
    assert!(!guarded.gateway.log().contains(secret), "a key in the log");
    let response = guarded.gateway.client("trakkr").send(&Request::get("/brands").key(key));
    assert_eq!((response.status, response.json()), (200, json!({ "brands": [] })));
    let logged: Vec<Json> =
        guarded.gateway.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(logged.iter().filter(|line| line["status"] == 200).count(), 0, "a success in the log");
}
