//! The reference: what was committed, what receivers saw, and what must follow from it. It is told
//! everything that happens, and the first thing that breaks a promise ends the run.

mod claims;
mod dead;
mod emission;
mod health;
mod hindrances;
mod polls;
mod settling;
mod streams;
mod upkeep;
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ssf_transmitter::id::{IdempotencyKey, Jti, KeyId, OrderKey, Owner, StreamId, Txn};
use ssf_transmitter::outbox::{KeptToken, Lane};
use ssf_transmitter::store::{NewEntry, Totals};
use ssf_transmitter::stream::StreamRecord;
use ssf_transmitter::timestamp::Timestamp;

use self::health::Health;
use self::polls::Poll;
pub(crate) use self::polls::Polling;
use self::wire::Request;
use crate::happenings::Happenings;
use crate::rules::{Ending, Rules};
use crate::scene::Scene;

/// A process, until it dies: the one that takes its place has another number of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) index: usize,
    pub(crate) life: u32,
}

/// Everything that is known of a run. Clones are handles of the same.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<Model>>);

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) rules: Rules,
    pub(crate) clocks: Clocks,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) entries: BTreeMap<Jti, Entry>,
    /// What became of all entries, counted here.
    pub(crate) totals: Totals,
    emissions: BTreeMap<Txn, Emission>,
    /// The order keys of what is emitted, by user or what the host says.
    order_keys: BTreeMap<String, OrderKey>,
    first_results: BTreeMap<IdempotencyKey, FirstResult>,
    suspended: BTreeSet<Owner>,
    /// The most pushes under way in one process: in all, to one host and to one stream.
    most_pushes: (usize, usize, usize),
    /// How long polls hide what they were answered with.
    window: Option<Duration>,
    /// Whether secrets are sealed.
    is_sealed: bool,
    /// Whether pushes to streams without a secret carry a token.
    tokens_are_had: bool,
    /// How many pushes ask for their authorization.
    asking: usize,
    /// Pushes that came to nothing because of that, and are not settled yet.
    hindered: BTreeMap<(Process, StreamId), u32>,
    /// Tokens that were refused and replaced.
    renewed: BTreeSet<String>,
    /// Whether no line to the store breaks or dawdles.
    lines_hold: bool,
    /// How long events go on after a removal.
    grace: Duration,
    /// How long dead letters and idempotency keys are kept.
    kept: (Duration, Duration),
    /// After how long without activity a stream is paused, and how far a clock may be set back.
    inactivity: Duration,
    set_back: Duration,
    /// The latest time at which routing was asked.
    asked_until: Timestamp,
    /// Polls that wait.
    polls: BTreeMap<u64, Poll>,
    pub(crate) happenings: Happenings,
    last_fence: u64,
    requests: BTreeMap<u64, Request>,
    last_request: u64,
    /// Counts everything that happens: what has the smaller number came first.
    moment: u64,
    broken: Option<String>,
    trace: Trace,
}

/// How far the clocks of the processes may be apart in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clocks {
    /// No more than is allowed.
    Agree,
    /// Further than that: leases do not protect then, and fences alone must.
    Differ,
}

/// A stream as it was last committed.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) record: StreamRecord,
    /// The users its receiver added or removed.
    listed: BTreeSet<String>,
    health: Health,
    /// The changes that raised its generation: who made them, and whether his call is over.
    raised: Vec<Raised>,
    /// The states of the verifications that its receiver asked for.
    states: BTreeSet<String>,
    /// When its receiver last asked for one that was queued.
    asked_at: Option<Timestamp>,
    /// When its receiver was last active, as far as anybody asks.
    active_at: Timestamp,
    /// When a verification was last queued, or else the stream created.
    verified_at: Timestamp,
    /// Removals of users, and when they take effect.
    leaving: BTreeMap<String, Timestamp>,
    pub(crate) gone: bool,
}

#[derive(Debug)]
struct Raised {
    generation: u64,
    by: Process,
    over: bool,
}

/// An accepted entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) stream: StreamId,
    pub(crate) lane: Lane,
    /// Its place in the order of commits.
    number: u64,
    /// Absent for control entries.
    key: Option<OrderKey>,
    txn: Txn,
    emitted_at: Timestamp,
    queued_at: Timestamp,
    /// The bytes of its claims.
    bytes: u64,
    pub(crate) attempts: u32,
    /// Whether the transmitter started it, should it be a verification.
    unasked: bool,
    /// Until when other polls do not get it.
    hidden_until: Option<Timestamp>,
    /// Whether its receiver refused the key, so that another may sign it.
    anew: bool,
    /// The key that was refused last.
    refused: Option<KeyId>,
    /// Whether its receiver judged it before it died.
    judged: bool,
    /// Whether it is a dead letter no more, since it lives again under another `jti`.
    pub(crate) renewed: bool,
    /// Whether it is a dead letter that lives again, outside the promise of order.
    redriven: bool,
    not_before: Option<Timestamp>,
    waits_for_breaker: bool,
    claim: Option<Claim>,
    ever_claimed: bool,
    /// All tokens it had, the present one last.
    tokens: Vec<KeptToken>,
    /// What was allowed and done under each fence.
    tries: BTreeMap<u64, Try>,
    /// When a receiver first had it in hands.
    pub(crate) seen: Option<u64>,
    /// How often it may be in an answer to a poll of each process.
    answers: BTreeMap<Process, u32>,
    pub(crate) ended: Option<End>,
    died_at: Option<Timestamp>,
    /// Whether retention removed it from the dead letters.
    pub(crate) swept: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Delivered,
    Dead,
    Discarded,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    fence: u64,
    until: Timestamp,
    held: bool,
}

/// One request that a kept token allows, on the route as it was then.
#[derive(Debug)]
struct Try {
    by: Process,
    /// The end of the lease.
    until: Timestamp,
    token: KeptToken,
    route: Route,
    generation: u64,
    stopped: bool,
    request: Option<u64>,
    /// What the request carried, and whether it was made again because that was renewed.
    header: Option<String>,
    renewed: bool,
    ending: Option<Ending>,
}

/// Endpoint and secret.
type Route = Option<(String, Option<String>)>;

/// What the first emission under an idempotency key came to.
#[derive(Debug)]
struct FirstResult {
    at: Timestamp,
    txn: Txn,
    sets: Vec<NewEntry>,
}

/// A call of `emit`.
#[derive(Debug, Default)]
struct Emission {
    called: u64,
    returned: Option<u64>,
    order: String,
}

impl Shared {
    pub(crate) fn new(scene: &Scene, tracing: Tracing) -> Self {
        let config = &scene.config;
        Self(Arc::new(Mutex::new(Model {
            rules: scene.rules,
            clocks: scene.clocks,
            streams: BTreeMap::new(),
            entries: BTreeMap::new(),
            totals: Totals::default(),
            emissions: BTreeMap::new(),
            order_keys: BTreeMap::new(),
            first_results: BTreeMap::new(),
            suspended: BTreeSet::new(),
            most_pushes: (config.pushes, config.pushes_per_host, config.pushes_per_stream),
            window: config.visibility_window,
            is_sealed: scene.seals,
            tokens_are_had: scene.has_tokens,
            asking: 0,
            hindered: BTreeMap::new(),
            renewed: BTreeSet::new(),
            lines_hold: !scene.breaks_lines(),
            grace: config.removal_grace,
            kept: (config.keep_dead_letters, config.keep_idempotency_keys),
            inactivity: config.inactivity_timeout.unwrap_or_default(),
            set_back: Duration::from_millis(2 * scene.most_ahead()),
            asked_until: Timestamp::default(),
            polls: BTreeMap::new(),
            happenings: Happenings::default(),
            last_fence: 0,
            requests: BTreeMap::new(),
            last_request: 0,
            moment: 0,
            broken: None,
            trace: Trace { tracing, lines: VecDeque::new() },
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// The promise that was broken first, if any was.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    pub(crate) fn break_promise(&mut self, what: impl fmt::Display) {
        self.note(|| format!("BROKEN: {what}"));
        self.broken.get_or_insert_with(|| what.to_string());
    }

    /// Holds a promise against what happened.
    fn hold<D: fmt::Display>(&mut self, kept: bool, what: impl FnOnce() -> D) {
        if !kept {
            let what = what();
            self.break_promise(what);
        }
    }

    pub(crate) fn moment(&self) -> u64 {
        self.moment
    }

    fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// Counts that something of a kind happened.
    pub(crate) fn happened(&mut self, what: &'static str) {
        self.happened_in(what, "");
    }

    /// Counts what happened in a call of the store.
    pub(crate) fn happened_in(&mut self, what: &'static str, call: &'static str) {
        self.happenings.count(what, call);
    }

    fn happened_if(&mut self, so: bool, what: &'static str) {
        if so {
            self.happened(what);
        }
    }

    /// Writes a line of the trace, if there is one.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trace.tracing == Tracing::On {
            if self.trace.lines.len() == MOST_LINES {
                self.trace.lines.pop_front();
            }
            let line = line();
            self.trace.lines.push_back(line);
        }
    }

    pub(crate) fn trace(&self) -> impl Iterator<Item = &String> {
        self.trace.lines.iter()
    }

    /// Takes an entry up.
    fn accept(&mut self, jti: Jti, entry: Entry) {
        self.totals.accepted += 1;
        self.queue(jti, entry);
    }

    fn queue(&mut self, jti: Jti, entry: Entry) {
        self.totals.waiting += 1;
        let twice = format!("P1: {jti} is two entries");
        let taken = self.entries.insert(jti, entry).is_some();
        self.hold(!taken, || twice);
    }

    /// Ends an entry that waits.
    fn end(&mut self, jti: &Jti, end: End) {
        if let Some(entry) = self.entries.get_mut(jti)
            && entry.ended.is_none()
        {
            entry.ended = Some(end);
            entry.claim = None;
            self.totals.waiting -= 1;
            match end {
                End::Delivered => self.totals.delivered += 1,
                End::Dead => self.totals.dead += 1,
                // The rule that discarded it counts it.
                End::Discarded => {}
            }
        }
    }

    /// An entry becomes a dead letter.
    fn die(&mut self, jti: &Jti, now: Timestamp) {
        self.end(jti, End::Dead);
        if let Some(entry) = self.entries.get_mut(jti) {
            entry.died_at = Some(now);
        }
    }

    /// The entries of a stream that wait, in the order of their commits.
    fn waiting(&self, stream: &StreamId) -> Vec<(&Jti, &Entry)> {
        let mut waiting: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.stream == *stream && entry.ended.is_none())
            .collect();
        waiting.sort_by_key(|(_, entry)| entry.number);
        waiting
    }

    /// The entries that wait of those that were accepted until a moment.
    pub(crate) fn waiting_since(&self, moment: u64) -> impl Iterator<Item = (&Jti, &Entry)> {
        let entries = self.entries.iter();
        entries.filter(move |(_, entry)| entry.ended.is_none() && entry.number <= moment)
    }

    /// The streams that there are.
    pub(crate) fn living(&self) -> impl Iterator<Item = (&StreamId, &Stream)> {
        self.streams.iter().filter(|(_, stream)| !stream.gone)
    }
}

impl Entry {
    fn new(stream: StreamId, lane: Lane, number: u64, txn: Txn, emitted_at: Timestamp) -> Self {
        Self {
            stream,
            lane,
            number,
            key: None,
            txn,
            emitted_at,
            queued_at: emitted_at,
            bytes: 0,
            attempts: 0,
            unasked: false,
            hidden_until: None,
            anew: false,
            refused: None,
            judged: false,
            renewed: false,
            redriven: false,
            not_before: None,
            waits_for_breaker: false,
            claim: None,
            ever_claimed: false,
            tokens: Vec::new(),
            tries: BTreeMap::new(),
            seen: None,
            answers: BTreeMap::new(),
            ended: None,
            died_at: None,
            swept: false,
        }
    }

    /// Whether somebody holds it at that time.
    fn held_at(&self, now: Timestamp) -> bool {
        self.claim.is_some_and(|claim| claim.held && claim.until > now)
    }
}

/// Whether what happens is written down. A run that broke a promise is run again with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracing {
    On,
    Off,
}

#[derive(Debug)]
struct Trace {
    tracing: Tracing,
    lines: VecDeque<String>,
}

/// The last lines tell enough.
const MOST_LINES: usize = 2_000;
