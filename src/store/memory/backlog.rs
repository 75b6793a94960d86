//! The unsettled entries of one stream: what waits, in which order, and what is held.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::id::{Jti, KeyId, OrderKey};
use crate::outbox::{self, Due, Happening, KeptToken, Lane, Life, Signature, Step, Waiting};
use crate::set::SetBody;
use crate::store::{DeadLetter, NewControl, Tokens};
use crate::timestamp::Timestamp;

/// An entry that is not settled yet.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) jti: Jti,
    pub(super) lane: Lane,
    /// Absent for control entries: they keep their order with each other.
    pub(super) order_key: Option<OrderKey>,
    pub(super) body: SetBody,
    pub(super) emitted_at: Timestamp,
    /// When its present life began: when it was emitted, or redriven.
    pub(super) queued_at: Timestamp,
    pub(super) first_attempt: Option<Timestamp>,
    pub(super) token: Option<KeptToken>,
    life: Life,
}

/// The unsettled entries of one stream, numbered in the order they came.
///
/// Of the ordinary entries only the heads, the oldest of each order key, are kept by time: what
/// waits behind a head costs a claim nothing.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    last_number: u64,
    /// Boxed, so that a stream with few entries has no room for many.
    entries: BTreeMap<u64, Box<Entry>>,
    by_jti: HashMap<Jti, u64>,
    by_key: BTreeSet<(OrderKey, u64)>,
    ordinary_bytes: u64,
    heads_at_once: BTreeSet<u64>,
    heads_later: BTreeSet<(Timestamp, u64)>,
    /// The heads whose kept token is to be sent, by its key, and by when they can be claimed: at
    /// once comes first.
    signed: BTreeMap<KeyId, BTreeSet<(Option<Timestamp>, u64)>>,
    updates: BTreeSet<u64>,
    verification: Option<u64>,
    leases: BTreeSet<(Timestamp, u64)>,
    control_leases: BTreeSet<(Timestamp, u64)>,
    /// What polls were given, and until when no other poll is.
    hidden: BTreeSet<(Timestamp, u64)>,
}

/// What is hidden from a poll at some time: entries, and what stands behind them.
#[derive(Debug, Default)]
pub(super) struct Hidden<'b> {
    keys: HashSet<&'b OrderKey>,
    control: bool,
}

impl Hidden<'_> {
    /// Whether an entry is hidden, or stands behind one that is. What stands before a hidden entry
    /// of its order key is settled or hidden itself.
    pub(super) fn hides(&self, entry: &Entry) -> bool {
        entry.order_key.as_ref().map_or(self.control, |key| self.keys.contains(key))
    }
}

impl Backlog {
    /// How many entries wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many of them are ordinary.
    pub(super) fn ordinary_len(&self) -> usize {
        self.by_key.len()
    }

    /// The bytes of the claims of the ordinary ones.
    pub(super) fn ordinary_bytes(&self) -> u64 {
        self.ordinary_bytes
    }

    /// The oldest entry.
    pub(super) fn oldest(&self) -> Option<&Entry> {
        self.entries.values().next().map(|entry| read(entry))
    }

    pub(super) fn contains(&self, jti: &Jti) -> bool {
        self.by_jti.contains_key(jti)
    }

    pub(super) fn get(&self, jti: &Jti) -> Option<&Entry> {
        self.entry(*self.by_jti.get(jti)?)
    }

    /// Changes the token of an entry, or whatever else its place in line may depend on.
    pub(super) fn change<T>(
        &mut self,
        jti: &Jti,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Option<T> {
        let number = *self.by_jti.get(jti)?;
        let key = self.entries.get(&number)?.order_key.as_ref();
        let is_listed = key.is_none_or(|key| self.head(key) == Some(number));
        if is_listed {
            self.unlist(number);
        }
        let changed = change(self.entries.get_mut(&number)?);
        if is_listed {
            self.list(number);
        }
        Some(changed)
    }

    /// Ordinary entries, oldest first.
    pub(super) fn ordinary(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|entry| read(entry)).filter(|entry| entry.order_key.is_some())
    }

    /// Control entries of those lanes, in the order written.
    pub(super) fn control(&self, may_leave: impl Fn(Lane) -> bool) -> Vec<&Entry> {
        let numbers: BTreeSet<u64> =
            self.updates.iter().copied().chain(self.verification).collect();
        let entries = numbers.into_iter().filter_map(|number| self.entry(number));
        entries.filter(|entry| may_leave(entry.lane)).collect()
    }

    /// Shows again what was hidden until that time or is settled.
    pub(super) fn show_due(&mut self, now: Timestamp) {
        let entries = &self.entries;
        self.hidden.retain(|(until, number)| *until > now && entries.contains_key(number));
    }

    /// When the first of those is shown again that are hidden.
    pub(super) fn first_shown(&self) -> Option<Timestamp> {
        self.hidden.first().map(|(until, _)| *until)
    }

    /// What is hidden from polls.
    pub(super) fn hidden(&self) -> Hidden<'_> {
        let mut hidden = Hidden::default();
        for entry in self.hidden.iter().filter_map(|(_, number)| self.entry(*number)) {
            match &entry.order_key {
                Some(key) => drop(hidden.keys.insert(key)),
                None => hidden.control = true,
            }
        }
        hidden
    }

    /// The entries that are hidden from polls at that time.
    pub(super) fn hidden_at(&self, now: Timestamp) -> HashSet<&Jti> {
        let hidden = self.hidden.range((now.after(Duration::from_millis(1)), 0)..);
        hidden.filter_map(|(_, number)| self.entry(*number)).map(|entry| &entry.jti).collect()
    }

    /// Hides an entry from polls until that time.
    pub(super) fn hide(&mut self, jti: &Jti, until: Timestamp) {
        self.hidden.extend(self.by_jti.get(jti).map(|number| (until, *number)));
    }

    /// Hides nothing any more.
    pub(super) fn show_all(&mut self) {
        self.hidden.clear();
    }

    /// Adds an ordinary entry.
    pub(super) fn push(&mut self, jti: Jti, key: &OrderKey, body: SetBody, now: Timestamp) {
        self.push_ordinary(key, Entry::new(jti, Lane::Ordinary, body, now));
    }

    /// Adds an ordinary entry that lives again.
    pub(super) fn push_again(
        &mut self,
        jti: Jti,
        key: &OrderKey,
        token: Option<KeptToken>,
        letter: DeadLetter,
        now: Timestamp,
    ) {
        let DeadLetter { body, emitted_at, .. } = letter;
        let entry = Entry::new(jti, Lane::Ordinary, body, now);
        self.push_ordinary(key, Entry { emitted_at, token, ..entry });
    }

    fn push_ordinary(&mut self, key: &OrderKey, entry: Entry) {
        self.ordinary_bytes += entry.bytes();
        let number = self.insert(Entry { order_key: Some(key.clone()), ..entry });
        self.by_key.insert((key.clone(), number));
        if self.head(key) == Some(number) {
            self.list(number);
        }
    }

    /// Adds a control entry.
    pub(super) fn push_control(&mut self, new: NewControl) {
        let number = self.insert(Entry::new(new.jti, new.lane, new.body, new.now));
        match new.lane {
            Lane::Verification => self.verification = Some(number),
            Lane::StreamUpdated | Lane::Ordinary => {
                self.updates.insert(number);
            }
        }
    }

    /// Takes an entry out; the next of its order key becomes a head.
    pub(super) fn remove(&mut self, jti: &Jti) -> Option<Entry> {
        let number = self.by_jti.remove(jti)?;
        self.unlist(number);
        let entry = self.entries.remove(&number)?;
        if self.entries.is_empty() {
            // Nothing is kept of what is empty: a stream without entries takes no room for them.
            *self = Self { last_number: self.last_number, ..Self::default() };
            return Some(*entry);
        }
        match &entry.order_key {
            Some(key) => {
                self.ordinary_bytes -= entry.bytes();
                let was_head = self.head(key) == Some(number);
                self.by_key.remove(&(key.clone(), number));
                if let (true, Some(next)) = (was_head, self.head(key)) {
                    self.list(next);
                }
            }
            None => {
                self.updates.remove(&number);
                self.verification = self.verification.filter(|&kept| kept != number);
            }
        }
        Some(*entry)
    }

    /// Whether a verification is unsettled.
    pub(super) fn has_verification(&self) -> bool {
        self.verification.is_some()
    }

    /// Takes the unsettled verification out.
    pub(super) fn remove_verification(&mut self) -> Option<Entry> {
        let jti = self.entry(self.verification?)?.jti.clone();
        self.remove(&jti)
    }

    /// Takes all entries out; says how many there were.
    pub(super) fn clear(&mut self) -> u64 {
        std::mem::take(self).entries.len() as u64
    }

    /// When the first head of an order key can be claimed.
    pub(super) fn heads_due(&self) -> Due {
        match self.heads_later.first() {
            _ if !self.heads_at_once.is_empty() => Due::AtOnce,
            Some(&(at, _)) => Due::At(at),
            None => Due::Never,
        }
    }

    /// The head that probes a stream that failed: one that never waited, so that it is not always
    /// the same.
    pub(super) fn next_probe(&self, now: Timestamp) -> Option<&Entry> {
        match self.heads_at_once.first() {
            Some(number) => self.entry(*number),
            None => self.next_head(now),
        }
    }

    /// The head that is to be claimed at `now`. Those whose time has come go before those that
    /// never waited, so that a busy stream does not starve its retries.
    pub(super) fn next_head(&self, now: Timestamp) -> Option<&Entry> {
        let waited =
            self.heads_later.first().filter(|(at, _)| *at <= now).map(|(_, number)| number);
        self.entry(*waited.or_else(|| self.heads_at_once.first())?)
    }

    /// The first head that one of these keys signed: one that can be claimed at once, or the one
    /// whose time comes first.
    pub(super) fn first_signed(&self, keys: &[KeyId]) -> Option<&Entry> {
        let firsts = keys.iter().filter_map(|key| self.signed.get(key)?.first());
        self.entry(firsts.min()?.1)
    }

    /// Lets an entry live on in another state.
    pub(super) fn live_on(&mut self, jti: &Jti, life: Life) -> Option<&Entry> {
        let number = *self.by_jti.get(jti)?;
        self.unlist(number);
        self.entries.get_mut(&number)?.life = life;
        self.list(number);
        self.entry(number)
    }

    /// Ends the waits of control entries that nobody holds.
    pub(super) fn restart_control(&mut self) {
        for number in self.updates.iter().chain(&self.verification) {
            if let Some(entry) = self.entries.get_mut(number)
                && let Step::GoesOn(life) = entry.life.after(Happening::Restart)
            {
                entry.life = life;
            }
        }
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number).map(|entry| read(entry))
    }

    fn insert(&mut self, entry: Entry) -> u64 {
        self.last_number += 1;
        self.by_jti.insert(entry.jti.clone(), self.last_number);
        self.entries.insert(self.last_number, Box::new(entry));
        self.last_number
    }

    /// The number of the oldest entry of an order key.
    fn head(&self, key: &OrderKey) -> Option<u64> {
        let (first, number) = self.by_key.range((key.clone(), 0)..).next()?;
        (first == key).then_some(*number)
    }

    /// Enters an entry, a head or a control entry, in the lists by time.
    fn list(&mut self, number: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        if let Some(kid) = entry.signed_by() {
            self.signed.entry(kid.clone()).or_default().insert((entry.life.due(), number));
        }
        match (entry.life.due(), &entry.order_key) {
            (None, Some(_)) => {
                self.heads_at_once.insert(number);
            }
            (Some(at), Some(_)) => {
                self.heads_later.insert((at, number));
                if entry.life.is_claimed() {
                    self.leases.insert((at, number));
                }
            }
            (Some(at), None) if entry.life.is_claimed() => {
                self.control_leases.insert((at, number));
            }
            (_, None) => {}
        }
    }

    fn unlist(&mut self, number: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        self.heads_at_once.remove(&number);
        if let Some(kid) = entry.signed_by()
            && let Some(signed) = self.signed.get_mut(kid)
        {
            signed.remove(&(entry.life.due(), number));
            if signed.is_empty() {
                self.signed.remove(kid);
            }
        }
        if let Some(at) = entry.life.due() {
            self.heads_later.remove(&(at, number));
            self.leases.remove(&(at, number));
            self.control_leases.remove(&(at, number));
        }
    }
}

impl outbox::Backlog for Backlog {
    type Entry = Entry;

    fn control_fronts(&self) -> impl Iterator<Item = &Entry> {
        let mut fronts = [self.updates.first().copied(), self.verification];
        fronts.sort_unstable();
        fronts.into_iter().flatten().filter_map(|number| self.entry(number))
    }

    fn control_free(&self) -> Due {
        free(&self.control_leases, 1)
    }

    fn ordinary_free(&self, most: usize) -> Due {
        free(&self.leases, most)
    }

    fn has_untried(&self) -> bool {
        !self.heads_at_once.is_empty()
    }
}

impl Waiting for Entry {
    fn lane(&self) -> Lane {
        self.lane
    }

    fn life(&self) -> Life {
        self.life
    }
}

impl Entry {
    fn new(jti: Jti, lane: Lane, body: SetBody, now: Timestamp) -> Self {
        Self {
            jti,
            lane,
            order_key: None,
            body,
            emitted_at: now,
            queued_at: now,
            first_attempt: None,
            token: None,
            life: Life::default(),
        }
    }

    /// Whether it is one of those that a claim is for.
    pub(super) fn is_signed_as(&self, tokens: &Tokens) -> bool {
        match tokens {
            Tokens::Any => true,
            Tokens::SignedBy(keys) => self.is_signed_by(keys),
        }
    }

    fn is_signed_by(&self, keys: &[KeyId]) -> bool {
        self.kept_by().is_some_and(|kid| keys.contains(kid))
    }

    /// The key of the kept token, if that is to be sent.
    fn kept_by(&self) -> Option<&KeyId> {
        let token = self.token.as_ref().filter(|_| self.life.signature == Signature::Kept);
        token.map(|token| &token.kid)
    }

    /// The same for an ordinary entry.
    fn signed_by(&self) -> Option<&KeyId> {
        self.kept_by().filter(|_| self.order_key.is_some())
    }

    /// The size of its claims.
    fn bytes(&self) -> u64 {
        self.body.as_str().len() as u64
    }
}

/// All reading of entries passes here, so that tests can count how many a call touches.
fn read(entry: &Entry) -> &Entry {
    #[cfg(test)]
    tests::READ.with(|read| read.set(read.get() + 1));
    entry
}

/// When fewer than `most` of these leases last.
fn free(leases: &BTreeSet<(Timestamp, u64)>, most: usize) -> Due {
    match most.checked_sub(1) {
        None => Due::Never,
        Some(others) => leases.iter().nth_back(others).map(|(until, _)| *until).into(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::outbox::State;

    thread_local! {
        /// How many entries were read by this thread.
        pub(in super::super) static READ: Cell<u64> = const { Cell::new(0) };
    }

    fn in_state(state: State) -> Life {
        Life { state, ..Life::default() }
    }

    fn push(backlog: &mut Backlog, set: &str, key: &str) -> Jti {
        let jti = Jti::parse(set).unwrap();
        let body = SetBody::from_stored("{}".into());
        backlog.push(jti.clone(), &OrderKey::parse(key).unwrap(), body, Timestamp::default());
        jti
    }

    // Worker 4: the cost of a claim does not depend on what waits behind a head or for a retry.
    #[test]
    fn of_each_order_key_one_entry_is_listed_by_time() {
        let mut backlog = Backlog::default();
        let first = push(&mut backlog, "first", "k");
        for n in 0..1000 {
            push(&mut backlog, &n.to_string(), "k");
        }
        let lists = |b: &Backlog| (b.heads_at_once.len(), b.heads_later.len(), b.leases.len());
        assert_eq!(lists(&backlog), (1, 0, 0));
        let later = Timestamp::from_seconds(9);
        backlog.live_on(&first, in_state(State::Claimed { until: later }));
        assert_eq!((lists(&backlog), backlog.heads_due()), ((0, 1, 1), Due::At(later)));
        backlog.live_on(&first, in_state(State::Retrying { at: later }));
        assert_eq!((lists(&backlog), backlog.heads_due()), ((0, 1, 0), Due::At(later)));
        backlog.remove(&first);
        assert_eq!((lists(&backlog), backlog.heads_due()), ((1, 0, 0), Due::AtOnce));
    }

    #[test]
    fn nothing_remains_of_entries_that_are_gone() {
        let mut backlog = Backlog::default();
        for n in 0..9 {
            let jti = push(&mut backlog, &n.to_string(), "k");
            if n % 2 == 0 {
                backlog.live_on(&jti, in_state(State::Claimed { until: Timestamp::default() }));
            }
        }
        let other = push(&mut backlog, "other", "other");
        let bytes = backlog.get(&other).unwrap().bytes();
        for n in 0..9 {
            backlog.remove(&Jti::parse(n.to_string()).unwrap());
        }
        assert_eq!((backlog.len(), backlog.by_jti.len(), backlog.by_key.len()), (1, 1, 1));
        assert_eq!((backlog.heads_at_once.len(), backlog.heads_later.len()), (1, 0));
        assert_eq!((backlog.ordinary_bytes(), backlog.leases.len()), (bytes, 0));
        backlog.remove(&other);
        assert_eq!((backlog.len(), backlog.by_jti.capacity(), backlog.by_key.len()), (0, 0, 0));
        assert_eq!((backlog.heads_due(), backlog.leases.len()), (Due::Never, 0));
        assert_eq!(backlog.ordinary_bytes(), 0);
    }

    // Worker 4, 14: nor, while the keys rest, on those that no key signed, or one that is retired.
    #[test]
    fn a_head_that_was_signed_is_found_at_once() {
        let mut backlog = Backlog::default();
        let [good, old] = ["good", "old"].map(|kid| KeyId::parse(kid).unwrap());
        let at = |seconds| State::Retrying { at: Timestamp::from_seconds(seconds) };
        let keep = |backlog: &mut Backlog, jti: &Jti, kid: &KeyId| {
            let token = KeptToken::new("t".into(), kid.clone());
            backlog.change(jti, |entry| entry.token = Some(token)).unwrap();
        };
        for n in 0..1000 {
            let jti = push(&mut backlog, &format!("other-{n}"), &n.to_string());
            backlog.live_on(&jti, in_state(at(1)));
            if n % 2 == 0 {
                keep(&mut backlog, &jti, &old);
            }
        }
        for (set, seconds) in [("later", 9), ("sooner", 5)] {
            let jti = push(&mut backlog, set, set);
            backlog.live_on(&jti, in_state(at(seconds)));
            keep(&mut backlog, &jti, &good);
        }
        let first = |backlog: &Backlog| {
            let before = READ.get();
            let first = backlog.first_signed(std::slice::from_ref(&good));
            (first.map(|entry| entry.jti.to_string()), READ.get() - before)
        };
        assert_eq!(first(&backlog), (Some("sooner".to_owned()), 1));
        let sooner = Jti::parse("sooner").unwrap();
        backlog.live_on(&sooner, Life { signature: Signature::OfCurrentKey, ..in_state(at(5)) });
        assert_eq!(first(&backlog), (Some("later".to_owned()), 1));
        backlog.remove(&Jti::parse("later").unwrap());
        assert_eq!((first(&backlog), backlog.signed.len()), ((None, 0), 1));
    }

    #[test]
    fn those_whose_time_has_come_go_before_those_that_never_waited() {
        let mut backlog = Backlog::default();
        push(&mut backlog, "fresh", "k1");
        let retried = push(&mut backlog, "retried", "k2");
        backlog.live_on(&retried, in_state(State::Retrying { at: Timestamp::from_seconds(5) }));
        let next = |now| backlog.next_head(Timestamp::from_seconds(now)).map(|e| e.jti.as_str());
        assert_eq!((next(4), next(5)), (Some("fresh"), Some("retried")));
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 160, "{}", size_of::<Entry>());
    }
}
