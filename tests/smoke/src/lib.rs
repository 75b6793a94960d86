//! The smoke test that every example server passes, whatever its framework: the program is started
//! as an operator starts it, and driven over HTTP as receivers drive it.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod http;
mod identities;
mod receiver;
mod server;

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Answer, Client};
use crate::receiver::PushReceiver;
use crate::server::Server;

const PUSH: &str = "urn:ietf:rfc:8935";
const POLL: &str = "urn:ietf:rfc:8936";
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

/// A test that hangs has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the program at that path and drives it through create, verify, emit, poll, acknowledge
/// and push, up to its end.
///
/// # Panics
/// When something is not as it should be.
pub async fn run(program: &str) {
    run_with(program, &[]).await;
}

/// The same with more flags, over a store that holds nothing yet.
///
/// # Panics
/// When something is not as it should be.
pub async fn run_with(program: &str, flags: &[&str]) {
    let walk = async {
        let server = Server::start(program, flags).await;
        let receiver = server.client("t0ken");
        let operator = server.client("adm1n");
        it_says_where_everything_is(&server, &receiver).await;
        only_the_operator_operates(&receiver, &operator).await;
        a_body_that_is_too_large_is_refused(&receiver, &operator).await;
        a_stream_is_polled(&receiver, &operator).await;
        a_poll_waits_for_its_event(&receiver, &operator).await;
        a_stream_is_pushed(&receiver, &operator).await;
        identities_are_watched(&receiver, &operator).await;
        a_dead_letter_lives_again(&receiver, &operator).await;
        a_client_that_goes_away_frees_everything(&server, &receiver, &operator).await;
        it_answers_who_waits_when_it_stops(server, &receiver, &operator).await;
        who_calls_too_often_is_told_so(program).await;
    };
    tokio::time::timeout(PATIENCE, walk).await.unwrap();
}

async fn it_says_where_everything_is(server: &Server, receiver: &Client) {
    let metadata = receiver.get("/.well-known/ssf-configuration").await.ok(200);
    assert_eq!(metadata["issuer"], server.url());
    assert_eq!(metadata["configuration_endpoint"], format!("{}/ssf/streams", server.url()));
    let keys = receiver.get("/jwks.json").await.ok(200);
    assert_eq!(keys["keys"][0]["use"], "sig");
    assert_eq!(receiver.get("/healthz").await.ok(200), json!({"status": "ok"}));
    assert_eq!(receiver.get("/nothing").await.ok(404)["error"], "not_found");
    let head = receiver.send("HEAD", "/jwks.json", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let keys = receiver.get("/jwks.json").await.body;
    assert_eq!(head.header("content-length"), keys.len().to_string(), "RFC 9110 8.6");
    let stranger = server.client("somebody-elses").get("/ssf/streams").await;
    assert!(stranger.header("www-authenticate").contains("invalid_token"), "{stranger:?}");
    assert_eq!(stranger.status, 401);
}

async fn only_the_operator_operates(receiver: &Client, operator: &Client) {
    assert_eq!(receiver.get("/admin/streams").await.status, 401);
    assert_eq!(receiver.get("/metrics").await.status, 401);
    assert_eq!(operator.get("/admin/streams").await.ok(200), json!({"streams": []}));
    assert_eq!(operator.get("/admin/events").await.header("allow"), "POST");
    assert_eq!(operator.get("/admin/nothing").await.status, 404);
}

async fn a_body_that_is_too_large_is_refused(receiver: &Client, operator: &Client) {
    let large = format!("{{\"description\":\"{}\"}}", "x".repeat(64 * 1024));
    assert_eq!(receiver.send("POST", "/ssf/streams", &large).await.status, 413);
    let larger = "x".repeat(1024 * 1024 + 1);
    assert_eq!(operator.send("POST", "/admin/events", &larger).await.status, 413);
}

async fn a_stream_is_polled(receiver: &Client, operator: &Client) {
    let stream = create(receiver, json!({"method": POLL})).await;
    receiver.post("/ssf/verify", json!({"stream_id": stream, "state": "hello"})).await.ok(204);
    emit(operator, "first@example.com").await;
    an_event_is_explained(operator, &stream).await;

    let now = json!({"returnImmediately": true});
    let sets = poll(receiver, &stream, now.clone()).await;
    let claims: Vec<_> = sets.iter().map(|(_, claims)| claims).collect();
    assert_eq!(claims[0]["events"][VERIFICATION]["state"], "hello");
    assert_eq!(claims[1]["sub_id"]["email"], "first@example.com");
    assert!(claims[1]["events"][SESSION_REVOKED].is_object());

    assert_eq!(poll(receiver, &stream, now.clone()).await, sets, "what was not acknowledged");
    let jtis: Vec<_> = sets.iter().map(|(jti, _)| jti).collect();
    let acknowledge = json!({"returnImmediately": true, "ack": jtis});
    assert_eq!(poll(receiver, &stream, acknowledge).await, []);
    assert_eq!(overview(operator, &stream).await["backlog"], 0);
    delete(receiver, &stream).await;
}

/// Also for a stream there is not.
async fn an_event_is_explained(operator: &Client, stream: &str) {
    let email = |address| json!({"format": "email", "email": address});
    let ask = async |name: &str, of: Value| {
        let mut question =
            json!({"subject": email("a@example.com"), "event_type": SESSION_REVOKED});
        question[name] = of;
        operator.post("/admin/explain", question).await
    };
    let answer = ask("stream_id", json!(stream)).await.ok(200);
    assert_eq!(answer, json!({"delivered": true, "outcome": "delivered", "rule": null}));
    let other = json!({"events_delivered": [SESSION_REVOKED], "default_subjects": "NONE",
        "subjects": [email("b@example.com")]});
    assert_eq!(ask("stream", other).await.ok(200)["rule"], "subject");
    let all = json!({"events_delivered": [SESSION_REVOKED], "status": "paused"});
    assert_eq!(ask("stream", all).await.ok(200)["outcome"], "held");
    // An event that would be refused is, in the same words.
    for (name, value, named) in [
        ("event", json!({"reason_admin": {"en": ""}}), "`reason_admin.en` must not be empty"),
        ("event", json!([]), "event: invalid type: sequence, expected a map"),
        ("txn", json!(""), "txn: must not be empty"),
        ("subject", json!({}), "subject: `format` is required"),
        ("event_type", json!(null), "event_type: is required"),
        ("x", json!(1), "x: has no meaning here"),
    ] {
        let mut question = json!({"subject": email("a@example.com"), "stream_id": stream,
            "event_type": SESSION_REVOKED, "event": {"event_timestamp": 1}, "txn": "t"});
        assert_eq!(
            operator.post("/admin/explain", question.clone()).await.ok(200)["rule"],
            json!(null)
        );
        question[name] = value;
        let answer = operator.post("/admin/explain", question.clone()).await.ok(400);
        assert_eq!(answer["error_description"], named);
        question.as_object_mut().unwrap().remove("stream_id");
        assert_eq!(operator.post("/admin/events", question).await.ok(400), answer);
    }
    let broken = json!({"events_delivered": [], "subjects": [email("b")]});
    let answer = ask("stream", broken).await.ok(400);
    let named = "stream.subjects[0]: `email` must be an email address";
    assert_eq!(answer["error_description"], named);
}

async fn a_poll_waits_for_its_event(receiver: &Client, operator: &Client) {
    let stream = create(receiver, json!({"method": POLL})).await;
    let (sets, ()) = tokio::join!(poll(receiver, &stream, json!({})), async {
        emit(operator, "second@example.com").await;
    });
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0].1["sub_id"]["email"], "second@example.com");
    delete(receiver, &stream).await;
}

async fn a_stream_is_pushed(receiver: &Client, operator: &Client) {
    let mut endpoint = PushReceiver::start().await;
    let delivery = json!({
        "method": PUSH, "endpoint_url": endpoint.url(), "authorization_header": "Bearer pu5h"
    });
    let stream = create(receiver, delivery).await;
    receiver.post("/ssf/verify", json!({"stream_id": stream})).await.ok(204);
    let verification = endpoint.next().await;
    assert_eq!(verification.content_type, "application/secevent+jwt");
    assert_eq!(verification.authorization, "Bearer pu5h");
    assert!(verification.claims["events"][VERIFICATION].is_object());
    emit(operator, "third@example.com").await;
    assert_eq!(endpoint.next().await.claims["sub_id"]["email"], "third@example.com");
    delete(receiver, &stream).await;
}

async fn identities_are_watched(receiver: &Client, operator: &Client) {
    let stream = create(receiver, json!({"method": POLL})).await;
    identities::conditions_are_held_against_every_mistake(operator).await;
    let txn = identities::a_change_fires_once(operator, &stream).await;
    identities::an_import_is_taken_as_it_comes(operator, receiver).await;
    identities::what_cannot_be_sent_is_kept(operator).await;
    let sets = poll(receiver, &stream, json!({"returnImmediately": true})).await;
    let subjects: Vec<_> = sets.iter().map(|(_, claims)| &claims["sub_id"]["email"]).collect();
    assert_eq!(subjects, ["leaver@example.com", "late@example.com"]);
    assert_eq!(sets[0].1["txn"], txn);
    assert_eq!(sets[0].1["events"][SESSION_REVOKED]["reason_admin"]["en"], "Left the company");
    delete(receiver, &stream).await;
}

async fn a_dead_letter_lives_again(receiver: &Client, operator: &Client) {
    let stream = create(receiver, json!({"method": POLL})).await;
    emit(operator, "fourth@example.com").await;
    let now = json!({"returnImmediately": true});
    let (jti, claims) = poll(receiver, &stream, now.clone()).await.remove(0);
    let report = json!({"setErrs": {&jti: {"err": "invalid_key"}}, "maxEvents": 0});
    assert_eq!(poll(receiver, &stream, report).await, []);

    let path = format!("/admin/streams/{stream}/dead-letters");
    assert_eq!(receiver.get(&path).await.status, 401);
    let page = operator.get(&format!("{path}?reason=reported&most=1")).await.ok(200);
    let letter = &page["dead_letters"][0];
    assert_eq!(letter["jti"], jti);
    assert_eq!((&letter["reason"], &letter["err"]), (&json!("reported"), &json!("invalid_key")));
    assert_eq!(letter["claims"]["txn"], claims["txn"]);
    let behind = format!("{path}?after={}", page["next"].as_str().unwrap());
    assert_eq!(operator.get(&behind).await.ok(200)["dead_letters"], json!([]));
    let others = operator.get(&format!("{path}?reason=held_limit")).await.ok(200);
    assert_eq!((&others["dead_letters"], &others["next"]), (&json!([]), &Value::Null));
    assert_eq!(operator.get(&format!("{path}?reason=bad_luck")).await.status, 400);
    assert_eq!(operator.get(&format!("{path}?before=yesterday")).await.status, 400);

    let redrive = format!("{path}/redrive");
    let others = operator.post(&redrive, json!({"reason": "held_limit"})).await.ok(200);
    assert_eq!(others["redriven"], 0);
    let redriven = operator.post(&redrive, json!({"jti": jti})).await.ok(200);
    assert_eq!((&redriven["redriven"], &redriven["new_jti"]), (&json!(1), &json!(1)));
    let (new, again) = poll(receiver, &stream, now).await.remove(0);
    assert_ne!(new, jti);
    assert_eq!((&again["events"], &again["txn"]), (&claims["events"], &claims["txn"]));
    let overview = overview(operator, &stream).await;
    assert_eq!(
        (&overview["dead_letters"], &overview["totals"]["redriven"]),
        (&json!(0), &json!(1))
    );

    let status = format!("/admin/streams/{stream}/status");
    operator.post(&status, json!({"status": "disabled"})).await.ok(200);
    assert_eq!(operator.post(&redrive, json!({})).await.status, 409);
    delete(receiver, &stream).await;
}

/// Nobody waits for a client that is gone: not the handler, not the poll.
async fn a_client_that_goes_away_frees_everything(
    server: &Server,
    receiver: &Client,
    operator: &Client,
) {
    let stream = create(receiver, json!({"method": POLL})).await;
    // A connection of its own, which goes away with the client.
    let leaving = server.client("t0ken");
    let waiting = tokio::spawn(async move { poll(&leaving, &stream, json!({})).await });
    until_polls_wait(operator, 1).await;
    waiting.abort();
    until_polls_wait(operator, 0).await;
}

/// The server ends by itself, with a poll that waits answered first.
async fn it_answers_who_waits_when_it_stops(server: Server, receiver: &Client, operator: &Client) {
    let stream = create(receiver, json!({"method": POLL})).await;
    let (sets, ()) = tokio::join!(poll(receiver, &stream, json!({})), async {
        until_polls_wait(operator, 1).await;
        server.stop().await;
    });
    assert_eq!(sets, []);
}

async fn who_calls_too_often_is_told_so(program: &str) {
    let server = Server::start(program, &["--rate-limit=2/3600"]).await;
    let receiver = server.client("t0ken");
    for _ in 0..2 {
        receiver.get("/ssf/streams").await.ok(200);
    }
    let refused = receiver.get("/ssf/streams").await;
    assert_eq!(refused.ok(429)["error"], "too_many_requests");
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1790..=1800).contains(&wait), "{wait}");
}

/// Looks at the metrics until so many polls wait.
async fn until_polls_wait(operator: &Client, polls: usize) {
    let line = format!("ssf_polls_waiting {polls}");
    loop {
        let metrics = operator.get("/metrics").await;
        assert_eq!(metrics.status, 200);
        if metrics.body.lines().any(|found| found == line) {
            return;
        }
    }
}

async fn create(receiver: &Client, delivery: Value) -> String {
    let created = receiver.post("/ssf/streams", json!({"delivery": delivery})).await.ok(201);
    created["stream_id"].as_str().unwrap().to_owned()
}

async fn delete(receiver: &Client, stream: &str) {
    receiver.send("DELETE", &format!("/ssf/streams?stream_id={stream}"), "").await.ok(204);
}

async fn emit(operator: &Client, email: &str) {
    let event = json!({
        "subject": {"format": "email", "email": email},
        "event_type": SESSION_REVOKED,
        "event": {},
    });
    let emitted = operator.post("/admin/events", event).await.ok(202);
    assert_eq!(emitted["sets"].as_array().unwrap().len(), 1, "{emitted}");
}

/// The SETs that a poll returns: identifiers and claims, in the order of the answer.
async fn poll(receiver: &Client, stream: &str, request: Value) -> Vec<(String, Value)> {
    let answer: Answer = receiver.post(&format!("/ssf/poll/{stream}"), request).await;
    let sets = answer.ok(200)["sets"].clone();
    let sets = sets.as_object().unwrap().iter();
    sets.map(|(jti, set)| (jti.clone(), receiver::claims(set.as_str().unwrap()))).collect()
}

async fn overview(operator: &Client, stream: &str) -> Value {
    let overviews = operator.get("/admin/streams").await.ok(200);
    let mut overviews = overviews["streams"].as_array().unwrap().iter();
    overviews.find(|overview| overview["stream_id"] == stream).unwrap().clone()
}
