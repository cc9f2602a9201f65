//! Reads a body to its end, however it is framed.

use super::{ChunkDecoder, Framing};
use crate::ParseError;

/// Reads one body, in pieces of any size.
#[derive(Debug, Clone)]
pub struct BodyDecoder(State);

#[derive(Debug, Clone)]
enum State {
    Done,
    Length(u64),
    // Boxed: most bodies are not chunked, and every connection has a decoder.
    Chunked(Box<ChunkDecoder>),
    UntilClose,
}

/// What the bytes of a body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<'b> {
    /// The next data.
    Data(&'b [u8]),
    /// More bytes are needed.
    More,
    /// The body is complete. Bytes that were not consumed belong to the next message.
    End,
}

impl BodyDecoder {
    /// At the start of a body.
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::None => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Box::default()),
            Framing::UntilClose => State::UntilClose,
        })
    }

    /// Reads on, and returns how many bytes were consumed. Data is consumed too. After an error the connection is useless.
    pub fn decode<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, Decoded<'b>), ParseError> {
        match &mut self.0 {
            State::Done => Ok((0, Decoded::End)),
            _ if bytes.is_empty() => Ok((0, Decoded::More)),
            State::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                // `usize` is never wider than 64 bits.
                *left -= here as u64;
                if *left == 0 {
                    self.0 = State::Done;
                }
                Ok((here, Decoded::Data(bytes.get(..here).unwrap_or_default())))
            }
            State::Chunked(chunks) => {
                let (consumed, data) = chunks.decode(bytes)?;
                Ok(match data {
                    [] if chunks.is_done() => (consumed, Decoded::End),
                    [] => (consumed, Decoded::More),
                    data => (consumed, Decoded::Data(data)),
                })
            }
            State::UntilClose => Ok((bytes.len(), Decoded::Data(bytes))),
        }
    }

    /// The peer sends no more bytes. An error where the body is incomplete.
    pub fn end_of_input(&mut self) -> Result<(), ParseError> {
        if matches!(self.0, State::UntilClose) {
            self.0 = State::Done;
        }
        if self.is_done() { Ok(()) } else { Err(ParseError::BodyTruncated) }
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        match &self.0 {
            State::Done => true,
            State::Chunked(chunks) => chunks.is_done(),
            State::Length(_) | State::UntilClose => false,
        }
    }

    /// How many bytes are left, where the length is known.
    pub fn left(&self) -> Option<u64> {
        match &self.0 {
            State::Done => Some(0),
            State::Length(left) => Some(*left),
            State::Chunked(_) | State::UntilClose => None,
        }
    }

    /// The trailers of a chunked body that is complete.
    pub fn trailers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let chunks = match &self.0 {
            State::Chunked(chunks) => Some(chunks),
            _ => None,
        };
        chunks.into_iter().flat_map(|chunks| chunks.trailers())
    }
}
