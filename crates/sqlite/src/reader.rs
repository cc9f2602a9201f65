//! The reading thread: it looks up keys and accounts, with the quota counts of the accounts, and stored
//! responses.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use demur_admission::{
    AccountId, AccountLookup, Candidates, Credential, Fingerprint, LocalCounters, MaybeFuture, OperationId,
    StoreError, StoredResponse,
};
use jiff::Timestamp;

use crate::database::{Conn, DatabaseFile, OpenMode};
use crate::directory;
use crate::error::store_error;
use crate::quota;
use crate::reply::ReplySender;
use crate::writer::claims;

/// The maximum number of waiting requests; more are rejected.
const MAX_QUEUED: usize = 4096;

type FoundKey = Option<Arc<Credential>>;

enum ReadRequest {
    Key(Candidates, ReplySender<FoundKey>),
    Account(AccountId, ReplySender<AccountLookup>),
    Response(Box<ResponseQuery>, ReplySender<Option<StoredResponse>>),
}

/// Identifies a stored response.
struct ResponseQuery {
    account: AccountId,
    operation: OperationId,
    fingerprint: Fingerprint,
    at: Timestamp,
}

/// Sends requests to the reading thread, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct StoreReader {
    requests: Option<SyncSender<ReadRequest>>,
    thread: Option<JoinHandle<()>>,
}

impl StoreReader {
    pub(crate) fn start(file: Arc<DatabaseFile>, counters: Arc<LocalCounters>) -> std::io::Result<Self> {
        let (requests, queued) = sync_channel(MAX_QUEUED);
        let thread_state = ReaderThread { file, counters, conn: None };
        let thread =
            thread::Builder::new().name("demur-keys".into()).spawn(move || thread_state.run(&queued))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    pub(crate) fn find(&self, digests: &Candidates) -> MaybeFuture<Result<FoundKey, StoreError>> {
        let (reply, result) = ReplySender::new();
        self.enqueue(ReadRequest::Key(digests.clone(), reply), result)
    }

    pub(crate) fn account(&self, id: &AccountId) -> MaybeFuture<Result<AccountLookup, StoreError>> {
        let (reply, result) = ReplySender::new();
        self.enqueue(ReadRequest::Account(id.clone(), reply), result)
    }

    pub(crate) fn response(
        &self,
        account: &AccountId,
        operation: &OperationId,
        fingerprint: &Fingerprint,
        at: Timestamp,
    ) -> MaybeFuture<Result<Option<StoredResponse>, StoreError>> {
        let (account, operation) = (account.clone(), operation.clone());
        let query = Box::new(ResponseQuery { account, operation, fingerprint: *fingerprint, at });
        let (reply, result) = ReplySender::new();
        self.enqueue(ReadRequest::Response(query, reply), result)
    }

    fn enqueue<T>(
        &self,
        request: ReadRequest,
        result: MaybeFuture<Result<T, StoreError>>,
    ) -> MaybeFuture<Result<T, StoreError>> {
        let Some(requests) = &self.requests else { return MaybeFuture::Ready(Err(StoreError::Closed)) };
        match requests.try_send(request) {
            Ok(()) => result,
            Err(TrySendError::Full(_)) => MaybeFuture::Ready(Err(StoreError::Overloaded)),
            Err(TrySendError::Disconnected(_)) => MaybeFuture::Ready(Err(StoreError::Closed)),
        }
    }
}

impl Drop for StoreReader {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The state of the thread.
struct ReaderThread {
    file: Arc<DatabaseFile>,
    counters: Arc<LocalCounters>,
    /// Closed when it fails, and opened again for the next request: the file may be intact by then.
    conn: Option<Conn>,
}

impl ReaderThread {
    fn run(mut self, queued: &Receiver<ReadRequest>) {
        while let Ok(request) = queued.recv() {
            match request {
                ReadRequest::Key(digests, reply) => {
                    let found = self.query(|this, conn| this.find(conn, &digests));
                    send(reply, found);
                }
                ReadRequest::Account(id, reply) => {
                    let found = self.query(|this, conn| this.account(conn, &id));
                    send(reply, found);
                }
                ReadRequest::Response(query, reply) => {
                    let ResponseQuery { account, operation, fingerprint, at } = *query;
                    let found = self.query(|_, conn| {
                        claims::read(&conn.connection, &account, operation.as_str(), &fingerprint.0, at)
                    });
                    send(reply, found);
                }
            }
        }
    }

    fn query<T>(&mut self, query: impl FnOnce(&Self, &Conn) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let conn = Conn::current(&mut self.conn, &self.file, OpenMode::Read)?;
        let found = query(self, &conn).map_err(|error| store_error(&error))?;
        self.conn = Some(conn);
        Ok(found)
    }

    fn find(&self, conn: &Conn, digests: &Candidates) -> rusqlite::Result<FoundKey> {
        let found = directory::find(&conn.connection, digests)?;
        if let Some(credential) = &found {
            // Before a meter of the account can be opened.
            quota::restore(&conn.connection, &self.counters, &credential.account.id)?;
        }
        Ok(found)
    }

    fn account(&self, conn: &Conn, id: &AccountId) -> rusqlite::Result<AccountLookup> {
        if directory::deleted(&conn.connection, id)?.is_some() {
            return Ok(AccountLookup::Deleted);
        }
        // Before a meter of the account can be opened.
        quota::restore(&conn.connection, &self.counters, id)?;
        let found = directory::account(&conn.connection, id)?;
        Ok(found.map_or(AccountLookup::Unknown, AccountLookup::Found))
    }
}

fn send<T: Send + 'static>(mut reply: ReplySender<T>, found: Result<T, StoreError>) {
    match found {
        Ok(found) => {
            reply.set(found);
            reply.send();
        }
        Err(error) => reply.fail(error),
    }
}
