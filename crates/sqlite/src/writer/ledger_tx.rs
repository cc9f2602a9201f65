//! The ledger within one transaction.
//!
//! Balances and open holds stay in memory between batches, in the [`LedgerState`]. A balance is written once per batch,
//! however many operations changed it; operations without an `Idempotency-Key` are packed into one row.

use std::collections::HashMap;

use demur_admission::{
    AccountId, Balance, CreditBalance, Expiry, GrantEntry, HoldId, HoldOutcome, HoldSource, Insufficient,
    MonthlyCredits, MonthlyGrant, Rollover, Settlement, StoredResponse, TooLarge, wait_for,
};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::job::HoldJob;
use super::state::{BatchPosition, CachedAccount, LedgerState, OpenHold, Rollback};
use crate::batch_codec::{self, BatchEntry};
use crate::directory::{moment, parsed};

/// The states of an operation in the table.
pub(crate) const HELD: i64 = 0;
pub(crate) const POSTED: i64 = 1;
pub(crate) const RELEASED: i64 = 2;

/// What is known of an operation that a client has named.
#[derive(Debug)]
pub(super) enum ClaimDecision {
    /// Nothing that prevents its execution.
    Execute,
    /// It must not execute; this is the outcome.
    Decided(HoldOutcome),
    /// It completed, and this repeat may be forwarded.
    Forward,
}

/// The ledger within one transaction.
pub(super) struct LedgerTx<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) state: &'a mut LedgerState,
    pub(super) rollback: &'a mut Rollback,
    /// The accounts that this batch has read or changed, as they are now.
    changed: HashMap<AccountId, CachedAccount>,
    packed: Vec<u8>,
    /// When this batch is written.
    at: Timestamp,
}

impl<'a> LedgerTx<'a> {
    pub(super) fn open(
        transaction: &'a Transaction<'a>,
        state: &'a mut LedgerState,
        rollback: &'a mut Rollback,
        at: Timestamp,
    ) -> Self {
        Self { transaction, state, rollback, changed: HashMap::new(), packed: Vec::new(), at }
    }

    /// Writes the changed balances and the operations.
    pub(super) fn close(mut self) -> rusqlite::Result<()> {
        let sql =
            "UPDATE purse SET monthly = ?2, lasting = ?3, held = ?4, posted = ?5, granted = ?6, expired = ?7,
                   month_begins = ?8, month_ends = ?9, month_amount = ?10, bookings = ?11 WHERE account = ?1";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let is_changed = |(account, cached): &(&AccountId, &CachedAccount)| {
            self.state.accounts.get(*account) != Some(*cached)
        };
        for (account, CachedAccount { balance, entries }) in self.changed.iter().filter(is_changed) {
            statement.execute(params![
                account.as_str(),
                balance.monthly,
                balance.non_expiring,
                balance.held,
                balance.posted,
                balance.granted,
                balance.expired,
                balance.month.map(|month| month.begins.to_string()),
                balance.month.map(|month| month.ends.as_microsecond()),
                balance.month.map(|month| month.amount),
                entries,
            ])?;
        }
        if !self.packed.is_empty() {
            self.write_batch()?;
        }
        self.state.keep(self.changed);
        Ok(())
    }

    fn write_batch(&mut self) -> rusqlite::Result<()> {
        let id = self.state.next_batch;
        for hold in self.state.holds_to_reassert(id) {
            if let Some(open) = self.state.open.get(&hold) {
                let (account, amount) = (open.account.as_str(), open.source.amount());
                batch_codec::write(BatchEntry::HoldCarried { hold, account, amount }, &mut self.packed);
            }
            self.rollback.reasserted.extend(self.state.reassert(hold, id).map(|before| (hold, before)));
        }
        let (open_from, read_from) = self.state.first_open();
        let sql = "INSERT INTO batch (id, created, open_from, next_hold, entries, read_from)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (at, next_hold) = (self.at.as_microsecond(), self.state.next_hold);
        let values = params![id, at, open_from, next_hold, self.packed, read_from];
        self.transaction.prepare_cached(sql)?.execute(values)?;
        // The number is not reused even if this batch is not committed.
        self.state.next_batch += 1;
        Ok(())
    }

    pub(super) fn hold(&mut self, job: &HoldJob) -> rusqlite::Result<HoldOutcome> {
        let monthly = job.monthly.as_ref();
        if let Some(claim) = &job.claim {
            match self.decide_claim(job, claim)? {
                ClaimDecision::Execute => {}
                ClaimDecision::Decided(outcome) => return Ok(outcome),
                ClaimDecision::Forward => {
                    let balance = self.balance(&job.account, monthly, job.at)?;
                    return Ok(HoldOutcome::Repeated { balance });
                }
            }
        }
        let Some(cached) = self.current(&job.account, monthly, job.at)? else {
            // An unknown account has no credits.
            return Ok(HoldOutcome::Insufficient { available: 0, resets_at: None, held_for: None });
        };
        let balance = &mut cached.balance;
        match balance.hold(job.amount) {
            Err(Insufficient) => {
                let (available, resets_at) = (balance.available(), balance.resets_at(monthly, job.at));
                let would_suffice = balance.suffices_without_holds(job.amount);
                let held_for = would_suffice.then(|| wait_for(self.state.oldest_lease(&job.account), job.at));
                Ok(HoldOutcome::Insufficient { available, resets_at, held_for })
            }
            Ok(source) => {
                let snapshot = balance.balance(monthly, job.at);
                // An operation that costs nothing is no ledger entry.
                let booking = if job.amount > 0 { cached.next_entry() } else { 0 };
                let hold = HoldId(self.state.next_hold);
                self.state.next_hold += 1;
                if let Some(claim) = &job.claim {
                    self.insert_claim(hold, job, claim)?;
                }
                if job.amount > 0 {
                    self.open_hold(hold, job, source, booking)?;
                }
                Ok(HoldOutcome::Held { hold, balance: snapshot })
            }
        }
    }

    /// Records a hold: in the batch, or in a row of its own where the client has named the operation.
    fn open_hold(
        &mut self,
        hold: HoldId,
        job: &HoldJob,
        source: HoldSource,
        booking: u64,
    ) -> rusqlite::Result<()> {
        let batch = match &job.claim {
            None => {
                let (account, operation) = (job.account.as_str(), job.operation.as_str());
                let at = job.at.as_microsecond();
                batch_codec::write(
                    BatchEntry::Held { hold, account, operation, source, at, booking },
                    &mut self.packed,
                );
                Some(BatchPosition::created_in(self.state.next_batch))
            }
            Some(claim) => {
                self.insert_operation(hold, job, &claim.fingerprint.0, source, booking)?;
                None
            }
        };
        let (account, lease_ends) = (job.account.clone(), job.lease_ends);
        self.state.put_open(hold, OpenHold { account, source, lease_ends, batch });
        self.rollback.opened.push(hold);
        Ok(())
    }

    /// Settles a hold; a settled hold does not change.
    pub(super) fn settle(&mut self, hold: HoldId, settlement: Settlement) -> rusqlite::Result<()> {
        self.end_claim(hold, settlement, None)?;
        self.settle_credits(hold, settlement)
    }

    /// Posts a claimed hold and stores the response.
    pub(super) fn complete(
        &mut self,
        hold: HoldId,
        posted: u64,
        response: &StoredResponse,
    ) -> rusqlite::Result<()> {
        let settlement = Settlement::Post(posted);
        self.end_claim(hold, settlement, Some(response))?;
        self.settle_credits(hold, settlement)
    }

    fn settle_credits(&mut self, hold: HoldId, settlement: Settlement) -> rusqlite::Result<()> {
        let Some(open) = self.state.take_open(hold) else { return Ok(()) };
        let (account, source, batch) = (open.account.clone(), open.source, open.batch);
        self.rollback.closed.push((hold, open));
        let Some(cached) = self.cached(&account)? else { return Ok(()) };
        let settled = cached.balance.settle(source, settlement);
        let (posted, booking) = (settled.posted, cached.next_entry());
        if settled.expired > 0 {
            let number = cached.next_entry();
            self.write_expiry(&account, source.month, settled.expired, self.at, number)?;
        }
        if batch.is_some() {
            batch_codec::write(BatchEntry::Settled { hold, posted, booking }, &mut self.packed);
            return Ok(());
        }
        let state = if posted > 0 { POSTED } else { RELEASED };
        let sql = "UPDATE operation SET state = ?2, posted = ?3, booking = ?4, ended = ?5 WHERE hold = ?1";
        let values = params![hold.0, state, posted, booking, self.at.as_microsecond()];
        self.transaction.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// Returns the balance of an account; zero for an unknown account.
    pub(super) fn balance(
        &mut self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        at: Timestamp,
    ) -> rusqlite::Result<Balance> {
        let cached = self.current(account, monthly, at)?;
        Ok(cached.map_or_else(Balance::default, |cached| cached.balance.balance(monthly, at)))
    }

    /// Adds credits and returns the number of the ledger entry.
    pub(super) fn top_up(
        &mut self,
        account: &AccountId,
        amount: u64,
    ) -> rusqlite::Result<Result<u64, TooLarge>> {
        let Some(cached) = self.cached(account)? else { return Ok(Err(TooLarge)) };
        Ok(cached.balance.top_up(amount).map(|()| cached.next_entry()))
    }

    /// Takes credits and returns the number of the ledger entry and how much it took from monthly credits.
    pub(super) fn withdraw(
        &mut self,
        account: &AccountId,
        amount: u64,
    ) -> rusqlite::Result<Result<(u64, u64), Insufficient>> {
        let Some(cached) = self.cached(account)? else { return Ok(Err(Insufficient)) };
        Ok(cached.balance.withdraw(amount).map(|monthly| (cached.next_entry(), monthly)))
    }

    /// Refunds spent credits and returns the number of the ledger entry.
    pub(super) fn refund(
        &mut self,
        account: &AccountId,
        amount: u64,
    ) -> rusqlite::Result<Result<u64, Insufficient>> {
        let Some(cached) = self.cached(account)? else { return Ok(Err(Insufficient)) };
        Ok(cached.balance.refund(amount).map(|()| cached.next_entry()))
    }

    /// Returns an account after its period has been rolled over, to be changed.
    fn current(
        &mut self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        at: Timestamp,
    ) -> rusqlite::Result<Option<&mut CachedAccount>> {
        let Some(cached) = self.cached(account)? else { return Ok(None) };
        let Rollover { expired, granted } = cached.balance.roll_period(monthly, at);
        let expired = expired.map(|expiry| (expiry, cached.next_entry()));
        let granted = granted.map(|granted| (granted, cached.next_entry()));
        if let Some((Expiry { month, amount }, booking)) = expired {
            let ended = month.map_or(at, |month| month.ends);
            self.write_expiry(account, month.map(|month| month.begins), amount, ended, booking)?;
        }
        if let Some((granted, booking)) = granted {
            self.write_grant(account, &granted, at, booking)?;
        }
        self.cached(account)
    }

    fn write_grant(
        &self,
        account: &AccountId,
        granted: &GrantEntry,
        at: Timestamp,
        booking: u64,
    ) -> rusqlite::Result<()> {
        let sql = "INSERT INTO monthly_grant (account, begins, granted, ends, amount, created, booking)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let GrantEntry { month, amount } = granted;
        let (begins, ends) = (month.begins.to_string(), month.ends.as_microsecond());
        let created = at.as_microsecond();
        let values = params![account.as_str(), begins, month.amount, ends, amount, created, booking];
        self.transaction.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    fn write_expiry(
        &self,
        account: &AccountId,
        month: Option<Date>,
        amount: u64,
        at: Timestamp,
        booking: u64,
    ) -> rusqlite::Result<()> {
        let sql = "INSERT INTO expiry (account, booking, begins, amount, created)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let begins = month.map(|begins| begins.to_string());
        let values = params![account.as_str(), booking, begins, amount, at.as_microsecond()];
        self.transaction.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// Returns an account, to be changed.
    fn cached(&mut self, account: &AccountId) -> rusqlite::Result<Option<&mut CachedAccount>> {
        if !self.changed.contains_key(account) {
            let cached = match self.state.accounts.get(account) {
                Some(cached) => Some(cached.clone()),
                None => self.load(account)?,
            };
            let Some(cached) = cached else { return Ok(None) };
            self.state.accounts.entry(account.clone()).or_insert_with(|| cached.clone());
            self.changed.insert(account.clone(), cached);
        }
        Ok(self.changed.get_mut(account))
    }

    fn load(&self, account: &AccountId) -> rusqlite::Result<Option<CachedAccount>> {
        let sql = "SELECT monthly, lasting, held, posted, granted, expired, month_begins, month_ends,
                       month_amount, bookings
                   FROM purse WHERE account = ?1";
        self.transaction.prepare_cached(sql)?.query_row([account.as_str()], account_from_row).optional()
    }

    fn insert_operation(
        &self,
        hold: HoldId,
        job: &HoldJob,
        fingerprint: &[u8; 32],
        source: HoldSource,
        booking: u64,
    ) -> rusqlite::Result<()> {
        // Replaces an earlier attempt that was released: an account has one row per operation.
        let sql = "INSERT OR REPLACE INTO operation
                   (hold, account, id, fingerprint, from_monthly, from_lasting, month, state, created, booking)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        self.transaction.prepare_cached(sql)?.execute(params![
            hold.0,
            job.account.as_str(),
            job.operation.as_str(),
            &fingerprint[..],
            source.monthly,
            source.lasting,
            source.month.map(|month| month.to_string()),
            HELD,
            job.at.as_microsecond(),
            booking,
        ])?;
        Ok(())
    }
}

fn account_from_row(row: &Row<'_>) -> rusqlite::Result<CachedAccount> {
    let month = match optional_date(row, 6)? {
        Some(begins) => Some(MonthlyGrant { begins, ends: moment(row, 7)?, amount: row.get(8)? }),
        None => None,
    };
    let balance = CreditBalance {
        monthly: row.get(0)?,
        non_expiring: row.get(1)?,
        held: row.get(2)?,
        posted: row.get(3)?,
        granted: row.get(4)?,
        expired: row.get(5)?,
        month,
    };
    Ok(CachedAccount { balance, entries: row.get(9)? })
}

fn optional_date(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Date>> {
    let is_null = row.get_ref(column)? == rusqlite::types::ValueRef::Null;
    if is_null { Ok(None) } else { parsed(row, column).map(Some) }
}
