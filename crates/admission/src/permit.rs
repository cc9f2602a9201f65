//! The permit of one request, which returns what it took from the limits when the request ends.

use std::fmt;
use std::sync::Arc;

use crate::{Exceeded, Now, Principal, Receipt, Report};

/// What one request has taken from the limits. Dropping it frees the slot.
///
/// A quota of successes counts the request unless [`mark_failed`](Self::mark_failed) was called before, so that a client
/// that closes the connection early gets no free requests.
#[must_use = "dropping it ends the request as far as limits are concerned"]
pub struct LimitPermit {
    principal: Arc<Principal>,
    receipt: Option<Box<Receipt>>,
    succeeded: bool,
}

impl LimitPermit {
    pub(crate) fn new(principal: Arc<Principal>, receipt: Box<Receipt>) -> Self {
        Self { principal, receipt: Some(receipt), succeeded: true }
    }

    /// Marks the request as failed, so that a quota of successes does not count it.
    pub fn mark_failed(&mut self) {
        self.succeeded = false;
    }

    /// Marks the request as succeeded, which is the default.
    pub fn succeeded(&mut self) {
        self.succeeded = true;
    }

    /// Whether the end of the request changes nothing: it has no slot, and no quota of successes counts it.
    pub fn is_settled(&self) -> bool {
        self.receipt.as_ref().is_none_or(|receipt| self.principal.meter().is_settled(receipt))
    }

    /// Returns the shadow limits that would have rejected the request.
    pub fn shadowed(&self) -> &[Exceeded] {
        self.receipt.as_ref().map_or(&[], |receipt| &receipt.shadowed)
    }

    /// Refunds everything, including rates, for a request that failed through the gateway's own fault.
    pub fn refund(mut self, now: Now) {
        if let Some(receipt) = self.receipt.take() {
            self.principal.meter().refund(&receipt, now);
        }
    }

    /// Returns the states of the limits.
    pub fn report(&self, now: Now) -> Report<'_> {
        self.principal.report(now)
    }
}

impl Drop for LimitPermit {
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            self.principal.meter().finish(&receipt, self.succeeded);
        }
    }
}

impl fmt::Debug for LimitPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitPermit").field("receipt", &self.receipt).finish_non_exhaustive()
    }
}
