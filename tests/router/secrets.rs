//! `authorization_header` goes in and never comes out.

use serde_json::{Value, json};

use super::world::{Call, OWN, PUSH, READER, World, get, operations_on, post};

const SECRET: &str = "s3cret-of-the-receiver";

fn delivery(more: &Value) -> Value {
    let mut delivery = json!({
        "method": PUSH,
        "endpoint_url": "https://rp.example.net/e",
        "authorization_header": format!("Bearer {SECRET}"),
    });
    for (name, value) in more.as_object().unwrap() {
        delivery[name] = value.clone();
    }
    delivery
}

fn shows_nothing(world: &World, call: &Call) -> u16 {
    let answer = world.ask(call);
    let shown = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
    assert!(!shown.contains(SECRET), "{call:?}: {shown}");
    assert!(!shown.contains("authorization_header\":"), "{call:?}: {shown}");
    answer.status
}

#[test]
fn no_answer_shows_the_secret() {
    let world = World::new();
    let create = post("/ssf/streams", &json!({"delivery": delivery(&json!({}))}));
    assert_eq!(shows_nothing(&world, &create), 201);
    let stream = world.create(OWN, &json!({"delivery": delivery(&json!({}))}));
    for method in ["PATCH", "PUT"] {
        let body = json!({"stream_id": stream, "delivery": delivery(&json!({}))});
        assert_eq!(shows_nothing(&world, &Call::new(method, "/ssf/streams").json(&body)), 200);
    }
    assert_eq!(shows_nothing(&world, &get("/ssf/streams")), 200);
    assert_eq!(shows_nothing(&world, &get("/ssf/streams").token(READER)), 200);
    for call in operations_on(&stream) {
        shows_nothing(&world, &call);
    }
    assert!(!world.stored().contains(SECRET), "the operator does not see it either");
}

#[test]
fn no_refusal_shows_the_secret() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    for wrong in [
        json!({"endpoint_url": "http://10.0.0.1/e"}),
        json!({"endpoint_url": 1}),
        json!({"method": "urn:ietf:rfc:9999"}),
        json!({"authorization_header": format!("Bearer {SECRET}\r\nX: y")}),
        json!({"authorization_header": format!(" Bearer {SECRET}")}),
        json!({"authorization_header": [SECRET]}),
        json!({"authorization_header": {"value": SECRET}}),
    ] {
        let body = json!({"stream_id": stream, "delivery": delivery(&wrong)});
        for method in ["POST", "PATCH", "PUT"] {
            let call = Call::new(method, "/ssf/streams").json(&body);
            assert_eq!(shows_nothing(&world, &call), 400, "{call:?}");
        }
    }
    let twice = format!(
        r#"{{"delivery":{{"authorization_header":"{SECRET}","authorization_header":"{SECRET}"}}}}"#
    );
    let call = post("/ssf/streams", &json!({})).body(twice);
    assert_eq!(shows_nothing(&world, &call), 400);
}

#[test]
fn a_header_value_that_could_end_the_header_is_refused() {
    let world = World::new();
    for value in ["", "a\r\nb", "a\nb", "a\rb", "a\0b", "a\u{7f}", "é", " a", "a ", "\ta"] {
        let wrong = json!({"authorization_header": value});
        let body = json!({"delivery": delivery(&wrong)});
        let fault = world.ask(&post("/ssf/streams", &body)).fault();
        assert_eq!(fault, (400, "delivery.authorization_header".to_owned()), "{value:?}");
    }
    let long = json!({"authorization_header": "x".repeat(8_193)});
    let answer = world.ask(&post("/ssf/streams", &json!({"delivery": delivery(&long)})));
    assert_eq!(answer.status, 400);
}

#[test]
fn no_answer_shows_a_bearer_token() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    for call in operations_on(&stream) {
        for call in [call.clone(), call.token("wr0ng-token")] {
            let answer = world.ask(&call);
            let shown = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
            assert!(!shown.contains(OWN) && !shown.contains("wr0ng"), "{call:?}: {shown}");
        }
    }
}
