//! The records of one service: JSON text in memory, decoded when it is read.
//!
//! Text, and not the decoded values, because that is how a service meets a database: what was written long
//! ago, or only by half, shows when it is read. Each service is seeded with one damaged record, so that an
//! ordinary request makes it fail.
//!
//! Bounded: past [`MAX_RECORDS`] the oldest record that is not a seed makes room. Nothing is kept over a
//! restart.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Enough to play with. A look-up reads the records one after the other, which this keeps quick.
const MAX_RECORDS: usize = 1000;

/// Records by id, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Store {
    records: Mutex<Vec<Record>>,
    seeds: usize,
    numbers: AtomicU64,
}

#[derive(Debug)]
struct Record {
    id: String,
    json: String,
}

/// A record that cannot be decoded (or encoded).
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) id: String,
    pub(crate) cause: serde_json::Error,
}

/// What became of a record that was to be added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is there now.
    New,
    /// There was one of that id, which stays as it is.
    AlreadyThere,
}

impl Store {
    /// A store that holds these records (id and JSON text), which it never gives up.
    pub(crate) fn seeded(seeds: &[(&str, &str)]) -> Self {
        let records =
            seeds.iter().map(|(id, json)| Record { id: (*id).to_owned(), json: (*json).to_owned() });
        Self {
            records: Mutex::new(records.collect()),
            seeds: seeds.len(),
            numbers: AtomicU64::new(seeds.len() as u64),
        }
    }

    /// A number for the id of a record to come: no two calls return the same.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether there is a record of that id, damaged or not.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.lock().iter().any(|record| record.id == id)
    }

    /// The record of that id.
    pub(crate) fn read<T: DeserializeOwned>(&self, id: &str) -> Result<Option<T>, Damaged> {
        self.lock().iter().find(|record| record.id == id).map(decode).transpose()
    }

    /// All records, the oldest first. Those that are damaged are left out: one of them must not take the
    /// list from everybody.
    pub(crate) fn list<T: DeserializeOwned>(&self) -> Vec<T> {
        self.lock().iter().filter_map(|record| decode(record).ok()).collect()
    }

    /// Adds a record, unless there is one of that id.
    pub(crate) fn add<T: Serialize>(&self, id: &str, value: &T) -> Result<Added, Damaged> {
        let json = encode(id, value)?;
        let mut records = self.lock();
        if records.iter().any(|record| record.id == id) {
            return Ok(Added::AlreadyThere);
        }
        if records.len() >= MAX_RECORDS {
            records.remove(self.seeds);
        }
        records.push(Record { id: id.to_owned(), json });
        Ok(Added::New)
    }

    /// Changes the record of that id, and returns it as it is now.
    pub(crate) fn update<T: DeserializeOwned + Serialize>(
        &self,
        id: &str,
        change: impl FnOnce(&mut T),
    ) -> Result<Option<T>, Damaged> {
        let mut records = self.lock();
        let Some(record) = records.iter_mut().find(|record| record.id == id) else { return Ok(None) };
        let mut value = decode(record)?;
        change(&mut value);
        record.json = encode(id, &value)?;
        Ok(Some(value))
    }

    /// A record is replaced in one assignment, so that a panic elsewhere leaves none half changed.
    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decode<T: DeserializeOwned>(record: &Record) -> Result<T, Damaged> {
    serde_json::from_str(&record.json).map_err(|cause| Damaged { id: record.id.clone(), cause })
}

fn encode<T: Serialize>(id: &str, value: &T) -> Result<String, Damaged> {
    serde_json::to_string(value).map_err(|cause| Damaged { id: id.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_store_gives_up_its_oldest_record_and_never_a_seed() {
        let store = Store::seeded(&[("seed", "0")]);
        for number in 1..=MAX_RECORDS {
            assert_eq!(store.add(&number.to_string(), &number).unwrap(), Added::New);
        }
        assert_eq!(store.list::<usize>().len(), MAX_RECORDS);
        assert!(store.contains("seed"));
        assert!(!store.contains("1"));
        assert!(store.contains(&MAX_RECORDS.to_string()));
    }

    #[test]
    fn a_second_record_of_one_id_changes_nothing() {
        let store = Store::seeded(&[("a", "1")]);
        assert_eq!(store.add("a", &2).unwrap(), Added::AlreadyThere);
        assert_eq!(store.read("a").unwrap(), Some(1));
    }

    #[test]
    fn a_damaged_record_fails_alone() {
        let store = Store::seeded(&[("whole", "1"), ("half", "[1,")]);
        assert_eq!(store.list::<u8>(), [1]);
        assert_eq!(store.read::<u8>("half").unwrap_err().id, "half");
        assert_eq!(store.update::<u8>("half", |_| ()).unwrap_err().id, "half");
    }

    #[test]
    fn numbers_are_never_given_twice() {
        let store = Store::seeded(&[("a", "1")]);
        assert_eq!((store.next_number(), store.next_number()), (2, 3));
    }
}
