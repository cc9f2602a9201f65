//! Whether a pepper belongs to a database: the database keeps a mark of every pepper under which it has stored secrets.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use demur_admission::Digest;

use crate::OpenError;
use crate::pepper::PepperFile;

/// The number of the file's current pepper, by which secrets name it. An error where secrets are stored under a pepper
/// that the file does not have: their keys would be unknown.
pub(crate) fn recognise(connection: &mut Connection, file: &PepperFile) -> Result<u32, OpenError> {
    let unknown = |cause| OpenError::Database { path: file.path().to_owned(), cause };
    match numbered(connection, file).map_err(unknown)? {
        FoundDatabase::Number(number) => Ok(number),
        FoundDatabase::Foreign { secrets } => {
            Err(OpenError::PepperForeign { path: file.path().to_owned(), secrets })
        }
    }
}

enum FoundDatabase {
    Number(u32),
    Foreign { secrets: u64 },
}

fn numbered(connection: &mut Connection, file: &PepperFile) -> rusqlite::Result<FoundDatabase> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let marks = file.pepper().marks();
    let Some((current, older)) = marks.split_first() else { return Ok(FoundDatabase::Number(1)) };
    let known = known(&transaction)?;
    if known.is_empty() {
        // A new database, or one of an older schema: what is there is believed once. Older peppers come after newer ones.
        for (number, mark) in (1..).zip(marks.iter().rev()) {
            insert(&transaction, number, mark)?;
        }
    }
    // Only where a pepper is missing it matters how many secrets need it, which takes a look at all of them.
    let mut secrets = 0;
    for (number, mark) in &known {
        if mark != current && !older.contains(mark) {
            let sql = "SELECT count(*) FROM secret WHERE pepper = ?1";
            secrets += transaction.query_row(sql, [number], |row| row.get::<_, u64>(0))?;
        }
    }
    if secrets > 0 {
        return Ok(FoundDatabase::Foreign { secrets });
    }
    let sql = "SELECT number FROM pepper WHERE mark = ?1";
    let number = transaction.query_row(sql, [&current.as_bytes()[..]], |row| row.get(0)).optional()?;
    let number = match number {
        Some(number) => number,
        None => {
            let next = known.iter().map(|(number, _)| *number).max().unwrap_or(0) + 1;
            insert(&transaction, next, current)?;
            next
        }
    };
    transaction.commit()?;
    Ok(FoundDatabase::Number(number))
}

fn known(connection: &Connection) -> rusqlite::Result<Vec<(u32, Digest)>> {
    let mut statement = connection.prepare("SELECT number, mark FROM pepper ORDER BY number")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, Digest::from_bytes(row.get(1)?))))?;
    rows.collect()
}

fn insert(connection: &Connection, number: u32, mark: &Digest) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO pepper (number, mark) VALUES (?1, ?2)";
    connection.execute(sql, params![number, &mark.as_bytes()[..]])?;
    Ok(())
}
