//! `make soak`: repeatedly kills a process that charges in a loop, and verifies each time that every acknowledged charge is
//! there once, and that the ledger is consistent.
//!
//! The acknowledged charges are recorded in this process, which is not killed. `soak ROUNDS`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for developers, which stops at an error"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use demur_admission::{
    AccountId, Claim, Command, Fingerprint, HoldOutcome, HoldRequest, Ledger, Now, OperationId, Owner, Plan,
    Plans, RepeatPolicy, Reply, Settlement, StatementKind,
};
use demur_sqlite::Store;
use jiff::Timestamp;

const ACCOUNTS: usize = 4;
const THREADS: usize = 8;
const READY_WITHIN: Duration = Duration::from_secs(2);

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("victim"), Some(folder)) => victim(Path::new(&folder)),
        (rounds, _) => soak(rounds.map_or(200, |rounds| rounds.parse().unwrap())),
    }
}

fn open(folder: &Path) -> Arc<Store> {
    Store::open(&folder.join("demur.db"), Arc::new(Plans::new([Plan::named("plan")]))).unwrap()
}

fn account(number: usize) -> AccountId {
    format!("account-{number}").parse().unwrap()
}

fn now() -> Now {
    Now { wall: Timestamp::now(), monotonic: Duration::ZERO }
}

/// Charges in a loop, and prints acknowledged charges. Every third operation is claimed, and some of these are repeated.
fn victim(folder: &Path) {
    let store = open(folder);
    println!("ready");
    thread::scope(|scope| {
        for slot in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                for number in 0_u64.. {
                    let (account, named) = (account(slot % ACCOUNTS), number % 3 == 0);
                    let operation: OperationId =
                        format!("{}-{slot}-{number}", std::process::id()).parse().unwrap();
                    for time in 0..if named && number % 5 == 0 { 2 } else { 1 } {
                        let (account, operation, lease) = (&account, &operation, Duration::from_secs(30));
                        let request =
                            HoldRequest { account, operation, amount: 2, lease, monthly: None, now: now() };
                        let (fingerprint, owner) = (Fingerprint([9; 32]), Owner::this_process());
                        let ttl = Duration::from_secs(3600);
                        let claim = Claim { fingerprint, owner, ttl, repeats: RepeatPolicy::Replay };
                        let outcome =
                            if named { store.claim(&request, &claim) } else { store.hold(&request) };
                        match outcome.block().unwrap() {
                            HoldOutcome::Held { hold, .. } => {
                                // Some are released, and so are no charges.
                                let releases = number % 7 == 6;
                                let how = if releases { Settlement::Release } else { Settlement::Post(2) };
                                if releases {
                                    store.settle_unwatched(hold, how);
                                } else {
                                    let line = format!("charged {account} {operation}\n");
                                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                                    store.settle(hold, how).block().unwrap();
                                }
                            }
                            HoldOutcome::Completed { .. } if time == 1 => {}
                            other => panic!("{other:?}"),
                        }
                    }
                }
            });
        }
    });
}

fn soak(rounds: u32) {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path());
        for number in 0..ACCOUNTS {
            let (id, plan) = (Some(account(number)), "plan".into());
            store.execute(
                Command::CreateAccount { account: id, name: String::new(), plan, grant_day: None },
                Timestamp::now(),
            );
            let (account, amount, reason) = (account(number), 1 << 50, "soak".into());
            store.execute(Command::TopUp { account, amount, reason, operation: None }, Timestamp::now());
        }
    }
    let mut acknowledged: HashMap<String, usize> = HashMap::new();
    let (mut slowest, mut unknown) = (Duration::ZERO, 0);
    for round in 0..rounds {
        slowest = slowest.max(kill(folder.path(), round, &mut acknowledged));
        unknown = check(folder.path(), &acknowledged);
        if round % 20 == 19 {
            println!("{} rounds, {} charges acknowledged", round + 1, acknowledged.len());
        }
    }
    println!(
        "{rounds} kills: {} charges acknowledged, 0 lost, 0 twice, 0 negative, the ledger is consistent; \
         {unknown} operations with an unknown outcome; ready again within {:.0} ms",
        acknowledged.len(),
        slowest.as_secs_f64() * 1e3,
    );
    assert!(slowest <= READY_WITHIN, "{slowest:?}");
}

/// Runs one round, and returns how long the process took to be ready.
fn kill(folder: &Path, round: u32, acknowledged: &mut HashMap<String, usize>) -> Duration {
    let begin = Instant::now();
    let mut child = Process::new(std::env::current_exe().unwrap())
        .arg("victim")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let ready = begin.elapsed();
    // A pseudo-random moment.
    let micros = u64::from(Timestamp::now().subsec_nanosecond().unsigned_abs() / 1000);
    let moment = Duration::from_micros(20_000 + (micros + u64::from(round) * 7919) % 180_000);
    let deadline = Instant::now() + moment;
    let mut keep = |line: String| {
        if let Some(("charged", rest)) = line.split_once(' ') {
            *acknowledged.entry(rest.to_owned()).or_default() += 1;
        }
    };
    for line in lines.by_ref() {
        let Ok(line) = line else { break };
        keep(line);
        if Instant::now() >= deadline {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it printed before its end counts too, except for a truncated line.
    let mut rest: Vec<String> = lines.map_while(Result::ok).collect();
    if rest.last().is_some_and(|last| last.split_whitespace().count() < 3) {
        rest.pop();
    }
    rest.into_iter().for_each(keep);
    ready
}

/// Asserts that every acknowledged charge is in the statements once, and that the ledger is consistent.
fn check(folder: &Path, acknowledged: &HashMap<String, usize>) -> usize {
    let store = open(folder);
    let Reply::Verified { checks } = store.execute(Command::Verify, Timestamp::now()) else { panic!() };
    for check in &checks {
        assert!(check.violations.is_empty(), "{check:?}");
    }
    let mut charged: HashMap<String, usize> = HashMap::new();
    let mut unknown = 0;
    for number in 0..ACCOUNTS {
        let account = account(number);
        let command = Command::Statement { account: account.clone(), since: None, limit: u32::MAX - 1 };
        let Reply::Statement { account: shown, entries, .. } = store.execute(command, Timestamp::now())
        else {
            panic!()
        };
        let mut spent = 0;
        for entry in entries {
            match entry.kind {
                StatementKind::Posted | StatementKind::OutcomeUnknown => {
                    unknown += usize::from(entry.kind == StatementKind::OutcomeUnknown);
                    spent += entry.amount;
                    *charged.entry(format!("{account} {}", entry.operation)).or_default() += 1;
                }
                StatementKind::Held => panic!("nothing is under way: {entry:?}"),
                _ => {}
            }
        }
        assert_eq!((shown.credits.posted, shown.credits.held), (spent, 0));
    }
    for name in acknowledged.keys() {
        assert_eq!(charged.get(name), Some(&1), "{name} was acknowledged");
    }
    assert!(charged.values().all(|times| *times == 1), "an operation was charged twice");
    store.close();
    unknown
}
