//! What the tables are called, and the statements with these names in them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::dialect::Dialect;

/// What begins the names of tables in the text of statements.
const PREFIX: &str = "ssf_";
const MOST: usize = 28;

/// A name that stands in statements as it is: 1 to 28 of `a` to `z`, `0` to `9` and `_`, the first
/// a letter or `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlName(String);

/// A text that is no [`SqlName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a name of 1 to 28 characters, a to z, 0 to 9 and _, that begins with no digit")]
#[non_exhaustive]
pub struct NotAnSqlName;

impl SqlName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// When it has other characters, or is empty or too long.
    pub fn parse(text: impl Into<String>) -> Result<Self, NotAnSqlName> {
        let text = text.into();
        let first = |c: char| c.is_ascii_lowercase() || c == '_';
        let other = |c: char| first(c) || c.is_ascii_digit();
        let fits = text.starts_with(first) && text.chars().all(other) && text.len() <= MOST;
        if fits { Ok(Self(text)) } else { Err(NotAnSqlName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SqlName {
    /// The prefix of tables that nobody has named otherwise.
    fn default() -> Self {
        Self(PREFIX.to_owned())
    }
}

/// Statements as one database with its names wants them.
#[derive(Debug)]
pub(in crate::store) struct Statements {
    dialect: Dialect,
    /// What takes the place of [`PREFIX`].
    tables: String,
    /// Each is adapted once. A statement is one text in the program, so its address is its key.
    adapted: RwLock<HashMap<(usize, usize), Arc<str>>>,
}

impl Statements {
    /// For tables with that prefix, in that schema or where the database looks first.
    pub(in crate::store) fn new(
        dialect: Dialect,
        schema: Option<&SqlName>,
        prefix: &SqlName,
    ) -> Self {
        let schema = schema.map(|schema| format!("\"{}\".", schema.as_str())).unwrap_or_default();
        let tables = schema + prefix.as_str();
        Self { dialect, tables, adapted: RwLock::default() }
    }

    /// How the database wants its statements.
    pub(in crate::store) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A statement as the database wants it.
    pub(in crate::store) fn adapted(&self, statement: &'static str) -> Arc<str> {
        let key = (statement.as_ptr().addr(), statement.len());
        if let Some(adapted) = self.adapted.read().unwrap_or_else(PoisonError::into_inner).get(&key)
        {
            return Arc::clone(adapted);
        }
        let adapted: Arc<str> = self.adapt(statement).into();
        let mut all = self.adapted.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(key).or_insert(adapted))
    }

    /// A text that is used once, as the database wants it.
    pub(in crate::store) fn adapt(&self, statement: &str) -> String {
        self.dialect.adapt(statement).replace(PREFIX, &self.tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_statements_as_they_are() {
        for name in ["a", "_", "ssf_", "tenant_7"] {
            assert!(SqlName::parse(name).is_ok(), "{name}");
        }
        for name in ["", "7a", "a b", "a\"", "A", "a;drop", "ä", &"a".repeat(29)] {
            assert!(SqlName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn tables_have_their_prefix_and_schema() {
        let name = |text| SqlName::parse(text).unwrap();
        let plain = Statements::new(Dialect::Sqlite, None, &SqlName::default());
        assert_eq!(&*plain.adapted("SELECT 1 FROM ssf_a {lock}"), "SELECT 1 FROM ssf_a ");
        let named = Statements::new(Dialect::Postgres, Some(&name("sec")), &name("tr_"));
        let adapted = named.adapted("SELECT nextval('ssf_a') FROM ssf_b {skip}");
        let expected = "SELECT nextval('\"sec\".tr_a') FROM \"sec\".tr_b FOR UPDATE SKIP LOCKED";
        assert_eq!(&*adapted, expected);
    }
}
