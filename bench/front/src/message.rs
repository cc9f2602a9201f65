//! Just enough of HTTP/1.1 to find where a message ends. Both ends are ours or well known: nothing hostile comes here.

/// A whole message at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Its bytes.
    pub len: usize,
    /// An answer's status; 0 for a request.
    pub status: u16,
    /// Whether the other side will close.
    pub closes: bool,
}

/// The answer at the start of `bytes`, once it is there in full.
pub fn answer(bytes: &[u8]) -> Option<Message> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(bytes).expect("an answer") else { return None };
    let status = head.code.unwrap_or_default();
    whole(bytes, length, status, head.headers)
}

/// The request at the start of `bytes`, once it is there in full.
pub fn request(bytes: &[u8]) -> Option<Message> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(bytes).expect("a request") else { return None };
    whole(bytes, length, 0, head.headers)
}

fn whole(bytes: &[u8], head: usize, status: u16, fields: &[httparse::Header<'_>]) -> Option<Message> {
    let (mut content, mut closes, mut chunked) = (0, false, false);
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            content =
                std::str::from_utf8(field.value).ok().and_then(|text| text.parse().ok()).expect("a length");
        } else if field.name.eq_ignore_ascii_case("connection") {
            closes = field.value.eq_ignore_ascii_case(b"close");
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = true;
        }
    }
    let len = if chunked {
        // The content of both sides has no such bytes but at its end.
        head + memchr::memmem::find(&bytes[head..], b"0\r\n\r\n")? + 5
    } else {
        head + content
    };
    (bytes.len() >= len).then_some(Message { len, status, closes })
}
