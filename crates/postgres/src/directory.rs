//! Queries for accounts and keys.

use std::sync::Arc;

use demur_admission::{
    Account, AccountId, AccountLookup, Candidates, Credential, Digest, GrantDay, ImportedForm, KeyId,
    KeyRecord, KeySummary, Page,
};
use jiff::Timestamp;
use tokio_postgres::{Client, Row};

use crate::books::account_of;
use crate::error::DbError;
use crate::rows::{damaged, digest, moment, optional_moment, parsed};

const KEY_COLUMNS: &str =
    "k.id, k.account, k.api, k.prefix, k.created, k.expires, k.revoked, k.grants, k.disabled,
    k.metadata, k.last_used, k.label";

/// The digest of a secret, and the number of its pepper.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredSecret {
    pub(crate) digest: Digest,
    pub(crate) pepper: i32,
}

/// Finds the key with one of these digests, the first one first, with its account.
pub(crate) async fn find(client: &Client, digests: &Candidates) -> Result<Option<Arc<Credential>>, DbError> {
    let sql = format!(
        "SELECT {KEY_COLUMNS}, a.id, a.name, a.plan, a.grant_day, s.ends, s.digest
         FROM demur.secret s JOIN demur.key k ON k.id = s.key JOIN demur.account a ON a.id = k.account
         WHERE s.digest = ANY($1)"
    );
    let wanted: Vec<&[u8]> = digests.iter().map(|digest| &digest.as_bytes()[..]).collect();
    let rows = client.query(&sql, &[&wanted]).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let stored = Digest::from_bytes(digest(row, 17)?);
        let position = digests.iter().position(|digest| *digest == stored);
        found.push((position, stored, row));
    }
    let Some((_, digest, row)) = found.into_iter().min_by_key(|(position, ..)| *position) else {
        return Ok(None);
    };
    let day: Option<i16> = row.try_get(15)?;
    let day = day.and_then(|day| u8::try_from(day).ok()).map(GrantDay::try_from).transpose();
    let account = Account {
        id: parsed(row, 12)?,
        name: row.try_get(13)?,
        plan: row.try_get(14)?,
        grant_day: day.map_err(|_| damaged(row, 15))?,
    };
    let (key, replaced) = (key_of(row)?, optional_moment(row, 16)?);
    Ok(Some(Arc::new(Credential { digest, replaced, key, account })))
}

/// Finds an account by its ID.
pub(crate) async fn account(client: &Client, id: &AccountId) -> Result<AccountLookup, DbError> {
    let sql = "SELECT id, name, plan, grant_day, deleted IS NOT NULL FROM demur.account WHERE id = $1";
    let Some(row) = client.query_opt(sql, &[&id.as_str()]).await? else { return Ok(AccountLookup::Unknown) };
    match row.try_get(4)? {
        true => Ok(AccountLookup::Deleted),
        false => Ok(AccountLookup::Found(account_of(&row)?)),
    }
}

/// Returns a key by its ID, and locks it.
pub(crate) async fn key(client: &Client, id: &KeyId, at: Timestamp) -> Result<Option<KeySummary>, DbError> {
    let sql = format!("SELECT {KEY_COLUMNS} FROM demur.key k WHERE id = $1 FOR NO KEY UPDATE");
    let row = client.query_opt(&sql, &[&id.as_str()]).await?;
    row.map(|row| summary_of(&row, at)).transpose()
}

/// Returns the digests of all secrets of a key.
pub(crate) async fn digests(client: &Client, id: &KeyId) -> Result<Vec<Digest>, DbError> {
    let rows = client.query("SELECT digest FROM demur.secret WHERE key = $1", &[&id.as_str()]).await?;
    rows.iter().map(|row| Ok(Digest::from_bytes(digest(row, 0)?))).collect()
}

/// Returns a page of all keys, or of one account's keys, oldest first, and whether there are more.
pub(crate) async fn keys(
    client: &Client,
    account: Option<&AccountId>,
    page: &Page<KeyId>,
    at: Timestamp,
) -> Result<(Vec<KeySummary>, bool), DbError> {
    let sql = format!(
        "SELECT {KEY_COLUMNS} FROM demur.key k
         WHERE ($1::text IS NULL OR account = $1)
           AND number > coalesce((SELECT number FROM demur.key WHERE id = $2), 0)
         ORDER BY number LIMIT $3"
    );
    let (account, after) = (account.map(AccountId::as_str), page.after.as_ref().map(KeyId::as_str));
    let rows = client.query(&sql, &[&account, &after, &(i64::from(page.limit) + 1)]).await?;
    let found = rows.iter().map(|row| summary_of(row, at)).collect::<Result<Vec<_>, _>>()?;
    Ok(split_page(found, page.limit))
}

/// Returns a page of all accounts that were not deleted, oldest first, and whether there are more.
pub(crate) async fn accounts(
    client: &Client,
    page: &Page<AccountId>,
) -> Result<(Vec<Account>, bool), DbError> {
    let sql = "SELECT id, name, plan, grant_day FROM demur.account
               WHERE deleted IS NULL AND number > coalesce((SELECT number FROM demur.account WHERE id = $1), 0)
               ORDER BY number LIMIT $2";
    let after = page.after.as_ref().map(AccountId::as_str);
    let rows = client.query(sql, &[&after, &(i64::from(page.limit) + 1)]).await?;
    let found = rows.iter().map(account_of).collect::<Result<Vec<_>, _>>()?;
    Ok(split_page(found, page.limit))
}

fn split_page<T>(mut found: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    (found, more)
}

pub(crate) async fn insert_key(
    client: &Client,
    key: &KeyRecord,
    label: Option<&str>,
    secret: &StoredSecret,
) -> Result<(), DbError> {
    let json = |error: serde_json::Error| DbError::Failed(error.to_string());
    let sql = "INSERT INTO demur.key (id, account, api, prefix, created, expires, grants, metadata, label)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let (grants, metadata) = (
        serde_json::to_string(&key.grants).map_err(json)?,
        serde_json::to_string(&key.metadata).map_err(json)?,
    );
    let (created, expires) = (key.created.as_microsecond(), key.expires.map(Timestamp::as_microsecond));
    let (id, account) = (key.id.as_str(), key.account.as_str());
    client
        .execute(sql, &[&id, &account, &key.api, &key.prefix, &created, &expires, &grants, &metadata, &label])
        .await?;
    insert_secret(client, &key.id, secret, key.created).await
}

/// Adds a secret to a key.
pub(crate) async fn insert_secret(
    client: &Client,
    key: &KeyId,
    secret: &StoredSecret,
    at: Timestamp,
) -> Result<(), DbError> {
    let sql = "INSERT INTO demur.secret (digest, key, pepper, created) VALUES ($1, $2, $3, $4)";
    let digest = &secret.digest.as_bytes()[..];
    client.execute(sql, &[&digest, &key.as_str(), &secret.pepper, &at.as_microsecond()]).await?;
    Ok(())
}

/// Whether any secret has this digest.
pub(crate) async fn has_digest(client: &Client, digest: &Digest) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM demur.secret WHERE digest = $1)";
    Ok(client.query_one(sql, &[&&digest.as_bytes()[..]]).await?.try_get(0)?)
}

/// Returns the forms of imported keys.
pub(crate) async fn imported_forms(client: &Client) -> Result<Vec<ImportedForm>, DbError> {
    let rows = client.query("SELECT form FROM demur.imported_form ORDER BY form", &[]).await?;
    let form = |row: &Row| serde_json::from_str(row.try_get(0)?).map_err(|_| damaged(row, 0));
    rows.iter().map(form).collect()
}

pub(crate) async fn insert_form(client: &Client, form: &ImportedForm) -> Result<(), DbError> {
    let text = serde_json::to_string(form).map_err(|error| DbError::Failed(error.to_string()))?;
    client.execute("INSERT INTO demur.imported_form VALUES ($1) ON CONFLICT DO NOTHING", &[&text]).await?;
    Ok(())
}

fn key_of(row: &Row) -> Result<KeyRecord, DbError> {
    Ok(KeyRecord {
        id: parsed(row, 0)?,
        account: parsed(row, 1)?,
        api: row.try_get(2)?,
        prefix: row.try_get(3)?,
        created: moment(row, 4)?,
        expires: optional_moment(row, 5)?,
        revoked: optional_moment(row, 6)?,
        grants: serde_json::from_str(row.try_get(7)?).map_err(|_| damaged(row, 7))?,
        disabled: optional_moment(row, 8)?,
        metadata: serde_json::from_str(row.try_get(9)?).map_err(|_| damaged(row, 9))?,
    })
}

fn summary_of(row: &Row, at: Timestamp) -> Result<KeySummary, DbError> {
    let (last_used, label) = (optional_moment(row, 10)?, row.try_get(11)?);
    Ok(KeySummary { last_used, label, ..KeySummary::at(key_of(row)?, at) })
}
