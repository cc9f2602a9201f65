//! Small HTTP services at addresses of their own, beside the listeners for clients: health and metrics, the admin API, the
//! console.
//!
//! Each has a thread of its own with its own runtime, so that it answers while the workers are busy. Everything is small
//! and bounded: the connections, the heads, the bodies, the time that each may take. What a response says, and to whom, is
//! up to the [`HttpService`].

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use demur_http1::Limits;
use demur_http1::io::{After, Incoming, RequestBody, ServerLimits, ServerStream, Transport};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::bind::{BindError, bind_or_inherit};
use crate::config::Listener;
use crate::tls::accept::{Handshake, accept};
use crate::tls::watch::Certificates;

/// Connections at once; more are closed.
const MAX_CONNECTIONS: usize = 64;
/// Requests of a service that waits, which are answered at once.
const MAX_THREADS: usize = 8;
/// How long a handshake, a head, or a part of a response may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a body may take: it is small.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_millis(50);

/// Answers requests at an address of its own.
pub trait HttpService: Send + Sync + 'static {
    /// The response to a request.
    fn respond(&self, head: &Parts, body: &[u8]) -> Response<Bytes>;

    /// The response to a request that cannot be read, as this status says: 400, 408, 413, 414, 431, …; or 500 where
    /// [`respond`](Self::respond) has panicked.
    fn reject(&self, status: StatusCode) -> Response<Bytes>;

    /// The most bytes of a body.
    fn max_body_bytes(&self) -> usize;

    /// Whether [`respond`](Self::respond) waits for files or for other threads. It is called on a thread for this then.
    fn waits(&self) -> bool {
        true
    }
}

/// The address of a service, which is bound and does not serve yet.
#[derive(Debug)]
pub struct BoundService {
    listener: Listener,
    socket: TcpListener,
}

/// A service that runs. It ends when this is dropped.
pub struct RunningService {
    listener: Listener,
    closing: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl BoundService {
    /// Binds the address.
    pub fn bind(listener: &Listener) -> Result<Self, BindError> {
        Self::bind_or_inherit(listener, &mut Vec::new())
    }

    /// The same, but takes the socket of `inherited` that listens on the address, if there is one.
    pub(crate) fn bind_or_inherit(
        listener: &Listener,
        inherited: &mut Vec<TcpListener>,
    ) -> Result<Self, BindError> {
        let address = listener.address;
        let error = |error| BindError { address, error };
        let socket = bind_or_inherit(address, inherited).map_err(error)?;
        let address = socket.local_addr().map_err(error)?;
        Ok(Self { listener: Listener { address, ..listener.clone() }, socket })
    }

    /// The listener, with the port that the system chose for port 0.
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Starts to serve, on a thread with this name.
    pub fn serve(self, name: &str, service: Arc<dyn HttpService>) -> io::Result<RunningService> {
        let Self { listener, socket } = self;
        let (closing, closed) = watch::channel(());
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(MAX_THREADS).thread_name(name).build()?;
        let served = listener.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let certificates = Certificates::of(std::slice::from_ref(&served));
            let server = Rc::new(Server { service, listener: served, open: AtomicUsize::new(0) });
            LocalSet::new().block_on(&runtime, certificates.watch_while(server.run(socket, closed)));
        })?;
        Ok(RunningService { listener, closing: Some(closing), thread: Some(thread) })
    }
}

impl RunningService {
    /// The listener, with the port that the system chose for port 0.
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.listener.address
    }
}

impl Drop for RunningService {
    fn drop(&mut self) {
        self.closing = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported on standard error.
            let _ = thread.join();
        }
    }
}

struct Server {
    service: Arc<dyn HttpService>,
    listener: Listener,
    open: AtomicUsize,
}

impl Server {
    async fn run(self: Rc<Self>, socket: TcpListener, mut closed: watch::Receiver<()>) {
        let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // The sender was dropped.
                _ = closed.changed() => return,
            };
            let Ok((socket, _)) = accepted else {
                tokio::time::sleep(RETRY).await;
                continue;
            };
            if self.open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
                continue;
            }
            self.open.fetch_add(1, Ordering::Relaxed);
            let server = Rc::clone(&self);
            tokio::task::spawn_local(async move {
                server.connection(socket).await;
                server.open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    async fn connection(&self, socket: TcpStream) {
        let (transport, read): (Transport, Vec<u8>) = match &self.listener.tls {
            None => (socket.into(), Vec::new()),
            Some(tls) => match accept(tls, socket, Vec::new(), TIMEOUT).await {
                Ok(Handshake::Done(transport, read)) => (transport, read),
                // No credentials are answered in the clear.
                Ok(Handshake::NotTls(..)) | Err(_) => return,
            },
        };
        let stream = ServerStream::new(transport, &read, limits());
        loop {
            let response = match stream.next().await {
                Incoming::Request(request) => self.respond(*request).await,
                Incoming::Bad(bad) => {
                    stream.close();
                    let status = StatusCode::from_u16(bad.error.kind().status());
                    self.service.reject(status.unwrap_or(StatusCode::BAD_REQUEST))
                }
                Incoming::Closed => return,
            };
            if !matches!(stream.write(response.map(Full::new)).await, Ok(After::Request)) {
                return;
            }
        }
    }

    async fn respond(&self, request: http::Request<RequestBody>) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let body = match read_body(body, self.service.max_body_bytes()).await {
            Ok(body) => body,
            Err(status) => return self.service.reject(status),
        };
        if !self.service.waits() {
            return self.service.respond(&head, &body);
        }
        let service = Arc::clone(&self.service);
        let responded = tokio::task::spawn_blocking(move || service.respond(&head, &body)).await;
        responded.unwrap_or_else(|_| self.service.reject(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

/// Reads a body of at most this length. The error is the status of the response.
async fn read_body(mut body: RequestBody, max_bytes: usize) -> Result<Bytes, StatusCode> {
    let mut read = BytesMut::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
            let Ok(data) = frame.into_data() else { continue };
            if read.len() + data.len() > max_bytes {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            read.extend_from_slice(&data);
        }
        Ok(())
    };
    let result = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    let result = result.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT));
    if result.is_err() {
        body.abandon();
    }
    result.map(|()| read.freeze())
}

/// Smaller than those of the listeners for clients.
fn limits() -> ServerLimits {
    let http = Limits { head_bytes: 8 * 1024, target_bytes: 4 * 1024, headers: 50, ..Limits::default() };
    ServerLimits { http, head_timeout: TIMEOUT, write_timeout: TIMEOUT, ..ServerLimits::default() }
}

impl std::fmt::Debug for RunningService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningService").field("listener", &self.listener).finish_non_exhaustive()
    }
}
