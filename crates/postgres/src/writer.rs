//! The one writer of a node.
//! Long because batches, commands and what is due without a job share one connection and its recovery.
//!
//! It puts all queued jobs into one transaction without waiting for more, and replies after the commit. While one batch is written the next one accumulates, so the load determines the size of the batches. It also
//! keeps the lease of the node, and resolves the holds of nodes that have gone.
//!
//! A commit without a reply is in doubt. The writer then connects again, waits until the old transaction has ended, and
//! looks at what it has written: a settlement that is missing is written again, and a hold that nobody was told of is
//! released.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use demur_admission::{Command, DirectoryChange, HoldId, Reply, Settlement, StoreError};
use futures_channel::oneshot;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::batch::{self, Effects, NodeState};
use crate::books::open_hold_of;
use crate::commands;
use crate::connection::bounded;
use crate::error::DbError;
use crate::job::Job;
use crate::rows::{clock, unsigned};
use crate::session::{Session, TRANSACTION_TIMEOUT};
use crate::shared::Shared;
use crate::{changes, claims, quota, recovery, write_behind};

/// The maximum number of jobs in one transaction.
const MAX_BATCH: usize = 4096;

/// How often a batch is repeated that conflicts with other transactions.
const MAX_ATTEMPTS: u32 = 4;

/// How often the writer does what is due without a job: it renews the lease, writes what could not be written, and what
/// can wait.
const TICK: Duration = Duration::from_millis(500);

/// How often the writer looks for nodes that have gone.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// How often expired responses and old changes are deleted, and how many at most at a time.
const PRUNE_INTERVAL: Duration = Duration::from_secs(30);
const MAX_PRUNED: i64 = 500;

/// The number of holds in a block. A node takes whole blocks, so that the IDs of a batch are known before it is written.
const BLOCK_BITS: u32 = 24;

/// A clock that differs by less from that of the database is right.
const MAX_CLOCK_ERROR: SignedDuration = SignedDuration::from_secs(2);

/// A commit without a reply.
#[derive(Debug, Default)]
struct Doubt {
    opened: Vec<HoldId>,
    settled: Vec<(HoldId, Settlement)>,
}

/// The state of the writer.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    session: Option<Session>,
    /// Since when this node is connected without interruption.
    connected: Instant,
    node: NodeState,
    /// Settlements that could not be written yet.
    unsettled: Vec<(HoldId, Settlement)>,
    doubt: Doubt,
    renewed: Instant,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (node, unsettled, doubt) = (NodeState::default(), Vec::new(), Doubt::default());
        let now = Instant::now();
        Self { shared, session: None, connected: now, node, unsettled, doubt, renewed: now }
    }

    /// Writes queued jobs until the queue is closed.
    pub(crate) async fn run(mut self, mut queued: UnboundedReceiver<Job>) {
        let [mut tick, mut sweep, mut prune] =
            [TICK, SWEEP_INTERVAL, PRUNE_INTERVAL].map(|after| Instant::now() + after);
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                received = queued.recv_many(&mut batch, MAX_BATCH) => if received == 0 { return },
                () = tokio::time::sleep_until(tick) => {}
            }
            self.shared.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            if let Some((is_orderly, closed)) = self.write_all(batch).await {
                if is_orderly {
                    self.close().await;
                }
                // Nobody may wait.
                let _ = closed.send(());
                return;
            }
            let now = Instant::now();
            if now >= tick {
                self.tick().await;
                tick = Instant::now() + TICK;
            }
            if now >= sweep {
                self.sweep().await;
                sweep = Instant::now() + SWEEP_INTERVAL;
            }
            if now >= prune {
                let more = self.prune().await;
                prune = Instant::now() + if more { TICK } else { PRUNE_INTERVAL };
            }
        }
    }

    /// Writes the jobs in their order: commands alone, everything between them in one transaction. Returns the sender of a
    /// job that closes the writer.
    async fn write_all(&mut self, jobs: Vec<Job>) -> Option<(bool, oneshot::Sender<()>)> {
        let mut batch = Vec::with_capacity(jobs.len());
        for job in jobs {
            match job {
                Job::Command(command, at, reply) => {
                    self.write(std::mem::take(&mut batch)).await;
                    let result = self.execute(&command, at).await.map_err(StoreError::from);
                    let _ = reply.send(result);
                }
                Job::Close(is_orderly, closed) => {
                    self.write(batch).await;
                    return Some((is_orderly, closed));
                }
                job => batch.push(job),
            }
        }
        self.write(batch).await;
        None
    }

    /// Writes one batch and sends the replies.
    async fn write(&mut self, batch: Vec<Job>) {
        if batch.is_empty() {
            return;
        }
        match self.commit(&batch).await {
            Ok(effects) => {
                self.shared.counts.jobs.fetch_add(batch.len(), Ordering::Relaxed);
                let unclaimed = batch::send_replies(batch, effects.outcomes);
                self.unsettled.extend(unclaimed.into_iter().map(|hold| (hold, Settlement::Release)));
            }
            Err(error) => {
                let error = StoreError::from(error);
                batch.into_iter().for_each(|job| job.fail(error.clone()));
            }
        }
    }

    /// Commits a batch with what could not be written before. If it fails, its settlements are kept for later.
    async fn commit(&mut self, batch: &[Job]) -> Result<Effects, DbError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.try_commit(batch).await {
                Ok(effects) => {
                    self.shared.counts.commits.fetch_add(1, Ordering::Relaxed);
                    self.shared.counts.open_holds.store(self.node.open.len(), Ordering::Relaxed);
                    return Ok(effects);
                }
                Err(Failure::Error(DbError::Conflict)) if attempts < MAX_ATTEMPTS => {}
                Err(Failure::Error(DbError::LeaseLost)) if attempts < MAX_ATTEMPTS => self.lose_lease(),
                Err(Failure::Error(error)) => {
                    self.shared.counts.failed.fetch_add(1, Ordering::Relaxed);
                    self.unsettled.extend(batch.iter().filter_map(Job::settlement));
                    return Err(error);
                }
                // The doubt has the settlements.
                Err(Failure::InDoubt(error)) => {
                    self.shared.counts.failed.fetch_add(1, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    }

    async fn try_commit(&mut self, batch: &[Job]) -> Result<Effects, Failure> {
        self.connect().await?;
        self.register(batch.len()).await?;
        let lease = i64::try_from(self.shared.settings.lease.as_micros()).unwrap_or(i64::MAX);
        let at = self.shared.now();
        let Some(session) = &self.session else { return Err(Failure::closed()) };
        let writing = batch::write(session, &mut self.node, batch, &self.unsettled, lease, at);
        let mut effects = match bounded(TRANSACTION_TIMEOUT, writing).await {
            Ok(effects) => effects,
            Err(error) => {
                if matches!(error, DbError::TimedOut) || !session.roll_back().await {
                    self.session = None;
                }
                return Err(Failure::Error(error));
            }
        };
        if let Err(error) = bounded(TRANSACTION_TIMEOUT, session.client.batch_execute("COMMIT")).await {
            self.session = None;
            let settled = self.unsettled.drain(..).chain(batch.iter().filter_map(Job::settlement));
            self.doubt.settled.extend(settled);
            self.doubt.opened.extend(effects.opened.iter().map(|(hold, _)| *hold));
            return Err(Failure::InDoubt(error));
        }
        self.unsettled.clear();
        self.node.commit(&mut effects);
        self.renewed = Instant::now();
        if let Some(clock) = effects.clock {
            self.set_clock(clock);
        }
        Ok(effects)
    }

    /// Connects where there is no connection, and resolves what is in doubt.
    async fn connect(&mut self) -> Result<(), DbError> {
        if self.session.as_ref().is_some_and(|session| !session.client.is_closed()) {
            return Ok(());
        }
        self.session = None;
        let session = Session::open(&self.shared.settings).await?;
        let (node, doubt) = (&mut self.node, &self.doubt);
        let (clock, found) = bounded(TRANSACTION_TIMEOUT, examine(&session, node, doubt)).await?;
        self.doubt = Doubt::default();
        self.unsettled.extend(found);
        self.session = Some(session);
        self.connected = Instant::now();
        self.set_clock(clock);
        Ok(())
    }

    /// Makes this node one that holds credits, and takes a block of hold IDs where the current one is used up.
    async fn register(&mut self, holds: usize) -> Result<(), DbError> {
        let Some(session) = &self.session else { return Err(DbError::Failed("not connected".to_owned())) };
        if self.node.epoch.is_none() {
            let sql = "INSERT INTO demur.node (owner, lease_ends)
                       VALUES ($1, clock_timestamp() + $2 * interval '1 microsecond') RETURNING epoch";
            let (owner, lease) =
                (self.shared.settings.owner.0.cast_signed(), self.shared.settings.lease.as_micros() as f64);
            let row = bounded(TRANSACTION_TIMEOUT, session.client.query_one(sql, &[&owner, &lease])).await?;
            self.node.epoch = Some(row.try_get(0)?);
            self.node.last_hold = self.node.next_hold;
        }
        if self.node.next_hold + holds as u64 >= self.node.last_hold {
            let sql = "SELECT nextval('demur.hold_block')";
            let row = bounded(TRANSACTION_TIMEOUT, session.client.query_one(sql, &[])).await?;
            let block = unsigned(&row, 0)?;
            self.node.next_hold = block << BLOCK_BITS;
            self.node.last_hold = (block + 1) << BLOCK_BITS;
        }
        Ok(())
    }

    /// Other nodes may have resolved the holds of this one: it begins again.
    fn lose_lease(&mut self) {
        let open = self.node.open.len();
        tracing::error!(open_holds = open, "store lease lost");
        self.node = NodeState::default();
        self.unsettled.clear();
        self.doubt = Doubt::default();
    }

    fn set_clock(&self, clock: Timestamp) {
        let offset = clock.duration_since(self.shared.settings.clock());
        let is_wrong = offset.abs() >= MAX_CLOCK_ERROR;
        let offset = if is_wrong { i64::try_from(offset.as_micros()).unwrap_or(0) } else { 0 };
        let before = self.shared.counts.clock_offset.swap(offset, Ordering::Relaxed);
        if is_wrong && before == 0 {
            let seconds = offset / 1_000_000;
            tracing::warn!(seconds, "clock differs from the store");
        }
    }

    /// Executes a command in a transaction of its own, and announces its changes.
    async fn execute(&mut self, command: &Command, at: Timestamp) -> Result<Reply, DbError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.try_execute(command, at).await {
                Err(DbError::Conflict) if attempts < MAX_ATTEMPTS => {}
                result => return result,
            }
        }
    }

    async fn try_execute(&mut self, command: &Command, at: Timestamp) -> Result<Reply, DbError> {
        self.connect().await?;
        let Some(session) = &self.session else { return Err(DbError::Failed("not connected".to_owned())) };
        let limit = commands::timeout(command);
        match bounded(limit, commands::transact(&session.client, command, at, &self.shared)).await {
            Ok((reply, changes)) => {
                self.shared.announce(&changes);
                Ok(reply)
            }
            Err(error) => {
                if matches!(error, DbError::TimedOut) || !session.roll_back().await {
                    self.session = None;
                }
                Err(error)
            }
        }
    }

    /// Does what is due without a job.
    async fn tick(&mut self) {
        let is_due = self.node.epoch.is_some() && self.renewed.elapsed() >= self.shared.settings.lease / 3;
        if is_due
            || !self.unsettled.is_empty()
            || !self.doubt.settled.is_empty()
            || !self.doubt.opened.is_empty()
        {
            // Tried again at the next tick.
            let _ = self.commit(&[]).await;
        }
        let (used, uses) = (self.shared.write_behind.take(), self.shared.counters.changed(usize::MAX));
        if used.is_empty() && uses.is_empty() {
            return;
        }
        let mut changes: Vec<DirectoryChange> = Vec::new();
        let written = match self.connect().await {
            Err(error) => Err(error),
            Ok(()) => match &self.session {
                None => Err(DbError::Failed("not connected".to_owned())),
                Some(session) => {
                    let shared = &self.shared;
                    bounded(TRANSACTION_TIMEOUT, async {
                        changes = write_behind::write(&session.client, &used, shared.pepper_number).await?;
                        quota::save(&session.client, &uses, &shared.quota).await
                    })
                    .await
                }
            },
        };
        match written {
            Ok(()) => self.shared.announce(&changes),
            Err(error) => {
                self.abandon(&error).await;
                self.shared.write_behind.put_back(used);
                self.shared.counters.still_changed(uses.iter().map(|used| &used.account));
            }
        }
    }

    /// Resolves the holds of nodes that have gone. A node that has just connected waits for a whole lease: after an outage
    /// of the database all leases have ended, and the others may be about to connect.
    async fn sweep(&mut self) {
        let lease = self.shared.settings.lease;
        if self.connected.elapsed() < lease
            || self.connect().await.is_err()
            || self.connected.elapsed() < lease
        {
            return;
        }
        let Some(session) = &self.session else { return };
        let at = self.shared.now();
        loop {
            let resolved = bounded(TRANSACTION_TIMEOUT, recovery::sweep(session, self.node.epoch, at)).await;
            match resolved {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    self.abandon(&error).await;
                    return;
                }
            }
        }
    }

    async fn prune(&mut self) -> bool {
        if self.connect().await.is_err() {
            return false;
        }
        let Some(session) = &self.session else { return false };
        let at = self.shared.now();
        let pruned = bounded(TRANSACTION_TIMEOUT, async {
            session.client.batch_execute("BEGIN").await?;
            let more = claims::prune(&session.client, at, MAX_PRUNED).await?;
            changes::forget_old(&session.client).await?;
            session.client.batch_execute("COMMIT").await?;
            Ok::<bool, DbError>(more)
        });
        match pruned.await {
            Ok(more) => more,
            Err(error) => {
                self.abandon(&error).await;
                false
            }
        }
    }

    /// Ends a transaction that failed.
    async fn abandon(&mut self, error: &DbError) {
        let is_usable = match &self.session {
            Some(session) if !matches!(error, DbError::TimedOut) => session.roll_back().await,
            _ => false,
        };
        if !is_usable {
            self.session = None;
        }
    }

    /// Writes what is left, and ends the epoch of this node. Holds that are still open count as posted.
    async fn close(&mut self) {
        self.tick().await;
        if !self.unsettled.is_empty() {
            let _ = self.commit(&[]).await;
        }
        let (Some(session), Some(epoch)) = (&self.session, self.node.epoch) else { return };
        let at = self.shared.now();
        // What fails is resolved by another node after the lease.
        let _ = bounded(TRANSACTION_TIMEOUT, recovery::leave(session, epoch, at)).await;
    }
}

/// Why a batch was not committed.
enum Failure {
    /// Nothing was written.
    Error(DbError),
    /// It may have been written.
    InDoubt(DbError),
}

impl Failure {
    fn closed() -> Self {
        Self::Error(DbError::Failed("not connected".to_owned()))
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Error(error)
    }
}

/// Waits until an earlier transaction of this node has ended, and returns the clock of the database, and the settlements
/// that it did not write.
async fn examine(
    session: &Session,
    node: &mut NodeState,
    doubt: &Doubt,
) -> Result<(Timestamp, Vec<(HoldId, Settlement)>), DbError> {
    let client = &session.client;
    if let Some(epoch) = node.epoch {
        // The row is locked until the transaction has ended, one way or the other.
        client.query("SELECT 1 FROM demur.node WHERE epoch = $1 FOR UPDATE", &[&epoch]).await?;
    }
    let clock = clock(client).await?;
    let asked: Vec<i64> = (doubt.opened.iter())
        .chain(doubt.settled.iter().map(|(hold, _)| hold))
        .map(|hold| crate::books::hold_number(*hold))
        .collect();
    if asked.is_empty() {
        return Ok((clock, Vec::new()));
    }
    let sql = "SELECT coalesce(h.hold, c.hold), coalesce(h.account, c.account), coalesce(h.operation, c.id),
            coalesce(h.from_monthly, 0), coalesce(h.from_non_expiring, 0), h.month, coalesce(h.began, 0),
            coalesce(h.lease_ends, c.lease_ends), c.hold IS NOT NULL
        FROM (SELECT * FROM demur.hold WHERE hold = ANY($1)) h
        FULL JOIN (SELECT * FROM demur.claim WHERE state = 0 AND hold = ANY($1)) c ON c.hold = h.hold";
    let mut open = std::collections::HashMap::new();
    for row in client.query(sql, &[&asked]).await? {
        open.insert(HoldId(unsigned(&row, 0)?), open_hold_of(&row, 1, row.try_get(8)?)?);
    }
    let mut unsettled = Vec::new();
    for (hold, settlement) in &doubt.settled {
        if open.contains_key(hold) {
            unsettled.push((*hold, *settlement));
        } else {
            node.open.remove(hold);
        }
    }
    for hold in &doubt.opened {
        if let Some(found) = open.remove(hold) {
            node.open.insert(*hold, found);
            unsettled.push((*hold, Settlement::Release));
        }
    }
    Ok((clock, unsettled))
}
