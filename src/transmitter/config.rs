//! The numbers a transmitter goes by.

use std::time::Duration;

use crate::egress::EgressPolicy;
use crate::outbox::{BreakerPolicy, HeldLimits, OutcomePolicy};
use crate::stream::DefaultSubjects;

/// What a host may set. Every member has a default that is safe in production.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Which subjects a new stream begins with. Default: all.
    pub default_subjects: DefaultSubjects,
    /// How long events go on after a receiver removed their subject. Default: not at all.
    pub removal_grace: Duration,
    /// How long after its last verification, whoever started that, the transmitter starts one on an
    /// enabled stream, of its own accord and without a `state` (SSF 1.0 §8.1.4). How long it took is
    /// in the stream's health; what follows from one that fails is the host's to decide. Default:
    /// never.
    pub verification_interval: Option<Duration>,
    /// After how long without activity of its receiver a stream is paused: rounded up to the whole
    /// seconds that the receiver is told, so at least one. Default: never.
    pub inactivity_timeout: Option<Duration>,
    /// How long a poll waits for a SET. Default: 25 s.
    pub poll_timeout: Duration,
    /// How long what a poll was answered with is answered to no other poll of the stream, nor
    /// younger SETs of the same order keys: for receivers that poll in parallel. Several of their
    /// polls may wait at once. Default: not at all, so that every poll gets all that is not
    /// acknowledged.
    pub visibility_window: Option<Duration>,
    /// The most SETs in the answer to a poll. Default: 100.
    pub poll_batch: usize,
    /// How long a push may take, from connecting to the last byte of the answer. Default: 15 s.
    pub push_deadline: Duration,
    /// How long a claim lasts. Longer than `push_deadline` and twice `clock_difference` together, by
    /// a margin for what comes before the push. Default: 60 s.
    pub lease: Duration,
    /// How far the clock of this process may be from that of the store, or from the true time: two
    /// processes may be twice as far from each other. No request starts that could end after its
    /// lease by the clock of any of them. Zero where there is one process. Default: 5 s.
    pub clock_difference: Duration,
    /// The most pushes under way in this process. A quarter of them is for streams that are slow,
    /// the rest for all others; see [`PlaceLimits`](crate::outbox::PlaceLimits). Default: 256.
    pub pushes: usize,
    /// The most of them to one stream. Default: 8.
    pub pushes_per_stream: usize,
    /// The most of them to one host; a quarter of that to its slow streams. Default: 32.
    pub pushes_per_host: usize,
    /// How long a push may take until its stream counts as slow; one that runs into its deadline
    /// always does. Default: 5 s.
    pub slow_after: Duration,
    /// How long signing a batch may take. Default: 10 s.
    pub sign_deadline: Duration,
    /// How long dead letters are kept. Default: 30 days.
    pub keep_dead_letters: Duration,
    /// What a stream may hold while it is paused or its receiver does not poll, and what happens
    /// beyond. Default: 1,000,000 entries, 30 days, 1 GiB; the oldest go to dead letters.
    pub held: HeldLimits,
    /// How long idempotency keys are kept. Default: 1 day.
    pub keep_idempotency_keys: Duration,
    /// Which addresses may be pushed to. Default: public ones, by https.
    pub egress: EgressPolicy,
    /// What follows from the outcome of a push.
    pub outcomes: OutcomePolicy,
    /// When a stream's breaker opens and when the stream is paused.
    pub breaker: BreakerPolicy,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for Config {
    fn default() -> Self {
        Self {
            default_subjects: DefaultSubjects::All,
            removal_grace: Duration::ZERO,
            verification_interval: None,
            inactivity_timeout: None,
            poll_timeout: Duration::from_secs(25),
            visibility_window: None,
            poll_batch: 100,
            push_deadline: Duration::from_secs(15),
            lease: Duration::from_secs(60),
            clock_difference: Duration::from_secs(5),
            pushes: 256,
            pushes_per_stream: 8,
            pushes_per_host: 32,
            slow_after: Duration::from_secs(5),
            sign_deadline: Duration::from_secs(10),
            keep_dead_letters: DAY * 30,
            held: HeldLimits::default(),
            keep_idempotency_keys: DAY,
            egress: EgressPolicy::public(),
            outcomes: OutcomePolicy::default(),
            breaker: BreakerPolicy::default(),
        }
    }
}

/// Why a configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Requests could not be told apart.
    #[error("a path of the profile does not begin with a slash, or is there twice")]
    Locations,
    /// A lease would run out before the push it covers.
    #[error("the lease must be longer than the push deadline and twice the clock difference")]
    LeaseTooShort,
    /// Streams would be paused while their receivers wait.
    #[error("the inactivity timeout must be at least 100 ms")]
    TimeoutTooShort,
    /// Receivers would get nothing but verifications.
    #[error("the verification interval must be at least 1 s")]
    VerificationTooOften,
    /// Nothing could be delivered.
    #[error("push deadline, poll batch, pushes, those per stream and per host must not be zero")]
    Zero,
}

impl Config {
    /// How much of a lease has to be left when a push starts.
    pub(super) fn lease_for_push(&self) -> Duration {
        self.push_deadline.saturating_add(self.clock_difference.saturating_mul(2))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.lease <= self.lease_for_push() {
            return Err(ConfigError::LeaseTooShort);
        }
        let counts = [self.poll_batch, self.pushes, self.pushes_per_stream, self.pushes_per_host];
        if counts.contains(&0) || self.push_deadline.is_zero() {
            return Err(ConfigError::Zero);
        }
        if self.verification_interval.is_some_and(|interval| interval < Duration::from_secs(1)) {
            return Err(ConfigError::VerificationTooOften);
        }
        if self.inactivity_timeout.is_some_and(|timeout| timeout < Duration::from_millis(100)) {
            return Err(ConfigError::TimeoutTooShort);
        }
        Ok(())
    }
}
