//! Reading and changing the status of a stream (SSF 1.0 §8.1.2).

use serde::Serialize;

use super::json::{self, Members};
use super::profile::{Profile, UnsetReason};
use super::refusal::{Problem, Refusal};
use super::stream::required_stream_id;
use crate::id::StreamId;
use crate::stream::{StatusSetBy, StreamRecord, StreamStatus};
use crate::timestamp::Timestamp;

/// A request to change the status of a stream (SSF 1.0 §8.1.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusRequest {
    /// The stream.
    pub stream_id: StreamId,
    /// The status it is to have.
    pub status: StreamStatus,
    /// Why.
    pub reason: Option<String>,
}

/// The status of a stream, as both status calls answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatusView {
    /// The stream.
    pub stream_id: StreamId,
    /// Its status.
    pub status: StreamStatus,
    /// Why it has that status, when somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The longest reason, in characters.
const MOST_REASON: usize = 1024;

impl StatusRequest {
    /// A change of that stream to that status.
    #[must_use]
    pub const fn new(stream_id: StreamId, status: StreamStatus, reason: Option<String>) -> Self {
        Self { stream_id, status, reason }
    }

    /// Reads a request body.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming the member at fault, or [`Refusal::UnknownStream`].
    pub fn parse(body: &[u8], profile: &Profile) -> Result<Self, Refusal> {
        let map = json::object(body)?;
        let members = Members::of(&map);
        members.only(profile, &[&["stream_id", "status", "reason"]])?;
        let status = match members.required_string("status")? {
            "enabled" => StreamStatus::Enabled,
            "paused" => StreamStatus::Paused,
            "disabled" => StreamStatus::Disabled,
            _ => {
                let problem = Problem::OneOf("`enabled`, `paused`, `disabled`");
                return Err(members.fault("status", problem).into());
            }
        };
        let reason = members.string("reason")?;
        if reason.is_some_and(|reason| reason.chars().count() > MOST_REASON) {
            return Err(members.fault("reason", Problem::TooLong(MOST_REASON)).into());
        }
        let reason = reason.map(str::to_owned);
        Ok(Self { status, reason, stream_id: required_stream_id(&members)? })
    }
}

impl StatusView {
    /// The status of a stream.
    #[must_use]
    pub fn of(record: &StreamRecord, profile: &Profile) -> Self {
        let unset = match profile.unset_reason {
            UnsetReason::Absent => None,
            UnsetReason::Empty => Some(String::new()),
        };
        Self {
            stream_id: record.stream_id.clone(),
            status: record.status,
            reason: record.whole_reason().or(unset),
        }
    }
}

/// The record with a new status. A stop raises the generation, so that deliveries under way end.
///
/// # Errors
/// [`Refusal::Suspended`] when a receiver changes what the operator decided.
pub fn change_status(
    mut record: StreamRecord,
    status: StreamStatus,
    reason: Option<String>,
    set_by: StatusSetBy,
    now: Timestamp,
) -> Result<StreamRecord, Refusal> {
    if record.status_set_by == StatusSetBy::Suspension && set_by == StatusSetBy::Receiver {
        return Err(Refusal::Suspended);
    }
    if record.status == StreamStatus::Enabled && status != StreamStatus::Enabled {
        record.generation += 1;
    }
    record.status = status;
    record.reason = reason;
    record.held_exceeded = None;
    record.status_set_by = set_by;
    record.updated_at = now;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::stream::tests::record;
    use super::*;

    fn parse(body: &Value) -> Result<StatusRequest, Refusal> {
        StatusRequest::parse(body.to_string().as_bytes(), &Profile::ssf())
    }

    #[test]
    fn the_three_statuses_are_read_ssf_1_0_8_1_2_3() {
        for status in [StreamStatus::Enabled, StreamStatus::Paused, StreamStatus::Disabled] {
            let body = json!({"stream_id": "s", "status": status.as_str(), "reason": "why"});
            let request = parse(&body).unwrap();
            assert_eq!((request.status, request.reason.as_deref()), (status, Some("why")));
        }
    }

    #[test]
    fn a_wrong_member_is_named() {
        for (body, member) in [
            (json!({"status": "paused"}), "stream_id"),
            (json!({"stream_id": "s"}), "status"),
            (json!({"stream_id": "s", "status": "Paused"}), "status"),
            (json!({"stream_id": "s", "status": true}), "status"),
            (json!({"stream_id": "s", "status": "paused", "reason": 1}), "reason"),
        ] {
            let Err(Refusal::Invalid(invalid)) = parse(&body) else { panic!("{body}") };
            assert_eq!(invalid.member, member, "{body}");
        }
    }

    #[test]
    fn a_reason_that_was_never_given_looks_as_the_profile_says() {
        let shown = |profile: &Profile, record: &StreamRecord| {
            serde_json::to_value(StatusView::of(record, profile)).unwrap()
        };
        let never = record();
        let expected = json!({"stream_id": "s-1", "status": "enabled"});
        assert_eq!(shown(&Profile::ssf(), &never), expected);
        let expected = json!({"stream_id": "s-1", "status": "enabled", "reason": ""});
        assert_eq!(shown(&Profile::sailpoint(), &never), expected);
        let mut given = never;
        given.reason = Some("why".to_owned());
        assert_eq!(shown(&Profile::ssf(), &given), shown(&Profile::sailpoint(), &given));
    }

    #[test]
    fn a_stop_raises_the_generation_and_a_start_does_not() {
        let change = |record, status| {
            change_status(record, status, None, StatusSetBy::Receiver, Timestamp::default())
        };
        let paused = change(record(), StreamStatus::Paused).unwrap();
        assert_eq!(paused.generation, 2);
        assert_eq!(change(paused, StreamStatus::Enabled).unwrap().generation, 2);
    }

    #[test]
    fn a_receiver_cannot_lift_a_suspension() {
        let now = Timestamp::default();
        let suspended =
            change_status(record(), StreamStatus::Paused, None, StatusSetBy::Suspension, now)
                .unwrap();
        let lifted =
            change_status(suspended, StreamStatus::Enabled, None, StatusSetBy::Receiver, now);
        assert_eq!(lifted.map(|r| r.status), Err(Refusal::Suspended));
    }
}
