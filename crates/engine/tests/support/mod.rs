//! One API behind an engine, without sockets: what is forwarded, and what is rejected.

use std::cell::RefCell;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use demur_admission::memory::{MemoryDirectory, MemoryLedger};
use demur_admission::{Admission, CacheConfig, Clock, LocalCounters, Pepper, Plans, Stores};
use demur_engine::{Api, BodyError, Engine, Peer, RequestBody, RequestInfo, RequestRecord, ResponseBody};
use demur_source::Source;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};

pub(crate) struct World {
    engine: Arc<Engine>,
    clock: Clock,
}

/// What became of a request.
#[derive(Debug)]
#[allow(dead_code, reason = "no test reads all of it")]
pub(crate) enum Sent {
    Forwarded {
        operation: Option<String>,
        target: String,
        headers: HeaderMap,
        notes: String,
        body: Bytes,
        unsupported: usize,
        would_reject: Vec<String>,
    },
    Rejected {
        status: u16,
        headers: HeaderMap,
        condition: String,
    },
}

impl World {
    /// An API by its document and its settings.
    pub(crate) fn of(document: &str, api: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("openapi.yaml"), document).unwrap();
        let source = Source::new("demur.yaml", format!("demur: 2\napis:\n  -\n{}", indented(api)));
        let loaded = demur_config::load_service(&source, folder.path());
        let (service, _) = loaded.unwrap_or_else(|found| panic!("{found}"));
        let settings = service.apis.into_iter().next().unwrap();
        let contract = Arc::clone(&settings.contract);
        let keys = Arc::new(MemoryDirectory::new());
        let stores =
            Stores { keys, limits: Arc::new(LocalCounters::new()), credits: Arc::new(MemoryLedger::new()) };
        let plans = Arc::new(Plans::new([]));
        let admission = Admission::new(stores, Pepper::from_bytes(&[7; 32]), plans, CacheConfig::default());
        let engine = Engine::new(vec![Api::new(settings)], admission, contract);
        Self { engine, clock: Clock::start() }
    }

    /// Sends a request without a body.
    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Sent {
        self.send_body(method, target, headers, Bytes::new())
    }

    /// Sends a request.
    pub(crate) fn send_body(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Sent {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(body).map_err(|never| match never {});
        let request: Request<BoxBody<Bytes, BodyError>> = request.body(body.boxed()).unwrap();
        let peer = Peer::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        let arrival = RequestInfo {
            now: self.clock.now(),
            peer: Some(&peer),
            is_trusted_proxy: false,
            connection_cache: None,
            listener: None,
            rejection: None,
            lag: Duration::ZERO,
        };
        let forwarded = RefCell::new(None);
        let upstream = |_: &Arc<Api>, request: Request<RequestBody<_>>| {
            let forwarded = &forwarded;
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                *forwarded.borrow_mut() = Some((parts.uri.to_string(), parts.headers, body));
                Ok(Response::new(Full::new(Bytes::from_static(b"{}"))))
            }
        };
        let (response, record): (Response<ResponseBody<Full<Bytes>>>, RequestRecord) =
            block(self.engine.serve(request, arrival, upstream));
        match forwarded.into_inner() {
            Some((target, headers, body)) => {
                let observed = record.would_reject().iter().map(|observed| observed.cause.clone());
                let notes = record.notes().iter().cloned().chain(observed).collect::<Vec<_>>().join("\n");
                let operation = record.operation().map(str::to_owned);
                let unsupported = record.unsupported();
                let would_reject = record.would_reject().iter();
                let would_reject = would_reject.filter_map(|it| Some(it.condition?.to_string())).collect();
                Sent::Forwarded { operation, target, headers, notes, body, unsupported, would_reject }
            }
            None => {
                let condition = record.rejection().and_then(|rejection| rejection.condition);
                let condition = condition.map(|condition| condition.to_string()).unwrap_or_default();
                Sent::Rejected {
                    status: response.status().as_u16(),
                    headers: response.headers().clone(),
                    condition,
                }
            }
        }
    }
}

/// Below an item of a list.
fn indented(api: &str) -> String {
    api.lines().map(|line| format!("    {line}\n")).collect()
}

/// The stores are in memory: nothing here ever waits.
fn block<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("this waits"),
    }
}
