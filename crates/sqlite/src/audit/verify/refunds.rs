//! The check of every refund against the charge of its operation.

use std::collections::HashMap;

use demur_admission::{Check, HoldId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rule_check::RuleCheck;
use crate::batch_codec::{self, BatchEntry};

/// How many refunds are searched for in one pass over the batches. More refunds need another pass.
const CHUNK: usize = 10_000;

struct RefundRow {
    account: String,
    operation: String,
    amount: u64,
    /// Whether its operation may have been pruned, so that a missing charge is no violation.
    forgotten: bool,
}

/// Refunds by account and operation, with the charge once it is found.
type PendingRefunds = HashMap<(String, String), (RefundRow, Option<u64>)>;

pub(super) fn check(connection: &Connection) -> rusqlite::Result<Check> {
    let mut check = RuleCheck::new("no refund exceeds the charge of its operation");
    let sql = "SELECT account, operation, amount, forgotten FROM correction WHERE kind = 1";
    let mut statement = connection.prepare(sql)?;
    let mut refunds = statement.query_map([], |row: &Row<'_>| {
        let (account, operation, amount) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(RefundRow { account, operation, amount, forgotten: row.get(3)? })
    })?;
    loop {
        let (mut pending, mut read) = (PendingRefunds::new(), 0);
        for refund in refunds.by_ref().take(CHUNK) {
            let refund = refund?;
            read += 1;
            match charged_in_row(connection, &refund)? {
                Some(charged) => compare(&refund, Some(charged), &mut check),
                None => {
                    let name = (refund.account.clone(), refund.operation.clone());
                    pending.insert(name, (refund, None));
                }
            }
        }
        if !pending.is_empty() {
            find_charges_in_batches(connection, &mut pending)?;
        }
        for (refund, charged) in pending.values() {
            compare(refund, *charged, &mut check);
        }
        if read < CHUNK {
            return Ok(check.into());
        }
    }
}

fn compare(refund: &RefundRow, charged: Option<u64>, check: &mut RuleCheck) {
    let RefundRow { account, operation, amount, forgotten } = refund;
    match charged {
        None if *forgotten => return,
        None => {
            check.add_violation(|| {
                format!(
                    "account `{account}`: operation `{operation}` was refunded {amount} but never charged"
                )
            });
        }
        Some(charged) if *amount > charged => {
            check.add_violation(|| {
                format!(
                    "account `{account}`: operation `{operation}` was refunded {amount} but charged {charged}"
                )
            });
        }
        Some(_) => {}
    }
    check.examined += 1;
}

fn charged_in_row(connection: &Connection, refund: &RefundRow) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT posted FROM operation WHERE account = ?1 AND id = ?2";
    let values = params![refund.account, refund.operation];
    connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
}

fn find_charges_in_batches(connection: &Connection, pending: &mut PendingRefunds) -> rusqlite::Result<()> {
    let mut open: HashMap<HoldId, (String, String)> = HashMap::new();
    let mut statement = connection.prepare("SELECT entries FROM batch ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for entry in batch_codec::read(row.get_ref(0)?.as_blob()?) {
            let conversion_error =
                |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
            match entry.map_err(conversion_error)? {
                BatchEntry::Held { hold, account, operation, .. } => {
                    let name = (account.to_owned(), operation.to_owned());
                    if pending.contains_key(&name) {
                        open.insert(hold, name);
                    }
                }
                BatchEntry::HoldCarried { .. } => {}
                BatchEntry::Settled { hold, posted, .. }
                | BatchEntry::OutcomeUnknown { hold, posted, .. } => {
                    let name = open.remove(&hold);
                    if let Some((_, charged)) = name.and_then(|name| pending.get_mut(&name)) {
                        *charged = Some(charged.unwrap_or_default().max(posted));
                    }
                }
            }
        }
    }
    Ok(())
}
