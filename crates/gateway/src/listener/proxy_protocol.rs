//! The PROXY protocol (versions 1 and 2): a header at the beginning of a connection in which a proxy names the client.
//!
//! It is required from the trusted proxies of the configuration, and not accepted from anyone else: guessing would let every
//! client choose its address.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use ppp::{PartialResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Headers are far smaller, with all common extensions.
const MAX_BYTES: usize = 4096;
/// The beginnings of the two versions.
const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A parsed PROXY header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProxyHeader {
    /// The client; `None` for the proxy's own connections.
    pub(crate) client: Option<IpAddr>,
    /// What was read after the header.
    pub(crate) rest: Vec<u8>,
}

/// Reads the header, within a timeout. An error closes the connection without a response.
pub(crate) async fn read<S: AsyncRead + Unpin>(
    socket: &mut S,
    max_time: Duration,
) -> io::Result<ProxyHeader> {
    timeout(max_time, read_header(socket)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn read_header<S: AsyncRead + Unpin>(socket: &mut S) -> io::Result<ProxyHeader> {
    let mut bytes = Vec::with_capacity(256);
    loop {
        if socket.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes.len() >= MAX_BYTES {
            return Err(no_header());
        }
        let (client, length) = if V2.starts_with(bytes.get(..V2.len()).unwrap_or(&bytes)) {
            match v2::Header::try_from(bytes.as_slice()) {
                Ok(header) => (client_2(&header), header.len()),
                Err(error) if error.is_incomplete() => continue,
                Err(_) => return Err(no_header()),
            }
        } else if V1.starts_with(bytes.get(..V1.len()).unwrap_or(&bytes)) {
            let Some(end) = memchr::memchr(b'\n', &bytes) else { continue };
            match v1::Header::try_from(bytes.get(..=end).unwrap_or_default()) {
                Ok(header) => (client_1(&header.addresses), end + 1),
                Err(_) => return Err(no_header()),
            }
        } else {
            return Err(no_header());
        };
        bytes.drain(..length);
        return Ok(ProxyHeader { client: client.map(|client| client.to_canonical()), rest: bytes });
    }
}

fn no_header() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "missing or invalid PROXY header")
}

fn client_1(addresses: &v1::Addresses) -> Option<IpAddr> {
    match addresses {
        v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Unknown => None,
    }
}

fn client_2(header: &v2::Header<'_>) -> Option<IpAddr> {
    match (header.command, &header.addresses) {
        // The proxy's own connection, such as a health check.
        (v2::Command::Local, _) => None,
        (v2::Command::Proxy, v2::Addresses::IPv4(addresses)) => Some(addresses.source_address.into()),
        (v2::Command::Proxy, v2::Addresses::IPv6(addresses)) => Some(addresses.source_address.into()),
        (v2::Command::Proxy, v2::Addresses::Unix(_) | v2::Addresses::Unspecified) => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn parsed(bytes: &[u8]) -> io::Result<ProxyHeader> {
        let (mut client, mut server) = tokio::io::duplex(8192);
        let bytes = bytes.to_vec();
        let sent = tokio::spawn(async move {
            // Byte by byte: it may come in parts.
            for byte in bytes {
                client.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            client
        });
        let read = read(&mut server, Duration::from_secs(1)).await;
        drop(sent.await);
        let mut read = read?;
        server.read_to_end(&mut read.rest).await.unwrap();
        Ok(read)
    }

    #[tokio::test]
    async fn parses_both_versions_and_leaves_the_rest() {
        let one = parsed(b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\nGET / HTTP/1.1").await.unwrap();
        assert_eq!(one, ProxyHeader { client: "203.0.113.7".parse().ok(), rest: b"GET / HTTP/1.1".to_vec() });
        let unknown = parsed(b"PROXY UNKNOWN\r\nGET").await.unwrap();
        assert_eq!(unknown, ProxyHeader { client: None, rest: b"GET".to_vec() });

        let mut two = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f".to_vec();
        two.extend([203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 0, 80, 4, 0, 0]);
        two.extend(b"GET");
        let two = parsed(&two).await.unwrap();
        assert_eq!(two, ProxyHeader { client: "203.0.113.7".parse().ok(), rest: b"GET".to_vec() });
    }

    #[tokio::test]
    async fn rejects_connections_without_a_header() {
        for bytes in
            [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"PROXY TCP4 a b c d\r\n", b"PROXY TCP4 1.2.3.4"]
        {
            assert!(parsed(bytes).await.is_err(), "{bytes:?}");
        }
        let endless = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 2 * MAX_BYTES]].concat();
        assert!(parsed(&endless[..5000]).await.is_err());
    }
}
