//! What an operator can find out about requests, by log and metrics, and that no secret is in it.

use bytes::Bytes;
use http::Request;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::json;
use ssf_transmitter::router::Diagnosis;
use ssf_transmitter::testkit::block_on;

use super::paper::logged;
use super::world::{Answer, Call, NOTHING, OTHER, OWN, PUSH, UNKNOWN, World, get, post};

/// Asks, and returns what was logged meanwhile.
fn ask(world: &World, call: &Call) -> (Answer, String) {
    logged(|| world.ask(call))
}

#[test]
fn every_refusal_is_logged_with_tracking_id_client_request_operation_status_and_cause() {
    let world = World::new();
    let known = "tenant=\"acme\" client=\"rp-1\"";
    let nobody = "tenant=\"\" client=\"\"";
    for (call, who, operation, status, cause) in [
        (get("/nothing"), nobody, "unclear", 404, "there is nothing at this path"),
        (get("/ssf/streams").token("wrong"), nobody, "read_stream", 401, "nobody has this token"),
        (get("/ssf/streams").token(NOTHING), known, "read_stream", 403, "the scope `ssf.read`"),
        (
            post("/ssf/streams", &json!({"description": 1})),
            known,
            "create_stream",
            400,
            "`description` must be",
        ),
        (
            get(format!("/ssf/status?stream_id={UNKNOWN}")),
            known,
            "read_status",
            404,
            "no such stream",
        ),
        (post("/jwks.json", &json!({})), nobody, "read_keys", 405, "allowed: GET, HEAD"),
    ] {
        let (answer, log) = ask(&world, &call);
        assert_eq!(answer.status, status, "{call:?}");
        let lines: Vec<_> = log.lines().filter(|line| line.contains("refused")).collect();
        let [line] = lines[..] else { panic!("{log}") };
        let operation = format!("operation=\"{operation}\" status={status}");
        let path = call.uri.split('?').next().unwrap();
        let asked = format!("method={} path={path} operation", call.method);
        for part in [" INFO ", "tracking_id=", who, &asked, &operation, cause] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains("failed"), "nothing of ours is broken: {line}");
    }
}

#[test]
fn the_tracking_id_of_the_log_is_the_one_of_the_diagnosis_and_fresh_each_time() {
    let world = World::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let request = Request::get("/nothing").body(Bytes::new()).unwrap();
        let (answer, log) = logged(|| block_on(world.router.handle(request)));
        let tracking_id = answer.extensions().get::<Diagnosis>().unwrap().tracking_id.clone();
        assert!(log.contains(&format!("tracking_id={tracking_id}")), "{log}");
        seen.push(tracking_id);
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
}

/// A line break in what a sender wrote must not look like another entry of the log.
#[test]
fn nobody_can_write_lines_into_the_log() {
    let world = World::new();
    let body =
        "{\"a\\n INFO ssf_transmitter: forged\": 1, \"a\\n INFO ssf_transmitter: forged\": 2}";
    let (answer, log) = ask(&world, &post("/ssf/streams", &json!({})).body(body));
    assert_eq!(answer.status, 400);
    assert!(log.contains("forged"), "the name of the member is told: {log}");
    assert!(log.lines().all(|line| !line.trim_start().starts_with("INFO ssf_transmitter: forged")));
}

/// Some of it turns lines around or breaks them, some only looks like something else.
#[test]
fn what_a_sender_wrote_is_logged_in_plain_ascii() {
    let world = World::new();
    let body = "{\"a\u{202e}b\u{2028}c\u{1b}\u{e9}\": 1, \"a\u{202e}b\u{2028}c\u{1b}\u{e9}\": 2}";
    let body = body.replace('\u{1b}', "\\u001b");
    let (answer, log) = ask(&world, &post("/ssf/streams", &json!({})).body(body));
    assert_eq!(answer.status, 400);
    assert!(log.contains(r"`a\u{202e}b\u{2028}c\u{1b}\u{e9}` comes twice"), "{log}");
}

#[test]
fn a_long_path_is_logged_by_its_beginning() {
    let world = World::new();
    let path = format!("/{}", "x".repeat(1_000));
    let (_, log) = ask(&world, &get(&path));
    assert!(log.contains(&format!("path={} operation", &path[..256])), "{log}");
}

/// Design promise P13.
#[test]
fn no_secret_is_in_the_log_or_in_the_metrics() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let mut log = String::new();
    metrics::with_local_recorder(&recorder, || {
        for endpoint in ["https://rp.example.net/e", "http://10.0.0.1/e"] {
            let delivery = json!({
                "method": PUSH, "endpoint_url": endpoint, "authorization_header": "Bearer s3cret"
            });
            for method in ["POST", "PATCH", "PUT"] {
                let body = json!({"stream_id": stream, "delivery": delivery});
                log.push_str(&ask(&world, &Call::new(method, "/ssf/streams").json(&body)).1);
            }
        }
        for call in [
            get("/ssf/streams").token("s3cret-of-nobody"),
            get("/ssf/streams?access_token=s3cret"),
            get("/ssf/streams").header("authorization", "Bearer not a s3cret"),
            get(format!("/ssf/status?stream_id={stream}")).token(OTHER),
            post("/ssf/verify", &json!({"stream_id": stream, "state": "s3cret"})),
            post("/ssf/verify", &json!({"stream_id": stream, "state": "s3cret"})),
        ] {
            log.push_str(&ask(&world, &call).1);
        }
    });
    let metrics = format!("{:?}", snapshotter.snapshot().into_vec());
    // The control: all of it was seen.
    assert!(log.matches("request answered").count() == 12, "{log}");
    assert!(metrics.contains("ssf_requests_total"), "{metrics}");
    for secret in ["s3cret", OWN, OTHER] {
        assert!(!log.contains(secret), "{secret}: {log}");
        assert!(!metrics.contains(secret), "{secret}: {metrics}");
    }
}

#[test]
fn requests_are_counted_by_operation_and_status() {
    let world = World::new();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        for call in [
            get("/ssf/streams"),
            get("/ssf/streams"),
            get("/ssf/streams?stream_id=").token(OTHER),
            get("/ssf/streams").token("wrong"),
            get("/jwks.json"),
            get("/a-path-of-the-sender"),
        ] {
            world.ask(&call);
        }
    });
    let mut counted: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .filter(|(key, ..)| key.key().name() == "ssf_requests_total")
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| label.value()).collect();
            let DebugValue::Counter(count) = value else { panic!("it is a counter") };
            format!("{} {count}", labels.join(" "))
        })
        .collect();
    counted.sort();
    let expected = [
        "read_keys 200 1",
        "read_stream 200 2",
        "read_stream 400 1",
        "read_stream 401 1",
        "unclear 404 1",
    ];
    assert_eq!(counted, expected);
}
