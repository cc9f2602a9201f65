//! Whole exchanges between the two sides of this engine, and the rules about when a connection goes on.
//! Long because the rules share the two readers at its beginning.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its rule does not hold")]

use demur_http1::{
    BodyLength, ClientConnection, Decoded, EncodeError, Headers, Limits, Next, ParseError, ServerConnection,
};
use proptest::prelude::*;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A message as somebody wrote it or read it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Message {
    start: String,
    headers: Pairs,
    body: Vec<u8>,
    trailers: Pairs,
}

fn pairs<'p>(pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>) -> Pairs {
    pairs.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// What a server reads of these bytes, which arrive in pieces of this size.
fn serve(
    connection: &mut ServerConnection,
    bytes: &[u8],
    piece: usize,
) -> Result<(Message, usize), ParseError> {
    let (mut headers, mut message, mut from, mut to) = (Headers::new(), Message::default(), 0, 0);
    let mut has_head = false;
    loop {
        if !has_head {
            let head = connection.receive_head(&bytes[from..to], &Limits::default(), &mut headers);
            if let Some(head) = head.map_err(|bad| bad.error)? {
                let read = &bytes[from..to];
                message.start = format!(
                    "{} {}",
                    String::from_utf8_lossy(head.method.in_bytes(read)),
                    String::from_utf8_lossy(head.target.in_bytes(read))
                );
                message.headers = pairs(headers.in_bytes(read).iter());
                from += head.len;
                has_head = true;
                continue;
            }
        } else {
            let (consumed, decoded) = connection.receive_body(&bytes[from..to])?;
            from += consumed;
            match decoded {
                Decoded::Data(data) => {
                    message.body.extend_from_slice(data);
                    continue;
                }
                Decoded::End => {
                    message.trailers = pairs(connection.trailers());
                    return Ok((message, from));
                }
                Decoded::More => {}
            }
        }
        assert!(to < bytes.len(), "incomplete");
        to = (to + piece).min(bytes.len());
    }
}

/// What a client reads of these bytes: interim statuses, and the final response.
fn receive(
    connection: &mut ClientConnection,
    bytes: &[u8],
    piece: usize,
) -> Result<(Vec<u16>, Message, usize), ParseError> {
    let (mut headers, mut message, mut interim) = (Headers::new(), Message::default(), Vec::new());
    let (mut from, mut to, mut has_head) = (0, 0, false);
    loop {
        if !has_head {
            if let Some(head) = connection.receive_head(&bytes[from..to], &Limits::default(), &mut headers)? {
                let read = &bytes[from..to];
                from += head.len;
                if head.is_interim() {
                    interim.push(head.status);
                    continue;
                }
                message.start = head.status.to_string();
                message.headers = pairs(headers.in_bytes(read).iter());
                has_head = true;
                continue;
            }
        } else {
            let (consumed, decoded) = connection.receive_body(&bytes[from..to])?;
            from += consumed;
            match decoded {
                Decoded::Data(data) => {
                    message.body.extend_from_slice(data);
                    continue;
                }
                Decoded::End => {
                    message.trailers = pairs(connection.trailers());
                    return Ok((interim, message, from));
                }
                Decoded::More => {}
            }
        }
        if to == bytes.len() {
            connection.end_of_input()?;
            return Ok((interim, message, from));
        }
        to = (to + piece).min(bytes.len());
    }
}

fn request(bytes: &str) -> ServerConnection {
    let mut connection = ServerConnection::new();
    let head = connection.receive_head(bytes.as_bytes(), &Limits::default(), &mut Headers::new());
    assert!(head.unwrap().is_some(), "{bytes}");
    connection
}

fn head(connection: &mut ServerConnection, status: u16, body: BodyLength) -> String {
    let mut out = Vec::new();
    connection.write_head(status, body, |_| {}, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn announces_the_end_of_a_connection_whenever_it_ends() {
    const OLD: &str = "GET / HTTP/1.0\r\n\r\n";
    const NEW: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const LAST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const KEPT: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    const WAITS: &str = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
    for (bytes, body, expected) in [
        (NEW, BodyLength::Known(0), "content-length: 0\r\n"),
        (NEW, BodyLength::Unknown, "transfer-encoding: chunked\r\n"),
        (LAST, BodyLength::Known(0), "content-length: 0\r\nconnection: close\r\n"),
        // In HTTP/1.0 that is what a response means which says nothing.
        (OLD, BodyLength::Known(0), "content-length: 0\r\n"),
        (KEPT, BodyLength::Known(0), "content-length: 0\r\nconnection: keep-alive\r\n"),
        // In HTTP/1.0 only the end of the connection ends such a body.
        (KEPT, BodyLength::Unknown, ""),
        (WAITS, BodyLength::Known(0), "content-length: 0\r\nconnection: close\r\n"),
    ] {
        let written = head(&mut request(bytes), 200, body);
        assert_eq!(written, format!("HTTP/1.1 200 OK\r\n{expected}\r\n"), "{bytes}");
    }
    let mut connection = request(NEW);
    connection.close();
    assert!(head(&mut connection, 200, BodyLength::None).contains("connection: close"));
}

#[test]
fn writes_no_body_where_none_is_allowed() {
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (bytes, status, expected) in [
        (HEAD, 200, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"),
        (GET, 304, "HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n"),
        (GET, 204, "HTTP/1.1 204 No Content\r\n\r\n"),
    ] {
        let mut connection = request(bytes);
        let mut out = Vec::new();
        connection.write_head(status, BodyLength::Known(3), |_| {}, &mut out).unwrap();
        connection.write_data(b"abc", &mut out).unwrap();
        connection.write_end([], &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(connection.advance(), Next::Request);
    }
}

#[test]
fn holds_the_announced_length() {
    let mut connection = request("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    head(&mut connection, 200, BodyLength::Known(2));
    let out = &mut Vec::new();
    assert_eq!(connection.write_data(b"abc", out), Err(EncodeError::TooLong));
    connection.write_data(b"a", out).unwrap();
    assert_eq!(connection.write_end([], out), Err(EncodeError::TooShort));
    connection.write_data(b"b", out).unwrap();
    connection.write_end([], out).unwrap();
    assert_eq!(out, b"ab");
    assert_eq!(connection.write_data(b"c", out), Err(EncodeError::OutOfOrder));
}

#[test]
fn lets_no_header_through_that_would_end_a_line_or_change_the_framing() {
    for (name, value) in [
        ("x", "a\r\nb: c"),
        ("x y", "a"),
        ("", "a"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
    ] {
        let mut connection = request("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut out = b"before".to_vec();
        let written = connection.write_head(200, BodyLength::None, |head| head.header(name, value), &mut out);
        assert!(written.is_err() && out == b"before", "{name}: {value}");
    }
}

#[test]
fn sends_interim_responses_to_clients_that_know_them_and_not_too_many() {
    let limits = Limits::default();
    let mut out = Vec::new();
    let mut old = request("GET / HTTP/1.0\r\n\r\n");
    assert!(!old.write_interim(103, &limits, |_| {}, &mut out) && out.is_empty());
    let mut connection = request("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let sent = (0..100)
        .filter(|_| connection.write_interim(103, &limits, |head| head.header("link", "</a>"), &mut out));
    assert_eq!(sent.count(), 8);
    assert!(out.starts_with(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"));
    head(&mut connection, 200, BodyLength::None);
    assert!(!connection.write_interim(103, &limits, |_| {}, &mut out), "after the final response");
}

#[test]
fn continues_once_and_only_where_the_client_waits() {
    let bytes = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    let mut out = Vec::new();
    let mut connection = request(bytes);
    connection.write_continue(&mut out);
    connection.write_continue(&mut out);
    assert_eq!(out, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(!head(&mut connection, 200, BodyLength::None).contains("close"));
    // A client that sends its body without waiting gets no 100.
    let mut connection = request(bytes);
    connection.receive_body(b"hi").unwrap();
    assert!(!connection.waits_for_continue());
    let connection = request("PUT / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert!(!connection.waits_for_continue(), "HTTP/1.0 knows no 100");
}

#[test]
fn lingers_where_the_body_was_not_read() {
    let mut connection = request("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    head(&mut connection, 413, BodyLength::None);
    connection.write_end([], &mut Vec::new()).unwrap();
    assert_eq!(connection.advance(), Next::Linger);
    let mut connection = request("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    head(&mut connection, 200, BodyLength::None);
    connection.write_end([], &mut Vec::new()).unwrap();
    connection.receive_body(b"hi").unwrap();
    assert_eq!(connection.advance(), Next::Request, "drained in time");
}

#[test]
fn tunnels_only_after_both_sides_agreed() {
    let mut plain = request("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        plain.write_head(101, BodyLength::None, |_| {}, &mut Vec::new()),
        Err(EncodeError::OutOfOrder)
    );
    let mut connection = request("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    let mut out = Vec::new();
    connection.write_head(101, BodyLength::None, |head| head.header("upgrade", "x"), &mut out).unwrap();
    assert_eq!(out, b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
    assert_eq!(connection.advance(), Next::Tunnel);
}

fn asked(method: &str) -> ClientConnection {
    let mut connection = ClientConnection::new();
    connection
        .write_head(method, b"/", BodyLength::None, false, |head| head.header("host", "a"), &mut Vec::new())
        .unwrap();
    connection
}

#[test]
fn reuses_a_connection_only_after_a_complete_response_and_nothing_behind_it() {
    for (method, bytes, reusable) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!", false),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", false),
        ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", false),
        ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi", true),
        ("GET", "HTTP/1.1 200 OK\r\n\r\nhi", false),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false),
        ("GET", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", true),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", true),
    ] {
        let mut connection = asked(method);
        let (_, _, consumed) = receive(&mut connection, bytes.as_bytes(), usize::MAX / 2).unwrap();
        assert_eq!(connection.reuse(&bytes.as_bytes()[consumed..]), reusable, "{bytes:?}");
    }
    // The server responds before it has the whole request.
    let mut connection = ClientConnection::new();
    connection.write_head("PUT", b"/", BodyLength::Known(9), false, |_| {}, &mut Vec::new()).unwrap();
    receive(&mut connection, b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", 99).unwrap();
    assert!(connection.is_response_complete() && !connection.reuse(b""));
}

#[test]
fn distinguishes_an_early_end_from_a_late_one() {
    use ParseError::{BeforeResponse, BodyTruncated, HeadTruncated};
    for (bytes, expected) in [
        ("", Err(BeforeResponse)),
        ("HTTP/1.1 200", Err(HeadTruncated)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", Err(BodyTruncated)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", Err(BodyTruncated)),
        ("HTTP/1.1 200 OK\r\n\r\nhi", Ok(())),
    ] {
        let read = receive(&mut asked("GET"), bytes.as_bytes(), 1);
        assert_eq!(read.map(drop), expected, "{bytes:?}");
    }
    let flood = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9);
    assert_eq!(receive(&mut asked("GET"), flood.as_bytes(), 9).map(drop), Err(ParseError::TooManyInterim));
    let mut idle = ClientConnection::new();
    let unasked = idle.receive_head(b"HTTP/1.1 408 Timeout\r\n\r\n", &Limits::default(), &mut Headers::new());
    assert_eq!(unasked, Err(ParseError::Excess));
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    "[a-z][a-z0-9-]{0,12}".prop_map(|name| format!("x-{name}").into_bytes())
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    "[!-~]([ -~]{0,20}[!-~])?".prop_map(String::into_bytes)
}

fn header_list() -> impl Strategy<Value = Pairs> {
    prop::collection::vec((name(), value()), 0..5)
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4)
}

fn borrowed(pairs: &Pairs) -> impl Iterator<Item = (&[u8], &[u8])> {
    pairs.iter().map(|(name, value)| (&name[..], &value[..]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Two exchanges over one connection: what one side writes the other reads, whole, however the bytes are split.
    #[test]
    fn what_one_side_writes_the_other_reads(
        headers in header_list(),
        trailers in header_list(),
        request in pieces(),
        response in pieces(),
        known_length in any::<bool>(),
        piece in 1usize..60,
    ) {
        let length = |pieces: &[Vec<u8>]| match known_length {
            true => BodyLength::Known(pieces.concat().len() as u64),
            false => BodyLength::Unknown,
        };
        let trailers = if known_length { Pairs::new() } else { trailers };
        let (mut client, mut server) = (ClientConnection::new(), ServerConnection::new());
        for _ in 0..2 {
            let mut out = Vec::new();
            client.write_head("POST", b"/a", length(&request), false, |head| {
                head.header("host", "a.example");
                borrowed(&headers).for_each(|(name, value)| head.header(name, value));
                head.header("te", "trailers");
            }, &mut out).unwrap();
            for data in &request {
                client.write_data(data, &mut out).unwrap();
            }
            client.write_end(borrowed(&trailers), &mut out).unwrap();

            let (read, consumed) = serve(&mut server, &out, piece).unwrap();
            prop_assert_eq!(consumed, out.len());
            prop_assert_eq!(&read.start, "POST /a");
            prop_assert_eq!(&read.headers[1..=headers.len()], &headers[..]);
            prop_assert_eq!(&read.body, &request.concat());
            prop_assert_eq!(&read.trailers, &trailers);

            let mut out = Vec::new();
            let is_sent = server.write_interim(103, &Limits::default(), |_| {}, &mut out);
            prop_assert!(is_sent);
            server.write_head(201, length(&response), |head| {
                borrowed(&headers).for_each(|(name, value)| head.header(name, value));
            }, &mut out).unwrap();
            for data in &response {
                server.write_data(data, &mut out).unwrap();
            }
            server.write_end(borrowed(&trailers), &mut out).unwrap();
            prop_assert_eq!(server.advance(), Next::Request);

            let (interim, read, consumed) = receive(&mut client, &out, piece).unwrap();
            prop_assert_eq!(consumed, out.len());
            prop_assert_eq!(interim, [103]);
            prop_assert_eq!(&read.start, "201");
            prop_assert_eq!(&read.headers[..headers.len()], &headers[..]);
            prop_assert_eq!(&read.body, &response.concat());
            prop_assert_eq!(&read.trailers, &trailers);
            prop_assert!(client.reuse(b""));
        }
    }

    /// Whatever arrives: nothing panics, and nothing is consumed beyond what is there.
    #[test]
    fn survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
        let mut server = ServerConnection::new();
        let _ = server.receive_head(&bytes, &Limits::default(), &mut Headers::new());
        for part in bytes.chunks(piece) {
            if let Ok((consumed, _)) = server.receive_body(part) {
                prop_assert!(consumed <= part.len());
            }
        }
        let mut client = asked("GET");
        for part in bytes.chunks(piece) {
            let _ = client.receive_head(part, &Limits::default(), &mut Headers::new());
            let _ = client.receive_body(part);
        }
        let _ = client.end_of_input();
    }
}
