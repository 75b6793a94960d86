//! What a PATCH or a PUT makes of a stream (SSF 1.0 §8.1.1.3, §8.1.1.4).

use serde_json::Value;

use super::parse::{
    DeliveryMethod, DeliveryPatch, EndpointPatch, MemberChange, PatchStream, ReplaceStream,
    RequestedDelivery, Supplied, push_endpoint,
};
use super::view::{DeliveryView, StreamContext, StreamView};
use crate::egress::EgressPolicy;
use crate::id::EventType;
use crate::protocol::refusal::{InvalidRequest, Problem};
use crate::stream::{Delivery, EndpointUrl, PushDelivery, StoredAuthorization, StreamRecord};
use crate::timestamp::Timestamp;

impl RequestedDelivery {
    /// The delivery of the stream.
    #[must_use]
    pub fn into_delivery(self) -> Delivery {
        match self {
            Self::Push(push) => Delivery::Push(push),
            Self::Poll => Delivery::Poll,
        }
    }
}

impl PatchStream {
    /// The record as the patch leaves it: what is absent stays.
    ///
    /// # Errors
    /// [`InvalidRequest`] naming the member at fault.
    pub fn apply(
        self,
        mut record: StreamRecord,
        context: &StreamContext<'_>,
        egress: &EgressPolicy,
        now: Timestamp,
    ) -> Result<StreamRecord, InvalidRequest> {
        self.supplied.must_match(&record, context)?;
        if let Some(patch) = &self.delivery {
            if let Some(EndpointPatch::AsWritten(text)) = &patch.endpoint {
                poll_endpoint_must_match(text, &record, context)?;
            }
            let delivery = merge(patch, &record.delivery, egress)?;
            set_delivery(&mut record, delivery);
        }
        match self.events_requested {
            MemberChange::Keep => {}
            MemberChange::Remove => set_events(&mut record, None, context),
            MemberChange::Set(wanted) => set_events(&mut record, Some(wanted), context),
        }
        match self.description {
            MemberChange::Keep => {}
            MemberChange::Remove => record.description = None,
            MemberChange::Set(description) => record.description = Some(description),
        }
        record.updated_at = now;
        Ok(record)
    }
}

impl ReplaceStream {
    /// The record as the replacement leaves it: what is absent is removed.
    ///
    /// # Errors
    /// [`InvalidRequest`] naming the member at fault.
    pub fn apply(
        self,
        mut record: StreamRecord,
        context: &StreamContext<'_>,
        now: Timestamp,
    ) -> Result<StreamRecord, InvalidRequest> {
        self.supplied.must_match(&record, context)?;
        if let Some(text) = &self.poll_endpoint {
            poll_endpoint_must_match(text, &record, context)?;
        }
        let delivery = match (self.delivery, &record.delivery) {
            (Some(requested), _) => requested.into_delivery(),
            // A missing `delivery` means poll, as in a creation.
            (None, Delivery::Poll) => Delivery::Poll,
            // But nobody stops receiving pushes by leaving something out.
            (None, Delivery::Push(_)) => {
                return Err(InvalidRequest::new("delivery", Problem::Missing));
            }
        };
        set_delivery(&mut record, delivery);
        set_events(&mut record, self.events_requested, context);
        record.description = self.description;
        record.updated_at = now;
        Ok(record)
    }
}

/// Merges inside `delivery`. The secret stays while method and origin stay; `null` removes it; a
/// new origin without a secret drops it, so that it never reaches anybody it was not meant for.
fn merge(
    patch: &DeliveryPatch,
    old: &Delivery,
    egress: &EgressPolicy,
) -> Result<Delivery, InvalidRequest> {
    let method = patch.method.unwrap_or(match old {
        Delivery::Push(_) => DeliveryMethod::Push,
        Delivery::Poll => DeliveryMethod::Poll,
    });
    if method == DeliveryMethod::Poll {
        return Ok(Delivery::Poll);
    }
    let old = match old {
        Delivery::Push(push) => Some(push),
        Delivery::Poll => None,
    };
    let endpoint = match (&patch.endpoint, old) {
        (Some(EndpointPatch::Push(endpoint)), _) => endpoint.clone(),
        (Some(EndpointPatch::AsWritten(text)), _) => push_endpoint(text, egress)?,
        (None, Some(old)) => old.endpoint.clone(),
        (None, None) => {
            return Err(InvalidRequest::new("delivery.endpoint_url", Problem::Missing));
        }
    };
    let authorization = match &patch.authorization {
        MemberChange::Set(header) => Some(header.clone().into()),
        MemberChange::Remove => None,
        MemberChange::Keep => old.and_then(|old| kept_secret(old, &endpoint)),
    };
    Ok(Delivery::Push(PushDelivery::stored(endpoint, authorization)))
}

fn kept_secret(old: &PushDelivery, endpoint: &EndpointUrl) -> Option<StoredAuthorization> {
    let same_origin = old.endpoint.url().origin() == endpoint.url().origin();
    old.authorization.clone().filter(|_| same_origin)
}

/// A receiver may repeat the endpoint of a poll stream but not choose it (SSF 1.0 §6.1.2).
fn poll_endpoint_must_match(
    given: &str,
    record: &StreamRecord,
    context: &StreamContext<'_>,
) -> Result<(), InvalidRequest> {
    match record.delivery {
        Delivery::Poll if given != DeliveryView::of(record, context.paths).endpoint_url => {
            Err(InvalidRequest::new("delivery.endpoint_url", Problem::Mismatch))
        }
        Delivery::Poll | Delivery::Push(_) => Ok(()),
    }
}

/// A changed delivery raises the generation, so that deliveries under way end.
fn set_delivery(record: &mut StreamRecord, delivery: Delivery) {
    let same = match (&record.delivery, &delivery) {
        (Delivery::Poll, Delivery::Poll) => true,
        (Delivery::Push(old), Delivery::Push(new)) => {
            let secret = match (&old.authorization, &new.authorization) {
                (None, None) => true,
                (Some(old), Some(new)) => old.is_same_as(new),
                (None, Some(_)) | (Some(_), None) => false,
            };
            old.endpoint == new.endpoint && secret
        }
        (Delivery::Poll, Delivery::Push(_)) | (Delivery::Push(_), Delivery::Poll) => false,
    };
    if !same {
        record.generation += 1;
        record.delivery = delivery;
    }
}

fn set_events(
    record: &mut StreamRecord,
    wanted: Option<Vec<EventType>>,
    context: &StreamContext<'_>,
) {
    record.events_delivered = context.delivered(wanted.as_deref());
    record.events_requested = wanted;
}

impl Supplied {
    /// SSF 1.0 §8.1.1.3: what the transmitter supplied must match when it is repeated;
    /// `events_delivered` is compared with its value before the change.
    fn must_match(
        &self,
        record: &StreamRecord,
        context: &StreamContext<'_>,
    ) -> Result<(), InvalidRequest> {
        let Ok(Value::Object(now)) = serde_json::to_value(StreamView::of_changed(record, context))
        else {
            return Ok(());
        };
        for (name, given) in &self.0 {
            if now.get(*name).is_none_or(|own| !same(own, given)) {
                return Err(InvalidRequest::new(*name, Problem::Mismatch));
            }
        }
        Ok(())
    }
}

/// Lists of event types have no order, and an audience may be written as a list of one
/// (RFC 7519 §4.1.3).
fn same(own: &Value, given: &Value) -> bool {
    match (own, given) {
        (Value::Array(own), Value::Array(given)) => {
            own.iter().all(|v| given.contains(v)) && given.iter().all(|v| own.contains(v))
        }
        (Value::String(_), Value::Array(given)) => {
            matches!(given.as_slice(), [only] if only == own)
        }
        _ => own == given,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::record;
    use super::*;
    use crate::event::types;
    use crate::protocol::paths::Paths;
    use crate::protocol::profile::Profile;
    use crate::stream::AuthorizationHeader;

    const PUSH: &str = "urn:ietf:rfc:8935";

    fn push_record() -> StreamRecord {
        let mut stream = record();
        stream.delivery = Delivery::Push(PushDelivery::new(
            EndpointUrl::parse("https://rp.example.net/e").unwrap(),
            Some(AuthorizationHeader::parse("Bearer s").unwrap()),
        ));
        stream.events_delivered = vec![types::session_revoked()];
        stream
    }

    fn with_context<T>(run: impl FnOnce(&StreamContext<'_>, &EgressPolicy) -> T) -> T {
        let profile = Profile::ssf();
        let paths = Paths::new(&record().issuer, &profile);
        let supported = [types::session_revoked(), types::credential_change()];
        run(&StreamContext::new(&profile, &paths, &supported, None), &EgressPolicy::public())
    }

    fn patch(stream: StreamRecord, mut body: Value) -> Result<StreamRecord, InvalidRequest> {
        body["stream_id"] = "s-1".into();
        with_context(|context, egress| {
            let patch =
                PatchStream::parse(body.to_string().as_bytes(), context.profile, egress).unwrap();
            patch.apply(stream, context, egress, Timestamp::default())
        })
    }

    fn replace(stream: StreamRecord, mut body: Value) -> Result<StreamRecord, InvalidRequest> {
        body["stream_id"] = "s-1".into();
        with_context(|context, egress| {
            let replace =
                ReplaceStream::parse(body.to_string().as_bytes(), context.profile, egress).unwrap();
            replace.apply(stream, context, Timestamp::default())
        })
    }

    /// Endpoint and secret of a push stream.
    fn route(stream: &StreamRecord) -> (String, Option<String>) {
        let Delivery::Push(push) = &stream.delivery else { panic!("a push stream") };
        let secret = push.authorization.as_ref().map(|stored| match stored {
            StoredAuthorization::Plain(header) => header.expose().to_owned(),
            StoredAuthorization::Sealed(_) => panic!("nothing is sealed here"),
        });
        (push.endpoint.as_str().to_owned(), secret)
    }

    #[test]
    fn a_patch_leaves_the_secret_while_the_origin_stays() {
        for delivery in [
            json!({"method": PUSH}),
            json!({"endpoint_url": "https://rp.example.net/other"}),
            json!({"method": PUSH, "endpoint_url": "https://rp.example.net:443/e"}),
        ] {
            let stream = patch(push_record(), json!({"delivery": delivery})).unwrap();
            assert_eq!(route(&stream).1.as_deref(), Some("Bearer s"), "{delivery}");
        }
    }

    #[test]
    fn a_patch_to_another_origin_drops_the_secret() {
        for url in ["https://evil.example/e", "https://rp.example.net:8443/e"] {
            let body = json!({"delivery": {"endpoint_url": url}});
            assert_eq!(route(&patch(push_record(), body).unwrap()), (url.to_owned(), None));
        }
    }

    #[test]
    fn a_patch_with_null_removes_the_secret() {
        let body = json!({"delivery": {"authorization_header": null}});
        assert_eq!(route(&patch(push_record(), body).unwrap()).1, None);
    }

    #[test]
    fn a_put_without_the_secret_removes_it() {
        let body =
            json!({"delivery": {"method": PUSH, "endpoint_url": "https://rp.example.net/e"}});
        assert_eq!(route(&replace(push_record(), body).unwrap()).1, None);
    }

    #[test]
    fn a_put_removes_what_it_leaves_out_ssf_1_0_8_1_1_4() {
        let mut stream = record();
        stream.description = Some("old".to_owned());
        stream.events_requested = Some(vec![]);
        let stream = replace(stream, json!({})).unwrap();
        assert_eq!((stream.description, stream.events_requested), (None, None));
        assert_eq!(stream.events_delivered.len(), 2);
    }

    #[test]
    fn a_put_without_delivery_is_refused_for_a_push_stream() {
        let refused = replace(push_record(), json!({})).map(|_| ()).unwrap_err();
        assert_eq!(refused, InvalidRequest::new("delivery", Problem::Missing));
    }

    #[test]
    fn a_changed_delivery_raises_the_generation_and_nothing_else_does() {
        let same = patch(push_record(), json!({"delivery": {"method": PUSH}, "description": "x"}));
        assert_eq!(same.map(|s| s.generation), Ok(1));
        let changed = patch(push_record(), json!({"delivery": {"authorization_header": "B x"}}));
        assert_eq!(changed.map(|s| s.generation), Ok(2));
    }

    #[test]
    fn what_the_transmitter_supplied_must_match_ssf_1_0_8_1_1_3() {
        let session = types::session_revoked();
        for body in [
            json!({"iss": "https://tr.example.com"}),
            json!({"aud": "https://rp.example.net"}),
            json!({"aud": ["https://rp.example.net"]}),
            json!({"events_delivered": [session]}),
            json!({"events_supported": [types::credential_change(), session]}),
            json!({"min_verification_interval": 10}),
        ] {
            assert!(patch(push_record(), body.clone()).is_ok(), "{body}");
        }
        for (member, body) in [
            ("iss", json!({"iss": "https://tr.example.com/"})),
            ("aud", json!({"aud": "https://other.example"})),
            ("events_delivered", json!({"events_delivered": []})),
            ("events_supported", json!({"events_supported": [session]})),
            ("min_verification_interval", json!({"min_verification_interval": 1})),
            ("inactivity_timeout", json!({"inactivity_timeout": 1})),
        ] {
            let refused = patch(push_record(), body).map(|_| ()).unwrap_err();
            assert_eq!(refused, InvalidRequest::new(member, Problem::Mismatch));
        }
    }

    #[test]
    fn a_poll_stream_keeps_its_endpoint_ssf_1_0_6_1_2() {
        let own = "https://tr.example.com/ssf/poll/s-1";
        for delivery in [json!({}), json!({"endpoint_url": own})] {
            assert!(patch(record(), json!({"delivery": delivery.clone()})).is_ok(), "{delivery}");
        }
        let refused = patch(record(), json!({"delivery": {"endpoint_url": "https://x.example"}}));
        let mismatch = InvalidRequest::new("delivery.endpoint_url", Problem::Mismatch);
        assert_eq!(refused.map(|_| ()), Err(mismatch));
    }

    #[test]
    fn a_stream_may_turn_from_poll_to_push_and_back() {
        let delivery = json!({"method": PUSH, "endpoint_url": "https://rp.example.net/e"});
        let pushed = patch(record(), json!({"delivery": delivery})).unwrap();
        assert_eq!(route(&pushed), ("https://rp.example.net/e".to_owned(), None));
        let polled = patch(push_record(), json!({"delivery": {"method": "urn:ietf:rfc:8936"}}));
        assert!(matches!(polled.unwrap().delivery, Delivery::Poll));
        let incomplete = patch(record(), json!({"delivery": {"method": PUSH}}));
        let missing = InvalidRequest::new("delivery.endpoint_url", Problem::Missing);
        assert_eq!(incomplete.map(|_| ()), Err(missing));
    }
}
