//! Whether a pepper file belongs to a database: the database has a mark of every pepper under which it has stored secrets.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use demur_admission::Digest;

use crate::OpenError;
use crate::pepper::PepperFile;

/// Returns the number by which secrets refer to the file's current pepper. Fails if secrets are stored under a pepper that
/// the file does not contain: their keys would be unknown.
pub(crate) fn pepper_number(connection: &mut Connection, file: &PepperFile) -> Result<u32, OpenError> {
    let database_error = |cause| OpenError::Database { path: file.path().to_owned(), cause };
    match find_number(connection, file).map_err(database_error)? {
        PepperMatch::Number(number) => Ok(number),
        PepperMatch::Missing { secrets } => {
            Err(OpenError::PepperMismatch { path: file.path().to_owned(), secrets })
        }
    }
}

enum PepperMatch {
    Number(u32),
    Missing { secrets: u64 },
}

fn find_number(connection: &mut Connection, file: &PepperFile) -> rusqlite::Result<PepperMatch> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let marks = file.pepper().marks();
    let Some((current, older)) = marks.split_first() else { return Ok(PepperMatch::Number(1)) };
    let known = known_marks(&transaction)?;
    if known.is_empty() {
        // A new database, or one of an older schema: its current peppers are accepted once. The newest comes first.
        for (number, mark) in (1..).zip(marks.iter().rev()) {
            insert_mark(&transaction, number, mark)?;
        }
    }
    // Counting needs a scan of all secrets, so it is done only for a missing pepper.
    let mut secrets = 0;
    for (number, mark) in &known {
        if mark != current && !older.contains(mark) {
            let sql = "SELECT count(*) FROM secret WHERE pepper = ?1";
            secrets += transaction.query_row(sql, [number], |row| row.get::<_, u64>(0))?;
        }
    }
    if secrets > 0 {
        return Ok(PepperMatch::Missing { secrets });
    }
    let sql = "SELECT number FROM pepper WHERE mark = ?1";
    let number = transaction.query_row(sql, [&current.as_bytes()[..]], |row| row.get(0)).optional()?;
    let number = match number {
        Some(number) => number,
        None => {
            let next = known.iter().map(|(number, _)| *number).max().unwrap_or(0) + 1;
            insert_mark(&transaction, next, current)?;
            next
        }
    };
    transaction.commit()?;
    Ok(PepperMatch::Number(number))
}

fn known_marks(connection: &Connection) -> rusqlite::Result<Vec<(u32, Digest)>> {
    let mut statement = connection.prepare("SELECT number, mark FROM pepper ORDER BY number")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, Digest::from_bytes(row.get(1)?))))?;
    rows.collect()
}

fn insert_mark(connection: &Connection, number: u32, mark: &Digest) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO pepper (number, mark) VALUES (?1, ?2)";
    connection.execute(sql, params![number, &mark.as_bytes()[..]])?;
    Ok(())
}
