//! Replies of a store's threads to the callers that wait for them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use demur_admission::{MaybeFuture, StoreError};
use futures_channel::oneshot;

use crate::sync::between;

/// The thread's end of a reply. The value is set first, and sent after the commit.
#[derive(Debug)]
pub(crate) struct ReplySender<T> {
    reply: oneshot::Sender<Result<T, StoreError>>,
    found: Option<T>,
}

impl<T: Send + 'static> ReplySender<T> {
    /// Creates a sender, and the future that resolves to its value. If the sender is dropped, the store is closed.
    pub(crate) fn new() -> (Self, MaybeFuture<Result<T, StoreError>>) {
        let (reply, receiver) = oneshot::channel();
        let future = Box::pin(async move { receiver.await.unwrap_or(Err(StoreError::Closed)) });
        (Self { reply, found: None }, MaybeFuture::Pending(future))
    }

    /// Like [`ReplySender::new`], for a value that must not be lost: a value that was sent but never read goes to
    /// `unclaimed`. A value that could not be sent is returned by [`ReplySender::send`].
    pub(crate) fn claim_on_drop<F>(unclaimed: F) -> (Self, MaybeFuture<Result<T, StoreError>>)
    where
        F: FnOnce(T) + Send + Unpin + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        let claim = ClaimOnDrop { receiver, unclaimed: Some(unclaimed) };
        (Self { reply, found: None }, MaybeFuture::Pending(Box::pin(claim)))
    }

    pub(crate) fn set(&mut self, found: T) {
        self.found = Some(found);
    }

    /// Sends the value, and returns it if the caller has gone.
    pub(crate) fn send(self) -> Option<T> {
        between();
        self.reply.send(self.found.ok_or(StoreError::Closed)).err()?.ok()
    }

    pub(crate) fn fail(self, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

/// A future whose value must not be lost: it may be sent, and the future dropped before it is polled.
struct ClaimOnDrop<T, F: FnOnce(T)> {
    receiver: oneshot::Receiver<Result<T, StoreError>>,
    unclaimed: Option<F>,
}

impl<T, F: FnOnce(T) + Unpin> Future for ClaimOnDrop<T, F> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(cx).map(|result| {
            self.unclaimed = None;
            result.unwrap_or(Err(StoreError::Closed))
        })
    }
}

impl<T, F: FnOnce(T)> Drop for ClaimOnDrop<T, F> {
    fn drop(&mut self) {
        let Some(unclaimed) = self.unclaimed.take() else { return };
        between();
        self.receiver.close();
        between();
        if let Ok(Some(Ok(found))) = self.receiver.try_recv() {
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

    /// One thread sends while another polls once and drops. The channel between them belongs to a library that shuttle
    /// cannot instrument, so the threads really race here; `group_commit_tests` runs its use in every interleaving.
    #[test]
    fn a_claimed_value_has_exactly_one_owner_in_every_race() {
        let mut ends = [0_usize; 3];
        for round in 0..20_000 {
            let unclaimed = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&unclaimed);
            let (mut reply, future) = ReplySender::claim_on_drop(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            let MaybeFuture::Pending(mut future) = future else { unreachable!() };
            let sender = thread::spawn(move || {
                reply.set(round);
                usize::from(reply.send().is_some())
            });
            // Different moments in different rounds.
            (0..round % 64).for_each(|_| std::hint::spin_loop());
            if round % 8 == 0 {
                thread::yield_now();
            }
            let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let taken = usize::from(polled.is_ready());
            drop(future);
            let given_back = sender.join().unwrap();
            let dropped = unclaimed.load(Ordering::SeqCst);
            assert_eq!(taken + dropped + given_back, 1, "round {round}");
            for (end, count) in ends.iter_mut().zip([taken, dropped, given_back]) {
                *end += count;
            }
        }
        assert!(ends[0] + ends[1] > 0 && ends[2] > 0, "the threads raced in one order only: {ends:?}");
    }
}
