//! The thread that owns the writing connection: every change of the database goes through it.
//!
//! It puts all queued jobs into one transaction without waiting for more, and replies after the commit. While one batch
//! is written the next one accumulates, so the load determines the size of the batches.

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
mod shared;
mod state;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use demur_admission::{Command, DirectoryChange, HoldId, Settlement, StoreError};
use jiff::Timestamp;
use rusqlite::{Transaction, TransactionBehavior};

use crate::checkpoint::Checkpointer;
use crate::database::{Conn, DatabaseFile, FileProblem, OpenMode};
use crate::error::store_error;
use crate::quota;
use crate::sync::{AtomicUsize, Ordering};
use group_commit::{BatchWriter, Deferred, Queue};
pub(crate) use job::{HoldJob, Job};
use ledger_tx::LedgerTx;
pub(crate) use ledger_tx::{HELD, POSTED, RELEASED};
pub(crate) use shared::WriterShared;
use state::{LedgerState, Rollback};

/// Sends jobs to the writing thread.
pub(crate) struct LedgerWriter {
    queue: Queue,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl LedgerWriter {
    pub(crate) fn start(
        file: Arc<DatabaseFile>,
        conn: Conn,
        shared: Arc<WriterShared>,
    ) -> Result<Self, StartError> {
        let state = recovery::recover(&conn.connection, Timestamp::now()).map_err(StartError::Database)?;
        let checkpointer = Checkpointer::start(Arc::clone(&file)).map_err(StartError::Thread)?;
        let (queue, commit_loop) =
            Queue::new(WriterThread { file, conn: Some(conn), shared, state, checkpointer });
        let thread =
            thread::Builder::new().name("demur-writer".into()).spawn(move || commit_loop.run().finish());
        let thread = Mutex::new(Some(thread.map_err(StartError::Thread)?));
        Ok(Self { queue, thread })
    }

    /// Returns a function that releases a hold whose caller has gone.
    pub(crate) fn release_hook(&self) -> impl FnOnce(HoldId) + Send + Unpin + use<> {
        self.queue.release_hook()
    }

    /// Queues a job. A job that is rejected fails with the reason.
    pub(crate) fn queue(&self, job: Job) {
        self.queue.put(job);
    }

    /// Commits, failed commits, operations that were committed, and those that wait.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let counts = self.queue.counts();
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        [read(&counts.commits), read(&counts.failed), read(&counts.jobs), self.queue.waiting()]
    }

    /// Writes queued jobs and deferred changes, and ends the thread.
    pub(crate) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.queue(Job::Close);
            let _ = thread.join();
        }
    }
}

/// Why the writer could not start.
#[derive(Debug)]
pub(crate) enum StartError {
    Database(rusqlite::Error),
    Thread(std::io::Error),
}

/// The thread's own state.
struct WriterThread {
    file: Arc<DatabaseFile>,
    /// Closed when it fails, and opened again for the next batch.
    conn: Option<Conn>,
    shared: Arc<WriterShared>,
    state: LedgerState,
    checkpointer: Checkpointer,
}

impl BatchWriter for WriterThread {
    fn deferred(&mut self, max: usize) -> Deferred {
        let claims_due = self.state.claims_due.is_some_and(|due| due <= Timestamp::now());
        let uses = self.shared.counters.changed(max);
        Deferred {
            uses,
            write_behind: self.shared.write_behind.take(max),
            claims_due: claims_due.then_some(max),
        }
    }

    fn commit(
        &mut self,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        deferred: &Deferred,
    ) -> Result<(), StoreError> {
        if let Err(FileProblem::LogRemoved(_)) = self.file.check() {
            // Acknowledged commits are in the log that this connection has open, and nobody can find that file again.
            self.conn.take().iter().for_each(Conn::checkpoint);
        }
        let mut conn = Conn::current(&mut self.conn, &self.file, OpenMode::Write)?;
        let mut rollback = Rollback::default();
        let changes =
            self.transact(&mut conn, batch, unsettled, deferred, &mut rollback).map_err(|error| {
                self.state.roll_back(rollback);
                store_error(&error)
            })?;
        self.conn = Some(conn);
        self.shared.open_holds.store(self.state.open.len(), Ordering::Relaxed);
        let commands = u64::from(has_change(batch));
        let (last_batch, changed) = (self.state.next_batch - 1, self.state.last_changed.take());
        self.file.update_expected(|expected| expected.on_commit(commands, last_batch, changed));
        // Before any reply: a caller that knows of a change must find it in effect.
        self.announce(&changes);
        Ok(())
    }

    fn put_back(&mut self, deferred: Deferred) {
        self.shared.counters.still_changed(deferred.uses.iter().map(|used| &used.account));
        self.shared.write_behind.put_back(deferred.write_behind);
    }

    fn idle(&mut self) {
        if self.checkpointer.on_commit() {
            // Nearly all of it is copied. A failure is retried when the log is longer.
            let conn = self.conn.as_ref().filter(|_| self.file.check().is_ok());
            let _ = conn.map(Conn::copy_log);
        }
    }
}

/// Whether a batch contains a command that may change something.
fn has_change(batch: &[Job]) -> bool {
    batch.iter().any(|job| match job {
        Job::Command { command, .. } => !matches!(
            **command,
            Command::ListKeys { .. }
                | Command::ShowKey { .. }
                | Command::FindKey { .. }
                | Command::ListAccounts { .. }
                | Command::ShowAccount { .. }
        ),
        Job::Hold(..) | Job::Settle(..) | Job::Complete(..) | Job::Balance { .. } | Job::Close => false,
    })
}

impl WriterThread {
    /// Ends the thread after the last batch.
    fn finish(self) {
        drop(self.checkpointer);
        self.conn.iter().for_each(Conn::checkpoint);
    }

    fn transact(
        &mut self,
        conn: &mut Conn,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        deferred: &Deferred,
        rollback: &mut Rollback,
    ) -> rusqlite::Result<Vec<DirectoryChange>> {
        let transaction = conn.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changes = self.apply(&transaction, batch, unsettled, deferred.claims_due, rollback)?;
        if has_change(batch) {
            transaction.prepare_cached("UPDATE written SET commands = commands + 1")?.execute([])?;
        }
        quota::save(&transaction, &deferred.uses)?;
        changes.extend(deferred.write_behind.write(&transaction, self.shared.secrets.pepper_number())?);
        transaction.commit()?;
        Ok(changes)
    }

    fn apply(
        &mut self,
        transaction: &Transaction<'_>,
        batch: &mut [Job],
        unsettled: &[(HoldId, Settlement)],
        claims_due: Option<usize>,
        rollback: &mut Rollback,
    ) -> rusqlite::Result<Vec<DirectoryChange>> {
        let mut changes = Vec::new();
        let now = Timestamp::now();
        let mut ledger = LedgerTx::open(transaction, &mut self.state, rollback, now);
        if let Some(max) = claims_due {
            ledger.prune_claims(now, max)?;
        }
        for (hold, settlement) in unsettled {
            ledger.settle(*hold, *settlement)?;
        }
        for job in batch {
            match job {
                Job::Hold(job, reply) => reply.set(ledger.hold(job)?),
                Job::Settle(hold, settlement, reply) => {
                    ledger.settle(*hold, *settlement)?;
                    reply.iter_mut().for_each(|reply| reply.set(()));
                }
                Job::Complete(hold, posted, response) => ledger.complete(*hold, *posted, response)?,
                Job::Balance { account, monthly, at, reply } => {
                    reply.set(ledger.balance(account, monthly.as_deref(), *at)?);
                }
                Job::Command { command, charged, at, reply } => {
                    let context = commands::CommandContext { command, charged: *charged, at: *at };
                    let (outcome, more) = commands::execute(&context, &mut ledger, &self.shared)?;
                    changes.extend(more);
                    reply.set(outcome);
                }
                Job::Close => {}
            }
        }
        ledger.close()?;
        Ok(changes)
    }

    fn announce(&self, changes: &[DirectoryChange]) {
        if changes.is_empty() {
            return;
        }
        let listeners = self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        for (listener, change) in
            listeners.iter().flat_map(|listener| changes.iter().map(move |change| (listener, change)))
        {
            listener.invalidate(change);
        }
    }
}
