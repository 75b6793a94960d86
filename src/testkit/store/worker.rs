//! The worker face: claims. What a claim waits for has files of its own.

#![allow(missing_docs, reason = "a case is named by what it says")]

use std::collections::BTreeMap;

use super::bench::{Bench, at, delivered, jti, jtis, keep, push, push_to, sorted, token};
use super::settling::{dead, goes_to, kept};
use crate::id::WorkerId;
use crate::outbox::{Fate, Fence, Lane, Signature};
use crate::store::{Claimed, Settled, Tokens};
use crate::stream::{Delivery, StatusSetBy, StreamStatus};

/// P3.
pub async fn worker_1_no_entry_is_claimed_twice_while_its_lease_lasts(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k1", at(0)).await;
    bench.emit("s", "b", "k2", at(0)).await;
    assert_eq!(sorted(&bench.claim(at(0)).await), ["a", "b"]);
    assert_eq!(jtis(&bench.claim(at(59)).await), [""; 0]);
}

pub async fn worker_1_a_claim_gets_at_most_what_it_asks_for(bench: &Bench) {
    bench.streams(&["s", "t"]).await;
    for (n, stream) in ["s", "t", "s", "t", "s"].into_iter().enumerate() {
        let set = format!("j{n}");
        bench.emit(stream, &set, &set, at(0)).await;
    }
    for (most, got) in [(0, 0), (1, 1), (2, 2), (9, 2)] {
        assert_eq!(bench.claim_most(at(0), most, 9).await.len(), got, "of at most {most}");
    }
}

/// A killed process loses nothing (P3).
pub async fn worker_7_a_lease_that_ran_out_makes_its_entry_claimable_unchanged(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let first = bench.claim(at(0)).await;
    let tokens = vec![keep(&first[0], token("t", "k"))];
    bench.store.keep_tokens(&bench.issuer, tokens).await.unwrap();
    let second = bench.claim(at(60)).await;
    assert_eq!(jtis(&second), ["a"]);
    assert!(second[0].fence > first[0].fence, "a fence higher than any before");
    assert_eq!((second[0].attempts, &second[0].token), (0, &Some(token("t", "k"))));
    assert_eq!(bench.settle(&first[0], delivered(), at(60)).await, Settled::Gone);
    assert_eq!(bench.settle(&second[0], delivered(), at(60)).await, Settled::Done);
}

/// P3.
pub async fn worker_1_a_fence_is_higher_than_any_before(bench: &Bench) {
    bench.streams(&["s", "t"]).await;
    let mut last = Fence::default();
    for (n, stream) in ["s", "t", "s"].into_iter().enumerate() {
        let set = format!("j{n}");
        bench.emit(stream, &set, &set, at(0)).await;
        let held = bench.claim(at(0)).await;
        assert!(held[0].fence > last, "{:?} after {last:?}", held[0].fence);
        last = held[0].fence;
        bench.settle(&held[0], Fate::Return, at(0)).await;
        let again = bench.claim(at(0)).await;
        assert!(again.iter().all(|entry| entry.fence > last));
        last = again.iter().map(|entry| entry.fence).max().unwrap();
        for entry in &again {
            bench.settle(entry, delivered(), at(0)).await;
        }
    }
}

/// Poll streams are never claimed, and a change of delivery takes all that waits along.
pub async fn worker_1_entries_follow_their_stream_from_push_to_poll_and_back(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    for set in ["a", "b"] {
        bench.emit("s", set, set, at(0)).await;
    }
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    bench.assert_due(at(0), None).await;
    bench.deliver_by("s", push()).await;
    let held = bench.claim(at(0)).await;
    assert_eq!(sorted(&held), ["a", "b"]);
    bench.deliver_by("s", Delivery::Poll).await;
    assert_eq!(jtis(&bench.poll("s").await), ["a", "b"]);
    let first = held.iter().find(|entry| entry.jti == jti("a")).unwrap();
    assert_eq!(bench.settle(first, Fate::Return, at(0)).await, Settled::Done);
    bench.acknowledge("s", &["b"]).await;
    bench.deliver_by("s", push()).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
}

/// What an entry is, and the route of its stream at the claim.
pub async fn worker_1_a_claim_tells_all_that_a_push_needs(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.deliver_by("s", push_to("other.example")).await;
    let mut event = bench.event(&[("s", "a")], "k", at(7));
    event.body = crate::set::SetBody::from_stored("{\"sub_id\":\"\u{e9}\"}".into());
    bench.append(event).await;
    let entry = bench.claim(at(9)).await.remove(0);
    assert_eq!((entry.lane, entry.emitted_at, entry.attempts), (Lane::Ordinary, at(7), 0));
    assert_eq!((entry.token, entry.signature), (None, Signature::Kept));
    assert_eq!(entry.body.as_str(), "{\"sub_id\":\"\u{e9}\"}");
    let (route, record) = (&entry.route, bench.read("s").await);
    assert_eq!((&route.stream_id, &route.owner), (&record.stream_id, &record.owner));
    assert_eq!((&route.audience, route.status), (&record.audience, StreamStatus::Enabled));
    assert_eq!((route.generation, route.status_set_by), (2, StatusSetBy::Receiver));
    assert!(goes_to(route, "other.example"), "{route:?}");
}

/// P4.
pub async fn worker_2_of_each_order_key_only_the_oldest_is_claimed(bench: &Bench) {
    bench.streams(&["s"]).await;
    for (set, key) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")] {
        bench.emit("s", set, key, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    assert_eq!(sorted(&held), ["a1", "b1"]);
    let first = held.iter().find(|entry| entry.jti == jti("a1")).unwrap();
    bench.settle(first, Fate::Retry(at(10)), at(0)).await;
    assert_eq!(jtis(&bench.claim(at(9)).await), [""; 0]);
    let held = bench.claim(at(10)).await;
    assert_eq!(jtis(&held), ["a1"]);
    bench.settle(&held[0], delivered(), at(10)).await;
    let held = bench.claim(at(10)).await;
    assert_eq!(jtis(&held), ["a2"]);
    bench.settle(&held[0], dead(), at(10)).await;
    assert_eq!(jtis(&bench.claim(at(10)).await), ["a3"]);
}

/// P4: each stream has its own order; one does not wait for another.
pub async fn worker_2_an_order_key_is_one_of_its_stream(bench: &Bench) {
    bench.streams(&["s", "t"]).await;
    bench.append(bench.event(&[("s", "a"), ("t", "b")], "k", at(0))).await;
    let held = bench.claim(at(0)).await;
    assert_eq!(sorted(&held), ["a", "b"]);
    for key in ["K", "k ", "%", "k%", "_", "'"] {
        bench.emit("s", key, key, at(0)).await;
    }
    assert_eq!(bench.claim(at(0)).await.len(), 6, "keys are compared as they are");
}

/// P4: what was held while the key's next came is the oldest still.
pub async fn worker_2_the_next_of_a_key_waits_for_a_lease_that_lasts(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a1", "a", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.emit("s", "a2", "a", at(0)).await;
    assert_eq!(jtis(&bench.claim(at(59)).await), [""; 0]);
    assert_eq!(jtis(&bench.claim(at(60)).await), ["a1"]);
    bench.acknowledge("s", &["a1"]).await;
    assert_eq!(jtis(&bench.claim(at(60)).await), ["a2"]);
    assert_eq!(bench.settle(&held[0], delivered(), at(60)).await, Settled::Gone);
}

/// P5.
pub async fn worker_2_control_entries_go_first_in_the_order_written_one_at_a_time(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.verify("s", "v", at(0)).await;
    bench.announce("s", "u", at(0)).await;
    for set in ["v", "u", "a"] {
        let held = bench.claim(at(0)).await;
        assert_eq!(jtis(&held), [set]);
        assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0], "while {set} is held");
        bench.settle(&held[0], delivered(), at(0)).await;
    }
}

/// P5: of all streams, before the ordinary entries of any.
pub async fn worker_2_control_entries_are_returned_before_all_others(bench: &Bench) {
    bench.streams(&["s", "t"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.emit("t", "b", "k", at(0)).await;
    bench.verify("t", "v", at(0)).await;
    assert_eq!(jtis(&bench.claim_most(at(0), 1, 9).await), ["v"]);
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"], "b waits for v");
}

/// Also when the one that is held may no longer leave.
pub async fn worker_2_the_announcement_of_a_stop_waits_for_the_verification_that_is_held(
    bench: &Bench,
) {
    bench.streams(&["s"]).await;
    bench.verify("s", "v", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.announce("s", "u", at(0)).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Transmitter).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    bench.settle(&held[0], Fate::Return, at(0)).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["u"]);
}

/// P5: it does not wait for those before it.
pub async fn worker_2_a_control_entry_is_claimed_while_as_many_others_are_held_as_may_be(
    bench: &Bench,
) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(bench.claim_most(at(0), 9, 1).await.len(), 1);
    bench.verify("s", "v", at(0)).await;
    assert_eq!(jtis(&bench.claim_most(at(0), 9, 1).await), ["v"]);
}

/// One poisoned SET never blocks a stream (P7).
pub async fn worker_2_a_control_entry_that_waits_for_its_retry_holds_nothing_up(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.verify("s", "v", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.settle(&held[0], Fate::Retry(at(10)), at(0)).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
}

pub async fn worker_2_no_stream_gets_a_second_entry_while_one_that_could_get_its_first_goes_without(
    bench: &Bench,
) {
    bench.streams(&["a", "b", "c"]).await;
    for stream in ["a", "b", "c"] {
        for n in 0..4 {
            let set = format!("{stream}{n}");
            bench.emit(stream, &set, &set, at(0)).await;
        }
    }
    let mut served: BTreeMap<String, usize> = BTreeMap::new();
    for round in 1..=6 {
        // Two of three streams each time: none falls behind by more than one.
        let held = bench.claim_most(at(0), 2, 2).await;
        assert_eq!(held.len(), 2);
        for entry in &held {
            *served.entry(entry.route.stream_id.to_string()).or_default() += 1;
            bench.settle(entry, delivered(), at(0)).await;
        }
        let most = served.values().max().copied().unwrap_or(0);
        let least = if served.len() < 3 { 0 } else { served.values().min().copied().unwrap_or(0) };
        assert!(most <= least + 1, "after {round} rounds: {served:?}");
    }
}

pub async fn worker_2_a_stream_has_at_most_so_many_held_at_once(bench: &Bench) {
    bench.streams(&["s"]).await;
    for set in ["a", "b", "c", "d"] {
        bench.emit("s", set, set, at(0)).await;
    }
    let held = bench.claim_most(at(0), 9, 2).await;
    assert_eq!(held.len(), 2);
    assert_eq!(jtis(&bench.claim_most(at(1), 9, 2).await), [""; 0]);
    bench.settle(&held[0], delivered(), at(1)).await;
    assert_eq!(bench.claim_most(at(1), 9, 2).await.len(), 1);
}

/// SSF 1.0 §8.1.2.1, §8.1.5.
pub async fn worker_3_only_what_may_leave_is_claimed(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.verify("s", "v", at(0)).await;
    bench.announce("s", "u", at(0)).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    bench.assert_due(at(0), None).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Transmitter).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["u"]);
}

/// Retries whose token can still be verified need no key that signs.
pub async fn worker_14_a_claim_for_signed_entries_gets_those_whose_key_is_named(bench: &Bench) {
    bench.streams(&["s"]).await;
    let kids = [("old", "gone"), ("new", "k1"), ("other", "k2"), ("anew", "k1")];
    for (set, _) in kids {
        bench.emit("s", set, set, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    for entry in &held {
        let (_, kid) = kids.iter().find(|(set, _)| entry.jti == jti(set)).unwrap();
        assert_eq!(kept(bench, vec![keep(entry, token("t", kid))]).await, ["t"]);
        let anew = entry.jti == jti("anew");
        let fate = if anew { Fate::SignAnew(at(5)) } else { Fate::Retry(at(5)) };
        bench.settle(entry, fate, at(0)).await;
    }
    bench.emit("s", "fresh", "fresh", at(0)).await;
    let mut request = bench.claim_request(at(5), 100, 10);
    let kid = |kid: &str| token("", kid).kid;
    request.tokens = Tokens::SignedBy(vec![kid("k1"), kid("k2")]);
    let claims = bench.store.claim(request.clone()).await.unwrap();
    assert_eq!(sorted(&claims.entries), ["new", "other"]);
    // Worker 10: those that are left wait for a key, not for a time; these for their leases.
    request.most = 100;
    bench.assert_due_for(&request, Some(at(65))).await;
    for entry in &claims.entries {
        bench.settle(entry, Fate::Retry(at(9)), at(5)).await;
    }
    // P5: what nobody can sign now is not overtaken either.
    bench.verify("s", "v", at(9)).await;
    request.now = at(9);
    let claims = bench.store.claim(request).await.unwrap();
    assert_eq!(jtis(&claims.entries), [""; 0]);
    assert_eq!(jtis(&bench.claim(at(9)).await), ["v"]);
}

/// P3: N processes, one store, each entry in one pair of hands.
pub async fn worker_1_claimers_at_once_never_hold_the_same_entry(bench: &Bench) {
    bench.streams(&["s", "t"]).await;
    for n in 0..40 {
        let (one, other) = (format!("s{n}"), format!("t{n}"));
        let event = bench.event(&[("s", &one), ("t", &other)], &format!("k{}", n % 20), at(0));
        bench.append(event).await;
    }
    let work = |n: usize| {
        let bench = bench.process(n);
        async move {
            let mut mine = Vec::new();
            for _ in 0..5 {
                let mut request = bench.claim_request(at(0), 3, usize::MAX);
                request.worker = WorkerId::parse(format!("w{n}")).unwrap();
                mine.extend(bench.store.claim(request).await.unwrap().entries);
            }
            mine
        }
    };
    let mut held = bench.together((0..6).map(work)).await.concat();
    // Whoever came while another looked may have got less than there was.
    held.extend(bench.claim_most(at(0), 99, usize::MAX).await);
    let mut sets = sorted(&held);
    assert_eq!(sets.len(), 40, "the heads of 20 keys of 2 streams");
    sets.dedup();
    assert_eq!(sets.len(), 40, "each once");
    assert!(held.iter().all(is_head), "{sets:?}");
}

/// Whether it is the first of its key in
/// [`worker_1_claimers_at_once_never_hold_the_same_entry`].
fn is_head(entry: &Claimed) -> bool {
    entry.jti.as_str()[1..].parse::<u32>().is_ok_and(|n| n < 20)
}

/// P4: overlapping emissions keep the order of each key, whatever the workers do meanwhile.
pub async fn worker_2_emitters_and_workers_at_once_keep_the_order_of_each_key(bench: &Bench) {
    bench.streams(&["s"]).await;
    const EACH: usize = 10;
    let emit = |n: usize| {
        let bench = bench.process(n);
        async move {
            for i in 0..EACH {
                bench.emit("s", &format!("{n}-{i}"), &format!("k{n}"), at(0)).await;
            }
            Vec::new()
        }
    };
    let work = |n: usize| {
        let bench = bench.process(n);
        async move {
            let mut seen = Vec::new();
            for _ in 0..3 * EACH {
                for entry in bench.claim(at(0)).await {
                    seen.push(entry.jti.to_string());
                    let settled = bench.settle(&entry, delivered(), at(0)).await;
                    assert_eq!(settled, Settled::Done);
                }
            }
            seen
        }
    };
    let tasks: Vec<std::pin::Pin<Box<dyn Future<Output = Vec<String>> + Send>>> =
        vec![Box::pin(emit(0)), Box::pin(work(0)), Box::pin(emit(1)), Box::pin(work(1))];
    let mut seen = bench.together(tasks).await;
    seen.push(work(2).await);
    // Each worker sees the entries of a key in their order; the next is claimed when the last
    // ended, so none is overtaken in all.
    for worker in &seen {
        for n in 0..2 {
            let of_key = worker.iter().filter_map(|set| set.strip_prefix(&format!("{n}-")));
            let order: Vec<usize> = of_key.map(|i| i.parse().unwrap()).collect();
            assert!(order.is_sorted(), "{order:?}");
        }
    }
    assert_eq!(seen.concat().len(), 2 * EACH);
    assert_eq!(bench.totals().await.delivered, 2 * EACH as u64);
}
