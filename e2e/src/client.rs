//! The checking client: blocking, with one connection per request unless a test keeps one.
//!
//! Every response that it returns has passed the checks of `check.rs`.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use demur_contract::Contract;
use rustls::ClientConfig;

use crate::check::{self, Shape};
use crate::transport::Transport;
use crate::wire::Reader;
use crate::{Request, Response};

/// The timeout for a response.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests to one API of a gateway, or to no API, and knows the contract of its responses.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    mount: String,
    contract: Arc<Contract>,
    /// TLS, with the name of the server.
    tls: Option<(Arc<ClientConfig>, String)>,
}

impl Client {
    /// A client for the API that is mounted at this path and has this contract. Built-in contracts are loaded by
    /// [`contract`](crate::contract).
    pub fn new(address: SocketAddr, mount: &str, contract: Arc<Contract>) -> Self {
        Self { address, mount: mount.to_owned(), contract, tls: None }
    }

    /// The same client over TLS, which asks for the server of this name.
    #[must_use]
    pub fn secure(self, config: Arc<ClientConfig>, name: &str) -> Self {
        Self { tls: Some((config, name.to_owned())), ..self }
    }

    /// The contract of the expected responses.
    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// Sends a request on a connection of its own and checks the response.
    pub fn send(&self, request: &Request) -> Response {
        self.try_send(request).unwrap_or_else(|error| panic!("{request:?} has no response: {error}"))
    }

    /// Like [`send`](Self::send), for tests that kill the gateway: a missing response is an `Err`.
    pub fn try_send(&self, request: &Request) -> io::Result<Response> {
        self.try_connect()?.try_send(request)
    }

    /// Opens a connection for several requests, or for raw bytes.
    pub fn connect(&self) -> Connection {
        self.try_connect().unwrap_or_else(|error| panic!("no connection to {}: {error}", self.address))
    }

    /// Like [`connect`](Self::connect); a connection that fails, or its handshake, is an `Err`.
    pub fn try_connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let stream = match &self.tls {
            None => Transport::Plain(stream),
            Some((config, name)) => Transport::client(stream, config, name)?,
        };
        Ok(Connection { reader: Reader::new(stream.try_clone()?), stream, client: self.clone() })
    }
}

/// One connection.
pub struct Connection {
    stream: Transport,
    reader: Reader<Transport>,
    client: Client,
}

impl Connection {
    /// Sends a request and checks its response.
    pub fn send(&mut self, request: &Request) -> Response {
        self.try_send(request).unwrap_or_else(|error| panic!("{request:?} has no response: {error}"))
    }

    /// Like [`send`](Self::send); a missing response is an `Err`.
    pub fn try_send(&mut self, request: &Request) -> io::Result<Response> {
        let bytes = request.bytes(&self.client.address.to_string(), &self.client.mount);
        // The gateway may reject the request and close the connection while the body is still being sent.
        let sent = self.stream.write_all(&bytes);
        match self.try_read(&request.method) {
            Ok(response) => Ok(response),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }

    /// Writes raw bytes. A connection that the peer has closed is no failure here: the response shows it.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads one response, to a request with this method, and checks it.
    pub fn read(&mut self, method: &str) -> Response {
        self.try_read(method).unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Like [`read`](Self::read); a missing response is an `Err`. A response that fails the checks still panics.
    pub fn try_read(&mut self, method: &str) -> io::Result<Response> {
        let response = self.reader.response(method)?;
        let shape = if method == "HEAD" { Shape::HeadOnly } else { Shape::Whole };
        check::response(&self.client.contract, &response, shape);
        Ok(response)
    }

    /// Shuts down the sending side.
    pub fn finish_sending(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads until the peer closes; `Err` if it does not within this time.
    pub fn closed_within(&mut self, time: Duration) -> io::Result<Vec<u8>> {
        self.stream.set_read_timeout(Some(time))?;
        let rest = self.reader.rest();
        self.stream.set_read_timeout(Some(TIMEOUT))?;
        match rest {
            // The peer closed with unread bytes.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Vec::new()),
            rest => rest,
        }
    }
}
