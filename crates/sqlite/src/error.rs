//! Why a store cannot be opened, and how SQLite's errors become admission's.

use std::fmt;
use std::io;
use std::path::PathBuf;

use demur_admission::StoreError;
use rusqlite::ErrorCode;

use crate::modes::InsecureFile;

/// Why a store cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process owns the database.
    Locked {
        /// The path of the database.
        path: PathBuf,
        /// The owner's process ID, if the lock file contains it.
        pid: Option<u32>,
    },
    /// The database, or one of the files beside it, cannot be read or written.
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// Users other than its owner can access a file that contains secrets.
    InsecurePermissions(InsecureFile),
    /// The database contains keys, but the pepper file is missing, without which no secret can be verified.
    PepperMissing {
        /// The expected path of the pepper file.
        path: PathBuf,
    },
    /// There is a pepper file or a write-ahead log, but not the database that it belongs to.
    DatabaseMissing {
        /// The expected path of the database.
        path: PathBuf,
    },
    /// Secrets are stored under a pepper that the pepper file does not contain: the file belongs to another database,
    /// or is an older copy.
    PepperMismatch {
        /// The path of the pepper file.
        path: PathBuf,
        /// How many secrets cannot be verified.
        secrets: u64,
    },
    /// The pepper file is malformed.
    PepperDamaged {
        /// The path of the pepper file.
        path: PathBuf,
    },
    /// The file is a database of another program.
    NotOurDatabase {
        /// The path of the file.
        path: PathBuf,
    },
    /// A newer version of this program has migrated the database.
    TooNew {
        /// The path of the database.
        path: PathBuf,
        /// The schema version of the database.
        found: i64,
        /// The newest schema version that this version supports.
        known: i64,
    },
    /// The database cannot be backed up before its migration.
    Backup {
        /// The path of the backup.
        path: PathBuf,
        /// The error of the operating system or of SQLite.
        cause: io::Error,
    },
    /// SQLite cannot use the file, for example because it is damaged or not a database.
    Database {
        /// The path of the file.
        path: PathBuf,
        /// SQLite's error.
        cause: rusqlite::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked { path, pid: Some(pid) } => {
                write!(f, "`{}` is in use by process {pid}", path.display())
            }
            OpenError::Locked { path, pid: None } => {
                write!(f, "`{}` is in use by another process", path.display())
            }
            OpenError::Io { path, cause } => write!(f, "cannot access `{}`: {cause}", path.display()),
            OpenError::InsecurePermissions(exposed) => exposed.fmt(f),
            OpenError::DatabaseMissing { path } => write!(
                f,
                "`{0}` is missing or empty, but `{0}.pepper` or `{0}-wal` exists; restore the database, or move those \
                 files away to start with an empty store",
                path.display()
            ),
            OpenError::PepperMismatch { path, secrets } => write!(
                f,
                "`{}` does not contain the pepper of {secrets} stored secrets; restore the pepper file that belongs to \
                 this database",
                path.display()
            ),
            OpenError::PepperMissing { path } => {
                write!(
                    f,
                    "`{}` is missing, so no key can be verified; restore the pepper file",
                    path.display()
                )
            }
            OpenError::PepperDamaged { path } => write!(
                f,
                "`{}` is not a valid pepper file: its first line must be 64 hexadecimal digits; restore the pepper file",
                path.display()
            ),
            OpenError::NotOurDatabase { path } => {
                write!(f, "`{}` is a database of another program; use another path", path.display())
            }
            OpenError::TooNew { path, found, known } => write!(
                f,
                "`{0}` has schema version {found}, but this version of Demur supports schema versions up to {known}; \
                 run the newer version of Demur, or restore a backup with schema version {known} such as `{0}.v{known}.bak`",
                path.display()
            ),
            OpenError::Backup { path, cause } => write!(
                f,
                "cannot back up the database to `{}` before its migration: {cause}; nothing was changed",
                path.display()
            ),
            OpenError::Database { path, cause } => {
                write!(f, "cannot use `{}` as a database: {cause}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io { cause, .. } | OpenError::Backup { cause, .. } => Some(cause),
            OpenError::Database { cause, .. } => Some(cause),
            OpenError::Locked { .. }
            | OpenError::InsecurePermissions(_)
            | OpenError::DatabaseMissing { .. }
            | OpenError::PepperMissing { .. }
            | OpenError::PepperMismatch { .. }
            | OpenError::PepperDamaged { .. }
            | OpenError::NotOurDatabase { .. }
            | OpenError::TooNew { .. } => None,
        }
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io { .. } | OpenError::Backup { .. } | OpenError::Locked { .. } => {
                StoreError::Io(error.to_string().into())
            }
            OpenError::Database { cause, .. } => store_error(&cause),
            OpenError::InsecurePermissions(_)
            | OpenError::DatabaseMissing { .. }
            | OpenError::PepperMismatch { .. }
            | OpenError::PepperMissing { .. }
            | OpenError::PepperDamaged { .. }
            | OpenError::NotOurDatabase { .. }
            | OpenError::TooNew { .. } => StoreError::Damaged(error.to_string().into()),
        }
    }
}

/// Converts SQLite's error to admission's.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    let cause = error.to_string().into();
    match error {
        // This program does not write values that do not fit their columns.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => StoreError::Damaged(cause),
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(cause),
            _ => StoreError::Io(cause),
        },
    }
}
