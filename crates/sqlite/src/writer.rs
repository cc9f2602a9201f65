//! The thread that owns the writing connection: everything that changes the database goes through here.
//!
//! It takes what is queued, at once and without lingering, into one transaction, and wakes those who wait
//! after the commit. While one batch is on its way to the disk the next one gathers by itself, so the load
//! decides the size of the batches.

mod books;
pub(crate) mod claims;
mod commands;
mod handoff;
#[cfg(test)]
mod handoff_tests;
mod job;
#[cfg(test)]
mod query_tests;
mod recovery;
mod till;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use demur_admission::{Change, Command, HoldId, LocalCounters, PlanBook, Settlement, StoreError, Watch};
use jiff::Timestamp;
use rusqlite::{Transaction, TransactionBehavior};

use crate::checkpoint::Checkpointer;
use crate::database::{Access, DatabaseFile, Link, Trouble};
use crate::error::store_error;
use crate::notes::Notes;
use crate::quota;
use crate::secrets::Secrets;
use books::Books;
pub(crate) use books::{HELD, POSTED, RELEASED};
use handoff::{Behind, Desk, Queue};
pub(crate) use job::{HoldJob, Job};
use till::{Till, Undo};

/// Hands jobs to the writing thread.
pub(crate) struct Writer {
    queue: Queue,
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
        let (queue, handoff) = Queue::before(Run { file, link: Some(link), shared, till, checkpointer });
        let thread =
            thread::Builder::new().name("demur-writer".into()).spawn(move || handoff.until_closed().end());
        let thread = Mutex::new(Some(thread.map_err(StartError::Thread)?));
        Ok(Self { queue, thread })
    }

    /// Releases a hold that nobody took on, from wherever it is dropped.
    pub(crate) fn releaser(&self) -> impl FnOnce(HoldId) + Send + Unpin + use<> {
        self.queue.releaser()
    }

    /// Queues a job. One that is refused tells its waiter so.
    pub(crate) fn queue(&self, job: Job) {
        self.queue.put(job);
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
    till: Till,
    checkpointer: Checkpointer,
}

impl Desk for Run {
    fn behind(&mut self, most: usize) -> Behind {
        let claims_due = self.till.claims_due.is_some_and(|due| due <= Timestamp::now());
        let uses = self.shared.counters.changed(most);
        Behind { uses, noted: self.shared.notes.take(most), claims_due: claims_due.then_some(most) }
    }

    fn commit(
        &mut self,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        behind: &Behind,
    ) -> Result<(), StoreError> {
        if let Err(Trouble::LogRemoved(_)) = self.file.check() {
            // What has been acknowledged is in the log that we have open, and nobody will find it there again.
            self.link.take().iter().for_each(Link::checkpoint);
        }
        let mut link = Link::current(&mut self.link, &self.file, Access::Write)?;
        let mut undo = Undo::default();
        let changes = self.transact(&mut link, batch, unsettled, behind, &mut undo).map_err(|error| {
            self.till.undo(undo);
            store_error(&error)
        })?;
        self.link = Some(link);
        let commands = u64::from(is_written(batch));
        let (last_batch, booked) = (self.till.next_batch - 1, self.till.last_booked.take());
        self.file.expect(|expected| expected.committed(commands, last_batch, booked));
        // Before anyone is told: whoever knows of a change finds it in force.
        self.announce(&changes);
        Ok(())
    }

    fn put_back(&mut self, behind: Behind) {
        self.shared.counters.still_changed(behind.uses.iter().map(|used| &used.account));
        self.shared.notes.put_back(behind.noted);
    }

    fn rest(&mut self) {
        if self.checkpointer.committed() {
            // Nearly all of it is copied. What fails here is tried again when the log is longer.
            let link = self.link.as_ref().filter(|_| self.file.check().is_ok());
            let _ = link.map(Link::copy_log);
        }
    }
}

/// Whether a batch has a command that may change something.
fn is_written(batch: &[Job]) -> bool {
    batch.iter().any(|job| match job {
        Job::Command { command, .. } => !matches!(
            **command,
            Command::ListKeys { .. }
                | Command::ShowKey { .. }
                | Command::ListAccounts { .. }
                | Command::ShowAccount { .. }
        ),
        Job::Hold(..) | Job::Settle(..) | Job::Complete(..) | Job::Balance { .. } | Job::Close => false,
    })
}

impl Run {
    /// Nothing more is written.
    fn end(self) {
        drop(self.checkpointer);
        self.link.iter().for_each(Link::checkpoint);
    }

    fn transact(
        &mut self,
        link: &mut Link,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        behind: &Behind,
        undo: &mut Undo,
    ) -> rusqlite::Result<Vec<Change>> {
        let transaction = link.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changes = self.apply(&transaction, batch, unsettled, behind.claims_due, undo)?;
        if is_written(batch) {
            transaction.prepare_cached("UPDATE written SET commands = commands + 1")?.execute([])?;
        }
        quota::save(&transaction, &behind.uses)?;
        changes.extend(behind.noted.write(&transaction, self.shared.secrets.pepper_number())?);
        transaction.commit()?;
        Ok(changes)
    }

    fn apply(
        &mut self,
        transaction: &Transaction<'_>,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        claims_due: Option<usize>,
        undo: &mut Undo,
    ) -> rusqlite::Result<Vec<Change>> {
        let mut changes = Vec::new();
        let now = Timestamp::now();
        let mut books = Books::open(transaction, &mut self.till, undo, now);
        if let Some(most) = claims_due {
            books.prune_claims(now, most)?;
        }
        for (hold, settlement) in unsettled {
            books.settle(*hold, *settlement)?;
        }
        for job in batch {
            match job {
                Job::Hold(job, waiter) => waiter.set(books.hold(job)?),
                Job::Settle(hold, settlement, waiter) => {
                    books.settle(*hold, *settlement)?;
                    waiter.iter_mut().for_each(|waiter| waiter.set(()));
                }
                Job::Complete(hold, posted, response) => books.complete(*hold, *posted, response)?,
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
