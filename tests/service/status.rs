//! Who may stop a stream, and who may start it again (SSF 1.0 §8.1.2, §8.1.5).

use serde_json::json;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::id::StreamId;
use ssf_transmitter::protocol::{CreateStream, Refusal, RequestedDelivery, StatusRequest};
use ssf_transmitter::stream::StatusSetBy;
use ssf_transmitter::stream::StreamStatus::{Disabled, Enabled, Paused};

use crate::drive::ready;
use crate::world::{ONE, World, caller, jtis, labels, seconds};

fn suspend(world: &World) {
    let reason = Some("contract ended".to_owned());
    ready(world.transmitter.suspend_client(&caller().owner, reason)).unwrap();
}

fn resume(world: &World) {
    ready(world.transmitter.resume_client(&caller().owner)).unwrap();
}

#[test]
fn the_receiver_is_told_its_status_and_reason_by_the_answer_ssf_1_0_8_1_2() {
    let world = World::new();
    let stream = world.poll_stream();
    for status in [Paused, Disabled, Enabled] {
        let request = StatusRequest::new(stream.clone(), status, Some("ours".to_owned()));
        let answer = ready(world.receivers.update_status(&caller(), &request)).unwrap();
        assert_eq!(ready(world.receivers.read_status(&caller(), &stream)).unwrap(), answer);
        assert_eq!((answer.status, answer.reason.as_deref()), (status, Some("ours")));
    }
    assert_eq!(world.totals().accepted, 0);
}

#[test]
fn an_event_raised_while_paused_arrives_later_and_one_raised_while_disabled_never() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.set_status(&stream, Paused).unwrap();
    world.emit("user", "paused");
    world.set_status(&stream, Enabled).unwrap();
    world.run_once();
    world.set_status(&stream, Disabled).unwrap();
    world.emit("user", "disabled");
    world.set_status(&stream, Enabled).unwrap();
    world.emit("user", "after");
    world.run_for(seconds(60));
    assert_eq!(world.sent(), ["paused", "after"]);
}

#[test]
fn a_stream_the_transmitter_stopped_may_be_started_by_its_receiver() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.stop(&stream, Paused);
    world.emit("user", "a");
    assert_eq!(world.set_status(&stream, Enabled), Ok(Enabled));
    world.run_for(seconds(1));
    assert_eq!(world.sent(), ["stream-updated paused", "a"]);
}

#[test]
fn a_suspended_receiver_is_told_gets_nothing_and_cannot_help_itself() {
    let world = World::new();
    let (push, poll) = (world.push_stream(ONE), world.poll_stream());
    suspend(&world);
    world.emit("user", "a");
    world.run_for(seconds(60));
    assert_eq!(world.sent(), ["stream-updated paused"]);
    assert_eq!(world.polled(&poll), ["stream-updated paused"]);
    for status in [Enabled, Paused, Disabled] {
        assert_eq!(world.set_status(&push, status), Err(Refusal::Suspended));
    }
    let request = CreateStream::new(RequestedDelivery::Poll);
    let created = ready(world.receivers.create_stream(&caller(), request));
    assert_eq!(created.unwrap_err().refusal(), Refusal::Suspended);
    // A new endpoint does not help either.
    world.patch(&push, json!({"delivery": {"endpoint_url": "https://new.example/"}}));
    world.run_for(seconds(60));
    assert_eq!(world.sent(), ["stream-updated paused"]);
}

#[test]
fn a_resumed_receiver_gets_what_was_held_after_the_announcement() {
    let world = World::new();
    let (push, poll) = (world.push_stream(ONE), world.poll_stream());
    suspend(&world);
    world.emit("user", "a");
    world.run_once();
    let reply = world.poll(&poll, json!({}));
    world.poll(&poll, json!({"ack": jtis(&reply)}));
    resume(&world);
    resume(&world);
    world.run_for(seconds(1));
    assert_eq!(world.sent()[1..], ["stream-updated enabled", "a"]);
    assert_eq!(world.polled(&poll), ["stream-updated enabled", "a"]);
    assert_eq!(world.set_status(&push, Paused), Ok(Paused));
}

#[test]
fn a_disabled_stream_stays_disabled_through_suspension_and_resumption() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.set_status(&stream, Disabled).unwrap();
    suspend(&world);
    assert_eq!(world.set_status(&stream, Enabled), Err(Refusal::Suspended));
    resume(&world);
    assert_eq!(world.status(&stream), Disabled);
    assert_eq!(world.set_status(&stream, Enabled), Ok(Enabled));
    assert_eq!(world.totals().accepted, 0);
}

#[test]
fn a_stream_its_receiver_had_paused_stays_so_through_suspension_and_resumption() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.set_status(&stream, Paused).unwrap();
    world.emit("user", "a");
    suspend(&world);
    assert_eq!(world.set_status(&stream, Enabled), Err(Refusal::Suspended));
    resume(&world);
    world.run_for(seconds(60));
    assert_eq!((world.status(&stream), world.sent().len()), (Paused, 0));
    assert_eq!(world.set_status(&stream, Enabled), Ok(Enabled));
    world.run_for(seconds(1));
    assert_eq!(world.sent(), ["a"]);
}

#[test]
fn failing_to_tell_a_suspended_receiver_does_not_lift_its_suspension() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.otherwise(Ok(PushResponse::new(401)));
    world.emit("user", "a");
    // Nine refusals; the announcement of the suspension gets the tenth, which pauses streams.
    world.run_for(seconds(255));
    assert_eq!(world.sent().len(), 9);
    world.advance(seconds(256));
    suspend(&world);
    world.run_for(seconds(60));
    assert_eq!(world.overview(&stream).record.status_set_by, StatusSetBy::Suspension);
    assert_eq!(world.set_status(&stream, Enabled), Err(Refusal::Suspended));
}

#[test]
fn inactivity_pauses_a_stream_and_says_so_ssf_1_0_8_1_1() {
    let world = World::with(|config| config.inactivity_timeout = Some(seconds(3600)));
    let (push, poll) = (world.push_stream(ONE), world.poll_stream());
    world.run_for(seconds(3599));
    assert_eq!(world.sent(), [""; 0]);
    world.run_for(seconds(901));
    assert_eq!(world.sent(), ["stream-updated paused"]);
    assert_eq!(world.overview(&push).record.status, Paused);
    let reply = world.poll(&poll, json!({}));
    assert_eq!(labels(&reply), ["stream-updated paused"]);
    let view = ready(world.receivers.read_stream(&caller(), &push)).unwrap();
    assert_eq!(view.inactivity_timeout, Some(3600));
}

#[test]
fn any_management_call_and_any_poll_restarts_the_inactivity_timeout_ssf_1_0_8_1_1() {
    let calls: [fn(&World); 8] = [
        |w| assert_eq!(w.status(&only(w)), Enabled),
        |w| drop(ready(w.receivers.read_stream(&caller(), &only(w))).unwrap()),
        |w| w.patch(&only(w), json!({"description": "x"})),
        |w| assert_eq!(w.set_status(&only(w), Enabled), Ok(Enabled)),
        |w| w.add_subject(&only(w), "user"),
        |w| w.remove_subject(&only(w), "user"),
        |w| w.verify(&only(w), "x").unwrap(),
        |w| drop(w.poll(&only(w), json!({}))),
    ];
    for (index, call) in calls.into_iter().enumerate() {
        let world = World::with(|config| config.inactivity_timeout = Some(seconds(3600)));
        let stream = world.poll_stream();
        world.run_for(seconds(3000));
        call(&world);
        world.run_for(seconds(3599));
        assert_eq!(world.overview(&stream).record.status, Enabled, "call {index}");
        world.run_for(seconds(901));
        assert_eq!(world.overview(&stream).record.status, Paused, "call {index}");
    }
}

fn only(world: &World) -> StreamId {
    world.overview_of_only().record.stream_id
}

#[test]
fn no_stream_is_paused_before_the_time_its_receiver_is_told_ssf_1_0_8_1_1() {
    let timeout = std::time::Duration::from_millis(2600);
    let world = World::with(|config| config.inactivity_timeout = Some(timeout));
    let stream = world.push_stream(ONE);
    let told = ready(world.receivers.read_stream(&caller(), &stream)).unwrap().inactivity_timeout;
    assert_eq!(told, Some(3));
    world.run_for(std::time::Duration::from_millis(2999));
    assert_eq!(world.overview(&stream).record.status, Enabled);
    world.run_for(std::time::Duration::from_millis(1));
    assert_eq!(world.overview(&stream).record.status, Paused);
}

#[test]
fn pushes_are_no_activity_of_the_receiver_ssf_1_0_8_1_1() {
    let world = World::with(|config| config.inactivity_timeout = Some(seconds(3600)));
    let stream = world.push_stream(ONE);
    for label in ["1", "2", "3", "4", "5"] {
        world.emit("user", label);
        world.run_for(seconds(900));
    }
    assert_eq!(world.overview(&stream).record.status, Paused);
}

#[test]
fn a_stream_that_is_enabled_after_inactivity_gets_its_whole_time_again() {
    let world = World::with(|config| config.inactivity_timeout = Some(seconds(3600)));
    let stream = world.push_stream(ONE);
    world.run_for(seconds(2 * 3600));
    assert_eq!(world.overview(&stream).record.status, Paused);
    world.stop(&stream, Enabled);
    world.run_for(seconds(3599));
    assert_eq!(world.overview(&stream).record.status, Enabled);
    assert_eq!(world.sent(), ["stream-updated paused", "stream-updated enabled"]);
}

#[test]
fn a_change_of_an_unknown_stream_is_refused() {
    let world = World::new();
    let stream = world.poll_stream();
    world.delete(&stream);
    assert_eq!(world.set_status(&stream, Paused), Err(Refusal::UnknownStream));
    let changed = ready(world.transmitter.set_status(&stream, Paused, None));
    assert_eq!(changed.unwrap_err().refusal(), Refusal::UnknownStream);
}
