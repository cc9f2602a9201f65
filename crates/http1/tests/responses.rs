//! Response heads, and how their bodies are framed (RFC 9112, section 6.3).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its rule does not hold")]

use demur_http1::{Framing, Headers, Limits, ParseError, RequestFacts, ResponseParser};

/// Status and framing, or what is wrong.
type Outcome = Result<(u16, Framing), ParseError>;

const GET: RequestFacts = RequestFacts { is_head: false, wants_upgrade: false };
const HEAD: RequestFacts = RequestFacts { is_head: true, wants_upgrade: false };
const UPGRADE: RequestFacts = RequestFacts { is_head: false, wants_upgrade: true };

/// The outcome, which is the same whole and byte by byte. `None`: incomplete.
fn parse(bytes: &[u8], request: RequestFacts) -> Option<Outcome> {
    let limits = Limits::default();
    let mut headers = Headers::new();
    let mut feed = |parser: &mut ResponseParser, end: usize| {
        let parsed = parser.parse(&bytes[..end], request, &limits, &mut headers).transpose()?;
        Some(parsed.map(|head| (head.status, head.framing)))
    };
    let whole = feed(&mut ResponseParser::new(), bytes.len());
    let mut parser = ResponseParser::new();
    let dripped = (1..=bytes.len()).find_map(|end| feed(&mut parser, end));
    assert_eq!(dripped, whole, "{:?}", String::from_utf8_lossy(bytes));
    whole
}

#[test]
fn frames_bodies_as_the_rules_say() {
    use Framing::{Chunked, Length, None, UntilClose};
    use ParseError::*;
    let rows: &[(&str, RequestFacts, Outcome)] = &[
        ("200 OK\r\nContent-Length: 5", GET, Ok((200, Length(5)))),
        ("200 OK\r\nContent-Length: 0", GET, Ok((200, None))),
        ("200 OK\r\nTransfer-Encoding: chunked", GET, Ok((200, Chunked))),
        ("200 OK", GET, Ok((200, UntilClose))),
        ("200", GET, Ok((200, UntilClose))),
        ("200 ", GET, Ok((200, UntilClose))),
        ("200 \u{e9}\u{e8}", GET, Ok((200, UntilClose))),
        ("200 OK\r\nContent-Length: 5", HEAD, Ok((200, None))),
        ("200 OK\r\nTransfer-Encoding: chunked", HEAD, Ok((200, None))),
        ("200 OK", HEAD, Ok((200, None))),
        ("204 No Content", GET, Ok((204, None))),
        ("204 No Content\r\nContent-Length: 5", GET, Ok((204, None))),
        ("304 Not Modified\r\nContent-Length: 5", GET, Ok((304, None))),
        ("304 Not Modified\r\nTransfer-Encoding: chunked", GET, Ok((304, None))),
        ("103 Early Hints\r\nLink: </a>", GET, Ok((103, None))),
        ("101 Switching\r\nUpgrade: x", UPGRADE, Ok((101, None))),
        ("101 Switching\r\nUpgrade: x", GET, Err(UpgradeUnexpected)),
        ("204 No Content\r\nTransfer-Encoding: chunked", GET, Err(EncodingForbidden)),
        ("103 Early Hints\r\nTransfer-Encoding: chunked", GET, Err(EncodingForbidden)),
        ("200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", GET, Err(LengthAndEncoding)),
        ("200 OK\r\nContent-Length: 5\r\nContent-Length: 5", GET, Ok((200, Length(5)))),
        ("200 OK\r\nContent-Length: 5\r\nContent-Length: 6", HEAD, Err(LengthRepeated)),
        ("200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5", GET, Ok((200, Length(5)))),
        ("200 OK\r\nContent-Length: 5, 6", GET, Err(LengthRepeated)),
        ("200 OK\r\nContent-Length: 5,", GET, Err(LengthInvalid)),
        ("200 OK\r\nContent-Length:", GET, Err(LengthInvalid)),
        ("200 OK\r\nContent-Length: 05", GET, Ok((200, Length(5)))),
        ("200 OK\r\nContent-Length: +5", GET, Err(LengthInvalid)),
        ("200 OK\r\nContent-Length:", GET, Err(LengthInvalid)),
        ("200 OK\r\nContent-Length: 9223372036854775808", GET, Err(LengthInvalid)),
        ("200 OK\r\nTransfer-Encoding: gzip, chunked", GET, Err(EncodingUnknown)),
        ("200 OK\r\nTransfer-Encoding: gzip", GET, Err(EncodingNotLast)),
        ("200 OK\r\nTransfer-Encoding: chunked, chunked", GET, Err(EncodingRepeated)),
        ("200 OK\r\nX : 1", GET, Err(SpaceBeforeColon)),
        ("200 OK\r\n X: 1", GET, Err(Folded)),
        ("200 OK\r\nX", GET, Err(HeaderLine)),
        ("200 OK\r\nX: \u{1}", GET, Err(HeaderValue)),
        ("20 OK", GET, Err(StatusLine)),
        ("2000 OK", GET, Err(StatusLine)),
        ("abc OK", GET, Err(StatusLine)),
        ("099 Low", GET, Err(StatusCode)),
        ("600 High", GET, Err(StatusCode)),
        ("200 O\u{0}K", GET, Err(StatusLine)),
    ];
    for (row, request, expected) in rows {
        let bytes = format!("HTTP/1.1 {row}\r\n\r\n");
        assert_eq!(parse(bytes.as_bytes(), *request), Some(*expected), "{row:?}");
    }
}

#[test]
fn rejects_what_is_no_response() {
    use ParseError::*;
    for (bytes, expected) in [
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", Some(NotHttp)),
        ("ICY 200 OK\r\n\r\n", Some(NotHttp)),
        ("HTTP/2.0 200 OK\r\n\r\n", Some(VersionUnsupported)),
        ("HTTP/1.1  200 OK\r\n\r\n", Some(StatusLine)),
        ("HTTP/1.1 200 OK\n\r\n", Some(BareLineFeed)),
        ("HTTP/1.1 200 OK\r\nX: 1\n\r\n", Some(BareLineFeed)),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Some(EncodingInOldVersion)),
        ("HTTP/1.1 200 OK\r\nX: 1\r\n", None),
        ("HTT", None),
        ("", None),
    ] {
        assert_eq!(parse(bytes.as_bytes(), GET).map(|parsed| parsed.unwrap_err()), expected, "{bytes:?}");
    }
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    assert_eq!(parse(long.as_bytes(), GET), Some(Err(HeadTooLarge)));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(101));
    assert_eq!(parse(many.as_bytes(), GET), Some(Err(TooManyHeaders)));
}
