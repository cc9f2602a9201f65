//! Tests of the bounds, the pruning and the rollback of claims.

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
    conn: Conn,
    state: LedgerState,
    _folder: tempfile::TempDir,
}

impl ClaimsUnderTest {
    fn new(bounds: ClaimBounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = Arc::new(DatabaseFile::at(&folder.path().join("demur.db")).unwrap());
        let conn = Conn::create(&file, false).unwrap();
        for id in ["acme", "other"] {
            let account = Account {
                id: id.parse().unwrap(),
                name: String::new(),
                plan: String::new(),
                grant_day: None,
            };
            directory::insert_account(&conn.connection, &account, start().wall).unwrap();
        }
        let mut state = recovery::recover(&conn.connection, start().wall).unwrap();
        state.bounds = bounds;
        Self { conn, state, _folder: folder }
    }

    fn run<T>(&mut self, is_lost: bool, work: impl FnOnce(&mut LedgerTx<'_>) -> T) -> T {
        let mut rollback = Rollback::default();
        let transaction = self.conn.connection.transaction().unwrap();
        let mut ledger = LedgerTx::open(&transaction, &mut self.state, &mut rollback, start().wall);
        let done = work(&mut ledger);
        ledger.close().unwrap();
        if is_lost {
            drop(transaction);
            self.state.roll_back(rollback);
        } else {
            transaction.commit().unwrap();
        }
        done
    }

    fn claim(&mut self, account: &str, id: &str, now: Now) -> HoldOutcome {
        let job = job(account, id, now);
        self.run(false, |ledger| ledger.hold(&job).unwrap())
    }

    fn store(&mut self, account: &str, id: &str, size: usize) {
        let hold = self.claim(account, id, start()).hold().unwrap();
        let response = StoredResponse::new(vec![1; size]).unwrap();
        self.run(false, |ledger| ledger.complete(hold, 0, &response).unwrap());
    }

    /// Returns the counted claims and bytes, and asserts that they match the rows.
    fn used(&self, account: &str) -> (u64, u64) {
        let counted = claim_use(&self.conn.connection, account).unwrap();
        let sql = "SELECT count(*), coalesce(sum(length(response)), 0) FROM claim WHERE ?1 IN (account, '')";
        let found = |row: &Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?));
        let found = self.conn.connection.query_row(sql, [account], found).unwrap();
        assert_eq!((counted.claims, counted.bytes), found, "{account}");
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
fn evicts_the_oldest_responses_at_each_bound() {
    let bounds = ClaimBounds { account_bytes: 100, total_bytes: 150, ..ClaimBounds::DURABLE };
    let mut fixture = ClaimsUnderTest::new(bounds);
    for id in ["1", "2", "3"] {
        fixture.store("acme", id, 40);
    }
    assert_eq!((fixture.used("acme"), fixture.used("")), ((3, 80), (3, 80)), "the account's bound");
    fixture.store("other", "1", 60);
    fixture.store("other", "2", 40);
    assert_eq!(
        (fixture.used("acme"), fixture.used("other")),
        ((3, 40), (2, 100)),
        "the bound of all accounts"
    );
    let kept = [("acme", "1"), ("acme", "2"), ("acme", "3"), ("other", "1"), ("other", "2")]
        .map(|(account, id)| fixture.claim(account, id, start()));
    assert_eq!(kept, [false, false, true, true, true].map(completed));
    fixture.store("acme", "large", 101);
    assert_eq!(fixture.used("acme"), (4, 0), "a response larger than the bound is not stored");
}

#[test]
fn rejects_claims_beyond_the_bounds_unless_a_response_has_expired() {
    let bounds = ClaimBounds { account_claims: 2, total_claims: 3, ..ClaimBounds::DURABLE };
    let mut fixture = ClaimsUnderTest::new(bounds);
    fixture.store("acme", "1", 1);
    let open = fixture.claim("acme", "2", start()).hold().unwrap();
    let after = at(TTL);
    assert_eq!(fixture.claim("acme", "3", start()), HoldOutcome::TooMany { most: 2 });
    assert!(fixture.claim("acme", "3", after).hold().is_some(), "the first has expired");
    assert_eq!(
        fixture.claim("acme", "4", after),
        HoldOutcome::TooMany { most: 2 },
        "the oldest is in flight"
    );
    fixture.run(false, |ledger| ledger.settle(open, Settlement::Release).unwrap());
    assert!(
        fixture.claim("acme", "2", start()).hold().is_some(),
        "a released claim needs no additional room"
    );
    assert!(fixture.claim("other", "1", after).hold().is_some());
    assert_eq!(fixture.claim("other", "2", after), HoldOutcome::TooMany { most: 3 });
    assert_eq!((fixture.used("acme").0, fixture.used("").0), (2, 3));
}

#[test]
fn prunes_expired_responses_and_forgotten_claims() {
    let mut fixture = ClaimsUnderTest::new(ClaimBounds::DURABLE);
    fixture.store("acme", "stored", 10);
    let hold = fixture.claim("acme", "failed", start()).hold().unwrap();
    fixture.run(false, |ledger| ledger.settle(hold, Settlement::Release).unwrap());
    fixture.claim("acme", "open", start());
    let second = Duration::from_secs(1);
    for (after, expected, due) in [
        (TTL - second, (3, 10), Some(TTL)),
        (TTL, (2, 0), Some(TTL + REMEMBERED)),
        (TTL + REMEMBERED - second, (2, 0), Some(TTL + REMEMBERED)),
        (TTL + REMEMBERED, (1, 0), None),
    ] {
        fixture.run(false, |ledger| ledger.prune_claims(at(after).wall, 10).unwrap());
        assert_eq!(fixture.used("acme"), expected, "{after:?}");
        assert_eq!(fixture.state.claims_due, due.map(|due| at(due).wall), "{after:?}");
    }
}

#[test]
fn a_failed_commit_changes_no_claim() {
    let mut fixture = ClaimsUnderTest::new(ClaimBounds::DURABLE);
    let lost = job("acme", "lost", start());
    fixture.run(true, |ledger| ledger.hold(&lost).unwrap());
    assert!(fixture.state.claims.is_empty());
    let hold = fixture.claim("acme", "lost", start()).hold().unwrap();
    let response = StoredResponse::new(vec![1]).unwrap();
    for is_lost in [true, false] {
        assert_eq!(fixture.claim("acme", "lost", start()), HoldOutcome::InFlight);
        fixture.run(is_lost, |ledger| ledger.complete(hold, 0, &response).unwrap());
    }
    assert_eq!(fixture.claim("acme", "lost", start()), completed(true));
}
