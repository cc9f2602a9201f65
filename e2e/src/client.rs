//! The checking client: blocking, one connection for each request unless a test asks to keep one.
//!
//! Every answer that it returns has passed `check.rs`; there is no way around that.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use demur_contract::Contract;

use crate::check::{self, Shape};
use crate::wire::Reader;
use crate::{Request, Response};

/// No test waits longer for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Speaks to one API of a gateway, or to no API, and knows the contract in which it must be answered.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    mount: String,
    contract: Arc<Contract>,
}

impl Client {
    /// For what is mounted at this path, and answers in this contract. Built-in contracts are read by
    /// [`contract`](crate::contract).
    pub fn new(address: SocketAddr, mount: &str, contract: Arc<Contract>) -> Self {
        Self { address, mount: mount.to_owned(), contract }
    }

    /// The contract in which it expects to be answered.
    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// Sends a request on a connection of its own and checks the answer.
    pub fn send(&self, request: &Request) -> Response {
        self.try_send(request).unwrap_or_else(|error| panic!("{request:?} has no answer: {error}"))
    }

    /// The same, for tests in which the gateway may die meanwhile: only the answer's absence is an `Err`.
    pub fn try_send(&self, request: &Request) -> io::Result<Response> {
        self.try_connect()?.try_send(request)
    }

    /// A connection that stays, for several requests or for bytes of one's own.
    pub fn connect(&self) -> Connection {
        self.try_connect().unwrap_or_else(|error| panic!("no connection to {}: {error}", self.address))
    }

    fn try_connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Connection { reader: Reader::new(stream.try_clone()?), stream, client: self.clone() })
    }
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    reader: Reader<TcpStream>,
    client: Client,
}

impl Connection {
    /// Sends a request and checks its answer.
    pub fn send(&mut self, request: &Request) -> Response {
        self.try_send(request).unwrap_or_else(|error| panic!("{request:?} has no answer: {error}"))
    }

    /// The same; the answer's absence is an `Err`.
    pub fn try_send(&mut self, request: &Request) -> io::Result<Response> {
        let bytes = request.bytes(&self.client.address.to_string(), &self.client.mount);
        // A refusal may come, and the connection be closed, while content is still being sent.
        let sent = self.stream.write_all(&bytes);
        match self.try_read(&request.method) {
            Ok(response) => Ok(response),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }

    /// Writes bytes as they are. That the other side has closed already is no failure: the answer tells.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads one answer, to a request with this method, and checks it.
    pub fn read(&mut self, method: &str) -> Response {
        self.try_read(method).unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// The same; the answer's absence is an `Err`. One that does not pass the checks still panics.
    pub fn try_read(&mut self, method: &str) -> io::Result<Response> {
        let response = self.reader.response(method)?;
        let shape = if method == "HEAD" { Shape::HeadOnly } else { Shape::Whole };
        check::response(&self.client.contract, &response, shape);
        Ok(response)
    }

    /// Says that nothing more will be sent, as a client does that closes its side early.
    pub fn finish_sending(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// What is left until the other side closes; `Err` where it does not within this time.
    pub fn closed_within(&mut self, time: Duration) -> io::Result<Vec<u8>> {
        self.stream.set_read_timeout(Some(time))?;
        let rest = self.reader.rest();
        self.stream.set_read_timeout(Some(TIMEOUT))?;
        match rest {
            // Closed with bytes of ours unread: it is closed all the same.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Vec::new()),
            rest => rest,
        }
    }
}
