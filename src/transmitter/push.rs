//! Pushing (RFC 8935): claim, sign, keep, send, settle, always in this order.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{AbortRegistration, Abortable, Either, FutureExt, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::wakes::{Delivery as Guard, Place};
use super::{Core, Transmitter};
use crate::clock::{Clock, Slept};
use crate::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};
use crate::error::Error;
use crate::id::{Jti, StreamId};
use crate::outbox::{Answer, Attempt, Fate, Fence, Outcome, TransportFailure, Verdict, decide};
use crate::store::{
    ClaimRequest, Claimed, HealthChange, Kept, Route, SettleBatch, Settled, Settlement,
};
use crate::stream::{Delivery, StatusSetBy, StreamStatus};
use crate::timestamp::Timestamp;

/// What a run of the pusher did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// SETs that were delivered.
    pub delivered: usize,
    /// SETs that will be tried again.
    pub retried: usize,
    /// SETs that were given up.
    pub dead: usize,
    /// SETs that wait for their stream, as before.
    pub returned: usize,
    /// When there is next something to do.
    pub next_due: Option<Timestamp>,
}

/// How long the pusher waits after the store or the keys failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);
/// The least wait when the store has work that cannot be claimed.
const LEAST_WAIT: Duration = Duration::from_millis(100);

impl Transmitter {
    /// Pushes what is due, once: claims a batch, delivers it, settles it, and does the upkeep that
    /// is due. For hosts with a loop of their own.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Keys`]. Nothing is lost: what was claimed becomes due again.
    pub async fn run_once(&self) -> Result<Progress, Error> {
        let mut pump = Pump::new(self);
        let upkeep = self.upkeep().await?;
        pump.fill().await?;
        while pump.settle_some().await? {}
        let due = self.next_push(self.core.clock.now()).await?;
        Ok(Progress { next_due: earliest(due, Some(upkeep)), ..pump.progress })
    }

    /// Pushes until `stop` is ready: sleeps until something is due or is emitted in this process.
    /// Then no new push begins, those under way have until `grace` is over, and what is still held
    /// is handed back. Failures of store and keys are told to `on_trouble` and outlived.
    ///
    /// # Errors
    /// [`Error::ClockCannotSleep`] when the transmitter was built with a clock that cannot.
    pub async fn run(
        &self,
        stop: impl Future<Output = ()> + Send,
        grace: Duration,
        on_trouble: impl Fn(&Error) + Send + Sync,
    ) -> Result<(), Error> {
        let clock = &self.core.clock;
        if clock.sleep_until(clock.now()).await == Slept::Unsupported {
            return Err(Error::ClockCannotSleep);
        }
        let mut stop = pin!(stop);
        let mut pump = Pump::new(self);
        let place = self.core.wakes.pusher_place();
        loop {
            let due = match pump.turn().await {
                Ok(due) => due,
                Err(trouble) => {
                    on_trouble(&trouble);
                    Some(clock.now().after(AFTER_TROUBLE))
                }
            };
            match pump.wait(&place, due, stop.as_mut()).await {
                Next::Stop => break,
                Next::Work => {}
                Next::Finished(attempt) => pump.finished.push(attempt),
            }
        }
        if let Err(trouble) = pump.drain(clock.now().after(grace)).await {
            on_trouble(&trouble);
        }
        Ok(())
    }
}

/// The pushes of one run.
struct Pump<'t> {
    transmitter: &'t Transmitter,
    core: &'t Core,
    in_flight: FuturesUnordered<Pin<Box<dyn Future<Output = Attempted> + Send>>>,
    /// What is claimed and not yet settled.
    held: HashMap<Jti, (StreamId, Fence)>,
    /// Attempts that are over and not yet settled.
    finished: Vec<Attempted>,
    progress: Progress,
}

/// An attempt that is over.
struct Attempted {
    stream_id: StreamId,
    jti: Jti,
    fence: Fence,
    attempt: Attempt,
    outcome: Outcome,
}

/// What ended a wait.
enum Next {
    Stop,
    Work,
    Finished(Attempted),
}

impl<'t> Pump<'t> {
    fn new(transmitter: &'t Transmitter) -> Self {
        Self {
            transmitter,
            core: &transmitter.core,
            in_flight: FuturesUnordered::new(),
            held: HashMap::new(),
            finished: Vec::new(),
            progress: Progress::default(),
        }
    }

    /// Settles what is over, does the upkeep, claims what there is room for, and says when there
    /// is next something to do.
    async fn turn(&mut self) -> Result<Option<Timestamp>, Error> {
        self.settle().await?;
        let upkeep = self.transmitter.upkeep().await?;
        while self.fill().await? > 0 {}
        let now = self.core.clock.now();
        let full = self.in_flight.len() >= self.core.config.pushes;
        if full || self.transmitter.deliverer.is_none() {
            // Room comes only when a push ends.
            return Ok(Some(upkeep));
        }
        let due = match self.transmitter.next_push(now).await? {
            // What is due but was not claimed waits for a push of its stream to end.
            Some(due) if due <= now && !self.in_flight.is_empty() => None,
            due => due.map(|due| due.max(now.after(LEAST_WAIT))),
        };
        Ok(earliest(due, Some(upkeep)))
    }

    /// Claims as many entries as there is room for and starts their pushes. Returns how many were
    /// started.
    async fn fill(&mut self) -> Result<usize, Error> {
        let Some(deliverer) = &self.transmitter.deliverer else { return Ok(0) };
        let (core, store) = (self.core, &self.transmitter.store);
        let now = core.clock.now();
        let room = core.config.pushes.saturating_sub(self.in_flight.len());
        if room == 0 || core.keys_rest_until(now).is_some() {
            return Ok(0);
        }
        let lease_until = now.after(core.config.lease);
        let request = ClaimRequest::new(
            core.issuer.clone(),
            core.worker.clone(),
            now,
            lease_until,
            room,
            core.config.pushes_per_stream,
        );
        let claimed = store.claim(request).await?;
        if claimed.is_empty() {
            return Ok(0);
        }
        for entry in &claimed {
            let held = (entry.route.stream_id.clone(), entry.fence);
            self.held.insert(entry.jti.clone(), held);
        }
        // From here on a change of a stream finds its deliveries and cancels them.
        let guards: Vec<_> =
            claimed.iter().map(|entry| core.wakes.delivery(&entry.route.stream_id)).collect();
        let kept = match self.transmitter.sign_and_keep(&claimed, now).await {
            Ok(kept) => kept,
            Err(error) => {
                self.hand_back(claimed.iter().map(|entry| &entry.jti)).await?;
                return Err(error);
            }
        };
        let deadline = core.clock.now().after(core.config.push_deadline);
        let mut unsent = Vec::new();
        for ((entry, kept), guard) in claimed.iter().zip(kept).zip(guards) {
            match kept {
                // No request starts that could end after its lease.
                Kept::Token { token, route } if deadline <= lease_until => {
                    match push_request(&route, token.compact, deadline) {
                        Some(request) => {
                            let deliverer = Arc::clone(deliverer);
                            let clock = Arc::clone(&core.clock);
                            let sending = send(deliverer, clock, request);
                            self.start(entry, &route, sending, guard);
                        }
                        None => unsent.push(&entry.jti),
                    }
                }
                Kept::Token { .. } | Kept::Gone => unsent.push(&entry.jti),
            }
        }
        let started = claimed.len() - unsent.len();
        self.hand_back(unsent).await?;
        Ok(started)
    }

    fn start(
        &self,
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
        let (stream_id, jti, fence) = (route.stream_id.clone(), entry.jti.clone(), entry.fence);
        self.in_flight.push(Box::pin(async move {
            let outcome = Abortable::new(sending, registration).await;
            drop(guard);
            let outcome = outcome.unwrap_or(Outcome::Cancelled);
            Attempted { stream_id, jti, fence, attempt, outcome }
        }));
    }

    /// Waits for the end of a push, something to do, or the stop.
    async fn wait(
        &mut self,
        place: &Place<'_>,
        due: Option<Timestamp>,
        mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Next {
        let mut woken = pin!(place.wait());
        let mut sleep = due.map(|due| self.core.clock.sleep_until(due));
        poll_fn(|context| {
            if stop.as_mut().poll(context).is_ready() {
                return Poll::Ready(Next::Stop);
            }
            if let Poll::Ready(Some(attempt)) = self.in_flight.poll_next_unpin(context) {
                return Poll::Ready(Next::Finished(attempt));
            }
            let slept = sleep.as_mut().is_some_and(|sleep| sleep.poll_unpin(context).is_ready());
            if slept || woken.as_mut().poll(context).is_ready() {
                return Poll::Ready(Next::Work);
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for the end of a push and settles all that are over. `false`: none is under way.
    async fn settle_some(&mut self) -> Result<bool, Error> {
        let Some(attempt) = self.in_flight.next().await else { return Ok(false) };
        self.finished.push(attempt);
        self.settle().await?;
        Ok(true)
    }

    /// Settles the attempts that are over, in one batch. When the store fails they stay for the
    /// next time: the lease lasts longer than a push.
    async fn settle(&mut self) -> Result<(), Error> {
        while let Some(Some(attempt)) = self.in_flight.next().now_or_never() {
            self.finished.push(attempt);
        }
        if self.finished.is_empty() {
            return Ok(());
        }
        let (core, now) = (self.core, self.core.clock.now());
        let mut batch = SettleBatch::new(core.config.breaker, now);
        for over in &self.finished {
            let policy = &core.config.outcomes;
            let decision = decide(&over.attempt, &over.outcome, policy, now, core.jitter());
            let stream = over.stream_id.clone();
            batch.settlements.push(Settlement::new(
                stream.clone(),
                over.jti.clone(),
                over.fence,
                decision.fate,
            ));
            batch.health.push(HealthChange::new(stream, decision.stream, core.jitter()));
        }
        let fates: Vec<Fate> = batch.settlements.iter().map(|s| s.fate.clone()).collect();
        let report = self.transmitter.store.settle(&core.issuer, batch).await?;
        for over in self.finished.drain(..) {
            self.held.remove(&over.jti);
        }
        for (fate, settled) in fates.iter().zip(&report.settled) {
            self.progress.count(fate, *settled);
        }
        for (stream, verdict) in report.verdicts {
            if let Verdict::Pause(reason) = verdict {
                let set_by = StatusSetBy::Transmitter;
                self.transmitter.pause(&stream, Some(reason), set_by).await?;
            }
        }
        Ok(())
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
            self.transmitter.store.settle(&self.core.issuer, batch).await?;
        }
        Ok(())
    }

    /// Lets pushes under way end until the deadline, settles them, and hands the rest back.
    async fn drain(&mut self, deadline: Timestamp) -> Result<(), Error> {
        let clock = Arc::clone(&self.core.clock);
        let mut over = clock.sleep_until(deadline);
        while !self.in_flight.is_empty() {
            match select(self.in_flight.next(), over).await {
                Either::Left((Some(attempt), rest)) => {
                    self.finished.push(attempt);
                    over = rest;
                }
                Either::Left((None, _)) | Either::Right(_) => break,
            }
        }
        self.settle().await?;
        self.in_flight.clear();
        let rest: Vec<Jti> = self.held.keys().cloned().collect();
        self.hand_back(&rest).await
    }
}

impl Progress {
    fn count(&mut self, fate: &Fate, settled: Settled) {
        match (settled, fate) {
            (Settled::Gone, _) | (Settled::Done, Fate::Return) => self.returned += 1,
            (Settled::Done, Fate::Delivered { .. }) => self.delivered += 1,
            (Settled::Done, Fate::Retry(_)) => self.retried += 1,
            (Settled::Done, Fate::Dead(_)) => self.dead += 1,
        }
    }
}

impl Transmitter {
    /// Signs a batch and keeps its tokens; what comes back is what may be sent, and where to.
    async fn sign_and_keep(&self, claimed: &[Claimed], now: Timestamp) -> Result<Vec<Kept>, Error> {
        let tokens = self.core.sign(claimed, now).await?;
        Ok(self.store.keep_tokens(&self.core.issuer, tokens).await?)
    }

    /// When there is next something to push: nothing while the keys rest.
    async fn next_push(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let due = self.store.next_due(&self.core.issuer, now).await?;
        let rest = self.core.keys_rest_until(now);
        Ok(due.map(|due| rest.map_or(due, |rest| due.max(rest))))
    }
}

/// The request for a SET, as the stream's route is now.
fn push_request(route: &Route, token: Arc<str>, deadline: Timestamp) -> Option<PushRequest> {
    match &route.delivery {
        Delivery::Push(push) => {
            let (endpoint, authorization) = (push.endpoint.clone(), push.authorization.clone());
            Some(PushRequest::new(endpoint, authorization, token, deadline))
        }
        Delivery::Poll => None,
    }
}

/// Sends one SET. The deliverer minds the deadline; a clock that can sleep minds it too.
async fn send(
    deliverer: Arc<dyn Deliverer>,
    clock: Arc<dyn Clock>,
    request: PushRequest,
) -> Outcome {
    let deadline = request.deadline;
    let sending = deliverer.deliver(request);
    let answer = match select(sending, clock.sleep_until(deadline)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((Slept::Unsupported, sending)) => sending.await,
        Either::Right((Slept::Reached, _)) => Err(DeliverError::new(TransportFailure::Timeout)),
    };
    match answer {
        Ok(PushResponse { status, retry_after, body }) => {
            Outcome::Answered(Answer::read(status, retry_after.as_deref(), &body))
        }
        Err(error) => Outcome::Failed(error.kind),
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
