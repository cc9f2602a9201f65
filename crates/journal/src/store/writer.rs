//! The thread that writes the journal.
//!
//! Entries are written in batches. If the file cannot be written (the disk is full, the file was deleted), entries are lost
//! and counted, and the file is opened again from time to time; no request notices.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::retention;
use super::schema::open_writer;
use super::settings::{JournalSettings, OpenError};
use crate::Entry;

/// The most entries of one transaction.
const BATCH: usize = 4096;
/// Between two transactions, so that entries share them.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two looks at the file, and between two attempts to open it.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Between two deletions of old entries.
const RETENTION_INTERVAL: Duration = Duration::from_secs(30);
/// Losses are reported no more often.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

const INSERT: &str =
    "INSERT INTO entries (at, uuid, account, key, code, entry) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) struct Writer {
    settings: JournalSettings,
    /// `None` while the file cannot be used.
    connection: Option<Connection>,
    /// The file that is open, by its device and inode.
    file: Option<(u64, u64)>,
    lost: Arc<AtomicU64>,
    checked: Instant,
    retained: Option<Instant>,
    reported: Option<Instant>,
}

impl Writer {
    pub(super) fn open(settings: JournalSettings, lost: Arc<AtomicU64>) -> Result<Self, OpenError> {
        let connection = Some(open_writer(&settings.path)?);
        let checked = Instant::now();
        let mut writer =
            Self { settings, connection, file: None, lost, checked, retained: None, reported: None };
        writer.file = writer.identity();
        Ok(writer)
    }

    pub(super) fn run(mut self, queued: &Receiver<Entry>) {
        let mut batch = Vec::new();
        loop {
            match queued.recv_timeout(CHECK_INTERVAL) {
                Ok(entry) => batch.push(entry),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            batch.extend(queued.try_iter().take(BATCH));
            self.check_file();
            self.write(&batch);
            batch.clear();
            self.retain();
            self.report();
            thread::sleep(PAUSE);
        }
        self.reported = None;
        self.report();
    }

    /// The identity of the file at the path.
    fn identity(&self) -> Option<(u64, u64)> {
        let metadata = std::fs::metadata(&self.settings.path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    /// Opens the file again if it was removed or replaced, or could not be used before.
    fn check_file(&mut self) {
        if self.checked.elapsed() < CHECK_INTERVAL {
            return;
        }
        self.checked = Instant::now();
        if self.connection.is_some() && self.identity() == self.file {
            return;
        }
        self.connection = None;
        match open_writer(&self.settings.path) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.file = self.identity();
                tracing::info!(path = %self.settings.path.display(), "journal opened again");
            }
            Err(error) => self.unavailable(&error.to_string()),
        }
    }

    fn unavailable(&mut self, cause: &str) {
        if self.reported.is_none_or(|last| last.elapsed() >= REPORT_INTERVAL) {
            tracing::warn!(path = %self.settings.path.display(), cause, "journal unavailable");
            self.reported = Some(Instant::now());
        }
    }

    fn write(&mut self, batch: &[Entry]) {
        if batch.is_empty() {
            return;
        }
        let written = match &mut self.connection {
            Some(connection) => {
                let lost = self.lost.load(Ordering::Relaxed);
                let written = insert(connection, batch, lost);
                if written.is_ok() {
                    self.lost.fetch_sub(lost, Ordering::Relaxed);
                    if lost > 0 {
                        self.reported = Some(Instant::now());
                        tracing::warn!(lost, "journal entries lost");
                    }
                }
                written.map_err(|error| error.to_string())
            }
            None => Err(String::new()),
        };
        if let Err(cause) = written {
            self.lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
            if !cause.is_empty() {
                self.connection = None;
                self.unavailable(&cause);
            }
        }
    }

    fn retain(&mut self) {
        if self.retained.is_some_and(|last| last.elapsed() < RETENTION_INTERVAL) {
            return;
        }
        let Some(connection) = &mut self.connection else { return };
        match retention::apply(connection, &self.settings, Timestamp::now()) {
            // There is more to delete: entries are written in between.
            Ok(true) => {}
            Ok(false) => self.retained = Some(Instant::now()),
            Err(error) => {
                self.retained = Some(Instant::now());
                self.unavailable(&error.to_string());
            }
        }
    }

    /// Reports losses that no table could take.
    fn report(&mut self) {
        let is_due = self.reported.is_none_or(|last| last.elapsed() >= REPORT_INTERVAL);
        let lost = self.lost.load(Ordering::Relaxed);
        if is_due && lost > 0 && self.connection.is_none() {
            self.reported = Some(Instant::now());
            tracing::warn!(lost, "journal entries lost");
        }
    }
}

/// Writes a batch, and how many entries were lost before it.
fn insert(connection: &mut Connection, batch: &[Entry], lost: u64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut statement = transaction.prepare_cached(INSERT)?;
        for entry in batch {
            let json = serde_json::to_string(entry).unwrap_or_default();
            let Entry { timestamp, account, key, code, .. } = entry;
            let uuid = digits(&entry.request_id);
            statement.execute(params![timestamp.as_millisecond(), uuid, account, key, code, json])?;
        }
    }
    if lost > 0 {
        let lost = i64::try_from(lost).unwrap_or(i64::MAX);
        let at = Timestamp::now().as_millisecond();
        transaction.execute("INSERT INTO losses (at, count) VALUES (?1, ?2)", params![at, lost])?;
    }
    transaction.commit()
}

/// The digits of a request ID, without the prefix of its contract.
fn digits(id: &str) -> &str {
    id.len().checked_sub(32).and_then(|start| id.get(start..)).unwrap_or(id)
}
