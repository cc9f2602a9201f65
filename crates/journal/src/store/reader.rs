//! Finds entries in the journal. Reading never blocks the thread that writes.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::schema::open_reader;
use super::settings::OpenError;
use crate::Entry;

/// Reads the journal, while it is written.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

/// Which entries are wanted: those that match all members that are set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The ID of the account.
    pub account: Option<String>,
    /// The ID of the API key.
    pub key: Option<String>,
    /// The code, or the name of the error.
    pub code: Option<String>,
    /// The condition, or a branch of conditions, such as `credential`.
    pub condition: Option<String>,
    /// The name of the API.
    pub api: Option<String>,
    /// The ID of the operation.
    pub operation: Option<String>,
    /// The status.
    pub status: Option<StatusFilter>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Before the entry with this number.
    pub before: Option<i64>,
}

/// A status, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// One status: `429`.
    One(u16),
    /// A class by its first digit: `4xx`.
    Class(u8),
}

/// An entry with its number in the journal.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Recorded {
    /// Later entries have higher numbers.
    pub number: i64,
    /// The entry.
    pub entry: Entry,
}

/// What the journal covers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Span {
    /// The time of the oldest entry.
    pub oldest: Option<Timestamp>,
    /// The time of the newest entry.
    pub newest: Option<Timestamp>,
    /// How many entries were lost in this time.
    pub lost: u64,
}

/// How many entries are read for each one that is wanted, at most, where no index helps.
const MAX_SCANNED: i64 = 2_000_000;

impl std::str::FromStr for StatusFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let class = text.strip_suffix("xx").and_then(|class| class.parse::<u8>().ok());
        match (class, text.parse::<u16>()) {
            (Some(class @ 1..=5), _) => Ok(Self::Class(class)),
            (_, Ok(status @ 100..=599)) => Ok(Self::One(status)),
            _ => Err("write a status such as `429`, or a class such as `4xx`".to_owned()),
        }
    }
}

impl StatusFilter {
    fn matches(self, status: u16) -> bool {
        match self {
            Self::One(wanted) => wanted == status,
            Self::Class(class) => u16::from(class) == status / 100,
        }
    }
}

impl Reader {
    /// Opens the journal at this path.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { connection: open_reader(path)? })
    }

    /// The entry of a request, by the digits of its ID.
    pub fn find(&self, digits: &str) -> rusqlite::Result<Option<Entry>> {
        let query = "SELECT entry FROM entries WHERE uuid = ?1 ORDER BY seq DESC LIMIT 1";
        let json: Option<String> =
            self.connection.query_row(query, params![digits], |row| row.get(0)).optional()?;
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
    }

    /// The newest entries that match, the newest first.
    pub fn newest(&self, filter: &Filter, count: usize) -> rusqlite::Result<Vec<Recorded>> {
        self.collect(filter, "ORDER BY seq DESC", None, count)
    }

    /// Entries after the one with this number that match, the oldest first.
    pub fn after(&self, number: i64, filter: &Filter, count: usize) -> rusqlite::Result<Vec<Recorded>> {
        self.collect(filter, "ORDER BY seq", Some(number), count)
    }

    /// The number of the newest entry; 0 if there is none.
    pub fn last_number(&self) -> rusqlite::Result<i64> {
        self.connection.query_row("SELECT COALESCE(MAX(seq), 0) FROM entries", [], |row| row.get(0))
    }

    /// What the journal covers.
    pub fn span(&self) -> rusqlite::Result<Span> {
        let at = |query: &str| -> rusqlite::Result<Option<Timestamp>> {
            let millis: Option<i64> = self.connection.query_row(query, [], |row| row.get(0)).optional()?;
            Ok(millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()))
        };
        let lost = "SELECT COALESCE(SUM(count), 0) FROM losses";
        let lost: i64 = self.connection.query_row(lost, [], |row| row.get(0))?;
        Ok(Span {
            oldest: at("SELECT at FROM entries ORDER BY seq LIMIT 1")?,
            newest: at("SELECT at FROM entries ORDER BY seq DESC LIMIT 1")?,
            lost: u64::try_from(lost).unwrap_or_default(),
        })
    }

    /// Gives the entries that match to `visit`, the newest first, until it returns false.
    pub fn scan(&self, filter: &Filter, visit: impl FnMut(Recorded) -> bool) -> rusqlite::Result<()> {
        self.select(filter, "ORDER BY seq DESC", None, visit)
    }

    /// The time of the oldest entry with this code.
    pub fn first_of_code(&self, code: &str) -> rusqlite::Result<Option<Timestamp>> {
        let query = "SELECT at FROM entries WHERE code = ?1 ORDER BY seq LIMIT 1";
        let millis: Option<i64> =
            self.connection.query_row(query, params![code], |row| row.get(0)).optional()?;
        Ok(millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()))
    }

    fn collect(
        &self,
        filter: &Filter,
        order: &str,
        after: Option<i64>,
        count: usize,
    ) -> rusqlite::Result<Vec<Recorded>> {
        let mut found = Vec::new();
        if count > 0 {
            self.select(filter, order, after, |recorded| {
                found.push(recorded);
                found.len() < count
            })?;
        }
        Ok(found)
    }

    fn select(
        &self,
        filter: &Filter,
        order: &str,
        after: Option<i64>,
        mut visit: impl FnMut(Recorded) -> bool,
    ) -> rusqlite::Result<()> {
        let mut conditions: Vec<&str> = Vec::new();
        let mut values: Vec<SqlValue> = Vec::new();
        let mut add = |condition: &'static str, value: Option<SqlValue>| {
            if let Some(value) = value {
                conditions.push(condition);
                values.push(value);
            }
        };
        add("seq > ?", after.map(SqlValue::from));
        add("seq < ?", filter.before.map(SqlValue::from));
        add("account = ?", filter.account.clone().map(SqlValue::from));
        add("key = ?", filter.key.clone().map(SqlValue::from));
        add("at < ?", filter.until.map(|at| at.as_millisecond().into()));
        let filtered = match conditions.is_empty() {
            true => String::new(),
            false => format!("WHERE {}", conditions.join(" AND ")),
        };
        let query = format!("SELECT seq, at, entry FROM entries {filtered} {order} LIMIT {MAX_SCANNED}");
        let since = filter.since.map(|since| since.as_millisecond());
        let is_descending = order.ends_with("DESC");
        let mut statement = self.connection.prepare(&query)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(1)?;
            if since.is_some_and(|since| at < since) {
                // Entries are written in about the order of their times: a minute is more than any request is late.
                if is_descending && since.is_some_and(|since| at < since - 60_000) {
                    break;
                }
                continue;
            }
            let json: String = row.get(2)?;
            let entry: Option<Entry> = serde_json::from_str(&json).ok();
            if let Some(entry) = entry.filter(|entry| filter.matches(entry))
                && !visit(Recorded { number: row.get(0)?, entry })
            {
                break;
            }
        }
        Ok(())
    }
}

impl Filter {
    /// Whether an entry matches.
    pub fn matches(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, value: &Option<String>| wanted.is_none() || wanted == value;
        let is_below = |name: &str, branch: &str| {
            name.strip_prefix(branch).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        is(&self.account, &entry.account)
            && is(&self.key, &entry.key)
            && (is(&self.code, &entry.code) || is(&self.code, &entry.error))
            && is(&self.api, &entry.api)
            && is(&self.operation, &entry.operation)
            && self.status.is_none_or(|status| status.matches(entry.status))
            && self.since.is_none_or(|since| entry.timestamp >= since)
            && self.until.is_none_or(|until| entry.timestamp < until)
            && self.condition.as_deref().is_none_or(|branch| {
                entry.condition.as_deref().is_some_and(|condition| is_below(condition, branch))
            })
    }
}
