//! Measures the journal: a minute of 20,000 rejections per second, and how long it takes to find one of them.
//!
//! `cargo run --release -p demur-journal --features sqlite --example journal_bench -- SECONDS ROWS`
//!
//! ROWS is the number of entries that the journal is filled with before requests are looked up.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a program for people")]

use std::time::{Duration, Instant};

use demur_journal::{Entry, EntryCheck, EntryViolation, Filter, Journal, JournalSettings, Reader, Sink};
use jiff::Timestamp;

const RATE: u64 = 20_000;

fn entry(number: u64) -> Entry {
    let mut entry = Entry::default();
    entry.timestamp = Timestamp::now();
    entry.message = "request rejected".to_owned();
    entry.request_id = format!("req_{number:012x}70369192443f1d1e1c2b");
    entry.client = Some([127, 0, 0, 1].into());
    entry.method = Some("GET".to_owned());
    entry.path = Some(format!("/shop/items/{}", number % 1_000));
    entry.status = 400;
    entry.api = Some("shop".to_owned());
    entry.operation = Some("listItems".to_owned());
    entry.account = Some(format!("account-{}", number % 10_000));
    entry.key = Some(format!("key_{:032x}", number % 10_000));
    entry.condition = Some("param.invalid.maximum".to_owned());
    entry.error = Some("invalid_parameters".to_owned());
    entry.code = Some("invalid_parameters".to_owned());
    entry.origin = Some("client".to_owned());
    entry.violations = vec![EntryViolation::new("param.invalid.maximum", "query", "limit", "/limit")];
    entry.checks = ["request", "authentication", "authorization", "rate", "quota"]
        .map(|check| EntryCheck::new(check, "passed"))
        .to_vec();
    entry.checks.push(EntryCheck::new("validation", "rejected"));
    entry
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).map(|number| number.parse().unwrap()).collect();
    let [seconds, rows] = numbers[..] else { panic!("SECONDS ROWS") };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let settings = JournalSettings { max_bytes: u64::MAX, ..JournalSettings::new(&path) };

    let journal = Journal::start(settings.clone()).unwrap();
    let start = Instant::now();
    let mut put = 0;
    while start.elapsed() < Duration::from_secs(seconds) {
        let due = u64::try_from(start.elapsed().as_millis()).unwrap() * RATE / 1_000;
        while put < due {
            journal.put(entry(put));
            put += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(journal);
    let reader = Reader::open(&path).unwrap();
    let kept = u64::try_from(reader.last_number().unwrap()).unwrap();
    let lost = reader.span().unwrap().lost;
    println!(
        "{put} entries in {seconds} s: {kept} kept, {lost} counted as lost, {} unaccounted",
        put - kept - lost
    );
    drop(reader);

    let journal = Journal::start(settings).unwrap();
    let start = Instant::now();
    for number in put..rows.max(put) {
        journal.put(entry(number));
        // About as fast as they are written, so that none is lost.
        if number % 2_000 == 0 {
            std::thread::sleep(Duration::from_millis(25));
        }
    }
    drop(journal);
    let reader = Reader::open(&path).unwrap();
    let size = std::fs::metadata(&path).unwrap().len() >> 20;
    println!("{} entries, {size} MiB, filled in {:?}", reader.last_number().unwrap(), start.elapsed());
    let mut times: Vec<Duration> = Vec::new();
    for number in (0..100).map(|step| step * kept / 100) {
        let start = Instant::now();
        assert!(reader.find(&format!("{number:012x}70369192443f1d1e1c2b")).unwrap().is_some() || lost > 0);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!("by ID: median {:?}, longest {:?}", times[50], times[99]);
    for (name, filter) in [
        ("newest", Filter::default()),
        ("of an account", Filter { account: Some("account-77".to_owned()), ..Filter::default() }),
        ("of a key", Filter { key: Some(format!("key_{:032x}", 77)), ..Filter::default() }),
    ] {
        let start = Instant::now();
        let found = reader.newest(&filter, 100).unwrap().len();
        println!("100 {name}: {found} in {:?}", start.elapsed());
    }
}
