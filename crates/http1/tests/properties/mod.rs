//! What is true of any bytes, compared with readers that were written apart from the engine: plain ones, which look twice
//! and allocate, and httparse. The fuzzers (`fuzz/fuzz_targets/`) and the replay of their corpus share these.

use demur_http1::{
    ChunkDecoder, Decoded, Framing, Headers, Limits, ParseError, RequestFacts, RequestParser, ResponseParser,
    ServerConnection,
};

/// A head that is accepted is accepted by httparse too, and its body has one end; and how much of it
/// is there already does not change the result.
pub(crate) fn head(bytes: &[u8]) {
    let limits = Limits::default();
    let parsed = RequestParser::new().parse(bytes, &limits, &mut Headers::new());
    if let Ok(Some(head)) = &parsed {
        let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let taken = &bytes[skipped..head.len];
        let mut fields = [httparse::EMPTY_HEADER; 101];
        let mut request = httparse::Request::new(&mut fields);
        let complete = request.parse(taken);
        assert_eq!(complete, Ok(httparse::Status::Complete(taken.len())), "{}", taken.escape_ascii());
        assert_eq!(request.method.unwrap().as_bytes(), head.method.in_bytes(bytes));
        assert_eq!(request.path.unwrap().as_bytes(), head.target.in_bytes(bytes));
        let is_current = request.version == Some(1);
        let hosts = values(request.headers, "host").len();
        assert!(hosts == 1 || hosts == 0 && !is_current, "{hosts} hosts");
        let plain = framing(request.headers, is_current);
        assert_eq!(head.framing, plain, "{}", taken.escape_ascii());
    }
    // The result of a part stands, unless a limit cut the head: then the place of the limit matters.
    let cut = bytes.first().map_or(0, |first| usize::from(*first) % (bytes.len() + 1));
    match RequestParser::new().parse(&bytes[..cut], &limits, &mut Headers::new()) {
        Ok(None) => {}
        other => assert_eq!(other, parsed, "{} cut at {cut}", bytes.escape_ascii()),
    }
}

/// The same for the head of a response.
pub(crate) fn response(bytes: &[u8]) {
    let limits = Limits::default();
    let facts = RequestFacts { is_head: false, wants_upgrade: false };
    let Ok(Some(head)) = ResponseParser::default().parse(bytes, facts, &limits, &mut Headers::new()) else {
        return;
    };
    let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let taken = &bytes[skipped..head.len];
    let mut fields = [httparse::EMPTY_HEADER; 101];
    let mut response = httparse::Response::new(&mut fields);
    let complete = response.parse(taken);
    assert_eq!(complete, Ok(httparse::Status::Complete(taken.len())), "{}", taken.escape_ascii());
    assert_eq!(response.code, Some(head.status));
    if head.status >= 200 && !matches!(head.status, 204 | 304) {
        let mut lengths: Vec<&[u8]> = values(response.headers, "content-length");
        lengths = lengths.iter().flat_map(|line| line.split(|byte| *byte == b',')).collect();
        let codings = values(response.headers, "transfer-encoding");
        match (lengths.first(), codings.as_slice()) {
            (None, []) => assert_eq!(head.framing, Framing::UntilClose),
            (None, [_, ..]) => assert_eq!(head.framing, Framing::Chunked),
            (Some(first), []) => {
                let number =
                    |text: &[u8]| -> u64 { std::str::from_utf8(text).unwrap().trim().parse().unwrap() };
                assert!(lengths.iter().all(|length| number(length) == number(first)));
                let is_empty = number(first) == 0;
                let expected = if is_empty { Framing::None } else { Framing::Length(number(first)) };
                let is_expected = head.framing == expected || head.framing == Framing::Length(number(first));
                assert!(is_expected, "{:?}: {}", head.framing, taken.escape_ascii());
            }
            other => panic!("framing that can be read in two ways: {other:?}"),
        }
    }
}

fn values<'h>(headers: &'h [httparse::Header<'h>], wanted: &str) -> Vec<&'h [u8]> {
    let named = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(wanted));
    named.map(|header| header.value).collect()
}

/// Where the body of a request ends, by RFC 9112, section 6.3. Panics where there is more than one way.
fn framing(headers: &[httparse::Header<'_>], is_current: bool) -> Framing {
    let (lengths, codings) = (values(headers, "content-length"), values(headers, "transfer-encoding"));
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Framing::None,
        ([length], []) => match std::str::from_utf8(length).ok().and_then(|text| text.trim().parse().ok()) {
            Some(0) => Framing::None,
            Some(length) => Framing::Length(length),
            None => panic!("no length: {}", length.escape_ascii()),
        },
        ([], [coding]) if coding.trim_ascii().eq_ignore_ascii_case(b"chunked") && is_current => {
            Framing::Chunked
        }
        other => panic!("framing that can be read in two ways: {other:?}"),
    }
}

/// A chunked body ends where a plain reader says that it ends, and holds the same data, however it is cut.
pub(crate) fn chunks(bytes: &[u8]) {
    let whole = decode([bytes]);
    if let Ok((consumed, data, true)) = &whole {
        assert_eq!(plain(bytes), Some((*consumed, data.clone())), "{}", bytes.escape_ascii());
    }
    let size = bytes.first().map_or(1, |first| usize::from(*first) % 7 + 1);
    let cut = decode(bytes.chunks(size));
    assert_eq!(cut, whole, "{} in pieces of {size}", bytes.escape_ascii());
}

/// Bytes consumed, data, and whether the body has ended.
type Body = (usize, Vec<u8>, bool);

fn decode<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Result<Body, ParseError> {
    let mut decoder = ChunkDecoder::new();
    let (mut consumed, mut data) = (0, Vec::new());
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() && !decoder.is_done() {
            let (count, decoded) = decoder.decode(rest)?;
            consumed += count;
            data.extend_from_slice(decoded);
            rest = &rest[count..];
        }
    }
    Ok((consumed, data, decoder.is_done()))
}

/// The end and the data of a chunked body (RFC 9112, section 7.1.3), as simply as they can be found; `None` where there is
/// no end.
fn plain(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (mut at, mut data) = (0, Vec::new());
    loop {
        let line = line(bytes, &mut at)?;
        let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
        let size = usize::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        if size == 0 {
            while !self::line(bytes, &mut at)?.is_empty() {}
            return Some((at, data));
        }
        data.extend_from_slice(bytes.get(at..at.checked_add(size)?)?);
        at += size;
        if !self::line(bytes, &mut at)?.is_empty() {
            return None;
        }
    }
}

fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = bytes.get(*at..)?;
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    *at += end + 2;
    Some(&rest[..end])
}

/// A connection gives the same messages however its bytes are cut, and each is one that plain readers find in its place.
pub(crate) fn connection(bytes: &[u8]) {
    let size = bytes.first().map_or(1, |first| usize::from(*first) % 31 + 1);
    let (messages, end) = receive([bytes]);
    let (cut, cut_end) = receive(bytes.chunks(size));
    // Of a broken body, more may have been read before the break is seen.
    let whole = |messages: &[Message]| messages.iter().filter(|message| message.is_complete).count();
    assert_eq!(whole(&messages), whole(&cut), "{} in pieces of {size}", bytes.escape_ascii());
    assert_eq!(end, cut_end, "{} in pieces of {size}", bytes.escape_ascii());
    let mut rest = bytes;
    for message in messages.iter().filter(|message| message.is_complete) {
        let skipped = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        rest = &rest[skipped..];
        let mut fields = [httparse::EMPTY_HEADER; 101];
        let mut request = httparse::Request::new(&mut fields);
        let Ok(httparse::Status::Complete(length)) = request.parse(rest) else {
            panic!("httparse finds no request: {}", rest.escape_ascii());
        };
        assert_eq!(request.path.unwrap().as_bytes(), message.target);
        let framing = framing(request.headers, request.version == Some(1));
        rest = &rest[length..];
        let (end, body) = match framing {
            Framing::None | Framing::UntilClose => (0, Vec::new()),
            Framing::Length(length) => (length as usize, rest[..length as usize].to_vec()),
            Framing::Chunked => plain(rest).unwrap(),
        };
        assert_eq!(body, message.body, "{}", bytes.escape_ascii());
        rest = &rest[end..];
    }
}

#[derive(Debug, PartialEq)]
struct Message {
    target: Vec<u8>,
    body: Vec<u8>,
    is_complete: bool,
}

/// Feeds the pieces to a connection, which responds to each request at once.
fn receive<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> (Vec<Message>, Option<ParseError>) {
    let (mut connection, mut headers, limits) = (ServerConnection::new(), Headers::new(), Limits::default());
    let (mut messages, mut held): (Vec<Message>, Vec<u8>) = (Vec::new(), Vec::new());
    let mut in_body = false;
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            if !in_body {
                match connection.receive_head(&held, &limits, &mut headers) {
                    Ok(None) => break,
                    Err(bad) => return (messages, Some(bad.error)),
                    Ok(Some(head)) => {
                        let target = head.target.in_bytes(&held).to_vec();
                        messages.push(Message { target, body: Vec::new(), is_complete: false });
                        held.drain(..head.len);
                        in_body = true;
                    }
                }
            }
            let message = messages.last_mut().unwrap();
            let (consumed, is_end) = match connection.receive_body(&held) {
                Err(error) => return (messages, Some(error)),
                Ok((0, Decoded::More)) => break,
                Ok((consumed, Decoded::Data(data))) => {
                    message.body.extend_from_slice(data);
                    (consumed, false)
                }
                Ok((consumed, decoded)) => (consumed, decoded == Decoded::End),
            };
            held.drain(..consumed);
            if is_end {
                message.is_complete = true;
                in_body = false;
                connection.write_head(204, demur_http1::BodyLength::None, |_| {}, &mut Vec::new()).unwrap();
                connection.write_end([], &mut Vec::new()).unwrap();
                if connection.advance() != demur_http1::Next::Request {
                    return (messages, None);
                }
            }
        }
    }
    (messages, None)
}
