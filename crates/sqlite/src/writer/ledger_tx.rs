//! The ledger within one transaction.
//!
//! Purses and open holds stay in memory from batch to batch, in the [`LedgerState`]. A purse is written once for each
//! batch, however many operations it had; operations that only the gateway has a name for go into one packed row.

use std::collections::HashMap;

use demur_admission::{
    AccountId, Balance, CreditBalance, Expiry, GrantEntry, HoldId, HoldOutcome, HoldSource, Insufficient,
    MonthlyCredits, MonthlyGrant, Rollover, Settlement, StoredResponse, TooLarge, wait_for,
};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::HoldJob;
use super::claims::StoredClaim;
use super::state::{BatchPosition, CachedAccount, LedgerState, OpenHold, Rollback};
use crate::batch_codec::{self, BatchEntry};
use crate::directory::{moment, parsed};

/// The states of an operation, as in the table.
pub(crate) const HELD: i64 = 0;
pub(crate) const POSTED: i64 = 1;
pub(crate) const RELEASED: i64 = 2;

pub(super) struct LedgerTx<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) till: &'a mut LedgerState,
    pub(super) undo: &'a mut Rollback,
    /// The purses that this batch has asked for, as they are now.
    changed: HashMap<AccountId, CachedAccount>,
    entries: Vec<u8>,
    /// When this batch is written.
    at: Timestamp,
}

impl<'a> LedgerTx<'a> {
    pub(super) fn open(
        transaction: &'a Transaction<'a>,
        till: &'a mut LedgerState,
        undo: &'a mut Rollback,
        at: Timestamp,
    ) -> Self {
        Self { transaction, till, undo, changed: HashMap::new(), entries: Vec::new(), at }
    }

    /// Writes purses and operations.
    pub(super) fn close(mut self) -> rusqlite::Result<()> {
        let sql =
            "UPDATE purse SET monthly = ?2, lasting = ?3, held = ?4, posted = ?5, granted = ?6, expired = ?7,
                   month_begins = ?8, month_ends = ?9, month_amount = ?10, bookings = ?11 WHERE account = ?1";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let is_news =
            |(account, kept): &(&AccountId, &CachedAccount)| self.till.purses.get(*account) != Some(*kept);
        for (account, CachedAccount { purse, bookings }) in self.changed.iter().filter(is_news) {
            statement.execute(params![
                account.as_str(),
                purse.monthly,
                purse.non_expiring,
                purse.held,
                purse.posted,
                purse.granted,
                purse.expired,
                purse.month.map(|month| month.begins.to_string()),
                purse.month.map(|month| month.ends.as_microsecond()),
                purse.month.map(|month| month.amount),
                bookings,
            ])?;
        }
        if !self.entries.is_empty() {
            self.write_batch()?;
        }
        self.till.keep(self.changed);
        Ok(())
    }

    fn write_batch(&mut self) -> rusqlite::Result<()> {
        let id = self.till.next_batch;
        for hold in self.till.open_for_long(id) {
            if let Some(open) = self.till.open.get(&hold) {
                let (account, amount) = (open.account.as_str(), open.source.amount());
                batch_codec::write(BatchEntry::HoldCarried { hold, account, amount }, &mut self.entries);
            }
            self.undo.said.extend(self.till.reassert(hold, id).map(|before| (hold, before)));
        }
        let (open_from, read_from) = self.till.first_open();
        let sql = "INSERT INTO batch (id, created, open_from, next_hold, entries, read_from)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (at, next_hold) = (self.at.as_microsecond(), self.till.next_hold);
        let values = params![id, at, open_from, next_hold, self.entries, read_from];
        self.transaction.prepare_cached(sql)?.execute(values)?;
        // A number that is not committed is not used again either.
        self.till.next_batch += 1;
        Ok(())
    }

    pub(super) fn hold(&mut self, job: &HoldJob) -> rusqlite::Result<HoldOutcome> {
        let monthly = job.monthly.as_ref();
        if let Some(claim) = &job.claim {
            match self.known(job, claim)? {
                StoredClaim::New => {}
                StoredClaim::Decided(outcome) => return Ok(outcome),
                StoredClaim::Repeated => {
                    let balance = self.balance(&job.account, monthly, job.at)?;
                    return Ok(HoldOutcome::Repeated { balance });
                }
            }
        }
        let Some(kept) = self.rolled(&job.account, monthly, job.at)? else {
            // Without an account there is nothing to pay from.
            return Ok(HoldOutcome::Insufficient { available: 0, resets_at: None, held_for: None });
        };
        let purse = &mut kept.purse;
        match purse.hold(job.amount) {
            Err(Insufficient) => {
                let (available, resets_at) = (purse.available(), purse.resets_at(monthly, job.at));
                let waits = purse.suffices_without_holds(job.amount);
                let held_for = waits.then(|| wait_for(self.till.oldest_lease(&job.account), job.at));
                Ok(HoldOutcome::Insufficient { available, resets_at, held_for })
            }
            Ok(source) => {
                let balance = purse.balance(monthly, job.at);
                // What costs nothing is no booking.
                let booking = if job.amount > 0 { kept.number() } else { 0 };
                let hold = HoldId(self.till.next_hold);
                self.till.next_hold += 1;
                if let Some(claim) = &job.claim {
                    self.insert_claim(hold, job, claim)?;
                }
                if job.amount > 0 {
                    self.open_hold(hold, job, source, booking)?;
                }
                Ok(HoldOutcome::Held { hold, balance })
            }
        }
    }

    /// Writes a hold down: with others in the batch, or, of an operation that the client has named, in a row of its own.
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
                    &mut self.entries,
                );
                Some(BatchPosition::made_in(self.till.next_batch))
            }
            Some(claim) => {
                self.insert(hold, job, &claim.fingerprint.0, source, booking)?;
                None
            }
        };
        let (account, lease_ends) = (job.account.clone(), job.lease_ends);
        self.till.put_open(hold, OpenHold { account, source, lease_ends, batch });
        self.undo.opened.push(hold);
        Ok(())
    }

    /// Ends a hold; what has ended stays as it is.
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
        let Some(open) = self.till.take_open(hold) else { return Ok(()) };
        let (account, source, batch) = (open.account.clone(), open.source, open.batch);
        self.undo.closed.push((hold, open));
        let Some(kept) = self.purse(&account)? else { return Ok(()) };
        let booked = kept.purse.settle(source, settlement);
        let (posted, booking) = (booked.posted, kept.number());
        if booked.expired > 0 {
            let number = kept.number();
            self.write_expiry(&account, source.month, booked.expired, self.at, number)?;
        }
        if batch.is_some() {
            batch_codec::write(BatchEntry::Settled { hold, posted, booking }, &mut self.entries);
            return Ok(());
        }
        let state = if posted > 0 { POSTED } else { RELEASED };
        let sql = "UPDATE operation SET state = ?2, posted = ?3, booking = ?4, ended = ?5 WHERE hold = ?1";
        let values = params![hold.0, state, posted, booking, self.at.as_microsecond()];
        self.transaction.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// What an account has; nothing where there is no such account.
    pub(super) fn balance(
        &mut self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        at: Timestamp,
    ) -> rusqlite::Result<Balance> {
        let kept = self.rolled(account, monthly, at)?;
        Ok(kept.map_or_else(Balance::default, |kept| kept.purse.balance(monthly, at)))
    }

    /// The number of the booking.
    pub(super) fn top_up(
        &mut self,
        account: &AccountId,
        amount: u64,
    ) -> rusqlite::Result<Result<u64, TooLarge>> {
        let Some(kept) = self.purse(account)? else { return Ok(Err(TooLarge)) };
        Ok(kept.purse.top_up(amount).map(|()| kept.number()))
    }

    /// The number of the booking, and how much it took of the month's credits.
    pub(super) fn withdraw(
        &mut self,
        account: &AccountId,
        amount: u64,
    ) -> rusqlite::Result<Result<(u64, u64), Insufficient>> {
        let Some(kept) = self.purse(account)? else { return Ok(Err(Insufficient)) };
        Ok(kept.purse.withdraw(amount).map(|monthly| (kept.number(), monthly)))
    }

    /// The number of the booking.
    pub(super) fn refund(
        &mut self,
        account: &AccountId,
        amount: u64,
    ) -> rusqlite::Result<Result<u64, Insufficient>> {
        let Some(kept) = self.purse(account)? else { return Ok(Err(Insufficient)) };
        Ok(kept.purse.refund(amount).map(|()| kept.number()))
    }

    fn rolled(
        &mut self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        at: Timestamp,
    ) -> rusqlite::Result<Option<&mut CachedAccount>> {
        let Some(kept) = self.purse(account)? else { return Ok(None) };
        let Rollover { expired, granted } = kept.purse.roll_period(monthly, at);
        let expired = expired.map(|expiry| (expiry, kept.number()));
        let granted = granted.map(|granted| (granted, kept.number()));
        if let Some((Expiry { month, amount }, booking)) = expired {
            let ended = month.map_or(at, |month| month.ends);
            self.write_expiry(account, month.map(|month| month.begins), amount, ended, booking)?;
        }
        if let Some((granted, booking)) = granted {
            self.write_grant(account, &granted, at, booking)?;
        }
        self.purse(account)
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

    /// The purse of an account, to be changed.
    fn purse(&mut self, account: &AccountId) -> rusqlite::Result<Option<&mut CachedAccount>> {
        if !self.changed.contains_key(account) {
            let kept = match self.till.purses.get(account) {
                Some(kept) => Some(kept.clone()),
                None => self.stored(account)?,
            };
            let Some(kept) = kept else { return Ok(None) };
            self.till.purses.entry(account.clone()).or_insert_with(|| kept.clone());
            self.changed.insert(account.clone(), kept);
        }
        Ok(self.changed.get_mut(account))
    }

    fn stored(&self, account: &AccountId) -> rusqlite::Result<Option<CachedAccount>> {
        let sql = "SELECT monthly, lasting, held, posted, granted, expired, month_begins, month_ends,
                       month_amount, bookings
                   FROM purse WHERE account = ?1";
        self.transaction.prepare_cached(sql)?.query_row([account.as_str()], kept_from).optional()
    }

    fn insert(
        &self,
        hold: HoldId,
        job: &HoldJob,
        fingerprint: &[u8; 32],
        source: HoldSource,
        booking: u64,
    ) -> rusqlite::Result<()> {
        // Replaces an earlier attempt that was released: an account has one row for one operation.
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

fn kept_from(row: &Row<'_>) -> rusqlite::Result<CachedAccount> {
    let month = match optional_date(row, 6)? {
        Some(begins) => Some(MonthlyGrant { begins, ends: moment(row, 7)?, amount: row.get(8)? }),
        None => None,
    };
    let purse = CreditBalance {
        monthly: row.get(0)?,
        non_expiring: row.get(1)?,
        held: row.get(2)?,
        posted: row.get(3)?,
        granted: row.get(4)?,
        expired: row.get(5)?,
        month,
    };
    Ok(CachedAccount { purse, bookings: row.get(9)? })
}

fn optional_date(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Date>> {
    let is_null = row.get_ref(column)? == rusqlite::types::ValueRef::Null;
    if is_null { Ok(None) } else { parsed(row, column).map(Some) }
}
