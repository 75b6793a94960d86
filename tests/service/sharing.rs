//! Which events reach which streams: explanations, vetoes, removals that take effect later.

use std::sync::Arc;

use serde_json::json;
use ssf_transmitter::Transmitter;
use ssf_transmitter::event::ssf::{StreamUpdated, Verification};
use ssf_transmitter::event::{Event, types};
use ssf_transmitter::hooks::{Sharing, SharingPolicy};
use ssf_transmitter::id::{Issuer, Owner, StreamId};
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery};
use ssf_transmitter::routing::{Explanation, StoppedBy};
use ssf_transmitter::store::OperatorStore;
use ssf_transmitter::stream::{DefaultSubjects, StreamStatus};
use ssf_transmitter::subject::Subject;

use crate::drive::ready;
use crate::world::{ISSUER, World, caller, caller_of, event, seconds, subject};

/// Shares with nobody but the tenant of the tests' own receiver.
#[derive(Debug)]
struct OneTenant;

impl SharingPolicy for OneTenant {
    fn decide(&self, _event: &Event, _stream: &StreamId, owner: &Owner) -> Sharing {
        if *owner == caller().owner { Sharing::Allow } else { Sharing::Veto }
    }
}

fn explain(world: &World, event: &Event, stream: &StreamId) -> Explanation {
    ready(world.transmitter.explain(event, stream)).unwrap()
}

#[test]
fn what_is_explained_is_what_an_emission_does() {
    let world = World::with(|config| config.default_subjects = DefaultSubjects::None);
    let stream = world.poll_stream();
    let stopped = Explanation::Stopped;
    let about = event("user", "a");
    assert_eq!(explain(&world, &about, &stream), stopped(StoppedBy::Subject));
    assert_eq!(world.emit("user", "a").sets, []);
    world.add_subject(&stream, "user");
    assert_eq!(explain(&world, &about, &stream), Explanation::Delivered);
    assert_eq!(world.emit("user", "b").sets.len(), 1);
    let control = Event::new(types::verification(), subject("user"));
    assert_eq!(explain(&world, &control, &stream), stopped(StoppedBy::Type));
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    assert_eq!(explain(&world, &about, &stream), Explanation::Held);
    world.set_status(&stream, StreamStatus::Disabled).unwrap();
    assert_eq!(explain(&world, &about, &stream), stopped(StoppedBy::Status));
    // Nothing of it was an emission.
    assert_eq!(world.totals().accepted, 1);
}

#[test]
fn an_event_that_an_emission_would_refuse_is_refused_by_an_explanation() {
    let world = World::new();
    let stream = world.poll_stream();
    let record = ready(world.store.find_stream(&Issuer::parse(ISSUER).unwrap(), &stream)).unwrap();
    let revoked = || event("user", "a");
    for (event, fault) in [
        (revoked().with_member("reason_admin", json!({"en": ""})), "reason_admin.en"),
        (revoked().with_member("x", "y".repeat(70_000)), "TooLarge"),
    ] {
        let told = [
            ready(world.transmitter.emit(event.clone())).unwrap_err(),
            ready(world.transmitter.explain(&event, &stream)).unwrap_err(),
            ready(world.transmitter.explain_hypothetical(&event, &record, &[])).unwrap_err(),
        ]
        .map(|error| format!("{error:?}"));
        assert!(told.iter().all(|told| told.contains(fault)), "{told:?}");
    }
}

/// A host that supports the types of control SETs supports nothing more by that.
#[test]
fn a_control_event_that_a_host_emits_reaches_nobody_ssf_1_0_8_1_4_1() {
    let world = World::new();
    let supported = vec![types::verification(), types::stream_updated(), types::session_revoked()];
    let builder = Transmitter::builder(
        Issuer::parse(ISSUER).unwrap(),
        Arc::clone(&world.store),
        world.keys.clone(),
    );
    let transmitter = builder.with_supported_events(supported).build().unwrap();
    let create = CreateStream::new(RequestedDelivery::Poll);
    let created = ready(transmitter.receivers().create_stream(&caller(), create)).unwrap();
    assert_eq!(created.events_delivered, [types::session_revoked()]);
    for about in [Subject::of_stream(&created.stream_id), subject("user")] {
        let updated = Event::of(&StreamUpdated::new(StreamStatus::Paused), about.clone()).unwrap();
        for control in [updated, Event::of(&Verification::new(), about).unwrap()] {
            assert_eq!(ready(transmitter.emit(control)).unwrap().sets, []);
        }
    }
}

#[test]
fn a_hypothetical_stream_is_explained_and_an_outdated_one_is_named() {
    let world = World::new();
    let stream = world.poll_stream();
    let issuer = Issuer::parse(ISSUER).unwrap();
    let mut record = ready(world.store.find_stream(&issuer, &stream)).unwrap();
    let about = event("user", "a");
    let explain = |record: &_, listed: &[_]| {
        ready(world.transmitter.explain_hypothetical(&about, record, listed)).unwrap()
    };
    assert_eq!(explain(&record, &[]), Explanation::Delivered);
    let excluded = Explanation::Stopped(StoppedBy::Subject);
    assert_eq!(explain(&record, &[subject("user")]), excluded);
    record.generation += 1;
    assert_eq!(explain(&record, &[]), Explanation::Stopped(StoppedBy::Generation));
    record.stream_id = StreamId::parse("hypothetical").unwrap();
    assert_eq!(explain(&record, &[]), Explanation::Delivered);
}

#[test]
fn a_vetoed_stream_never_gets_the_event_and_the_explanation_says_so() {
    let world = World::new();
    let transmitter = Transmitter::builder(
        Issuer::parse(ISSUER).unwrap(),
        world.store.clone(),
        world.keys.clone(),
    )
    .with_clock(world.clock.clone())
    .with_sharing_policy(OneTenant)
    .build()
    .unwrap();
    let receivers = transmitter.receivers();
    let create = |caller| {
        let request = CreateStream::new(RequestedDelivery::Poll);
        ready(receivers.create_stream(&caller, request)).unwrap().stream_id
    };
    let (ours, other) = (create(caller()), create(caller_of("other", "rp")));
    let about = event("user", "a");
    let sets = ready(transmitter.emit(about.clone())).unwrap().sets;
    assert_eq!(sets.iter().map(|set| &set.stream_id).collect::<Vec<_>>(), [&ours]);
    let explained = |stream| ready(transmitter.explain(&about, stream)).unwrap();
    assert_eq!(explained(&ours), Explanation::Delivered);
    assert_eq!(explained(&other), Explanation::Stopped(StoppedBy::Policy));
}

#[test]
fn a_removal_takes_effect_when_its_grace_is_over_ssf_1_0_9_3() {
    for default in [DefaultSubjects::All, DefaultSubjects::None] {
        let world = World::with(|config| {
            config.default_subjects = default;
            config.removal_grace = seconds(60);
        });
        let stream = world.poll_stream();
        world.add_subject(&stream, "user");
        world.remove_subject(&stream, "user");
        world.advance(seconds(59));
        assert_eq!(world.emit("user", "a").sets.len(), 1, "{default:?}");
        // An addition meanwhile cancels the removal.
        world.add_subject(&stream, "user");
        world.advance(seconds(60));
        assert_eq!(world.emit("user", "b").sets.len(), 1, "{default:?}");
        world.remove_subject(&stream, "user");
        world.advance(seconds(60));
        assert_eq!(world.emit("user", "c").sets, [], "{default:?}");
        assert_eq!(
            world.emit("somebody else", "d").sets.len(),
            usize::from(default == DefaultSubjects::All)
        );
    }
}
