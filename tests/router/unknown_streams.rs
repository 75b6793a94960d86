//! A foreign stream is an unknown stream, byte for byte.

use serde_json::{Value, json};

use super::world::{
    Call, ELSEWHERE, OTHER, OWN, PUSH, UNKNOWN, World, get, operations, operations_on, post,
};

/// Identifiers that no stream can have.
fn illegal() -> Vec<String> {
    vec!["a b".to_owned(), "a/b".to_owned(), "a%2Fb".to_owned(), "é".to_owned(), "x".repeat(5_000)]
}

/// The operations on an identifier that has to be encoded in a URL.
fn operations_on_illegal(id: &str) -> Vec<Call> {
    let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut calls = operations_on(id);
    for call in &mut calls {
        call.uri = call.uri.replace(id, &encoded);
    }
    calls
}

#[test]
fn a_stream_of_another_receiver_does_not_exist() {
    let world = World::new();
    let foreign = world.poll_stream(OTHER);
    let unknown: Vec<_> = operations_on(UNKNOWN).iter().map(|call| world.ask(call)).collect();
    for (call, unknown) in operations_on(&foreign).iter().zip(&unknown) {
        let answer = world.ask(call);
        assert_eq!((answer.status, &answer), (404, unknown), "{call:?}");
    }
    assert_eq!(world.ask(&get("/ssf/streams")).json(), json!([]));
}

#[test]
fn a_receiver_of_the_same_name_in_another_tenant_is_another_receiver() {
    let world = World::new();
    let foreign = world.poll_stream(ELSEWHERE);
    let stored = world.stored();
    for call in operations_on(&foreign) {
        assert_eq!(world.ask(&call).status, 404, "{call:?}");
    }
    assert_eq!(world.stored(), stored);
}

#[test]
fn what_no_stream_can_be_called_is_an_unknown_stream() {
    let world = World::new();
    let unknown: Vec<_> = operations_on(UNKNOWN).iter().map(|call| world.ask(call)).collect();
    for id in illegal() {
        for (call, unknown) in operations_on_illegal(&id).iter().zip(&unknown) {
            assert_eq!(&world.ask(call), unknown, "{call:?}");
        }
    }
}

#[test]
fn a_deleted_stream_is_an_unknown_stream() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let unknown: Vec<_> = operations_on(UNKNOWN).iter().map(|call| world.ask(call)).collect();
    world.ask(&Call::new("DELETE", format!("/ssf/streams?stream_id={stream}")));
    for (call, unknown) in operations_on(&stream).iter().zip(&unknown) {
        assert_eq!(&world.ask(call), unknown, "{call:?}");
    }
}

#[test]
fn nothing_of_a_foreign_stream_can_be_reached() {
    let world = World::new();
    let foreign = world.poll_stream(OTHER);
    world.emit("u@example.com");
    let seen = world.seen_by(OTHER);
    let jti = seen[2]["sets"].as_object().unwrap().keys().next().unwrap().clone();
    let stored = world.stored();
    let ack = json!({"ack": [jti], "setErrs": {&jti: {"err": "x"}}, "maxEvents": 0});
    let own = world.poll_stream(OWN);
    let stop = json!({"stream_id": foreign, "status": "disabled"});
    assert_eq!(world.ask(&post(format!("/ssf/poll/{foreign}"), &ack)).status, 404);
    assert_eq!(world.ask(&post("/ssf/status", &stop)).status, 404);
    // An acknowledgement reaches no other stream than the one that is polled (RFC 8936 §2.2).
    assert_eq!(world.poll(OWN, &own, &ack), json!({"sets": {}}));
    assert_eq!(
        world.ask(&Call::new("DELETE", format!("/ssf/streams?stream_id={own}"))).status,
        204
    );
    assert_eq!(world.seen_by(OTHER), seen);
    assert_eq!(world.stored(), stored);
}

#[test]
fn a_push_stream_has_no_poll_endpoint_rfc_8936() {
    let world = World::new();
    let delivery = json!({"method": PUSH, "endpoint_url": "https://rp.example.net/e"});
    let push = world.create(OWN, &json!({"delivery": delivery}));
    let unknown = world.ask(&post(format!("/ssf/poll/{UNKNOWN}"), &json!({})));
    for body in [json!({}), json!({"ack": ["x"], "maxEvents": 0}), json!({"maxEvents": 0})] {
        assert_eq!(world.ask(&post(format!("/ssf/poll/{push}"), &body)), unknown, "{body}");
    }
}

/// Every operation that names a stream, naming it in a way that names none.
fn without_stream() -> Vec<Call> {
    let mut calls = Vec::new();
    for call in operations(UNKNOWN).split_off(1) {
        if call.uri.contains("/ssf/poll/") {
            continue;
        }
        if call.body.is_empty() {
            let path = call.uri.split('?').next().unwrap().to_owned();
            let queries = ["stream_id=", "stream_id", "stream_id=&x=1", "stream_id=a&stream_id=a"];
            calls.extend(
                queries.map(|query| Call { uri: format!("{path}?{query}"), ..call.clone() }),
            );
            // Without any, reading streams is reading the list; nothing else has a default.
            if call.method != "GET" || path != "/ssf/streams" {
                calls.push(Call { uri: path, ..call });
            }
        } else {
            let mut body: Value = serde_json::from_slice(&call.body).unwrap();
            for wrong in [json!(""), json!(null), json!(1), json!([UNKNOWN])] {
                body["stream_id"] = wrong;
                calls.push(call.clone().json(&body));
            }
            body.as_object_mut().unwrap().remove("stream_id");
            calls.push(call.json(&body));
        }
    }
    calls
}

#[test]
fn an_empty_missing_or_repeated_stream_id_is_a_fault_never_the_list() {
    let world = World::new();
    world.poll_stream(OWN);
    let stored = world.stored();
    for call in without_stream() {
        let answer = world.ask(&call);
        assert_eq!(answer.fault(), (400, "stream_id".to_owned()), "{call:?}");
    }
    assert_eq!(world.stored(), stored);
}
