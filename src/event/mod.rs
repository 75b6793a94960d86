//! Events: what happened, to whom.
//!
//! An [`Event`] is made of a typed event ([`caep`], [`risc`], [`scim`], or a type of the host's own
//! that implements [`EventKind`]) by [`Event::of`], or of a type and members by [`Event::new`]. On
//! emission both pass the same [`check`].

pub mod caep;
mod define;
mod error;
mod kind;
mod member;
pub mod risc;
pub mod scim;
pub mod ssf;
pub mod types;
mod value;

pub use error::{EventError, EventProblem};
pub use kind::{EventKind, check};
pub use member::OtherWord;
pub use value::{Claims, EventTimestamp, LocalizedText};

use serde_json::{Map, Value};

use crate::id::{EventType, IdempotencyKey, OrderKey, Txn};
use crate::subject::Subject;

/// Something that happened to a subject, ready to be emitted.
///
/// One event becomes one SET per interested stream, each under its own `jti`, all with the same
/// `txn` (SSF 1.0 §4.1).
///
/// ```
/// use serde_json::json;
/// use ssf_transmitter::event::caep::SessionRevoked;
/// use ssf_transmitter::event::{Event, LocalizedText, types};
/// use ssf_transmitter::subject::SimpleSubject;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let subject = SimpleSubject::email("user@example.com")?;
/// let reason = LocalizedText::new("en", "left the company")?;
/// let typed = Event::of(&SessionRevoked::new(reason), subject.clone())?;
///
/// let plain = Event::new(types::session_revoked(), subject)
///     .with_member("reason_admin", json!({"en": "left the company"}));
/// assert_eq!(typed.members(), plain.members());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Event {
    event_type: EventType,
    subject: Subject,
    members: Map<String, Value>,
    txn: Option<Txn>,
    order_key: Option<OrderKey>,
    idempotency_key: Option<IdempotencyKey>,
}

impl Event {
    /// A typed event about that subject.
    ///
    /// # Errors
    /// When an event of this type cannot be about that subject, or the members a host's own type
    /// gives break the definition of a known type.
    pub fn of(kind: &impl EventKind, subject: impl Into<Subject>) -> Result<Self, EventError> {
        let event = Self::new(kind.event_type(), subject).with_members(kind.members());
        kind.check_subject(&event.subject)?;
        check(&event.event_type, &event.members, &event.subject)?;
        Ok(event)
    }

    /// An event of that type about that subject, with no members yet. Emission checks it.
    #[must_use]
    pub fn new(event_type: EventType, subject: impl Into<Subject>) -> Self {
        Self {
            event_type,
            subject: subject.into(),
            members: Map::new(),
            txn: None,
            order_key: None,
            idempotency_key: None,
        }
    }

    /// Sets one member of the event object.
    #[must_use]
    pub fn with_member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.members.insert(name.into(), value.into());
        self
    }

    /// Replaces all members of the event object.
    #[must_use]
    pub fn with_members(mut self, members: Map<String, Value>) -> Self {
        self.members = members;
        self
    }

    /// Names the transaction this event belongs to; without it the transmitter makes one
    /// (SSF 1.0 §4.1.9).
    #[must_use]
    pub fn with_txn(mut self, txn: Txn) -> Self {
        self.txn = Some(txn);
        self
    }

    /// Names what this event must keep its order with, such as the host's own account id; without
    /// it the subject decides.
    #[must_use]
    pub fn with_order_key(mut self, key: OrderKey) -> Self {
        self.order_key = Some(key);
        self
    }

    /// Makes a repetition under the same key return the result of the first emission.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: IdempotencyKey) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// The type.
    #[must_use]
    pub const fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// What the event is about.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The members of the event object.
    #[must_use]
    pub const fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The transaction, when the host named one.
    #[must_use]
    pub const fn txn(&self) -> Option<&Txn> {
        self.txn.as_ref()
    }

    /// The order key, when the host named one.
    #[must_use]
    pub const fn order_key(&self) -> Option<&OrderKey> {
        self.order_key.as_ref()
    }

    /// The idempotency key, when the host named one.
    #[must_use]
    pub const fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }
}
