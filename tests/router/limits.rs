//! Limits: how large, how many, how often, and who is stopped altogether.

use std::time::Duration;

use serde_json::{Value, json};
use ssf_transmitter::router::{MANAGEMENT_BODY, POLL_BODY};
use ssf_transmitter::stream::StreamQuota;
use ssf_transmitter::testkit::block_on;

use super::world::{Answer, Call, ELSEWHERE, OTHER, OWN, World, get, operations, owner, post};

fn verify(world: &World, stream: &str) -> Answer {
    world.ask(&post("/ssf/verify", &json!({"stream_id": stream})))
}

#[test]
fn a_body_of_the_limit_is_read_and_one_byte_more_is_413() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    for call in operations(&stream).into_iter().filter(|call| !call.body.is_empty()) {
        let limit = world.router.body_limit(&call.uri);
        let expected = if call.uri.contains("/poll/") { POLL_BODY } else { MANAGEMENT_BODY };
        assert_eq!(limit, expected, "{}", call.uri);
        let mut body = call.body.clone();
        body.resize(limit, b' ');
        assert!(world.ask(&call.clone().body(body.clone())).status < 300, "{call:?}");
        body.push(b' ');
        let answer = world.ask(&call.clone().body(body));
        assert_eq!(answer.refusal(), (413, "body_too_large".to_owned()), "{call:?}");
    }
}

#[test]
fn who_has_not_proved_who_it_is_does_not_learn_the_limit() {
    let world = World::new();
    for call in operations("s").into_iter().filter(|call| !call.body.is_empty()) {
        let large = call.body(vec![b' '; POLL_BODY + 1]);
        assert_eq!(world.ask(&large.clone().without("authorization")).status, 401);
        assert_eq!(world.ask(&large.clone().token("wrong")).status, 401);
        assert_eq!(world.ask(&large).status, 413);
    }
}

#[test]
fn a_verification_too_early_is_told_when_the_next_may_come_rfc_9110_10_2_3() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    assert_eq!(verify(&world, &stream).status, 204);
    for (millis, retry_after) in [(0, "10"), (1, "10"), (2_999, "7"), (6_999, "1")] {
        world.clock.advance(Duration::from_millis(millis));
        let answer = verify(&world, &stream);
        assert_eq!(answer.refusal(), (429, "too_many_requests".to_owned()));
        assert_eq!(answer.header("retry-after"), retry_after);
    }
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(verify(&world, &stream).status, 204, "who waits as long as we say is not too early");
}

#[test]
fn the_interval_of_verifications_is_of_each_stream_ssf_1_0_8_1_1() {
    let world = World::new();
    let streams = [world.poll_stream(OWN), world.poll_stream(OWN)];
    for stream in &streams {
        assert_eq!(verify(&world, stream).status, 204);
        assert_eq!(verify(&world, stream).status, 429);
    }
}

#[test]
fn a_verification_too_early_replaces_nothing() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    verify(&world, &stream);
    let stored = world.stored();
    verify(&world, &stream);
    assert_eq!(world.stored(), stored);
}

#[test]
fn a_receiver_has_only_so_many_streams_ssf_1_0_8_1_1_1() {
    let world = World::with_quota(StreamQuota::new(2));
    let create = |token| world.ask(&post("/ssf/streams", &json!({})).token(token));
    let stream = world.poll_stream(OWN);
    assert_eq!(create(OWN).status, 201);
    let stored = world.stored();
    assert_eq!(create(OWN).refusal(), (409, "conflict".to_owned()));
    assert_eq!(world.stored(), stored);
    assert_eq!(create(OTHER).status, 201, "each has its own count");
    world.ask(&Call::new("DELETE", format!("/ssf/streams?stream_id={stream}")));
    assert_eq!(create(OWN).status, 201, "a deleted stream makes room");
}

#[test]
fn the_receivers_of_a_tenant_have_only_so_many_streams_together() {
    let world = World::with_quota(StreamQuota::new(2).with_tenant(3));
    let create = |token| world.ask(&post("/ssf/streams", &json!({})).token(token));
    let stream = world.poll_stream(OWN);
    assert_eq!((create(OWN).status, create(OTHER).status), (201, 201));
    let stored = world.stored();
    assert_eq!(create(OTHER).refusal(), (409, "conflict".to_owned()), "the tenant has its three");
    assert_eq!(world.stored(), stored);
    assert_eq!(create(ELSEWHERE).status, 201, "each tenant has its own count");
    world.ask(&Call::new("DELETE", format!("/ssf/streams?stream_id={stream}")));
    assert_eq!(create(OTHER).status, 201, "a deleted stream makes room for any of them");
}

#[test]
fn a_suspended_receiver_gets_no_stream_and_cannot_enable_the_old_ones() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let foreign = world.poll_stream(OTHER);
    let set = |token: &str, stream: &str, status: &str| -> Answer {
        let body: Value = json!({"stream_id": stream, "status": status});
        world.ask(&post("/ssf/status", &body).token(token))
    };
    let client = owner("acme", "rp-1");
    block_on(world.transmitter.suspend_client(&client, Some("unpaid".to_owned()))).unwrap();

    let denied = (403, "access_denied".to_owned());
    assert_eq!(world.ask(&post("/ssf/streams", &json!({}))).refusal(), denied);
    for status in ["enabled", "paused", "disabled"] {
        assert_eq!(set(OWN, &stream, status).refusal(), denied, "{status}");
    }
    let status = world.ask(&get(format!("/ssf/status?stream_id={stream}"))).json();
    assert_eq!(status, json!({"stream_id": stream, "status": "paused", "reason": "unpaid"}));
    assert_eq!(set(OWN, &foreign, "paused").status, 404, "a foreign stream is unknown as ever");
    assert_eq!(set(OTHER, &foreign, "paused").status, 200, "and others are not concerned");

    block_on(world.transmitter.resume_client(&client)).unwrap();
    assert_eq!(set(OWN, &stream, "enabled").status, 200);
    assert_eq!(world.ask(&post("/ssf/streams", &json!({}))).status, 201);
}

#[test]
fn a_long_description_is_cut_and_not_refused_ssf_1_0_8_1_1() {
    let world = World::new();
    let body = json!({"description": "é".repeat(2_000)});
    let answer = world.ask(&post("/ssf/streams", &body));
    assert_eq!(answer.json()["description"], "é".repeat(1_024));
}
