//! Random histories, done to a store and to the store in memory: both answer the same.
//!
//! Where the contract leaves something open, nothing is asked: claims take all that there is,
//! fences are not compared, and no stream fails, so that none has a probe to choose.

#![allow(missing_docs, reason = "a case is named by what it says")]

use std::sync::Arc;
use std::time::Duration;

use super::bench::{
    Bench, at, delivered, id, jti, keep, new_control, owner, push_to, settlement, subject, token,
};
use super::dice::Dice;
use super::dropped::without_fences;
use crate::event::types;
use crate::id::{IdempotencyKey, Jti, Owner};
use crate::outbox::{
    BreakerPolicy, DeadLetterReason, Fate, HeldLimits, Jitter, Lane, Pace, PollError, StreamReport,
};
use crate::store::memory::MemoryStore;
use crate::store::{
    Acknowledgement, Activity, Claimed, GiveUpHeld, HandOutRequest, HealthChange, LetterFilter,
    LetterPlace, LetterQuery, NewVerification, Overdue, Provided, Queue, Redrive, RedriveLetter,
    SettleBatch, StartedBy, StoreError, StreamUpdate, SubjectChange, SweepRequest,
};
use crate::stream::{
    DefaultSubjects, Delivery, StatusSetBy, StreamQuota, StreamRecord, StreamStatus,
};

const STREAMS: [&str; 4] = ["s0", "s1", "s2", "s3"];
const OWNERS: [&str; 2] = ["one", "two"];

/// A store, and what it was seen to hand out.
struct Side {
    bench: Bench,
    claimed: Vec<Claimed>,
    handed: Vec<Claimed>,
}

impl Side {
    fn new(bench: Bench) -> Self {
        Self { bench, claimed: Vec::new(), handed: Vec::new() }
    }
}

/// What both stores were asked so far.
struct History {
    dice: Dice,
    now: i64,
    sets: usize,
}

pub async fn compared_any_history_is_answered_as_by_the_store_in_memory(bench: &Bench) {
    for seed in 0..bench.histories {
        let ours = bench.afresh();
        let reference = ours.over(Arc::new(MemoryStore::new()));
        let (mut ours, mut reference) = (Side::new(ours), Side::new(reference));
        let dice = Dice::new(u64::from(seed) + 1_000_000);
        let mut history = History { dice, now: 1_000, sets: 0 };
        for n in 0..history.dice.below(100) {
            let step = history.step();
            let answer = take(&mut ours, &step).await;
            let expected = take(&mut reference, &step).await;
            assert_eq!(answer, expected, "seed {seed}, step {n}: {step:?}");
            if n % 8 == 0 {
                let (seen, expected) =
                    (look(&ours, history.now).await, look(&reference, history.now).await);
                assert_eq!(seen, expected, "seed {seed}, after step {n}: {step:?}");
            }
        }
        let (seen, expected) =
            (look(&ours, history.now).await, look(&reference, history.now).await);
        assert_eq!(seen, expected, "seed {seed}, in the end");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Create { stream: usize, owner: usize, poll: bool, none: bool, now: i64 },
    Update { stream: usize, change: Change, late: bool, announce: Option<String>, now: i64 },
    Delete(usize),
    Subject { stream: usize, change: SubjectChange },
    Verify { stream: usize, set: String, by: StartedBy, now: i64 },
    Append { entries: Vec<(usize, String)>, key: usize, once: Option<usize>, now: i64 },
    Claim { now: i64 },
    Keep { nth: usize, compact: String, replaces: bool, now: i64 },
    Settle { nth: usize, fate: Fate, report: Option<StreamReport>, pace: Pace, now: i64 },
    Acknowledge { stream: usize, acks: Vec<String>, errors: Vec<String>, now: i64 },
    Poll { stream: usize, most: usize, now: i64 },
    KeepPolled { compact: String, hide: Option<i64>, now: i64 },
    Touch { stream: usize, now: i64 },
    Suspend(usize),
    Resume(usize),
    Redrive { stream: usize, nth: usize, new: Option<String>, now: i64 },
    Sweep { before: i64 },
    GiveUp { stream: usize, entries: u64, most: usize, now: i64 },
}

#[derive(Clone, Debug)]
enum Change {
    Status(StreamStatus, StatusSetBy),
    Deliver(Delivery),
    Types(usize),
    Describe(Provided),
}

impl History {
    fn step(&mut self) -> Step {
        let dice = &self.dice;
        self.now += i64::try_from(dice.below(20)).unwrap() - 3;
        let (now, stream, nth) = (self.now, dice.below(STREAMS.len()), dice.below(1_000));
        let known = self.sets;
        let any_set = || format!("j{}", 1 + dice.below(known));
        let mut new = {
            let sets = &mut self.sets;
            move || {
                *sets += 1;
                format!("j{sets}")
            }
        };
        match dice.weighted(&[6, 6, 1, 4, 3, 10, 9, 4, 9, 4, 5, 4, 2, 1, 1, 3, 1, 2]) {
            0 => {
                let (owner, poll, none) = (dice.below(2), dice.flip(), dice.below(3) == 0);
                Step::Create { stream, owner, poll, none, now }
            }
            1 => {
                let announce = (dice.below(3) == 0).then(&mut new);
                let (change, late) = (change(dice, now), dice.below(9) == 0);
                Step::Update { stream, change, late, announce, now }
            }
            2 => Step::Delete(stream),
            3 => {
                let about = subject(["x", "y", "z"][dice.below(3)]);
                let change = match dice.below(3) {
                    0 => SubjectChange::Add(about),
                    1 => SubjectChange::Remove(about),
                    _ => SubjectChange::RemoveLater { subject: about, at: at(now + 9) },
                };
                Step::Subject { stream, change }
            }
            4 => {
                let by = [StartedBy::Receiver, StartedBy::Transmitter][dice.below(2)];
                Step::Verify { stream, set: new(), by, now }
            }
            5 => {
                let chosen = (0..STREAMS.len()).filter(|_| dice.flip());
                let entries = chosen.map(|stream| (stream, new())).collect();
                let once = (dice.below(4) == 0).then(|| dice.below(5));
                Step::Append { entries, key: dice.below(3), once, now }
            }
            6 => Step::Claim { now },
            7 => Step::Keep { nth, compact: new(), replaces: dice.below(4) == 0, now },
            8 => {
                let report = match dice.below(3) {
                    0 => Some(StreamReport::Works),
                    1 => Some(StreamReport::Judges { what: "400".to_owned() }),
                    _ => None,
                };
                let pace = [Pace::Unknown, Pace::Prompt, Pace::Slow][dice.below(3)];
                Step::Settle { nth, fate: fate(dice, now), report, pace, now }
            }
            9 => {
                let some = || (0..dice.below(4)).map(|_| any_set()).collect();
                Step::Acknowledge { stream, acks: some(), errors: some(), now }
            }
            10 => Step::Poll { stream, most: dice.below(5), now },
            11 => {
                let hide = dice.flip().then_some(now + 30);
                Step::KeepPolled { compact: new(), hide, now }
            }
            12 => Step::Touch { stream, now },
            13 => Step::Suspend(dice.below(2)),
            14 => Step::Resume(dice.below(2)),
            15 => Step::Redrive { stream, nth, new: dice.flip().then(new), now },
            16 => Step::Sweep { before: now - 50 },
            _ => {
                let (entries, most) = (dice.below(4) as u64, dice.below(4));
                Step::GiveUp { stream, entries, most, now }
            }
        }
    }
}

fn change(dice: &Dice, now: i64) -> Change {
    match dice.below(4) {
        0 => {
            let statuses = [StreamStatus::Enabled, StreamStatus::Paused, StreamStatus::Disabled];
            let set_by = [StatusSetBy::Receiver, StatusSetBy::Transmitter][dice.below(2)];
            Change::Status(statuses[dice.weighted(&[4, 2, 1])], set_by)
        }
        1 if dice.flip() => Change::Deliver(Delivery::Poll),
        1 => Change::Deliver(push_to(["one.example", "two.example"][dice.below(2)])),
        2 => Change::Types(dice.below(3)),
        _ => {
            let limits = HeldLimits { entries: dice.below(3) as u64, ..HeldLimits::default() };
            Change::Describe(match dice.below(3) {
                0 => Provided::Nothing,
                1 => Provided::IdleSince(at(now - 20)),
                _ => Provided::Exceeds(limits, at(now)),
            })
        }
    }
}

fn fate(dice: &Dice, now: i64) -> Fate {
    match dice.below(7) {
        0 | 1 => delivered(),
        2 => Fate::Delivered { unusual_status: Some(200) },
        3 => Fate::Retry(at(now + 7)),
        4 => Fate::SignAnew(at(now + 7)),
        5 => Fate::Return,
        _ => Fate::Dead(DeadLetterReason::AnnouncementExpired),
    }
}

/// Asks one store, and writes down what it answered.
async fn take(side: &mut Side, step: &Step) -> String {
    without_fences(&ask(side, step).await)
}

async fn ask(side: &mut Side, step: &Step) -> String {
    let (issuer, store) = (&side.bench.issuer.clone(), Arc::clone(&side.bench.store));
    match step.clone() {
        Step::Create { stream, owner: of, poll, none, now } => {
            let mut record = side.bench.record_of(&owner(OWNERS[of]), STREAMS[stream]);
            if poll {
                record.delivery = Delivery::Poll;
            }
            if none {
                record.default_subjects = DefaultSubjects::None;
            }
            (record.created_at, record.updated_at) = (at(now), at(now));
            let quota = StreamQuota::new(3).with_tenant(4);
            // Which of several reasons is named is open.
            store.create_stream(record, quota).await.is_ok().to_string()
        }
        Step::Update { stream, change, late, announce, now } => {
            let Ok(mut record) = store.find_stream(issuer, &id(STREAMS[stream])).await else {
                return "none".to_owned();
            };
            let version = record.version + u64::from(late);
            let mut provided = Provided::Nothing;
            let before = record.status;
            apply(&mut record, change, &mut provided);
            record.updated_at = at(now);
            let disabled = record.status == StreamStatus::Disabled && before != record.status;
            let mut update = StreamUpdate::new(record, version);
            update.queue = if disabled { Queue::Discard } else { Queue::Keep };
            update.announce = announce.map(|set| new_control(Lane::StreamUpdated, &set, at(now)));
            update.provided = provided;
            let updated = store.update_stream(update).await;
            updated.map_or_else(|error| reason(&error), |record| format!("{record:?}"))
        }
        Step::Delete(stream) => {
            let owner = owner_of(side, stream).await;
            format!("{:?}", store.delete_stream(issuer, &owner, &id(STREAMS[stream])).await)
        }
        Step::Subject { stream, change } => {
            let owner = owner_of(side, stream).await;
            let stream = id(STREAMS[stream]);
            format!("{:?}", store.change_subject(issuer, &owner, &stream, change, 2).await)
        }
        Step::Verify { stream, set, by, now } => {
            let owner = owner_of(side, stream).await;
            let control = new_control(Lane::Verification, &set, at(now));
            let mut new = NewVerification::new(control, Duration::from_secs(15));
            new.started_by = by;
            let stream = id(STREAMS[stream]);
            format!("{:?}", store.queue_verification(issuer, &owner, &stream, new).await)
        }
        Step::Append { entries, key, once, now } => {
            let named: Vec<_> =
                entries.iter().map(|(stream, set)| (STREAMS[*stream], set.as_str())).collect();
            let mut event = side.bench.event(&named, &format!("k{key}"), at(now));
            event.idempotency_key =
                once.map(|n| IdempotencyKey::parse(format!("once{n}")).unwrap());
            let appended = store.outbox().append(event).await;
            format!(
                "{:?}",
                appended.map(|done| {
                    let mut accepted: Vec<Jti> =
                        done.accepted.iter().map(|e| e.jti.clone()).collect();
                    let mut skipped = done.skipped;
                    accepted.sort();
                    skipped.sort();
                    (accepted, skipped, done.repeated)
                })
            )
        }
        Step::Claim { now } => {
            // A claim may get less than there is, and more at once.
            let mut entries = Vec::new();
            for _ in 0..9 {
                entries.extend(side.bench.claim_most(at(now), 1_000, 1_000).await);
            }
            entries.sort_by(|one, other| {
                (&one.route.stream_id, &one.jti).cmp(&(&other.route.stream_id, &other.jti))
            });
            side.claimed.extend(entries.iter().cloned());
            format!("{entries:?}")
        }
        Step::Keep { nth, compact, replaces, now } => {
            let Some(entry) = nth_of(&side.claimed, nth) else { return "none".to_owned() };
            let kid = if replaces { "other" } else { "kid" };
            let mut keep = keep(entry, token(&compact, kid));
            keep.replaces = replaces.then(|| token("", "kid").kid);
            keep.at = at(now);
            format!("{:?}", store.keep_tokens(issuer, vec![keep]).await)
        }
        Step::Settle { nth, fate, report, pace, now } => {
            let Some(entry) = nth_of(&side.claimed, nth) else { return "none".to_owned() };
            let mut batch = SettleBatch::new(BreakerPolicy::default(), at(now));
            batch.settlements.push(settlement(entry, fate));
            batch.health.extend(report.map(|report| {
                let stream = entry.route.stream_id.clone();
                let mut change = HealthChange::new(stream, report, Jitter::NONE);
                (change.generation, change.pace) = (Some(entry.route.generation), pace);
                change
            }));
            format!("{:?}", store.settle(issuer, batch).await)
        }
        Step::Acknowledge { stream, acks, errors, now } => {
            let owner = owner_of(side, stream).await;
            let error = PollError::new("invalid_key".to_owned(), None);
            let named = Acknowledgement {
                acks: acks.iter().map(|set| jti(set)).collect(),
                errors: errors.iter().map(|set| (jti(set), error.clone())).collect(),
                now: at(now),
            };
            format!("{:?}", store.acknowledge(issuer, &owner, &id(STREAMS[stream]), named).await)
        }
        Step::Poll { stream, most, now } => {
            let owner = owner_of(side, stream).await;
            let request = HandOutRequest::new(most, at(now));
            let handed = store.hand_out(issuer, &owner, &id(STREAMS[stream]), request).await;
            side.handed = handed.as_ref().map_or(Vec::new(), |handed| handed.entries.clone());
            format!("{handed:?}")
        }
        Step::KeepPolled { compact, hide, now } => {
            let Some(first) = side.handed.first() else { return "none".to_owned() };
            let timed = |entry| {
                let mut keep = keep(entry, token(&compact, "kid"));
                keep.at = at(now);
                keep
            };
            let (owner, stream) = (first.route.owner.clone(), first.route.stream_id.clone());
            let (tokens, hide) = (side.handed.iter().map(timed).collect(), hide.map(at));
            format!("{:?}", store.keep_polled(issuer, &owner, &stream, tokens, hide).await)
        }
        Step::Touch { stream, now } => {
            let owner = owner_of(side, stream).await;
            let activity = Activity::new(id(STREAMS[stream]), at(now));
            format!("{:?}", store.touch(issuer, &owner, activity).await)
        }
        Step::Suspend(of) => format!("{:?}", store.suspend(issuer, &owner(OWNERS[of])).await),
        Step::Resume(of) => format!("{:?}", store.resume(issuer, &owner(OWNERS[of])).await),
        Step::Redrive { stream, nth, new, now } => {
            let stream = id(STREAMS[stream]);
            let Ok(letters) = store.dead_letters(issuer, &stream, &LetterQuery::new(100)).await
            else {
                return "none".to_owned();
            };
            let place = match letters.get(nth % letters.len().max(1)) {
                Some(letter) => letter.place(),
                None => LetterPlace::new(at(0), jti("never")),
            };
            let letter = RedriveLetter::new(place, new.as_deref().map(jti));
            let redrive = Redrive::new(vec![letter], at(now));
            format!("{:?}", store.redrive(issuer, &stream, redrive).await)
        }
        Step::Sweep { before } => {
            let request = SweepRequest::new(issuer.clone(), at(before), at(before), 1_000);
            format!("{:?}", store.sweep(request).await)
        }
        Step::GiveUp { stream, entries, most, now } => {
            let limits = HeldLimits { entries, ..HeldLimits::default() };
            let request = GiveUpHeld::new(id(STREAMS[stream]), limits, at(now), most);
            format!("{:?}", store.give_up_held(issuer, request).await)
        }
    }
}

fn apply(record: &mut StreamRecord, change: Change, provided: &mut Provided) {
    match change {
        Change::Status(status, by) => (record.status, record.status_set_by) = (status, by),
        Change::Deliver(delivery) => {
            record.delivery = delivery;
            record.generation += 1;
        }
        Change::Types(most) => {
            let all = [types::session_revoked(), types::credential_change()];
            record.events_delivered = all.into_iter().take(most).collect();
        }
        Change::Describe(so) => {
            record.description = Some(format!("{so:?}"));
            *provided = so;
        }
    }
}

/// Why a change was refused; of several reasons any may be named.
fn reason(error: &StoreError) -> String {
    match error {
        StoreError::NotFound => "not found".to_owned(),
        _ => "refused".to_owned(),
    }
}

/// The owner of a stream; somebody, when there is none.
async fn owner_of(side: &Side, stream: usize) -> Owner {
    let found = side.bench.store.find_stream(&side.bench.issuer, &id(STREAMS[stream])).await;
    found.map_or_else(|_| owner("one"), |record| record.owner)
}

fn nth_of(entries: &[Claimed], nth: usize) -> Option<&Claimed> {
    entries.get(nth % entries.len().max(1))
}

/// All that there is to see at that time.
async fn look(side: &Side, now: i64) -> String {
    let (issuer, store) = (&side.bench.issuer, &side.bench.store);
    let mut seen = format!("{:?}", side.bench.totals().await);
    for mut overview in store.list_overviews(issuer, None, 99).await.unwrap() {
        // What is due at once has no time that is anybody's.
        overview.next_attempt = None;
        let stream = overview.record.stream_id.clone();
        let mut query = LetterQuery::new(99);
        query.filter = LetterFilter { dead_from: Some(at(now - 30)), ..LetterFilter::default() };
        let letters = store.dead_letters(issuer, &stream, &query).await.unwrap();
        let interest = store.interest(issuer, &stream, &subject("x"), at(now)).await.unwrap();
        seen += &format!("\n{overview:?} {letters:?} {interest:?}");
    }
    for of in OWNERS {
        seen += &format!("\n{:?}", store.list_streams(issuer, &owner(of)).await.unwrap());
    }
    let overdue = |overdue: Overdue| {
        let mut ids: Vec<_> = overdue.streams.into_iter().map(|r| r.stream_id).collect();
        ids.sort();
        format!("\n{ids:?} {:?}", overdue.next)
    };
    seen += &overdue(store.idle_streams(issuer, at(now - 20), 99).await.unwrap());
    seen += &overdue(store.unverified_streams(issuer, at(now - 20), 99).await.unwrap());
    seen += &format!("\n{:?}", store.held_streams(issuer, None, 99).await.unwrap());
    for about in ["x", "y"] {
        seen += &format!("\n{:?}", side.bench.interested_at(&subject(about), at(now)).await);
    }
    without_fences(&seen)
}
