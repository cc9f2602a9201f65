//! Reads `multipart/form-data` (RFC 7578, RFC 2046 section 5.1): boundaries, the fields of each part.
//!
//! As strictly as two readers must agree: a part without a name, a field twice, or a boundary that does not
//! end the content make it unreadable.

use std::borrow::Cow;

/// More parts are not read.
const MAX_PARTS: usize = 10_000;
/// The fields of one part take no more.
const MAX_HEAD: usize = 8 * 1024;

/// One part of a form.
#[derive(Debug)]
pub(super) struct Part<'c> {
    pub(super) name: Cow<'c, str>,
    pub(super) is_file: bool,
    pub(super) content_type: Option<&'c str>,
    pub(super) content: &'c [u8],
}

/// The boundary that a Content-Type names.
pub(super) fn boundary(content_type: &str) -> Option<Cow<'_, str>> {
    let boundary = parameter(content_type, "boundary")?;
    let is_sound = !boundary.is_empty() && boundary.len() <= 70 && !boundary.ends_with(' ');
    is_sound.then_some(boundary)
}

/// The parts; `Err` says what is wrong.
pub(super) fn read<'c>(content: &'c [u8], boundary: &str) -> Result<Vec<Part<'c>>, &'static str> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memchr::memmem::Finder::new(delimiter.as_bytes());
    // The first delimiter may stand at the very beginning, without a line before it.
    let mut rest = match content.strip_prefix(&delimiter.as_bytes()[2..]) {
        Some(rest) => rest,
        None => after(content, finder.find(content), delimiter.len()).ok_or("the boundary does not occur")?,
    };
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        rest = rest.strip_prefix(b"\r\n").ok_or("a boundary is not alone on its line")?;
        if parts.len() >= MAX_PARTS {
            return Err("there are too many parts");
        }
        let end = finder.find(rest).ok_or("the last boundary is missing")?;
        parts.push(part(&rest[..end])?);
        rest = &rest[end + delimiter.len()..];
    }
}

fn after(content: &[u8], at: Option<usize>, length: usize) -> Option<&[u8]> {
    content.get(at? + length..)
}

fn part(bytes: &[u8]) -> Result<Part<'_>, &'static str> {
    // The blank line stands at once where there are no fields.
    let head_end = memchr::memmem::find(bytes, b"\r\n\r\n").ok_or("a part has no end of its fields")?;
    if head_end > MAX_HEAD {
        return Err("the fields of a part are too large");
    }
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| "a part's fields are not UTF-8")?;
    let (mut disposition, mut content_type) = (None, None);
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or("a part's field has no colon")?;
        let place = match name.to_ascii_lowercase().as_str() {
            "content-disposition" => &mut disposition,
            "content-type" => &mut content_type,
            _ => continue,
        };
        if place.replace(value.trim_matches([' ', '\t'])).is_some() {
            return Err("a part has a field twice");
        }
    }
    let disposition = disposition.ok_or("a part has no Content-Disposition")?;
    let name = parameter(disposition, "name").ok_or("a part has no name")?;
    let is_file =
        parameter(disposition, "filename").is_some() || parameter(disposition, "filename*").is_some();
    Ok(Part { name, is_file, content_type, content: &bytes[head_end + 4..] })
}

/// A parameter of a field's value, unquoted.
fn parameter<'f>(field: &'f str, wanted: &str) -> Option<Cow<'f, str>> {
    let mut rest = field.split_once(';')?.1;
    loop {
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start_matches([' ', '\t']);
        let (text, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted)?,
            None => {
                let (text, after) = value.split_once(';').unwrap_or((value, ""));
                (Cow::Borrowed(text.trim_end_matches([' ', '\t'])), after)
            }
        };
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = after;
    }
}

/// Up to the closing quote, and what stands behind it.
fn quoted_text(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut unescaped = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Cow::Owned(unescaped), &text[at + 1..])),
            '\\' => unescaped.push(chars.next()?.1),
            other => unescaped.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\ncontent-disposition: form-data; filename=\"f;\\\"g\"; name=b\r\nContent-Type: text/plain\r\n\r\n\r\n2\r\n--x--\r\n";

    #[test]
    fn parts_have_names_and_content() {
        let parts = read(TWO.as_bytes(), "x").unwrap();
        let shown: Vec<_> = parts
            .iter()
            .map(|part| (part.name.as_ref(), part.is_file, part.content_type, part.content))
            .collect();
        assert_eq!(shown, [("a", false, None, &b"1"[..]), ("b", true, Some("text/plain"), &b"\r\n2"[..])]);
        let surrounded = format!("preamble\r\n{TWO}epilogue");
        let parts = read(surrounded.as_bytes(), "x").unwrap();
        assert_eq!(parts.len(), 2);
        assert!(read(b"--x--", "x").unwrap().is_empty());
    }

    #[test]
    fn what_two_readers_could_take_for_different_parts_is_refused() {
        for (content, problem) in [
            ("", "the boundary does not occur"),
            ("--y--", "the boundary does not occur"),
            ("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1", "the last boundary is missing"),
            ("--xy\r\n\r\n\r\n--x--", "a boundary is not alone on its line"),
            ("--x\r\nContent-Type: a/b\r\n\r\n1\r\n--x--", "a part has no Content-Disposition"),
            ("--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--", "a part has no name"),
            ("--x\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--x--", "a part has no name"),
            ("--x\r\nnothing\r\n\r\n1\r\n--x--", "a part's field has no colon"),
            ("--x\r\nContent-Disposition: form-data; name=a\r\n--x--", "a part has no end of its fields"),
            (
                "--x\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n1\r\n--x--",
                "a part has a field twice",
            ),
        ] {
            assert_eq!(read(content.as_bytes(), "x").unwrap_err(), problem, "{content:?}");
        }
    }

    #[test]
    fn the_boundary_is_a_parameter_of_the_type() {
        for (field, expected) in [
            ("multipart/form-data; boundary=x", Some("x")),
            ("multipart/form-data; charset=utf-8; BOUNDARY=\"a b;c\"", Some("a b;c")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
        ] {
            assert_eq!(boundary(field).as_deref(), expected, "{field}");
        }
    }
}
