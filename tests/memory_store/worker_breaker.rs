//! The worker face: what a stream's health does to its claims.

use std::time::Duration;

use ssf_transmitter::outbox::{
    Breaker, BreakerPolicy, Fate, Jitter, RetryAfter, StreamReport, Verdict,
};
use ssf_transmitter::store::{
    HealthChange, ReceiverStore, SettleBatch, Settled, StreamUpdate, WorkerStore,
};
use ssf_transmitter::stream::{StatusSetBy, StreamStatus};

use crate::bench::{Bench, at, delivered, fails, id, issuer, jtis};

fn fails_until(seconds: u64) -> StreamReport {
    let retry_after = Some(RetryAfter::In(Duration::from_secs(seconds)));
    StreamReport::Fails { what: "429".to_owned(), refuses: false, retry_after }
}

/// A stream with entries `a`, `b` and `c`, whose breaker opened at 0 until 1.
async fn failed() -> Bench {
    let bench = Bench::with(&["s"]).await;
    for set in ["a", "b", "c"] {
        bench.emit("s", set, set, at(0)).await;
    }
    bench.report("s", fails(), at(0)).await;
    bench
}

// Worker 3; P7.
#[tokio::test]
async fn an_open_breaker_holds_ordinary_entries_back() {
    let bench = failed().await;
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    assert_eq!(bench.next_due(at(0)).await, Some(at(1)));
    assert_eq!(bench.overview("s").await.next_attempt, Some(at(1)));
}

// Worker 3.
#[tokio::test]
async fn a_half_open_breaker_lets_one_probe_out_at_a_time() {
    let bench = failed().await;
    let probe = bench.claim(at(1)).await;
    assert_eq!(jtis(&probe), ["a"]);
    assert_eq!(jtis(&bench.claim(at(1)).await), [""; 0]);
    assert_eq!(bench.next_due(at(1)).await, Some(at(61)));
    bench.fail(&probe[0], at(2)).await;
    assert_eq!(bench.next_due(at(2)).await, Some(at(4)));
    let probe = bench.claim(at(4)).await;
    assert_eq!(jtis(&probe), ["b"]);
    bench.settle_with(&probe[0], delivered(), StreamReport::Works, at(4)).await;
    assert_eq!(jtis(&bench.claim(at(4)).await), ["a", "c"]);
}

// Worker 3, 7: a probe whose worker died does not stop the stream for good.
#[tokio::test]
async fn the_lease_of_a_probe_runs_out_like_any_other() {
    let bench = failed().await;
    assert_eq!(jtis(&bench.claim(at(1)).await), ["a"]);
    assert_eq!(jtis(&bench.claim(at(60)).await), [""; 0]);
    assert_eq!(jtis(&bench.claim(at(61)).await), ["b"]);
}

// Worker 3: those that were on their way when the breaker opened are still with the receiver.
#[tokio::test]
async fn no_probe_goes_out_while_earlier_entries_are_held() {
    let bench = Bench::with(&["s"]).await;
    for set in ["a", "b"] {
        bench.emit("s", set, set, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    bench.fail(&held[0], at(0)).await;
    assert_eq!(jtis(&bench.claim(at(1)).await), [""; 0]);
    bench.fail(&held[1], at(1)).await;
    assert_eq!(bench.next_due(at(1)).await, Some(at(3)));
    assert_eq!(jtis(&bench.claim(at(3)).await), ["a"]);
}

// Worker 3; P5: a verification is the probe.
#[tokio::test]
async fn a_verification_does_not_wait_for_the_breaker_until_it_failed_with_its_stream() {
    let bench = failed().await;
    bench.verify("s", "v", at(0)).await;
    assert_eq!(bench.next_due(at(0)).await, Some(at(0)));
    let probe = bench.claim(at(0)).await;
    assert_eq!(jtis(&probe), ["v"]);
    bench.fail(&probe[0], at(0)).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    assert_eq!(jtis(&bench.claim(at(1)).await), ["a"]);
}

// Worker 2; P5: by a verification a receiver sees whether it is back.
#[tokio::test]
async fn a_verification_does_not_wait_behind_an_announcement_that_failed_with_the_stream() {
    let bench = Bench::with(&["s"]).await;
    bench.announce("s", "u1", at(0)).await;
    bench.announce("s", "u2", at(0)).await;
    let probe = bench.claim(at(0)).await;
    assert_eq!(jtis(&probe), ["u1"]);
    bench.fail(&probe[0], at(0)).await;
    bench.verify("s", "v", at(0)).await;
    assert_eq!(bench.next_due(at(0)).await, Some(at(0)));
    let probe = bench.claim(at(0)).await;
    assert_eq!(jtis(&probe), ["v"], "and the announcements keep their order");
    bench.fail(&probe[0], at(0)).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    assert_eq!(bench.next_due(at(0)).await, Some(at(1)));
    assert_eq!(jtis(&bench.claim(at(1)).await), ["u1"]);
}

// Worker 2: it is so for the other kind, and for what is tried again for its own sake.
#[tokio::test]
async fn an_announcement_does_not_wait_behind_a_verification_that_waits() {
    for fate in [Fate::Defer(at(9)), Fate::Retry(at(9))] {
        let bench = Bench::with(&["s"]).await;
        bench.verify("s", "v", at(0)).await;
        bench.announce("s", "u", at(0)).await;
        let first = bench.claim(at(0)).await;
        assert_eq!(jtis(&first), ["v"]);
        bench.settle(&first[0], fate, at(0)).await;
        assert_eq!(jtis(&bench.claim(at(0)).await), ["u"]);
    }
}

// Worker 3; P5: what was enabled is announced before what was held.
#[tokio::test]
async fn no_ordinary_entry_overtakes_an_announcement_that_failed_with_the_stream() {
    let bench = Bench::with(&["s"]).await;
    bench.announce("s", "u", at(0)).await;
    bench.emit("s", "a", "k", at(0)).await;
    let probe = bench.claim(at(0)).await;
    assert_eq!(jtis(&probe), ["u"]);
    // It waits longer than the breaker is open.
    bench.settle_with(&probe[0], Fate::Defer(at(5)), fails(), at(0)).await;
    assert_eq!(jtis(&bench.claim(at(4)).await), [""; 0]);
    assert_eq!(bench.next_due(at(4)).await, Some(at(5)));
    let probe = bench.claim(at(5)).await;
    assert_eq!(jtis(&probe), ["u"]);
    bench.settle_with(&probe[0], delivered(), StreamReport::Works, at(5)).await;
    assert_eq!(jtis(&bench.claim(at(5)).await), ["a"]);
}

// Worker 3; P7: a receiver that fails at every verification gets its events all the same.
#[tokio::test]
async fn a_verification_that_failed_is_the_probe_only_if_nothing_else_can_be() {
    let bench = Bench::with(&["s"]).await;
    bench.verify("s", "v", at(0)).await;
    let probe = bench.claim(at(0)).await;
    bench.fail(&probe[0], at(0)).await;
    bench.emit("s", "a", "k", at(0)).await;
    let probe = bench.claim(at(1)).await;
    assert_eq!(jtis(&probe), ["a"]);
    assert_eq!(jtis(&bench.claim(at(1)).await), [""; 0], "one probe at a time");
    bench.fail(&probe[0], at(1)).await;
    assert_eq!(jtis(&bench.claim(at(3)).await), ["v"]);
}

// Worker 3: a signing failure or a change of delivery is no attempt.
#[tokio::test]
async fn a_verification_that_goes_back_without_an_attempt_still_does_not_wait() {
    let bench = failed().await;
    bench.verify("s", "v", at(0)).await;
    let held = bench.claim(at(0)).await;
    assert_eq!(bench.settle(&held[0], Fate::Return, at(0)).await, Settled::Done);
    assert_eq!(jtis(&bench.claim(at(0)).await), ["v"]);
}

// Worker 3; P5: but not before a `Retry-After`.
#[tokio::test]
async fn a_retry_after_holds_control_entries_back_too() {
    let bench = Bench::with(&["s"]).await;
    bench.report("s", fails_until(30), at(0)).await;
    bench.verify("s", "v", at(0)).await;
    assert_eq!(bench.next_due(at(0)).await, Some(at(30)));
    assert_eq!(jtis(&bench.claim(at(29)).await), [""; 0]);
    assert_eq!(jtis(&bench.claim(at(30)).await), ["v"]);
}

// Worker 6; P7: one dead receiver never slows another.
#[tokio::test]
async fn a_failing_stream_leaves_others_alone() {
    let bench = Bench::with(&["bad", "good"]).await;
    bench.report("bad", fails(), at(0)).await;
    for stream in ["bad", "good"] {
        bench.emit(stream, stream, "k", at(0)).await;
    }
    assert_eq!(jtis(&bench.claim(at(0)).await), ["good"]);
    assert_eq!(bench.overview("bad").await.health.breaker(at(0)), Breaker::Open);
    assert_eq!(bench.overview("good").await.health.breaker(at(0)), Breaker::Closed);
}

// Worker 6; P7.
#[tokio::test]
async fn a_stream_that_refuses_too_often_is_named_once() {
    let bench = Bench::with(&["s"]).await;
    let mut policy = BreakerPolicy::default();
    policy.pause_after_refusals = 1;
    let mut batch = SettleBatch::new(policy, at(0));
    let refuses = StreamReport::Fails { what: "401".to_owned(), refuses: true, retry_after: None };
    for stream in ["s", "s", "unknown"] {
        batch.health.push(HealthChange::new(id(stream), refuses.clone(), Jitter::NONE));
    }
    let report = bench.store.settle(&issuer(), batch).await.unwrap();
    assert_eq!(report.verdicts, [(id("s"), Verdict::Pause)]);
}

// Worker 6.
#[tokio::test]
async fn every_verdict_of_a_batch_is_returned_in_order() {
    let bench = Bench::with(&["s", "other"]).await;
    let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
    let reports = [("s", fails()), ("other", StreamReport::Works), ("s", StreamReport::Works)];
    for (stream, report) in reports {
        batch.health.push(HealthChange::new(id(stream), report, Jitter::NONE));
    }
    let report = bench.store.settle(&issuer(), batch).await.unwrap();
    let (opened, closed) = (Verdict::BreakerOpened, Verdict::BreakerClosed);
    assert_eq!(report.verdicts, [(id("s"), opened), (id("s"), closed)]);
}

// P7: entries stay, and no attempt is counted.
#[tokio::test]
async fn what_failed_with_its_stream_comes_back_untouched() {
    let bench = failed().await;
    let probe = bench.claim(at(1)).await;
    bench.fail(&probe[0], at(1)).await;
    bench.report("s", StreamReport::Works, at(9)).await;
    let again = bench.claim(at(9)).await;
    assert_eq!((jtis(&again), again[0].attempts), (vec!["a", "b", "c"], 0));
}

// Receiver 3.
#[tokio::test]
async fn a_stream_that_starts_again_has_not_failed_yet() {
    let bench = failed().await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a", "b", "c"]);
    let overview = bench.overview("s").await;
    assert_eq!(overview.health.last_error.map(|error| error.at), Some(at(0)));
}

// Receiver 3.
#[tokio::test]
async fn a_changed_delivery_has_not_failed_yet() {
    let bench = failed().await;
    let mut record = bench.overview("s").await.record;
    record.generation += 1;
    let version = record.version;
    bench.store.update_stream(StreamUpdate::new(record, version)).await.unwrap();
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a", "b", "c"]);
}

// Worker 3; P7: one poisoned SET never blocks a stream.
#[tokio::test]
async fn after_a_failed_probe_it_is_another_entrys_turn() {
    let bench = failed().await;
    let probe = bench.claim(at(1)).await;
    assert_eq!(jtis(&probe), ["a"]);
    bench.fail(&probe[0], at(1)).await;
    assert_eq!(jtis(&bench.claim(at(9)).await), ["b"]);
}

// Worker 6; P9: what the old endpoint did says nothing about the new one.
#[tokio::test]
async fn health_of_another_generation_is_ignored() {
    let bench = Bench::with(&["s"]).await;
    let now = bench.overview("s").await.record.generation;
    for (generation, breaker) in [(now + 1, Breaker::Closed), (now, Breaker::Open)] {
        let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
        let mut change = HealthChange::new(id("s"), fails(), Jitter::NONE);
        change.generation = Some(generation);
        batch.health.push(change);
        bench.store.settle(&issuer(), batch).await.unwrap();
        assert_eq!(bench.overview("s").await.health.breaker(at(0)), breaker);
    }
}
