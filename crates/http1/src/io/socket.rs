//! A socket with what was read from it and not yet consumed, and what is to be written to it.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use crate::{Frame, ParseError};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::scratch::with_read_buffer;
use super::transport::Transport;

/// Up to this length, data is copied behind what is written before it: cheaper than another piece.
const COPIED_BYTES: usize = 4096;
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
    transport: Transport,
    read: BytesMut,
    write: VecDeque<Bytes>,
    /// The transport may hold bytes that were written to it.
    is_buffered: bool,
    /// The peer sends no more.
    is_ended: bool,
}

impl Socket {
    /// A socket of which `read` has been read already.
    pub(crate) fn new(transport: Transport, read: &[u8]) -> Self {
        let (read, write) = (BytesMut::from(read), VecDeque::new());
        Self { transport, read, write, is_buffered: false, is_ended: false }
    }

    /// Dropping the socket resets a TCP connection. Another transport is closed.
    pub(crate) fn reset_on_drop(&self) {
        if let Transport::Tcp(tcp) = &self.transport {
            // Fails only if the connection has ended already.
            let _ = socket2::SockRef::from(tcp).set_linger(Some(std::time::Duration::ZERO));
        }
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
        self.poll_fill_up_to(cx, usize::MAX)
    }

    /// Reads more, so that no more than this many bytes are unread. There must be room for one.
    pub(crate) fn poll_fill_up_to(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        if self.is_ended {
            return Poll::Ready(Ok(0));
        }
        let room = limit.saturating_sub(self.read.len()).max(1);
        with_read_buffer(|buffer| {
            let room = room.min(buffer.len());
            let mut room = ReadBuf::new(buffer.get_mut(..room).unwrap_or_default());
            ready!(Pin::new(&mut self.transport).poll_read(cx, &mut room))?;
            let read = room.filled();
            self.is_ended = read.is_empty();
            self.read.extend_from_slice(read);
            Poll::Ready(Ok(read.len()))
        })
    }

    /// Whether the peer of an idle connection has sent something, or closed it. Without a system call as long as nothing
    /// has happened on a TCP socket.
    pub(crate) fn has_input(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match &self.transport {
            Transport::Tcp(tcp) => {
                let mut byte = [0; 1];
                tcp.poll_read_ready(&mut cx).is_ready()
                    && tcp.poll_peek(&mut cx, &mut ReadBuf::new(&mut byte)).is_ready()
            }
            // What the stream reads for itself, such as session tickets, is no input.
            Transport::Other(_) => self.poll_fill(&mut cx).is_ready(),
        }
    }

    /// Whether there are bytes or an end to read, by asking the kernel: the runtime may not have been told yet.
    pub(crate) fn has_arrived(&self) -> bool {
        self.transport.has_arrived()
    }

    /// Writes bytes at once as far as the peer takes them, and queues the rest.
    pub(crate) fn write_now(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        while self.write.is_empty() && !left.is_empty() {
            match self.transport.try_write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if !left.is_empty() {
            self.queue(Bytes::copy_from_slice(left));
        }
        if self.transport.is_buffered() {
            self.is_buffered = true;
            // What does not fit is sent by the next flush.
            if let Poll::Ready(Err(error)) = self.poll_flush(&mut Context::from_waker(Waker::noop())) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Appends data of a body and what surrounds it to `out`, which is written after what is queued. Much data is queued
    /// itself, with what is in `out` before it.
    pub(crate) fn append(&mut self, frame: Frame, data: Bytes, out: &mut Vec<u8>) {
        out.extend_from_slice(frame.prefix());
        if data.len() <= COPIED_BYTES {
            out.extend_from_slice(&data);
        } else {
            self.queue(Bytes::copy_from_slice(out));
            self.queue(data);
            out.clear();
        }
        out.extend_from_slice(frame.suffix());
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
        self.write.is_empty() && !self.is_buffered
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
            let mut written = ready!(Pin::new(&mut self.transport).poll_write_vectored(cx, pieces))?;
            self.is_buffered = self.transport.is_buffered();
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
        if self.is_buffered {
            ready!(Pin::new(&mut self.transport).poll_flush(cx))?;
            self.is_buffered = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Gives up what is queued: nobody takes it.
    pub(crate) fn discard_queue(&mut self) {
        self.write.clear();
        self.is_buffered = false;
    }

    /// Ends the writing side.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }

    /// Ends the writing side of a stream whose end has to be told apart from a cut, as in TLS, as far as it can be done
    /// at once. A TCP socket ends when it is dropped.
    pub(crate) fn finish(&mut self) {
        if self.transport.is_buffered() {
            let _ = self.poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
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
