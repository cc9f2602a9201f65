//! What is true of any bytes, held against readers that were written apart from the guard's: plain ones, which look
//! twice and allocate. The fuzzers (`fuzz/fuzz_targets/`) and the replay of their corpus share these.

mod drive;

use demur_guard::{BodyProgress, Chunks, Framing, HeadLimits, HeadVerdict, check};
use drive::{End, drive};

/// A head that is taken is one for hyper's parser too, and there is one way to tell where its content ends; and how
/// much of it there already is does not change what is said of it.
pub(crate) fn head(bytes: &[u8]) {
    let bounds = HeadLimits::default();
    let verdict = check(bytes, &bounds);
    if let HeadVerdict::Good(good) = &verdict {
        let taken = &bytes[good.skipped..good.skipped + good.len];
        assert!(bytes[..good.skipped].iter().all(|byte| matches!(byte, b'\r' | b'\n')));
        let mut fields = [httparse::EMPTY_HEADER; 101];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = request.parse(taken);
        assert_eq!(parsed, Ok(httparse::Status::Complete(taken.len())), "{}", taken.escape_ascii());
        assert_eq!(good.framing, framing(&request), "{}", taken.escape_ascii());
    }
    // What was said of a part stands, but for a head that was cut short by a bound: then the bound's place matters.
    let cut = bytes.first().map_or(0, |first| usize::from(*first) % (bytes.len() + 1));
    match check(&bytes[..cut], &bounds) {
        HeadVerdict::Incomplete => {}
        other => assert_eq!(other, verdict, "{} cut at {cut}", bytes.escape_ascii()),
    }
}

/// Where a head's content ends, read as RFC 9112, section 6.3 has it. Panics where there is more than one way.
fn framing(request: &httparse::Request<'_, '_>) -> Framing {
    let values = |wanted: &str| -> Vec<&[u8]> {
        let named = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(wanted));
        named.map(|field| field.value).collect()
    };
    let (lengths, codings, hosts) = (values("content-length"), values("transfer-encoding"), values("host"));
    let is_new = request.version == Some(1);
    assert!(hosts.len() == 1 || hosts.is_empty() && !is_new, "{} hosts", hosts.len());
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Framing::None,
        ([length], []) => match std::str::from_utf8(length).ok().and_then(|text| text.trim().parse().ok()) {
            Some(0) => Framing::None,
            Some(length) => Framing::Length(length),
            None => panic!("no length: {}", length.escape_ascii()),
        },
        ([], [coding]) if coding.trim_ascii().eq_ignore_ascii_case(b"chunked") && is_new => Framing::Chunked,
        other => panic!("framing that can be read in two ways: {other:?}"),
    }
}

/// Content in chunks ends where a plain reader says that it ends, however it is cut.
pub(crate) fn chunks(bytes: &[u8]) {
    let whole = Chunks::default().feed(bytes);
    if whole.progress == BodyProgress::Done {
        assert_eq!(plain_end(bytes), Some(whole.consumed), "{}", bytes.escape_ascii());
    }
    let mut cut = Chunks::default();
    let size = bytes.first().map_or(1, |first| usize::from(*first) % 7 + 1);
    let (mut consumed, mut progress) = (0, BodyProgress::More);
    for piece in bytes.chunks(size) {
        let fed = cut.feed(piece);
        consumed += fed.consumed;
        progress = fed.progress;
        if progress != BodyProgress::More {
            break;
        }
    }
    assert_eq!((consumed, progress), (whole.consumed, whole.progress), "{}", bytes.escape_ascii());
}

/// The end of content in chunks (RFC 9112, section 7.1.3), as simply as it can be found; `None` where there is none.
fn plain_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = line(bytes, &mut at)?;
        let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
        let size = usize::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        if size == 0 {
            while !self::line(bytes, &mut at)?.is_empty() {}
            return Some(at);
        }
        at = at.checked_add(size)?;
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

/// Whatever a connection lets through is whole messages, one after the other, and at its end a part of one; however the
/// bytes come, it is the same.
pub(crate) fn connection(bytes: &[u8]) {
    let size = bytes.first().map_or(1, |first| usize::from(*first) % 31 + 1);
    let (passed, end) = drive([bytes], usize::MAX);
    let (cut, cut_end) = drive(bytes.chunks(size), size);
    // A rejection keeps what there was of the head, which is more where more had come.
    let kind = |end: &End| match end {
        End::Open => None,
        End::Rejected(rejection) => Some((true, rejection.kind())),
        End::Broken(fault) => Some((false, fault.kind())),
    };
    assert_eq!(kind(&end), kind(&cut_end), "{} in pieces of {size}", bytes.escape_ascii());
    if end == End::Open || matches!(end, End::Rejected(_)) {
        assert_eq!(passed, cut, "{} in pieces of {size}", bytes.escape_ascii());
    }
    let left = after_messages(&passed);
    if matches!(end, End::Rejected(_)) {
        assert_eq!(left, Some(0), "half a message before a bad head: {}", passed.escape_ascii());
    }
}

/// How many bytes are left after the last whole message; `None` where what is left is the beginning of one.
fn after_messages(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let HeadVerdict::Good(good) = check(rest, &HeadLimits::default()) else { return None };
        rest = &rest[good.skipped + good.len..];
        let content = match good.framing {
            Framing::None => 0,
            Framing::Length(length) => usize::try_from(length).ok()?,
            Framing::Chunked => plain_end(rest)?,
        };
        rest = rest.get(content..)?;
    }
    Some(0)
}
