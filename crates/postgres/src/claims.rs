//! Claims of operations that clients name (`Idempotency-Key`), as one transaction sees them: each operation executes once,
//! on whatever node, and its response is stored for a while. The account's lock is the lock of its claims.

use std::collections::{BTreeMap, BTreeSet};

use demur_admission::{
    AccountId, Claim, ClaimBounds, HoldId, HoldOutcome, OperationId, Owner, RepeatPolicy, StoredResponse,
};
use jiff::Timestamp;
use tokio_postgres::{Client, Row};

use crate::books::{Books, hold_number};
use crate::error::DbError;
use crate::job::HoldJob;
use crate::rows::{digest, moment, optional_unsigned, parsed, signed, unsigned};

/// The bounds of each account. The size of the whole store is the server's.
pub(crate) const BOUNDS: ClaimBounds = ClaimBounds::DURABLE;

/// The states of a claim in the table.
const IN_FLIGHT: i16 = 0;
const COMPLETED: i16 = 1;
const FREE: i16 = 2;

/// Reads claims whose accounts are locked, and whether their owners are nodes.
pub(crate) const SELECT: &str = "SELECT c.account, c.id, c.fingerprint, c.state, c.owner, c.hold, c.epoch, c.lease_ends,
       c.repeats, c.expires, c.forgotten, c.size, EXISTS (SELECT 1 FROM demur.node n WHERE n.owner = c.owner)
    FROM unnest($1::text[], $2::text[]) AS u (account, id) JOIN demur.claim c ON c.account = u.account AND c.id = u.id";

pub(crate) const UPSERT: &str = "INSERT INTO demur.claim AS c
        (account, id, fingerprint, state, owner, hold, epoch, lease_ends, repeats, expires, forgotten, size, response)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::integer[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bytea[])
    ON CONFLICT (account, id) DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state,
        owner = excluded.owner, hold = excluded.hold, epoch = excluded.epoch, lease_ends = excluded.lease_ends,
        repeats = excluded.repeats, expires = excluded.expires, forgotten = excluded.forgotten, size = excluded.size,
        response = CASE WHEN excluded.size = 0 THEN NULL ELSE coalesce(excluded.response, c.response) END";

/// The account and the ID of a claim.
pub(crate) type ClaimName = (AccountId, OperationId);

#[derive(Debug, Clone)]
struct ClaimRow {
    fingerprint: [u8; 32],
    state: i16,
    owner: Owner,
    /// The hold and the epoch of its node, while it is in flight.
    hold: Option<(HoldId, i64)>,
    lease_ends: Timestamp,
    repeats: i32,
    expires: Timestamp,
    forgotten: Timestamp,
    size: u64,
    owner_is_node: bool,
    response: Option<StoredResponse>,
}

/// What a claim of an operation may do.
#[derive(Debug)]
pub(crate) enum ClaimDecision {
    /// The operation may execute.
    Execute,
    /// The operation must not execute; this is the outcome.
    Decided(HoldOutcome),
    /// The operation completed, and this repeat may be forwarded.
    Forward,
    /// The operation was in flight with an owner that has gone: this hold must be posted.
    Abandoned(HoldId),
}

/// The claims that one transaction reads and changes.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    rows: BTreeMap<ClaimName, ClaimRow>,
    changed: BTreeSet<ClaimName>,
}

impl Claims {
    /// Adds the rows of [`SELECT`].
    pub(crate) fn add(&mut self, rows: &[Row]) -> Result<(), DbError> {
        for row in rows {
            let hold = optional_unsigned(row, 5)?.map(HoldId);
            let epoch: Option<i64> = row.try_get(6)?;
            let claim = ClaimRow {
                fingerprint: digest(row, 2)?,
                state: row.try_get(3)?,
                owner: Owner(row.try_get::<_, i64>(4)?.cast_unsigned()),
                hold: hold.zip(epoch),
                lease_ends: moment(row, 7)?,
                repeats: row.try_get(8)?,
                expires: moment(row, 9)?,
                forgotten: moment(row, 10)?,
                size: unsigned(row, 11)?,
                owner_is_node: row.try_get(12)?,
                response: None,
            };
            self.rows.insert((parsed(row, 0)?, parsed(row, 1)?), claim);
        }
        Ok(())
    }

    /// Decides whether an operation that a client has named may execute.
    pub(crate) fn decide(&mut self, job: &HoldJob, claim: &Claim) -> ClaimDecision {
        let name = (job.account.clone(), job.operation.clone());
        let Some(found) = self.rows.get_mut(&name) else { return ClaimDecision::Execute };
        if found.state != IN_FLIGHT && found.forgotten <= job.at {
            return ClaimDecision::Execute;
        }
        if found.fingerprint != claim.fingerprint.0 {
            return ClaimDecision::Decided(HoldOutcome::Mismatch);
        }
        match (found.state, claim.repeats) {
            (IN_FLIGHT, _) => {
                // The clock of this node says nothing about the lease of another node: while there is its row, it lives.
                let may_be_gone = found.owner != claim.owner && !found.owner_is_node;
                match found.hold.filter(|_| may_be_gone && found.lease_ends <= job.at) {
                    Some((hold, _)) => ClaimDecision::Abandoned(hold),
                    None => ClaimDecision::Decided(HoldOutcome::InFlight),
                }
            }
            (FREE, _) => ClaimDecision::Execute,
            (_, RepeatPolicy::Forward(max))
                if u32::try_from(found.repeats).is_ok_and(|repeats| repeats < max.get()) =>
            {
                found.repeats += 1;
                self.changed.insert(name);
                ClaimDecision::Forward
            }
            (_, RepeatPolicy::Forward(_) | RepeatPolicy::Replay) => {
                let is_stored = found.size > 0 && job.at < found.expires;
                ClaimDecision::Decided(HoldOutcome::Completed { is_stored })
            }
        }
    }

    /// Whether another claim would exceed the maximum; if not, it is counted. An earlier claim of the operation is replaced.
    pub(crate) fn make_room(&mut self, job: &HoldJob, books: &mut Books) -> Result<(), u64> {
        let name = (job.account.clone(), job.operation.clone());
        let Some(booked) = books.account(&job.account) else { return Ok(()) };
        if let Some(earlier) = self.rows.get_mut(&name) {
            booked.claim_bytes = booked.claim_bytes.saturating_sub(earlier.size);
            (earlier.size, earlier.response) = (0, None);
            self.changed.insert(name);
            return Ok(());
        }
        if booked.claims >= BOUNDS.account_claims { Err(BOUNDS.account_claims) } else { Ok(()) }
    }

    pub(crate) fn insert(
        &mut self,
        hold: HoldId,
        epoch: i64,
        job: &HoldJob,
        claim: &Claim,
        books: &mut Books,
    ) {
        let name = (job.account.clone(), job.operation.clone());
        let row = ClaimRow {
            fingerprint: claim.fingerprint.0,
            state: IN_FLIGHT,
            owner: claim.owner,
            hold: Some((hold, epoch)),
            lease_ends: job.lease_ends,
            repeats: 0,
            expires: claim.expires(job.at),
            forgotten: claim.forgotten(job.at),
            size: 0,
            owner_is_node: false,
            response: None,
        };
        if self.rows.insert(name.clone(), row).is_none()
            && let Some(booked) = books.account(&job.account)
        {
            booked.claims += 1;
        }
        self.changed.insert(name);
    }

    /// Ends the claim of a hold: with `is_released`, the same request may execute again.
    pub(crate) fn end(
        &mut self,
        name: &ClaimName,
        hold: HoldId,
        is_released: bool,
        response: Option<&StoredResponse>,
        books: &mut Books,
    ) {
        let Some(row) = self.rows.get_mut(name) else { return };
        if row.state != IN_FLIGHT || row.hold.is_none_or(|(of, _)| of != hold) {
            return;
        }
        row.hold = None;
        self.changed.insert(name.clone());
        if is_released {
            row.state = FREE;
            // The same request may execute again; another one is still a mismatch.
            row.forgotten = row.expires;
            return;
        }
        row.state = COMPLETED;
        if let (Some(response), Some(booked)) = (response, books.account(&name.0)) {
            row.size = response.as_bytes().len() as u64;
            row.response = Some(response.clone());
            booked.claim_bytes += row.size;
        }
    }

    /// The columns of [`UPSERT`]; `None` if nothing has changed.
    pub(crate) fn columns(&self) -> Option<ClaimColumns<'_>> {
        let mut columns = ClaimColumns::default();
        for name in &self.changed {
            let Some(row) = self.rows.get(name) else { continue };
            columns.accounts.push(name.0.as_str());
            columns.ids.push(name.1.as_str());
            columns.fingerprints.push(&row.fingerprint);
            columns.states.push(row.state);
            columns.owners.push(row.owner.0.cast_signed());
            columns.holds.push(row.hold.map(|(hold, _)| hold_number(hold)));
            columns.epochs.push(row.hold.map(|(_, epoch)| epoch));
            columns.lease_ends.push(row.lease_ends.as_microsecond());
            columns.repeats.push(row.repeats);
            columns.expires.push(row.expires.as_microsecond());
            columns.forgotten.push(row.forgotten.as_microsecond());
            columns.sizes.push(signed(row.size));
            columns.responses.push(row.response.as_ref().map(StoredResponse::as_bytes));
        }
        (!columns.accounts.is_empty()).then_some(columns)
    }
}

/// The columns of [`UPSERT`].
#[derive(Default)]
pub(crate) struct ClaimColumns<'a> {
    accounts: Vec<&'a str>,
    ids: Vec<&'a str>,
    fingerprints: Vec<&'a [u8]>,
    states: Vec<i16>,
    owners: Vec<i64>,
    holds: Vec<Option<i64>>,
    epochs: Vec<Option<i64>>,
    lease_ends: Vec<i64>,
    repeats: Vec<i32>,
    expires: Vec<i64>,
    forgotten: Vec<i64>,
    sizes: Vec<i64>,
    responses: Vec<Option<&'a [u8]>>,
}

impl ClaimColumns<'_> {
    pub(crate) fn values(&self) -> Vec<&(dyn tokio_postgres::types::ToSql + Sync)> {
        vec![
            &self.accounts,
            &self.ids,
            &self.fingerprints,
            &self.states,
            &self.owners,
            &self.holds,
            &self.epochs,
            &self.lease_ends,
            &self.repeats,
            &self.expires,
            &self.forgotten,
            &self.sizes,
            &self.responses,
        ]
    }
}

/// Evicts the oldest responses of accounts that have too many. Their accounts are locked and written.
pub(crate) async fn evict(client: &Client, books: &Books) -> Result<(), DbError> {
    let is_over = |bytes: u64| bytes > BOUNDS.account_bytes;
    for booked in books.accounts().filter(|booked| is_over(booked.claim_bytes)) {
        let sql = "WITH stored AS (
                SELECT id, (sum(size) OVER (ORDER BY number DESC, id))::bigint AS total
                FROM demur.claim WHERE account = $1 AND size > 0),
            evicted AS (
                UPDATE demur.claim c SET response = NULL, size = 0 FROM stored
                WHERE c.account = $1 AND c.id = stored.id AND stored.total > $2 RETURNING 1)
            UPDATE demur.account SET claim_bytes =
                (SELECT coalesce(max(total) FILTER (WHERE total <= $2), 0) FROM stored) WHERE id = $1";
        client.execute(sql, &[&booked.account.id.as_str(), &signed(BOUNDS.account_bytes)]).await?;
    }
    Ok(())
}

/// Deletes the oldest claims of accounts that have the maximum: those that are settled and have an expired response.
pub(crate) async fn forget_early(
    client: &Client,
    books: &mut Books,
    wanted: &BTreeMap<AccountId, (i64, Timestamp)>,
) -> Result<(), DbError> {
    for (account, (count, at)) in wanted {
        let Some(booked) = books.account(account).filter(|booked| booked.claims >= BOUNDS.account_claims)
        else {
            continue;
        };
        let sql = "DELETE FROM demur.claim WHERE account = $1 AND id IN
                       (SELECT id FROM demur.claim WHERE account = $1 ORDER BY number LIMIT $2)
                   AND state > 0 AND expires <= $3 RETURNING size";
        for row in client.query(sql, &[&account.as_str(), count, &at.as_microsecond()]).await? {
            booked.claims = booked.claims.saturating_sub(1);
            booked.claim_bytes = booked.claim_bytes.saturating_sub(unsigned(&row, 0)?);
        }
    }
    Ok(())
}

/// Deletes expired responses and forgotten claims, at most `max` of each. Returns whether there may be more.
pub(crate) async fn prune(client: &Client, at: Timestamp, max: i64) -> Result<bool, DbError> {
    let due = "SELECT account, id FROM (SELECT account, id FROM demur.claim WHERE size > 0 AND expires <= $1 LIMIT $2) a
        UNION SELECT account, id FROM (SELECT account, id FROM demur.claim WHERE state > 0 AND forgotten <= $1 LIMIT $2) b";
    let rows = client.query(due, &[&at.as_microsecond(), &max]).await?;
    if rows.is_empty() {
        return Ok(false);
    }
    let column =
        |column| rows.iter().map(|row| row.try_get::<_, String>(column)).collect::<Result<Vec<_>, _>>();
    let (accounts, ids) = (column(0)?, column(1)?);
    client.query(crate::books::LOCK, &[&accounts]).await?;
    for (change, condition) in [
        ("UPDATE demur.claim c SET response = NULL, size = 0", "c.size > 0 AND c.expires <= $3"),
        ("DELETE FROM demur.claim c", "c.state > 0 AND c.forgotten <= $3"),
    ] {
        let from = if change.starts_with("UPDATE") { "FROM" } else { "USING" };
        let sql = format!(
            "WITH due AS (SELECT * FROM unnest($1::text[], $2::text[]) AS u (account, id)),
                before AS (SELECT c.account, c.id, c.size FROM demur.claim c JOIN due USING (account, id)),
                gone AS ({change} {from} due WHERE c.account = due.account AND c.id = due.id AND {condition}
                    RETURNING c.account, c.id)
             UPDATE demur.account a SET claims = a.claims - s.claims * $4, claim_bytes = a.claim_bytes - s.bytes
             FROM (SELECT gone.account, count(*) AS claims, sum(before.size)::bigint AS bytes
                   FROM gone JOIN before USING (account, id) GROUP BY gone.account) s WHERE a.id = s.account"
        );
        let deleted = i64::from(change.starts_with("DELETE"));
        client.execute(&sql, &[&accounts, &ids, &at.as_microsecond(), &deleted]).await?;
    }
    Ok(signed(rows.len() as u64) >= max)
}
