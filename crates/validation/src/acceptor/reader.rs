//! Reads the tokens of JSON (RFC 8259), as strictly as the parser of trees.

/// The bytes of a body. Positions are those of bytes; `None` means that the body is not read on.
#[derive(Clone, Copy)]
pub(super) struct Reader<'b>(pub(super) &'b [u8]);

/// A string in the body.
pub(super) struct RawString<'b> {
    /// What is between the quotes: UTF-8 without control characters.
    pub(super) text: &'b [u8],
    pub(super) has_escapes: bool,
    pub(super) is_ascii: bool,
    /// The position behind it.
    pub(super) end: usize,
}

/// A number in the body.
pub(super) struct RawNumber<'b> {
    pub(super) text: &'b [u8],
    /// The value, if it is an integer of few digits.
    pub(super) integer: Option<i64>,
    pub(super) end: usize,
}

/// Integers of so many digits are within the range of `i64`.
const SHORT_DIGITS: usize = 18;

impl<'b> Reader<'b> {
    pub(super) fn byte(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    /// The position of the next byte that is no whitespace.
    pub(super) fn skip(self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte(at) {
            at += 1;
        }
        at
    }

    /// Reads one of the literals.
    pub(super) fn literal(self, at: usize, text: &str) -> Option<usize> {
        let end = at + text.len();
        (self.0.get(at..end)? == text.as_bytes()).then_some(end)
    }

    /// Reads the string whose quote is at this position.
    pub(super) fn string(self, at: usize) -> Option<RawString<'b>> {
        let rest = self.0.get(at + 1..)?;
        let (mut end, mut has_escapes, mut is_ascii) = (0, false, true);
        loop {
            while let Some(eight) = rest.get(end..).and_then(<[u8]>::first_chunk) {
                match special(u64::from_le_bytes(*eight)) {
                    0 => end += 8,
                    found => {
                        end += found.trailing_zeros() as usize / 8;
                        break;
                    }
                }
            }
            match *rest.get(end)? {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    end += 2;
                }
                0..b' ' => return None,
                byte => {
                    is_ascii &= byte.is_ascii();
                    end += 1;
                }
            }
        }
        let text = rest.get(..end)?;
        if !is_ascii {
            std::str::from_utf8(text).ok()?;
        }
        Some(RawString { text, has_escapes, is_ascii, end: at + end + 2 })
    }

    /// Reads the number at this position.
    pub(super) fn number(self, at: usize) -> Option<RawNumber<'b>> {
        let is_negative = self.byte(at)? == b'-';
        let start = at + usize::from(is_negative);
        let mut end = self.digits(start)?;
        if self.byte(start)? == b'0' && end > start + 1 {
            return None;
        }
        let is_short = end - start <= SHORT_DIGITS;
        let mut is_integer = true;
        if self.byte(end) == Some(b'.') {
            is_integer = false;
            end = self.digits(end + 1)?;
        }
        if let Some(b'e' | b'E') = self.byte(end) {
            is_integer = false;
            let has_sign = matches!(self.byte(end + 1), Some(b'+' | b'-'));
            end = self.digits(end + 1 + usize::from(has_sign))?;
        }
        let text = self.0.get(at..end)?;
        // A tree has `-0` as a float.
        let integer = (is_integer && is_short && text != b"-0").then(|| {
            let digits = self.0.get(start..end).unwrap_or_default();
            let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
            if is_negative { -value } else { value }
        });
        Some(RawNumber { text, integer, end })
    }

    /// The end of one or more digits.
    fn digits(self, at: usize) -> Option<usize> {
        let count = self.0.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(at + count)
    }
}

/// The highest bits of those of eight bytes that end a string or must be looked at: quotes, backslashes, control characters
/// and all that is not ASCII. Bits above the lowest one may be wrong.
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, b' ') | equal(b'"') | equal(b'\\') | word) & (ONES * 0x80)
}

/// Decodes the escapes of a string. `None` if one of them is invalid, or one of the surrogates.
pub(super) fn unescape(text: &[u8], out: &mut String) -> Option<()> {
    out.clear();
    let mut rest = std::str::from_utf8(text).ok()?;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at)?);
        let escape = *rest.as_bytes().get(at + 1)?;
        let mut length = 2;
        out.push(match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                length = 6;
                let digits = rest.get(at + 2..at + 6)?;
                let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                char::from_u32(u32::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal)?)?
            }
            _ => return None,
        });
        rest = rest.get(at + length..)?;
    }
    out.push_str(rest);
    Some(())
}
