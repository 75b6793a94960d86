//! Polling (RFC 8936 §2).

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::json::{self, Members};
use super::refusal::{InvalidRequest, Problem};
use crate::id::Jti;
use crate::outbox::{PollError, clean};

/// A poll request, checked as a whole: when any member is wrong, nothing is acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollRequest {
    /// SETs the receiver has (RFC 8936 §2.2 `ack`).
    pub acks: Vec<Jti>,
    /// SETs the receiver refuses (`setErrs`).
    pub errors: Vec<(Jti, PollError)>,
    /// The most SETs it wants; absent means no limit of its own (`maxEvents`).
    pub max_events: Option<usize>,
    /// Whether to wait for a SET when there is none (`returnImmediately`).
    pub wait: Wait,
}

/// Whether a poll waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// Until there is a SET or the time is over: the default (RFC 8936 §2.2).
    #[default]
    ForEvents,
    /// Not at all.
    Not,
}

/// The answer to a poll (RFC 8936 §2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollReply {
    /// The SETs.
    pub sets: Vec<(Jti, Arc<str>)>,
    /// Whether more could be handed out now.
    pub more: More,
}

/// Whether more SETs wait than a reply holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum More {
    /// None.
    #[default]
    None,
    /// Some.
    Available,
}

impl PollRequest {
    /// Reads a request body. Members it does not know are ignored (RFC 8936 §2.2 lets receivers
    /// and transmitters agree on more).
    ///
    /// # Errors
    /// [`InvalidRequest`] naming the member at fault.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidRequest> {
        let map = json::object(body)?;
        let members = Members::of(&map);
        let wait = match members.boolean("returnImmediately")? {
            Some(true) => Wait::Not,
            Some(false) | None => Wait::ForEvents,
        };
        Ok(Self {
            acks: acks(&members)?,
            errors: errors(&members)?,
            max_events: max_events(&members)?,
            wait,
        })
    }
}

fn max_events(members: &Members<'_>) -> Result<Option<usize>, InvalidRequest> {
    let Some(value) = members.get("maxEvents") else { return Ok(None) };
    let wrong = || members.fault("maxEvents", Problem::Type("an integer that is not negative"));
    let number = value.as_u64().ok_or_else(wrong)?;
    Ok(Some(usize::try_from(number).unwrap_or(usize::MAX)))
}

fn acks(members: &Members<'_>) -> Result<Vec<Jti>, InvalidRequest> {
    let texts = members.strings("ack", usize::MAX)?.unwrap_or_default();
    // What is no `jti` of ours names no SET of ours: ignored like any unknown one.
    Ok(texts.into_iter().filter_map(|(text, _)| Jti::parse(text).ok()).collect())
}

fn errors(members: &Members<'_>) -> Result<Vec<(Jti, PollError)>, InvalidRequest> {
    let Some(map) = members.object("setErrs")? else { return Ok(Vec::new()) };
    let mut errors = Vec::new();
    for (jti, value) in map {
        let path = format!("setErrs.{jti}");
        let Value::Object(error) = value else {
            return Err(InvalidRequest::new(path, Problem::Type("an object")));
        };
        let text = |name: &str| match error.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(clean(text))),
            Some(_) => {
                Err(InvalidRequest::new(format!("{path}.{name}"), Problem::Type("a string")))
            }
        };
        let missing = || InvalidRequest::new(format!("{path}.err"), Problem::Missing);
        let err = text("err")?.filter(|err| !err.is_empty()).ok_or_else(missing)?;
        let description = text("description")?;
        if let Ok(jti) = Jti::parse(jti) {
            errors.push((jti, PollError::new(err, description)));
        }
    }
    Ok(errors)
}

/// RFC 8936 §2.3: `sets` always, `moreAvailable` only when it says something.
impl Serialize for PollReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("sets", &Sets(&self.sets))?;
        if self.more == More::Available {
            map.serialize_entry("moreAvailable", &true)?;
        }
        map.end()
    }
}

struct Sets<'a>(&'a [(Jti, Arc<str>)]);

impl Serialize for Sets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(jti, token)| (jti, token.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<PollRequest, InvalidRequest> {
        PollRequest::parse(body.to_string().as_bytes())
    }

    fn jti(text: &str) -> Jti {
        Jti::parse(text).unwrap()
    }

    #[test]
    fn an_empty_object_is_a_long_poll_without_limit_rfc_8936_2_2() {
        assert_eq!(parse(&json!({})), Ok(PollRequest::default()));
        assert_eq!(PollRequest::default().wait, Wait::ForEvents);
    }

    #[test]
    fn all_members_are_read_and_others_ignored_rfc_8936_2_2() {
        let request = parse(&json!({
            "ack": ["a"],
            "setErrs": {"b": {"err": "invalid_key", "description": "no\u{7}kid"}},
            "maxEvents": 10,
            "returnImmediately": true,
            "timeoutSecs": 5
        }));
        let error = PollError::new("invalid_key".to_owned(), Some("no kid".to_owned()));
        let expected = PollRequest {
            acks: vec![jti("a")],
            errors: vec![(jti("b"), error)],
            max_events: Some(10),
            wait: Wait::Not,
        };
        assert_eq!(request, Ok(expected));
    }

    #[test]
    fn a_wrong_member_is_named_rfc_8936_2_2() {
        for (body, member) in [
            (json!({"maxEvents": -1}), "maxEvents"),
            (json!({"maxEvents": 1.5}), "maxEvents"),
            (json!({"maxEvents": "1"}), "maxEvents"),
            (json!({"maxEvents": null}), "maxEvents"),
            (json!({"returnImmediately": "yes"}), "returnImmediately"),
            (json!({"ack": "a"}), "ack"),
            (json!({"ack": ["a", 1]}), "ack[1]"),
            (json!({"setErrs": []}), "setErrs"),
            (json!({"setErrs": {"x": "invalid_key"}}), "setErrs.x"),
            (json!({"setErrs": {"x": {}}}), "setErrs.x.err"),
            (json!({"setErrs": {"x": {"err": 1}}}), "setErrs.x.err"),
            (json!({"setErrs": {"x": {"err": "e", "description": 1}}}), "setErrs.x.description"),
        ] {
            assert_eq!(parse(&body).map_err(|e| e.member), Err(member.to_owned()), "{body}");
        }
    }

    #[test]
    fn an_acknowledgement_that_is_no_jti_is_ignored() {
        assert_eq!(parse(&json!({"ack": [""]})).map(|r| r.acks), Ok(vec![]));
    }

    #[test]
    fn a_reply_has_sets_always_and_more_available_only_when_true_rfc_8936_2_3() {
        let empty = PollReply::default();
        assert_eq!(serde_json::to_string(&empty).unwrap(), r#"{"sets":{}}"#);
        let reply = PollReply { sets: vec![(jti("a"), "x.y.z".into())], more: More::Available };
        let expected = r#"{"sets":{"a":"x.y.z"},"moreAvailable":true}"#;
        assert_eq!(serde_json::to_string(&reply).unwrap(), expected);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = PollRequest::parse(&body);
        }
    }
}
