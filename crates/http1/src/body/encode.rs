//! Writes a body so that its end is known.

use std::fmt;

use crate::write::{InvalidHeader, write_header};

/// What is known about the length of a body that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body, and nothing is said about one.
    None,
    /// It has this many bytes, perhaps none.
    Known(u64),
    /// It ends when it ends.
    Unknown,
}

/// Writes one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEncoder {
    /// Nothing may be written.
    None,
    /// This many bytes are still to be written.
    Length(u64),
    /// In chunks.
    Chunked,
    /// As it is; the connection ends it.
    UntilClose,
}

/// Why a body cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// More bytes than were announced, or a body where none is allowed.
    TooLong,
    /// The body ends before as many bytes as were announced.
    TooShort,
    /// A trailer is not a valid header.
    Trailer,
    /// A method was called in the wrong phase of the exchange.
    OutOfOrder,
}

/// What surrounds a piece of data on the wire, so that it need not be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frame {
    prefix: [u8; 18],
    len: u8,
    suffix: &'static [u8],
}

impl Frame {
    /// What comes before the data.
    pub fn prefix(&self) -> &[u8] {
        self.prefix.get(18 - usize::from(self.len)..).unwrap_or_default()
    }

    /// What comes after the data.
    pub fn suffix(&self) -> &'static [u8] {
        self.suffix
    }

    /// `hexadecimal length CR LF`, written from the right.
    fn chunk(len: usize) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut prefix = [0; 18];
        prefix[16] = b'\r';
        prefix[17] = b'\n';
        let (mut at, mut left) = (16, len);
        while at > 0 {
            at -= 1;
            prefix[at] = DIGITS[left & 15];
            left >>= 4;
            if left == 0 {
                break;
            }
        }
        // At most 18.
        Self { prefix, len: (18 - at) as u8, suffix: b"\r\n" }
    }
}

impl BodyEncoder {
    /// Accounts for the next `len` bytes of data and returns what surrounds them.
    pub fn frame(&mut self, len: usize) -> Result<Frame, EncodeError> {
        match self {
            // An empty chunk would end the body.
            _ if len == 0 => Ok(Frame::default()),
            BodyEncoder::None => Err(EncodeError::TooLong),
            BodyEncoder::Length(left) => {
                // `usize` is never wider than 64 bits.
                *left = left.checked_sub(len as u64).ok_or(EncodeError::TooLong)?;
                Ok(Frame::default())
            }
            BodyEncoder::Chunked => Ok(Frame::chunk(len)),
            BodyEncoder::UntilClose => Ok(Frame::default()),
        }
    }

    /// Writes the next data with what surrounds it.
    pub fn write(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let frame = self.frame(data.len())?;
        out.extend_from_slice(frame.prefix());
        out.extend_from_slice(data);
        out.extend_from_slice(frame.suffix());
        Ok(())
    }

    /// Writes the end of the body. Trailers are dropped where the framing has no place for them.
    pub fn end<'t>(
        &mut self,
        trailers: impl IntoIterator<Item = (&'t [u8], &'t [u8])>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self {
            BodyEncoder::Length(1..) => Err(EncodeError::TooShort),
            BodyEncoder::Chunked => {
                let start = out.len();
                out.extend_from_slice(b"0\r\n");
                for (name, value) in trailers {
                    if let Err(InvalidHeader) = write_header(out, name, value) {
                        out.truncate(start);
                        return Err(EncodeError::Trailer);
                    }
                }
                out.extend_from_slice(b"\r\n");
                Ok(())
            }
            BodyEncoder::None | BodyEncoder::Length(_) | BodyEncoder::UntilClose => Ok(()),
        }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EncodeError::TooLong => "body is longer than announced",
            EncodeError::TooShort => "body is shorter than announced",
            EncodeError::Trailer => "trailer is not a valid header",
            EncodeError::OutOfOrder => "not allowed in this phase of the exchange",
        })
    }
}

impl std::error::Error for EncodeError {}
