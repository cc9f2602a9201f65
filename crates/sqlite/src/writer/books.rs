//! The ledger within one transaction.
//!
//! A purse is read when a batch first needs it and written once at the batch's end, however many
//! operations it had. Nothing is kept from one batch to the next: after a failed commit there is nothing
//! to undo.

use std::collections::HashMap;

use demur_admission::{
    AccountId, Balance, HoldId, HoldOutcome, HoldSource, Insufficient, MonthlyCredits, MonthlyGrant,
    OperationId, Purse, Settlement, TooLarge,
};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::HoldJob;
use crate::directory::{moment, parsed};

/// The states of an operation, as in the table.
const HELD: i64 = 0;
const POSTED: i64 = 1;
const RELEASED: i64 = 2;

pub(super) struct Books<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    next_hold: &'a mut u64,
    purses: HashMap<AccountId, Loaded>,
}

struct Loaded {
    purse: Purse,
    stored: Purse,
}

/// What is known of an operation id.
struct Known {
    fingerprint: [u8; 32],
    state: i64,
}

/// Settles what an earlier process left held: the upstream may have done the work, so it counts as posted
/// and is marked. Returns the number of the next hold.
pub(super) fn recover(connection: &Connection) -> rusqlite::Result<u64> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute("UPDATE purse SET posted = posted + held, held = 0 WHERE held > 0", [])?;
    transaction.execute(
        "UPDATE operation SET state = ?1, posted = from_monthly + from_lasting, outcome_unknown = 1 WHERE state = ?2",
        [POSTED, HELD],
    )?;
    let last: u64 =
        transaction.query_row("SELECT coalesce(max(hold), 0) FROM operation", [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(last + 1)
}

impl<'a> Books<'a> {
    pub(super) fn open(transaction: &'a Transaction<'a>, next_hold: &'a mut u64) -> Self {
        Self { transaction, next_hold, purses: HashMap::new() }
    }

    /// Writes the purses back.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        let changed = self.purses.iter().filter(|(_, loaded)| loaded.purse != loaded.stored);
        for (account, Loaded { purse, .. }) in changed {
            let sql = "UPDATE purse SET monthly = ?2, lasting = ?3, held = ?4, posted = ?5, granted = ?6, expired = ?7,
                       month_begins = ?8, month_ends = ?9, month_amount = ?10 WHERE account = ?1";
            self.transaction.prepare_cached(sql)?.execute(params![
                account.as_str(),
                purse.monthly,
                purse.lasting,
                purse.held,
                purse.posted,
                purse.granted,
                purse.expired,
                purse.month.map(|month| month.begins.to_string()),
                purse.month.map(|month| month.ends.as_microsecond()),
                purse.month.map(|month| month.amount),
            ])?;
        }
        Ok(())
    }

    pub(super) fn hold(&mut self, job: &HoldJob) -> rusqlite::Result<HoldOutcome> {
        let monthly = job.monthly.as_ref();
        let known = self.operation(&job.account, &job.operation)?;
        let Some(purse) = self.rolled(&job.account, monthly, job.at)? else {
            // Without an account there is nothing to pay from.
            return Ok(HoldOutcome::Insufficient { available: 0, resets_at: None });
        };
        match known {
            Some(known) if known.fingerprint != job.fingerprint.0 => return Ok(HoldOutcome::Mismatch),
            Some(Known { state: HELD, .. }) => return Ok(HoldOutcome::InFlight),
            Some(Known { state: POSTED, .. }) => {
                return Ok(HoldOutcome::AlreadyCharged { balance: purse.balance(monthly, job.at) });
            }
            // What was released may be tried again.
            Some(_) | None => {}
        }
        match purse.hold(job.amount) {
            Err(Insufficient) => Ok(HoldOutcome::Insufficient {
                available: purse.available(),
                resets_at: purse.resets_at(monthly, job.at),
            }),
            Ok(source) => {
                let balance = purse.balance(monthly, job.at);
                let hold = HoldId(*self.next_hold);
                *self.next_hold += 1;
                self.insert(hold, job, source)?;
                Ok(HoldOutcome::Held { hold, balance })
            }
        }
    }

    pub(super) fn settle(&mut self, hold: HoldId, settlement: Settlement) -> rusqlite::Result<()> {
        let sql =
            "SELECT account, from_monthly, from_lasting, month FROM operation WHERE hold = ?1 AND state = ?2";
        let held = |row: &Row<'_>| {
            let source =
                HoldSource { monthly: row.get(1)?, lasting: row.get(2)?, month: optional_date(row, 3)? };
            Ok((parsed::<AccountId>(row, 0)?, source))
        };
        let found =
            self.transaction.prepare_cached(sql)?.query_row(params![hold.0, HELD], held).optional()?;
        let Some((account, source)) = found else { return Ok(()) };
        let Some(purse) = self.purse(&account)? else { return Ok(()) };
        let booking = purse.settle(source, settlement);
        let state = if booking.posted > 0 { POSTED } else { RELEASED };
        let sql = "UPDATE operation SET state = ?2, posted = ?3 WHERE hold = ?1";
        self.transaction.prepare_cached(sql)?.execute(params![hold.0, state, booking.posted])?;
        Ok(())
    }

    /// What an account has; nothing where there is no such account.
    pub(super) fn balance(
        &mut self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        at: Timestamp,
    ) -> rusqlite::Result<Balance> {
        let purse = self.rolled(account, monthly, at)?;
        Ok(purse.map_or_else(Balance::default, |purse| purse.balance(monthly, at)))
    }

    pub(super) fn top_up(
        &mut self,
        account: &AccountId,
        amount: u64,
    ) -> rusqlite::Result<Result<(), TooLarge>> {
        let purse = self.purse(account)?;
        Ok(purse.map_or(Ok(()), |purse| purse.top_up(amount)))
    }

    fn rolled(
        &mut self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        at: Timestamp,
    ) -> rusqlite::Result<Option<&mut Purse>> {
        let transaction = self.transaction;
        let Some(purse) = self.purse(account)? else { return Ok(None) };
        if let Some(MonthlyGrant { begins, ends, amount }) = purse.roll(monthly, at) {
            let sql = "INSERT INTO monthly_grant (account, begins, ends, amount) VALUES (?1, ?2, ?3, ?4)";
            let values = params![account.as_str(), begins.to_string(), ends.as_microsecond(), amount];
            transaction.prepare_cached(sql)?.execute(values)?;
        }
        Ok(Some(purse))
    }

    fn purse(&mut self, account: &AccountId) -> rusqlite::Result<Option<&mut Purse>> {
        if !self.purses.contains_key(account) {
            let sql = "SELECT monthly, lasting, held, posted, granted, expired, month_begins, month_ends, month_amount
                       FROM purse WHERE account = ?1";
            let row =
                self.transaction.prepare_cached(sql)?.query_row([account.as_str()], purse_from).optional()?;
            if let Some(purse) = row {
                self.purses.insert(account.clone(), Loaded { stored: purse.clone(), purse });
            }
        }
        Ok(self.purses.get_mut(account).map(|loaded| &mut loaded.purse))
    }

    fn operation(&self, account: &AccountId, id: &OperationId) -> rusqlite::Result<Option<Known>> {
        let sql = "SELECT fingerprint, state FROM operation WHERE account = ?1 AND id = ?2";
        let known = |row: &Row<'_>| Ok(Known { fingerprint: row.get(0)?, state: row.get(1)? });
        self.transaction.prepare_cached(sql)?.query_row([account.as_str(), id.as_str()], known).optional()
    }

    fn insert(&self, hold: HoldId, job: &HoldJob, source: HoldSource) -> rusqlite::Result<()> {
        // Replaces an earlier attempt that was released: an account has one row for one operation.
        let sql = "INSERT OR REPLACE INTO operation
                   (hold, account, id, fingerprint, from_monthly, from_lasting, month, state, created)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.transaction.prepare_cached(sql)?.execute(params![
            hold.0,
            job.account.as_str(),
            job.operation.as_str(),
            &job.fingerprint.0[..],
            source.monthly,
            source.lasting,
            source.month.map(|month| month.to_string()),
            HELD,
            job.at.as_microsecond(),
        ])?;
        Ok(())
    }
}

fn purse_from(row: &Row<'_>) -> rusqlite::Result<Purse> {
    let month = match optional_date(row, 6)? {
        Some(begins) => Some(MonthlyGrant { begins, ends: moment(row, 7)?, amount: row.get(8)? }),
        None => None,
    };
    Ok(Purse {
        monthly: row.get(0)?,
        lasting: row.get(1)?,
        held: row.get(2)?,
        posted: row.get(3)?,
        granted: row.get(4)?,
        expired: row.get(5)?,
        month,
    })
}

fn optional_date(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Date>> {
    let is_null = row.get_ref(column)? == rusqlite::types::ValueRef::Null;
    if is_null { Ok(None) } else { parsed(row, column).map(Some) }
}
