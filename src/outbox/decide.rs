//! What happens to a SET after an attempt: the one place that decides retries.

use std::time::Duration;

use super::backoff::{Backoff, Jitter};
use super::dead::DeadLetterReason;
use super::entry::Lane;
use super::outcome::{Answer, Hindrance, Outcome, RetryAfter, TransportFailure};
use super::policy::{Action, OutcomePolicy};
use crate::timestamp::Timestamp;

/// What happens to the entry, and what the attempt says about its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// What happens to the entry.
    pub fate: Fate,
    /// What the attempt says about the stream.
    pub stream: StreamReport,
}

/// What happens to an entry after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It is delivered.
    Delivered {
        /// The status, when it was not the 202 of RFC 8935 §2.2.
        unusual_status: Option<u16>,
    },
    /// It is tried again, not before that time; the attempt counts.
    Retry(Timestamp),
    /// The same, and the key that signs then signs it, should another have signed it before.
    SignAnew(Timestamp),
    /// Its stream failed: it waits with the stream, and not before that time it is tried again, so
    /// that it is another SET's turn to be the probe. The attempt does not count.
    Defer(Timestamp),
    /// It goes back as it was, because the attempt says nothing about it.
    Return,
    /// It is given up.
    Dead(DeadLetterReason),
}

/// What an attempt says about the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamReport {
    /// The receiver takes SETs.
    Works,
    /// The receiver judges SETs, and refused this one: it is alive.
    Judges {
        /// A status and an error code.
        what: String,
    },
    /// The receiver cannot be reached or will not serve us.
    Fails {
        /// A status, an error code or the kind of a transport failure.
        what: String,
        /// Whether the receiver refuses us rather than being unable.
        refuses: bool,
        /// When the receiver wants to be asked again.
        retry_after: Option<RetryAfter>,
    },
    /// The table says that the stream is to be paused at once.
    Stops {
        /// A status, an error code or the kind of a transport failure.
        what: String,
        /// When the receiver wants to be asked again.
        retry_after: Option<RetryAfter>,
    },
    /// Something of ours kept the SET from being sent: the stream waits and is not blamed.
    Hindered {
        /// What.
        what: Hindrance,
    },
    /// Nothing.
    Silent,
}

/// How often and how long the announcement of a stop is tried.
const ANNOUNCEMENT_TRIES: u32 = 3;
const ANNOUNCEMENT_TIME: Duration = Duration::from_secs(60);
const ANNOUNCEMENT_BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(20));

/// How long a SET waits at least after its stream failed under it.
const DEFERRAL: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));
/// The longest `Retry-After` that is honoured for one SET.
const LONGEST_WISH: Duration = Duration::from_secs(3600);

/// An entry as far as decisions need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Its lane.
    pub lane: Lane,
    /// Counted attempts before this one.
    pub earlier: u32,
    /// When it was emitted.
    pub emitted_at: Timestamp,
    /// Whether the stream is stopped, so that the entry is the announcement of the stop.
    pub announces_stop: bool,
}

/// Decides what happens after one attempt.
#[must_use]
pub fn decide(
    attempt: &Attempt,
    outcome: &Outcome,
    policy: &OutcomePolicy,
    now: Timestamp,
    jitter: Jitter,
) -> Decision {
    let tries = attempt.earlier.saturating_add(1);
    // What was not sent is no matter of the table.
    match outcome {
        Outcome::Cancelled => {
            return Decision { fate: Fate::Return, stream: StreamReport::Silent };
        }
        Outcome::Hindered(what) => {
            let fate = if attempt.announces_stop {
                announce_again(attempt, tries, now, jitter)
            } else {
                Fate::Defer(now.after(DEFERRAL.wait(1, jitter)))
            };
            return Decision { fate, stream: StreamReport::Hindered { what: *what } };
        }
        Outcome::Answered(_) | Outcome::Failed(_) => {}
    }
    let action = policy.action(outcome);
    let stream = report(action, outcome);
    let fate = match action {
        Action::Deliver => Fate::Delivered { unusual_status: unusual(outcome) },
        Action::DeadLetter => Fate::Dead(given_up(outcome)),
        Action::RetrySet { attempts, .. } | Action::SignAnew { attempts, .. }
            if tries >= attempts =>
        {
            Fate::Dead(given_up(outcome))
        }
        Action::RetrySet { backoff, .. } => {
            Fate::Retry(next_try(backoff, tries, outcome, now, jitter))
        }
        Action::SignAnew { backoff, .. } => {
            Fate::SignAnew(next_try(backoff, tries, outcome, now, jitter))
        }
        Action::WaitForStream | Action::StreamRefuses | Action::PauseStream
            if attempt.announces_stop =>
        {
            announce_again(attempt, tries, now, jitter)
        }
        Action::WaitForStream | Action::StreamRefuses | Action::PauseStream => {
            Fate::Defer(now.after(DEFERRAL.wait(1, jitter)))
        }
    };
    Decision { fate, stream }
}

/// When a SET at fault is tried again: after its backoff, and not before the receiver asked to.
fn next_try(
    backoff: Backoff,
    tries: u32,
    outcome: &Outcome,
    now: Timestamp,
    jitter: Jitter,
) -> Timestamp {
    let wait = now.after(backoff.wait(tries, jitter));
    let wish = retry_after(outcome).map(|wish| wish.until(now, LONGEST_WISH));
    wish.map_or(wait, |wish| wish.max(wait))
}

/// The stream is about to stop, so its announcement cannot wait until it works again.
fn announce_again(attempt: &Attempt, tries: u32, now: Timestamp, jitter: Jitter) -> Fate {
    let next = now.after(ANNOUNCEMENT_BACKOFF.wait(tries, jitter));
    let last = attempt.emitted_at.after(ANNOUNCEMENT_TIME);
    if tries >= ANNOUNCEMENT_TRIES || next > last {
        Fate::Dead(DeadLetterReason::AnnouncementExpired)
    } else {
        Fate::Retry(next)
    }
}

fn report(action: Action, outcome: &Outcome) -> StreamReport {
    match action {
        Action::Deliver => StreamReport::Works,
        Action::DeadLetter | Action::RetrySet { .. } | Action::SignAnew { .. } => {
            StreamReport::Judges { what: describe(outcome) }
        }
        Action::PauseStream => {
            StreamReport::Stops { what: describe(outcome), retry_after: retry_after(outcome) }
        }
        Action::WaitForStream | Action::StreamRefuses => StreamReport::Fails {
            what: describe(outcome),
            refuses: action == Action::StreamRefuses,
            retry_after: retry_after(outcome),
        },
    }
}

fn retry_after(outcome: &Outcome) -> Option<RetryAfter> {
    match outcome {
        Outcome::Answered(answer) => answer.retry_after,
        Outcome::Failed(_) | Outcome::Hindered(_) | Outcome::Cancelled => None,
    }
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered(Answer { status, err: Some(err), .. }) => format!("{status} {err}"),
        Outcome::Answered(answer) => answer.status.to_string(),
        Outcome::Failed(kind) => kind.as_str().to_owned(),
        Outcome::Hindered(what) => what.as_str().to_owned(),
        Outcome::Cancelled => "cancelled".to_owned(),
    }
}

fn unusual(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Answered(answer) if answer.status != 202 => Some(answer.status),
        Outcome::Answered(_) | Outcome::Failed(_) | Outcome::Hindered(_) | Outcome::Cancelled => {
            None
        }
    }
}

fn given_up(outcome: &Outcome) -> DeadLetterReason {
    match outcome {
        Outcome::Answered(Answer { status, err, description, .. }) => DeadLetterReason::Rejected {
            status: *status,
            err: err.clone(),
            description: description.clone(),
        },
        Outcome::Failed(failure) => DeadLetterReason::Undeliverable { failure: *failure },
        // Not asked: what was not sent goes back before the table is.
        Outcome::Hindered(_) | Outcome::Cancelled => {
            DeadLetterReason::Undeliverable { failure: TransportFailure::Exchange }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{Matches, Row};
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn ordinary(earlier: u32) -> Attempt {
        Attempt { lane: Lane::Ordinary, earlier, emitted_at: NOW, announces_stop: false }
    }

    fn run(attempt: Attempt, outcome: &Outcome) -> Decision {
        decide(&attempt, outcome, &OutcomePolicy::default(), NOW, Jitter::NONE)
    }

    fn answered(status: u16) -> Outcome {
        Outcome::Answered(Answer::new(status))
    }

    #[test]
    fn a_202_delivers_and_any_other_2xx_delivers_and_is_noted() {
        assert_eq!(run(ordinary(0), &answered(202)).fate, Fate::Delivered { unusual_status: None });
        let fate = run(ordinary(0), &answered(200)).fate;
        assert_eq!(fate, Fate::Delivered { unusual_status: Some(200) });
    }

    #[test]
    fn a_failing_stream_costs_its_sets_no_attempt() {
        for outcome in [answered(503), answered(401), Outcome::Failed(TransportFailure::Timeout)] {
            let later = Timestamp::from_seconds(1001);
            assert_eq!(run(ordinary(7), &outcome).fate, Fate::Defer(later));
        }
    }

    #[test]
    fn a_poisoned_set_ends_in_dead_letters_after_its_own_attempts() {
        let later = Timestamp::from_seconds(1005);
        assert_eq!(run(ordinary(0), &answered(413)).fate, Fate::Retry(later));
        let reason = DeadLetterReason::Rejected { status: 413, err: None, description: None };
        assert_eq!(run(ordinary(2), &answered(413)).fate, Fate::Dead(reason));
    }

    #[test]
    fn a_poisoned_set_says_that_its_stream_is_alive() {
        let judges = StreamReport::Judges { what: "413".to_owned() };
        assert_eq!(run(ordinary(0), &answered(413)).stream, judges);
    }

    #[test]
    fn a_cancelled_attempt_leaves_no_trace() {
        let decision = run(ordinary(3), &Outcome::Cancelled);
        assert_eq!((decision.fate, decision.stream), (Fate::Return, StreamReport::Silent));
    }

    #[test]
    fn what_we_could_not_send_costs_the_set_no_attempt_and_is_not_the_receivers_fault() {
        let outcome = Outcome::Hindered(Hindrance::Authorization);
        let blame_all =
            OutcomePolicy::default().with_row(Row::new(Matches::Anything, Action::DeadLetter));
        let decision = decide(&ordinary(7), &outcome, &blame_all, NOW, Jitter::NONE);
        assert_eq!(decision.fate, Fate::Defer(Timestamp::from_seconds(1001)));
        let hindered = StreamReport::Hindered { what: Hindrance::Authorization };
        assert_eq!(decision.stream, hindered);
    }

    #[test]
    fn the_announcement_of_a_stop_has_three_tries_within_a_minute() {
        let announcement = |earlier, emitted_at| Attempt {
            lane: Lane::StreamUpdated,
            earlier,
            emitted_at,
            announces_stop: true,
        };
        let first = run(announcement(0, NOW), &answered(503)).fate;
        assert_eq!(first, Fate::Retry(Timestamp::from_seconds(1005)));
        for spent in [announcement(2, NOW), announcement(0, Timestamp::from_seconds(900))] {
            for outcome in [answered(503), Outcome::Hindered(Hindrance::Secret)] {
                let fate = run(spent, &outcome).fate;
                assert_eq!(fate, Fate::Dead(DeadLetterReason::AnnouncementExpired));
            }
        }
    }

    #[test]
    fn a_set_that_is_tried_again_waits_as_long_as_the_receiver_asked() {
        let outcome = Outcome::Answered(Answer::read(413, Some("90"), b"", NOW));
        let later = Timestamp::from_seconds(1090);
        assert_eq!(run(ordinary(0), &outcome).fate, Fate::Retry(later));
    }

    #[test]
    fn retry_after_is_reported_for_the_stream() {
        let outcome = Outcome::Answered(Answer::read(429, Some("9"), b"", NOW));
        let StreamReport::Fails { retry_after, refuses, .. } = run(ordinary(0), &outcome).stream
        else {
            panic!("429 is the stream's");
        };
        assert_eq!((retry_after, refuses), (Some(RetryAfter::In(Duration::from_secs(9))), false));
    }
}
