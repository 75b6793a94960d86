//! The receiver face: what polls are answered with (RFC 8936 §2.4), and what they hide.

#![allow(missing_docs, reason = "a case is named by what it says")]

use super::bench::{Bench, at, id, jti, jtis, keep, push_to, rp, token};
use crate::outbox::Fence;
use crate::protocol::More;
use crate::store::{Claimed, HandOut, HandOutRequest, KeepToken, Kept, StoreError};
use crate::stream::{Delivery, StatusSetBy, StreamStatus};
use crate::timestamp::Timestamp;

/// A look at stream `s` for that many.
async fn look(bench: &Bench, most: usize, now: i64) -> HandOut {
    bench.look("s", most, at(now)).await
}

/// Keeps tokens for what was handed out; says what of it.
async fn keep_all(
    bench: &Bench,
    handed: &HandOut,
    now: i64,
    hide: Option<Timestamp>,
) -> Vec<String> {
    let timed = |entry| {
        let mut keep = keep(entry, token("t", "k"));
        keep.at = at(now);
        keep
    };
    let tokens: Vec<KeepToken> = handed.entries.iter().map(timed).collect();
    let kept = bench.store.keep_polled(&bench.issuer, &rp(), &id("s"), tokens, hide).await.unwrap();
    let handed = handed.entries.iter().zip(kept);
    let ours = handed.filter(|(_, kept)| matches!(kept, Kept::Token { .. }));
    ours.map(|(entry, _)| entry.jti.to_string()).collect()
}

/// Hides what was handed out for 30 seconds; says what of it.
async fn hide(bench: &Bench, handed: &HandOut, now: i64) -> Vec<String> {
    keep_all(bench, handed, now, Some(at(now + 30))).await
}

/// A poll for that many, which hides them for 30 seconds.
async fn hiding(bench: &Bench, most: usize, now: i64) -> HandOut {
    let handed = look(bench, most, now).await;
    assert_eq!(hide(bench, &handed, now).await, jtis(&handed.entries));
    handed
}

/// Entries `(set, key)` of the poll stream `s`.
async fn entries(bench: &Bench, entries: &[(&str, &str)]) {
    bench.poll_streams(&["s"]).await;
    for (set, key) in entries {
        bench.emit("s", set, key, at(0)).await;
    }
}

/// RFC 8936 §2.4.
pub async fn receiver_9_a_poll_gets_control_first_then_the_oldest_and_again_until_acknowledged(
    bench: &Bench,
) {
    entries(bench, &[("a", "k"), ("b", "k"), ("c", "k")]).await;
    bench.verify("s", "v", at(0)).await;
    bench.announce("s", "u", at(0)).await;
    for _ in 0..2 {
        let all = look(bench, 100, 0).await;
        assert_eq!((jtis(&all.entries), all.more), (vec!["v", "u", "a", "b", "c"], More::None));
    }
}

pub async fn receiver_9_a_poll_gets_at_most_so_many_and_whether_there_are_more(bench: &Bench) {
    entries(bench, &[("a", "k"), ("b", "k"), ("c", "k")]).await;
    bench.verify("s", "v", at(0)).await;
    for (most, sets, more) in [
        (0, &[][..], More::Available),
        (1, &["v"], More::Available),
        (3, &["v", "a", "b"], More::Available),
        (4, &["v", "a", "b", "c"], More::None),
    ] {
        let some = look(bench, most, 0).await;
        assert_eq!((&*jtis(&some.entries), some.more), (sets, more), "{most}");
    }
}

/// SSF 1.0 §8.1.2.1, §8.1.5.
pub async fn receiver_9_a_poll_of_a_stopped_stream_gets_only_the_announcement_of_the_stop(
    bench: &Bench,
) {
    entries(bench, &[("a", "k")]).await;
    bench.verify("s", "v", at(0)).await;
    bench.announce("s", "u", at(0)).await;
    for by in [StatusSetBy::Transmitter, StatusSetBy::Suspension] {
        bench.set_status("s", StreamStatus::Paused, by).await;
        assert_eq!(jtis(&bench.poll("s").await), ["u"]);
    }
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    let nothing = look(bench, 9, 0).await;
    assert_eq!((nothing.entries.len(), nothing.more), (0, More::None));
}

pub async fn receiver_9_a_push_stream_cannot_be_polled(bench: &Bench) {
    bench.streams(&["s"]).await;
    let request = HandOutRequest::new(9, at(0));
    let error = bench.store.hand_out(&bench.issuer, &rp(), &id("s"), request).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error}");
}

/// P4: nothing overtakes what another poll was given.
pub async fn receiver_9_what_is_hidden_is_given_to_no_other_poll_nor_what_stands_behind_it(
    bench: &Bench,
) {
    entries(bench, &[("a1", "a"), ("b1", "b"), ("a2", "a"), ("c1", "c"), ("b2", "b")]).await;
    assert_eq!(jtis(&hiding(bench, 2, 0).await.entries), ["a1", "b1"]);
    let other = hiding(bench, 9, 10).await;
    assert_eq!((jtis(&other.entries), other.more), (vec!["c1"], More::None));
    assert_eq!(look(bench, 9, 10).await.hidden_until, Some(at(30)));
    // An acknowledgement shows what stood behind.
    bench.acknowledge("s", &["a1"]).await;
    assert_eq!(jtis(&hiding(bench, 9, 20).await.entries), ["a2"]);
    // In time they are shown again, oldest first.
    let again = hiding(bench, 9, 30).await;
    assert_eq!(jtis(&again.entries), ["b1", "b2"]);
    assert_eq!(look(bench, 9, 30).await.hidden_until, Some(at(40)));
    assert_eq!(jtis(&hiding(bench, 9, 60).await.entries), ["b1", "a2", "c1", "b2"]);
}

pub async fn receiver_9_control_entries_are_hidden_in_their_order_and_hold_no_other_up(
    bench: &Bench,
) {
    bench.poll_streams(&["s"]).await;
    bench.announce("s", "u1", at(0)).await;
    bench.announce("s", "u2", at(0)).await;
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(jtis(&hiding(bench, 1, 0).await.entries), ["u1"]);
    assert_eq!(jtis(&hiding(bench, 9, 1).await.entries), ["a"]);
    assert_eq!(jtis(&hiding(bench, 9, 31).await.entries), ["u1", "u2", "a"]);
}

pub async fn receiver_9_more_counts_nothing_that_is_hidden(bench: &Bench) {
    entries(bench, &[("a1", "a"), ("a2", "a"), ("b1", "b")]).await;
    assert_eq!(hiding(bench, 1, 0).await.more, More::Available);
    let other = hiding(bench, 1, 0).await;
    assert_eq!((jtis(&other.entries), other.more), (vec!["b1"], More::None));
}

/// P2.
pub async fn receiver_10_the_first_token_of_a_polled_set_wins(bench: &Bench) {
    bench.poll_streams(&["s", "other"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let handed = bench.poll("s").await;
    let ask = async |stream: &str, named: &str, compact: &str| {
        let mut keep = keep(&handed[0], token(compact, "kid"));
        keep.stream_id = id(named);
        compact_of(bench, stream, keep).await
    };
    assert_eq!(ask("s", "s", "first").await.as_deref(), Some("first"));
    assert_eq!(ask("s", "s", "second").await.as_deref(), Some("first"));
    for (stream, named) in [("other", "other"), ("other", "s"), ("s", "other")] {
        assert_eq!(ask(stream, named, "third").await, None, "{stream} {named}");
    }
    assert_eq!(bench.poll("s").await[0].token, Some(token("first", "kid")));
    bench.acknowledge("s", &["a"]).await;
    assert_eq!(ask("s", "s", "fourth").await, None);
}

/// The token that counts when that one was to be kept.
async fn compact_of(bench: &Bench, stream: &str, keep: KeepToken) -> Option<String> {
    let (issuer, stream) = (&bench.issuer, id(stream));
    let kept = bench.store.keep_polled(issuer, &rp(), &stream, vec![keep], None).await;
    match kept.unwrap().remove(0) {
        Kept::Token { token, .. } => Some(token.compact.to_string()),
        Kept::Gone => None,
    }
}

pub async fn receiver_10_an_old_fence_is_gone(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    // Claimed for a push, its fence is another; then the receiver polls.
    let held = bench.claim(at(0)).await;
    bench.deliver_by("s", Delivery::Poll).await;
    let handed = bench.poll("s").await;
    assert_eq!(handed[0].fence, held[0].fence);
    let mut old = keep(&handed[0], token("old", "kid"));
    old.fence = Fence(held[0].fence.0 - 1);
    assert_eq!(compact_of(bench, "s", old).await, None);
    let now = keep(&handed[0], token("now", "kid"));
    assert_eq!(compact_of(bench, "s", now).await.as_deref(), Some("now"));
}

/// P2: two polls at once are answered with the same bytes.
pub async fn receiver_10_of_tokens_kept_at_once_the_first_wins(bench: &Bench) {
    for _ in 0..5 {
        let bench = bench.afresh();
        entries(&bench, &[("a", "k"), ("b", "k"), ("c", "k")]).await;
        let handed = bench.poll("s").await;
        let keep_mine = |n: usize| {
            let bench = bench.clone();
            let tokens = tokens(&handed, n);
            async move {
                let (issuer, stream) = (&bench.issuer, id("s"));
                bench.store.keep_polled(issuer, &rp(), &stream, tokens, None).await.unwrap()
            }
        };
        let answers = bench.together((0..6).map(keep_mine)).await;
        let answers: Vec<_> = answers.into_iter().map(sorted_tokens).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let stored = bench.poll("s").await;
        let mut stored: Vec<_> = stored.into_iter().filter_map(|entry| entry.token).collect();
        stored.sort_by(|one, other| one.compact.cmp(&other.compact));
        let stored: Vec<_> = stored.iter().map(|token| token.compact.to_string()).collect();
        assert_eq!(stored, answers[0]);
    }
}

/// A token of one's own for each, named in an order of one's own.
fn tokens(entries: &[Claimed], n: usize) -> Vec<KeepToken> {
    let own = |entry: &Claimed| keep(entry, token(&format!("{} by {n}", entry.jti), "kid"));
    let mut tokens: Vec<_> = entries.iter().map(own).collect();
    if n % 2 == 1 {
        tokens.reverse();
    }
    tokens
}

fn sorted_tokens(kept: Vec<Kept>) -> Vec<String> {
    let compact = |kept| match kept {
        Kept::Token { token, .. } => token.compact.to_string(),
        Kept::Gone => "gone".to_owned(),
    };
    let mut tokens: Vec<_> = kept.into_iter().map(compact).collect();
    tokens.sort();
    tokens
}

/// P4: of two polls that look at the same time one is answered.
pub async fn receiver_10_what_another_poll_hid_meanwhile_is_gone_and_so_is_what_stands_behind_it(
    bench: &Bench,
) {
    entries(bench, &[("a1", "a"), ("a2", "a"), ("b1", "b")]).await;
    let (one, other) = (look(bench, 1, 0).await, look(bench, 9, 0).await);
    assert_eq!(hide(bench, &one, 0).await, ["a1"]);
    assert_eq!(hide(bench, &other, 0).await, ["b1"]);
}

pub async fn receiver_10_of_polls_that_hide_at_once_one_gets_each_set(bench: &Bench) {
    for _ in 0..5 {
        let bench = bench.afresh();
        entries(&bench, &[("a", "a"), ("b", "b"), ("c", "c"), ("d", "d")]).await;
        let poll = |_| {
            let bench = bench.clone();
            async move {
                let handed = look(&bench, 9, 0).await;
                hide(&bench, &handed, 0).await
            }
        };
        let mut given = bench.together((0..4).map(poll)).await.concat();
        given.sort();
        assert_eq!(given, ["a", "b", "c", "d"]);
    }
}

pub async fn receiver_10_without_hiding_nothing_is_hidden(bench: &Bench) {
    entries(bench, &[("a", "k"), ("b", "k")]).await;
    let handed = look(bench, 1, 0).await;
    assert_eq!(keep_all(bench, &handed, 0, None).await, ["a"]);
    let again = look(bench, 9, 0).await;
    assert_eq!((jtis(&again.entries), again.hidden_until), (vec!["a", "b"], None));
}

pub async fn receiver_10_a_stream_that_starts_again_or_is_delivered_anew_hides_nothing(
    bench: &Bench,
) {
    entries(bench, &[("a", "k")]).await;
    hiding(bench, 9, 0).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    assert_eq!(jtis(&hiding(bench, 9, 1).await.entries), ["a"]);
    bench.deliver_by("s", push_to("rp.example.net")).await;
    bench.deliver_by("s", Delivery::Poll).await;
    assert_eq!(jtis(&hiding(bench, 9, 2).await.entries), ["a"]);
}

/// Worker 5: the time of the first attempt, for polls too.
pub async fn receiver_10_the_first_token_kept_is_the_first_attempt(bench: &Bench) {
    entries(bench, &[("a", "k"), ("b", "k")]).await;
    let handed = look(bench, 1, 0).await;
    for now in [5, 9] {
        assert_eq!(keep_all(bench, &handed, now, None).await, ["a"]);
    }
    for set in ["a", "b"] {
        bench.refuse("s", set, at(20)).await;
    }
    let letters = bench.letters("s").await;
    let first = |set: &str| letters.iter().find(|l| l.jti == jti(set)).unwrap().first_attempt;
    assert_eq!((first("a"), first("b")), (Some(at(5)), None));
}
