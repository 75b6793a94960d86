//! What the promises say of outcomes, statuses and waits, written down a second time: nothing here
//! asks the implementation.

use std::time::Duration;

use ssf_transmitter::outbox::{Action, TransportFailure};
use ssf_transmitter::outbox::{Backoff, BreakerPolicy, Lane, Matches, OutcomePolicy, Row};
use ssf_transmitter::stream::{StatusSetBy, StreamRecord, StreamStatus};
use ssf_transmitter::timestamp::Timestamp;

/// How a request ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Answered {
        status: u16,
        err: Option<&'static str>,
        wish: Option<Wish>,
    },
    Broke(TransportFailure),
    /// It was not to be had what the request was to carry.
    Hindered,
    /// The transmitter itself let it go.
    Dropped,
}

/// A `Retry-After`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Seconds(u64),
    Date(Timestamp),
}

/// Whose fault an ending is (P7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nobody {
        unusual: bool,
    },
    Set,
    /// The SET's, but perhaps not for ever.
    SetMayPass(Tries),
    /// The key's: the same, but another key may sign the next try.
    Key(Tries),
    Stream {
        refuses: bool,
    },
    /// The stream's, and it is to stop at once.
    StreamStops,
    /// Ours.
    Ours,
}

/// How often something is tried, and how long the waits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tries {
    pub(crate) most: u32,
    pub(crate) waits: Waits,
}

/// Waits in seconds, doubling from the first up to the longest; the half of each is random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    pub(crate) first: u64,
    pub(crate) longest: u64,
}

/// The numbers of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    few: Tries,
    key: Tries,
    pub(crate) breaker: Waits,
    /// The longest `Retry-After` that binds a stream, in seconds.
    pub(crate) longest_wish: u64,
    /// After so many seconds of failures a stream may be paused.
    pub(crate) pause_after: u64,
    /// After so many refusals in a row a stream may be paused.
    pub(crate) pause_after_refusals: u32,
    /// Whether the host lets a 410 pause a stream at once.
    gone_stops: bool,
}

/// The announcement of a stop has so many tries within so many seconds (P5).
pub(crate) const ANNOUNCEMENT: Tries = Tries { most: 3, waits: Waits { first: 5, longest: 20 } };
pub(crate) const ANNOUNCEMENT_SECONDS: u64 = 60;
/// What fails on our side makes a stream wait so many seconds at most.
pub(crate) const LONGEST_HINDRANCE: u64 = 60;
/// A SET whose stream failed under it waits so long.
pub(crate) const DEFERRAL: Waits = Waits { first: 1, longest: 1 };

impl Rules {
    /// Those of the default configuration.
    pub(crate) const USUAL: Self = Self {
        few: Tries { most: 3, waits: Waits { first: 5, longest: 60 } },
        key: Tries { most: 5, waits: Waits { first: 60, longest: 600 } },
        breaker: Waits { first: 1, longest: 3600 },
        longest_wish: 3600,
        pause_after: 24 * 3600,
        pause_after_refusals: 10,
        gone_stops: false,
    };

    /// Shorter ones, so that more of them are met in a short run.
    pub(crate) const BRISK: Self = Self {
        few: Self::USUAL.few,
        key: Tries { most: 2, waits: Waits { first: 3, longest: 3 } },
        breaker: Waits { first: 2, longest: 20 },
        longest_wish: 30,
        pause_after: 120,
        pause_after_refusals: 3,
        gone_stops: true,
    };

    /// The same rules, as the transmitter is told them.
    pub(crate) fn policies(&self) -> (OutcomePolicy, BreakerPolicy) {
        let action =
            Action::SignAnew { attempts: self.key.most, backoff: self.key.waits.backoff() };
        let outcomes =
            OutcomePolicy::default().with_row(Row::new(Matches::Err("invalid_key"), action));
        let outcomes = if self.gone_stops {
            outcomes.with_row(Row::new(Matches::Status(410), Action::PauseStream))
        } else {
            outcomes
        };
        let mut breaker = BreakerPolicy::default();
        breaker.backoff = self.breaker.backoff();
        breaker.longest_retry_after = Duration::from_secs(self.longest_wish);
        breaker.pause_after = Duration::from_secs(self.pause_after);
        breaker.pause_after_refusals = self.pause_after_refusals;
        (outcomes, breaker)
    }

    pub(crate) fn fault(&self, ending: &Ending) -> Fault {
        match ending {
            Ending::Answered { status: 200..=299, .. } => {
                Fault::Nobody { unusual: !matches!(ending, Ending::Answered { status: 202, .. }) }
            }
            Ending::Answered { err: None, status: 410, .. } if self.gone_stops => {
                Fault::StreamStops
            }
            Ending::Answered { err: Some("authentication_failed" | "access_denied"), .. }
            | Ending::Answered { err: None, status: 401 | 403 | 410, .. } => {
                Fault::Stream { refuses: true }
            }
            Ending::Answered { err: Some("invalid_key"), .. } => Fault::Key(self.key),
            Ending::Answered { err: Some(_), .. } => Fault::Set,
            Ending::Answered { status: 400 | 413 | 415 | 422, .. } => Fault::SetMayPass(self.few),
            Ending::Hindered => Fault::Ours,
            Ending::Answered { .. } | Ending::Broke(_) | Ending::Dropped => {
                Fault::Stream { refuses: false }
            }
        }
    }
}

impl Wish {
    /// The time meant, at most so many seconds from `now`.
    pub(crate) fn until(self, now: Timestamp, most: u64) -> Timestamp {
        let latest = now.after(Duration::from_secs(most));
        match self {
            Self::Seconds(seconds) => now.after(Duration::from_secs(seconds)).min(latest),
            Self::Date(date) => date.max(now).min(latest),
        }
    }
}

impl Waits {
    fn backoff(self) -> Backoff {
        Backoff::new(Duration::from_secs(self.first), Duration::from_secs(self.longest))
    }

    /// The shortest and the longest wait after that many failures.
    pub(crate) fn after(self, failures: u32) -> (Duration, Duration) {
        let full = (self.first << failures.saturating_sub(1).min(20)).min(self.longest);
        (Duration::from_millis(full * 500), Duration::from_secs(full))
    }
}

/// Whether a SET of that lane may leave a stream (SSF 1.0 §8.1.2.1, P5).
pub(crate) fn may_leave(record: &StreamRecord, lane: Lane) -> bool {
    record.status == StreamStatus::Enabled
        || (lane == Lane::StreamUpdated && record.status_set_by != StatusSetBy::Receiver)
}
