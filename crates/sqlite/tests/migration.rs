//! A database that an earlier program wrote, opened by this one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::conformance::{at, plans};
use demur_admission::{AccountId, Check, Command, CommandFault, Plans, Reply, StatementEntry, StatementKind};
use demur_sqlite::Store;

/// A moment of the month that was under way when the old program ended.
fn open(folder: &Path) -> Arc<Store> {
    let path = folder.join("demur.db");
    if !path.exists() {
        let old = rusqlite::Connection::open(&path).unwrap();
        old.execute_batch(include_str!("golden/schema-2.sql")).unwrap();
        // As the old program made it.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    Store::open(&path, Arc::new(Plans::new(plans()))).unwrap()
}

fn run(store: &Store, command: Command) -> Result<Reply, CommandFault> {
    match store.execute(command, at(Duration::from_secs(11 * 24 * 3600)).wall) {
        Reply::Refused { fault } => Err(fault),
        reply => Ok(reply),
    }
}

fn proof(store: &Store) -> Vec<Check> {
    match run(store, Command::Verify) {
        Ok(Reply::Verified { checks }) => checks,
        other => panic!("{other:?}"),
    }
}

fn statement(store: &Store, account: &AccountId) -> (u64, Vec<StatementEntry>) {
    let command = Command::Statement { account: account.clone(), since: None, limit: 1000 };
    let Ok(Reply::Statement { account, entries, more: false }) = run(store, command) else { panic!() };
    (account.credits.available + account.credits.held, entries)
}

#[test]
fn a_database_of_the_second_schema_adds_up_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let store = open(folder.path());
        let checks = proof(&store);
        for Check { rule, violations, .. } in &checks {
            assert_eq!(violations, &Vec::<String>::new(), "{rule}");
        }
        // What the old program did not write down cannot be compared, and is not said to have been.
        let examined =
            |rule: &str| checks.iter().find(|check| check.rule.starts_with(rule)).unwrap().examined;
        assert_eq!((examined("expired is"), examined("granted is"), examined("lasting credits")), (3, 3, 1));
        assert_eq!(examined("no refund exceeds"), 1, "the others' operations were pruned");
        let bob = "bob".parse().unwrap();
        let (has, entries) = statement(&store, &bob);
        let sum: i64 = entries.iter().map(StatementEntry::change).sum();
        assert_eq!((sum, entries[0].balance), (133, 133), "{entries:?}");
        assert_eq!(has, 133);
        let count = |kind| entries.iter().filter(|entry| entry.kind == kind).count();
        let kinds = [StatementKind::Expired, StatementKind::OutcomeUnknown, StatementKind::Grant];
        assert_eq!(kinds.map(count), [1, 2, 2], "{entries:?}");
    }
    let store = open(folder.path());
    let [acme, pruned] = ["acme", "pruned"].map(|id| id.parse::<AccountId>().unwrap());
    // December's grant comes, and November's rest goes.
    assert_eq!(statement(&store, &acme).1[0].kind, StatementKind::Grant);
    let withdrawal = Command::Withdraw {
        account: pruned.clone(),
        amount: 120,
        reason: "mistake".into(),
        operation: Some("w-2".parse().unwrap()),
    };
    assert!(run(&store, withdrawal).is_ok());
    assert!(run(&store, Command::Prune { before: "2100-01-01T00:00:00Z".parse().unwrap() }).is_ok());
    assert!(proof(&store).iter().all(|check| check.violations.is_empty()));
    assert_eq!(statement(&store, &pruned).0, 100 + 48 - 120);
}
