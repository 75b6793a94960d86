//! Stream requests, from bytes into commands.

use serde_json::Value;

use crate::egress::EgressPolicy;
use crate::id::{EventType, StreamId};
use crate::protocol::json::{self, Members};
use crate::protocol::profile::{Presence, Profile, UpdateTime};
use crate::protocol::refusal::{InvalidRequest, Problem, Refusal};
use crate::stream::{AuthorizationHeader, EndpointUrl, POLL_METHOD, PUSH_METHOD, PushDelivery};

/// A request to create a stream (SSF 1.0 §8.1.1.1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreateStream {
    /// How its SETs are to travel.
    pub delivery: RequestedDelivery,
    /// Which event types the receiver wants; absent means all it may have.
    pub events_requested: Option<Vec<EventType>>,
    /// The receiver's description.
    pub description: Option<String>,
}

/// The delivery a receiver asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestedDelivery {
    /// Push to its endpoint.
    Push(PushDelivery),
    /// Poll. The transmitter names the endpoint.
    Poll,
}

/// A request to change some members of a stream (SSF 1.0 §8.1.1.3).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PatchStream {
    /// The stream.
    pub stream_id: StreamId,
    /// What changes inside `delivery`.
    pub delivery: Option<DeliveryPatch>,
    /// What happens to `events_requested`.
    pub events_requested: MemberChange<Vec<EventType>>,
    /// What happens to `description`.
    pub description: MemberChange<String>,
    /// Members that must match what the transmitter supplied.
    pub supplied: Supplied,
}

/// A request to replace the configuration of a stream (SSF 1.0 §8.1.1.4): what the receiver leaves
/// out is removed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReplaceStream {
    /// The stream.
    pub stream_id: StreamId,
    /// Its whole new delivery.
    pub delivery: Option<RequestedDelivery>,
    /// The endpoint of a poll stream, which must match what the transmitter supplied.
    pub poll_endpoint: Option<String>,
    /// Its new event types.
    pub events_requested: Option<Vec<EventType>>,
    /// Its new description.
    pub description: Option<String>,
    /// Members that must match what the transmitter supplied.
    pub supplied: Supplied,
}

/// The members of `delivery` in a change, before they are merged with what is stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliveryPatch {
    /// The method URI.
    pub method: Option<DeliveryMethod>,
    /// The endpoint.
    pub endpoint: Option<EndpointPatch>,
    /// What happens to the secret.
    pub authorization: MemberChange<AuthorizationHeader>,
}

/// The endpoint in a change.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EndpointPatch {
    /// Where to push to.
    Push(EndpointUrl),
    /// What came without the push method: whether it is where to push to or repeats the endpoint
    /// of a poll stream depends on the stream.
    AsWritten(String),
}

/// A delivery method this transmitter supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryMethod {
    /// RFC 8935.
    Push,
    /// RFC 8936.
    Poll,
}

/// What happens to a member that may be kept, removed or set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberChange<T> {
    /// It was absent: it stays.
    Keep,
    /// It was `null`: it goes.
    Remove,
    /// It is set.
    Set(T),
}

/// Members that a receiver may repeat but not change.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Supplied(pub(super) Vec<(&'static str, Value)>);

/// The members that a receiver chooses.
const CHOSEN: [&str; 3] = ["delivery", "events_requested", "description"];

/// When the stream was changed, in profiles that say so.
const UPDATED_AT: &str = "updatedAt";

/// The members that the transmitter supplies.
const SUPPLIED: [&str; 7] = [
    "iss",
    "aud",
    "events_supported",
    "events_delivered",
    "min_verification_interval",
    "inactivity_timeout",
    UPDATED_AT,
];

/// The most event types a receiver may ask for.
const MOST_TYPES: usize = 256;
/// Where descriptions are cut, in characters (SSF 1.0 §8.1.1 allows to truncate).
const MOST_DESCRIPTION: usize = 1024;

impl CreateStream {
    /// A stream with that delivery and all the event types its receiver may have.
    #[must_use]
    pub const fn new(delivery: RequestedDelivery) -> Self {
        Self { delivery, events_requested: None, description: None }
    }

    /// Reads a request body.
    ///
    /// # Errors
    /// [`InvalidRequest`] naming the member at fault.
    pub fn parse(
        body: &[u8],
        profile: &Profile,
        egress: &EgressPolicy,
    ) -> Result<Self, InvalidRequest> {
        let map = json::object(body)?;
        let members = Members::of(&map);
        members.only(profile, &[&CHOSEN])?;
        let delivery = match delivery(&members, profile, egress)? {
            // SSF 1.0 §8.1.1.1: without `delivery`, poll is meant.
            None => RequestedDelivery::Poll,
            Some(delivery) => requested(delivery)?,
        };
        Ok(Self {
            delivery,
            events_requested: event_types(&members)?,
            description: members.string("description")?.map(cut),
        })
    }
}

/// The whole `delivery` of a creation or replacement.
fn delivery(
    members: &Members<'_>,
    profile: &Profile,
    egress: &EgressPolicy,
) -> Result<Option<DeliveryPatch>, InvalidRequest> {
    match (members.members("delivery")?, profile.delivery) {
        (Some(delivery), _) => DeliveryPatch::read(&delivery, profile, egress).map(Some),
        (None, Presence::Optional) => Ok(None),
        (None, Presence::Required) => Err(members.fault("delivery", Problem::Missing)),
    }
}

/// The delivery that stands on its own: what it leaves out is absent.
fn requested(delivery: DeliveryPatch) -> Result<RequestedDelivery, InvalidRequest> {
    let missing = |member: &str| InvalidRequest::new(member, Problem::Missing);
    match delivery.method.ok_or_else(|| missing("delivery.method"))? {
        // SSF 1.0 §6.1.2: the transmitter supplies the endpoint, whatever the receiver wrote.
        DeliveryMethod::Poll => Ok(RequestedDelivery::Poll),
        DeliveryMethod::Push => {
            let Some(EndpointPatch::Push(endpoint)) = delivery.endpoint else {
                return Err(missing("delivery.endpoint_url"));
            };
            let authorization = match delivery.authorization {
                MemberChange::Set(header) => Some(header),
                MemberChange::Keep | MemberChange::Remove => None,
            };
            Ok(RequestedDelivery::Push(PushDelivery::new(endpoint, authorization)))
        }
    }
}

/// An endpoint that may be pushed to, as far as its text shows. Names are not resolved here: an
/// answer that depended on it would map the inner network.
pub(super) fn push_endpoint(
    text: &str,
    egress: &EgressPolicy,
) -> Result<EndpointUrl, InvalidRequest> {
    let fault = |problem| InvalidRequest::new("delivery.endpoint_url", problem);
    let endpoint = EndpointUrl::parse(text).map_err(|e| fault(Problem::Endpoint(e)))?;
    egress.check_url(&endpoint).map_err(|e| fault(Problem::Egress(e)))?;
    Ok(endpoint)
}

impl DeliveryMethod {
    /// The method URI (SSF 1.0 §6.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => PUSH_METHOD,
            Self::Poll => POLL_METHOD,
        }
    }
}

impl DeliveryPatch {
    fn read(
        delivery: &Members<'_>,
        profile: &Profile,
        egress: &EgressPolicy,
    ) -> Result<Self, InvalidRequest> {
        delivery.only(profile, &[&["method", "endpoint_url", "authorization_header"]])?;
        let method = match delivery.string("method")? {
            None => None,
            Some(text) => {
                let known = profile.delivery_methods.iter().find(|known| known.as_str() == text);
                Some(*known.ok_or_else(|| delivery.fault("method", Problem::Method))?)
            }
        };
        let endpoint = match (delivery.string("endpoint_url")?, method) {
            (None, _) => None,
            (Some(text), Some(DeliveryMethod::Push)) => {
                Some(EndpointPatch::Push(push_endpoint(text, egress)?))
            }
            (Some(text), Some(DeliveryMethod::Poll) | None) => {
                Some(EndpointPatch::AsWritten(text.to_owned()))
            }
        };
        let authorization = if delivery.removes(profile, "authorization_header") {
            MemberChange::Remove
        } else {
            let problem = |e| delivery.fault("authorization_header", Problem::Authorization(e));
            let header = delivery.string("authorization_header")?.map(AuthorizationHeader::parse);
            header.transpose().map_err(problem)?.map_or(MemberChange::Keep, MemberChange::Set)
        };
        Ok(Self { method, endpoint, authorization })
    }
}

impl PatchStream {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming the member at fault, or [`Refusal::UnknownStream`].
    pub fn parse(body: &[u8], profile: &Profile, egress: &EgressPolicy) -> Result<Self, Refusal> {
        let map = json::object(body)?;
        let members = Members::of(&map);
        members.only(profile, &[&["stream_id"], &CHOSEN, &SUPPLIED])?;
        let delivery = members.members("delivery")?;
        let events_requested = if members.removes(profile, "events_requested") {
            MemberChange::Remove
        } else {
            event_types(&members)?.map_or(MemberChange::Keep, MemberChange::Set)
        };
        let description = if members.removes(profile, "description") {
            MemberChange::Remove
        } else {
            let text = members.string("description")?;
            text.map_or(MemberChange::Keep, |text| MemberChange::Set(cut(text)))
        };
        Ok(Self {
            delivery: delivery.map(|d| DeliveryPatch::read(&d, profile, egress)).transpose()?,
            events_requested,
            description,
            supplied: Supplied::read(&members, profile),
            stream_id: required_stream_id(&members)?,
        })
    }
}

impl ReplaceStream {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming the member at fault, or [`Refusal::UnknownStream`].
    pub fn parse(body: &[u8], profile: &Profile, egress: &EgressPolicy) -> Result<Self, Refusal> {
        let map = json::object(body)?;
        let members = Members::of(&map);
        members.only(profile, &[&["stream_id"], &CHOSEN, &SUPPLIED])?;
        let delivery = delivery(&members, profile, egress)?;
        let poll_endpoint = match delivery.as_ref().and_then(|d| d.endpoint.as_ref()) {
            Some(EndpointPatch::AsWritten(text)) => Some(text.clone()),
            Some(EndpointPatch::Push(_)) | None => None,
        };
        Ok(Self {
            delivery: delivery.map(requested).transpose()?,
            poll_endpoint,
            events_requested: event_types(&members)?,
            description: members.string("description")?.map(cut),
            supplied: Supplied::read(&members, profile),
            stream_id: required_stream_id(&members)?,
        })
    }
}

impl Supplied {
    fn read(members: &Members<'_>, profile: &Profile) -> Self {
        let shown = |name: &&str| *name != UPDATED_AT || profile.update_time != UpdateTime::Hidden;
        let present = |name| members.get(name).map(|value| (name, value.clone()));
        Self(SUPPLIED.into_iter().filter(shown).filter_map(present).collect())
    }
}

/// The `stream_id` of a body. It is judged last: a wrong member comes before an unknown stream.
pub(in crate::protocol) fn required_stream_id(members: &Members<'_>) -> Result<StreamId, Refusal> {
    let text = members.required_string("stream_id")?;
    // An identifier that no stream can have is that of an unknown stream.
    StreamId::parse(text).map_err(|_| Refusal::UnknownStream)
}

fn event_types(members: &Members<'_>) -> Result<Option<Vec<EventType>>, InvalidRequest> {
    let Some(texts) = members.strings("events_requested", MOST_TYPES)? else { return Ok(None) };
    let parse = |(text, path): (&str, String)| {
        EventType::parse(text).map_err(|e| InvalidRequest::new(path, Problem::Id(e)))
    };
    texts.into_iter().map(parse).collect::<Result<_, _>>().map(Some)
}

fn cut(description: &str) -> String {
    description.chars().take(MOST_DESCRIPTION).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn create(body: &Value) -> Result<CreateStream, InvalidRequest> {
        CreateStream::parse(body.to_string().as_bytes(), &Profile::ssf(), &EgressPolicy::public())
    }

    fn member<T>(result: Result<T, Refusal>) -> String {
        match result {
            Err(Refusal::Invalid(invalid)) => invalid.member,
            Err(other) => format!("{other:?}"),
            Ok(_) => "accepted".to_owned(),
        }
    }

    #[test]
    fn without_delivery_poll_is_meant_ssf_1_0_8_1_1_1() {
        assert!(matches!(create(&json!({})).unwrap().delivery, RequestedDelivery::Poll));
    }

    #[test]
    fn a_poll_endpoint_of_the_receiver_is_ignored_ssf_1_0_6_1_2() {
        let body =
            json!({"delivery": {"method": POLL_METHOD, "endpoint_url": "https://x.example"}});
        assert!(matches!(create(&body).unwrap().delivery, RequestedDelivery::Poll));
    }

    #[test]
    fn a_wrong_member_of_a_creation_is_named() {
        let push = |more: Value| {
            let mut delivery = json!({"method": PUSH_METHOD, "endpoint_url": "https://rp.example"});
            for (name, value) in more.as_object().unwrap() {
                delivery[name] = value.clone();
            }
            json!({"delivery": delivery})
        };
        for (body, at) in [
            (json!({"delivery": {}}), "delivery.method"),
            (json!({"delivery": null}), "delivery"),
            (json!({"delivery": "urn:ietf:rfc:8935"}), "delivery"),
            (push(json!({"method": "urn:ietf:rfc:9999"})), "delivery.method"),
            (json!({"delivery": {"method": PUSH_METHOD}}), "delivery.endpoint_url"),
            (push(json!({"endpoint_url": "http://rp.example"})), "delivery.endpoint_url"),
            (push(json!({"endpoint_url": "https://127.0.0.1"})), "delivery.endpoint_url"),
            (push(json!({"endpoint_url": 1})), "delivery.endpoint_url"),
            (push(json!({"authorization_header": "a\r\nb"})), "delivery.authorization_header"),
            (push(json!({"authorization_header": 1})), "delivery.authorization_header"),
            (json!({"events_requested": "x"}), "events_requested"),
            (json!({"events_requested": ["urn:x:y", 1]}), "events_requested[1]"),
            (json!({"events_requested": ["no uri"]}), "events_requested[0]"),
            (json!({"events_requested": vec!["urn:x:y"; 257]}), "events_requested"),
            (json!({"description": 1}), "description"),
        ] {
            assert_eq!(member(create(&body).map_err(Refusal::from)), at, "{body}");
        }
    }

    #[test]
    fn a_long_description_is_cut_at_a_character_ssf_1_0_8_1_1() {
        let body = json!({"description": "é".repeat(1025)});
        assert_eq!(create(&body).unwrap().description, Some("é".repeat(1024)));
    }

    #[test]
    fn a_patch_tells_absent_from_null() {
        let patch = |body: Value| {
            let (profile, egress) = (Profile::ssf(), EgressPolicy::public());
            PatchStream::parse(body.to_string().as_bytes(), &profile, &egress).unwrap()
        };
        let kept = patch(json!({"stream_id": "s"}));
        assert_eq!(
            (kept.description, kept.events_requested),
            (MemberChange::Keep, MemberChange::Keep)
        );
        let gone = patch(json!({"stream_id": "s", "description": null, "events_requested": null}));
        assert_eq!(
            (gone.description, gone.events_requested),
            (MemberChange::Remove, MemberChange::Remove)
        );
    }

    #[test]
    fn a_change_without_stream_id_is_invalid_ssf_1_0_8_1_1_3() {
        let (profile, egress) = (Profile::ssf(), EgressPolicy::public());
        let patch = |body: &str| member(PatchStream::parse(body.as_bytes(), &profile, &egress));
        let replace = |body: &str| member(ReplaceStream::parse(body.as_bytes(), &profile, &egress));
        assert_eq!(patch("{}"), "stream_id");
        assert_eq!(replace(r#"{"stream_id":""}"#), "stream_id");
        assert_eq!(patch(r#"{"stream_id":"a/b"}"#), "UnknownStream");
    }

    #[test]
    fn a_wrong_delivery_of_a_change_comes_before_an_unknown_stream() {
        let (profile, egress) = (Profile::ssf(), EgressPolicy::public());
        let push = |url: &str| json!({"method": PUSH_METHOD, "endpoint_url": url});
        let body = |delivery: &Value| json!({"stream_id": "a/b", "delivery": delivery}).to_string();
        for delivery in [push("https://127.0.0.1"), push("http://rp.example")] {
            let body = body(&delivery);
            let patched = member(PatchStream::parse(body.as_bytes(), &profile, &egress));
            let replaced = member(ReplaceStream::parse(body.as_bytes(), &profile, &egress));
            let expected = "delivery.endpoint_url".to_owned();
            assert_eq!((patched, replaced), (expected.clone(), expected), "{body}");
        }
        let replaced = ReplaceStream::parse(body(&json!({})).as_bytes(), &profile, &egress);
        assert_eq!(member(replaced), "delivery.method");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let egress = EgressPolicy::public();
            for profile in [Profile::ssf(), Profile::sailpoint()] {
                let _ = CreateStream::parse(&body, &profile, &egress);
                let _ = PatchStream::parse(&body, &profile, &egress);
                let _ = ReplaceStream::parse(&body, &profile, &egress);
            }
        }
    }
}
