//! The worker face: the tokens of claimed entries (P2), and the ends of claims.

#![allow(missing_docs, reason = "a case is named by what it says")]

use super::bench::{
    Bench, at, dead_sets, delivered, id, jti, jtis, keep, push_to, settlement, token,
};
use crate::outbox::{BreakerPolicy, DeadLetterReason, Fate, Lane, Signature};
use crate::store::{Claimed, KeepToken, Kept, Route, SettleBatch, Settled};
use crate::stream::{Delivery, StatusSetBy, StreamStatus};

pub(super) fn dead() -> Fate {
    Fate::Dead(DeadLetterReason::Rejected {
        status: 400,
        err: Some("invalid_request".to_owned()),
        description: None,
    })
}

pub async fn worker_6_a_claim_whose_lease_ran_out_ends_if_nobody_claimed_again(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    assert_eq!(bench.settle(&held[0], delivered(), at(99)).await, Settled::Done);
}

pub(super) fn goes_to(route: &Route, host: &str) -> bool {
    matches!(&route.delivery, Delivery::Push(push) if push.endpoint.host() == host)
}

/// P2.
pub async fn worker_5_the_first_token_wins_until_its_key_is_replaced(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    let replacing = |compact: &str, kid: &str, old: &str| {
        let mut keep = keep(&held[0], token(compact, kid));
        keep.replaces = Some(token("", old).kid);
        keep
    };
    let both = vec![keep(&held[0], token("1", "k1")), keep(&held[0], token("2", "k2"))];
    assert_eq!(kept(bench, both).await, ["1", "1"]);
    assert_eq!(kept(bench, vec![replacing("3", "k3", "k2")]).await, ["1"]);
    assert_eq!(bench.totals().await.tokens_replaced, 0);
    assert_eq!(kept(bench, vec![replacing("3", "k3", "k1")]).await, ["3"]);
    assert_eq!(bench.totals().await.tokens_replaced, 1);
    bench.settle(&held[0], Fate::Return, at(0)).await;
    assert_eq!(bench.claim(at(0)).await[0].token, Some(token("3", "k3")));
}

/// What became of tokens that were to be kept.
pub(super) async fn kept(bench: &Bench, tokens: Vec<KeepToken>) -> Vec<String> {
    let kept = bench.store.keep_tokens(&bench.issuer, tokens).await.unwrap();
    let compact = |kept: Kept| match kept {
        Kept::Token { token, .. } => token.compact.to_string(),
        Kept::Gone => "gone".to_owned(),
    };
    kept.into_iter().map(compact).collect()
}

/// P3: of whatever the fence, the stream or the SET is not.
pub async fn worker_5_a_token_of_an_old_claim_or_of_what_is_gone_is_not_kept(bench: &Bench) {
    bench.streams(&["s", "t"]).await;
    for set in ["a", "b"] {
        bench.emit("s", set, set, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    let (first, second) = (&held[0], &held[1]);
    let mut old = keep(first, token("old", "k"));
    old.fence.0 -= 1;
    let mut elsewhere = keep(first, token("elsewhere", "k"));
    elsewhere.stream_id = id("t");
    let mut unknown = keep(first, token("unknown", "k"));
    unknown.stream_id = id("unknown");
    let mut never = keep(first, token("never", "k"));
    never.jti = jti("never-emitted");
    bench.settle(second, delivered(), at(0)).await;
    let settled = keep(second, token("settled", "k"));
    let mine = keep(first, token("mine", "k"));
    let answers = kept(bench, vec![old, elsewhere, unknown, never, settled, mine]).await;
    assert_eq!(answers, ["gone", "gone", "gone", "gone", "gone", "mine"], "in the order given");

    let again = bench.claim(at(60)).await;
    assert_eq!(kept(bench, vec![keep(first, token("late", "k"))]).await, ["gone"]);
    assert_eq!(kept(bench, vec![keep(&again[0], token("late", "k"))]).await, ["mine"]);
}

/// P1, P9: the route is that of the moment.
pub async fn worker_5_keeping_a_token_tells_the_route_as_it_is_now(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.deliver_by("s", push_to("other.example")).await;
    let tokens = vec![keep(&held[0], token("t", "k"))];
    let kept = bench.store.keep_tokens(&bench.issuer, tokens).await.unwrap().remove(0);
    let now = |route: &Route| route.generation == 2 && goes_to(route, "other.example");
    assert!(matches!(&kept, Kept::Token { route, .. } if now(route)), "{kept:?}");
    assert_eq!(held[0].route.generation, 1);
}

/// P9.
pub async fn worker_5_no_token_is_kept_for_what_may_no_longer_leave(bench: &Bench) {
    bench.streams(&["s", "u"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.announce("u", "u", at(0)).await;
    let held = bench.claim(at(0)).await;
    for stream in ["s", "u"] {
        bench.set_status(stream, StreamStatus::Paused, StatusSetBy::Transmitter).await;
    }
    for entry in &held {
        let expected = if entry.lane == Lane::Ordinary { "gone" } else { "t" };
        assert_eq!(kept(bench, vec![keep(entry, token("t", "k"))]).await, [expected]);
    }
    // It waits: nothing of what was refused is left.
    bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    let ordinary = held.iter().find(|entry| entry.lane == Lane::Ordinary).unwrap();
    assert_eq!(kept(bench, vec![keep(ordinary, token("t2", "k"))]).await, ["t2"]);
}

pub async fn worker_5_the_first_token_kept_is_the_first_attempt(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    for now in [5, 9] {
        let mut timed = keep(&held[0], token("t", "k"));
        timed.at = at(now);
        assert_eq!(kept(bench, vec![timed]).await, ["t"]);
    }
    bench.settle(&held[0], dead(), at(20)).await;
    let letter = bench.letters("s").await.remove(0);
    assert_eq!((letter.first_attempt, letter.dead_at), (Some(at(5)), at(20)));
    assert_eq!((letter.token, letter.attempts), (Some(token("t", "k")), 1));
}

/// P2: two processes that sign the same entry send the same bytes.
pub async fn worker_5_of_tokens_kept_at_once_the_first_wins(bench: &Bench) {
    for _ in 0..5 {
        let bench = bench.afresh();
        bench.streams(&["s"]).await;
        for set in ["a", "b", "c"] {
            bench.emit("s", set, set, at(0)).await;
        }
        let held = bench.claim(at(0)).await;
        let keep_mine = |n: usize| {
            let bench = bench.process(n);
            let own = |entry: &Claimed| keep(entry, token(&format!("{} by {n}", entry.jti), "k"));
            let mut tokens: Vec<_> = held.iter().map(own).collect();
            if n % 2 == 1 {
                tokens.reverse();
            }
            async move {
                let mut answers = kept(&bench, tokens).await;
                answers.sort();
                answers
            }
        };
        let answers = bench.together((0..6).map(keep_mine)).await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert!(!answers[0].contains(&"gone".to_owned()), "{answers:?}");
    }
}

/// P6.
pub async fn worker_6_settling_ends_claims_as_each_fate_says(bench: &Bench) {
    bench.streams(&["s"]).await;
    let fates = [
        ("fine", delivered()),
        ("odd", Fate::Delivered { unusual_status: Some(200) }),
        ("retry", Fate::Retry(at(5))),
        ("anew", Fate::SignAnew(at(6))),
        ("defer", Fate::Defer(at(7))),
        ("return", Fate::Return),
        ("dead", dead()),
    ];
    for (set, _) in &fates {
        bench.emit("s", set, set, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    for (set, fate) in fates {
        let entry = held.iter().find(|entry| entry.jti == jti(set)).unwrap();
        assert_eq!(bench.settle(entry, fate, at(3)).await, Settled::Done, "{set}");
    }
    for (now, set, attempts, signature) in [
        (3, "return", 0, Signature::Kept),
        (5, "retry", 1, Signature::Kept),
        (6, "anew", 1, Signature::OfCurrentKey),
        (7, "defer", 0, Signature::Kept),
    ] {
        let held = bench.claim(at(now)).await;
        assert_eq!((jtis(&held), held[0].attempts), (vec![set], attempts));
        assert_eq!(held[0].signature, signature, "{set}");
    }
    let letters = bench.letters("s").await;
    assert_eq!((dead_sets(&letters), letters[0].dead_at), (vec!["dead"], at(3)));
    let totals = bench.overview("s").await.totals;
    let ended = (totals.delivered, totals.delivered_unusually, totals.dead, totals.waiting);
    assert_eq!(ended, (2, 1, 1, 4));
}

/// P9.
pub async fn worker_6_settling_what_is_gone_changes_nothing(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.settle(&held[0], delivered(), at(0)).await;
    assert_eq!(bench.settle(&held[0], dead(), at(0)).await, Settled::Gone);
    bench.delete("s").await;
    assert_eq!(bench.settle(&held[0], dead(), at(0)).await, Settled::Gone);
    let totals = bench.totals().await;
    assert_eq!((totals.accepted, totals.delivered, totals.dead), (1, 1, 0));
}

/// P3.
pub async fn worker_6_an_old_fence_changes_nothing(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let first = bench.claim(at(0)).await;
    bench.settle(&first[0], Fate::Return, at(0)).await;
    let second = bench.claim(at(0)).await;
    for fate in [delivered(), dead(), Fate::Retry(at(9)), Fate::Return] {
        assert_eq!(bench.settle(&first[0], fate, at(0)).await, Settled::Gone);
    }
    assert_eq!(jtis(&bench.claim(at(59)).await), [""; 0], "the second lasts");
    assert_eq!(bench.settle(&second[0], delivered(), at(59)).await, Settled::Done);
}

/// Each settlement stands for itself, and the answers are in the order given.
pub async fn worker_6_of_a_batch_what_is_gone_hinders_nothing_else(bench: &Bench) {
    bench.streams(&["s", "t"]).await;
    bench.append(bench.event(&[("s", "a"), ("t", "b")], "k", at(0))).await;
    let held = bench.claim(at(0)).await;
    let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
    let mut unknown = settlement(&held[0], delivered());
    unknown.jti = jti("unknown");
    let mut elsewhere = settlement(&held[1], delivered());
    elsewhere.stream_id = id("nowhere");
    let twice = settlement(&held[0], delivered());
    batch.settlements = vec![
        unknown,
        settlement(&held[0], delivered()),
        elsewhere,
        twice,
        settlement(&held[1], delivered()),
    ];
    let report = bench.store.settle(&bench.issuer, batch).await.unwrap();
    let (done, gone) = (Settled::Done, Settled::Gone);
    assert_eq!(report.settled, [gone, done, gone, gone, done]);
    assert_eq!(bench.totals().await.delivered, 2);
}
