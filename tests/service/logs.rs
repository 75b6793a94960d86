//! The log: what an operator finds in it, and what nobody finds in it.

use serde_json::json;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::stream::StreamStatus;

use crate::drive::ready;
use crate::paper::logged;
use crate::world::{Mood, ONE, World, jtis, seconds};

#[test]
fn what_an_operator_should_look_at_is_logged_as_a_warning_with_the_stream() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    let ((), log) = logged(|| {
        world.verify(&stream, "s").unwrap();
        world.receiver.then(ONE, Ok(PushResponse::new(400).with_body(r#"{"err":"invalid_aud"}"#)));
        world.run_for(seconds(300));
        world.receiver.then(ONE, Ok(PushResponse::new(503)));
        world.emit("user", "a");
        world.run_once();
        world.stop(&stream, StreamStatus::Paused);
    });
    let warnings: Vec<_> = log.lines().filter(|line| line.starts_with(" WARN")).collect();
    let [dead, failed, opened, paused] = warnings[..] else { panic!("{log}") };
    for (line, words) in [
        (dead, "SET given up"),
        (failed, "verification failed"),
        (opened, "breaker opened"),
        (paused, "stream paused"),
    ] {
        assert!(line.contains(words) && line.contains(stream.as_str()), "{line}");
    }
    assert!(dead.contains("reason=\"rejected\""), "{dead}");
    assert!(opened.contains("error=\"503\""), "{opened}");
    assert!(paused.contains("cause=\"operator\""), "{paused}");
}

#[test]
fn failures_of_the_keys_are_logged_with_their_cause() {
    let world = World::new();
    world.push_stream(ONE);
    world.emit("user", "a");
    let ((), log) = logged(|| {
        world.keys.set(Mood::Fails);
        let run = world.transmitter.run(std::future::pending(), seconds(1), |_| ());
        let mut run = crate::drive::Task::start(run);
        world.pass(seconds(1), &mut run);
    });
    let cause = "signing failed: keys are not available: the module is rebooting";
    assert!(log.lines().any(|line| line.starts_with("ERROR") && line.contains(cause)), "{log}");
}

/// Design promise P13. What a receiver wrote is not repeated either: it may be anything.
#[test]
fn no_secret_and_no_word_of_a_receiver_is_in_the_log() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    let polled = world.poll_stream();
    let ((), log) = logged(|| {
        world.patch(
            &stream,
            json!({"delivery": {
                "method": "urn:ietf:rfc:8935", "endpoint_url": ONE,
                "authorization_header": "Bearer pu5h-s3cret"
            }}),
        );
        world.verify(&stream, "st4te-of-the-receiver").unwrap();
        world.emit("us3r", "m3mber-of-the-event");
        let words = r#"{"err":"w0rd-of-the-receiver","description":"pu5h-s3cret"}"#;
        for status in [400, 401, 503] {
            world.receiver.then(ONE, Ok(PushResponse::new(status).with_body(words)));
        }
        world.run_for(seconds(3600));
        let jti = jtis(&world.poll(&polled, json!({})))[0].clone();
        let errors = json!({jti.as_str(): {"err": "w0rd-of-the-receiver", "description": "x"}});
        world.poll(&polled, json!({"setErrs": errors}));
        world.keys.set(Mood::Fails);
        world.emit("us3r", "m3mber-of-the-event");
        let _ = ready(world.transmitter.run_once());
    });
    // The control: all of it happened under the eyes of the log.
    for seen in ["SET pushed", "SETs signed", "event emitted", "given up", "signing failed"] {
        assert!(log.contains(seen), "{seen}: {log}");
    }
    for secret in ["s3cret", "st4te", "us3r", "m3mber", "w0rd", "eyJ"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
