//! Damaged, replaced and missing files of a store, before it is opened and while it is in use: no key becomes unknown because
//! of them.
//! Long because all tests share the setup.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use demur_admission::conformance::{plans, start};
use demur_admission::{
    AccountId, Admission, CacheConfig, Claim, Command, CommandFault, Denial, Fingerprint, Grants,
    HoldOutcome, HoldRequest, Ledger, Owner, Plans, RepeatPolicy, Reply, Secret, StoreError, StoreKind,
};
use demur_sqlite::{OpenError, Store};

struct StoreUnderTest {
    store: Arc<Store>,
    path: PathBuf,
    /// The secret of a key that was never looked up.
    secret: Secret,
    _folder: tempfile::TempDir,
}

fn test_plans() -> Arc<Plans> {
    Arc::new(Plans::new(plans()))
}

fn acme() -> AccountId {
    "acme".parse().unwrap()
}

fn open(path: &Path) -> Result<Arc<Store>, OpenError> {
    Store::open(path, test_plans())
}

fn try_key(store: &Store) -> Result<Secret, CommandFault> {
    let (api, prefix, grants, metadata) = ("shop".into(), "shop".into(), Grants::default(), BTreeMap::new());
    let create =
        Command::CreateKey { api, prefix, account: acme(), expires: None, grants, metadata, label: None };
    match store.execute(create, start().wall) {
        Reply::KeyCreated(issued) => Ok(issued.secret),
        Reply::Rejected { fault } => Err(fault),
        other => panic!("{other:?}"),
    }
}

fn key(store: &Store) -> Secret {
    try_key(store).unwrap()
}

fn hold(store: &Store, id: &str) -> Result<HoldOutcome, StoreError> {
    let (account, operation) = (&acme(), &id.parse().unwrap());
    let (lease, ttl, now) = (Duration::from_secs(30), Duration::from_secs(24 * 3600), start());
    let (fingerprint, owner, repeats) = (Fingerprint([0; 32]), Owner(1), RepeatPolicy::Replay);
    let request = HoldRequest { account, operation, amount: 1, lease, monthly: None, now };
    store.claim(&request, &Claim { fingerprint, owner, ttl, repeats }).block()
}

/// Authenticates as a gateway without the key in its cache.
fn authenticate(store: &Arc<Store>, secret: &Secret) -> Result<(), Denial> {
    let admission = Admission::new(store.stores(), store.pepper(), test_plans(), CacheConfig::default());
    admission.authenticate(secret.expose(), "shop", "shop", start()).block().map(|_| ())
}

fn is_unavailable<T>(found: &Result<T, Denial>) -> bool {
    matches!(found, Err(Denial::StoreUnavailable { part: StoreKind::Keys, .. }))
}

impl StoreUnderTest {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        let store = open(&path).unwrap();
        let secret = fill(&store);
        Self { store, path, secret, _folder: folder }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        beside(&self.path, suffix)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    path.with_file_name(format!("demur.db{suffix}"))
}

fn fill(store: &Arc<Store>) -> Secret {
    let (name, plan) = ("Acme".into(), "open".into());
    store
        .execute(Command::CreateAccount { account: Some(acme()), name, plan, grant_day: None }, start().wall);
    let (amount, reason) = (1000, "bought".into());
    store.execute(Command::TopUp { account: acme(), amount, reason, operation: None }, start().wall);
    let secret = key(store);
    for number in 0..20 {
        assert!(matches!(hold(store, &format!("before-{number}")), Ok(HoldOutcome::Held { .. })));
    }
    secret
}

/// Another store's database, checkpointed into one file.
fn another() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path).unwrap();
    fill(&store);
    store.close();
    drop(store);
    fs::read(path).unwrap()
}

fn write_at(path: &Path, offset: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(bytes).unwrap();
}

fn truncate(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn replace(path: &Path, bytes: &[u8]) {
    let new = path.with_file_name("new");
    fs::write(&new, bytes).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, path).unwrap();
}

/// A damage of the files while the store is in use.
type Damage = fn(&StoreUnderTest);
const DAMAGES: &[(&str, Damage)] = &[
    ("the database is removed", |subject| fs::remove_file(&subject.path).unwrap()),
    ("the database is truncated to zero", |subject| truncate(&subject.path, 0)),
    ("the database is truncated in the middle", |subject| truncate(&subject.path, 8192)),
    ("garbage is written over the database", |subject| {
        let length = fs::metadata(&subject.path).unwrap().len();
        fs::write(&subject.path, vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
    }),
    ("garbage is written behind the first page", |subject| {
        let length = fs::metadata(&subject.path).unwrap().len();
        write_at(&subject.path, 4096, &vec![0x5a; usize::try_from(length - 4096).unwrap()]);
    }),
    ("garbage is written behind the magic string", |subject| write_at(&subject.path, 16, &[0x5a; 4080])),
    ("another database is renamed over it", |subject| replace(&subject.path, &another())),
    ("another database is written into it", |subject| fs::write(&subject.path, another()).unwrap()),
    ("an empty file is renamed over it", |subject| replace(&subject.path, b"")),
    ("an older copy is renamed over it", |subject| {
        let copy = fs::read(&subject.path).unwrap();
        key(&subject.store);
        replace(&subject.path, &copy);
    }),
    ("a database of another program is written into it", |subject| {
        let other = subject.path.with_file_name("other");
        rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
        fs::write(&subject.path, fs::read(other).unwrap()).unwrap();
    }),
    ("the log is removed", |subject| fs::remove_file(subject.beside("-wal")).unwrap()),
    ("the log is replaced", |subject| {
        let copy = fs::read(subject.beside("-wal")).unwrap();
        replace(&subject.beside("-wal"), &copy);
    }),
    ("the log is truncated to zero", |subject| truncate(&subject.beside("-wal"), 0)),
    ("the log is truncated in the middle", |subject| truncate(&subject.beside("-wal"), 4096)),
    ("garbage is written over the log", |subject| {
        let length = fs::metadata(subject.beside("-wal")).unwrap().len();
        fs::write(subject.beside("-wal"), vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
    }),
    ("the shared memory is removed", |subject| fs::remove_file(subject.beside("-shm")).unwrap()),
    ("all three are removed", |subject| {
        ["", "-wal", "-shm"].iter().for_each(|suffix| fs::remove_file(subject.beside(suffix)).unwrap());
    }),
];

#[test]
fn is_unavailable_when_its_files_are_damaged_or_replaced() {
    for (name, damage) in DAMAGES {
        let subject = StoreUnderTest::new();
        let unknown = Secret::generate("shop").unwrap();
        let warm = key(&subject.store);
        // The connections are open and have read.
        assert!(authenticate(&subject.store, &warm).is_ok(), "{name}");
        damage(&subject);
        for round in 0..3 {
            for secret in [&subject.secret, &warm, &unknown] {
                let found = authenticate(&subject.store, secret);
                assert!(is_unavailable(&found), "{name}, round {round}: {found:?}");
            }
            let held = hold(&subject.store, &format!("during-{round}"));
            assert!(held.is_err(), "{name}, round {round}: {held:?}");
        }
    }
}

/// Acknowledged charges are not lost with the log's name.
#[test]
fn copies_a_removed_log_before_closing_it() {
    let subject = StoreUnderTest::new();
    fs::remove_file(subject.beside("-wal")).unwrap();
    assert!(hold(&subject.store, "during").is_err());
    let StoreUnderTest { store, path, secret, _folder } = subject;
    store.close();
    drop(store);
    let store = open(&path).unwrap();
    assert!(authenticate(&store, &secret).is_ok());
    for number in 0..20 {
        let again = hold(&store, &format!("before-{number}"));
        assert!(matches!(again, Ok(HoldOutcome::Completed { .. })), "{number}: {again:?}");
    }
}

/// A restored store needs no restart.
#[test]
fn recovers_when_its_files_are_restored() {
    let moved: &[&str] = &["", "-wal", "-shm"];
    for suffix in moved {
        let subject = StoreUnderTest::new();
        let (file, aside) = (subject.beside(suffix), subject.path.with_file_name("aside"));
        fs::rename(&file, &aside).unwrap();
        assert!(is_unavailable(&authenticate(&subject.store, &subject.secret)), "{suffix}");
        fs::rename(&aside, &file).unwrap();
        assert!(authenticate(&subject.store, &subject.secret).is_ok(), "{suffix}");
        assert!(hold(&subject.store, "after").is_ok(), "{suffix}");
    }
    // Written by another program with the same content: a touch, a copy back. The store is opened again, so that no
    // checkpoint interferes.
    let mut subject = StoreUnderTest::new();
    subject.store.close();
    drop(std::mem::replace(&mut subject.store, StoreUnderTest::new().store));
    subject.store = open(&subject.path).unwrap();
    let intact = fs::read(&subject.path).unwrap();
    for _ in 0..3 {
        fs::write(&subject.path, &intact).unwrap();
        assert!(authenticate(&subject.store, &subject.secret).is_ok());
        let file = File::options().write(true).open(&subject.path).unwrap();
        file.set_modified(std::time::SystemTime::now()).unwrap();
        assert!(authenticate(&subject.store, &subject.secret).is_ok());
        fs::write(&subject.path, vec![0x5a; intact.len()]).unwrap();
        assert!(is_unavailable(&authenticate(&subject.store, &subject.secret)));
        fs::write(&subject.path, &intact).unwrap();
        assert!(authenticate(&subject.store, &subject.secret).is_ok());
    }
}

#[test]
fn does_not_mistake_checkpoints_for_other_programs() {
    let subject = StoreUnderTest::new();
    std::thread::scope(|scope| {
        let held = |number: usize| {
            matches!(hold(&subject.store, &format!("op-{number}")), Ok(HoldOutcome::Held { .. }))
        };
        let charging = scope.spawn(move || (0..300).all(held));
        while !charging.is_finished() {
            assert!(authenticate(&subject.store, &subject.secret).is_ok());
        }
    });
}

/// Changes of a closed store's files, and the error of the next start.
#[test]
fn rejects_missing_and_mismatched_files() {
    let foreign_pepper = || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        fill(&open(&path).unwrap());
        fs::read(beside(&path, ".pepper")).unwrap()
    };
    type Change = fn(&Path, &[u8]);
    type Matches = fn(&OpenError) -> bool;
    let rows: &[(&str, Change, Matches)] = &[
        (
            "no database",
            |path, _| fs::remove_file(path).unwrap(),
            |e| matches!(e, OpenError::DatabaseMissing { .. }),
        ),
        (
            "an empty database",
            |path, _| truncate(path, 0),
            |e| matches!(e, OpenError::DatabaseMissing { .. }),
        ),
        (
            "a database without tables",
            |path, _| {
                fs::remove_file(path).unwrap();
                let new = rusqlite::Connection::open(path).unwrap();
                new.execute_batch("CREATE TABLE x (y); DROP TABLE x; VACUUM").unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            },
            |e| matches!(e, OpenError::DatabaseMissing { .. }),
        ),
        (
            "only a log",
            |path, _| {
                truncate(path, 0);
                fs::remove_file(beside(path, ".pepper")).unwrap();
                fs::write(beside(path, "-wal"), "a log").unwrap();
                fs::set_permissions(beside(path, "-wal"), fs::Permissions::from_mode(0o600)).unwrap();
            },
            |e| matches!(e, OpenError::DatabaseMissing { .. }),
        ),
        (
            "no pepper",
            |path, _| fs::remove_file(beside(path, ".pepper")).unwrap(),
            |e| matches!(e, OpenError::PepperMissing { .. }),
        ),
        (
            "an empty pepper",
            |path, _| truncate(&beside(path, ".pepper"), 0),
            |e| matches!(e, OpenError::PepperDamaged { .. }),
        ),
        (
            "the pepper of another store",
            |path, other| fs::write(beside(path, ".pepper"), other).unwrap(),
            |e| matches!(e, OpenError::PepperMismatch { secrets: 1, .. }),
        ),
        (
            "a new pepper, with the pepper of another store as an older one",
            |path, other| {
                let other = String::from_utf8(other.to_vec()).unwrap();
                let text = format!("{}\nolder {}\n", "ab".repeat(32), other.trim());
                fs::write(beside(path, ".pepper"), text).unwrap();
            },
            |e| matches!(e, OpenError::PepperMismatch { .. }),
        ),
    ];
    for (name, change, matches_error) in rows {
        let StoreUnderTest { store, path, secret: _, _folder } = StoreUnderTest::new();
        store.close();
        drop(store);
        let intact: Vec<_> = ["", ".pepper"].map(|suffix| fs::read(beside(&path, suffix)).unwrap()).into();
        change(&path, &foreign_pepper());
        for _ in 0..2 {
            match open(&path) {
                Err(error) => assert!(matches_error(&error), "{name}: {error}"),
                Ok(_) => panic!("{name}: opened"),
            }
        }
        // After restoring the files the store opens, and nothing is lost.
        drop(fs::remove_file(beside(&path, "-wal")));
        for (suffix, bytes) in ["", ".pepper"].iter().zip(intact) {
            replace(&beside(&path, suffix), &bytes);
        }
        assert!(
            matches!(hold(&open(&path).unwrap(), "before-1"), Ok(HoldOutcome::Completed { .. })),
            "{name}"
        );
    }
}

/// An older copy of the pepper file lacks the newest pepper; an older copy of the database does not need it.
#[test]
fn accepts_its_pepper_across_rotations() {
    let StoreUnderTest { store, path, secret: first, _folder } = StoreUnderTest::new();
    let backup = path.with_file_name("backup");
    store.execute(Command::Backup { to: backup.clone() }, start().wall);
    let old_pepper = fs::read(beside(&path, ".pepper")).unwrap();
    assert!(matches!(store.execute(Command::NewPepper, start().wall), Reply::PepperMade { .. }));
    store.close();
    drop(store);
    let store = open(&path).unwrap();
    let second = key(&store);
    assert!(authenticate(&store, &first).is_ok() && authenticate(&store, &second).is_ok());
    store.close();
    drop(store);
    let new_pepper = fs::read(beside(&path, ".pepper")).unwrap();
    replace(&beside(&path, ".pepper"), &old_pepper);
    assert!(matches!(open(&path), Err(OpenError::PepperMismatch { .. })));
    replace(&beside(&path, ".pepper"), &new_pepper);
    assert!(authenticate(&open(&path).unwrap(), &second).is_ok());
    // The older database with the current pepper.
    replace(&path, &fs::read(backup).unwrap());
    let store = open(&path).unwrap();
    assert!(authenticate(&store, &first).is_ok());
    assert!(authenticate(&store, &key(&store)).is_ok());
}

#[test]
fn creates_no_key_while_the_pepper_file_is_wrong() {
    let changes: &[fn(&Path)] = &[
        |pepper| fs::remove_file(pepper).unwrap(),
        |pepper| fs::write(pepper, "ab".repeat(32)).unwrap(),
        |pepper| truncate(pepper, 0),
    ];
    for change in changes {
        let subject = StoreUnderTest::new();
        let pepper = subject.beside(".pepper");
        let intact = fs::read(&pepper).unwrap();
        change(&pepper);
        assert!(matches!(try_key(&subject.store), Err(CommandFault::Store { .. })));
        assert!(authenticate(&subject.store, &subject.secret).is_ok(), "existing keys are valid");
        replace(&pepper, &intact);
        assert!(try_key(&subject.store).is_ok());
    }
}

#[test]
fn rejects_files_that_other_users_can_access() {
    for suffix in ["", "-wal", "-shm", ".pepper", ".lock"] {
        for mode in [0o604, 0o640, 0o620, 0o644, 0o666] {
            let StoreUnderTest { store, path, secret: _, _folder } = StoreUnderTest::new();
            store.close();
            drop(store);
            let file = beside(&path, suffix);
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            match open(&path) {
                Err(OpenError::InsecurePermissions(exposed)) => {
                    assert_eq!((exposed.path.file_name(), exposed.mode), (file.file_name(), mode));
                }
                Err(other) => panic!("{suffix} {mode:o}: {other}"),
                Ok(_) => panic!("{suffix} {mode:o}: opened"),
            }
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(open(&path).is_ok());
        }
    }
}
