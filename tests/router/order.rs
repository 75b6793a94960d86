//! The order of answers: 401, 403, then 405/413/415/400, then 404, then 409/429. A request that is
//! wrong in several ways is told the first of them.

use serde_json::{Value, json};
use ssf_transmitter::stream::StreamQuota;

use super::world::{Answer, Call, NOTHING, OWN, READER, UNKNOWN, World, get, operations, post};

/// Every operation with a wrong member, on a stream that does not exist.
fn wrong_everywhere() -> Vec<(Call, &'static str)> {
    let on = |name: &str, value: Value| {
        let mut body = json!({"stream_id": UNKNOWN});
        body[name] = value;
        body
    };
    let patch = |body: Value| Call::new("PATCH", "/ssf/streams").json(&body);
    let put = |body: Value| Call::new("PUT", "/ssf/streams").json(&body);
    let hostile = json!({"method": "urn:ietf:rfc:8935", "endpoint_url": "https://127.0.0.1/e"});
    let subject = json!({"format": "email"});
    vec![
        (post("/ssf/streams", &json!({"description": 1})), "description"),
        (get("/ssf/streams?stream_id="), "stream_id"),
        (patch(on("description", json!(1))), "description"),
        (patch(on("delivery", hostile.clone())), "delivery.endpoint_url"),
        (put(on("description", json!(1))), "description"),
        (put(on("delivery", json!({}))), "delivery.method"),
        (put(on("delivery", hostile)), "delivery.endpoint_url"),
        (Call::new("DELETE", "/ssf/streams"), "stream_id"),
        (get("/ssf/status"), "stream_id"),
        (post("/ssf/status", &on("status", json!("on"))), "status"),
        (post("/ssf/subjects/add", &on("subject", subject.clone())), "subject.email"),
        (post("/ssf/subjects/remove", &on("subject", subject)), "subject.email"),
        (post("/ssf/verify", &on("state", json!(1))), "state"),
        (post(format!("/ssf/poll/{UNKNOWN}"), &json!({"maxEvents": -1})), "maxEvents"),
    ]
}

fn has_body(call: &Call) -> bool {
    !call.body.is_empty()
}

/// The call with a body that is larger than any may be.
fn too_large(call: &Call) -> Call {
    call.clone().body(vec![b' '; 1024 * 1024 + 1]).header("content-type", "text/plain")
}

#[test]
fn without_a_valid_token_nothing_else_is_looked_at_401() {
    let world = World::new();
    for (call, _) in wrong_everywhere() {
        for call in [call.clone(), too_large(&call), call.method("TRACE")] {
            let anonymous = world.ask(&call.clone().without("authorization"));
            assert_eq!(anonymous.refusal(), (401, "unauthorized".to_owned()), "{call:?}");
            let stranger = world.ask(&call.clone().token("wrong"));
            assert_eq!(stranger.refusal(), (401, "invalid_token".to_owned()), "{call:?}");
        }
    }
}

#[test]
fn without_the_scope_nothing_else_is_looked_at_403() {
    let world = World::new();
    for (call, _) in wrong_everywhere() {
        for call in [call.clone(), too_large(&call), call.method("TRACE")] {
            let refused = world.ask(&call.clone().token(NOTHING));
            assert_eq!(refused.refusal(), (403, "insufficient_scope".to_owned()), "{call:?}");
        }
    }
}

#[test]
fn a_reading_token_reads_and_does_nothing_else_interop_2_7_3() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let stored = world.stored();
    for call in operations(&stream) {
        let answer = world.ask(&call.clone().token(READER));
        let expected = if call.method == "GET" { 200 } else { 403 };
        assert_eq!(answer.status, expected, "{} {}", call.method, call.uri);
    }
    assert_eq!(world.stored(), stored, "what was refused was not done");
}

#[test]
fn a_token_that_may_do_nothing_at_an_endpoint_is_not_told_its_methods_403_before_405() {
    let world = World::new();
    for (uri, status) in [("/ssf/verify", 403), ("/ssf/poll/s", 403), ("/ssf/status", 405)] {
        let answer = world.ask(&get(uri).method("DELETE").token(READER));
        assert_eq!(answer.status, status, "{uri}");
    }
}

#[test]
fn an_unknown_method_comes_before_the_body_405() {
    let world = World::new();
    for (call, _) in wrong_everywhere() {
        for call in [call.clone(), too_large(&call)] {
            let answer = world.ask(&call.method("TRACE"));
            assert_eq!(answer.refusal(), (405, "method_not_allowed".to_owned()));
            assert_ne!(answer.header("allow"), "");
        }
    }
}

#[test]
fn the_size_of_a_body_comes_before_its_type_and_its_type_before_its_members_413_415_400() {
    let world = World::new();
    for (call, member) in wrong_everywhere() {
        if has_body(&call) {
            let large = world.ask(&too_large(&call));
            assert_eq!(large.refusal(), (413, "body_too_large".to_owned()), "{call:?}");
            let text = world.ask(&call.clone().header("content-type", "text/plain"));
            assert_eq!(text.refusal(), (415, "unsupported_media_type".to_owned()), "{call:?}");
        }
        assert_eq!(world.ask(&call).fault(), (400, member.to_owned()), "{call:?}");
    }
}

#[test]
fn a_well_formed_request_about_no_stream_is_404() {
    let world = World::new();
    for call in operations(UNKNOWN).split_off(1) {
        let answer = world.ask(&call);
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()), "{call:?}");
    }
}

#[test]
fn a_limit_comes_last_409_429() {
    let world = World::with_quota(StreamQuota::new(1));
    let stream = world.poll_stream(OWN);
    let create = |body: &Value| world.ask(&post("/ssf/streams", body));
    assert_eq!(create(&json!({"description": 1})).status, 400);
    assert_eq!(create(&json!({})).refusal(), (409, "conflict".to_owned()));

    let verify = |body: Value| world.ask(&post("/ssf/verify", &body));
    assert_eq!(verify(json!({"stream_id": stream})).status, 204);
    assert_eq!(verify(json!({"stream_id": stream, "state": 1})).status, 400);
    assert_eq!(verify(json!({"stream_id": UNKNOWN})).status, 404);
    let early = verify(json!({"stream_id": stream}));
    assert_eq!(early.refusal(), (429, "too_many_requests".to_owned()));
}

#[test]
fn allow_names_the_methods_of_an_endpoint_rfc_9110_10_2_1() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    for (uri, allow) in [
        ("/ssf/streams", "DELETE, GET, HEAD, PATCH, POST, PUT"),
        ("/ssf/status", "GET, HEAD, POST"),
        ("/ssf/subjects/add", "POST"),
        ("/ssf/subjects/remove", "POST"),
        ("/ssf/verify", "POST"),
        (&format!("/ssf/poll/{stream}"), "POST"),
    ] {
        assert_eq!(world.ask(&get(uri).method("OPTIONS")).header("allow"), allow, "{uri}");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "X-Y"] {
            let Answer { status, .. } = world.ask(&get(uri).method(method));
            let known = allow.split(", ").any(|known| known == method);
            assert_eq!(status == 405, !known, "{method} {uri}: {status}");
        }
    }
}
