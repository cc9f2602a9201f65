//! Every refund against what its operation was charged, wherever that lies.

use std::collections::HashMap;

use demur_admission::{Check, HoldId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Finding;
use crate::batch_codec::{self, BatchEntry};

/// So many refunds are looked for in the batches at once. Where there are more, the batches are read again.
const AT_ONCE: usize = 10_000;

struct RefundRow {
    account: String,
    operation: String,
    amount: u64,
    /// Its operation has been pruned, perhaps: that it is not found means nothing.
    forgotten: bool,
}

/// Refunds by account and operation, with what the operation was charged once that is found.
type Sought = HashMap<(String, String), (RefundRow, Option<u64>)>;

pub(super) fn check(connection: &Connection) -> rusqlite::Result<Check> {
    let mut finding = Finding::of("no refund exceeds its charge, and each has one");
    let sql = "SELECT account, operation, amount, forgotten FROM correction WHERE kind = 1";
    let mut statement = connection.prepare(sql)?;
    let mut refunds = statement.query_map([], |row: &Row<'_>| {
        let (account, operation, amount) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(RefundRow { account, operation, amount, forgotten: row.get(3)? })
    })?;
    loop {
        let (mut sought, mut read) = (Sought::new(), 0);
        for refund in refunds.by_ref().take(AT_ONCE) {
            let refund = refund?;
            read += 1;
            match charged_in_row(connection, &refund)? {
                Some(charged) => compare(&refund, Some(charged), &mut finding),
                None => {
                    let name = (refund.account.clone(), refund.operation.clone());
                    sought.insert(name, (refund, None));
                }
            }
        }
        if !sought.is_empty() {
            look_in_batches(connection, &mut sought)?;
        }
        for (refund, charged) in sought.values() {
            compare(refund, *charged, &mut finding);
        }
        if read < AT_ONCE {
            return Ok(finding.into());
        }
    }
}

fn compare(refund: &RefundRow, charged: Option<u64>, finding: &mut Finding) {
    let RefundRow { account, operation, amount, forgotten } = refund;
    match charged {
        None if *forgotten => return,
        None => {
            finding.violated(|| format!("{account}: {operation} was never charged, and got {amount} back"));
        }
        Some(charged) if *amount > charged => {
            finding
                .violated(|| format!("{account}: {operation} got {amount} back, and was charged {charged}"));
        }
        Some(_) => {}
    }
    finding.examined += 1;
}

fn charged_in_row(connection: &Connection, refund: &RefundRow) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT posted FROM operation WHERE account = ?1 AND id = ?2";
    let values = params![refund.account, refund.operation];
    connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
}

fn look_in_batches(connection: &Connection, sought: &mut Sought) -> rusqlite::Result<()> {
    let mut open: HashMap<HoldId, (String, String)> = HashMap::new();
    let mut statement = connection.prepare("SELECT entries FROM batch ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for entry in batch_codec::read(row.get_ref(0)?.as_blob()?) {
            let unfit = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
            match entry.map_err(unfit)? {
                BatchEntry::Held { hold, account, operation, .. } => {
                    let name = (account.to_owned(), operation.to_owned());
                    if sought.contains_key(&name) {
                        open.insert(hold, name);
                    }
                }
                BatchEntry::HoldCarried { .. } => {}
                BatchEntry::Settled { hold, posted, .. }
                | BatchEntry::OutcomeUnknown { hold, posted, .. } => {
                    let name = open.remove(&hold);
                    if let Some((_, charged)) = name.and_then(|name| sought.get_mut(&name)) {
                        *charged = Some(charged.unwrap_or_default().max(posted));
                    }
                }
            }
        }
    }
    Ok(())
}
