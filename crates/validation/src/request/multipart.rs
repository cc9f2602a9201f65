//! Reads `multipart/form-data` (RFC 7578, RFC 2046 §5.1): boundaries, and the header of each part.
//!
//! Servers read much that is not quite a multipart form, each in its own way: PHP ends lines at LF and unfolds headers,
//! Werkzeug takes extended names, busboy takes bytes without a filename for a file, Tomcat opens nested forms. Content
//! that any of them could read differently is unreadable here.

use std::borrow::Cow;

use super::header_value::{HeaderValue, is_token};
use super::query_pairs::base;
use super::style_decode::is_bracketed;
use super::text::decode;

/// What PHP, Werkzeug and Tomcat read by default; beyond it some of them drop fields without a word.
const MAX_PARTS: usize = super::MAX_FIELDS;
/// PHP breaks longer lines into two.
const MAX_HEADERS: usize = 4 * 1024;

/// One part of a form.
#[derive(Debug)]
pub(super) struct FormPart<'c> {
    pub(super) name: &'c str,
    pub(super) is_file: bool,
    pub(super) content_type: Option<&'c str>,
    pub(super) body: &'c [u8],
}

/// The boundary that a Content-Type names; `Err` says what is wrong with it.
pub(super) fn boundary<'v>(content_type: &HeaderValue<'v>) -> Result<&'v str, &'static str> {
    let parameter = content_type.parameter("boundary").ok_or("the Content-Type names no boundary")?;
    let text = parameter.text;
    // PHP searches for the word anywhere, and only then without regard to its case.
    let names_another = |other: &str| other.to_ascii_lowercase().contains("boundary");
    let others = content_type.parameters().iter().filter(|other| *other != parameter);
    let is_unclear = others.into_iter().any(|other| names_another(other.name) || names_another(other.text))
        || parameter.name != "boundary" && names_another(text);
    // A quoted boundary may hold more than a token, but nothing that some take for its end.
    let is_char = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || b"_.+-".contains(&byte)
            || parameter.is_quoted && b"'()/:=?".contains(&byte)
    };
    let is_valid = (1..=70).contains(&text.len()) && text.bytes().all(is_char);
    (is_valid && !is_unclear).then_some(text).ok_or("the boundary is malformed")
}

/// The parts; `Err` says what is wrong.
pub(super) fn read<'c>(body: &'c [u8], boundary: &str) -> Result<Vec<FormPart<'c>>, &'static str> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    // Where the part begins that the next boundary ends.
    let mut start = None;
    let mut is_closed = false;
    for at in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
        if is_closed {
            return Err("a boundary follows the last one");
        }
        // A boundary that only some take for one must not occur anywhere.
        let (before, after) = (&body[..at], &body[at + delimiter.len()..]);
        if !before.is_empty() && !before.ends_with(b"\r\n") {
            return Err("a boundary does not begin its line");
        }
        if let Some(start) = start {
            if parts.len() >= MAX_PARTS {
                return Err("there are too many parts");
            }
            let bytes = at.checked_sub(2).and_then(|end| body.get(start..end));
            parts.push(part(bytes.ok_or("a part has no end of its fields")?)?);
        }
        is_closed = after.starts_with(b"--");
        let line_end = if is_closed { &after[2..] } else { after };
        let is_end = is_closed && line_end.is_empty();
        if !is_end && !line_end.starts_with(b"\r\n") {
            return Err("a boundary is not alone on its line");
        }
        start = Some(at + delimiter.len() + 2);
    }
    match start {
        None => Err("the boundary does not occur"),
        Some(_) if !is_closed => Err("the last boundary is missing"),
        Some(_) => Ok(parts),
    }
}

fn part(bytes: &[u8]) -> Result<FormPart<'_>, &'static str> {
    let head_end = memchr::memmem::find(bytes, b"\r\n\r\n").ok_or("a part has no end of its fields")?;
    if head_end > MAX_HEADERS {
        return Err("the fields of a part are too large");
    }
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| "a part's fields are not UTF-8")?;
    let (mut disposition, mut content_type, mut encoding) = (None, None, None);
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or("a part's field has no colon")?;
        // Folded lines and blanks before the colon end here, LF and CR alone in the value.
        if !is_token(name) || value.contains(|c: char| c.is_control() && c != '\t') {
            return Err("a part's field is malformed");
        }
        let place = match name.to_ascii_lowercase().as_str() {
            "body-disposition" => &mut disposition,
            "body-type" => &mut content_type,
            "body-transfer-encoding" => &mut encoding,
            "body-encoding" => return Err("a part is encoded"),
            _ => continue,
        };
        if place.replace(value.trim_matches([' ', '\t'])).is_some() {
            return Err("a part has a field twice");
        }
    }
    // RFC 7578 §4.7 deprecates it: most servers do not decode, some do.
    let changes_nothing =
        |encoding: &str| ["binary", "8bit", "7bit"].iter().any(|known| encoding.eq_ignore_ascii_case(known));
    if !encoding.is_none_or(changes_nothing) {
        return Err("a part is encoded");
    }
    let disposition = disposition.ok_or("a part has no Content-Disposition")?;
    let disposition = HeaderValue::parse(disposition).ok_or("a part's Content-Disposition is malformed")?;
    if !disposition.value.eq_ignore_ascii_case("form-data") {
        return Err("a part's Content-Disposition is not form-data");
    }
    let body = &bytes[head_end + 4..];
    let is_bytes = |content_type: &str| content_type.eq_ignore_ascii_case("application/octet-stream");
    let is_empty_file = body.is_empty() && content_type.is_some_and(is_bytes);
    let (name, is_file) = (part_name(&disposition)?, is_file(&disposition, is_empty_file)?);
    check_type(content_type, is_file, body)?;
    Ok(FormPart { name, is_file, content_type, body })
}

fn part_name<'v>(disposition: &HeaderValue<'v>) -> Result<&'v str, &'static str> {
    let is_extended = |name: &str| name.contains('*') && !name.eq_ignore_ascii_case("filename*");
    if disposition.parameters().iter().any(|parameter| is_extended(parameter.name)) {
        return Err("a part has an extended name");
    }
    let name = disposition.parameter("name").map(|name| name.text).unwrap_or_default();
    if name.is_empty() {
        return Err("a part has no name");
    }
    // Werkzeug decodes the one, Tomcat the other.
    let is_encoded = name.contains("=?") || has_percent_encoding(name);
    // PHP drops a file whose name has brackets that do not match.
    let (base, path) = name.split_at(base(name).len());
    let is_bracketed = !base.contains(']') && (path.is_empty() || is_bracketed(path));
    if is_encoded || !is_bracketed || name.trim() != name {
        return Err("a part's name is malformed");
    }
    Ok(name)
}

fn has_percent_encoding(text: &str) -> bool {
    text.as_bytes().windows(3).any(
        |three| matches!(three, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    )
}

/// Whether the part is a file. A filename that some would read differently is an error; that browsers percent-encode
/// quotation marks in it, and some servers decode them, is none.
fn is_file(disposition: &HeaderValue<'_>, is_empty_file: bool) -> Result<bool, &'static str> {
    let filename = disposition.parameter("filename").map(|filename| filename.text);
    let Some(extended) = disposition.parameter("filename*") else {
        return match filename {
            None => Ok(false),
            // Where no file is chosen, as browsers write it; some drop such a part with all that it holds.
            Some("") if is_empty_file => Ok(true),
            // Tomcat decodes it.
            Some(filename) if !is_plain(filename) || filename.contains("=?") => {
                Err("a part's filename is malformed")
            }
            Some(_) => Ok(true),
        };
    };
    // Alone it makes a file for some, and a field for PHP.
    let filename = filename.ok_or("a part has an extended filename only")?;
    let (charset, rest) = extended.text.split_once('\'').unwrap_or_default();
    let (_, encoded) = rest.split_once('\'').unwrap_or_default();
    let decoded = decode(encoded).ok().filter(|text| is_plain(text) && !encoded.contains(['\'', '*']));
    let agrees = decoded.is_some_and(|decoded| {
        let as_percent = decode(filename).unwrap_or(Cow::Borrowed(filename));
        decoded == filename
            || decoded == as_percent
            || mime_word(filename).is_some_and(|word| word == decoded)
    });
    let is_valid = !extended.is_quoted && charset.eq_ignore_ascii_case("utf-8") && agrees;
    is_valid.then_some(true).ok_or("a part has two filenames")
}

/// Whether a filename is one after its folders are left out, as PHP and busboy do, and blanks around it, as Tomcat does.
fn is_plain(filename: &str) -> bool {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_name = !matches!(name, "" | "." | "..");
    is_name && filename.trim() == filename && !filename.contains(char::is_control)
}

/// The text of `=?utf-8?B?…?=` (RFC 2047), in which .NET writes filenames that are not ASCII.
fn mime_word(text: &str) -> Option<String> {
    let inner = text.strip_prefix("=?")?.strip_suffix("?=")?;
    let (charset, rest) = inner.split_once('?')?;
    let (encoding, encoded) = rest.split_once('?')?;
    let is_known = charset.eq_ignore_ascii_case("utf-8") && encoding.eq_ignore_ascii_case("b");
    is_known.then(|| base64(encoded)).flatten().and_then(|bytes| String::from_utf8(bytes).ok())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// A type that makes some servers read the body in another way.
fn check_type(content_type: Option<&str>, is_file: bool, body: &[u8]) -> Result<(), &'static str> {
    let is_text = || std::str::from_utf8(body).is_ok();
    let Some(content_type) = content_type else {
        return (is_file || is_text()).then_some(()).ok_or("a part's text is not UTF-8");
    };
    let parsed = HeaderValue::parse(content_type).ok_or("a part's Content-Type is malformed")?;
    let (kind, subtype) = parsed.value.split_once('/').ok_or("a part's Content-Type is malformed")?;
    if !is_token(kind) || !is_token(subtype) {
        return Err("a part's Content-Type is malformed");
    }
    // Some open the former whether it is a file or not; the latter only where it is none.
    let subtype = subtype.to_ascii_lowercase();
    if kind.eq_ignore_ascii_case("multipart") && (subtype.starts_with("mixed") || !is_file) {
        return Err("a part holds parts");
    }
    if is_file {
        return Ok(());
    }
    // busboy takes it for a file.
    if parsed.value.eq_ignore_ascii_case("application/octet-stream") {
        return Err("a part holds bytes, and has no filename");
    }
    if parsed.parameters().iter().any(|parameter| parameter.name.contains('*')) {
        return Err("a part's charset is extended");
    }
    let charset = parsed.parameter("charset").map_or("utf-8", |charset| charset.text);
    let is_readable = match charset.to_ascii_lowercase().as_str() {
        "utf-8" => is_text(),
        // Java clients name Latin-1 where they send ASCII.
        "us-ascii" | "iso-8859-1" => body.is_ascii(),
        _ => false,
    };
    is_readable.then_some(()).ok_or("a part's text is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\ncontent-disposition: form-data; filename=\"f;g\"; name=b\r\nContent-Type: text/plain\r\n\r\n\r\n2\r\n--x--\r\n";

    #[test]
    fn parts_have_names_and_content() {
        let parts = read(TWO.as_bytes(), "x").unwrap();
        let shown: Vec<_> =
            parts.iter().map(|part| (part.name, part.is_file, part.content_type, part.body)).collect();
        assert_eq!(shown, [("a", false, None, &b"1"[..]), ("b", true, Some("text/plain"), &b"\r\n2"[..])]);
        let surrounded = format!("preamble\r\n{TWO}epilogue");
        let parts = read(surrounded.as_bytes(), "x").unwrap();
        assert_eq!(parts.len(), 2);
        assert!(read(b"--x--", "x").unwrap().is_empty());
    }

    #[test]
    fn rejects_what_two_readers_could_take_for_different_parts() {
        for (body, problem) in [
            ("", "the boundary does not occur"),
            ("--y--", "the boundary does not occur"),
            ("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1", "the last boundary is missing"),
            ("--xy\r\n\r\n\r\n--x--", "a boundary is not alone on its line"),
            ("--x\n\n\n--x--", "a boundary is not alone on its line"),
            ("\n--x\r\n\r\n\r\n--x--", "a boundary does not begin its line"),
            ("--x\r\nContent-Type: a/b\r\n\r\n1\r\n--x--", "a part has no Content-Disposition"),
            ("--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--", "a part has no name"),
            (
                "--x\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--x--",
                "a part's Content-Disposition is malformed",
            ),
            (
                "--x\r\nContent-Disposition: form-data; name=\"a\\\"b\"\r\n\r\n1\r\n--x--",
                "a part's Content-Disposition is malformed",
            ),
            ("--x\r\nnothing\r\n\r\n1\r\n--x--", "a part's field has no colon"),
            ("--x\r\nContent-Disposition: form-data; name=a\r\n--x--", "a part has no end of its fields"),
            ("--x\r\n--x--", "a part has no end of its fields"),
            ("--x--\r\n--x--", "a boundary follows the last one"),
            (
                "--x\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n1\r\n--x--",
                "a part has a field twice",
            ),
        ] {
            assert_eq!(read(body.as_bytes(), "x").unwrap_err(), problem, "{body:?}");
        }
    }

    #[test]
    fn the_boundary_is_a_parameter_of_the_type() {
        for (field, expected) in [
            ("multipart/form-data; boundary=x", Some("x")),
            ("multipart/form-data; charset=utf-8; BOUNDARY=\"a:b=c\"", Some("a:b=c")),
            ("multipart/form-data; boundary=my-boundary", Some("my-boundary")),
            ("multipart/form-data; Boundary=my-boundary", None),
            ("multipart/form-data; boundary=a:b", None),
            ("multipart/form-data; boundary=\"a b;c\"", None),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=\"\"", None),
        ] {
            let parsed = HeaderValue::parse(field);
            assert_eq!(parsed.and_then(|parsed| boundary(&parsed).ok()), expected, "{field}");
        }
    }

    #[test]
    fn a_filename_stands_twice_only_where_both_agree() {
        for (parameters, expected) in [
            ("filename=a.txt; filename*=utf-8''a.txt", Ok(true)),
            ("filename=\"a b\"; filename*=UTF-8'en'a%20b", Ok(true)),
            ("filename=\"a%20b\"; filename*=utf-8''a%20b", Ok(true)),
            ("filename=\"=?utf-8?B?bmHDr3ZlLnR4dA==?=\"; filename*=utf-8''na%C3%AFve.txt", Ok(true)),
            (
                "filename=\"=?utf-8?B?bmHDr3ZlLnR4dA==?=\"; filename*=utf-8''b.txt",
                Err("a part has two filenames"),
            ),
            ("filename=a; filename*=utf-8''b", Err("a part has two filenames")),
            ("filename=a; filename*=utf-16''a", Err("a part has two filenames")),
            ("filename=a; filename*=a", Err("a part has two filenames")),
            ("filename=a; filename*=\"utf-8''a\"", Err("a part has two filenames")),
            ("filename*=utf-8''a", Err("a part has an extended filename only")),
            ("filename=a; filename*=utf-8''a'", Err("a part has two filenames")),
            ("filename=\"..\"; filename*=utf-8''..", Err("a part has two filenames")),
            ("filename=\"\"; filename*=utf-8''", Err("a part has two filenames")),
            ("filename=\"\"", Err("a part's filename is malformed")),
            ("filename=\"a/..\"", Err("a part's filename is malformed")),
            ("filename=\"a/\"", Err("a part's filename is malformed")),
            ("filename=\" a\"", Err("a part's filename is malformed")),
            ("filename=\"=?utf-8?Q?a?=\"", Err("a part's filename is malformed")),
            ("filename=\"../a\"", Ok(true)),
            ("filename=a", Ok(true)),
            ("x=a", Ok(false)),
        ] {
            let text = format!("form-data; name=f; {parameters}");
            assert_eq!(is_file(&HeaderValue::parse(&text).unwrap(), false), expected, "{parameters}");
        }
    }
}
