//! Whose streams, how many, how often (SSF 1.0 §8.1.1, §8.1.4; design promise P10).

use std::sync::Arc;

use serde_json::json;
use ssf_transmitter::EgressPolicy;
use ssf_transmitter::auth::Caller;
use ssf_transmitter::error::Error;
use ssf_transmitter::id::{Issuer, StreamId};
use ssf_transmitter::protocol::{
    CreateStream, PatchStream, PollRequest, Profile, Refusal, ReplaceStream, RequestedDelivery,
    StatusRequest, SubjectRequest, VerificationRequest,
};
use ssf_transmitter::store::{OperatorStore, ReceiverStore};
use ssf_transmitter::stream::{StreamQuota, StreamStatus};
use ssf_transmitter::transmitter::{ConfigError, Transmitter};

use crate::drive::ready;
use crate::world::{ISSUER, ONE, TWO, World, caller, caller_of, event, seconds, subject};

/// What every call that names a stream answers this caller.
fn answers(world: &World, caller: &Caller, stream: &StreamId) -> Vec<(&'static str, Refusal)> {
    let receivers = &world.receivers;
    let body = json!({"stream_id": stream}).to_string();
    let patch =
        PatchStream::parse(body.as_bytes(), &Profile::ssf(), &EgressPolicy::public()).unwrap();
    let put =
        ReplaceStream::parse(body.as_bytes(), &Profile::ssf(), &EgressPolicy::public()).unwrap();
    let status = StatusRequest::new(stream.clone(), StreamStatus::Disabled, None);
    let subject = || SubjectRequest::new(stream.clone(), subject("user"));
    let verify = VerificationRequest::new(stream.clone(), None);
    let refusal = |result: Result<(), Error>| result.unwrap_err().refusal();
    vec![
        ("read", refusal(ready(receivers.read_stream(caller, stream)).map(drop))),
        ("patch", refusal(ready(receivers.update_stream(caller, &patch)).map(drop))),
        ("put", refusal(ready(receivers.replace_stream(caller, &put)).map(drop))),
        ("delete", refusal(ready(receivers.delete_stream(caller, stream)))),
        ("read status", refusal(ready(receivers.read_status(caller, stream)).map(drop))),
        ("set status", refusal(ready(receivers.update_status(caller, &status)).map(drop))),
        ("add", refusal(ready(receivers.add_subject(caller, subject())))),
        ("remove", refusal(ready(receivers.remove_subject(caller, subject())))),
        ("verify", refusal(ready(receivers.verify(caller, verify)))),
        ("poll", refusal(ready(receivers.poll(caller, stream, PollRequest::default())).map(drop))),
    ]
}

#[test]
fn a_foreign_stream_is_an_unknown_stream_to_every_call_p10() {
    let world = World::new();
    let (push, poll) = (world.push_stream(ONE), world.poll_stream());
    world.emit("user", "a");
    let unknown = StreamId::parse("no-such-stream").unwrap();
    for stranger in [caller_of("acme", "siem"), caller_of("other", "crm")] {
        for stream in [&push, &poll, &unknown] {
            for (call, refusal) in answers(&world, &stranger, stream) {
                assert_eq!(refusal, Refusal::UnknownStream, "{call}");
            }
        }
        assert_eq!(ready(world.receivers.list_streams(&stranger)).unwrap().len(), 0);
    }
    // Nothing happened to them.
    assert_eq!(
        (world.status(&push), world.status(&poll)),
        (StreamStatus::Enabled, StreamStatus::Enabled)
    );
    world.run_once();
    assert_eq!((world.sent(), world.polled(&poll)), (vec!["a".to_owned()], vec!["a".to_owned()]));
}

#[test]
fn another_issuer_over_the_same_store_sees_nothing_p10() {
    let world = World::new();
    let stream = world.poll_stream();
    world.push_stream(ONE);
    world.emit("user", "a");
    let issuer = Issuer::parse("https://other.example.com").unwrap();
    let found = ready(world.store.read_stream(&issuer, &caller().owner, &stream));
    assert!(found.is_err());
    let other = Transmitter::builder(issuer.clone(), Arc::clone(&world.store), world.keys.clone())
        .with_deliverer(world.receiver.clone())
        .with_clock(world.clock.clone())
        .build()
        .unwrap();
    assert_eq!(ready(other.emit(event("user", "b"))).unwrap().sets, []);
    assert_eq!(ready(other.run_once()).unwrap().delivered, 0);
    assert_eq!(ready(other.streams(None, 10)).unwrap().len(), 0);
    assert_eq!(ready(world.store.totals(&issuer)).unwrap().accepted, 0);
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn the_list_holds_all_streams_of_the_receiver_in_the_order_of_their_creation() {
    let world = World::new();
    assert_eq!(ready(world.receivers.list_streams(&caller())).unwrap().len(), 0);
    let streams = [world.push_stream(ONE), world.poll_stream(), world.push_stream(TWO)];
    let list = ready(world.receivers.list_streams(&caller())).unwrap();
    let ids: Vec<StreamId> = list.into_iter().map(|view| view.stream_id).collect();
    assert_eq!(ids, streams);
}

#[test]
fn a_profile_whose_requests_cannot_be_told_apart_is_refused() {
    let mut profile = Profile::ssf();
    profile.locations.verification = profile.locations.status.clone();
    let world = World::new();
    let issuer = Issuer::parse(ISSUER).unwrap();
    let builder = Transmitter::builder(issuer, Arc::clone(&world.store), world.keys.clone());
    let refused = builder.with_profile(profile).build().map(|_| ());
    assert_eq!(refused, Err(ConfigError::Locations));
}

#[test]
fn a_receiver_has_as_many_streams_as_it_may_have_and_no_more_ssf_1_0_8_1_1_1() {
    let mut profile = Profile::ssf();
    profile.quota = StreamQuota::new(1);
    let world = World::with_profile(profile);
    let stream = world.poll_stream();
    let create = |caller: &Caller| {
        let request = CreateStream::new(RequestedDelivery::Poll);
        ready(world.receivers.create_stream(caller, request))
            .map(|view| view.stream_id)
            .map_err(|error| error.refusal())
    };
    assert_eq!(create(&caller()), Err(Refusal::StreamLimit));
    // The limit is each receiver's own, and a deleted stream makes room.
    assert!(create(&caller_of("other", "crm")).is_ok());
    world.delete(&stream);
    assert!(create(&caller()).is_ok_and(|new| new != stream));
}

#[test]
fn verification_too_soon_is_told_when_to_come_back_ssf_1_0_8_1_4_2() {
    let world = World::new();
    let (stream, other) = (world.poll_stream(), world.poll_stream());
    assert_eq!(world.verify(&stream, "1"), Ok(()));
    world.advance(seconds(4));
    assert_eq!(world.verify(&stream, "2"), Err(Refusal::TooSoon(seconds(6))));
    assert_eq!(world.verify(&other, "1"), Ok(()));
    // What was refused does not count, and replaced nothing.
    world.advance(seconds(6));
    assert_eq!(world.polled(&stream), ["verification 1"]);
    assert_eq!(world.verify(&stream, "3"), Ok(()));
    assert_eq!(world.polled(&stream), ["verification 3"]);
    let view = ready(world.receivers.read_stream(&caller(), &stream)).unwrap();
    assert_eq!(view.min_verification_interval, 10);
}

#[test]
fn the_interval_of_verifications_is_the_one_that_receivers_are_told_ssf_1_0_8_1_1() {
    let mut profile = Profile::ssf();
    profile.min_verification_interval = std::time::Duration::from_millis(2600);
    let world = World::with_profile(profile);
    let stream = world.poll_stream();
    assert_eq!(world.verify(&stream, "1"), Ok(()));
    world.advance(std::time::Duration::from_millis(2600));
    let rest = std::time::Duration::from_millis(400);
    assert_eq!(world.verify(&stream, "2"), Err(Refusal::TooSoon(rest)));
    world.advance(rest);
    assert_eq!(world.verify(&stream, "2"), Ok(()));
}

#[test]
fn a_deleted_stream_is_unknown_and_its_subjects_are_forgotten_ssf_1_0_8_1_1_5() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    world.delete(&stream);
    for (call, refusal) in answers(&world, &caller(), &stream) {
        assert_eq!(refusal, Refusal::UnknownStream, "{call}");
    }
    assert_eq!(world.emit("user", "b").sets, []);
    let t = world.totals();
    assert_eq!((t.accepted, t.discarded_deleted, t.waiting), (1, 1, 0));
}

#[test]
fn a_replacement_removes_what_it_leaves_out_and_routes_accordingly_ssf_1_0_8_1_1_4() {
    let world = World::new();
    let stream = world.poll_stream();
    world.patch(&stream, json!({"events_requested": [], "description": "mine"}));
    assert_eq!(world.emit("user", "a").sets, []);
    let body = json!({"stream_id": stream}).to_string();
    let put =
        ReplaceStream::parse(body.as_bytes(), &Profile::ssf(), &EgressPolicy::public()).unwrap();
    let view = ready(world.receivers.replace_stream(&caller(), &put)).unwrap();
    assert_eq!((view.events_requested, view.description), (None, None));
    assert_eq!(world.emit("user", "b").sets.len(), 1);
}

#[test]
fn the_operator_sees_all_streams_page_by_page() {
    let world = World::new();
    for client in ["a", "b", "c"] {
        let request = CreateStream::new(RequestedDelivery::Poll);
        ready(world.receivers.create_stream(&caller_of("t", client), request)).unwrap();
    }
    let first = ready(world.transmitter.streams(None, 2)).unwrap();
    let last = &first[1].record.stream_id;
    let rest = ready(world.transmitter.streams(Some(last), 2)).unwrap();
    let mut clients: Vec<_> =
        first.iter().chain(&rest).map(|overview| overview.record.owner.client.as_str()).collect();
    clients.sort_unstable();
    assert_eq!(clients, ["a", "b", "c"]);
}
