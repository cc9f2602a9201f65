//! The hand-off between whoever asks and the thread that writes: a job is queued, committed with what else was there,
//! and told; a hold that nobody takes on is released; what could not be written is written later.
//!
//! Of SQLite it knows nothing: what commits is a [`BatchWriter`]. So its order can be tried without a disk, with the threads
//! meeting in every way (`handoff_tests`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use demur_admission::{HoldId, QuotaUse, Settlement, StoreError};

use super::Job;
use crate::sync::{AtomicUsize, Ordering, Receiver, RecvTimeoutError, Sender, channel};
use crate::write_behind::WriteBehindBatch;

/// So many jobs go into one transaction; the others go into the next.
const BATCH: usize = 4096;

/// More than this many waiting jobs are refused, not queued. Settlements are always taken: there are no
/// more of them than there were holds.
const QUEUE: usize = 65_536;

/// How long settlements wait that nobody waits for. Should the process be killed meanwhile, their holds count
/// as posted, as they would have a moment before.
const LINGER: Duration = Duration::from_millis(1);

/// How long a quota's count may stay in memory only, where there is not too much to write.
const WRITE_BEHIND: Duration = Duration::from_millis(500);
/// What is written behind is written in pieces of this size with a pause between them: whoever waits for a commit,
/// or for the processor, should not wait for all of it.
const PIECE: usize = 256;
const BETWEEN_PIECES: Duration = Duration::from_millis(50);

/// Where batches are written.
pub(super) trait BatchWriter {
    /// What has not been written yet, and can wait: at most so many of each.
    fn deferred(&mut self, most: usize) -> Deferred;

    /// Writes all of it or nothing, and says to each job of the batch what was found. When this returns, it is
    /// durable, and in force.
    fn commit(
        &mut self,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        behind: &Deferred,
    ) -> Result<(), StoreError>;

    /// Takes back what could not be written.
    fn put_back(&mut self, behind: Deferred);

    /// Everybody has been told of a commit, and nobody waits.
    fn idle(&mut self);
}

/// What is written behind, with the batch that comes next after its time.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    pub(super) uses: Vec<QuotaUse>,
    pub(super) noted: WriteBehindBatch,
    /// Claims have expired, of which so many are to be pruned at most.
    pub(super) claims_due: Option<usize>,
}

impl Deferred {
    fn len(&self) -> usize {
        let claims = self.claims_due.unwrap_or_default();
        self.uses.len().max(self.noted.len()).max(claims)
    }

    fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.noted.is_empty() && self.claims_due.is_none()
    }
}

/// The end of those who ask.
#[derive(Clone)]
pub(super) struct Queue {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
}

impl Queue {
    /// A queue, and its other end before a desk.
    pub(super) fn before<D: BatchWriter>(desk: D) -> (Self, CommitLoop<D>) {
        let (jobs, queued) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let handoff = CommitLoop { queued, waiting: Arc::clone(&waiting), desk, unsettled: Vec::new() };
        (Self { jobs, waiting }, handoff)
    }

    /// Queues a job. One that is refused tells its waiter so.
    pub(super) fn put(&self, job: Job) {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let refused = if waiting >= QUEUE && job.may_be_refused() {
            Some((job, StoreError::Overloaded))
        } else {
            self.jobs.send(job).err().map(|unsent| (unsent.0, StoreError::Closed))
        };
        if let Some((job, error)) = refused {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            job.fail(error);
        }
    }

    /// Releases a hold that nobody took on, from wherever it is dropped. Where the writer has ended the hold stays
    /// open, and counts as posted at the next start.
    pub(super) fn release_hook(&self) -> impl FnOnce(HoldId) + Send + Unpin + use<> {
        let queue = self.clone();
        move |hold| queue.put(Job::Settle(hold, Settlement::Release, None))
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// The writing thread's end.
pub(super) struct CommitLoop<D> {
    queued: Receiver<Job>,
    waiting: Arc<AtomicUsize>,
    desk: D,
    /// Settlements that could not be written yet.
    unsettled: Vec<(HoldId, Settlement)>,
}

impl<D: BatchWriter> CommitLoop<D> {
    /// Writes what is queued until it is closed. The desk comes back.
    pub(super) fn until_closed(mut self) -> D {
        let mut flush_at = Instant::now() + WRITE_BEHIND;
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
            let mut behind = None;
            if Instant::now() >= flush_at {
                let piece = self.desk.deferred(PIECE);
                let pause = if piece.len() < PIECE { WRITE_BEHIND } else { BETWEEN_PIECES };
                flush_at = Instant::now() + pause;
                behind = Some(piece);
            }
            self.write(batch, behind);
        }
    }

    /// The last batch, with all that was to be written behind. Where it could not be written, or where somebody has
    /// gone whose hold was in it, there is something to settle still.
    fn close(mut self, batch: Vec<Job>) -> D {
        let behind = self.desk.deferred(usize::MAX);
        self.write(batch, Some(behind));
        self.write(Vec::new(), Some(Deferred::default()));
        self.desk
    }

    /// Writes one batch and tells the waiters what became of it.
    fn write(&mut self, mut batch: Vec<Job>, behind: Option<Deferred>) {
        let retry = behind.is_some() && !self.unsettled.is_empty();
        let behind = behind.unwrap_or_default();
        if batch.is_empty() && behind.is_empty() && !retry {
            return;
        }
        match self.desk.commit(&mut batch, &self.unsettled, &behind) {
            Ok(()) => {
                self.unsettled.clear();
                let unclaimed = batch.into_iter().filter_map(Job::tell);
                self.unsettled.extend(unclaimed.map(|hold| (hold, Settlement::Release)));
                self.desk.idle();
            }
            Err(error) => {
                self.desk.put_back(behind);
                self.unsettled.extend(batch.iter().filter_map(Job::settlement));
                batch.into_iter().for_each(|job| job.fail(error.clone()));
            }
        }
    }
}

/// What is queued, at once. What nobody waits for waits a little for company: whoever charges one request
/// after another then pays for one commit each, and not for two.
fn collect_batch(first: Job, queued: &Receiver<Job>, batch: &mut Vec<Job>) {
    let until = Instant::now() + LINGER;
    let mut next = Some(first);
    while let Some(job) = next {
        batch.push(job);
        batch.extend(queued.try_iter().take(BATCH - batch.len()));
        let is_awaited = batch.len() >= BATCH || batch.iter().any(Job::is_awaited);
        let left = until.saturating_duration_since(Instant::now());
        next = if is_awaited { None } else { queued.recv_timeout(left).ok() };
    }
}
