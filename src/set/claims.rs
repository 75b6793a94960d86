//! The claims of a SET.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::id::{Audience, EventType, Issuer, Jti, Txn};
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// The largest event, in bytes of its claims. Receivers cap what they read.
pub const MAX_EVENT_BYTES: usize = 64 * 1024;

/// What every SET of one event has in common: `iat`, `txn`, `sub_id` and `events`, serialised
/// once, when the event is emitted.
///
/// SSF 1.0 §4.1: exactly one event, `sub_id` always, never `sub`, never `exp`; there is no way to
/// put them in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetBody(Arc<str>);

/// Why an event cannot become a SET.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The event is larger than [`MAX_EVENT_BYTES`].
    #[error("event of {0} bytes is larger than 65536")]
    TooLarge(usize),
    /// The event could not be written as JSON.
    #[error("event is not JSON")]
    NotJson,
}

/// The shared claims, in the order the specifications list them.
#[derive(Serialize)]
struct Shared<'a> {
    iat: i64,
    txn: &'a Txn,
    sub_id: &'a Subject,
    events: OneEvent<'a>,
}

/// RFC 8417 §2.2 `events`, with the one member SSF 1.0 §4.1.7 asks for.
struct OneEvent<'a>(&'a EventType, &'a Map<String, Value>);

impl Serialize for OneEvent<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, self.1)])
    }
}

impl SetBody {
    /// Serialises the shared claims of an event.
    ///
    /// # Errors
    /// [`SetError::TooLarge`] when they exceed [`MAX_EVENT_BYTES`].
    pub fn new(
        iat: Timestamp,
        txn: &Txn,
        subject: &Subject,
        event_type: &EventType,
        members: &Map<String, Value>,
    ) -> Result<Self, SetError> {
        let events = OneEvent(event_type, members);
        let shared = Shared { iat: iat.as_seconds(), txn, sub_id: subject, events };
        let json = serde_json::to_string(&shared).map_err(|_| SetError::NotJson)?;
        if json.len() > MAX_EVENT_BYTES {
            return Err(SetError::TooLarge(json.len()));
        }
        Ok(Self(json.into()))
    }

    /// Takes a body back from where it was stored; `text` is what [`as_str`](Self::as_str) gave.
    #[must_use]
    pub fn from_stored(text: Arc<str>) -> Self {
        Self(text)
    }

    /// The claims as a JSON object.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Writes the whole claims of one SET: those of its stream, its own `jti`, and the shared ones.
    pub(super) fn write(&self, iss: &Issuer, jti: &Jti, aud: &Audience, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"iss\":");
        write_string(iss.as_str(), out);
        out.extend_from_slice(b",\"jti\":");
        write_string(jti.as_str(), out);
        out.extend_from_slice(b",\"aud\":");
        write_string(aud.as_str(), out);
        out.push(b',');
        // The shared claims are an object with members: what follows its brace continues ours.
        out.extend_from_slice(self.0.as_bytes().get(1..).unwrap_or_default());
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string to a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::types;

    fn claims(members: Value) -> Value {
        let subject = Subject::parse(&json!({"format": "opaque", "id": "s-1"})).unwrap();
        let Value::Object(members) = members else { panic!("members are an object") };
        let txn = Txn::parse("txn-1").unwrap();
        let iat = Timestamp::from_millis(1_795_000_000_999);
        let body = SetBody::new(iat, &txn, &subject, &types::session_revoked(), &members).unwrap();
        let mut out = Vec::new();
        body.write(
            &Issuer::parse("https://tr.example.com/t1").unwrap(),
            &Jti::parse("j-1").unwrap(),
            &Audience::parse("https://rp.example.net/\"q\"").unwrap(),
            &mut out,
        );
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_set_has_exactly_the_claims_of_ssf_1_0_4_1() {
        let expected = json!({
            "iss": "https://tr.example.com/t1",
            "jti": "j-1",
            "aud": "https://rp.example.net/\"q\"",
            "iat": 1_795_000_000,
            "txn": "txn-1",
            "sub_id": {"format": "opaque", "id": "s-1"},
            "events": {
                "https://schemas.openid.net/secevent/caep/event-type/session-revoked":
                    {"reason_admin": {"en": "x"}}
            }
        });
        assert_eq!(claims(json!({"reason_admin": {"en": "x"}})), expected);
    }

    #[test]
    fn iat_is_an_integer_rounded_down_rfc_7519_4_1_6() {
        assert_eq!(claims(json!({}))["iat"].as_i64(), Some(1_795_000_000));
    }

    #[test]
    fn an_event_without_members_is_an_empty_object_rfc_8417_2_2() {
        let events = &claims(json!({}))["events"];
        assert_eq!(events[types::session_revoked().as_str()], json!({}));
    }

    #[test]
    fn an_event_over_64_kib_is_refused() {
        let subject = Subject::parse(&json!({"format": "opaque", "id": "s-1"})).unwrap();
        let mut members = Map::new();
        members.insert("x".to_owned(), "y".repeat(MAX_EVENT_BYTES).into());
        let txn = Txn::parse("t").unwrap();
        let body =
            SetBody::new(Timestamp::default(), &txn, &subject, &types::session_revoked(), &members);
        assert!(matches!(body, Err(SetError::TooLarge(size)) if size > MAX_EVENT_BYTES));
    }
}
