//! The handshake of a connection from a client.

use std::io;
use std::time::Duration;

use demur_http1::io::Transport;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::server::ListenerTls;
use super::stream::{Prefixed, TlsSocket};

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
        let stream = TlsAcceptor::from(tls.config.clone()).accept(Prefixed::new(socket, first)).await?;
        Ok(Handshake::Done(Transport::Other(Box::new(TlsSocket::client(stream))), Vec::new()))
    };
    timeout(max_time, handshake).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no handshake within {max_time:?}")))
    })
}
