//! The worker face: sweeping, idle streams, and what streams hold that nobody is being sent.

#![allow(missing_docs, reason = "a case is named by what it says")]

use std::time::Duration;

use super::bench::{Bench, at, dead_sets, delivered, id, jti, jtis, keep, rp, token};
use crate::outbox::{DeadLetterReason, Fate, Held, HeldLimit, HeldLimits, Lane};
use crate::set::SetBody;
use crate::store::{Activity, GiveUpHeld, HeldStream, Settled, SweepRequest, Swept};
use crate::stream::{StatusSetBy, StreamStatus};

/// Gives up an entry of that stream at each of these times, named by it.
async fn letters(bench: &Bench, letters: &[(&str, i64)]) {
    for (stream, died) in letters {
        bench.emit(stream, &died.to_string(), "k", at(0)).await;
        let held = bench.claim(at(0)).await;
        let fate = Fate::Dead(DeadLetterReason::AnnouncementExpired);
        assert_eq!(bench.settle(&held[0], fate, at(*died)).await, Settled::Done);
    }
}

async fn sweep(bench: &Bench, dead_before: i64, most: usize) -> Swept {
    let request = SweepRequest::new(bench.issuer.clone(), at(dead_before), at(0), most);
    bench.store.sweep(request).await.unwrap()
}

pub async fn worker_8_a_sweep_removes_old_dead_letters_in_bounded_batches(bench: &Bench) {
    bench.streams(&["s1", "s2"]).await;
    letters(bench, &[("s1", 1), ("s2", 2), ("s1", 3), ("s2", 4)]).await;
    let none = sweep(bench, 1, 9).await;
    assert_eq!((none.dead_letters, none.oldest_dead), (0, Some(at(1))));
    assert_eq!(sweep(bench, 4, 2).await.dead_letters, 2);
    let left = bench.letters("s1").await.len() + bench.letters("s2").await.len();
    assert_eq!(left, 2, "a batch is bounded");
    let rest = sweep(bench, 4, 2).await;
    assert_eq!((rest.dead_letters, rest.oldest_dead), (1, Some(at(4))));
    assert_eq!(bench.letters("s1").await.len(), 0);
    assert_eq!(dead_sets(&bench.letters("s2").await), ["4"]);
    assert_eq!(bench.overview("s1").await.dead_letters, 0);
    // What is swept still counts.
    assert_eq!(bench.totals().await.dead, 4);
    assert_eq!(sweep(bench, 99, 9).await.oldest_dead, None);
}

pub async fn worker_8_a_sweep_removes_nothing_else(bench: &Bench) {
    bench.streams(&["s"]).await;
    letters(bench, &[("s", 1)]).await;
    bench.emit("s", "waiting", "k", at(0)).await;
    let other = bench.afresh();
    other.streams(&["s"]).await;
    letters(&other, &[("s", 1)]).await;
    assert_eq!(sweep(bench, 99, 9).await.dead_letters, 1);
    assert_eq!(dead_sets(&other.letters("s").await), ["1"], "of another issuer");
    assert_eq!(jtis(&bench.claim(at(0)).await), ["waiting"]);
}

async fn touch(bench: &Bench, stream: &str, now: i64) {
    let activity = Activity::new(id(stream), at(now));
    bench.store.touch(&bench.issuer, &rp(), activity).await.unwrap();
}

/// SSF 1.0 §8.1.1 `inactivity_timeout`.
pub async fn worker_9_idle_streams_are_the_enabled_ones_the_longest_idle_first(bench: &Bench) {
    bench.streams(&["paused", "idle", "busy", "idler"]).await;
    bench.set_status("paused", StreamStatus::Paused, StatusSetBy::Receiver).await;
    for (stream, last) in [("idle", 5), ("busy", 9), ("idler", 3)] {
        touch(bench, stream, last).await;
    }
    let idle = async |since, most| {
        let idle = bench.store.idle_streams(&bench.issuer, at(since), most).await.unwrap();
        let ids: Vec<_> = idle.streams.iter().map(|r| r.stream_id.to_string()).collect();
        (ids, idle.next)
    };
    let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(idle(5, 9).await, (named(&["idler", "idle"]), Some(at(9))));
    assert_eq!(idle(5, 1).await, (named(&["idler"]), Some(at(5))));
    assert_eq!(idle(2, 9).await, (named(&[]), Some(at(3))));
    bench.set_status("paused", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    bench.set_status("idle", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    assert_eq!(idle(5, 9).await, (named(&["paused", "idler"]), Some(at(9))));
    assert_eq!(idle(9, 9).await, (named(&["paused", "idler", "busy"]), None));
}

pub async fn worker_11_streams_that_hold_entries_are_listed_page_by_page(bench: &Bench) {
    bench.streams(&["enabled", "paused", "stopped"]).await;
    bench.poll_streams(&["polled", "silent"]).await;
    for stream in ["enabled", "paused", "stopped", "polled"] {
        bench.emit(stream, stream, "k", at(3)).await;
    }
    bench.emit("polled", "second", "k", at(4)).await;
    bench.verify("silent", "v", at(0)).await;
    bench.set_status("paused", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.set_status("stopped", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    let bytes = "{}".len() as u64;
    let paused = HeldStream::new(id("paused"), Held::new(1, bytes, at(3)));
    let polled = HeldStream::new(id("polled"), Held::new(2, 2 * bytes, at(3)));
    let page = async |after: Option<&str>, most| {
        let after = after.map(id);
        bench.store.held_streams(&bench.issuer, after.as_ref(), most).await.unwrap()
    };
    assert_eq!(page(None, 9).await, [paused.clone(), polled.clone()]);
    assert_eq!(page(None, 1).await, [paused]);
    assert_eq!(page(Some("paused"), 9).await, [polled]);
    assert_eq!(page(Some("polled"), 9).await, []);
    bench.acknowledge("polled", &["polled", "second"]).await;
    assert_eq!(page(Some("paused"), 9).await, []);
}

pub async fn worker_11_the_counters_follow_every_way_an_entry_goes(bench: &Bench) {
    bench.streams(&["s"]).await;
    for (n, size) in [10, 20, 30, 40, 50].into_iter().enumerate() {
        let mut event = bench.event(&[("s", &n.to_string())], &n.to_string(), at(n as i64));
        event.body = SetBody::from_stored("x".repeat(size).into());
        bench.append(event).await;
    }
    let held = bench.claim(at(9)).await;
    let claimed = |set: &str| held.iter().find(|entry| entry.jti == jti(set)).unwrap();
    bench.settle(claimed("0"), delivered(), at(9)).await;
    let fate = Fate::Dead(DeadLetterReason::AnnouncementExpired);
    bench.settle(claimed("1"), fate, at(9)).await;
    bench.settle(claimed("2"), Fate::Retry(at(50)), at(9)).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    let holds = async || {
        let mut held = bench.store.held_streams(&bench.issuer, None, 9).await.unwrap();
        held.pop().map(|stream| stream.held)
    };
    assert_eq!(holds().await, Some(Held::new(3, 120, at(2))));
    bench.acknowledge("s", &["2"]).await;
    assert_eq!(holds().await, Some(Held::new(2, 90, at(3))));
    bench.set_status("s", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    assert_eq!(holds().await, None);
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    assert_eq!(holds().await, None);
    bench.emit("s", "late", "late", at(70)).await;
    assert_eq!(holds().await, Some(Held::new(1, 2, at(70))));
    bench.delete("s").await;
    assert_eq!(holds().await, None);
}

fn limits(entries: u64) -> HeldLimits {
    HeldLimits { entries, ..HeldLimits::default() }
}

async fn give_up(bench: &Bench, limits: HeldLimits, now: i64, most: usize) -> u64 {
    let request = GiveUpHeld::new(id("s"), limits, at(now), most);
    bench.store.give_up_held(&bench.issuer, request).await.unwrap()
}

pub async fn worker_12_the_oldest_are_given_up_while_there_are_too_many(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    bench.verify("s", "v", at(0)).await;
    for set in ["a", "b", "c", "d", "e"] {
        bench.emit("s", set, "k", at(1)).await;
    }
    assert_eq!(give_up(bench, limits(5), 2, 9).await, 0);
    assert_eq!(give_up(bench, limits(2), 2, 1).await, 1, "at most so many");
    assert_eq!(give_up(bench, limits(2), 3, 9).await, 2);
    assert_eq!(jtis(&bench.poll("s").await), ["v", "d", "e"], "control entries stay");
    let letters = bench.letters("s").await;
    assert_eq!(dead_sets(&letters), ["a", "b", "c"]);
    for letter in letters {
        let reason = DeadLetterReason::HeldLimit { limit: HeldLimit::Entries };
        assert_eq!((letter.reason, letter.attempts, letter.lane), (reason, 0, Lane::Ordinary));
    }
    let totals = bench.totals().await;
    assert_eq!((totals.dead, totals.dead_by_held_limit, totals.waiting), (3, 3, 3));
}

pub async fn worker_12_each_limit_is_named_by_the_letters(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    for (n, set) in ["a", "b", "c"].into_iter().enumerate() {
        bench.emit("s", set, "k", at(10 * n as i64)).await;
    }
    let bytes = HeldLimits { bytes: 4, ..HeldLimits::default() };
    assert_eq!(give_up(bench, bytes, 20, 9).await, 1);
    let age = HeldLimits { age: Duration::from_secs(20), ..HeldLimits::default() };
    assert_eq!(give_up(bench, age, 29, 9).await, 0);
    assert_eq!(give_up(bench, age, 30, 9).await, 1);
    let reason = |limit| DeadLetterReason::HeldLimit { limit };
    let letters = bench.letters("s").await;
    assert_eq!(dead_sets(&letters), ["a", "b"]);
    assert_eq!(letters[0].reason, reason(HeldLimit::Bytes));
    assert_eq!(letters[1].reason, reason(HeldLimit::Age));
    assert_eq!(jtis(&bench.poll("s").await), ["c"]);
}

/// What is on its way may yet arrive (P6).
pub async fn worker_12_an_entry_in_a_claim_that_lasts_is_left_where_it_is(bench: &Bench) {
    bench.streams(&["s"]).await;
    for set in ["a", "b", "c"] {
        bench.emit("s", set, set, at(0)).await;
    }
    let held = bench.claim_most(at(0), 1, 1).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    assert_eq!(give_up(bench, limits(0), 59, 9).await, 2);
    assert_eq!(bench.totals().await.waiting, 1);
    assert_eq!(give_up(bench, limits(0), 60, 9).await, 1, "its lease is over");
    assert_eq!(bench.settle(&held[0], delivered(), at(60)).await, Settled::Gone);
}

/// A poll was answered with it, and its acknowledgement may be on its way.
pub async fn worker_12_an_entry_that_is_hidden_from_polls_is_left_where_it_is(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    for set in ["a", "b", "c"] {
        bench.emit("s", set, set, at(0)).await;
    }
    let handed = bench.look("s", 1, at(0)).await;
    let tokens = vec![keep(&handed.entries[0], token("t", "k"))];
    let (issuer, stream, until) = (&bench.issuer, id("s"), Some(at(30)));
    bench.store.keep_polled(issuer, &rp(), &stream, tokens, until).await.unwrap();
    assert_eq!(give_up(bench, limits(0), 29, 9).await, 2);
    assert_eq!(jtis(&bench.look("s", 9, at(30)).await.entries), ["a"]);
    assert_eq!(give_up(bench, limits(0), 30, 9).await, 1);
}

pub async fn worker_12_a_stream_that_is_gone_or_is_pushed_to_has_none_to_give_up(bench: &Bench) {
    assert_eq!(give_up(bench, limits(0), 0, 9).await, 0);
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(give_up(bench, limits(0), 0, 9).await, 0);
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
}

/// A receiver that comes while its SETs are given up gets each or it is dead, never both.
pub async fn worker_12_what_is_given_up_while_it_is_acknowledged_ends_once(bench: &Bench) {
    for _ in 0..5 {
        let bench = bench.afresh();
        bench.poll_streams(&["s"]).await;
        for n in 0..10 {
            bench.emit("s", &format!("j{n}"), "k", at(0)).await;
        }
        let act = |n: usize| {
            let bench = bench.process(n);
            async move {
                for set in 0..10 {
                    if n.is_multiple_of(2) {
                        give_up(&bench, limits(0), 1, 1).await;
                    } else {
                        bench.acknowledge("s", &[&format!("j{}", 9 - set)]).await;
                    }
                }
            }
        };
        bench.together((0..4).map(act)).await;
        let totals = bench.totals().await;
        assert_eq!((totals.delivered + totals.dead, totals.waiting), (10, 0), "{totals:?}");
    }
}
