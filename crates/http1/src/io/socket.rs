//! A socket with what was read from it and not yet consumed, and what is to be written to it.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::ParseError;
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much is read at once. An idle connection has no buffer.
const READ_BYTES: usize = 16 * 1024;
/// Pieces that are written with one system call.
const PIECES: usize = 16;

/// Why a message could not be read to its end.
#[derive(Debug)]
pub enum ReadError {
    /// The peer breaks the protocol.
    Parse(ParseError),
    /// The connection failed.
    Io(io::Error),
}

/// A socket with its buffers.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    read: BytesMut,
    write: VecDeque<Bytes>,
    /// The peer sends no more.
    is_ended: bool,
}

impl Socket {
    /// A socket of which `read` has been read already.
    pub(crate) fn new(tcp: TcpStream, read: &[u8]) -> Self {
        Self { tcp, read: BytesMut::from(read), write: VecDeque::new(), is_ended: false }
    }

    /// What was read and not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.read
    }

    /// Whether the peer sends no more than what is here.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Drops bytes from the front.
    pub(crate) fn consume(&mut self, count: usize) {
        self.read.advance(count.min(self.read.len()));
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
    }

    /// Takes bytes from the front, without a copy.
    pub(crate) fn take(&mut self, count: usize) -> Bytes {
        let taken = self.read.split_to(count.min(self.read.len())).freeze();
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
        taken
    }

    /// Reads more. Zero bytes: the peer sends no more.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.is_ended {
            return Poll::Ready(Ok(0));
        }
        let start = self.read.len();
        self.read.resize(start + READ_BYTES, 0);
        let mut room = ReadBuf::new(self.read.get_mut(start..).unwrap_or_default());
        let polled = Pin::new(&mut self.tcp).poll_read(cx, &mut room);
        let count = room.filled().len();
        self.read.truncate(start + count);
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
        ready!(polled)?;
        self.is_ended = count == 0;
        Poll::Ready(Ok(count))
    }

    /// Whether a read would not wait, without a system call as long as nothing happens on the socket.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_read_ready(cx)
    }

    /// Looks at what a read would give, without reading: bytes, an end, or that the peer reset the connection.
    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut byte = [0; 1];
        self.tcp.poll_peek(cx, &mut ReadBuf::new(&mut byte))
    }

    /// Adds a piece to what is to be written.
    pub(crate) fn queue(&mut self, piece: impl Into<Bytes>) {
        let piece = piece.into();
        if !piece.is_empty() {
            self.write.push_back(piece);
        }
    }

    /// How many bytes are still to be written.
    pub(crate) fn queued(&self) -> usize {
        self.write.iter().map(Bytes::len).sum()
    }

    /// Whether everything was written.
    pub(crate) fn is_flushed(&self) -> bool {
        self.write.is_empty()
    }

    /// Writes what is queued.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.write.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            for (place, piece) in pieces.iter_mut().zip(&self.write) {
                *place = IoSlice::new(piece);
            }
            let count = pieces.len().min(self.write.len());
            let pieces = pieces.get(..count).unwrap_or_default();
            let mut written = ready!(Pin::new(&mut self.tcp).poll_write_vectored(cx, pieces))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            while let Some(piece) = self.write.front_mut() {
                if piece.len() > written {
                    piece.advance(written);
                    break;
                }
                written -= piece.len();
                self.write.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Gives up what is queued: nobody takes it.
    pub(crate) fn discard_queue(&mut self) {
        self.write.clear();
    }

    /// Ends the writing side.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    /// The socket, and what was read of it, for another protocol.
    pub(crate) fn into_parts(self) -> (TcpStream, Bytes) {
        (self.tcp, self.read.freeze())
    }
}

impl From<ParseError> for ReadError {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Parse(error) => error.fmt(f),
            ReadError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}
