//! Why a store cannot be opened, and how errors of the database become admission's.

use std::fmt;

use demur_admission::StoreError;
use tokio_postgres::error::SqlState;

/// The oldest server that is supported, as PostgreSQL numbers its versions.
pub(crate) const OLDEST_SERVER: i32 = 150_000;

/// Why a store cannot be opened. No message contains the password of the connection string.
#[derive(Debug)]
pub enum OpenError {
    /// The connection string is malformed.
    InvalidUrl {
        /// What is wrong.
        cause: String,
    },
    /// The pepper is malformed.
    InvalidPepper,
    /// The certificate authorities cannot be read.
    InvalidCertificates {
        /// What is wrong.
        cause: String,
    },
    /// The server cannot be reached, or rejects the connection.
    Unreachable {
        /// What is wrong.
        cause: String,
    },
    /// The server is older than PostgreSQL 15.
    TooOld {
        /// Its version.
        found: String,
    },
    /// The server is a standby, which cannot be written.
    Standby,
    /// The database has another encoding than UTF-8.
    Encoding {
        /// Its encoding.
        found: String,
    },
    /// The user lacks a right.
    MissingRights {
        /// What the server said.
        cause: String,
    },
    /// A newer version of this program has migrated the schema.
    TooNew {
        /// The schema version of the database.
        found: i32,
        /// The newest schema version that this version supports.
        known: i32,
    },
    /// The migration failed, and nothing was changed.
    Migration {
        /// What is wrong.
        cause: String,
    },
    /// Secrets are stored under a pepper that this node does not have.
    PepperMismatch {
        /// How many secrets cannot be verified.
        secrets: u64,
    },
    /// The thread of the store cannot be started.
    Thread(std::io::Error),
}

impl OpenError {
    pub(crate) fn query(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
                Self::MissingRights { cause: describe(&error) }
            }
            _ => Self::Unreachable { cause: describe(&error) },
        }
    }

    pub(crate) fn migration(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
                Self::MissingRights { cause: describe(&error) }
            }
            _ => Self::Migration { cause: describe(&error) },
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InvalidUrl { cause } => write!(
                f,
                "invalid connection string of the PostgreSQL store: {cause}; write `postgres://USER:PASSWORD@HOST/DATABASE`"
            ),
            OpenError::InvalidPepper => f.write_str(
                "invalid pepper of the PostgreSQL store: its first line must be 64 hexadecimal digits, the same on every \
                 node; create it with `openssl rand -hex 32`",
            ),
            OpenError::InvalidCertificates { cause } => {
                write!(f, "cannot use the certificate authorities of the PostgreSQL store: {cause}")
            }
            OpenError::Unreachable { cause } => {
                write!(f, "cannot connect to the PostgreSQL store: {cause}; check the connection string and the server")
            }
            OpenError::TooOld { found } => {
                write!(f, "the PostgreSQL server has version {found}; version 15 or later is needed")
            }
            OpenError::Standby => f.write_str(
                "the PostgreSQL server is a standby, which cannot be written; connect to the primary, or list all hosts \
                 with `target_session_attrs=read-write`",
            ),
            OpenError::Encoding { found } => {
                write!(f, "the PostgreSQL database has the encoding {found}; create it with `ENCODING 'UTF8'`")
            }
            OpenError::MissingRights { cause } => write!(
                f,
                "the user of the PostgreSQL store lacks a right: {cause}; run `GRANT CREATE ON DATABASE DATABASE TO USER`, \
                 or make the user the owner of the schema `demur` and its tables; nothing was changed"
            ),
            OpenError::TooNew { found, known } => write!(
                f,
                "the PostgreSQL store has schema version {found}, but this version of Demur supports schema versions up to \
                 {known}; run the newer version of Demur"
            ),
            OpenError::Migration { cause } => write!(
                f,
                "cannot migrate the PostgreSQL store: {cause}; nothing was changed"
            ),
            OpenError::PepperMismatch { secrets } => write!(
                f,
                "{secrets} secrets in the PostgreSQL store are stored under a pepper that this node does not have; use the \
                 pepper of the other nodes"
            ),
            OpenError::Thread(cause) => write!(f, "cannot start the thread of the PostgreSQL store: {cause}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Thread(cause) => Some(cause),
            OpenError::InvalidUrl { .. }
            | OpenError::InvalidPepper
            | OpenError::InvalidCertificates { .. }
            | OpenError::Unreachable { .. }
            | OpenError::TooOld { .. }
            | OpenError::Standby
            | OpenError::Encoding { .. }
            | OpenError::MissingRights { .. }
            | OpenError::TooNew { .. }
            | OpenError::Migration { .. }
            | OpenError::PepperMismatch { .. } => None,
        }
    }
}

/// Why a statement or a transaction failed.
#[derive(Debug, Clone)]
pub(crate) enum DbError {
    /// The connection, the server or the statement failed.
    Failed(String),
    /// Two transactions waited for each other; this one may be repeated.
    Conflict,
    /// What was read or would be written contradicts the ledger's rules.
    Damaged(String),
    /// The lease of this node has ended, and other nodes may have resolved its holds.
    LeaseLost,
    /// The server did not reply in time.
    TimedOut,
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code)
                if *code == SqlState::T_R_DEADLOCK_DETECTED
                    || *code == SqlState::T_R_SERIALIZATION_FAILURE =>
            {
                DbError::Conflict
            }
            // A constraint: a mistake of this program, or rows that another program has changed.
            Some(code) if code.code().starts_with("23") => DbError::Damaged(describe(&error)),
            _ => DbError::Failed(describe(&error)),
        }
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Failed(cause) => StoreError::Io(cause.into()),
            DbError::Damaged(cause) => StoreError::Damaged(cause.into()),
            DbError::Conflict => StoreError::Io("the transactions of several nodes conflict".into()),
            DbError::LeaseLost => StoreError::Io("the lease of this node has ended".into()),
            DbError::TimedOut => StoreError::Io("the PostgreSQL server does not reply".into()),
        }
    }
}

/// Describes an error in one line, without the values of a row.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", db.message(), db.code().code());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
