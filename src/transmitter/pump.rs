//! One round of pushing: claim, sign, keep, send, settle, always in this order.

use std::collections::HashMap;
use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{AbortRegistration, Abortable, Either, FutureExt, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::operate::Ground;
use super::push::{AFTER_TROUBLE, Progress};
use super::send::Outgoing;
use super::upkeep::Noted;
use super::wakes::{Delivery as Guard, Place};
use super::{Core, Transmitter};
use crate::clock::Clock;
use crate::diagnostics::Push;
use crate::error::Error;
use crate::hooks::{Notice, PauseCause};
use crate::id::{Jti, StreamId};
use crate::outbox::{
    Attempt, Fate, Fence, Lane, Outcome, Pace, PlaceLimits, Places, StreamReport, TransportFailure,
    Verdict, decide,
};
use crate::store::{
    ChangeMark, ClaimRequest, Claimed, Claims, HealthChange, KeepToken, Kept, Route, SettleBatch,
    Settled, Settlement, Tokens, Watched,
};
use crate::stream::{Delivery, StreamStatus};
use crate::timestamp::Timestamp;

/// The most entries of one claim: signing them leaves the lease the time that pushing needs.
const BATCH: usize = 64;
/// While pushes are under way, rounds begin at least this far apart, so that each settles and
/// claims for many;
const PACE: Duration = Duration::from_millis(10);
/// unless so many pushes have ended.
const ENOUGH: usize = 32;
/// How often retries that are signed already are looked for while the keys rest.
const RESTING: Duration = Duration::from_secs(1);
/// The least wait when the store has work that cannot be claimed.
const LEAST_WAIT: Duration = Duration::from_millis(100);
/// Why a stream is paused, as its receiver is told: the same whatever the cause, which would tell
/// what can be reached from here. The operator finds the cause in the stream's last error.
const UNDELIVERABLE: &str = "SETs could not be delivered";
/// The same when it is nothing of the receiver's that kept them from being sent.
const UNSENDABLE: &str = "SETs could not be sent, through no fault of the receiver";

/// The pushes of one run.
pub(super) struct Pump<'t> {
    transmitter: &'t Transmitter,
    core: &'t Core,
    in_flight: FuturesUnordered<Pin<Box<dyn Future<Output = Attempted> + Send>>>,
    /// Those in flight.
    running: HashMap<Jti, Running>,
    /// What is claimed and not yet settled.
    held: HashMap<Jti, (StreamId, Fence)>,
    /// Attempts that are over and not yet settled.
    finished: Vec<Attempted>,
    /// How many of them the store refused to settle: they are tried again when that is due, not
    /// in a spin.
    unsettled: usize,
    /// When the last round began.
    round_at: Timestamp,
    /// When signed retries were last looked for.
    looked_at: Option<Timestamp>,
    progress: Progress,
}

/// A push under way, and the place it takes.
struct Running {
    host: String,
    lane: Lane,
    pace: Pace,
    since: Timestamp,
}

/// An attempt that is over.
struct Attempted {
    stream_id: StreamId,
    generation: u64,
    jti: Jti,
    fence: Fence,
    attempt: Attempt,
    outcome: Outcome,
    pace: Pace,
}

/// What ended a wait.
#[derive(Clone, Copy)]
pub(super) enum Next {
    Stop,
    /// The time that was waited for has come.
    Due,
    /// Something happened here, or a push ended.
    Here,
    /// Another process may have done something.
    Elsewhere,
}

impl<'t> Pump<'t> {
    pub(super) fn new(transmitter: &'t Transmitter) -> Self {
        Self {
            transmitter,
            core: &transmitter.core,
            in_flight: FuturesUnordered::new(),
            running: HashMap::new(),
            held: HashMap::new(),
            finished: Vec::new(),
            unsettled: 0,
            round_at: Timestamp::default(),
            looked_at: None,
            progress: Progress::default(),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    /// Does some work while the pushes under way go on.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T> + Send) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            while let Poll::Ready(Some(attempt)) = self.in_flight.poll_next_unpin(context) {
                self.over(attempt);
            }
            work.as_mut().poll(context)
        })
        .await
    }

    /// Does the upkeep that is due and a turn of pushing, and says when there is next something to
    /// do.
    pub(super) async fn round(
        &mut self,
        on_trouble: &(impl Fn(&Error) + Sync),
    ) -> Option<Timestamp> {
        let transmitter = self.transmitter;
        // Upkeep that fails keeps nobody from pushing.
        if let Err(trouble) = self.beside(transmitter.upkeep()).await {
            on_trouble(&trouble);
        }
        if let Err(trouble) = self.beside(transmitter.limit_held()).await {
            on_trouble(&trouble);
        }
        let due = self.turn().await.unwrap_or_else(|trouble| {
            on_trouble(&trouble);
            Some(transmitter.core.clock.now().after(AFTER_TROUBLE))
        });
        due.into_iter().chain(self.core.upkeep_due()).min()
    }

    /// Settles what is over, claims what there is room for, and says when there is next something
    /// to push.
    pub(super) async fn turn(&mut self) -> Result<Option<Timestamp>, Error> {
        self.round_at = self.core.clock.now();
        self.settle().await?;
        loop {
            match self.fill().await? {
                Filled::MayHaveMore => {}
                // What is due but was not claimed waits for something else: not too eagerly.
                Filled::Until(due) => {
                    let now = self.core.clock.now();
                    let due = due.map(|due| due.max(now.after(LEAST_WAIT)));
                    return Ok(due.into_iter().chain(self.next_place(now)).min());
                }
            }
        }
    }

    /// When a push that is under way next leaves its place to others because it takes long.
    fn next_place(&self, now: Timestamp) -> Option<Timestamp> {
        let slow_after = self.core.config.slow_after;
        let from = self.running.values().map(|running| running.since.after(slow_after));
        from.filter(|from| *from > now).min()
    }

    /// When there is next something to push.
    pub(super) async fn next_due(&mut self) -> Result<Option<Timestamp>, Error> {
        let now = self.core.clock.now();
        if self.transmitter.deliverer.is_none() {
            return Ok(None);
        }
        let Claims { next_due, .. } = self.claim(0, Tokens::Any, now).await?;
        let Some(rest) = self.core.keys_rest_until(now) else { return Ok(next_due) };
        // While the keys rest, only what is signed already goes.
        let signed = self.claim(0, self.signed_already(now), now).await?.next_due;
        Ok(signed.into_iter().chain(next_due.map(|due| due.max(rest))).min())
    }

    /// The entries that can be sent while nothing can be signed.
    fn signed_already(&self, now: Timestamp) -> Tokens {
        Tokens::SignedBy(self.core.published_keys(now))
    }

    /// The places, those of the pushes under way taken. A push that has gone on for long takes a
    /// place of a slow stream, so that others have its own.
    fn places(&self, now: Timestamp) -> Places {
        let config = &self.core.config;
        let mut places = Places::new(PlaceLimits::new(config.pushes, config.pushes_per_host));
        for Running { host, lane, pace, since } in self.running.values() {
            let long = now.since(*since) >= config.slow_after;
            places.take(*lane, if long { Pace::Slow } else { *pace }, host);
        }
        places
    }

    async fn claim(
        &mut self,
        most: usize,
        tokens: Tokens,
        now: Timestamp,
    ) -> Result<Claims, Error> {
        let core = self.core;
        let mut request = ClaimRequest::new(
            core.issuer.clone(),
            core.worker.clone(),
            now,
            now.after(core.config.lease),
            most,
            core.config.pushes_per_stream,
        );
        request.places = self.places(now);
        request.tokens = tokens;
        Ok(self.beside(self.transmitter.store.claim(request)).await?)
    }

    /// Claims as many entries as there are places for and starts their pushes.
    pub(super) async fn fill(&mut self) -> Result<Filled, Error> {
        let Some(deliverer) = &self.transmitter.deliverer else { return Ok(Filled::Until(None)) };
        let (core, now) = (self.core, self.core.clock.now());
        if self.running.len() >= core.config.pushes {
            // Room comes only when a push ends.
            return Ok(Filled::Until(None));
        }
        let rest = core.keys_rest_until(now);
        let tokens = match rest {
            None => Tokens::Any,
            Some(rest) => match self.looked_at.map(|at| at.after(RESTING)) {
                Some(next) if now < next => return Ok(Filled::Until(Some(next.min(rest)))),
                Some(_) | None => {
                    self.looked_at = Some(now);
                    self.signed_already(now)
                }
            },
        };
        let lease_until = now.after(core.config.lease);
        let Claims { entries: claimed, next_due } = self.claim(BATCH, tokens, now).await?;
        let next_due = next_due.into_iter().chain(rest).min();
        if claimed.is_empty() {
            return Ok(Filled::Until(next_due));
        }
        for entry in &claimed {
            let held = (entry.route.stream_id.clone(), entry.fence);
            self.held.insert(entry.jti.clone(), held);
        }
        // From here on a change of a stream finds its deliveries and cancels them.
        let guards: Vec<_> =
            claimed.iter().map(|entry| core.wakes.delivery(&entry.route.stream_id)).collect();
        let signed = self.beside(self.transmitter.sign_and_keep(&claimed, now)).await;
        let (mut kept, trouble) = match signed {
            Ok(signed) => signed,
            Err(error) => (HashMap::new(), Some(error)),
        };
        // No request starts that could end after its lease, by whichever clock.
        let now = core.clock.now();
        let in_time = now.after(core.config.lease_for_push()) <= lease_until;
        let deadline = now.after(core.config.push_deadline);
        let mut unsent = Vec::new();
        for (entry, guard) in claimed.iter().zip(guards) {
            let push = match kept.remove(&entry.jti).unwrap_or(Kept::Gone) {
                Kept::Token { token, route } if in_time => {
                    let (stream, jti) = (route.stream_id.clone(), entry.jti.clone());
                    Outgoing::new(route, KeepToken::new(stream, jti, entry.fence, token, now))
                }
                Kept::Token { .. } | Kept::Gone => None,
            };
            let Some(push) = push else {
                unsent.push(&entry.jti);
                continue;
            };
            let route = Arc::clone(push.route());
            let transmitter = self.transmitter.clone();
            let sending = push.send(transmitter, Arc::clone(deliverer), deadline);
            self.start(entry, &route, sending, guard);
        }
        // Where nothing could be sent, another claim would find the same.
        let more = claimed.len() == BATCH && unsent.len() < claimed.len();
        self.hand_back(unsent).await?;
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        Ok(if more { Filled::MayHaveMore } else { Filled::Until(next_due) })
    }

    /// Takes an attempt in that is over: its place is free.
    fn over(&mut self, attempt: Attempted) {
        self.running.remove(&attempt.jti);
        self.finished.push(attempt);
    }

    fn start(
        &mut self,
        entry: &Claimed,
        route: &Route,
        sending: impl Future<Output = Outcome> + Send + 'static,
        (registration, guard): (AbortRegistration, Guard),
    ) {
        let attempt = Attempt {
            lane: entry.lane,
            earlier: entry.attempts,
            emitted_at: entry.emitted_at,
            announces_stop: route.status != StreamStatus::Enabled,
        };
        let (stream_id, generation) = (route.stream_id.clone(), route.generation);
        let (jti, fence) = (entry.jti.clone(), entry.fence);
        let (clock, since) = (Arc::clone(&self.core.clock), self.core.clock.now());
        let slow_after = self.core.config.slow_after;
        let host = host(&route.delivery).to_owned();
        let running = Running { host, lane: entry.lane, pace: entry.pace, since };
        self.running.insert(jti.clone(), running);
        self.in_flight.push(Box::pin(async move {
            let outcome = Abortable::new(sending, registration).await;
            drop(guard);
            let outcome = outcome.unwrap_or(Outcome::Cancelled);
            let pace = pace(&outcome, clock.now().since(since), slow_after);
            Attempted { stream_id, generation, jti, fence, attempt, outcome, pace }
        }));
    }

    /// Waits for the end of a push, something to do here or elsewhere, or the stop.
    pub(super) async fn wait(
        &mut self,
        place: &Place<'_>,
        mark: ChangeMark,
        due: Option<Timestamp>,
        mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Next {
        let core = self.core;
        let mut woken = pin!(place.wait());
        let store = &*self.transmitter.store;
        let mut elsewhere = pin!(core.change_elsewhere(store, Watched::AllStreams, mark));
        let mut sleep = due.map(|due| core.clock.sleep_until(due));
        let paced_until = self.round_at.after(PACE);
        let mut pace = core.clock.sleep_until(paced_until);
        let mut happened = None;
        poll_fn(|context| {
            if stop.as_mut().poll(context).is_ready() {
                return Poll::Ready(Next::Stop);
            }
            while let Poll::Ready(Some(attempt)) = self.in_flight.poll_next_unpin(context) {
                self.over(attempt);
            }
            let ended = self.finished.len() - self.unsettled;
            // Neither is polled again once it was ready.
            if happened.is_none() && elsewhere.as_mut().poll(context).is_ready() {
                happened = Some(Next::Elsewhere);
            }
            if happened.is_none() && (ended > 0 || woken.as_mut().poll(context).is_ready()) {
                happened = Some(Next::Here);
            }
            if let Some(next) = happened {
                let at_once = ended >= ENOUGH || !self.is_busy();
                let now = at_once || pace.poll_unpin(context).is_ready();
                return if now { Poll::Ready(next) } else { Poll::Pending };
            }
            let slept = sleep.as_mut().is_some_and(|sleep| sleep.poll_unpin(context).is_ready());
            if slept { Poll::Ready(Next::Due) } else { Poll::Pending }
        })
        .await
    }

    /// Whether pushes are under way that will probably end soon.
    fn is_busy(&self) -> bool {
        let (now, slow_after) = (self.core.clock.now(), self.core.config.slow_after);
        self.running.values().any(|running| now.since(running.since) < slow_after)
    }

    /// Lets all pushes under way end, and settles them as they do. A store that fails is asked
    /// again when the next one ends, and once more after the last.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        let mut settled = Ok(());
        while let Some(attempt) = self.in_flight.next().await {
            self.over(attempt);
            settled = self.settle().await;
        }
        if settled.is_err() { self.settle().await } else { settled }
    }

    /// Settles the attempts that are over, in one batch. When the store fails they stay for the
    /// next time: the lease lasts longer than a push.
    async fn settle(&mut self) -> Result<(), Error> {
        while let Some(Some(attempt)) = self.in_flight.next().now_or_never() {
            self.over(attempt);
        }
        if self.finished.is_empty() {
            return Ok(());
        }
        let (core, now) = (self.core, self.core.clock.now());
        let over = mem::take(&mut self.finished);
        self.unsettled = 0;
        let batch = batch(core, &over, now);
        let fates: Vec<Fate> = batch.settlements.iter().map(|s| s.fate.clone()).collect();
        if fates.iter().any(|fate| matches!(fate, Fate::Dead(_))) {
            // Before the store is asked: its answer may get lost.
            core.upkeep.note(Noted::DeadLetter, now);
        }
        let mut failures = failures(&batch);
        let report = match self.beside(self.transmitter.store.settle(&core.issuer, batch)).await {
            Ok(report) => report,
            Err(error) => {
                self.unsettled = over.len();
                self.finished.extend(over);
                return Err(error.into());
            }
        };
        for attempted in &over {
            self.held.remove(&attempted.jti);
        }
        for ((fate, settled), attempted) in fates.iter().zip(&report.settled).zip(&over) {
            self.progress.count(fate, *settled);
            let Attempted { stream_id, jti, attempt, .. } = attempted;
            let (settled, age) = (*settled, now.since(attempt.emitted_at));
            core.diagnostics.pushed(Push {
                stream_id,
                jti,
                lane: attempt.lane,
                fate,
                settled,
                age,
            });
        }
        let mut result = Ok(());
        for (stream_id, verdict) in report.verdicts {
            match verdict {
                Verdict::GoOn => {}
                Verdict::BreakerClosed => {
                    core.diagnostics.notice(&Notice::BreakerClosed { stream_id });
                }
                Verdict::BreakerOpened => {
                    let error = failures.remove(&stream_id).unwrap_or_default();
                    core.diagnostics.notice(&Notice::BreakerOpened { stream_id, error });
                }
                Verdict::Pause | Verdict::PauseHindered => {
                    // Its receiver may have changed or started it since.
                    let Some(ground) = judged(&over, &stream_id) else { continue };
                    let (reason, cause) = if verdict == Verdict::Pause {
                        (UNDELIVERABLE, PauseCause::Undeliverable)
                    } else {
                        (UNSENDABLE, PauseCause::Hindered)
                    };
                    let reason = Some(reason.to_owned());
                    let pause = self.transmitter.pause(&stream_id, reason, cause, ground);
                    // One stream that cannot be paused leaves the others their turn.
                    result = self.beside(pause).await.and(result);
                }
            }
        }
        result
    }

    /// Hands claims back untouched.
    async fn hand_back(&mut self, entries: impl IntoIterator<Item = &Jti>) -> Result<(), Error> {
        let now = self.core.clock.now();
        let mut batch = SettleBatch::new(self.core.config.breaker, now);
        for jti in entries {
            if let Some((stream, fence)) = self.held.remove(jti) {
                batch.settlements.push(Settlement::new(stream, jti.clone(), fence, Fate::Return));
            }
        }
        if !batch.settlements.is_empty() {
            self.beside(self.transmitter.store.settle(&self.core.issuer, batch)).await?;
        }
        Ok(())
    }

    /// Lets pushes under way end until the deadline, settles them, and hands the rest back.
    pub(super) async fn drain(&mut self, deadline: Timestamp) -> Result<(), Error> {
        let clock = Arc::clone(&self.core.clock);
        let mut over = clock.sleep_until(deadline);
        while !self.in_flight.is_empty() {
            match select(self.in_flight.next(), over).await {
                Either::Left((Some(attempt), rest)) => {
                    self.over(attempt);
                    over = rest;
                }
                Either::Left((None, _)) | Either::Right(_) => break,
            }
        }
        let mut settled = self.settle().await;
        if settled.is_err() {
            settled = self.settle().await;
        }
        self.in_flight.clear();
        self.running.clear();
        // What was answered does not go back as if it had not been: its lease runs out.
        for answered in &self.finished {
            self.held.remove(&answered.jti);
        }
        let rest: Vec<Jti> = self.held.keys().cloned().collect();
        self.hand_back(&rest).await.and(settled)
    }
}

/// Whether another claim could find more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    MayHaveMore,
    /// Not before that time, or not before something changes.
    Until(Option<Timestamp>),
}

/// What happens to the entries of these attempts, and what they say about their streams.
fn batch(core: &Core, over: &[Attempted], now: Timestamp) -> SettleBatch {
    let mut batch = SettleBatch::new(core.config.breaker, now);
    for Attempted { stream_id, generation, jti, fence, attempt, outcome, pace } in over {
        let decision = decide(attempt, outcome, &core.config.outcomes, now, core.jitter());
        let settlement = Settlement::new(stream_id.clone(), jti.clone(), *fence, decision.fate);
        batch.settlements.push(settlement);
        let mut change = HealthChange::new(stream_id.clone(), decision.stream, core.jitter());
        change.generation = Some(*generation);
        change.pace = *pace;
        batch.health.push(change);
    }
    batch
}

/// What a verdict on a stream was reached on: the attempts of its latest generation, for others do
/// not count.
fn judged(over: &[Attempted], stream_id: &StreamId) -> Option<Ground> {
    let of_stream = over.iter().filter(|attempted| attempted.stream_id == *stream_id);
    of_stream.map(|attempted| attempted.generation).max().map(Ground::Generation)
}

/// The first failure of each stream that failed.
fn failures(batch: &SettleBatch) -> HashMap<StreamId, String> {
    let mut failures = HashMap::new();
    for HealthChange { stream_id, report, .. } in &batch.health {
        let what = match report {
            StreamReport::Fails { what, .. } => what.clone(),
            StreamReport::Hindered { what } => what.as_str().to_owned(),
            StreamReport::Works
            | StreamReport::Judges { .. }
            | StreamReport::Stops { .. }
            | StreamReport::Silent => continue,
        };
        failures.entry(stream_id.clone()).or_insert(what);
    }
    failures
}

/// What a request that took so long says of its receiver's pace.
fn pace(outcome: &Outcome, took: Duration, slow_after: Duration) -> Pace {
    match outcome {
        Outcome::Cancelled | Outcome::Hindered(_) => Pace::Unknown,
        Outcome::Failed(TransportFailure::Timeout) => Pace::Slow,
        Outcome::Answered(_) | Outcome::Failed(_) if took >= slow_after => Pace::Slow,
        Outcome::Answered(_) | Outcome::Failed(_) => Pace::Prompt,
    }
}

fn host(delivery: &Delivery) -> &str {
    match delivery {
        Delivery::Push(push) => push.endpoint.host(),
        Delivery::Poll => "",
    }
}

impl Progress {
    fn count(&mut self, fate: &Fate, settled: Settled) {
        match (settled, fate) {
            (Settled::Gone, _) | (Settled::Done, Fate::Defer(_) | Fate::Return) => {
                self.returned += 1;
            }
            (Settled::Done, Fate::Delivered { .. }) => self.delivered += 1,
            (Settled::Done, Fate::Retry(_) | Fate::SignAnew(_)) => self.retried += 1,
            (Settled::Done, Fate::Dead(_)) => self.dead += 1,
        }
    }
}

impl Transmitter {
    /// Signs a batch and keeps its tokens; what comes back is what may be sent, and where to, and
    /// why not all could be signed. What is signed already needs no key.
    async fn sign_and_keep(
        &self,
        claimed: &[Claimed],
        now: Timestamp,
    ) -> Result<(HashMap<Jti, Kept>, Option<Error>), Error> {
        let (tokens, trouble) = match self.core.keys_rest_until(now) {
            None => match self.core.sign(claimed, now).await {
                Ok(tokens) => (tokens, None),
                Err(error) => (self.core.signed_before(claimed, now), Some(error)),
            },
            Some(_) => (self.core.signed_before(claimed, now), None),
        };
        if tokens.is_empty() {
            return Ok((HashMap::new(), trouble));
        }
        let jtis: Vec<Jti> = tokens.iter().map(|token| token.jti.clone()).collect();
        let kept = self.store.keep_tokens(&self.core.issuer, tokens).await?;
        Ok((jtis.into_iter().zip(kept).collect(), trouble))
    }
}
