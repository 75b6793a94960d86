//! What a change of a stream does to SETs that wait or are under way (design promises P1, P9).

use serde_json::{Value, json};
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::{PushRequest, PushResponse};
use ssf_transmitter::id::StreamId;
use ssf_transmitter::stream::StreamStatus;

use crate::drive::Task;
use crate::world::{Mood, ONE, START, TWO, World, seconds};

/// Endpoint and secret of every push so far.
fn routes(world: &World) -> Vec<(String, Option<String>)> {
    let route = |push: PushRequest| {
        let secret = push.authorization.map(|header| header.expose().to_owned());
        (push.endpoint.as_str().to_owned(), secret)
    };
    world.receiver.pushes().into_iter().map(route).collect()
}

fn to(endpoint: &str, secret: Option<&str>) -> (String, Option<String>) {
    (endpoint.to_owned(), secret.map(str::to_owned))
}

#[test]
fn a_push_goes_where_the_stream_points_when_it_starts() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    world.patch(&stream, json!({"delivery": {"authorization_header": "Bearer new"}}));
    world.run_once();
    world.emit("user", "b");
    // A new origin without a secret gets none (design promise P13).
    world.patch(&stream, json!({"delivery": {"endpoint_url": TWO}}));
    world.run_once();
    assert_eq!(routes(&world), [to(ONE, Some("Bearer new")), to(TWO, None)]);
}

#[test]
fn a_retry_goes_where_the_stream_points_by_then() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(422)));
    world.emit("user", "a");
    world.run_once();
    let delivery = json!({"endpoint_url": TWO, "authorization_header": "Bearer two"});
    world.patch(&stream, json!({"delivery": delivery}));
    world.run_for(seconds(60));
    assert_eq!(routes(&world), [to(ONE, Some("Bearer one")), to(TWO, Some("Bearer two"))]);
    let pushes = world.receiver.pushes();
    assert_eq!(pushes[0].token, pushes[1].token);
}

/// A push that hangs, and then the change.
fn cancelled_by(change: impl FnOnce(&World, &StreamId)) -> World {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    world.receiver.hold(ONE);
    let run = Task::start(world.transmitter.run_once());
    assert_eq!(world.receiver.running(), 1);
    change(&world, &stream);
    let progress = run.output().unwrap();
    assert_eq!((progress.delivered, progress.returned), (0, 1));
    assert_eq!((world.receiver.running(), world.clock.now()), (0, START));
    world.receiver.release(ONE);
    world
}

#[test]
fn deleting_a_stream_ends_its_pushes_its_queue_and_its_retries_ssf_1_0_8_1_1_5() {
    let world = cancelled_by(|world, stream| {
        world.emit("user", "b");
        world.delete(stream);
    });
    world.run_for(seconds(24 * 3600));
    assert_eq!(world.sent(), ["a"]);
    assert_eq!((world.totals().accepted, world.totals().discarded_deleted), (2, 2));
}

#[test]
fn a_pause_ends_pushes_and_loses_nothing_ssf_1_0_8_1_2_1() {
    let world = cancelled_by(|world, stream| {
        world.set_status(stream, StreamStatus::Paused).unwrap();
    });
    world.run_for(seconds(3600));
    assert_eq!((world.sent().len(), world.totals().waiting), (1, 1));
    let stream = world.overview_of_only().record.stream_id;
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    assert_eq!(world.run_once().delivered, 1);
    let pushes = world.receiver.pushes();
    assert_eq!(pushes[0].token, pushes[1].token);
}

#[test]
fn a_stop_by_the_transmitter_ends_pushes_too() {
    let world = cancelled_by(|world, stream| world.stop(stream, StreamStatus::Paused));
    world.run_for(seconds(60));
    assert_eq!(world.sent(), ["a", "stream-updated paused"]);
    assert_eq!(world.totals().waiting, 1);
}

#[test]
fn disabling_a_stream_ends_pushes_and_drops_the_queue_ssf_1_0_8_1_2_1() {
    let world = cancelled_by(|world, stream| {
        world.emit("user", "b");
        world.set_status(stream, StreamStatus::Disabled).unwrap();
    });
    let stream = world.overview_of_only().record.stream_id;
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    world.run_for(seconds(3600));
    assert_eq!(world.sent(), ["a"]);
    assert_eq!(world.totals().discarded_disabled, 2);
}

#[test]
fn a_new_endpoint_ends_pushes_to_the_old_one_and_gets_them_at_once() {
    let world = cancelled_by(|world, stream| {
        world.patch(stream, json!({"delivery": {"endpoint_url": TWO}}));
    });
    assert_eq!(world.run_once().delivered, 1);
    assert_eq!(routes(&world), [to(ONE, Some("Bearer one")), to(TWO, None)]);
}

#[test]
fn a_change_that_leaves_the_delivery_alone_cancels_nothing() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    world.receiver.hold(ONE);
    let mut run = Task::start(world.transmitter.run_once());
    let same: Value = json!({"endpoint_url": ONE, "authorization_header": "Bearer one"});
    world.patch(&stream, json!({"description": "ours", "delivery": same}));
    run.step();
    assert_eq!(world.receiver.running(), 1);
    world.receiver.release(ONE);
    assert_eq!(run.output().unwrap().delivered, 1);
}

#[test]
fn a_change_cancels_the_pushes_of_its_own_stream_only() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.push_stream(TWO);
    world.emit("user", "a");
    world.receiver.hold(ONE);
    world.receiver.hold(TWO);
    let mut run = Task::start(world.transmitter.run_once());
    world.delete(&stream);
    run.step();
    assert_eq!(world.receiver.running(), 1);
    world.receiver.release(TWO);
    assert_eq!(run.output().unwrap().delivered, 1);
}

#[test]
fn a_stream_that_is_stopped_while_its_sets_are_signed_sends_none_of_them() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    world.keys.set(Mood::SignsAfter(seconds(2)));
    let mut run = Task::start(world.transmitter.run_once());
    world.delete(&stream);
    world.pass(seconds(2), &mut run);
    assert_eq!(run.output().unwrap().delivered, 0);
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn a_stream_that_moves_while_its_sets_are_signed_sends_them_to_its_new_place() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    world.keys.set(Mood::SignsAfter(seconds(2)));
    let mut run = Task::start(world.transmitter.run_once());
    world.patch(&stream, json!({"delivery": {"endpoint_url": TWO}}));
    world.pass(seconds(2), &mut run);
    drop(run);
    world.run_for(seconds(60));
    assert_eq!(world.pushes_to(ONE).len(), 0);
    assert_eq!(world.totals().delivered, 1);
}

#[test]
fn a_push_stream_that_becomes_a_poll_stream_takes_its_queue_along_and_back() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    world.patch(&stream, json!({"delivery": {"method": "urn:ietf:rfc:8936"}}));
    world.run_for(seconds(60));
    assert_eq!(world.sent(), [""; 0]);
    let reply = world.poll(&stream, json!({}));
    let delivery = json!({"method": "urn:ietf:rfc:8935", "endpoint_url": TWO});
    world.patch(&stream, json!({"delivery": delivery}));
    world.run_once();
    assert_eq!(routes(&world), [to(TWO, None)]);
    assert_eq!(world.receiver.pushes()[0].token, reply.sets[0].1);
}
