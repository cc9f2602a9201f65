//! The chunked transfer coding, read strictly: RFC 9112, 7.1. It follows the content without changing it;
//! hyper decodes it behind. Where two readers of chunks disagree, one of them sees a request in the content,
//! so whatever the grammar does not allow ends the content.

use crate::ParseError;
use crate::characters::{TOKEN, in_value, is};

/// Chunk extensions in one message. Some clients sign every chunk; hyper stops at the same number.
const EXTENSION_BYTES: u32 = 16 * 1024;
/// Chunk extensions in one chunk.
const EXTENSION_BYTES_PER_CHUNK: u32 = 512;
/// The trailer section.
const TRAILER_BYTES: u32 = 8 * 1024;
/// Leading zeros count, so that nobody can drip them for ever.
const SIZE_DIGITS: u8 = 16;

/// Reads one message's chunked content, in pieces of any size.
#[derive(Debug, Clone, Default)]
pub struct Chunks {
    state: ChunkState,
    extension: u32,
    extensions: u32,
    trailers: u32,
    name: TrailerName,
}

/// How far [`Chunks::feed`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkProgress {
    /// Good bytes of this content at the start of what was fed.
    pub consumed: usize,
    /// What comes after them.
    pub progress: BodyProgress,
}

/// Where chunked content stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyProgress {
    /// All was consumed, and more must follow.
    More,
    /// The content is complete; what was not consumed belongs to the next message.
    Done,
    /// The first byte that was not consumed breaks the framing. It stays broken.
    Bad(ParseError),
}

#[derive(Debug, Clone, Copy)]
enum ChunkState {
    Size { size: u64, digits: u8 },
    Extension { size: u64, at: Extension },
    SizeLineFeed { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    EndLineFeed,
    Done,
    Bad(ParseError),
}

impl Default for ChunkState {
    fn default() -> Self {
        ChunkState::Size { size: 0, digits: 0 }
    }
}

/// Places in `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
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

impl Chunks {
    /// Goes on with the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> ChunkProgress {
        let mut consumed = 0;
        while let Some(rest) = bytes.get(consumed..) {
            match (self.state, rest) {
                (ChunkState::Done, _) => return ChunkProgress { consumed, progress: BodyProgress::Done },
                (ChunkState::Bad(fault), _) => {
                    return ChunkProgress { consumed, progress: BodyProgress::Bad(fault) };
                }
                (_, []) => break,
                (ChunkState::Data { left }, _) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    consumed += here;
                    // `usize` is never wider than 64 bits.
                    let left = left - here as u64;
                    self.state = if left == 0 { ChunkState::DataReturn } else { ChunkState::Data { left } };
                }
                (_, [byte, ..]) => match self.next(*byte) {
                    Ok(state) => {
                        self.state = state;
                        consumed += 1;
                    }
                    Err(fault) => self.state = ChunkState::Bad(fault),
                },
            }
        }
        ChunkProgress { consumed, progress: BodyProgress::More }
    }

    fn next(&mut self, byte: u8) -> Result<ChunkState, ParseError> {
        Ok(match self.state {
            ChunkState::Size { size, digits } => return self.size(size, digits, byte),
            ChunkState::Extension { size, at } => return self.extension(size, at, byte),
            ChunkState::SizeLineFeed { size } => match (byte, size) {
                (b'\n', 0) => ChunkState::TrailerStart,
                (b'\n', left) => ChunkState::Data { left },
                _ => return Err(ParseError::ChunkLineEnd),
            },
            ChunkState::DataReturn if byte == b'\r' => ChunkState::DataLineFeed,
            ChunkState::DataLineFeed if byte == b'\n' => ChunkState::default(),
            ChunkState::DataReturn | ChunkState::DataLineFeed => return Err(ParseError::ChunkEnd),
            ChunkState::EndLineFeed if byte == b'\n' => ChunkState::Done,
            ChunkState::EndLineFeed => return Err(ParseError::ChunkLineEnd),
            ChunkState::TrailerStart if byte == b'\r' => ChunkState::EndLineFeed,
            ChunkState::TrailerStart
            | ChunkState::TrailerName
            | ChunkState::TrailerValue
            | ChunkState::TrailerLineFeed => {
                return self.trailer(byte);
            }
            ChunkState::Data { .. } | ChunkState::Done | ChunkState::Bad(_) => self.state,
        })
    }

    fn size(&mut self, size: u64, digits: u8, byte: u8) -> Result<ChunkState, ParseError> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            // Shifting by one digit must not lose bits, nor reach the sign of a signed reader behind us.
            if digits == SIZE_DIGITS || size >> 59 != 0 {
                return Err(ParseError::ChunkSize);
            }
            return Ok(ChunkState::Size { size: size << 4 | u64::from(digit), digits: digits + 1 });
        }
        if digits == 0 {
            return Err(ParseError::ChunkSize);
        }
        self.extension = 0;
        match byte {
            b'\r' => Ok(ChunkState::SizeLineFeed { size }),
            b'\n' => Err(ParseError::ChunkLineEnd),
            b';' | b' ' | b'\t' => self.extension(size, Extension::BeforeSemicolon, byte),
            _ => Err(ParseError::ChunkSize),
        }
    }

    fn extension(&mut self, size: u64, at: Extension, byte: u8) -> Result<ChunkState, ParseError> {
        use Extension::{
            AfterName, AfterValue, BeforeName, BeforeSemicolon, BeforeValue, Escaped, Name, Quoted, Value,
        };
        let next = match (at, byte) {
            (Name | Value | AfterValue, b'\r') => return Ok(ChunkState::SizeLineFeed { size }),
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
        Ok(ChunkState::Extension { size, at: next })
    }

    fn trailer(&mut self, byte: u8) -> Result<ChunkState, ParseError> {
        self.trailers += 1;
        if self.trailers > TRAILER_BYTES {
            return Err(ParseError::TrailersTooLarge);
        }
        match (self.state, byte) {
            (ChunkState::TrailerName, b':') if self.name.is_forbidden() => Err(ParseError::TrailerForbidden),
            (ChunkState::TrailerName, b':') => Ok(ChunkState::TrailerValue),
            (ChunkState::TrailerStart | ChunkState::TrailerName, _) if is(byte, TOKEN) => {
                if matches!(self.state, ChunkState::TrailerStart) {
                    self.name = TrailerName::default();
                }
                self.name.push(byte);
                Ok(ChunkState::TrailerName)
            }
            (ChunkState::TrailerValue, b'\r') => Ok(ChunkState::TrailerLineFeed),
            (ChunkState::TrailerValue, _) if in_value(byte) => Ok(ChunkState::TrailerValue),
            (ChunkState::TrailerLineFeed, b'\n') => Ok(ChunkState::TrailerStart),
            (ChunkState::TrailerLineFeed, _) | (_, b'\n') => Err(ParseError::ChunkLineEnd),
            _ => Err(ParseError::Trailer),
        }
    }
}

/// The name of the trailer field being read, as far as it matters.
#[derive(Debug, Clone, Copy, Default)]
struct TrailerName {
    bytes: [u8; 17],
    len: usize,
}

impl TrailerName {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte.to_ascii_lowercase();
        }
        self.len += 1;
    }

    /// Fields that would change framing or routing if something behind us merged trailers into the head
    /// (RFC 9110, 6.5.1).
    fn is_forbidden(&self) -> bool {
        matches!(self.bytes.get(..self.len), Some(b"content-length" | b"transfer-encoding" | b"host"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_followed_to_its_end_whole_and_byte_by_byte() {
        use BodyProgress::{Bad, Done, More};
        use ParseError::*;
        let rows: &[(&str, BodyProgress)] = &[
            ("0\r\n\r\n", Done),
            ("5\r\nhello\r\n0\r\n\r\n", Done),
            ("05\r\nhello\r\n000\r\n\r\n", Done),
            ("A\r\n0123456789\r\n0\r\n\r\n", Done),
            ("1;a\r\nx\r\n0;b=c\r\n\r\n", Done),
            ("1 ; a = b ;c=\"d;\\\" \t\"\r\nx\r\n0\r\n\r\n", Done),
            ("0\r\nA: b\r\nC:\r\n\r\n", Done),
            ("5\r\nhel", More),
            ("0\r\n", More),
            ("7fffffffffffffff\r\n", More),
            ("", More),
            ("\r\n", Bad(ChunkSize)),
            ("g\r\n", Bad(ChunkSize)),
            ("-1\r\n", Bad(ChunkSize)),
            (" 1\r\n", Bad(ChunkSize)),
            ("1_0\r\n", Bad(ChunkSize)),
            ("8000000000000000\r\n", Bad(ChunkSize)),
            ("00000000000000000\r\n", Bad(ChunkSize)),
            ("1\nx\r\n", Bad(ChunkLineEnd)),
            ("1\r\r\nx\r\n", Bad(ChunkLineEnd)),
            ("1\rx", Bad(ChunkLineEnd)),
            ("1 \r\nx\r\n", Bad(ChunkExtension)),
            ("1;\r\nx\r\n", Bad(ChunkExtension)),
            ("1;a=\r\nx\r\n", Bad(ChunkExtension)),
            ("1;a \r\nx\r\n", Bad(ChunkExtension)),
            ("1;a\rb", Bad(ChunkLineEnd)),
            ("1;a\nb", Bad(ChunkLineEnd)),
            ("1;a=\"b\r\n\"\r\n", Bad(ChunkExtension)),
            ("1;a=\"b\"c\r\n", Bad(ChunkExtension)),
            ("1;a\0\r\n", Bad(ChunkExtension)),
            ("1\r\nxy\r\n", Bad(ChunkEnd)),
            ("1\r\nx\n", Bad(ChunkEnd)),
            ("1\r\nx\ry", Bad(ChunkEnd)),
            ("1\r\nx0\r\n\r\n", Bad(ChunkEnd)),
            ("0\r\n\n", Bad(ChunkLineEnd)),
            ("0\r\n\rx", Bad(ChunkLineEnd)),
            ("0\r\nA\r\n\r\n", Bad(Trailer)),
            ("0\r\nA : b\r\n\r\n", Bad(Trailer)),
            ("0\r\n: b\r\n\r\n", Bad(Trailer)),
            ("0\r\nA: b\r\n c\r\n\r\n", Bad(Trailer)),
            ("0\r\nA: \0\r\n\r\n", Bad(Trailer)),
            ("0\r\nA: b\n\r\n", Bad(ChunkLineEnd)),
            ("0\r\nA: b\rc", Bad(ChunkLineEnd)),
            ("0\r\nTransfer-ENCODING: chunked\r\n\r\n", Bad(TrailerForbidden)),
            ("0\r\nX: y\r\nhost: a\r\n\r\n", Bad(TrailerForbidden)),
            ("0\r\nContent-Length-Of-It: 5\r\n\r\n", Done),
        ];
        for (content, expected) in rows {
            let whole = Chunks::default().feed(content.as_bytes());
            assert_eq!(whole.progress, *expected, "{content:?}");
            let mut chunks = Chunks::default();
            let mut consumed = 0;
            let mut progress = More;
            for byte in content.as_bytes().chunks(1) {
                let fed = chunks.feed(byte);
                consumed += fed.consumed;
                progress = fed.progress;
                if progress != More {
                    break;
                }
            }
            assert_eq!(ChunkProgress { consumed, progress }, whole, "{content:?}");
        }
    }

    #[test]
    fn what_follows_the_last_chunk_is_left() {
        let fed = Chunks::default().feed(b"0\r\n\r\nGET /");
        assert_eq!(fed, ChunkProgress { consumed: 5, progress: BodyProgress::Done });
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let extension = format!("1;{}", "a".repeat(600));
        let chunk = format!("1;{}\r\nx\r\n", "a".repeat(500)).repeat(40);
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(2000));
        let rows = [
            (extension, ParseError::ChunkExtensionTooLong),
            (chunk, ParseError::ChunkExtensionTooLong),
            (trailers, ParseError::TrailersTooLarge),
        ];
        for (content, fault) in rows {
            assert_eq!(Chunks::default().feed(content.as_bytes()).progress, BodyProgress::Bad(fault));
        }
    }
}
