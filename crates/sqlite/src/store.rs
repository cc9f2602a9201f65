//! The store: opening and closing it, and its implementation of admission's three store traits.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use demur_admission::{
    Account, AccountId, AccountLookup, AccountStatement, Balance, Candidates, Claim, Command, CommandFault,
    Counters, Credential, Digest, Fingerprint, HoldId, HoldOutcome, HoldRequest, ImportedForms,
    InvalidationListener, KeyDirectory, KeyId, Ledger, LocalCounters, MaybeFuture, Meter, MonthlyCredits,
    Now, OperationId, Pepper, Plan, Plans, Reply, Settlement, StoreError, StoreState, StoredResponse, Stores,
};
use jiff::Timestamp;

use crate::OpenError;
use crate::audit;
use crate::control::{ControlReply, ControlRequest, ControlServer, Executor};
use crate::database::{Conn, DatabaseFile};
use crate::directory;
use crate::modes::exposed_files;
use crate::owner::Ownership;
use crate::paths::canonical;
use crate::pepper::PepperFile;
use crate::provenance;
use crate::reader::StoreReader;
use crate::reply::ReplySender;
use crate::secrets::StoreSecrets;
use crate::watcher::Watcher;
use crate::write_behind::WriteBehind;
use crate::writer::{HoldJob, Job, LedgerWriter, StartError, WriterShared};

/// The embedded store. Dropping the last reference closes it.
pub struct Store {
    // Dropped in this order: new commands stop first, and the lock is released last.
    server: Mutex<Option<ControlServer>>,
    _watcher: Watcher,
    reader: StoreReader,
    writer: LedgerWriter,
    shared: Arc<WriterShared>,
    file: Arc<DatabaseFile>,
    process: Arc<OnceLock<ProcessHandler>>,
    _ownership: Ownership,
}

/// Handles requests on the control socket that concern the process and not the store.
type ProcessHandler = Box<dyn Fn(serde_json::Value) -> serde_json::Value + Send + Sync>;

impl Store {
    /// Opens a database and becomes its owner; a missing database is created. `plans` are the plans of the configuration,
    /// for commands that name one and for monthly credits.
    pub fn open(path: &Path, plans: Arc<Plans>) -> Result<Arc<Self>, OpenError> {
        let io_error = |cause| OpenError::Io { path: path.to_owned(), cause };
        let path = &canonical(path).map_err(io_error)?;
        // Before anything is read or created: another owner must not be disturbed.
        let ownership = Ownership::acquire(path)?;
        let has_pepper = PepperFile::exists(path).map_err(io_error)?;
        reject_missing(path, has_pepper).map_err(io_error)??;
        let file = Arc::new(DatabaseFile::at(path)?);
        // Before SQLite opens the database, since it gives new files beside it the database's mode. A file that is not a
        // database is reported as such first.
        let exposed = exposed_files(path).map_err(io_error)?;
        if let Some(exposed) = exposed.into_iter().next().filter(|_| file.may_be_database()) {
            return Err(OpenError::InsecurePermissions(exposed));
        }
        let mut conn = Conn::create(&file, has_pepper)?;
        let database_error = |cause| OpenError::Database { path: path.clone(), cause };
        let pepper = PepperFile::load(path, directory::has_keys(&conn.connection).map_err(database_error)?)?;
        let number = provenance::pepper_number(&mut conn.connection, &pepper)?;
        let forms = directory::imported_forms(&conn.connection).map_err(database_error)?;
        let counters = Arc::new(LocalCounters::new());
        let shared = Arc::new(WriterShared {
            secrets: StoreSecrets::new(pepper, number, forms),
            write_behind: WriteBehind::default(),
            plans,
            counters,
            open_holds: AtomicUsize::new(0),
            listeners: Mutex::default(),
        });
        let writer =
            LedgerWriter::start(Arc::clone(&file), conn, Arc::clone(&shared)).map_err(
                |error| match error {
                    StartError::Database(cause) => database_error(cause),
                    StartError::Thread(cause) => OpenError::Io { path: path.clone(), cause },
                },
            )?;
        let io = |cause| OpenError::Io { path: path.clone(), cause };
        let watcher = Watcher::start(Arc::clone(&file), Arc::clone(&shared)).map_err(io)?;
        let reader = StoreReader::start(Arc::clone(&file), Arc::clone(&shared.counters))
            .map_err(|cause| OpenError::Io { path: path.clone(), cause })?;
        let store = Arc::new(Self {
            server: Mutex::default(),
            _watcher: watcher,
            reader,
            writer,
            shared,
            file,
            process: Arc::default(),
            _ownership: ownership,
        });
        // Upgraded for one command only: a connection that stays does not keep the store open.
        let weak = Arc::downgrade(&store);
        let process = Arc::clone(&store.process);
        let executor = Executor::new(move |request| match request {
            ControlRequest::Command(command) => {
                let reply = weak.upgrade()?.execute(command, Timestamp::now());
                Some(ControlReply::Command(Box::new(reply)))
            }
            ControlRequest::Process(request) => Some(match process.get() {
                Some(handler) => ControlReply::Process(handler(request)),
                None => {
                    let cause =
                        "the process that owns the database serves no requests, or is starting".to_owned();
                    ControlReply::rejected(CommandFault::Store { cause })
                }
            }),
        });
        let server = ControlServer::start(path, executor)?;
        *store.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(store)
    }

    /// Handles requests on the control socket that are objects with the member `process`. Only the first handler is used.
    /// It runs on a thread of the socket, for several requests at once.
    pub fn handle_process_requests(
        &self,
        handler: impl Fn(serde_json::Value) -> serde_json::Value + Send + Sync + 'static,
    ) {
        // A second handler is ignored, as documented.
        let _ = self.process.set(Box::new(handler));
    }

    /// Returns this store as all three stores of admission.
    pub fn stores(self: &Arc<Self>) -> Stores {
        Stores { keys: self.clone(), limits: self.clone(), credits: self.clone() }
    }

    /// Returns the pepper under which this store's secrets are digested.
    pub fn pepper(&self) -> Pepper {
        self.shared.secrets.pepper().clone()
    }

    /// Returns the state of the store, for probes and metrics.
    pub fn status(&self) -> StoreState {
        let problem = self.file.check().map_err(StoreError::from).err().map(|error| error.to_string());
        let [commits, failed_commits, operations, waiting] = self.writer.counts();
        let open_holds = self.shared.open_holds.load(Ordering::Relaxed);
        StoreState { problem, commits, failed_commits, operations, waiting, open_holds }
    }

    /// Executes an operator's command and blocks until it is done.
    pub fn execute(&self, command: Command, at: Timestamp) -> Reply {
        let result = match &command {
            // These only read, perhaps for long: the writer must not wait for them.
            Command::Verify => audit::verify(&self.file),
            Command::Backup { to } => audit::back_up(&self.file, to),
            Command::Statement { account, since, limit } => self.statement(account, *since, *limit, at),
            Command::Refund { account, operation, .. } => audit::charged(&self.file, account, operation)
                .map(|charged| self.write(command.clone(), charged, at)),
            _ => return self.write(command, None, at),
        };
        result.unwrap_or_else(|fault| Reply::Rejected { fault })
    }

    fn write(&self, command: Command, charged: Option<u64>, at: Timestamp) -> Reply {
        let (reply, answer) = ReplySender::new();
        self.writer.queue(Job::Command { command: Box::new(command), charged, at, reply });
        answer.block().unwrap_or_else(|error| Reply::Rejected {
            fault: CommandFault::Store { cause: error.to_string() },
        })
    }

    fn queue_hold(&self, job: HoldJob) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
        let release = self.writer.release_hook();
        let (reply, answer) = ReplySender::claim_on_drop(move |found: HoldOutcome| {
            if let Some(hold) = found.hold() {
                release(hold);
            }
        });
        self.writer.queue(Job::Hold(Box::new(job), reply));
        answer
    }

    fn statement(
        &self,
        account: &AccountId,
        since: Option<Timestamp>,
        limit: u32,
        at: Timestamp,
    ) -> Result<Reply, CommandFault> {
        // Show the account first, which grants the current month's credits if they are due.
        match self.write(Command::ShowAccount { account: account.clone() }, None, at) {
            Reply::Account(shown) => {
                let query = audit::StatementQuery { account, since, limit };
                let audit::Statement { credits, entries, more } = audit::statement(&self.file, &query)?;
                // The balance must be of the same moment as the entries.
                let credits = Balance { resets_at: shown.credits.resets_at, ..credits };
                Ok(Reply::Statement { account: AccountStatement { credits, ..shown }, entries, more })
            }
            other => Ok(other),
        }
    }

    /// Writes everything and closes the store. Dropping does the same; this is for a shutdown that must not depend on
    /// other references. Open holds stay held, and count as posted when the store is opened again.
    pub fn close(&self) {
        // A statement of its own: dropping the server joins a thread, and the lock must not be held meanwhile.
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(server);
        self.writer.close();
    }
}

/// Rejects a missing or empty database beside a pepper or a log: creating an empty one would make all keys unknown, and
/// SQLite would delete the log.
pub(crate) fn reject_missing(database: &Path, has_pepper: bool) -> io::Result<Result<(), OpenError>> {
    let length = |path: &Path| match fs::metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    };
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let is_missing = length(database)? == 0 && (has_pepper || length(Path::new(&log))? > 0);
    Ok(if is_missing { Err(OpenError::DatabaseMissing { path: database.to_owned() }) } else { Ok(()) })
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
        self.reader.find(digests)
    }

    fn account(&self, id: &AccountId) -> MaybeFuture<Result<AccountLookup, StoreError>> {
        self.reader.account(id)
    }

    fn imported(&self) -> Option<Arc<ImportedForms>> {
        self.shared.secrets.imported()
    }

    fn used(&self, key: &KeyId, at: Timestamp) {
        self.shared.write_behind.used(key, at);
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
        self.writer.queue(Job::Complete(hold, posted, response));
    }

    fn read(
        &self,
        account: &AccountId,
        operation: &OperationId,
        fingerprint: &Fingerprint,
        now: Now,
    ) -> MaybeFuture<Result<Option<StoredResponse>, StoreError>> {
        self.reader.response(account, operation, fingerprint, now.wall)
    }

    fn settle(&self, hold: HoldId, settlement: Settlement) -> MaybeFuture<Result<(), StoreError>> {
        let (reply, answer) = ReplySender::new();
        self.writer.queue(Job::Settle(hold, settlement, Some(reply)));
        answer
    }

    fn settle_unwatched(&self, hold: HoldId, settlement: Settlement) {
        self.writer.queue(Job::Settle(hold, settlement, None));
    }

    fn balance(
        &self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        now: Now,
    ) -> MaybeFuture<Result<Balance, StoreError>> {
        let (reply, answer) = ReplySender::new();
        let (account, monthly) = (account.clone(), monthly.cloned().map(Box::new));
        self.writer.queue(Job::Balance { account, monthly, at: now.wall, reply });
        answer
    }
}
