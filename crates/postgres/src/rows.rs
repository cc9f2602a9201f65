//! Reading and writing values of rows.

use std::str::FromStr;

use jiff::Timestamp;
use tokio_postgres::{Client, Row};

use crate::error::DbError;

/// Reads a number that is never negative.
pub(crate) fn unsigned(row: &Row, column: usize) -> Result<u64, DbError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| damaged(row, column))
}

/// Reads a number that is never negative; `None` for null.
pub(crate) fn optional_unsigned(row: &Row, column: usize) -> Result<Option<u64>, DbError> {
    let number: Option<i64> = row.try_get(column)?;
    number.map(u64::try_from).transpose().map_err(|_| damaged(row, column))
}

/// Reads a time.
pub(crate) fn moment(row: &Row, column: usize) -> Result<Timestamp, DbError> {
    Timestamp::from_microsecond(row.try_get(column)?).map_err(|_| damaged(row, column))
}

/// Reads a time; `None` for null.
pub(crate) fn optional_moment(row: &Row, column: usize) -> Result<Option<Timestamp>, DbError> {
    let time: Option<i64> = row.try_get(column)?;
    time.map(Timestamp::from_microsecond).transpose().map_err(|_| damaged(row, column))
}

/// Reads and parses a text.
pub(crate) fn parsed<T: FromStr>(row: &Row, column: usize) -> Result<T, DbError> {
    row.try_get::<_, &str>(column)?.parse().map_err(|_| damaged(row, column))
}

/// Reads and parses a text; `None` for null.
pub(crate) fn optional_parsed<T: FromStr>(row: &Row, column: usize) -> Result<Option<T>, DbError> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(str::parse).transpose().map_err(|_| damaged(row, column))
}

/// Reads 32 bytes.
pub(crate) fn digest(row: &Row, column: usize) -> Result<[u8; 32], DbError> {
    row.try_get::<_, &[u8]>(column)?.try_into().map_err(|_| damaged(row, column))
}

/// The error for a value that this program does not write.
pub(crate) fn damaged(row: &Row, column: usize) -> DbError {
    let name = row.columns().get(column).map_or("?", |column| column.name());
    DbError::Damaged(format!("the column `{name}` has an invalid value"))
}

/// Converts a number to the type of the columns. Balances are at most `i64::MAX`.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns the clock of the database.
pub(crate) async fn clock(client: &Client) -> Result<Timestamp, DbError> {
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    moment(&client.query_one(sql, &[]).await?, 0)
}
