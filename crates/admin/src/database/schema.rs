//! The tables of the file, and how it is opened.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::DatabaseError;

const VERSION: i64 = 1;
/// Permissions of users other than the owner: any of them could read the audit log, or make a token of their own.
const OTHERS: u32 = 0o077;

/// Times are in milliseconds since 1970.
///
/// `idempotency.state`: 0 the request runs, 1 its response is stored, 2 the gateway ended while it ran.
const SCHEMA: &str = "
CREATE TABLE token (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    role    TEXT NOT NULL,
    digest  BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    revoked INTEGER
) STRICT;
CREATE TABLE audit (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    role       TEXT,
    operation  TEXT NOT NULL,
    target     TEXT,
    details    TEXT,
    request_id TEXT,
    status     INTEGER,
    code       TEXT
) STRICT;
CREATE TABLE idempotency (
    token       TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    created     INTEGER NOT NULL,
    state       INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
    status      INTEGER,
    body        TEXT,
    PRIMARY KEY (token, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_created ON idempotency (created);
";

pub(super) fn open(path: &Path) -> Result<Connection, DatabaseError> {
    let unusable = |cause: String| DatabaseError::Unusable { path: path.to_owned(), cause };
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(unusable(error.to_string())),
        _ => {}
    }
    let mode = std::fs::metadata(path).map_err(|error| unusable(error.to_string()))?.permissions().mode();
    if mode & OTHERS != 0 {
        let mode = mode & 0o777;
        return Err(unusable(format!(
            "the file has mode {mode:04o}, and other users can use it: run `chmod 600` on it"
        )));
    }
    let mut connection = connect(path).map_err(|error| unusable(error.to_string()))?;
    match migrate(&mut connection).map_err(|error| unusable(error.to_string()))? {
        VERSION => Ok(connection),
        version => Err(DatabaseError::Newer { path: path.to_owned(), version }),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // The command line and the gateway write at the same time.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A change is in the log before it is made: also if the machine fails.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 8 << 20)?;
    Ok(connection)
}

/// Creates the tables of an empty file. Returns the version.
fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != 0 {
        return Ok(version);
    }
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(VERSION)
}
