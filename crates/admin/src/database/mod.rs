//! A SQLite file of its own with the tokens, the audit log, and the responses to requests with an `Idempotency-Key`.
//!
//! The gateway and the command line open it at the same time. It has no secret: of tokens there are digests, and responses
//! are stored without the secrets of keys.

mod audit;
mod error;
mod idempotency;
mod schema;
mod tokens;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Row};

pub use audit::AuditEntry;
pub(crate) use audit::NewAudit;
pub use error::DatabaseError;
pub(crate) use idempotency::{Claim, Claimed, StoredReply};
pub(crate) use tokens::Actor;
pub use tokens::{Issued, NewToken, StoredToken, TokenState};

/// How long entries of the audit log are kept by default.
const AUDIT_MAX_AGE: Duration = Duration::from_secs(365 * 86_400);

/// The tokens, the audit log, and the responses to requests with an `Idempotency-Key`.
pub struct AdminDatabase {
    path: PathBuf,
    connection: Mutex<Connection>,
    audit_max_age: Duration,
}

impl AdminDatabase {
    /// Opens the file, and creates it where there is none, for its owner only.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let connection = Mutex::new(schema::open(path)?);
        Ok(Self { path: path.to_owned(), connection, audit_max_age: AUDIT_MAX_AGE })
    }

    /// Keeps entries of the audit log for this time.
    #[must_use]
    pub fn with_audit_max_age(self, audit_max_age: Duration) -> Self {
        Self { audit_max_age, ..self }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs statements, and names the file in their error.
    fn run<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, DatabaseError> {
        work(&mut self.lock()).map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &rusqlite::Error) -> DatabaseError {
        DatabaseError::Unusable { path: self.path.clone(), cause: error.to_string() }
    }
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    optional_moment(row, column).map(Option::unwrap_or_default)
}

fn optional_moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()))
}

/// The moment before `now` by this time.
fn before(now: Timestamp, age: Duration) -> i64 {
    now.as_millisecond().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

impl fmt::Debug for AdminDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminDatabase").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
