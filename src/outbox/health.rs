//! How a stream's receiver is doing: the breaker.

use std::time::Duration;

use super::backoff::{Backoff, Jitter};
use super::decide::StreamReport;
use super::outcome::RetryAfter;
use super::places::Pace;
use crate::timestamp::Timestamp;

/// The health of a stream, kept apart from its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Failures since the last success.
    pub failures: u32,
    /// How many of them were refusals (401, 403, 410 and the like).
    pub refusals: u32,
    /// When the present row of failures began.
    pub failing_since: Option<Timestamp>,
    /// Since when something of ours has kept SETs from being sent, now or again and again.
    pub hindered_since: Option<Timestamp>,
    /// Until when ordinary SETs wait. After it, one of them is the probe.
    pub open_until: Option<Timestamp>,
    /// Before when the receiver asked not to be called, by `Retry-After`; binds control SETs too.
    pub not_before: Option<Timestamp>,
    /// The last time a SET was delivered.
    pub last_success: Option<Timestamp>,
    /// The last failure.
    pub last_error: Option<StreamError>,
    /// How long the receiver took over the last request.
    pub pace: Pace,
    /// The last verification that was delivered or acknowledged.
    pub verified: Option<RoundTrip>,
}

/// The way of a verification SET: how long the stream takes to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundTrip {
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When its receiver took or acknowledged it.
    pub ended_at: Timestamp,
}

impl RoundTrip {
    /// From the queueing to the end.
    #[must_use]
    pub const fn new(queued_at: Timestamp, ended_at: Timestamp) -> Self {
        Self { queued_at, ended_at }
    }

    /// How long it took.
    #[must_use]
    pub fn took(self) -> Duration {
        self.ended_at.since(self.queued_at)
    }
}

/// A failure, as the operator sees it. Nothing of it is for the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamError {
    /// When.
    pub at: Timestamp,
    /// What: an HTTP status, an error code or the kind of a transport failure.
    pub what: String,
}

impl StreamError {
    /// The failure `what` at that time.
    #[must_use]
    pub const fn new(at: Timestamp, what: String) -> Self {
        Self { at, what }
    }
}

/// The state of the breaker at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Breaker {
    /// SETs flow.
    Closed,
    /// SETs wait.
    Open,
    /// One SET goes as a probe.
    HalfOpen,
}

impl Breaker {
    /// A word for status pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// When the breaker opens, how long it stays so, and when the stream is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerPolicy {
    /// Waits between probes.
    pub backoff: Backoff,
    /// The longest `Retry-After` that is honoured.
    pub longest_retry_after: Duration,
    /// A stream that failed for this long is paused, and so is one whose SETs could not be sent for
    /// this long.
    pub pause_after: Duration,
    /// A stream that refused this many times in a row is paused.
    pub pause_after_refusals: u32,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(3600)),
            longest_retry_after: Duration::from_secs(3600),
            pause_after: Duration::from_secs(24 * 3600),
            pause_after_refusals: 10,
        }
    }
}

/// The longest wait for something of ours that fails: it comes back for all streams at once.
const LONGEST_HINDRANCE: Duration = Duration::from_secs(60);

/// What a report means for the stream as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing further.
    GoOn,
    /// The breaker was open, or half open, and is closed now.
    BreakerClosed,
    /// The breaker was closed and is open now.
    BreakerOpened,
    /// The transmitter should pause the stream.
    Pause,
    /// The same, and it is not for its receiver: something of ours has kept SETs from being sent
    /// for as long as a stream may fail.
    PauseHindered,
}

impl Health {
    /// The state of the breaker at `now`.
    #[must_use]
    pub fn breaker(&self, now: Timestamp) -> Breaker {
        match self.open_until {
            None => Breaker::Closed,
            Some(until) if now < until => Breaker::Open,
            Some(_) => Breaker::HalfOpen,
        }
    }

    /// The first time an ordinary SET may leave: at once (`None`) or not before that time.
    #[must_use]
    pub fn ordinary_from(&self) -> Option<Timestamp> {
        self.open_until.max(self.not_before)
    }

    /// Notes how long the receiver took; [`Pace::Unknown`] when nothing was learnt of it.
    pub fn note_pace(&mut self, pace: Pace) {
        match pace {
            Pace::Unknown => {}
            Pace::Prompt | Pace::Slow => self.pace = pace,
        }
    }

    /// Forgets failures: for a stream that stops, starts again or has another authorization. What
    /// the receiver asked for and how long it takes does not change by that.
    pub fn forget_failures(&mut self) {
        *self = Self {
            not_before: self.not_before,
            last_success: self.last_success,
            last_error: self.last_error.take(),
            pace: self.pace,
            verified: self.verified,
            ..Self::default()
        };
    }

    /// Forgets what was learnt of the receiver where it was, and the failures there: for a stream
    /// whose SETs go elsewhere from now on.
    pub fn forget_receiver(&mut self) {
        self.forget_failures();
        (self.not_before, self.pace) = (None, Pace::Unknown);
    }

    /// Closes the breaker. A `Retry-After` that another request was answered with still binds.
    fn work_again(&mut self, now: Timestamp) -> Verdict {
        let was_open = self.open_until.is_some();
        self.forget_failures();
        self.not_before = self.not_before.filter(|until| now < *until);
        if was_open { Verdict::BreakerClosed } else { Verdict::GoOn }
    }

    /// Takes in what one attempt said about the stream. A success closes the breaker. A failure
    /// opens it and lengthens the wait only when it was of the half-open or closed stream: of
    /// several requests that were under way together and failed together, one counts.
    pub fn record(
        &mut self,
        report: &StreamReport,
        policy: &BreakerPolicy,
        now: Timestamp,
        jitter: Jitter,
    ) -> Verdict {
        match report {
            StreamReport::Works => {
                let verdict = self.work_again(now);
                self.last_success = Some(now);
                verdict
            }
            StreamReport::Judges { what } => {
                let verdict = self.work_again(now);
                self.last_error = Some(StreamError::new(now, what.clone()));
                verdict
            }
            StreamReport::Silent => Verdict::GoOn,
            StreamReport::Hindered { what } => {
                self.note(what.as_str(), None, policy, now);
                // Nothing is known of the receiver meanwhile: no time counts against it.
                self.failing_since = None;
                if self.breaker(now) == Breaker::Open {
                    return Verdict::GoOn;
                }
                let was_closed = self.open_until.is_none();
                self.failures = self.failures.saturating_add(1);
                let wait = policy.backoff.wait(self.failures, jitter).min(LONGEST_HINDRANCE);
                self.open_until = Some(now.after(wait));
                let since = *self.hindered_since.get_or_insert(now);
                if now.since(since) >= policy.pause_after {
                    return Verdict::PauseHindered;
                }
                if was_closed { Verdict::BreakerOpened } else { Verdict::GoOn }
            }
            StreamReport::Fails { what, refuses, retry_after } => {
                self.note(what, *retry_after, policy, now);
                if self.breaker(now) == Breaker::Open {
                    return Verdict::GoOn;
                }
                let was_closed = self.open_until.is_none();
                self.failures = self.failures.saturating_add(1);
                self.refusals = if *refuses { self.refusals.saturating_add(1) } else { 0 };
                let since = *self.failing_since.get_or_insert(now);
                self.open_until = Some(now.after(policy.backoff.wait(self.failures, jitter)));
                if self.refusals >= policy.pause_after_refusals {
                    return Verdict::Pause;
                }
                if now.since(since) >= policy.pause_after {
                    return Verdict::Pause;
                }
                if was_closed { Verdict::BreakerOpened } else { Verdict::GoOn }
            }
            StreamReport::Stops { what, retry_after } => {
                self.note(what, *retry_after, policy, now);
                Verdict::Pause
            }
        }
    }

    /// Notes a failure and what the receiver asked for.
    fn note(
        &mut self,
        what: &str,
        retry_after: Option<RetryAfter>,
        policy: &BreakerPolicy,
        now: Timestamp,
    ) {
        self.last_error = Some(StreamError::new(now, what.to_owned()));
        if let Some(wish) = retry_after {
            let until = wish.until(now, policy.longest_retry_after);
            self.not_before = self.not_before.max(Some(until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Hindrance;
    use super::*;

    fn failure(refuses: bool) -> StreamReport {
        StreamReport::Fails { what: "503".to_owned(), refuses, retry_after: None }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn fail(health: &mut Health, refuses: bool, now: Timestamp) -> Verdict {
        health.record(&failure(refuses), &BreakerPolicy::default(), now, Jitter::NONE)
    }

    #[test]
    fn a_failure_opens_the_breaker_and_a_success_closes_it() {
        let mut health = Health::default();
        assert_eq!(fail(&mut health, false, at(0)), Verdict::BreakerOpened);
        assert_eq!(health.breaker(at(0)), Breaker::Open);
        assert_eq!(health.breaker(at(1)), Breaker::HalfOpen);
        assert_eq!(fail(&mut health, false, at(1)), Verdict::GoOn, "it was open before");
        let works = |health: &mut Health| {
            health.record(&StreamReport::Works, &BreakerPolicy::default(), at(1), Jitter::NONE)
        };
        assert_eq!(works(&mut health), Verdict::BreakerClosed);
        assert_eq!(works(&mut health), Verdict::GoOn, "it was closed before");
        assert_eq!(health.breaker(at(1)), Breaker::Closed);
        assert_eq!((health.failures, health.last_success), (0, Some(at(1))));
    }

    #[test]
    fn a_receiver_that_refuses_one_set_closes_the_breaker_but_is_no_success() {
        let mut health = Health::default();
        fail(&mut health, false, at(0));
        let judges = StreamReport::Judges { what: "400 invalid_key".to_owned() };
        health.record(&judges, &BreakerPolicy::default(), at(1), Jitter::NONE);
        assert_eq!((health.breaker(at(1)), health.last_success), (Breaker::Closed, None));
        let error = StreamError::new(at(1), "400 invalid_key".to_owned());
        assert_eq!(health.last_error, Some(error));
    }

    #[test]
    fn requests_that_fail_together_count_once() {
        let mut health = Health::default();
        for _ in 0..5 {
            fail(&mut health, false, at(0));
        }
        assert_eq!((health.failures, health.open_until), (1, Some(at(1))));
    }

    #[test]
    fn ten_refusals_in_a_row_pause_the_stream() {
        let mut health = Health::default();
        let mut now = at(0);
        for _ in 0..9 {
            assert_ne!(fail(&mut health, true, now), Verdict::Pause);
            now = health.open_until.unwrap_or(now);
        }
        assert_eq!(fail(&mut health, true, now), Verdict::Pause);
    }

    #[test]
    fn a_day_of_failures_pauses_the_stream() {
        let mut health = Health::default();
        assert_eq!(fail(&mut health, false, at(0)), Verdict::BreakerOpened);
        assert_eq!(fail(&mut health, false, at(86_399)), Verdict::GoOn);
        assert_eq!(fail(&mut health, false, at(100_000)), Verdict::Pause);
    }

    #[test]
    fn what_fails_on_our_side_makes_the_stream_wait_a_minute_at_most_and_pauses_it_after_a_day() {
        let mut health = Health::default();
        let hindered = StreamReport::Hindered { what: Hindrance::Secret };
        let mut now = at(0);
        while now < at(24 * 3600) {
            let verdict = health.record(&hindered, &BreakerPolicy::default(), now, Jitter::NONE);
            let told = if now == at(0) { Verdict::BreakerOpened } else { Verdict::GoOn };
            assert_eq!(verdict, told, "the operator is told once");
            let until = health.open_until.unwrap_or(now);
            assert!(now < until && until <= now.after(LONGEST_HINDRANCE));
            now = until;
        }
        let verdict = health.record(&hindered, &BreakerPolicy::default(), now, Jitter::NONE);
        assert_eq!(verdict, Verdict::PauseHindered);
        let error = health.last_error.clone().map(|error| error.what);
        assert_eq!(error.as_deref(), Some("not sent: secret not opened"));
    }

    #[test]
    fn a_day_of_ours_is_no_day_of_the_receivers() {
        let mut health = Health::default();
        assert_eq!(fail(&mut health, false, at(0)), Verdict::BreakerOpened);
        let hindered = StreamReport::Hindered { what: Hindrance::Authorization };
        health.record(&hindered, &BreakerPolicy::default(), at(10), Jitter::NONE);
        assert_eq!(fail(&mut health, false, at(100_000)), Verdict::GoOn);
    }

    #[test]
    fn a_hindrance_that_comes_again_and_again_counts_from_the_first_until_something_gets_through() {
        let hindered = StreamReport::Hindered { what: Hindrance::Authorization };
        for (between, verdict) in [
            (failure(false), Verdict::PauseHindered),
            (StreamReport::Works, Verdict::BreakerOpened),
        ] {
            let mut health = Health::default();
            for (report, seconds) in [(&hindered, 0), (&between, 40_000), (&hindered, 90_000)] {
                let policy = BreakerPolicy::default();
                let last = health.record(report, &policy, at(seconds), Jitter::NONE);
                assert!(seconds < 90_000 || last == verdict, "{between:?} {last:?}");
            }
        }
    }

    #[test]
    fn what_a_receiver_asked_for_and_its_pace_outlast_a_stop_and_not_a_move() {
        let asked = Health { not_before: Some(at(60)), pace: Pace::Slow, ..Health::default() };
        let mut stopped = Health { failures: 3, open_until: Some(at(5)), ..asked.clone() };
        stopped.forget_failures();
        assert_eq!(stopped, asked);
        stopped.forget_receiver();
        assert_eq!(stopped, Health::default());
    }

    #[test]
    fn a_success_beside_it_does_not_lift_a_retry_after() {
        let mut health = Health { not_before: Some(at(60)), ..Health::default() };
        health.record(&StreamReport::Works, &BreakerPolicy::default(), at(59), Jitter::NONE);
        assert_eq!(health.not_before, Some(at(60)));
        health.record(&StreamReport::Works, &BreakerPolicy::default(), at(60), Jitter::NONE);
        assert_eq!(health.not_before, None);
    }

    #[test]
    fn retry_after_binds_ordinary_and_control_sets() {
        let mut health = Health::default();
        let report = StreamReport::Fails {
            what: "429".to_owned(),
            refuses: false,
            retry_after: Some(RetryAfter::In(Duration::from_secs(30))),
        };
        health.record(&report, &BreakerPolicy::default(), at(0), Jitter::NONE);
        assert_eq!(health.not_before, Some(at(30)));
        assert_eq!(health.ordinary_from(), Some(at(30)));
    }
}
