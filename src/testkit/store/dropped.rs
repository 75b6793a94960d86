//! Every call is atomic, also when its future is dropped before it ends.
//!
//! Each call is made again and again, its future dropped after one poll more each time, until it
//! ends. What is seen afterwards is what was there before, or what is there after it, and nothing in
//! between.

#![allow(missing_docs, reason = "a case is named by what it says")]

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::bench::{
    Bench, IdentityBench, at, delivered, fails, id, jti, keep, new_control, rp, settlement,
    subject, token,
};
use crate::id::IdempotencyKey;
use crate::outbox::{BreakerPolicy, DeadLetterReason, Fate, HeldLimits, Jitter, Lane};
use crate::store::{
    Acknowledgement, Activity, Claimed, GiveUpHeld, HealthChange, LetterPlace, NewVerification,
    Queue, Redrive, RedriveLetter, SettleBatch, StreamUpdate, SubjectChange, SweepRequest,
};
use crate::stream::{Delivery, StreamQuota, StreamStatus};

/// Nobody polls a call more often before it ends.
const MOST_POLLS: usize = 500;

/// How often what a dropped call left is looked at: a commit may be under way.
const MOST_LOOKS: usize = 200;

/// What can begin again under another issuer.
pub(super) trait Afresh {
    /// The same store for another issuer.
    fn afresh(&self) -> Self;
}

impl Afresh for Bench {
    fn afresh(&self) -> Self {
        Self::afresh(self)
    }
}

impl Afresh for IdentityBench {
    fn afresh(&self) -> Self {
        Self::afresh(self)
    }
}

/// The result of a future, or nothing if it is dropped after so many polls.
pub(super) async fn after_polls<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Holds a call to it. `prepare` makes what the call needs, under an issuer of its own each time,
/// and says what it is; `call` makes the call.
#[expect(clippy::future_not_send, reason = "it can be sent where its closures can")]
pub(super) async fn assert_atomic<B: Afresh, P, T>(
    bench: &B,
    prepare: impl AsyncFn(&B) -> P,
    call: impl AsyncFn(&B, P) -> T,
    see: impl AsyncFn(&B) -> String,
) {
    let mut dropped = Vec::new();
    let mut expected = None;
    let before = {
        let bench = bench.afresh();
        prepare(&bench).await;
        see(&bench).await
    };
    for polls in 0..MOST_POLLS {
        let bench = bench.afresh();
        let prepared = prepare(&bench).await;
        if after_polls(polls, call(&bench, prepared)).await.is_some() {
            expected = Some(see(&bench).await);
            break;
        }
        dropped.push((polls, bench));
    }
    let after = expected.unwrap();
    assert_ne!(before, after, "the call does something");
    for (polls, bench) in dropped {
        let mut seen = see(&bench).await;
        for _ in 0..MOST_LOOKS {
            if seen == before || seen == after {
                break;
            }
            seen = see(&bench).await;
        }
        assert!(seen == before || seen == after, "dropped after {polls} polls: {seen}");
    }
}

/// All that there is to see.
pub(super) async fn seen(bench: &Bench) -> String {
    let (issuer, store) = (&bench.issuer, &bench.store);
    let mut seen = format!("{:?} {:?}", bench.totals().await, bench.next_due(at(0)).await);
    for overview in store.list_overviews(issuer, None, 9).await.unwrap() {
        let stream = overview.record.stream_id.as_str();
        seen += &format!("\n{overview:?} {:?}", bench.letters(stream).await);
        if matches!(overview.record.delivery, Delivery::Poll) {
            seen += &format!(" {:?}", bench.look(stream, 9, at(0)).await);
        }
    }
    let held = store.held_streams(issuer, None, 9).await.unwrap();
    let idle = store.idle_streams(issuer, at(20), 9).await.unwrap();
    let unverified = store.unverified_streams(issuer, at(20), 9).await.unwrap();
    let interested = bench.interested(&subject("x")).await;
    seen += &format!("\n{held:?} {idle:?} {unverified:?} {interested:?}");
    without_fences(&seen.replace(issuer.as_str(), ""))
}

/// The same without fences, which are the store's own.
pub(super) fn without_fences(seen: &str) -> String {
    let mut parts = seen.split("fence: Fence(");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once(')').map_or(part, |(_, rest)| rest))
}

/// A push stream `p` and a poll stream `s`, with two entries each and a control entry.
async fn two_streams(bench: &Bench) {
    bench.streams(&["p"]).await;
    bench.poll_streams(&["s"]).await;
    for stream in ["p", "s"] {
        for set in ["a", "b"] {
            bench.emit(stream, &format!("{stream}{set}"), set, at(0)).await;
        }
        bench.verify(stream, &format!("{stream}v"), at(0)).await;
    }
}

/// The same, the ordinary entries of `p` claimed.
async fn claimed(bench: &Bench) -> Vec<Claimed> {
    two_streams(bench).await;
    bench.acknowledge("p", &["pv"]).await;
    let mut held = bench.claim(at(0)).await;
    held.sort_by(|one, other| one.jti.cmp(&other.jti));
    held
}

pub async fn all_faces_2_create_stream_is_atomic(bench: &Bench) {
    let create = async |bench: &Bench, ()| {
        bench.store.create_stream(bench.record("new"), StreamQuota::new(9)).await.unwrap();
    };
    assert_atomic(bench, two_streams, create, seen).await;
}

pub async fn all_faces_2_update_stream_is_atomic(bench: &Bench) {
    let update = async |bench: &Bench, ()| {
        let mut update = StreamUpdate::new(bench.read("p").await, 1);
        update.record.status = StreamStatus::Disabled;
        update.record.generation = 9;
        update.record.events_delivered.clear();
        update.queue = Queue::Discard;
        update.announce = Some(new_control(Lane::StreamUpdated, "u", at(0)));
        bench.store.update_stream(update).await.unwrap();
    };
    assert_atomic(bench, two_streams, update, seen).await;
}

pub async fn all_faces_2_delete_stream_is_atomic(bench: &Bench) {
    let prepare = async |bench: &Bench| {
        two_streams(bench).await;
        bench.refuse("s", "sa", at(0)).await;
        bench.change_subject("s", SubjectChange::Remove(subject("x"))).await;
    };
    let delete = async |bench: &Bench, ()| bench.delete("s").await;
    assert_atomic(bench, prepare, delete, seen).await;
}

pub async fn all_faces_2_change_subject_is_atomic(bench: &Bench) {
    let change = async |bench: &Bench, ()| {
        bench.change_subject("p", SubjectChange::Remove(subject("x"))).await;
    };
    assert_atomic(bench, two_streams, change, seen).await;
}

pub async fn all_faces_2_queue_verification_is_atomic(bench: &Bench) {
    let queue = async |bench: &Bench, ()| {
        let control = new_control(Lane::Verification, "new", at(5));
        let new = NewVerification::new(control, <_>::default());
        bench.store.queue_verification(&bench.issuer, &rp(), &id("s"), new).await.unwrap();
    };
    assert_atomic(bench, two_streams, queue, seen).await;
}

pub async fn all_faces_2_acknowledge_is_atomic(bench: &Bench) {
    let acknowledge = async |bench: &Bench, ()| {
        let errors = vec![(jti("sb"), crate::outbox::PollError::new("e".to_owned(), None))];
        let acks = vec![jti("sa"), jti("sv")];
        let named = Acknowledgement { acks, errors, now: at(5) };
        bench.store.acknowledge(&bench.issuer, &rp(), &id("s"), named).await.unwrap();
    };
    assert_atomic(bench, two_streams, acknowledge, seen).await;
}

pub async fn all_faces_2_keep_polled_is_atomic(bench: &Bench) {
    let prepare = async |bench: &Bench| {
        two_streams(bench).await;
        bench.poll("s").await
    };
    let keep_all = async |bench: &Bench, handed: Vec<Claimed>| {
        let tokens = handed.iter().map(|entry| keep(entry, token("t", "k"))).collect();
        let (issuer, stream, until) = (&bench.issuer, id("s"), Some(at(30)));
        bench.store.keep_polled(issuer, &rp(), &stream, tokens, until).await.unwrap();
    };
    // When nothing is hidden any more the tokens are seen.
    let see = async |bench: &Bench| {
        format!("{} {:?}", seen(bench).await, bench.look("s", 9, at(30)).await.entries)
            .replace(bench.issuer.as_str(), "")
    };
    assert_atomic(bench, prepare, keep_all, see).await;
}

pub async fn all_faces_2_touch_is_atomic(bench: &Bench) {
    let touch = async |bench: &Bench, ()| {
        let activity = Activity::new(id("s"), at(50));
        bench.store.touch(&bench.issuer, &rp(), activity).await.unwrap();
    };
    assert_atomic(bench, two_streams, touch, seen).await;
}

pub async fn all_faces_2_claim_is_atomic(bench: &Bench) {
    let claim = async |bench: &Bench, ()| bench.claim(at(0)).await;
    assert_atomic(bench, two_streams, claim, seen).await;
}

pub async fn all_faces_2_keep_tokens_is_atomic(bench: &Bench) {
    let keep_all = async |bench: &Bench, held: Vec<Claimed>| {
        let tokens = held.iter().map(|entry| keep(entry, token("t", "k"))).collect();
        bench.store.keep_tokens(&bench.issuer, tokens).await.unwrap();
    };
    // By poll, the tokens are seen.
    let see = async |bench: &Bench| {
        if !matches!(bench.read("p").await.delivery, Delivery::Poll) {
            bench.change("p", |record| record.delivery = Delivery::Poll).await;
        }
        seen(bench).await
    };
    assert_atomic(bench, claimed, keep_all, see).await;
}

pub async fn all_faces_2_settle_is_atomic(bench: &Bench) {
    let settle = async |bench: &Bench, held: Vec<Claimed>| {
        let mut batch = SettleBatch::new(BreakerPolicy::default(), at(5));
        let dead = Fate::Dead(DeadLetterReason::AnnouncementExpired);
        let fates = [delivered(), dead];
        let settlements = held.iter().zip(fates).map(|(entry, fate)| settlement(entry, fate));
        batch.settlements = settlements.collect();
        batch.health.push(HealthChange::new(id("p"), fails(), Jitter::NONE));
        bench.store.settle(&bench.issuer, batch).await.unwrap();
    };
    assert_atomic(bench, claimed, settle, seen).await;
}

/// A batch removes whole rows: each letter is there or it is not.
pub async fn all_faces_2_sweep_is_atomic(bench: &Bench) {
    let prepare = async |bench: &Bench| {
        two_streams(bench).await;
        bench.refuse("s", "sa", at(1)).await;
        bench.refuse("p", "pa", at(1)).await;
    };
    let sweep = async |bench: &Bench, ()| {
        let request = SweepRequest::new(bench.issuer.clone(), at(9), at(9), 9);
        bench.store.sweep(request).await.unwrap();
    };
    assert_atomic(bench, prepare, sweep, seen).await;
}

pub async fn all_faces_2_give_up_held_is_atomic(bench: &Bench) {
    let give_up = async |bench: &Bench, ()| {
        let limits = HeldLimits { entries: 0, ..HeldLimits::default() };
        let request = GiveUpHeld::new(id("s"), limits, at(5), 9);
        bench.store.give_up_held(&bench.issuer, request).await.unwrap();
    };
    assert_atomic(bench, two_streams, give_up, seen).await;
}

pub async fn all_faces_2_suspend_and_resume_are_atomic(bench: &Bench) {
    // Whether an owner is suspended is seen by whether it may have a stream.
    let see = async |bench: &Bench| {
        let created = bench.store.create_stream(bench.record("probe"), StreamQuota::new(9)).await;
        if created.is_ok() {
            bench.delete("probe").await;
        }
        format!("{created:?}")
    };
    let suspend = async |bench: &Bench, ()| bench.store.suspend(&bench.issuer, &rp()).await;
    assert_atomic(bench, async |_: &Bench| (), suspend, see).await;
    let prepare = async |bench: &Bench| {
        bench.store.suspend(&bench.issuer, &rp()).await.unwrap();
    };
    let resume = async |bench: &Bench, ()| bench.store.resume(&bench.issuer, &rp()).await;
    assert_atomic(bench, prepare, resume, see).await;
}

pub async fn all_faces_2_redrive_is_atomic(bench: &Bench) {
    let prepare = async |bench: &Bench| {
        two_streams(bench).await;
        bench.refuse("s", "sa", at(1)).await;
        bench.refuse("s", "sb", at(1)).await;
    };
    let redrive = async |bench: &Bench, ()| {
        let letter = |set| RedriveLetter::new(LetterPlace::new(at(1), jti(set)), None);
        let redrive = Redrive::new(["sa", "sb"].map(letter).to_vec(), at(2));
        bench.store.redrive(&bench.issuer, &id("s"), redrive).await.unwrap();
    };
    assert_atomic(bench, prepare, redrive, seen).await;
}

pub async fn all_faces_2_append_is_atomic(bench: &Bench) {
    let append = async |bench: &Bench, ()| {
        let mut event = bench.event(&[("s", "one"), ("p", "two"), ("gone", "three")], "k", at(3));
        event.idempotency_key = Some(IdempotencyKey::parse("once").unwrap());
        bench.append(event).await;
    };
    assert_atomic(bench, two_streams, append, seen).await;
}

/// A worker that dies at any time loses nothing and leaves nothing locked.
pub async fn all_faces_2_after_a_dropped_call_everything_goes_on(bench: &Bench) {
    for polls in 0..20 {
        let bench = bench.afresh();
        two_streams(&bench).await;
        after_polls(polls, bench.claim(at(0))).await;
        after_polls(polls, bench.acknowledge("s", &["sa", "sv"])).await;
        let event = bench.event(&[("s", "new")], "k", at(0));
        let accepted = after_polls(polls, bench.append(event)).await.is_some();
        after_polls(polls, bench.change("p", |record| record.reason = None)).await;
        bench.acknowledge("s", &["sa", "sb", "sv"]).await;
        // The leases of what was claimed and forgotten are over.
        for now in [60, 61] {
            for entry in bench.claim(at(now)).await {
                bench.settle(&entry, delivered(), at(now)).await;
            }
        }
        if accepted {
            bench.acknowledge("s", &["new"]).await;
        }
        let totals = bench.totals().await;
        let left = totals.accepted - totals.delivered;
        assert!(left == totals.waiting && left <= 1 && !(accepted && left == 1), "{totals:?}");
    }
}
