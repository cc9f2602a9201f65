//! What only a store on disk can do wrong: kills, damage, two owners, the socket, secrets at rest.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use demur_admission::conformance::{at, plans, start};
use demur_admission::{
    AccountId, Admission, CacheConfig, Claim, Command, CommandFault, Demand, Denial, Fingerprint, Grants,
    HoldOutcome, HoldRequest, IssuedKey, KeyDirectory, Ledger, Owner, Page, Plans, RepeatPolicy, Reply,
    Secret, StoreError, StoreKind,
};
use demur_sqlite::{ControlClient, ControlError, MAX_COMMAND, OpenError, Store, execute_or_open};

fn book() -> Arc<Plans> {
    Arc::new(Plans::new(plans()))
}

fn open(path: &Path) -> Arc<Store> {
    Store::open(path, book()).unwrap()
}

fn door(store: &Arc<Store>) -> Arc<Admission> {
    Admission::new(store.stores(), store.pepper(), book(), CacheConfig::default())
}

fn acme() -> AccountId {
    "acme".parse().unwrap()
}

fn create_account() -> Command {
    Command::CreateAccount { account: Some(acme()), name: "Acme".into(), plan: "paid".into() }
}

fn create_key() -> Command {
    let (api, prefix, grants) = ("shop".into(), "shop".into(), Grants::default());
    Command::CreateKey { api, prefix, account: acme(), expires: None, grants, metadata: BTreeMap::new() }
}

fn issued(reply: Reply) -> IssuedKey {
    match reply {
        Reply::KeyCreated(issued) => issued,
        other => panic!("{other:?}"),
    }
}

fn key(store: &Store) -> Secret {
    issued(store.execute(create_key(), start().wall)).secret
}

const CLAIM: Claim = Claim {
    fingerprint: Fingerprint([0; 32]),
    owner: Owner(1),
    ttl: Duration::from_secs(20 * 365 * 24 * 3600),
    repeats: RepeatPolicy::Replay,
};

fn hold(store: &Store, id: &str) -> Result<HoldOutcome, StoreError> {
    let plans = plans();
    let monthly = plans.iter().find(|plan| plan.name == "dear").and_then(|plan| plan.credits.as_ref());
    let (account, operation) = (&acme(), &id.parse().unwrap());
    let (lease, now) = (Duration::from_secs(30), start());
    store.claim(&HoldRequest { account, operation, amount: 1, lease, monthly, now }, &CLAIM).block()
}

#[test]
fn a_second_owner_is_refused_and_learns_who_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    fs::create_dir(folder.path().join("other")).unwrap();
    let roundabout = folder.path().join("other/../demur.db");
    for same in [&path, &roundabout] {
        match Store::open(same, book()).unwrap_err() {
            OpenError::Locked { pid, .. } => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other}"),
        }
    }
    drop(store);
    open(&path);
}

#[test]
fn commands_reach_the_owner_through_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    // So long that the socket cannot lie beside the database.
    let deep = folder.path().join("d".repeat(120));
    fs::create_dir(&deep).unwrap();
    for path in [folder.path().join("demur.db"), deep.join("demur.db")] {
        assert!(matches!(ControlClient::connect(&path), Err(ControlError::NotRunning)));
        let made = execute_or_open(&path, &book(), &create_account()).unwrap();
        assert!(matches!(made, Reply::Account(_)), "without an owner it is carried out directly");

        let store = open(&path);
        let admission = door(&store);
        let mut client = ControlClient::connect(&path).unwrap();
        let IssuedKey { key, secret } = issued(client.execute(&create_key()).unwrap());
        let authenticate = || admission.authenticate(secret.expose(), "shop", "shop", start()).block();
        assert!(authenticate().is_ok());
        let revoked =
            execute_or_open(&path, &book(), &Command::RevokeKey { key: key.key.id.clone() }).unwrap();
        assert!(matches!(revoked, Reply::KeyRevoked(_)));
        assert!(
            matches!(authenticate(), Err(Denial::CredentialRevoked { .. })),
            "at once, in the running process"
        );

        let listed =
            client.execute(&Command::ListKeys { account: Some(acme()), page: Page::default() }).unwrap();
        assert!(matches!(listed, Reply::Keys { keys, .. } if keys.len() == 1));
        let absent = Command::ShowAccount { account: "nobody".parse().unwrap() };
        let fault = CommandFault::UnknownAccount { account: "nobody".parse().unwrap() };
        assert_eq!(client.execute(&absent).unwrap(), Reply::Refused { fault });
        drop((admission, store));
        assert!(matches!(ControlClient::connect(&path), Err(ControlError::NotRunning)));
    }
}

/// Whoever writes too much reads why, and the connection goes on.
#[test]
fn a_command_that_is_too_long_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    let mut client = ControlClient::connect(&path).unwrap();
    let named = |length: usize| {
        let name = "n".repeat(length);
        Command::CreateAccount { account: None, name, plan: "paid".into() }
    };
    let rest = serde_json::to_vec(&named(0)).unwrap().len();
    for (length, fits) in [
        (MAX_COMMAND, true),
        (MAX_COMMAND + 1, false),
        (MAX_COMMAND + 2, false),
        (MAX_COMMAND * 16, false),
        (100, true),
    ] {
        let reply = client.execute(&named(length - rest)).unwrap();
        match reply {
            Reply::Account(_) => assert!(fits, "{length}"),
            Reply::Refused { fault: CommandFault::Unreadable { cause } } => {
                assert!(!fits && cause.contains("65536 bytes"), "{length}: {cause}");
            }
            other => panic!("{other:?}"),
        }
    }
    drop(store);
}

#[test]
fn a_top_up_with_an_id_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("demur.db"));
    store.execute(create_account(), start().wall);
    let top_up = |amount| {
        let (account, reason, operation) = (acme(), "bought".into(), Some("order-1".parse().unwrap()));
        store.execute(Command::TopUp { account, amount, reason, operation }, start().wall)
    };
    for _ in 0..2 {
        let Reply::Account(statement) = top_up(50) else { panic!() };
        assert_eq!(statement.credits.available, 150);
    }
    assert_eq!(top_up(51), Reply::Refused { fault: CommandFault::OperationMismatch });
}

#[test]
fn an_unreadable_database_is_trouble_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    store.execute(create_account(), start().wall);
    let (cached, uncached) = (key(&store), key(&store));
    let admission = door(&store);
    let authenticate =
        |secret: &Secret, now| admission.authenticate(secret.expose(), "shop", "shop", now).block();
    let principal = authenticate(&cached, start()).unwrap();
    let fresh = hold(&store, "before").unwrap();
    assert!(matches!(fresh, HoldOutcome::Held { .. }));

    let sound = fs::read(&path).unwrap();
    fs::write(&path, vec![0x5a; sound.len()]).unwrap();
    for _ in 0..3 {
        let trouble = |denial| matches!(denial, Err(Denial::StoreUnavailable { part: StoreKind::Keys, .. }));
        assert!(trouble(authenticate(&uncached, start()).map(|_| ())));
        assert!(trouble(authenticate(&Secret::generate("shop").unwrap(), start()).map(|_| ())));
        assert!(authenticate(&cached, start()).is_ok(), "cached keys are served within their bound");
        assert!(trouble(authenticate(&cached, at(Duration::from_secs(61))).map(|_| ())), "and not beyond it");
        assert!(matches!(hold(&store, "during"), Err(StoreError::Damaged(_))));
        let balance = admission.balance(&principal, start()).block();
        assert!(matches!(balance, Err(Denial::StoreUnavailable { part: StoreKind::Credits, .. })));
    }
    // A settlement made in the meantime is not lost.
    if let HoldOutcome::Held { hold, .. } = fresh {
        assert!(store.settle(hold, demur_admission::Settlement::Post(1)).block().is_err());
    }

    fs::write(&path, sound).unwrap();
    assert!(authenticate(&uncached, start()).is_ok());
    let deadline = Instant::now() + Duration::from_secs(20);
    while admission.balance(&principal, start()).block().unwrap().posted != 1 {
        assert!(Instant::now() < deadline, "the settlement is written when the database is back");
        std::thread::yield_now();
    }
    fs::remove_file(&path).unwrap();
    assert!(hold(&store, "gone").is_err());
    assert!(store.find(&store.pepper().digests(uncached.expose())).block().is_err());
}

#[test]
fn a_count_that_could_not_be_written_is_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    let (account, name, plan) = (Some(acme()), "Acme".into(), "daily".into());
    store.execute(Command::CreateAccount { account, name, plan }, start().wall);
    let secret = key(&store);
    let remaining = |store: &Arc<Store>, takes: usize| {
        let admission = door(store);
        let principal = admission.authenticate(secret.expose(), "shop", "shop", start()).block().unwrap();
        for _ in 0..takes {
            assert!(admission.take(&principal, &Demand::ONE, start()).block().is_ok());
        }
        principal.report(start())[0].remaining
    };
    assert_eq!(remaining(&store, 0), 3);
    let admission = door(&store);
    let principal = admission.authenticate(secret.expose(), "shop", "shop", start()).block().unwrap();
    let sound = fs::read(&path).unwrap();
    fs::write(&path, vec![0x5a; sound.len()]).unwrap();
    assert!(
        admission.take(&principal, &Demand::ONE, start()).block().is_ok(),
        "counted in memory all the same"
    );
    // Counts are written behind within a second: by then it has been tried, and has failed.
    std::thread::sleep(Duration::from_secs(1));
    fs::write(&path, sound).unwrap();
    drop((admission, principal, store));
    assert_eq!(remaining(&open(&path), 1), 1);
}

#[test]
fn what_is_no_database_of_ours_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.db");
    fs::write(&garbage, "not a database, but long enough to look at".repeat(100)).unwrap();
    assert!(matches!(Store::open(&garbage, book()), Err(OpenError::Database { .. })));
    assert!(!folder.path().join("garbage.db.pepper").exists());

    let sound = folder.path().join("demur.db");
    let store = open(&sound);
    store.execute(create_account(), start().wall);
    key(&store);
    drop(store);
    let pepper = folder.path().join("demur.db.pepper");
    fs::set_permissions(&pepper, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Store::open(&sound, book()), Err(OpenError::InsecurePermissions { .. })));
    fs::remove_file(&pepper).unwrap();
    assert!(matches!(Store::open(&sound, book()), Err(OpenError::PepperMissing { .. })));
}

#[test]
fn no_secret_is_in_any_file_or_debug_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    store.execute(create_account(), start().wall);
    let reply = store.execute(create_key(), start().wall);
    let shown = format!("{reply:?} {store:?}");
    let secret = issued(reply).secret;
    let principal = door(&store).authenticate(secret.expose(), "shop", "shop", start()).block().unwrap();
    let shown = format!("{shown} {principal:?} {:?}", store.pepper());
    let random = secret.expose().strip_prefix("shop_").unwrap();
    // Not even the beginning of the random part.
    assert!(!shown.contains(&random[..6]), "{shown}");
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            let found = bytes.windows(6).any(|window| window == &random.as_bytes()[..6]);
            assert!(!found, "{}", entry.path().display());
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is its owner's alone", entry.path().display());
        }
    }
    let pepper = fs::read_to_string(folder.path().join("demur.db.pepper")).unwrap();
    let database = fs::read(&path).unwrap();
    assert!(!database.windows(16).any(|window| window == &pepper.as_bytes()[..16]));
}

#[test]
fn files_copied_away_in_full_flight_hold_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    store.execute(create_account(), start().wall);
    for number in 0..50 {
        assert!(matches!(hold(&store, &number.to_string()), Ok(HoldOutcome::Held { .. })));
    }
    let elsewhere = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal", ".pepper"] {
        let name = format!("demur.db{suffix}");
        fs::copy(folder.path().join(&name), elsewhere.path().join(&name)).unwrap();
    }
    let copy = open(&elsewhere.path().join("demur.db"));
    for number in 0..50 {
        assert!(matches!(hold(&copy, &number.to_string()), Ok(HoldOutcome::Completed { is_stored: false })));
    }
    assert_eq!(posted_operations(&elsewhere.path().join("demur.db")), (50, 50));
}

/// What the operations of a database posted, and how many of them have an unknown outcome.
fn posted_operations(path: &Path) -> (u64, u64) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT sum(posted), sum(outcome_unknown) FROM operation";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// The folder that the process to be killed works in; unset in an ordinary run.
const VICTIM: &str = "DEMUR_TEST_VICTIM";

/// Not a test by itself: what the next one starts and kills. It charges without end and prints what was
/// acknowledged.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let store = open(&Path::new(&folder).join("demur.db"));
    for number in 0.. {
        let id = format!("{}-{number}", std::process::id());
        match hold(&store, &id) {
            Ok(HoldOutcome::Held { hold, .. }) => {
                println!("acknowledged {id}");
                drop(store.settle(hold, demur_admission::Settlement::Post(1)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    store.execute(create_account(), start().wall);
    let top_up =
        Command::TopUp { account: acme(), amount: 1_000_000, reason: "test".into(), operation: None };
    store.execute(top_up, start().wall);
    drop(store);
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = acknowledged.len() + 100 + 37 * round;
        while acknowledged.len() < enough {
            let line = lines.next().unwrap().unwrap();
            acknowledged.extend(line.split_once("acknowledged ").map(|(_, id)| id.to_owned()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said between the last look and its end counts too.
        let rest = lines.map_while(Result::ok);
        acknowledged
            .extend(rest.filter_map(|line| line.split_once("acknowledged ").map(|(_, id)| id.to_owned())));
    }
    let store = open(&path);
    for id in &acknowledged {
        assert!(matches!(hold(&store, id), Ok(HoldOutcome::Completed { is_stored: false })), "{id} is lost");
    }
    let balance = store.balance(&acme(), None, start()).block().unwrap();
    assert_eq!(balance.held, 0);
    assert_eq!(posted_operations(&path).0, balance.posted, "each charge is one operation's");
    let charged = u64::try_from(acknowledged.len()).unwrap();
    // Each kill may catch one charge after its commit and before its acknowledgement.
    assert!((charged..=charged + 3).contains(&balance.posted), "{} of {charged}", balance.posted);
}

/// Whoever goes away while the hold is being made, or before having looked at it, holds nothing.
#[test]
fn a_hold_that_nobody_takes_on_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("demur.db"));
    store.execute(create_account(), start().wall);
    let plans = plans();
    let monthly = plans.iter().find(|plan| plan.name == "dear").and_then(|plan| plan.credits.as_ref());
    for round in 0..40 {
        let (account, operation) = (&acme(), &format!("op-{round}").parse().unwrap());
        let (lease, now) = (Duration::from_secs(30), start());
        let request = HoldRequest { account, operation, amount: 1, lease, monthly, now };
        let answer = store.claim(&request, &CLAIM);
        if round % 2 == 1 {
            // Told, and not looked at: an answer that comes later was told after it.
            let _ = store.balance(account, monthly, now).block();
        }
        drop(answer);
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let balance = store.balance(&acme(), monthly, start()).block().unwrap();
        if balance.held == 0 {
            assert_eq!((balance.posted, balance.available), (0, balance.granted));
            break;
        }
        assert!(Instant::now() < deadline, "{balance:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The log is copied beside the commits and begun anew: it does not grow with what is written.
#[test]
fn the_log_stays_short_however_much_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("demur.db"));
    store.execute(create_account(), start().wall);
    // Two pages and more for each: five times as much as the log may have before it is begun anew.
    for _ in 0..3000 {
        let top_up = Command::TopUp { account: acme(), amount: 1, reason: "test".into(), operation: None };
        store.execute(top_up, start().wall);
    }
    let length = fs::metadata(folder.path().join("demur.db-wal")).unwrap().len();
    assert!(length < 12 << 20, "{length} bytes");
}
