//! Which events reach which streams: explanations, vetoes, removals that take effect later.

use ssf_transmitter::Transmitter;
use ssf_transmitter::event::{Event, types};
use ssf_transmitter::hooks::{Sharing, SharingPolicy};
use ssf_transmitter::id::{Issuer, Owner, StreamId};
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery};
use ssf_transmitter::routing::{Explanation, StoppedBy};
use ssf_transmitter::store::OperatorStore;
use ssf_transmitter::stream::{DefaultSubjects, StreamStatus};

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
