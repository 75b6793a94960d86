//! The record of a stream: JSON, and its secret in a column of its own.

use serde::{Deserialize, Serialize};

use super::{from_json, to_json, unreadable};
use crate::id::{Audience, ClientId, EventType, Issuer, Owner, StreamId, TenantId};
use crate::secret::Secret;
use crate::store::StoreError;
use crate::stream::{
    DefaultSubjects, Delivery, EndpointUrl, HeldExceeded, HeldLimit, PushDelivery, StatusSetBy,
    StoredAuthorization, StreamRecord, StreamStatus,
};
use crate::timestamp::Timestamp;

/// A record without its issuer and its secret.
#[derive(Serialize, Deserialize)]
struct Stored {
    stream_id: StreamId,
    tenant: TenantId,
    client: ClientId,
    audience: Audience,
    /// Where to push; absent: it is polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    events_requested: Option<Vec<EventType>>,
    events_delivered: Vec<EventType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    default_subjects: Beginning,
    status: StreamStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Which limit it exceeds, and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_exceeded: Option<(HeldLimit, i64)>,
    status_set_by: StatusSetBy,
    generation: u64,
    version: u64,
    created_at: i64,
    updated_at: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Beginning {
    All,
    None,
}

/// A record as JSON, without its secret.
pub(in super::super) fn record_text(record: &StreamRecord) -> Result<String, StoreError> {
    let stored = Stored {
        stream_id: record.stream_id.clone(),
        tenant: record.owner.tenant.clone(),
        client: record.owner.client.clone(),
        audience: record.audience.clone(),
        endpoint: match &record.delivery {
            Delivery::Push(push) => Some(push.endpoint.as_str().to_owned()),
            Delivery::Poll => None,
        },
        events_requested: record.events_requested.clone(),
        events_delivered: record.events_delivered.clone(),
        description: record.description.clone(),
        default_subjects: match record.default_subjects {
            DefaultSubjects::All => Beginning::All,
            DefaultSubjects::None => Beginning::None,
        },
        status: record.status,
        reason: record.reason.clone(),
        held_exceeded: record.held_exceeded.map(|held| (held.limit, held.since.as_millis())),
        status_set_by: record.status_set_by,
        generation: record.generation,
        version: record.version,
        created_at: record.created_at.as_millis(),
        updated_at: record.updated_at.as_millis(),
    };
    to_json(&stored, "a stream")
}

/// The secret of a record, if it has one, as its column holds it.
pub(in super::super) fn secret_text(record: &StreamRecord) -> Option<Secret> {
    match &record.delivery {
        Delivery::Push(push) => push.authorization.as_ref().map(StoredAuthorization::to_text),
        Delivery::Poll => None,
    }
}

/// The record that was written as that JSON and that secret.
pub(in super::super) fn record(
    issuer: &Issuer,
    text: &str,
    secret: Option<&str>,
) -> Result<StreamRecord, StoreError> {
    let stored: Stored = from_json(text, "a stream")?;
    Ok(StreamRecord {
        issuer: issuer.clone(),
        owner: Owner::new(stored.tenant, stored.client),
        stream_id: stored.stream_id,
        audience: stored.audience,
        delivery: match stored.endpoint {
            Some(endpoint) => push(&endpoint, secret)?,
            None => Delivery::Poll,
        },
        events_requested: stored.events_requested,
        events_delivered: stored.events_delivered,
        description: stored.description,
        default_subjects: match stored.default_subjects {
            Beginning::All => DefaultSubjects::All,
            Beginning::None => DefaultSubjects::None,
        },
        status: stored.status,
        reason: stored.reason,
        held_exceeded: stored
            .held_exceeded
            .map(|(limit, since)| HeldExceeded::new(limit, Timestamp::from_millis(since))),
        status_set_by: stored.status_set_by,
        generation: stored.generation,
        version: stored.version,
        created_at: Timestamp::from_millis(stored.created_at),
        updated_at: Timestamp::from_millis(stored.updated_at),
    })
}

/// Who gave a stream its status, as columns hold it.
pub(in super::super) const fn set_by_word(set_by: StatusSetBy) -> &'static str {
    match set_by {
        StatusSetBy::Receiver => "receiver",
        StatusSetBy::Transmitter => "transmitter",
        StatusSetBy::Suspension => "suspension",
    }
}

/// The host that a stream is pushed to; empty: it is polled.
pub(in super::super) fn host(delivery: &Delivery) -> &str {
    match delivery {
        Delivery::Push(push) => push.endpoint.host(),
        Delivery::Poll => "",
    }
}

fn push(endpoint: &str, secret: Option<&str>) -> Result<Delivery, StoreError> {
    let endpoint = EndpointUrl::parse(endpoint).map_err(|_| unreadable("an endpoint"))?;
    let kept = secret.map(StoredAuthorization::parse).transpose();
    let kept = kept.map_err(|_| unreadable("a secret"))?;
    Ok(Delivery::Push(PushDelivery::stored(endpoint, kept)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stream::{AuthorizationHeader, SealedSecret};

    const ISSUER: &str = "https://tr.example.com";

    fn delivery() -> impl Strategy<Value = Delivery> {
        let endpoint = || EndpointUrl::parse("https://rp.example.com/e?cap=1").unwrap();
        let kept = prop_oneof![
            Just(None),
            "[!-~]{1,40}".prop_map(|text| Some(AuthorizationHeader::parse(&text).unwrap().into())),
            "[ -~]{1,40}".prop_map(|text| {
                Some(StoredAuthorization::Sealed(SealedSecret::parse(&text).unwrap()))
            }),
        ];
        prop_oneof![
            Just(Delivery::Poll),
            kept.prop_map(move |kept| Delivery::Push(PushDelivery::stored(endpoint(), kept))),
        ]
    }

    fn types() -> impl Strategy<Value = Vec<EventType>> {
        let event_type = "[a-z]{1,8}".prop_map(|name| {
            EventType::parse(format!("https://schemas.example.com/{name}")).unwrap()
        });
        prop::collection::vec(event_type, 0..4)
    }

    prop_compose! {
        /// Records with everything odd that the types allow.
        fn any_record()(
            id in "[A-Za-z0-9._~-]{1,40}",
            tenant in "[^\\p{C}]{1,20}",
            client in "[^\\p{C}]{1,20}",
            delivery in delivery(),
            requested in prop::option::of(types()),
            delivered in types(),
            description in prop::option::of(any::<String>()),
            reason in prop::option::of(any::<String>()),
            all in any::<bool>(),
            exceeded in prop::option::of(any::<i64>()),
            status in prop_oneof![
                Just(StreamStatus::Enabled), Just(StreamStatus::Paused), Just(StreamStatus::Disabled)
            ],
            set_by in prop_oneof![
                Just(StatusSetBy::Receiver),
                Just(StatusSetBy::Transmitter),
                Just(StatusSetBy::Suspension)
            ],
            numbers in any::<(u64, u64, i64, i64)>(),
        ) -> StreamRecord {
            let (generation, version, created_at, updated_at) = numbers;
            let owner =
                Owner::new(TenantId::parse(tenant).unwrap(), ClientId::parse(client).unwrap());
            StreamRecord {
                events_requested: requested,
                events_delivered: delivered,
                description,
                default_subjects: if all { DefaultSubjects::All } else { DefaultSubjects::None },
                status,
                reason,
                held_exceeded: exceeded.map(|since| {
                    HeldExceeded::new(HeldLimit::Bytes, Timestamp::from_millis(since))
                }),
                status_set_by: set_by,
                generation,
                version,
                updated_at: Timestamp::from_millis(updated_at),
                ..StreamRecord::new(
                    Issuer::parse(ISSUER).unwrap(),
                    owner,
                    StreamId::parse(id).unwrap(),
                    Audience::parse("https://rp.example.com").unwrap(),
                    delivery,
                    Timestamp::from_millis(created_at),
                )
            }
        }
    }

    fn secret(record: &StreamRecord) -> Option<String> {
        secret_text(record).map(|text| text.expose().to_owned())
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was_written(written in any_record()) {
            let (text, kept) = (record_text(&written).unwrap(), secret(&written));
            let read = record(&written.issuer, &text, kept.as_deref()).unwrap();
            prop_assert_eq!(format!("{read:?}"), format!("{written:?}"));
            prop_assert_eq!(secret(&read), kept);
            prop_assert!(!text.contains('\0'), "PostgreSQL has no such text");
        }
    }

    #[test]
    fn the_json_does_not_hold_the_secret() {
        let endpoint = EndpointUrl::parse("https://rp.example.com/e").unwrap();
        let header = AuthorizationHeader::parse("Bearer s3cret").unwrap();
        let written = StreamRecord::new(
            Issuer::parse(ISSUER).unwrap(),
            Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap()),
            StreamId::parse("s").unwrap(),
            Audience::parse("https://rp.example.com").unwrap(),
            Delivery::Push(PushDelivery::new(endpoint, Some(header))),
            Timestamp::from_seconds(1),
        );
        assert!(!record_text(&written).unwrap().contains("s3cret"));
        assert_eq!(secret(&written).as_deref(), Some("plain:Bearer s3cret"));
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        let issuer = Issuer::parse(ISSUER).unwrap();
        let error = record(&issuer, r#"{"stream_id": "s3cret stream"}"#, None).unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt(_)), "{error:?}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}
