//! Why a store cannot be opened, and how SQLite's errors are told to admission.

use std::fmt;
use std::io;
use std::path::PathBuf;

use demur_admission::StoreError;
use rusqlite::ErrorCode;

use crate::modes::Exposed;

/// Why a store cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process owns it.
    Locked {
        /// The database.
        path: PathBuf,
        /// The owner, where its lock tells.
        pid: Option<u32>,
    },
    /// The database, or one of the files beside it, cannot be read or written.
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file that holds a secret can be read by others than its owner.
    InsecurePermissions(Exposed),
    /// The pepper is lost: there are keys, but not the file without which no secret can be matched.
    PepperMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is a pepper, or a write-ahead log, and not the database that it belongs to.
    DatabaseMissing {
        /// Where the database should be.
        path: PathBuf,
    },
    /// Keys were stored under a pepper that is not in the file: it belongs to another database, or is an older copy.
    PepperForeign {
        /// The pepper's file.
        path: PathBuf,
        /// How many secrets cannot be matched.
        secrets: u64,
    },
    /// The pepper's file has not the form of a pepper.
    PepperDamaged {
        /// Which file.
        path: PathBuf,
    },
    /// The file is a database of another program.
    NotOurDatabase {
        /// Which file.
        path: PathBuf,
    },
    /// The database was written by a later version of this program.
    TooNew {
        /// The version of its schema.
        found: i64,
        /// The latest that is known here.
        known: i64,
    },
    /// SQLite cannot use it: damaged, not a database, out of space.
    Database {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: rusqlite::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked { path, pid: Some(pid) } => {
                write!(f, "{} is in use by the process {pid}", path.display())
            }
            OpenError::Locked { path, pid: None } => {
                write!(f, "{} is in use by another process", path.display())
            }
            OpenError::Io { path, cause } => write!(f, "{}: {cause}", path.display()),
            OpenError::InsecurePermissions(exposed) => exposed.fmt(f),
            OpenError::DatabaseMissing { path } => write!(
                f,
                "{0} is missing or empty, although {0}.pepper or {0}-wal shows that there was a database; restore it, or \
                 move those files away to begin with an empty store",
                path.display()
            ),
            OpenError::PepperForeign { path, secrets } => write!(
                f,
                "{} does not have the pepper under which {secrets} secrets of this database are stored; restore the \
                 pepper file that belongs to the database",
                path.display()
            ),
            OpenError::PepperMissing { path } => {
                write!(f, "{} is missing, and without it no key can be matched; restore it", path.display())
            }
            OpenError::PepperDamaged { path } => {
                write!(f, "{} is not a pepper: 64 hexadecimal digits are expected", path.display())
            }
            OpenError::NotOurDatabase { path } => {
                write!(f, "{} is a database of another program", path.display())
            }
            OpenError::TooNew { found, known } => {
                write!(f, "the database has schema {found}, and this version knows up to {known}")
            }
            OpenError::Database { path, cause } => write!(f, "{}: {cause}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io { cause, .. } => Some(cause),
            OpenError::Database { cause, .. } => Some(cause),
            OpenError::Locked { .. }
            | OpenError::InsecurePermissions(_)
            | OpenError::DatabaseMissing { .. }
            | OpenError::PepperMissing { .. }
            | OpenError::PepperForeign { .. }
            | OpenError::PepperDamaged { .. }
            | OpenError::NotOurDatabase { .. }
            | OpenError::TooNew { .. } => None,
        }
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io { .. } | OpenError::Locked { .. } => StoreError::Io(error.to_string().into()),
            OpenError::Database { cause, .. } => store_error(&cause),
            OpenError::InsecurePermissions(_)
            | OpenError::DatabaseMissing { .. }
            | OpenError::PepperForeign { .. }
            | OpenError::PepperMissing { .. }
            | OpenError::PepperDamaged { .. }
            | OpenError::NotOurDatabase { .. }
            | OpenError::TooNew { .. } => StoreError::Damaged(error.to_string().into()),
        }
    }
}

/// What SQLite's error means to admission.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    let cause = error.to_string().into();
    match error {
        // A value that does not fit its column's type was not written by us.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => StoreError::Damaged(cause),
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(cause),
            _ => StoreError::Io(cause),
        },
    }
}
