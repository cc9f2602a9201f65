//! An answer's content, which puts the request's line into the log when it has ended.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{Clock, Now};
use demur_engine::{Engine, RequestRecord};
use http::{Method, Uri};
use http_body::{Body, Frame, SizeHint};

use super::{AccessLog, LogEntry, path};

/// What was asked, kept aside while the request is on its way.
pub(crate) struct RequestSummary {
    pub(crate) since: Now,
    pub(crate) client: Option<IpAddr>,
    pub(crate) what: LoggedTarget,
}

/// A request as its line names it.
pub(crate) enum LoggedTarget {
    /// One that was read.
    Read(Method, Uri),
    /// One that could not be, but perhaps its path.
    Refused(Option<String>),
}

/// Content, and the line that is due at its end.
pub(crate) struct LoggedBody<B> {
    body: B,
    due: Option<Box<PendingEntry>>,
}

/// A line that is written when this is dropped.
pub(crate) struct PendingEntry {
    log: AccessLog,
    clock: Clock,
    since: Now,
    /// `None` once it is handed over.
    entry: Option<Box<LogEntry>>,
}

impl AccessLog {
    /// The line of a request that has been answered with this status, if it has one.
    pub(crate) fn due(
        &self,
        engine: &Engine,
        clock: Clock,
        asked: RequestSummary,
        status: u16,
        record: RequestRecord,
    ) -> Option<Box<PendingEntry>> {
        if !self.takes(&record) {
            return None;
        }
        let RequestSummary { since, client, what } = asked;
        let (method, path) = match what {
            LoggedTarget::Read(method, target) => (Some(method), Some(target.path().to_owned())),
            LoggedTarget::Refused(path) => (None, path),
        };
        // By the forms of keys that are known, and by what looks like any.
        let shown = |text: String| path::shown(&engine.redact(text));
        let is_head = method == Some(Method::HEAD);
        let method = method.map(|method| shown(method.as_str().to_owned()));
        let path = path.map(shown);
        let entry = LogEntry {
            at: since.wall,
            record,
            client,
            // The content of an answer to HEAD is never asked for.
            is_whole: is_head,
            method,
            path,
            status,
            content_bytes: 0,
            duration: Duration::ZERO,
        };
        Some(Box::new(PendingEntry { log: self.clone(), clock, since, entry: Some(Box::new(entry)) }))
    }
}

impl Drop for PendingEntry {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.duration = self.clock.now().monotonic.saturating_sub(self.since.monotonic);
            self.log.put(entry);
        }
    }
}

impl<B: Body> LoggedBody<B> {
    pub(crate) fn new(body: B, mut due: Option<Box<PendingEntry>>) -> Self {
        // Nobody polls content that is empty.
        if let Some(entry) = due.as_mut().and_then(|due| due.entry.as_mut()) {
            entry.is_whole |= body.is_end_stream();
        }
        Self { body, due }
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
        if let (Some(due), Poll::Ready(frame)) = (&mut this.due, &polled)
            && let Some(entry) = &mut due.entry
        {
            match frame {
                Some(Ok(frame)) => {
                    entry.content_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    entry.is_whole = this.body.is_end_stream();
                }
                Some(Err(_)) => {}
                None => entry.is_whole = true,
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
