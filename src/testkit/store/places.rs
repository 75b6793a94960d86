//! The worker face: the places that claims take (P7), and when there is next something to claim.

#![allow(missing_docs, reason = "a case is named by what it says")]

use super::bench::{Bench, at, delivered, id, jtis, push_to, sorted};
use crate::outbox::{BreakerPolicy, Fate, Jitter, Lane, Pace, PlaceLimits, Places, StreamReport};
use crate::store::{ClaimRequest, Claims, HealthChange, SettleBatch};

/// A claim under those limits, with nothing under way.
fn limited(bench: &Bench, now: i64, limits: PlaceLimits) -> ClaimRequest {
    let mut request = bench.claim_request(at(now), 100, 100);
    request.places = Places::new(limits);
    request
}

/// Push streams of those paces, each at a host of its own, with as many entries as that.
async fn paced(bench: &Bench, streams: &[(&str, Pace)], entries: usize) {
    for (stream, pace) in streams {
        at_host(bench, stream, &format!("{stream}.example"), entries).await;
        let mut change = HealthChange::new(id(stream), StreamReport::Works, Jitter::NONE);
        change.pace = *pace;
        let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
        batch.health.push(change);
        bench.store.settle(&bench.issuer, batch).await.unwrap();
    }
}

/// A push stream at that host, with as many entries as that, each of an order key of its own.
async fn at_host(bench: &Bench, stream: &str, host: &str, entries: usize) {
    let mut record = bench.record(stream);
    record.delivery = push_to(host);
    bench.create(record).await;
    for n in 0..entries {
        let set = format!("{stream}{n}");
        bench.emit(stream, &set, &set, at(0)).await;
    }
}

async fn ask(bench: &Bench, request: &ClaimRequest) -> Claims {
    bench.store.claim(request.clone()).await.unwrap()
}

/// How many entries of that stream were claimed.
fn of(claims: &Claims, stream: &str) -> usize {
    claims.entries.iter().filter(|entry| entry.route.stream_id == id(stream)).count()
}

/// Of 16 places 4 are for slow streams; of each share, and of the whole, an eighth is for control
/// entries.
pub async fn worker_2_slow_streams_take_their_share_and_leave_the_others_theirs(bench: &Bench) {
    paced(bench, &[("slow", Pace::Slow), ("fast", Pace::Prompt)], 20).await;
    let limits = PlaceLimits::new(16, 100);
    let claims = ask(bench, &limited(bench, 0, limits)).await;
    assert_within(&claims, limits);
    assert_eq!(of(&claims, "slow"), 4, "{:?}", jtis(&claims.entries));
    assert!(claims.entries.iter().all(|entry| match entry.route.stream_id.as_str() {
        "slow" => entry.pace == Pace::Slow,
        _ => entry.pace == Pace::Prompt,
    }));
}

pub async fn worker_2_streams_of_unknown_pace_leave_half_to_those_that_are_known_to_answer(
    bench: &Bench,
) {
    paced(bench, &[("new", Pace::Unknown), ("fast", Pace::Prompt)], 20).await;
    let limits = PlaceLimits::new(16, 100);
    let claims = ask(bench, &limited(bench, 0, limits)).await;
    assert_within(&claims, limits);
    let (new, fast) = (of(&claims, "new"), of(&claims, "fast"));
    assert!(new > 0 && new <= 6 && new + fast == 11, "{new} new, {fast} fast");
}

/// Each entry of a claim has a place beside those before it, and there is none for another.
fn assert_within(claims: &Claims, limits: PlaceLimits) {
    let mut places = Places::new(limits);
    for entry in &claims.entries {
        let crate::stream::Delivery::Push(push) = &entry.route.delivery else { continue };
        let host = push.endpoint.host();
        assert!(places.has(entry.lane, entry.pace, host), "no place for {}", entry.jti);
        places.take(entry.lane, entry.pace, host);
    }
    assert_eq!(claims.next_due, None, "what waits for a place waits for a push to end");
}

/// P5: a control entry has a place where others have none, and goes before all others.
pub async fn worker_2_control_entries_have_places_of_their_own_and_go_first(bench: &Bench) {
    paced(bench, &[("slow", Pace::Slow), ("fast", Pace::Prompt)], 9).await;
    let limits = PlaceLimits::new(64, 100);
    let mut request = limited(bench, 0, limits);
    for n in 0..14 {
        request.places.take(Lane::Ordinary, Pace::Slow, &n.to_string());
    }
    for n in 0..42 {
        request.places.take(Lane::Ordinary, Pace::Prompt, &n.to_string());
    }
    assert_eq!(jtis(&ask(bench, &request).await.entries), [""; 0]);
    bench.verify("slow", "v", at(0)).await;
    bench.verify("fast", "w", at(0)).await;
    assert_eq!(sorted(&ask(bench, &request).await.entries), ["v", "w"]);
}

pub async fn worker_2_a_full_host_is_passed_over_and_its_streams_keep_their_turn(bench: &Bench) {
    for (stream, host) in [("a", "one.example"), ("b", "one.example"), ("c", "two.example")] {
        at_host(bench, stream, host, 3).await;
    }
    let mut limits = PlaceLimits::any(100);
    limits.per_host = 2;
    let claims = ask(bench, &limited(bench, 0, limits)).await;
    assert_eq!((of(&claims, "a"), of(&claims, "b"), of(&claims, "c")), (1, 1, 2));
    assert_eq!(claims.next_due, None);
    for entry in &claims.entries {
        bench.settle(entry, delivered(), at(1)).await;
    }
    let claims = ask(bench, &limited(bench, 1, limits)).await;
    assert_eq!((of(&claims, "a"), of(&claims, "b"), of(&claims, "c")), (1, 1, 1));
}

/// Hosts are those of the endpoints, in their one canonical form.
pub async fn worker_2_a_host_is_one_however_it_is_written(bench: &Bench) {
    at_host(bench, "a", "one.example:8443", 1).await;
    at_host(bench, "b", "ONE.example", 1).await;
    let mut limits = PlaceLimits::any(100);
    limits.per_host = 1;
    assert_eq!(ask(bench, &limited(bench, 0, limits)).await.entries.len(), 1);
}

pub async fn worker_10_what_there_is_no_place_for_is_not_due(bench: &Bench) {
    paced(bench, &[("slow", Pace::Slow)], 2).await;
    let claims = ask(bench, &limited(bench, 0, PlaceLimits::new(4, 100))).await;
    assert_eq!((claims.entries.len(), claims.next_due), (1, None));
}

/// Another host is another line.
pub async fn receiver_3_a_changed_delivery_has_no_known_pace(bench: &Bench) {
    paced(bench, &[("s", Pace::Slow)], 1).await;
    bench.deliver_by("s", push_to("other.example")).await;
    assert_eq!(bench.claim(at(0)).await[0].pace, Pace::Unknown);
}

pub async fn worker_10_next_due_tells_retries_and_the_ends_of_leases(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.assert_due(at(0), None).await;
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(bench.next_due(at(3)).await, Some(at(3)));
    let held = bench.claim(at(3)).await;
    bench.assert_due(at(3), Some(at(63))).await;
    bench.settle(&held[0], Fate::Retry(at(20)), at(4)).await;
    bench.assert_due(at(4), Some(at(20))).await;
}

/// For want of `most`.
pub async fn worker_10_what_a_claim_left_is_due_at_once(bench: &Bench) {
    bench.streams(&["s", "t"]).await;
    for (stream, set) in [("s", "a"), ("t", "b")] {
        bench.emit(stream, set, "k", at(0)).await;
    }
    let claims = bench.store.claim(bench.claim_request(at(5), 1, 9)).await.unwrap();
    assert_eq!((claims.entries.len(), claims.next_due), (1, Some(at(5))));
}

/// What stands behind a head waits for it.
pub async fn worker_10_what_waits_behind_a_head_is_due_with_it(bench: &Bench) {
    bench.streams(&["s"]).await;
    for set in ["a1", "a2"] {
        bench.emit("s", set, "a", at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    bench.settle(&held[0], Fate::Retry(at(30)), at(0)).await;
    bench.assert_due(at(0), Some(at(30))).await;
}

/// It must not send a worker round and round.
pub async fn worker_10_next_due_of_a_stream_with_as_many_held_as_may_be_is_the_end_of_a_lease(
    bench: &Bench,
) {
    bench.streams(&["full", "later"]).await;
    for set in ["a", "b", "c"] {
        bench.emit("full", set, set, at(0)).await;
    }
    assert_eq!(bench.claim_most(at(0), 9, 1).await.len(), 1);
    assert_eq!(bench.claim_most(at(10), 9, 2).await.len(), 1);
    let request = bench.claim_request(at(10), 9, 2);
    bench.assert_due_for(&request, Some(at(60))).await;
    bench.emit("later", "x", "k", at(0)).await;
    let held = bench.claim_most(at(10), 9, 2).await;
    assert_eq!(jtis(&held), ["x"]);
    bench.settle(&held[0], Fate::Retry(at(30)), at(10)).await;
    bench.assert_due_for(&request, Some(at(30))).await;
}
