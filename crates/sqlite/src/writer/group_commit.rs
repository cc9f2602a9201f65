//! The group-commit loop: a job is queued, committed together with all other queued jobs, and answered. A hold whose
//! caller has gone is released, and what could not be written is written later.
//!
//! It does not know SQLite: a [`BatchWriter`] commits. So `group_commit_tests` can run it without a disk, in every
//! interleaving of the threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use demur_admission::{HoldId, QuotaUse, Settlement, StoreError};

use super::job::Job;
use crate::sync::{AtomicUsize, Ordering, Receiver, RecvTimeoutError, Sender, channel};
use crate::write_behind::WriteBehindBatch;

/// The maximum number of jobs in one transaction.
const MAX_BATCH: usize = 4096;

/// The maximum number of waiting jobs; more are rejected. Settlements are always queued: there are no more of them than
/// there were holds.
const MAX_QUEUED: usize = 65_536;

/// How long a settlement without a waiting caller may wait for company. If the process is killed meanwhile, its hold
/// counts as posted, as it would have a moment before.
const LINGER: Duration = Duration::from_millis(1);

/// How long a quota's count may stay in memory only, unless there is too much to write.
const WRITE_BEHIND_INTERVAL: Duration = Duration::from_millis(500);
/// Deferred changes are written in pieces of this size with a pause between them, so that a waiting commit is not
/// delayed by all of them.
const MAX_DEFERRED: usize = 256;
const DEFERRED_PAUSE: Duration = Duration::from_millis(50);

/// Writes batches.
pub(super) trait BatchWriter {
    /// Returns changes that can wait: at most `max` of each kind.
    fn deferred(&mut self, max: usize) -> Deferred;

    /// Writes everything or nothing, and sets the reply of each job. When this returns, the batch is durable and in effect.
    fn commit(
        &mut self,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        deferred: &Deferred,
    ) -> Result<(), StoreError>;

    /// Takes back deferred changes that could not be written.
    fn put_back(&mut self, deferred: Deferred);

    /// Called after a commit when all replies have been sent.
    fn idle(&mut self);
}

/// Changes that are written with the next batch after their time.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    pub(super) uses: Vec<QuotaUse>,
    pub(super) write_behind: WriteBehindBatch,
    /// Set if claims have expired: how many to prune at most.
    pub(super) claims_due: Option<usize>,
}

impl Deferred {
    fn len(&self) -> usize {
        let claims = self.claims_due.unwrap_or_default();
        self.uses.len().max(self.write_behind.len()).max(claims)
    }

    fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.write_behind.is_empty() && self.claims_due.is_none()
    }
}

/// The callers' end of the queue.
#[derive(Clone)]
pub(super) struct Queue {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
    counts: Arc<CommitCounts>,
}

/// What the loop has done.
#[derive(Debug, Default)]
pub(super) struct CommitCounts {
    pub(super) commits: AtomicUsize,
    pub(super) failed: AtomicUsize,
    /// Jobs in the batches that were committed.
    pub(super) jobs: AtomicUsize,
}

impl Queue {
    /// Creates a queue and the loop that writes its jobs.
    pub(super) fn new<D: BatchWriter>(writer: D) -> (Self, CommitLoop<D>) {
        let (jobs, queued) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counts = Arc::new(CommitCounts::default());
        let commit_loop = CommitLoop {
            queued,
            waiting: Arc::clone(&waiting),
            counts: Arc::clone(&counts),
            writer,
            unsettled: Vec::new(),
        };
        (Self { jobs, waiting, counts }, commit_loop)
    }

    /// Queues a job. A job that is rejected fails with the reason.
    pub(super) fn put(&self, job: Job) {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let rejected = if waiting >= MAX_QUEUED && job.may_be_rejected() {
            Some((job, StoreError::Overloaded))
        } else {
            self.jobs.send(job).err().map(|unsent| (unsent.0, StoreError::Closed))
        };
        if let Some((job, error)) = rejected {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            job.fail(error);
        }
    }

    /// Returns a function that releases a hold whose caller has gone. If the writer has ended, the hold stays open and
    /// counts as posted at the next start.
    pub(super) fn release_hook(&self) -> impl FnOnce(HoldId) + Send + Unpin + use<> {
        let queue = self.clone();
        move |hold| queue.put(Job::Settle(hold, Settlement::Release, None))
    }

    /// What the loop has done.
    pub(super) fn counts(&self) -> &CommitCounts {
        &self.counts
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// The writing thread's end of the queue.
pub(super) struct CommitLoop<D> {
    queued: Receiver<Job>,
    waiting: Arc<AtomicUsize>,
    counts: Arc<CommitCounts>,
    writer: D,
    /// Settlements that could not be written yet.
    unsettled: Vec<(HoldId, Settlement)>,
}

impl<D: BatchWriter> CommitLoop<D> {
    /// Writes queued jobs until the queue is closed, and returns the writer.
    pub(super) fn run(mut self) -> D {
        let mut flush_at = Instant::now() + WRITE_BEHIND_INTERVAL;
        loop {
            let (mut batch, mut closing) = (Vec::new(), false);
            match self.queued.recv_timeout(flush_at.saturating_duration_since(Instant::now())) {
                Ok(first) => collect_batch(first, &self.queued, &mut batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => closing = true,
            }
            self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            let before = batch.len();
            batch.retain(|job| !matches!(job, Job::Close));
            closing |= batch.len() < before;
            if closing {
                return self.close(batch);
            }
            let mut deferred = None;
            if Instant::now() >= flush_at {
                let piece = self.writer.deferred(MAX_DEFERRED);
                let pause = if piece.len() < MAX_DEFERRED { WRITE_BEHIND_INTERVAL } else { DEFERRED_PAUSE };
                flush_at = Instant::now() + pause;
                deferred = Some(piece);
            }
            self.write(batch, deferred);
        }
    }

    /// Writes the last batch with all deferred changes. If it could not be written, or if the caller of a hold in it has
    /// gone, a second batch settles what is left.
    fn close(mut self, batch: Vec<Job>) -> D {
        let deferred = self.writer.deferred(usize::MAX);
        self.write(batch, Some(deferred));
        self.write(Vec::new(), Some(Deferred::default()));
        self.writer
    }

    /// Writes one batch and sends the replies.
    fn write(&mut self, mut batch: Vec<Job>, deferred: Option<Deferred>) {
        let retry = deferred.is_some() && !self.unsettled.is_empty();
        let deferred = deferred.unwrap_or_default();
        if batch.is_empty() && deferred.is_empty() && !retry {
            return;
        }
        match self.writer.commit(&mut batch, &self.unsettled, &deferred) {
            Ok(()) => {
                self.counts.commits.fetch_add(1, Ordering::Relaxed);
                self.counts.jobs.fetch_add(batch.len(), Ordering::Relaxed);
                self.unsettled.clear();
                let unclaimed = batch.into_iter().filter_map(Job::send_reply);
                self.unsettled.extend(unclaimed.map(|hold| (hold, Settlement::Release)));
                self.writer.idle();
            }
            Err(error) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.writer.put_back(deferred);
                self.unsettled.extend(batch.iter().filter_map(Job::settlement));
                batch.into_iter().for_each(|job| job.fail(error.clone()));
            }
        }
    }
}

/// Collects the queued jobs. Jobs without a waiting caller wait a little for company: a caller that charges one request
/// after another then pays for one commit each, not for two.
fn collect_batch(first: Job, queued: &Receiver<Job>, batch: &mut Vec<Job>) {
    let until = Instant::now() + LINGER;
    let mut next = Some(first);
    while let Some(job) = next {
        batch.push(job);
        batch.extend(queued.try_iter().take(MAX_BATCH - batch.len()));
        let is_awaited = batch.len() >= MAX_BATCH || batch.iter().any(Job::is_awaited);
        let left = until.saturating_duration_since(Instant::now());
        next = if is_awaited { None } else { queued.recv_timeout(left).ok() };
    }
}
