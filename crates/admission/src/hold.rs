//! Credits held for one request. They are always settled, however the request ends.

use std::fmt;
use std::sync::Arc;

use crate::{Balance, HoldId, Ledger, Settlement, StoredResponse};

/// Credits held for one request.
///
/// A hold that is dropped settles by the progress of the request: before it was forwarded, the credits are released, since
/// nothing can have happened; afterwards they are posted, since the upstream may have done the work although the client went
/// away. A panic is the gateway's own fault and costs the client nothing.
///
/// The hold of a claimed operation also ends its claim, even if it is free: posting completes the claim, releasing lets the
/// operation execute again. A hold that is dropped after forwarding completes its claim, whatever it costs.
#[must_use = "dropping it settles the charge"]
pub struct Hold {
    /// Boxed, since most requests are free and every request has this field.
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
    /// The settlement on drop.
    on_drop: Settlement,
}

impl Hold {
    /// Creates the hold of a free request.
    pub fn nothing() -> Self {
        Self { charge: None }
    }

    /// Creates the hold of a repeat whose operation has been charged.
    pub(crate) fn already_charged(balance: Balance) -> Self {
        Self { charge: Some(Box::new(Charge { open: None, balance })) }
    }

    pub(crate) fn open(ledger: Arc<dyn Ledger>, id: HoldId, amount: u64, balance: Balance) -> Self {
        let open = OpenHold { ledger, id, amount, is_claimed: false, on_drop: Settlement::Release };
        Self { charge: Some(Box::new(Charge { open: Some(open), balance })) }
    }

    pub(crate) fn claimed(ledger: Arc<dyn Ledger>, id: HoldId, amount: u64, balance: Balance) -> Self {
        let open = OpenHold { ledger, id, amount, is_claimed: true, on_drop: Settlement::Release };
        Self { charge: Some(Box::new(Charge { open: Some(open), balance })) }
    }

    /// Returns the account's balance after this hold; `None` if the request is free.
    pub fn balance(&self) -> Option<&Balance> {
        self.charge.as_ref().map(|charge| &charge.balance)
    }

    /// Returns the held amount: zero if the request is free or was already charged.
    pub fn amount(&self) -> u64 {
        self.unsettled().map_or(0, |open| open.amount)
    }

    /// Whether there is nothing to settle: the request is free, was already charged, or is settled.
    pub fn is_settled(&self) -> bool {
        self.unsettled().is_none()
    }

    /// Whether settling also ends the claim of an operation.
    pub fn is_claimed(&self) -> bool {
        self.unsettled().is_some_and(|open| open.is_claimed)
    }

    /// Records that the request is forwarded now: dropped from now on, the whole hold is posted.
    pub fn forwarded(&mut self) {
        if let Some(open) = self.charge.as_mut().and_then(|charge| charge.open.as_mut()) {
            open.on_drop = Settlement::Post(open.amount);
        }
    }

    /// Records that the request is forwarded now: dropped from now on, it costs nothing. A claim is completed all the same,
    /// since the upstream may have done the work.
    pub fn forwarded_at_no_cost(&mut self) {
        if let Some(open) = self.charge.as_mut().and_then(|charge| charge.open.as_mut()) {
            open.on_drop = Settlement::Post(0);
        }
    }

    /// Posts the whole hold.
    pub fn post(self) {
        let amount = self.amount();
        self.post_used(amount);
    }

    /// Posts the used part and returns the rest.
    pub fn post_used(mut self, used: u64) {
        self.settle(Settlement::Post(used));
    }

    /// Posts the used part, or the whole hold for `None`, and stores the response for repeats of the claimed operation.
    /// Without a claim the response is discarded.
    pub fn complete(mut self, used: Option<u64>, response: StoredResponse) {
        let used = used.unwrap_or_else(|| self.amount());
        match self.charge.as_mut().and_then(|charge| charge.open.take()) {
            Some(open) if open.is_claimed => open.ledger.complete(open.id, used, response),
            Some(open) => open.ledger.settle_unwatched(open.id, Settlement::Post(used)),
            None => {}
        }
    }

    /// Releases the hold: the upstream failed or was never called.
    pub fn release(mut self) {
        self.settle(Settlement::Release);
    }

    fn unsettled(&self) -> Option<&OpenHold> {
        self.charge.as_ref()?.open.as_ref()
    }

    fn settle(&mut self, settlement: Settlement) {
        if let Some(open) = self.charge.as_mut().and_then(|charge| charge.open.take()) {
            // The ledger completes it; there is nothing to wait for.
            open.ledger.settle_unwatched(open.id, settlement);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let on_drop = self.unsettled().map_or(Settlement::Release, |open| open.on_drop);
        let unsettled = match on_drop {
            // A forwarded operation may have been executed; a claim must not execute twice because of a panic.
            Settlement::Post(_) if std::thread::panicking() => Settlement::Post(0),
            on_drop => on_drop,
        };
        self.settle(unsettled);
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.unsettled().map(|open| open.id);
        f.debug_struct("Hold").field("id", &id).field("amount", &self.amount()).finish_non_exhaustive()
    }
}
