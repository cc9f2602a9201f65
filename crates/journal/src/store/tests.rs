use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::*;

fn entry(number: u64, account: &str, status: u16) -> Entry {
    Entry {
        timestamp: jiff::Timestamp::now(),
        request_id: format!("req_{number:032x}"),
        account: Some(account.to_owned()),
        condition: Some("rate.exceeded".to_owned()),
        code: Some("slow_down".to_owned()),
        status,
        ..Entry::default()
    }
}

fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn finds_entries_by_id_and_by_filter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journal = Journal::start(JournalSettings::new(&path)).unwrap();
    for number in 0..300 {
        journal.put(entry(
            number,
            if number % 3 == 0 { "acme" } else { "other" },
            if number % 2 == 0 { 429 } else { 503 },
        ));
    }
    drop(journal);
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.find(&format!("{:032x}", 7)).unwrap().unwrap().request_id, format!("req_{:032x}", 7));
    assert_eq!(reader.find("nothing").unwrap(), None);
    let acme = Filter { account: Some("acme".to_owned()), ..Filter::default() };
    assert_eq!(reader.newest(&acme, 1_000).unwrap().len(), 100);
    let newest = reader.newest(&acme, 2).unwrap();
    assert!(newest[0].number > newest[1].number);
    let of_status =
        Filter { status: Some("5xx".parse().unwrap()), condition: Some("rate".to_owned()), ..acme };
    assert_eq!(reader.newest(&of_status, 1_000).unwrap().len(), 50);
    let none = Filter { condition: Some("rat".to_owned()), ..Filter::default() };
    assert!(reader.newest(&none, 10).unwrap().is_empty());
    let last = reader.last_number().unwrap();
    assert_eq!(reader.after(last - 3, &Filter::default(), 10).unwrap().len(), 3);
    let span = reader.span().unwrap();
    assert!(span.oldest.is_some() && span.newest >= span.oldest && span.lost == 0);
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn survives_the_deletion_of_its_file_and_counts_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journal = Journal::start(JournalSettings::new(&path)).unwrap();
    journal.put(entry(1, "acme", 429));
    let has = |number: u64| {
        Reader::open(&path)
            .is_ok_and(|reader| reader.find(&format!("{number:032x}")).is_ok_and(|it| it.is_some()))
    };
    await_that("the first entry", || has(1));
    // Nothing can be created there.
    fs::remove_file(&path).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(folder.path().join(format!("journal.db{end}")));
    }
    fs::create_dir(&path).unwrap();
    let deadline = Instant::now() + Duration::from_secs(4);
    while Instant::now() < deadline {
        journal.put(entry(2, "acme", 429));
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::remove_dir(&path).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !has(3) {
        assert!(Instant::now() < deadline, "it is opened again");
        journal.put(entry(3, "acme", 429));
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(journal);
    assert!(Reader::open(&path).unwrap().span().unwrap().lost > 0);
}

#[test]
fn deletes_entries_beyond_age_and_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let settings = JournalSettings { max_bytes: 200_000, ..JournalSettings::new(&path) };
    let mut connection = schema::open_writer(&path).unwrap();
    let add = |number: u64, timestamp: jiff::Timestamp| {
        let entry = Entry { timestamp, ..entry(number, "acme", 429) };
        let json = serde_json::to_string(&entry).unwrap();
        let insert = "INSERT INTO entries (at, uuid, entry) VALUES (?1, ?2, ?3)";
        connection
            .execute(insert, rusqlite::params![timestamp.as_millisecond(), number.to_string(), json])
            .unwrap();
    };
    let now = jiff::Timestamp::now();
    let old = now - Duration::from_secs(8 * 86_400);
    (0..50).for_each(|number| add(number, old));
    (50..3_000).for_each(|number| add(number, now));
    let mut rounds = 0;
    while retention::apply(&mut connection, &settings, now).unwrap() {
        rounds += 1;
        assert!(rounds < 1_000);
    }
    drop(connection);
    let reader = Reader::open(&path).unwrap();
    let kept = reader.newest(&Filter::default(), 10_000).unwrap();
    assert!((100..2_000).contains(&kept.len()), "{}", kept.len());
    assert!(reader.find("2999").unwrap().is_some() && reader.find("10").unwrap().is_none());
}

#[test]
fn rejects_what_is_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    assert!(matches!(Reader::open(&path), Err(OpenError::Missing(_))));
    fs::write(&path, "no database, but a text that is long enough to be one").unwrap();
    assert!(matches!(Reader::open(&path), Err(OpenError::Unusable { .. })));
    assert!(matches!(Journal::start(JournalSettings::new(&path)), Err(OpenError::Unusable { .. })));
    fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE entries (a); PRAGMA user_version = 0").unwrap();
    let rejected = Journal::start(JournalSettings::new(&path)).unwrap_err();
    assert!(rejected.to_string().contains("another database"), "{rejected}");
    other.execute_batch("PRAGMA user_version = 9").unwrap();
    assert!(matches!(Journal::start(JournalSettings::new(&path)), Err(OpenError::Newer { version: 9, .. })));
    assert!(matches!(Reader::open(&path), Err(OpenError::Newer { .. })));
    let missing = folder.path().join("no/journal.db");
    assert!(matches!(Journal::start(JournalSettings::new(missing)), Err(OpenError::Unusable { .. })));
}

/// Ten thousand entries a millisecond apart: more than the queue takes are lost, and counted exactly.
#[test]
fn counts_exactly_what_the_queue_does_not_take() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journal = Journal::start(JournalSettings::new(&path)).unwrap();
    let count = 3 * QUEUE as u64;
    (0..count).for_each(|number| journal.put(entry(number, "acme", 429)));
    let lost = Arc::clone(&journal.lost);
    // One more, so that what was lost is written.
    await_that("the queue has room", || {
        journal.put(entry(count, "acme", 429));
        std::thread::sleep(Duration::from_millis(100));
        lost.load(Ordering::Relaxed) == 0
    });
    drop(journal);
    let reader = Reader::open(&path).unwrap();
    let numbers: i64 = reader.last_number().unwrap();
    let kept = u64::try_from(numbers).unwrap();
    let span = reader.span().unwrap();
    assert!(kept + span.lost > count && kept > QUEUE as u64 / 2, "{kept} and {} of {count}", span.lost);
}
