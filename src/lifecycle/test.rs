//! Tests of one attribute: explicit about case, about type, and about what is missing.

use serde_json::{Map, Number, Value};

use super::mistake::{DocumentProblem, Place, Reader};
use super::snapshot::{Kept, at_least, same};
use super::{AttributePath, DigestKey};
use crate::id::IdentityId;

/// A question about the value of an attribute.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// The same value as one of these.
    OneOf(Vec<Value>, Case),
    /// The attribute is there, with any value, also `null`.
    Present,
    /// The attribute is not there.
    Missing,
    /// A number, and not smaller.
    AtLeast(Number),
    /// A number, and smaller.
    Below(Number),
    /// An array with the same value as one of its items.
    Contains(Value, Case),
    Not(Box<Self>),
    Any(Vec<Self>),
    All(Vec<Self>),
}

/// Whether the case of letters counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// `a` is not `A`.
    Exact,
    /// `a` is `A`, by Unicode's lower case.
    Ignored,
}

/// Whose attribute is looked at; what a digest is made of beside the value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched<'a> {
    pub(super) identity: &'a IdentityId,
    pub(super) path: &'a AttributePath,
    pub(super) key: Option<&'a DigestKey>,
}

impl Test {
    /// Whether it holds for what is known of the attribute.
    pub(super) fn holds(&self, kept: &Kept, watched: Watched<'_>) -> bool {
        match (self, kept) {
            (Self::Not(test), _) => !test.holds(kept, watched),
            (Self::Any(tests), _) => tests.iter().any(|test| test.holds(kept, watched)),
            (Self::All(tests), _) => tests.iter().all(|test| test.holds(kept, watched)),
            (Self::Missing, Kept::Missing) => true,
            (Self::Present, Kept::Value(_) | Kept::Digest(_)) => true,
            (Self::OneOf(values, case), Kept::Value(found)) => {
                values.iter().any(|value| case.same(value, found))
            }
            (Self::OneOf(values, Case::Exact), Kept::Digest(found)) => {
                let Watched { identity, path, key } = watched;
                let digest = |value| key.and_then(|key| key.digest(identity, path, value));
                values.iter().any(|value| digest(value).as_ref() == Some(found))
            }
            (Self::AtLeast(least), Kept::Value(Value::Number(found))) => at_least(found, least),
            (Self::Below(bound), Kept::Value(Value::Number(found))) => !at_least(found, bound),
            (Self::Contains(item, case), Kept::Value(Value::Array(found))) => {
                found.iter().any(|found| case.same(item, found))
            }
            // A value of another type, and an attribute that is missing, are none of these. A
            // digest cannot be compared so; the document was refused.
            (
                Self::Missing
                | Self::Present
                | Self::OneOf(..)
                | Self::AtLeast(_)
                | Self::Below(_)
                | Self::Contains(..),
                _,
            ) => false,
        }
    }
}

impl Case {
    fn same(self, one: &Value, two: &Value) -> bool {
        match (self, one, two) {
            (Self::Ignored, Value::String(one), Value::String(two)) => {
                one.to_lowercase() == two.to_lowercase()
            }
            _ => same(one, two),
        }
    }
}

/// How deep tests may be nested.
const MOST_LEVELS: usize = 8;

const OPERATORS: &[&str] =
    &["equals", "one_of", "is", "at_least", "below", "contains", "not", "any", "all"];

/// Whether an attribute is kept as a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Value,
    Digest,
}

impl Reader {
    /// A test of an attribute that is kept in that form.
    pub(super) fn test(&mut self, value: &Value, at: &Place, form: Form) -> Option<Test> {
        self.nested(value, at, form, MOST_LEVELS)
    }

    fn nested(&mut self, value: &Value, at: &Place, form: Form, levels: usize) -> Option<Test> {
        let map = self.any_object(value, at)?;
        if levels == 0 {
            self.note(at, DocumentProblem::TooDeep(MOST_LEVELS));
            return None;
        }
        let mut operators = map.iter().filter(|(name, _)| *name != "case");
        let (Some((operator, operand)), None) = (operators.next(), operators.next()) else {
            self.note(at, DocumentProblem::OneOf(OPERATORS));
            return None;
        };
        let inside = at.member(operator);
        let mut case = self.case(map, at)?;
        if map.contains_key("case") && !["equals", "one_of", "contains"].contains(&&**operator) {
            let problem = DocumentProblem::UnknownMember(OPERATORS);
            self.note(&at.member("case"), problem);
            case = Case::Exact;
        }
        let by_value =
            case == Case::Ignored || ["at_least", "below", "contains"].contains(&operator.as_str());
        if form == Form::Digest && by_value {
            self.note(&inside, DocumentProblem::Digested);
            return None;
        }
        match operator.as_str() {
            "equals" => Some(Test::OneOf(vec![operand.clone()], case)),
            "one_of" => {
                let values = self.array(operand, &inside)?;
                if values.is_empty() {
                    self.note(&inside, DocumentProblem::Empty);
                    return None;
                }
                Some(Test::OneOf(values.to_vec(), case))
            }
            "is" => {
                let missing = self.word(operand, &inside, &["missing", "present"], &[true, false]);
                missing.map(|missing| if missing { Test::Missing } else { Test::Present })
            }
            "at_least" => self.number(operand, &inside).map(Test::AtLeast),
            "below" => self.number(operand, &inside).map(Test::Below),
            "contains" => Some(Test::Contains(operand.clone(), case)),
            "not" => {
                let test = self.nested(operand, &inside, form, levels - 1)?;
                Some(Test::Not(Box::new(test)))
            }
            "any" => self.tests(operand, &inside, form, levels).map(Test::Any),
            "all" => self.tests(operand, &inside, form, levels).map(Test::All),
            _ => {
                self.note(&inside, DocumentProblem::UnknownOperator(OPERATORS));
                None
            }
        }
    }

    fn tests(&mut self, value: &Value, at: &Place, form: Form, levels: usize) -> Option<Vec<Test>> {
        let values = self.array(value, at)?;
        if values.is_empty() {
            self.note(at, DocumentProblem::Empty);
            return None;
        }
        // All of them are read before one that could not be counts, so that no mistake hides.
        let read: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(position, value)| self.nested(value, &at.item(position), form, levels - 1))
            .collect();
        read.into_iter().collect()
    }

    fn case(&mut self, map: &Map<String, Value>, at: &Place) -> Option<Case> {
        match map.get("case") {
            None => Some(Case::Exact),
            Some(case) => self.word(
                case,
                &at.member("case"),
                &["exact", "ignored"],
                &[Case::Exact, Case::Ignored],
            ),
        }
    }

    fn number(&mut self, value: &Value, at: &Place) -> Option<Number> {
        let Value::Number(number) = value else {
            self.note(at, DocumentProblem::Type("a number"));
            return None;
        };
        Some(number.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(test: &Value, kept: &Kept) -> bool {
        let mut reader = Reader::default();
        let read = reader.test(test, &Place::default(), Form::Value);
        let test = reader.finish(read).unwrap();
        let identity = IdentityId::parse("i").unwrap();
        let path = AttributePath::parse("p").unwrap();
        test.holds(kept, Watched { identity: &identity, path: &path, key: None })
    }

    #[test]
    fn a_test_is_explicit_about_case_type_and_what_is_missing() {
        let value = |value: Value| Kept::Value(value);
        let rows = [
            (json!({"equals": "a"}), value(json!("a")), true),
            (json!({"equals": "a"}), value(json!("A")), false),
            (json!({"equals": "Ä", "case": "ignored"}), value(json!("ä")), true),
            (json!({"equals": "a", "case": "exact"}), value(json!("A")), false),
            (json!({"equals": true}), value(json!("true")), false),
            (json!({"equals": 1}), value(json!(1.0)), true),
            (json!({"equals": null}), Kept::Missing, false),
            (json!({"equals": null}), value(json!(null)), true),
            (json!({"one_of": ["a", 2]}), value(json!(2)), true),
            (json!({"one_of": ["A"], "case": "ignored"}), value(json!("a")), true),
            (json!({"is": "missing"}), Kept::Missing, true),
            (json!({"is": "missing"}), value(json!(null)), false),
            (json!({"is": "present"}), value(json!(null)), true),
            (json!({"is": "present"}), Kept::Missing, false),
            (json!({"at_least": 80}), value(json!(80)), true),
            (json!({"at_least": 80}), value(json!(79.5)), false),
            (json!({"at_least": 80}), value(json!("90")), false),
            (json!({"below": 80}), value(json!(79.5)), true),
            (json!({"below": 80}), Kept::Missing, false),
            (json!({"contains": "x"}), value(json!(["y", "x"])), true),
            (json!({"contains": "X", "case": "ignored"}), value(json!(["x"])), true),
            (json!({"contains": "x"}), value(json!("x")), false),
            (json!({"not": {"equals": "a"}}), Kept::Missing, true),
            (json!({"not": {"equals": "a"}}), value(json!("a")), false),
            (json!({"any": [{"equals": 1}, {"is": "missing"}]}), Kept::Missing, true),
            (json!({"any": [{"equals": 1}, {"equals": 2}]}), value(json!(3)), false),
            (json!({"all": [{"at_least": 1}, {"below": 9}]}), value(json!(5)), true),
            (json!({"all": [{"at_least": 1}, {"below": 9}]}), value(json!(9)), false),
        ];
        for (test, kept, expected) in rows {
            let found = if let Kept::Value(value) = &kept { value.to_string() } else { "-".into() };
            assert_eq!(holds(&test, &kept), expected, "{test} of {found}");
        }
    }
}
