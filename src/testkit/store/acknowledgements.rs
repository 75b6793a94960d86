//! The receiver face: acknowledgements (RFC 8936 §2.2) and activity.

#![allow(missing_docs, reason = "a case is named by what it says")]

use super::bench::{Bench, at, dead_sets, delivered, fails, id, jti, jtis, push, rp, settlement};
use crate::outbox::{BreakerPolicy, DeadLetterReason, Lane, PollError};
use crate::store::{Acknowledged, Acknowledgement, Activity, SettleBatch, Settled};
use crate::stream::{Delivery, StatusSetBy, StreamStatus};

/// RFC 8936 §2.2, §2.4.
pub async fn receiver_8_acknowledged_sets_are_delivered_and_never_come_again(bench: &Bench) {
    bench.poll_streams(&["s", "other"]).await;
    for (stream, set) in [("s", "a"), ("s", "b"), ("other", "c")] {
        bench.emit(stream, set, "k", at(0)).await;
    }
    bench.acknowledge("s", &["a"]).await;
    assert_eq!(jtis(&bench.poll("s").await), ["b"]);
    let totals = bench.overview("s").await.totals;
    assert_eq!((totals.delivered, totals.waiting), (1, 1));
}

/// P10: of another stream, though it is of the same owner.
pub async fn receiver_8_unknown_settled_and_foreign_identifiers_are_ignored(bench: &Bench) {
    bench.poll_streams(&["s", "other"]).await;
    for (stream, set) in [("s", "a"), ("s", "b"), ("other", "c")] {
        bench.emit(stream, set, "k", at(0)).await;
    }
    let error = PollError::new("invalid_key".to_owned(), None);
    let named = Acknowledgement {
        acks: ["a", "never-emitted", "c"].map(jti).to_vec(),
        errors: vec![(jti("c"), error.clone()), (jti("never-emitted-either"), error)],
        now: at(0),
    };
    for delivered in [1, 0] {
        let (issuer, stream) = (&bench.issuer, id("s"));
        let done = bench.store.acknowledge(issuer, &rp(), &stream, named.clone()).await.unwrap();
        assert_eq!(done, Acknowledged::new(delivered, vec![]), "what this call settled");
    }
    assert_eq!(jtis(&bench.poll("s").await), ["b"]);
    assert_eq!(jtis(&bench.poll("other").await), ["c"]);
    let totals = bench.totals().await;
    assert_eq!((totals.delivered, totals.dead, totals.waiting), (1, 0, 2));
}

pub async fn receiver_8_one_that_is_named_twice_is_settled_once(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    for set in ["a", "b"] {
        bench.emit("s", set, "k", at(0)).await;
    }
    let error = PollError::new("invalid_key".to_owned(), None);
    let twice = Acknowledgement {
        acks: ["a", "a"].map(jti).to_vec(),
        errors: vec![(jti("b"), error.clone()), (jti("b"), error)],
        now: at(0),
    };
    let done = bench.store.acknowledge(&bench.issuer, &rp(), &id("s"), twice).await.unwrap();
    assert_eq!(done, Acknowledged::new(1, vec![(jti("b"), Lane::Ordinary)]));
    let totals = bench.totals().await;
    assert_eq!((totals.delivered, totals.dead, totals.waiting), (1, 1, 0));
}

/// RFC 8936 §2.6.
pub async fn receiver_8_a_set_named_both_ways_ends_as_a_dead_letter(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.emit("s", "b", "k", at(0)).await;
    bench.verify("s", "v", at(0)).await;
    let error = PollError::new("invalid_key".to_owned(), Some("no kid".to_owned()));
    let both = Acknowledgement {
        acks: vec![jti("a"), jti("b")],
        errors: [jti("v"), jti("a")].map(|set| (set, error.clone())).to_vec(),
        now: at(9),
    };
    let again = both.clone();
    let settled = bench.store.acknowledge(&bench.issuer, &rp(), &id("s"), both).await.unwrap();
    let dead = vec![(jti("v"), Lane::Verification), (jti("a"), Lane::Ordinary)];
    assert_eq!(settled, Acknowledged::new(1, dead));
    let settled = bench.store.acknowledge(&bench.issuer, &rp(), &id("s"), again).await.unwrap();
    assert_eq!(settled, Acknowledged::default(), "all of it was settled before");
    let letters = bench.letters("s").await;
    assert_eq!(dead_sets(&letters), ["a", "v"]);
    for letter in letters {
        assert_eq!((letter.dead_at, letter.attempts), (at(9), 1));
        assert_eq!(letter.reason, DeadLetterReason::Reported(error.clone()));
    }
}

pub async fn receiver_8_acknowledging_works_in_every_status_and_by_every_delivery(bench: &Bench) {
    for status in [StreamStatus::Enabled, StreamStatus::Paused] {
        for delivery in [push(), Delivery::Poll] {
            let bench = bench.afresh();
            bench.streams(&["s"]).await;
            bench.emit("s", "a", "k", at(0)).await;
            let held = bench.claim(at(0)).await;
            bench
                .change("s", |record| {
                    record.status = status;
                    record.delivery = delivery;
                })
                .await;
            bench.acknowledge("s", &["a"]).await;
            assert_eq!(bench.overview("s").await.totals.delivered, 1, "{status:?}");
            assert_eq!(bench.settle(&held[0], delivered(), at(0)).await, Settled::Gone);
        }
    }
}

/// The announcement of the stop is all there is.
pub async fn receiver_8_acknowledging_works_on_a_disabled_stream(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    bench.set_status("s", StreamStatus::Disabled, StatusSetBy::Transmitter).await;
    bench.announce("s", "u", at(0)).await;
    bench.acknowledge("s", &["u"]).await;
    let totals = bench.totals().await;
    assert_eq!((totals.delivered, totals.waiting), (1, 0));
}

/// While it is claimed, and when it waits for a retry.
pub async fn receiver_8_a_set_that_was_pushed_may_be_acknowledged(bench: &Bench) {
    bench.streams(&["s"]).await;
    for set in ["a", "b"] {
        bench.emit("s", set, set, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    let retried = held.iter().find(|entry| entry.jti == jti("b")).unwrap();
    bench.settle(retried, crate::outbox::Fate::Retry(at(50)), at(0)).await;
    bench.acknowledge("s", &["a", "b"]).await;
    assert_eq!(bench.next_due(at(0)).await, None);
    let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
    batch.settlements = held.iter().map(|entry| settlement(entry, delivered())).collect();
    let report = bench.store.settle(&bench.issuer, batch).await.unwrap();
    assert_eq!(report.settled, [Settled::Gone, Settled::Gone]);
    assert_eq!(bench.totals().await.delivered, 2);
}

pub async fn receiver_8_an_acknowledgement_is_a_success_of_the_stream(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.emit("s", "b", "k", at(0)).await;
    bench.report("s", fails(), at(0)).await;
    bench.refuse("s", "b", at(3)).await;
    assert_eq!(bench.overview("s").await.health.last_success, None);
    for (jti, last_success) in [("unknown", None), ("a", Some(at(0)))] {
        bench.acknowledge("s", &[jti]).await;
        assert_eq!(bench.overview("s").await.health.last_success, last_success, "{jti}");
    }
}

/// Of two acknowledgements of the same SETs each is settled by one.
pub async fn receiver_8_acknowledgements_at_once_settle_each_set_once(bench: &Bench) {
    for _ in 0..5 {
        let bench = bench.afresh();
        bench.poll_streams(&["s"]).await;
        let sets: Vec<String> = (0..8).map(|n| format!("j{n}")).collect();
        for set in &sets {
            bench.emit("s", set, "k", at(0)).await;
        }
        let acknowledge = |n: usize| {
            // Each in another order: locks taken in the order named would wait for each other.
            let acks = sets.iter().cycle().skip(n).take(8).map(|set| jti(set)).collect();
            let named = Acknowledgement { acks, ..Acknowledgement::default() };
            let bench = bench.clone();
            async move { bench.store.acknowledge(&bench.issuer, &rp(), &id("s"), named).await }
        };
        let results = bench.together((0..4).map(acknowledge)).await;
        let delivered = results.into_iter().map(|result| result.unwrap().delivered);
        assert_eq!(delivered.sum::<u64>(), 8);
        let totals = bench.totals().await;
        assert_eq!((totals.delivered, totals.waiting), (8, 0));
    }
}

/// SSF 1.0 §8.1.1 `inactivity_timeout`.
pub async fn receiver_11_a_touch_notes_the_latest_activity(bench: &Bench) {
    bench.create(bench.poll_record("s")).await;
    for now in [10, 5] {
        let activity = Activity::new(id("s"), at(now));
        bench.store.touch(&bench.issuer, &rp(), activity).await.unwrap();
    }
    let idle = async |since| {
        bench.store.idle_streams(&bench.issuer, at(since), 9).await.unwrap().streams.len()
    };
    assert_eq!((idle(9).await, idle(10).await), (0, 1));
}
