//! Credits on hold for one request, which settle themselves however the request ends.

use std::fmt;
use std::sync::Arc;

use crate::{Balance, HoldId, Ledger, Settlement};

/// Credits on hold for one request.
///
/// Dropped without a decision it settles by how far the request had come: before it was forwarded the
/// credits are released, since nothing can have happened; after that they are posted, since the upstream
/// may have done the work although the client went away. A panic on the way is the house's own trouble, and
/// costs nobody anything.
#[must_use = "dropping it settles the charge"]
pub struct Hold {
    /// Boxed: most requests cost nothing, and every one carries the place for it.
    charge: Option<Box<Charge>>,
}

struct Charge {
    open: Option<Open>,
    balance: Balance,
}

struct Open {
    ledger: Arc<dyn Ledger>,
    id: HoldId,
    amount: u64,
    forwarded: bool,
}

impl Hold {
    /// For a request that costs nothing.
    pub fn nothing() -> Self {
        Self { charge: None }
    }

    pub(crate) fn charged_before(balance: Balance) -> Self {
        Self { charge: Some(Box::new(Charge { open: None, balance })) }
    }

    pub(crate) fn open(ledger: Arc<dyn Ledger>, id: HoldId, amount: u64, balance: Balance) -> Self {
        let open = Open { ledger, id, amount, forwarded: false };
        Self { charge: Some(Box::new(Charge { open: Some(open), balance })) }
    }

    /// What the account has after this hold; `None` where the request costs nothing.
    pub fn balance(&self) -> Option<&Balance> {
        self.charge.as_ref().map(|charge| &charge.balance)
    }

    /// How much is held: nothing where the request is free or has been charged before.
    pub fn amount(&self) -> u64 {
        self.undecided().map_or(0, |open| open.amount)
    }

    /// Whether there is nothing to settle: the request is free, has been charged before, or is settled.
    pub fn is_settled(&self) -> bool {
        self.undecided().is_none()
    }

    /// The request goes to the upstream now.
    pub fn forwarded(&mut self) {
        if let Some(open) = self.charge.as_mut().and_then(|charge| charge.open.as_mut()) {
            open.forwarded = true;
        }
    }

    /// All that is held was used.
    pub fn post(self) {
        let amount = self.amount();
        self.post_used(amount);
    }

    /// So much of it was used; the rest flows back.
    pub fn post_used(mut self, used: u64) {
        self.settle(Settlement::Post(used));
    }

    /// Nothing was used: the upstream is known to have failed, or was never asked.
    pub fn release(mut self) {
        self.settle(Settlement::Release);
    }

    fn undecided(&self) -> Option<&Open> {
        self.charge.as_ref()?.open.as_ref()
    }

    fn settle(&mut self, settlement: Settlement) {
        if let Some(open) = self.charge.as_mut().and_then(|charge| charge.open.take()) {
            // The ledger carries it out from here on; there is nothing to wait for.
            open.ledger.settle_unwatched(open.id, settlement);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let undecided = match self.undecided() {
            Some(open) if open.forwarded && !std::thread::panicking() => Settlement::Post(open.amount),
            _ => Settlement::Release,
        };
        self.settle(undecided);
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.undecided().map(|open| open.id);
        f.debug_struct("Hold").field("id", &id).field("amount", &self.amount()).finish_non_exhaustive()
    }
}
