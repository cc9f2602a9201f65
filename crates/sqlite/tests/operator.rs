//! Operators' commands on credits and secrets: corrections, statements, verification, backups, pruning, peppers, imported
//! keys.
//! Long because all of them share the setup.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::conformance::{plans, start};
use demur_admission::{
    AccountId, AccountStatement, Admission, CacheConfig, Claim, Command, CommandFault, Denial, Fingerprint,
    Grants, HoldId, HoldOutcome, HoldRequest, ImportedForm, ImportedHash, ImportedKey, KeyState, Ledger,
    OperationId, Owner, Page, Plans, RepeatPolicy, Reply, Secret, Settlement, StatementKind, StoredResponse,
};
use demur_sqlite::Store;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

fn open(path: &Path) -> Arc<Store> {
    Store::open(path, Arc::new(Plans::new(plans()))).unwrap()
}

fn acme() -> AccountId {
    "acme".parse().unwrap()
}

fn run(store: &Store, command: Command) -> Result<Reply, CommandFault> {
    match store.execute(command, start().wall) {
        Reply::Rejected { fault } => Err(fault),
        reply => Ok(reply),
    }
}

fn with_account(path: &Path) -> Arc<Store> {
    let store = open(path);
    let (account, plan) = (Some(acme()), "open".into());
    run(&store, Command::CreateAccount { account, name: "Acme".into(), plan, grant_day: None }).unwrap();
    let (amount, reason) = (100, "bought".into());
    run(&store, Command::TopUp { account: acme(), amount, reason, operation: None }).unwrap();
    store
}

fn charge(store: &Store, id: &str, claim: Option<Claim>, settlement: Option<Settlement>) {
    let (account, operation): (_, OperationId) = (acme(), id.parse().unwrap());
    match (request_hold(store, &account, &operation, claim), settlement) {
        (HoldOutcome::Held { hold, .. }, Some(settlement)) => store.settle(hold, settlement).block().unwrap(),
        (HoldOutcome::Held { .. }, None) => {}
        (other, _) => panic!("{other:?}"),
    }
}

/// A hold that is still open.
fn hold(store: &Store, id: &str, claim: Option<Claim>) -> HoldId {
    request_hold(store, &acme(), &id.parse().unwrap(), claim).hold().unwrap()
}

/// Returns a moment after everything so far and before everything that follows.
fn between() -> Timestamp {
    let tick = || {
        let before = Timestamp::now();
        while Timestamp::now().as_microsecond() <= before.as_microsecond() + 1 {
            std::thread::yield_now();
        }
        Timestamp::now()
    };
    let moment = tick();
    tick();
    moment
}

fn request_hold(
    store: &Store,
    account: &AccountId,
    operation: &OperationId,
    claim: Option<Claim>,
) -> HoldOutcome {
    let (lease, now) = (Duration::from_secs(30), start());
    let request = HoldRequest { account, operation, amount: 10, lease, monthly: None, now };
    let outcome = match &claim {
        Some(claim) => store.claim(&request, claim),
        None => store.hold(&request),
    };
    outcome.block().unwrap()
}

fn refund(store: &Store, operation: &str, amount: Option<u64>) -> Result<Reply, CommandFault> {
    let operation = operation.parse().unwrap();
    run(store, Command::Refund { account: acme(), operation, amount, reason: "no help".into() })
}

fn balance(store: &Store) -> (u64, u64, u64, u64) {
    let balance = store.balance(&acme(), None, start()).block().unwrap();
    (balance.available, balance.held, balance.posted, balance.granted)
}

fn is_consistent(store: &Store) -> bool {
    let Ok(Reply::Verified { checks }) = run(store, Command::Verify) else { panic!() };
    assert!(checks.len() >= 8 && checks.iter().any(|check| check.examined > 1), "{checks:?}");
    checks.iter().all(|check| check.violations.is_empty())
}

fn statement(store: &Store, limit: u32) -> (Vec<(StatementKind, u64, String)>, bool) {
    let command = Command::Statement { account: acme(), since: None, limit };
    let Ok(Reply::Statement { entries, more, .. }) = run(store, command) else { panic!() };
    (entries.into_iter().map(|entry| (entry.kind, entry.amount, entry.operation)).collect(), more)
}

const CLAIM: Option<Claim> = Some(Claim {
    fingerprint: Fingerprint([3; 32]),
    owner: Owner(1),
    ttl: Duration::from_secs(20 * 365 * 24 * 3600),
    repeats: RepeatPolicy::Replay,
});

#[test]
fn applies_corrections_once_and_within_the_balance() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_account(&folder.path().join("demur.db"));
    charge(&store, "named", CLAIM, Some(Settlement::Post(10)));
    charge(&store, "single", None, Some(Settlement::Post(4)));
    charge(&store, "released", None, Some(Settlement::Release));
    assert_eq!(balance(&store), (86, 0, 14, 100));
    let withdraw = |amount| {
        let (reason, operation) = ("mistake".into(), Some("w-1".parse().unwrap()));
        run(&store, Command::Withdraw { account: acme(), amount, reason, operation })
    };
    assert_eq!(withdraw(87), Err(CommandFault::InsufficientCredits { available: 86, requested: 87 }));
    assert!(withdraw(6).is_ok() && withdraw(6).is_ok(), "a repetition changes nothing");
    assert_eq!(withdraw(7), Err(CommandFault::OperationMismatch));
    assert_eq!(balance(&store), (80, 0, 14, 94));
    for operation in ["released", "unheard-of"] {
        let fault = CommandFault::NotCharged { operation: operation.parse().unwrap() };
        assert_eq!(refund(&store, operation, None), Err(fault));
    }
    assert_eq!(
        refund(&store, "single", Some(5)),
        Err(CommandFault::InsufficientCredits { available: 4, requested: 5 })
    );
    assert!(refund(&store, "single", None).is_ok() && refund(&store, "single", None).is_ok());
    assert!(refund(&store, "named", Some(3)).is_ok());
    assert!(refund(&store, "named", Some(4)).is_err(), "one refund for one operation");
    assert_eq!(balance(&store), (87, 0, 7, 94));
    assert!(is_consistent(&store));
    let (entries, more) = statement(&store, 100);
    let count = |kind| entries.iter().filter(|entry| entry.0 == kind).count();
    let kinds =
        [StatementKind::Posted, StatementKind::Released, StatementKind::Refund, StatementKind::Withdrawal];
    assert_eq!((kinds.map(count), entries.len(), more), ([2, 1, 2, 1], 7, false));
    let (some, more) = statement(&store, 3);
    assert_eq!((some.len(), more), (3, true));
}

#[test]
fn pruning_changes_no_balance_and_keeps_operations_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = with_account(&path);
    charge(&store, "named", CLAIM, Some(Settlement::Post(10)));
    charge(&store, "open", None, None);
    for number in 0..5 {
        charge(&store, &format!("single-{number}"), None, Some(Settlement::Post(1)));
    }
    let before = balance(&store);
    // All settled operations ended before then, but a batch with an open hold comes before them.
    let later = Timestamp::now().max(start().wall) + jiff::SignedDuration::from_hours(1);
    let prune = |store: &Store| match run(store, Command::Prune { before: later }) {
        Ok(Reply::Pruned { operations }) => operations,
        other => panic!("{other:?}"),
    };
    assert_eq!(prune(&store), 1, "the claimed one");
    assert_eq!(balance(&store), before);
    assert!(is_consistent(&store));
    drop(store);
    // After a restart the open hold is settled, and all but the last batch can be deleted.
    let store = open(&path);
    let (entries, _) = statement(&store, 100);
    assert!(entries.contains(&(StatementKind::OutcomeUnknown, 10, "open".into())), "{entries:?}");
    assert_eq!(prune(&store), 6);
    assert_eq!(balance(&store), (before.0, 0, before.2 + 10, before.3));
    assert!(is_consistent(&store));
}

#[test]
fn prunes_operations_by_their_end_and_not_by_their_start() {
    const ROWS: [(&str, Option<Claim>, Settlement); 4] = [
        ("named", CLAIM, Settlement::Post(10)),
        ("single", None, Settlement::Post(10)),
        ("named-released", CLAIM, Settlement::Release),
        ("single-released", None, Settlement::Release),
    ];
    for (id, claim, settlement) in ROWS {
        let folder = tempfile::tempdir().unwrap();
        let store = with_account(&folder.path().join("demur.db"));
        charge(&store, "before", None, Some(Settlement::Post(1)));
        charge(&store, "before-named", CLAIM, Some(Settlement::Post(1)));
        let held = hold(&store, id, claim);
        // Another operation, in a later batch.
        charge(&store, "meanwhile", None, Some(Settlement::Post(1)));
        let held_until = between();
        store.settle(held, settlement).block().unwrap();
        let ended = between();
        charge(&store, "after", None, Some(Settlement::Post(1)));
        let is_kept = |store: &Store| statement(store, 100).0.iter().any(|(_, _, named)| named == id);
        let prune = |before| match run(&store, Command::Prune { before }) {
            Ok(Reply::Pruned { operations }) => operations,
            other => panic!("{other:?}"),
        };
        let (has, consistent) = (balance(&store), is_consistent(&store));
        assert!(consistent && is_kept(&store), "{id}");
        assert!(prune(held_until) >= 2, "{id}: operations that ended before");
        assert!(is_kept(&store), "{id}: it ended later");
        assert_eq!(prune(held_until), 0, "{id}: once");
        assert!(prune(ended) >= 1, "{id}");
        assert!(!is_kept(&store), "{id}: it has ended");
        assert!(is_consistent(&store) && balance(&store) == has, "{id}");
    }
}

/// Each row breaks one rule of the ledger.
#[test]
fn verification_finds_every_inconsistency() {
    for damage in [
        "UPDATE purse SET lasting = lasting + 1, granted = granted + 1",
        "UPDATE purse SET posted = posted + 1, lasting = lasting - 1",
        "UPDATE operation SET posted = 0 WHERE id = 'named'",
        "DELETE FROM operation",
        "DELETE FROM batch WHERE id = (SELECT max(id) FROM batch)",
        "UPDATE batch SET entries = CAST(entries || entries AS BLOB)",
        "DELETE FROM top_up",
        // Values that add up but are wrong.
        "UPDATE purse SET lasting = lasting - 40, expired = expired + 40",
        "UPDATE purse SET lasting = lasting - 40, monthly = monthly + 40",
        "UPDATE purse SET month_amount = month_amount + 1",
        "DELETE FROM expiry",
        "UPDATE expiry SET amount = amount - 1",
        "UPDATE monthly_grant SET begins = '2020' || substr(begins, 5)",
        // Refunds of more than was charged, of an uncharged operation, and of an unknown operation, while the balance adds up.
        "UPDATE correction SET operation = 'single', amount = 5 WHERE operation = 'named'; \
         UPDATE purse SET posted = posted - 2, lasting = lasting + 2",
        "UPDATE correction SET operation = 'released' WHERE operation = 'named'",
        "UPDATE correction SET operation = 'unheard-of' WHERE operation = 'named'",
        "UPDATE correction SET amount = amount + 50",
        "PRAGMA foreign_keys = off; DELETE FROM account",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        let store = with_account(&path);
        run(&store, Command::SetPlan { account: acme(), plan: "paid".into() }).unwrap();
        charge(&store, "named", CLAIM, Some(Settlement::Post(10)));
        charge(&store, "single", None, Some(Settlement::Post(4)));
        charge(&store, "released", None, Some(Settlement::Release));
        refund(&store, "named", Some(3)).unwrap();
        // Then the month ends, with some of its credits left.
        let december = start().wall + jiff::SignedDuration::from_hours(24 * 30);
        store.execute(Command::ShowAccount { account: acme() }, december);
        assert!(is_consistent(&store));
        drop(store);
        rusqlite::Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        assert!(!is_consistent(&open(&path)), "{damage}");
    }
}

#[test]
fn a_backup_under_load_is_consistent() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_account(&folder.path().join("demur.db"));
    for number in 0..5 {
        charge(&store, &format!("single-{number}"), None, Some(Settlement::Post(1)));
    }
    let to = folder.path().join("copy/demur.db");
    std::fs::create_dir(folder.path().join("copy")).unwrap();
    assert!(run(&store, Command::Backup { to: to.clone() }).is_ok());
    assert!(run(&store, Command::Backup { to: to.clone() }).is_err(), "never overwrites a file");
    let copy = open(&to);
    assert_eq!(balance(&copy), balance(&store));
    assert!(is_consistent(&copy));
}

#[test]
fn accepts_keys_under_an_older_pepper_and_moves_them_when_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let admission = |store: &Arc<Store>| {
        let plans = Arc::new(Plans::new(plans()));
        Admission::new(store.stores(), store.pepper(), plans, CacheConfig::default())
    };
    let key = |store: &Store| -> Secret {
        let (api, prefix, expires) = ("shop".into(), "shop".into(), None);
        let (grants, metadata) = (Grants::default(), BTreeMap::new());
        let made = run(
            store,
            Command::CreateKey { api, prefix, account: acme(), expires, grants, metadata, label: None },
        );
        let Ok(Reply::KeyCreated(issued)) = made else { panic!() };
        issued.secret
    };
    let store = with_account(&path);
    let (used, unused) = (key(&store), key(&store));
    for _ in 0..2 {
        assert!(matches!(run(&store, Command::NewPepper), Ok(Reply::PepperMade { older: 2 })));
    }
    drop(store);
    let store = open(&path);
    let is_valid = |store: &Arc<Store>, secret: &Secret| {
        admission(store).authenticate(secret.expose(), "shop", "shop", start()).block().is_ok()
    };
    assert!(is_valid(&store, &used));
    drop(store);
    let store = open(&path);
    let made = run(&store, Command::NewPepper);
    assert_eq!(made, Ok(Reply::PepperMade { older: 2 }), "both are older than the new pepper");
    let peppers = |secret: &Secret| {
        let sql = "SELECT pepper FROM secret WHERE digest = ?1";
        let connection = rusqlite::Connection::open(&path).unwrap();
        let digest = store.pepper().digest(secret.expose());
        connection.query_row(sql, [&digest.as_bytes()[..]], |row| row.get::<_, i64>(0)).ok()
    };
    assert_eq!((peppers(&used), peppers(&unused)), (Some(2), None));
    assert!(is_valid(&store, &used) && is_valid(&store, &unused));
}

/// A secret that is not valid must not be issued.
#[test]
fn rejects_rotation_of_an_inactive_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_account(&folder.path().join("demur.db"));
    let (api, prefix, expires, metadata) = ("shop".into(), "shop".into(), None, BTreeMap::new());
    let create = Command::CreateKey {
        api,
        prefix,
        account: acme(),
        expires,
        grants: Grants::default(),
        metadata,
        label: None,
    };
    let Ok(Reply::KeyCreated(issued)) = run(&store, create) else { panic!() };
    let key = issued.key.key.id;
    let rotate = || {
        let prefix = "shop".into();
        run(&store, Command::RotateKey { key: key.clone(), prefix, grace_seconds: 60 }).map(|_| ())
    };
    let disable = |disabled| Command::SetKeyDisabled { key: key.clone(), disabled };
    let expire = |at| Command::ExpireKey { key: key.clone(), at };
    for (change, state, help) in [
        (disable(true), Some(KeyState::Disabled), "enable it"),
        (disable(false), None, ""),
        (expire(Some(start().wall)), Some(KeyState::Expired), "later expiry"),
        (expire(None), None, ""),
        (Command::RevokeKey { key: key.clone() }, Some(KeyState::Revoked), "create another key"),
    ] {
        run(&store, change.clone()).unwrap();
        let expected = match state {
            None => Ok(()),
            Some(state) => Err(CommandFault::KeyNotActive { key: key.clone(), state }),
        };
        let found = rotate();
        assert_eq!(found, expected, "{change:?}");
        assert!(found.err().is_none_or(|fault| fault.to_string().contains(help)));
    }
}

#[test]
fn rejects_credit_changes_without_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_account(&folder.path().join("demur.db"));
    charge(&store, "named", CLAIM, Some(Settlement::Post(10)));
    let before = balance(&store);
    for reason in ["", " ", "\t\n"] {
        let (account, amount, operation, reason) = (acme(), 1, None, reason.to_owned());
        for command in [
            Command::TopUp { account: account.clone(), amount, reason: reason.clone(), operation },
            Command::Withdraw { account: account.clone(), amount, reason: reason.clone(), operation: None },
            Command::Refund { account, operation: "named".parse().unwrap(), amount: None, reason },
        ] {
            assert_eq!(run(&store, command.clone()), Err(CommandFault::MissingReason), "{command:?}");
        }
    }
    assert_eq!(balance(&store), before);
}

/// One charge per ID: a second charge could not be refunded.
#[test]
fn does_not_charge_a_refunded_operation_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_account(&folder.path().join("demur.db"));
    charge(&store, "named", CLAIM, Some(Settlement::Post(10)));
    refund(&store, "named", None).unwrap();
    assert_eq!(balance(&store), (100, 0, 0, 100));
    let operation = "named".parse().unwrap();
    let again = request_hold(&store, &acme(), &operation, CLAIM);
    assert!(matches!(again, HoldOutcome::Completed { is_stored: false }), "{again:?}");
    assert_eq!(balance(&store), (100, 0, 0, 100));
    let other = CLAIM.map(|claim| Claim { fingerprint: Fingerprint([4; 32]), ..claim });
    assert_eq!(
        request_hold(&store, &acme(), &operation, other),
        HoldOutcome::Mismatch,
        "another request cannot use the ID either"
    );
    assert!(is_consistent(&store));
}

/// As with other keys: stored under the new pepper with the first use.
#[test]
fn moves_an_imported_key_to_the_new_pepper_when_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = with_account(&path);
    let key = "sk_live_0123456789abcdef";
    let hash: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    // Another form that matches, with another key's hash, is tried first.
    for (hash_form, hash) in
        [(ImportedHash::HmacSha256("old".into()), "0".repeat(64)), (ImportedHash::Sha256, hash)]
    {
        let (prefix, shortest, longest) = ("sk_live_".into(), 24, 24);
        let hash_key = matches!(hash_form, ImportedHash::HmacSha256(_)).then(|| "6b6579".to_owned());
        let form = ImportedForm { api: "shop".into(), prefix, shortest, longest, hash: hash_form };
        let (account, grants) = (acme(), Grants::default());
        let keys = vec![ImportedKey {
            account,
            hash,
            expires: None,
            grants,
            label: None,
            metadata: BTreeMap::new(),
        }];
        run(&store, Command::ImportKeys { form, hash_key, keys }).unwrap();
    }
    run(&store, Command::NewPepper).unwrap();
    drop(store);
    let is_valid = |store: &Arc<Store>| {
        let plans = Arc::new(Plans::new(plans()));
        let admission = Admission::new(store.stores(), store.pepper(), plans, CacheConfig::default());
        admission.authenticate(key, "shop", "shop", start()).block().is_ok()
    };
    let store = open(&path);
    assert!(is_valid(&store));
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let sql = "SELECT pepper, count(*) FROM secret GROUP BY pepper ORDER BY pepper";
    let mut statement = connection.prepare(sql).unwrap();
    let peppers = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap();
    assert_eq!(peppers.map(Result::unwrap).collect::<Vec<_>>(), [(1, 1), (2, 1)], "the one that was used");
    assert!(is_valid(&open(&path)));
}

#[test]
fn imports_hmac_hashes_only_with_their_hash_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = with_account(&path);
    let import = |hash_key: Option<&str>, hash: &str| {
        let (prefix, shortest, longest) = ("The_".into(), 43, 43);
        let form_hash = ImportedHash::HmacSha256("old".into());
        let form = ImportedForm { api: "shop".into(), prefix, shortest, longest, hash: form_hash };
        let (account, hash, grants) = (acme(), hash.to_owned(), Grants::default());
        let keys = vec![ImportedKey {
            account,
            hash,
            expires: None,
            grants,
            label: None,
            metadata: BTreeMap::new(),
        }];
        run(&store, Command::ImportKeys { form, hash_key: hash_key.map(str::to_owned), keys })
    };
    let hash = "5f0cd89aa4ac0bb2ea4ba0b0d2bc5a1dd9eb4b2fbd0be8a5ba4ab5a6a4a1a0f7";
    assert!(matches!(import(None, hash), Err(CommandFault::InvalidImport { .. })), "the hash key is missing");
    assert!(matches!(import(Some("zz"), hash), Err(CommandFault::InvalidImport { .. })));
    assert!(matches!(import(Some("6b6579"), "00"), Err(CommandFault::InvalidImport { .. })));
    assert!(import(Some("6b6579"), hash).is_ok());
    assert!(matches!(import(None, hash), Err(CommandFault::KeyExists { .. })));
    let other = hash.replace('5', "6");
    assert!(
        matches!(import(Some("00"), &other), Err(CommandFault::InvalidImport { .. })),
        "one hash key per name"
    );
    let pepper = std::fs::read_to_string(folder.path().join("demur.db.pepper")).unwrap();
    assert!(pepper.contains("hmac old 6b6579"));
}

/// The ledger and the statement of a deleted account stay. Its keys, its stored responses and its ID do not.
#[test]
fn deletes_an_account_that_no_request_uses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = with_account(&path);
    let (api, prefix, expires) = ("shop".to_owned(), "shop".to_owned(), None);
    let (grants, metadata, label) = (Grants::default(), BTreeMap::new(), None);
    let create = Command::CreateKey { api, prefix, account: acme(), expires, grants, metadata, label };
    let Ok(Reply::KeyCreated(issued)) = run(&store, create.clone()) else { panic!() };
    let plans = Arc::new(Plans::new(plans()));
    let admission = Admission::new(store.stores(), store.pepper(), plans, CacheConfig::default());
    let authenticate = || {
        let principal = admission.authenticate(issued.secret.expose(), "shop", "shop", start()).block();
        principal.map(|principal| principal.account().id.to_string())
    };
    let delete = |store: &Store, revoke_keys| {
        run(store, Command::DeleteAccount { account: acme(), revoke_keys }).map(drop)
    };
    let response = |store: &Store| {
        let operation = "order-1".parse().unwrap();
        store.read(&acme(), &operation, &Fingerprint([3; 32]), start()).block().unwrap()
    };
    assert_eq!(authenticate().as_deref(), Ok("acme"));
    let in_flight = hold(&store, "order-1", CLAIM);
    assert_eq!(delete(&store, false), Err(CommandFault::AccountHasKeys { account: acme(), keys: 1 }));
    assert_eq!(delete(&store, true), Err(CommandFault::AccountInUse { account: acme(), held: 10 }));
    assert_eq!(authenticate().as_deref(), Ok("acme"), "nothing was changed");
    store.complete(in_flight, 10, StoredResponse::new(b"{}".to_vec()).unwrap());
    // Waits for the writer.
    assert_eq!(balance(&store), (90, 0, 10, 100));
    assert!(response(&store).is_some());
    let before = statement(&store, 10);

    assert_eq!(delete(&store, true), Ok(()));
    let denied = authenticate();
    assert!(matches!(denied, Err(Denial::CredentialRevoked { .. })), "the cached key, too: {denied:?}");
    drop(admission);
    let mut store = store;
    for _ in 0..2 {
        assert_eq!(response(&store), None);
        assert_eq!(statement(&store, 10), before);
        assert!(is_consistent(&store));
        assert_eq!(delete(&store, false), Ok(()), "again");
        let (account, plan, reason) = (acme(), "open".to_owned(), "gift".to_owned());
        for command in [
            create.clone(),
            Command::SetPlan { account: account.clone(), plan: plan.clone() },
            Command::TopUp { account: account.clone(), amount: 1, reason: reason.clone(), operation: None },
            Command::Withdraw { account: account.clone(), amount: 1, reason, operation: None },
        ] {
            let fault = CommandFault::AccountDeleted { account: account.clone() };
            assert_eq!(run(&store, command.clone()), Err(fault), "{command:?}");
        }
        assert_eq!(refund(&store, "order-1", None), Err(CommandFault::AccountDeleted { account: acme() }));
        let create =
            Command::CreateAccount { account: Some(account), name: "Acme".into(), plan, grant_day: None };
        assert_eq!(run(&store, create), Err(CommandFault::AccountExists { account: acme() }));
        let list = Command::ListAccounts { page: Page::default() };
        assert_eq!(run(&store, list), Ok(Reply::Accounts { accounts: Vec::new(), more: false }));
        let shown = run(&store, Command::ShowAccount { account: acme() });
        assert!(matches!(shown, Ok(Reply::Account(AccountStatement { deleted: Some(_), .. }))), "{shown:?}");
        store.close();
        drop(store);
        store = open(&path);
    }
}

/// A key is found by each secret that leads to it: a replaced one, and one of another system.
#[test]
fn finds_a_key_by_its_secret() {
    const LEGACY: &str = "legacy-0123456789abcdef";
    let folder = tempfile::tempdir().unwrap();
    let store = with_account(&folder.path().join("demur.db"));
    let (api, prefix, expires) = ("shop".to_owned(), "shop".to_owned(), None);
    let (grants, metadata) = (Grants::default(), BTreeMap::new());
    let label = Some("billing".to_owned());
    let create = Command::CreateKey {
        api,
        prefix: prefix.clone(),
        account: acme(),
        expires,
        grants: grants.clone(),
        metadata: metadata.clone(),
        label,
    };
    let Ok(Reply::KeyCreated(issued)) = run(&store, create) else { panic!() };
    let id = issued.key.key.id.clone();
    let rotate = Command::RotateKey { key: id.clone(), prefix, grace_seconds: 0 };
    let Ok(Reply::KeyRotated(rotated)) = run(&store, rotate) else { panic!() };
    let hash = Sha256::digest(LEGACY).iter().map(|byte| format!("{byte:02x}")).collect();
    let form = ImportedForm {
        api: "other".into(),
        prefix: "legacy-".into(),
        shortest: 16,
        longest: 64,
        hash: ImportedHash::Sha256,
    };
    let label = Some("old shop".to_owned());
    let keys = vec![ImportedKey { account: acme(), hash, expires, grants, label, metadata }];
    let imported = run(&store, Command::ImportKeys { form, hash_key: None, keys });
    let Ok(Reply::KeysImported { keys }) = imported else { panic!() };
    let find = |secret: &str| match run(&store, Command::FindKey { secret: Secret::presented(secret) }) {
        Ok(Reply::KeyChanged(found)) => Ok((found.key.id, found.label)),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault),
    };
    let billing = Some("billing".to_owned());
    assert_eq!(find(issued.secret.expose()), Ok((id.clone(), billing.clone())), "its first secret");
    assert_eq!(find(rotated.secret.expose()), Ok((id, billing)), "its second secret");
    assert_eq!(find(LEGACY), Ok((keys[0].clone(), Some("old shop".to_owned()))));
    let unknown = Secret::generate("shop").unwrap();
    for secret in [unknown.expose(), "", "legacy-0123456789abcdeg"] {
        assert_eq!(find(secret), Err(CommandFault::UnknownSecret), "{secret}");
    }
}
