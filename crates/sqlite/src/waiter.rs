//! Someone who waits for an answer of a store's thread.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

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

    /// The same for what somebody has to take on: found and never taken, it goes to `unclaimed`. What could not
    /// be told at all, [`Waiter::tell`] gives back.
    pub(crate) fn claimed<F>(unclaimed: F) -> (Self, Answer<'static, Result<T, StoreError>>)
    where
        F: FnOnce(T) + Send + Unpin + 'static,
    {
        let (reply, told) = oneshot::channel();
        let claim = Claim { told, unclaimed: Some(unclaimed) };
        (Self { reply, found: None }, Answer::Ask(Box::pin(claim)))
    }

    pub(crate) fn set(&mut self, found: T) {
        self.found = Some(found);
    }

    /// Tells what was set, and gives it back where nobody waits for it any more.
    pub(crate) fn tell(self) -> Option<T> {
        self.reply.send(self.found.ok_or(StoreError::Closed)).err()?.ok()
    }

    pub(crate) fn fail(self, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

/// An answer that must not be lost on its way: it may be told and dropped before anyone looks.
struct Claim<T, F: FnOnce(T)> {
    told: oneshot::Receiver<Result<T, StoreError>>,
    unclaimed: Option<F>,
}

impl<T, F: FnOnce(T) + Unpin> Future for Claim<T, F> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.told).poll(cx).map(|told| {
            self.unclaimed = None;
            told.unwrap_or(Err(StoreError::Closed))
        })
    }
}

impl<T, F: FnOnce(T)> Drop for Claim<T, F> {
    fn drop(&mut self) {
        let Some(unclaimed) = self.unclaimed.take() else { return };
        self.told.close();
        if let Ok(Some(Ok(found))) = self.told.try_recv() {
            unclaimed(found);
        }
    }
}
