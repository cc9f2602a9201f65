//! Claims of operations that clients name, within the batch's transaction: each is executed once, and its response is
//! kept for a while.
//!
//! How many claims and bytes there are is counted by the schema's triggers.

use demur_admission::{
    AccountId, Claim, HoldId, HoldOutcome, Owner, RepeatPolicy, Settlement, StoredResponse,
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::HoldJob;
use super::ledger_tx::{HELD, LedgerTx, POSTED};
use crate::directory::{moment, optional_moment};

/// The states of a claim, as in the table.
const IN_FLIGHT: i64 = 0;
const COMPLETED: i64 = 1;
const FREE: i64 = 2;

/// What is known of an operation that a client has named.
#[derive(Debug)]
pub(super) enum StoredClaim {
    /// Nothing: it may run.
    New,
    /// This is to be said.
    Decided(HoldOutcome),
    /// It completed, and this repeat may be forwarded.
    Repeated,
}

/// A row.
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
    pub(super) fn known(&mut self, job: &HoldJob, claim: &Claim) -> rusqlite::Result<StoredClaim> {
        let Some(found) = self.claim(job)? else { return self.known_before(job) };
        if found.state != IN_FLIGHT && found.forgotten <= job.at {
            self.transaction
                .prepare_cached("DELETE FROM claim WHERE number = ?1")?
                .execute([found.number])?;
            return self.known_before(job);
        }
        if found.fingerprint != claim.fingerprint.0 {
            return Ok(StoredClaim::Decided(HoldOutcome::Mismatch));
        }
        if found.state == IN_FLIGHT {
            let is_gone = found.owner != claim.owner && found.lease_ends <= job.at;
            return Ok(StoredClaim::Decided(if is_gone {
                self.abandon(&found)?
            } else {
                HoldOutcome::InFlight
            }));
        }
        if found.state == FREE {
            // It takes the place of the claim that was released.
            return Ok(StoredClaim::New);
        }
        match claim.repeats {
            RepeatPolicy::Forward(most) if found.repeats < most.get() => {
                let sql = "UPDATE claim SET repeats = repeats + 1 WHERE number = ?1";
                self.transaction.prepare_cached(sql)?.execute([found.number])?;
                Ok(StoredClaim::Repeated)
            }
            RepeatPolicy::Forward(_) | RepeatPolicy::Replay => {
                let is_stored = found.size > 0 && job.at < found.expires;
                Ok(StoredClaim::Decided(HoldOutcome::Completed { is_stored }))
            }
        }
    }

    /// Without a claim: an operation may have been charged before there were claims, or have outlived its own.
    fn known_before(&self, job: &HoldJob) -> rusqlite::Result<StoredClaim> {
        let sql = "SELECT state FROM operation WHERE account = ?1 AND id = ?2";
        let name = [job.account.as_str(), job.operation.as_str()];
        let state = self.transaction.prepare_cached(sql)?.query_row(name, |row| row.get::<_, i64>(0));
        Ok(match state.optional()? {
            Some(HELD) => StoredClaim::Decided(HoldOutcome::InFlight),
            Some(POSTED) => StoredClaim::Decided(HoldOutcome::Completed { is_stored: false }),
            // What was released may be tried again.
            Some(_) | None => self.room_for_claim(job)?,
        })
    }

    /// Makes room for another claim where there are as many as there may be.
    fn room_for_claim(&self, job: &HoldJob) -> rusqlite::Result<StoredClaim> {
        let (account, bounds) = (job.account.as_str(), self.till.bounds);
        let of_account = "SELECT min(number) FROM claim WHERE account = ?1";
        let of_all = "SELECT min(number) FROM claim";
        for (whose, most, oldest) in
            [(account, bounds.account_claims, of_account), ("", bounds.total_claims, of_all)]
        {
            if used(self.transaction, whose)?.claims >= most {
                // Whose response may still be replayed is not forgotten for another.
                let sql = format!(
                    "DELETE FROM claim
                     WHERE number = ({oldest}) AND state > 0 AND expires <= ?2 AND ?1 IN (account, '')"
                );
                let values = params![whose, job.at.as_microsecond()];
                if self.transaction.prepare_cached(&sql)?.execute(values)? == 0 {
                    return Ok(StoredClaim::Decided(HoldOutcome::TooMany { most }));
                }
            }
        }
        Ok(StoredClaim::New)
    }

    /// Its owner is gone, and nobody knows what became of it.
    fn abandon(&mut self, found: &ClaimRow) -> rusqlite::Result<HoldOutcome> {
        let hold = found.hold.map(HoldId);
        match hold.filter(|hold| self.till.claims.contains_key(hold)) {
            Some(hold) => self.settle(hold, Settlement::Post(u64::MAX))?,
            None => self.complete_claim(found.number, None)?,
        }
        Ok(HoldOutcome::Completed { is_stored: false })
    }

    fn claim(&self, job: &HoldJob) -> rusqlite::Result<Option<ClaimRow>> {
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
        // Where there is one already, it was released.
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
        self.till.claims.insert(hold, number);
        self.undo.claimed.push(hold);
        self.till.claims_due_by(expires);
        Ok(())
    }

    /// Ends the claim of a hold, where it has one.
    pub(super) fn end_claim(
        &mut self,
        hold: HoldId,
        settlement: Settlement,
        response: Option<&StoredResponse>,
    ) -> rusqlite::Result<()> {
        let Some(number) = self.till.claims.remove(&hold) else { return Ok(()) };
        self.undo.completed.push((hold, number));
        match settlement {
            Settlement::Release => self.free_claim(number),
            Settlement::Post(_) => self.complete_claim(number, response),
        }
    }

    /// The same request may run again; another one is a mismatch still.
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
            Some(account) => self.evict(&account),
            None => Ok(()),
        }
    }

    /// Evicts the oldest responses until what is left is within the bounds.
    fn evict(&self, account: &str) -> rusqlite::Result<()> {
        let of_account = "SELECT min(number) FROM claim WHERE account = ?1 AND size > 0";
        let of_all = "SELECT min(number) FROM claim WHERE size > 0";
        let bounds = self.till.bounds;
        for (whose, most, oldest) in
            [(account, bounds.account_bytes, of_account), ("", bounds.total_bytes, of_all)]
        {
            while used(self.transaction, whose)?.bytes > most {
                let sql = format!(
                    "UPDATE claim SET response = NULL, size = 0
                     WHERE number = ({oldest}) AND ?1 IN (account, '')"
                );
                if self.transaction.prepare_cached(&sql)?.execute([whose])? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Removes responses that have expired and claims that are to be forgotten, so many of each at most.
    pub(super) fn prune_claims(&mut self, at: Timestamp, most: usize) -> rusqlite::Result<()> {
        let values = params![at.as_microsecond(), most];
        let sql = "UPDATE claim SET response = NULL, size = 0 WHERE number IN
                   (SELECT number FROM claim WHERE size > 0 AND expires <= ?1 ORDER BY expires LIMIT ?2)";
        self.transaction.prepare_cached(sql)?.execute(values)?;
        let sql = "DELETE FROM claim WHERE number IN
                   (SELECT number FROM claim WHERE state > 0 AND forgotten <= ?1 ORDER BY forgotten LIMIT ?2)";
        self.transaction.prepare_cached(sql)?.execute(values)?;
        self.till.claims_due = due(self.transaction)?;
        Ok(())
    }
}

/// When the next response expires or the next claim is forgotten.
pub(super) fn due(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let first = |sql| connection.prepare_cached(sql)?.query_row([], |row| optional_moment(row, 0));
    let expires = first("SELECT min(expires) FROM claim WHERE size > 0")?;
    let forgotten = first("SELECT min(forgotten) FROM claim WHERE state > 0")?;
    Ok(expires.into_iter().chain(forgotten).min())
}

/// What claims an earlier process left in flight: nobody knows what became of them.
pub(super) fn recover(connection: &Connection) -> rusqlite::Result<()> {
    // A literal: with a parameter in its place the index of what is in flight would not be used.
    let sql = "UPDATE claim SET state = 1, hold = NULL WHERE state = 0";
    connection.execute(sql, []).map(drop)
}

/// How many claims an account has, and how many bytes are stored for them.
#[derive(Default)]
struct Use {
    claims: u64,
    bytes: u64,
}

/// Of an account, or of all under the empty name.
fn used(connection: &Connection, account: &str) -> rusqlite::Result<Use> {
    let sql = "SELECT claims, bytes FROM claim_use WHERE account = ?1";
    let found = |row: &Row<'_>| Ok(Use { claims: row.get(0)?, bytes: row.get(1)? });
    Ok(connection.prepare_cached(sql)?.query_row([account], found).optional()?.unwrap_or_default())
}

/// The response to a completed operation, while it is there.
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
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use demur_admission::conformance::{at, start};
    use demur_admission::{Account, ClaimBounds, Fingerprint, Now, REMEMBERED};

    use super::*;
    use crate::database::{Conn, DatabaseFile};
    use crate::directory;
    use crate::writer::recovery;
    use crate::writer::state::{LedgerState, Rollback};

    const TTL: Duration = Duration::from_secs(60);

    struct ClaimsUnderTest {
        link: Conn,
        till: LedgerState,
        _folder: tempfile::TempDir,
    }

    impl ClaimsUnderTest {
        fn new(bounds: ClaimBounds) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = Arc::new(DatabaseFile::at(&folder.path().join("demur.db")).unwrap());
            let link = Conn::create(&file, false).unwrap();
            for id in ["acme", "other"] {
                let account = Account { id: id.parse().unwrap(), name: String::new(), plan: String::new() };
                directory::insert_account(&link.connection, &account, start().wall).unwrap();
            }
            let mut till = recovery::recover(&link.connection, start().wall).unwrap();
            till.bounds = bounds;
            Self { link, till, _folder: folder }
        }

        fn run<T>(&mut self, is_lost: bool, work: impl FnOnce(&mut LedgerTx<'_>) -> T) -> T {
            let mut undo = Rollback::default();
            let transaction = self.link.connection.transaction().unwrap();
            let mut books = LedgerTx::open(&transaction, &mut self.till, &mut undo, start().wall);
            let done = work(&mut books);
            books.close().unwrap();
            if is_lost {
                drop(transaction);
                self.till.undo(undo);
            } else {
                transaction.commit().unwrap();
            }
            done
        }

        fn claim(&mut self, account: &str, id: &str, now: Now) -> HoldOutcome {
            let job = job(account, id, now);
            self.run(false, |books| books.hold(&job).unwrap())
        }

        fn store(&mut self, account: &str, id: &str, size: usize) {
            let hold = self.claim(account, id, start()).hold().unwrap();
            let response = StoredResponse::new(vec![1; size]).unwrap();
            self.run(false, |books| books.complete(hold, 0, &response).unwrap());
        }

        /// What is said to be used, which must be what there is.
        fn used(&self, account: &str) -> (u64, u64) {
            let said = used(&self.link.connection, account).unwrap();
            let sql =
                "SELECT count(*), coalesce(sum(length(response)), 0) FROM claim WHERE ?1 IN (account, '')";
            let found = |row: &Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?));
            let found = self.link.connection.query_row(sql, [account], found).unwrap();
            assert_eq!((said.claims, said.bytes), found, "{account}");
            found
        }
    }

    fn job(account: &str, id: &str, now: Now) -> HoldJob {
        let (fingerprint, owner) = (Fingerprint([1; 32]), Owner(1));
        let claim = Claim { fingerprint, owner, ttl: TTL, repeats: RepeatPolicy::Replay };
        HoldJob {
            account: account.parse().unwrap(),
            operation: id.parse().unwrap(),
            claim: Some(claim),
            amount: 0,
            lease_ends: now.wall,
            monthly: None,
            at: now.wall,
        }
    }

    fn completed(is_stored: bool) -> HoldOutcome {
        HoldOutcome::Completed { is_stored }
    }

    #[test]
    fn the_oldest_responses_are_evicted_within_each_bound() {
        let bounds = ClaimBounds { account_bytes: 100, total_bytes: 150, ..ClaimBounds::DURABLE };
        let mut bench = ClaimsUnderTest::new(bounds);
        for id in ["1", "2", "3"] {
            bench.store("acme", id, 40);
        }
        assert_eq!((bench.used("acme"), bench.used("")), ((3, 80), (3, 80)), "the account's bound");
        bench.store("other", "1", 60);
        bench.store("other", "2", 40);
        assert_eq!((bench.used("acme"), bench.used("other")), ((3, 40), (2, 100)), "that of all");
        let kept = [("acme", "1"), ("acme", "2"), ("acme", "3"), ("other", "1"), ("other", "2")]
            .map(|(account, id)| bench.claim(account, id, start()));
        assert_eq!(kept, [false, false, true, true, true].map(completed));
        bench.store("acme", "large", 101);
        assert_eq!(bench.used("acme"), (4, 0), "what is larger than the bound by itself is not kept");
    }

    #[test]
    fn claims_beyond_the_bounds_are_refused_unless_their_responses_have_expired() {
        let bounds = ClaimBounds { account_claims: 2, total_claims: 3, ..ClaimBounds::DURABLE };
        let mut bench = ClaimsUnderTest::new(bounds);
        bench.store("acme", "1", 1);
        let open = bench.claim("acme", "2", start()).hold().unwrap();
        let after = at(TTL);
        assert_eq!(bench.claim("acme", "3", start()), HoldOutcome::TooMany { most: 2 });
        assert!(bench.claim("acme", "3", after).hold().is_some(), "the first has expired");
        assert_eq!(
            bench.claim("acme", "4", after),
            HoldOutcome::TooMany { most: 2 },
            "the oldest is in flight"
        );
        bench.run(false, |books| books.settle(open, Settlement::Release).unwrap());
        assert!(bench.claim("acme", "2", start()).hold().is_some(), "what was released needs no more room");
        assert!(bench.claim("other", "1", after).hold().is_some());
        assert_eq!(bench.claim("other", "2", after), HoldOutcome::TooMany { most: 3 });
        assert_eq!((bench.used("acme").0, bench.used("").0), (2, 3));
    }

    #[test]
    fn what_has_expired_is_pruned() {
        let mut bench = ClaimsUnderTest::new(ClaimBounds::DURABLE);
        bench.store("acme", "stored", 10);
        let hold = bench.claim("acme", "failed", start()).hold().unwrap();
        bench.run(false, |books| books.settle(hold, Settlement::Release).unwrap());
        bench.claim("acme", "open", start());
        let second = Duration::from_secs(1);
        for (after, expected, due) in [
            (TTL - second, (3, 10), Some(TTL)),
            (TTL, (2, 0), Some(TTL + REMEMBERED)),
            (TTL + REMEMBERED - second, (2, 0), Some(TTL + REMEMBERED)),
            (TTL + REMEMBERED, (1, 0), None),
        ] {
            bench.run(false, |books| books.prune_claims(at(after).wall, 10).unwrap());
            assert_eq!(bench.used("acme"), expected, "{after:?}");
            assert_eq!(bench.till.claims_due, due.map(|due| at(due).wall), "{after:?}");
        }
    }

    /// A commit that fails leaves the claim as it was, in memory as on the disk.
    #[test]
    fn a_lost_commit_changes_no_claim() {
        let mut bench = ClaimsUnderTest::new(ClaimBounds::DURABLE);
        let lost = job("acme", "lost", start());
        bench.run(true, |books| books.hold(&lost).unwrap());
        assert!(bench.till.claims.is_empty());
        let hold = bench.claim("acme", "lost", start()).hold().unwrap();
        let response = StoredResponse::new(vec![1]).unwrap();
        for is_lost in [true, false] {
            assert_eq!(bench.claim("acme", "lost", start()), HoldOutcome::InFlight);
            bench.run(is_lost, |books| books.complete(hold, 0, &response).unwrap());
        }
        assert_eq!(bench.claim("acme", "lost", start()), completed(true));
    }
}
