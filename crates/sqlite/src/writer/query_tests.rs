//! No query of a start or of a request scans a table that grows, by SQLite's query plans.
//!
//! The queries are not listed here: they are traced while a store starts, looks up keys, charges, writes deferred changes, and
//! starts again with open holds.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::conformance::{plans, start};
use demur_admission::{
    Account, AccountId, Claim, ClaimBounds, Digest, Fingerprint, Grants, HoldId, KeyId, KeyRecord,
    LocalCounters, Owner, Period, QuotaUse, RepeatPolicy, Settlement, StoredResponse,
};
use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::ledger_tx::LedgerTx;
use super::state::{LedgerState, Rollback};
use super::{HoldJob, claims, recovery};
use crate::database::{Conn, DatabaseFile};
use crate::directory::{self, StoredSecret};
use crate::{quota, schema, write_behind};

/// Tables that contain configuration and do not grow with requests, and steps without a table.
const SMALL_TABLES: [&str; 3] = ["foreign_form", "sqlite_master", "CONSTANT"];

thread_local! {
    static QUERIES: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

fn listen(event: TraceEvent<'_>) {
    // The SQL without its values, which the planner does not use either.
    if let TraceEvent::Stmt(statement, _) = event {
        QUERIES.with_borrow_mut(|queries| queries.insert(statement.sql().into_owned()));
    }
}

fn acme() -> AccountId {
    "acme".parse().unwrap()
}

fn job(operation: &str, claim: Option<Claim>) -> HoldJob {
    let monthly = plans().into_iter().find(|plan| plan.name == "paid").and_then(|plan| plan.credits);
    let operation = operation.parse().unwrap();
    let at = start().wall;
    HoldJob { account: acme(), operation, claim, amount: 2, lease_ends: at, monthly, at }
}

/// Creates an account with a key, and looks it up as the reader does.
fn look_up(connection: &Connection) -> KeyId {
    let account = Account { id: acme(), name: "Acme".into(), plan: "paid".into(), grant_day: None };
    directory::insert_account(connection, &account, start().wall).unwrap();
    let key = KeyRecord {
        id: KeyId::generate(),
        account: acme(),
        api: "shop".into(),
        prefix: "shop".into(),
        created: start().wall,
        expires: None,
        revoked: None,
        disabled: None,
        grants: Grants::default(),
        metadata: BTreeMap::new(),
    };
    let secret = StoredSecret { digest: Digest::from_bytes([1; 32]), pepper: 1 };
    directory::insert_key(connection, &key, None, &secret).unwrap();
    assert!(directory::find(connection, &[secret.digest].into_iter().collect()).unwrap().is_some());
    quota::restore(connection, &LocalCounters::new(), &acme()).unwrap();
    key.id
}

/// Charges with and without a claim, settled in a later batch than they were created in; two holds stay open.
fn charge(conn: &mut Conn, state: &mut LedgerState) {
    let ttl = Duration::from_secs(60);
    let claim_with = |repeats| {
        let (fingerprint, owner) = (Fingerprint([1; 32]), Owner::this_process());
        Some(Claim { fingerprint, owner, ttl, repeats })
    };
    let (replayed, forwarded) =
        (claim_with(RepeatPolicy::Replay), claim_with(RepeatPolicy::Forward(NonZeroU32::MIN)));
    let mut rollback = Rollback::default();
    let transaction = conn.connection.transaction().unwrap();
    let mut ledger = LedgerTx::open(&transaction, state, &mut rollback, start().wall);
    for (operation, claim) in [("1", replayed), ("2", None), ("3", replayed), ("4", None)] {
        ledger.hold(&job(operation, claim)).unwrap();
    }
    // Stored and released, repeated, evicted, and beyond the maximum number of claims.
    for (operation, settled) in [("5", true), ("6", true), ("7", false)] {
        let hold = ledger.hold(&job(operation, replayed)).unwrap().hold().unwrap();
        match settled {
            true => ledger.complete(hold, 1, &StoredResponse::new(vec![1]).unwrap()).unwrap(),
            false => ledger.settle(hold, Settlement::Release).unwrap(),
        }
    }
    ledger.hold(&job("6", forwarded)).unwrap();
    let bounds = ledger.state.bounds;
    ledger.state.bounds =
        ClaimBounds { account_bytes: 0, total_bytes: 0, account_claims: 0, total_claims: 0 };
    ledger.hold(&job("8", replayed)).unwrap();
    ledger.state.bounds.account_claims = bounds.account_claims;
    ledger.hold(&job("8", replayed)).unwrap();
    ledger.complete(HoldId(3), 1, &StoredResponse::new(vec![1]).unwrap()).unwrap();
    ledger.state.bounds = bounds;
    ledger.prune_claims(start().wall, 10).unwrap();
    claims::read(&transaction, &acme(), "6", &[1; 32], start().wall).unwrap();
    ledger.close().unwrap();
    let mut ledger = LedgerTx::open(&transaction, state, &mut rollback, start().wall);
    for hold in [1, 2] {
        ledger.settle(HoldId(hold), Settlement::Post(1)).unwrap();
    }
    ledger.balance(&acme(), None, start().wall).unwrap();
    ledger.close().unwrap();
    transaction.commit().unwrap();
}

fn write_behind_changes(connection: &Connection, key: &KeyId) {
    let pending = write_behind::WriteBehind::default();
    pending.used(key, start().wall);
    pending.refreshed(Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
    pending.take(usize::MAX).write(connection, 2).unwrap();
    let day = Period { start: Timestamp::UNIX_EPOCH, end: start().wall };
    quota::save(connection, &[QuotaUse { account: acme(), day, used: 1 }]).unwrap();
}

fn start_store(conn: &mut Conn, path: &Path) -> LedgerState {
    schema::migrate(&mut conn.connection, path).unwrap();
    schema::verify(&conn.connection, path).unwrap();
    directory::has_keys(&conn.connection).unwrap();
    directory::imported_forms(&conn.connection).unwrap();
    recovery::recover(&conn.connection, start().wall).unwrap()
}

#[test]
fn no_query_of_a_start_or_a_request_scans_a_growing_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let file = Arc::new(DatabaseFile::at(&path).unwrap());
    let mut conn = Conn::create(&file, false).unwrap();
    conn.connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(listen)).unwrap();
    let mut state = start_store(&mut conn, &path);
    let key = look_up(&conn.connection);
    charge(&mut conn, &mut state);
    write_behind_changes(&conn.connection, &key);
    start_store(&mut conn, &path);
    conn.connection.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).unwrap();

    let is_query = |sql: &String| {
        ["SELECT", "UPDATE", "INSERT", "DELETE"].iter().any(|word| sql.trim_start().starts_with(word))
    };
    let queries = QUERIES.take();
    let queries: Vec<&String> = queries.iter().filter(|sql| is_query(sql)).collect();
    assert!(queries.len() >= 20, "{queries:#?}");
    for sql in queries {
        let mut statement = conn.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        for step in steps.map(Result::unwrap) {
            let table = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            // These indexes contain only open holds and claims in flight.
            let is_short = [
                "SCAN operation USING INDEX operation_held",
                "SCAN claim USING INDEX claim_in_flight",
                "SCAN claim USING COVERING INDEX claim_in_flight",
            ];
            assert!(
                is_short.contains(&step.as_str()) || table.is_none_or(|table| SMALL_TABLES.contains(&table)),
                "{step}: {sql}"
            );
        }
    }
}
