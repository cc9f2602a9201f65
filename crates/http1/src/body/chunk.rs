//! The chunked transfer coding, read strictly (RFC 9112, section 7.1). Where two readers of chunks disagree, one of them
//! sees a request in the body, so whatever the grammar does not allow ends the body.

use crate::ParseError;
use crate::characters::{TOKEN, in_value, is};
use crate::head::header_line;

/// Chunk extensions in one message. Some clients sign every chunk.
const EXTENSION_BYTES: u32 = 16 * 1024;
/// Chunk extensions in one chunk.
const EXTENSION_BYTES_PER_CHUNK: u32 = 512;
/// The trailer section.
const TRAILER_BYTES: usize = 8 * 1024;
/// Leading zeros count, so that nobody can send them forever.
const SIZE_DIGITS: u8 = 16;

/// Reads one message's chunked body, in pieces of any size.
#[derive(Debug, Clone, Default)]
pub struct ChunkDecoder {
    state: State,
    extension: u32,
    extensions: u32,
    /// The trailer section as it was sent: lines that end in CR LF.
    trailers: Vec<u8>,
    /// Where the current trailer line starts.
    trailer_line: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Size { size: u64, digits: u8 },
    Extension { size: u64, at: Extension },
    SizeLineFeed { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataLineFeed,
    TrailerStart,
    Trailer,
    TrailerLineFeed,
    EndLineFeed,
    Done,
    Bad(ParseError),
}

impl Default for State {
    fn default() -> Self {
        State::Size { size: 0, digits: 0 }
    }
}

/// Positions in `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
#[derive(Debug, Clone, Copy)]
enum Extension {
    /// After the size or a value, in whitespace: only `;` may follow.
    BeforeSemicolon,
    /// Right after a quoted value.
    AfterValue,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted,
    Escaped,
}

impl ChunkDecoder {
    /// Before the first byte of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads framing up to the next data. Returns how many bytes were consumed, and the data that follows those, as far as
    /// it is here; the data is consumed too. Empty data: more bytes are needed, or [`is_done`](Self::is_done).
    pub fn decode<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, &'b [u8]), ParseError> {
        let mut consumed = 0;
        while let Some(rest) = bytes.get(consumed..) {
            match (self.state, rest) {
                (State::Bad(error), _) => return Err(error),
                (State::Done, _) | (_, []) => break,
                (State::Data { left }, _) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    // `usize` is never wider than 64 bits.
                    let left = left - here as u64;
                    self.state = if left == 0 { State::DataReturn } else { State::Data { left } };
                    return Ok((consumed + here, rest.get(..here).unwrap_or_default()));
                }
                (_, [byte, ..]) => match self.next(*byte) {
                    Ok(state) => {
                        self.state = state;
                        consumed += 1;
                    }
                    Err(error) => {
                        self.state = State::Bad(error);
                        return Err(error);
                    }
                },
            }
        }
        Ok((consumed, &[]))
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The trailers, once the body is complete.
    pub fn trailers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.trailers.split(|&byte| byte == b'\n');
        lines.filter_map(|line| header_line(line.strip_suffix(b"\r")?).ok())
    }

    fn next(&mut self, byte: u8) -> Result<State, ParseError> {
        Ok(match self.state {
            State::Size { size, digits } => return self.size(size, digits, byte),
            State::Extension { size, at } => return self.extension(size, at, byte),
            State::SizeLineFeed { size } => match (byte, size) {
                (b'\n', 0) => State::TrailerStart,
                (b'\n', left) => State::Data { left },
                _ => return Err(ParseError::ChunkLineEnd),
            },
            State::DataReturn if byte == b'\r' => State::DataLineFeed,
            State::DataLineFeed if byte == b'\n' => State::default(),
            State::DataReturn | State::DataLineFeed => return Err(ParseError::ChunkEnd),
            State::EndLineFeed if byte == b'\n' => State::Done,
            State::EndLineFeed => return Err(ParseError::ChunkLineEnd),
            State::TrailerStart if byte == b'\r' => State::EndLineFeed,
            State::TrailerStart | State::Trailer | State::TrailerLineFeed => return self.trailer(byte),
            State::Data { .. } | State::Done | State::Bad(_) => self.state,
        })
    }

    fn size(&mut self, size: u64, digits: u8, byte: u8) -> Result<State, ParseError> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            // Shifting by one digit must not lose bits, nor reach the sign of a signed reader behind this one.
            if digits == SIZE_DIGITS || size >> 59 != 0 {
                return Err(ParseError::ChunkSize);
            }
            return Ok(State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 });
        }
        if digits == 0 {
            return Err(ParseError::ChunkSize);
        }
        self.extension = 0;
        match byte {
            b'\r' => Ok(State::SizeLineFeed { size }),
            b'\n' => Err(ParseError::ChunkLineEnd),
            b';' | b' ' | b'\t' => self.extension(size, Extension::BeforeSemicolon, byte),
            _ => Err(ParseError::ChunkSize),
        }
    }

    fn extension(&mut self, size: u64, at: Extension, byte: u8) -> Result<State, ParseError> {
        use Extension::{
            AfterName, AfterValue, BeforeName, BeforeSemicolon, BeforeValue, Escaped, Name, Quoted, Value,
        };
        let next = match (at, byte) {
            (Name | Value | AfterValue, b'\r') => return Ok(State::SizeLineFeed { size }),
            (_, b'\n') => return Err(ParseError::ChunkLineEnd),
            (BeforeSemicolon | Name | AfterName | Value | AfterValue, b';') => BeforeName,
            (BeforeSemicolon | Value | AfterValue, b' ' | b'\t') => BeforeSemicolon,
            (BeforeName | AfterName | BeforeValue, b' ' | b'\t') => at,
            (Name, b' ' | b'\t') => AfterName,
            (Name | AfterName, b'=') => BeforeValue,
            (BeforeName | Name, _) if is(byte, TOKEN) => Name,
            (BeforeValue, b'"') => Quoted,
            (BeforeValue | Value, _) if is(byte, TOKEN) => Value,
            (Quoted, b'"') => AfterValue,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, _) if in_value(byte) => Quoted,
            _ => return Err(ParseError::ChunkExtension),
        };
        self.extension += 1;
        self.extensions += 1;
        if self.extension > EXTENSION_BYTES_PER_CHUNK || self.extensions > EXTENSION_BYTES {
            return Err(ParseError::ChunkExtensionTooLong);
        }
        Ok(State::Extension { size, at: next })
    }

    fn trailer(&mut self, byte: u8) -> Result<State, ParseError> {
        if self.trailers.len() >= TRAILER_BYTES {
            return Err(ParseError::TrailersTooLarge);
        }
        self.trailers.push(byte);
        match (self.state, byte) {
            (State::TrailerLineFeed, b'\n') => {
                let line = self.trailers.get(self.trailer_line..self.trailers.len() - 2).unwrap_or_default();
                let (name, _) = header_line(line).map_err(|_| ParseError::Trailer)?;
                if is_forbidden(name) {
                    return Err(ParseError::TrailerForbidden);
                }
                self.trailer_line = self.trailers.len();
                Ok(State::TrailerStart)
            }
            (State::TrailerLineFeed, _) | (_, b'\n') => Err(ParseError::ChunkLineEnd),
            (State::Trailer, b'\r') => Ok(State::TrailerLineFeed),
            (State::TrailerStart, _) if !is(byte, TOKEN) => Err(ParseError::Trailer),
            (_, _) if in_value(byte) => Ok(State::Trailer),
            _ => Err(ParseError::Trailer),
        }
    }
}

/// Whether a trailer would change framing or routing if somebody merged it into the head (RFC 9110, section 6.5.1).
fn is_forbidden(name: &[u8]) -> bool {
    [&b"content-length"[..], b"transfer-encoding", b"host"]
        .iter()
        .any(|header| name.eq_ignore_ascii_case(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, the bytes consumed and the outcome, with pieces of this size.
    fn decoded(bytes: &[u8], piece: usize) -> (Vec<u8>, usize, Result<bool, ParseError>) {
        let (mut chunks, mut data, mut consumed) = (ChunkDecoder::new(), Vec::new(), 0);
        for bytes in bytes.chunks(piece) {
            let mut rest = bytes;
            loop {
                match chunks.decode(rest) {
                    Ok((used, here)) => {
                        consumed += used;
                        data.extend_from_slice(here);
                        rest = &rest[used..];
                        if here.is_empty() {
                            break;
                        }
                    }
                    Err(error) => return (data, consumed, Err(error)),
                }
            }
        }
        (data, consumed, Ok(chunks.is_done()))
    }

    #[test]
    fn reads_valid_bodies_and_nothing_else() {
        use ParseError::*;
        let rows: &[(&str, Result<bool, ParseError>)] = &[
            ("0\r\n\r\n", Ok(true)),
            ("5\r\nhello\r\n0\r\n\r\n", Ok(true)),
            ("05\r\nhello\r\n000\r\n\r\n", Ok(true)),
            ("A\r\n0123456789\r\n0\r\n\r\n", Ok(true)),
            ("1;a\r\nx\r\n0;b=c\r\n\r\n", Ok(true)),
            ("1 ; a = b ;c=\"d;\\\" \t\"\r\nx\r\n0\r\n\r\n", Ok(true)),
            ("0\r\nA: b\r\nC:\r\n\r\n", Ok(true)),
            ("5\r\nhel", Ok(false)),
            ("0\r\n", Ok(false)),
            ("7fffffffffffffff\r\n", Ok(false)),
            ("", Ok(false)),
            ("\r\n", Err(ChunkSize)),
            ("g\r\n", Err(ChunkSize)),
            ("-1\r\n", Err(ChunkSize)),
            (" 1\r\n", Err(ChunkSize)),
            ("1_0\r\n", Err(ChunkSize)),
            ("8000000000000000\r\n", Err(ChunkSize)),
            ("00000000000000000\r\n", Err(ChunkSize)),
            ("1\nx\r\n", Err(ChunkLineEnd)),
            ("1\r\r\nx\r\n", Err(ChunkLineEnd)),
            ("1\rx", Err(ChunkLineEnd)),
            ("1 \r\nx\r\n", Err(ChunkExtension)),
            ("1;\r\nx\r\n", Err(ChunkExtension)),
            ("1;a=\r\nx\r\n", Err(ChunkExtension)),
            ("1;a \r\nx\r\n", Err(ChunkExtension)),
            ("1;a\rb", Err(ChunkLineEnd)),
            ("1;a\nb", Err(ChunkLineEnd)),
            ("1;a=\"b\r\n\"\r\n", Err(ChunkExtension)),
            ("1;a=\"b\"c\r\n", Err(ChunkExtension)),
            ("1;a\0\r\n", Err(ChunkExtension)),
            ("1\r\nxy\r\n", Err(ChunkEnd)),
            ("1\r\nx\n", Err(ChunkEnd)),
            ("1\r\nx\ry", Err(ChunkEnd)),
            ("1\r\nx0\r\n\r\n", Err(ChunkEnd)),
            ("0\r\n\n", Err(ChunkLineEnd)),
            ("0\r\n\rx", Err(ChunkLineEnd)),
            ("0\r\nA\r\n\r\n", Err(Trailer)),
            ("0\r\nA : b\r\n\r\n", Err(Trailer)),
            ("0\r\n: b\r\n\r\n", Err(Trailer)),
            ("0\r\nA: b\r\n c\r\n\r\n", Err(Trailer)),
            ("0\r\nA: \0\r\n\r\n", Err(Trailer)),
            ("0\r\nA: b\n\r\n", Err(ChunkLineEnd)),
            ("0\r\nA: b\rc", Err(ChunkLineEnd)),
            ("0\r\nTransfer-ENCODING: chunked\r\n\r\n", Err(TrailerForbidden)),
            ("0\r\nX: y\r\nhost: a\r\n\r\n", Err(TrailerForbidden)),
            ("0\r\nContent-Length-Of-It: 5\r\n\r\n", Ok(true)),
        ];
        for (body, expected) in rows {
            let (data, _, outcome) = decoded(body.as_bytes(), usize::MAX);
            assert_eq!(outcome, *expected, "{body:?}");
            let (dripped, _, outcome) = decoded(body.as_bytes(), 1);
            assert_eq!((&dripped, outcome), (&data, *expected), "{body:?} byte by byte");
        }
    }

    #[test]
    fn yields_data_and_trailers_and_leaves_what_follows() {
        let body = b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nDigest: x\r\nEmpty:\r\n\r\nGET /";
        for piece in [1, 2, 3, 7, 100] {
            let (data, consumed, outcome) = decoded(body, piece);
            assert_eq!((&data[..], consumed, outcome), (&b"hello!"[..], body.len() - 5, Ok(true)));
        }
        let mut chunks = ChunkDecoder::new();
        let mut rest = &body[..];
        while let Ok((used, [_, ..])) = chunks.decode(rest) {
            rest = &rest[used..];
        }
        let trailers: Vec<_> = chunks.trailers().collect();
        assert_eq!(trailers, [(&b"Digest"[..], &b"x"[..]), (b"Empty", b"")]);
    }

    #[test]
    fn limits_extensions_and_trailers() {
        let extension = format!("1;{}", "a".repeat(600));
        let chunk = format!("1;{}\r\nx\r\n", "a".repeat(500)).repeat(40);
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(2000));
        let rows = [
            (extension, ParseError::ChunkExtensionTooLong),
            (chunk, ParseError::ChunkExtensionTooLong),
            (trailers, ParseError::TrailersTooLarge),
        ];
        for (body, error) in rows {
            assert_eq!(decoded(body.as_bytes(), usize::MAX).2, Err(error));
        }
    }
}
