//! The records of a service: JSON text in memory, decoded on read.
//!
//! Records are text, as in a database, so that a damaged record fails when it is read. Each service starts with one damaged
//! record, so that an ordinary request makes it fail.
//!
//! Beyond [`MAX_RECORDS`], the oldest record that is not a seed is removed. Nothing survives a restart.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Maximum number of records. Lookups are linear.
const MAX_RECORDS: usize = 1000;

/// Records with their IDs, in insertion order.
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

/// A record that cannot be decoded or encoded.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) id: String,
    pub(crate) cause: serde_json::Error,
}

/// The result of an insertion.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// The record was added.
    New,
    /// A record with this ID exists, and is unchanged.
    AlreadyThere,
}

impl Store {
    /// A store with these seed records (ID and JSON text), which are never removed.
    pub(crate) fn seeded(seeds: &[(&str, &str)]) -> Self {
        let records =
            seeds.iter().map(|(id, json)| Record { id: (*id).to_owned(), json: (*json).to_owned() });
        Self {
            records: Mutex::new(records.collect()),
            seeds: seeds.len(),
            numbers: AtomicU64::new(seeds.len() as u64),
        }
    }

    /// A unique number for the ID of a new record.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether a record with this ID exists, damaged or not.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.lock().iter().any(|record| record.id == id)
    }

    /// The record with this ID.
    pub(crate) fn read<T: DeserializeOwned>(&self, id: &str) -> Result<Option<T>, Damaged> {
        self.lock().iter().find(|record| record.id == id).map(decode).transpose()
    }

    /// All records, oldest first. Damaged records are skipped, so that one of them does not break the list.
    pub(crate) fn list<T: DeserializeOwned>(&self) -> Vec<T> {
        self.lock().iter().filter_map(|record| decode(record).ok()).collect()
    }

    /// Adds a record, unless one with this ID exists.
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

    /// Changes the record with this ID, and returns the new value.
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

    /// A poisoned lock is safe to use: records are replaced in one assignment.
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
    fn a_full_store_removes_its_oldest_record_but_never_a_seed() {
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
    fn a_duplicate_id_changes_nothing() {
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
    fn numbers_are_unique() {
        let store = Store::seeded(&[("a", "1")]);
        assert_eq!((store.next_number(), store.next_number()), (2, 3));
    }
}
