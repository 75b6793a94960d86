//! What hosts lean on: futures that may move between threads, ports that are objects, errors that
//! say each thing once, and secrets that stay inside.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::json;
use ssf_transmitter::auth::{AuthError, Authenticator};
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::{DeliverError, Deliverer};
use ssf_transmitter::egress::EgressPolicy;
use ssf_transmitter::entropy::Entropy;
use ssf_transmitter::error::Error;
use ssf_transmitter::hooks::SupportedEvents;
use ssf_transmitter::id::{EventType, IdError, Issuer, KeyId, WorkerId};
use ssf_transmitter::keys::local::{JwkSetError, KeyMaterialError, LocalKeys, SigningKey};
use ssf_transmitter::keys::{KeyError, KeyProvider};
use ssf_transmitter::outbox::TransportFailure;
use ssf_transmitter::protocol::{
    CreateStream, PatchStream, PollRequest, Profile, Refusal, ReplaceStream, RequestedDelivery,
    StatusRequest, SubjectRequest, VerificationRequest,
};
use ssf_transmitter::set::{Algorithm, SetError};
use ssf_transmitter::store::memory::MemoryStore;
use ssf_transmitter::store::{
    ClaimRequest, LetterFilter, LetterQuery, OperatorStore, Outbox, ReceiverStore, StoreError,
    StreamStore, StreamUpdate, WorkerStore,
};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::{Receivers, Transmitter};

use crate::drive::{Task, ready};
use crate::world::{ISSUER, Mood, ONE, START, World, caller, event, push_to, seconds, subject};

fn send<T: Send>(value: T) -> T {
    value
}

#[test]
fn every_future_of_the_service_may_move_between_threads() {
    let world = World::new();
    let (transmitter, receivers, caller) = (&world.transmitter, &world.receivers, &caller());
    let stream = &world.poll_stream();
    let body = json!({"stream_id": stream}).to_string();
    let patch =
        &PatchStream::parse(body.as_bytes(), &Profile::ssf(), &EgressPolicy::public()).unwrap();
    let put =
        &ReplaceStream::parse(body.as_bytes(), &Profile::ssf(), &EgressPolicy::public()).unwrap();
    let status = ssf_transmitter::stream::StreamStatus::Paused;
    let request = &StatusRequest::new(stream.clone(), status, None);
    let changed = || SubjectRequest::new(stream.clone(), subject("user"));
    let mut outbox = world.store.outbox();
    drop((
        send(transmitter.emit(event("user", "a"))),
        send(transmitter.emit_in(&mut *outbox, event("user", "a"))),
        send(transmitter.run_once()),
        send(transmitter.run(std::future::pending(), seconds(1), |_| ())),
        send(transmitter.set_status(stream, status, None)),
        send(transmitter.suspend_client(&caller.owner, None)),
        send(transmitter.resume_client(&caller.owner)),
        send(transmitter.streams(None, 1)),
        send(transmitter.overview(stream)),
        send(transmitter.dead_letters(stream, &LetterQuery::new(1))),
        send(transmitter.redrive(stream, LetterFilter::default())),
        send(transmitter.totals()),
    ));
    drop((
        send(receivers.jwks()),
        send(receivers.create_stream(caller, CreateStream::new(RequestedDelivery::Poll))),
        send(receivers.read_stream(caller, stream)),
        send(receivers.list_streams(caller)),
        send(receivers.update_stream(caller, patch)),
        send(receivers.replace_stream(caller, put)),
        send(receivers.delete_stream(caller, stream)),
        send(receivers.read_status(caller, stream)),
        send(receivers.update_status(caller, request)),
        send(receivers.add_subject(caller, changed())),
        send(receivers.remove_subject(caller, changed())),
        send(receivers.verify(caller, VerificationRequest::new(stream.clone(), None))),
    ));
    drop(send(receivers.poll(caller, stream, PollRequest::default())));
}

#[test]
fn every_port_is_an_object_that_may_be_shared() {
    fn shared<T: ?Sized + Debug + Send + Sync + 'static>() {}
    shared::<dyn StreamStore>();
    shared::<dyn ReceiverStore>();
    shared::<dyn WorkerStore>();
    shared::<dyn OperatorStore>();
    shared::<dyn KeyProvider>();
    shared::<dyn Deliverer>();
    shared::<dyn Authenticator>();
    shared::<dyn Clock>();
    shared::<dyn Entropy>();
    shared::<dyn SupportedEvents>();
    shared::<Transmitter>();
    shared::<Receivers>();
    // A host that chooses at run time hands over boxes and arcs.
    let world = World::new();
    let store: Arc<dyn StreamStore> = Arc::<MemoryStore>::clone(&world.store);
    let keys: Box<dyn KeyProvider> = Box::new(world.keys.clone());
    let deliverer: Box<dyn Deliverer> = Box::new(world.receiver.clone());
    let issuer = Issuer::parse(ISSUER).unwrap();
    let transmitter =
        Transmitter::builder(issuer, store, keys).with_deliverer(deliverer).build().unwrap();
    world.push_stream(ONE);
    world.emit("user", "a");
    assert_eq!(ready(transmitter.run_once()).unwrap().delivered, 1);
    let mut outbox: Box<dyn Outbox + '_> = world.store.outbox();
    ready(world.transmitter.emit_in(&mut *outbox, event("user", "b"))).unwrap();
}

/// The source of an error that nobody would write by accident.
fn cause() -> Box<dyn StdError + Send + Sync> {
    "the innermost cause".into()
}

/// Every error of the crate that has a source, and those that could have one.
fn errors() -> Vec<Box<dyn StdError>> {
    let kid = || KeyId::parse("k").unwrap();
    let unavailable = || KeyError::Unavailable(cause());
    let jwk_set = |text: &str| -> JwkSetError { LocalKeys::from_jwk_set(text).unwrap_err() };
    let jwk = |text: &str| -> KeyMaterialError { SigningKey::from_jwk(text).unwrap_err() };
    vec![
        Box::new(Error::ClockCannotSleep),
        Box::new(Error::Event(SetError::TooLarge(70_000))),
        Box::new(Error::Event(SetError::NotJson)),
        Box::new(Error::Keys(unavailable())),
        Box::new(Error::Keys(KeyError::UnknownKey(kid()))),
        Box::new(Error::Keys(KeyError::NoCurrentKey)),
        Box::new(Error::Keys(KeyError::Deadline)),
        Box::new(Error::Refused(Refusal::UnknownStream)),
        Box::new(Error::Store(StoreError::NotFound)),
        Box::new(Error::Store(StoreError::Unavailable(cause()))),
        Box::new(Error::Store(StoreError::Corrupt(cause()))),
        Box::new(AuthError::Unavailable { retry_after: seconds(1), source: cause() }),
        Box::new(DeliverError::new(TransportFailure::Tls).with_source(cause())),
        Box::new(jwk_set("no json")),
        Box::new(jwk_set("{}")),
        Box::new(jwk_set(r#"{"keys":[]}"#)),
        Box::new(jwk_set(r#"{"keys":[{"kty":"EC"}]}"#)),
        Box::new(jwk("no json")),
        Box::new(jwk(r#"{"kty":"EC","kid":""}"#)),
        Box::new(jwk(r#"{"kty":"EC","kid":"a","alg":"ES256","crv":"P-256"}"#)),
        Box::new(EventType::parse("no uri").unwrap_err()),
        Box::new(IdError::Empty),
    ]
}

#[test]
fn no_error_repeats_the_words_of_its_source() {
    let mut sources = 0;
    for error in errors() {
        let mut error: &dyn StdError = &*error;
        loop {
            let own = error.to_string();
            assert!(!own.is_empty() && !own.ends_with('.'), "{own}");
            assert!(!own.starts_with(char::is_uppercase) || own.starts_with("JWK"), "{own}");
            let Some(source) = error.source() else { break };
            sources += 1;
            assert!(!own.contains(&source.to_string()), "`{own}` repeats `{source}`");
            error = source;
        }
    }
    assert!(sources >= 12, "{sources}");
}

#[test]
fn every_error_has_an_answer_that_tells_the_receiver_nothing_of_the_cause() {
    for (error, status) in [
        (Error::ClockCannotSleep, 500),
        (Error::Event(SetError::NotJson), 500),
        (Error::Keys(KeyError::Unavailable(cause())), 503),
        (Error::Keys(KeyError::Deadline), 503),
        (Error::Keys(KeyError::UnknownKey(KeyId::parse("k-secret").unwrap())), 500),
        (Error::Store(StoreError::NotFound), 404),
        (Error::Store(StoreError::StreamLimit), 409),
        (Error::Store(StoreError::TenantStreamLimit), 409),
        (Error::Store(StoreError::SubjectLimit), 403),
        (Error::Store(StoreError::Suspended), 403),
        (Error::Store(StoreError::Conflict), 503),
        (Error::Store(StoreError::Unavailable(cause())), 503),
        (Error::Store(StoreError::Corrupt(cause())), 500),
    ] {
        let answer = error.refusal().answer();
        assert_eq!(answer.status, status, "{error:?}");
        assert!(!answer.description.contains("cause"), "{answer:?}");
        assert!(!answer.description.contains("k-secret"), "{answer:?}");
    }
}

#[test]
fn no_debug_form_shows_a_secret_p13() {
    const SECRET: &str = "s3cr3t";
    let world = World::new();
    let endpoint = format!("{ONE}?capability={SECRET}");
    let delivery = || push_to(&endpoint, Some(&format!("Bearer {SECRET}")));
    let mut shown: Vec<String> = Vec::new();
    let mut show = |value: &dyn Debug| shown.push(format!("{value:?} {value:#?}"));
    let create = CreateStream::new(delivery());
    show(&create);
    let view = ready(world.receivers.create_stream(&caller(), create)).unwrap();
    show(&view.stream_id);
    let stream = view.stream_id;
    let wrong = json!({"delivery": {
        "method": "urn:ietf:rfc:8935", "endpoint_url": ONE,
        "authorization_header": format!("Bearer {SECRET}\r\nx: y")
    }});
    let refused =
        CreateStream::parse(wrong.to_string().as_bytes(), &Profile::ssf(), &EgressPolicy::public());
    show(&Error::from(refused.unwrap_err()));
    // A SET that is claimed and being signed.
    world.emit("user", "a");
    world.keys.set(Mood::SignsAfter(seconds(5)));
    let run = Task::start(world.transmitter.run_once());
    show(&world.transmitter);
    show(&world.receivers);
    show(&world.store);
    show(&world.overview(&stream));
    drop(run);
    let worker = WorkerId::parse("w").unwrap();
    let issuer = Issuer::parse(ISSUER).unwrap();
    let (now, until): (Timestamp, _) = (START.after(seconds(60)), START.after(seconds(120)));
    let claim = ClaimRequest::new(issuer.clone(), worker, now, until, 10, 10);
    let claimed = ready(world.store.claim(claim)).unwrap();
    assert_eq!(claimed.entries.len(), 1);
    show(&claimed);
    let record = ready(world.store.find_stream(&issuer, &stream)).unwrap();
    show(&StreamUpdate::new(record, 1));
    show(&ready(world.transmitter.dead_letters(&stream, &LetterQuery::new(10))).unwrap());
    world.keys.set(Mood::Signs);
    world.run_for(seconds(120));
    assert_eq!(world.totals().delivered, 1);
    show(&world.receiver.pushes());
    for shown in shown {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    // And the view, which may show the endpoint, never the header.
    assert!(
        !format!("{:?}", ready(world.receivers.list_streams(&caller())).unwrap())
            .contains("Bearer")
    );
}

#[test]
fn no_debug_form_shows_a_private_key() {
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k").unwrap());
    let key = key.unwrap();
    let private = key.private_jwk();
    let jwk: serde_json::Value = serde_json::from_str(private.expose()).unwrap();
    let secret = jwk["d"].as_str().unwrap();
    let shown = format!("{key:?} {private:?}");
    let shown = format!("{shown} {:?}", LocalKeys::new(key));
    assert!(!shown.contains(secret), "{shown}");
}
