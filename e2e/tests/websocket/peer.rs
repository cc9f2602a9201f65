//! The upstream: a server that gets each connection with the head of its request, and a WebSocket library for both ends.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A server, for as long as the test runs.
pub(crate) struct Peer {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Starts a server that hands each connection over, with the head of its first request.
    pub(crate) fn start(serve: impl Fn(TcpStream, &str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (kept, serve) = (Arc::clone(&heads), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, serve) = (Arc::clone(&kept), Arc::clone(&serve));
                thread::spawn(move || {
                    let mut stream = timed(stream);
                    if let Ok(head) = head(&mut stream) {
                        kept.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
                        serve(stream, &head);
                    }
                });
            }
        });
        Self { address, heads }
    }

    /// A server that sends every message back.
    pub(crate) fn echo() -> Self {
        Self::start(|stream, head| echo(accept(stream, head)))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of all requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A socket that does not block a test for ever.
pub(crate) fn timed(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Reads a head, and nothing behind it.
pub(crate) fn head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// The value of a header.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A 101 for the handshake in this head, with more headers.
pub(crate) fn switching(head: &str, more: &str) -> String {
    let accept = derive_accept_key(header(head, "sec-websocket-key").unwrap_or_default().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// Accepts a handshake.
pub(crate) fn accept<S: Read + Write>(mut stream: S, head: &str) -> WebSocket<S> {
    let _ = stream.write_all(switching(head, "").as_bytes());
    WebSocket::from_raw_socket(stream, Role::Server, None)
}

/// Sends every message back, until the client closes.
pub(crate) fn echo<S: Read + Write>(mut socket: WebSocket<S>) {
    while let Ok(message) = socket.read() {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).is_err() {
            return;
        }
    }
}
