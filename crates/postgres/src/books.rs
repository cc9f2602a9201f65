//! The accounts that one transaction has locked, and the ledger entries that it adds. The rules are admission's
//! ([`CreditBalance`]); this module reads and writes what they compute.
//!
//! Long because the columns of two tables are listed beside the entries that they come from.

use std::collections::BTreeMap;

use demur_admission::{
    Account, AccountId, Balance, CreditBalance, GrantDay, HoldId, HoldSource, Insufficient, MonthlyCredits,
    MonthlyGrant, OperationId, Rollover, Settlement, TooLarge,
};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::{Client, Row};

use crate::error::DbError;
use crate::rows::{optional_moment, optional_parsed, optional_unsigned, parsed, signed, unsigned};

/// The kinds of entries, as numbers in the table.
pub(crate) const GRANT: i16 = 1;
pub(crate) const TOP_UP: i16 = 2;
pub(crate) const WITHDRAWAL: i16 = 3;
pub(crate) const REFUND: i16 = 4;
pub(crate) const EXPIRED: i16 = 5;
pub(crate) const POSTED: i16 = 6;
pub(crate) const RELEASED: i16 = 7;
pub(crate) const UNKNOWN: i16 = 8;

/// Locks accounts, in the order of their IDs: two transactions never wait for each other.
pub(crate) const LOCK: &str =
    "SELECT id, name, plan, grant_day, deleted, monthly, non_expiring, held, posted, granted,
       expired, month_begins, month_ends, month_amount, entries, claims, claim_bytes
    FROM demur.account WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

pub(crate) const UPDATE: &str = "UPDATE demur.account AS a SET monthly = u.monthly, non_expiring = u.non_expiring,
       held = u.held, posted = u.posted, granted = u.granted, expired = u.expired, month_begins = u.month_begins,
       month_ends = u.month_ends, month_amount = u.month_amount, entries = u.entries, claims = u.claims,
       claim_bytes = u.claim_bytes
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
        AS u (id, monthly, non_expiring, held, posted, granted, expired, month_begins, month_ends, month_amount,
            entries, claims, claim_bytes)
    WHERE a.id = u.id";

pub(crate) const INSERT_ENTRIES: &str = "INSERT INTO demur.entry
        (account, number, kind, amount, from_monthly, held, name, month_total, reason, began, at)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::bigint[])";

/// An open hold, with what its ledger entry needs when it is settled.
#[derive(Debug, Clone)]
pub(crate) struct OpenHold {
    pub(crate) account: AccountId,
    pub(crate) operation: OperationId,
    /// Whether the client has named the operation.
    pub(crate) is_claimed: bool,
    pub(crate) source: HoldSource,
    pub(crate) began: Timestamp,
    /// When the request is expected to end.
    pub(crate) lease_ends: Timestamp,
}

/// An account as this transaction sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BookedAccount {
    pub(crate) account: Account,
    pub(crate) deleted: Option<Timestamp>,
    pub(crate) balance: CreditBalance,
    entries: u64,
    pub(crate) claims: u64,
    pub(crate) claim_bytes: u64,
}

impl BookedAccount {
    /// Returns the number of the next ledger entry.
    fn next_entry(&mut self) -> u64 {
        self.entries += 1;
        self.entries
    }

    fn of(row: &Row) -> Result<Self, DbError> {
        let month = match optional_parsed::<Date>(row, 11)? {
            None => None,
            Some(begins) => {
                let (ends, amount) = (optional_moment(row, 12)?, optional_unsigned(row, 13)?);
                let missing = || crate::rows::damaged(row, 12);
                Some(MonthlyGrant {
                    begins,
                    ends: ends.ok_or_else(missing)?,
                    amount: amount.ok_or_else(missing)?,
                })
            }
        };
        let balance = CreditBalance {
            monthly: unsigned(row, 5)?,
            non_expiring: unsigned(row, 6)?,
            held: unsigned(row, 7)?,
            posted: unsigned(row, 8)?,
            granted: unsigned(row, 9)?,
            expired: unsigned(row, 10)?,
            month,
        };
        let account = account_of(row)?;
        let deleted = optional_moment(row, 4)?;
        let (entries, claims, claim_bytes) = (unsigned(row, 14)?, unsigned(row, 15)?, unsigned(row, 16)?);
        Ok(Self { account, deleted, balance, entries, claims, claim_bytes })
    }
}

/// Reads an account from the columns `id, name, plan, grant_day`.
pub(crate) fn account_of(row: &Row) -> Result<Account, DbError> {
    let day: Option<i16> = row.try_get(3)?;
    let day = day.and_then(|day| u8::try_from(day).ok()).map(GrantDay::try_from).transpose();
    let grant_day = day.map_err(|_| crate::rows::damaged(row, 3))?;
    Ok(Account { id: parsed(row, 0)?, name: row.try_get(1)?, plan: row.try_get(2)?, grant_day })
}

/// A ledger entry to be written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) account: AccountId,
    number: u64,
    pub(crate) kind: i16,
    pub(crate) amount: u64,
    pub(crate) from_monthly: u64,
    pub(crate) held: Option<u64>,
    pub(crate) name: String,
    pub(crate) month_total: Option<u64>,
    pub(crate) reason: Option<String>,
    pub(crate) began: Option<Timestamp>,
    pub(crate) at: Timestamp,
}

/// The accounts of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Books {
    accounts: BTreeMap<AccountId, (BookedAccount, BookedAccount)>,
    entries: Vec<Entry>,
}

impl Books {
    /// Adds the rows of [`LOCK`].
    pub(crate) fn add(&mut self, rows: &[Row]) -> Result<(), DbError> {
        for row in rows {
            let booked = BookedAccount::of(row)?;
            self.accounts.insert(booked.account.id.clone(), (booked.clone(), booked));
        }
        Ok(())
    }

    /// Locks and reads accounts.
    pub(crate) async fn lock(&mut self, client: &Client, accounts: &[&AccountId]) -> Result<(), DbError> {
        let ids: Vec<&str> = accounts.iter().map(|account| account.as_str()).collect();
        let rows = client.query(LOCK, &[&ids]).await?;
        self.add(&rows)
    }

    pub(crate) fn account(&mut self, account: &AccountId) -> Option<&mut BookedAccount> {
        self.accounts.get_mut(account).map(|(booked, _)| booked)
    }

    /// The accounts that have been locked.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &BookedAccount> {
        self.accounts.values().map(|(booked, _)| booked)
    }

    /// Returns an account after its period has been rolled over, to be changed.
    pub(crate) fn current(
        &mut self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        at: Timestamp,
    ) -> Option<&mut BookedAccount> {
        let (booked, _) = self.accounts.get_mut(account)?;
        let Rollover { expired, granted } = booked.balance.roll_period(monthly, at);
        if let Some(expiry) = expired {
            let number = booked.next_entry();
            let month = expiry.month.map(|month| month.begins);
            let ended = expiry.month.map_or(at, |month| month.ends);
            self.entries.push(expired_entry(account, number, month, expiry.amount, ended));
        }
        if let Some(granted) = granted {
            let number = booked.next_entry();
            let name = granted.month.begins.to_string();
            let month_total = Some(granted.month.amount);
            self.entries
                .push(Entry { month_total, ..entry(account, number, GRANT, granted.amount, name, at) });
        }
        Some(booked)
    }

    /// Returns the balance of an account; zero for an unknown account.
    pub(crate) fn balance(
        &mut self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        at: Timestamp,
    ) -> Balance {
        self.current(account, monthly, at)
            .map_or_else(Balance::default, |booked| booked.balance.balance(monthly, at))
    }

    /// Settles a hold that is open.
    pub(crate) fn settle(
        &mut self,
        open: &OpenHold,
        settlement: Settlement,
        is_unknown: bool,
        at: Timestamp,
    ) {
        let (account, source) = (&open.account, open.source);
        let Some((booked, _)) = self.accounts.get_mut(account) else { return };
        let settled = booked.balance.settle(source, settlement);
        let number = booked.next_entry();
        let (kind, amount) = match settled.posted {
            0 => (RELEASED, source.amount()),
            posted if is_unknown => (UNKNOWN, posted),
            posted => (POSTED, posted),
        };
        self.entries.push(Entry {
            from_monthly: source.monthly_spent(settled.posted),
            held: Some(source.amount()),
            began: Some(open.began),
            ..entry(account, number, kind, amount, open.operation.to_string(), at)
        });
        if settled.expired > 0 {
            let number = booked.next_entry();
            self.entries.push(expired_entry(account, number, source.month, settled.expired, at));
        }
    }

    /// Adds credits that do not expire.
    pub(crate) fn top_up(&mut self, adjustment: &Adjustment<'_>) -> Result<(), TooLarge> {
        let booked = self.account(adjustment.account).ok_or(TooLarge)?;
        booked.balance.top_up(adjustment.amount)?;
        let number = booked.next_entry();
        self.entries.push(adjustment.entry(TOP_UP, number, 0));
        Ok(())
    }

    /// Removes credits.
    pub(crate) fn withdraw(&mut self, adjustment: &Adjustment<'_>) -> Result<(), Insufficient> {
        let booked = self.account(adjustment.account).ok_or(Insufficient)?;
        let from_monthly = booked.balance.withdraw(adjustment.amount)?;
        let number = booked.next_entry();
        self.entries.push(adjustment.entry(WITHDRAWAL, number, from_monthly));
        Ok(())
    }

    /// Refunds spent credits.
    pub(crate) fn refund(&mut self, adjustment: &Adjustment<'_>) -> Result<(), Insufficient> {
        let booked = self.account(adjustment.account).ok_or(Insufficient)?;
        booked.balance.refund(adjustment.amount)?;
        let number = booked.next_entry();
        self.entries.push(adjustment.entry(REFUND, number, 0));
        Ok(())
    }

    /// The accounts that have changed.
    pub(crate) fn changed(&self) -> Vec<&BookedAccount> {
        self.accounts.values().filter(|(booked, before)| booked != before).map(|(booked, _)| booked).collect()
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Writes the changed accounts and the entries.
    pub(crate) async fn write(&self, client: &Client) -> Result<(), DbError> {
        let accounts = AccountColumns::of(&self.changed());
        if !accounts.ids.is_empty() {
            client.execute(UPDATE, &accounts.values()).await?;
        }
        let entries = EntryColumns::of(&self.entries);
        if !entries.accounts.is_empty() {
            client.execute(INSERT_ENTRIES, &entries.values()).await?;
        }
        Ok(())
    }
}

/// What an operator adds or takes away.
pub(crate) struct Adjustment<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) amount: u64,
    pub(crate) operation: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) at: Timestamp,
}

impl Adjustment<'_> {
    fn entry(&self, kind: i16, number: u64, from_monthly: u64) -> Entry {
        let reason = Some(self.reason.to_owned());
        let entry = entry(self.account, number, kind, self.amount, self.operation.to_owned(), self.at);
        Entry { from_monthly, reason, ..entry }
    }
}

fn entry(account: &AccountId, number: u64, kind: i16, amount: u64, name: String, at: Timestamp) -> Entry {
    let account = account.clone();
    let (from_monthly, held, month_total, reason, began) = (0, None, None, None, None);
    Entry { account, number, kind, amount, from_monthly, held, name, month_total, reason, began, at }
}

fn expired_entry(account: &AccountId, number: u64, month: Option<Date>, amount: u64, at: Timestamp) -> Entry {
    let name = month.map_or_else(|| "earlier".to_owned(), |begins| begins.to_string());
    entry(account, number, EXPIRED, amount, name, at)
}

type Parameters<'a> = Vec<&'a (dyn tokio_postgres::types::ToSql + Sync)>;

/// The columns of [`UPDATE`].
#[derive(Default)]
pub(crate) struct AccountColumns {
    pub(crate) ids: Vec<String>,
    numbers: [Vec<i64>; 6],
    month_begins: Vec<Option<String>>,
    month_ends: Vec<Option<i64>>,
    month_amount: Vec<Option<i64>>,
    counts: [Vec<i64>; 3],
}

impl AccountColumns {
    pub(crate) fn of(accounts: &[&BookedAccount]) -> Self {
        let mut columns = Self::default();
        for BookedAccount { account, balance, entries, claims, claim_bytes, .. } in accounts {
            columns.ids.push(account.id.as_str().to_owned());
            let CreditBalance { monthly, non_expiring, held, posted, granted, expired, month } = balance;
            let numbers = [monthly, non_expiring, held, posted, granted, expired];
            columns.numbers.iter_mut().zip(numbers).for_each(|(column, number)| column.push(signed(*number)));
            columns.month_begins.push(month.map(|month| month.begins.to_string()));
            columns.month_ends.push(month.map(|month| month.ends.as_microsecond()));
            columns.month_amount.push(month.map(|month| signed(month.amount)));
            let counts = [entries, claims, claim_bytes];
            columns.counts.iter_mut().zip(counts).for_each(|(column, count)| column.push(signed(*count)));
        }
        columns
    }

    pub(crate) fn values(&self) -> Parameters<'_> {
        let mut values: Parameters<'_> = vec![&self.ids];
        self.numbers.iter().for_each(|column| values.push(column));
        values.push(&self.month_begins);
        values.push(&self.month_ends);
        values.push(&self.month_amount);
        self.counts.iter().for_each(|column| values.push(column));
        values
    }
}

/// The columns of [`INSERT_ENTRIES`].
#[derive(Default)]
pub(crate) struct EntryColumns<'a> {
    pub(crate) accounts: Vec<&'a str>,
    numbers: Vec<i64>,
    kinds: Vec<i16>,
    amounts: Vec<i64>,
    from_monthly: Vec<i64>,
    held: Vec<Option<i64>>,
    names: Vec<&'a str>,
    month_totals: Vec<Option<i64>>,
    reasons: Vec<Option<&'a str>>,
    began: Vec<Option<i64>>,
    at: Vec<i64>,
}

impl<'a> EntryColumns<'a> {
    pub(crate) fn of(entries: &'a [Entry]) -> Self {
        let mut columns = Self::default();
        for entry in entries {
            columns.accounts.push(entry.account.as_str());
            columns.numbers.push(signed(entry.number));
            columns.kinds.push(entry.kind);
            columns.amounts.push(signed(entry.amount));
            columns.from_monthly.push(signed(entry.from_monthly));
            columns.held.push(entry.held.map(signed));
            columns.names.push(&entry.name);
            columns.month_totals.push(entry.month_total.map(signed));
            columns.reasons.push(entry.reason.as_deref());
            columns.began.push(entry.began.map(Timestamp::as_microsecond));
            columns.at.push(entry.at.as_microsecond());
        }
        columns
    }

    pub(crate) fn values(&self) -> Parameters<'_> {
        vec![
            &self.accounts,
            &self.numbers,
            &self.kinds,
            &self.amounts,
            &self.from_monthly,
            &self.held,
            &self.names,
            &self.month_totals,
            &self.reasons,
            &self.began,
            &self.at,
        ]
    }
}

/// Reads an open hold from the columns `account, operation, from_monthly, from_non_expiring, month, began, lease_ends`.
pub(crate) fn open_hold_of(row: &Row, first: usize, is_claimed: bool) -> Result<OpenHold, DbError> {
    let source = HoldSource {
        monthly: unsigned(row, first + 2)?,
        lasting: unsigned(row, first + 3)?,
        month: optional_parsed(row, first + 4)?,
    };
    let (began, lease_ends) = (crate::rows::moment(row, first + 5)?, crate::rows::moment(row, first + 6)?);
    let (account, operation) = (parsed(row, first)?, parsed(row, first + 1)?);
    Ok(OpenHold { account, operation, is_claimed, source, began, lease_ends })
}

/// Returns a hold's ID in the type of the columns.
pub(crate) fn hold_number(hold: HoldId) -> i64 {
    signed(hold.0)
}
