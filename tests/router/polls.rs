//! Polling through the router: RFC 8936 §2.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::world::{ISSUER, OWN, World, get, post};

fn now() -> Value {
    json!({"returnImmediately": true})
}

fn sets(reply: &Value) -> &Map<String, Value> {
    reply["sets"].as_object().unwrap()
}

fn jtis(reply: &Value) -> Vec<&String> {
    sets(reply).keys().collect()
}

fn emit(world: &World, count: usize) {
    for n in 0..count {
        assert_eq!(world.emit(&format!("u{n}@example.com")), 1);
    }
}

#[test]
fn a_stream_without_sets_answers_an_empty_object_rfc_8936_2_3() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    for body in [now(), json!({}), json!({"maxEvents": 0}), json!({"ack": [], "setErrs": {}})] {
        let answer = world.ask(&post(format!("/ssf/poll/{stream}"), &body));
        assert_eq!((answer.status, &answer.body[..]), (200, &br#"{"sets":{}}"#[..]), "{body}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[test]
fn every_set_stands_under_its_own_jti_rfc_8936_2_3() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    emit(&world, 3);
    let reply = world.poll(OWN, &stream, &now());
    assert_eq!((sets(&reply).len(), reply.get("moreAvailable")), (3, None));
    for (jti, token) in sets(&reply) {
        let [header, claims, _]: [&str; 3] =
            token.as_str().unwrap().split('.').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(decoded(header)["typ"], "secevent+jwt", "RFC 8417 §2.3");
        let claims = decoded(claims);
        assert_eq!((&claims["jti"], &claims["iss"]), (&json!(jti), &json!(ISSUER)));
        assert_eq!(claims["aud"], "https://rp-1.acme.example");
    }
}

fn decoded(segment: &str) -> Value {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(segment).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn max_events_bounds_the_answer_and_more_available_says_that_it_did_rfc_8936_2_2() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    emit(&world, 3);
    for (most, handed, more) in [(0, 0, None), (1, 1, Some(true)), (2, 2, Some(true))] {
        let reply = world.poll(OWN, &stream, &json!({"maxEvents": most}));
        assert_eq!(sets(&reply).len(), handed);
        assert_eq!(reply.get("moreAvailable").and_then(Value::as_bool), more);
    }
    for most in [json!(3), json!(4), json!(u64::MAX)] {
        let reply = world.poll(OWN, &stream, &json!({"maxEvents": most}));
        assert_eq!((sets(&reply).len(), reply.get("moreAvailable")), (3, None));
    }
}

#[test]
fn acknowledgements_come_before_the_selection_and_may_come_again_rfc_8936_2_4() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    emit(&world, 3);
    let first = world.poll(OWN, &stream, &json!({"maxEvents": 1}));
    let ack = json!({"ack": jtis(&first), "maxEvents": 1});
    let second = world.poll(OWN, &stream, &ack);
    assert_ne!(jtis(&second), jtis(&first));
    assert_eq!(second["moreAvailable"], true);
    assert_eq!(world.poll(OWN, &stream, &ack), second, "the same bytes, and nothing lost");
    let only = json!({"ack": jtis(&second), "maxEvents": 0});
    assert_eq!(world.poll(OWN, &stream, &only), json!({"sets": {}}));
    assert_eq!(sets(&world.poll(OWN, &stream, &now())).len(), 1);
}

#[test]
fn what_is_not_acknowledged_comes_again_with_the_same_bytes() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    emit(&world, 2);
    let first = world.poll(OWN, &stream, &now());
    world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(world.poll(OWN, &stream, &now()), first);
}

#[test]
fn an_error_ends_a_set_as_a_dead_letter_rfc_8936_2_2() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    emit(&world, 2);
    let reply = world.poll(OWN, &stream, &now());
    let jtis = jtis(&reply);
    let errors: BTreeMap<_, _> =
        [(jtis[0], json!({"err": "invalid_key", "description": "no such kid"}))].into();
    let body = json!({"setErrs": errors, "maxEvents": 0});
    assert_eq!(world.poll(OWN, &stream, &body), json!({"sets": {}}));
    assert_eq!(world.dead_letters(&stream), 1);
    let left = world.poll(OWN, &stream, &now());
    assert_eq!(sets(&left).keys().collect::<Vec<_>>(), [jtis[1]]);
}

#[test]
fn unknown_acknowledgements_and_members_are_ignored_rfc_8936_2_2() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    emit(&world, 1);
    let before = world.poll(OWN, &stream, &now());
    let odd = json!({
        "ack": ["", "nobody", "\n"],
        "setErrs": {"nobody": {"err": "jwtAud"}},
        "timeoutSecs": 5,
        "returnImmediately": true,
    });
    assert_eq!(world.poll(OWN, &stream, &odd), before);
    assert_eq!(world.dead_letters(&stream), 0);
}

#[test]
fn a_stopped_stream_answers_an_empty_poll_and_still_takes_acknowledgements() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    emit(&world, 2);
    let before = world.poll(OWN, &stream, &now());
    let first = jtis(&before)[0];
    let set = |status: &str| {
        let body = json!({"stream_id": stream, "status": status});
        assert_eq!(world.ask(&post("/ssf/status", &body)).status, 200);
    };
    set("paused");
    assert_eq!(world.poll(OWN, &stream, &json!({"ack": [first]})), json!({"sets": {}}));
    set("enabled");
    let held = world.poll(OWN, &stream, &now());
    assert_eq!((sets(&held).len(), sets(&held).get(first)), (1, None));
    set("disabled");
    assert_eq!(world.poll(OWN, &stream, &now()), json!({"sets": {}}));
    set("enabled");
    assert_eq!(world.poll(OWN, &stream, &now()), json!({"sets": {}}), "disabled drops");
}

#[test]
fn a_verification_asked_for_five_seconds_ago_is_in_the_next_poll_ssf_1_0_8_1_4() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    emit(&world, 20);
    let body = json!({"stream_id": stream, "state": " st\u{e4}te\n"});
    assert_eq!(world.ask(&post("/ssf/verify", &body)).status, 204);
    world.clock.advance(Duration::from_secs(5));
    let poll = json!({"maxEvents": 10, "returnImmediately": true});
    let reply = world.poll(OWN, &stream, &poll);
    let claims: Vec<_> = sets(&reply)
        .values()
        .map(|token| decoded(token.as_str().unwrap().split('.').nth(1).unwrap()))
        .collect();
    let uri = "https://schemas.openid.net/secevent/ssf/event-type/verification";
    let found = claims.iter().find(|claims| claims["events"].get(uri).is_some()).unwrap();
    assert_eq!(found["events"], json!({uri: {"state": " st\u{e4}te\n"}}));
    assert_eq!(found["sub_id"], json!({"format": "opaque", "id": stream}));
}

#[test]
fn a_poll_is_made_with_post_rfc_8936_2_4() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let answer = world.ask(&get(format!("/ssf/poll/{stream}")));
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
}
