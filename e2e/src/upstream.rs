//! An upstream that misbehaves in earnest: a TCP server that remembers what it was sent and answers whatever
//! bytes it was told to, as slowly as it was told to.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::Fields;
use crate::wire::Reader;

/// Stands in everything that an upstream says and that no client may see. The checking client looks for it
/// in every refusal.
pub const MARKER: &str = "upstream-internal-7f3a9c";

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The target, as it stood there.
    pub target: String,
    /// The header fields.
    pub fields: Fields,
    /// The content.
    pub content: Vec<u8>,
}

/// What an upstream does about a request: steps, one after the other, and whether the connection stays.
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
    /// These bytes, whatever they are. The connection stays.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { steps: vec![Step::Write(bytes.into())], closes: false, resets: false }
    }

    /// An answer with its content's length.
    pub fn answer(status: u16, fields: &[(&str, &str)], content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let mut bytes = format!("HTTP/1.1 {status} Status\r\n").into_bytes();
        for (name, value) in fields {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        // RFC 9110, section 8.6: neither of the two has a Content-Length of its own content.
        if !matches!(status, 204 | 304) {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", content.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(content);
        Self::bytes(bytes)
    }

    /// JSON.
    pub fn json(status: u16, content: &serde_json::Value) -> Self {
        Self::answer(status, &[("Content-Type", "application/json")], content.to_string())
    }

    /// A page of the kind that proxies and frameworks make.
    pub fn html(status: u16) -> Self {
        let page =
            format!("<!DOCTYPE html>\n<html><body><h1>{status}</h1><pre>{MARKER}</pre></body></html>\n");
        Self::answer(status, &[("Content-Type", "text/html"), ("Server", MARKER)], page)
    }

    /// What a framework shows when a handler fails and nobody told it not to.
    pub fn stack_trace() -> Self {
        let trace = format!(
            "Traceback (most recent call last):\n  File \"/srv/{MARKER}/app.py\", line 41, in handle\n\
             OperationalError: could not connect to server: db-internal-3.example:5432\n"
        );
        Self::answer(500, &[("Content-Type", "text/plain; charset=utf-8")], trace)
    }

    /// Closes without a word.
    pub fn closes() -> Self {
        Self { steps: Vec::new(), closes: true, resets: false }
    }

    /// Says nothing for as long as the other side waits.
    pub fn silence() -> Self {
        Self { steps: vec![Step::Hold], closes: true, resets: false }
    }

    /// Does this first.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.steps.insert(0, Step::Wait(time));
        self
    }

    /// And then these bytes.
    #[must_use]
    pub fn and(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Write(bytes.into()));
        self
    }

    /// And then nothing for this time.
    #[must_use]
    pub fn and_wait(mut self, time: Duration) -> Self {
        self.steps.push(Step::Wait(time));
        self
    }

    /// And then says nothing more for as long as the other side waits.
    #[must_use]
    pub fn and_silence(mut self) -> Self {
        self.steps.push(Step::Hold);
        self
    }

    /// And then resets the connection.
    #[must_use]
    pub fn and_resets(mut self) -> Self {
        (self.closes, self.resets) = (true, true);
        self
    }

    /// And then closes.
    #[must_use]
    pub fn and_closes(mut self) -> Self {
        self.closes = true;
        self
    }
}

type React = dyn Fn(&Received) -> MockResponse + Send + Sync;

/// The server. It ends when this is dropped.
pub struct Upstream {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    is_ending: Arc<AtomicBool>,
}

impl Upstream {
    /// Starts one that does this about every request.
    pub fn start(react: impl Fn(&Received) -> MockResponse + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let received = Arc::new(Mutex::new(Vec::new()));
        let is_ending = Arc::new(AtomicBool::new(false));
        let react: Arc<React> = Arc::new(react);
        let (kept, ending) = (Arc::clone(&received), Arc::clone(&is_ending));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ending.load(Ordering::SeqCst) {
                    return;
                }
                let (kept, react) = (Arc::clone(&kept), Arc::clone(&react));
                thread::spawn(move || serve(stream, &kept, &*react));
            }
        });
        Self { address, received, is_ending }
    }

    /// One that always does the same.
    pub fn always(reaction: MockResponse) -> Self {
        Self::start(move |_| reaction.clone())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in the order in which they were complete.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

/// Serves a connection until one side closes it. Whatever breaks, it is the gateway's turn to cope.
fn serve(stream: TcpStream, received: &Mutex<Vec<Received>>, react: &React) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = Reader::new(reading);
    while let Ok(head) = reader.request_head() {
        let Ok(content) = reader.request_content(&head.fields) else { break };
        let request = Received { method: head.method, target: head.target, fields: head.fields, content };
        received.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let reaction = react(&request);
        for step in &reaction.steps {
            let done = match step {
                Step::Write(bytes) => (&stream).write_all(bytes),
                Step::Wait(time) => {
                    thread::sleep(*time);
                    Ok(())
                }
                // Reading tells when the other side has gone.
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
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            return;
        }
        if reaction.closes {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// An address whose port refuses connections, for as long as the value beside it is kept: it is bound, so
/// that nobody else can have it, and nothing listens there.
pub fn refusing_address() -> (SocketAddr, impl Sized) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("it is bound");
    (address, socket)
}
