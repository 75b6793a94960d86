//! Could a template ever make a subject, and an event of its type?
//!
//! A template is tried with fitting values in the place of attributes. What is still wrong is wrong
//! with the template itself, whatever the attributes will be.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::mistake::{DocumentProblem, Place, Reader};
use super::template::Template;
use crate::event::{EventProblem, check};
use crate::id::EventType;
use crate::subject::{SimpleSubject, Subject, SubjectProblem};

/// More rounds than any template has members.
const MOST_ROUNDS: usize = 256;

/// Notes why a template can make no subject. What it would make, if it can.
pub(super) fn subject(template: &Template, at: &Place, reader: &mut Reader) -> Option<Subject> {
    let mut trial = Trial::default();
    let mut value = trial.fill(template, at, "");
    let before = reader.count();
    for _ in 0..MOST_ROUNDS {
        let error = match Subject::parse(&value) {
            Ok(subject) => return (reader.count() == before).then_some(subject),
            Err(error) => error,
        };
        let (path, known) = trial.nearest(&error.member);
        let filler = subject_filler(error.problem);
        if known == Known::Hole && path != error.member {
            // It is inside what the identity will give.
            return None;
        }
        if error.problem == SubjectProblem::Duplicate && trial.has_hole_in(&path) {
            // It is the same for the trial only.
            return None;
        }
        if known == Known::Literal || filler.is_none() {
            let problem = match error.problem {
                SubjectProblem::Missing => DocumentProblem::MissingPart(error.member),
                problem => DocumentProblem::Subject(problem),
            };
            reader.note(&trial.place(&path, at), problem);
        }
        match filler {
            Some(filler) if trial.attempts(&path) < 3 => trial.put(&mut value, &path, filler),
            _ => return None,
        }
    }
    None
}

/// Notes why templates can make no event of that type about that subject.
pub(super) fn event(
    event_type: &EventType,
    members: &[(String, Template)],
    place: impl Fn(&str) -> Place,
    at: &Place,
    subject: Option<&Subject>,
    reader: &mut Reader,
) {
    let mut trial = Trial::default();
    let mut value = Map::new();
    for (name, template) in members {
        value.insert(name.clone(), trial.fill(template, &place(name), name));
    }
    let mut value = Value::Object(value);
    let stand_in = || SimpleSubject::opaque("x").map(Subject::from).ok();
    let Some(about) = subject.cloned().or_else(stand_in) else { return };
    for _ in 0..MOST_ROUNDS {
        let Some(members) = value.as_object() else { return };
        let Err(error) = check(event_type, members, &about) else { return };
        if let EventProblem::SubjectFormat(_) | EventProblem::PhoneFormat = error.problem {
            if subject.is_some() {
                reader.note(&at.member("subject"), DocumentProblem::Event(error.problem));
            }
            return;
        }
        let (path, known) = trial.nearest(&error.member);
        let attempts = trial.attempts(&path);
        if known == Known::Literal && attempts == 0 {
            let place = match error.problem {
                EventProblem::Missing => at.member("members"),
                _ => trial.place(&path, at),
            };
            reader.note(&place, problem(&error.member, error.problem));
        }
        match event_filler(error.problem, attempts) {
            Some(filler) => trial.put(&mut value, &path, filler),
            None => trial.take(&mut value, &path),
        }
        if attempts > 8 {
            return;
        }
    }
}

/// A missing member is named, for its place is only where it should be.
fn problem(member: &str, problem: EventProblem) -> DocumentProblem {
    match problem {
        EventProblem::Missing => DocumentProblem::MissingPart(member.to_owned()),
        _ => DocumentProblem::Event(problem),
    }
}

/// What is known of a part of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The template gives it.
    Literal,
    /// An attribute gives it.
    Hole,
}

/// The parts of a trial, by the path that errors name them by, such as `user.sub` or `amr[1]`.
#[derive(Debug, Default)]
struct Trial {
    parts: HashMap<String, (Known, Place)>,
    attempts: HashMap<String, usize>,
}

impl Trial {
    /// The value with something in the place of attributes.
    fn fill(&mut self, template: &Template, at: &Place, path: &str) -> Value {
        let known = match template {
            Template::From { .. } | Template::Concat(_) => Known::Hole,
            Template::Literal(_) | Template::Now | Template::Array(_) | Template::Object(_) => {
                Known::Literal
            }
        };
        self.parts.insert(path.to_owned(), (known, at.clone()));
        match template {
            Template::Literal(value) => value.clone(),
            Template::From { .. } | Template::Concat(_) => "x".into(),
            Template::Now => 1.into(),
            Template::Array(items) => items
                .iter()
                .enumerate()
                .map(|(n, item)| self.fill(item, &at.item(n), &format!("{path}[{n}]")))
                .collect(),
            Template::Object(members) => members
                .iter()
                .map(|(name, member)| {
                    let inside =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    (name.clone(), self.fill(member, &at.member(name), &inside))
                })
                .collect(),
        }
    }

    /// The part at that path, or the hole it lies in, or the literal it should be a member of.
    fn nearest(&self, path: &str) -> (String, Known) {
        if let Some((known, _)) = self.parts.get(path) {
            return (path.to_owned(), *known);
        }
        let mut outer = path;
        while let Some(cut) = outer.rfind(['.', '[']) {
            outer = &outer[..cut];
            if let Some((Known::Hole, _)) = self.parts.get(outer) {
                return (outer.to_owned(), Known::Hole);
            }
        }
        (path.to_owned(), Known::Literal)
    }

    /// Whether an attribute gives any of the part at that path.
    fn has_hole_in(&self, path: &str) -> bool {
        let inside = |part: &str| {
            part.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.parts.iter().any(|(part, (known, _))| *known == Known::Hole && inside(part))
    }

    fn attempts(&self, path: &str) -> usize {
        self.attempts.get(path).copied().unwrap_or(0)
    }

    fn place(&self, path: &str, at: &Place) -> Place {
        let mut outer = path;
        loop {
            if let Some((_, place)) = self.parts.get(outer) {
                return place.clone();
            }
            match outer.rfind(['.', '[']) {
                Some(cut) => outer = &outer[..cut],
                None => return at.clone(),
            }
        }
    }

    fn put(&mut self, value: &mut Value, path: &str, filler: Value) {
        *self.attempts.entry(path.to_owned()).or_default() += 1;
        let pointer = pointer(path);
        let (outer, name) = pointer.rsplit_once('/').unwrap_or(("", ""));
        match value.pointer_mut(outer) {
            Some(Value::Object(map)) => {
                map.insert(name.replace("~1", "/").replace("~0", "~"), filler);
            }
            Some(Value::Array(items)) => {
                if let Some(item) = name.parse::<usize>().ok().and_then(|n| items.get_mut(n)) {
                    *item = filler;
                }
            }
            _ => {}
        }
    }

    fn take(&mut self, value: &mut Value, path: &str) {
        *self.attempts.entry(path.to_owned()).or_default() += 1;
        let pointer = pointer(path);
        let (outer, name) = pointer.rsplit_once('/').unwrap_or(("", ""));
        if let Some(Value::Object(map)) = value.pointer_mut(outer) {
            map.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
    }
}

/// The JSON pointer of a path.
fn pointer(path: &str) -> String {
    let parts = path.split(['.', '[']).filter(|part| !part.is_empty());
    parts.fold(String::new(), |pointer, part| {
        let part = part.strip_suffix(']').unwrap_or(part);
        format!("{pointer}/{}", part.replace('~', "~0").replace('/', "~1"))
    })
}

/// A value that has not that problem.
fn subject_filler(problem: SubjectProblem) -> Option<Value> {
    match problem {
        SubjectProblem::NotAcctUri => Some(json!("acct:user@example.com")),
        SubjectProblem::NotEmail => Some(json!("user@example.com")),
        SubjectProblem::NotPhoneNumber => Some(json!("+12065550123")),
        SubjectProblem::NotDidUrl => Some(json!("did:example:1")),
        SubjectProblem::NotUri | SubjectProblem::NotStringOrUri => Some(json!("urn:example:1")),
        SubjectProblem::NotRelativePath => Some(json!("/Users/1")),
        SubjectProblem::NotIpAddress => Some(json!("192.0.2.1")),
        SubjectProblem::TooLarge => Some(json!(1)),
        SubjectProblem::NotArray => Some(json!(["192.0.2.1"])),
        SubjectProblem::NotObject => Some(json!({"format": "opaque", "id": "x"})),
        SubjectProblem::NotString | SubjectProblem::Empty | SubjectProblem::Missing => {
            Some(json!("x"))
        }
        SubjectProblem::SubjectType
        | SubjectProblem::Undescribed
        | SubjectProblem::Duplicate
        | SubjectProblem::NotSimple
        | SubjectProblem::KnownFormat
        | SubjectProblem::NotFormatName
        | SubjectProblem::NoName => None,
    }
}

/// A value that may not have that problem; another one with each attempt. `None`: no value will do.
fn event_filler(problem: EventProblem, attempts: usize) -> Option<Value> {
    let any = [json!("x"), json!(1), json!({"en": "x"}), json!(["x"]), json!(true), json!({})];
    match problem {
        EventProblem::NotOneOf(words) => words.first().map(|word| json!(word)),
        EventProblem::NotHttpStatus => Some(json!("200")),
        EventProblem::Milliseconds => Some(json!(1)),
        EventProblem::Missing | EventProblem::Type(_) | EventProblem::Empty => {
            any.get(attempts % any.len()).cloned()
        }
        EventProblem::NotLanguageTag
        | EventProblem::LanguageTwice
        | EventProblem::Excluded
        | EventProblem::Defined
        | EventProblem::PhoneFormat
        | EventProblem::TooLarge
        | EventProblem::SubjectFormat(_)
        | EventProblem::OtherSubject => None,
    }
}
