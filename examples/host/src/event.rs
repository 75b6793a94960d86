//! Events as the operator writes them, and how a body is read so that every fault names its member.

use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use ssf_transmitter::event::Event;
use ssf_transmitter::id::{EventType, IdempotencyKey, OrderKey, Txn};
use ssf_transmitter::protocol::json_object;
use ssf_transmitter::subject::Subject;

use crate::admin::Refused;

/// The members of a body, taken one by one. `null` is like absent.
pub(crate) struct Members(Map<String, Value>);

impl Members {
    /// Reads a body as strictly as a receiver's: of two members of one name none is taken.
    pub(crate) fn of(body: &[u8]) -> Result<Self, Refused> {
        Ok(Self(json_object(body).map_err(Refused::bad)?))
    }

    /// Gives a member that is not there a value.
    pub(crate) fn default(&mut self, name: &str, value: Value) {
        self.0.entry(name).or_insert(value);
    }

    /// Takes a member.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Refused> {
        let value = self.0.remove(name).unwrap_or_default();
        serde_json::from_value(value).map_err(|error| Refused::bad(format!("{name}: {error}")))
    }

    /// Takes a member that must be there.
    pub(crate) fn require<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Refused> {
        self.take(name)?.ok_or_else(|| Refused::bad(format!("{name}: is required")))
    }

    /// Refuses what was not taken.
    pub(crate) fn end(self) -> Result<(), Refused> {
        match self.0.keys().next() {
            Some(name) => Err(Refused::bad(format!("{name}: has no meaning here"))),
            None => Ok(()),
        }
    }
}

/// Takes an event: `subject`, `event_type`, `event`, and if they are there `txn` and `order_key`; the
/// idempotency key is in the header.
pub(crate) fn take(members: &mut Members, headers: &HeaderMap) -> Result<Event, Refused> {
    let about = subject("subject", &members.require("subject")?)?;
    let event_type: EventType = members.require("event_type")?;
    let mut event = Event::new(event_type, about).with_members(members.require("event")?);
    if let Some(txn) = members.take::<Txn>("txn")? {
        event = event.with_txn(txn);
    }
    if let Some(key) = members.take::<OrderKey>("order_key")? {
        event = event.with_order_key(key);
    }
    if let Some(key) = headers.get("idempotency-key") {
        let key = key.to_str().ok().and_then(|key| IdempotencyKey::parse(key).ok());
        let key = key.ok_or_else(|| Refused::bad("Idempotency-Key: is not a key"))?;
        event = event.with_idempotency_key(key);
    }
    Ok(event)
}

/// Reads a subject that stands under that name.
pub(crate) fn subject(name: &str, value: &Value) -> Result<Subject, Refused> {
    Subject::parse(value).map_err(|error| Refused::bad(format!("{name}: {error}")))
}
