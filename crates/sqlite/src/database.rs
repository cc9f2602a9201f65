//! Connections to the database file, and whether that file is still the one that was opened.
//!
//! SQLite would go on answering from its page cache for a while when the file under it has been overwritten or replaced,
//! and would then write into what is no longer ours. So the files are looked at before they are used:
//!
//! - the database, its write-ahead log and its shared memory are the files that were opened, by device and inode;
//! - the database and the log begin as they must, the database has its id where it was, and the log has not become
//!   shorter;
//! - nobody but us has written into the database. Only a checkpoint of ours writes into it, so its length and the time of
//!   its last change are known. Where they are others, the content is examined before it is used again.
//!
//! These are a few cheap system calls on a path that leaves the process anyway.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use demur_admission::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::OpenError;
use crate::error::store_error;
use crate::mark::{Expected, Mark, place_of_id};
use crate::schema;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// With which numbers a write-ahead log begins (SQLite, "WAL File Format").
const LOG_MAGIC: [[u8; 4]; 2] = [[0x37, 0x7f, 0x06, 0x82], [0x37, 0x7f, 0x06, 0x83]];

/// The files of a store's database.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// Never closed: closing any descriptor of a file drops all locks that the process has on it, SQLite's too.
    file: File,
    id: DatabaseFileId,
    /// As our last checkpoint left it.
    stamp: Mutex<Stamp>,
    /// Checkpoints under way, which write into the database.
    copying: AtomicUsize,
    /// What is beside it; known when the store has been founded.
    beside: OnceLock<Beside>,
    /// Which content was examined last, and what was wrong with it.
    refused: Mutex<Option<(Stamp, StoreError)>>,
    /// Counts how often content was accepted that others had written: what older connections have read is outdated.
    epoch: AtomicU64,
    expected: Mutex<Expected>,
}

/// Which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DatabaseFileId {
    device: u64,
    inode: u64,
}

/// Tells whether a file has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    changed: (i64, i64),
}

/// The write-ahead log and the shared memory.
#[derive(Debug)]
struct Beside {
    log: File,
    log_id: DatabaseFileId,
    /// The most that the log has had: it is written over from its beginning, and never cut while it is in use.
    log_length: AtomicU64,
    memory_id: DatabaseFileId,
    /// The id of the database, and where it is in the file.
    store: Option<(u64, [u8; 16])>,
}

/// What is wrong with the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileTrouble {
    /// The database.
    Database(StoreError),
    /// The log was removed, or another file is in its place. The one that we have open is as it was.
    LogRemoved(StoreError),
    /// The log was cut or overwritten.
    Log(StoreError),
}

impl From<FileTrouble> for StoreError {
    fn from(trouble: FileTrouble) -> Self {
        match trouble {
            FileTrouble::Database(error) | FileTrouble::LogRemoved(error) | FileTrouble::Log(error) => error,
        }
    }
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

impl DatabaseFileId {
    fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino() }
    }
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self { length: found.len(), changed: (found.mtime(), found.mtime_nsec()) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn damaged(cause: &str) -> StoreError {
    StoreError::Damaged(cause.into())
}

fn io_error(error: &io::Error) -> StoreError {
    StoreError::Io(error.to_string().into())
}

impl DatabaseFile {
    /// The file at this path; an empty one is made where there is none.
    pub(crate) fn at(path: &Path) -> Result<Self, OpenError> {
        let trouble = |cause| OpenError::Io { path: path.to_owned(), cause };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(trouble)?;
        let found = file.metadata().map_err(trouble)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            id: DatabaseFileId::of(&found),
            stamp: Mutex::new(Stamp::of(&found)),
            copying: AtomicUsize::new(0),
            beside: OnceLock::new(),
            refused: Mutex::default(),
            epoch: AtomicU64::new(0),
            expected: Mutex::default(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the database has to say of itself, from here on.
    pub(crate) fn expect(&self, change: impl FnOnce(&mut Expected)) {
        change(&mut lock(&self.expected));
    }

    /// Whether all files are still what was opened, and hold what we wrote.
    pub(crate) fn check(&self) -> Result<(), FileTrouble> {
        self.check_database().map_err(FileTrouble::Database)?;
        self.beside.get().map_or(Ok(()), |beside| beside.check(&self.path))
    }

    fn check_database(&self) -> Result<(), StoreError> {
        // Some looks, since a checkpoint may begin and end between any two of these steps.
        for _ in 0..3 {
            let found = std::fs::metadata(&self.path).map_err(|error| io_error(&error))?;
            if DatabaseFileId::of(&found) != self.id {
                return Err(damaged("the database file has been replaced; restart to use another one"));
            }
            if !self.has_magic().map_err(|error| io_error(&error))? {
                return Err(damaged("the database file has been overwritten"));
            }
            if self.beside.get().is_some_and(|beside| !beside.has_id(&self.file)) {
                return Err(damaged("the database file has been overwritten by another database"));
            }
            let is_ours = Stamp::of(&found) == *lock(&self.stamp);
            if is_ours || self.copying.load(Ordering::SeqCst) > 0 || self.beside.get().is_none() {
                return Ok(());
            }
        }
        self.examine()
    }

    /// Whether it is empty or begins as a database does.
    pub(crate) fn may_be_database(&self) -> bool {
        lock(&self.stamp).length == 0 || self.has_magic().unwrap_or(true)
    }

    fn has_magic(&self) -> io::Result<bool> {
        begins_with(&self.file, |head: &[u8; MAGIC.len()]| head == MAGIC)
    }

    /// Somebody else has written into the database. It is used again only where it is whole and holds what we left.
    fn examine(&self) -> Result<(), StoreError> {
        let mut refused = lock(&self.refused);
        let found = Stamp::of(&self.file.metadata().map_err(|error| io_error(&error))?);
        // Another thread may have been here in the meantime, or before.
        if found == *lock(&self.stamp) {
            return Ok(());
        }
        if let Some((_, error)) = refused.as_ref().filter(|(stamp, _)| *stamp == found) {
            return Err(error.clone());
        }
        match self.holds_what_we_left() {
            Ok(()) => {
                tracing::warn!(path = %self.path.display(), "database file written by another process");
                *lock(&self.stamp) = found;
                *refused = None;
                self.epoch.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            Err(error) => {
                *refused = Some((found, error.clone()));
                Err(error)
            }
        }
    }

    fn holds_what_we_left(&self) -> Result<(), StoreError> {
        let expected = lock(&self.expected).clone();
        let trouble = |error: rusqlite::Error| store_error(&error);
        // A connection of its own has nothing in its cache.
        let connection = Conn::configured(&self.path, OpenMode::Read).map_err(trouble)?;
        schema::verify(&connection, &self.path)?;
        let transaction = connection.unchecked_transaction().map_err(trouble)?;
        let found: String =
            transaction.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(trouble)?;
        if found != "ok" {
            return Err(StoreError::Damaged(format!("the database has been overwritten: {found}").into()));
        }
        if !expected.fits(&Mark::of(&transaction).map_err(trouble)?, &transaction).map_err(trouble)? {
            return Err(damaged(
                "the database file has been overwritten by another database, or by an older copy",
            ));
        }
        Ok(())
    }

    /// Whether these are the files from here on: those of a store that has been founded.
    fn pin(&self, (page, size, id): (u64, u64, [u8; 16])) -> io::Result<()> {
        let mut beside = Beside::of(&self.path)?;
        let mut content = vec![0; usize::try_from(size).unwrap_or_default()];
        // Not there yet where the log could not be copied.
        if self.file.read_exact_at(&mut content, page).is_ok() {
            let offset = content.windows(id.len()).position(|window| window == id);
            beside.store =
                offset.and_then(|offset| u64::try_from(offset).ok()).map(|offset| (page + offset, id));
        }
        *lock(&self.stamp) = Stamp::of(&self.file.metadata()?);
        let _ = self.beside.set(beside);
        Ok(())
    }

    /// Does what writes into the database.
    fn copying<T>(&self, copy: impl FnOnce() -> T) -> T {
        self.copying.fetch_add(1, Ordering::SeqCst);
        let done = copy();
        // Before it counts as over: whoever sees that it is finds this stamp.
        if let Ok(found) = self.file.metadata() {
            *lock(&self.stamp) = Stamp::of(&found);
        }
        self.copying.fetch_sub(1, Ordering::SeqCst);
        done
    }
}

fn begins_with<const LENGTH: usize>(
    file: &File,
    is_it: impl FnOnce(&[u8; LENGTH]) -> bool,
) -> io::Result<bool> {
    let mut head = [0_u8; LENGTH];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => Ok(is_it(&head)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Beside {
    fn of(database: &Path) -> io::Result<Self> {
        let log = File::open(with_suffix(database, "-wal"))?;
        let found = log.metadata()?;
        // Never opened by us: closing it would drop SQLite's locks.
        let memory = std::fs::metadata(with_suffix(database, "-shm"))?;
        Ok(Self {
            log_id: DatabaseFileId::of(&found),
            log_length: AtomicU64::new(found.len()),
            memory_id: DatabaseFileId::of(&memory),
            log,
            store: None,
        })
    }

    /// Whether the database's id is where it was. What cannot be read at all is told by the next look.
    fn has_id(&self, database: &File) -> bool {
        let Some((place, id)) = self.store else { return true };
        let mut found = [0_u8; 16];
        match database.read_exact_at(&mut found, place) {
            Ok(()) => found == id,
            Err(error) => error.kind() != io::ErrorKind::UnexpectedEof,
        }
    }

    fn check(&self, database: &Path) -> Result<(), FileTrouble> {
        let id = |suffix| match std::fs::metadata(with_suffix(database, suffix)) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileTrouble::Database(io_error(&error))),
        };
        let Some(log) = id("-wal")?.filter(|found| DatabaseFileId::of(found) == self.log_id) else {
            return Err(FileTrouble::LogRemoved(damaged(
                "the write-ahead log of the database has been removed or replaced; restart",
            )));
        };
        if id("-shm")?.is_none_or(|found| DatabaseFileId::of(&found) != self.memory_id) {
            return Err(FileTrouble::LogRemoved(damaged(
                "the shared memory file of the database has been removed or replaced; restart",
            )));
        }
        let is_whole = log.len() >= self.log_length.fetch_max(log.len(), Ordering::SeqCst);
        let begins = |head: &[u8; 4]| LOG_MAGIC.contains(head);
        let is_log = log.len() == 0
            || begins_with(&self.log, begins).map_err(|error| FileTrouble::Log(io_error(&error)))?;
        if is_whole && is_log {
            return Ok(());
        }
        Err(FileTrouble::Log(damaged("the write-ahead log of the database has been overwritten or cut")))
    }
}

impl Conn {
    /// The first connection of a store: brings the schema up to date. A database that `must_exist` is not made anew.
    pub(crate) fn found(file: &Arc<DatabaseFile>, must_exist: bool) -> Result<Self, OpenError> {
        let mut link = Self::connect(file, OpenMode::Write)?;
        if must_exist && schema::version(&link.connection, file.path())? == 0 {
            return Err(OpenError::DatabaseMissing { path: file.path().to_owned() });
        }
        schema::migrate(&mut link.connection, file.path())?;
        let _ = link.truncate_log();
        let database = |cause| OpenError::Database { path: file.path().to_owned(), cause };
        let mark = Mark::of(&link.connection).map_err(database)?;
        file.expect(|expected| *expected = Expected::from(mark));
        let id = place_of_id(&link.connection).map_err(database)?;
        file.pin(id).map_err(|cause| OpenError::Io { path: file.path().to_owned(), cause })?;
        Ok(link)
    }

    /// A connection to a store that has been founded.
    pub(crate) fn open(file: &Arc<DatabaseFile>, access: OpenMode) -> Result<Self, StoreError> {
        // First of all: SQLite would make files that are not there.
        file.check()?;
        let link = Self::connect(file, access)?;
        schema::verify(&link.connection, file.path())?;
        Ok(link)
    }

    /// The connection that there is, or a new one where there is none that can be used.
    pub(crate) fn current(
        kept: &mut Option<Self>,
        file: &Arc<DatabaseFile>,
        access: OpenMode,
    ) -> Result<Self, StoreError> {
        file.check()?;
        match kept.take() {
            Some(link) if link.epoch == file.epoch.load(Ordering::SeqCst) => Ok(link),
            _ => Self::open(file, access),
        }
    }

    fn connect(file: &Arc<DatabaseFile>, access: OpenMode) -> Result<Self, OpenError> {
        let path = file.path();
        let epoch = file.epoch.load(Ordering::SeqCst);
        let connection = Self::configured(path, access)
            .map_err(|cause| OpenError::Database { path: path.to_owned(), cause })?;
        Ok(Self { connection, file: Arc::clone(file), epoch })
    }

    pub(crate) fn configured(path: &Path, access: OpenMode) -> rusqlite::Result<Connection> {
        let flags = match access {
            OpenMode::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            OpenMode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        // A connection that is given up because its file is damaged must not copy the log over it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // A plan is made once for a statement, and not anew for what it is asked for.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        if access == OpenMode::Write {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            // NORMAL survives a kill, but loses acknowledged commits with the power.
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            // Copied by a thread for it, and not within a commit.
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }

    /// Copies as much of the log as nobody uses, without holding anyone up. How many pages the log has. The files must
    /// have been checked just before.
    pub(crate) fn copy_log(&self) -> rusqlite::Result<i64> {
        self.file
            .copying(|| self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)))
    }

    /// The end of a store: copies the log into the database and empties it, as far as it goes; what stays is copied
    /// another time.
    pub(crate) fn checkpoint(&self) {
        match self.file.check() {
            Ok(()) => drop(self.truncate_log()),
            // What has been acknowledged is in the log that we have open, and nobody will find it there again.
            Err(FileTrouble::LogRemoved(_)) => drop(self.copy_log()),
            Err(FileTrouble::Database(_) | FileTrouble::Log(_)) => {}
        }
    }

    fn truncate_log(&self) -> rusqlite::Result<()> {
        self.file.copying(|| self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }
}
