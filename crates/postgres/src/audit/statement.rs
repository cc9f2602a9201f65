//! The statement of one account: its ledger entries in their order. An operation is one entry: where it was settled, or
//! where it was held while it is in flight. Each entry has the balance after it, computed backwards from the current
//! balance; so the balances are right even if older entries were pruned.

use demur_admission::{AccountId, Balance, StatementEntry, StatementKind};
use jiff::Timestamp;
use tokio_postgres::Client;

use crate::books::{EXPIRED, GRANT, POSTED, REFUND, RELEASED, TOP_UP, UNKNOWN, WITHDRAWAL};
use crate::error::DbError;
use crate::rows::{damaged, moment, unsigned};

/// A statement at one moment.
pub(super) struct Statement {
    /// The balance, without the time of the next monthly credits.
    pub(super) credits: Balance,
    /// Latest first.
    pub(super) entries: Vec<StatementEntry>,
    /// Whether there are older entries.
    pub(super) more: bool,
}

/// The kind of an open hold, which is not in the table of entries.
const HELD: i16 = 0;

pub(super) async fn statement(
    client: &Client,
    account: &AccountId,
    since: Option<Timestamp>,
    limit: u32,
) -> Result<Statement, DbError> {
    let sql =
        "SELECT monthly + non_expiring, held, posted, granted, expired FROM demur.account WHERE id = $1";
    let row = client.query_one(sql, &[&account.as_str()]).await?;
    let (available, held) = (unsigned(&row, 0)?, unsigned(&row, 1)?);
    let (posted, granted, expired) = (unsigned(&row, 2)?, unsigned(&row, 3)?, unsigned(&row, 4)?);
    let credits = Balance { available, held, posted, granted, expired, resets_at: None };
    // An open hold changes no balance; it comes first, since it is not settled yet.
    let sql =
        "SELECT 0::smallint, began, from_monthly + from_non_expiring, operation, NULL, NULL::bigint, hold
            FROM demur.hold WHERE account = $1
        UNION ALL SELECT kind, at, amount, name, reason, number, 0 FROM demur.entry WHERE account = $1
        ORDER BY 6 DESC NULLS FIRST, 7 DESC LIMIT $2";
    // One more than requested, to know whether there are more.
    let max = i64::from(limit) + 1;
    let mut balance = i64::try_from(available + held).unwrap_or(i64::MAX);
    let mut entries = Vec::new();
    for row in client.query(sql, &[&account.as_str(), &max]).await? {
        let kind = match row.try_get::<_, i16>(0)? {
            HELD => StatementKind::Held,
            GRANT => StatementKind::Grant,
            TOP_UP => StatementKind::TopUp,
            WITHDRAWAL => StatementKind::Withdrawal,
            REFUND => StatementKind::Refund,
            EXPIRED => StatementKind::Expired,
            POSTED => StatementKind::Posted,
            RELEASED => StatementKind::Released,
            UNKNOWN => StatementKind::OutcomeUnknown,
            _ => return Err(damaged(&row, 0)),
        };
        let (at, amount) = (moment(&row, 1)?, unsigned(&row, 2)?);
        let (operation, reason) = (row.try_get(3)?, row.try_get(4)?);
        let entry = StatementEntry { at, kind, amount, balance, operation, reason };
        balance = balance.saturating_sub(entry.change());
        entries.push(entry);
    }
    let is_recent = |entry: &StatementEntry| since.is_none_or(|since| entry.at >= since);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.get(limit).is_some_and(is_recent);
    entries.truncate(limit);
    entries.retain(is_recent);
    Ok(Statement { credits, entries, more })
}
