//! The files that SQLite keeps beside a database, the write-ahead log and the shared memory, and how files are
//! identified and compared.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use demur_admission::StoreError;

use crate::paths::with_suffix;

/// The numbers with which a write-ahead log begins (SQLite, "WAL File Format").
const LOG_MAGIC: [[u8; 4]; 2] = [[0x37, 0x7f, 0x06, 0x82], [0x37, 0x7f, 0x06, 0x83]];

/// Identifies a file on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// Shows whether a file has been written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) length: u64,
    modified: (i64, i64),
}

/// The write-ahead log and the shared memory.
#[derive(Debug)]
pub(super) struct Sidecars {
    log: File,
    log_id: FileId,
    /// The maximum length of the log so far: SQLite overwrites it from the beginning, and never truncates it in use.
    log_length: AtomicU64,
    memory_id: FileId,
    /// The ID of the database, and its offset in the file.
    pub(super) id_position: Option<(u64, [u8; 16])>,
}

/// What is wrong with the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileProblem {
    /// The database file cannot be used.
    Database(StoreError),
    /// The log was removed or replaced. The log that this process has open is intact.
    LogRemoved(StoreError),
    /// The log was truncated or overwritten.
    Log(StoreError),
}

impl From<FileProblem> for StoreError {
    fn from(problem: FileProblem) -> Self {
        match problem {
            FileProblem::Database(error) | FileProblem::LogRemoved(error) | FileProblem::Log(error) => error,
        }
    }
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

impl Sidecars {
    pub(super) fn of(database: &Path) -> io::Result<Self> {
        let log = File::open(with_suffix(database, "-wal"))?;
        let metadata = log.metadata()?;
        // The shared memory is never opened here: closing it would release SQLite's locks.
        let memory = std::fs::metadata(with_suffix(database, "-shm"))?;
        Ok(Self {
            log_id: FileId::of(&metadata),
            log_length: AtomicU64::new(metadata.len()),
            memory_id: FileId::of(&memory),
            log,
            id_position: None,
        })
    }

    /// Whether the database's ID is where it was. An unreadable file is reported by the next check.
    pub(super) fn has_id(&self, database: &File) -> bool {
        let Some((offset, id)) = self.id_position else { return true };
        let mut found = [0_u8; 16];
        match database.read_exact_at(&mut found, offset) {
            Ok(()) => found == id,
            Err(error) => error.kind() != io::ErrorKind::UnexpectedEof,
        }
    }

    pub(super) fn check(&self, database: &Path) -> Result<(), FileProblem> {
        let metadata = |suffix| match std::fs::metadata(with_suffix(database, suffix)) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileProblem::Database(file_error(&error))),
        };
        let Some(log) = metadata("-wal")?.filter(|found| FileId::of(found) == self.log_id) else {
            return Err(FileProblem::LogRemoved(damaged(
                "the write-ahead log of the database was removed or replaced; restart",
            )));
        };
        if metadata("-shm")?.is_none_or(|found| FileId::of(&found) != self.memory_id) {
            return Err(FileProblem::LogRemoved(damaged(
                "the shared memory file of the database was removed or replaced; restart",
            )));
        }
        let is_complete = log.len() >= self.log_length.fetch_max(log.len(), Ordering::SeqCst);
        let has_magic = |head: &[u8; 4]| LOG_MAGIC.contains(head);
        let is_log = log.len() == 0
            || starts_with(&self.log, has_magic).map_err(|error| FileProblem::Log(file_error(&error)))?;
        if is_complete && is_log {
            return Ok(());
        }
        Err(FileProblem::Log(damaged(
            "the write-ahead log of the database was overwritten or truncated; restart",
        )))
    }
}

pub(super) fn starts_with<const LENGTH: usize>(
    file: &File,
    matches: impl FnOnce(&[u8; LENGTH]) -> bool,
) -> io::Result<bool> {
    let mut head = [0_u8; LENGTH];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => Ok(matches(&head)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn damaged(cause: &str) -> StoreError {
    StoreError::Damaged(cause.into())
}

pub(super) fn file_error(error: &io::Error) -> StoreError {
    StoreError::Io(error.to_string().into())
}
