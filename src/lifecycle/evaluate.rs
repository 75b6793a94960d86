//! From a change to the events it means.

use serde_json::{Map, Value};

use super::AttributePath;
use super::condition::{Condition, Conditions, Transition};
use super::snapshot::{Kept, Snapshot};
use super::template::{Of, Sides, TemplateError};
use super::test::Watched;
use crate::event::{Event, check};
use crate::id::{ConditionName, IdentityId, OrderKey};
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// What a condition that fired comes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Planned {
    /// The condition.
    pub condition: ConditionName,
    /// The event, checked against the definition of its type; its order key is the identity. Or why
    /// there is none: the change must not be lost, so keep it.
    pub event: Result<Event, TemplateError>,
}

/// The events that a change means, in the order of the conditions. `now` is the time of the
/// evaluation.
///
/// A condition fires on entering its state: with the same snapshot on both sides nothing fires. It
/// is silent where the earlier value is unknown.
#[must_use]
pub fn evaluate(
    conditions: &Conditions,
    identity: &IdentityId,
    before: &Snapshot,
    after: &Snapshot,
    now: Timestamp,
) -> Vec<Planned> {
    let change = Change { conditions, identity, sides: Sides { before, after, now } };
    let fired = conditions.list.iter().filter(|condition| change.fires(condition));
    fired.map(|condition| change.plan(condition)).collect()
}

/// The event of one condition, whether it fires or not: to try again what a template could not do.
/// `None`: there is no such condition any more.
#[must_use]
pub fn plan(
    conditions: &Conditions,
    name: &ConditionName,
    identity: &IdentityId,
    before: &Snapshot,
    after: &Snapshot,
    now: Timestamp,
) -> Option<Planned> {
    let change = Change { conditions, identity, sides: Sides { before, after, now } };
    let condition = conditions.list.iter().find(|condition| condition.name == *name);
    condition.map(|condition| change.plan(condition))
}

/// One change of one identity.
#[derive(Clone, Copy, Debug)]
struct Change<'a> {
    conditions: &'a Conditions,
    identity: &'a IdentityId,
    sides: Sides<'a>,
}

impl Change<'_> {
    fn fires(&self, condition: &Condition) -> bool {
        let path = &condition.attribute;
        let (Some(before), Some(after)) =
            (self.known(path, Of::Before), self.known(path, Of::After))
        else {
            return false;
        };
        if before.same(after) {
            return false;
        }
        let holds = |test: &super::test::Test, kept| test.holds(kept, self.watched(path));
        let moved = match &condition.transition {
            Transition::Enters(test) => !holds(test, before) && holds(test, after),
            Transition::Leaves(test) => holds(test, before) && !holds(test, after),
            Transition::Changes { from, to } => {
                from.as_ref().is_none_or(|test| holds(test, before))
                    && to.as_ref().is_none_or(|test| holds(test, after))
            }
        };
        moved && self.concerns(condition) && self.all_hold(condition)
    }

    /// Whether the condition is for identities of this profile.
    fn concerns(&self, condition: &Condition) -> bool {
        let profile = self.sides.after.profile();
        condition.profile.as_ref().is_none_or(|wanted| profile == Some(wanted))
    }

    fn all_hold(&self, condition: &Condition) -> bool {
        condition.holding.iter().all(|holding| {
            let path = &holding.attribute;
            let kept = self.known(path, holding.of);
            kept.is_some_and(|kept| holding.test.holds(kept, self.watched(path)))
        })
    }

    /// What is known of an attribute. A digest under another key says nothing.
    fn known(&self, path: &AttributePath, of: Of) -> Option<&Kept> {
        let kept = self.sides.kept(path, of)?;
        match (kept, self.sides.after.get(path)) {
            (Kept::Digest(digest), Some(Kept::Digest(now))) if !digest.same_key(now) => None,
            _ => Some(kept),
        }
    }

    fn watched<'a>(&'a self, path: &'a AttributePath) -> Watched<'a> {
        Watched { identity: self.identity, path, key: self.conditions.key.as_ref() }
    }

    fn plan(&self, condition: &Condition) -> Planned {
        Planned { condition: condition.name.clone(), event: self.event(condition) }
    }

    fn event(&self, condition: &Condition) -> Result<Event, TemplateError> {
        let emit = &condition.emit;
        let mut subject = emit.subject.render(&self.sides)?.unwrap_or_default();
        drop_repeated_aliases(&mut subject);
        let subject = Subject::parse(&subject).map_err(TemplateError::Subject)?;
        let mut members = Map::<String, Value>::new();
        for (name, template) in &emit.members {
            if let Some(value) = template.render(&self.sides)? {
                members.insert(name.clone(), value);
            }
        }
        check(&emit.event_type, &members, &subject).map_err(TemplateError::Event)?;
        Ok(Event::new(emit.event_type.clone(), subject)
            .with_members(members)
            .with_order_key(OrderKey::from(self.identity)))
    }
}

/// Attributes that have the same value give one identifier, not two (RFC 9493 §3.2.8).
fn drop_repeated_aliases(subject: &mut Value) {
    if subject.get("format").is_some_and(|format| format == "aliases")
        && let Some(Value::Array(identifiers)) = subject.get_mut("identifiers")
    {
        let mut kept: Vec<Value> = Vec::new();
        identifiers.retain(|identifier| {
            let is_new = !kept.contains(identifier);
            kept.push(identifier.clone());
            is_new
        });
    }
}
