//! The table of raw heads, and what each is, for every parser of them: the root of a test imports its types. One row per rule;
//! the name states the rule.

#![allow(dead_code, reason = "each test binary uses its own part")]

use super::{Framing, ParseError};

/// What a row's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Good(Framing),
    Bad(ParseError),
    Incomplete,
}

/// A name, the bytes, and what they are.
pub(crate) type Case = (&'static str, Vec<u8>, Expected);

fn row(name: &'static str, bytes: impl AsRef<[u8]>, expected: Expected) -> Case {
    (name, bytes.as_ref().to_vec(), expected)
}

fn good(name: &'static str, bytes: impl AsRef<[u8]>, framing: Framing) -> Case {
    row(name, bytes, Expected::Good(framing))
}

fn bad(name: &'static str, bytes: impl AsRef<[u8]>, fault: ParseError) -> Case {
    row(name, bytes, Expected::Bad(fault))
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n")
}

fn with(fields: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n\r\n")
}

fn host(value: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost:{value}\r\n\r\n")
}

/// Every row.
pub(crate) fn all() -> Vec<Case> {
    [line_ends(), request_lines(), targets(), hosts(), fields(), framing(), sizes()].concat()
}

fn line_ends() -> Vec<Case> {
    use ParseError::*;
    vec![
        row("nothing", "", Expected::Incomplete),
        row("an empty line alone", "\r\n", Expected::Incomplete),
        row("a head without its end", "GET / HTTP/1.1\r\nHost: a\r\n", Expected::Incomplete),
        good("an empty line before", format!("\r\n{}", get("/")), Framing::None),
        good("two empty lines before", format!("\r\n\r\n{}", get("/")), Framing::None),
        bad("three empty lines before", format!("\r\n\r\n\r\n{}", get("/")), LeadingEmptyLines),
        bad("a bare LF before", format!("\n{}", get("/")), BareLineFeed),
        bad("a bare CR before", format!("\r{}", get("/")), BareCarriageReturn),
        bad("space before", format!(" {}", get("/")), NotHttp),
        bad("bare LF everywhere", "GET / HTTP/1.1\nHost: a\n\n", BareLineFeed),
        bad("bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", BareLineFeed),
        bad("bare LF after a field", "GET / HTTP/1.1\r\nA: b\nHost: a\r\n\r\n", BareLineFeed),
        bad("bare LF as the last line", "GET / HTTP/1.1\r\nHost: a\r\n\n", BareLineFeed),
        bad("CR within the request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", BareCarriageReturn),
        bad("CR within a value", with("X: a\rb"), BareCarriageReturn),
        bad("CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", BareCarriageReturn),
        bad("CR within a name", with("Content-\rLength: 5"), BareCarriageReturn),
    ]
}

fn request_lines() -> Vec<Case> {
    use ParseError::*;
    vec![
        good("GET", get("/"), Framing::None),
        good("an unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::None),
        good("a lower-case method is another one", "get / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::None),
        good(
            "a method of odd token characters",
            "M-!#$%&'*+.^_`|~ / HTTP/1.1\r\nHost: a\r\n\r\n",
            Framing::None,
        ),
        bad("a method that is no token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Method),
        bad("a method with a control character", "GE\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", Method),
        bad("a method with a byte above ASCII", b"G\xc3T / HTTP/1.1\r\nHost: a\r\n\r\n", Method),
        bad("a tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", Method),
        bad(
            "a method of 65 letters",
            format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(65)),
            MethodTooLong,
        ),
        bad("CONNECT", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", Connect),
        bad("two spaces after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine),
        bad("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine),
        bad("no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine),
        bad("an empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine),
        bad("a space within the target", get("/a b"), RequestLine),
        bad("HTTP/0.9", "GET /\r\n\r\n", NotHttp),
        bad("HTTP/0.9 without waiting for more", "GET /\r\n", NotHttp),
        bad("space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", NotHttp),
        bad("a lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", NotHttp),
        bad("a word for a version", "GET / FTP/1.1\r\nHost: a\r\n\r\n", NotHttp),
        bad("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VersionUnsupported),
        bad("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", VersionUnsupported),
        bad("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", VersionUnsupported),
        bad("HTTP/0.9 as a version", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", VersionUnsupported),
        bad("HTTP/11", "GET / HTTP/11\r\nHost: a\r\n\r\n", Version),
        bad("HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", Version),
        bad("HTTP/1.x", "GET / HTTP/1.x\r\nHost: a\r\n\r\n", Version),
        bad("a comma in the version", "GET / HTTP/1,1\r\nHost: a\r\n\r\n", Version),
        bad("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Tls),
        bad("an SSH banner", "SSH-2.0-OpenSSH_9.6\r\n", NotHttp),
        bad("a PROXY line", "PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n", NotHttp),
        bad("a PROXY v2 signature", b"\r\n\r\n\0\r\nQUIT\n", NotHttp),
        bad("zeros", [0; 16], NotHttp),
    ]
}

fn targets() -> Vec<Case> {
    use ParseError::*;
    vec![
        good("a query", get("/a?b=c&d"), Framing::None),
        good("all path characters", get("/a-._~!$&'()*+,;=:@%2F/b//c"), Framing::None),
        good("two slashes at the start", get("//b.example/c"), Framing::None),
        good("brackets in the query", get("/a?filter[b]=c|d"), Framing::None),
        good("a question mark in the query", get("/a?b?c/d"), Framing::None),
        good("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Framing::None),
        bad("GET *", get("*"), TargetAsterisk),
        bad("* with something behind", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
        bad("authority form with GET", get("a.example:80"), TargetForm),
        bad("a relative path", get("a/b"), TargetForm),
        bad("a query alone", get("?a"), TargetForm),
        bad("a scheme without slashes", get("http:/a.example/"), TargetForm),
        bad("a fragment", get("/a#b"), TargetFragment),
        bad("a fragment after the query", get("/a?b#c"), TargetFragment),
        bad("a quotation mark", get("/a?b=\"c\""), TargetCharacter),
        bad("a backslash", get("/a\\b"), TargetCharacter),
        bad("angle brackets", get("/<a>"), TargetCharacter),
        good("brackets in the path", get("/a[b]|c"), Framing::None),
        bad("braces in the path", get("/a{b}"), TargetCharacter),
        bad("braces in the path", get("/{a}"), TargetCharacter),
        bad("a byte above ASCII", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", TargetCharacter),
        bad("a control character", get("/a\x07"), TargetCharacter),
        bad("NUL", get("/a\0"), TargetCharacter),
        bad("DEL", get("/a\x7f"), TargetCharacter),
        bad("a tab", get("/a\tb"), TargetCharacter),
        bad("% at the end", get("/a%"), TargetPercent),
        bad("% with one digit", get("/a%2"), TargetPercent),
        bad("% without digits", get("/a%zz"), TargetPercent),
        bad("% in the query without digits", get("/a?b=%u00e9"), TargetPercent),
        good("absolute form", get("http://a.example/b?c"), Framing::None),
        good("absolute form without a path", get("http://a.example"), Framing::None),
        good("absolute form with a query alone", get("http://a.example?b"), Framing::None),
        good("absolute form, the scheme in capitals", get("HTTP://A.EXAMPLE/"), Framing::None),
        good("absolute form with the usual port", get("http://a.example:80/"), Framing::None),
        good(
            "absolute form with all characters of a name",
            "GET http://a-._~!$&'()*+,;=b:/ HTTP/1.1\r\nHost: A-._~!$&'()*+,;=B\r\n\r\n",
            Framing::None,
        ),
        good(
            "absolute form with IPv6",
            "GET http://[2001:DB8::1]:8080/ HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
            Framing::None,
        ),
        good("absolute form, https", get("https://a.example:443/"), Framing::None),
        bad("absolute form and another host", get("http://b.example/"), HostDisagrees),
        bad("absolute form and another port", get("http://a.example:81/"), HostDisagrees),
        bad("absolute form with https and port 80", get("https://a.example:80/"), HostDisagrees),
        bad("absolute form with user information", get("http://me:pass@a.example/"), TargetAuthority),
        bad("absolute form without a host", get("http:///b"), TargetAuthority),
        bad("absolute form with a port out of range", get("http://a.example:65536/"), TargetAuthority),
        bad("absolute form with an encoded host", get("http://a%2eexample/"), TargetAuthority),
        bad("absolute form with a fragment", get("http://a.example/#b"), TargetFragment),
        bad("absolute form with a fragment and no path", get("http://a.example#b"), TargetFragment),
        bad("another scheme", get("ftp://a.example/"), TargetScheme),
        bad("a scheme that starts with a digit", get("1http://a.example/"), TargetForm),
    ]
}

fn hosts() -> Vec<Case> {
    use ParseError::*;
    vec![
        good("a port", host(" a.example:8080"), Framing::None),
        good("no space before the value", host("a.example"), Framing::None),
        good("whitespace around the value", host(" \t a.example \t"), Framing::None),
        good("an empty port", host(" a.example:"), Framing::None),
        good("IPv4", host(" 192.0.2.1:80"), Framing::None),
        good("IPv6", host(" [2001:db8::1]:80"), Framing::None),
        good("an underscore", host(" my_service"), Framing::None),
        good("none in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", Framing::None),
        good(
            "absolute form without Host in HTTP/1.0",
            "GET http://a.example/ HTTP/1.0\r\n\r\n",
            Framing::None,
        ),
        bad("none", "GET / HTTP/1.1\r\n\r\n", HostMissing),
        bad("none with absolute form", "GET http://a.example/ HTTP/1.1\r\n\r\n", HostMissing),
        bad("none with OPTIONS *", "OPTIONS * HTTP/1.1\r\n\r\n", HostMissing),
        bad("twice", with("Host: b.example"), HostRepeated),
        bad("twice the same", with("host: a.example"), HostRepeated),
        bad("twice in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", HostRepeated),
        bad("empty", host(""), HostInvalid),
        bad("blank", host("  "), HostInvalid),
        bad("a port alone", host(" :80"), HostInvalid),
        bad("a port that is no number", host(" a:http"), HostInvalid),
        bad("a port out of range", host(" a:65536"), HostInvalid),
        bad("a signed port", host(" a:+80"), HostInvalid),
        bad("two ports", host(" a:80:80"), HostInvalid),
        bad("user information in Host", host(" me@a.example"), HostInvalid),
        bad("a path in Host", host(" a.example/b"), HostInvalid),
        bad("a scheme in Host", host(" http://a.example"), HostInvalid),
        bad("a space in Host", host(" a b"), HostInvalid),
        bad("a list in Host", host(" a, b"), HostInvalid),
        bad("a backslash in Host", host(" a\\b"), HostInvalid),
        bad("a question mark in Host", host(" a?b"), HostInvalid),
        bad("percent-encoding in Host", host(" a%00b"), HostInvalid),
        bad("bytes above ASCII in Host", b"GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", HostInvalid),
        bad("IPv6 without brackets", host(" 2001:db8::1"), HostInvalid),
        bad("IPv6 that is none", host(" [2001:db8]"), HostInvalid),
        bad("IPv6 with a zone", host(" [fe80::1%eth0]"), HostInvalid),
        bad("IPv6 that is not closed", host(" [::1"), HostInvalid),
        bad("something behind IPv6", host(" [::1]a"), HostInvalid),
    ]
}

fn fields() -> Vec<Case> {
    use ParseError::*;
    vec![
        good("an empty value", with("X:"), Framing::None),
        good(
            "a tab and bytes above ASCII in a value",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\tb\r\n\r\n",
            Framing::None,
        ),
        good("colons in a value", with("X: a:b::c"), Framing::None),
        good("a name of odd token characters", with("!#$%&'*+-.^_`|~: x"), Framing::None),
        bad("a space before the colon", with("X : a"), SpaceBeforeColon),
        bad("a tab before the colon", with("X\t: a"), SpaceBeforeColon),
        bad("a space before the colon of Content-Length", with("Content-Length : 5"), SpaceBeforeColon),
        bad("a folded line", with("X: a\r\n b"), Folded),
        bad("a folded line with a tab", with("X: a\r\n\tb"), Folded),
        bad("whitespace before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Folded),
        bad("a line of whitespace", with("X: a\r\n "), Folded),
        bad("no name", with(": a"), HeaderName),
        bad("no colon", with("X"), HeaderLine),
        bad("a space within a name", with("X Y: a"), HeaderName),
        bad("a parenthesis in a name", with("X(Y): a"), HeaderName),
        bad("a control character in a name", with("X\x01: a"), HeaderName),
        bad("NUL in a name", with("Content\0Length: 5"), HeaderName),
        bad("a byte above ASCII in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\xff: a\r\n\r\n", HeaderName),
        bad("NUL in a value", with("X: a\0b"), HeaderValue),
        bad("a control character in a value", with("X: a\x1bb"), HeaderValue),
        bad("a vertical tab before a coding", with("Transfer-Encoding: \x0bchunked"), HeaderValue),
        bad("DEL in a value", with("X: a\x7f"), HeaderValue),
        good("Expect: 100-continue", with("Expect: 100-Continue\r\nContent-Length: 5"), Framing::Length(5)),
        bad("another expectation", with("Expect: 200-ok"), Expectation),
        bad("an empty expectation", with("Expect:"), Expectation),
        bad("two expectations", with("Expect: 100-continue, x"), Expectation),
    ]
}

fn framing() -> Vec<Case> {
    use ParseError::*;
    let old = |fields: &str| format!("POST / HTTP/1.0\r\n{fields}\r\n\r\n");
    vec![
        good("a length", with("Content-Length: 5"), Framing::Length(5)),
        good("a length of nothing", with("Content-Length: 0"), Framing::None),
        good("a length with leading zeros", with("Content-Length: 0005"), Framing::Length(5)),
        good(
            "the greatest length",
            with("content-length: 9223372036854775807"),
            Framing::Length(i64::MAX as u64),
        ),
        good(
            "a length with GET",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
            Framing::Length(2),
        ),
        good("a length in HTTP/1.0", old("Content-Length: 5"), Framing::Length(5)),
        good("chunked", with("Transfer-Encoding: chunked"), Framing::Chunked),
        good("chunked in capitals", with("TRANSFER-ENCODING:\tCHUNKED "), Framing::Chunked),
        bad("both", with("Content-Length: 5\r\nTransfer-Encoding: chunked"), LengthAndEncoding),
        bad(
            "both, the other way round",
            with("Transfer-Encoding: chunked\r\nContent-Length: 0"),
            LengthAndEncoding,
        ),
        bad(
            "both with an unknown coding",
            with("Transfer-Encoding: x\r\nContent-Length: 5"),
            LengthAndEncoding,
        ),
        bad("two lengths", with("Content-Length: 5\r\nContent-Length: 6"), LengthRepeated),
        bad("two equal lengths", with("Content-Length: 5\r\nContent-Length: 5"), LengthRepeated),
        bad("a list of equal lengths", with("Content-Length: 5, 5"), LengthInvalid),
        bad("a list that ends empty", with("Content-Length: 5,"), LengthInvalid),
        bad("an empty length", with("Content-Length:"), LengthInvalid),
        bad("a positive sign", with("Content-Length: +5"), LengthInvalid),
        bad("a negative sign", with("Content-Length: -5"), LengthInvalid),
        bad("a hexadecimal length", with("Content-Length: 0x5"), LengthInvalid),
        bad("a decimal point", with("Content-Length: 5.0"), LengthInvalid),
        bad("a length with a space in it", with("Content-Length: 1 2"), LengthInvalid),
        bad("a length in quotes", with("Content-Length: \"5\""), LengthInvalid),
        bad("a length one too great", with("Content-Length: 9223372036854775808"), LengthInvalid),
        bad("a length of 2^64", with("Content-Length: 18446744073709551616"), LengthInvalid),
        bad("a length of many zeros", with(&format!("Content-Length: {}", "0".repeat(20))), LengthInvalid),
        bad("chunked twice", with("Transfer-Encoding: chunked, chunked"), EncodingRepeated),
        bad(
            "chunked in two fields",
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
            EncodingRepeated,
        ),
        bad("chunked not last", with("Transfer-Encoding: chunked, gzip"), EncodingNotLast),
        bad(
            "identity after chunked in two fields",
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
            EncodingNotLast,
        ),
        bad("no chunked at all", with("Transfer-Encoding: identity"), EncodingNotLast),
        bad("nearly chunked", with("Transfer-Encoding: xchunked"), EncodingNotLast),
        bad("chunked in quotes", with("Transfer-Encoding: \"chunked\""), EncodingNotLast),
        bad("chunked with a parameter", with("Transfer-Encoding: chunked;q=1"), EncodingNotLast),
        bad("an unknown coding before chunked", with("Transfer-Encoding: gzip, chunked"), EncodingUnknown),
        bad(
            "identity before chunked in two fields",
            with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
            EncodingUnknown,
        ),
        bad("an empty coding", with("Transfer-Encoding:"), EncodingInvalid),
        bad("an empty coding in a list", with("Transfer-Encoding: ,chunked"), EncodingInvalid),
        bad("chunked in HTTP/1.0", old("Transfer-Encoding: chunked"), EncodingInOldVersion),
    ]
}

fn sizes() -> Vec<Case> {
    use ParseError::*;
    let fields = |count: usize| (0..count).map(|n| format!("x{n}: y\r\n")).collect::<String>();
    // What is not the value of X is 32 bytes.
    let sized =
        |length: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(length - 32));
    vec![
        good("a target of 8 KiB", get(&format!("/{}", "a".repeat(8191))), Framing::None),
        bad("a target over 8 KiB", get(&format!("/{}", "a".repeat(8192))), TargetTooLong),
        bad("a target over the head's bound", get(&format!("/{}", "a".repeat(20_000))), TargetTooLong),
        bad("a target without end", format!("GET /{}", "a".repeat(17_000)), TargetTooLong),
        bad("a method without end", "A".repeat(17_000), RequestLine),
        bad("garbage without end", format!("A({} /", "A".repeat(17_000)), RequestLine),
        good("a head of 16 KiB", sized(16_384), Framing::None),
        bad("a head over 16 KiB", sized(16_385), HeadTooLarge),
        bad(
            "a head without end",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(20_000)),
            HeadTooLarge,
        ),
        bad(
            "a head without end and with a bad version",
            format!("GET / HTTP/3.0\r\nX: {}", "y".repeat(20_000)),
            VersionUnsupported,
        ),
        good("100 fields", format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(99)), Framing::None),
        bad("101 fields", format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(100)), TooManyHeaders),
        bad(
            "101 fields without end",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}", fields(100)),
            TooManyHeaders,
        ),
        bad("101 fields and no Host so far", format!("GET / HTTP/1.1\r\n{}", fields(101)), TooManyHeaders),
    ]
}
