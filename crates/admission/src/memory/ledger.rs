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

/// A ledger in memory. An unknown account has an empty balance.
#[derive(Debug)]
pub struct MemoryLedger {
    state: Mutex<MemoryState>,
}

#[derive(Debug)]
struct MemoryState {
    balances: HashMap<AccountId, CreditBalance>,
    claims: Claims,
    holds: HashMap<HoldId, MemoryHold>,
    last_hold: u64,
}

#[derive(Debug)]
struct MemoryHold {
    account: AccountId,
    source: HoldSource,
    /// When it is expected to be settled.
    lease_ends: Timestamp,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::with_bounds(ClaimBounds::IN_MEMORY)
    }
}

impl MemoryLedger {
    /// Creates a ledger without any credits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a ledger with other bounds of its claims.
    pub fn with_bounds(bounds: ClaimBounds) -> Self {
        let (balances, holds, claims) = (HashMap::new(), HashMap::new(), Claims::new(bounds));
        Self { state: Mutex::new(MemoryState { balances, claims, holds, last_hold: 0 }) }
    }

    /// Adds credits that do not expire.
    pub fn top_up(&self, account: &AccountId, amount: u64) -> Result<(), TooLarge> {
        self.state().balances.entry(account.clone()).or_default().top_up(amount)
    }

    fn state(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryState {
    fn hold(&mut self, request: &HoldRequest<'_>) -> HoldOutcome {
        let HoldRequest { account, amount, monthly, now, .. } = *request;
        let credits = self.balances.entry(account.clone()).or_default();
        credits.roll_period(monthly, now.wall);
        match credits.hold(amount) {
            Err(Insufficient) => {
                let (available, resets_at) = (credits.available(), credits.resets_at(monthly, now.wall));
                let would_suffice = credits.suffices_without_holds(amount);
                let held_for = would_suffice.then(|| self.held_for(account, now.wall));
                HoldOutcome::Insufficient { available, resets_at, held_for }
            }
            Ok(source) => {
                let balance = credits.balance(monthly, now.wall);
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

    /// Returns how long until the oldest hold of an account is expected to be settled.
    fn held_for(&self, account: &AccountId, at: Timestamp) -> Duration {
        let holds = self.holds.iter().filter(|(_, open)| open.account == *account);
        let oldest = holds.min_by_key(|(hold, _)| hold.0);
        wait_for(oldest.map(|(_, open)| open.lease_ends), at)
    }

    fn claim(&mut self, request: &HoldRequest<'_>, claim: &Claim) -> HoldOutcome {
        let HoldRequest { account, operation, monthly, now, .. } = *request;
        self.claims.prune(now.wall);
        match self.claims.decide(account, operation, claim, now.wall) {
            ClaimLookup::New => {}
            ClaimLookup::Decided(outcome) => return outcome,
            ClaimLookup::Abandoned(hold) => {
                self.settle(hold, Settlement::Post(u64::MAX));
                return HoldOutcome::Completed { is_stored: false };
            }
            ClaimLookup::Repeated => {
                let credits = self.balances.entry(account.clone()).or_default();
                credits.roll_period(monthly, now.wall);
                return HoldOutcome::Repeated { balance: credits.balance(monthly, now.wall) };
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
        self.balances.entry(account).or_default().settle(source, settlement);
    }
}

impl Ledger for MemoryLedger {
    fn hold(&self, request: &HoldRequest<'_>) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
        MaybeFuture::Ready(Ok(self.state().hold(request)))
    }

    fn claim(
        &self,
        request: &HoldRequest<'_>,
        claim: &Claim,
    ) -> MaybeFuture<Result<HoldOutcome, StoreError>> {
        MaybeFuture::Ready(Ok(self.state().claim(request, claim)))
    }

    fn complete(&self, hold: HoldId, posted: u64, response: StoredResponse) {
        let mut state = self.state();
        state.claims.store(hold, response);
        state.settle(hold, Settlement::Post(posted));
    }

    fn read(
        &self,
        account: &AccountId,
        operation: &OperationId,
        fingerprint: &Fingerprint,
        now: Now,
    ) -> MaybeFuture<Result<Option<StoredResponse>, StoreError>> {
        MaybeFuture::Ready(Ok(self.state().claims.read(account, operation, fingerprint, now.wall)))
    }

    fn settle(&self, hold: HoldId, settlement: Settlement) -> MaybeFuture<Result<(), StoreError>> {
        self.state().settle(hold, settlement);
        MaybeFuture::Ready(Ok(()))
    }

    fn balance(
        &self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        now: Now,
    ) -> MaybeFuture<Result<Balance, StoreError>> {
        let mut state = self.state();
        let credits = state.balances.entry(account.clone()).or_default();
        credits.roll_period(monthly, now.wall);
        MaybeFuture::Ready(Ok(credits.balance(monthly, now.wall)))
    }
}
