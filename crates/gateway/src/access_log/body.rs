//! A response body that adds the request's entry to the log when it ends.

use std::cell::Cell;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{Clock, Now};
use demur_engine::{Engine, RequestRecord, UpstreamFault};
use demur_http1::io::Forwarded;
use http::{Method, Response, Uri};
use http_body::{Body, Frame, SizeHint};

use super::entry::{LogEntry, ResponseEnd};
use super::journal::LogFilters;
use super::path;
use super::writer::AccessLog;
use crate::metrics::{ActiveRequest, ObservedRequest, SnapshotMetrics};

/// The log as the requests of one worker share it.
pub(crate) struct WorkerLog {
    pub(crate) log: AccessLog,
    pub(crate) filters: LogFilters,
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Clock,
    /// The shutdown timeout has elapsed: what is still in progress is ended by the gateway.
    pub(crate) is_over: Rc<Cell<bool>>,
    /// `None` without an operations listener.
    pub(crate) metrics: Option<Rc<SnapshotMetrics>>,
}

/// The request, kept until it has been answered.
pub(crate) struct RequestSummary {
    pub(crate) since: Now,
    pub(crate) client: Option<IpAddr>,
    pub(crate) target: LoggedTarget,
    /// It came over TLS.
    pub(crate) is_secure: bool,
    /// Counts the request as in progress.
    pub(crate) _active: Option<ActiveRequest>,
}

/// The method and target of a log entry.
pub(crate) enum LoggedTarget {
    /// Of a request that was parsed.
    Parsed(Method, Uri),
    /// Of a request that could not be parsed, or was not admitted. The path, if it is known.
    Rejected(Option<String>),
}

/// A body, and the request whose entry is due at its end.
pub(crate) struct LoggedBody<B> {
    body: B,
    /// `None` if nothing is logged.
    request: Option<LoggedRequest>,
}

/// A request that was answered. Its entry is queued when this is dropped, unless the filter excludes it.
struct LoggedRequest {
    log: Rc<WorkerLog>,
    summary: RequestSummary,
    /// `None` once it is queued.
    record: Option<RequestRecord>,
    status: u16,
    body_bytes: u64,
    /// Of a connection that was upgraded.
    received_bytes: Option<u64>,
    /// The time until the connection was upgraded: metrics of requests know nothing of what follows.
    upgraded_after: Option<Duration>,
    /// `None` until the body has ended.
    end: Option<ResponseEnd>,
}

impl WorkerLog {
    /// Logs a response when its body has ended.
    pub(crate) fn watch<B: Body>(
        self: &Rc<Self>,
        summary: Option<RequestSummary>,
        record: RequestRecord,
        response: Response<B>,
    ) -> Response<LoggedBody<B>> {
        let status = response.status().as_u16();
        response.map(|body| {
            let request = summary.map(|summary| {
                // An empty body and that of a response to HEAD are never polled.
                let is_silent = matches!(&summary.target, LoggedTarget::Parsed(Method::HEAD, _));
                let is_complete = is_silent || body.is_end_stream();
                let record = Some(record);
                let mut request = LoggedRequest {
                    log: Rc::clone(self),
                    summary,
                    record,
                    status,
                    body_bytes: 0,
                    received_bytes: None,
                    upgraded_after: None,
                    end: None,
                };
                if is_complete {
                    request.complete();
                }
                request
            });
            LoggedBody { body, request }
        })
    }
}

impl LoggedRequest {
    /// The body has ended, unless the client has gone before it.
    fn complete(&mut self) {
        if self.record.as_ref().is_some_and(|record| !record.client_gone()) {
            self.end = Some(ResponseEnd::Complete);
        }
    }

    fn duration(&self) -> Duration {
        self.log.clock.now().monotonic.saturating_sub(self.summary.since.monotonic)
    }

    fn entry(
        &mut self,
        record: RequestRecord,
        end: ResponseEnd,
        (is_logged, is_journaled): (bool, bool),
    ) -> LogEntry {
        let (method, path) = match &mut self.summary.target {
            LoggedTarget::Parsed(method, target) => (Some(&*method), Some(target.path().to_owned())),
            LoggedTarget::Rejected(path) => (None, path.take()),
        };
        // Removes keys of known forms, and then whatever looks like a secret.
        let shown = |text: String| path::shown(&self.log.engine.redact(text));
        let method = method.map(|method| shown(method.as_str().to_owned()));
        let path = path.map(shown);
        let (since, client) = (self.summary.since, self.summary.client);
        LogEntry {
            at: since.wall,
            record,
            client,
            method,
            path,
            status: self.status,
            body_bytes: self.body_bytes,
            received_bytes: self.received_bytes,
            duration: self.duration(),
            end,
            is_logged,
            is_journaled,
        }
    }
}

impl Drop for LoggedRequest {
    fn drop(&mut self) {
        let unfinished = if self.log.is_over.get() { ResponseEnd::Shutdown } else { ResponseEnd::ClientGone };
        let end = self.end.take().unwrap_or(unfinished);
        let Some(record) = self.record.take() else { return };
        if let Some(metrics) = &self.log.metrics {
            let method = match &self.summary.target {
                LoggedTarget::Parsed(method, _) => Some(method),
                LoggedTarget::Rejected(_) => None,
            };
            let request = ObservedRequest { method, is_secure: self.summary.is_secure, status: self.status };
            let duration = self.upgraded_after.unwrap_or_else(|| self.duration());
            metrics.observe(&record, request, duration);
        }
        let LogFilters { log, journal } = self.log.filters;
        // The nanoseconds of the clock are as good as any random number.
        let random = self.summary.since.wall.subsec_nanosecond().unsigned_abs() >> 4;
        let kept = (log.takes(&record, &end), journal.takes(&record, &end, random));
        if kept != (false, false) {
            let entry = self.entry(record, end, kept);
            self.log.log.put(Box::new(entry));
        }
    }
}

impl<B> LoggedBody<B> {
    /// The connection was upgraded.
    pub(crate) fn begin_tunnel(&mut self) {
        if let Some(request) = &mut self.request {
            (request.received_bytes, request.upgraded_after) = (Some(0), Some(request.duration()));
        }
    }

    /// The upgraded connection has ended.
    pub(crate) fn count_tunnel(&mut self, forwarded: Forwarded) {
        if let Some(request) = &mut self.request {
            request.body_bytes = forwarded.to_client;
            request.received_bytes = Some(forwarded.from_client);
        }
    }

    /// Sets how it has ended.
    pub(crate) fn set_end(&mut self, end: ResponseEnd) {
        if let Some(request) = &mut self.request {
            request.end = Some(end);
        }
    }
}

impl<B> Body for LoggedBody<B>
where
    B: Body<Data = Bytes, Error = UpstreamFault> + Unpin,
{
    type Data = Bytes;
    type Error = UpstreamFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let (Some(request), Poll::Ready(frame)) = (&mut this.request, &polled) {
            match frame {
                Some(Ok(frame)) => {
                    request.body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    if this.body.is_end_stream() {
                        request.complete();
                    }
                }
                Some(Err(fault)) => {
                    request.end = Some(ResponseEnd::Failed(fault.condition(), fault.to_string()));
                }
                None => request.complete(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
