//! The thread that reads: keys, with what their accounts have used of their quotas, and stored responses.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use demur_admission::{
    AccountId, Candidates, Credential, Fingerprint, LocalCounters, MaybeFuture, OperationId, StoreError,
    StoredResponse,
};
use jiff::Timestamp;

use crate::database::{Conn, DatabaseFile, OpenMode};
use crate::directory;
use crate::error::store_error;
use crate::quota;
use crate::reply::ReplySender;
use crate::writer::claims;

/// More than this many waiting look-ups are refused, not queued.
const QUEUE: usize = 4096;

type FoundKey = Option<Arc<Credential>>;

enum Question {
    Key(Candidates, ReplySender<FoundKey>),
    Response(Box<ResponseQuery>, ReplySender<Option<StoredResponse>>),
}

/// Which response.
struct ResponseQuery {
    account: AccountId,
    operation: OperationId,
    fingerprint: Fingerprint,
    at: Timestamp,
}

/// Asks the reading thread, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct StoreReader {
    questions: Option<SyncSender<Question>>,
    thread: Option<JoinHandle<()>>,
}

impl StoreReader {
    pub(crate) fn start(file: Arc<DatabaseFile>, counters: Arc<LocalCounters>) -> std::io::Result<Self> {
        let (questions, asked) = sync_channel(QUEUE);
        let run = ReaderThread { file, counters, link: None };
        let thread =
            thread::Builder::new().name("demur-keys".into()).spawn(move || run.until_closed(&asked))?;
        Ok(Self { questions: Some(questions), thread: Some(thread) })
    }

    pub(crate) fn find(&self, digests: &Candidates) -> MaybeFuture<Result<FoundKey, StoreError>> {
        let (waiter, answer) = ReplySender::new();
        self.ask(Question::Key(digests.clone(), waiter), answer)
    }

    pub(crate) fn response(
        &self,
        account: &AccountId,
        operation: &OperationId,
        fingerprint: &Fingerprint,
        at: Timestamp,
    ) -> MaybeFuture<Result<Option<StoredResponse>, StoreError>> {
        let (account, operation) = (account.clone(), operation.clone());
        let wanted = Box::new(ResponseQuery { account, operation, fingerprint: *fingerprint, at });
        let (waiter, answer) = ReplySender::new();
        self.ask(Question::Response(wanted, waiter), answer)
    }

    fn ask<T>(
        &self,
        question: Question,
        answer: MaybeFuture<Result<T, StoreError>>,
    ) -> MaybeFuture<Result<T, StoreError>> {
        let Some(questions) = &self.questions else { return MaybeFuture::Ready(Err(StoreError::Closed)) };
        match questions.try_send(question) {
            Ok(()) => answer,
            Err(TrySendError::Full(_)) => MaybeFuture::Ready(Err(StoreError::Overloaded)),
            Err(TrySendError::Disconnected(_)) => MaybeFuture::Ready(Err(StoreError::Closed)),
        }
    }
}

impl Drop for StoreReader {
    fn drop(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own state.
struct ReaderThread {
    file: Arc<DatabaseFile>,
    counters: Arc<LocalCounters>,
    /// Given up when it fails, and opened again for the next question: what is there may be sound by then.
    link: Option<Conn>,
}

impl ReaderThread {
    fn until_closed(mut self, asked: &Receiver<Question>) {
        while let Ok(question) = asked.recv() {
            match question {
                Question::Key(digests, waiter) => {
                    let found = self.look(|run, open| run.found(open, &digests));
                    tell(waiter, found);
                }
                Question::Response(wanted, waiter) => {
                    let ResponseQuery { account, operation, fingerprint, at } = *wanted;
                    let found = self.look(|_, open| {
                        claims::read(&open.connection, &account, operation.as_str(), &fingerprint.0, at)
                    });
                    tell(waiter, found);
                }
            }
        }
    }

    fn look<T>(&mut self, look: impl FnOnce(&Self, &Conn) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let open = Conn::current(&mut self.link, &self.file, OpenMode::Read)?;
        let found = look(self, &open).map_err(|error| store_error(&error))?;
        self.link = Some(open);
        Ok(found)
    }

    fn found(&self, open: &Conn, digests: &Candidates) -> rusqlite::Result<FoundKey> {
        let found = directory::find(&open.connection, digests)?;
        if let Some(credential) = &found {
            // Before anyone can open a meter of the account.
            quota::restore(&open.connection, &self.counters, &credential.account.id)?;
        }
        Ok(found)
    }
}

fn tell<T: Send + 'static>(mut waiter: ReplySender<T>, found: Result<T, StoreError>) {
    match found {
        Ok(found) => {
            waiter.set(found);
            waiter.send();
        }
        Err(error) => waiter.fail(error),
    }
}
