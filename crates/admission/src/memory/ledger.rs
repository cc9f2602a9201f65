//! Credits in memory: the ledger's rules without durability.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::claims::{ClaimLookup, Claims};
use crate::ledger::{Insufficient, TooLarge, wait_for};
use crate::{
    AccountId, Balance, Claim, ClaimBounds, CreditBalance, Fingerprint, HoldId, HoldOutcome, HoldRequest,
    HoldSource, Ledger, MaybeFuture, MonthlyCredits, Now, OperationId, Settlement, StoreError,
    StoredResponse,
};

/// A ledger in memory. An account that it does not know has an empty purse.
#[derive(Debug)]
pub struct MemoryLedger {
    books: Mutex<MemoryState>,
}

#[derive(Debug)]
struct MemoryState {
    purses: HashMap<AccountId, CreditBalance>,
    claims: Claims,
    holds: HashMap<HoldId, MemoryHold>,
    last_hold: u64,
}

#[derive(Debug)]
struct MemoryHold {
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
        Self { books: Mutex::new(MemoryState { purses, claims, holds, last_hold: 0 }) }
    }

    /// Adds credits that do not expire.
    pub fn top_up(&self, account: &AccountId, amount: u64) -> Result<(), TooLarge> {
        self.books().purses.entry(account.clone()).or_default().top_up(amount)
    }

    fn books(&self) -> MutexGuard<'_, MemoryState> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryState {
    fn hold(&mut self, request: &HoldRequest<'_>) -> HoldOutcome {
        let HoldRequest { account, amount, monthly, now, .. } = *request;
        let purse = self.purses.entry(account.clone()).or_default();
        purse.roll_period(monthly, now.wall);
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
                    self.holds.insert(hold, MemoryHold { account: account.clone(), source, lease_ends });
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
            ClaimLookup::New => {}
            ClaimLookup::Decided(outcome) => return outcome,
            ClaimLookup::Abandoned(hold) => {
                self.settle(hold, Settlement::Post(u64::MAX));
                return HoldOutcome::Completed { is_stored: false };
            }
            ClaimLookup::Repeated => {
                let purse = self.purses.entry(account.clone()).or_default();
                purse.roll_period(monthly, now.wall);
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
        let Some(MemoryHold { account, source, .. }) = self.holds.remove(&hold) else { return };
        self.purses.entry(account).or_default().settle(source, settlement);
    }
}

impl Ledger for MemoryLedger {
    fn hold(&self, request: &HoldRequest<'_>) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
        MaybeFuture::Ready(Ok(self.books().hold(request)))
    }

    fn claim(
        &self,
        request: &HoldRequest<'_>,
        claim: &Claim,
    ) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
        MaybeFuture::Ready(Ok(self.books().claim(request, claim)))
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
    ) -> MaybeFuture<Result<Option<StoredResponse>, StoreError>> {
        MaybeFuture::Ready(Ok(self.books().claims.read(account, operation, fingerprint, now.wall)))
    }

    fn settle(&self, hold: HoldId, settlement: Settlement) -> MaybeFuture<Result<(), StoreError>> {
        self.books().settle(hold, settlement);
        MaybeFuture::Ready(Ok(()))
    }

    fn balance(
        &self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        now: Now,
    ) -> MaybeFuture<Result<Balance, StoreError>> {
        let mut books = self.books();
        let purse = books.purses.entry(account.clone()).or_default();
        purse.roll_period(monthly, now.wall);
        MaybeFuture::Ready(Ok(purse.balance(monthly, now.wall)))
    }
}
