//! Queries for accounts and keys.

use std::sync::Arc;

use demur_admission::{
    Account, AccountId, Candidates, Credential, Digest, GrantDay, ImportedForm, KeyId, KeyRecord, KeySummary,
    Page,
};
use jiff::Timestamp;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

const KEY_COLUMNS: &str = "key.id, key.account, key.api, key.hint, key.created, key.expires, key.revoked, \
     key.grants, key.disabled, key.metadata";

/// The digest of a secret, and the number of its pepper.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredSecret {
    pub(crate) digest: Digest,
    pub(crate) pepper: u32,
}

/// Finds the key with one of these digests, with its account.
pub(crate) fn find(
    connection: &Connection,
    digests: &Candidates,
) -> rusqlite::Result<Option<Arc<Credential>>> {
    let sql = format!(
        "SELECT {KEY_COLUMNS}, account.name, account.plan, account.grant_day, secret.ends
         FROM secret JOIN key ON key.id = secret.key JOIN account ON account.id = key.account
         WHERE secret.digest = ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    for digest in digests {
        let credential = |row: &Row<'_>| {
            let key = key_from(row)?;
            let account = Account {
                id: key.account.clone(),
                name: row.get(10)?,
                plan: row.get(11)?,
                grant_day: grant_day(row, 12)?,
            };
            let replaced = optional_moment(row, 13)?;
            Ok(Arc::new(Credential { digest: *digest, replaced, key, account }))
        };
        if let Some(found) = statement.query_row([&digest.as_bytes()[..]], credential).optional()? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Returns a key by its ID.
pub(crate) fn key(
    connection: &Connection,
    id: &KeyId,
    at: Timestamp,
) -> rusqlite::Result<Option<KeySummary>> {
    let sql = format!("SELECT {KEY_COLUMNS}, key.last_used, key.label FROM key WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id.as_str()], |row| summary(row, at)).optional()
}

/// Returns the digests of all secrets of a key.
pub(crate) fn digests(connection: &Connection, id: &KeyId) -> rusqlite::Result<Vec<Digest>> {
    let mut statement = connection.prepare_cached("SELECT digest FROM secret WHERE key = ?1")?;
    let rows =
        statement.query_map([id.as_str()], |row| Ok(Digest::from_bytes(row.get::<_, [u8; 32]>(0)?)))?;
    rows.collect()
}

/// Returns a page of all keys, or of one account's keys, oldest first, and whether there are more.
pub(crate) fn keys(
    connection: &Connection,
    account: Option<&AccountId>,
    page: &Page<KeyId>,
    at: Timestamp,
) -> rusqlite::Result<(Vec<KeySummary>, bool)> {
    let sql = format!(
        "SELECT {KEY_COLUMNS}, key.last_used, key.label FROM key
         WHERE (?1 IS NULL OR account = ?1)
           AND rowid > coalesce((SELECT rowid FROM key WHERE id = ?2), 0)
         ORDER BY rowid LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let values = params![
        account.map(AccountId::as_str),
        page.after.as_ref().map(KeyId::as_str),
        i64::from(page.limit) + 1
    ];
    let rows = statement.query_map(values, |row| summary(row, at))?;
    split_page(rows.collect::<rusqlite::Result<Vec<_>>>()?, page.limit)
}

fn split_page<T>(mut found: Vec<T>, limit: u32) -> rusqlite::Result<(Vec<T>, bool)> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}

/// Whether there are any keys.
pub(crate) fn has_keys(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT max(rowid) IS NOT NULL FROM key", [], |row| row.get(0))
}

pub(crate) fn insert_key(
    connection: &Connection,
    key: &KeyRecord,
    label: Option<&str>,
    secret: &StoredSecret,
) -> rusqlite::Result<()> {
    let json = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let sql =
        "INSERT INTO key (id, account, api, hint, created, expires, revoked, disabled, grants, metadata, label)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    connection.prepare_cached(sql)?.execute(params![
        key.id.as_str(),
        key.account.as_str(),
        key.api,
        key.prefix,
        key.created.as_microsecond(),
        key.expires.map(Timestamp::as_microsecond),
        key.revoked.map(Timestamp::as_microsecond),
        key.disabled.map(Timestamp::as_microsecond),
        serde_json::to_string(&key.grants).map_err(json)?,
        serde_json::to_string(&key.metadata).map_err(json)?,
        label,
    ])?;
    insert_secret(connection, &key.id, secret, key.created)
}

/// Adds a secret to a key.
pub(crate) fn insert_secret(
    connection: &Connection,
    key: &KeyId,
    secret: &StoredSecret,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO secret (digest, key, pepper, created) VALUES (?1, ?2, ?3, ?4)";
    let digest = &secret.digest.as_bytes()[..];
    let values = params![digest, key.as_str(), secret.pepper, at.as_microsecond()];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Whether any secret has this digest.
pub(crate) fn has_digest(connection: &Connection, digest: &Digest) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM secret WHERE digest = ?1)";
    connection.prepare_cached(sql)?.query_row([&digest.as_bytes()[..]], |row| row.get(0))
}

/// Ends the secrets of a key: the current one at `ends`, and older ones, which were in their grace period, now.
pub(crate) fn end_secrets(
    connection: &Connection,
    key: &KeyId,
    now: Timestamp,
    ends: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "UPDATE secret SET ends = iif(ends IS NULL, ?3, min(ends, ?2)) WHERE key = ?1";
    let values = params![key.as_str(), now.as_microsecond(), ends.as_microsecond()];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Stores the digest of a secret under the current pepper in place of its digest under an older one.
pub(crate) fn refresh_secret(
    connection: &Connection,
    stored: &Digest,
    current: &StoredSecret,
) -> rusqlite::Result<()> {
    let sql = "UPDATE OR IGNORE secret SET digest = ?2, pepper = ?3 WHERE digest = ?1";
    let values = params![&stored.as_bytes()[..], &current.digest.as_bytes()[..], current.pepper];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Sets the prefix of a key to that of its current secret. The column is `hint`.
pub(crate) fn set_prefix(connection: &Connection, id: &KeyId, prefix: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE key SET hint = ?2 WHERE id = ?1")?.execute([id.as_str(), prefix])?;
    Ok(())
}

pub(crate) fn revoke_key(connection: &Connection, id: &KeyId, at: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE key SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL";
    connection.prepare_cached(sql)?.execute(params![id.as_str(), at.as_microsecond()])?;
    Ok(())
}

/// Disables a key since a moment, or enables it again.
pub(crate) fn set_disabled(
    connection: &Connection,
    id: &KeyId,
    since: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let sql = "UPDATE key SET disabled = iif(?2 IS NULL, NULL, coalesce(disabled, ?2)) WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id.as_str(), since.map(Timestamp::as_microsecond)])?;
    Ok(())
}

pub(crate) fn set_expiry(connection: &Connection, id: &KeyId, at: Option<Timestamp>) -> rusqlite::Result<()> {
    let sql = "UPDATE key SET expires = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id.as_str(), at.map(Timestamp::as_microsecond)])?;
    Ok(())
}

/// Records when a key was used.
pub(crate) fn record_use(connection: &Connection, id: &KeyId, at: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE key SET last_used = max(coalesce(last_used, ?2), ?2) WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id.as_str(), at.as_microsecond()])?;
    Ok(())
}

/// Returns the forms of imported keys.
pub(crate) fn imported_forms(connection: &Connection) -> rusqlite::Result<Vec<ImportedForm>> {
    let mut statement =
        connection.prepare("SELECT api, prefix, shortest, longest, hash FROM foreign_form")?;
    let form = |row: &Row<'_>| {
        let hash: String = row.get(4)?;
        Ok(ImportedForm {
            api: row.get(0)?,
            prefix: row.get(1)?,
            shortest: row.get(2)?,
            longest: row.get(3)?,
            hash: serde_json::from_str(&hash).map_err(|error| conversion_error(4, error))?,
        })
    };
    let rows = statement.query_map([], form)?;
    rows.collect()
}

pub(crate) fn insert_form(connection: &Connection, form: &ImportedForm) -> rusqlite::Result<()> {
    let hash = serde_json::to_string(&form.hash)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let sql = "INSERT OR IGNORE INTO foreign_form (api, prefix, shortest, longest, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![
        form.api,
        form.prefix,
        form.shortest,
        form.longest,
        hash
    ])?;
    Ok(())
}

/// Returns how many secrets are stored under an older pepper.
pub(crate) fn count_under_older_peppers(connection: &Connection, current: u32) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM secret WHERE pepper < ?1", [current], |row| row.get(0))
}

/// Returns an account by its ID.
pub(crate) fn account(connection: &Connection, id: &AccountId) -> rusqlite::Result<Option<Account>> {
    let sql = "SELECT id, name, plan, grant_day FROM account WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([id.as_str()], account_from).optional()
}

/// Returns a page of all accounts that were not deleted, oldest first, and whether there are more.
pub(crate) fn accounts(
    connection: &Connection,
    page: &Page<AccountId>,
) -> rusqlite::Result<(Vec<Account>, bool)> {
    let sql = "SELECT id, name, plan, grant_day FROM account
               WHERE deleted IS NULL AND rowid > coalesce((SELECT rowid FROM account WHERE id = ?1), 0) ORDER BY rowid LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let values = params![page.after.as_ref().map(AccountId::as_str), i64::from(page.limit) + 1];
    let rows = statement.query_map(values, account_from)?;
    split_page(rows.collect::<rusqlite::Result<Vec<_>>>()?, page.limit)
}

/// Returns when an account was deleted, if it was.
pub(crate) fn deleted(connection: &Connection, id: &AccountId) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT deleted FROM account WHERE id = ?1";
    let found = connection.prepare_cached(sql)?.query_row([id.as_str()], |row| optional_moment(row, 0));
    Ok(found.optional()?.flatten())
}

/// Returns how many keys of an account are not revoked.
pub(crate) fn count_unrevoked(connection: &Connection, id: &AccountId) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM key WHERE account = ?1 AND revoked IS NULL";
    connection.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0))
}

/// Returns how many operations of an account are claimed by requests in flight.
pub(crate) fn count_claims_in_flight(connection: &Connection, id: &AccountId) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM claim WHERE account = ?1 AND state = 0";
    connection.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0))
}

/// Marks an account as deleted, revokes its keys, and deletes its claims with their stored responses and its quota count.
pub(crate) fn delete_account(connection: &Connection, id: &AccountId, at: Timestamp) -> rusqlite::Result<()> {
    for sql in [
        "UPDATE account SET deleted = ?2 WHERE id = ?1 AND deleted IS NULL",
        "UPDATE key SET revoked = ?2 WHERE account = ?1 AND revoked IS NULL",
    ] {
        connection.prepare_cached(sql)?.execute(params![id.as_str(), at.as_microsecond()])?;
    }
    for sql in ["DELETE FROM claim WHERE account = ?1", "DELETE FROM quota_use WHERE account = ?1"] {
        connection.prepare_cached(sql)?.execute([id.as_str()])?;
    }
    Ok(())
}

/// Inserts an account with an empty balance.
pub(crate) fn insert_account(
    connection: &Connection,
    account: &Account,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO account (id, name, plan, created, grant_day) VALUES (?1, ?2, ?3, ?4, ?5)";
    let grant_day = account.grant_day.map(GrantDay::number);
    let values = params![account.id.as_str(), account.name, account.plan, at.as_microsecond(), grant_day];
    connection.prepare_cached(sql)?.execute(values)?;
    connection.prepare_cached("INSERT INTO purse (account) VALUES (?1)")?.execute([account.id.as_str()])?;
    Ok(())
}

pub(crate) fn set_plan(connection: &Connection, account: &AccountId, plan: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE account SET plan = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute([account.as_str(), plan])?;
    Ok(())
}

pub(crate) fn set_grant_day(
    connection: &Connection,
    account: &AccountId,
    day: Option<GrantDay>,
) -> rusqlite::Result<()> {
    let sql = "UPDATE account SET grant_day = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![account.as_str(), day.map(GrantDay::number)])?;
    Ok(())
}

fn grant_day(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<GrantDay>> {
    let number: Option<u8> = row.get(column)?;
    number.map(GrantDay::try_from).transpose().map_err(|error| conversion_error(column, error))
}

fn account_from(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account { id: parsed(row, 0)?, name: row.get(1)?, plan: row.get(2)?, grant_day: grant_day(row, 3)? })
}

fn key_from(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let (grants, metadata): (String, String) = (row.get(7)?, row.get(9)?);
    Ok(KeyRecord {
        id: parsed(row, 0)?,
        account: parsed(row, 1)?,
        api: row.get(2)?,
        prefix: row.get(3)?,
        created: moment(row, 4)?,
        expires: optional_moment(row, 5)?,
        revoked: optional_moment(row, 6)?,
        grants: serde_json::from_str(&grants).map_err(|error| conversion_error(7, error))?,
        disabled: optional_moment(row, 8)?,
        metadata: serde_json::from_str(&metadata).map_err(|error| conversion_error(9, error))?,
    })
}

fn summary(row: &Row<'_>, at: Timestamp) -> rusqlite::Result<KeySummary> {
    let (last_used, label) = (optional_moment(row, 10)?, row.get(11)?);
    Ok(KeySummary { last_used, label, ..KeySummary::at(key_from(row)?, at) })
}

/// Reads a time.
pub(crate) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(|error| conversion_error(column, error))
}

/// Reads a time; `None` for null.
pub(crate) fn optional_moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let is_null = row.get_ref(column)? == ValueRef::Null;
    if is_null { Ok(None) } else { moment(row, column).map(Some) }
}

/// Reads and parses a text.
pub(crate) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error| conversion_error(column, error))
}

fn conversion_error(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
