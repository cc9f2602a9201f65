//! The tape: JSON parsed into a flat list of values that borrow from the text, with at most one allocation and without
//! recursion.
//!
//! A value is a span of the text; a container also has the index of the value after its contents. The parser is strict
//! (RFC 8259): it rejects what `serde_json` rejects, and lone surrogates. The depth and the number of values are limited, so
//! that time and memory are bounded.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::json::plain_prefix;

/// The maximum length of a body.
pub(crate) const MAX_BYTES: usize = 16 << 20;
/// The maximum nesting depth.
pub(crate) const MAX_DEPTH: usize = 128;
/// The maximum number of values, including the names of members. Each takes 16 bytes of memory.
pub(crate) const MAX_VALUES: usize = 1 << 18;

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Null,
    True,
    False,
    Number,
    /// A string without escapes, whose span is its text.
    Plain,
    /// A string with escapes.
    Escaped,
    Array,
    Object,
}

/// One value. The span of a string excludes its quotes; the span of a container includes its brackets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    kind: TokenKind,
    start: u32,
    end: u32,
    /// The index of the value after this one and its contents. While a container is open, the index of its parent.
    next: u32,
}

/// The storage of a tape. The inline size is enough for most errors, so that they need no allocation.
pub(crate) type Tokens = SmallVec<[Token; 16]>;

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Tape<'t, 'a> {
    text: &'a str,
    tokens: &'t [Token],
}

/// The index of a value on the tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(u32);

const OUTSIDE: u32 = u32::MAX;

impl<'t, 'a> Tape<'t, 'a> {
    /// Parses a body; `None` if it is not JSON or exceeds a limit.
    pub(crate) fn read(body: &'a [u8], tokens: &'t mut Tokens) -> Option<Self> {
        if body.len() > MAX_BYTES {
            return None;
        }
        let text = std::str::from_utf8(body).ok()?;
        // Errors have fewer than one value per ten bytes. Larger bodies reallocate.
        tokens.reserve((body.len() / 10).min(1024));
        let mut lexer = Lexer { bytes: body, at: 0, tokens, open: OUTSIDE, depth: 0 };
        lexer.document()?;
        Some(Self { text, tokens })
    }

    pub(crate) fn root(&self) -> At {
        At(0)
    }

    pub(crate) fn kind(&self, at: At) -> TokenKind {
        self.tokens[at.0 as usize].kind
    }

    /// The value as written in the body, with the quotes of a string.
    pub(crate) fn raw(&self, at: At) -> &'a str {
        let token = self.tokens[at.0 as usize];
        let quotes = usize::from(matches!(token.kind, TokenKind::Plain | TokenKind::Escaped));
        &self.text[token.start as usize - quotes..token.end as usize + quotes]
    }

    /// The length of the value in bytes, without the quotes of a string.
    pub(crate) fn length(&self, at: At) -> usize {
        let token = self.tokens[at.0 as usize];
        (token.end - token.start) as usize
    }

    /// The items of a list, or the names and values of an object in turn; empty for other values.
    pub(crate) fn children(&self, at: At) -> Children<'_> {
        let token = self.tokens[at.0 as usize];
        let is_container = matches!(token.kind, TokenKind::Array | TokenKind::Object);
        Children { tokens: self.tokens, at: at.0 + 1, end: if is_container { token.next } else { at.0 + 1 } }
    }

    /// The text of a string.
    pub(crate) fn string(&self, at: At) -> Option<Cow<'a, str>> {
        let token = self.tokens[at.0 as usize];
        let span = token.start as usize..token.end as usize;
        match token.kind {
            TokenKind::Plain => Some(Cow::Borrowed(&self.text[span])),
            TokenKind::Escaped => Some(Cow::Owned(unescape(&self.text[span]))),
            _ => None,
        }
    }

    /// The text of a string without escapes.
    pub(crate) fn plain(&self, at: At) -> Option<&'a str> {
        let token = self.tokens[at.0 as usize];
        (token.kind == TokenKind::Plain).then(|| &self.text[token.start as usize..token.end as usize])
    }

    /// Whether the value is a string equal to `text`.
    pub(crate) fn is_text(&self, at: At, text: &str) -> bool {
        let token = self.tokens[at.0 as usize];
        let span = &self.text[token.start as usize..token.end as usize];
        match token.kind {
            TokenKind::Plain => span == text,
            // Unescaping never makes a text longer, so a shorter span cannot be equal.
            TokenKind::Escaped => span.len() >= text.len() && unescape(span) == text,
            _ => false,
        }
    }

    /// A non-negative integer, or a string with one if `as_string` is set.
    pub(crate) fn whole(&self, at: At, as_string: bool) -> Option<u64> {
        let token = self.tokens[at.0 as usize];
        match token.kind {
            TokenKind::Number if !as_string => {}
            TokenKind::Plain if as_string => {}
            _ => return None,
        }
        digits(&self.text[token.start as usize..token.end as usize])
    }
}

/// Parses an integer of digits only, without leading zeros.
pub(crate) fn digits(text: &str) -> Option<u64> {
    let is_canonical = text == "0" || !text.starts_with('0');
    (is_canonical && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Parses a delay with its unit, such as `30s` or `0.5s`, in whole seconds, rounded up.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let is_more = fraction.bytes().any(|byte| byte != b'0');
    digits(whole).filter(|_| is_fraction && !whole.is_empty())?.checked_add(u64::from(is_more))
}

/// An iterator over the contents of a container.
pub(crate) struct Children<'t> {
    tokens: &'t [Token],
    at: u32,
    end: u32,
}

impl Iterator for Children<'_> {
    type Item = At;

    fn next(&mut self) -> Option<At> {
        if self.at >= self.end {
            return None;
        }
        let at = At(self.at);
        self.at = self.tokens[self.at as usize].next;
        Some(at)
    }
}

struct Lexer<'t, 'a> {
    bytes: &'a [u8],
    at: usize,
    tokens: &'t mut Tokens,
    /// The index of the innermost open container.
    open: u32,
    depth: usize,
}

impl Lexer<'_, '_> {
    fn document(&mut self) -> Option<()> {
        loop {
            // A value, or the start of a container.
            self.space();
            match self.bytes.get(self.at)? {
                opening @ (b'{' | b'[') => {
                    let kind = if *opening == b'{' { TokenKind::Object } else { TokenKind::Array };
                    self.begin(kind)?;
                    self.space();
                    let closing = if kind == TokenKind::Object { b'}' } else { b']' };
                    if self.bytes.get(self.at) != Some(&closing) {
                        if kind == TokenKind::Object {
                            self.name()?;
                        }
                        continue;
                    }
                    self.close();
                }
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                b'n' => self.word(b"null", TokenKind::Null)?,
                b't' => self.word(b"true", TokenKind::True)?,
                b'f' => self.word(b"false", TokenKind::False)?,
                _ => return None,
            }
            // The separator or the end of a container after a value.
            loop {
                self.space();
                let Some(container) = self.tokens.get(self.open as usize) else {
                    return (self.at == self.bytes.len()).then_some(());
                };
                let is_object = container.kind == TokenKind::Object;
                match self.bytes.get(self.at)? {
                    b',' => {
                        self.at += 1;
                        if is_object {
                            self.space();
                            self.name()?;
                        }
                        break;
                    }
                    b'}' if is_object => self.close(),
                    b']' if !is_object => self.close(),
                    _ => return None,
                }
            }
        }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Adds a value. The body has at most [`MAX_BYTES`], so every offset fits into 32 bits.
    fn push(&mut self, kind: TokenKind, start: usize, end: usize) -> Option<()> {
        let next = u32::try_from(self.tokens.len()).ok()? + 1;
        if self.tokens.len() >= MAX_VALUES {
            return None;
        }
        self.tokens.push(Token { kind, start: start as u32, end: end as u32, next });
        Some(())
    }

    fn begin(&mut self, kind: TokenKind) -> Option<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let index = u32::try_from(self.tokens.len()).ok()?;
        self.push(kind, self.at, self.at)?;
        self.tokens[index as usize].next = self.open;
        self.open = index;
        self.at += 1;
        Some(())
    }

    fn close(&mut self) {
        self.at += 1;
        let next = self.tokens.len() as u32;
        let container = &mut self.tokens[self.open as usize];
        self.open = std::mem::replace(&mut container.next, next);
        container.end = self.at as u32;
        self.depth -= 1;
    }

    /// The name of a member and the colon after it.
    fn name(&mut self) -> Option<()> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        self.string()?;
        self.space();
        (self.bytes.get(self.at) == Some(&b':')).then(|| self.at += 1)
    }

    fn string(&mut self) -> Option<()> {
        let start = self.at + 1;
        let mut at = start;
        let mut kind = TokenKind::Plain;
        loop {
            at += plain_prefix(&self.bytes[at..]);
            match self.bytes.get(at)? {
                b'"' => break,
                b'\\' => {
                    kind = TokenKind::Escaped;
                    at += escape_length(&self.bytes[at..])?;
                }
                // An unescaped control character or the end of the text.
                _ => return None,
            }
        }
        self.at = at + 1;
        self.push(kind, start, at)
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        let mut at = start + usize::from(self.bytes[start] == b'-');
        let run = |at: usize| self.bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let whole = run(at);
        if whole == 0 || (whole > 1 && self.bytes[at] == b'0') {
            return None;
        }
        at += whole;
        if self.bytes.get(at) == Some(&b'.') {
            let fraction = run(at + 1);
            if fraction == 0 {
                return None;
            }
            at += 1 + fraction;
        }
        if let Some(b'e' | b'E') = self.bytes.get(at) {
            at += 1 + usize::from(matches!(self.bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = self.bytes.get(at..).map_or(0, |_| run(at));
            if exponent == 0 {
                return None;
            }
            at += exponent;
        }
        self.at = at;
        self.push(TokenKind::Number, start, at)
    }

    fn word(&mut self, word: &[u8], kind: TokenKind) -> Option<()> {
        let start = self.at;
        if !self.bytes[start..].starts_with(word) {
            return None;
        }
        self.at += word.len();
        self.push(kind, start, self.at)
    }
}

/// The length of the escape at the start; of both escapes for a surrogate pair.
fn escape_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => match unit(bytes)? {
            0xd800..=0xdbff => matches!(unit(bytes.get(6..)?)?, 0xdc00..=0xdfff).then_some(12),
            0xdc00..=0xdfff => None,
            _ => Some(6),
        },
        _ => None,
    }
}

/// The UTF-16 code unit of an escape `\uXXXX`.
fn unit(bytes: &[u8]) -> Option<u32> {
    let hex = bytes.strip_prefix(b"\\u")?.get(..4)?;
    hex.iter().try_fold(0, |unit, byte| Some(unit * 16 + char::from(*byte).to_digit(16)?))
}

/// The text of a string whose escapes have been checked.
fn unescape(escaped: &str) -> String {
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let bytes = &rest.as_bytes()[at..];
        let length = escape_length(bytes).unwrap_or(bytes.len());
        out.push(match bytes.get(1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = unit(bytes).unwrap_or_default();
                let code = match bytes.get(6..12).and_then(unit) {
                    Some(second) if length == 12 => 0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff),
                    _ => first,
                };
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            Some(other) => char::from(*other),
            None => break,
        });
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
