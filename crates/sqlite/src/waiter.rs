//! Someone who waits for an answer of a store's thread.

use demur_admission::{Answer, StoreError};
use futures_channel::oneshot;

/// The thread's end. What was found is kept here until it may be told: after the commit.
#[derive(Debug)]
pub(crate) struct Waiter<T> {
    reply: oneshot::Sender<Result<T, StoreError>>,
    found: Option<T>,
}

impl<T: Send + 'static> Waiter<T> {
    /// A waiter, and the answer that it will get. When the thread ends without a word, the store is closed.
    pub(crate) fn new() -> (Self, Answer<'static, Result<T, StoreError>>) {
        let (reply, told) = oneshot::channel();
        let answer = Box::pin(async move { told.await.unwrap_or(Err(StoreError::Closed)) });
        (Self { reply, found: None }, Answer::Ask(answer))
    }

    pub(crate) fn set(&mut self, found: T) {
        self.found = Some(found);
    }

    /// Tells what was set.
    pub(crate) fn tell(self) {
        // Whoever has stopped waiting misses nothing: what was done stays done.
        let _ = self.reply.send(self.found.ok_or(StoreError::Closed));
    }

    pub(crate) fn fail(self, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}
