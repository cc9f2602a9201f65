//! What happened to one account's credits. Operations in batches are found by reading the batches, latest
//! first and no further than is asked for: they lie in the order of time, and not by account.

use std::collections::HashMap;
use std::ops::ControlFlow;

use demur_admission::{AccountId, HoldId, OperationId, StatementEntry, StatementKind};
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::moment;
use crate::packed::{self, Entry};
use crate::writer::{HELD, POSTED, RELEASED};

/// What is asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) since: Option<Timestamp>,
    pub(crate) limit: u32,
}

/// Entries, latest first, and whether there are more before them.
pub(crate) type Entries = (Vec<StatementEntry>, bool);

pub(super) fn entries(connection: &Connection, wanted: &Wanted<'_>) -> rusqlite::Result<Entries> {
    let since = wanted.since.map_or(i64::MIN, Timestamp::as_microsecond);
    // One more than is wanted, so as to know whether there is more.
    let most = usize::try_from(wanted.limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut found = rows(connection, wanted.account, since, most)?;
    found.extend(batches(connection, wanted.account, since, most)?);
    found.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| other.operation.cmp(&one.operation)));
    let more = found.len() >= most;
    found.truncate(most - 1);
    Ok((found, more))
}

/// What an operation was charged.
pub(super) fn charged(
    connection: &Connection,
    account: &AccountId,
    operation: &OperationId,
) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT posted FROM operation WHERE account = ?1 AND id = ?2 AND state = ?3";
    let values = params![account.as_str(), operation.as_str(), POSTED];
    let of_row = connection.query_row(sql, values, |row| row.get(0)).optional()?;
    if of_row.is_some() {
        return Ok(of_row);
    }
    let mut found = None;
    each_operation(connection, account, i64::MIN, |entry| {
        if entry.operation != operation.as_str() {
            return ControlFlow::Continue(());
        }
        found = match entry.kind {
            StatementKind::Posted | StatementKind::OutcomeUnknown => Some(entry.amount),
            _ => None,
        };
        ControlFlow::Break(())
    })?;
    Ok(found)
}

fn rows(
    connection: &Connection,
    account: &AccountId,
    since: i64,
    most: usize,
) -> rusqlite::Result<Vec<StatementEntry>> {
    const GRANT: i64 = 10;
    const TOP_UP: i64 = 11;
    const WITHDRAWAL: i64 = 12;
    const REFUND: i64 = 13;
    const UNKNOWN: i64 = 14;
    // A grant is written down with the day on which its month begins.
    let sql = "
        SELECT ?2, CAST(unixepoch(begins) * 1000000 AS INTEGER) AS at, amount, begins, NULL
            FROM monthly_grant WHERE account = ?1
        UNION ALL SELECT ?3, created, amount, operation, reason FROM top_up WHERE account = ?1
        UNION ALL SELECT iif(kind = 0, ?4, ?5), created, amount, operation, reason
            FROM correction WHERE account = ?1
        UNION ALL SELECT iif(outcome_unknown, ?6, state), created,
                iif(state = 1, posted, from_monthly + from_lasting), id, NULL
            FROM operation WHERE account = ?1
        ORDER BY at DESC";
    let mut statement = connection.prepare(sql)?;
    let values = params![account.as_str(), GRANT, TOP_UP, WITHDRAWAL, REFUND, UNKNOWN];
    let entry = |row: &Row<'_>| {
        let kind = match row.get(0)? {
            HELD => StatementKind::Held,
            POSTED => StatementKind::Posted,
            RELEASED => StatementKind::Released,
            GRANT => StatementKind::Grant,
            TOP_UP => StatementKind::TopUp,
            WITHDRAWAL => StatementKind::Withdrawal,
            REFUND => StatementKind::Refund,
            _ => StatementKind::OutcomeUnknown,
        };
        Ok(StatementEntry {
            at: moment(row.get(1)?),
            kind,
            amount: row.get(2)?,
            operation: row.get(3)?,
            reason: row.get(4)?,
        })
    };
    let found = statement.query_map(values, entry)?;
    let is_recent = |entry: &rusqlite::Result<StatementEntry>| {
        entry.as_ref().map_or(true, |entry| entry.at.as_microsecond() >= since)
    };
    found.take_while(is_recent).take(most).collect()
}

fn batches(
    connection: &Connection,
    account: &AccountId,
    since: i64,
    most: usize,
) -> rusqlite::Result<Vec<StatementEntry>> {
    let mut latest = Vec::new();
    each_operation(connection, account, since, |entry| {
        if entry.at.as_microsecond() >= since {
            latest.push(entry);
        }
        if latest.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(latest)
}

/// Tells of each operation of an account that lies in a batch, latest first, until it was told enough. What was
/// written before `since` is not read.
fn each_operation(
    connection: &Connection,
    account: &AccountId,
    since: i64,
    mut tell: impl FnMut(StatementEntry) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    // Backwards, an operation's end is seen before its beginning.
    let mut ended: HashMap<HoldId, (StatementKind, Option<u64>)> = HashMap::new();
    let mut statement =
        connection.prepare("SELECT entries FROM batch WHERE created >= ?1 ORDER BY id DESC")?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        let unfit = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
        let entries: Result<Vec<_>, _> = packed::read(row.get_ref(0)?.as_blob()?).collect();
        for entry in entries.map_err(unfit)?.into_iter().rev() {
            let (hold, end) = match entry {
                Entry::Held { hold, account: whose, operation, source, at } => {
                    let (kind, posted) = ended.remove(&hold).unwrap_or((StatementKind::Held, None));
                    if whose == account.as_str() {
                        let (at, operation) = (moment(at), operation.to_owned());
                        let amount = posted.unwrap_or_else(|| source.amount());
                        if tell(StatementEntry { at, kind, amount, operation, reason: None }).is_break() {
                            return Ok(());
                        }
                    }
                    continue;
                }
                Entry::Settled { hold, posted: 0 } => (hold, (StatementKind::Released, None)),
                Entry::Settled { hold, posted } => (hold, (StatementKind::Posted, Some(posted))),
                Entry::OutcomeUnknown { hold, posted } => {
                    (hold, (StatementKind::OutcomeUnknown, Some(posted)))
                }
            };
            ended.insert(hold, end);
        }
    }
    Ok(())
}
