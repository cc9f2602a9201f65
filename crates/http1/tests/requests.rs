//! Request heads: every row of the table whole, byte by byte, and followed by more; and compared with other parsers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its rule does not hold")]

mod cases;

use cases::Expected;
use demur_http1::{BadRequest, Framing, Headers, Limits, ParseError, RequestHead, RequestParser};
use proptest::prelude::*;

type Parsed = Result<Option<RequestHead>, Box<BadRequest>>;

fn parse(bytes: &[u8], headers: &mut Headers) -> Parsed {
    RequestParser::new().parse(bytes, &Limits::default(), headers)
}

/// The result with the bytes arriving in pieces that end at these positions.
fn parse_in_pieces(bytes: &[u8], ends: impl IntoIterator<Item = usize>) -> Parsed {
    let (mut parser, mut headers) = (RequestParser::new(), Headers::new());
    for end in ends {
        let parsed = parser.parse(&bytes[..end], &Limits::default(), &mut headers);
        if !matches!(parsed, Ok(None)) {
            return parsed;
        }
    }
    Ok(None)
}

fn outcome(parsed: &Parsed) -> Expected {
    match parsed {
        Ok(None) => Expected::Incomplete,
        Ok(Some(head)) => Expected::Good(head.framing),
        Err(bad) => Expected::Bad(bad.error),
    }
}

#[test]
fn parses_every_row_of_the_table() {
    let cases = cases::all();
    assert!(cases.len() >= 150, "{}", cases.len());
    for (name, bytes, expected) in &cases {
        assert_eq!(outcome(&parse(bytes, &mut Headers::new())), *expected, "{name}");
    }
}

#[test]
fn gives_the_same_result_byte_by_byte() {
    for (name, bytes, _) in cases::all() {
        let whole = parse(&bytes, &mut Headers::new());
        assert_eq!(parse_in_pieces(&bytes, 1..=bytes.len()), whole, "{name}");
    }
}

#[test]
fn ignores_what_follows_a_head() {
    for (name, bytes, expected) in cases::all() {
        if expected == Expected::Incomplete {
            continue;
        }
        let followed = [&bytes[..], b"Host: b.example\r\n\r\n"].concat();
        assert_eq!(parse(&followed, &mut Headers::new()), parse(&bytes, &mut Headers::new()), "{name}");
    }
}

/// What is accepted here means the same to another parser: method, target and every header.
fn agrees_with_httparse(bytes: &[u8]) -> Result<(), String> {
    let mut headers = Headers::new();
    let Ok(Some(head)) = parse(bytes, &mut headers) else { return Ok(()) };
    let mut lines = [httparse::EMPTY_HEADER; 128];
    let mut other = httparse::Request::new(&mut lines);
    let read = other.parse(bytes).map_err(|error| format!("accepted here, and not there: {error}"))?;
    let ours: Vec<(&[u8], &[u8])> = headers.in_bytes(bytes).iter().collect();
    // It keeps the whitespace at the end of a value.
    let theirs: Vec<(&[u8], &[u8])> =
        other.headers.iter().map(|header| (header.name.as_bytes(), header.value.trim_ascii())).collect();
    let is_same = read == httparse::Status::Complete(head.len)
        && other.method.map(str::as_bytes) == Some(head.method.in_bytes(bytes))
        && other.path.map(str::as_bytes) == Some(head.target.in_bytes(bytes))
        && ours == theirs;
    if is_same { Ok(()) } else { Err(format!("{ours:?} here, {theirs:?} there")) }
}

#[test]
fn agrees_with_another_parser_on_what_it_accepts() {
    for (name, bytes, _) in cases::all() {
        assert_eq!(agrees_with_httparse(&bytes), Ok(()), "{name}");
    }
}

/// Fragments of which heads can be made, valid and invalid.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"GET / HTTP/1.1\r\n".to_vec()),
        Just(b"POST /a?b=c HTTP/1.0\r\n".to_vec()),
        Just(b"Host: a.example\r\n".to_vec()),
        Just(b"Content-Length: 3\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Connection: close, X-A\r\n".to_vec()),
        Just(b"X-A:\tb \r\n".to_vec()),
        Just(b" folded\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
        "[ -~]{0,16}".prop_map(String::into_bytes),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(fragment(), 0..12).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_result_depends_on_the_bytes_alone(bytes in bytes(), splits in prop::collection::vec(0usize..400, 0..6)) {
        let mut ends: Vec<usize> = splits.into_iter().map(|end| end.min(bytes.len())).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        prop_assert_eq!(parse_in_pieces(&bytes, ends), parse(&bytes, &mut Headers::new()));
    }

    #[test]
    fn whatever_is_accepted_reads_the_same_elsewhere(bytes in bytes()) {
        prop_assert_eq!(agrees_with_httparse(&bytes), Ok(()));
    }
}

#[test]
fn finds_known_headers_and_lists_without_a_search() {
    let bytes = b"GET / HTTP/1.1\r\nhOST: a\r\nTE: trailers\r\nte: deflate , ,x\r\nX-Other: 1\r\n\r\n";
    let mut headers = Headers::new();
    parse(bytes, &mut headers).unwrap().unwrap();
    let head = headers.in_bytes(bytes);
    assert_eq!(head.get("Host"), Some(&b"a"[..]));
    assert_eq!(head.get("x-other"), Some(&b"1"[..]));
    assert_eq!(head.get("x-none"), None);
    assert_eq!(head.get("TE"), Some(&b"trailers"[..]));
    let list: Vec<&[u8]> = head.list("te").collect();
    assert_eq!(list, [&b"trailers"[..], b"deflate", b"x"]);
}

#[test]
fn reads_the_options_of_a_connection() {
    for (version, options, persists) in [
        ("1.1", "", true),
        ("1.1", "close", false),
        ("1.1", "Keep-Alive, CLOSE", false),
        ("1.0", "", false),
        ("1.0", "keep-alive", true),
        ("1.0", "keep-alive, close", false),
    ] {
        let bytes = format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: {options}\r\n\r\n");
        let head = parse(bytes.as_bytes(), &mut Headers::new()).unwrap().unwrap();
        assert_eq!(head.connection.persists(head.version), persists, "{version} {options}");
    }
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n";
    let head = parse(bytes, &mut Headers::new()).unwrap().unwrap();
    assert!(head.wants_upgrade && head.connection.names_headers);
    assert_eq!(head.framing, Framing::None);
}

#[test]
fn an_interrupted_head_is_an_error_and_empty_lines_are_none() {
    use ParseError::{HeadSlow, Method};
    let limits = Limits::default();
    for (bytes, expected) in [
        ("", None),
        ("\r\n", None),
        ("GET / HTTP/1.1\r\nHost: a", Some(HeadSlow)),
        ("G(T / HTTP/1.1\r\nHost: a", Some(Method)),
    ] {
        let mut parser = RequestParser::new();
        assert!(matches!(parser.parse(bytes.as_bytes(), &limits, &mut Headers::new()), Ok(None)));
        let bad = parser.interrupt(bytes.as_bytes(), &limits, HeadSlow);
        assert_eq!(bad.map(|bad| bad.error), expected, "{bytes:?}");
    }
}
