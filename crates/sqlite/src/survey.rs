//! Whom a configuration locks out, read from a database by a connection of its own: beside the process that owns it, or
//! where none does.
//!
//! A start must not take longer with a million keys than with one, so what is compared are the different prefixes, plans
//! and grants, each found by a look into an index. Only of those who are locked out keys are counted.

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
use crate::store::refuse_missing;

/// Accounts and keys that are named.
const NAMED: u32 = 10;
/// Different prefixes, plans and grants that are compared.
const MOST: usize = 10_000;

/// The first schema whose tables have what is asked for here.
const FIRST_SCHEMA: i64 = 2;

const SQL_OF_PREFIXES: &str = "SELECT api, hint FROM key
    WHERE revoked IS NULL AND (api, hint) > (?1, ?2) ORDER BY api, hint LIMIT 1";
const SQL_OF_GRANTS: &str = "SELECT api, grants FROM key
    WHERE revoked IS NULL AND grants <> '{\"operations\":\"all\",\"scopes\":[],\"resources\":\"all\"}'
        AND (api, grants) > (?1, ?2) ORDER BY api, grants LIMIT 1";
const SQL_OF_FIRST_PLAN: &str = "SELECT min(plan) FROM account";
const SQL_OF_NEXT_PLAN: &str = "SELECT min(plan) FROM account WHERE plan > ?1";

const ACTIVE: &str =
    "key.revoked IS NULL AND key.disabled IS NULL AND (key.expires IS NULL OR key.expires > ?1)";

/// A database beside a configuration.
#[derive(Debug)]
pub struct Survey<'c> {
    connection: Connection,
    configured: &'c Configured,
    forms: Vec<ImportedForm>,
    /// The names of the keys of other systems' hashes; none where the pepper's file cannot be read.
    hash_keys: Option<Vec<String>>,
}

impl<'c> Survey<'c> {
    /// `None` where there is no database yet.
    pub fn open(database: &Path, configured: &'c Configured) -> Result<Option<Self>, OpenError> {
        let trouble = |cause| OpenError::Io { path: database.to_owned(), cause };
        let database = &canonical(database).map_err(trouble)?;
        refuse_missing(database, PepperFile::is_there(database).map_err(trouble)?).map_err(trouble)??;
        if !database.try_exists().map_err(trouble)? {
            return Ok(None);
        }
        let unreadable = |cause| OpenError::Database { path: database.clone(), cause };
        let connection = Conn::configured(database, OpenMode::Read).map_err(unreadable)?;
        match schema::version(&connection, database)? {
            0 => return Ok(None),
            version if version < FIRST_SCHEMA => return Ok(None),
            _ => {}
        }
        let forms = directory::foreign_forms(&connection).map_err(unreadable)?;
        let hash_keys = PepperFile::names_of_keys(database);
        Ok(Some(Self { connection, configured, forms, hash_keys }))
    }

    /// Everybody who is locked out, by the reasons.
    pub fn lockouts(&self, at: Timestamp) -> rusqlite::Result<Vec<Lockout>> {
        let mut found = Vec::new();
        for (api, prefix) in self.pairs(SQL_OF_PREFIXES)? {
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
        for (api, grants) in self.pairs(SQL_OF_GRANTS)? {
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

    /// Why a key is locked out.
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

    /// The different pairs of an API and another column, of keys that are not revoked.
    fn pairs(&self, sql: &str) -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement = self.connection.prepare(sql)?;
        let mut found: Vec<(String, String)> = Vec::new();
        while found.len() < MOST {
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
        let mut next = self.connection.query_row(SQL_OF_FIRST_PLAN, [], first)?;
        let mut statement = self.connection.prepare(SQL_OF_NEXT_PLAN)?;
        while let Some(plan) = next.filter(|_| found.len() < MOST) {
            next = statement.query_row([&plan], first)?;
            found.push(plan);
        }
        Ok(found)
    }

    /// Adds active keys, and their accounts, where there are any. Keys with other grants may have the same reason.
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
        let first = self.first(&format!("SELECT id {keys} ORDER BY rowid LIMIT {NAMED}"), values)?;
        let accounts = self.first(&format!("SELECT DISTINCT account {keys} LIMIT {NAMED}"), values)?;
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

    /// Adds the accounts on a plan, and their active keys, of which there may be none.
    fn add_plan(
        &self,
        reason: LockoutReason,
        plan: &str,
        at: Timestamp,
        found: &mut Vec<Lockout>,
    ) -> rusqlite::Result<()> {
        let sql = format!("SELECT id FROM account WHERE plan = ?1 ORDER BY rowid LIMIT {NAMED}");
        let accounts = self.first(&sql, [plan])?;
        let sql = "SELECT count(*) FROM account WHERE plan = ?1";
        let count = self.connection.query_row(sql, [plan], |row| row.get(0))?;
        let keys =
            format!("FROM key JOIN account ON account.id = key.account WHERE {ACTIVE} AND account.plan = ?2");
        let values = params![at.as_microsecond(), plan];
        let first: Vec<KeyId> = self.first(&format!("SELECT key.id {keys} LIMIT {NAMED}"), values)?;
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

    /// A start takes as long with a million keys as with one.
    #[test]
    fn what_is_compared_is_found_in_indexes() {
        let folder = tempfile::tempdir().unwrap();
        let file = Arc::new(DatabaseFile::at(&folder.path().join("demur.db")).unwrap());
        let link = Conn::create(&file, false).unwrap();
        for (sql, index) in [
            (SQL_OF_PREFIXES.to_owned(), "key_of_prefix"),
            (SQL_OF_GRANTS.to_owned(), "key_of_grants"),
            (SQL_OF_FIRST_PLAN.to_owned(), "account_of_plan"),
            (SQL_OF_NEXT_PLAN.to_owned(), "account_of_plan"),
        ] {
            let mut statement = link.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
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
