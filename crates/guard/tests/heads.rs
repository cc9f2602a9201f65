//! Every row of the table: in one piece, byte by byte, and held against hyper's own parser.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its rule does not hold")]

#[path = "../../http1/tests/cases/mod.rs"]
mod cases;

use cases::Expected;
use demur_guard::{
    ErrorKind, Framing, HeadLimits, HeadVerdict, Machine, ParseError, RejectedRequest, Step, check,
};

fn outcome(verdict: &HeadVerdict) -> Expected {
    match verdict {
        HeadVerdict::Incomplete => Expected::Incomplete,
        HeadVerdict::Good(head) => Expected::Good(head.framing),
        HeadVerdict::Bad(rejection) => Expected::Bad(rejection.fault),
    }
}

#[test]
fn every_head_is_what_its_row_says() {
    let bounds = HeadLimits::default();
    let cases = cases::all();
    assert!(cases.len() >= 150, "{}", cases.len());
    for (name, bytes, expected) in &cases {
        assert_eq!(outcome(&check(bytes, &bounds)), *expected, "{name}");
    }
}

#[test]
fn dripping_in_changes_nothing() {
    for (name, bytes, _) in cases::all() {
        let whole = check(&bytes, &HeadLimits::default());
        let mut machine = Machine::new(HeadLimits::default());
        let dripped = (1..=bytes.len())
            .map(|end| machine.step(&bytes[..end], usize::MAX))
            .find(|step| *step != Step::More)
            .unwrap_or(Step::More);
        match (whole, dripped) {
            (HeadVerdict::Incomplete, Step::More) => {}
            (HeadVerdict::Good(head), Step::Skip(skipped)) => assert_eq!(head.skipped, skipped, "{name}"),
            (HeadVerdict::Bad(whole), Step::Reject(dripped)) => assert_eq!(whole, dripped, "{name}"),
            (whole, dripped) => panic!("{name}: {whole:?} whole, {dripped:?} dripped"),
        }
    }
}

#[test]
fn what_follows_a_head_does_not_change_it() {
    for (name, bytes, expected) in cases::all() {
        if expected == Expected::Incomplete {
            continue;
        }
        let followed = [&bytes[..], b"Host: b.example\r\n\r\n"].concat();
        assert_eq!(check(&followed, &HeadLimits::default()), check(&bytes, &HeadLimits::default()), "{name}");
    }
}

/// Otherwise hyper would answer by itself, in no one's contract.
#[test]
fn what_is_good_here_is_good_for_hyper() {
    for (name, bytes, expected) in cases::all() {
        let Expected::Good(_) = expected else { continue };
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = request.parse(&bytes);
        assert_eq!(parsed, Ok(httparse::Status::Complete(bytes.len())), "{name}");
        let target = request.path.unwrap_or_default();
        assert!(target.parse::<hyper::Uri>().is_ok(), "{name}: {target}");
    }
}

#[test]
fn every_fault_but_these_is_malformed() {
    use ErrorKind::*;
    let others = [
        (ParseError::MethodTooLong, NotImplemented),
        (ParseError::Connect, NotImplemented),
        (ParseError::VersionUnsupported, VersionNotSupported),
        (ParseError::TargetTooLong, UriTooLong),
        (ParseError::TargetScheme, Misdirected),
        (ParseError::HeadTooLarge, HeadTooLarge),
        (ParseError::TooManyHeaders, HeadTooLarge),
        (ParseError::EncodingUnknown, NotImplemented),
        (ParseError::Expectation, ExpectationFailed),
        (ParseError::HeadSlow, Timeout),
        (ParseError::TrailersTooLarge, HeadTooLarge),
    ];
    for fault in ParseError::ALL {
        let expected = others.iter().find(|(other, _)| other == fault).map_or(Malformed, |row| row.1);
        assert_eq!(fault.kind(), expected, "{fault:?}");
    }
}

#[test]
fn every_fault_of_a_head_has_a_row() {
    let cases = cases::all();
    // Those of content and of time are provoked elsewhere.
    let elsewhere = [
        ParseError::HeadTruncated,
        ParseError::HeadSlow,
        ParseError::ChunkSize,
        ParseError::ChunkExtension,
        ParseError::ChunkExtensionTooLong,
        ParseError::ChunkLineEnd,
        ParseError::ChunkEnd,
        ParseError::Trailer,
        ParseError::TrailerForbidden,
        ParseError::TrailersTooLarge,
        ParseError::BodyTruncated,
    ];
    for fault in ParseError::ALL.iter().filter(|fault| !elsewhere.contains(fault)) {
        assert!(cases.iter().any(|case| case.2 == Expected::Bad(*fault)), "{fault:?}");
    }
}

fn rejection(bytes: &[u8]) -> RejectedRequest {
    match check(bytes, &HeadLimits::default()) {
        HeadVerdict::Bad(rejection) => rejection,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rejection_tells_what_could_be_read() {
    type Row = (&'static [u8], Option<&'static str>, Option<&'static str>, Option<&'static str>);
    let rows: &[Row] = &[
        (b"G(T /a?k=1 HTTP/1.1\r\nHost: b\r\n\r\n", None, Some("/a"), Some("b")),
        (b"GET /a HTTP/9.9\r\nHost: b:1\r\n\r\n", Some("GET"), Some("/a"), Some("b:1")),
        (b"GET http://c/a?x HTTP/1.1\r\nHost: b\r\n\r\n", Some("GET"), Some("/a"), Some("c")),
        (b"GET http://c HTTP/1.1\r\nHost: b\r\n\r\n", Some("GET"), Some("/"), Some("c")),
        (b"CONNECT c:1 HTTP/1.1\r\nHost: b\r\n\r\n", Some("CONNECT"), None, Some("b")),
        (b"GET /a#f HTTP/1.1\nHost: b\n\n", Some("GET"), Some("/a"), Some("b")),
        (b"GET /a HTTP/1.1\r\nHost: b c\r\nHost: d\r\n\r\n", Some("GET"), Some("/a"), Some("d")),
        (b"GET /a b HTTP/1.1\r\nX : y\r\nHost: b\r\n\r\n", Some("GET"), Some("/a"), Some("b")),
        (b"GET /a\r\n", Some("GET"), Some("/a"), None),
        (b"\x16\x03\x01", None, None, None),
        (b"HEAD /\xff HTTP/1.1\r\n\r\n", Some("HEAD"), None, None),
    ];
    for (bytes, method, target, host) in rows {
        let rejection = rejection(bytes);
        let read = (rejection.method.as_deref(), rejection.target.as_deref(), rejection.host.as_deref());
        assert_eq!(read, (*method, *target, *host), "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_long_path_is_cut_and_tells_its_beginning() {
    let rejection = rejection(format!("GET /catalogue/{}", "a".repeat(17_000)).as_bytes());
    assert!(
        rejection.target.is_some_and(|target| target.starts_with("/catalogue/a") && target.len() == 1024)
    );
}

#[test]
fn an_end_in_the_middle_is_named_after_the_request_line_if_that_was_bad() {
    let rows: &[(&[u8], Option<ParseError>)] = &[
        (b"", None),
        (b"\r\n\r\n", None),
        (b"\r", None),
        (b"G", Some(ParseError::HeadTruncated)),
        (b"GET /a HTTP/1.1\r\nHo", Some(ParseError::HeadTruncated)),
        (b"GET /a HTTP/3.0\r\nHo", Some(ParseError::VersionUnsupported)),
    ];
    for (bytes, fault) in rows {
        let mut machine = Machine::new(HeadLimits::default());
        assert_eq!(machine.step(bytes, usize::MAX), Step::More);
        let rejection = machine.interrupt(bytes, ParseError::HeadTruncated);
        assert_eq!(
            rejection.map(|rejection| rejection.fault),
            *fault,
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}
