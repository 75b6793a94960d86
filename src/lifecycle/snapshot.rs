//! What is kept of an identity: the attributes that conditions name, and nothing else.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::{AttributePath, Digest};
use crate::id::ProfileName;

/// What is known of an identity: its profile, and of each attribute that conditions name its value,
/// the digest of its value, or that it is missing.
///
/// An attribute that is not in here is unknown, which is not the same as missing: no condition
/// fires for it. `Debug` names the attributes and says nothing of their values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub(super) profile: Option<ProfileName>,
    pub(super) known: BTreeMap<AttributePath, Kept>,
}

/// What is known of one attribute.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kept {
    /// There is no such attribute.
    Missing,
    /// Its value; `null` is one.
    Value(Value),
    /// The keyed digest of its value.
    Digest(Digest),
}

impl Snapshot {
    /// An identity of which nothing is known.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { profile: None, known: BTreeMap::new() }
    }

    /// The profile of the identity, if it has one.
    #[must_use]
    pub const fn profile(&self) -> Option<&ProfileName> {
        self.profile.as_ref()
    }

    /// What is known of an attribute; `None` when it is unknown.
    #[must_use]
    pub fn get(&self, path: &AttributePath) -> Option<&Kept> {
        self.known.get(path)
    }

    /// What is known, by attribute.
    pub fn iter(&self) -> impl Iterator<Item = (&AttributePath, &Kept)> {
        self.known.iter()
    }

    /// The same, with what is unknown here or missing taken from there.
    #[must_use]
    pub fn completed(mut self, from: &Self) -> Self {
        for (path, kept) in &from.known {
            match self.known.get(path) {
                Some(Kept::Value(_) | Kept::Digest(_)) => {}
                Some(Kept::Missing) | None => {
                    self.known.insert(path.clone(), kept.clone());
                }
            }
        }
        self
    }

    /// The same, with what is unknown here taken from there.
    pub(super) fn or(mut self, from: &Self) -> Self {
        for (path, kept) in &from.known {
            self.known.entry(path.clone()).or_insert_with(|| kept.clone());
        }
        self
    }

    /// The same attributes, with what is known there in the place of what is known here.
    pub(super) fn preferring(mut self, other: &Self) -> Self {
        for (path, kept) in &mut self.known {
            if let Some(other) = other.known.get(path) {
                *kept = other.clone();
            }
        }
        self.profile.clone_from(&other.profile);
        self
    }

    /// Whether the same is known here and there.
    pub(super) fn same(&self, other: &Self) -> bool {
        let pairs = || self.known.iter().zip(&other.known);
        self.profile == other.profile
            && self.known.len() == other.known.len()
            && pairs().all(|((path, one), (other, two))| path == other && one.same(two))
    }
}

impl Kept {
    /// Whether two are the same: types count, case counts, numbers are compared as numbers.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(one), Self::Value(two)) => same(one, two),
            _ => self == other,
        }
    }
}

/// Says nothing of values: they are personal.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Value(_) => "Value([hidden])",
            Self::Digest(_) => "Digest([hidden])",
        })
    }
}

/// Whether two JSON values are the same: of the same type, texts byte by byte, numbers by what they
/// count (1 is 1.0), objects whatever the order of their members.
pub(super) fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => same_number(one, two),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            let in_two = |(name, value)| two.get(name).is_some_and(|other| same(value, other));
            one.len() == two.len() && one.iter().all(in_two)
        }
        _ => one == two,
    }
}

fn same_number(one: &Number, two: &Number) -> bool {
    match (integer(one), integer(two)) {
        (Some(one), Some(two)) => one == two,
        _ => one.as_f64() == two.as_f64(),
    }
}

/// A number that was written as an integer.
fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// Whether `one` is at least `two`.
pub(super) fn at_least(one: &Number, two: &Number) -> bool {
    match (integer(one), integer(two)) {
        (Some(one), Some(two)) => one >= two,
        _ => one.as_f64() >= two.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_count_and_numbers_are_numbers() {
        let alike = [
            (json!(1), json!(1.0)),
            (json!([1, {"a": 2.0}]), json!([1.0, {"a": 2}])),
            (json!(u64::MAX), json!(u64::MAX)),
        ];
        for (one, two) in alike {
            assert!(same(&one, &two), "{one} {two}");
        }
        let different = [
            (json!(1), json!("1")),
            (json!(true), json!("true")),
            (json!(0), json!(false)),
            (json!("a"), json!("A")),
            (json!(null), json!("")),
            (json!([1, 2]), json!([2, 1])),
            (json!({"a": 1}), json!({"a": 1, "b": 1})),
            (json!(u64::MAX), json!(u64::MAX - 1)),
        ];
        for (one, two) in different {
            assert!(!same(&one, &two), "{one} {two}");
        }
    }

    #[test]
    fn the_debug_form_says_nothing_of_values() {
        let path = AttributePath::parse("ssn").unwrap();
        let known = BTreeMap::from([(path, Kept::Value(json!("078-05-1120")))]);
        let text = format!("{:?}", Snapshot { profile: None, known });
        assert!(text.contains("/ssn"), "{text}");
        assert!(!text.contains("078"), "{text}");
    }
}
