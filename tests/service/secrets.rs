//! Secrets at rest: what the store holds, and what follows when it does not open (design promise
//! P13).

use serde_json::json;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::PushRequest;
use ssf_transmitter::id::{KeyId, StreamId};
use ssf_transmitter::outbox::Breaker;
use ssf_transmitter::secret_box::aes_gcm::{AesGcmBox, SealingKey};
use ssf_transmitter::store::{ReceiverStore, StreamUpdate};
use ssf_transmitter::stream::{Delivery, StoredAuthorization, StreamRecord, StreamStatus};

use crate::drive::ready;
use crate::world::{ONE, TWO, World, seconds};

fn key(id: &str) -> SealingKey {
    let byte = id.bytes().fold(0, u8::wrapping_add);
    SealingKey::new(KeyId::parse(id).unwrap(), [byte; 32])
}

fn sealing() -> World {
    let mut world = World::new();
    world.restart(|builder| builder.with_secret_box(AesGcmBox::new(key("old"))));
    world
}

/// What the store holds of the stream's secret, as one text.
fn stored(world: &World, stream: &StreamId) -> Option<String> {
    let record = world.overview(stream).record;
    let Delivery::Push(push) = record.delivery else { panic!("a push stream") };
    push.authorization.map(|stored| stored.to_text().expose().to_owned())
}

/// Stores something else in the place of the stream's secret, past the transmitter.
fn store(world: &World, stream: &StreamId, authorization: Option<StoredAuthorization>) {
    let mut record: StreamRecord = world.overview(stream).record;
    let Delivery::Push(push) = &mut record.delivery else { panic!("a push stream") };
    push.authorization = authorization;
    let version = record.version;
    ready(world.store.update_stream(StreamUpdate::new(record, version))).unwrap();
}

fn header(push: &PushRequest) -> Option<&str> {
    push.authorization.as_ref().map(|header| header.expose())
}

#[test]
fn the_store_holds_sealed_secrets_only_and_pushes_carry_them_opened_ssf_6_1_1() {
    let world = sealing();
    let stream = world.push_stream(ONE);
    let created = stored(&world, &stream).unwrap();
    assert!(created.starts_with("sealed:a256gcm.") && created.ends_with(".old"), "{created}");
    world.emit("user", "a");
    world.run_once();

    world.patch(&stream, json!({"description": "the secret is kept"}));
    assert_eq!(stored(&world, &stream).as_ref(), Some(&created));
    world.patch(&stream, json!({"delivery": {"authorization_header": "Bearer two"}}));
    let changed = stored(&world, &stream).unwrap();
    assert!(changed.starts_with("sealed:") && changed != created);
    world.emit("user", "b");
    world.run_once();

    let pushes = world.pushes_to(ONE);
    let headers: Vec<_> = pushes.iter().map(header).collect();
    assert_eq!(headers, [Some("Bearer one"), Some("Bearer two")]);
    assert!(!format!("{:?}", world.overview(&stream)).contains("Bearer"));
}

#[test]
fn without_a_box_the_store_holds_what_the_receiver_gave() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    assert_eq!(stored(&world, &stream).as_deref(), Some("plain:Bearer one"));
}

#[test]
fn a_sealed_secret_that_was_moved_to_another_stream_is_not_sent_there() {
    let world = sealing();
    let (victim, thief) = (world.push_stream(ONE), world.push_stream(TWO));
    let Delivery::Push(push) = world.overview(&victim).record.delivery else { panic!("push") };
    store(&world, &thief, push.authorization);
    world.emit("user", "a");
    world.run_for(seconds(3600));
    assert_eq!((world.pushes_to(ONE).len(), world.pushes_to(TWO).len()), (1, 0));
}

#[test]
fn a_secret_that_does_not_open_is_our_trouble_the_sets_wait_and_the_operator_sees_why() {
    let mut world = sealing();
    let (one, other) = (world.push_stream(ONE), world.push_stream(TWO));
    store(&world, &other, None);
    for wrong in [Some("new"), None] {
        world.restart(|builder| match wrong {
            Some(id) => builder.with_secret_box(AesGcmBox::new(key(id))),
            None => builder,
        });
        world.emit("user", "a");
        world.run_for(seconds(3600));
        assert_eq!(world.pushes_to(ONE).len(), 0, "nothing is sent without the header");
        let overview = world.overview(&one);
        let error = overview.health.last_error.as_ref().map(|error| error.what.as_str());
        assert_eq!(error, Some("not sent: secret not opened"));
        assert_eq!(world.status(&one), StreamStatus::Enabled, "it is not the receiver's fault");
        assert_eq!(overview.dead_letters, 0);
    }
    assert_eq!(world.pushes_to(TWO).len(), 2, "other streams go on");

    // The operator brings the key back: within a minute all is as it should be.
    world.restart(|builder| {
        builder.with_secret_box(AesGcmBox::new(key("new")).with_older(key("old")))
    });
    world.run_for(seconds(61));
    let pushes = world.pushes_to(ONE);
    assert_eq!(pushes.iter().map(header).collect::<Vec<_>>(), [Some("Bearer one"); 2]);
    let breaker = world.overview(&one).health.breaker(world.clock.now());
    assert_eq!(breaker, Breaker::Closed);
}

#[test]
fn after_resealing_the_old_key_is_not_needed_any_more() {
    let mut world = World::new();
    let plain = world.push_stream(ONE);
    world.restart(|builder| builder.with_secret_box(AesGcmBox::new(key("old"))));
    let sealed = world.push_stream(TWO);
    let before = world.overview(&sealed).record;
    world.poll_stream();
    world.restart(|builder| {
        builder.with_secret_box(AesGcmBox::new(key("new")).with_older(key("old")))
    });
    assert_eq!(ready(world.transmitter.reseal()).unwrap(), 2);
    assert_eq!(ready(world.transmitter.reseal()).unwrap(), 0);
    for stream in [&plain, &sealed] {
        assert!(stored(&world, stream).unwrap().ends_with(".new"));
    }
    let after = world.overview(&sealed).record;
    assert_eq!(after.generation, before.generation, "pushes under way go on");

    world.restart(|builder| builder.with_secret_box(AesGcmBox::new(key("new"))));
    world.emit("user", "a");
    world.run_once();
    for endpoint in [ONE, TWO] {
        assert_eq!(world.pushes_to(endpoint).iter().map(header).next(), Some(Some("Bearer one")));
    }
}

#[test]
fn one_secret_that_cannot_be_resealed_leaves_the_others_their_turn() {
    let mut world = sealing();
    let (lost, good) = (world.push_stream(ONE), world.push_stream(TWO));
    let Delivery::Push(push) = world.overview(&good).record.delivery else { panic!("push") };
    store(&world, &lost, push.authorization);
    world.restart(|builder| {
        builder.with_secret_box(AesGcmBox::new(key("new")).with_older(key("old")))
    });
    let error = ready(world.transmitter.reseal()).unwrap_err();
    assert_eq!(error.to_string(), "the secret of a stream could not be sealed or opened");
    assert!(stored(&world, &good).unwrap().ends_with(".new"));
    assert!(stored(&world, &lost).unwrap().ends_with(".old"));
}
