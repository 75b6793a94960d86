//! The filters of SCIM paths (RFC 7644 §3.4.2.2), as far as paths of users need them.

use serde_json::{Deserializer, Value};

use super::is_name;

/// Comparisons that must all hold.
#[derive(Debug)]
pub(super) struct Filter<'a>(Vec<Comparison<'a>>);

#[derive(Debug)]
struct Comparison<'a> {
    name: &'a str,
    operator: Operator,
    operand: Value,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    Present,
}

impl<'a> Filter<'a> {
    /// Reads `name operator value`, joined by `and`. `None`: it is something else.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut comparisons = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = word(rest)?;
            let (operator, after) = word(after)?;
            let operator = match operator.to_ascii_lowercase().as_str() {
                "eq" => Operator::Equal,
                "ne" => Operator::NotEqual,
                "co" => Operator::Contains,
                "sw" => Operator::StartsWith,
                "ew" => Operator::EndsWith,
                "pr" => Operator::Present,
                _ => return None,
            };
            let (operand, after) = match operator {
                Operator::Present => (Value::Null, after),
                _ => literal(after)?,
            };
            if !is_name(name) {
                return None;
            }
            comparisons.push(Comparison { name, operator, operand });
            if after.trim().is_empty() {
                return Some(Self(comparisons));
            }
            let (and, after) = word(after)?;
            if !and.eq_ignore_ascii_case("and") {
                return None;
            }
            rest = after;
        }
    }

    /// Whether it selects one of several values.
    pub(super) fn selects(&self, item: &Value) -> bool {
        self.0.iter().all(|comparison| comparison.holds(item))
    }
}

impl Comparison<'_> {
    fn holds(&self, item: &Value) -> bool {
        let found = match item {
            Value::Object(members) => members
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(self.name))
                .map(|(_, value)| value),
            simple => self.name.eq_ignore_ascii_case("value").then_some(simple),
        };
        let texts = |holds: fn(&str, &str) -> bool| match (found, &self.operand) {
            // Texts are compared without case unless their schema says otherwise (RFC 7643 §2.2).
            (Some(Value::String(found)), Value::String(operand)) => {
                holds(&found.to_lowercase(), &operand.to_lowercase())
            }
            _ => false,
        };
        let equal = texts(|found, operand| found == operand)
            || found.is_some_and(|found| !found.is_string() && *found == self.operand);
        match self.operator {
            Operator::Equal => equal,
            Operator::NotEqual => !equal,
            Operator::Contains => texts(|found, operand| found.contains(operand)),
            Operator::StartsWith => texts(|found, operand| found.starts_with(operand)),
            Operator::EndsWith => texts(|found, operand| found.ends_with(operand)),
            Operator::Present => found.is_some(),
        }
    }
}

/// The next word and what follows.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The next JSON value and what follows.
fn literal(text: &str) -> Option<(Value, &str)> {
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}
