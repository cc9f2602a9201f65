//! The tables, and the migration of an older schema.
//!
//! All tables are in the schema `demur`, so that a database can be shared with other programs. Times of the ledger are
//! microseconds since 1970; leases are `timestamptz` and only ever compared with the clock of the database. Identifiers
//! are compared byte by byte (`COLLATE "C"`), so that every node locks accounts in the same order. Invariants are also
//! `CHECK` constraints, so that a mistake in the program fails the transaction instead of corrupting the ledger.

use tokio_postgres::Client;

use crate::error::OpenError;

/// The migrations: each one changes the schema version from its index to the next. Released ones never change.
const MIGRATIONS: [&str; 1] = [FIRST];

/// The advisory lock of migrations: "DMUR" in ASCII. Two nodes that start at once migrate one after the other.
const MIGRATION_LOCK: i64 = 0x444d_5552;

/// How long a node waits for another one that migrates.
const LOCK_TIMEOUT: &str = "60s";

const FIRST: &str = r#"
    -- One row. changes: how many changes of the directory were announced; increased under its row lock, so that
    -- changes are numbered without gaps in the order of their commits.
    CREATE TABLE demur.store (
        one     integer PRIMARY KEY CHECK (one = 1),
        version integer NOT NULL,
        changes bigint NOT NULL DEFAULT 0
    );
    INSERT INTO demur.store VALUES (1, 1, 0);

    -- mark: a digest of a public text under this pepper.
    CREATE TABLE demur.pepper (
        number integer PRIMARY KEY,
        mark   bytea NOT NULL UNIQUE CHECK (length(mark) = 32)
    );

    -- The accounts with their balances. entries: how many ledger entries there are, which is the number of the latest.
    -- claims, claim_bytes: the number of claims, and the size of their responses. pruned_*: the totals of pruned entries.
    CREATE TABLE demur.account (
        id             text COLLATE "C" PRIMARY KEY,
        number         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        name           text NOT NULL,
        plan           text NOT NULL,
        grant_day      smallint CHECK (grant_day BETWEEN 1 AND 31),
        created        bigint NOT NULL,
        deleted        bigint,
        monthly        bigint NOT NULL DEFAULT 0 CHECK (monthly >= 0),
        non_expiring   bigint NOT NULL DEFAULT 0 CHECK (non_expiring >= 0),
        held           bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
        posted         bigint NOT NULL DEFAULT 0 CHECK (posted >= 0),
        granted        bigint NOT NULL DEFAULT 0,
        expired        bigint NOT NULL DEFAULT 0 CHECK (expired >= 0),
        month_begins   text,
        month_ends     bigint,
        month_amount   bigint,
        entries        bigint NOT NULL DEFAULT 0,
        claims         bigint NOT NULL DEFAULT 0 CHECK (claims >= 0),
        claim_bytes    bigint NOT NULL DEFAULT 0 CHECK (claim_bytes >= 0),
        pruned_entries bigint NOT NULL DEFAULT 0,
        pruned_posted  bigint NOT NULL DEFAULT 0,
        pruned_monthly bigint NOT NULL DEFAULT 0,
        CHECK (granted = monthly + non_expiring + held + posted + expired)
    ) WITH (fillfactor = 70);

    CREATE TABLE demur.key (
        id        text COLLATE "C" PRIMARY KEY,
        number    bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        account   text COLLATE "C" NOT NULL REFERENCES demur.account (id),
        api       text NOT NULL,
        prefix    text NOT NULL,
        created   bigint NOT NULL,
        expires   bigint,
        revoked   bigint,
        disabled  bigint,
        last_used bigint,
        grants    text NOT NULL,
        metadata  text NOT NULL,
        label     text
    );
    CREATE INDEX key_of_account ON demur.key (account);

    CREATE TABLE demur.secret (
        digest  bytea PRIMARY KEY CHECK (length(digest) = 32),
        key     text COLLATE "C" NOT NULL REFERENCES demur.key (id),
        pepper  integer NOT NULL,
        ends    bigint,
        created bigint NOT NULL
    );
    CREATE INDEX secret_of_key ON demur.secret (key);

    CREATE TABLE demur.imported_form (form text PRIMARY KEY);

    -- The ledger: one row per entry, never changed. kind: 1 grant, 2 top-up, 3 withdrawal, 4 refund, 5 expired,
    -- 6 posted, 7 released, 8 posted with an unknown outcome.
    -- name: the operation; for grants and expiries the first day of the month. from_monthly: how much of the amount was
    -- taken from monthly credits. held: what the operation held. month_total: of a grant, all that was granted for the
    -- month. began: when the operation was held. The account is no foreign key, here and in `hold`: its row is locked by
    -- who writes, is never deleted, and a check of each row would take longer than the row.
    CREATE TABLE demur.entry (
        account      text COLLATE "C" NOT NULL,
        number       bigint NOT NULL,
        kind         smallint NOT NULL CHECK (kind BETWEEN 1 AND 8),
        amount       bigint NOT NULL CHECK (amount >= 0),
        from_monthly bigint NOT NULL DEFAULT 0 CHECK (from_monthly BETWEEN 0 AND amount),
        held         bigint,
        name         text COLLATE "C" NOT NULL,
        month_total  bigint,
        reason       text,
        began        bigint,
        at           bigint NOT NULL,
        PRIMARY KEY (account, number),
        CHECK (kind < 6 OR held >= amount)
    );
    -- A grant, and what an operator adds or removes, takes effect once.
    CREATE UNIQUE INDEX entry_once ON demur.entry (account, kind, name, coalesce(month_total, 0)) WHERE kind IN (1, 2, 3, 4);

    -- The nodes that hold credits. A row is one epoch of a process: a node whose row is gone has lost its holds.
    CREATE TABLE demur.node (
        epoch      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        owner      bigint NOT NULL,
        lease_ends timestamptz NOT NULL
    ) WITH (fillfactor = 20);
    CREATE SEQUENCE demur.hold_block;

    -- Open holds. epoch: the node that settles it. lease_ends: when the request is expected to end, for `Retry-After`.
    CREATE TABLE demur.hold (
        hold              bigint PRIMARY KEY,
        epoch             bigint NOT NULL,
        account           text COLLATE "C" NOT NULL,
        operation         text COLLATE "C" NOT NULL,
        from_monthly      bigint NOT NULL CHECK (from_monthly >= 0),
        from_non_expiring bigint NOT NULL CHECK (from_non_expiring >= 0),
        month             text,
        began             bigint NOT NULL,
        lease_ends        bigint NOT NULL
    );
    CREATE INDEX hold_of_account ON demur.hold (account, began);
    CREATE INDEX hold_of_node ON demur.hold (epoch);

    -- state: 0 in flight, 1 completed, 2 free to run again. hold, epoch: set while in flight.
    -- expires: when the response expires. forgotten: when the claim is deleted.
    CREATE TABLE demur.claim (
        account     text COLLATE "C" NOT NULL REFERENCES demur.account (id),
        id          text COLLATE "C" NOT NULL,
        number      bigint GENERATED ALWAYS AS IDENTITY,
        fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
        state       smallint NOT NULL CHECK (state IN (0, 1, 2)),
        owner       bigint NOT NULL,
        hold        bigint,
        epoch       bigint,
        lease_ends  bigint NOT NULL,
        repeats     integer NOT NULL DEFAULT 0,
        expires     bigint NOT NULL,
        forgotten   bigint NOT NULL,
        size        bigint NOT NULL DEFAULT 0,
        response    bytea,
        PRIMARY KEY (account, id),
        CHECK (size = coalesce(length(response), 0)),
        CHECK ((state = 0) = (hold IS NOT NULL) AND (state = 0) = (epoch IS NOT NULL))
    );
    CREATE INDEX claim_in_flight ON demur.claim (epoch) WHERE state = 0;
    CREATE INDEX claim_of_hold ON demur.claim (hold) WHERE state = 0;
    CREATE INDEX claim_stored ON demur.claim (account, number) WHERE size > 0;
    CREATE INDEX claim_expires ON demur.claim (expires) WHERE size > 0;
    CREATE INDEX claim_forgotten ON demur.claim (forgotten) WHERE state > 0;

    -- Changes of the directory, for the caches of other nodes. Neither a digest nor an account: everything.
    CREATE TABLE demur.change (
        number  bigint PRIMARY KEY,
        digest  bytea,
        account text,
        at      timestamptz NOT NULL DEFAULT now()
    );

    CREATE TABLE demur.quota_use (
        account   text COLLATE "C" PRIMARY KEY,
        day_start bigint NOT NULL,
        day_end   bigint NOT NULL,
        used      bigint NOT NULL
    );
"#;

/// The newest schema version.
fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Migrates the schema in one transaction, so that an interrupted migration leaves nothing behind. Nodes that start at the
/// same time wait for each other.
pub(crate) async fn migrate(client: &Client) -> Result<(), OpenError> {
    if version(client).await? == Some(newest()) {
        return Ok(());
    }
    let sql = format!(
        "BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
    );
    client.batch_execute(&sql).await.map_err(OpenError::migration)?;
    let migrated = migrate_locked(client).await;
    let end = if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await.map_err(OpenError::migration)?;
    migrated
}

async fn migrate_locked(client: &Client) -> Result<(), OpenError> {
    // Another node may have migrated since.
    let found = version(client).await?;
    if found.is_none() {
        client.batch_execute("CREATE SCHEMA IF NOT EXISTS demur").await.map_err(OpenError::migration)?;
    }
    let from = usize::try_from(found.unwrap_or(0)).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(from) {
        client.batch_execute(migration).await.map_err(OpenError::migration)?;
    }
    let sql = format!("UPDATE demur.store SET version = {}", newest());
    client.batch_execute(&sql).await.map_err(OpenError::migration)
}

/// Returns the schema version of the database; `None` if it has no schema of Demur's.
async fn version(client: &Client) -> Result<Option<i32>, OpenError> {
    // A query and not `to_regclass`, which would use what this session has cached before it waited for another node.
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'demur' AND c.relname = 'store')";
    let exists: bool =
        client.query_one(sql, &[]).await.and_then(|row| row.try_get(0)).map_err(OpenError::query)?;
    if !exists {
        return Ok(None);
    }
    let row = client.query_one("SELECT version FROM demur.store", &[]).await.map_err(OpenError::query)?;
    let found: i32 = row.try_get(0).map_err(OpenError::query)?;
    if found > newest() {
        return Err(OpenError::TooNew { found, known: newest() });
    }
    Ok(Some(found))
}
