//! The worker face: claims, tokens, settling, sweeping. The breaker has a file of its own.

use ssf_transmitter::outbox::{DeadLetterReason, Fate};
use ssf_transmitter::store::{
    Claimed, KeepToken, Kept, LetterQuery, OperatorStore, ReceiverStore, Settled, SweepRequest,
    WorkerStore,
};
use ssf_transmitter::stream::{Delivery, StatusSetBy, StreamStatus};

use crate::bench::{
    Bench, at, claim_request, delivered, id, issuer, jtis, keep, poll_record, push, rp, token,
};

fn dead() -> Fate {
    Fate::Dead(DeadLetterReason::Rejected {
        status: 400,
        err: Some("invalid_request".to_owned()),
        description: None,
    })
}

// Worker 1; P3.
#[tokio::test]
async fn no_entry_is_claimed_twice_while_its_lease_lasts() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k1", at(0)).await;
    bench.emit("s", "b", "k2", at(0)).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a", "b"]);
    assert_eq!(jtis(&bench.claim(at(59)).await), [""; 0]);
}

// Worker 1, 7; P3: a killed process loses nothing.
#[tokio::test]
async fn a_lease_that_ran_out_makes_its_entry_claimable_unchanged_under_a_higher_fence() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let first = bench.claim(at(0)).await;
    bench.store.keep_tokens(&issuer(), vec![keep(&first[0], token("t", "k"))]).await.unwrap();
    let second = bench.claim(at(60)).await;
    assert_eq!(jtis(&second), ["a"]);
    assert!(second[0].fence > first[0].fence);
    assert_eq!((second[0].attempts, &second[0].token), (0, &Some(token("t", "k"))));
    assert_eq!(bench.settle(&first[0], delivered(), at(60)).await, Settled::Gone);
    assert_eq!(bench.settle(&second[0], delivered(), at(60)).await, Settled::Done);
}

// Worker 1.
#[tokio::test]
async fn a_lease_that_ran_out_and_was_not_claimed_again_can_still_be_settled() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    assert_eq!(bench.settle(&held[0], delivered(), at(99)).await, Settled::Done);
}

// Worker 1: poll streams are never claimed, and a change of delivery takes all that waits along.
#[tokio::test]
async fn entries_follow_their_stream_from_push_to_poll_and_back() {
    let bench = Bench::new();
    bench.create(poll_record("s")).await;
    for set in ["a", "b"] {
        bench.emit("s", set, set, at(0)).await;
    }
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    assert_eq!(bench.next_due(at(0)).await, None);
    bench.change("s", |record| record.delivery = push()).await;
    let held = bench.claim(at(0)).await;
    assert_eq!(jtis(&held), ["a", "b"]);
    bench.change("s", |record| record.delivery = Delivery::Poll).await;
    assert_eq!(jtis(&bench.poll("s").await), ["a", "b"]);
    assert_eq!(bench.settle(&held[0], Fate::Return, at(0)).await, Settled::Done);
    bench.acknowledge("s", &["b"]).await;
    bench.change("s", |record| record.delivery = push()).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
}

// Worker 2; P4.
#[tokio::test]
async fn of_each_order_key_only_the_oldest_is_claimed() {
    let bench = Bench::with(&["s"]).await;
    for (set, key) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")] {
        bench.emit("s", set, key, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    assert_eq!(jtis(&held), ["a1", "b1"]);
    bench.settle(&held[0], Fate::Retry(at(10)), at(0)).await;
    assert_eq!(jtis(&bench.claim(at(9)).await), [""; 0]);
    let held = bench.claim(at(10)).await;
    assert_eq!(jtis(&held), ["a1"]);
    bench.settle(&held[0], delivered(), at(10)).await;
    let held = bench.claim(at(10)).await;
    assert_eq!(jtis(&held), ["a2"]);
    bench.settle(&held[0], dead(), at(10)).await;
    assert_eq!(jtis(&bench.claim(at(10)).await), ["a3"]);
}

// Worker 2; P5.
#[tokio::test]
async fn control_entries_go_first_in_the_order_written_one_at_a_time() {
    let bench = Bench::with(&["s"]).await;
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

// Worker 2: also when the one that is held may no longer leave.
#[tokio::test]
async fn the_announcement_of_a_stop_waits_for_the_verification_that_is_held() {
    let bench = Bench::with(&["s"]).await;
    bench.verify("s", "v", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.announce("s", "u", at(0)).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Transmitter).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    bench.settle(&held[0], Fate::Return, at(0)).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["u"]);
}

// Worker 2; P5: it does not wait for those before it.
#[tokio::test]
async fn a_control_entry_is_claimed_while_as_many_others_are_held_as_may_be() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(bench.store.claim(claim_request(at(0), 9, 1)).await.unwrap().entries.len(), 1);
    bench.verify("s", "v", at(0)).await;
    let held = bench.store.claim(claim_request(at(0), 9, 1)).await.unwrap().entries;
    assert_eq!(jtis(&held), ["v"]);
}

// Worker 2; P7: one poisoned SET never blocks a stream.
#[tokio::test]
async fn a_control_entry_that_waits_for_its_retry_holds_nothing_up() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.verify("s", "v", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.settle(&held[0], Fate::Retry(at(10)), at(0)).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
}

// Worker 3; SSF 1.0 §8.1.2.1, §8.1.5.
#[tokio::test]
async fn only_what_may_leave_is_claimed() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.verify("s", "v", at(0)).await;
    bench.announce("s", "u", at(0)).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    assert_eq!(bench.next_due(at(0)).await, None);
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Transmitter).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["u"]);
}

// Worker 4: streams with more than they may give are served in turn.
#[tokio::test]
async fn a_long_backlog_does_not_starve_other_streams() {
    let bench = Bench::with(&["a", "b", "c"]).await;
    for stream in ["a", "b", "c"] {
        for n in 0..4 {
            let set = format!("{stream}{n}");
            bench.emit(stream, &set, &set, at(0)).await;
        }
    }
    let mut served = Vec::new();
    for _ in 0..6 {
        let held = bench.store.claim(claim_request(at(0), 2, 2)).await.unwrap().entries;
        served.push(jtis(&held).join(" "));
        for entry in &held {
            bench.settle(entry, delivered(), at(0)).await;
        }
    }
    assert_eq!(served, ["a0 b0", "c0 a1", "b1 c1", "a2 b2", "c2 a3", "b3 c3"]);
}

// Worker 4.
#[tokio::test]
async fn a_stream_has_at_most_so_many_held_at_once() {
    let bench = Bench::with(&["s"]).await;
    for set in ["a", "b", "c", "d"] {
        bench.emit("s", set, set, at(0)).await;
    }
    let claim = |now| bench.store.claim(claim_request(at(now), 9, 2));
    let held = claim(0).await.unwrap().entries;
    assert_eq!(jtis(&held), ["a", "b"]);
    assert_eq!(jtis(&claim(1).await.unwrap().entries), [""; 0]);
    bench.settle(&held[0], delivered(), at(1)).await;
    assert_eq!(jtis(&claim(1).await.unwrap().entries), ["c"]);
}

// Worker 5; P2.
#[tokio::test]
async fn the_first_token_wins_until_its_key_is_replaced() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    let kept = async |tokens: Vec<KeepToken>| {
        let kept = bench.store.keep_tokens(&issuer(), tokens).await.unwrap();
        let compact = |kept: Kept| match kept {
            Kept::Token { token, .. } => token.compact.to_string(),
            other => format!("{other:?}"),
        };
        kept.into_iter().map(compact).collect::<Vec<_>>()
    };
    let replacing = |compact: &str, kid: &str, old: &str| {
        let mut keep = keep(&held[0], token(compact, kid));
        keep.replaces = Some(token("", old).kid);
        keep
    };
    let both = vec![keep(&held[0], token("1", "k1")), keep(&held[0], token("2", "k2"))];
    assert_eq!(kept(both).await, ["1", "1"]);
    assert_eq!(kept(vec![replacing("3", "k3", "k2")]).await, ["1"]);
    assert_eq!(kept(vec![replacing("3", "k3", "k1")]).await, ["3"]);
    let mut old = keep(&held[0], token("4", "k4"));
    old.fence.0 -= 1;
    let mut unknown = keep(&held[0], token("5", "k5"));
    unknown.stream_id = id("unknown");
    assert_eq!(kept(vec![old, unknown]).await, ["Gone", "Gone"]);
}

// Worker 5; P1, P9: the route is that of the moment.
#[tokio::test]
async fn keeping_a_token_tells_the_route_as_it_is_now_or_that_nothing_may_leave() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.change("s", |record| record.generation = 7).await;
    let ask = async || {
        let tokens = vec![keep(&held[0], token("t", "k"))];
        bench.store.keep_tokens(&issuer(), tokens).await.unwrap().remove(0)
    };
    let kept = ask().await;
    assert!(matches!(&kept, Kept::Token { route, .. } if route.generation == 7), "{kept:?}");
    assert_eq!(held[0].route.generation, 1);
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    assert!(matches!(ask().await, Kept::Gone));
}

// Worker 6; P6.
#[tokio::test]
async fn settling_ends_claims_as_each_fate_says() {
    let bench = Bench::with(&["s"]).await;
    for set in ["fine", "odd", "retry", "return", "dead"] {
        bench.emit("s", set, set, at(0)).await;
    }
    let fates = [
        delivered(),
        Fate::Delivered { unusual_status: Some(200) },
        Fate::Retry(at(5)),
        Fate::Return,
        dead(),
    ];
    for (entry, fate) in bench.claim(at(0)).await.iter().zip(fates) {
        assert_eq!(bench.settle(entry, fate, at(3)).await, Settled::Done);
    }
    let attempts = |held: &[Claimed]| held.iter().map(|e| e.attempts).collect::<Vec<_>>();
    let at_once = bench.claim(at(3)).await;
    assert_eq!((jtis(&at_once), attempts(&at_once)), (vec!["return"], vec![0]));
    let later = bench.claim(at(5)).await;
    assert_eq!((jtis(&later), attempts(&later)), (vec!["retry"], vec![1]));
    let letters =
        bench.store.dead_letters(&issuer(), &id("s"), &LetterQuery::new(9)).await.unwrap();
    assert_eq!((letters.len(), letters[0].jti.as_str(), letters[0].dead_at), (1, "dead", at(3)));
    let totals = bench.overview("s").await.totals;
    assert_eq!(
        (totals.delivered, totals.delivered_unusually, totals.dead, totals.waiting),
        (2, 1, 1, 2)
    );
}

// Worker 6; P9.
#[tokio::test]
async fn settling_what_is_gone_changes_nothing() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.settle(&held[0], delivered(), at(0)).await;
    assert_eq!(bench.settle(&held[0], dead(), at(0)).await, Settled::Gone);
    bench.store.delete_stream(&issuer(), &rp(), &id("s")).await.unwrap();
    assert_eq!(bench.settle(&held[0], dead(), at(0)).await, Settled::Gone);
    let totals = bench.store.totals(&issuer()).await.unwrap();
    assert_eq!((totals.accepted, totals.delivered, totals.dead), (1, 1, 0));
}

// Worker 8.
#[tokio::test]
async fn a_sweep_removes_old_dead_letters_in_bounded_batches() {
    let bench = Bench::with(&["s1", "s2"]).await;
    for (stream, died) in [("s1", 1), ("s2", 2), ("s1", 3), ("s2", 4)] {
        bench.emit(stream, &died.to_string(), "k", at(0)).await;
        let held = bench.claim(at(0)).await;
        bench.settle(&held[0], dead(), at(died)).await;
    }
    let sweep = async |before, most| {
        let request = SweepRequest::new(issuer(), at(before), at(0), most);
        bench.store.sweep(request).await.unwrap()
    };
    let left = async |stream: &str| {
        let letters =
            bench.store.dead_letters(&issuer(), &id(stream), &LetterQuery::new(9)).await.unwrap();
        letters.iter().map(|letter| letter.jti.to_string()).collect::<Vec<_>>()
    };
    let none = sweep(1, 9).await;
    assert_eq!((none.dead_letters, none.oldest_dead), (0, Some(at(1))));
    let some = sweep(4, 2).await;
    assert_eq!((some.dead_letters, some.oldest_dead), (2, Some(at(3))));
    assert_eq!((left("s1").await, left("s2").await), (vec!["3".to_owned()], vec!["4".to_owned()]));
    assert_eq!(sweep(4, 2).await.dead_letters, 1);
    assert_eq!((left("s1").await, left("s2").await), (vec![], vec!["4".to_owned()]));
    // What is swept still counts.
    assert_eq!(bench.store.totals(&issuer()).await.unwrap().dead, 4);
}

// Worker 9; SSF 1.0 §8.1.1 `inactivity_timeout`.
#[tokio::test]
async fn idle_streams_are_the_enabled_ones_the_longest_idle_first() {
    let bench = Bench::with(&["paused", "idle", "busy", "idler"]).await;
    bench.set_status("paused", StreamStatus::Paused, StatusSetBy::Receiver).await;
    for (stream, last) in [("idle", 5), ("busy", 9), ("idler", 3)] {
        let activity = ssf_transmitter::store::Activity::new(id(stream), at(last));
        bench.store.touch(&issuer(), &rp(), activity).await.unwrap();
    }
    let idle = async |since, most| {
        let idle = bench.store.idle_streams(&issuer(), at(since), most).await.unwrap();
        idle.streams.iter().map(|record| record.stream_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(idle(5, 9).await, ["idler", "idle"]);
    assert_eq!(idle(5, 1).await, ["idler"]);
    bench.set_status("paused", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    bench.set_status("idle", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    assert_eq!(idle(5, 9).await, ["paused", "idler"]);
}

// Worker 10.
#[tokio::test]
async fn next_due_tells_retries_and_the_ends_of_leases() {
    let bench = Bench::with(&["s"]).await;
    assert_eq!(bench.next_due(at(0)).await, None);
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(bench.next_due(at(3)).await, Some(at(3)));
    let held = bench.claim(at(3)).await;
    assert_eq!(bench.next_due(at(3)).await, Some(at(63)));
    bench.settle(&held[0], Fate::Retry(at(20)), at(4)).await;
    assert_eq!(bench.next_due(at(4)).await, Some(at(20)));
}

// Worker 10: it must not send a worker round and round.
#[tokio::test]
async fn next_due_of_a_stream_with_as_many_held_as_may_be_is_the_end_of_a_lease() {
    let bench = Bench::with(&["full", "later"]).await;
    for set in ["a", "b", "c"] {
        bench.emit("full", set, set, at(0)).await;
    }
    let claim = |now, per_stream| bench.store.claim(claim_request(at(now), 9, per_stream));
    assert_eq!(claim(0, 1).await.unwrap().entries.len(), 1);
    assert_eq!(claim(10, 2).await.unwrap().entries.len(), 1);
    assert_eq!(claim(10, 2).await.unwrap().next_due, Some(at(60)));
    bench.emit("later", "x", "k", at(0)).await;
    let held = claim(10, 2).await.unwrap().entries;
    bench.settle(&held[0], Fate::Retry(at(30)), at(10)).await;
    assert_eq!(claim(10, 2).await.unwrap().next_due, Some(at(30)));
}
