//! The thread that owns the writing connection: everything that changes the database goes through here.
//!
//! It takes what is queued, at once and without lingering, into one transaction, and wakes those who wait
//! after the commit. While one batch is on its way to the disk the next one gathers by itself, so the load
//! decides the size of the batches.

pub(crate) mod claims;
mod commands;
mod group_commit;
#[cfg(test)]
mod group_commit_tests;
mod job;
mod ledger_tx;
#[cfg(test)]
mod query_tests;
mod recovery;
mod state;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use demur_admission::{
    Command, DirectoryChange, HoldId, InvalidationListener, LocalCounters, Plans, Settlement, StoreError,
};
use jiff::Timestamp;
use rusqlite::{Transaction, TransactionBehavior};

use crate::checkpoint::Checkpointer;
use crate::database::{Conn, DatabaseFile, FileProblem, OpenMode};
use crate::error::store_error;
use crate::quota;
use crate::secrets::StoreSecrets;
use crate::write_behind::WriteBehind;
use group_commit::{BatchWriter, Deferred, Queue};
pub(crate) use job::{HoldJob, Job};
use ledger_tx::LedgerTx;
pub(crate) use ledger_tx::{HELD, POSTED, RELEASED};
use state::{LedgerState, Rollback};

/// Hands jobs to the writing thread.
pub(crate) struct LedgerWriter {
    queue: Queue,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread shares with the rest of the store.
pub(crate) struct WriterShared {
    pub(crate) secrets: StoreSecrets,
    /// What is written when there is time.
    pub(crate) notes: WriteBehind,
    pub(crate) plans: Arc<Plans>,
    pub(crate) counters: Arc<LocalCounters>,
    pub(crate) watchers: Mutex<Vec<Arc<dyn InvalidationListener>>>,
}

impl LedgerWriter {
    pub(crate) fn start(
        file: Arc<DatabaseFile>,
        link: Conn,
        shared: Arc<WriterShared>,
    ) -> Result<Self, StartError> {
        let till = recovery::recover(&link.connection, Timestamp::now()).map_err(StartError::Database)?;
        let checkpointer = Checkpointer::start(Arc::clone(&file)).map_err(StartError::Thread)?;
        let (queue, handoff) =
            Queue::before(WriterThread { file, link: Some(link), shared, till, checkpointer });
        let thread =
            thread::Builder::new().name("demur-writer".into()).spawn(move || handoff.until_closed().end());
        let thread = Mutex::new(Some(thread.map_err(StartError::Thread)?));
        Ok(Self { queue, thread })
    }

    /// Releases a hold that nobody took on, from wherever it is dropped.
    pub(crate) fn release_hook(&self) -> impl FnOnce(HoldId) + Send + Unpin + use<> {
        self.queue.release_hook()
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
struct WriterThread {
    file: Arc<DatabaseFile>,
    /// Given up when it fails, and opened again for the next batch.
    link: Option<Conn>,
    shared: Arc<WriterShared>,
    till: LedgerState,
    checkpointer: Checkpointer,
}

impl BatchWriter for WriterThread {
    fn deferred(&mut self, most: usize) -> Deferred {
        let claims_due = self.till.claims_due.is_some_and(|due| due <= Timestamp::now());
        let uses = self.shared.counters.changed(most);
        Deferred { uses, noted: self.shared.notes.take(most), claims_due: claims_due.then_some(most) }
    }

    fn commit(
        &mut self,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        behind: &Deferred,
    ) -> Result<(), StoreError> {
        if let Err(FileProblem::LogRemoved(_)) = self.file.check() {
            // What has been acknowledged is in the log that we have open, and nobody will find it there again.
            self.link.take().iter().for_each(Conn::checkpoint);
        }
        let mut link = Conn::current(&mut self.link, &self.file, OpenMode::Write)?;
        let mut undo = Rollback::default();
        let changes = self.transact(&mut link, batch, unsettled, behind, &mut undo).map_err(|error| {
            self.till.undo(undo);
            store_error(&error)
        })?;
        self.link = Some(link);
        let commands = u64::from(is_written(batch));
        let (last_batch, booked) = (self.till.next_batch - 1, self.till.last_booked.take());
        self.file.update_expected(|expected| expected.on_commit(commands, last_batch, booked));
        // Before anyone is told: whoever knows of a change finds it in force.
        self.announce(&changes);
        Ok(())
    }

    fn put_back(&mut self, behind: Deferred) {
        self.shared.counters.still_changed(behind.uses.iter().map(|used| &used.account));
        self.shared.notes.put_back(behind.noted);
    }

    fn idle(&mut self) {
        if self.checkpointer.committed() {
            // Nearly all of it is copied. What fails here is tried again when the log is longer.
            let link = self.link.as_ref().filter(|_| self.file.check().is_ok());
            let _ = link.map(Conn::copy_log);
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

impl WriterThread {
    /// Nothing more is written.
    fn end(self) {
        drop(self.checkpointer);
        self.link.iter().for_each(Conn::checkpoint);
    }

    fn transact(
        &mut self,
        link: &mut Conn,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        behind: &Deferred,
        undo: &mut Rollback,
    ) -> rusqlite::Result<Vec<DirectoryChange>> {
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
        undo: &mut Rollback,
    ) -> rusqlite::Result<Vec<DirectoryChange>> {
        let mut changes = Vec::new();
        let now = Timestamp::now();
        let mut books = LedgerTx::open(transaction, &mut self.till, undo, now);
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
                    let asked = commands::CommandContext { command, charged: *charged, at: *at };
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

    fn announce(&self, changes: &[DirectoryChange]) {
        if changes.is_empty() {
            return;
        }
        let watchers = self.shared.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        for (watcher, change) in
            watchers.iter().flat_map(|watcher| changes.iter().map(move |change| (watcher, change)))
        {
            watcher.invalidate(change);
        }
    }
}
