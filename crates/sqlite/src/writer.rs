//! The thread that owns the writing connection: everything that changes the database goes through here.
//!
//! It takes what is queued, at once and without lingering, into one transaction, and wakes those who wait
//! after the commit. While one batch is on its way to the disk the next one gathers by itself, so the load
//! decides the size of the batches.

mod books;
mod commands;
mod job;
#[cfg(test)]
mod query_tests;
mod recovery;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use demur_admission::{Change, HoldId, LocalCounters, PlanBook, QuotaUse, Settlement, StoreError, Watch};
use jiff::Timestamp;
use rusqlite::{Transaction, TransactionBehavior};

use crate::checkpoint::Checkpointer;
use crate::database::{Access, DatabaseFile, Link};
use crate::error::store_error;
use crate::notes::{Noted, Notes};
use crate::quota;
use crate::secrets::Secrets;
use books::{Books, Till, Undo};
pub(crate) use books::{HELD, POSTED, RELEASED};
pub(crate) use job::{HoldJob, Job};

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

/// Hands jobs to the writing thread.
pub(crate) struct Writer {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread shares with the rest of the store.
pub(crate) struct Shared {
    pub(crate) secrets: Secrets,
    /// What is written when there is time.
    pub(crate) notes: Notes,
    pub(crate) plans: Arc<PlanBook>,
    pub(crate) counters: Arc<LocalCounters>,
    pub(crate) watchers: Mutex<Vec<Arc<dyn Watch>>>,
}

impl Writer {
    pub(crate) fn start(
        file: Arc<DatabaseFile>,
        link: Link,
        shared: Arc<Shared>,
    ) -> Result<Self, StartError> {
        let till = recovery::recover(&link.connection, Timestamp::now()).map_err(StartError::Database)?;
        let checkpointer = Checkpointer::start(Arc::clone(&file)).map_err(StartError::Thread)?;
        let (jobs, queued) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let run = Run {
            file,
            link: Some(link),
            shared,
            waiting: Arc::clone(&waiting),
            till,
            unsettled: Vec::new(),
            checkpointer,
        };
        let thread =
            thread::Builder::new().name("demur-writer".into()).spawn(move || run.until_closed(&queued));
        let thread = Mutex::new(Some(thread.map_err(StartError::Thread)?));
        Ok(Self { jobs, waiting, thread })
    }

    /// Releases a hold that nobody took on, from wherever it is dropped.
    pub(crate) fn releaser(&self) -> impl FnOnce(HoldId) + Send + Unpin + use<> {
        let (jobs, waiting) = (self.jobs.clone(), Arc::clone(&self.waiting));
        move |hold| {
            waiting.fetch_add(1, Ordering::Relaxed);
            // A writer that has ended leaves the hold open; it counts as posted at the next start.
            if jobs.send(Job::Settle(hold, Settlement::Release, None)).is_err() {
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Queues a job. One that is refused tells its waiter so.
    pub(crate) fn queue(&self, job: Job) {
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

    /// Writes what is queued and what was to be written behind, and ends the thread.
    pub(crate) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.queue(Job::Close);
            let _ = thread.join();
        }
    }
}

/// What is queued, at once. What nobody waits for waits a little for company: whoever charges one request
/// after another then pays for one commit each, and not for two.
fn gather(first: Job, queued: &Receiver<Job>, batch: &mut Vec<Job>) {
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

/// What is written behind, with the batch that comes next after its time.
#[derive(Debug, Default)]
struct Behind {
    uses: Vec<QuotaUse>,
    noted: Noted,
}

impl Behind {
    fn len(&self) -> usize {
        self.uses.len().max(self.noted.len())
    }

    fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.noted.is_empty()
    }
}

/// Why the writer could not begin.
#[derive(Debug)]
pub(crate) enum StartError {
    Database(rusqlite::Error),
    Thread(std::io::Error),
}

/// The thread's own state.
struct Run {
    file: Arc<DatabaseFile>,
    /// Given up when it fails, and opened again for the next batch.
    link: Option<Link>,
    shared: Arc<Shared>,
    waiting: Arc<AtomicUsize>,
    till: Till,
    /// Settlements that could not be written yet.
    unsettled: Vec<(HoldId, Settlement)>,
    checkpointer: Checkpointer,
}

impl Run {
    fn until_closed(mut self, queued: &Receiver<Job>) {
        let mut flush_at = Instant::now() + WRITE_BEHIND;
        loop {
            let (mut batch, mut closing) = (Vec::new(), false);
            match queued.recv_timeout(flush_at.saturating_duration_since(Instant::now())) {
                Ok(first) => gather(first, queued, &mut batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => closing = true,
            }
            self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            let before = batch.len();
            batch.retain(|job| !matches!(job, Job::Close));
            closing |= batch.len() < before;

            let behind = if closing {
                self.behind(usize::MAX)
            } else if Instant::now() >= flush_at {
                let behind = self.behind(PIECE);
                let is_all = behind.as_ref().is_none_or(|behind| behind.len() < PIECE);
                let pause = if is_all { WRITE_BEHIND } else { BETWEEN_PIECES };
                flush_at = Instant::now() + pause;
                behind
            } else {
                None
            };
            self.write(batch, behind);
            if closing {
                break;
            }
        }
        drop(self.checkpointer);
        if let Some(link) = self.link.filter(|link| link.check().is_ok()) {
            link.checkpoint();
        }
    }

    /// What has not been written yet, and can wait: at most so many counts.
    fn behind(&self, most: usize) -> Option<Behind> {
        Some(Behind { uses: self.shared.counters.changed(most), noted: self.shared.notes.take(most) })
    }

    /// Writes one batch and tells the waiters what became of it.
    fn write(&mut self, mut batch: Vec<Job>, behind: Option<Behind>) {
        let retry = behind.is_some() && !self.unsettled.is_empty();
        let behind = behind.unwrap_or_default();
        if batch.is_empty() && behind.is_empty() && !retry {
            return;
        }
        match self.commit(&mut batch, &behind) {
            Ok(changes) => {
                self.unsettled.clear();
                // Before anyone is told: whoever knows of a change finds it in force.
                self.announce(&changes);
                let unclaimed = batch.into_iter().filter_map(Job::tell);
                self.unsettled.extend(unclaimed.map(|hold| (hold, Settlement::Release)));
                if self.checkpointer.committed() {
                    // Nearly all of it is copied. What fails here is tried again when the log is longer.
                    let _ = self.link.as_ref().map(Link::copy_log);
                }
            }
            Err(error) => {
                self.link = None;
                self.shared.counters.still_changed(behind.uses.iter().map(|used| &used.account));
                self.shared.notes.put_back(behind.noted);
                self.unsettled.extend(batch.iter().filter_map(Job::settlement));
                batch.into_iter().for_each(|job| job.fail(error.clone()));
            }
        }
    }

    fn commit(&mut self, batch: &mut [Job], behind: &Behind) -> Result<Vec<Change>, StoreError> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::open(&self.file, Access::Write)?,
        };
        link.check()?;
        let mut undo = Undo::default();
        let changes = self.transact(&mut link, batch, behind, &mut undo).map_err(|error| {
            self.till.undo(undo);
            store_error(&error)
        })?;
        self.link = Some(link);
        Ok(changes)
    }

    fn transact(
        &mut self,
        link: &mut Link,
        batch: &mut [Job],
        behind: &Behind,
        undo: &mut Undo,
    ) -> rusqlite::Result<Vec<Change>> {
        let transaction = link.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changes = self.apply(&transaction, batch, undo)?;
        quota::save(&transaction, &behind.uses)?;
        changes.extend(behind.noted.write(&transaction, self.shared.secrets.pepper_number())?);
        transaction.commit()?;
        Ok(changes)
    }

    fn apply(
        &mut self,
        transaction: &Transaction<'_>,
        batch: &mut [Job],
        undo: &mut Undo,
    ) -> rusqlite::Result<Vec<Change>> {
        let mut changes = Vec::new();
        let mut books = Books::open(transaction, &mut self.till, undo, Timestamp::now());
        for (hold, settlement) in &self.unsettled {
            books.settle(*hold, *settlement)?;
        }
        for job in batch {
            match job {
                Job::Hold(job, waiter) => waiter.set(books.hold(job)?),
                Job::Settle(hold, settlement, waiter) => {
                    books.settle(*hold, *settlement)?;
                    waiter.iter_mut().for_each(|waiter| waiter.set(()));
                }
                Job::Balance { account, monthly, at, waiter } => {
                    waiter.set(books.balance(account, monthly.as_deref(), *at)?);
                }
                Job::Command { command, charged, at, waiter } => {
                    let asked = commands::Asked { command, charged: *charged, at: *at };
                    let (reply, more) = commands::execute(&asked, &mut books, &self.shared)?;
                    changes.extend(more);
                    waiter.set(reply);
                }
                Job::Close => {}
            }
        }
        books.close()?;
        Ok(changes)
    }

    fn announce(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let watchers = self.shared.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        for (watcher, change) in
            watchers.iter().flat_map(|watcher| changes.iter().map(move |change| (watcher, change)))
        {
            watcher.changed(change);
        }
    }
}
