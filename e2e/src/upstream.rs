//! An upstream that misbehaves on request: a TCP server that records what it receives and sends the bytes that the test
//! sets, as slowly as the test sets.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use socket2::SockRef;

use crate::Headers;
use crate::transport::Transport;
use crate::wire::Reader;

/// Text in upstream responses that no client may see. The checking client looks for it in every rejection.
pub const MARKER: &str = "upstream-internal-7f3a9c";

/// A request as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The target, as sent.
    pub target: String,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// What an upstream does with a request: steps in order, and whether the connection stays open.
#[derive(Debug, Clone, Default)]
pub struct MockResponse {
    steps: Vec<Step>,
    closes: bool,
    resets: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<u8>),
    Wait(Duration),
    Hold,
}

impl MockResponse {
    /// Sends these bytes. The connection stays open.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { steps: vec![Step::Write(bytes.into())], closes: false, resets: false }
    }

    /// A response with a Content-Length.
    pub fn response(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes = format!("HTTP/1.1 {status} Status\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        // RFC 9110, section 8.6: neither of the two has a Content-Length of its own content.
        if !matches!(status, 204 | 304) {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        Self::bytes(bytes)
    }

    /// JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::response(status, &[("Content-Type", "application/json")], body.to_string())
    }

    /// A page of the kind that proxies and frameworks make.
    pub fn html(status: u16) -> Self {
        let page =
            format!("<!DOCTYPE html>\n<html><body><h1>{status}</h1><pre>{MARKER}</pre></body></html>\n");
        Self::response(status, &[("Content-Type", "text/html"), ("Server", MARKER)], page)
    }

    /// The error page of a framework in development mode.
    pub fn stack_trace() -> Self {
        let trace = format!(
            "Traceback (most recent call last):\n  File \"/srv/{MARKER}/app.py\", line 41, in handle\n\
             OperationalError: could not connect to server: db-internal-3.example:5432\n"
        );
        Self::response(500, &[("Content-Type", "text/plain; charset=utf-8")], trace)
    }

    /// Closes without a response.
    pub fn closes() -> Self {
        Self { steps: Vec::new(), closes: true, resets: false }
    }

    /// Sends nothing for as long as the peer waits.
    pub fn silence() -> Self {
        Self { steps: vec![Step::Hold], closes: true, resets: false }
    }

    /// Waits this long first.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.steps.insert(0, Step::Wait(time));
        self
    }

    /// Then sends these bytes.
    #[must_use]
    pub fn and(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Write(bytes.into()));
        self
    }

    /// Then sends nothing for this time.
    #[must_use]
    pub fn and_wait(mut self, time: Duration) -> Self {
        self.steps.push(Step::Wait(time));
        self
    }

    /// Then sends nothing for as long as the peer waits.
    #[must_use]
    pub fn and_silence(mut self) -> Self {
        self.steps.push(Step::Hold);
        self
    }

    /// Then resets the connection.
    #[must_use]
    pub fn and_resets(mut self) -> Self {
        (self.closes, self.resets) = (true, true);
        self
    }

    /// Then closes the connection.
    #[must_use]
    pub fn and_closes(mut self) -> Self {
        self.closes = true;
        self
    }
}

type React = dyn Fn(&Received) -> MockResponse + Send + Sync;

/// The server, stopped on drop.
pub struct Upstream {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    is_ending: Arc<AtomicBool>,
}

impl Upstream {
    /// Starts a server that calls this for every request.
    pub fn start(react: impl Fn(&Received) -> MockResponse + Send + Sync + 'static) -> Self {
        Self::start_on(None, Arc::new(react))
    }

    fn start_on(tls: Option<Arc<ServerConfig>>, react: Arc<React>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let received = Arc::new(Mutex::new(Vec::new()));
        let is_ending = Arc::new(AtomicBool::new(false));
        let (kept, ending) = (Arc::clone(&received), Arc::clone(&is_ending));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ending.load(Ordering::SeqCst) {
                    return;
                }
                let (kept, react, tls) = (Arc::clone(&kept), Arc::clone(&react), tls.clone());
                thread::spawn(move || {
                    let transport = match &tls {
                        None => Ok(Transport::Plain(stream)),
                        Some(config) => Transport::server(stream, config),
                    };
                    if let Ok(transport) = transport {
                        serve(transport, &kept, &*react);
                    }
                });
            }
        });
        Self { address, received, is_ending }
    }

    /// Starts a server over TLS that calls this for every request.
    pub fn start_tls(
        config: Arc<ServerConfig>,
        react: impl Fn(&Received) -> MockResponse + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(Some(config), Arc::new(react))
    }

    /// Starts a server that always does the same.
    pub fn always(reaction: MockResponse) -> Self {
        Self::start(move |_| reaction.clone())
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in order of completion.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of requests so far.
    pub fn count(&self) -> usize {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until as many requests have come.
    pub fn wait_for(&self, count: usize) {
        let begun = Instant::now();
        while self.count() < count {
            assert!(begun.elapsed() < Duration::from_secs(30), "only {} requests have come", self.count());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The requests after the first `count`, without a copy of those before.
    pub fn received_since(&self, count: usize) -> Vec<Received> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.get(count..).unwrap_or_default().to_vec()
    }

    /// The latest request.
    pub fn last(&self) -> Received {
        self.received().pop().expect("nothing reached the upstream")
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::SeqCst);
        // Wakes the listening thread, so that the port is free again.
        let _ = TcpStream::connect(self.address);
    }
}

/// Serves a connection until one side closes it. Errors are ignored: the gateway must cope with them.
fn serve(mut stream: Transport, received: &Mutex<Vec<Received>>, react: &React) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = Reader::new(reading);
    while let Ok(head) = reader.request_head() {
        let Ok(body) = reader.request_body(&head.headers) else { break };
        let request = Received { method: head.method, target: head.target, headers: head.headers, body };
        received.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let reaction = react(&request);
        for step in &reaction.steps {
            let done = match step {
                Step::Write(bytes) => stream.write_all(bytes),
                Step::Wait(time) => {
                    thread::sleep(*time);
                    Ok(())
                }
                // Reading detects that the peer has gone.
                Step::Hold => match reader.rest() {
                    Ok(_) => Err(ErrorKind::UnexpectedEof.into()),
                    Err(error) => Err(error),
                },
            };
            if done.is_err() {
                return;
            }
        }
        if reaction.resets {
            // Closed with a linger time of zero, it is reset; the reader's handle is dropped first.
            drop(reader);
            let _ = SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO));
            return;
        }
        if reaction.closes {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// An address that refuses connections for as long as the returned value lives: bound, so that nothing else can take it,
/// and without a listener.
pub fn refusing_address() -> (SocketAddr, impl Sized) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("it is bound");
    (address, socket)
}
