//! What the writing thread is asked to do, and who waits for it.

use demur_admission::{
    AccountId, Balance, Claim, Command, HoldId, HoldOutcome, HoldRequest, MonthlyCredits, OperationId, Reply,
    Settlement, StoreError, StoredResponse,
};
use jiff::Timestamp;

use crate::reply::ReplySender;

/// One job.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box more would be an allocation for each balance")]
pub(crate) enum Job {
    Hold(Box<HoldJob>, ReplySender<HoldOutcome>),
    Settle(HoldId, Settlement, Option<ReplySender<()>>),
    /// Posts a claimed hold and stores the response.
    Complete(HoldId, u64, StoredResponse),
    Balance {
        account: AccountId,
        monthly: Option<Box<MonthlyCredits>>,
        at: Timestamp,
        waiter: ReplySender<Balance>,
    },
    Command {
        command: Box<Command>,
        /// What the operation of a refund was charged, as was found before.
        charged: Option<u64>,
        at: Timestamp,
        waiter: ReplySender<Reply>,
    },
    /// The last one: what is queued is written, and the thread ends.
    Close,
}

/// A [`HoldRequest`] that owns what it names.
#[derive(Debug)]
pub(crate) struct HoldJob {
    pub(crate) account: AccountId,
    pub(crate) operation: OperationId,
    /// Where the client has named the operation.
    pub(crate) claim: Option<Claim>,
    pub(crate) amount: u64,
    /// When the request is expected to have ended.
    pub(crate) lease_ends: Timestamp,
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
    /// Whether somebody waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        match self {
            Job::Settle(.., waiter) => waiter.is_some(),
            Job::Complete(..) => false,
            Job::Hold(..) | Job::Balance { .. } | Job::Command { .. } | Job::Close => true,
        }
    }

    /// Settlements and the end are never turned away: somebody's credits hang on them.
    pub(crate) fn may_be_refused(&self) -> bool {
        match self {
            Job::Hold(..) | Job::Balance { .. } | Job::Command { .. } => true,
            Job::Settle(..) | Job::Complete(..) | Job::Close => false,
        }
    }

    /// What must be written later if it cannot be written now. A response is not kept for so long: there is no bound on
    /// how many would have to be.
    pub(crate) fn settlement(&self) -> Option<(HoldId, Settlement)> {
        match self {
            Job::Settle(hold, settlement, _) => Some((*hold, *settlement)),
            Job::Complete(hold, posted, _) => Some((*hold, Settlement::Post(*posted))),
            Job::Hold(..) | Job::Balance { .. } | Job::Command { .. } | Job::Close => None,
        }
    }

    /// Tells the waiter what was found. A hold for which nobody waits any more comes back: it was made for a
    /// request that has ended, before anything was forwarded.
    pub(crate) fn tell(self) -> Option<HoldId> {
        // Whoever has stopped waiting for anything else misses nothing: what was done stays done.
        match self {
            Job::Hold(_, waiter) => return waiter.send().and_then(|found| found.hold()),
            Job::Settle(_, _, waiter) => waiter.into_iter().for_each(|waiter| {
                waiter.send();
            }),
            Job::Balance { waiter, .. } => drop(waiter.send()),
            Job::Command { waiter, .. } => drop(waiter.send()),
            Job::Complete(..) | Job::Close => {}
        }
        None
    }

    /// Tells the waiter that nothing was done.
    pub(crate) fn fail(self, error: StoreError) {
        match self {
            Job::Hold(_, waiter) => waiter.fail(error),
            Job::Settle(_, _, waiter) => waiter.into_iter().for_each(|waiter| waiter.fail(error.clone())),
            Job::Balance { waiter, .. } => waiter.fail(error),
            Job::Command { waiter, .. } => waiter.fail(error),
            Job::Complete(..) | Job::Close => {}
        }
    }
}
