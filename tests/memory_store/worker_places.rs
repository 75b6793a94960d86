//! The worker face: the places that claims take, and claims while nothing can be signed.

use ssf_transmitter::outbox::{
    BreakerPolicy, Fate, Jitter, Lane, Pace, PlaceLimits, Places, StreamReport,
};
use ssf_transmitter::store::{
    ClaimRequest, Claims, HealthChange, SettleBatch, Tokens, WorkerStore,
};
use ssf_transmitter::stream::{Delivery, EndpointUrl, PushDelivery, StreamRecord};

use crate::bench::{Bench, at, claim_request, delivered, id, issuer, jtis, keep, record, token};

/// A claim under those limits, with nothing under way.
fn limited(now: i64, limits: PlaceLimits) -> ClaimRequest {
    let mut request = claim_request(at(now), 100, 10);
    request.places = Places::new(limits);
    request
}

fn record_at(stream: &str, host: &str) -> StreamRecord {
    let endpoint = EndpointUrl::parse(&format!("https://{host}/{stream}")).unwrap();
    let mut record = record(stream);
    record.delivery = Delivery::Push(PushDelivery::new(endpoint, None));
    record
}

impl Bench {
    /// Push streams of those paces, each with as many entries as that.
    async fn paced(streams: &[(&str, Pace)], entries: usize) -> Self {
        let bench = Self::new();
        for (stream, pace) in streams {
            bench.create(record_at(stream, &format!("{stream}.example"))).await;
            bench.note_pace(stream, *pace).await;
            for n in 0..entries {
                let set = format!("{stream}{n}");
                bench.emit(stream, &set, &set, at(0)).await;
            }
        }
        bench
    }

    async fn note_pace(&self, stream: &str, pace: Pace) {
        let mut change = HealthChange::new(id(stream), StreamReport::Works, Jitter::NONE);
        change.pace = pace;
        let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
        batch.health.push(change);
        self.store.settle(&issuer(), batch).await.unwrap();
    }

    async fn ask(&self, request: ClaimRequest) -> Claims {
        self.store.claim(request).await.unwrap()
    }
}

// Worker 2: of 16 places 4 are for slow streams; of each share, and of the whole, an eighth is for
// control entries.
#[tokio::test]
async fn slow_streams_take_their_share_and_leave_the_others_theirs() {
    let bench = Bench::paced(&[("slow", Pace::Slow), ("fast", Pace::Prompt)], 20).await;
    let mut request = limited(0, PlaceLimits::new(16, 100));
    request.most_per_stream = 100;
    let claims = bench.ask(request).await;
    let of = |stream: &str| jtis(&claims.entries).iter().filter(|j| j.starts_with(stream)).count();
    assert_eq!((of("slow"), of("fast")), (4, 10));
    assert!(claims.entries.iter().all(|entry| match entry.route.stream_id.as_str() {
        "slow" => entry.pace == Pace::Slow,
        _ => entry.pace == Pace::Prompt,
    }));
}

// Worker 2.
#[tokio::test]
async fn streams_of_unknown_pace_leave_half_to_those_that_are_known_to_answer() {
    let bench = Bench::paced(&[("new", Pace::Unknown), ("fast", Pace::Prompt)], 20).await;
    let mut request = limited(0, PlaceLimits::new(16, 100));
    request.most_per_stream = 100;
    let claims = bench.ask(request).await;
    let of = |stream: &str| jtis(&claims.entries).iter().filter(|j| j.starts_with(stream)).count();
    assert_eq!((of("new"), of("fast")), (6, 5));
}

// Worker 2; P5: a control entry has a place where others have none, and goes before all others.
#[tokio::test]
async fn control_entries_have_places_of_their_own_and_go_first() {
    let bench = Bench::paced(&[("slow", Pace::Slow), ("fast", Pace::Prompt)], 9).await;
    let limits = PlaceLimits::new(64, 100);
    let mut taken = Places::new(limits);
    for n in 0..14 {
        taken.take(Lane::Ordinary, Pace::Slow, &n.to_string());
    }
    for n in 0..42 {
        taken.take(Lane::Ordinary, Pace::Prompt, &n.to_string());
    }
    let mut request = limited(0, limits);
    request.places = taken;
    assert_eq!(jtis(&bench.ask(request.clone()).await.entries), [""; 0]);
    bench.verify("slow", "v", at(0)).await;
    bench.verify("fast", "w", at(0)).await;
    assert_eq!(jtis(&bench.ask(request).await.entries), ["v", "w"]);
}

// Worker 2.
#[tokio::test]
async fn a_full_host_is_passed_over_and_its_streams_keep_their_turn() {
    let bench = Bench::new();
    for (stream, host) in [("a", "one.example"), ("b", "one.example"), ("c", "two.example")] {
        bench.create(record_at(stream, host)).await;
        for n in 0..3 {
            let set = format!("{stream}{n}");
            bench.emit(stream, &set, &set, at(0)).await;
        }
    }
    let mut limits = PlaceLimits::any(100);
    limits.per_host = 2;
    let claims = bench.ask(limited(0, limits)).await;
    assert_eq!(jtis(&claims.entries), ["a0", "b0", "c0", "c1"]);
    // Worker 10: what waits for a place waits for a push to end.
    assert_eq!(claims.next_due, None);
    for entry in &claims.entries {
        bench.settle(entry, delivered(), at(1)).await;
    }
    let claims = bench.ask(limited(1, limits)).await;
    assert_eq!(jtis(&claims.entries), ["a1", "b1", "c2"]);
}

// Worker 10.
#[tokio::test]
async fn what_there_is_no_place_for_is_not_due() {
    let bench = Bench::paced(&[("slow", Pace::Slow)], 2).await;
    let limits = PlaceLimits::new(4, 100);
    let claims = bench.ask(limited(0, limits)).await;
    assert_eq!((jtis(&claims.entries), claims.next_due), (vec!["slow0"], None));
}

// Worker 2: a change of delivery makes the pace unknown; another host is another line.
#[tokio::test]
async fn a_changed_delivery_has_no_known_pace() {
    let bench = Bench::paced(&[("s", Pace::Slow)], 1).await;
    let change = |record: &mut StreamRecord| {
        record.generation += 1;
        record.delivery = record_at("s", "other.example").delivery;
    };
    bench.change("s", change).await;
    assert_eq!(bench.claim(at(0)).await[0].pace, Pace::Unknown);
}

// Worker 14: retries whose token can still be verified need no key that signs.
#[tokio::test]
async fn a_claim_for_signed_entries_returns_those_whose_key_is_named() {
    let bench = Bench::with(&["s"]).await;
    for set in ["old", "new", "other", "unsigned"] {
        bench.emit("s", set, set, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    for (entry, kid) in held.iter().zip(["gone", "k1", "k2"]) {
        let tokens = vec![keep(entry, token("t", kid))];
        bench.store.keep_tokens(&issuer(), tokens).await.unwrap();
    }
    for entry in &held {
        bench.settle(entry, Fate::Retry(at(5)), at(0)).await;
    }
    bench.emit("s", "fresh", "fresh", at(0)).await;
    let mut request = claim_request(at(5), 100, 10);
    let kid = |kid: &str| token("", kid).kid;
    request.tokens = Tokens::SignedBy(vec![kid("k1"), kid("k2")]);
    let claims = bench.ask(request.clone()).await;
    assert_eq!(jtis(&claims.entries), ["new", "other"]);
    assert!(claims.entries.iter().all(|entry| entry.lane == Lane::Ordinary));
    // Worker 10: those that are left wait for a key, not for a time; these for their leases.
    assert_eq!(claims.next_due, Some(at(65)));
    for entry in &claims.entries {
        bench.settle(entry, Fate::Retry(at(9)), at(5)).await;
    }
    // P5: what nobody can sign now is not overtaken either.
    bench.verify("s", "v", at(9)).await;
    request.now = at(9);
    assert_eq!(jtis(&bench.ask(request).await.entries), [""; 0]);
    assert_eq!(jtis(&bench.claim(at(9)).await), ["v"]);
}

// Worker 3: a half-open probe is a lease, for ordinary entries and across processes.
#[tokio::test]
async fn a_probe_of_a_process_that_died_is_possible_again_when_its_lease_ends() {
    let bench = Bench::with(&["s"]).await;
    for set in ["a", "b"] {
        bench.emit("s", set, set, at(0)).await;
    }
    bench.report("s", crate::bench::fails(), at(0)).await;
    assert_eq!(jtis(&bench.claim(at(1)).await), ["a"]);
    let mut other = claim_request(at(2), 100, 10);
    other.worker = ssf_transmitter::id::WorkerId::parse("w2").unwrap();
    let nothing = bench.ask(other.clone()).await;
    assert_eq!((jtis(&nothing.entries), nothing.next_due), (vec![], Some(at(61))));
    other.now = at(61);
    other.lease_until = at(121);
    assert_eq!(jtis(&bench.ask(other).await.entries), ["b"]);
}
