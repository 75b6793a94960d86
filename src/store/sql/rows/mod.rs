//! How what the store keeps is written into columns and read back.
//!
//! JSON that is read may have members that this version does not know: a newer one, beside it on the
//! same database, may have written them.

mod entry;
mod health;
mod record;
mod totals;

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::value::Row;
use crate::store::StoreError;
use crate::timestamp::Timestamp;

pub(super) use entry::{
    LifeColumns, error_code, kept_token, lane, lane_number, letter, life, life_columns,
    order_key_text,
};
pub(super) use health::{health, health_text, pace, pace_number};
pub(super) use record::{host, record, record_text, secret_text, set_by_word};
pub(super) use totals::{TOTALS, totals, totals_columns};

/// A column that does not hold what the store wrote there. Says nothing of what it holds.
#[derive(Debug, thiserror::Error)]
#[error("what is stored as {0} cannot be read")]
struct Unreadable(&'static str);

/// An identifier in a column.
pub(super) fn id<T: FromStr>(row: &Row, column: usize) -> Result<T, StoreError> {
    row.text(column)?.parse().map_err(|_| unreadable("an identifier"))
}

/// A time in a column.
pub(super) fn time(row: &Row, column: usize) -> Result<Timestamp, StoreError> {
    row.int(column).map(Timestamp::from_millis)
}

/// The time in a column, if there is one.
pub(super) fn opt_time(row: &Row, column: usize) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.opt_int(column)?.map(Timestamp::from_millis))
}

/// A count in a column.
pub(super) fn count(row: &Row, column: usize) -> Result<u64, StoreError> {
    u64::try_from(row.int(column)?).map_err(|_| unreadable("a count"))
}

/// A count as columns hold it. None comes near the end of what they hold.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Rows as one argument: a JSON array of arrays.
///
/// PostgreSQL has no text with U+0000 in it. Texts that may hold one go in as JSON.
pub(super) fn batch<T: Serialize>(rows: &[T]) -> Result<String, StoreError> {
    to_json(&rows, "rows")
}

/// A value as JSON.
pub(super) fn to_json<T: Serialize + ?Sized>(
    value: &T,
    what: &'static str,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| unreadable(what))
}

/// What was written as that JSON.
pub(super) fn from_json<T: DeserializeOwned>(
    text: &str,
    what: &'static str,
) -> Result<T, StoreError> {
    // What serde says of a mistake shows what it found.
    serde_json::from_str(text).map_err(|_| unreadable(what))
}

/// A column does not hold what the store wrote there.
pub(super) fn unreadable(what: &'static str) -> StoreError {
    StoreError::Corrupt(Box::new(Unreadable(what)))
}

const fn flag(set: bool) -> i64 {
    if set { 1 } else { 0 }
}
