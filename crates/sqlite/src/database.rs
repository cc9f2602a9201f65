//! Connections to the database file, and whether that file is still the one that was opened.
//!
//! SQLite would go on answering from its page cache for a while when the file under it has been
//! overwritten or replaced, and would then write into what is no longer ours. So the file is looked at
//! before it is used: its identity and the magic string in front, two cheap system calls on a path that
//! leaves the process anyway.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use demur_admission::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::OpenError;
use crate::schema;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The database file of a store.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// Never closed while the file is the same: closing any descriptor of a file drops all locks that the
    /// process has on it, SQLite's too.
    handle: Mutex<Arc<Handle>>,
}

#[derive(Debug)]
struct Handle {
    file: File,
    device: u64,
    inode: u64,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// A connection, and the file that it was opened on.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: Connection,
    file: Arc<DatabaseFile>,
    handle: Arc<Handle>,
}

impl DatabaseFile {
    /// The file at this path; an empty one is made where there is none.
    pub(crate) fn at(path: &Path) -> Result<Self, OpenError> {
        let trouble = |cause| OpenError::Io { path: path.to_owned(), cause };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let handle = Handle::of(options.open(path).map_err(trouble)?).map_err(trouble)?;
        Ok(Self { path: path.to_owned(), handle: Mutex::new(Arc::new(handle)) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that is at the path now.
    fn current(&self) -> io::Result<Arc<Handle>> {
        let found = std::fs::metadata(&self.path)?;
        let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        if (found.dev(), found.ino()) != (handle.device, handle.inode) {
            *handle = Arc::new(Handle::of(File::open(&self.path)?)?);
        }
        Ok(Arc::clone(&handle))
    }
}

impl Handle {
    fn of(file: File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self { file, device: found.dev(), inode: found.ino() })
    }

    fn has_magic(&self) -> io::Result<bool> {
        let mut head = [0_u8; MAGIC.len()];
        match self.file.read_exact_at(&mut head, 0) {
            Ok(()) => Ok(head == *MAGIC),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Link {
    /// The first connection of a store: brings the schema up to date.
    pub(crate) fn found(file: &Arc<DatabaseFile>) -> Result<Self, OpenError> {
        let mut link = Self::connect(file, Access::Write)?;
        schema::migrate(&mut link.connection, file.path())?;
        link.checkpoint();
        Ok(link)
    }

    /// A connection to a store that has been founded.
    pub(crate) fn open(file: &Arc<DatabaseFile>, access: Access) -> Result<Self, StoreError> {
        let link = Self::connect(file, access)?;
        link.check()?;
        schema::verify(&link.connection, file.path())?;
        Ok(link)
    }

    fn connect(file: &Arc<DatabaseFile>, access: Access) -> Result<Self, OpenError> {
        let path = file.path();
        let handle = file.current().map_err(|cause| OpenError::Io { path: path.to_owned(), cause })?;
        let connection = Self::configured(path, access)
            .map_err(|cause| OpenError::Database { path: path.to_owned(), cause })?;
        Ok(Self { connection, file: Arc::clone(file), handle })
    }

    fn configured(path: &Path, access: Access) -> rusqlite::Result<Connection> {
        let flags = match access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        // A connection that is given up because its file is damaged must not copy the log over it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // A plan is made once for a statement, and not anew for what it is asked for.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        if access == Access::Write {
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

    /// Whether the file is still what was opened.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let trouble = |error: io::Error| StoreError::Io(error.to_string().into());
        let current = self.file.current().map_err(trouble)?;
        if !Arc::ptr_eq(&current, &self.handle) {
            return Err(StoreError::Damaged("the database file has been replaced".into()));
        }
        if !current.has_magic().map_err(trouble)? {
            return Err(StoreError::Damaged("the database file has been overwritten".into()));
        }
        Ok(())
    }

    /// Copies as much of the log as nobody uses, without holding anyone up. How many pages the log has.
    pub(crate) fn copy_log(&self) -> rusqlite::Result<i64> {
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))
    }

    /// Copies the log into the database and empties it, as far as it goes; what stays is copied another time.
    pub(crate) fn checkpoint(&self) {
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}
