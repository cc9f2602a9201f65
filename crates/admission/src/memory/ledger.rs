//! Credits in memory: the ledger's rules without durability.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::claims::{Claims, Known};
use crate::ledger::{Insufficient, TooLarge, wait_for};
use crate::{
    AccountId, Answer, Balance, Claim, ClaimBounds, Fingerprint, HoldId, HoldOutcome, HoldRequest,
    HoldSource, Ledger, MonthlyCredits, Now, OperationId, Purse, Settlement, StoreError, StoredResponse,
};

/// A ledger in memory. An account that it does not know has an empty purse.
#[derive(Debug)]
pub struct MemoryLedger {
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    purses: HashMap<AccountId, Purse>,
    claims: Claims,
    holds: HashMap<HoldId, Open>,
    last_hold: u64,
}

#[derive(Debug)]
struct Open {
    account: AccountId,
    source: HoldSource,
    /// When it is expected to have ended.
    lease_ends: Timestamp,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::with_bounds(ClaimBounds::IN_MEMORY)
    }
}

impl MemoryLedger {
    /// Without any credits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with other bounds for what it remembers of operations.
    pub fn with_bounds(bounds: ClaimBounds) -> Self {
        let (purses, holds, claims) = (HashMap::new(), HashMap::new(), Claims::new(bounds));
        Self { books: Mutex::new(Books { purses, claims, holds, last_hold: 0 }) }
    }

    /// Adds credits that do not expire.
    pub fn top_up(&self, account: &AccountId, amount: u64) -> Result<(), TooLarge> {
        self.books().purses.entry(account.clone()).or_default().top_up(amount)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn hold(&mut self, request: &HoldRequest<'_>) -> HoldOutcome {
        let HoldRequest { account, amount, monthly, now, .. } = *request;
        let purse = self.purses.entry(account.clone()).or_default();
        purse.roll(monthly, now.wall);
        match purse.hold(amount) {
            Err(Insufficient) => {
                let (available, resets_at) = (purse.available(), purse.resets_at(monthly, now.wall));
                let waits = purse.suffices_without_holds(amount);
                let held_for = waits.then(|| self.held_for(account, now.wall));
                HoldOutcome::Insufficient { available, resets_at, held_for }
            }
            Ok(source) => {
                let balance = purse.balance(monthly, now.wall);
                self.last_hold += 1;
                let hold = HoldId(self.last_hold);
                if amount > 0 {
                    let lease_ends = request.lease_ends();
                    self.holds.insert(hold, Open { account: account.clone(), source, lease_ends });
                }
                HoldOutcome::Held { hold, balance }
            }
        }
    }

    /// How long until the oldest hold of an account is expected to have ended.
    fn held_for(&self, account: &AccountId, at: Timestamp) -> Duration {
        let holds = self.holds.iter().filter(|(_, open)| open.account == *account);
        let oldest = holds.min_by_key(|(hold, _)| hold.0);
        wait_for(oldest.map(|(_, open)| open.lease_ends), at)
    }

    fn claim(&mut self, request: &HoldRequest<'_>, claim: &Claim) -> HoldOutcome {
        let HoldRequest { account, operation, monthly, now, .. } = *request;
        self.claims.prune(now.wall);
        match self.claims.known(account, operation, claim, now.wall) {
            Known::New => {}
            Known::Decided(outcome) => return outcome,
            Known::Abandoned(hold) => {
                self.settle(hold, Settlement::Post(u64::MAX));
                return HoldOutcome::Completed { is_stored: false };
            }
            Known::Repeated => {
                let purse = self.purses.entry(account.clone()).or_default();
                purse.roll(monthly, now.wall);
                return HoldOutcome::Repeated { balance: purse.balance(monthly, now.wall) };
            }
        }
        if let Err(most) = self.claims.make_room(account, operation, now.wall) {
            return HoldOutcome::TooMany { most };
        }
        let outcome = self.hold(request);
        if let HoldOutcome::Held { hold, .. } = outcome {
            self.claims.insert(hold, request, claim);
        }
        outcome
    }

    fn settle(&mut self, hold: HoldId, settlement: Settlement) {
        self.claims.settle(hold, settlement);
        let Some(Open { account, source, .. }) = self.holds.remove(&hold) else { return };
        self.purses.entry(account).or_default().settle(source, settlement);
    }
}

impl Ledger for MemoryLedger {
    fn hold(&self, request: &HoldRequest<'_>) -> Answer<Result<HoldOutcome, StoreError>> {
        Answer::Ready(Ok(self.books().hold(request)))
    }

    fn claim(&self, request: &HoldRequest<'_>, claim: &Claim) -> Answer<Result<HoldOutcome, StoreError>> {
        Answer::Ready(Ok(self.books().claim(request, claim)))
    }

    fn complete(&self, hold: HoldId, posted: u64, response: StoredResponse) {
        let mut books = self.books();
        books.claims.store(hold, response);
        books.settle(hold, Settlement::Post(posted));
    }

    fn read(
        &self,
        account: &AccountId,
        operation: &OperationId,
        fingerprint: &Fingerprint,
        now: Now,
    ) -> Answer<Result<Option<StoredResponse>, StoreError>> {
        Answer::Ready(Ok(self.books().claims.read(account, operation, fingerprint, now.wall)))
    }

    fn settle(&self, hold: HoldId, settlement: Settlement) -> Answer<Result<(), StoreError>> {
        self.books().settle(hold, settlement);
        Answer::Ready(Ok(()))
    }

    fn balance(
        &self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        now: Now,
    ) -> Answer<Result<Balance, StoreError>> {
        let mut books = self.books();
        let purse = books.purses.entry(account.clone()).or_default();
        purse.roll(monthly, now.wall);
        Answer::Ready(Ok(purse.balance(monthly, now.wall)))
    }
}
