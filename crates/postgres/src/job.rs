//! The jobs of the writer, each with the sender of its reply.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use demur_admission::{
    AccountId, Balance, Claim, Command, HoldId, HoldOutcome, HoldRequest, MaybeFuture, MonthlyCredits,
    OperationId, Reply, Settlement, StoreError, StoredResponse,
};
use futures_channel::oneshot;
use jiff::Timestamp;

/// Sends a reply to the caller that waits for it.
pub(crate) type Replier<T> = oneshot::Sender<Result<T, StoreError>>;

/// One job.
pub(crate) enum Job {
    Hold(Box<HoldJob>, Replier<HoldOutcome>),
    Settle(HoldId, Settlement, Option<Replier<()>>),
    /// Posts a claimed hold and stores the response.
    Complete(HoldId, u64, StoredResponse),
    Balance(Box<BalanceJob>, Replier<Balance>),
    Command(Box<Command>, Timestamp, Replier<Reply>),
    /// Ends the writer after the queued jobs are written; with `false` at once, as a crash does, for tests.
    Close(bool, oneshot::Sender<()>),
}

/// An owned [`HoldRequest`].
#[derive(Debug)]
pub(crate) struct HoldJob {
    pub(crate) account: AccountId,
    pub(crate) operation: OperationId,
    /// Set if the client has named the operation.
    pub(crate) claim: Option<Claim>,
    pub(crate) amount: u64,
    /// When the request is expected to end.
    pub(crate) lease_ends: Timestamp,
    pub(crate) monthly: Option<MonthlyCredits>,
    pub(crate) at: Timestamp,
}

/// A request for a balance.
#[derive(Debug)]
pub(crate) struct BalanceJob {
    pub(crate) account: AccountId,
    pub(crate) monthly: Option<MonthlyCredits>,
    pub(crate) at: Timestamp,
}

impl HoldJob {
    pub(crate) fn new(request: &HoldRequest<'_>, claim: Option<&Claim>) -> Self {
        Self {
            account: request.account.clone(),
            operation: request.operation.clone(),
            claim: claim.copied(),
            amount: request.amount,
            lease_ends: request.lease_ends(),
            monthly: request.monthly.cloned(),
            at: request.now.wall,
        }
    }
}

impl Job {
    /// Whether a full queue may reject the job. Settlements are never rejected: credits depend on them.
    pub(crate) fn may_be_rejected(&self) -> bool {
        match self {
            Job::Hold(..) | Job::Balance(..) | Job::Command(..) => true,
            Job::Settle(..) | Job::Complete(..) | Job::Close(..) => false,
        }
    }

    /// Returns the settlement that must be written later if it cannot be written now. A response is not kept that long.
    pub(crate) fn settlement(&self) -> Option<(HoldId, Settlement)> {
        match self {
            Job::Settle(hold, settlement, _) => Some((*hold, *settlement)),
            Job::Complete(hold, posted, _) => Some((*hold, Settlement::Post(*posted))),
            Job::Hold(..) | Job::Balance(..) | Job::Command(..) | Job::Close(..) => None,
        }
    }

    /// Replies that nothing was done.
    pub(crate) fn fail(self, error: StoreError) {
        // A caller that has gone needs no reply.
        match self {
            Job::Hold(_, reply) => drop(reply.send(Err(error))),
            Job::Settle(_, _, Some(reply)) => drop(reply.send(Err(error))),
            Job::Balance(_, reply) => drop(reply.send(Err(error))),
            Job::Command(_, _, reply) => drop(reply.send(Err(error))),
            Job::Settle(_, _, None) | Job::Complete(..) | Job::Close(..) => {}
        }
    }
}

/// Returns a sender, and the future of its value. If the sender is dropped, the store is closed.
pub(crate) fn reply<T: Send + 'static>() -> (Replier<T>, MaybeFuture<Result<T, StoreError>>) {
    let (sender, receiver) = oneshot::channel();
    let future = async move { receiver.await.unwrap_or(Err(StoreError::Closed)) };
    (sender, MaybeFuture::Pending(Box::pin(future)))
}

/// The same, for a value that must not be lost: a value that was sent but never read goes to `unclaimed`.
pub(crate) fn claimed_reply<T, F>(unclaimed: F) -> (Replier<T>, MaybeFuture<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnOnce(T) + Send + Unpin + 'static,
{
    let (sender, receiver) = oneshot::channel();
    (sender, MaybeFuture::Pending(Box::pin(ClaimOnDrop { receiver, unclaimed: Some(unclaimed) })))
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
        self.receiver.close();
        if let Ok(Some(Ok(found))) = self.receiver.try_recv() {
            unclaimed(found);
        }
    }
}
