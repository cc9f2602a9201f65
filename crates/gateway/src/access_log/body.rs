//! A response body that adds the request's entry to the log when it ends.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{Clock, Now};
use demur_engine::{Engine, RequestRecord};
use http::{Method, Uri};
use http_body::{Body, Frame, SizeHint};

use super::entry::LogEntry;
use super::path;
use super::settings::LogFilter;
use super::writer::AccessLog;

/// The request, kept until it has been answered.
pub(crate) struct RequestSummary {
    pub(crate) since: Now,
    pub(crate) client: Option<IpAddr>,
    pub(crate) target: LoggedTarget,
}

/// The method and target of a log entry.
pub(crate) enum LoggedTarget {
    /// Of a request that was parsed.
    Parsed(Method, Uri),
    /// Of a request that could not be parsed, or was not admitted. The path, if it is known.
    Rejected(Option<String>),
}

/// A body, and the log entry that is due at its end.
pub(crate) struct LoggedBody<B> {
    body: B,
    pending: Option<Box<PendingEntry>>,
}

/// A log entry that is queued when this is dropped.
pub(crate) struct PendingEntry {
    log: AccessLog,
    filter: LogFilter,
    clock: Clock,
    since: Now,
    /// `None` once it is queued.
    entry: Option<Box<LogEntry>>,
}

impl AccessLog {
    /// The entry of a request that was answered with this status, unless the filter excludes it.
    pub(crate) fn entry(
        &self,
        filter: LogFilter,
        engine: &Engine,
        clock: Clock,
        request: RequestSummary,
        status: u16,
        record: RequestRecord,
    ) -> Option<Box<PendingEntry>> {
        if !filter.takes(&record) {
            return None;
        }
        let RequestSummary { since, client, target } = request;
        let (method, path) = match target {
            LoggedTarget::Parsed(method, target) => (Some(method), Some(target.path().to_owned())),
            LoggedTarget::Rejected(path) => (None, path),
        };
        // Removes keys of known forms, and then whatever looks like a secret.
        let shown = |text: String| path::shown(&engine.redact(text));
        let is_head = method == Some(Method::HEAD);
        let method = method.map(|method| shown(method.as_str().to_owned()));
        let path = path.map(shown);
        let entry = LogEntry {
            at: since.wall,
            record,
            client,
            // The body of a response to HEAD is never polled.
            is_complete: is_head,
            method,
            path,
            status,
            body_bytes: 0,
            duration: Duration::ZERO,
        };
        let entry = Some(Box::new(entry));
        Some(Box::new(PendingEntry { log: self.clone(), filter, clock, since, entry }))
    }
}

impl Drop for PendingEntry {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.duration = self.clock.now().monotonic.saturating_sub(self.since.monotonic);
            self.log.put(self.filter, entry);
        }
    }
}

impl<B: Body> LoggedBody<B> {
    pub(crate) fn new(body: B, mut pending: Option<Box<PendingEntry>>) -> Self {
        // An empty body is never polled.
        if let Some(entry) = pending.as_mut().and_then(|pending| pending.entry.as_mut()) {
            entry.is_complete |= body.is_end_stream();
        }
        Self { body, pending }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for LoggedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let (Some(pending), Poll::Ready(frame)) = (&mut this.pending, &polled)
            && let Some(entry) = &mut pending.entry
        {
            match frame {
                Some(Ok(frame)) => {
                    entry.body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    entry.is_complete = this.body.is_end_stream();
                }
                Some(Err(_)) => {}
                None => entry.is_complete = true,
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
