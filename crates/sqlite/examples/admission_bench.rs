//! `make bench-admission`: the cost of admission and of the ledger, beside SQLite alone with the same writes.
//!
//! Wall-clock times of a shared machine are not comparable by themselves: each is taken from several rounds, and compared values
//! are measured in turns.
//! Long because the four benchmarks share the setup.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for developers, which stops at an error"
)]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use demur_admission::memory::{MemoryDirectory, MemoryLedger};
use demur_admission::{
    Account, AccountId, Admission, CacheBounds, CacheConfig, Clock, Command, ConnectionCache, Demand, Grants,
    HoldOutcome, HoldRequest, KeyId, KeyRecord, Ledger, LocalCounters, OperationId, Pepper, Plan, Plans,
    Quota, Rate, Secret, Settlement, Stores,
};
use demur_sqlite::Store;
use jiff::tz::TimeZone;
use rusqlite::{Connection, params};

fn main() {
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("admission") {
        admission();
    }
    if wanted("lone") {
        single_charge();
    }
    if wanted("ledger") {
        ledger();
    }
    if wanted("start") {
        start();
    }
}

fn plan() -> Plan {
    let many = NonZeroU32::new(1_000_000).unwrap();
    Plan {
        rates: vec![Rate::new("burst", many, Duration::from_secs(1))],
        quota: Some(Quota::daily(1_000_000_000, TimeZone::UTC)),
        ..Plan::named("plan")
    }
}

fn account(number: usize) -> Account {
    Account {
        id: format!("account-{number}").parse().unwrap(),
        name: String::new(),
        plan: "plan".into(),
        grant_day: None,
    }
}

fn key(account: &Account) -> KeyRecord {
    KeyRecord {
        id: KeyId::generate(),
        account: account.id.clone(),
        api: "shop".into(),
        prefix: "shop".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        expires: None,
        revoked: None,
        disabled: None,
        grants: Grants::default(),
        metadata: BTreeMap::new(),
    }
}

/// An admission with all keys in its cache.
struct AdmissionUnderTest {
    admission: Arc<Admission>,
    callers: Vec<(Secret, ConnectionCache)>,
    proxy: ConnectionCache,
    clock: Clock,
}

/// The connections that requests arrive on.
#[derive(Clone, Copy)]
enum Over {
    /// One connection per caller.
    Kept,
    /// A new connection per request.
    New,
    /// One connection for all callers, as from a proxy.
    Proxy,
}

impl AdmissionUnderTest {
    fn new(keys: usize) -> Self {
        let pepper = Pepper::from_bytes(&[7; 32]);
        let directory = Arc::new(MemoryDirectory::new());
        let stores = Stores {
            keys: directory.clone(),
            limits: Arc::new(LocalCounters::new()),
            credits: Arc::new(MemoryLedger::new()),
        };
        let present = CacheBounds { entries: keys * 4, ttl: Duration::from_secs(3600) };
        let settings = CacheConfig { present, ..CacheConfig::default() };
        let plans = Arc::new(Plans::new([plan()]));
        let admission = Admission::new(stores, pepper.clone(), plans, settings);
        let clock = Clock::start();
        let callers = (0..keys).map(|number| {
            let (secret, account) = (Secret::generate("shop").unwrap(), account(number));
            directory.insert(pepper.digest(secret.expose()), key(&account), account);
            let connection = ConnectionCache::default();
            // The second request is the first that finds its key in the table. An account's first request of a day starts the
            // day of its quota, which is not measured.
            for _ in 0..2 {
                let (over, now) = (Some(&connection), clock.now());
                let principal =
                    admission.authenticate_over(over, secret.expose(), "shop", "shop", now).block();
                drop(admission.take(&principal.unwrap(), &Demand::ONE, now).block().unwrap());
            }
            (secret, connection)
        });
        Self { callers: callers.collect(), proxy: ConnectionCache::default(), admission, clock }
    }

    /// Returns nanoseconds per request, for the keys that `which` selects.
    fn round(&self, over: Over, mut which: impl FnMut() -> usize) -> f64 {
        let now = self.clock.now();
        let mut elapsed = Duration::ZERO;
        for _ in 0..BATCHES {
            // A gateway has just read the secret from a connection: loading the secrets of this benchmark from memory is not
            // part of admission.
            let requests: Vec<(String, Option<&ConnectionCache>)> = (0..BATCH)
                .map(|_| {
                    let (secret, connection) = &self.callers[which() % self.callers.len()];
                    let over = match over {
                        Over::Kept => Some(connection),
                        Over::New => None,
                        Over::Proxy => Some(&self.proxy),
                    };
                    over.inspect(|connection| connection.prepare());
                    (secret.expose().to_owned(), over)
                })
                .collect();
            let begin = Instant::now();
            for (secret, connection) in &requests {
                let new = matches!(over, Over::New).then(ConnectionCache::default);
                let over = connection.or(new.as_ref());
                let principal = self.admission.authenticate_over(over, secret, "shop", "shop", now).block();
                drop(self.admission.take(&principal.unwrap(), &Demand::ONE, now).block().unwrap());
            }
            elapsed += begin.elapsed();
        }
        elapsed.as_nanos() as f64 / (BATCHES * BATCH) as f64
    }
}

/// The number of batches in a round.
const BATCHES: usize = 20;

/// The number of requests in a batch.
const BATCH: usize = 1000;

/// Pseudo-random numbers (Knuth's linear congruential generator, whose high bits suffice here).
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap()
    }

    /// Zipf-distributed numbers: of a million keys, the key of rank `n` sends one n-th as many requests as the first.
    fn skewed(&mut self) -> usize {
        let even = self.next() as f64 / f64::from(1_u32 << 31);
        let rank = 1e6_f64.powf(even) as usize;
        // Spreads the ranks, so that neighbouring ranks are not neighbours in memory.
        rank.wrapping_mul(7_368_787)
    }
}

fn admission() {
    const ROUNDS: usize = 61;
    let (small, large) = (AdmissionUnderTest::new(1000), AdmissionUnderTest::new(1_000_000));
    let (mut chain, mut random) = (Chain::new(), Random(1));
    let mut figures = [const { [const { Vec::new() }; 3] }; 3];
    let mut loads = Vec::new();
    for _ in 0..ROUNDS {
        for (over, figures) in [Over::Kept, Over::New, Over::Proxy].into_iter().zip(&mut figures) {
            figures[0].push(small.round(over, || random.next()));
            figures[1].push(large.round(over, || random.next()));
            figures[2].push(large.round(over, || random.skewed()));
        }
        loads.push(chain.round(BATCHES * BATCH));
    }
    println!("admission in process (key, rate, quota), one thread, median of {ROUNDS} rounds in turns");
    println!("  keys       uniform          1,000   1,000,000             1,000,000, skewed (Zipf)");
    for (label, figures) in
        ["kept connections", "new connections", "one proxy connection"].iter().zip(figures)
    {
        let [small, large, skewed] = figures.map(median);
        let (times, times_skewed) = (large / small, skewed / small);
        println!(
            "  {label:<24} {small:>6.0} ns   {large:>6.0} ns  x {times:.2}     {skewed:>6.0} ns  x {times_skewed:.2}"
        );
    }
    println!("  one load from memory     {:>6.0} ns", median(loads));
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// A linked list over distant memory, whose load latency cannot be hidden.
struct Chain {
    nodes: Vec<u32>,
    at: usize,
}

impl Chain {
    /// As many cache lines as a million keys have accounts.
    const NODES: usize = 2_000_000;
    const LINE: usize = 64 / size_of::<u32>();

    fn new() -> Self {
        // One cycle through all of them (Sattolo's shuffle).
        let mut order: Vec<usize> = (0..Self::NODES).collect();
        let mut random = Random(1);
        for at in (1..order.len()).rev() {
            order.swap(at, random.next() % at);
        }
        let mut nodes = vec![0; Self::NODES * Self::LINE];
        for (at, next) in order.into_iter().enumerate() {
            nodes[at * Self::LINE] = u32::try_from(next * Self::LINE).unwrap();
        }
        Self { nodes, at: 0 }
    }

    /// Returns nanoseconds per step.
    fn round(&mut self, steps: usize) -> f64 {
        let begin = Instant::now();
        for _ in 0..steps {
            self.at = self.nodes[self.at] as usize;
        }
        std::hint::black_box(self.at);
        begin.elapsed().as_nanos() as f64 / steps as f64
    }
}

fn ledger() {
    println!("ledger: durable charges (hold and post), WAL, synchronous=FULL");
    println!("                                        charges/s   p50        p99        processor");
    for (accounts, in_flight, charges) in
        [(1, 1, 2000), (1, 512, 300_000), (64, 512, 300_000), (512, 512, 200_000)]
    {
        let folder = tempfile::tempdir().unwrap();
        let (store, ids) = with_accounts(folder.path(), accounts);
        let before = processor_time();
        let (rate, p50, p99) = charge(&store, &ids, in_flight, charges);
        let used = (processor_time() - before).as_secs_f64() * 1e6 / charges as f64;
        println!(
            "  {accounts:>3} accounts, {in_flight:>3} in flight           {rate:>10.0}   {:>7.3} ms {:>7.3} ms {used:>7.2} us",
            p50.as_secs_f64() * 1e3,
            p99.as_secs_f64() * 1e3,
        );
    }
    for (label, rows, balances, times) in [
        ("one row, one balance", 1, 1, 2000),
        ("512 entries, one balance", 512, 1, 600),
        ("512 entries, 512 balances", 512, 512, 300),
    ] {
        let before = processor_time();
        let (per_second, p50, p99) = bare_sqlite(rows, balances, times);
        let used = (processor_time() - before).as_secs_f64() * 1e6 / (times * rows) as f64;
        println!(
            "  SQLite alone, {label:<24} {:>9.0}   {:>7.3} ms {:>7.3} ms {used:>7.2} us",
            per_second * rows as f64,
            p50.as_secs_f64() * 1e3,
            p99.as_secs_f64() * 1e3,
        );
    }
}

/// Creates a store with accounts that can pay for everything.
fn with_accounts(folder: &Path, accounts: usize) -> (Arc<Store>, Vec<AccountId>) {
    let store = Store::open(&folder.join("demur.db"), Arc::new(Plans::new([plan()]))).unwrap();
    let ids: Vec<AccountId> = (0..accounts).map(|number| account(number).id).collect();
    for id in &ids {
        let (account, name, plan) = (Some(id.clone()), String::new(), "plan".into());
        store
            .execute(Command::CreateAccount { account, name, plan, grant_day: None }, jiff::Timestamp::now());
        let (account, amount, reason) = (id.clone(), 1 << 40, "bench".into());
        let top_up = Command::TopUp { account, amount, reason, operation: None };
        store.execute(top_up, jiff::Timestamp::now());
    }
    (store, ids)
}

/// Measures one charge without concurrency, in turns with one bare commit: on this thread, and on another thread, since a worker
/// must not wait for a disk.
fn single_charge() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ids) = with_accounts(folder.path(), 1);
    let (own, other) = (BareSqlite::new(1), BareSqlite::new(1));
    let (requests, queued) = std::sync::mpsc::channel::<std::sync::mpsc::Sender<()>>();
    let other = std::thread::spawn(move || {
        queued.iter().for_each(|done| {
            other.commit(1, 1);
            done.send(()).unwrap();
        });
    });
    let clock = Clock::start();
    let mut waits = [const { Vec::new() }; 3];
    // The first megabytes extend the logs to their final length, and are not counted.
    for number in 0..4000 {
        let begin = Instant::now();
        own.commit(1, 1);
        waits[0].push(begin.elapsed());
        let begin = Instant::now();
        let (done, finished) = std::sync::mpsc::channel();
        requests.send(done).unwrap();
        finished.recv().unwrap();
        waits[1].push(begin.elapsed());
        let operation: OperationId = format!("lone_{number}").parse().unwrap();
        let begin = Instant::now();
        let (account, operation, lease, now) = (&ids[0], &operation, Duration::from_secs(30), clock.now());
        let request = HoldRequest { account, operation, amount: 1, lease, monthly: None, now };
        let held = store.hold(&request).block().unwrap();
        waits[2].push(begin.elapsed());
        store.settle_unwatched(held.hold().unwrap(), Settlement::Post(1));
    }
    drop(requests);
    other.join().unwrap();
    let [own, other, charge] = waits.map(|mut waits| {
        waits.drain(..2000);
        waits.sort();
        waits[waits.len() / 2].as_secs_f64() * 1e3
    });
    println!("one charge alone, in turns with one bare commit (row and balance), median of 2,000");
    println!("  SQLite alone                       {own:>7.3} ms");
    println!("  SQLite alone, on another thread    {other:>7.3} ms   x {:.2}", other / own);
    println!("  charge                             {charge:>7.3} ms   x {:.2}", charge / own);
}

/// Returns the CPU time of this process, which is more meaningful than the clock on a shared machine.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // User and system time, in hundredths of a second.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn charge(
    store: &Arc<Store>,
    ids: &[AccountId],
    in_flight: usize,
    charges: usize,
) -> (f64, Duration, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let clock = Clock::start();
    let begin = Instant::now();
    let mut waits: Vec<Duration> = local.block_on(&runtime, async {
        let tasks: Vec<_> = (0..in_flight)
            .map(|slot| {
                let (store, account) = (store.clone(), ids[slot % ids.len()].clone());
                tokio::task::spawn_local(async move {
                    let mut waits = Vec::with_capacity(charges / in_flight);
                    for number in 0..charges / in_flight {
                        let operation: OperationId = format!("req_{slot:08}_{number:016}").parse().unwrap();
                        let started = Instant::now();
                        let (account, operation) = (&account, &operation);
                        let (lease, now) = (Duration::from_secs(30), clock.now());
                        let request =
                            HoldRequest { account, operation, amount: 1, lease, monthly: None, now };
                        match store.hold(&request).wait().await.unwrap() {
                            HoldOutcome::Held { hold, .. } => {
                                waits.push(started.elapsed());
                                store.settle_unwatched(hold, Settlement::Post(1));
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    waits
                })
            })
            .collect();
        let mut waits = Vec::with_capacity(charges);
        for task in tasks {
            waits.extend(task.await.unwrap());
        }
        waits
    });
    // Waits until the last charge is posted and durable.
    store.balance(&ids[0], None, clock.now()).block().unwrap();
    let elapsed = begin.elapsed();
    waits.sort();
    let rate = waits.len() as f64 / elapsed.as_secs_f64();
    (rate, waits[waits.len() / 2], waits[waits.len() * 99 / 100])
}

/// The same writes without a ledger: one value with the entries, and the balances.
struct BareSqlite {
    connection: Connection,
    _folder: tempfile::TempDir,
}

impl BareSqlite {
    fn new(balances: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("bare.db")).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "synchronous", "FULL").unwrap();
        connection
            .execute_batch(
                "CREATE TABLE batch (id INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
                 CREATE TABLE purse (account TEXT PRIMARY KEY, held INTEGER NOT NULL, posted INTEGER NOT NULL) STRICT;",
            )
            .unwrap();
        for number in 0..balances {
            let values = params![format!("account-{number}"), 0, 0];
            connection.execute("INSERT INTO purse VALUES (?1, ?2, ?3)", values).unwrap();
        }
        Self { connection, _folder: folder }
    }

    fn commit(&self, entries: usize, balances: usize) {
        // A hold takes about sixty bytes, and its settlement about six.
        let blob = vec![7_u8; entries * 66];
        let transaction = self.connection.unchecked_transaction().unwrap();
        transaction
            .prepare_cached("INSERT INTO batch (entries) VALUES (?1)")
            .unwrap()
            .execute([&blob])
            .unwrap();
        let mut update = transaction
            .prepare_cached("UPDATE purse SET held = held + 1, posted = posted + 1 WHERE account = ?1")
            .unwrap();
        for number in 0..balances {
            update.execute([format!("account-{number}")]).unwrap();
        }
        drop(update);
        transaction.commit().unwrap();
    }
}

fn bare_sqlite(entries: usize, balances: usize, times: usize) -> (f64, Duration, Duration) {
    let bare = BareSqlite::new(balances);
    let mut waits = Vec::with_capacity(times);
    let begin = Instant::now();
    for _ in 0..times {
        let started = Instant::now();
        bare.commit(entries, balances);
        waits.push(started.elapsed());
    }
    let elapsed = begin.elapsed();
    waits.sort();
    (times as f64 / elapsed.as_secs_f64(), waits[times / 2], waits[times * 99 / 100])
}

fn start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demur.db");
    let plans = || Arc::new(Plans::new([plan()]));
    let secret = {
        let store = Store::open(&path, plans()).unwrap();
        let (account, name, plan) = (Some(account(0).id), String::new(), "plan".into());
        store
            .execute(Command::CreateAccount { account, name, plan, grant_day: None }, jiff::Timestamp::now());
        let (api, prefix, account) = ("shop".into(), "shop".into(), self::account(0).id);
        let (expires, grants, metadata) = (None, Grants::default(), BTreeMap::new());
        let create = Command::CreateKey { api, prefix, account, expires, grants, metadata, label: None };
        match store.execute(create, jiff::Timestamp::now()) {
            demur_admission::Reply::KeyCreated(issued) => issued.secret,
            other => panic!("{other:?}"),
        }
    };
    fill(&path, 1_000_000);
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        let store = Store::open(&path, plans()).unwrap();
        let admission = Admission::new(store.stores(), store.pepper(), plans(), CacheConfig::default());
        let clock = Clock::start();
        let found = admission.authenticate(secret.expose(), "shop", "shop", clock.now()).block();
        assert!(found.is_ok());
        best = best.min(begin.elapsed());
    }
    println!("start with 1,000,000 keys to the first one served: {:.1} ms", best.as_secs_f64() * 1e3);
}

/// Inserts accounts with a key each directly into the database, since commands would take too long.
fn fill(path: &Path, keys: u32) {
    let mut connection = Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    let mut bytes = [0_u8; 32];
    for number in 1..=keys {
        let account = format!("account-{number}");
        // Spread over the index, as digests are.
        let spread = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes[..8].copy_from_slice(&spread.to_be_bytes());
        let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
            transaction.prepare_cached(sql).unwrap().execute(values).unwrap();
        };
        let key = format!("key-{number}");
        run("INSERT INTO account (id, name, plan, created) VALUES (?1, '', 'plan', 0)", &[&account]);
        run("INSERT INTO purse (account) VALUES (?1)", &[&account]);
        let grants = r#"{"operations":"all","scopes":[],"resources":"all"}"#;
        run(
            "INSERT INTO key (id, account, api, hint, created, grants, metadata) VALUES (?1, ?2, 'shop', 'shop', 0, ?3, '{}')",
            &[&key, &account, &grants],
        );
        run("INSERT INTO secret (digest, key, pepper, created) VALUES (?1, ?2, 1, 0)", &[&&bytes[..], &key]);
    }
    transaction.commit().unwrap();
}
