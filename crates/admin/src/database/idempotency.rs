//! Requests with an `Idempotency-Key`: each is executed once, and its response is returned to repetitions.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, TransactionBehavior, params};

use super::{AdminDatabase, DatabaseError, before};

/// How long responses are kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
/// The most responses. Further keys are rejected: a response that is deleted early would let a repetition run again.
const MAX_STORED: i64 = 10_000;

/// A key of a token, and what it was sent with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'c> {
    pub(crate) token: &'c str,
    pub(crate) key: &'c str,
    /// Of the method, the target and the body.
    pub(crate) fingerprint: &'c [u8; 32],
    /// Whether the operation has the same effect if it runs again.
    pub(crate) is_repeatable: bool,
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// Nothing: the request is to be executed.
    New,
    /// The response of the first request.
    Stored(StoredReply),
    /// It was sent with another request.
    Mismatch,
    /// The first request runs.
    InProgress,
    /// The gateway ended while the first request ran.
    OutcomeUnknown,
    /// There are too many keys.
    Exhausted,
}

/// A response, without the secrets of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredReply {
    pub(crate) status: u16,
    pub(crate) body: String,
}

const RUNNING: i64 = 0;
const STORED: i64 = 1;
const INTERRUPTED: i64 = 2;

impl AdminDatabase {
    /// Marks what ran when the gateway ended. Only the process that serves the API may call it, when it starts.
    pub fn interrupt_requests(&self) -> Result<(), DatabaseError> {
        self.run(|connection| {
            let sql = "UPDATE idempotency SET state = ?1 WHERE state = ?2";
            connection.execute(sql, [INTERRUPTED, RUNNING])?;
            Ok(())
        })
    }

    pub(crate) fn claim(&self, claim: &Claim<'_>, now: Timestamp) -> Result<Claimed, DatabaseError> {
        let Claim { token, key, fingerprint, is_repeatable } = claim;
        self.run(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let sql = "DELETE FROM idempotency WHERE created < ?1 AND state <> ?2";
            transaction.prepare_cached(sql)?.execute([before(now, KEPT_FOR), RUNNING])?;
            let sql =
                "SELECT fingerprint, state, status, body FROM idempotency WHERE token = ?1 AND key = ?2";
            let found = transaction.query_row(sql, params![token, key], |row| {
                let is_same = row.get::<_, [u8; 32]>(0)? == **fingerprint;
                let reply = StoredReply {
                    status: row.get::<_, Option<u16>>(2)?.unwrap_or_default(),
                    body: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                };
                Ok((is_same, row.get::<_, i64>(1)?, reply))
            });
            let claimed = match found.optional()? {
                Some((false, ..)) => Claimed::Mismatch,
                Some((true, STORED, reply)) => Claimed::Stored(reply),
                Some((true, RUNNING, _)) => Claimed::InProgress,
                Some((true, ..)) if !is_repeatable => Claimed::OutcomeUnknown,
                Some((true, ..)) => Claimed::New,
                None => {
                    let count = "SELECT count(*) FROM idempotency";
                    match transaction.query_row(count, [], |row| row.get::<_, i64>(0))? {
                        ..MAX_STORED => Claimed::New,
                        _ => Claimed::Exhausted,
                    }
                }
            };
            if claimed == Claimed::New {
                let sql = "INSERT OR REPLACE INTO idempotency (token, key, fingerprint, created, state)
                           VALUES (?1, ?2, ?3, ?4, ?5)";
                let (at, fingerprint) = (now.as_millisecond(), &fingerprint[..]);
                transaction.execute(sql, params![token, key, fingerprint, at, RUNNING])?;
            }
            transaction.commit()?;
            Ok(claimed)
        })
    }

    /// Stores the response.
    pub(crate) fn complete(&self, claim: &Claim<'_>, reply: &StoredReply) -> Result<(), DatabaseError> {
        self.run(|connection| {
            let sql =
                "UPDATE idempotency SET state = ?3, status = ?4, body = ?5 WHERE token = ?1 AND key = ?2";
            connection.execute(sql, params![claim.token, claim.key, STORED, reply.status, reply.body])?;
            Ok(())
        })
    }

    /// Nothing was done: a repetition is executed.
    pub(crate) fn release(&self, claim: &Claim<'_>) -> Result<(), DatabaseError> {
        self.run(|connection| {
            let sql = "DELETE FROM idempotency WHERE token = ?1 AND key = ?2";
            connection.execute(sql, [claim.token, claim.key])?;
            Ok(())
        })
    }
}
