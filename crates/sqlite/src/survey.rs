//! Finds the accounts and keys that a configuration locks out, on a read-only connection of its own, whether or not another
//! process owns the database.
//!
//! A start must not take longer with a million keys than with one. So the distinct prefixes, plans and grants are compared,
//! each found with one index search, and keys are counted only where they are locked out.

use std::path::Path;

use demur_admission::{
    AccountId, Configured, FirstOf, Grants, ImportedForm, KeyId, KeyRecord, Lockout, LockoutReason,
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::OpenError;
use crate::database::{Conn, OpenMode};
use crate::directory::{self, parsed};
use crate::paths::canonical;
use crate::pepper::PepperFile;
use crate::schema;
use crate::store::reject_missing;

/// The maximum number of accounts and keys that a finding names.
const MAX_NAMED: u32 = 10;
/// The maximum number of distinct prefixes, plans and grants that are compared.
const MAX_COMPARED: usize = 10_000;

/// The first schema version with the columns that are read here.
const FIRST_SCHEMA: i64 = 2;
/// The first schema version with deleted accounts.
const FIRST_WITH_DELETED: i64 = 7;

const NEXT_PREFIX_SQL: &str = "SELECT api, hint FROM key
    WHERE revoked IS NULL AND (api, hint) > (?1, ?2) ORDER BY api, hint LIMIT 1";
const NEXT_GRANTS_SQL: &str = "SELECT api, grants FROM key
    WHERE revoked IS NULL AND grants <> '{\"operations\":\"all\",\"scopes\":[],\"resources\":\"all\"}'
        AND (api, grants) > (?1, ?2) ORDER BY api, grants LIMIT 1";
/// `LIVE` is replaced: a deleted account cannot be locked out.
const FIRST_PLAN_SQL: &str = "SELECT min(plan) FROM account WHERE LIVE";
const NEXT_PLAN_SQL: &str = "SELECT min(plan) FROM account WHERE plan > ?1 AND LIVE";
const LIVE: &str = "account.deleted IS NULL";

const ACTIVE: &str =
    "key.revoked IS NULL AND key.disabled IS NULL AND (key.expires IS NULL OR key.expires > ?1)";

/// Compares a database with a configuration.
#[derive(Debug)]
pub struct Survey<'c> {
    connection: Connection,
    configured: &'c Configured,
    forms: Vec<ImportedForm>,
    /// The names of the hash keys; `None` if the pepper file cannot be read.
    hash_keys: Option<Vec<String>>,
    /// The condition for accounts that were not deleted.
    live: &'static str,
}

impl<'c> Survey<'c> {
    /// Opens the database for reading; `None` if there is no database yet.
    pub fn open(database: &Path, configured: &'c Configured) -> Result<Option<Self>, OpenError> {
        let io_error = |cause| OpenError::Io { path: database.to_owned(), cause };
        let database = &canonical(database).map_err(io_error)?;
        reject_missing(database, PepperFile::exists(database).map_err(io_error)?).map_err(io_error)??;
        if !database.try_exists().map_err(io_error)? {
            return Ok(None);
        }
        let database_error = |cause| OpenError::Database { path: database.clone(), cause };
        let connection = Conn::configured(database, OpenMode::Read).map_err(database_error)?;
        let live = match schema::version(&connection, database)? {
            version if version < FIRST_SCHEMA => return Ok(None),
            version if version < FIRST_WITH_DELETED => "true",
            _ => LIVE,
        };
        let forms = directory::imported_forms(&connection).map_err(database_error)?;
        let hash_keys = PepperFile::hash_key_names(database);
        Ok(Some(Self { connection, configured, forms, hash_keys, live }))
    }

    /// Returns all lockouts, grouped by reason.
    pub fn lockouts(&self, at: Timestamp) -> rusqlite::Result<Vec<Lockout>> {
        let mut found = Vec::new();
        for (api, prefix) in self.pairs(NEXT_PREFIX_SQL)? {
            if let Some(reason) = self.of_prefix(&api, &prefix) {
                self.add(
                    reason,
                    "key.api = ?2 AND key.hint = ?3",
                    params![at.as_microsecond(), api, prefix],
                    &mut found,
                )?;
            }
        }
        for plan in self.plans()? {
            if let Some(reason) = self.configured.of_plan(&plan) {
                self.add_plan(reason, &plan, at, &mut found)?;
            }
        }
        for (api, grants) in self.pairs(NEXT_GRANTS_SQL)? {
            let Ok(read) = serde_json::from_str::<Grants>(&grants) else { continue };
            if let Some(reason) = self.configured.of_grants(&api, &read) {
                self.add(
                    reason,
                    "key.api = ?2 AND key.grants = ?3",
                    params![at.as_microsecond(), api, grants],
                    &mut found,
                )?;
            }
        }
        Ok(found)
    }

    /// Returns why a key is locked out, if it is.
    pub fn of_key(&self, key: &KeyRecord) -> rusqlite::Result<Option<LockoutReason>> {
        if let Some(reason) = self.of_prefix(&key.api, &key.prefix) {
            return Ok(Some(reason));
        }
        let plan = directory::account(&self.connection, &key.account)?.map(|account| account.plan);
        let of_plan = plan.and_then(|plan| self.configured.of_plan(&plan));
        Ok(of_plan.or_else(|| self.configured.of_grants(&key.api, &key.grants)))
    }

    fn of_prefix(&self, api: &str, prefix: &str) -> Option<LockoutReason> {
        let has =
            |name: &str| self.hash_keys.as_ref().is_none_or(|names| names.iter().any(|known| known == name));
        self.configured.of_prefix(api, prefix, &self.forms, has)
    }

    /// Returns the distinct pairs of an API and another column, of keys that are not revoked.
    fn pairs(&self, sql: &str) -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement = self.connection.prepare(sql)?;
        let mut found: Vec<(String, String)> = Vec::new();
        while found.len() < MAX_COMPARED {
            let (api, other) = found.last().map_or(("", ""), |(api, other)| (api, other));
            let next = statement.query_row([api, other], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let Some(next) = next else { break };
            found.push(next);
        }
        Ok(found)
    }

    fn plans(&self) -> rusqlite::Result<Vec<String>> {
        let mut found: Vec<String> = Vec::new();
        let first = |row: &Row<'_>| row.get::<_, Option<String>>(0);
        let mut next = self.connection.query_row(&FIRST_PLAN_SQL.replace("LIVE", self.live), [], first)?;
        let mut statement = self.connection.prepare(&NEXT_PLAN_SQL.replace("LIVE", self.live))?;
        while let Some(plan) = next.filter(|_| found.len() < MAX_COMPARED) {
            next = statement.query_row([&plan], first)?;
            found.push(plan);
        }
        Ok(found)
    }

    /// Adds active keys and their accounts, if there are any. Keys with different grants may have the same reason.
    fn add(
        &self,
        reason: LockoutReason,
        condition: &str,
        values: impl Params + Copy,
        found: &mut Vec<Lockout>,
    ) -> rusqlite::Result<()> {
        let keys = format!("FROM key WHERE {ACTIVE} AND {condition}");
        let count = |what: &str| {
            self.connection
                .query_row(&format!("SELECT count({what}) {keys}"), values, |row| row.get::<_, u64>(0))
        };
        let count_of_keys = count("*")?;
        if count_of_keys == 0 {
            return Ok(());
        }
        let first = self.first(&format!("SELECT id {keys} ORDER BY rowid LIMIT {MAX_NAMED}"), values)?;
        let accounts = self.first(&format!("SELECT DISTINCT account {keys} LIMIT {MAX_NAMED}"), values)?;
        let keys = FirstOf { first, count: count_of_keys };
        let accounts: FirstOf<AccountId> = FirstOf { first: accounts, count: count("DISTINCT account")? };
        match found.iter_mut().find(|other| other.reason == reason) {
            Some(other) => {
                other.keys.count += keys.count;
                other.accounts.count = other.accounts.count.max(accounts.count);
            }
            None => found.push(Lockout { reason, accounts, keys }),
        }
        Ok(())
    }

    /// Adds the accounts on a plan and their active keys, if any.
    fn add_plan(
        &self,
        reason: LockoutReason,
        plan: &str,
        at: Timestamp,
        found: &mut Vec<Lockout>,
    ) -> rusqlite::Result<()> {
        let live = self.live;
        let sql =
            format!("SELECT id FROM account WHERE plan = ?1 AND {live} ORDER BY rowid LIMIT {MAX_NAMED}");
        let accounts = self.first(&sql, [plan])?;
        let sql = format!("SELECT count(*) FROM account WHERE plan = ?1 AND {live}");
        let count = self.connection.query_row(&sql, [plan], |row| row.get(0))?;
        let keys =
            format!("FROM key JOIN account ON account.id = key.account WHERE {ACTIVE} AND account.plan = ?2");
        let values = params![at.as_microsecond(), plan];
        let first: Vec<KeyId> = self.first(&format!("SELECT key.id {keys} LIMIT {MAX_NAMED}"), values)?;
        let count_of_keys =
            self.connection.query_row(&format!("SELECT count(*) {keys}"), values, |row| row.get(0))?;
        let keys = FirstOf { first, count: count_of_keys };
        found.push(Lockout { reason, accounts: FirstOf { first: accounts, count }, keys });
        Ok(())
    }

    fn first<T>(&self, sql: &str, values: impl Params) -> rusqlite::Result<Vec<T>>
    where
        T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        self.connection.prepare(sql)?.query_map(values, |row| parsed(row, 0))?.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::database::DatabaseFile;

    /// So a start takes as long with a million keys as with one.
    #[test]
    fn every_comparison_uses_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let file = Arc::new(DatabaseFile::at(&folder.path().join("demur.db")).unwrap());
        let conn = Conn::create(&file, false).unwrap();
        for (sql, index) in [
            (NEXT_PREFIX_SQL.to_owned(), "key_of_prefix"),
            (NEXT_GRANTS_SQL.to_owned(), "key_of_grants"),
            (FIRST_PLAN_SQL.replace("LIVE", LIVE), "account_of_plan"),
            (NEXT_PLAN_SQL.replace("LIVE", LIVE), "account_of_plan"),
        ] {
            let mut statement = conn.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let count = statement.parameter_count();
            let values = rusqlite::params_from_iter(std::iter::repeat_n("x", count));
            let plan: Vec<String> =
                statement.query_map(values, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            let plan = plan.join("; ");
            let is_found = plan.contains(&format!("SEARCH {}", index.split('_').next().unwrap()))
                && plan.contains(index)
                && !plan.contains("TEMP B-TREE");
            assert!(is_found, "{sql}: {plan}");
        }
    }
}
