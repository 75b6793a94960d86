//! Conditions: which change of an identity means which event.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::mistake::{DocumentProblem, Place, Reader};
use super::snapshot::{Kept, Snapshot};
use super::template::{Of, Template};
use super::test::{Form, Test};
use super::{AttributePath, DigestKey, Mistakes, probe};
use crate::event::types;
use crate::id::{ConditionName, EventType, IdentityId, ProfileName};

/// The JSON Schema (2020-12) of a document of conditions.
pub const SCHEMA: &str = include_str!("conditions.schema.json");

/// Conditions, read from a document.
///
/// ```
/// use serde_json::json;
/// use ssf_transmitter::lifecycle::Conditions;
///
/// let document = json!({
///     "version": 1,
///     "conditions": [{
///         "name": "leaver",
///         "when": {"attribute": "status", "enters": {"equals": "terminated"}},
///         "emit": {
///             "event_type": "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
///             "subject": {"format": "email", "email": {"$from": "/email"}},
///             "members": {"initiating_entity": "policy"},
///             "reason": {"en": "Left the company"}
///         }
///     }]
/// });
/// assert!(Conditions::parse(&document).is_ok());
///
/// let mut wrong = document.clone();
/// wrong["conditions"][0]["when"]["enters"] = json!({"eqals": "terminated"});
/// let mistakes = Conditions::parse(&wrong).unwrap_err();
/// assert_eq!(mistakes.list()[0].pointer, "/conditions/0/when/enters/eqals");
/// ```
#[derive(Clone)]
pub struct Conditions {
    pub(super) list: Vec<Condition>,
    /// Every attribute that a condition names, sorted.
    paths: Vec<AttributePath>,
    digested: BTreeSet<AttributePath>,
    pub(super) key: Option<DigestKey>,
    document: Arc<Value>,
}

/// One condition.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) name: ConditionName,
    pub(super) profile: Option<ProfileName>,
    pub(super) attribute: AttributePath,
    pub(super) transition: Transition,
    pub(super) holding: Vec<Holding>,
    pub(super) emit: Emit,
}

/// How the attribute changes.
#[derive(Clone, Debug)]
pub(super) enum Transition {
    Enters(Test),
    Leaves(Test),
    Changes { from: Option<Test>, to: Option<Test> },
}

/// Another attribute that must be so when the change happens.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    pub(super) attribute: AttributePath,
    pub(super) of: Of,
    pub(super) test: Test,
}

/// The event in the making.
#[derive(Clone, Debug)]
pub(super) struct Emit {
    pub(super) event_type: EventType,
    pub(super) subject: Template,
    pub(super) members: Vec<(String, Template)>,
}

impl Conditions {
    /// No conditions.
    #[must_use]
    pub fn none() -> Self {
        Self {
            list: Vec::new(),
            paths: Vec::new(),
            digested: BTreeSet::new(),
            key: None,
            document: Arc::new(json!({"version": 1, "conditions": []})),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// All mistakes, each with its place.
    pub fn parse(document: &Value) -> Result<Self, Mistakes> {
        let mut reader = Reader::default();
        let read = reader.document(document);
        reader.finish(read)
    }

    /// The same, with the key for the attributes that the document wants kept as digests.
    #[must_use]
    pub fn with_digest_key(mut self, key: DigestKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Whether the document wants attributes kept as digests. Without a key they are unknown, and
    /// no condition fires for them.
    #[must_use]
    pub fn wants_digests(&self) -> bool {
        !self.digested.is_empty()
    }

    /// The document they were read from.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The names of the conditions, in their order.
    pub fn names(&self) -> impl Iterator<Item = &ConditionName> {
        self.list.iter().map(|condition| &condition.name)
    }

    /// Every attribute that a condition names, sorted. Nothing else of an identity is kept.
    #[must_use]
    pub fn attributes(&self) -> &[AttributePath] {
        &self.paths
    }

    /// What is to be known of an identity with these attributes.
    #[must_use]
    pub fn snapshot(
        &self,
        identity: &IdentityId,
        profile: Option<ProfileName>,
        attributes: &Map<String, Value>,
    ) -> Snapshot {
        let kept = |path: &AttributePath| match path.of(attributes) {
            None => Some(Kept::Missing),
            Some(value) if self.digested.contains(path) => {
                self.key.as_ref()?.digest(identity, path, value).map(Kept::Digest)
            }
            Some(value) => Some(Kept::Value(value.clone())),
        };
        let known = self.paths.iter().filter_map(|path| Some((path.clone(), kept(path)?)));
        Snapshot { profile, known: known.collect() }
    }

    /// What is to be known of an identity that does not exist: every attribute is missing.
    #[must_use]
    pub fn absent(&self, profile: Option<ProfileName>) -> Snapshot {
        let known = self.paths.iter().map(|path| (path.clone(), Kept::Missing));
        Snapshot { profile, known: known.collect() }
    }
}

/// Says which conditions there are.
impl fmt::Debug for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// As the document.
impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

/// From the document; the error has all mistakes.
impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Value::deserialize(deserializer)?;
        Self::parse(&document).map_err(serde::de::Error::custom)
    }
}

/// More conditions than anybody can keep in mind.
const MOST_CONDITIONS: usize = 1_000;

impl Reader {
    fn document(&mut self, value: &Value) -> Option<Conditions> {
        let at = Place::default();
        let members = &["version", "description", "event_types", "digests", "conditions"];
        let map = self.object(value, &at, members)?;
        match self.required(map, &at, "version") {
            Some(version) if *version != 1 => {
                self.note(&at.member("version"), DocumentProblem::Version);
            }
            _ => {}
        }
        self.description(map, &at);
        let own = self.list(map, &at, "event_types", |reader, value, at| {
            reader.id(value, at, |text| EventType::parse(text))
        });
        let digested =
            self.list(map, &at, "digests", |reader, value, at| reader.attribute(value, at));
        // What is wrong there is noted; the conditions are read all the same.
        let digested: BTreeSet<_> = digested.unwrap_or_default().into_iter().collect();
        let own = own.unwrap_or_default();
        let values = self.required(map, &at, "conditions")?;
        let at = at.member("conditions");
        let values = self.array(values, &at)?;
        if values.len() > MOST_CONDITIONS {
            self.note(&at, DocumentProblem::TooMany(MOST_CONDITIONS));
            return None;
        }
        let mut list = Vec::new();
        let mut names = BTreeSet::new();
        for (position, value) in values.iter().enumerate() {
            let at = at.item(position);
            let Some(condition) = self.condition(value, &at, &own, &digested) else { continue };
            if !names.insert(condition.name.clone()) {
                self.note(&at.member("name"), DocumentProblem::Duplicate);
            }
            list.push(condition);
        }
        let paths = paths(&list);
        let document = Arc::new(value.clone());
        Some(Conditions { list, paths, digested, key: None, document })
    }

    fn condition(
        &mut self,
        value: &Value,
        at: &Place,
        own: &[EventType],
        digested: &BTreeSet<AttributePath>,
    ) -> Option<Condition> {
        let members = &["name", "description", "profile", "when", "while", "emit"];
        let map = self.object(value, at, members)?;
        self.description(map, at);
        let name = self.required(map, at, "name");
        let name = name
            .and_then(|name| self.id(name, &at.member("name"), |text| ConditionName::parse(text)));
        let profile = map.get("profile").map(|profile| {
            self.id(profile, &at.member("profile"), |text| ProfileName::parse(text))
        });
        let when = self.required(map, at, "when");
        let when = when.and_then(|when| self.when(when, &at.member("when"), digested));
        let holding =
            self.list(map, at, "while", |reader, value, at| reader.holding(value, at, digested));
        let emit = self.required(map, at, "emit");
        let emit = emit.and_then(|emit| self.emit(emit, &at.member("emit"), own, digested));
        let ((attribute, transition), profile) =
            (when?, profile.map_or(Some(None), |profile| profile.map(Some))?);
        Some(Condition {
            name: name?,
            profile,
            attribute,
            transition,
            holding: holding?,
            emit: emit?,
        })
    }

    fn when(
        &mut self,
        value: &Value,
        at: &Place,
        digested: &BTreeSet<AttributePath>,
    ) -> Option<(AttributePath, Transition)> {
        const TRANSITIONS: &[&str] = &["enters", "leaves", "changes"];
        let map = self.object(value, at, &["attribute", "enters", "leaves", "changes"])?;
        let attribute = self.required(map, at, "attribute");
        let attribute = attribute.and_then(|path| self.attribute(path, &at.member("attribute")));
        let form = form(attribute.as_ref(), digested);
        let mut given = map.iter().filter(|(name, _)| TRANSITIONS.contains(&name.as_str()));
        let (Some((word, value)), None) = (given.next(), given.next()) else {
            self.note(at, DocumentProblem::OneOf(TRANSITIONS));
            return None;
        };
        let at = at.member(word);
        let transition = match word.as_str() {
            "enters" => self.test(value, &at, form).map(Transition::Enters),
            "leaves" => self.test(value, &at, form).map(Transition::Leaves),
            _ => self.changes(value, &at, form),
        };
        Some((attribute?, transition?))
    }

    fn changes(&mut self, value: &Value, at: &Place, form: Form) -> Option<Transition> {
        let map = self.object(value, at, &["from", "to"])?;
        let mut side = |name: &str| match map.get(name) {
            None => Some(None),
            Some(test) => self.test(test, &at.member(name), form).map(Some),
        };
        let (from, to) = (side("from"), side("to"));
        Some(Transition::Changes { from: from?, to: to? })
    }

    fn holding(
        &mut self,
        value: &Value,
        at: &Place,
        digested: &BTreeSet<AttributePath>,
    ) -> Option<Holding> {
        let map = self.object(value, at, &["attribute", "of", "holds"])?;
        let attribute = self.required(map, at, "attribute");
        let attribute = attribute.and_then(|path| self.attribute(path, &at.member("attribute")));
        let form = form(attribute.as_ref(), digested);
        let of = map.get("of").map_or(Some(Of::After), |of| self.of(of, &at.member("of")));
        let test = self.required(map, at, "holds");
        let test = test.and_then(|test| self.test(test, &at.member("holds"), form));
        Some(Holding { attribute: attribute?, of: of?, test: test? })
    }

    fn emit(
        &mut self,
        value: &Value,
        at: &Place,
        own: &[EventType],
        digested: &BTreeSet<AttributePath>,
    ) -> Option<Emit> {
        let map = self.object(value, at, &["event_type", "subject", "members", "reason"])?;
        let event_type = self.required(map, at, "event_type");
        let event_type =
            event_type.and_then(|value| self.event_type(value, &at.member("event_type"), own));
        let subject = self.required(map, at, "subject");
        let subject = subject.and_then(|value| self.subject(value, &at.member("subject")));
        let members = self.members(map, at);
        if let Some(subject) = &subject {
            self.refuse_digests(subject, &at.member("subject"), digested);
        }
        for (name, member) in members.iter().flatten() {
            self.refuse_digests(member, &member_place(at, name, map), digested);
        }
        let about = subject.as_ref().and_then(|it| probe::subject(it, &at.member("subject"), self));
        if let (Some(event_type), Some(members)) = (&event_type, &members) {
            let place = |name: &str| member_place(at, name, map);
            probe::event(event_type, members, place, at, about.as_ref(), self);
        }
        Some(Emit { event_type: event_type?, subject: subject?, members: members? })
    }

    /// The template of a subject, whose format is known whatever the identity is.
    fn subject(&mut self, value: &Value, at: &Place) -> Option<Template> {
        let format = self.any_object(value, at)?.get("format");
        if let Some(format) = format {
            self.text(format, &at.member("format"))?;
        }
        self.template(value, at)
    }

    /// The members of the event object; `reason` is the member `reason_admin` (CAEP 1.0 §2).
    fn members(&mut self, map: &Map<String, Value>, at: &Place) -> Option<Vec<(String, Template)>> {
        let mut read = Vec::new();
        if let Some(members) = map.get("members") {
            let at = at.member("members");
            for (name, member) in self.any_object(members, &at)? {
                let template = self.member_template(member, &at.member(name));
                read.push(template.map(|template| (name.clone(), template)));
            }
        }
        if let Some(reason) = map.get("reason") {
            let at = at.member("reason");
            if read.iter().flatten().any(|(name, _)| name == "reason_admin") {
                self.note(&at, DocumentProblem::ReasonTwice);
            }
            let template = self.any_object(reason, &at).and_then(|_| self.template(reason, &at));
            read.push(template.map(|template| ("reason_admin".to_owned(), template)));
        }
        read.into_iter().collect()
    }

    /// A type whose definition is known, or one the document declares as its own: a slip of the pen
    /// in a type would otherwise send events that nobody asked for.
    fn event_type(&mut self, value: &Value, at: &Place, own: &[EventType]) -> Option<EventType> {
        let event_type = self.id(value, at, |text| EventType::parse(text))?;
        if types::is_control(&event_type) {
            self.note(at, DocumentProblem::ControlEvent);
            return None;
        }
        let defined = types::caep_and_risc().contains(&event_type)
            || types::scim().contains(&event_type)
            || own.contains(&event_type);
        if !defined {
            self.note(at, DocumentProblem::UnknownEventType);
            return None;
        }
        Some(event_type)
    }

    /// A digest has no value that an event could hold.
    fn refuse_digests(
        &mut self,
        template: &Template,
        at: &Place,
        digested: &BTreeSet<AttributePath>,
    ) {
        let mut named = Vec::new();
        template.named(at, &mut named);
        for (place, _) in named.iter().filter(|(_, path)| digested.contains(*path)) {
            self.note(place, DocumentProblem::Digested);
        }
    }

    fn description(&mut self, map: &Map<String, Value>, at: &Place) {
        if let Some(description) = map.get("description") {
            self.text(description, &at.member("description"));
        }
    }

    /// A list that may be absent. All items are read, so that no mistake hides behind another.
    fn list<T>(
        &mut self,
        map: &Map<String, Value>,
        at: &Place,
        name: &str,
        mut item: impl FnMut(&mut Self, &Value, &Place) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(value) = map.get(name) else { return Some(Vec::new()) };
        let at = at.member(name);
        let items = self.array(value, &at)?.iter().enumerate();
        let read: Vec<_> =
            items.map(|(position, value)| item(self, value, &at.item(position))).collect();
        read.into_iter().collect()
    }
}

fn member_place(at: &Place, name: &str, map: &Map<String, Value>) -> Place {
    if name == "reason_admin" && map.contains_key("reason") {
        at.member("reason")
    } else {
        at.member("members").member(name)
    }
}

fn form(attribute: Option<&AttributePath>, digested: &BTreeSet<AttributePath>) -> Form {
    match attribute {
        Some(path) if digested.contains(path) => Form::Digest,
        _ => Form::Value,
    }
}

/// Every attribute that a condition names.
fn paths(list: &[Condition]) -> Vec<AttributePath> {
    let at = Place::default();
    let mut named = Vec::new();
    for condition in list {
        condition.emit.subject.named(&at, &mut named);
        for (_, member) in &condition.emit.members {
            member.named(&at, &mut named);
        }
    }
    let named = named.into_iter().map(|(_, path)| path);
    let watched = list.iter().flat_map(|condition| {
        let holding = condition.holding.iter().map(|holding| &holding.attribute);
        holding.chain([&condition.attribute])
    });
    let paths: BTreeSet<_> = named.chain(watched).cloned().collect();
    paths.into_iter().collect()
}
