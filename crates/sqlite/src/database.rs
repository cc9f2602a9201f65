//! The database file and its connections, and whether the file is still the one that was opened.
//!
//! SQLite would answer from its page cache for a while after the file was overwritten or replaced, and would then write
//! into a file that is no longer ours. So the files are checked before each use:
//!
//! - the database, its write-ahead log and its shared memory are the files that were opened, by device and inode;
//! - the database and the log begin with their magic numbers, the database has its ID at the same offset, and the log
//!   has not become shorter;
//! - no other program has written to the database. Only our checkpoints write to it, so its length and modification
//!   time are known. Where they differ, the content is verified before it is used again.
//!
//! These are a few cheap system calls on a path that leaves the process anyway. The files beside the database are in
//! [`sidecars`].

mod sidecars;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use demur_admission::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::OpenError;
use crate::error::store_error;
use crate::mark::{Expected, Mark, id_position};
use crate::schema;
use sidecars::{FileId, Sidecars, Stamp, damaged, file_error, starts_with};

pub(crate) use sidecars::FileProblem;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The files of a store's database.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// Never closed: closing any descriptor of a file releases all locks that the process has on it, SQLite's too.
    file: File,
    id: FileId,
    /// The file as our last checkpoint left it.
    stamp: Mutex<Stamp>,
    /// How many checkpoints are running; they write to the database.
    running_checkpoints: AtomicUsize,
    /// The files beside the database; set once the store has been created.
    sidecars: OnceLock<Sidecars>,
    /// The content that was rejected last, and why.
    rejected: Mutex<Option<(Stamp, StoreError)>>,
    /// How often content written by another program was accepted: older connections have stale caches.
    epoch: AtomicU64,
    expected: Mutex<Expected>,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenMode {
    Read,
    Write,
}

/// A connection, and the file that it was opened on.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) connection: Connection,
    file: Arc<DatabaseFile>,
    epoch: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DatabaseFile {
    /// Opens the file at this path, and creates an empty one if there is none.
    pub(crate) fn at(path: &Path) -> Result<Self, OpenError> {
        let io_error = |cause| OpenError::Io { path: path.to_owned(), cause };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(io_error)?;
        let metadata = file.metadata().map_err(io_error)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            id: FileId::of(&metadata),
            stamp: Mutex::new(Stamp::of(&metadata)),
            running_checkpoints: AtomicUsize::new(0),
            sidecars: OnceLock::new(),
            rejected: Mutex::default(),
            epoch: AtomicU64::new(0),
            expected: Mutex::default(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Changes what the database is expected to contain from now on.
    pub(crate) fn update_expected(&self, change: impl FnOnce(&mut Expected)) {
        change(&mut lock(&self.expected));
    }

    /// Checks that all files are the ones that were opened and contain what this process wrote.
    pub(crate) fn check(&self) -> Result<(), FileProblem> {
        self.check_database().map_err(FileProblem::Database)?;
        self.sidecars.get().map_or(Ok(()), |sidecars| sidecars.check(&self.path))
    }

    fn check_database(&self) -> Result<(), StoreError> {
        // Several attempts, since a checkpoint may start and end between any two of these steps.
        for _ in 0..3 {
            let metadata = std::fs::metadata(&self.path).map_err(|error| file_error(&error))?;
            if FileId::of(&metadata) != self.id {
                return Err(damaged("the database file was replaced; restart to use the new file"));
            }
            if !self.has_magic().map_err(|error| file_error(&error))? {
                return Err(damaged("the database file was overwritten; restore it from a backup"));
            }
            if self.sidecars.get().is_some_and(|sidecars| !sidecars.has_id(&self.file)) {
                return Err(damaged("the database file was overwritten by another database; restore it"));
            }
            let is_unchanged = Stamp::of(&metadata) == *lock(&self.stamp);
            let is_checkpointing = self.running_checkpoints.load(Ordering::SeqCst) > 0;
            if is_unchanged || is_checkpointing || self.sidecars.get().is_none() {
                return Ok(());
            }
        }
        self.verify_foreign_write()
    }

    /// Whether the file is empty or begins as an SQLite database does.
    pub(crate) fn may_be_database(&self) -> bool {
        lock(&self.stamp).length == 0 || self.has_magic().unwrap_or(true)
    }

    fn has_magic(&self) -> io::Result<bool> {
        starts_with(&self.file, |head: &[u8; MAGIC.len()]| head == MAGIC)
    }

    /// Verifies the content after another program has written to the database. It is used again only if it is intact
    /// and contains what this process wrote.
    fn verify_foreign_write(&self) -> Result<(), StoreError> {
        let mut rejected = lock(&self.rejected);
        let found = Stamp::of(&self.file.metadata().map_err(|error| file_error(&error))?);
        // Another thread may have verified it in the meantime, or before.
        if found == *lock(&self.stamp) {
            return Ok(());
        }
        if let Some((_, error)) = rejected.as_ref().filter(|(stamp, _)| *stamp == found) {
            return Err(error.clone());
        }
        match self.check_content() {
            Ok(()) => {
                tracing::warn!(path = %self.path.display(), "database file written by another process");
                *lock(&self.stamp) = found;
                *rejected = None;
                self.epoch.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            Err(error) => {
                *rejected = Some((found, error.clone()));
                Err(error)
            }
        }
    }

    fn check_content(&self) -> Result<(), StoreError> {
        let expected = lock(&self.expected).clone();
        let sqlite_error = |error: rusqlite::Error| store_error(&error);
        // A connection of its own has nothing in its cache.
        let connection = Conn::configured(&self.path, OpenMode::Read).map_err(sqlite_error)?;
        schema::verify(&connection, &self.path)?;
        let transaction = connection.unchecked_transaction().map_err(sqlite_error)?;
        let result: String =
            transaction.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sqlite_error)?;
        if result != "ok" {
            return Err(StoreError::Damaged(format!("the database file was overwritten: {result}").into()));
        }
        let mark = Mark::of(&transaction).map_err(sqlite_error)?;
        if !expected.matches(&mark, &transaction).map_err(sqlite_error)? {
            return Err(damaged(
                "the database file was overwritten by another database or an older copy; restore it",
            ));
        }
        Ok(())
    }

    /// Records the files beside the database and the position of its ID, once the store has been created.
    fn pin_files(&self, (page, size, id): (u64, u64, [u8; 16])) -> io::Result<()> {
        let mut sidecars = Sidecars::of(&self.path)?;
        let mut content = vec![0; usize::try_from(size).unwrap_or_default()];
        // The page is not in the file yet if the log could not be checkpointed.
        if self.file.read_exact_at(&mut content, page).is_ok() {
            let offset = content.windows(id.len()).position(|window| window == id);
            sidecars.id_position =
                offset.and_then(|offset| u64::try_from(offset).ok()).map(|offset| (page + offset, id));
        }
        *lock(&self.stamp) = Stamp::of(&self.file.metadata()?);
        let _ = self.sidecars.set(sidecars);
        Ok(())
    }

    /// Runs a checkpoint, and records the database file as the checkpoint left it.
    fn while_checkpointing<T>(&self, checkpoint: impl FnOnce() -> T) -> T {
        self.running_checkpoints.fetch_add(1, Ordering::SeqCst);
        let result = checkpoint();
        // Before the counter goes down: a thread that sees the checkpoint ended finds this stamp.
        if let Ok(metadata) = self.file.metadata() {
            *lock(&self.stamp) = Stamp::of(&metadata);
        }
        self.running_checkpoints.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

impl Conn {
    /// Opens the first connection of a store and migrates the schema. With `must_exist`, an empty database is an error
    /// instead of being created.
    pub(crate) fn create(file: &Arc<DatabaseFile>, must_exist: bool) -> Result<Self, OpenError> {
        let mut conn = Self::connect(file, OpenMode::Write)?;
        if must_exist && schema::version(&conn.connection, file.path())? == 0 {
            return Err(OpenError::DatabaseMissing { path: file.path().to_owned() });
        }
        schema::migrate(&mut conn.connection, file.path())?;
        let _ = conn.truncate_log();
        let database_error = |cause| OpenError::Database { path: file.path().to_owned(), cause };
        let mark = Mark::of(&conn.connection).map_err(database_error)?;
        file.update_expected(|expected| *expected = Expected::from(mark));
        let id = id_position(&conn.connection).map_err(database_error)?;
        file.pin_files(id).map_err(|cause| OpenError::Io { path: file.path().to_owned(), cause })?;
        Ok(conn)
    }

    /// Opens another connection of a store that has been created.
    pub(crate) fn open(file: &Arc<DatabaseFile>, mode: OpenMode) -> Result<Self, StoreError> {
        // First: SQLite would create missing files.
        file.check()?;
        let conn = Self::connect(file, mode)?;
        schema::verify(&conn.connection, file.path())?;
        Ok(conn)
    }

    /// Returns the kept connection, or opens a new one if there is none or its cache is stale.
    pub(crate) fn current(
        kept: &mut Option<Self>,
        file: &Arc<DatabaseFile>,
        mode: OpenMode,
    ) -> Result<Self, StoreError> {
        file.check()?;
        match kept.take() {
            Some(conn) if conn.epoch == file.epoch.load(Ordering::SeqCst) => Ok(conn),
            _ => Self::open(file, mode),
        }
    }

    fn connect(file: &Arc<DatabaseFile>, mode: OpenMode) -> Result<Self, OpenError> {
        let path = file.path();
        let epoch = file.epoch.load(Ordering::SeqCst);
        let connection = Self::configured(path, mode)
            .map_err(|cause| OpenError::Database { path: path.to_owned(), cause })?;
        Ok(Self { connection, file: Arc::clone(file), epoch })
    }

    /// Opens a connection with this crate's settings, without checking the file.
    pub(crate) fn configured(path: &Path, mode: OpenMode) -> rusqlite::Result<Connection> {
        let flags = match mode {
            OpenMode::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            OpenMode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        // A connection that is closed because its file is damaged must not write the log over it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // One query plan per statement, whatever values are bound.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        if mode == OpenMode::Write {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            // NORMAL survives a kill, but a power failure would lose acknowledged commits.
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            // The checkpoint thread does it, not a commit.
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }

    /// Checkpoints as much of the log as no reader uses, without blocking anyone, and returns the number of pages in
    /// the log. The files must have been checked just before.
    pub(crate) fn copy_log(&self) -> rusqlite::Result<i64> {
        self.file.while_checkpointing(|| {
            self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))
        })
    }

    /// Checkpoints and truncates the log when the store closes, as far as possible; the next start does the rest.
    pub(crate) fn checkpoint(&self) {
        match self.file.check() {
            Ok(()) => drop(self.truncate_log()),
            // Acknowledged commits are in the log that this connection has open, and nobody can find that file again.
            Err(FileProblem::LogRemoved(_)) => drop(self.copy_log()),
            Err(FileProblem::Database(_) | FileProblem::Log(_)) => {}
        }
    }

    fn truncate_log(&self) -> rusqlite::Result<()> {
        self.file.while_checkpointing(|| {
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        })
    }
}
