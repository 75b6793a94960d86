//! What goes into statements and comes out of them: neutral types that both databases have.

use std::borrow::Cow;

use crate::store::StoreError;

/// An argument: times are integers of milliseconds, identifiers and JSON are text. One that is
/// absent has a type all the same, or a statement could not be prepared once for both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Value<'a> {
    /// A number, a time or a flag.
    Int(Option<i64>),
    /// A text.
    Text(Option<Cow<'a, str>>),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(Cow::Owned(text)))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(Cow::Owned))
    }
}

/// A row of a result, column by column. `true` and `false` are 1 and 0; what is absent has no type.
#[derive(Clone, Debug)]
pub(in crate::store) struct Row(pub(in crate::store) Vec<Value<'static>>);

/// A column that does not hold what the store wrote there.
#[derive(Debug, thiserror::Error)]
#[error("column {column} does not hold {wanted}")]
struct WrongColumn {
    column: usize,
    wanted: &'static str,
}

impl Row {
    /// The number in a column.
    pub(in crate::store) fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.opt_int(column)?.ok_or_else(|| wrong(column, "a number"))
    }

    /// The number in a column, if there is one.
    pub(in crate::store) fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.0.get(column) {
            Some(Value::Int(number)) => Ok(*number),
            Some(Value::Text(None)) => Ok(None),
            Some(Value::Text(Some(_))) | None => Err(wrong(column, "a number")),
        }
    }

    /// The text in a column.
    pub(in crate::store) fn text(&self, column: usize) -> Result<&str, StoreError> {
        self.opt_text(column)?.ok_or_else(|| wrong(column, "a text"))
    }

    /// The text in a column, if there is one.
    pub(in crate::store) fn opt_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Ok(text.as_deref()),
            Some(Value::Int(None)) => Ok(None),
            Some(Value::Int(Some(_))) | None => Err(wrong(column, "a text")),
        }
    }
}

fn wrong(column: usize, wanted: &'static str) -> StoreError {
    StoreError::Corrupt(Box::new(WrongColumn { column, wanted }))
}
