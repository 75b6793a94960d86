//! The receiver face: hiding what a poll was given, round trips, and the transmitter's own
//! verifications.

use std::time::Duration;

use ssf_transmitter::outbox::{HeldLimits, Lane, RoundTrip};
use ssf_transmitter::protocol::More;
use ssf_transmitter::store::{
    Acknowledgement, GiveUpHeld, HandOut, HandOutRequest, KeepToken, Kept, NewVerification,
    ReceiverStore, StartedBy, VerificationQueued, WorkerStore,
};
use ssf_transmitter::stream::{StatusSetBy, StreamStatus};

use crate::bench::{Bench, at, delivered, id, issuer, jti, jtis, keep, new_control, rp, token};

impl Bench {
    /// A look for that many.
    async fn look(&self, most: usize, now: i64) -> HandOut {
        let request = HandOutRequest::new(most, at(now));
        self.store.hand_out(&issuer(), &rp(), &id("s"), request).await.unwrap()
    }

    /// Keeps tokens for what was handed out and hides it for 30 seconds; says what of it.
    async fn hide(&self, handed: &HandOut, now: i64) -> Vec<String> {
        let timed = |entry| {
            let mut keep = keep(entry, token("t", "k"));
            keep.at = at(now);
            keep
        };
        let tokens: Vec<KeepToken> = handed.entries.iter().map(timed).collect();
        let (store, until) = (&self.store, Some(at(now + 30)));
        let kept = store.keep_polled(&issuer(), &rp(), &id("s"), tokens, until).await.unwrap();
        let handed = handed.entries.iter().zip(kept);
        let ours = handed.filter(|(_, kept)| matches!(kept, Kept::Token { .. }));
        ours.map(|(entry, _)| entry.jti.to_string()).collect()
    }

    /// A poll for that many, which hides them for 30 seconds.
    async fn hiding(&self, most: usize, now: i64) -> HandOut {
        let handed = self.look(most, now).await;
        assert_eq!(self.hide(&handed, now).await, jtis(&handed.entries));
        handed
    }

    async fn start_verification(&self, set: &str, every: u64, now: i64) -> VerificationQueued {
        let control = new_control(Lane::Verification, set, at(now));
        let mut verification = NewVerification::new(control, Duration::from_secs(every));
        verification.started_by = StartedBy::Transmitter;
        self.store.queue_verification(&issuer(), &rp(), &id("s"), verification).await.unwrap()
    }
}

// Receiver 9; P4: nothing overtakes what another poll was given.
#[tokio::test]
async fn what_is_hidden_is_given_to_no_other_poll_nor_what_stands_behind_it() {
    let bench = Bench::with_poll(&["s"]).await;
    for (set, key) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("c1", "c"), ("b2", "b")] {
        bench.emit("s", set, key, at(0)).await;
    }
    assert_eq!(jtis(&bench.hiding(2, 0).await.entries), ["a1", "b1"]);
    let other = bench.hiding(9, 10).await;
    assert_eq!((jtis(&other.entries), other.more), (vec!["c1"], More::None));
    assert_eq!(bench.look(9, 10).await.hidden_until, Some(at(30)));
    // An acknowledgement shows what stood behind.
    bench.acknowledge("s", &["a1"]).await;
    assert_eq!(jtis(&bench.hiding(9, 20).await.entries), ["a2"]);
    // In time they are shown again, oldest first.
    let again = bench.hiding(9, 30).await;
    assert_eq!(jtis(&again.entries), ["b1", "b2"]);
    assert_eq!(bench.look(9, 30).await.hidden_until, Some(at(40)));
    assert_eq!(jtis(&bench.hiding(9, 60).await.entries), ["b1", "a2", "c1", "b2"]);
}

// Worker 12: a poll was answered with it, and its acknowledgement may be on its way.
#[tokio::test]
async fn a_held_limit_leaves_what_is_hidden_from_polls() {
    let bench = Bench::with_poll(&["s"]).await;
    for set in ["a", "b", "c"] {
        bench.emit("s", set, set, at(0)).await;
    }
    bench.hiding(1, 0).await;
    let mut limits = HeldLimits::default();
    limits.entries = 0;
    let give_up = async |now| {
        let request = GiveUpHeld::new(id("s"), limits, at(now), 100);
        bench.store.give_up_held(&issuer(), request).await.unwrap()
    };
    assert_eq!(give_up(29).await, 2);
    assert_eq!(jtis(&bench.look(9, 30).await.entries), ["a"]);
    assert_eq!(give_up(30).await, 1);
}

// Receiver 9.
#[tokio::test]
async fn control_entries_are_hidden_in_their_order_and_hold_no_other_up() {
    let bench = Bench::with_poll(&["s"]).await;
    bench.announce("s", "u1", at(0)).await;
    bench.announce("s", "u2", at(0)).await;
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(jtis(&bench.hiding(1, 0).await.entries), ["u1"]);
    assert_eq!(jtis(&bench.hiding(9, 1).await.entries), ["a"]);
    assert_eq!(jtis(&bench.hiding(9, 31).await.entries), ["u1", "u2", "a"]);
}

// Receiver 10; P4: of two polls that look at the same time one is answered.
#[tokio::test]
async fn what_another_poll_has_hidden_meanwhile_is_gone_and_so_is_what_stands_behind_it() {
    let bench = Bench::with_poll(&["s"]).await;
    for (set, key) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        bench.emit("s", set, key, at(0)).await;
    }
    let (one, other) = (bench.look(1, 0).await, bench.look(9, 0).await);
    assert_eq!(bench.hide(&one, 0).await, ["a1"]);
    assert_eq!(bench.hide(&other, 0).await, ["b1"]);
}

// Receiver 9: more counts what can be handed out at once.
#[tokio::test]
async fn more_counts_nothing_that_is_hidden() {
    let bench = Bench::with_poll(&["s"]).await;
    for (set, key) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        bench.emit("s", set, key, at(0)).await;
    }
    assert_eq!(bench.hiding(1, 0).await.more, More::Available);
    let other = bench.hiding(1, 0).await;
    assert_eq!((jtis(&other.entries), other.more), (vec!["b1"], More::None));
}

// Receiver 9.
#[tokio::test]
async fn a_stream_that_starts_again_hides_nothing() {
    let bench = Bench::with_poll(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.hiding(9, 0).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    assert_eq!(jtis(&bench.hiding(9, 1).await.entries), ["a"]);
}

// Receiver 8, worker 6.
#[tokio::test]
async fn the_round_trip_of_a_verification_is_noted_for_polls_and_pushes() {
    let bench = Bench::with_poll(&["s"]).await;
    bench.verify("s", "v", at(3)).await;
    bench.emit("s", "a", "k", at(3)).await;
    let mut acknowledgement = Acknowledgement::default();
    acknowledgement.acks = ["v", "a", "unknown"].map(jti).to_vec();
    acknowledgement.now = at(8);
    let store = &bench.store;
    let done = store.acknowledge(&issuer(), &rp(), &id("s"), acknowledgement).await.unwrap();
    let round_trip = Some(RoundTrip::new(at(3), at(8)));
    assert_eq!((done.delivered, done.dead.len(), done.verified), (2, 0, round_trip));
    assert_eq!(bench.overview("s").await.health.verified, round_trip);

    let bench = Bench::with(&["s"]).await;
    bench.verify("s", "v", at(3)).await;
    let held = bench.claim(at(4)).await;
    bench.settle(&held[0], delivered(), at(5)).await;
    let verified = bench.overview("s").await.health.verified.unwrap();
    assert_eq!((verified, verified.took().as_secs()), (RoundTrip::new(at(3), at(5)), 2));
}

// Receiver 7; SSF 1.0 §8.1.4.2: a receiver inside its limit is not refused for what we do.
#[tokio::test]
async fn a_verification_of_the_transmitter_does_not_count_for_the_receivers_interval() {
    let bench = Bench::with(&["s"]).await;
    assert_eq!(bench.start_verification("t", 60, 100).await, VerificationQueued::Queued);
    bench.verify("s", "v", at(101)).await;
    let too_soon = VerificationQueued::TooSoon(at(161));
    assert_eq!(bench.start_verification("t2", 60, 102).await, too_soon);
}

// Receiver 7: the receiver waits for the state it sent.
#[tokio::test]
async fn a_verification_of_the_transmitter_replaces_none() {
    let bench = Bench::with(&["s"]).await;
    bench.verify("s", "v", at(100)).await;
    assert_eq!(bench.start_verification("t", 60, 200).await, VerificationQueued::Unsettled);
    assert_eq!(jtis(&bench.claim(at(200)).await), ["v"]);
    assert_eq!(bench.overview("s").await.totals.accepted, 1);
}

// Worker 13.
#[tokio::test]
async fn unverified_streams_are_the_enabled_ones_that_waited_longest() {
    let bench = Bench::with(&["paused", "s", "never"]).await;
    bench.set_status("paused", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.start_verification("t", 0, 50).await;
    let overdue = async |since| {
        let overdue = bench.store.unverified_streams(&issuer(), at(since), 9).await.unwrap();
        let ids: Vec<_> = overdue.streams.iter().map(|r| r.stream_id.to_string()).collect();
        (ids, overdue.next)
    };
    assert_eq!(overdue(-1).await, (vec![], Some(at(0))));
    assert_eq!(overdue(49).await, (vec!["never".to_owned()], Some(at(50))));
    assert_eq!(overdue(50).await, (vec!["never".to_owned(), "s".to_owned()], None));
    // One that could not be queued counts too: it is not asked for again and again.
    bench.start_verification("t2", 0, 70).await;
    assert_eq!(overdue(60).await, (vec!["never".to_owned()], Some(at(70))));
}
