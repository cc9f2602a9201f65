//! Credits on hold for one request, which settle themselves however the request ends.

use std::fmt;
use std::sync::Arc;

use crate::{Balance, HoldId, Ledger, Settlement, StoredResponse};

/// Credits on hold for one request.
///
/// Dropped without a decision it settles by how far the request had come: before it was forwarded the
/// credits are released, since nothing can have happened; after that they are posted, since the upstream
/// may have done the work although the client went away. A panic on the way is the house's own trouble, and
/// costs nobody anything.
///
/// A hold of a claimed operation ends its claim too, of an operation that costs nothing as well: posted, it is completed;
/// released, the operation may run again. Forwarded and dropped, it is completed whatever it costs.
#[must_use = "dropping it settles the charge"]
pub struct Hold {
    /// Boxed: most requests cost nothing, and every one carries the place for it.
    charge: Option<Box<Charge>>,
}

struct Charge {
    open: Option<OpenHold>,
    balance: Balance,
}

struct OpenHold {
    ledger: Arc<dyn Ledger>,
    id: HoldId,
    amount: u64,
    is_claimed: bool,
    /// What dropping it means.
    dropped: Settlement,
}

impl Hold {
    /// For a request that costs nothing.
    pub fn nothing() -> Self {
        Self { charge: None }
    }

    /// For a repeat of an operation that has been charged.
    pub(crate) fn charged_before(balance: Balance) -> Self {
        Self { charge: Some(Box::new(Charge { open: None, balance })) }
    }

    pub(crate) fn open(ledger: Arc<dyn Ledger>, id: HoldId, amount: u64, balance: Balance) -> Self {
        let open = OpenHold { ledger, id, amount, is_claimed: false, dropped: Settlement::Release };
        Self { charge: Some(Box::new(Charge { open: Some(open), balance })) }
    }

    pub(crate) fn claimed(ledger: Arc<dyn Ledger>, id: HoldId, amount: u64, balance: Balance) -> Self {
        let open = OpenHold { ledger, id, amount, is_claimed: true, dropped: Settlement::Release };
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

    /// Whether it ends the claim of an operation, too.
    pub fn is_claimed(&self) -> bool {
        self.undecided().is_some_and(|open| open.is_claimed)
    }

    /// The request goes to the upstream now: dropped from here on, all that is held counts as used.
    pub fn forwarded(&mut self) {
        if let Some(open) = self.charge.as_mut().and_then(|charge| charge.open.as_mut()) {
            open.dropped = Settlement::Post(open.amount);
        }
    }

    /// The request goes to the upstream now: dropped from here on it costs nothing. A claim is completed all the same,
    /// since the upstream may have done the work.
    pub fn forwarded_at_no_cost(&mut self) {
        if let Some(open) = self.charge.as_mut().and_then(|charge| charge.open.as_mut()) {
            open.dropped = Settlement::Post(0);
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

    /// So much of it was used, all of it where nothing is said, and this was the response: a repeat of the claimed
    /// operation gets it. Where nothing is claimed it is forgotten.
    pub fn complete(mut self, used: Option<u64>, response: StoredResponse) {
        let used = used.unwrap_or_else(|| self.amount());
        match self.charge.as_mut().and_then(|charge| charge.open.take()) {
            Some(open) if open.is_claimed => open.ledger.complete(open.id, used, response),
            Some(open) => open.ledger.settle_unwatched(open.id, Settlement::Post(used)),
            None => {}
        }
    }

    /// Nothing was used: the upstream is known to have failed, or was never asked.
    pub fn release(mut self) {
        self.settle(Settlement::Release);
    }

    fn undecided(&self) -> Option<&OpenHold> {
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
        let dropped = self.undecided().map_or(Settlement::Release, |open| open.dropped);
        let undecided = match dropped {
            // What was forwarded may have been done; a claim is not to be run twice for our panic.
            Settlement::Post(_) if std::thread::panicking() => Settlement::Post(0),
            dropped => dropped,
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
