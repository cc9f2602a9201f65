//! The thread that looks keys up.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use demur_admission::{Answer, Candidates, Credential, StoreError};

use crate::database::{Access, DatabaseFile, Link};
use crate::directory;
use crate::error::store_error;
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
    pub(crate) fn start(file: Arc<DatabaseFile>) -> std::io::Result<Self> {
        let (questions, asked) = sync_channel(QUEUE);
        let thread =
            thread::Builder::new().name("demur-keys".into()).spawn(move || answer_all(&file, &asked))?;
        Ok(Self { questions: Some(questions), thread: Some(thread) })
    }

    pub(crate) fn find(&self, digests: &Candidates) -> Answer<'static, Result<Found, StoreError>> {
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

fn answer_all(file: &Arc<DatabaseFile>, asked: &Receiver<Question>) {
    let mut link = None;
    while let Ok(Question { digests, mut waiter }) = asked.recv() {
        match look_up(file, &mut link, &digests) {
            Ok(found) => {
                waiter.set(found);
                waiter.tell();
            }
            Err(error) => {
                // Opened again for the next question: what is there may be sound by then.
                link = None;
                waiter.fail(error);
            }
        }
    }
}

fn look_up(
    file: &Arc<DatabaseFile>,
    link: &mut Option<Link>,
    digests: &Candidates,
) -> Result<Found, StoreError> {
    let open = match link.take() {
        Some(open) => open,
        None => Link::open(file, Access::Read)?,
    };
    open.check()?;
    let found = directory::find(&open.connection, digests).map_err(|error| store_error(&error))?;
    *link = Some(open);
    Ok(found)
}
