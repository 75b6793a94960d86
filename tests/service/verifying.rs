//! Verifications that the transmitter starts (SSF 1.0 §8.1.4, §8.1.4.2).

use serde_json::json;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::stream::StreamStatus;

use crate::world::{ONE, START, World, claims, jtis, labels, seconds};

const HOUR: u64 = 3600;

fn world() -> World {
    World::with(|config| config.verification_interval = Some(seconds(HOUR)))
}

#[test]
fn a_stream_is_verified_when_it_was_not_for_the_interval_without_a_state_ssf_1_0_8_1_4() {
    let world = world();
    let stream = world.push_stream(ONE);
    world.run_for(seconds(HOUR - 1));
    assert_eq!(world.sent(), [""; 0]);
    world.run_for(seconds(1));
    assert_eq!(world.sent(), ["verification -"]);
    let claims = claims(&world.receiver.pushes()[0].token);
    assert_eq!(claims["sub_id"], json!({"format": "opaque", "id": stream.as_str()}));
    world.run_for(seconds(3 * HOUR));
    assert_eq!(world.sent(), ["verification -"; 4]);
}

#[test]
fn how_long_it_took_is_in_the_streams_health() {
    let world = world();
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(503).with_retry_after("90")));
    world.run_for(seconds(HOUR + 100));
    let verified = world.overview(&stream).health.verified.unwrap();
    assert_eq!((verified.queued_at, verified.took()), (START.after(seconds(HOUR)), seconds(90)));
}

#[test]
fn a_polled_stream_is_verified_by_its_acknowledgement() {
    let world = world();
    let stream = world.poll_stream();
    world.run_for(seconds(HOUR));
    let reply = world.poll(&stream, json!({}));
    assert_eq!(labels(&reply), ["verification -"]);
    world.advance(seconds(7));
    world.poll(&stream, json!({"ack": jtis(&reply)}));
    assert_eq!(world.overview(&stream).health.verified.unwrap().took(), seconds(7));
    // It is not queued again while it is not acknowledged.
    world.run_for(seconds(HOUR));
    let first = jtis(&world.poll(&stream, json!({})));
    world.run_for(seconds(2 * HOUR));
    assert_eq!(jtis(&world.poll(&stream, json!({}))), first);
}

#[test]
fn a_receiver_that_verifies_itself_is_left_alone_and_never_told_it_is_too_soon() {
    let world = world();
    let stream = world.push_stream(ONE);
    world.run_for(seconds(HOUR / 2));
    world.verify(&stream, "theirs").unwrap();
    world.run_for(seconds(HOUR / 2));
    assert_eq!(world.sent(), ["verification theirs"]);
    world.run_for(seconds(HOUR / 2));
    assert_eq!(world.sent(), ["verification theirs", "verification -"]);
    world.verify(&stream, "again").unwrap();
    world.run_once();
    assert_eq!(world.sent().last().unwrap(), "verification again");
}

#[test]
fn a_stopped_stream_is_not_verified() {
    let world = world();
    let stream = world.push_stream(ONE);
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    world.run_for(seconds(3 * HOUR));
    assert_eq!(world.totals().accepted, 0);
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    world.run_for(seconds(1));
    assert_eq!(world.sent(), ["verification -"]);
}

// P5: it is the probe, whatever the breaker says, but not before a `Retry-After`.
#[test]
fn on_an_enabled_stream_a_verification_goes_out_at_once_but_not_before_a_retry_after() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.otherwise(Ok(PushResponse::new(500)));
    world.emit("user", "a");
    world.run_for(seconds(600));
    let sent = world.sent().len();
    world.verify(&stream, "x").unwrap();
    let run = world.running();
    assert_eq!((world.sent().len(), world.clock.now()), (sent + 1, START.after(seconds(600))));
    assert_eq!(world.sent().last().unwrap(), "verification x");
    drop(run);

    // The receiver asks to be left alone for five minutes; that binds the next one, too.
    world.receiver.otherwise(Ok(PushResponse::new(429).with_retry_after("300")));
    world.advance(seconds(60));
    world.verify(&stream, "y").unwrap();
    world.run_once();
    assert_eq!(world.sent().last().unwrap(), "verification y");
    let (sent, asked) = (world.sent().len(), world.clock.now().after(seconds(300)));
    assert_eq!(world.overview(&stream).health.not_before, Some(asked));
    world.receiver.otherwise(Ok(PushResponse::new(202)));
    world.advance(seconds(60));
    world.verify(&stream, "z").unwrap();
    let mut run = world.running();
    world.pass(seconds(239), &mut run);
    assert_eq!(world.sent().len(), sent);
    world.pass(seconds(1), &mut run);
    assert_eq!(world.sent()[sent], "verification z");
}
