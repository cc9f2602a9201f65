//! Rules that apply only to a store on disk: kills, damage, ownership, the control socket, secrets at rest.
//! Long because all of them share the setup.

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

fn test_plans() -> Arc<Plans> {
    Arc::new(Plans::new(plans()))
}

fn open(path: &Path) -> Arc<Store> {
    Store::open(path, test_plans()).unwrap()
}

fn admission_on(store: &Arc<Store>) -> Arc<Admission> {
    Admission::new(store.stores(), store.pepper(), test_plans(), CacheConfig::default())
}

fn acme() -> AccountId {
    "acme".parse().unwrap()
}

fn create_account() -> Command {
    Command::CreateAccount {
        account: Some(acme()),
        name: "Acme".into(),
        plan: "paid".into(),
        grant_day: None,
    }
}

fn create_key() -> Command {
    let (api, prefix, grants) = ("shop".into(), "shop".into(), Grants::default());
    Command::CreateKey {
        api,
        prefix,
        account: acme(),
        expires: None,
        grants,
        metadata: BTreeMap::new(),
        label: None,
    }
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
fn rejects_a_second_owner_and_names_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    fs::create_dir(folder.path().join("other")).unwrap();
    let roundabout = folder.path().join("other/../demur.db");
    for same in [&path, &roundabout] {
        match Store::open(same, test_plans()).unwrap_err() {
            OpenError::Locked { pid, .. } => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other}"),
        }
    }
    drop(store);
    open(&path);
}

#[test]
fn executes_commands_through_the_control_socket() {
    let folder = tempfile::tempdir().unwrap();
    // A path that is too long for a socket.
    let deep = folder.path().join("d".repeat(120));
    fs::create_dir(&deep).unwrap();
    for path in [folder.path().join("demur.db"), deep.join("demur.db")] {
        assert!(matches!(ControlClient::connect(&path), Err(ControlError::NotRunning)));
        let made = execute_or_open(&path, &test_plans(), &create_account()).unwrap();
        assert!(matches!(made, Reply::Account(_)), "without an owner the command is executed directly");

        let store = open(&path);
        let admission = admission_on(&store);
        let mut client = ControlClient::connect(&path).unwrap();
        let IssuedKey { key, secret } = issued(client.execute(&create_key()).unwrap());
        let authenticate = || admission.authenticate(secret.expose(), "shop", "shop", start()).block();
        assert!(authenticate().is_ok());
        let revoked =
            execute_or_open(&path, &test_plans(), &Command::RevokeKey { key: key.key.id.clone() }).unwrap();
        assert!(matches!(revoked, Reply::KeyRevoked(_)));
        assert!(
            matches!(authenticate(), Err(Denial::CredentialRevoked { .. })),
            "effective at once in the running process"
        );

        let listed =
            client.execute(&Command::ListKeys { account: Some(acme()), page: Page::default() }).unwrap();
        assert!(matches!(listed, Reply::Keys { keys, .. } if keys.len() == 1));
        let absent = Command::ShowAccount { account: "nobody".parse().unwrap() };
        let fault = CommandFault::UnknownAccount { account: "nobody".parse().unwrap() };
        assert_eq!(client.execute(&absent).unwrap(), Reply::Rejected { fault });
        drop((admission, store));
        assert!(matches!(ControlClient::connect(&path), Err(ControlError::NotRunning)));
    }
}

#[test]
fn rejects_an_oversized_command_and_keeps_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    let mut client = ControlClient::connect(&path).unwrap();
    let named = |length: usize| {
        let name = "n".repeat(length);
        Command::CreateAccount { account: None, name, plan: "paid".into(), grant_day: None }
    };
    let rest = serde_json::to_vec(&named(0)).unwrap().len();
    for (length, is_allowed) in [
        (MAX_COMMAND, true),
        (MAX_COMMAND + 1, false),
        (MAX_COMMAND + 2, false),
        (MAX_COMMAND * 16, false),
        (100, true),
    ] {
        let reply = client.execute(&named(length - rest)).unwrap();
        match reply {
            Reply::Account(_) => assert!(is_allowed, "{length}"),
            Reply::Rejected { fault: CommandFault::Unreadable { cause } } => {
                assert!(!is_allowed && cause.contains("longer than 65536 bytes"), "{length}: {cause}");
            }
            other => panic!("{other:?}"),
        }
    }
    drop(store);
}

#[test]
fn tops_up_once_per_operation_id() {
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
    assert_eq!(top_up(51), Reply::Rejected { fault: CommandFault::OperationMismatch });
}

#[test]
fn reports_an_unreadable_database_as_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    store.execute(create_account(), start().wall);
    let (cached, uncached) = (key(&store), key(&store));
    let admission = admission_on(&store);
    let authenticate =
        |secret: &Secret, now| admission.authenticate(secret.expose(), "shop", "shop", now).block();
    let principal = authenticate(&cached, start()).unwrap();
    let fresh = hold(&store, "before").unwrap();
    assert!(matches!(fresh, HoldOutcome::Held { .. }));

    let intact = fs::read(&path).unwrap();
    fs::write(&path, vec![0x5a; intact.len()]).unwrap();
    for _ in 0..3 {
        let is_unavailable =
            |denial| matches!(denial, Err(Denial::StoreUnavailable { part: StoreKind::Keys, .. }));
        assert!(is_unavailable(authenticate(&uncached, start()).map(|_| ())));
        assert!(is_unavailable(authenticate(&Secret::generate("shop").unwrap(), start()).map(|_| ())));
        assert!(authenticate(&cached, start()).is_ok(), "cached keys are valid for their lifetime");
        assert!(
            is_unavailable(authenticate(&cached, at(Duration::from_secs(61))).map(|_| ())),
            "and not longer"
        );
        assert!(matches!(hold(&store, "during"), Err(StoreError::Damaged(_))));
        let balance = admission.balance(&principal, start()).block();
        assert!(matches!(balance, Err(Denial::StoreUnavailable { part: StoreKind::Credits, .. })));
    }
    // A settlement during the outage is not lost.
    if let HoldOutcome::Held { hold, .. } = fresh {
        assert!(store.settle(hold, demur_admission::Settlement::Post(1)).block().is_err());
    }

    fs::write(&path, intact).unwrap();
    assert!(authenticate(&uncached, start()).is_ok());
    let deadline = Instant::now() + Duration::from_secs(20);
    while admission.balance(&principal, start()).block().unwrap().posted != 1 {
        assert!(Instant::now() < deadline, "the settlement is written after the outage");
        std::thread::yield_now();
    }
    fs::remove_file(&path).unwrap();
    assert!(hold(&store, "gone").is_err());
    assert!(store.find(&store.pepper().digests(uncached.expose())).block().is_err());
}

#[test]
fn writes_quota_counts_after_an_outage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    let (account, name, plan) = (Some(acme()), "Acme".into(), "daily".into());
    store.execute(Command::CreateAccount { account, name, plan, grant_day: None }, start().wall);
    let secret = key(&store);
    let remaining = |store: &Arc<Store>, takes: usize| {
        let admission = admission_on(store);
        let principal = admission.authenticate(secret.expose(), "shop", "shop", start()).block().unwrap();
        for _ in 0..takes {
            assert!(admission.take(&principal, &Demand::ONE, start()).block().is_ok());
        }
        principal.report(start())[0].remaining
    };
    assert_eq!(remaining(&store, 0), 3);
    let admission = admission_on(&store);
    let principal = admission.authenticate(secret.expose(), "shop", "shop", start()).block().unwrap();
    let intact = fs::read(&path).unwrap();
    fs::write(&path, vec![0x5a; intact.len()]).unwrap();
    assert!(admission.take(&principal, &Demand::ONE, start()).block().is_ok(), "counted in memory");
    // Counts are written within a second: by then the store has tried, and failed.
    std::thread::sleep(Duration::from_secs(1));
    fs::write(&path, intact).unwrap();
    drop((admission, principal, store));
    assert_eq!(remaining(&open(&path), 1), 1);
}

#[test]
fn rejects_files_that_are_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.db");
    fs::write(&garbage, "not a database, but long enough to look at".repeat(100)).unwrap();
    assert!(matches!(Store::open(&garbage, test_plans()), Err(OpenError::Database { .. })));
    assert!(!folder.path().join("garbage.db.pepper").exists());

    let intact = folder.path().join("demur.db");
    let store = open(&intact);
    store.execute(create_account(), start().wall);
    key(&store);
    drop(store);
    let pepper = folder.path().join("demur.db.pepper");
    fs::set_permissions(&pepper, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Store::open(&intact, test_plans()), Err(OpenError::InsecurePermissions { .. })));
    fs::remove_file(&pepper).unwrap();
    assert!(matches!(Store::open(&intact, test_plans()), Err(OpenError::PepperMissing { .. })));
}

#[test]
fn writes_no_secret_to_files_or_debug_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let store = open(&path);
    store.execute(create_account(), start().wall);
    let reply = store.execute(create_key(), start().wall);
    let shown = format!("{reply:?} {store:?}");
    let secret = issued(reply).secret;
    let principal =
        admission_on(&store).authenticate(secret.expose(), "shop", "shop", start()).block().unwrap();
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
            assert_eq!(mode & 0o077, 0, "{} is accessible to other users", entry.path().display());
        }
    }
    let pepper = fs::read_to_string(folder.path().join("demur.db.pepper")).unwrap();
    let database = fs::read(&path).unwrap();
    assert!(!database.windows(16).any(|window| window == &pepper.as_bytes()[..16]));
}

#[test]
fn files_copied_under_load_contain_every_acknowledged_charge() {
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

/// Returns what the operations of a database posted, and how many have an unknown outcome.
fn posted_operations(path: &Path) -> (u64, u64) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT sum(posted), sum(outcome_unknown) FROM operation";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// The folder of the process to be killed; unset in an ordinary run.
const VICTIM: &str = "DEMUR_TEST_VICTIM";

/// Not a test by itself: the next test starts this as a process and kills it. It charges in a loop and prints acknowledged
/// charges.
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
fn a_kill_loses_no_acknowledged_charge() {
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
        // What it printed before its end counts too.
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
    assert_eq!(posted_operations(&path).0, balance.posted, "each charge belongs to one operation");
    let charged = u64::try_from(acknowledged.len()).unwrap();
    // Each kill may hit one charge between its commit and its acknowledgement.
    assert!((charged..=charged + 3).contains(&balance.posted), "{} of {charged}", balance.posted);
}

/// A caller that goes away while the hold is created, or before it reads the result, holds nothing.
#[test]
fn releases_a_hold_whose_caller_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("demur.db"));
    store.execute(create_account(), start().wall);
    let plans = plans();
    let monthly = plans.iter().find(|plan| plan.name == "dear").and_then(|plan| plan.credits.as_ref());
    for round in 0..40 {
        let (account, operation) = (&acme(), &format!("op-{round}").parse().unwrap());
        let (lease, now) = (Duration::from_secs(30), start());
        let request = HoldRequest { account, operation, amount: 1, lease, monthly, now };
        let outcome = store.claim(&request, &CLAIM);
        if round % 2 == 1 {
            // Sent but not read: a later reply comes after it.
            let _ = store.balance(account, monthly, now).block();
        }
        drop(outcome);
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

/// The log is checkpointed beside the commits and reset.
#[test]
fn the_log_does_not_grow_with_the_number_of_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("demur.db"));
    store.execute(create_account(), start().wall);
    // More than two pages each: five times the size at which the log is reset.
    for _ in 0..3000 {
        let top_up = Command::TopUp { account: acme(), amount: 1, reason: "test".into(), operation: None };
        store.execute(top_up, start().wall);
    }
    let length = fs::metadata(folder.path().join("demur.db-wal")).unwrap().len();
    assert!(length < 12 << 20, "{length} bytes");
}
