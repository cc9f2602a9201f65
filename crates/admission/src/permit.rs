//! What one request has taken from its account's limits, given back as it ends.

use std::fmt;
use std::sync::Arc;

use crate::{Exceeded, Now, Principal, Receipt, Report};

/// What one request has taken from the limits. Its slot is free again when this is dropped.
///
/// A quota that counts successes keeps the request unless [`mark_failed`](Self::mark_failed) was said before: whoever
/// drops the connection early does not get requests for nothing.
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

    /// The request did not succeed; a quota of successes will not count it.
    pub fn mark_failed(&mut self) {
        self.succeeded = false;
    }

    /// The request succeeded, whatever was said before.
    pub fn succeeded(&mut self) {
        self.succeeded = true;
    }

    /// Whether the request's end changes nothing any more: it has no slot, and no quota counts successes.
    pub fn is_settled(&self) -> bool {
        self.receipt.as_ref().is_none_or(|receipt| self.principal.meter().is_settled(receipt))
    }

    /// What limits in the shadow would have refused.
    pub fn shadowed(&self) -> &[Exceeded] {
        self.receipt.as_ref().map_or(&[], |receipt| &receipt.shadowed)
    }

    /// Gives everything back, rates included: for when the gateway itself fails.
    pub fn refund(mut self, now: Now) {
        if let Some(receipt) = self.receipt.take() {
            self.principal.meter().refund(&receipt, now);
        }
    }

    /// How the limits stand.
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
        f.debug_struct("Taken").field("receipt", &self.receipt).finish_non_exhaustive()
    }
}
