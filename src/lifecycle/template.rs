//! Templates: JSON in which attributes of the identity stand for values.
//!
//! | in a template | stands for |
//! |---|---|
//! | `{"$from": "/email"}` | the value of the attribute after the change |
//! | `{"$from": "/email", "$of": "before"}` | its value before the change |
//! | `{"$from": "/email", "$of": "last"}` | its value after the change, or else before it |
//! | `{"$from": "/note", "$optional": true}` | as above; when missing, the member is left out |
//! | `{"$concat": ["/Users/", {"$from": "/id"}]}` | one text made of texts and numbers |
//! | `{"$now": "seconds"}` | the time of the evaluation, in seconds since 1970 |
//! | anything else | itself |

use std::fmt;

use serde_json::{Map, Value};

use super::AttributePath;
use super::mistake::{DocumentProblem, Place, Reader};
use super::snapshot::{Kept, Snapshot};
use crate::event::EventError;
use crate::subject::SubjectError;
use crate::timestamp::Timestamp;

/// Why a condition that fired has no event: its template and the identity do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// An attribute that the template needs is missing.
    #[error("the attribute {0} is missing {1}")]
    Missing(AttributePath, Of),
    /// An attribute that should be part of a text is neither a text nor a number.
    #[error("the attribute {0} is neither a text nor a number")]
    NotText(AttributePath),
    /// What the template makes is no subject.
    #[error("the subject is none: {0}")]
    Subject(SubjectError),
    /// What the template makes breaks the definition of the event.
    #[error("the event breaks its definition: {0}")]
    Event(EventError),
}

/// Which value of an attribute is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Of {
    /// That after the change.
    #[default]
    After,
    /// That before the change.
    Before,
    /// That after the change, or else that before it: for what may just have been removed.
    Last,
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::After => "after the change",
            Self::Before => "before the change",
            Self::Last => "before and after the change",
        })
    }
}

/// Both sides of a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides<'a> {
    pub(super) before: &'a Snapshot,
    pub(super) after: &'a Snapshot,
    pub(super) now: Timestamp,
}

impl<'a> Sides<'a> {
    /// What is known of an attribute on the side that is meant.
    pub(super) fn kept(&self, path: &AttributePath, of: Of) -> Option<&'a Kept> {
        let (before, after) = (self.before.get(path), self.after.get(path));
        match (of, after) {
            (Of::After, after) => after,
            (Of::Before, _) | (Of::Last, None | Some(Kept::Missing)) => before,
            (Of::Last, after) => after,
        }
    }

    fn value(&self, path: &AttributePath, of: Of) -> Result<&'a Value, TemplateError> {
        match self.kept(path, of) {
            Some(Kept::Value(value)) => Ok(value),
            Some(Kept::Missing | Kept::Digest(_)) | None => {
                Err(TemplateError::Missing(path.clone(), of))
            }
        }
    }
}

/// A value in the making.
#[derive(Clone, Debug)]
pub(super) enum Template {
    Literal(Value),
    From { path: AttributePath, of: Of, optional: Optional },
    Concat(Vec<Self>),
    Now,
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Whether the member may be left out when the attribute is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Optional {
    No,
    Yes,
}

impl Template {
    /// The value, out of both sides of a change. `None`: it is optional and missing.
    pub(super) fn render(&self, sides: &Sides<'_>) -> Result<Option<Value>, TemplateError> {
        match self {
            Self::From { path, of, optional: Optional::Yes } => {
                Ok(sides.value(path, *of).ok().cloned())
            }
            _ => self.value(sides).map(Some),
        }
    }

    fn value(&self, sides: &Sides<'_>) -> Result<Value, TemplateError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::From { path, of, .. } => sides.value(path, *of).cloned(),
            Self::Concat(parts) => {
                let mut text = String::new();
                for part in parts {
                    match (part.value(sides)?, part) {
                        (Value::String(part), _) => text.push_str(&part),
                        (Value::Number(part), _) => text.push_str(&part.to_string()),
                        (_, Self::From { path, .. }) => {
                            return Err(TemplateError::NotText(path.clone()));
                        }
                        (other, _) => text.push_str(&other.to_string()),
                    }
                }
                Ok(text.into())
            }
            Self::Now => Ok(sides.now.as_seconds().into()),
            Self::Array(items) => items.iter().map(|item| item.value(sides)).collect(),
            Self::Object(members) => members
                .iter()
                .map(|(name, member)| Ok((name.clone(), member.value(sides)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }

    /// The attributes it names, and where it does, if it is at `at`.
    pub(super) fn named<'a>(&'a self, at: &Place, into: &mut Vec<(Place, &'a AttributePath)>) {
        match self {
            Self::From { path, .. } => into.push((at.member("$from"), path)),
            Self::Concat(parts) => {
                for (position, part) in parts.iter().enumerate() {
                    part.named(&at.member("$concat").item(position), into);
                }
            }
            Self::Array(items) => {
                for (position, item) in items.iter().enumerate() {
                    item.named(&at.item(position), into);
                }
            }
            Self::Object(members) => {
                for (name, member) in members {
                    member.named(&at.member(name), into);
                }
            }
            Self::Literal(_) | Self::Now => {}
        }
    }
}

/// How deep templates may be nested. Deeper events have no use.
const MOST_LEVELS: usize = 16;

impl Reader {
    /// A template.
    pub(super) fn template(&mut self, value: &Value, at: &Place) -> Option<Template> {
        self.part(value, at, MOST_LEVELS)
    }

    /// The template of a member of the event object, which may be optional.
    pub(super) fn member_template(&mut self, value: &Value, at: &Place) -> Option<Template> {
        match value {
            Value::Object(map) if map.contains_key("$from") => self.from(value, at),
            _ => self.template(value, at),
        }
    }

    fn part(&mut self, value: &Value, at: &Place, levels: usize) -> Option<Template> {
        if levels == 0 {
            self.note(at, DocumentProblem::TooDeep(MOST_LEVELS));
            return None;
        }
        match value {
            Value::Object(map) if map.contains_key("$from") => self.needed(value, at),
            Value::Object(map) if map.contains_key("$concat") => {
                let map = self.object(value, at, &["$concat"])?;
                let inside = at.member("$concat");
                let parts = self.array(map.get("$concat")?, &inside)?;
                if parts.is_empty() {
                    self.note(&inside, DocumentProblem::Empty);
                }
                let parts: Vec<_> = parts
                    .iter()
                    .enumerate()
                    .map(|(position, part)| self.concatenated(part, &inside.item(position)))
                    .collect();
                Some(Template::Concat(parts.into_iter().collect::<Option<_>>()?))
            }
            Value::Object(map) if map.contains_key("$now") => {
                let map = self.object(value, at, &["$now"])?;
                self.word(map.get("$now")?, &at.member("$now"), &["seconds"], &[()])?;
                Some(Template::Now)
            }
            Value::Object(map) => {
                let members: Vec<_> = map
                    .iter()
                    .map(|(name, member)| {
                        Some((name.clone(), self.part(member, &at.member(name), levels - 1)?))
                    })
                    .collect();
                Some(Template::Object(members.into_iter().collect::<Option<_>>()?))
            }
            Value::Array(items) => {
                let items: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(position, item)| self.part(item, &at.item(position), levels - 1))
                    .collect();
                Some(Template::Array(items.into_iter().collect::<Option<_>>()?))
            }
            literal => Some(Template::Literal(literal.clone())),
        }
    }

    fn from(&mut self, value: &Value, at: &Place) -> Option<Template> {
        let map = self.object(value, at, &["$from", "$of", "$optional"])?;
        let path = self.attribute(map.get("$from")?, &at.member("$from"));
        let of = map.get("$of").map_or(Some(Of::After), |of| self.of(of, &at.member("$of")));
        let optional = match map.get("$optional") {
            None | Some(Value::Bool(false)) => Optional::No,
            Some(Value::Bool(true)) => Optional::Yes,
            Some(_) => {
                self.note(&at.member("$optional"), DocumentProblem::Type("true or false"));
                return None;
            }
        };
        Some(Template::From { path: path?, of: of?, optional })
    }

    /// An attribute without which there is no value.
    fn needed(&mut self, value: &Value, at: &Place) -> Option<Template> {
        let template = self.from(value, at)?;
        if let Template::From { optional: Optional::Yes, .. } = template {
            self.note(&at.member("$optional"), DocumentProblem::Optional);
        }
        Some(template)
    }

    /// Which side of the change.
    pub(super) fn of(&mut self, value: &Value, at: &Place) -> Option<Of> {
        self.word(value, at, &["after", "before", "last"], &[Of::After, Of::Before, Of::Last])
    }

    fn concatenated(&mut self, value: &Value, at: &Place) -> Option<Template> {
        match value {
            Value::String(_) => Some(Template::Literal(value.clone())),
            Value::Object(map) if map.contains_key("$from") => self.needed(value, at),
            _ => {
                self.note(at, DocumentProblem::Type("a string or an object with `$from`"));
                None
            }
        }
    }
}
