//! What happens to the files of a store, before it is opened and while it is in use: nobody is told that a key is unknown
//! because a file is another one.

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

struct Scene {
    store: Arc<Store>,
    path: PathBuf,
    /// One that nobody has looked up.
    secret: Secret,
    _folder: tempfile::TempDir,
}

fn book() -> Arc<Plans> {
    Arc::new(Plans::new(plans()))
}

fn acme() -> AccountId {
    "acme".parse().unwrap()
}

fn open(path: &Path) -> Result<Arc<Store>, OpenError> {
    Store::open(path, book())
}

fn try_key(store: &Store) -> Result<Secret, CommandFault> {
    let (api, prefix, grants, metadata) = ("shop".into(), "shop".into(), Grants::default(), BTreeMap::new());
    let create = Command::CreateKey { api, prefix, account: acme(), expires: None, grants, metadata };
    match store.execute(create, start().wall) {
        Reply::KeyCreated(issued) => Ok(issued.secret),
        Reply::Refused { fault } => Err(fault),
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

/// As a gateway asks that has never seen the key.
fn authenticate(store: &Arc<Store>, secret: &Secret) -> Result<(), Denial> {
    let admission = Admission::new(store.stores(), store.pepper(), book(), CacheConfig::default());
    admission.authenticate(secret.expose(), "shop", "shop", start()).block().map(|_| ())
}

fn is_trouble<T>(found: &Result<T, Denial>) -> bool {
    matches!(found, Err(Denial::StoreUnavailable { part: StoreKind::Keys, .. }))
}

impl Scene {
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
    store.execute(Command::CreateAccount { account: Some(acme()), name, plan }, start().wall);
    let (amount, reason) = (1000, "bought".into());
    store.execute(Command::TopUp { account: acme(), amount, reason, operation: None }, start().wall);
    let secret = key(store);
    for number in 0..20 {
        assert!(matches!(hold(store, &format!("before-{number}")), Ok(HoldOutcome::Held { .. })));
    }
    secret
}

/// Another store's database, with all that was written in its one file.
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

fn cut(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn replace(path: &Path, bytes: &[u8]) {
    let new = path.with_file_name("new");
    fs::write(&new, bytes).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, path).unwrap();
}

/// What is done to the files while the store is in use.
type Damage = fn(&Scene);
const DAMAGES: &[(&str, Damage)] = &[
    ("the database is removed", |scene| fs::remove_file(&scene.path).unwrap()),
    ("the database is cut to nothing", |scene| cut(&scene.path, 0)),
    ("the database is cut in the middle", |scene| cut(&scene.path, 8192)),
    ("garbage is written over the database", |scene| {
        let length = fs::metadata(&scene.path).unwrap().len();
        fs::write(&scene.path, vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
    }),
    ("garbage is written behind the first page", |scene| {
        let length = fs::metadata(&scene.path).unwrap().len();
        write_at(&scene.path, 4096, &vec![0x5a; usize::try_from(length - 4096).unwrap()]);
    }),
    ("garbage is written behind the magic string", |scene| write_at(&scene.path, 16, &[0x5a; 4080])),
    ("another database is renamed over it", |scene| replace(&scene.path, &another())),
    ("another database is written into it", |scene| fs::write(&scene.path, another()).unwrap()),
    ("an empty file is renamed over it", |scene| replace(&scene.path, b"")),
    ("an older copy is renamed over it", |scene| {
        let copy = fs::read(&scene.path).unwrap();
        key(&scene.store);
        replace(&scene.path, &copy);
    }),
    ("a database of another program is written into it", |scene| {
        let other = scene.path.with_file_name("other");
        rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
        fs::write(&scene.path, fs::read(other).unwrap()).unwrap();
    }),
    ("the log is removed", |scene| fs::remove_file(scene.beside("-wal")).unwrap()),
    ("the log is replaced", |scene| {
        let copy = fs::read(scene.beside("-wal")).unwrap();
        replace(&scene.beside("-wal"), &copy);
    }),
    ("the log is cut to nothing", |scene| cut(&scene.beside("-wal"), 0)),
    ("the log is cut in the middle", |scene| cut(&scene.beside("-wal"), 4096)),
    ("garbage is written over the log", |scene| {
        let length = fs::metadata(scene.beside("-wal")).unwrap().len();
        fs::write(scene.beside("-wal"), vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
    }),
    ("the shared memory is removed", |scene| fs::remove_file(scene.beside("-shm")).unwrap()),
    ("all three are removed", |scene| {
        ["", "-wal", "-shm"].iter().for_each(|suffix| fs::remove_file(scene.beside(suffix)).unwrap());
    }),
];

#[test]
fn a_store_whose_files_are_others_is_unavailable() {
    for (name, damage) in DAMAGES {
        let scene = Scene::new();
        let unknown = Secret::generate("shop").unwrap();
        let warm = key(&scene.store);
        // Connections are open and have read.
        assert!(authenticate(&scene.store, &warm).is_ok(), "{name}");
        damage(&scene);
        for round in 0..3 {
            for secret in [&scene.secret, &warm, &unknown] {
                let found = authenticate(&scene.store, secret);
                assert!(is_trouble(&found), "{name}, round {round}: {found:?}");
            }
            let held = hold(&scene.store, &format!("during-{round}"));
            assert!(held.is_err(), "{name}, round {round}: {held:?}");
        }
    }
}

/// What was acknowledged is not lost with the log's name.
#[test]
fn a_log_that_was_removed_is_copied_before_it_is_given_up() {
    let scene = Scene::new();
    fs::remove_file(scene.beside("-wal")).unwrap();
    assert!(hold(&scene.store, "during").is_err());
    let Scene { store, path, secret, _folder } = scene;
    store.close();
    drop(store);
    let store = open(&path).unwrap();
    assert!(authenticate(&store, &secret).is_ok());
    for number in 0..20 {
        let again = hold(&store, &format!("before-{number}"));
        assert!(matches!(again, Ok(HoldOutcome::Completed { .. })), "{number}: {again:?}");
    }
}

/// What is as it was serves again, and needs no restart.
#[test]
fn files_that_are_as_they_were_serve_again() {
    let moved: &[&str] = &["", "-wal", "-shm"];
    for suffix in moved {
        let scene = Scene::new();
        let (file, aside) = (scene.beside(suffix), scene.path.with_file_name("aside"));
        fs::rename(&file, &aside).unwrap();
        assert!(is_trouble(&authenticate(&scene.store, &scene.secret)), "{suffix}");
        fs::rename(&aside, &file).unwrap();
        assert!(authenticate(&scene.store, &scene.secret).is_ok(), "{suffix}");
        assert!(hold(&scene.store, "after").is_ok(), "{suffix}");
    }
    // Written by another program, and the same: a touch, a copy back. Opened anew, there is nothing left to copy that would
    // come in between.
    let mut scene = Scene::new();
    scene.store.close();
    drop(std::mem::replace(&mut scene.store, Scene::new().store));
    scene.store = open(&scene.path).unwrap();
    let sound = fs::read(&scene.path).unwrap();
    for _ in 0..3 {
        fs::write(&scene.path, &sound).unwrap();
        assert!(authenticate(&scene.store, &scene.secret).is_ok());
        let file = File::options().write(true).open(&scene.path).unwrap();
        file.set_modified(std::time::SystemTime::now()).unwrap();
        assert!(authenticate(&scene.store, &scene.secret).is_ok());
        fs::write(&scene.path, vec![0x5a; sound.len()]).unwrap();
        assert!(is_trouble(&authenticate(&scene.store, &scene.secret)));
        fs::write(&scene.path, &sound).unwrap();
        assert!(authenticate(&scene.store, &scene.secret).is_ok());
    }
}

/// With much going on nothing of one's own is taken for another's.
#[test]
fn checkpoints_are_not_taken_for_another_program() {
    let scene = Scene::new();
    std::thread::scope(|scope| {
        let held = |number: usize| {
            matches!(hold(&scene.store, &format!("op-{number}")), Ok(HoldOutcome::Held { .. }))
        };
        let charging = scope.spawn(move || (0..300).all(held));
        while !charging.is_finished() {
            assert!(authenticate(&scene.store, &scene.secret).is_ok());
        }
    });
}

/// What a closed store's files are before it is opened, and why it does not open.
#[test]
fn a_store_does_not_open_without_what_belongs_to_it() {
    let foreign_pepper = || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        fill(&open(&path).unwrap());
        fs::read(beside(&path, ".pepper")).unwrap()
    };
    type Change = fn(&Path, &[u8]);
    type Fits = fn(&OpenError) -> bool;
    let rows: &[(&str, Change, Fits)] = &[
        (
            "no database",
            |path, _| fs::remove_file(path).unwrap(),
            |e| matches!(e, OpenError::DatabaseMissing { .. }),
        ),
        ("nothing in it", |path, _| cut(path, 0), |e| matches!(e, OpenError::DatabaseMissing { .. })),
        (
            "no table in it",
            |path, _| {
                fs::remove_file(path).unwrap();
                let new = rusqlite::Connection::open(path).unwrap();
                new.execute_batch("CREATE TABLE x (y); DROP TABLE x; VACUUM").unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            },
            |e| matches!(e, OpenError::DatabaseMissing { .. }),
        ),
        (
            "nothing but a log",
            |path, _| {
                cut(path, 0);
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
            |path, _| cut(&beside(path, ".pepper"), 0),
            |e| matches!(e, OpenError::PepperDamaged { .. }),
        ),
        (
            "another's pepper",
            |path, other| fs::write(beside(path, ".pepper"), other).unwrap(),
            |e| matches!(e, OpenError::PepperMismatch { secrets: 1, .. }),
        ),
        (
            "another's pepper, and the right one not as an older one",
            |path, other| {
                let other = String::from_utf8(other.to_vec()).unwrap();
                let text = format!("{}\nolder {}\n", "ab".repeat(32), other.trim());
                fs::write(beside(path, ".pepper"), text).unwrap();
            },
            |e| matches!(e, OpenError::PepperMismatch { .. }),
        ),
    ];
    for (name, change, fits) in rows {
        let Scene { store, path, secret: _, _folder } = Scene::new();
        store.close();
        drop(store);
        let sound: Vec<_> = ["", ".pepper"].map(|suffix| fs::read(beside(&path, suffix)).unwrap()).into();
        change(&path, &foreign_pepper());
        for _ in 0..2 {
            match open(&path) {
                Err(error) => assert!(fits(&error), "{name}: {error}"),
                Ok(_) => panic!("{name}: it opens"),
            }
        }
        // Restored it opens, with nothing lost.
        drop(fs::remove_file(beside(&path, "-wal")));
        for (suffix, bytes) in ["", ".pepper"].iter().zip(sound) {
            replace(&beside(&path, suffix), &bytes);
        }
        assert!(
            matches!(hold(&open(&path).unwrap(), "before-1"), Ok(HoldOutcome::Completed { .. })),
            "{name}"
        );
    }
}

/// An older copy of the pepper's file lacks the pepper that came last; an older copy of the database does not need it.
#[test]
fn a_pepper_is_recognised_over_its_changes() {
    let Scene { store, path, secret: first, _folder } = Scene::new();
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
    // The database of before, with the pepper of now.
    replace(&path, &fs::read(backup).unwrap());
    let store = open(&path).unwrap();
    assert!(authenticate(&store, &first).is_ok());
    assert!(authenticate(&store, &key(&store)).is_ok());
}

#[test]
fn no_key_is_made_that_would_not_open_after_the_next_start() {
    let changes: &[fn(&Path)] = &[
        |pepper| fs::remove_file(pepper).unwrap(),
        |pepper| fs::write(pepper, "ab".repeat(32)).unwrap(),
        |pepper| cut(pepper, 0),
    ];
    for change in changes {
        let scene = Scene::new();
        let pepper = scene.beside(".pepper");
        let sound = fs::read(&pepper).unwrap();
        change(&pepper);
        assert!(matches!(try_key(&scene.store), Err(CommandFault::Store { .. })));
        assert!(authenticate(&scene.store, &scene.secret).is_ok(), "keys that there are open");
        replace(&pepper, &sound);
        assert!(try_key(&scene.store).is_ok());
    }
}

#[test]
fn no_file_of_a_store_may_be_open_to_others() {
    for suffix in ["", "-wal", "-shm", ".pepper", ".lock"] {
        for mode in [0o604, 0o640, 0o620, 0o644, 0o666] {
            let Scene { store, path, secret: _, _folder } = Scene::new();
            store.close();
            drop(store);
            let file = beside(&path, suffix);
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            match open(&path) {
                Err(OpenError::InsecurePermissions(exposed)) => {
                    assert_eq!((exposed.path.file_name(), exposed.mode), (file.file_name(), mode));
                }
                Err(other) => panic!("{suffix} {mode:o}: {other}"),
                Ok(_) => panic!("{suffix} {mode:o}: it opens"),
            }
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(open(&path).is_ok());
        }
    }
}
