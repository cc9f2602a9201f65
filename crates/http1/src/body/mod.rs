//! Bodies: where they end, read from one side and written to the other.

mod chunk;
mod decode;
mod encode;

pub use chunk::ChunkDecoder;
pub use decode::{BodyDecoder, Decoded};
pub use encode::{BodyEncoder, BodyLength, EncodeError, Frame};

/// How the end of a body is known (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// There is no body.
    None,
    /// It has this many bytes; never zero.
    Length(u64),
    /// It ends with the last chunk.
    Chunked,
    /// It ends with the connection. Responses only.
    UntilClose,
}

impl Framing {
    /// The length of the body, where it is known before.
    pub fn length(self) -> Option<u64> {
        match self {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::UntilClose => None,
        }
    }
}
