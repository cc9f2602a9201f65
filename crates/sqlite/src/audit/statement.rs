//! What happened to one account's credits. Operations in batches are found by reading the batches: they
//! lie in the order of time, and not by account.

use std::collections::{HashMap, VecDeque};

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
    each_operation(connection, account, |entry| {
        if entry.operation == operation.as_str() {
            found = match entry.kind {
                StatementKind::Posted | StatementKind::OutcomeUnknown => Some(entry.amount),
                _ => None,
            };
        }
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
) -> rusqlite::Result<VecDeque<StatementEntry>> {
    let mut latest = VecDeque::new();
    each_operation(connection, account, |entry| {
        if entry.at.as_microsecond() >= since {
            latest.push_back(entry);
            if latest.len() > most {
                latest.pop_front();
            }
        }
    })?;
    Ok(latest)
}

/// Tells of each operation of an account that lies in a batch: when it is settled, and at the end those
/// that are not.
fn each_operation(
    connection: &Connection,
    account: &AccountId,
    mut tell: impl FnMut(StatementEntry),
) -> rusqlite::Result<()> {
    let mut open: HashMap<HoldId, StatementEntry> = HashMap::new();
    let mut statement = connection.prepare("SELECT entries FROM batch ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for entry in packed::read(row.get_ref(0)?.as_blob()?) {
            let unfit = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
            let (hold, kind, posted) = match entry.map_err(unfit)? {
                Entry::Held { hold, account: whose, operation, source, at } => {
                    if whose == account.as_str() {
                        let (operation, amount) = (operation.to_owned(), source.amount());
                        let (at, kind) = (moment(at), StatementKind::Held);
                        open.insert(hold, StatementEntry { at, kind, amount, operation, reason: None });
                    }
                    continue;
                }
                Entry::Settled { hold, posted: 0 } => (hold, StatementKind::Released, None),
                Entry::Settled { hold, posted } => (hold, StatementKind::Posted, Some(posted)),
                Entry::OutcomeUnknown { hold, posted } => (hold, StatementKind::OutcomeUnknown, Some(posted)),
            };
            if let Some(mut ended) = open.remove(&hold) {
                ended.kind = kind;
                ended.amount = posted.unwrap_or(ended.amount);
                tell(ended);
            }
        }
    }
    let mut rest: Vec<_> = open.into_values().collect();
    rest.sort_by_key(|entry| entry.at);
    rest.into_iter().for_each(tell);
    Ok(())
}
