//! The receiver face: verifications (SSF 1.0 §8.1.4).

#![allow(missing_docs, reason = "a case is named by what it says")]

use std::time::Duration;

use super::bench::{Bench, at, delivered, id, jti, jtis, new_control, rp};
use crate::outbox::{Lane, RoundTrip};
use crate::store::{
    Acknowledgement, NewVerification, Settled, StartedBy, StoreError, VerificationQueued,
};
use crate::stream::{StatusSetBy, StreamStatus};

/// A verification of stream `s`, unless the last is younger than `every`.
async fn start(
    bench: &Bench,
    started_by: StartedBy,
    set: &str,
    every: u64,
    now: i64,
) -> VerificationQueued {
    let control = new_control(Lane::Verification, set, at(now));
    let mut new = NewVerification::new(control, Duration::from_secs(every));
    new.started_by = started_by;
    bench.store.queue_verification(&bench.issuer, &rp(), &id("s"), new).await.unwrap()
}

/// One that the transmitter starts.
async fn start_own(bench: &Bench, set: &str, every: u64, now: i64) -> VerificationQueued {
    start(bench, StartedBy::Transmitter, set, every, now).await
}

/// One that the receiver asked for.
async fn ask(bench: &Bench, set: &str, every: u64, now: i64) -> VerificationQueued {
    start(bench, StartedBy::Receiver, set, every, now).await
}

pub async fn receiver_7_verifications_keep_their_distance(bench: &Bench) {
    bench.streams(&["s"]).await;
    assert_eq!(ask(bench, "v1", 60, 0).await, VerificationQueued::Queued);
    assert_eq!(ask(bench, "v2", 60, 59).await, VerificationQueued::TooSoon(at(60)));
    assert_eq!(jtis(&bench.claim(at(59)).await), ["v1"]);
    assert_eq!(ask(bench, "v3", 60, 60).await, VerificationQueued::Queued);
}

/// One that is refused does not count.
pub async fn receiver_7_of_verifications_at_once_one_is_queued(bench: &Bench) {
    for _ in 0..5 {
        let bench = bench.afresh();
        bench.streams(&["s"]).await;
        let asked = |n: usize| {
            let bench = bench.clone();
            async move { ask(&bench, &format!("v{n}"), 60, 0).await }
        };
        let results = bench.together((0..6).map(asked)).await;
        let queued = results.iter().filter(|result| **result == VerificationQueued::Queued);
        assert_eq!(queued.count(), 1, "{results:?}");
        assert_eq!(bench.totals().await.accepted, 1);
        assert_eq!(ask(&bench, "later", 60, 60).await, VerificationQueued::Queued);
    }
}

/// P5, P6.
pub async fn receiver_7_a_newer_verification_replaces_an_unsettled_one_though_it_is_held(
    bench: &Bench,
) {
    bench.streams(&["s"]).await;
    bench.verify("s", "v1", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.verify("s", "v2", at(1)).await;
    assert_eq!(bench.settle(&held[0], delivered(), at(1)).await, Settled::Gone);
    let next = bench.claim(at(1)).await;
    assert_eq!(jtis(&next), ["v2"]);
    bench.settle(&next[0], delivered(), at(1)).await;
    let totals = bench.overview("s").await.totals;
    assert_eq!((totals.accepted, totals.delivered, totals.discarded_replaced), (2, 1, 1));
}

/// P5: held while paused, dropped while disabled.
pub async fn receiver_7_a_verification_is_held_on_a_paused_stream_and_dropped_on_a_disabled_one(
    bench: &Bench,
) {
    bench.streams(&["s"]).await;
    bench.set_status("s", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    bench.verify("s", "dropped", at(0)).await;
    let totals = bench.overview("s").await.totals;
    assert_eq!((totals.accepted, totals.discarded_disabled, totals.waiting), (1, 1, 0));
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.verify("s", "kept", at(1)).await;
    assert_eq!(jtis(&bench.claim(at(1)).await), [""; 0]);
    bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    assert_eq!(jtis(&bench.claim(at(1)).await), ["kept"]);
}

/// All faces 2 too.
pub async fn receiver_7_a_verification_under_a_taken_identifier_changes_nothing(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.verify("s", "v", at(0)).await;
    bench.emit("s", "taken", "k", at(0)).await;
    let control = new_control(Lane::Verification, "taken", at(50));
    let new = NewVerification::new(control, Duration::from_secs(10));
    let error = bench.store.queue_verification(&bench.issuer, &rp(), &id("s"), new).await;
    assert!(matches!(error, Err(StoreError::IdTaken)), "{error:?}");
    assert_eq!(jtis(&bench.claim(at(50)).await), ["v"]);
    // It does not count for the interval either.
    assert_eq!(ask(bench, "v2", 10, 51).await, VerificationQueued::Queued);
}

/// SSF 1.0 §8.1.4.2: a receiver inside its limit is not refused for what we do.
pub async fn receiver_7_what_the_transmitter_starts_does_not_count_for_the_receivers_interval(
    bench: &Bench,
) {
    bench.streams(&["s"]).await;
    assert_eq!(start_own(bench, "t", 60, 100).await, VerificationQueued::Queued);
    assert_eq!(ask(bench, "v", 60, 101).await, VerificationQueued::Queued);
}

pub async fn receiver_7_the_transmitter_keeps_its_distance_from_both_sides(bench: &Bench) {
    bench.streams(&["s"]).await;
    assert_eq!(ask(bench, "v", 0, 100).await, VerificationQueued::Queued);
    bench.acknowledge("s", &["v"]).await;
    assert_eq!(start_own(bench, "t1", 60, 159).await, VerificationQueued::TooSoon(at(160)));
    assert_eq!(start_own(bench, "t2", 60, 160).await, VerificationQueued::Queued);
    bench.acknowledge("s", &["t2"]).await;
    assert_eq!(start_own(bench, "t3", 60, 219).await, VerificationQueued::TooSoon(at(220)));
}

/// The receiver waits for the state it sent.
pub async fn receiver_7_a_verification_of_the_transmitter_replaces_none(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.verify("s", "v", at(100)).await;
    assert_eq!(start_own(bench, "t", 60, 200).await, VerificationQueued::Unsettled);
    assert_eq!(jtis(&bench.claim(at(200)).await), ["v"]);
    assert_eq!(bench.overview("s").await.totals.accepted, 1);
}

/// Worker 6 too.
pub async fn receiver_8_the_round_trip_of_a_verification_is_noted_for_polls_and_pushes(
    bench: &Bench,
) {
    bench.poll_streams(&["s"]).await;
    bench.verify("s", "v", at(3)).await;
    bench.emit("s", "a", "k", at(3)).await;
    let acks = ["v", "a", "unknown"].map(jti).to_vec();
    let acknowledgement = Acknowledgement { acks, now: at(8), ..Acknowledgement::default() };
    let (store, stream) = (&bench.store, id("s"));
    let done = store.acknowledge(&bench.issuer, &rp(), &stream, acknowledgement).await.unwrap();
    let round_trip = Some(RoundTrip::new(at(3), at(8)));
    assert_eq!((done.delivered, done.dead.len(), done.verified), (2, 0, round_trip));
    assert_eq!(bench.overview("s").await.health.verified, round_trip);

    bench.create(bench.record("t")).await;
    bench.verify("t", "v", at(3)).await;
    let held = bench.claim(at(4)).await;
    bench.settle(&held[0], delivered(), at(5)).await;
    let verified = bench.overview("t").await.health.verified.unwrap();
    assert_eq!((verified, verified.took().as_secs()), (RoundTrip::new(at(3), at(5)), 2));
}

pub async fn worker_13_unverified_streams_are_the_enabled_ones_that_waited_longest(bench: &Bench) {
    bench.streams(&["paused", "s", "never"]).await;
    bench.set_status("paused", StreamStatus::Paused, StatusSetBy::Receiver).await;
    start_own(bench, "t", 0, 50).await;
    let overdue = async |since, most| {
        let overdue = bench.store.unverified_streams(&bench.issuer, at(since), most).await.unwrap();
        let ids: Vec<_> = overdue.streams.iter().map(|r| r.stream_id.to_string()).collect();
        (ids, overdue.next)
    };
    assert_eq!(overdue(-1, 9).await, (vec![], Some(at(0))));
    assert_eq!(overdue(49, 9).await, (vec!["never".to_owned()], Some(at(50))));
    assert_eq!(overdue(50, 9).await, (vec!["never".to_owned(), "s".to_owned()], None));
    assert_eq!(overdue(50, 1).await, (vec!["never".to_owned()], Some(at(50))));
    // One that could not be queued counts too: it is not asked for again and again.
    assert_eq!(start_own(bench, "t2", 0, 70).await, VerificationQueued::Unsettled);
    assert_eq!(overdue(60, 9).await, (vec!["never".to_owned()], Some(at(70))));
    bench.set_status("paused", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    let mut enabled = overdue(60, 9).await.0;
    enabled.sort();
    assert_eq!(enabled, ["never", "paused"]);
}
