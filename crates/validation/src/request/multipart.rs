//! Parses `multipart/form-data` (RFC 7578, RFC 2046 section 5.1).
//!
//! Servers accept forms that are not quite valid, each in its own way: PHP ends lines at LF and unfolds headers,
//! Werkzeug accepts extended names, busboy reads bytes without a file name as a file, Tomcat parses nested forms. A
//! body that any of them could read differently is rejected as unreadable.

use std::borrow::Cow;

use super::header_value::{HeaderValue, is_token};
use super::query_pairs::{MAX_FIELDS, base};
use super::style_decode::is_bracketed;
use super::text::decode;

/// The default limit of PHP, Werkzeug and Tomcat, some of which silently drop further fields.
const MAX_PARTS: usize = MAX_FIELDS;
/// PHP splits longer lines.
const MAX_HEADERS: usize = 4 * 1024;

/// One part of a form.
#[derive(Debug)]
pub(super) struct FormPart<'c> {
    pub(super) name: &'c str,
    pub(super) is_file: bool,
    pub(super) content_type: Option<&'c str>,
    pub(super) body: &'c [u8],
}

/// The boundary in a Content-Type. The error is the cause of the rejection.
pub(super) fn boundary<'v>(content_type: &HeaderValue<'v>) -> Result<&'v str, &'static str> {
    let parameter = content_type.parameter("boundary").ok_or("the Content-Type has no boundary")?;
    let text = parameter.text;
    // PHP searches for the word anywhere in the value, and ignores case.
    let names_another = |other: &str| other.to_ascii_lowercase().contains("boundary");
    let others = content_type.parameters().iter().filter(|other| *other != parameter);
    let is_unclear = others.into_iter().any(|other| names_another(other.name) || names_another(other.text))
        || parameter.name != "boundary" && names_another(text);
    // A quoted boundary may contain more characters than a token, but none that some server takes for its end.
    let is_char = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || b"_.+-".contains(&byte)
            || parameter.is_quoted && b"'()/:=?".contains(&byte)
    };
    let is_valid = (1..=70).contains(&text.len()) && text.bytes().all(is_char);
    (is_valid && !is_unclear).then_some(text).ok_or("the boundary is malformed")
}

/// Parses all parts. The error is the cause of the rejection.
pub(super) fn read<'c>(body: &'c [u8], boundary: &str) -> Result<Vec<FormPart<'c>>, &'static str> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    // The start of the part that the next boundary ends.
    let mut start = None;
    let mut is_closed = false;
    for at in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
        if is_closed {
            return Err("a boundary follows the closing boundary");
        }
        // The boundary must not occur where only some servers recognise it.
        let (before, after) = (&body[..at], &body[at + delimiter.len()..]);
        if !before.is_empty() && !before.ends_with(b"\r\n") {
            return Err("a boundary is not at the start of a line");
        }
        if let Some(start) = start {
            if parts.len() >= MAX_PARTS {
                return Err("too many parts");
            }
            let bytes = at.checked_sub(2).and_then(|end| body.get(start..end));
            parts.push(part(bytes.ok_or("the headers of a part have no end")?)?);
        }
        is_closed = after.starts_with(b"--");
        let line_end = if is_closed { &after[2..] } else { after };
        let is_end = is_closed && line_end.is_empty();
        if !is_end && !line_end.starts_with(b"\r\n") {
            return Err("a boundary is followed by other text on its line");
        }
        start = Some(at + delimiter.len() + 2);
    }
    match start {
        None => Err("the boundary does not occur in the body"),
        Some(_) if !is_closed => Err("the closing boundary is missing"),
        Some(_) => Ok(parts),
    }
}

fn part(bytes: &[u8]) -> Result<FormPart<'_>, &'static str> {
    let head_end = memchr::memmem::find(bytes, b"\r\n\r\n").ok_or("the headers of a part have no end")?;
    if head_end > MAX_HEADERS {
        return Err("the headers of a part are too large");
    }
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| "the headers of a part are not UTF-8")?;
    let (mut disposition, mut content_type, mut encoding) = (None, None, None);
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or("a header of a part has no colon")?;
        // This also rejects folded lines, spaces before the colon, and LF or CR alone in the value.
        if !is_token(name) || value.contains(|c: char| c.is_control() && c != '\t') {
            return Err("a header of a part is malformed");
        }
        let slot = match name.to_ascii_lowercase().as_str() {
            "content-disposition" => &mut disposition,
            "content-type" => &mut content_type,
            "content-transfer-encoding" => &mut encoding,
            "content-encoding" => return Err("a part has an encoding"),
            _ => continue,
        };
        if slot.replace(value.trim_matches([' ', '\t'])).is_some() {
            return Err("a part has a duplicate header");
        }
    }
    // RFC 7578, section 4.7 deprecates this header: most servers do not decode, some do.
    let changes_nothing =
        |encoding: &str| ["binary", "8bit", "7bit"].iter().any(|known| encoding.eq_ignore_ascii_case(known));
    if !encoding.is_none_or(changes_nothing) {
        return Err("a part has an encoding");
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
        return Err("a part has an extended name parameter");
    }
    let name = disposition.parameter("name").map(|name| name.text).unwrap_or_default();
    if name.is_empty() {
        return Err("a part has no name");
    }
    // Werkzeug decodes `=?…?=`, Tomcat percent-encoding.
    let is_encoded = name.contains("=?") || has_percent_encoding(name);
    // PHP drops a file whose name has unmatched brackets.
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

/// Whether the part is a file. Rejects file names that some server reads differently, except for percent-encoded
/// quotes, which browsers send.
fn is_file(disposition: &HeaderValue<'_>, is_empty_file: bool) -> Result<bool, &'static str> {
    let filename = disposition.parameter("filename").map(|filename| filename.text);
    let Some(extended) = disposition.parameter("filename*") else {
        return match filename {
            None => Ok(false),
            // Browsers send this if no file was chosen; some servers drop such a part.
            Some("") if is_empty_file => Ok(true),
            // Tomcat decodes it.
            Some(filename) if !is_plain(filename) || filename.contains("=?") => {
                Err("a part's filename is malformed")
            }
            Some(_) => Ok(true),
        };
    };
    // Without `filename`, the part is a file for some servers and a field for PHP.
    let filename = filename.ok_or("a part has `filename*` without `filename`")?;
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
    is_valid.then_some(true).ok_or("a part's `filename` and `filename*` differ")
}

/// Whether a name remains after removing folders, as PHP and busboy do, and surrounding spaces, as Tomcat does.
fn is_plain(filename: &str) -> bool {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_name = !matches!(name, "" | "." | "..");
    is_name && filename.trim() == filename && !filename.contains(char::is_control)
}

/// Decodes `=?utf-8?B?…?=` (RFC 2047), which .NET sends for file names that are not ASCII.
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

/// Rejects types that change how some servers read the body.
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
    // Some servers parse `multipart/mixed` even in a file, and other nested forms only if the part is not a file.
    let subtype = subtype.to_ascii_lowercase();
    if kind.eq_ignore_ascii_case("multipart") && (subtype.starts_with("mixed") || !is_file) {
        return Err("a part contains a nested form");
    }
    if is_file {
        return Ok(());
    }
    // busboy treats it as a file.
    if parsed.value.eq_ignore_ascii_case("application/octet-stream") {
        return Err("a part contains binary data without a filename");
    }
    if parsed.parameters().iter().any(|parameter| parameter.name.contains('*')) {
        return Err("a part has an extended charset parameter");
    }
    let charset = parsed.parameter("charset").map_or("utf-8", |charset| charset.text);
    let is_readable = match charset.to_ascii_lowercase().as_str() {
        "utf-8" => is_text(),
        // Java clients declare Latin-1 for ASCII text.
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
    fn parses_names_and_bodies_of_parts() {
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
    fn rejects_forms_that_servers_read_differently() {
        for (body, problem) in [
            ("", "the boundary does not occur in the body"),
            ("--y--", "the boundary does not occur in the body"),
            ("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1", "the closing boundary is missing"),
            ("--xy\r\n\r\n\r\n--x--", "a boundary is followed by other text on its line"),
            ("--x\n\n\n--x--", "a boundary is followed by other text on its line"),
            ("\n--x\r\n\r\n\r\n--x--", "a boundary is not at the start of a line"),
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
            ("--x\r\nnothing\r\n\r\n1\r\n--x--", "a header of a part has no colon"),
            ("--x\r\nContent-Disposition: form-data; name=a\r\n--x--", "the headers of a part have no end"),
            ("--x\r\n--x--", "the headers of a part have no end"),
            ("--x--\r\n--x--", "a boundary follows the closing boundary"),
            (
                "--x\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n1\r\n--x--",
                "a part has a duplicate header",
            ),
        ] {
            assert_eq!(read(body.as_bytes(), "x").unwrap_err(), problem, "{body:?}");
        }
    }

    #[test]
    fn reads_the_boundary_of_a_content_type() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=x", Some("x")),
            ("multipart/form-data; charset=utf-8; BOUNDARY=\"a:b=c\"", Some("a:b=c")),
            ("multipart/form-data; boundary=my-boundary", Some("my-boundary")),
            ("multipart/form-data; Boundary=my-boundary", None),
            ("multipart/form-data; boundary=a:b", None),
            ("multipart/form-data; boundary=\"a b;c\"", None),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=\"\"", None),
        ] {
            let parsed = HeaderValue::parse(content_type);
            assert_eq!(parsed.and_then(|parsed| boundary(&parsed).ok()), expected, "{content_type}");
        }
    }

    #[test]
    fn accepts_filename_and_extended_filename_only_if_they_agree() {
        for (parameters, expected) in [
            ("filename=a.txt; filename*=utf-8''a.txt", Ok(true)),
            ("filename=\"a b\"; filename*=UTF-8'en'a%20b", Ok(true)),
            ("filename=\"a%20b\"; filename*=utf-8''a%20b", Ok(true)),
            ("filename=\"=?utf-8?B?bmHDr3ZlLnR4dA==?=\"; filename*=utf-8''na%C3%AFve.txt", Ok(true)),
            (
                "filename=\"=?utf-8?B?bmHDr3ZlLnR4dA==?=\"; filename*=utf-8''b.txt",
                Err("a part's `filename` and `filename*` differ"),
            ),
            ("filename=a; filename*=utf-8''b", Err("a part's `filename` and `filename*` differ")),
            ("filename=a; filename*=utf-16''a", Err("a part's `filename` and `filename*` differ")),
            ("filename=a; filename*=a", Err("a part's `filename` and `filename*` differ")),
            ("filename=a; filename*=\"utf-8''a\"", Err("a part's `filename` and `filename*` differ")),
            ("filename*=utf-8''a", Err("a part has `filename*` without `filename`")),
            ("filename=a; filename*=utf-8''a'", Err("a part's `filename` and `filename*` differ")),
            ("filename=\"..\"; filename*=utf-8''..", Err("a part's `filename` and `filename*` differ")),
            ("filename=\"\"; filename*=utf-8''", Err("a part's `filename` and `filename*` differ")),
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
