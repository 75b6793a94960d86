//! Verification and stream-updated: a lane of their own (design promise P5; SSF 1.0 §8.1.4, §8.1.5).

use serde_json::json;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::outbox::{DeadLetterReason, TransportFailure};
use ssf_transmitter::stream::StreamStatus::{Disabled, Enabled, Paused};

use crate::world::{ONE, START, World, claims, jtis, labels, seconds};

#[test]
fn a_verification_names_the_stream_and_echoes_the_state_ssf_1_0_8_1_4_1() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.verify(&stream, " \u{e9}\n").unwrap();
    world.run_once();
    let claims = claims(&world.receiver.pushes()[0].token);
    assert_eq!(claims["sub_id"], json!({"format": "opaque", "id": stream}));
    let event_type = "https://schemas.openid.net/secevent/ssf/event-type/verification";
    assert_eq!(claims["events"], json!({event_type: {"state": " \u{e9}\n"}}));
}

#[test]
fn a_verification_overtakes_the_queue_and_no_filter_stops_it() {
    let world = World::new();
    let (push, poll) = (world.push_stream(ONE), world.poll_stream());
    for stream in [&push, &poll] {
        // Neither the types asked for nor a removed subject say anything about control SETs.
        world.patch(
            stream,
            json!({"events_requested": [
                "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
            ]}),
        );
        world.remove_subject(stream, stream.as_str());
    }
    world.emit("user", "a");
    world.emit("other", "b");
    for stream in [&push, &poll] {
        world.verify(stream, "x").unwrap();
    }
    world.run_for(seconds(1));
    assert_eq!(world.sent(), ["verification x", "a", "b"]);
    assert_eq!(world.polled(&poll), ["verification x", "a", "b"]);
}

#[test]
fn a_verification_probes_a_stream_whose_breaker_is_open() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    for _ in 0..8 {
        world.receiver.then(ONE, Ok(PushResponse::new(503)));
    }
    world.emit("user", "a");
    // After eight failures the wait is one of minutes.
    world.run_for(seconds(127));
    assert_eq!((world.sent().len(), world.totals().waiting), (8, 1));
    let mut run = world.running();
    world.verify(&stream, "x").unwrap();
    run.step();
    // At once, and what waited follows: the receiver works again.
    assert_eq!(world.sent()[8..], ["verification x", "a"]);
    assert_eq!(world.totals().waiting, 0);
}

#[test]
fn a_verification_that_failed_as_the_probe_waits_like_all_others() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.otherwise(Err(TransportFailure::Connect));
    world.verify(&stream, "x").unwrap();
    world.run_once();
    assert_eq!(world.run_once().returned, 0);
    assert_eq!(world.sent(), ["verification x"]);
    world.receiver.otherwise(Ok(PushResponse::new(202)));
    world.run_for(seconds(2));
    assert_eq!(world.sent(), ["verification x", "verification x"]);
    assert_eq!(world.totals().delivered, 1);
}

#[test]
fn a_verification_does_not_start_before_retry_after_rfc_9110_10_2_3() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(503).with_retry_after("300")));
    world.emit("user", "a");
    world.run_once();
    world.verify(&stream, "x").unwrap();
    world.run_for(seconds(299));
    assert_eq!(world.sent(), ["a"]);
    world.run_for(seconds(1));
    assert_eq!(world.sent()[1..], ["verification x", "a"]);
}

#[test]
fn a_newer_verification_replaces_an_older_one() {
    let world = World::new();
    let stream = world.poll_stream();
    world.verify(&stream, "old").unwrap();
    world.advance(seconds(10));
    world.verify(&stream, "new").unwrap();
    assert_eq!(world.polled(&stream), ["verification new"]);
    assert_eq!((world.totals().accepted, world.totals().discarded_replaced), (2, 1));
}

#[test]
fn on_a_stream_its_receiver_stopped_a_verification_is_held_or_dropped_ssf_1_0_8_1_2_1() {
    for (status, sent, dropped) in [(Paused, vec!["verification x"], 0), (Disabled, vec![], 1)] {
        let world = World::new();
        let stream = world.push_stream(ONE);
        world.set_status(&stream, status).unwrap();
        world.verify(&stream, "x").unwrap();
        world.run_for(seconds(60));
        assert_eq!(world.sent(), [""; 0], "{status:?}");
        world.set_status(&stream, Enabled).unwrap();
        world.run_for(seconds(1));
        assert_eq!(world.sent(), sent, "{status:?}");
        assert_eq!(world.totals().discarded_disabled, dropped);
    }
}

#[test]
fn a_stop_by_the_transmitter_is_announced_and_ends_all_else_ssf_1_0_8_1_5() {
    for status in [Paused, Disabled] {
        let world = World::new();
        let stream = world.push_stream(ONE);
        world.emit("user", "a");
        world.stop(&stream, status);
        world.run_for(seconds(60));
        assert_eq!(world.sent(), [format!("stream-updated {}", status.as_str())]);
        let claims = claims(&world.receiver.pushes()[0].token);
        assert_eq!(claims["sub_id"], json!({"format": "opaque", "id": stream}));
        let event_type = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";
        let members = json!({"status": status.as_str(), "reason": "maintenance"});
        assert_eq!(claims["events"], json!({event_type: members}));
    }
}

#[test]
fn the_announcement_of_a_stop_has_three_tries_in_a_minute_and_goes_by_the_breaker() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.otherwise(Ok(PushResponse::new(503)));
    world.emit("user", "a");
    world.run_for(seconds(3600));
    let before = world.sent().len();
    world.stop(&stream, Paused);
    world.run_once();
    assert_eq!(world.sent()[before..], ["stream-updated paused"]);
    world.run_for(seconds(60));
    assert_eq!(world.sent()[before..], ["stream-updated paused"; 3]);
    let [letter] = &world.dead_letters(&stream)[..] else { panic!("one dead letter") };
    assert_eq!(letter.reason, DeadLetterReason::AnnouncementExpired);
    assert_eq!(letter.attempts, 3);
    assert_eq!(world.totals().waiting, 1);
}

#[test]
fn on_a_poll_stream_the_announcement_is_there_until_it_is_acknowledged() {
    for (status, held) in
        [(Paused, vec!["stream-updated enabled", "a"]), (Disabled, vec!["stream-updated enabled"])]
    {
        let world = World::new();
        let stream = world.poll_stream();
        world.emit("user", "a");
        world.stop(&stream, status);
        let announcement = [format!("stream-updated {}", status.as_str())];
        assert_eq!(world.polled(&stream), announcement);
        world.advance(seconds(7 * 24 * 3600));
        let reply = world.poll(&stream, json!({}));
        assert_eq!(labels(&reply), announcement);
        let reply = world.poll(&stream, json!({"ack": jtis(&reply)}));
        assert_eq!(reply.sets, []);
        world.stop(&stream, Enabled);
        assert_eq!(world.polled(&stream), held);
    }
}

#[test]
fn when_the_transmitter_enables_a_stream_the_announcement_precedes_what_was_held() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.stop(&stream, Paused);
    world.emit("user", "a");
    world.emit("other", "b");
    world.run_once();
    world.stop(&stream, Enabled);
    world.run_for(seconds(1));
    assert_eq!(world.sent(), ["stream-updated paused", "stream-updated enabled", "a", "b"]);
}

#[test]
fn an_announcement_that_waits_for_its_next_try_precedes_what_was_held_too() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.stop(&stream, Paused);
    world.emit("user", "a");
    world.receiver.then(ONE, Ok(PushResponse::new(503)));
    world.run_once();
    // Enabled while the announcement of the stop has two more tries.
    world.stop(&stream, Enabled);
    world.run_for(seconds(10));
    assert_eq!(world.sent()[1..], ["stream-updated paused", "stream-updated enabled", "a"]);
}

#[test]
fn a_receiver_that_is_back_sees_it_by_a_verification_before_the_announcement_that_failed() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.stop(&stream, Paused);
    world.run_once();
    world.emit("user", "a");
    world.receiver.otherwise(Err(TransportFailure::Connect));
    world.stop(&stream, Enabled);
    // The announcement is the probe, and none comes for minutes now.
    world.run_for(seconds(127));
    let before = world.sent().len();
    assert_eq!(world.sent()[1..], vec!["stream-updated enabled"; before - 1]);
    world.receiver.otherwise(Ok(PushResponse::new(202)));
    let mut run = world.running();
    world.verify(&stream, "x").unwrap();
    run.step();
    world.pass(seconds(1), &mut run);
    assert_eq!(world.sent()[before..], ["verification x", "stream-updated enabled", "a"]);
}

#[test]
fn a_status_that_stays_or_that_the_receiver_set_is_not_announced_ssf_1_0_8_1_5() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.stop(&stream, Enabled);
    world.set_status(&stream, Paused).unwrap();
    world.set_status(&stream, Enabled).unwrap();
    world.run_for(seconds(60));
    assert_eq!(world.sent(), [""; 0]);
    assert_eq!(world.totals().accepted, 0);
}

#[test]
fn while_a_control_set_is_under_way_nothing_else_of_its_stream_starts() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    world.verify(&stream, "x").unwrap();
    world.receiver.hold(ONE);
    let mut run = world.running();
    assert_eq!((world.sent(), world.receiver.running()), (vec!["verification x".to_owned()], 1));
    world.receiver.release(ONE);
    run.step();
    assert_eq!(world.sent(), ["verification x", "a"]);
    assert_eq!(world.clock.now(), START);
}

#[test]
fn a_verification_the_receiver_refuses_does_not_block_its_stream_rfc_8935_2_4() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    let refusal = PushResponse::new(400).with_body(r#"{"err":"invalid_state"}"#);
    world.receiver.then(ONE, Ok(refusal));
    world.receiver.then(ONE, Ok(PushResponse::new(202)));
    world.receiver.then(ONE, Ok(PushResponse::new(400)));
    world.verify(&stream, "wrong").unwrap();
    world.emit("user", "a");
    world.run_for(seconds(10));
    assert_eq!(world.dead_letters(&stream).len(), 1);
    // A refusal that says nothing is tried again a little later; events pass meanwhile.
    world.verify(&stream, "x").unwrap();
    world.emit("user", "b");
    let _run = world.running();
    assert_eq!(world.sent(), ["verification wrong", "a", "verification x", "b"]);
}
