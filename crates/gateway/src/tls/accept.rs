//! The handshake of a connection from a client.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use demur_http1::io::{Stream, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::server::ListenerTls;

/// The type of a record that holds a handshake message (RFC 8446, section 5.1): the first byte of every TLS connection.
const HANDSHAKE: u8 = 22;

/// What a connection to a TLS port has begun with, and what was read after it.
pub(crate) enum Handshake {
    /// A handshake, which is complete.
    Done(Transport, Vec<u8>),
    /// Something else.
    NotTls(TcpStream, Vec<u8>),
}

/// Performs the handshake, of which `first` has been read already.
pub(crate) async fn accept(
    tls: &ListenerTls,
    socket: TcpStream,
    first: Vec<u8>,
    max_time: Duration,
) -> io::Result<Handshake> {
    let handshake = async {
        let mut byte = [0; 1];
        let byte = match first.first() {
            Some(byte) => *byte,
            None if socket.peek(&mut byte).await? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => byte[0],
        };
        if byte != HANDSHAKE {
            return Ok(Handshake::NotTls(socket, first));
        }
        let acceptor = TlsAcceptor::from(tls.config.clone());
        let stream = acceptor.accept(Prefixed { first: first.into(), tcp: socket }).await?;
        Ok(Handshake::Done(Transport::Other(Box::new(ClientTls(stream))), Vec::new()))
    };
    timeout(max_time, handshake).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no handshake within {max_time:?}")))
    })
}

/// A socket of which something was read before.
struct Prefixed {
    first: Bytes,
    tcp: TcpStream,
}

/// A client's connection over TLS.
struct ClientTls(TlsStream<Prefixed>);

impl Stream for ClientTls {
    fn has_arrived(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit(); 1];
        socket2::SockRef::from(&self.0.get_ref().0.tcp).peek(&mut byte).is_ok()
    }
}

impl AsyncRead for ClientTls {
    /// A client that closes its socket without ending TLS is at its end, as over TCP: a request says itself where it ends.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.get_mut().0).poll_read(cx, buffer) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            polled => polled,
        }
    }
}

impl AsyncWrite for ClientTls {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.tcp).poll_read(cx, buffer);
        }
        let count = this.first.len().min(buffer.remaining());
        buffer.put_slice(this.first.get(..count).unwrap_or_default());
        this.first.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
