//! Databases that earlier versions of the program wrote, opened by this one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use demur_admission::conformance::{at, plans, start};
use demur_admission::{
    AccountId, Admission, CacheConfig, Check, Claim, Command, CommandFault, Denial, Fingerprint, HoldOutcome,
    HoldRequest, Ledger, Owner, Plans, RepeatPolicy, Reply, StatementEntry, StatementKind,
};
use demur_sqlite::{OpenError, Store};
use rusqlite::Connection;
use rusqlite::types::Value;

/// The newest schema version.
const NEWEST: i64 = 7;

/// One database for each released schema version.
const GOLDENS: [(i64, &str); 7] = [
    (1, include_str!("golden/schema-1.sql")),
    (2, include_str!("golden/schema-2.sql")),
    (3, include_str!("golden/schema-3.sql")),
    (4, include_str!("golden/schema-4.sql")),
    (5, include_str!("golden/schema-5.sql")),
    (6, include_str!("golden/schema-6.sql")),
    (7, include_str!("golden/schema-7.sql")),
];

/// A database as an earlier version left it, with its pepper if it has keys.
struct OldDatabase {
    path: PathBuf,
    golden: &'static str,
    _folder: tempfile::TempDir,
}

impl OldDatabase {
    fn new(version: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        let (_, golden) = GOLDENS.into_iter().find(|(number, _)| *number == version).unwrap();
        Connection::open(&path).unwrap().execute_batch(golden).unwrap();
        let database = Self { path, golden, _folder: folder };
        make_private(&database.path);
        if let Some(pepper) = database.note("pepper") {
            fs::write(database.beside(".pepper"), pepper).unwrap();
            make_private(&database.beside(".pepper"));
        }
        database
    }

    /// A value in the golden's comments, such as the secret of a key.
    fn note(&self, name: &str) -> Option<&'static str> {
        self.golden.lines().find_map(|line| line.strip_prefix(&format!("-- {name}: ")))
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.path.with_file_name(format!("demur.db{suffix}"))
    }

    fn backup(&self, version: i64) -> PathBuf {
        self.beside(&format!(".v{version}.bak"))
    }

    fn backups(&self) -> Vec<String> {
        let names = fs::read_dir(self.path.parent().unwrap()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".bak")).collect()
    }

    fn open(&self) -> Arc<Store> {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Arc<Store>, OpenError> {
        Store::open(&self.path, Arc::new(Plans::new(plans())))
    }
}

fn make_private(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The rows of a table.
type Table = (String, Vec<Vec<Value>>);

/// Returns the schema version, and all rows of all tables.
fn content(path: &Path) -> (i64, Vec<Table>) {
    let connection = Connection::open(path).unwrap();
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut statement = connection.prepare(sql).unwrap();
    let tables = statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
    let rows = tables.map(|table| {
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
        let rows = statement.query_map([], row).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        (table, rows)
    });
    (version, rows.collect())
}

fn run(store: &Store, command: Command) -> Result<Reply, CommandFault> {
    match store.execute(command, at(Duration::from_secs(11 * 24 * 3600)).wall) {
        Reply::Rejected { fault } => Err(fault),
        reply => Ok(reply),
    }
}

fn verify(store: &Store) -> Vec<Check> {
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

/// Available, held, posted and granted credits.
fn balance(store: &Store, account: &str) -> (u64, u64, u64, u64) {
    let balance = store.balance(&account.parse().unwrap(), None, start()).block().unwrap();
    (balance.available, balance.held, balance.posted, balance.granted)
}

/// Claims an operation that the old program executed.
fn claim(store: &Store, id: &str) -> HoldOutcome {
    let (account, operation) = ("acme".parse().unwrap(), id.parse().unwrap());
    let (lease, now) = (Duration::from_secs(30), start());
    let request =
        HoldRequest { account: &account, operation: &operation, amount: 1, lease, monthly: None, now };
    let (fingerprint, owner) = (Fingerprint([1; 32]), Owner(2));
    let ttl = Duration::from_secs(3600);
    store.claim(&request, &Claim { fingerprint, owner, ttl, repeats: RepeatPolicy::Replay }).block().unwrap()
}

#[test]
fn migrates_every_released_schema_version_after_a_backup() {
    for (version, _) in GOLDENS {
        let database = OldDatabase::new(version);
        let before = content(&database.path);
        assert_eq!(before.0, version);
        drop(database.open());
        assert_eq!(content(&database.path).0, NEWEST, "from version {version}");
        if version == NEWEST {
            assert_eq!(database.backups(), Vec::<String>::new());
            continue;
        }
        assert_eq!(database.backups(), [format!("demur.db.v{version}.bak")]);
        let backup = database.backup(version);
        assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600, "{version}");
        assert_eq!(content(&backup), before, "from version {version}");
        // The next start changes nothing: the backup is kept as it is.
        let bytes = fs::read(&backup).unwrap();
        drop(database.open());
        assert_eq!(fs::read(&backup).unwrap(), bytes);
        assert_eq!(database.backups().len(), 1);
    }
}

#[test]
fn keeps_keys_balances_and_operations_of_every_schema_version() {
    for (version, acme, bob) in [
        (1, (135, 0, 15, 150), (20, 0, 0, 20)),
        (3, (137, 0, 13, 150), (15, 0, 0, 15)),
        (4, (137, 0, 13, 150), (15, 0, 0, 15)),
        (5, (133, 0, 17, 150), (15, 0, 0, 15)),
        (6, (133, 0, 17, 150), (15, 0, 0, 15)),
    ] {
        let database = OldDatabase::new(version);
        let store = database.open();
        for Check { rule, violations, .. } in verify(&store) {
            assert_eq!(violations, Vec::<String>::new(), "{rule}, version {version}");
        }
        assert_eq!((balance(&store, "acme"), balance(&store, "bob")), (acme, bob), "version {version}");
        let plans = Arc::new(Plans::new(plans()));
        let admission = Admission::new(store.stores(), store.pepper(), plans, CacheConfig::default());
        let authenticate = |name: &str| {
            let secret = database.note(name).unwrap();
            let principal = admission.authenticate(secret, "shop", "shop", start()).block();
            principal.map(|principal| principal.account().id.to_string())
        };
        assert_eq!(authenticate("active").as_deref(), Ok("acme"), "version {version}");
        let revoked = authenticate("revoked");
        assert!(matches!(revoked, Err(Denial::CredentialRevoked { .. })), "version {version}: {revoked:?}");
        let completed = HoldOutcome::Completed { is_stored: false };
        assert_eq!(claim(&store, "order-1"), completed, "version {version}");
        if version >= 5 {
            assert_eq!(claim(&store, "order-2"), HoldOutcome::Completed { is_stored: true });
            assert_eq!(claim(&store, "open-2"), completed, "it was in flight");
        }
    }
}

#[test]
fn replaces_the_backup_of_an_earlier_migration_from_the_same_version() {
    let database = OldDatabase::new(1);
    // Left by an earlier migration, and by one that was killed.
    fs::write(database.backup(1), "an older backup").unwrap();
    fs::write(database.beside(".v1.bak-new"), "incomplete").unwrap();
    let before = content(&database.path);
    drop(database.open());
    assert_eq!(database.backups(), ["demur.db.v1.bak"]);
    assert_eq!(content(&database.backup(1)), before);
}

#[test]
fn changes_nothing_without_a_backup() {
    let database = OldDatabase::new(1);
    let unfinished = database.beside(".v1.bak-new");
    fs::create_dir(&unfinished).unwrap();
    let before = content(&database.path);
    match database.try_open() {
        Err(error @ OpenError::Backup { .. }) => {
            let text = error.to_string();
            assert!(text.contains("demur.db.v1.bak`") && text.contains("nothing was changed"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(content(&database.path), before);
    fs::remove_dir(unfinished).unwrap();
    drop(database.open());
    assert_eq!(content(&database.backup(1)), before);
}

/// As an older version of the program does with a database that this one has migrated.
#[test]
fn rejects_a_newer_schema_version_and_changes_nothing() {
    let database = OldDatabase::new(NEWEST);
    drop(database.open());
    let connection = Connection::open(&database.path).unwrap();
    connection.pragma_update(None, "user_version", NEWEST + 1).unwrap();
    drop(connection);
    let before = fs::read(&database.path).unwrap();
    for _ in 0..2 {
        match database.try_open() {
            Err(error @ OpenError::TooNew { found: 8, known: 7, .. }) => {
                let path = database.path.display();
                let expected = format!(
                    "`{path}` has schema version 8, but this version of Demur supports schema versions up to 7; run the \
                     newer version of Demur, or restore a backup with schema version 7 such as `{path}.v7.bak`"
                );
                assert_eq!(error.to_string(), expected);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fs::read(&database.path).unwrap(), before);
    assert_eq!(database.backups(), Vec::<String>::new());
}

/// The golden of version 2 ends in November; its data cover what that version did not record.
#[test]
fn verifies_and_continues_a_ledger_of_schema_version_2() {
    let database = OldDatabase::new(2);
    for _ in 0..2 {
        let store = database.open();
        let checks = verify(&store);
        for Check { rule, violations, .. } in &checks {
            assert_eq!(violations, &Vec::<String>::new(), "{rule}");
        }
        // What version 2 did not record cannot be compared, and is not reported as compared.
        let examined =
            |rule: &str| checks.iter().find(|check| check.rule.starts_with(rule)).unwrap().examined;
        let rules = ["expired equals", "granted equals", "non-expiring credits"];
        assert_eq!(rules.map(examined), [3, 3, 1]);
        assert_eq!(examined("no refund exceeds"), 1, "the other refunds' operations were pruned");
        let bob = "bob".parse().unwrap();
        let (total, entries) = statement(&store, &bob);
        let sum: i64 = entries.iter().map(StatementEntry::change).sum();
        assert_eq!((sum, entries[0].balance), (133, 133), "{entries:?}");
        assert_eq!(total, 133);
        let count = |kind| entries.iter().filter(|entry| entry.kind == kind).count();
        let kinds = [StatementKind::Expired, StatementKind::OutcomeUnknown, StatementKind::Grant];
        assert_eq!(kinds.map(count), [1, 2, 2], "{entries:?}");
    }
    let store = database.open();
    let [acme, pruned] = ["acme", "pruned"].map(|id| id.parse::<AccountId>().unwrap());
    // December's credits are granted, and the rest of November's expires.
    assert_eq!(statement(&store, &acme).1[0].kind, StatementKind::Grant);
    let withdrawal = Command::Withdraw {
        account: pruned.clone(),
        amount: 120,
        reason: "mistake".into(),
        operation: Some("w-2".parse().unwrap()),
    };
    assert!(run(&store, withdrawal).is_ok());
    assert!(run(&store, Command::Prune { before: "2100-01-01T00:00:00Z".parse().unwrap() }).is_ok());
    assert!(verify(&store).iter().all(|check| check.violations.is_empty()));
    assert_eq!(statement(&store, &pruned).0, 100 + 48 - 120);
}
