//! Credits in memory: the ledger's rules without durability.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ledger::{Insufficient, TooLarge};
use crate::{
    AccountId, Answer, Balance, HoldId, HoldOutcome, HoldRequest, HoldSource, Ledger, MonthlyCredits, Now,
    OperationId, Purse, Repeats, Settlement, StoreError,
};

/// A ledger in memory. An account that it does not know has an empty purse.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    purses: HashMap<AccountId, Purse>,
    /// Those that may come again.
    operations: HashMap<(AccountId, OperationId), Operation>,
    holds: HashMap<HoldId, Open>,
    last_hold: u64,
}

#[derive(Debug)]
struct Open {
    account: AccountId,
    source: HoldSource,
    /// The operation, where it may come again.
    named: Option<OperationId>,
}

#[derive(Debug)]
struct Operation {
    repeats: Repeats,
    state: State,
}

#[derive(Debug)]
enum State {
    Held,
    Posted,
    Released,
}

impl MemoryLedger {
    /// Without any credits.
    pub fn new() -> Self {
        Self::default()
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
        let HoldRequest { account, operation, repeats, amount, monthly, now } = *request;
        let purse = self.purses.entry(account.clone()).or_default();
        purse.roll(monthly, now.wall);
        let name = (account.clone(), operation.clone());
        let known = if repeats == Repeats::Never { None } else { self.operations.get(&name) };
        match known {
            Some(known) if known.repeats != repeats => return HoldOutcome::Mismatch,
            Some(Operation { state: State::Held, .. }) => return HoldOutcome::InFlight,
            Some(Operation { state: State::Posted, .. }) => {
                return HoldOutcome::AlreadyCharged { balance: purse.balance(monthly, now.wall) };
            }
            Some(Operation { state: State::Released, .. }) | None => {}
        }
        match purse.hold(amount) {
            Err(Insufficient) => HoldOutcome::Insufficient {
                available: purse.available(),
                resets_at: purse.resets_at(monthly, now.wall),
            },
            Ok(source) => {
                self.last_hold += 1;
                let hold = HoldId(self.last_hold);
                let balance = purse.balance(monthly, now.wall);
                let mut open = Open { account: account.clone(), source, named: None };
                if repeats != Repeats::Never {
                    open.named = Some(operation.clone());
                    self.operations.insert(name, Operation { repeats, state: State::Held });
                }
                self.holds.insert(hold, open);
                HoldOutcome::Held { hold, balance }
            }
        }
    }

    fn settle(&mut self, hold: HoldId, settlement: Settlement) {
        let Some(Open { account, source, named }) = self.holds.remove(&hold) else { return };
        let booking = self.purses.entry(account.clone()).or_default().settle(source, settlement);
        let operation = named.and_then(|operation| self.operations.get_mut(&(account, operation)));
        if let Some(operation) = operation {
            operation.state = if booking.posted > 0 { State::Posted } else { State::Released };
        }
    }
}

impl Ledger for MemoryLedger {
    fn hold(&self, request: &HoldRequest<'_>) -> Answer<Result<HoldOutcome, StoreError>> {
        Answer::Ready(Ok(self.books().hold(request)))
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
