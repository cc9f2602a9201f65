//! Accounts and keys as rows.

use std::sync::Arc;

use demur_admission::{Account, AccountId, Credential, Digest, KeyId, KeyRecord};
use jiff::Timestamp;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

const KEY_COLUMNS: &str =
    "key.id, key.account, key.api, key.hint, key.created, key.expires, key.revoked, key.grants, key.digest";

/// The key with this digest, and its account.
pub(crate) fn find(connection: &Connection, digest: &Digest) -> rusqlite::Result<Option<Arc<Credential>>> {
    let sql = format!(
        "SELECT {KEY_COLUMNS}, account.name, account.plan
         FROM key JOIN account ON account.id = key.account WHERE key.digest = ?1"
    );
    let credential = |row: &Row<'_>| {
        let key = key_from(row)?;
        let account = Account { id: key.account.clone(), name: row.get(9)?, plan: row.get(10)? };
        Ok(Arc::new(Credential { digest: digest_from(row)?, key, account }))
    };
    connection.prepare_cached(&sql)?.query_row([&digest.as_bytes()[..]], credential).optional()
}

/// The key of this id, and its digest.
pub(crate) fn key(connection: &Connection, id: &KeyId) -> rusqlite::Result<Option<(KeyRecord, Digest)>> {
    let sql = format!("SELECT {KEY_COLUMNS} FROM key WHERE id = ?1");
    let found = |row: &Row<'_>| Ok((key_from(row)?, digest_from(row)?));
    connection.prepare_cached(&sql)?.query_row([id.as_str()], found).optional()
}

/// All keys, or those of one account, oldest first.
pub(crate) fn keys(connection: &Connection, account: Option<&AccountId>) -> rusqlite::Result<Vec<KeyRecord>> {
    let sql = format!("SELECT {KEY_COLUMNS} FROM key WHERE ?1 IS NULL OR account = ?1 ORDER BY created, id");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([account.map(AccountId::as_str)], key_from)?;
    rows.collect()
}

/// Whether there is any key.
pub(crate) fn has_keys(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM key)", [], |row| row.get(0))
}

pub(crate) fn insert_key(connection: &Connection, key: &KeyRecord, digest: &Digest) -> rusqlite::Result<()> {
    let grants = serde_json::to_string(&key.grants)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let sql = "INSERT INTO key (id, digest, account, api, hint, created, expires, revoked, grants)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection.prepare_cached(sql)?.execute(params![
        key.id.as_str(),
        &digest.as_bytes()[..],
        key.account.as_str(),
        key.api,
        key.hint,
        key.created.as_microsecond(),
        key.expires.map(Timestamp::as_microsecond),
        key.revoked.map(Timestamp::as_microsecond),
        grants,
    ])?;
    Ok(())
}

pub(crate) fn revoke_key(connection: &Connection, id: &KeyId, at: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE key SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL";
    connection.prepare_cached(sql)?.execute(params![id.as_str(), at.as_microsecond()])?;
    Ok(())
}

/// The account of this id.
pub(crate) fn account(connection: &Connection, id: &AccountId) -> rusqlite::Result<Option<Account>> {
    let sql = "SELECT id, name, plan FROM account WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([id.as_str()], account_from).optional()
}

/// All accounts, oldest first.
pub(crate) fn accounts(connection: &Connection) -> rusqlite::Result<Vec<Account>> {
    let mut statement =
        connection.prepare_cached("SELECT id, name, plan FROM account ORDER BY created, id")?;
    let rows = statement.query_map([], account_from)?;
    rows.collect()
}

/// Adds an account, with an empty purse.
pub(crate) fn insert_account(
    connection: &Connection,
    account: &Account,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO account (id, name, plan, created) VALUES (?1, ?2, ?3, ?4)";
    let values = params![account.id.as_str(), account.name, account.plan, at.as_microsecond()];
    connection.prepare_cached(sql)?.execute(values)?;
    connection.prepare_cached("INSERT INTO purse (account) VALUES (?1)")?.execute([account.id.as_str()])?;
    Ok(())
}

pub(crate) fn set_plan(connection: &Connection, account: &AccountId, plan: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE account SET plan = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute([account.as_str(), plan])?;
    Ok(())
}

fn account_from(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account { id: parsed(row, 0)?, name: row.get(1)?, plan: row.get(2)? })
}

fn key_from(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let grants: String = row.get(7)?;
    Ok(KeyRecord {
        id: parsed(row, 0)?,
        account: parsed(row, 1)?,
        api: row.get(2)?,
        hint: row.get(3)?,
        created: moment(row, 4)?,
        expires: optional_moment(row, 5)?,
        revoked: optional_moment(row, 6)?,
        grants: serde_json::from_str(&grants).map_err(|error| unfit(7, error))?,
    })
}

fn digest_from(row: &Row<'_>) -> rusqlite::Result<Digest> {
    Ok(Digest::from_bytes(row.get::<_, [u8; 32]>(8)?))
}

/// A moment.
pub(crate) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(|error| unfit(column, error))
}

/// A moment, or none where the column is null.
pub(crate) fn optional_moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let is_null = row.get_ref(column)? == ValueRef::Null;
    if is_null { Ok(None) } else { moment(row, column).map(Some) }
}

/// A text that has a form.
pub(crate) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error| unfit(column, error))
}

fn unfit(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
