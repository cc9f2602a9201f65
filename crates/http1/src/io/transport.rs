//! What carries the bytes of a connection: a TCP socket, or another stream, such as TLS over one.

use std::fmt;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A stream other than plain TCP.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Whether the kernel has bytes for this stream, or its end, even if the runtime was not told yet.
    fn has_arrived(&self) -> bool;
}

#[cfg(unix)]
impl Stream for tokio::net::UnixStream {
    fn has_arrived(&self) -> bool {
        let mut byte = [MaybeUninit::uninit(); 1];
        socket2::SockRef::from(self).peek(&mut byte).is_ok()
    }
}

/// What carries the bytes of a connection. Plain TCP is served without indirection.
pub enum Transport {
    /// Plain TCP.
    Tcp(TcpStream),
    /// Anything else.
    Other(Box<dyn Stream>),
}

impl Transport {
    /// Whether there are bytes or an end to read, by asking the kernel.
    pub(crate) fn has_arrived(&self) -> bool {
        match self {
            Transport::Tcp(tcp) => {
                let mut byte = [MaybeUninit::uninit(); 1];
                socket2::SockRef::from(tcp).peek(&mut byte).is_ok()
            }
            Transport::Other(stream) => stream.has_arrived(),
        }
    }

    /// Writes what can be written without waiting.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(tcp) => tcp.try_write(bytes),
            Transport::Other(stream) => {
                // The task that waits for the rest polls again, with a waker.
                let mut cx = Context::from_waker(Waker::noop());
                match Pin::new(stream).poll_write(&mut cx, bytes) {
                    Poll::Ready(written) => written,
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Whether what was written may still be in a buffer of the stream, as TLS records are.
    pub(crate) fn is_buffered(&self) -> bool {
        matches!(self, Transport::Other(_))
    }
}

impl From<TcpStream> for Transport {
    fn from(tcp: TcpStream) -> Self {
        Transport::Tcp(tcp)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Transport::Tcp(tcp) => tcp.fmt(f),
            Transport::Other(_) => f.write_str("Other(..)"),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Transport::Other(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Transport::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, pieces),
            Transport::Other(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Transport::Tcp(tcp) => tcp.is_write_vectored(),
            Transport::Other(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Transport::Other(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Transport::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A stream as TLS makes one: what is written stays in its buffer until it is flushed.
#[cfg(test)]
pub(super) mod tests {
    use std::task::ready;

    use super::*;

    /// A socket behind a buffer, of which a flush sends a piece at a time.
    pub(crate) struct Buffered {
        pub(crate) tcp: TcpStream,
        pub(crate) unsent: Vec<u8>,
    }

    /// Bytes that the buffer holds, and that one poll sends of it.
    const ROOM: usize = 64;
    const PIECE: usize = 7;

    impl Stream for Buffered {
        fn has_arrived(&self) -> bool {
            false
        }
    }

    impl AsyncRead for Buffered {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.get_mut().tcp).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Buffered {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let this = self.get_mut();
            let room = ROOM - this.unsent.len();
            if room == 0 {
                ready!(this.send(cx))?;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let taken = room.min(bytes.len());
            this.unsent.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let this = self.get_mut();
            ready!(this.send(cx))?;
            if this.unsent.is_empty() {
                return Poll::Ready(Ok(()));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
        }
    }

    impl Buffered {
        fn send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let piece = self.unsent.get(..PIECE).unwrap_or(&self.unsent);
            if !piece.is_empty() {
                let sent = ready!(Pin::new(&mut self.tcp).poll_write(cx, piece))?;
                self.unsent.drain(..sent);
            }
            Poll::Ready(Ok(()))
        }
    }
}
