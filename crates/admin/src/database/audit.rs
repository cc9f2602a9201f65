//! The audit log: who changed what, when, and with which result.
//!
//! The entry of a change is written before the change is made, and its result after it: an entry without a result is a
//! change whose outcome is unknown, because the gateway ended while it ran.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value as Json;

use super::{AdminDatabase, DatabaseError, before, moment};

/// The most entries. The oldest are deleted.
const MAX_ENTRIES: i64 = 1_000_000;

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditEntry {
    /// Later entries have higher numbers.
    pub number: i64,
    /// When the change began.
    pub at: Timestamp,
    /// Who made it: the token by ID and name, or the user of the command line.
    pub actor: String,
    /// The role of the token.
    pub role: Option<String>,
    /// The ID of the operation in the OpenAPI document, or `createToken` or `revokeToken`.
    pub operation: String,
    /// The ID of the account, key or token.
    pub target: Option<String>,
    /// The body of the request. It has no secret.
    pub details: Option<Json>,
    /// The ID of the request.
    pub request_id: Option<String>,
    /// The status of the response; `None` if the gateway ended before it was known.
    pub status: Option<u16>,
    /// The code of the error.
    pub code: Option<String>,
}

/// An entry to be written.
pub(crate) struct NewAudit<'a> {
    pub(crate) actor: String,
    pub(crate) role: Option<&'a str>,
    pub(crate) operation: &'a str,
    pub(crate) target: Option<&'a str>,
    pub(crate) details: Option<Json>,
    pub(crate) request_id: Option<&'a str>,
    /// Status and code, where the result is known already.
    pub(crate) outcome: Option<(u16, Option<&'a str>)>,
}

impl AdminDatabase {
    /// Writes an entry, and returns its number.
    pub(crate) fn record(&self, entry: &NewAudit<'_>, now: Timestamp) -> Result<i64, DatabaseError> {
        let oldest = before(now, self.audit_max_age);
        self.run(|connection| {
            let transaction = connection.transaction()?;
            let number = record(&transaction, entry, now)?;
            // `at` grows with `number`: the oldest entries come first.
            let sql = "DELETE FROM audit WHERE number IN
                       (SELECT number FROM audit WHERE number < ?1 ORDER BY number LIMIT 1000)
                       AND (at < ?2 OR number <= ?1 - ?3)";
            transaction.prepare_cached(sql)?.execute(params![number, oldest, MAX_ENTRIES])?;
            transaction.commit()?;
            Ok(number)
        })
    }

    /// Adds the result of a change.
    pub(crate) fn finish(&self, number: i64, status: u16, code: Option<&str>) -> Result<(), DatabaseError> {
        self.run(|connection| {
            let sql = "UPDATE audit SET status = ?2, code = ?3 WHERE number = ?1";
            connection.prepare_cached(sql)?.execute(params![number, status, code])?;
            Ok(())
        })
    }

    /// The newest entries before the one with this number, newest first.
    pub fn audit(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, DatabaseError> {
        self.run(|connection| {
            let sql = "SELECT number, at, actor, role, operation, target, details, request_id, status, code
                       FROM audit WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let entries = statement.query_map(params![before.unwrap_or(i64::MAX), limit], |row| {
                let details: Option<String> = row.get(6)?;
                Ok(AuditEntry {
                    number: row.get(0)?,
                    at: moment(row, 1)?,
                    actor: row.get(2)?,
                    role: row.get(3)?,
                    operation: row.get(4)?,
                    target: row.get(5)?,
                    details: details.and_then(|text| serde_json::from_str(&text).ok()),
                    request_id: row.get(7)?,
                    status: row.get(8)?,
                    code: row.get(9)?,
                })
            })?;
            entries.collect()
        })
    }
}

/// Writes an entry in a transaction of the caller.
pub(super) fn record(connection: &Connection, entry: &NewAudit<'_>, now: Timestamp) -> rusqlite::Result<i64> {
    let NewAudit { actor, role, operation, target, details, request_id, outcome } = entry;
    let (at, details) = (now.as_millisecond(), details.as_ref().map(Json::to_string));
    let (status, code) = (outcome.map(|(status, _)| status), outcome.and_then(|(_, code)| code));
    let sql = "INSERT INTO audit (at, actor, role, operation, target, details, request_id, status, code)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection
        .prepare_cached(sql)?
        .execute(params![at, actor, role, operation, target, details, request_id, status, code])?;
    Ok(connection.last_insert_rowid())
}
