//! The worker face: what a stream's health does to its claims.

#![allow(missing_docs, reason = "a case is named by what it says")]

use std::time::Duration;

use super::bench::{Bench, at, delivered, fails, id, jti, jtis, sorted};
use crate::id::WorkerId;
use crate::outbox::{
    Breaker, BreakerPolicy, Fate, Jitter, Pace, RetryAfter, StreamReport, Verdict,
};
use crate::store::{Claimed, HealthChange, SettleBatch, Settled};

fn fails_until(seconds: u64) -> StreamReport {
    let retry_after = Some(RetryAfter::In(Duration::from_secs(seconds)));
    StreamReport::Fails { what: "429".to_owned(), refuses: false, retry_after }
}

/// A stream `s` with entries `a`, `b` and `c`, whose breaker opened at 0 until 1.
async fn failed(bench: &Bench) {
    bench.streams(&["s"]).await;
    for set in ["a", "b", "c"] {
        bench.emit("s", set, set, at(0)).await;
    }
    bench.report("s", fails(), at(0)).await;
}

/// The one entry that a claim gets as the probe.
async fn probe(bench: &Bench, now: i64) -> Claimed {
    let mut held = bench.claim(at(now)).await;
    assert_eq!(held.len(), 1, "one probe at {now}: {:?}", jtis(&held));
    held.remove(0)
}

/// P7.
pub async fn worker_3_an_open_breaker_holds_ordinary_entries_back(bench: &Bench) {
    failed(bench).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    bench.assert_due(at(0), Some(at(1))).await;
    assert_eq!(bench.overview("s").await.next_attempt, Some(at(1)));
}

pub async fn worker_3_a_half_open_breaker_lets_one_probe_out_at_a_time(bench: &Bench) {
    failed(bench).await;
    let first = probe(bench, 1).await;
    assert_eq!(jtis(&bench.claim(at(1)).await), [""; 0]);
    bench.assert_due(at(1), Some(at(61))).await;
    bench.fail(&first, at(2)).await;
    bench.assert_due(at(2), Some(at(4))).await;
    let second = probe(bench, 4).await;
    bench.settle_with(&second, delivered(), StreamReport::Works, at(4)).await;
    let mut rest = vec!["a", "b", "c"];
    rest.retain(|set| second.jti != jti(set));
    assert_eq!(sorted(&bench.claim(at(4)).await), rest);
}

/// P7: one poisoned SET never blocks a stream.
pub async fn worker_3_the_probe_is_one_that_was_never_tried(bench: &Bench) {
    failed(bench).await;
    let (mut now, mut tried) = (1, Vec::new());
    for _ in 0..3 {
        let probe = probe(bench, now).await;
        assert!(!tried.contains(&probe.jti), "{} again, after {tried:?}", probe.jti);
        bench.fail(&probe, at(now)).await;
        tried.push(probe.jti);
        now = bench.overview("s").await.health.open_until.unwrap().as_seconds();
    }
    // When all were tried, one of them it is.
    probe(bench, now).await;
}

/// Worker 7 too: a probe whose worker died does not stop the stream for good.
pub async fn worker_3_the_lease_of_a_probe_runs_out_like_any_other(bench: &Bench) {
    failed(bench).await;
    probe(bench, 1).await;
    assert_eq!(jtis(&bench.claim(at(60)).await), [""; 0]);
    probe(bench, 61).await;
}

/// Across processes.
pub async fn worker_3_no_other_worker_gets_a_second_probe(bench: &Bench) {
    failed(bench).await;
    probe(bench, 1).await;
    let other = bench.process(1);
    let mut request = other.claim_request(at(2), 100, 10);
    request.worker = WorkerId::parse("w2").unwrap();
    let nothing = other.store.claim(request.clone()).await.unwrap();
    assert_eq!(jtis(&nothing.entries), [""; 0]);
    other.assert_due_for(&request, Some(at(61))).await;
    (request.now, request.lease_until) = (at(61), at(121));
    assert_eq!(other.store.claim(request).await.unwrap().entries.len(), 1);
}

/// Those that were on their way when the breaker opened are still with the receiver.
pub async fn worker_3_no_probe_goes_out_while_earlier_entries_are_held(bench: &Bench) {
    bench.streams(&["s"]).await;
    for set in ["a", "b"] {
        bench.emit("s", set, set, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    bench.fail(&held[0], at(0)).await;
    assert_eq!(jtis(&bench.claim(at(1)).await), [""; 0]);
    bench.fail(&held[1], at(1)).await;
    bench.assert_due(at(1), Some(at(3))).await;
    probe(bench, 3).await;
}

/// P5: a verification is the probe.
pub async fn worker_3_a_verification_does_not_wait_for_the_breaker_until_it_failed_with_its_stream(
    bench: &Bench,
) {
    failed(bench).await;
    bench.verify("s", "v", at(0)).await;
    bench.assert_due(at(0), Some(at(0))).await;
    let first = probe(bench, 0).await;
    assert_eq!(first.jti, jti("v"));
    bench.fail(&first, at(0)).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    // From then on an ordinary entry that was never tried is the probe.
    assert_ne!(probe(bench, 1).await.jti, jti("v"));
}

/// P5: by a verification a receiver sees whether it is back.
pub async fn worker_2_a_verification_does_not_wait_behind_an_announcement_that_failed(
    bench: &Bench,
) {
    bench.streams(&["s"]).await;
    bench.announce("s", "u1", at(0)).await;
    bench.announce("s", "u2", at(0)).await;
    let first = probe(bench, 0).await;
    assert_eq!(first.jti, jti("u1"));
    bench.fail(&first, at(0)).await;
    bench.verify("s", "v", at(0)).await;
    bench.assert_due(at(0), Some(at(0))).await;
    let second = probe(bench, 0).await;
    assert_eq!(second.jti, jti("v"), "and the announcements keep their order");
    bench.fail(&second, at(0)).await;
    bench.assert_due(at(0), Some(at(1))).await;
    assert_eq!(probe(bench, 1).await.jti, jti("u1"));
}

/// It is so for the other kind, and for what is tried again for its own sake.
pub async fn worker_2_an_announcement_does_not_wait_behind_a_verification_that_waits(
    bench: &Bench,
) {
    for fate in [Fate::Defer(at(9)), Fate::Retry(at(9))] {
        let bench = bench.afresh();
        bench.streams(&["s"]).await;
        bench.verify("s", "v", at(0)).await;
        bench.announce("s", "u", at(0)).await;
        let first = bench.claim(at(0)).await;
        assert_eq!(jtis(&first), ["v"]);
        bench.settle(&first[0], fate, at(0)).await;
        assert_eq!(jtis(&bench.claim(at(0)).await), ["u"]);
    }
}

/// P5: what was enabled is announced before what was held.
pub async fn worker_3_no_ordinary_entry_overtakes_an_announcement_that_failed_with_the_stream(
    bench: &Bench,
) {
    bench.streams(&["s"]).await;
    bench.announce("s", "u", at(0)).await;
    bench.emit("s", "a", "k", at(0)).await;
    let first = probe(bench, 0).await;
    assert_eq!(first.jti, jti("u"));
    // It waits longer than the breaker is open.
    bench.settle_with(&first, Fate::Defer(at(5)), fails(), at(0)).await;
    assert_eq!(jtis(&bench.claim(at(4)).await), [""; 0]);
    bench.assert_due(at(4), Some(at(5))).await;
    let again = probe(bench, 5).await;
    assert_eq!(again.jti, jti("u"));
    bench.settle_with(&again, delivered(), StreamReport::Works, at(5)).await;
    assert_eq!(jtis(&bench.claim(at(5)).await), ["a"]);
}

/// P7: a receiver that fails at every verification gets its events all the same.
pub async fn worker_3_a_verification_that_failed_is_the_probe_only_if_nothing_else_can_be(
    bench: &Bench,
) {
    bench.streams(&["s"]).await;
    bench.verify("s", "v", at(0)).await;
    let first = probe(bench, 0).await;
    bench.fail(&first, at(0)).await;
    bench.emit("s", "a", "k", at(0)).await;
    let second = probe(bench, 1).await;
    assert_eq!(second.jti, jti("a"));
    assert_eq!(jtis(&bench.claim(at(1)).await), [""; 0], "one probe at a time");
    bench.fail(&second, at(1)).await;
    assert_eq!(probe(bench, 3).await.jti, jti("v"));
}

/// A signing failure or a change of delivery is no attempt.
pub async fn worker_3_a_verification_that_goes_back_without_an_attempt_still_does_not_wait(
    bench: &Bench,
) {
    failed(bench).await;
    bench.verify("s", "v", at(0)).await;
    let held = bench.claim(at(0)).await;
    assert_eq!(bench.settle(&held[0], Fate::Return, at(0)).await, Settled::Done);
    assert_eq!(jtis(&bench.claim(at(0)).await), ["v"]);
}

/// P5: but not before a `Retry-After`.
pub async fn worker_3_a_retry_after_holds_control_entries_back_too(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.report("s", fails_until(30), at(0)).await;
    bench.verify("s", "v", at(0)).await;
    bench.assert_due(at(0), Some(at(30))).await;
    assert_eq!(jtis(&bench.claim(at(29)).await), [""; 0]);
    assert_eq!(jtis(&bench.claim(at(30)).await), ["v"]);
}

/// P7: one dead receiver never slows another.
pub async fn worker_6_a_failing_stream_leaves_others_alone(bench: &Bench) {
    bench.streams(&["bad", "good"]).await;
    bench.report("bad", fails(), at(0)).await;
    for stream in ["bad", "good"] {
        bench.emit(stream, stream, "k", at(0)).await;
    }
    assert_eq!(jtis(&bench.claim(at(0)).await), ["good"]);
    assert_eq!(bench.overview("bad").await.health.breaker(at(0)), Breaker::Open);
    assert_eq!(bench.overview("good").await.health.breaker(at(0)), Breaker::Closed);
}

/// P7: entries stay, and no attempt is counted.
pub async fn worker_6_what_failed_with_its_stream_comes_back_untouched(bench: &Bench) {
    failed(bench).await;
    let probe = probe(bench, 1).await;
    bench.fail(&probe, at(1)).await;
    bench.report("s", StreamReport::Works, at(9)).await;
    let again = bench.claim(at(9)).await;
    assert_eq!(sorted(&again), ["a", "b", "c"]);
    assert!(again.iter().all(|entry| entry.attempts == 0));
}

/// P7.
pub async fn worker_6_a_stream_that_refuses_too_often_is_named_once(bench: &Bench) {
    bench.streams(&["s"]).await;
    let policy = BreakerPolicy { pause_after_refusals: 1, ..BreakerPolicy::default() };
    let mut batch = SettleBatch::new(policy, at(0));
    let refuses = StreamReport::Fails { what: "401".to_owned(), refuses: true, retry_after: None };
    for stream in ["s", "s", "unknown"] {
        batch.health.push(HealthChange::new(id(stream), refuses.clone(), Jitter::NONE));
    }
    let report = bench.store.settle(&bench.issuer, batch).await.unwrap();
    assert_eq!(report.verdicts, [(id("s"), Verdict::Pause)]);
}

pub async fn worker_6_every_verdict_of_a_batch_is_returned_once(bench: &Bench) {
    bench.streams(&["s", "other"]).await;
    let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
    let reports = [("s", fails()), ("other", StreamReport::Works), ("s", StreamReport::Works)];
    for (stream, report) in reports {
        batch.health.push(HealthChange::new(id(stream), report, Jitter::NONE));
    }
    let report = bench.store.settle(&bench.issuer, batch).await.unwrap();
    let (opened, closed) = (Verdict::BreakerOpened, Verdict::BreakerClosed);
    assert_eq!(report.verdicts, [(id("s"), opened), (id("s"), closed)]);
}

/// What health is made of is kept whole: the rules are not the store's.
pub async fn worker_6_health_is_kept_as_the_rules_make_it(bench: &Bench) {
    bench.streams(&["s"]).await;
    let reports = [
        (StreamReport::Works, Pace::Prompt),
        (fails(), Pace::Slow),
        (fails_until(30), Pace::Unknown),
        (StreamReport::Judges { what: "400 invalid_key".to_owned() }, Pace::Prompt),
        (StreamReport::Silent, Pace::Slow),
        (StreamReport::Stops { what: "410".to_owned(), retry_after: None }, Pace::Unknown),
        (fails(), Pace::Unknown),
        (StreamReport::Works, Pace::Slow),
    ];
    let (mut health, policy) = (crate::outbox::Health::default(), BreakerPolicy::default());
    for (n, (report, pace)) in reports.into_iter().enumerate() {
        let (now, jitter) = (at(40 * i64::try_from(n).unwrap()), Jitter::from_bits(1 << 62));
        let mut change = HealthChange::new(id("s"), report.clone(), jitter);
        change.pace = pace;
        let mut batch = SettleBatch::new(policy, now);
        batch.health.push(change);
        let verdicts = bench.store.settle(&bench.issuer, batch).await.unwrap().verdicts;
        let verdict = health.record(&report, &policy, now, jitter);
        health.note_pace(pace);
        assert_eq!(bench.overview("s").await.health, health, "after {report:?}");
        let verdict = (verdict != Verdict::GoOn).then(|| (id("s"), verdict));
        assert_eq!(verdicts, verdict.into_iter().collect::<Vec<_>>(), "of {report:?}");
    }
}

/// P9: what the old endpoint did says nothing about the new one.
pub async fn worker_6_health_of_another_generation_is_ignored(bench: &Bench) {
    bench.streams(&["s"]).await;
    let now = bench.overview("s").await.record.generation;
    for (generation, breaker) in [(now + 1, Breaker::Closed), (now, Breaker::Open)] {
        let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
        let mut change = HealthChange::new(id("s"), fails(), Jitter::NONE);
        change.generation = Some(generation);
        batch.health.push(change);
        bench.store.settle(&bench.issuer, batch).await.unwrap();
        assert_eq!(bench.overview("s").await.health.breaker(at(0)), breaker);
    }
}
