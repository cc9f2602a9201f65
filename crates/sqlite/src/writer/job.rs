//! The jobs of the writing thread, each with the sender of its reply.

use demur_admission::{
    AccountId, Balance, Claim, Command, HoldId, HoldOutcome, HoldRequest, MonthlyCredits, OperationId, Reply,
    Settlement, StoreError, StoredResponse,
};
use jiff::Timestamp;

use crate::reply::ReplySender;

/// One job.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "boxing would cost an allocation for each balance")]
pub(crate) enum Job {
    Hold(Box<HoldJob>, ReplySender<HoldOutcome>),
    Settle(HoldId, Settlement, Option<ReplySender<()>>),
    /// Posts a claimed hold and stores the response.
    Complete(HoldId, u64, StoredResponse),
    Balance {
        account: AccountId,
        monthly: Option<Box<MonthlyCredits>>,
        at: Timestamp,
        reply: ReplySender<Balance>,
    },
    Command {
        command: Box<Command>,
        /// For a refund: the amount that its operation was charged.
        charged: Option<u64>,
        at: Timestamp,
        reply: ReplySender<Reply>,
    },
    /// Ends the thread after the queued jobs are written.
    Close,
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
    /// Whether a caller waits for the reply.
    pub(super) fn is_awaited(&self) -> bool {
        match self {
            Job::Settle(.., reply) => reply.is_some(),
            Job::Complete(..) => false,
            Job::Hold(..) | Job::Balance { .. } | Job::Command { .. } | Job::Close => true,
        }
    }

    /// Whether a full queue may reject the job. Settlements and `Close` are never rejected: credits depend on them.
    pub(crate) fn may_be_rejected(&self) -> bool {
        match self {
            Job::Hold(..) | Job::Balance { .. } | Job::Command { .. } => true,
            Job::Settle(..) | Job::Complete(..) | Job::Close => false,
        }
    }

    /// Returns the settlement that must be written later if it cannot be written now. A response is not kept that long,
    /// since the number of such responses would be unbounded.
    pub(crate) fn settlement(&self) -> Option<(HoldId, Settlement)> {
        match self {
            Job::Settle(hold, settlement, _) => Some((*hold, *settlement)),
            Job::Complete(hold, posted, _) => Some((*hold, Settlement::Post(*posted))),
            Job::Hold(..) | Job::Balance { .. } | Job::Command { .. } | Job::Close => None,
        }
    }

    /// Sends the reply. Returns a hold whose caller has gone: its request ended before anything was forwarded.
    pub(crate) fn send_reply(self) -> Option<HoldId> {
        // For all other jobs nothing is lost when the caller has gone: what was done stays done.
        match self {
            Job::Hold(_, reply) => return reply.send().and_then(|found| found.hold()),
            Job::Settle(_, _, reply) => reply.into_iter().for_each(|reply| {
                reply.send();
            }),
            Job::Balance { reply, .. } => drop(reply.send()),
            Job::Command { reply, .. } => drop(reply.send()),
            Job::Complete(..) | Job::Close => {}
        }
        None
    }

    /// Replies that nothing was done.
    pub(crate) fn fail(self, error: StoreError) {
        match self {
            Job::Hold(_, reply) => reply.fail(error),
            Job::Settle(_, _, reply) => reply.into_iter().for_each(|reply| reply.fail(error.clone())),
            Job::Balance { reply, .. } => reply.fail(error),
            Job::Command { reply, .. } => reply.fail(error),
            Job::Complete(..) | Job::Close => {}
        }
    }
}
