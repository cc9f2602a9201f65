//! The tables, and the migration of an older database.
//! Long because it has the statements of every schema version, which are read one after the other.
//!
//! Times are microseconds since 1970, grant days are dates as text. Invariants are also `CHECK` constraints, so that a
//! mistake in the program fails the transaction instead of corrupting the ledger.
//!
//! Table and column names stay as they are on disk, since renaming them would need a migration without a benefit. Where
//! they differ from the code: `purse` is an account's balance, `lasting` its non-expiring credits, `booking` the number
//! of a ledger entry, `hint` a key's prefix, `foreign_form` an imported form, and `forgotten` the end of an operation
//! or claim that is no longer remembered.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::OpenError;
use crate::backup;

/// Identifies Demur's databases in the file's header.
const APPLICATION_ID: i64 = 0x444d_5552;

/// The migrations: each one changes the schema version from its index to the next. Released ones never change.
const MIGRATIONS: [&str; 7] = [FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH];

const FIRST: &str = "
    CREATE TABLE account (
        id      TEXT PRIMARY KEY,
        name    TEXT NOT NULL,
        plan    TEXT NOT NULL,
        created INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE key (
        id      TEXT PRIMARY KEY,
        digest  BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
        account TEXT NOT NULL REFERENCES account (id),
        api     TEXT NOT NULL,
        hint    TEXT NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER,
        revoked INTEGER,
        grants  TEXT NOT NULL
    ) STRICT;
    CREATE INDEX key_of_account ON key (account);

    CREATE TABLE purse (
        account      TEXT PRIMARY KEY REFERENCES account (id),
        monthly      INTEGER NOT NULL DEFAULT 0 CHECK (monthly >= 0),
        lasting      INTEGER NOT NULL DEFAULT 0 CHECK (lasting >= 0),
        held         INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
        posted       INTEGER NOT NULL DEFAULT 0 CHECK (posted >= 0),
        granted      INTEGER NOT NULL DEFAULT 0,
        expired      INTEGER NOT NULL DEFAULT 0 CHECK (expired >= 0),
        month_begins TEXT,
        month_ends   INTEGER,
        month_amount INTEGER,
        CHECK (granted = monthly + lasting + held + posted + expired)
    ) STRICT;

    CREATE TABLE monthly_grant (
        account TEXT NOT NULL REFERENCES account (id),
        begins  TEXT NOT NULL,
        ends    INTEGER NOT NULL,
        amount  INTEGER NOT NULL,
        PRIMARY KEY (account, begins)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE top_up (
        account   TEXT NOT NULL REFERENCES account (id),
        operation TEXT NOT NULL,
        amount    INTEGER NOT NULL,
        reason    TEXT NOT NULL,
        created   INTEGER NOT NULL,
        PRIMARY KEY (account, operation)
    ) STRICT, WITHOUT ROWID;

    -- state: 0 held, 1 posted, 2 released
    CREATE TABLE operation (
        hold            INTEGER PRIMARY KEY,
        account         TEXT NOT NULL REFERENCES account (id),
        id              TEXT NOT NULL,
        fingerprint     BLOB NOT NULL,
        from_monthly    INTEGER NOT NULL,
        from_lasting    INTEGER NOT NULL,
        month           TEXT,
        state           INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
        posted          INTEGER NOT NULL DEFAULT 0 CHECK (posted BETWEEN 0 AND from_monthly + from_lasting),
        outcome_unknown INTEGER NOT NULL DEFAULT 0,
        created         INTEGER NOT NULL,
        UNIQUE (account, id)
    ) STRICT;
    CREATE INDEX operation_held ON operation (hold) WHERE state = 0;

    CREATE TABLE quota_use (
        account   TEXT PRIMARY KEY,
        day_start INTEGER NOT NULL,
        day_end   INTEGER NOT NULL,
        used      INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Adds several secrets for each key, imported keys, and operations in batches.
const SECOND: &str = "
    CREATE TABLE key_now (
        id        TEXT PRIMARY KEY,
        account   TEXT NOT NULL REFERENCES account (id),
        api       TEXT NOT NULL,
        hint      TEXT NOT NULL,
        created   INTEGER NOT NULL,
        expires   INTEGER,
        revoked   INTEGER,
        disabled  INTEGER,
        last_used INTEGER,
        grants    TEXT NOT NULL,
        metadata  TEXT NOT NULL
    ) STRICT;
    INSERT INTO key_now
        SELECT id, account, api, hint, created, expires, revoked, NULL, NULL, grants, '{}'
        FROM key ORDER BY created, id;
    CREATE TEMPORARY TABLE first_secret AS SELECT digest, id AS key, created FROM key;
    DROP TABLE key;
    ALTER TABLE key_now RENAME TO key;
    CREATE INDEX key_of_account ON key (account);

    CREATE TABLE secret (
        digest  BLOB PRIMARY KEY CHECK (length(digest) = 32),
        key     TEXT NOT NULL REFERENCES key (id),
        pepper  INTEGER NOT NULL,
        ends    INTEGER,
        created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO secret SELECT digest, key, 1, NULL, created FROM first_secret;
    DROP TABLE first_secret;
    CREATE INDEX secret_of_key ON secret (key);

    CREATE TABLE foreign_form (
        api      TEXT NOT NULL,
        prefix   TEXT NOT NULL,
        shortest INTEGER NOT NULL,
        longest  INTEGER NOT NULL,
        hash     TEXT NOT NULL,
        PRIMARY KEY (api, prefix, shortest, longest, hash)
    ) STRICT, WITHOUT ROWID;

    -- Operations without an Idempotency-Key. open_from: the oldest batch with a hold that is open after this one.
    CREATE TABLE batch (
        id        INTEGER PRIMARY KEY,
        created   INTEGER NOT NULL,
        open_from INTEGER NOT NULL,
        next_hold INTEGER NOT NULL,
        entries   BLOB NOT NULL
    ) STRICT;

    -- kind: 0 withdrawal, 1 refund
    CREATE TABLE correction (
        account   TEXT NOT NULL REFERENCES account (id),
        kind      INTEGER NOT NULL CHECK (kind IN (0, 1)),
        operation TEXT NOT NULL,
        amount    INTEGER NOT NULL CHECK (amount > 0),
        reason    TEXT NOT NULL,
        created   INTEGER NOT NULL,
        PRIMARY KEY (account, kind, operation)
    ) STRICT, WITHOUT ROWID;

    -- What pruned operations had posted.
    CREATE TABLE pruned (
        account    TEXT PRIMARY KEY REFERENCES account (id),
        operations INTEGER NOT NULL,
        posted     INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Adds what statements and verification need: expiries, the order of an account's ledger entries (`booking`: 1 for the
/// first, 0 for entries older than this schema), and which credits an entry took.
const THIRD: &str = "
    ALTER TABLE purse ADD COLUMN bookings INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE top_up ADD COLUMN booking INTEGER NOT NULL DEFAULT 0;

    -- booking: the entry of the hold while it is open, then the entry of its settlement.
    ALTER TABLE operation ADD COLUMN booking INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE operation ADD COLUMN ended INTEGER;

    -- from_monthly: how much a withdrawal took from monthly credits; null if it was not recorded.
    -- forgotten: whether the operation of this refund has been pruned.
    ALTER TABLE correction ADD COLUMN booking INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE correction ADD COLUMN from_monthly INTEGER;
    ALTER TABLE correction ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
    UPDATE correction SET forgotten = 1 WHERE account IN (SELECT account FROM pruned);

    -- from_monthly: how much pruned operations had posted from monthly credits; null if it was not recorded.
    ALTER TABLE pruned ADD COLUMN from_monthly INTEGER;

    -- The oldest batch that a start must read: older open holds were carried into it or a later one.
    ALTER TABLE batch ADD COLUMN read_from INTEGER;
    UPDATE batch SET read_from = open_from WHERE id = (SELECT max(id) FROM batch);

    -- granted: the total granted for the month, this grant included. A larger plan grants the difference.
    CREATE TABLE grant_now (
        account TEXT NOT NULL REFERENCES account (id),
        begins  TEXT NOT NULL,
        granted INTEGER NOT NULL,
        ends    INTEGER NOT NULL,
        amount  INTEGER NOT NULL CHECK (amount BETWEEN 0 AND granted),
        created INTEGER NOT NULL,
        booking INTEGER NOT NULL,
        PRIMARY KEY (account, begins, granted)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO grant_now
        SELECT account, begins, amount, ends, amount, CAST(unixepoch(begins) AS INTEGER) * 1000000, 0
        FROM monthly_grant;
    DROP TABLE monthly_grant;
    ALTER TABLE grant_now RENAME TO monthly_grant;

    -- begins: the month of the credits; null for credits that expired before this schema.
    CREATE TABLE expiry (
        account TEXT NOT NULL REFERENCES account (id),
        booking INTEGER NOT NULL,
        begins  TEXT,
        amount  INTEGER NOT NULL CHECK (amount > 0),
        created INTEGER NOT NULL,
        PRIMARY KEY (account, booking)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO expiry SELECT account, 0, NULL, expired, CAST(unixepoch() AS INTEGER) * 1000000
        FROM purse WHERE expired > 0;
";

/// Adds what identifies a database and its pepper, and indexes to find lockouts quickly.
const FOURTH: &str = "
    -- One row, never changed, so that it stays at the same offset in the file.
    CREATE TABLE store (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id  BLOB NOT NULL CHECK (length(id) = 16)
    ) STRICT;
    INSERT INTO store VALUES (1, randomblob(16));

    -- One row. commands: how many times commands of operators have been written.
    CREATE TABLE written (
        one      INTEGER PRIMARY KEY CHECK (one = 1),
        commands INTEGER NOT NULL
    ) STRICT;
    INSERT INTO written VALUES (1, 0);

    -- mark: a digest of a public text under this pepper.
    CREATE TABLE pepper (
        number INTEGER PRIMARY KEY,
        mark   BLOB NOT NULL UNIQUE CHECK (length(mark) = 32)
    ) STRICT;

    CREATE INDEX account_of_plan ON account (plan);
    CREATE INDEX key_of_prefix ON key (api, hint) WHERE revoked IS NULL;
    CREATE INDEX key_of_grants ON key (api, grants)
        WHERE revoked IS NULL AND grants <> '{\"operations\":\"all\",\"scopes\":[],\"resources\":\"all\"}';
";

/// Adds claims of Idempotency-Keys with the responses to replay, and their counts.
const FIFTH: &str = "
    -- state: 0 in flight, 1 completed, 2 free to run again. number: in the order of creation.
    -- hold: set while in flight. expires: when the response expires. forgotten: when the claim is deleted.
    CREATE TABLE claim (
        number      INTEGER PRIMARY KEY,
        account     TEXT NOT NULL REFERENCES account (id),
        id          TEXT NOT NULL,
        fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
        state       INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
        owner       INTEGER NOT NULL,
        hold        INTEGER CHECK (hold IS NULL OR state = 0),
        lease_ends  INTEGER NOT NULL,
        repeats     INTEGER NOT NULL DEFAULT 0,
        expires     INTEGER NOT NULL,
        forgotten   INTEGER NOT NULL,
        size        INTEGER NOT NULL DEFAULT 0,
        response    BLOB,
        UNIQUE (account, id),
        CHECK (size = coalesce(length(response), 0))
    ) STRICT;
    CREATE INDEX claim_of_account ON claim (account, number);
    CREATE INDEX claim_in_flight ON claim (number) WHERE state = 0;
    CREATE INDEX claim_stored ON claim (number) WHERE size > 0;
    CREATE INDEX claim_stored_of_account ON claim (account, number) WHERE size > 0;
    CREATE INDEX claim_expires ON claim (expires) WHERE size > 0;
    CREATE INDEX claim_forgotten ON claim (forgotten) WHERE state > 0;

    -- The number of claims and the bytes of responses: of each account that has any, and of all under ''.
    CREATE TABLE claim_use (
        account TEXT PRIMARY KEY,
        claims  INTEGER NOT NULL CHECK (claims >= 0),
        bytes   INTEGER NOT NULL CHECK (bytes >= 0)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER claim_made AFTER INSERT ON claim BEGIN
        INSERT INTO claim_use VALUES (NEW.account, 1, NEW.size), ('', 1, NEW.size)
            ON CONFLICT (account) DO UPDATE SET claims = claims + 1, bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER claim_resized AFTER UPDATE OF size ON claim BEGIN
        UPDATE claim_use SET bytes = bytes + NEW.size - OLD.size WHERE account IN (OLD.account, '');
    END;
    CREATE TRIGGER claim_gone AFTER DELETE ON claim BEGIN
        UPDATE claim_use SET claims = claims - 1, bytes = bytes - OLD.size WHERE account IN (OLD.account, '');
        DELETE FROM claim_use WHERE account = OLD.account AND claims = 0;
    END;
";

/// Adds the grant day of an account; null for the day of its plan.
const SIXTH: &str = "
    ALTER TABLE account ADD COLUMN grant_day INTEGER CHECK (grant_day BETWEEN 1 AND 31);
";

/// Adds labels of keys, and when an account was deleted.
const SEVENTH: &str = "
    ALTER TABLE key ADD COLUMN label TEXT;
    ALTER TABLE account ADD COLUMN deleted INTEGER;
";

/// Migrates the database to the current schema, one transaction for each version. An existing database is backed up
/// first, to a file such as `demur.db.v4.bak` beside it.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let database_error = |cause| OpenError::Database { path: path.to_owned(), cause };
    let found = version(connection, path)?;
    if found > newest() {
        return Err(OpenError::TooNew { path: path.to_owned(), found, known: newest() });
    }
    if found > 0 && found < newest() {
        let target = backup::before_migration(connection, path, found)
            .map_err(|cause| OpenError::Backup { path: backup::migration_backup(path, found), cause })?;
        tracing::info!(
            path = %path.display(), from = found, to = newest(), backup = %target.display(), "database migration started"
        );
    }
    for (position, migration) in (0..).zip(MIGRATIONS).skip_while(|(position, _)| *position < found) {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database_error)?;
        transaction.execute_batch(migration).map_err(database_error)?;
        transaction.pragma_update(None, "user_version", position + 1).map_err(database_error)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(database_error)?;
        transaction.commit().map_err(database_error)?;
    }
    Ok(())
}

/// The newest schema version.
fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Verifies that the database is Demur's and has the current schema, as it must when it is opened again.
pub(crate) fn verify(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    match version(connection, path)? {
        found if found == newest() => Ok(()),
        found if found > newest() => Err(OpenError::TooNew { path: path.to_owned(), found, known: newest() }),
        _ => Err(OpenError::NotOurDatabase { path: path.to_owned() }),
    }
}

/// Returns the schema version; 0 for an empty database.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let database_error = |cause| OpenError::Database { path: path.to_owned(), cause };
    let pragma =
        |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(database_error);
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let is_empty = tables.map_err(database_error)? == 0;
    if !is_empty && pragma("application_id")? != APPLICATION_ID {
        return Err(OpenError::NotOurDatabase { path: path.to_owned() });
    }
    pragma("user_version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrates_keys_and_operations_of_schema_1() -> rusqlite::Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demur.db");
        let mut connection = Connection::open(&path)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.execute_batch(FIRST)?;
        connection.execute_batch(
            "INSERT INTO account VALUES ('acme', 'Acme', 'paid', 1);
             INSERT INTO purse (account, lasting, posted, granted) VALUES ('acme', 7, 3, 10);
             INSERT INTO key VALUES ('k', zeroblob(32), 'acme', 'shop', 'shop', 5, NULL, 6, '{}');
             INSERT INTO operation (hold, account, id, fingerprint, from_monthly, from_lasting, state, posted, created)
                 VALUES (1, 'acme', 'order', zeroblob(32), 0, 3, 1, 3, 2);",
        )?;
        connection.pragma_update(None, "user_version", 1)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        assert!(migrate(&mut connection, &path).is_ok());
        assert!(verify(&connection, &path).is_ok());
        let row = connection.query_row(
            "SELECT key.api, key.revoked, secret.pepper, secret.created, length(secret.digest), operation.posted
             FROM key JOIN secret ON secret.key = key.id JOIN operation ON operation.account = key.account",
            [],
            |row| {
                let moments: (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
                Ok((row.get::<_, String>(0)?, moments, row.get::<_, i64>(4)?, row.get::<_, i64>(5)?))
            },
        )?;
        assert_eq!(row, ("shop".to_owned(), (6, 1, 5), 32, 3));
        let broken: i64 =
            connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
        assert_eq!(broken, 0);
        Ok(())
    }
}
