//! Metrics: what is counted, under which names and labels.

use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::json;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::outbox::BeyondLimit;
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::transmitter::Transmitter;

use crate::drive::ready;
use crate::world::{Mood, ONE, TWO, World, jtis, seconds};

/// Runs `act` and returns what it counted, as `name{label="value"} count`, in order. A histogram
/// shows how many values it has and their sum.
fn measured(act: impl FnOnce()) -> Vec<String> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, act);
    lines(&snapshotter)
}

fn lines(snapshotter: &Snapshotter) -> Vec<String> {
    let snapshot = snapshotter.snapshot().into_vec().into_iter();
    let mut lines: Vec<_> = snapshot
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key
                .key()
                .labels()
                .map(|label| format!("{}={:?}", label.key(), label.value()))
                .collect();
            let labels =
                if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let value = match value {
                DebugValue::Counter(count) => count.to_string(),
                DebugValue::Gauge(value) => value.to_string(),
                DebugValue::Histogram(values) => {
                    let sum: f64 = values.iter().map(|value| value.0).sum();
                    format!("{} {sum}", values.len())
                }
            };
            assert!(key.kind() != MetricKind::Counter || key.key().name().ends_with("_total"));
            format!("{}{labels} {value}", key.key().name())
        })
        .collect();
    lines.sort();
    lines
}

/// Those of `lines` that begin so.
fn only<'l>(lines: &'l [String], begins: &[&str]) -> Vec<&'l str> {
    let wanted = |line: &&str| begins.iter().any(|begin| line.starts_with(begin));
    lines.iter().map(String::as_str).filter(wanted).collect()
}

#[test]
fn an_event_is_counted_from_its_emission_to_the_delivery_of_its_sets() {
    let world = World::new();
    for endpoint in [ONE, TWO] {
        world.push_stream(endpoint);
    }
    let polled = world.poll_stream();
    let lines = measured(|| {
        world.emit("user", "a");
        world.advance(seconds(2));
        world.receiver.then(TWO, Ok(PushResponse::new(200)));
        world.run_once();
        let jti = &jtis(&world.poll(&polled, json!({})))[0];
        for _ in 0..2 {
            world.poll(&polled, json!({"ack": [jti.as_str(), "never-emitted"]}));
        }
    });
    assert_eq!(
        lines,
        [
            "ssf_delivery_age_seconds 2 4",
            "ssf_events_emitted_total 1",
            "ssf_polled_sets_acknowledged_total 1",
            "ssf_pushes_accepted_unusually_total 1",
            "ssf_pushes_total{outcome=\"delivered\"} 2",
            "ssf_sets_emitted_total 3",
            "ssf_signatures_total{algorithm=\"ES256\"} 3",
            "ssf_signing_duration_seconds{algorithm=\"ES256\"} 2 0",
        ]
    );
}

#[test]
fn an_emission_that_is_repeated_is_counted_once() {
    let world = World::new();
    world.push_stream(ONE);
    let key = ssf_transmitter::id::IdempotencyKey::parse("k").unwrap();
    let event = crate::world::event("user", "a").with_idempotency_key(key);
    let lines = measured(|| {
        for _ in 0..2 {
            ready(world.transmitter.emit(event.clone())).unwrap();
        }
    });
    assert_eq!(lines, ["ssf_events_emitted_total 1", "ssf_sets_emitted_total 1"]);
}

#[test]
fn failures_are_counted_by_what_became_of_the_set_the_breaker_and_the_stream() {
    let world = World::with(|config| config.breaker.pause_after_refusals = 2);
    let stream = world.push_stream(ONE);
    let lines = measured(|| {
        world.verify(&stream, "s").unwrap();
        world.receiver.then(ONE, Ok(PushResponse::new(400).with_body(r#"{"err":"invalid_aud"}"#)));
        world.run_once();
        world.emit("user", "a");
        world.receiver.then(ONE, Ok(PushResponse::new(503)));
        world.run_for(seconds(60));
        world.emit("user", "b");
        for _ in 0..2 {
            world.receiver.then(ONE, Ok(PushResponse::new(401)));
        }
        world.run_for(seconds(60));
    });
    assert_eq!(world.status(&stream), StreamStatus::Paused);
    let begins = ["ssf_breaker", "ssf_dead", "ssf_pushes", "ssf_streams_paused", "ssf_verif"];
    assert_eq!(
        only(&lines, &begins),
        [
            "ssf_breaker_changes_total{to=\"closed\"} 1",
            "ssf_breaker_changes_total{to=\"open\"} 2",
            "ssf_dead_letters_total{reason=\"rejected\"} 1",
            "ssf_pushes_total{outcome=\"dead_lettered\"} 1",
            "ssf_pushes_total{outcome=\"deferred\"} 3",
            "ssf_pushes_total{outcome=\"delivered\"} 2",
            "ssf_streams_paused_total{cause=\"undeliverable\"} 1",
            "ssf_verifications_failed_total 1",
        ]
    );
}

#[test]
fn the_round_trip_of_a_verification_is_measured_whoever_started_it() {
    const HOUR: u64 = 3600;
    let world = World::with(|config| config.verification_interval = Some(seconds(HOUR)));
    let (_, polled) = (world.push_stream(ONE), world.poll_stream());
    let trips = |act: &dyn Fn()| only(&measured(act), &["ssf_verification_"]).join("");
    let by_push = trips(&|| {
        world.receiver.then(ONE, Ok(PushResponse::new(503).with_retry_after("90")));
        world.run_for(seconds(HOUR + 100));
    });
    assert_eq!(by_push, "ssf_verification_round_trip_seconds 1 90");
    let by_poll = trips(&|| {
        let reply = world.poll(&polled, json!({}));
        for _ in 0..2 {
            world.poll(&polled, json!({"ack": jtis(&reply)}));
        }
    });
    assert_eq!(by_poll, "ssf_verification_round_trip_seconds 1 100");
    let asked_for = trips(&|| {
        world.verify(&polled, "theirs").unwrap();
        world.advance(seconds(7));
        let reply = world.poll(&polled, json!({}));
        world.poll(&polled, json!({"ack": jtis(&reply)}));
    });
    assert_eq!(asked_for, "ssf_verification_round_trip_seconds 1 7");
}

#[test]
fn held_limits_are_counted_by_what_they_did() {
    for (beyond, counted) in [
        (BeyondLimit::GiveUpOldest, "ssf_dead_letters_total{reason=\"held_limit\"} 2"),
        (
            BeyondLimit::DisableStream,
            "ssf_streams_disabled_by_held_limit_total{limit=\"entries\"} 1",
        ),
    ] {
        let world = World::with(|config| {
            config.held.entries = 1;
            config.held.beyond = beyond;
        });
        world.poll_stream();
        for label in ["a", "b", "c"] {
            world.emit("user", label);
        }
        let lines = measured(|| {
            world.run_once();
        });
        assert_eq!(only(&lines, &["ssf_dead_letters_total", "ssf_streams_disabled"]), [counted]);
    }
}

#[test]
fn signing_is_timed_and_its_failures_are_counted() {
    let world = World::new();
    world.push_stream(ONE);
    world.emit("user", "a");
    let lines = measured(|| {
        world.keys.set(Mood::Fails);
        ready(world.transmitter.run_once()).unwrap_err();
        world.keys.set(Mood::SignsAfter(seconds(3)));
        world.advance(seconds(60));
        let mut run = crate::drive::Task::start(world.transmitter.run_once());
        world.pass(seconds(3), &mut run);
    });
    assert_eq!(
        only(&lines, &["ssf_sign"]),
        [
            "ssf_signatures_total{algorithm=\"ES256\"} 1",
            "ssf_signing_duration_seconds{algorithm=\"ES256\"} 1 3",
            "ssf_signing_failures_total 1",
        ]
    );
}

#[test]
fn polls_that_wait_are_counted_until_they_are_answered_or_dropped() {
    let world = World::new();
    let (one, two) = (world.poll_stream(), world.poll_stream());
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        // This recorder begins anew with every look.
        let change = || only(&lines(&snapshotter), &["ssf_polls"]).join("");
        let (first, second) = (world.long_poll(&one), world.long_poll(&two));
        assert_eq!(change(), "ssf_polls_waiting 2");
        drop(first);
        assert_eq!(change(), "ssf_polls_waiting -1");
        world.emit("user", "a");
        drop(second);
        assert_eq!(change(), "ssf_polls_waiting -1");
    });
}

#[test]
fn the_gauges_show_streams_backlog_and_what_became_of_all_sets() {
    let world = World::new();
    let (_, polled) = (world.push_stream(ONE), world.poll_stream());
    world.receiver.then(ONE, Ok(PushResponse::new(503)));
    world.emit("user", "a");
    world.run_once();
    world.set_status(&polled, StreamStatus::Paused).unwrap();
    world.advance(seconds(7));
    let lines = measured(|| ready(world.transmitter.update_gauges()).unwrap());
    assert_eq!(
        lines,
        [
            "ssf_backlog_age_seconds 7",
            "ssf_backlog_sets 2",
            "ssf_breakers_open 1",
            "ssf_dead_letters_kept 0",
            "ssf_sets{end=\"dead_lettered\"} 0",
            "ssf_sets{end=\"delivered\"} 0",
            "ssf_sets{end=\"discarded_replaced\"} 0",
            "ssf_sets{end=\"discarded_stream_deleted\"} 0",
            "ssf_sets{end=\"discarded_stream_disabled\"} 0",
            "ssf_sets{end=\"waiting\"} 2",
            "ssf_streams{status=\"disabled\"} 0",
            "ssf_streams{status=\"enabled\"} 1",
            "ssf_streams{status=\"paused\"} 1",
        ]
    );
}

/// The page that says what the names mean, and the code that counts, know the same names.
#[test]
fn every_metric_is_described_and_documented() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let page = include_str!("../../docs/diagnostics.md");
    let source = include_str!("../../src/diagnostics/meter.rs");
    let mut names: Vec<_> = source.split('"').filter(|text| text.starts_with("ssf_")).collect();
    names.sort_unstable();
    metrics::with_local_recorder(&recorder, || {
        Transmitter::describe_metrics();
        for name in &names {
            // Only what has a value is in a snapshot.
            metrics::counter!(*name).increment(1);
            metrics::gauge!(*name).set(1.0);
            metrics::histogram!(*name).record(1.0);
        }
    });
    let mut described: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .filter(|(_, _, description, _)| description.is_some())
        .map(|(key, ..)| key.key().name().to_owned())
        .collect();
    described.sort_unstable();
    assert_eq!(described, names);
    assert!(names.len() > 20, "the names were found");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut listed: Vec<_> = rows.collect();
    listed.sort_unstable();
    assert_eq!(listed, names);
}
