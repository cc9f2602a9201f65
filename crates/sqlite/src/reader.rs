//! The thread that looks keys up, and with a key what its account has used of its quota.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use demur_admission::{Answer, Candidates, Credential, LocalCounters, StoreError};

use crate::database::{Access, DatabaseFile, Link};
use crate::directory;
use crate::error::store_error;
use crate::quota;
use crate::waiter::Waiter;

/// More than this many waiting look-ups are refused, not queued.
const QUEUE: usize = 4096;

type Found = Option<Arc<Credential>>;

struct Question {
    digests: Candidates,
    waiter: Waiter<Found>,
}

/// Asks the reading thread, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    questions: Option<SyncSender<Question>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    pub(crate) fn start(file: Arc<DatabaseFile>, counters: Arc<LocalCounters>) -> std::io::Result<Self> {
        let (questions, asked) = sync_channel(QUEUE);
        let run = Run { file, counters, link: None };
        let thread =
            thread::Builder::new().name("demur-keys".into()).spawn(move || run.until_closed(&asked))?;
        Ok(Self { questions: Some(questions), thread: Some(thread) })
    }

    pub(crate) fn find(&self, digests: &Candidates) -> Answer<Result<Found, StoreError>> {
        let Some(questions) = &self.questions else { return Answer::Ready(Err(StoreError::Closed)) };
        let (waiter, answer) = Waiter::new();
        match questions.try_send(Question { digests: digests.clone(), waiter }) {
            Ok(()) => answer,
            Err(TrySendError::Full(_)) => Answer::Ready(Err(StoreError::Overloaded)),
            Err(TrySendError::Disconnected(_)) => Answer::Ready(Err(StoreError::Closed)),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own state.
struct Run {
    file: Arc<DatabaseFile>,
    counters: Arc<LocalCounters>,
    /// Given up when it fails, and opened again for the next question: what is there may be sound by then.
    link: Option<Link>,
}

impl Run {
    fn until_closed(mut self, asked: &Receiver<Question>) {
        while let Ok(Question { digests, mut waiter }) = asked.recv() {
            match self.look_up(&digests) {
                Ok(found) => {
                    waiter.set(found);
                    waiter.tell();
                }
                Err(error) => waiter.fail(error),
            }
        }
    }

    fn look_up(&mut self, digests: &Candidates) -> Result<Found, StoreError> {
        let open = Link::current(&mut self.link, &self.file, Access::Read)?;
        let found = self.found(&open, digests).map_err(|error| store_error(&error))?;
        self.link = Some(open);
        Ok(found)
    }

    fn found(&self, open: &Link, digests: &Candidates) -> rusqlite::Result<Found> {
        let found = directory::find(&open.connection, digests)?;
        if let Some(credential) = &found {
            // Before anyone can open a meter of the account.
            quota::restore(&open.connection, &self.counters, &credential.account.id)?;
        }
        Ok(found)
    }
}
