//! `make bench-postgres`: durable charges on a PostgreSQL server on this machine, with 512 requests in flight, beside
//! `pgbench` with one row per transaction in the same run.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for developers, which stops at an error"
)]

#[path = "../tests/server/mod.rs"]
mod server;

use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use demur_admission::{
    AccountId, Clock, Command, HoldOutcome, HoldRequest, Ledger, OperationId, Plan, Plans, Reply, Settlement,
};
use demur_postgres::{Settings, Store};
use jiff::Timestamp;
use server::Server;

const ACCOUNTS: usize = 200;
const IN_FLIGHT: usize = 512;
const SECONDS: u64 = 10;

fn main() {
    let server = Server::start();
    charges(&server);
    pgbench(&server);
}

fn charges(server: &Server) {
    let settings = Settings::new(&server.url("postgres"), &"0a".repeat(32), None).unwrap();
    let store = Store::open(settings, Arc::new(Plans::new([Plan::named("open")]))).unwrap();
    let execute = |command| match store.execute(command, Timestamp::now()) {
        Reply::Rejected { fault } => panic!("{fault}"),
        reply => reply,
    };
    let accounts: Vec<AccountId> =
        (0..ACCOUNTS).map(|number| format!("account-{number}").parse().unwrap()).collect();
    for account in &accounts {
        let (id, name) = (Some(account.clone()), String::new());
        execute(Command::CreateAccount { account: id, name, plan: "open".into(), grant_day: None });
        let (amount, reason) = (1_000_000_000, "bench".into());
        execute(Command::TopUp { account: account.clone(), amount, reason, operation: None });
    }
    let (clock, numbers) = (Clock::start(), AtomicU64::new(0));
    let before = store.status();
    let begun = Instant::now();
    let until = Duration::from_secs(SECONDS);
    // A charge is a hold that is durable when it returns; settlements are written with later batches.
    let charge = async |lane: usize| {
        let mut times = Vec::new();
        while begun.elapsed() < until {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            let operation: OperationId = format!("request-{number}").parse().unwrap();
            let account = &accounts[(lane * 7 + usize::try_from(number).unwrap()) % ACCOUNTS];
            let (lease, now) = (Duration::from_secs(30), clock.now());
            let request =
                HoldRequest { account, operation: &operation, amount: 1, lease, monthly: None, now };
            let sent = Instant::now();
            match store.hold(&request).wait().await.unwrap() {
                HoldOutcome::Held { hold, .. } => store.settle_unwatched(hold, Settlement::Post(1)),
                other => panic!("{other:?}"),
            }
            times.push(sent.elapsed());
        }
        times
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let lanes = runtime.block_on(futures_util::future::join_all((0..IN_FLIGHT).map(charge)));
    let took = begun.elapsed().as_secs_f64();
    let mut times: Vec<Duration> = lanes.into_iter().flatten().collect();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let commits = store.status().commits - before.commits;
    println!(
        "charges, {IN_FLIGHT} in flight: {:.0}/s, median {:?}, p99 {:?}, {:.0} charges per commit",
        times.len() as f64 / took,
        at(0.5),
        at(0.99),
        times.len() as f64 / commits as f64
    );
    let Reply::Verified { checks } = execute(Command::Verify) else { panic!() };
    assert!(checks.iter().all(|check| check.violations.is_empty()), "{checks:?}");
}

fn pgbench(server: &Server) {
    server.sql("postgres", "CREATE TABLE row (id bigserial PRIMARY KEY, account text, amount bigint)");
    let script = server.folder().join("insert.sql");
    std::fs::write(&script, "INSERT INTO row (account, amount) VALUES ('account-1', 1);\n").unwrap();
    let output = Process::new(server.programs().join("pgbench"))
        .args([
            "-n",
            "-c",
            "32",
            "-j",
            "2",
            "-M",
            "prepared",
            "-T",
            &SECONDS.to_string(),
            "-U",
            "demur",
            "-f",
        ])
        .arg(&script)
        .arg("-h")
        .arg(server.folder())
        .arg("postgres")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in text.lines().filter(|line| line.starts_with("latency average") || line.starts_with("tps")) {
        println!("pgbench, one row per transaction, 32 clients: {line}");
    }
}
