//! The faults, one a row.

use std::time::Duration;

use demur_e2e::MockResponse as Does;

/// What becomes of the credit that the request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charge {
    Captured,
    Released,
}

/// One fault.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) method: &'static str,
    pub(crate) fault: fn() -> Does,
    /// The status of the response; 0 where the response breaks off.
    pub(crate) status: u16,
    /// The condition in the log; empty for none.
    pub(crate) condition: &'static str,
    /// A part of the cause in the log.
    pub(crate) cause: &'static str,
    pub(crate) charge: Charge,
}

const fn fails(
    what: &'static str,
    fault: fn() -> Does,
    status: u16,
    condition: &'static str,
    cause: &'static str,
) -> Row {
    Row { what, method: "GET", fault, status, condition, cause, charge: Charge::Released }
}

const fn passes(what: &'static str, fault: fn() -> Does, status: u16) -> Row {
    Row { what, method: "GET", fault, status, condition: "", cause: "", charge: Charge::Captured }
}

const INVALID: &str = "upstream.invalid_response";
const TIMEOUT: &str = "upstream.timeout";

fn bytes(text: &str) -> Does {
    Does::bytes(text)
}

#[rustfmt::skip] // One fault a line.
pub(crate) const ROWS: &[Row] = &[
    // No response.
    fails("closes without a response", Does::closes, 502, INVALID, ""),
    fails("resets without a response", || Does::default().and_resets(), 502, INVALID, ""),
    fails("never responds", Does::silence, 504, TIMEOUT, "no response within"),
    fails("responds too late", || Does::response(200, &[], "late").after(Duration::from_secs(4)), 504, TIMEOUT, "no response within"),
    // Within the head.
    fails("closes within the head", || bytes("HTTP/1.1 200 OK\r\nContent-").and_closes(), 502, INVALID, "within the head"),
    fails("stalls within the head", || bytes("HTTP/1.1 200 OK\r\nContent-").and_silence(), 504, TIMEOUT, "no response within"),
    fails("never ends its head", || bytes(&format!("HTTP/1.1 200 OK\r\n{}", "X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(10_000))), 502, INVALID, "too"),
    fails("sends one endless header", || bytes(&format!("HTTP/1.1 200 OK\r\nX-A: {}", "a".repeat(400_000))), 502, INVALID, "too large"),
    fails("speaks another protocol", || bytes("220 mail.example ESMTP\r\n").and_closes(), 502, INVALID, ""),
    fails("speaks HTTP/2", || Does::bytes(b"\0\0\x12\x04\0\0\0\0\0".to_vec()).and_closes(), 502, INVALID, ""),
    fails("sends a status of two digits", || bytes("HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"), 502, INVALID, "status"),
    fails("sends a status above 599", || bytes("HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n"), 502, INVALID, "status"),
    fails("sends two lengths", || bytes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 502, INVALID, "Content-Length"),
    fails("sends a negative length", || bytes("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), 502, INVALID, "Content-Length"),
    fails("sends length and chunks", || bytes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 502, INVALID, "Transfer-Encoding"),
    fails("folds a header", || bytes("HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n"), 502, INVALID, "folding"),
    fails("uses an unknown transfer coding", || bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: br\r\n\r\n"), 502, INVALID, "transfer coding"),
    fails("switches protocols unasked", || bytes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"), 502, INVALID, "101"),
    fails("floods interim responses", || bytes(&"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(1000)), 502, INVALID, "interim"),
    // Within the body, before anything was sent to the client.
    fails("sends less than its length", || bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").and_closes(), 502, INVALID, "within the body"),
    fails("resets within the body", || bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").and_resets(), 502, INVALID, ""),
    fails("stalls within the body", || bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").and_silence(), 504, TIMEOUT, "stalled"),
    fails("sends a broken chunk", || bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 502, INVALID, "chunk size"),
    // Error responses that are no errors of the API.
    fails("fails with HTML", || Does::html(502), 502, "upstream.unreachable", ""),
    fails("is overloaded with HTML", || Does::html(503), 503, "upstream.unavailable", ""),
    fails("shows a stack trace", Does::stack_trace, 500, "upstream.failed", ""),
    fails("fails in the JSON of another API", || Does::response(500, &[("Content-Type", "application/json; charset=utf-8")], r#"{"error":{"code":"E17","message":"oops"}}"#), 500, "upstream.failed", ""),
    fails("cuts an error", || bytes("HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nabc").and_closes(), 500, "upstream.failed", ""),
    fails("fails with compressed text", || Does::response(500, &[("Content-Encoding", "gzip"), ("Content-Type", "application/json")], b"\x1f\x8b\x08\0garbage"), 500, "upstream.failed", ""),
    // After the response has begun.
    Row { status: 0, ..fails("breaks a long body off", || bytes(&format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "a".repeat(50_000))).and_closes(), 0, "", "") },
    Row { status: 0, ..fails("resets a long body", || bytes(&format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "a".repeat(50_000))).and_resets(), 0, "", "") },
    Row { status: 0, ..fails("stalls in a long body", || bytes(&format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "a".repeat(50_000))).and_silence(), 0, "", "") },
    Row { status: 0, ..fails("cuts a chunk", || bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab").and_closes(), 0, "", "") },
    Row { status: 0, ..fails("lacks the last chunk", || bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n").and_closes(), 0, "", "") },
    // No faults, though they look like some.
    passes("ends its body by closing", || bytes("HTTP/1.1 200 OK\r\n\r\nabc").and_closes(), 200),
    passes("sends bytes after its response", || bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"), 200),
    passes("sends two responses", || bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), 200),
    passes("sends no content", || Does::response(204, &[], ""), 204),
    passes("sends hints before", || bytes("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 200),
    passes("redirects", || Does::response(302, &[("Location", "/elsewhere")], ""), 302),
];
