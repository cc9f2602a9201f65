//! The tables of the file, and how it is opened.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::settings::OpenError;

const VERSION: i64 = 1;

/// `uuid` has the digits of the request ID, without the prefix of its contract. Its index grows at the end, as IDs begin
/// with the time.
const SCHEMA: &str = "
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    uuid TEXT NOT NULL,
    account TEXT,
    key TEXT,
    code TEXT,
    entry TEXT NOT NULL
);
CREATE INDEX entries_uuid ON entries (uuid);
CREATE INDEX entries_account ON entries (account, seq) WHERE account IS NOT NULL;
CREATE INDEX entries_key ON entries (key, seq) WHERE key IS NOT NULL;
CREATE INDEX entries_code ON entries (code, seq) WHERE code IS NOT NULL;
CREATE TABLE losses (at INTEGER NOT NULL, count INTEGER NOT NULL);
";

/// Opens the file for the thread that writes it, and creates it where there is none.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let unusable = |cause: String| OpenError::Unusable { path: path.to_owned(), cause };
    // Entries name accounts and addresses: the file is readable by its owner and group only.
    let created = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path);
    if let Err(error) = created
        && error.kind() != ErrorKind::AlreadyExists
    {
        return Err(unusable(error.to_string()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        // Before the first table: pages of deleted entries can be given back to the file system.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // What a crash of the machine loses are the entries of the last moments.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", 8 << 20)?;
        Ok(connection)
    };
    let mut connection = open().map_err(|error| unusable(error.to_string()))?;
    match version(&connection).map_err(|error| unusable(error.to_string()))? {
        0 => {
            let create = || -> rusqlite::Result<()> {
                let transaction = connection.transaction()?;
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
                transaction.commit()
            };
            create_once(create).map_err(unusable)?;
        }
        VERSION => {}
        version => return Err(OpenError::Newer { path: path.to_owned(), version }),
    }
    Ok(connection)
}

fn create_once(create: impl FnOnce() -> rusqlite::Result<()>) -> Result<(), String> {
    create().map_err(|error| match error.to_string() {
        text if text.contains("already exists") => "the file is another database".to_owned(),
        text => text,
    })
}

/// Opens the file for reading.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let unusable =
        |error: rusqlite::Error| OpenError::Unusable { path: path.to_owned(), cause: error.to_string() };
    if !path.exists() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unusable)?;
    connection.busy_timeout(Duration::from_secs(2)).map_err(unusable)?;
    match version(&connection).map_err(unusable)? {
        VERSION => Ok(connection),
        0 => {
            let cause = "the file is no journal".to_owned();
            Err(OpenError::Unusable { path: path.to_owned(), cause })
        }
        version => Err(OpenError::Newer { path: path.to_owned(), version }),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
