//! Character classes of RFC 9110 and RFC 3986, as one table of bits that the compiler computes.

/// RFC 9110 `tchar`: what methods and header names are made of.
pub(crate) const TOKEN: u8 = 1;
/// RFC 3986 `pchar` or `/`, except `%`, and the characters that browsers leave in paths: `[`, `]`, `|`.
pub(crate) const PATH: u8 = 2;
/// What a query may contain, except `%`: RFC 3986, and the characters that the URL standard leaves as they are
/// (`[]{}|^` and the grave accent), which every form library sends.
pub(crate) const QUERY: u8 = 4;
/// A registered name: unreserved and sub-delims. No DNS name needs percent-encoding.
pub(crate) const HOST: u8 = 8;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        let unreserved = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        let sub_delim =
            matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        let token_mark = matches!(b, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
            || matches!(b, b'^' | b'_' | b'`' | b'|' | b'~');
        let mut class = 0;
        if b.is_ascii_alphanumeric() || token_mark {
            class |= TOKEN;
        }
        if unreserved || sub_delim {
            class |= HOST;
        }
        if unreserved || sub_delim || matches!(b, b':' | b'@' | b'/') {
            class |= PATH | QUERY;
        }
        if matches!(b, b'[' | b']' | b'|') {
            class |= PATH;
        }
        if matches!(b, b'?' | b'[' | b']' | b'{' | b'}' | b'|' | b'^' | b'`') {
            class |= QUERY;
        }
        table[byte] = class;
        byte += 1;
    }
    table
}

/// Whether the byte belongs to the class.
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Whether there is at least one byte and all belong to the class.
pub(crate) fn all(bytes: &[u8], class: u8) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is(byte, class))
}

/// Whether a byte may be part of a header value: no control character except the tab.
pub(crate) fn in_value(byte: u8) -> bool {
    (byte >= 0x20 && byte != 0x7f) || byte == b'\t'
}

/// Whether all bytes may be part of a header value.
pub(crate) fn all_in_value(bytes: &[u8]) -> bool {
    // No early exit: the loop then runs in vector registers, and valid values are the common case.
    bytes.iter().fold(true, |valid, &byte| valid & in_value(byte))
}

/// Removes optional whitespace (SP and HTAB) at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
