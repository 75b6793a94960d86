//! Random histories, held against a model that is simple enough to be believed.

#![allow(missing_docs, reason = "a case is named by what it says")]

use std::collections::HashMap;
use std::time::Duration;

use super::bench::{Bench, LEASE, at, fails, id, jti, jtis, keep, push, rp, settlement, token};
use super::dice::Dice;
use crate::outbox::{
    BreakerPolicy, DeadLetterReason, Fate, Fence, HeldLimits, Jitter, Lane, PollError,
    StreamReport, holds, may_leave,
};
use crate::store::{
    Acknowledgement, Claimed, GiveUpHeld, HealthChange, Kept, Redrive, RedriveLetter, Redriven,
    SettleBatch, Settled, StoreError, Totals,
};
use crate::stream::{Delivery, StatusSetBy, StreamStatus};
use crate::timestamp::Timestamp;

const STREAMS: [&str; 3] = ["s0", "s1", "s2"];
const MOST_PER_STREAM: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Append { streams: [bool; 3], key: usize },
    Verify(usize),
    Announce(usize),
    Claim { most: usize },
    Keep { claim: usize },
    Settle { claim: usize, fate: usize, report: usize },
    Acknowledge { stream: usize, nth: usize, refuse: bool },
    Status { stream: usize, status: StreamStatus, by: StatusSetBy },
    Deliver { stream: usize, delivery: Delivery },
    Redrive { stream: usize, nth: usize, anew: bool },
    Limit { stream: usize, entries: usize },
    Recreate(usize),
    Wait(i64),
}

fn step(dice: &Dice) -> Step {
    let stream = dice.below(STREAMS.len());
    let any = || dice.below(1_000);
    match dice.weighted(&[8, 2, 2, 8, 3, 8, 3, 3, 1, 3, 2, 1, 5]) {
        0 => Step::Append { streams: std::array::from_fn(|_| dice.flip()), key: dice.below(3) },
        1 => Step::Verify(stream),
        2 => Step::Announce(stream),
        3 => Step::Claim { most: dice.below(6) },
        4 => Step::Keep { claim: any() },
        5 => Step::Settle { claim: any(), fate: dice.below(5), report: dice.below(3) },
        6 => Step::Acknowledge { stream, nth: any(), refuse: dice.flip() },
        7 => {
            let statuses = [StreamStatus::Enabled, StreamStatus::Paused, StreamStatus::Disabled];
            let status = statuses[dice.weighted(&[4, 2, 1])];
            let by = [StatusSetBy::Receiver, StatusSetBy::Transmitter][dice.below(2)];
            Step::Status { stream, status, by }
        }
        8 => {
            let delivery = if dice.below(4) == 0 { Delivery::Poll } else { push() };
            Step::Deliver { stream, delivery }
        }
        9 => Step::Redrive { stream, nth: any(), anew: dice.flip() },
        10 => Step::Limit { stream, entries: dice.below(4) },
        11 => Step::Recreate(stream),
        _ => Step::Wait(i64::try_from(dice.below(45)).unwrap() - 5),
    }
}

/// P1 to P6. What failed is said with the seed and its last step.
pub async fn history_any_history_keeps_the_promises(bench: &Bench) {
    for seed in 0..bench.histories {
        let dice = Dice::new(u64::from(seed));
        let mut world = World::new(bench.afresh()).await;
        for n in 0..dice.below(120) {
            let step = step(&dice);
            world.told = format!("seed {seed}, step {n}: {step:?}");
            world.take(step).await;
            world.check_totals().await;
        }
        world.deliver_all().await;
    }
}

/// The store, and what it should hold.
struct World {
    bench: Bench,
    now: i64,
    sets: u32,
    /// Unsettled entries of each stream, oldest first.
    waiting: HashMap<&'static str, Vec<Waiting>>,
    /// The dead letters of each stream.
    dead: HashMap<&'static str, Vec<Waiting>>,
    /// The present claim of each held entry.
    held: HashMap<String, (Fence, Timestamp)>,
    /// The first token of each entry.
    tokens: HashMap<String, String>,
    /// All claims ever made.
    claims: Vec<Claimed>,
    last_fence: Fence,
    totals: Totals,
    /// Where it is, for whoever looks for what failed.
    told: String,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.told);
        }
    }
}

#[derive(Clone)]
struct Waiting {
    set: String,
    lane: Lane,
    key: String,
}

impl World {
    async fn new(bench: Bench) -> Self {
        bench.streams(&STREAMS).await;
        Self {
            bench,
            now: 1000,
            sets: 0,
            waiting: STREAMS.iter().map(|stream| (*stream, Vec::new())).collect(),
            dead: HashMap::new(),
            held: HashMap::new(),
            tokens: HashMap::new(),
            claims: Vec::new(),
            last_fence: Fence::default(),
            totals: Totals::default(),
            told: String::new(),
        }
    }

    async fn take(&mut self, step: Step) {
        let now = at(self.now);
        match step {
            Step::Append { streams, key } => self.append(streams, key, now).await,
            Step::Verify(stream) => self.verify(STREAMS[stream], now).await,
            Step::Announce(stream) => {
                let set = self.new_set();
                self.bench.announce(STREAMS[stream], &set, now).await;
                self.accept(STREAMS[stream], set, Lane::StreamUpdated, "");
            }
            Step::Claim { most } => self.claim(most).await,
            Step::Keep { claim } => self.keep(claim).await,
            Step::Settle { claim, fate, report } => self.settle(claim, fate, report, now).await,
            Step::Acknowledge { stream, nth, refuse } => {
                self.acknowledge(STREAMS[stream], nth, refuse, now).await;
            }
            Step::Status { stream, status, by } => {
                self.bench.set_status(STREAMS[stream], status, by).await;
                if status == StreamStatus::Disabled {
                    self.totals.discarded_disabled += self.discard(STREAMS[stream]);
                }
            }
            Step::Deliver { stream, delivery } => {
                self.bench.change(STREAMS[stream], |record| record.delivery = delivery).await;
            }
            Step::Redrive { stream, nth, anew } => {
                self.redrive(STREAMS[stream], nth, anew, now).await;
            }
            Step::Limit { stream, entries } => self.limit(STREAMS[stream], entries, now).await,
            Step::Recreate(stream) => {
                let (stream, store) = (STREAMS[stream], &self.bench.store);
                let deleted =
                    store.delete_stream(&self.bench.issuer, &rp(), &id(stream)).await.unwrap();
                self.bench.create(self.bench.record(stream)).await;
                let discarded = self.discard(stream);
                assert_eq!(deleted.discarded, discarded);
                self.totals.discarded_deleted += discarded;
                self.dead.remove(stream);
            }
            Step::Wait(seconds) => self.now += seconds,
        }
    }

    async fn append(&mut self, streams: [bool; 3], key: usize, now: Timestamp) {
        let key = format!("k{key}");
        let chosen = STREAMS.into_iter().zip(streams).filter(|(_, chosen)| *chosen);
        let entries: Vec<_> = chosen.map(|(stream, _)| (stream, self.new_set())).collect();
        let named: Vec<_> = entries.iter().map(|(s, set)| (*s, set.as_str())).collect();
        let mut outbox = self.bench.store.outbox();
        let appended = outbox.append(self.bench.event(&named, &key, now)).await.unwrap();
        drop(outbox);
        for (stream, set) in entries {
            let accepted = appended.accepted.iter().any(|entry| entry.jti == jti(&set));
            assert_eq!(accepted, self.status(stream).await.0 != StreamStatus::Disabled);
            if accepted {
                self.accept(stream, set, Lane::Ordinary, &key);
            }
        }
    }

    async fn verify(&mut self, stream: &'static str, now: Timestamp) {
        let set = self.new_set();
        self.bench.verify(stream, &set, now).await;
        let old = self.waiting[stream].iter().find(|w| w.lane == Lane::Verification).cloned();
        if let Some(old) = old.filter(|old| self.end(stream, &old.set)) {
            self.held.remove(&old.set);
            self.totals.discarded_replaced += 1;
        }
        self.accept(stream, set.clone(), Lane::Verification, "");
        if self.status(stream).await.0 == StreamStatus::Disabled {
            self.end(stream, &set);
            self.totals.discarded_disabled += 1;
        }
    }

    async fn claim(&mut self, most: usize) {
        let now = at(self.now);
        let due = self.bench.next_due(now).await.is_some_and(|due| due <= now);
        let request = self.bench.claim_request(now, most, MOST_PER_STREAM);
        let claimed = self.bench.store.claim(request).await.unwrap().entries;
        // Worker 10: what a claim returns was due.
        assert!(claimed.is_empty() || due);
        assert!(claimed.len() <= most);
        let last_fence = self.last_fence;
        for entry in claimed {
            assert!(entry.fence > last_fence);
            self.check_claim(&entry, now).await;
            self.last_fence = self.last_fence.max(entry.fence);
            let lease = (entry.fence, now.after(LEASE));
            self.held.insert(entry.jti.to_string(), lease);
            self.claims.push(entry);
        }
    }

    /// Worker 1 to 3.
    async fn check_claim(&self, entry: &Claimed, now: Timestamp) {
        let stream = entry.route.stream_id.as_str();
        let (status, by) = self.status(stream).await;
        assert!(may_leave(status, by, entry.lane));
        let waiting = &self.waiting[stream];
        let me = waiting.iter().find(|w| w.set == entry.jti.as_str()).unwrap();
        let first = waiting
            .iter()
            .find(|w| w.lane == me.lane && w.key == me.key && may_leave(status, by, w.lane));
        assert_eq!(first.map(|first| &first.set), Some(&me.set));
        let live = |w: &&Waiting| self.held.get(&w.set).is_some_and(|(_, until)| *until > now);
        let (control, ordinary): (Vec<&Waiting>, Vec<&Waiting>) =
            waiting.iter().filter(live).partition(|w| w.lane.is_control());
        assert_eq!(control.len(), 0);
        if me.lane == Lane::Ordinary {
            assert!(ordinary.len() < MOST_PER_STREAM);
            assert!(ordinary.iter().all(|other| other.key != me.key));
        }
    }

    /// Worker 5: the first token wins.
    async fn keep(&mut self, claim: usize) {
        let Some(entry) = self.any_claim(claim) else { return };
        let set = entry.jti.to_string();
        let new = format!("token {}", self.new_set());
        let tokens = vec![keep(&entry, token(&new, "kid"))];
        let kept =
            self.bench.store.keep_tokens(&self.bench.issuer, tokens).await.unwrap().remove(0);
        if let Kept::Token { token, .. } = kept {
            let first = self.tokens.entry(set).or_insert(new);
            assert_eq!(*token.compact, **first);
        }
    }

    /// Worker 6: only the present claim of an entry can be settled.
    async fn settle(&mut self, claim: usize, fate: usize, report: usize, now: Timestamp) {
        let Some(entry) = self.any_claim(claim) else { return };
        let (stream, set) = (entry.route.stream_id.clone(), entry.jti.to_string());
        let fate = match fate {
            0 => Fate::Delivered { unusual_status: None },
            1 => Fate::Delivered { unusual_status: Some(200) },
            2 => Fate::Retry(now.after(Duration::from_secs(7))),
            3 => Fate::Return,
            _ => Fate::Dead(DeadLetterReason::AnnouncementExpired),
        };
        let mut batch = SettleBatch::new(BreakerPolicy::default(), now);
        batch.settlements.push(settlement(&entry, fate.clone()));
        let report = match report {
            0 => Some(StreamReport::Works),
            1 => Some(fails()),
            _ => None,
        };
        let change = |report| HealthChange::new(stream.clone(), report, Jitter::NONE);
        batch.health.extend(report.map(change));
        let settled = self.bench.store.settle(&self.bench.issuer, batch).await.unwrap().settled[0];
        let held = self.held.get(&set).is_some_and(|(fence, _)| *fence == entry.fence);
        assert_eq!(settled == Settled::Done, held);
        if held {
            self.held.remove(&set);
            match fate {
                Fate::Delivered { unusual_status } => {
                    self.totals.delivered += 1;
                    self.totals.delivered_unusually += u64::from(unusual_status.is_some());
                    self.end(stream.as_str(), &set);
                }
                Fate::Dead(_) => self.bury(stream.as_str(), &set),
                _ => {}
            }
        }
    }

    async fn acknowledge(&mut self, stream: &str, nth: usize, refuse: bool, now: Timestamp) {
        let waiting = &self.waiting[stream];
        let Some(entry) = waiting.get(nth % waiting.len().max(1)) else { return };
        let set = entry.set.clone();
        let mut acknowledgement = Acknowledgement { now, ..Acknowledgement::default() };
        if refuse {
            let error = PollError::new("invalid_request".to_owned(), None);
            acknowledgement.errors = vec![(jti(&set), error)];
        } else {
            acknowledgement.acks = vec![jti(&set)];
            self.totals.delivered += 1;
        }
        let store = &self.bench.store;
        store.acknowledge(&self.bench.issuer, &rp(), &id(stream), acknowledgement).await.unwrap();
        if refuse {
            self.bury(stream, &set);
        } else {
            self.end(stream, &set);
        }
        self.held.remove(&set);
    }

    /// Operator 6: a dead letter waits again, behind all others, as the same SET or a new one.
    async fn redrive(&mut self, stream: &'static str, nth: usize, anew: bool, now: Timestamp) {
        let store = &self.bench.store;
        let letters = self.bench.letters(stream).await;
        let dead = self.dead.entry(stream).or_default();
        let mut sets: Vec<_> = letters.iter().map(|letter| letter.jti.as_str()).collect();
        let mut expected: Vec<_> = dead.iter().map(|letter| letter.set.as_str()).collect();
        sets.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sets, expected);
        let Some(letter) = letters.get(nth % letters.len().max(1)) else { return };
        let at = dead.iter().position(|dead| dead.set == letter.jti.as_str()).unwrap();
        let new = anew.then(|| format!("{}'", letter.jti));
        let redrive = RedriveLetter::new(letter.place(), new.as_deref().map(jti));
        let redrive = Redrive::new(vec![redrive], now);
        let redriven = store.redrive(&self.bench.issuer, &id(stream), redrive).await;
        if self.status(stream).await.0 == StreamStatus::Disabled {
            assert!(matches!(redriven, Err(StoreError::StreamDisabled)));
            return;
        }
        let dead = self.dead.entry(stream).or_default();
        if dead[at].lane.is_control() {
            assert_eq!(redriven.unwrap(), [Redriven::Refused]);
            return;
        }
        assert_eq!(redriven.unwrap(), [Redriven::Done]);
        let mut letter = dead.remove(at);
        letter.set = new.unwrap_or(letter.set);
        self.totals.redriven += 1;
        self.waiting.entry(stream).or_default().push(letter);
    }

    /// Worker 12: the oldest go until the rest is as many as may be, but for those on their way.
    async fn limit(&mut self, stream: &'static str, entries: usize, now: Timestamp) {
        let record = self.bench.read(stream).await;
        let (entries_kept, age) = (entries as u64, Duration::MAX);
        let limits = HeldLimits { entries: entries_kept, age, ..HeldLimits::default() };
        let request = GiveUpHeld::new(id(stream), limits, now, 1_000);
        let given_up = self.bench.store.give_up_held(&self.bench.issuer, request).await.unwrap();
        let ordinary = self.waiting[stream].iter().filter(|entry| entry.lane == Lane::Ordinary);
        let on_its_way =
            |entry: &&Waiting| self.held.get(&entry.set).is_some_and(|(_, until)| *until > now);
        let excess = ordinary.clone().count().saturating_sub(entries);
        let excess = if holds(record.status, &record.delivery) { excess } else { 0 };
        let oldest = ordinary.filter(|entry| !on_its_way(entry)).take(excess);
        let oldest: Vec<String> = oldest.map(|entry| entry.set.clone()).collect();
        assert_eq!(given_up, oldest.len() as u64);
        self.totals.dead_by_held_limit += given_up;
        for set in oldest {
            self.held.remove(&set);
            self.bury(stream, &set);
        }
    }

    /// P6: every accepted entry is where it should be.
    async fn check_totals(&mut self) {
        self.totals.waiting = self.waiting.values().map(|waiting| waiting.len() as u64).sum();
        let totals = self.bench.store.totals(&self.bench.issuer).await.unwrap();
        assert_eq!(totals, self.totals);
        let ends = totals.delivered
            + totals.dead
            + totals.discarded_disabled
            + totals.discarded_deleted
            + totals.discarded_replaced;
        assert_eq!(totals.accepted + totals.redriven, ends + totals.waiting);
    }

    /// Whatever happened: with healthy, enabled push streams everything leaves in the end.
    async fn deliver_all(&mut self) {
        self.now += 10_000;
        for stream in STREAMS {
            self.bench.change(stream, |record| record.delivery = push()).await;
            self.bench.set_status(stream, StreamStatus::Enabled, StatusSetBy::Receiver).await;
            self.bench.report(stream, StreamReport::Works, at(self.now)).await;
        }
        loop {
            let first = self.claims.len();
            self.claim(2).await;
            if self.claims.len() == first {
                break;
            }
            for claim in first..self.claims.len() {
                self.settle(claim, 0, 2, at(self.now)).await;
            }
        }
        self.check_totals().await;
        assert_eq!(self.totals.waiting, 0);
        for stream in STREAMS {
            assert_eq!(jtis(&self.bench.claim(at(1_000_000_000)).await), [""; 0], "{stream}");
        }
    }

    fn new_set(&mut self) -> String {
        self.sets += 1;
        format!("j{}", self.sets)
    }

    fn accept(&mut self, stream: &'static str, set: String, lane: Lane, key: &str) {
        self.totals.accepted += 1;
        let entry = Waiting { set, lane, key: key.to_owned() };
        self.waiting.entry(stream).or_default().push(entry);
    }

    fn any_claim(&self, nth: usize) -> Option<Claimed> {
        self.claims.get(nth % self.claims.len().max(1)).cloned()
    }

    /// Takes an entry out of those that wait; says whether it was there.
    fn end(&mut self, stream: &str, set: &str) -> bool {
        let Some(waiting) = self.waiting.get_mut(stream) else { return false };
        let before = waiting.len();
        waiting.retain(|entry| entry.set != set);
        waiting.len() < before
    }

    /// Moves an entry that waits to the dead letters.
    fn bury(&mut self, stream: &str, set: &str) {
        let (&stream, waiting) = self.waiting.get_key_value(stream).unwrap();
        let dead = waiting.iter().find(|entry| entry.set == set).cloned();
        self.dead.entry(stream).or_default().extend(dead);
        self.totals.dead += 1;
        self.end(stream, set);
    }

    fn discard(&mut self, stream: &'static str) -> u64 {
        let discarded = std::mem::take(self.waiting.entry(stream).or_default());
        for entry in &discarded {
            self.held.remove(&entry.set);
        }
        discarded.len() as u64
    }

    async fn status(&self, stream: &str) -> (StreamStatus, StatusSetBy) {
        let record = self.bench.read(stream).await;
        (record.status, record.status_set_by)
    }
}
