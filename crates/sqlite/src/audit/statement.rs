//! The statement of one account: its ledger entries in their order. Batches are ordered by time, not by account, so
//! operations in batches are found by reading the batches, latest first and no further than needed.
//!
//! An operation is one entry: where it was settled, or where it was held while it is in flight. Each entry has the balance
//! after it, computed backwards from the current balance. So the balances are right even if older entries were pruned.

use std::collections::HashMap;

use demur_admission::{AccountId, Balance, HoldId, OperationId, StatementEntry, StatementKind};
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::batch_codec::{self, BatchEntry};
use crate::writer::{HELD, POSTED, RELEASED};

/// The account and the range of a statement.
pub(crate) struct StatementQuery<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) since: Option<Timestamp>,
    pub(crate) limit: u32,
}

/// A statement at one moment.
pub(crate) struct Statement {
    /// The balance, without the time of the next monthly credits.
    pub(crate) credits: Balance,
    /// Latest first.
    pub(crate) entries: Vec<StatementEntry>,
    /// Whether there are older entries.
    pub(crate) more: bool,
}

/// An entry with its number within its account; 0 for entries older than such numbers.
struct StatementLine {
    number: u64,
    entry: StatementEntry,
}

pub(super) fn statement(connection: &Connection, query: &StatementQuery<'_>) -> rusqlite::Result<Statement> {
    let since = query.since.map_or(i64::MIN, Timestamp::as_microsecond);
    // One more than requested, to know whether there are more.
    let max = usize::try_from(query.limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut lines = rows(connection, query.account, max)?;
    lines.extend(batches(connection, query.account, since, max)?);
    lines.sort_by(|one, other| {
        let order = other.number.cmp(&one.number).then_with(|| other.entry.at.cmp(&one.entry.at));
        order.then_with(|| other.entry.operation.cmp(&one.entry.operation))
    });
    let credits = credits(connection, query.account)?;
    let mut balance = i64::try_from(credits.available + credits.held).unwrap_or(i64::MAX);
    for StatementLine { entry, .. } in &mut lines {
        entry.balance = balance;
        balance = balance.saturating_sub(entry.change());
    }
    let is_recent = |line: &StatementLine| line.entry.at.as_microsecond() >= since;
    let more = lines.get(max - 1).is_some_and(is_recent);
    lines.truncate(max - 1);
    let entries = lines.into_iter().filter(is_recent).map(|line| line.entry).collect();
    Ok(Statement { credits, entries, more })
}

/// Returns what an operation was charged; `None` if it is unknown.
pub(super) fn charged(
    connection: &Connection,
    account: &AccountId,
    operation: &OperationId,
) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT posted FROM operation WHERE account = ?1 AND id = ?2 AND state = ?3";
    let values = params![account.as_str(), operation.as_str(), POSTED];
    let in_row = connection.query_row(sql, values, |row| row.get(0)).optional()?;
    if in_row.is_some() {
        return Ok(in_row);
    }
    let is_operation = |line: &StatementLine| line.entry.operation == operation.as_str();
    let found = read_backwards(connection, account, |_, lines| {
        lines.retain(is_operation);
        !lines.is_empty()
    })?;
    let charge = found
        .into_iter()
        .find(is_operation)
        .map(|line| line.entry)
        .filter(|entry| matches!(entry.kind, StatementKind::Posted | StatementKind::OutcomeUnknown));
    Ok(charge.map(|entry| entry.amount))
}

fn credits(connection: &Connection, account: &AccountId) -> rusqlite::Result<Balance> {
    let sql = "SELECT monthly + lasting, held, posted, granted, expired FROM purse WHERE account = ?1";
    let balance = |row: &Row<'_>| {
        let (available, held, posted) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Balance { available, held, posted, granted: row.get(3)?, expired: row.get(4)?, resets_at: None })
    };
    Ok(connection.query_row(sql, [account.as_str()], balance).optional()?.unwrap_or_default())
}

fn rows(connection: &Connection, account: &AccountId, max: usize) -> rusqlite::Result<Vec<StatementLine>> {
    const GRANT: i64 = 10;
    const TOP_UP: i64 = 11;
    const WITHDRAWAL: i64 = 12;
    const REFUND: i64 = 13;
    const UNKNOWN: i64 = 14;
    const EXPIRED: i64 = 15;
    let sql = "
        SELECT ?2, created AS at, amount, begins AS name, NULL, booking
            FROM monthly_grant WHERE account = ?1
        UNION ALL SELECT ?3, created, amount, operation, reason, booking FROM top_up WHERE account = ?1
        UNION ALL SELECT iif(kind = 0, ?4, ?5), created, amount, operation, reason, booking
            FROM correction WHERE account = ?1
        UNION ALL SELECT iif(outcome_unknown, ?6, state), coalesce(ended, created),
                iif(state = 1, posted, from_monthly + from_lasting), id, NULL, booking
            FROM operation WHERE account = ?1
        UNION ALL SELECT ?7, created, amount, coalesce(begins, 'earlier'), NULL, booking
            FROM expiry WHERE account = ?1
        ORDER BY booking DESC, at DESC, name DESC LIMIT ?8";
    let mut statement = connection.prepare(sql)?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let values = params![account.as_str(), GRANT, TOP_UP, WITHDRAWAL, REFUND, UNKNOWN, EXPIRED, max];
    let line = |row: &Row<'_>| {
        let kind = match row.get(0)? {
            HELD => StatementKind::Held,
            POSTED => StatementKind::Posted,
            RELEASED => StatementKind::Released,
            GRANT => StatementKind::Grant,
            TOP_UP => StatementKind::TopUp,
            WITHDRAWAL => StatementKind::Withdrawal,
            REFUND => StatementKind::Refund,
            EXPIRED => StatementKind::Expired,
            _ => StatementKind::OutcomeUnknown,
        };
        let (at, amount, operation, reason) = (moment(row.get(1)?), row.get(2)?, row.get(3)?, row.get(4)?);
        let entry = StatementEntry { at, kind, amount, balance: 0, operation, reason };
        Ok(StatementLine { number: row.get(5)?, entry })
    };
    statement.query_map(values, line)?.collect()
}

fn batches(
    connection: &Connection,
    account: &AccountId,
    since: i64,
    max: usize,
) -> rusqlite::Result<Vec<StatementLine>> {
    let mut first = None;
    read_backwards(connection, account, |batch, lines| {
        if first.is_none() && (lines.len() >= max || batch.created < since) {
            // The entries after this batch suffice, and all their holds were created in this batch or later.
            first = Some(batch.open_from);
        }
        first.is_some_and(|first| batch.id < first)
    })
}

/// A batch without its entries.
struct BatchHead {
    id: u64,
    created: i64,
    /// The oldest batch with a hold that was still open after this one.
    open_from: u64,
}

/// Returns the operations of an account in batches, latest first, until `is_enough` returns true for the lines so far and
/// the next batch.
fn read_backwards(
    connection: &Connection,
    account: &AccountId,
    mut is_enough: impl FnMut(&BatchHead, &mut Vec<StatementLine>) -> bool,
) -> rusqlite::Result<Vec<StatementLine>> {
    let mut lines = Vec::new();
    let mut ended = HashMap::new();
    let sql = "SELECT id, created, open_from, entries FROM batch ORDER BY id DESC";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let head = BatchHead { id: row.get(0)?, created: row.get(1)?, open_from: row.get(2)? };
        if is_enough(&head, &mut lines) {
            break;
        }
        let conversion_error =
            |error| rusqlite::Error::FromSqlConversionFailure(3, Type::Blob, Box::new(error));
        let entries: Result<Vec<_>, _> = batch_codec::read(row.get_ref(3)?.as_blob()?).collect();
        let entries = entries.map_err(conversion_error)?.into_iter().rev();
        lines.extend(entries.filter_map(|entry| line(&entry, account, head.created, &mut ended)));
    }
    Ok(lines)
}

/// How a hold ended. It is read before the hold's creation, since batches are read backwards.
struct HoldEnd {
    at: i64,
    kind: StatementKind,
    posted: Option<u64>,
    number: u64,
}

/// Returns the line of a hold of this account. The end of a hold returns no line, but is recorded in `ended`.
fn line(
    entry: &BatchEntry<'_>,
    account: &AccountId,
    written: i64,
    ended: &mut HashMap<HoldId, HoldEnd>,
) -> Option<StatementLine> {
    let (hold, kind, posted, number) = match *entry {
        BatchEntry::Held { hold, account: owner, operation, source, at, booking } => {
            let open = HoldEnd { at, kind: StatementKind::Held, posted: None, number: booking };
            let HoldEnd { at, kind, posted, number } = ended.remove(&hold).unwrap_or(open);
            let amount = posted.unwrap_or_else(|| source.amount());
            let (at, operation) = (moment(at), operation.to_owned());
            let entry = StatementEntry { at, kind, amount, balance: 0, operation, reason: None };
            return (owner == account.as_str()).then_some(StatementLine { number, entry });
        }
        BatchEntry::Settled { hold, posted: 0, booking } => (hold, StatementKind::Released, None, booking),
        BatchEntry::Settled { hold, posted, booking } => (hold, StatementKind::Posted, Some(posted), booking),
        BatchEntry::OutcomeUnknown { hold, posted, booking } => {
            (hold, StatementKind::OutcomeUnknown, Some(posted), booking)
        }
        BatchEntry::HoldCarried { .. } => return None,
    };
    ended.insert(hold, HoldEnd { at: written, kind, posted, number });
    None
}

/// Converts a time of the database.
fn moment(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
