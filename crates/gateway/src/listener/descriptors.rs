//! File descriptors: the limit of the process, how many sockets use, and what to do when they run short.
//!
//! Only sockets of clients and upstreams are counted. A reserve is kept for everything else: the store and its log, the
//! listeners, the runtimes, name resolution.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For everything but connections, beside what each worker takes.
const RESERVE: usize = 80;
/// A worker's runtime, and the sockets of a name look-up.
const RESERVE_PER_WORKER: usize = 8;
/// Shortage is reported no more often.
const BETWEEN_REPORTS: Duration = Duration::from_secs(1);

/// The descriptors of the process. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Descriptors(Arc<DescriptorCounts>);

#[derive(Debug)]
struct DescriptorCounts {
    limit: usize,
    reserve: usize,
    open: AtomicUsize,
    /// Idle connections that workers were asked to close and have not closed yet.
    asked: AtomicUsize,
    /// Connections that are being closed and still count as open.
    closing: AtomicUsize,
    since: Instant,
    /// When a shortage was last reported, in milliseconds.
    reported: AtomicU64,
    /// Idle connections that were closed since.
    closed: AtomicUsize,
}

/// A socket that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Descriptor(Descriptors);

impl Descriptors {
    /// Raises the soft limit to the hard limit, and logs it beside what the connection limit needs.
    pub(crate) fn raise(connections: usize, workers: usize) -> Self {
        let before = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: before.maximum, maximum: before.maximum };
        if before.current != before.maximum
            && let Err(error) = setrlimit(Resource::Nofile, raised)
        {
            tracing::warn!(%error, "file descriptor limit not raised");
        }
        let now = getrlimit(Resource::Nofile);
        // `None` means unlimited.
        let known =
            |limit: Option<u64>| limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let limit = known(now.current);
        let this = Self::new(limit, workers);
        // Each connection may have a request with an upstream.
        let needed = connections.saturating_mul(2).saturating_add(this.0.reserve);
        if limit < needed {
            tracing::warn!(limit, needed, connections, "file descriptor limit too low");
        } else {
            tracing::info!(limit, needed, before = known(before.current), "file descriptor limit set");
        }
        this
    }

    fn new(limit: usize, workers: usize) -> Self {
        let reserve = RESERVE.saturating_add(workers.saturating_mul(RESERVE_PER_WORKER));
        Self(Arc::new(DescriptorCounts {
            limit,
            // At least half of the limit is left for connections.
            reserve: reserve.min(limit / 2),
            open: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            closing: AtomicUsize::new(0),
            since: Instant::now(),
            reported: AtomicU64::new(0),
            closed: AtomicUsize::new(0),
        }))
    }

    /// Counts a socket.
    pub(crate) fn take(&self) -> Descriptor {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Descriptor(self.clone())
    }

    /// The sockets that are open, and how many may be before idle connections are closed.
    pub(crate) fn usage(&self) -> (usize, usize) {
        let DescriptorCounts { limit, reserve, open, .. } = &*self.0;
        (open.load(Ordering::Relaxed), limit - reserve)
    }

    /// How many idle connections should be closed, beside those that are being closed.
    pub(crate) fn wanted(&self) -> usize {
        let DescriptorCounts { asked, closing, .. } = &*self.0;
        let in_progress = asked.load(Ordering::Relaxed).saturating_add(closing.load(Ordering::Relaxed));
        self.excess().saturating_sub(in_progress)
    }

    /// How many sockets must be closed before another one may be opened.
    fn excess(&self) -> usize {
        let DescriptorCounts { limit, reserve, open, .. } = &*self.0;
        open.load(Ordering::Relaxed).saturating_add(1).saturating_sub(limit - reserve)
    }

    /// How many idle connections each of the workers should close.
    pub(crate) fn ask(&self, workers: usize) -> usize {
        let each = self.wanted().div_ceil(workers.max(1));
        self.0.asked.fetch_add(each * workers, Ordering::Relaxed);
        each
    }

    /// A worker has closed up to `count` connections that it was asked to close.
    pub(crate) fn done(&self, count: usize) {
        subtract(&self.0.asked, count);
    }

    /// `count` connections are being closed.
    pub(crate) fn closing(&self, count: usize) {
        self.0.closing.fetch_add(count, Ordering::Relaxed);
    }

    /// One of them is closed.
    pub(crate) fn closed(&self) {
        subtract(&self.0.closing, 1);
    }

    /// Whether a quarter of the reserve is in use: no more connections should be accepted before some end.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.excess() > self.0.reserve / 4
    }

    /// Counts idle connections that were closed because descriptors ran short, and logs them from time to time.
    pub(crate) fn report_closed(&self, count: usize) {
        if count == 0 {
            return;
        }
        self.0.closed.fetch_add(count, Ordering::Relaxed);
        if self.is_report_due() {
            let closed = self.0.closed.swap(0, Ordering::Relaxed);
            tracing::warn!(limit = self.0.limit, closed, "file descriptors exhausted");
        }
    }

    /// Whether a shortage may be logged again; the caller logs it.
    pub(crate) fn is_report_due(&self) -> bool {
        // Plus one, so that zero means never.
        let now = u64::try_from(self.0.since.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let last = self.0.reported.load(Ordering::Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= BETWEEN_REPORTS.as_millis() as u64;
        is_due && self.0.reported.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Never below zero: a wrong count must not stop the gateway from accepting connections.
fn subtract(count: &AtomicUsize, by: usize) {
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| Some(count.saturating_sub(by)));
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_excess_over_what_is_left_beside_the_reserve() {
        for (limit, workers, open, excess, is_exhausted) in [
            (1024, 2, 0, 0, false),
            (1024, 2, 927, 0, false),
            (1024, 2, 928, 1, false),
            (1024, 2, 951, 24, false),
            (1024, 2, 952, 25, true),
            // Half of a low limit is left for connections.
            (64, 8, 31, 0, false),
            (64, 8, 32, 1, false),
            (usize::MAX, 2, 100_000, 0, false),
        ] {
            let descriptors = Descriptors::new(limit, workers);
            let held: Vec<_> = (0..open).map(|_| descriptors.take()).collect();
            let found = (descriptors.excess(), descriptors.is_exhausted());
            assert_eq!(found, (excess, is_exhausted), "{limit} {workers} {open}");
            drop(held);
            assert_eq!(descriptors.0.open.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn reports_a_shortage_at_most_once_a_second() {
        let descriptors = Descriptors::new(1024, 1);
        let due = (0..1000).filter(|_| descriptors.is_report_due()).count();
        assert_eq!(due, 1);
    }
}
