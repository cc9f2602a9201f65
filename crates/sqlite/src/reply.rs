//! Someone who waits for an answer of a store's thread.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use demur_admission::{MaybeFuture, StoreError};
use futures_channel::oneshot;

use crate::sync::between;

/// The thread's end. What was found is kept here until it may be told: after the commit.
#[derive(Debug)]
pub(crate) struct ReplySender<T> {
    reply: oneshot::Sender<Result<T, StoreError>>,
    found: Option<T>,
}

impl<T: Send + 'static> ReplySender<T> {
    /// A waiter, and the answer that it will get. When the thread ends without a word, the store is closed.
    pub(crate) fn new() -> (Self, MaybeFuture<Result<T, StoreError>>) {
        let (reply, told) = oneshot::channel();
        let answer = Box::pin(async move { told.await.unwrap_or(Err(StoreError::Closed)) });
        (Self { reply, found: None }, MaybeFuture::Pending(answer))
    }

    /// The same for what somebody has to take on: found and never taken, it goes to `unclaimed`. What could not
    /// be told at all, [`ReplySender::tell`] gives back.
    pub(crate) fn claim_on_drop<F>(unclaimed: F) -> (Self, MaybeFuture<Result<T, StoreError>>)
    where
        F: FnOnce(T) + Send + Unpin + 'static,
    {
        let (reply, told) = oneshot::channel();
        let claim = ClaimOnDrop { told, unclaimed: Some(unclaimed) };
        (Self { reply, found: None }, MaybeFuture::Pending(Box::pin(claim)))
    }

    pub(crate) fn set(&mut self, found: T) {
        self.found = Some(found);
    }

    /// Tells what was set, and gives it back where nobody waits for it any more.
    pub(crate) fn send(self) -> Option<T> {
        between();
        self.reply.send(self.found.ok_or(StoreError::Closed)).err()?.ok()
    }

    pub(crate) fn fail(self, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

/// An answer that must not be lost on its way: it may be told and dropped before anyone looks.
struct ClaimOnDrop<T, F: FnOnce(T)> {
    told: oneshot::Receiver<Result<T, StoreError>>,
    unclaimed: Option<F>,
}

impl<T, F: FnOnce(T) + Unpin> Future for ClaimOnDrop<T, F> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.told).poll(cx).map(|told| {
            self.unclaimed = None;
            told.unwrap_or(Err(StoreError::Closed))
        })
    }
}

impl<T, F: FnOnce(T)> Drop for ClaimOnDrop<T, F> {
    fn drop(&mut self) {
        let Some(unclaimed) = self.unclaimed.take() else { return };
        between();
        self.told.close();
        between();
        if let Ok(Some(Ok(found))) = self.told.try_recv() {
            unclaimed(found);
        }
        between();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;
    use std::thread;

    use super::*;

    /// Told by one thread while another looks once and drops it: exactly one of them has it, every time. (The
    /// channel between them is a library's, into which shuttle cannot see, so here they race in earnest; what is made
    /// of it is tried in every order by the tests of the hand-off.)
    #[test]
    fn what_must_be_claimed_is_claimed_once_however_the_two_threads_meet() {
        let mut ends = [0_usize; 3];
        for round in 0..20_000 {
            let unclaimed = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&unclaimed);
            let (mut waiter, answer) = ReplySender::claim_on_drop(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            let MaybeFuture::Pending(mut answer) = answer else { unreachable!() };
            let teller = thread::spawn(move || {
                waiter.set(round);
                usize::from(waiter.send().is_some())
            });
            // Different moments in different rounds.
            (0..round % 64).for_each(|_| std::hint::spin_loop());
            if round % 8 == 0 {
                thread::yield_now();
            }
            let polled = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let taken = usize::from(polled.is_ready());
            drop(answer);
            let given_back = teller.join().unwrap();
            let dropped = unclaimed.load(Ordering::SeqCst);
            assert_eq!(taken + dropped + given_back, 1, "round {round}");
            for (end, count) in ends.iter_mut().zip([taken, dropped, given_back]) {
                *end += count;
            }
        }
        assert!(ends[0] + ends[1] > 0 && ends[2] > 0, "the two never met otherwise: {ends:?}");
    }
}
