//! The store: opening and closing it, and its implementation of admission's three store traits.
//!
//! Long because it implements three traits.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use demur_admission::{
    Account, AccountId, AccountLookup, Balance, Candidates, Claim, Command, CommandFault, Counters,
    Credential, Digest, Fingerprint, HoldId, HoldOutcome, HoldRequest, ImportedForms, InvalidationListener,
    KeyDirectory, KeyId, Ledger, MaybeFuture, Meter, MonthlyCredits, Now, OperationId, Pepper, Plan, Plans,
    Reply, Settlement, StoreError, StoreState, StoredResponse, Stores, block_on,
};
use futures_channel::oneshot;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::connection::{check_server, connect};
use crate::error::{DbError, OpenError};
use crate::job::{BalanceJob, HoldJob, Job, claimed_reply, reply};
use crate::reader::Reader;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::writer::Writer;
use crate::{audit, changes, commands, directory, feed, pepper, rows, schema};

/// The maximum number of waiting jobs; more are rejected.
const MAX_QUEUED: usize = 65_536;

/// The maximum number of lookups at once; more are rejected.
const MAX_LOOKUPS: usize = 4096;

/// How long closing waits for the last batch.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// A store on PostgreSQL, which several nodes share. Dropping the last reference closes it.
pub struct Store {
    shared: Arc<Shared>,
    jobs: UnboundedSender<Job>,
    reader: Arc<Reader>,
    lookups: Arc<AtomicUsize>,
    runtime: Handle,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a store begins with.
struct Opened {
    shared: Shared,
    latest: i64,
}

/// Connects, and makes the database one that this version can use.
async fn prepare(settings: Arc<Settings>, plans: Arc<Plans>) -> Result<Opened, OpenError> {
    let client = connect(&settings, None).await?;
    check_server(&client).await?;
    schema::migrate(&client).await?;
    let number = pepper::pepper_number(&client, &settings.pepper.pepper()).await?;
    let failed = |error: DbError| OpenError::Unreachable { cause: StoreError::from(error).to_string() };
    let shared = Shared::new(settings, number, plans);
    let latest = changes::latest(&client).await.map_err(failed)?;
    shared.set_forms(directory::imported_forms(&client).await.map_err(failed)?);
    Ok(Opened { shared, latest })
}

fn runtime() -> Result<tokio::runtime::Runtime, OpenError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(OpenError::Thread)
}

/// Executes one command without becoming a node, for the command line.
pub fn execute(settings: Settings, plans: Arc<Plans>, command: &Command) -> Result<Reply, OpenError> {
    runtime()?.block_on(async {
        let settings = Arc::new(settings);
        let Opened { shared, .. } = prepare(Arc::clone(&settings), plans).await?;
        let failed = |error: DbError| OpenError::Unreachable { cause: StoreError::from(error).to_string() };
        let client = connect(&settings, None).await?;
        let at = rows::clock(&client).await.map_err(failed)?;
        let done = match command {
            Command::Verify => audit::verify(&settings).await,
            Command::Statement { account, since, limit } => {
                let show = Command::ShowAccount { account: account.clone() };
                match commands::transact(&client, &show, at, &shared).await {
                    Ok((Reply::Account(shown), _)) => {
                        audit::statement(&settings, shown, *since, *limit).await
                    }
                    Ok((other, _)) => Ok(other),
                    Err(error) => Err(error),
                }
            }
            command => {
                let limit = commands::timeout(command);
                let executing = commands::transact(&client, command, at, &shared);
                crate::connection::bounded(limit, executing).await.map(|(reply, _)| reply)
            }
        };
        done.map_err(failed)
    })
}

impl Store {
    /// Connects to a database, migrates it where it has an older schema, and becomes one of its nodes. `plans` are the
    /// plans of the configuration, for commands that name one and for monthly credits.
    pub fn open(settings: Settings, plans: Arc<Plans>) -> Result<Arc<Self>, OpenError> {
        let runtime = runtime()?;
        let handle = runtime.handle().clone();
        let (opened, opening) = std_mpsc::sync_channel(1);
        let (jobs, queued) = unbounded_channel();
        let run = move || {
            runtime.block_on(async move {
                match prepare(Arc::new(settings), plans).await {
                    Err(error) => drop(opened.send(Err(error))),
                    Ok(Opened { shared, latest }) => {
                        let shared = Arc::new(shared);
                        let follower = tokio::spawn(feed::follow(Arc::clone(&shared), latest));
                        if opened.send(Ok(Arc::clone(&shared))).is_ok() {
                            Writer::new(shared).run(queued).await;
                        }
                        follower.abort();
                    }
                }
            });
        };
        let thread =
            thread::Builder::new().name("demur-postgres".into()).spawn(run).map_err(OpenError::Thread)?;
        let ended = || OpenError::Thread(std::io::Error::other("it has ended"));
        let shared = opening.recv().map_err(|_| ended())??;
        let reader = Arc::new(Reader::new(Arc::clone(&shared)));
        let (lookups, thread) = (Arc::default(), Mutex::new(Some(thread)));
        Ok(Arc::new(Self { shared, jobs, reader, lookups, runtime: handle, thread }))
    }

    /// Returns this store as all three stores of admission.
    pub fn stores(self: &Arc<Self>) -> Stores {
        Stores { keys: self.clone(), limits: self.clone(), credits: self.clone() }
    }

    /// Returns the pepper under which this store's secrets are digested.
    pub fn pepper(&self) -> Pepper {
        self.shared.pepper.clone()
    }

    /// Returns the state of the store, for probes and metrics.
    pub fn status(&self) -> StoreState {
        let counts = &self.shared.counts;
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        StoreState {
            problem: self.shared.problem(),
            commits: read(&counts.commits),
            failed_commits: read(&counts.failed),
            operations: read(&counts.jobs),
            waiting: read(&self.shared.waiting),
            open_holds: read(&counts.open_holds),
        }
    }

    /// Executes an operator's command and blocks until it is done.
    pub fn execute(&self, command: Command, at: Timestamp) -> Reply {
        let reply = match command {
            Command::Verify => {
                let settings = Arc::clone(&self.shared.settings);
                self.on_runtime(async move { audit::verify(&settings).await })
            }
            Command::Statement { account, since, limit } => {
                // Show the account first, which grants the current month's credits if they are due.
                match self.write(Command::ShowAccount { account }, at) {
                    Ok(Reply::Account(shown)) => {
                        let settings = Arc::clone(&self.shared.settings);
                        self.on_runtime(async move { audit::statement(&settings, shown, since, limit).await })
                    }
                    other => other,
                }
            }
            command => self.write(command, at),
        };
        reply.unwrap_or_else(|error| Reply::Rejected {
            fault: CommandFault::Store { cause: error.to_string() },
        })
    }

    fn write(&self, command: Command, at: Timestamp) -> Result<Reply, StoreError> {
        let (reply, answer) = reply();
        self.queue(Job::Command(Box::new(command), self.shared.correct(at), reply));
        answer.block()
    }

    fn on_runtime(
        &self,
        query: impl Future<Output = Result<Reply, DbError>> + Send + 'static,
    ) -> Result<Reply, StoreError> {
        let (sender, receiver) = oneshot::channel();
        self.runtime.spawn(async move { drop(sender.send(query.await)) });
        block_on(receiver).map_err(|_| StoreError::Closed)?.map_err(StoreError::from)
    }

    fn queue(&self, job: Job) {
        put(&self.shared, &self.jobs, job);
    }

    fn queue_hold(&self, mut job: HoldJob) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
        (job.at, job.lease_ends) = (self.shared.correct(job.at), self.shared.correct(job.lease_ends));
        let (shared, jobs) = (Arc::clone(&self.shared), self.jobs.clone());
        let (reply, answer) = claimed_reply(move |found: HoldOutcome| {
            if let Some(hold) = found.hold() {
                put(&shared, &jobs, Job::Settle(hold, Settlement::Release, None));
            }
        });
        self.queue(Job::Hold(Box::new(job), reply));
        answer
    }

    /// Looks something up on the reading connection.
    fn look_up<T: Send + 'static>(
        &self,
        query: impl Future<Output = Result<T, DbError>> + Send + 'static,
    ) -> MaybeFuture<Result<T, StoreError>> {
        let lookups = Arc::clone(&self.lookups);
        if lookups.fetch_add(1, Ordering::Relaxed) >= MAX_LOOKUPS {
            lookups.fetch_sub(1, Ordering::Relaxed);
            return MaybeFuture::Ready(Err(StoreError::Overloaded));
        }
        let counted = Counted(lookups);
        let (reply, answer) = reply();
        self.runtime.spawn(async move {
            let found = query.await.map_err(StoreError::from);
            drop(counted);
            // The caller may have gone.
            let _ = reply.send(found);
        });
        answer
    }

    /// Writes everything and closes the store. Dropping does the same; this is for a shutdown that must not depend on
    /// other references. Holds that are still open count as posted.
    pub fn close(&self) {
        self.end(true);
    }

    /// Ends this node without any farewell, as a crash does, for tests.
    #[doc(hidden)]
    pub fn kill(&self) {
        self.end(false);
    }

    /// Stops the thread of this node for a while, for tests.
    #[doc(hidden)]
    pub fn pause(&self, duration: Duration) {
        self.runtime.spawn(async move { thread::sleep(duration) });
    }

    fn end(&self, is_orderly: bool) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let (closed, closing) = oneshot::channel();
        self.queue(Job::Close(is_orderly, closed));
        let (done, waiting) = std_mpsc::sync_channel(1);
        // Joined by a thread of its own, since the server may not reply.
        let joining = thread::Builder::new().name("demur-postgres-close".into()).spawn(move || {
            let _ = block_on(closing);
            let _ = thread.join();
            let _ = done.send(());
        });
        if joining.is_ok() && waiting.recv_timeout(CLOSE_TIMEOUT).is_err() {
            tracing::error!("store not closed");
        }
    }
}

/// Queues a job. A job that is rejected fails with the reason.
fn put(shared: &Shared, jobs: &UnboundedSender<Job>, job: Job) {
    let waiting = shared.waiting.fetch_add(1, Ordering::Relaxed);
    let rejected = if waiting >= MAX_QUEUED && job.may_be_rejected() {
        Some((job, StoreError::Overloaded))
    } else {
        jobs.send(job).err().map(|unsent| (unsent.0, StoreError::Closed))
    };
    if let Some((job, error)) = rejected {
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        job.fail(error);
    }
}

/// Counted until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl KeyDirectory for Store {
    fn find(&self, digests: &Candidates) -> MaybeFuture<Result<Option<Arc<Credential>>, StoreError>> {
        let (reader, digests) = (Arc::clone(&self.reader), digests.clone());
        self.look_up(async move { reader.find(&digests).await })
    }

    fn account(&self, id: &AccountId) -> MaybeFuture<Result<AccountLookup, StoreError>> {
        let (reader, id) = (Arc::clone(&self.reader), id.clone());
        self.look_up(async move { reader.account(&id).await })
    }

    fn imported(&self) -> Option<Arc<ImportedForms>> {
        self.shared.imported()
    }

    fn used(&self, key: &KeyId, at: Timestamp) {
        self.shared.write_behind.used(key, self.shared.correct(at));
    }

    fn refresh(&self, stored: &Digest, current: &Digest) {
        self.shared.write_behind.refreshed(*stored, *current);
    }

    fn watch(&self, watcher: Arc<dyn InvalidationListener>) {
        self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(watcher);
    }
}

impl Counters for Store {
    fn open(&self, account: &Account, key: &KeyId, plan: &Arc<Plan>, now: Now) -> Meter {
        self.shared.counters.open(account, key, plan, now)
    }
}

impl Ledger for Store {
    fn hold(&self, request: &HoldRequest<'_>) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
        self.queue_hold(HoldJob::new(request, None))
    }

    fn claim(
        &self,
        request: &HoldRequest<'_>,
        claim: &Claim,
    ) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
        self.queue_hold(HoldJob::new(request, Some(claim)))
    }

    fn complete(&self, hold: HoldId, posted: u64, response: StoredResponse) {
        self.queue(Job::Complete(hold, posted, response));
    }

    fn read(
        &self,
        account: &AccountId,
        operation: &OperationId,
        fingerprint: &Fingerprint,
        now: Now,
    ) -> MaybeFuture<Result<Option<StoredResponse>, StoreError>> {
        let (reader, account, operation) = (Arc::clone(&self.reader), account.clone(), operation.clone());
        let (fingerprint, at) = (*fingerprint, self.shared.correct(now.wall));
        self.look_up(async move { reader.response(&account, &operation, &fingerprint, at).await })
    }

    fn settle(&self, hold: HoldId, settlement: Settlement) -> MaybeFuture<Result<(), StoreError>> {
        let (reply, answer) = reply();
        self.queue(Job::Settle(hold, settlement, Some(reply)));
        answer
    }

    fn settle_unwatched(&self, hold: HoldId, settlement: Settlement) {
        self.queue(Job::Settle(hold, settlement, None));
    }

    fn balance(
        &self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        now: Now,
    ) -> MaybeFuture<Result<Balance, StoreError>> {
        let (reply, answer) = reply();
        let (account, monthly, at) = (account.clone(), monthly.cloned(), self.shared.correct(now.wall));
        self.queue(Job::Balance(Box::new(BalanceJob { account, monthly, at }), reply));
        answer
    }
}
