//! The operations listener: health and metrics, at an address of its own.
//!
//! It is for probes and for Prometheus: it has no endpoint that changes anything, and shows no secret. It runs on a thread
//! of its own, so that it answers while the workers are busy, and to the end of the shutdown.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use demur_http1::Limits;
use demur_http1::io::{After, Incoming, ServerLimits, ServerStream};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::scrape::ScrapeContext;

/// Connections at once; more are closed.
const MAX_CONNECTIONS: usize = 64;
/// The content type of the Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const RETRY: Duration = Duration::from_millis(50);

/// The thread that serves. It ends when this is dropped.
pub(crate) struct OperationsServer {
    closing: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl OperationsServer {
    pub(crate) fn start(socket: TcpListener, context: ScrapeContext) -> io::Result<Self> {
        let (closing, closed) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("demur-operations".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, run(socket, Arc::new(context), closed));
        })?;
        Ok(Self { closing: Some(closing), thread: Some(thread) })
    }
}

impl Drop for OperationsServer {
    fn drop(&mut self) {
        self.closing = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported on standard error.
            let _ = thread.join();
        }
    }
}

async fn run(socket: TcpListener, context: Arc<ScrapeContext>, mut closed: watch::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
    let open = Rc::new(AtomicUsize::new(0));
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
        if open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (open, context) = (Rc::clone(&open), Arc::clone(&context));
        tokio::task::spawn_local(async move {
            serve(socket, &context).await;
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Smaller than those of the listeners: probes send little.
fn limits() -> ServerLimits {
    let http = Limits { head_bytes: 8 * 1024, target_bytes: 1024, headers: 50, ..Limits::default() };
    let timeout = Duration::from_secs(5);
    ServerLimits { http, head_timeout: timeout, write_timeout: timeout, ..ServerLimits::default() }
}

async fn serve(socket: TcpStream, context: &ScrapeContext) {
    let stream = ServerStream::new(socket, &[], limits());
    loop {
        let response = match stream.next().await {
            Incoming::Request(request) => respond(request.method(), request.uri().path(), context),
            Incoming::Bad(bad) => {
                let status =
                    StatusCode::from_u16(bad.error.kind().status()).unwrap_or(StatusCode::BAD_REQUEST);
                stream.close();
                plain(status, "invalid request\n")
            }
            Incoming::Closed => return,
        };
        if !matches!(stream.write(response).await, Ok(After::Request)) {
            return;
        }
    }
}

type OperationsResponse = Response<Full<Bytes>>;

fn respond(method: &Method, path: &str, context: &ScrapeContext) -> OperationsResponse {
    let endpoint: fn(&ScrapeContext) -> OperationsResponse = match path {
        "/health/live" => |_| response(StatusCode::OK, "application/json", "{\"status\":\"live\"}\n"),
        "/health/ready" => ready,
        "/metrics" => metrics,
        _ => return plain(StatusCode::NOT_FOUND, "try /health/live, /health/ready or /metrics\n"),
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    endpoint(context)
}

/// Whether requests should be sent here, and if not, why.
fn ready(context: &ScrapeContext) -> OperationsResponse {
    let reasons = context.not_ready();
    let (status, word) = match reasons.is_empty() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let body = json!({ "status": word, "reasons": reasons, "generation": context.generation() });
    response(status, "application/json", format!("{body}\n"))
}

fn metrics(context: &ScrapeContext) -> OperationsResponse {
    match context.render() {
        Ok(text) => response(StatusCode::OK, METRICS_TYPE, text),
        Err(error) => {
            tracing::error!(%error, "metrics not rendered");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "see the log\n")
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> OperationsResponse {
    response(status, "text/plain; charset=utf-8", text)
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> OperationsResponse {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers: [(HeaderName, &str); 3] =
        [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
