//! What time asks for: streams whose receiver is gone or has not been verified for long, and rows
//! that retention lets go.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::operate::Ground;
use super::{Config, Core, Transmitter};
use crate::error::Error;
use crate::hooks::PauseCause;
use crate::store::{
    NewVerification, Overdue, StartedBy, StoreError, SweepRequest, VerificationQueued,
};
use crate::stream::StreamRecord;
use crate::timestamp::Timestamp;

/// When upkeep is next due in this process. Nothing is looked for before: what is in the store now
/// was asked about, and what comes later asks for nothing sooner than the shortest time there is.
#[derive(Debug)]
pub(super) struct Schedule {
    times: Mutex<Times>,
    dead_letter: Duration,
    idempotency_key: Duration,
    stream: Option<Duration>,
    enabled: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    due: Option<Timestamp>,
    /// The first that was noted since upkeep last began: the answers of the store may lack it.
    noted: Option<Timestamp>,
}

/// What will ask for upkeep one day.
#[derive(Clone, Copy, Debug)]
pub(super) enum Noted {
    /// A SET became a dead letter.
    DeadLetter,
    /// An event was emitted under an idempotency key.
    IdempotencyKey,
    /// A stream began, or its receiver was active.
    Stream,
    /// A stream may go on that was stopped: its last verification may be long ago.
    Enabled,
    /// Another process may have done any of these.
    Anything,
}

/// Retention may be late by an eighth of its time, and by this at most, so that what goes goes in
/// batches.
const LATEST: Duration = Duration::from_secs(3600);
/// More often than this, looking costs more than it finds.
const SHORTEST: Duration = Duration::from_millis(100);
/// When upkeep that failed is tried again.
const AFTER_TROUBLE: Duration = Duration::from_secs(60);
/// The most streams or rows of one kind that one call handles, and the most calls of one upkeep.
const BATCH: usize = 1000;
const ROUNDS: usize = 1000;

impl Schedule {
    /// Upkeep is due at once, and then as the store and these times say.
    pub(super) fn new(config: &Config) -> Self {
        let stream = [config.inactivity_timeout, config.verification_interval];
        Self {
            times: Mutex::new(Times { due: Some(Timestamp::default()), noted: None }),
            dead_letter: config.keep_dead_letters,
            idempotency_key: config.keep_idempotency_keys,
            stream: stream.into_iter().flatten().min(),
            enabled: config.verification_interval.map(|_| SHORTEST),
        }
    }

    /// When upkeep is due: never, if nothing happens.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.lock().due
    }

    /// Notes what will ask for upkeep one day; says whether that is due earlier now.
    pub(super) fn note(&self, noted: Noted, now: Timestamp) -> bool {
        let after = match noted {
            Noted::DeadLetter => Some(self.dead_letter),
            Noted::IdempotencyKey => Some(self.idempotency_key),
            Noted::Stream => self.stream,
            Noted::Enabled => self.enabled.or(self.stream),
            Noted::Anything => {
                let times = [self.stream, Some(self.dead_letter), Some(self.idempotency_key)];
                times.into_iter().flatten().min()
            }
        };
        let Some(at) = after.map(|after| now.after(after.max(SHORTEST))) else { return false };
        let mut times = self.lock();
        let earlier = times.due.is_none_or(|due| at < due);
        if earlier {
            times.due = Some(at);
        }
        times.noted = times.noted.into_iter().chain([at]).min();
        earlier
    }

    /// Upkeep begins, if it is due. One that fails is tried again in its time, not all the time.
    fn begin(&self, now: Timestamp) -> bool {
        let mut times = self.lock();
        let begins = times.due.is_some_and(|due| due <= now);
        if begins {
            *times = Times { due: Some(now.after(AFTER_TROUBLE)), noted: None };
        }
        begins
    }

    /// Upkeep is over, and by what it found it is next due then.
    fn end(&self, next: Option<Timestamp>) {
        let mut times = self.lock();
        times.due = next.into_iter().chain(times.noted).min();
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Notes what will ask for upkeep one day. A worker that sleeps is told, if it sleeps too long.
    pub(super) fn note(&self, noted: Noted, now: Timestamp) {
        if self.upkeep.note(noted, now) {
            self.wakes.wake([]);
        }
    }

    /// When there is next something to look after: never, if nothing happens.
    pub(super) fn upkeep_due(&self) -> Option<Timestamp> {
        self.upkeep.due().into_iter().chain(self.held_due()).min()
    }
}

impl Transmitter {
    /// Does the upkeep that is due.
    pub(super) async fn upkeep(&self) -> Result<(), Error> {
        let now = self.core.clock.now();
        let schedule = &self.core.upkeep;
        if !schedule.begin(now) {
            return Ok(());
        }
        // One kind that fails leaves the others their turn.
        let paused = self.pause_inactive(now).await;
        let verified = self.verify_streams(now).await;
        let swept = self.sweep(now).await;
        let next = [paused?, verified?, swept?];
        let next = next.into_iter().flatten().min().map(|next| next.max(now.after(SHORTEST)));
        schedule.end(next);
        Ok(())
    }

    /// Pauses streams whose receiver has been silent for too long (SSF 1.0 §8.1.1
    /// `inactivity_timeout`), and tells them (§8.1.5). Says when the next is due.
    async fn pause_inactive(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let Some(timeout) = self.core.config.inactivity_timeout else { return Ok(None) };
        let reason = format!("no activity for {} seconds", timeout.as_secs_f64());
        let mut result = Ok(());
        let (mut next, mut again) = (None, None);
        for _ in 0..ROUNDS {
            let since = now.before(timeout);
            let Overdue { streams, next: active_at } =
                self.store.idle_streams(&self.core.issuer, since, BATCH).await?;
            for record in &streams {
                let cause = PauseCause::Inactivity;
                let (reason, ground) = (Some(reason.clone()), Ground::IdleSince(since));
                match self.pause(&record.stream_id, reason, cause, ground).await {
                    // Its receiver came, or it changes all the time: the next look tells.
                    Err(Error::Store(StoreError::Conflict)) => again = Some(now),
                    // One stream that cannot be paused leaves the others their turn.
                    paused => result = result.and(paused),
                }
            }
            next = active_at.map(|active_at| active_at.after(timeout));
            if streams.len() < BATCH {
                break;
            }
        }
        result.map(|()| next.into_iter().chain(again).min())
    }

    /// Starts a verification on streams that had none for long (SSF 1.0 §8.1.4: a transmitter may
    /// at any time). Says when the next is due.
    async fn verify_streams(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let Some(interval) = self.core.config.verification_interval else { return Ok(None) };
        let mut next = None;
        for _ in 0..ROUNDS {
            let since = now.before(interval);
            let Overdue { streams, next: verified_at } =
                self.store.unverified_streams(&self.core.issuer, since, BATCH).await?;
            for record in &streams {
                self.verify_stream(record, interval, now).await?;
            }
            next = verified_at.map(|verified_at| verified_at.after(interval));
            if streams.len() < BATCH {
                // Those that had their turn are due again, too.
                let again = (!streams.is_empty()).then(|| now.after(interval));
                next = next.into_iter().chain(again).min();
                break;
            }
        }
        Ok(next)
    }

    async fn verify_stream(
        &self,
        record: &StreamRecord,
        interval: Duration,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (core, stream) = (&self.core, &record.stream_id);
        let control = core.verification(stream, None, now)?;
        let mut verification = NewVerification::new(control, interval);
        verification.started_by = StartedBy::Transmitter;
        let queued =
            self.store.queue_verification(&core.issuer, &record.owner, stream, verification).await;
        match queued {
            Ok(VerificationQueued::Queued) => core.wakes.wake([stream]),
            // Another process was first, the last is still on its way, or the stream is gone.
            Ok(VerificationQueued::TooSoon(_) | VerificationQueued::Unsettled)
            | Err(StoreError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Removes what retention no longer asks for. Says when there is next something to remove.
    async fn sweep(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let config = &self.core.config;
        let mut next = None;
        for _ in 0..ROUNDS {
            let request = SweepRequest::new(
                self.core.issuer.clone(),
                now.before(config.keep_dead_letters),
                now.before(config.keep_idempotency_keys),
                BATCH,
            );
            let swept = self.store.sweep(request).await?;
            let dead = swept.oldest_dead.map(|at| lapse(at, config.keep_dead_letters));
            let key = swept.oldest_key.map(|at| lapse(at, config.keep_idempotency_keys));
            next = dead.into_iter().chain(key).min();
            let full = BATCH as u64;
            if swept.dead_letters < full && swept.idempotency_keys < full {
                break;
            }
        }
        Ok(next)
    }
}

/// When what is kept for that time is removed.
fn lapse(at: Timestamp, keep: Duration) -> Timestamp {
    at.after(keep).after((keep / 8).min(LATEST).max(SHORTEST))
}
