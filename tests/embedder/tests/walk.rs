//! An event from one end to the other, over ports that the library never saw.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use embedder::{Inbox, OneKey, VecStore, block_on};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::sha::sha256;
use serde_json::{Value, json};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{
    Audience, ClientId, EventType, Issuer, Jti, KeyId, Owner, Scope, StreamId, TenantId,
};
use ssf_transmitter::outbox::{DeadLetterReason, PollError};
use ssf_transmitter::protocol::{
    CreateStream, PollReply, PollRequest, Profile, Refusal, RequestedDelivery, SubjectRequest, Wait,
};
use ssf_transmitter::store::{Backlog, LetterFilter, LetterQuery, Repeated};
use ssf_transmitter::stream::{AuthorizationHeader, EndpointUrl, PushDelivery, StreamQuota};
use ssf_transmitter::transmitter::{Config, Receivers};
use ssf_transmitter::{Caller, Event, SimpleSubject, Transmitter};

const ISSUER: &str = "https://tr.example.com";
const ENDPOINT: &str = "https://rp.example.com/events";

fn host(inbox: &Inbox) -> Transmitter {
    host_with(inbox, Config::default())
}

fn host_with(inbox: &Inbox, config: Config) -> Transmitter {
    let keys = OneKey::generate(KeyId::parse("k-1").unwrap()).unwrap();
    Transmitter::builder(Issuer::parse(ISSUER).unwrap(), VecStore::default(), keys)
        .with_deliverer(inbox.clone())
        .with_config(config)
        .build()
        .unwrap()
}

fn receiver(client: &str) -> Caller {
    let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse(client).unwrap());
    let audience = Audience::parse("https://rp.example.com").unwrap();
    Caller::new(owner, audience, [Scope::parse("ssf.manage").unwrap()])
}

fn push() -> RequestedDelivery {
    let endpoint = EndpointUrl::parse(ENDPOINT).unwrap();
    let authorization = AuthorizationHeader::parse("Bearer s3cret").unwrap();
    RequestedDelivery::Push(PushDelivery::new(endpoint, Some(authorization)))
}

async fn create(receivers: &Receivers, caller: &Caller, delivery: RequestedDelivery) -> StreamId {
    receivers.create_stream(caller, CreateStream::new(delivery)).await.unwrap().stream_id
}

async fn poll(receivers: &Receivers, stream: &StreamId, request: PollRequest) -> PollReply {
    receivers.poll(&receiver("rp"), stream, request).await.unwrap()
}

fn no_wait() -> PollRequest {
    let mut request = PollRequest::default();
    request.wait = Wait::Not;
    request
}

fn revoked(email: &str) -> Event {
    let subject = SimpleSubject::email(email).unwrap();
    Event::new(types::session_revoked(), subject)
        .with_member("reason_admin", json!({"en": "The account was disabled"}))
}

/// The claims of a SET, once its signature is verified with the published key (RFC 7515 §5.2).
fn verified(token: &str, jwks: &Value) -> Value {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    assert_eq!(header, json!({"typ": "secevent+jwt", "alg": "ES256", "kid": "k-1"}));

    let jwk = &jwks["keys"][0];
    let number = |bytes: &[u8]| BigNum::from_slice(bytes).unwrap();
    let coordinate = |name: &str| number(&decode(jwk[name].as_str().unwrap()));
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = EcKey::from_public_key_affine_coordinates(&group, &coordinate("x"), &coordinate("y"));
    let signature = decode(signature);
    let (r, s) = signature.split_at(32);
    let signature = EcdsaSig::from_private_components(number(r), number(s)).unwrap();
    assert_eq!(signature.verify(&sha256(input.as_bytes()), &key.unwrap()).ok(), Some(true));
    serde_json::from_slice(&decode(claims)).unwrap()
}

fn event(claims: &Value, event_type: &EventType) -> Value {
    claims["events"][event_type.as_str()].clone()
}

#[test]
fn a_polled_set_comes_again_with_the_same_bytes_until_it_is_acknowledged_rfc_8936_2_4() {
    block_on(async {
        let transmitter = host(&Inbox::answering(202));
        let receivers = transmitter.receivers();
        let stream = create(&receivers, &receiver("rp"), RequestedDelivery::Poll).await;
        let emission = transmitter.emit(revoked("user@example.com")).await.unwrap();

        let first = poll(&receivers, &stream, no_wait()).await;
        assert_eq!(poll(&receivers, &stream, no_wait()).await, first);
        let [(jti, token)] = first.sets.as_slice() else { panic!("one SET: {first:?}") };
        assert_eq!(*jti, emission.sets[0].jti);
        let claims = verified(token, &receivers.jwks().await.unwrap());
        assert_eq!((&claims["iss"], &claims["jti"]), (&json!(ISSUER), &json!(jti.as_str())));
        assert_eq!(claims["sub_id"], json!({"format": "email", "email": "user@example.com"}));
        let members = event(&claims, &types::session_revoked());
        assert_eq!(members, json!({"reason_admin": {"en": "The account was disabled"}}));

        let mut acknowledging = no_wait();
        acknowledging.acks = vec![jti.clone()];
        assert_eq!(poll(&receivers, &stream, acknowledging).await.sets, []);
        let totals = transmitter.totals().await.unwrap();
        assert_eq!((totals.accepted, totals.delivered, totals.waiting), (1, 1, 0));
    });
}

#[test]
fn a_poll_without_a_clock_that_sleeps_is_answered_at_once() {
    block_on(async {
        let receivers = host(&Inbox::answering(202)).receivers();
        let stream = create(&receivers, &receiver("rp"), RequestedDelivery::Poll).await;
        assert_eq!(poll(&receivers, &stream, PollRequest::default()).await, PollReply::default());
    });
}

#[test]
fn a_set_that_the_receiver_refuses_is_a_dead_letter_rfc_8936_2_6() {
    block_on(async {
        let transmitter = host(&Inbox::answering(202));
        let receivers = transmitter.receivers();
        let stream = create(&receivers, &receiver("rp"), RequestedDelivery::Poll).await;
        let emission = transmitter.emit(revoked("user@example.com")).await.unwrap();
        let jti = emission.sets[0].jti.clone();

        let error = PollError::new("invalid_key".to_owned(), None);
        let mut refusing = no_wait();
        refusing.errors = vec![(jti.clone(), error.clone())];
        assert_eq!(poll(&receivers, &stream, refusing).await.sets, []);
        let dead = transmitter.dead_letters(&stream, &LetterQuery::new(10)).await.unwrap();
        let dead: Vec<_> = dead.into_iter().map(|letter| (letter.jti, letter.reason)).collect();
        assert_eq!(dead, [(jti, DeadLetterReason::Reported(error))]);
    });
}

#[test]
fn a_dead_letter_is_redriven_under_a_new_jti_and_counted() {
    block_on(async {
        let transmitter = host(&Inbox::answering(202));
        let receivers = transmitter.receivers();
        let stream = create(&receivers, &receiver("rp"), RequestedDelivery::Poll).await;
        let emission = transmitter.emit(revoked("user@example.com")).await.unwrap();
        let jti = emission.sets[0].jti.clone();
        let mut refusing = no_wait();
        let error = PollError::new("invalid_key".to_owned(), None);
        refusing.errors = vec![(jti.clone(), error)];
        poll(&receivers, &stream, refusing).await;

        let report = transmitter.redrive(&stream, LetterFilter::default()).await.unwrap();
        assert_eq!((report.same, report.renewed), (0, 1));
        let again = poll(&receivers, &stream, no_wait()).await;
        let [(new, _)] = again.sets.as_slice() else { panic!("one SET: {again:?}") };
        assert_ne!(*new, jti);
        let totals = transmitter.totals().await.unwrap();
        assert_eq!((totals.accepted, totals.redriven), (1, 1));
        assert_eq!((totals.dead, totals.waiting), (1, 1));
    });
}

#[test]
fn what_a_stream_holds_beyond_its_limit_is_given_up_the_oldest_first() {
    block_on(async {
        let mut config = Config::default();
        config.held.entries = 1;
        let transmitter = host_with(&Inbox::answering(202), config);
        let receivers = transmitter.receivers();
        let stream = create(&receivers, &receiver("rp"), RequestedDelivery::Poll).await;
        transmitter.emit(revoked("first@example.com")).await.unwrap();
        let second = transmitter.emit(revoked("second@example.com")).await.unwrap();

        assert_eq!(transmitter.run_once().await.unwrap().held.given_up, 1);
        let overview = transmitter.overview(&stream).await.unwrap();
        assert_eq!((overview.backlog, overview.dead_letters), (Backlog::Exactly(1), 1));
        let left = poll(&receivers, &stream, no_wait()).await;
        let [(jti, _)] = left.sets.as_slice() else { panic!("one SET: {left:?}") };
        assert_eq!(*jti, second.sets[0].jti);
    });
}

#[test]
fn one_run_pushes_what_is_due_and_the_next_has_nothing_to_do_rfc_8935_2_2() {
    block_on(async {
        let inbox = Inbox::answering(202);
        let transmitter = host(&inbox);
        let receivers = transmitter.receivers();
        create(&receivers, &receiver("rp"), push()).await;
        transmitter.emit(revoked("user@example.com")).await.unwrap();

        assert_eq!(transmitter.run_once().await.unwrap().delivered, 1);
        assert_eq!(transmitter.run_once().await.unwrap().delivered, 0);
        let pushed = inbox.pushed();
        let [request] = pushed.as_slice() else { panic!("one push: {pushed:?}") };
        assert_eq!(request.endpoint.as_str(), ENDPOINT);
        let authorization = request.authorization.as_ref().map(AuthorizationHeader::expose);
        assert_eq!(authorization, Some("Bearer s3cret"));
        let claims = verified(&request.token, &receivers.jwks().await.unwrap());
        assert_eq!(claims["aud"], "https://rp.example.com");
    });
}

#[test]
fn events_about_one_subject_are_pushed_one_after_the_other_and_others_beside_them() {
    block_on(async {
        let inbox = Inbox::answering(202);
        let transmitter = host(&inbox);
        create(&transmitter.receivers(), &receiver("rp"), push()).await;
        let mut jtis: Vec<Jti> = Vec::new();
        for email in ["a@example.com", "a@example.com", "b@example.com"] {
            let emission = transmitter.emit(revoked(email)).await.unwrap();
            jtis.push(emission.sets[0].jti.clone());
        }

        assert_eq!(transmitter.run_once().await.unwrap().delivered, 2);
        assert_eq!(transmitter.run_once().await.unwrap().delivered, 1);
        let jwks = transmitter.receivers().jwks().await.unwrap();
        let jti = |token: &str| Jti::parse(verified(token, &jwks)["jti"].as_str().unwrap());
        let pushed: Vec<_> =
            inbox.pushed().iter().map(|request| jti(&request.token).unwrap()).collect();
        let order = |of: usize| pushed.iter().position(|jti| *jti == jtis[of]);
        assert_eq!(order(1), Some(2));
        assert_eq!([order(0), order(2)].into_iter().max(), Some(Some(1)));
    });
}

#[test]
fn a_push_that_fails_with_its_stream_waits_for_the_breaker() {
    block_on(async {
        let inbox = Inbox::answering(503);
        let transmitter = host(&inbox);
        create(&transmitter.receivers(), &receiver("rp"), push()).await;
        transmitter.emit(revoked("user@example.com")).await.unwrap();

        let failed = transmitter.run_once().await.unwrap();
        assert_eq!((failed.returned, failed.dead), (1, 0));
        transmitter.emit(revoked("other@example.com")).await.unwrap();
        let waiting = transmitter.run_once().await.unwrap();
        assert_eq!((waiting.returned, inbox.pushed().len()), (0, 1));
        assert_eq!(transmitter.totals().await.unwrap().waiting, 2);
    });
}

#[test]
fn a_removed_subject_is_silent_and_the_same_event_under_one_key_is_emitted_once() {
    block_on(async {
        let transmitter = host(&Inbox::answering(202));
        let receivers = transmitter.receivers();
        let caller = receiver("rp");
        let stream = create(&receivers, &caller, RequestedDelivery::Poll).await;
        let subject = SimpleSubject::email("gone@example.com").unwrap();
        let removal = SubjectRequest::new(stream.clone(), subject.into());
        receivers.remove_subject(&caller, removal).await.unwrap();
        assert_eq!(transmitter.emit(revoked("gone@example.com")).await.unwrap().sets, []);

        let keyed = || {
            let key = ssf_transmitter::id::IdempotencyKey::parse("once").unwrap();
            revoked("user@example.com").with_idempotency_key(key)
        };
        let first = transmitter.emit(keyed()).await.unwrap();
        let again = transmitter.emit(keyed()).await.unwrap();
        assert_eq!((again.txn, again.sets), (first.txn, first.sets));
        assert_eq!((first.repeated, again.repeated), (Repeated::No, Repeated::Yes));
        assert_eq!(poll(&receivers, &stream, no_wait()).await.sets.len(), 1);
    });
}

#[test]
fn a_stream_lists_as_many_subjects_as_the_profile_gives_it() {
    let mut profile = Profile::ssf();
    profile.subjects_per_stream = 1;
    let keys = OneKey::generate(KeyId::parse("k-1").unwrap()).unwrap();
    let issuer = Issuer::parse(ISSUER).unwrap();
    let host = Transmitter::builder(issuer, VecStore::default(), keys).with_profile(profile);
    let receivers = host.build().unwrap().receivers();
    let caller = receiver("rp");
    let stream = block_on(create(&receivers, &caller, RequestedDelivery::Poll));
    let request = |user: &str| {
        SubjectRequest::new(stream.clone(), SimpleSubject::email(user).unwrap().into())
    };
    let removed = |user: &str| {
        let removed = block_on(receivers.remove_subject(&caller, request(user)));
        removed.map_err(|error| error.refusal())
    };
    assert_eq!(removed("a@example.com"), Ok(()));
    assert_eq!(removed("b@example.com"), Err(Refusal::SubjectLimit));
    assert_eq!(removed("a@example.com"), Ok(()));
    block_on(receivers.add_subject(&caller, request("a@example.com"))).unwrap();
    assert_eq!(removed("b@example.com"), Ok(()));
}

#[test]
fn receivers_have_as_many_streams_as_the_profile_gives_them_and_their_tenant() {
    let mut profile = Profile::ssf();
    profile.quota = StreamQuota::new(2).with_tenant(3);
    let keys = OneKey::generate(KeyId::parse("k-1").unwrap()).unwrap();
    let issuer = Issuer::parse(ISSUER).unwrap();
    let host = Transmitter::builder(issuer, VecStore::default(), keys).with_profile(profile);
    let receivers = host.build().unwrap().receivers();
    let created = |client: &str| {
        let request = CreateStream::new(RequestedDelivery::Poll);
        let created = block_on(receivers.create_stream(&receiver(client), request));
        created.map(|_| ()).map_err(|error| error.refusal())
    };
    assert_eq!((created("a"), created("a")), (Ok(()), Ok(())));
    assert_eq!(created("a"), Err(Refusal::StreamLimit));
    assert_eq!((created("b"), created("b")), (Ok(()), Err(Refusal::TenantStreamLimit)));
}

#[test]
fn a_stream_of_another_receiver_does_not_exist() {
    block_on(async {
        let receivers = host(&Inbox::answering(202)).receivers();
        let stream = create(&receivers, &receiver("rp"), RequestedDelivery::Poll).await;
        let foreign = receivers.read_stream(&receiver("other"), &stream).await.unwrap_err();
        let unknown = StreamId::parse("unknown").unwrap();
        let unknown = receivers.read_stream(&receiver("other"), &unknown).await.unwrap_err();
        assert!(matches!(foreign.refusal(), Refusal::UnknownStream), "{foreign}");
        assert_eq!(foreign.to_string(), unknown.to_string());
    });
}
