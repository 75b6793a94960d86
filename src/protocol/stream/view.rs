//! A stream as its receiver sees it (SSF 1.0 §8.1.1).

use std::time::Duration;

use serde::Serialize;

use crate::id::{Audience, EventType, Issuer, StreamId};
use crate::protocol::paths::{Endpoint, Paths};
use crate::protocol::profile::{Profile, UpdateTime};
use crate::stream::{Delivery, StreamRecord};
use crate::timestamp::whole_seconds;

/// What the transmitter adds to a record to make it the configuration a receiver sees.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StreamContext<'a> {
    /// How streams are shown.
    pub profile: &'a Profile,
    /// Where poll endpoints are.
    pub paths: &'a Paths,
    /// The event types this receiver may have.
    pub events_supported: &'a [EventType],
    /// After how long without activity a stream is paused.
    pub inactivity_timeout: Option<Duration>,
}

impl<'a> StreamContext<'a> {
    /// The context of a stream.
    #[must_use]
    pub const fn new(
        profile: &'a Profile,
        paths: &'a Paths,
        events_supported: &'a [EventType],
        inactivity_timeout: Option<Duration>,
    ) -> Self {
        Self { profile, paths, events_supported, inactivity_timeout }
    }

    /// The event types a stream delivers: those asked for that are supported; all supported ones
    /// when none were asked for (SSF 1.0 §8.1.1 `events_delivered`).
    #[must_use]
    pub fn delivered(&self, requested: Option<&[EventType]>) -> Vec<EventType> {
        let supported = self.events_supported.iter();
        match requested {
            None => supported.cloned().collect(),
            Some(wanted) => {
                supported.filter(|supported| wanted.contains(supported)).cloned().collect()
            }
        }
    }
}

/// The configuration of a stream, as every call that answers it shows it. There is no member for
/// `authorization_header`: the secret cannot come out.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StreamView {
    /// The stream.
    pub stream_id: StreamId,
    /// The issuer of its SETs.
    pub iss: Issuer,
    /// Their audience.
    pub aud: Audience,
    /// How they travel.
    pub delivery: DeliveryView,
    /// The event types this receiver may have.
    pub events_supported: Vec<EventType>,
    /// Those it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_requested: Option<Vec<EventType>>,
    /// Those it gets.
    pub events_delivered: Vec<EventType>,
    /// The least time between two requests for verification, in seconds.
    pub min_verification_interval: u64,
    /// After how many seconds without activity the stream is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactivity_timeout: Option<u64>,
    /// The receiver's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was changed (RFC 3339), in answers to a change and where the profile says so.
    #[serde(rename = "updatedAt", skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

/// The delivery of a stream, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeliveryView {
    /// The method URI.
    pub method: &'static str,
    /// Where SETs are pushed to or polled from.
    pub endpoint_url: String,
}

impl StreamView {
    /// The configuration of a stream.
    #[must_use]
    pub fn of(record: &StreamRecord, context: &StreamContext<'_>) -> Self {
        Self {
            stream_id: record.stream_id.clone(),
            iss: record.issuer.clone(),
            aud: record.audience.clone(),
            delivery: DeliveryView::of(record, context.paths),
            events_supported: context.events_supported.to_vec(),
            events_requested: record.events_requested.clone(),
            events_delivered: record.events_delivered.clone(),
            min_verification_interval: seconds(context.profile.min_verification_interval),
            inactivity_timeout: context.inactivity_timeout.map(seconds),
            description: record.description.clone(),
            updated_at: None,
        }
    }

    /// The configuration of a stream as the answer to a change shows it.
    #[must_use]
    pub fn of_changed(record: &StreamRecord, context: &StreamContext<'_>) -> Self {
        let updated_at = match context.profile.update_time {
            UpdateTime::Hidden => None,
            UpdateTime::AfterChanges => Some(record.updated_at.to_string()),
        };
        Self { updated_at, ..Self::of(record, context) }
    }
}

impl DeliveryView {
    /// The delivery of a stream.
    #[must_use]
    pub fn of(record: &StreamRecord, paths: &Paths) -> Self {
        let endpoint_url = match &record.delivery {
            Delivery::Push(push) => push.endpoint.as_str().to_owned(),
            // Where polling ended there is none to tell.
            Delivery::Poll => {
                paths.url(&Endpoint::Poll(Some(record.stream_id.clone()))).unwrap_or_default()
            }
        };
        Self { method: record.delivery.method(), endpoint_url }
    }
}

fn seconds(duration: Duration) -> u64 {
    whole_seconds(duration).as_secs()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::record;
    use super::*;
    use crate::event::types;
    use crate::stream::{AuthorizationHeader, EndpointUrl, PushDelivery};

    #[test]
    fn a_configuration_has_the_members_of_ssf_1_0_8_1_1() {
        let interval = Duration::from_millis(500);
        let profile = Profile { min_verification_interval: interval, ..Profile::ssf() };
        let paths = Paths::new(&record().issuer, &profile);
        let supported = [types::session_revoked()];
        let context = StreamContext::new(&profile, &paths, &supported, Some(interval * 4));
        let mut stream = record();
        stream.events_delivered = context.delivered(None);
        let expected = json!({
            "stream_id": "s-1",
            "iss": "https://tr.example.com",
            "aud": "https://rp.example.net",
            "delivery": {
                "method": "urn:ietf:rfc:8936",
                "endpoint_url": "https://tr.example.com/ssf/poll/s-1"
            },
            "events_supported": [types::session_revoked()],
            "events_delivered": [types::session_revoked()],
            "min_verification_interval": 1,
            "inactivity_timeout": 2
        });
        assert_eq!(serde_json::to_value(StreamView::of(&stream, &context)).unwrap(), expected);
        let changed = StreamView::of_changed(&stream, &context);
        assert_eq!(serde_json::to_value(changed).unwrap(), expected);
    }

    #[test]
    fn an_answer_to_a_change_tells_its_time_where_the_profile_says_so_rfc_3339() {
        let profile = Profile::sailpoint();
        let paths = Paths::new(&record().issuer, &profile);
        let context = StreamContext::new(&profile, &paths, &[], None);
        let changed = StreamView::of_changed(&record(), &context);
        assert_eq!(changed.updated_at.as_deref(), Some("1970-01-01T00:16:40Z"));
        assert_eq!(StreamView::of(&record(), &context).updated_at, None);
    }

    #[test]
    fn what_is_delivered_is_what_is_both_supported_and_requested() {
        let profile = Profile::ssf();
        let paths = Paths::new(&record().issuer, &profile);
        let supported = [types::session_revoked(), types::credential_change()];
        let context = StreamContext::new(&profile, &paths, &supported, None);
        assert_eq!(context.delivered(None), supported);
        assert_eq!(context.delivered(Some(&[])), []);
        let unknown = EventType::parse("urn:example:unknown").unwrap();
        let wanted = [unknown, types::credential_change()];
        assert_eq!(context.delivered(Some(&wanted)), [types::credential_change()]);
    }

    #[test]
    fn the_secret_never_comes_out() {
        let profile = Profile::ssf();
        let paths = Paths::new(&record().issuer, &profile);
        let context = StreamContext::new(&profile, &paths, &[], None);
        let mut stream = record();
        stream.delivery = Delivery::Push(PushDelivery::new(
            EndpointUrl::parse("https://rp.example.net/e").unwrap(),
            Some(AuthorizationHeader::parse("Bearer s3cret").unwrap()),
        ));
        let view = StreamView::of(&stream, &context);
        let shown = format!("{} {view:?} {stream:?}", serde_json::to_string(&view).unwrap());
        assert!(!shown.contains("s3cret"));
    }
}
