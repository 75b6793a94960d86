//! What every operation answers when all is well: SSF 1.0 §8.1, RFC 8936 §2.3.

use serde_json::{Value, json};
use ssf_transmitter::event::types;

use super::world::{Answer, Call, ISSUER, OTHER, OWN, POLL, PUSH, World, get, operations, post};

/// The status of each of [`operations`], and whether its answer has a body.
const ANSWERS: [(u16, bool); 11] = [
    (201, true),  // create
    (200, true),  // read
    (200, true),  // PATCH
    (200, true),  // PUT
    (200, true),  // read the status
    (200, true),  // change the status
    (200, false), // add a subject
    (204, false), // remove a subject
    (204, false), // verify
    (200, true),  // poll
    (204, false), // delete
];

#[test]
fn every_operation_has_its_status_its_body_and_no_place_in_a_cache() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let calls = operations(&stream);
    assert_eq!(calls.len(), ANSWERS.len());
    for (call, (status, body)) in calls.iter().zip(ANSWERS) {
        let answer = world.ask(call);
        assert_eq!((answer.status, !answer.body.is_empty()), (status, body), "{call:?}");
        assert_eq!(answer.header("cache-control"), "no-store", "{call:?}");
        let media_type = if body { "application/json" } else { "" };
        assert_eq!(answer.header("content-type"), media_type, "{call:?}");
    }
}

#[test]
fn no_refusal_has_a_place_in_a_cache() {
    let world = World::new();
    for call in operations("no-such-stream").split_off(1) {
        for call in [call.clone(), call.token("wrong")] {
            assert_eq!(world.ask(&call).header("cache-control"), "no-store", "{call:?}");
        }
    }
}

#[test]
fn a_new_poll_stream_is_shown_whole_ssf_1_0_8_1_1_1() {
    let world = World::new();
    let unknown = "urn:example:unknown";
    let wanted = json!([types::session_revoked(), unknown]);
    let body = json!({"events_requested": wanted, "description": "ours"});
    let answer = world.ask(&post("/ssf/streams", &body));
    let stream = answer.json();
    let id = stream["stream_id"].as_str().unwrap();
    let mut shown = stream.clone();
    let supported = shown.as_object_mut().unwrap().remove("events_supported").unwrap();
    let expected = json!({
        "stream_id": id,
        "iss": ISSUER,
        "aud": "https://rp-1.acme.example",
        "delivery": {"method": POLL, "endpoint_url": format!("{ISSUER}/ssf/poll/{id}")},
        "events_requested": wanted,
        // What is not supported is echoed as requested and not delivered.
        "events_delivered": [types::session_revoked()],
        "min_verification_interval": 10,
        "description": "ours",
    });
    assert_eq!((answer.status, shown), (201, expected));
    assert_eq!(supported, serde_json::to_value(types::caep_and_risc()).unwrap());
}

#[test]
fn a_push_stream_shows_its_endpoint_as_it_was_written_ssf_1_0_6_1_1() {
    let world = World::new();
    let delivery = json!({"method": PUSH, "endpoint_url": "https://RP.example.net:443/e?x=%41"});
    let answer = world.ask(&post("/ssf/streams", &json!({"delivery": delivery})));
    assert_eq!((answer.status, &answer.json()["delivery"]), (201, &delivery));
}

#[test]
fn every_poll_stream_has_an_endpoint_of_its_own_ssf_1_0_6_1_2() {
    let world = World::new();
    let endpoint = || {
        let delivery =
            json!({"delivery": {"method": POLL, "endpoint_url": "https://evil.example"}});
        let stream = world.ask(&post("/ssf/streams", &delivery)).json();
        stream["delivery"]["endpoint_url"].as_str().unwrap().to_owned()
    };
    let (first, second) = (endpoint(), endpoint());
    assert_ne!(first, second);
    assert!(first.starts_with("https://tr.example.com/ssf/poll/"), "{first}");
}

#[test]
fn the_list_is_an_array_whatever_it_holds_ssf_1_0_8_1_1_2() {
    let world = World::new();
    let list = |token| world.ask(&get("/ssf/streams").token(token)).json();
    assert_eq!(list(OWN), json!([]));
    let ids: Vec<String> = (0..2).map(|_| world.poll_stream(OWN)).collect();
    world.poll_stream(OTHER);
    let listed = list(OWN);
    for (shown, id) in listed.as_array().unwrap().iter().zip(&ids) {
        assert_eq!(shown["stream_id"], json!(id));
        let read = world.ask(&get(format!("/ssf/streams?stream_id={id}"))).json();
        assert_eq!(*shown, read, "the list shows what reading shows");
    }
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    assert_eq!(list(OTHER).as_array().map(Vec::len), Some(1));
}

#[test]
fn what_a_change_answers_is_what_is_stored_ssf_1_0_8_1_1_3() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let push = json!({"method": PUSH, "endpoint_url": "https://rp.example.net/e"});
    for call in [
        Call::new("PATCH", "/ssf/streams").json(&json!({"stream_id": stream, "description": "a"})),
        Call::new("PATCH", "/ssf/streams").json(&json!({"stream_id": stream, "delivery": push})),
        Call::new("PUT", "/ssf/streams").json(&json!({"stream_id": stream, "delivery": push})),
    ] {
        let answer = world.ask(&call);
        let read = world.ask(&get(format!("/ssf/streams?stream_id={stream}")));
        assert_eq!((answer.status, answer.json()), (200, read.json()), "{call:?}");
    }
}

#[test]
fn a_stream_may_be_sent_back_as_it_was_read_ssf_1_0_8_1_1_4() {
    let world = World::new();
    let push = json!({"method": PUSH, "endpoint_url": "https://rp.example.net/e"});
    for body in [json!({}), json!({"delivery": push, "description": "x", "events_requested": []})] {
        let stream = world.create(OWN, &body);
        let read = world.ask(&get(format!("/ssf/streams?stream_id={stream}"))).json();
        for method in ["PATCH", "PUT"] {
            let answer = world.ask(&Call::new(method, "/ssf/streams").json(&read));
            assert_eq!((answer.status, answer.json()), (200, read.clone()), "{method}");
        }
    }
}

#[test]
fn both_status_calls_answer_the_status_ssf_1_0_8_1_2() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let read = || world.ask(&get(format!("/ssf/status?stream_id={stream}"))).json();
    assert_eq!(read(), json!({"stream_id": stream, "status": "enabled"}));
    for (status, reason) in [("paused", Some("nightly")), ("disabled", None), ("enabled", None)] {
        let mut body = json!({"stream_id": stream, "status": status});
        if let Some(reason) = reason {
            body["reason"] = reason.into();
        }
        let answer = world.ask(&post("/ssf/status", &body));
        assert_eq!((answer.status, answer.json()), (200, body.clone()));
        assert_eq!(read(), body);
    }
}

#[test]
fn a_deleted_stream_is_gone_ssf_1_0_8_1_1_5() {
    let world = World::new();
    let (stream, kept) = (world.poll_stream(OWN), world.poll_stream(OWN));
    let delete = Call::new("DELETE", format!("/ssf/streams?stream_id={stream}"));
    assert_eq!(world.ask(&delete).status, 204);
    assert_eq!(world.ask(&delete).status, 404);
    let list = world.ask(&get("/ssf/streams")).json();
    assert_eq!(ids(&list), [kept]);
}

#[test]
fn an_answer_about_a_subject_does_not_tell_whether_it_exists_ssf_1_0_9_1() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let ask = |uri: &str, email: &str| -> Answer {
        let subject = json!({"format": "email", "email": email});
        world.ask(&post(uri, &json!({"stream_id": stream, "subject": subject})))
    };
    world.emit("known@example.com");
    for uri in ["/ssf/subjects/add", "/ssf/subjects/remove"] {
        let known = ask(uri, "known@example.com");
        assert_eq!(ask(uri, "nobody@example.com"), known, "{uri}");
        assert_eq!(ask(uri, "known@example.com"), known, "twice is as good as once");
    }
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|stream| stream["stream_id"].as_str().unwrap()).collect()
}
