//! What a store reports when it cannot be opened, and what survives a server that is killed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use demur_admission::{
    AccountId, Clock, Command, Grants, HoldOutcome, HoldRequest, Ledger, OperationId, Plan, Plans, Reply,
    Settlement,
};
use demur_postgres::{OpenError, Settings, Store};
use jiff::Timestamp;
use server::Server;

fn plans() -> Arc<Plans> {
    Arc::new(Plans::new([Plan::named("open")]))
}

fn settings(url: &str) -> Settings {
    Settings::new(url, &"0a".repeat(32), None).unwrap()
}

fn open(url: &str) -> Result<Arc<Store>, OpenError> {
    Store::open(settings(url), plans())
}

fn execute(store: &Store, command: Command) -> Reply {
    match store.execute(command, Timestamp::now()) {
        Reply::Rejected { fault } => panic!("{fault}"),
        reply => reply,
    }
}

fn account(store: &Store, id: &str, credits: u64) -> AccountId {
    let account: AccountId = id.parse().unwrap();
    let (name, plan) = (id.to_owned(), "open".to_owned());
    execute(store, Command::CreateAccount { account: Some(account.clone()), name, plan, grant_day: None });
    let (reason, operation) = ("test".to_owned(), Some("first".parse().unwrap()));
    let top_up = Command::TopUp { account: account.clone(), amount: credits, reason, operation };
    // Safe to repeat.
    execute(store, top_up.clone());
    execute(store, top_up);
    account
}

#[test]
fn says_why_a_database_cannot_be_used_and_leaves_it_as_it_was() {
    let server = Server::start();
    server.sql("postgres", "CREATE ROLE guest LOGIN");
    for database in ["guarded", "partial", "newer"] {
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
    }
    server.sql("postgres", "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0");
    server.sql("postgres", "REVOKE CREATE ON DATABASE guarded FROM PUBLIC");
    // Stops the migration in the middle.
    server.sql("partial", "CREATE SCHEMA demur; CREATE TABLE demur.change (id integer)");
    open(&server.url("newer")).unwrap().close();
    server.sql("newer", "UPDATE demur.store SET version = 99");
    let tables = |database: &str| {
        server.sql(database, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'demur'")
    };
    for (url, expected, database, left) in [
        (server.url("missing"), "database \"missing\" does not exist", "postgres", "0"),
        ("host=/nonexistent user=demur dbname=x".to_owned(), "cannot connect", "postgres", "0"),
        (server.url_for("nobody-knows", "postgres"), "role \"nobody-knows\" does not exist", "postgres", "0"),
        (
            server.url_for("guest", "guarded"),
            "lacks a right: permission denied for database guarded",
            "guarded",
            "0",
        ),
        (server.url("ascii"), "the encoding SQL_ASCII", "ascii", "0"),
        (
            server.url("partial"),
            "relation \"change\" already exists (SQLSTATE 42P07); nothing was changed",
            "partial",
            "1",
        ),
        (server.url("newer"), "schema version 99", "newer", "12"),
    ] {
        let error = open(&url).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(tables(database), left, "{error}");
    }
    server.sql("partial", "DROP TABLE demur.change");
    open(&server.url("partial")).unwrap().close();
    assert_eq!(tables("partial"), "12");
}

#[test]
fn nodes_that_start_at_once_migrate_once() {
    let server = Server::start();
    let url = server.url("postgres");
    let stores: Vec<_> = thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&url))).collect();
        starting.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    let account = account(&stores[0], "acme", 10);
    for store in &stores {
        let Reply::Account(shown) = execute(store, Command::ShowAccount { account: account.clone() }) else {
            panic!()
        };
        assert_eq!(shown.credits.available, 10);
    }
}

#[test]
fn rejects_a_node_with_another_pepper() {
    let server = Server::start();
    let url = server.url("postgres");
    let store = open(&url).unwrap();
    let account = account(&store, "acme", 1);
    let (api, prefix, grants) = ("shop".to_owned(), "shop".to_owned(), Grants::default());
    let metadata = Default::default();
    execute(
        &store,
        Command::CreateKey { api, prefix, account, expires: None, grants, metadata, label: None },
    );
    store.close();
    let [old, new] = ["0a", "0b"].map(|byte| byte.repeat(32));
    let open_with = |pepper: &str| Store::open(Settings::new(&url, pepper, None).unwrap(), plans());
    assert!(matches!(open_with(&new), Err(OpenError::PepperMismatch { secrets: 1 })));
    assert!(open_with(&format!("{new}\nolder {old}")).is_ok());
}

/// The server is killed again and again while requests are charged. A hold that a caller was told of is posted once, and no
/// other is; whether its commit had a reply or not.
#[test]
fn charges_exactly_what_was_acknowledged_while_the_server_is_killed() {
    const CREDITS: u64 = 1_000_000;
    let server = Server::start();
    let store = open(&server.url("postgres")).unwrap();
    let account = account(&store, "acme", CREDITS);
    let (clock, numbers) = (Clock::start(), AtomicU64::new(0));
    let (acknowledged, failed, stopped) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !stopped.load(Ordering::SeqCst) {
                    let number = numbers.fetch_add(1, Ordering::SeqCst);
                    let operation: OperationId = format!("request-{number}").parse().unwrap();
                    let (lease, now) = (Duration::from_secs(30), clock.now());
                    let request = HoldRequest {
                        account: &account,
                        operation: &operation,
                        amount: 1,
                        lease,
                        monthly: None,
                        now,
                    };
                    match store.hold(&request).block() {
                        Ok(HoldOutcome::Held { hold, .. }) => {
                            acknowledged.fetch_add(1, Ordering::SeqCst);
                            store.settle_unwatched(hold, Settlement::Post(1));
                        }
                        Ok(other) => panic!("{other:?}"),
                        Err(_) => drop(failed.fetch_add(1, Ordering::SeqCst)),
                    }
                }
            });
        }
        for _ in 0..4 {
            thread::sleep(Duration::from_millis(700));
            server.kill();
            server.restart();
        }
        thread::sleep(Duration::from_millis(700));
        stopped.store(true, Ordering::SeqCst);
    });
    let begun = Instant::now();
    let balance = loop {
        match store.balance(&account, None, clock.now()).block() {
            Ok(balance) if balance.held == 0 => break balance,
            found => assert!(begun.elapsed() < Duration::from_secs(30), "{found:?}"),
        }
        thread::sleep(Duration::from_millis(100));
    };
    let (acknowledged, failed) = (acknowledged.into_inner(), failed.into_inner());
    assert_eq!(
        (balance.posted, balance.available),
        (acknowledged, CREDITS - acknowledged),
        "{failed} failed"
    );
    assert!(acknowledged > 100 && failed > 0, "{acknowledged} acknowledged, {failed} failed");
    let Reply::Verified { checks } = execute(&store, Command::Verify) else { panic!() };
    for check in checks {
        assert!(check.violations.is_empty(), "{}: {:?}", check.rule, check.violations);
    }
}
