//! Character classes of RFC 9110 and RFC 3986, as one table of bits that the compiler computes.

/// RFC 9110 `tchar`: what methods and field names are made of.
pub(crate) const TOKEN: u8 = 1;
/// RFC 3986 `pchar` or `/`, but for `%`.
pub(crate) const PATH: u8 = 2;
/// What a query may hold, but for `%`.
///
/// RFC 3986 plus the characters that the URL standard of browsers leaves as they are (`[]{}|^` and the
/// grave accent): `filter[name]=x` is what every form library sends, and it is unambiguous.
pub(crate) const QUERY: u8 = 4;
/// A registered name: unreserved and sub-delims, without percent-encoding, which no DNS name needs.
pub(crate) const HOST: u8 = 8;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        let alphanumeric = b.is_ascii_alphanumeric();
        let unreserved = alphanumeric || matches!(b, b'-' | b'.' | b'_' | b'~');
        let sub_delim =
            matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        let mut class = 0;
        if alphanumeric
            || matches!(
                b,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            )
        {
            class |= TOKEN;
        }
        if unreserved || sub_delim {
            class |= HOST;
        }
        if unreserved || sub_delim || matches!(b, b':' | b'@' | b'/') {
            class |= PATH | QUERY;
        }
        // Chromium and Node send these three in a path as they are; the URL standard has browsers encode `{`, `}`, `^` and
        // the grave accent there.
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

/// Whether there are bytes and all belong to the class.
pub(crate) fn all(bytes: &[u8], class: u8) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is(byte, class))
}

/// Whether a byte may stand in a field value: no control character but the tab.
pub(crate) fn in_value(byte: u8) -> bool {
    (byte >= 0x20 && byte != 0x7f) || byte == b'\t'
}

/// Whether all may stand in a field value.
pub(crate) fn all_in_value(bytes: &[u8]) -> bool {
    // No early exit: the loop then runs in vector registers, and good values are the common case.
    bytes.iter().fold(true, |good, &byte| good & in_value(byte))
}

/// Without optional whitespace (SP and HTAB) at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
