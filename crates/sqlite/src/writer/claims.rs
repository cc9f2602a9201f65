//! Claims of operations that clients name (`Idempotency-Key`), within the batch's transaction: each operation executes
//! once, and its response is stored for a while.
//!
//! The schema's triggers count claims and bytes.

use demur_admission::{
    AccountId, Claim, HoldId, HoldOutcome, Owner, RepeatPolicy, Settlement, StoredResponse,
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::job::HoldJob;
use super::ledger_tx::{ClaimDecision, HELD, LedgerTx, POSTED};
use crate::directory::{moment, optional_moment};

/// The states of a claim in the table.
const IN_FLIGHT: i64 = 0;
const COMPLETED: i64 = 1;
const FREE: i64 = 2;

/// A row of the table.
struct ClaimRow {
    number: i64,
    fingerprint: [u8; 32],
    state: i64,
    owner: Owner,
    hold: Option<u64>,
    lease_ends: Timestamp,
    repeats: u32,
    expires: Timestamp,
    forgotten: Timestamp,
    size: u64,
}

impl LedgerTx<'_> {
    /// Decides whether an operation that a client has named may execute.
    pub(super) fn decide_claim(&mut self, job: &HoldJob, claim: &Claim) -> rusqlite::Result<ClaimDecision> {
        let Some(found) = self.find_claim(job)? else { return self.decide_unclaimed(job) };
        if found.state != IN_FLIGHT && found.forgotten <= job.at {
            self.transaction
                .prepare_cached("DELETE FROM claim WHERE number = ?1")?
                .execute([found.number])?;
            return self.decide_unclaimed(job);
        }
        if found.fingerprint != claim.fingerprint.0 {
            return Ok(ClaimDecision::Decided(HoldOutcome::Mismatch));
        }
        if found.state == IN_FLIGHT {
            let is_abandoned = found.owner != claim.owner && found.lease_ends <= job.at;
            return Ok(ClaimDecision::Decided(if is_abandoned {
                self.complete_abandoned(&found)?
            } else {
                HoldOutcome::InFlight
            }));
        }
        if found.state == FREE {
            // It replaces the claim that was released.
            return Ok(ClaimDecision::Execute);
        }
        match claim.repeats {
            RepeatPolicy::Forward(max) if found.repeats < max.get() => {
                let sql = "UPDATE claim SET repeats = repeats + 1 WHERE number = ?1";
                self.transaction.prepare_cached(sql)?.execute([found.number])?;
                Ok(ClaimDecision::Forward)
            }
            RepeatPolicy::Forward(_) | RepeatPolicy::Replay => {
                let is_stored = found.size > 0 && job.at < found.expires;
                Ok(ClaimDecision::Decided(HoldOutcome::Completed { is_stored }))
            }
        }
    }

    /// Decides about an operation without a claim: it may have been charged before claims existed, or its claim may have
    /// been forgotten.
    fn decide_unclaimed(&self, job: &HoldJob) -> rusqlite::Result<ClaimDecision> {
        let sql = "SELECT state FROM operation WHERE account = ?1 AND id = ?2";
        let name = [job.account.as_str(), job.operation.as_str()];
        let state = self.transaction.prepare_cached(sql)?.query_row(name, |row| row.get::<_, i64>(0));
        Ok(match state.optional()? {
            Some(HELD) => ClaimDecision::Decided(HoldOutcome::InFlight),
            Some(POSTED) => ClaimDecision::Decided(HoldOutcome::Completed { is_stored: false }),
            // A released operation may execute again.
            Some(_) | None => self.make_room_for_claim(job)?,
        })
    }

    /// Makes room for another claim at the maximum number of claims.
    fn make_room_for_claim(&self, job: &HoldJob) -> rusqlite::Result<ClaimDecision> {
        let (account, bounds) = (job.account.as_str(), self.state.bounds);
        let of_account = "SELECT min(number) FROM claim WHERE account = ?1";
        let of_all = "SELECT min(number) FROM claim";
        for (owner, max, oldest) in
            [(account, bounds.account_claims, of_account), ("", bounds.total_claims, of_all)]
        {
            if claim_use(self.transaction, owner)?.claims >= max {
                // A claim whose response may still be replayed is not forgotten early.
                let sql = format!(
                    "DELETE FROM claim
                     WHERE number = ({oldest}) AND state > 0 AND expires <= ?2 AND ?1 IN (account, '')"
                );
                let values = params![owner, job.at.as_microsecond()];
                if self.transaction.prepare_cached(&sql)?.execute(values)? == 0 {
                    return Ok(ClaimDecision::Decided(HoldOutcome::TooMany { most: max }));
                }
            }
        }
        Ok(ClaimDecision::Execute)
    }

    /// Completes a claim whose owner has gone: its outcome is unknown.
    fn complete_abandoned(&mut self, found: &ClaimRow) -> rusqlite::Result<HoldOutcome> {
        let hold = found.hold.map(HoldId);
        match hold.filter(|hold| self.state.claims.contains_key(hold)) {
            Some(hold) => self.settle(hold, Settlement::Post(u64::MAX))?,
            None => self.complete_claim(found.number, None)?,
        }
        Ok(HoldOutcome::Completed { is_stored: false })
    }

    fn find_claim(&self, job: &HoldJob) -> rusqlite::Result<Option<ClaimRow>> {
        let sql =
            "SELECT number, fingerprint, state, owner, hold, lease_ends, repeats, expires, forgotten, size
                   FROM claim WHERE account = ?1 AND id = ?2";
        let found = |row: &Row<'_>| {
            Ok(ClaimRow {
                number: row.get(0)?,
                fingerprint: row.get(1)?,
                state: row.get(2)?,
                owner: Owner(row.get::<_, i64>(3)?.cast_unsigned()),
                hold: row.get(4)?,
                lease_ends: moment(row, 5)?,
                repeats: row.get(6)?,
                expires: moment(row, 7)?,
                forgotten: moment(row, 8)?,
                size: row.get(9)?,
            })
        };
        let name = [job.account.as_str(), job.operation.as_str()];
        self.transaction.prepare_cached(sql)?.query_row(name, found).optional()
    }

    pub(super) fn insert_claim(
        &mut self,
        hold: HoldId,
        job: &HoldJob,
        claim: &Claim,
    ) -> rusqlite::Result<()> {
        // A claim that exists already was released.
        let sql = "INSERT INTO claim
                   (account, id, fingerprint, state, owner, hold, lease_ends, expires, forgotten)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                   ON CONFLICT (account, id) DO UPDATE SET state = excluded.state, owner = excluded.owner,
                       hold = excluded.hold, lease_ends = excluded.lease_ends, expires = excluded.expires,
                       forgotten = excluded.forgotten
                   RETURNING number";
        let (expires, forgotten) = (claim.expires(job.at), claim.forgotten(job.at));
        let values = params![
            job.account.as_str(),
            job.operation.as_str(),
            &claim.fingerprint.0[..],
            IN_FLIGHT,
            claim.owner.0.cast_signed(),
            hold.0,
            job.lease_ends.as_microsecond(),
            expires.as_microsecond(),
            forgotten.as_microsecond(),
        ];
        let number = self.transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
        self.state.claims.insert(hold, number);
        self.rollback.claimed.push(hold);
        self.state.claims_due_by(expires);
        Ok(())
    }

    /// Ends the claim of a hold, if it has one.
    pub(super) fn end_claim(
        &mut self,
        hold: HoldId,
        settlement: Settlement,
        response: Option<&StoredResponse>,
    ) -> rusqlite::Result<()> {
        let Some(number) = self.state.claims.remove(&hold) else { return Ok(()) };
        self.rollback.completed.push((hold, number));
        match settlement {
            Settlement::Release => self.free_claim(number),
            Settlement::Post(_) => self.complete_claim(number, response),
        }
    }

    /// Frees a claim: the same request may execute again, and another request is still a mismatch.
    fn free_claim(&self, number: i64) -> rusqlite::Result<()> {
        let sql = "UPDATE claim SET state = ?2, hold = NULL, forgotten = expires WHERE number = ?1";
        self.transaction.prepare_cached(sql)?.execute(params![number, FREE])?;
        Ok(())
    }

    fn complete_claim(&self, number: i64, response: Option<&StoredResponse>) -> rusqlite::Result<()> {
        let bytes = response.map(StoredResponse::as_bytes);
        let sql = "UPDATE claim SET state = ?2, hold = NULL, response = ?3, size = ?4 WHERE number = ?1
                   RETURNING account";
        let values = params![number, COMPLETED, bytes, bytes.map_or(0, <[u8]>::len)];
        let account = self.transaction.prepare_cached(sql)?.query_row(values, |row| row.get::<_, String>(0));
        match account.optional()?.filter(|_| bytes.is_some()) {
            Some(account) => self.evict_responses(&account),
            None => Ok(()),
        }
    }

    /// Evicts the oldest responses until the rest is within the bounds.
    fn evict_responses(&self, account: &str) -> rusqlite::Result<()> {
        let of_account = "SELECT min(number) FROM claim WHERE account = ?1 AND size > 0";
        let of_all = "SELECT min(number) FROM claim WHERE size > 0";
        let bounds = self.state.bounds;
        for (owner, max, oldest) in
            [(account, bounds.account_bytes, of_account), ("", bounds.total_bytes, of_all)]
        {
            while claim_use(self.transaction, owner)?.bytes > max {
                let sql = format!(
                    "UPDATE claim SET response = NULL, size = 0
                     WHERE number = ({oldest}) AND ?1 IN (account, '')"
                );
                if self.transaction.prepare_cached(&sql)?.execute([owner])? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Deletes expired responses and forgotten claims, at most `max` of each.
    pub(super) fn prune_claims(&mut self, at: Timestamp, max: usize) -> rusqlite::Result<()> {
        let values = params![at.as_microsecond(), max];
        let sql = "UPDATE claim SET response = NULL, size = 0 WHERE number IN
                   (SELECT number FROM claim WHERE size > 0 AND expires <= ?1 ORDER BY expires LIMIT ?2)";
        self.transaction.prepare_cached(sql)?.execute(values)?;
        let sql = "DELETE FROM claim WHERE number IN
                   (SELECT number FROM claim WHERE state > 0 AND forgotten <= ?1 ORDER BY forgotten LIMIT ?2)";
        self.transaction.prepare_cached(sql)?.execute(values)?;
        self.state.claims_due = next_due(self.transaction)?;
        Ok(())
    }
}

/// Returns when the next response expires or the next claim is forgotten.
pub(super) fn next_due(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let earliest = |sql| connection.prepare_cached(sql)?.query_row([], |row| optional_moment(row, 0));
    let expires = earliest("SELECT min(expires) FROM claim WHERE size > 0")?;
    let forgotten = earliest("SELECT min(forgotten) FROM claim WHERE state > 0")?;
    Ok(expires.into_iter().chain(forgotten).min())
}

/// Completes the claims that an earlier process left in flight: their outcome is unknown.
pub(super) fn recover(connection: &Connection) -> rusqlite::Result<()> {
    // A literal: SQLite would not use the partial index for a parameter.
    let sql = "UPDATE claim SET state = 1, hold = NULL WHERE state = 0";
    connection.execute(sql, []).map(drop)
}

/// The number of claims, and the bytes of their responses.
#[derive(Default)]
struct ClaimUse {
    claims: u64,
    bytes: u64,
}

/// Returns the claims of an account, or of all accounts for the empty name.
fn claim_use(connection: &Connection, account: &str) -> rusqlite::Result<ClaimUse> {
    let sql = "SELECT claims, bytes FROM claim_use WHERE account = ?1";
    let found = |row: &Row<'_>| Ok(ClaimUse { claims: row.get(0)?, bytes: row.get(1)? });
    Ok(connection.prepare_cached(sql)?.query_row([account], found).optional()?.unwrap_or_default())
}

/// Returns the response to a completed operation, while it is stored.
pub(crate) fn read(
    connection: &Connection,
    account: &AccountId,
    operation: &str,
    fingerprint: &[u8; 32],
    at: Timestamp,
) -> rusqlite::Result<Option<StoredResponse>> {
    let sql = "SELECT response FROM claim
               WHERE account = ?1 AND id = ?2 AND fingerprint = ?3 AND size > 0 AND expires > ?4";
    let values = params![account.as_str(), operation, &fingerprint[..], at.as_microsecond()];
    let found = connection.prepare_cached(sql)?.query_row(values, |row| row.get::<_, Vec<u8>>(0));
    Ok(found.optional()?.and_then(StoredResponse::new))
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
