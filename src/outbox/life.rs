//! The life of an entry: its states, and every way from one to the next.

use super::dead::DeadLetterReason;
use super::decide::Fate;
use super::entry::{Fence, PollError};
use crate::stream::HeldLimit;
use crate::timestamp::Timestamp;

/// Where an entry is in its life. Part of what a store keeps of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Life {
    /// The state it is in.
    pub state: State,
    /// Attempts that counted.
    pub attempts: u32,
    /// The number of the last claim.
    pub fence: Fence,
    /// Whether its stream failed under it. A control entry, which else goes out though the breaker
    /// is open, waits for the breaker then.
    pub failed_with_stream: bool,
    /// Whose signature it goes out with.
    pub signature: Signature,
}

/// The states of an entry that has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It may be claimed at once: it is new, or was handed back as it was.
    #[default]
    Waiting,
    /// A worker has it. When the lease ends, it may be claimed again.
    Claimed {
        /// The end of the lease.
        until: Timestamp,
    },
    /// The SET was at fault: it is tried again.
    Retrying {
        /// From that time on.
        at: Timestamp,
    },
    /// Its stream failed: it waits with the stream, behind those that did not fail.
    Deferred {
        /// At least until that time.
        at: Timestamp,
    },
}

/// Whose signature an entry goes out with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signature {
    /// The one it was first sent with, as long as its key is published.
    #[default]
    Kept,
    /// One of the key that signs at the time: the receiver refused the key of the first.
    OfCurrentKey,
}

/// How an entry ends: in exactly one of these ways (design promise P6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The receiver has it.
    Delivered {
        /// The status of the answer, when it was not the 202 of RFC 8935 §2.2.
        unusual_status: Option<u16>,
    },
    /// It is a dead letter. A redrive begins another life.
    Dead {
        /// Why.
        reason: DeadLetterReason,
        /// Attempts that counted, the last included.
        attempts: u32,
    },
    /// It is discarded by a rule.
    Discarded(Discard),
}

/// The rules by which entries are discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discard {
    /// The stream is disabled: it holds nothing (SSF 1.0 §8.1.2.1).
    StreamDisabled,
    /// The stream is deleted.
    StreamDeleted,
    /// A newer verification takes its place.
    Replaced,
}

/// What can happen to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// A worker claims it.
    Claim {
        /// The number of the claim.
        fence: Fence,
        /// The time of the claim.
        now: Timestamp,
        /// The end of the lease.
        until: Timestamp,
    },
    /// The holder of a claim ends it.
    Settle {
        /// The number of the claim.
        fence: Fence,
        /// What [`decide`](super::decide) made of the attempt.
        fate: Fate,
    },
    /// The receiver acknowledges the SET it polled (RFC 8936 §2.2).
    Acknowledge,
    /// The receiver reports an error of the SET it polled (RFC 8936 §2.6).
    Report(PollError),
    /// Its stream holds more than it may, and it is the oldest.
    ExceedLimit {
        /// Which limit is exceeded.
        limit: HeldLimit,
        /// The time.
        now: Timestamp,
    },
    /// A rule discards it.
    Discard(Discard),
    /// Its stream starts again, or anew elsewhere: a control entry waits no longer.
    Restart,
}

/// What follows from what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// It cannot happen to this entry now, and changes nothing.
    Refused,
    /// The entry lives on so.
    GoesOn(Life),
    /// The entry ends.
    Ends(End),
}

impl Life {
    /// When the entry may be claimed, as far as it is for the entry to say; `None`: at once.
    #[must_use]
    pub const fn due(&self) -> Option<Timestamp> {
        match self.state {
            State::Waiting => None,
            State::Claimed { until: at } | State::Retrying { at } | State::Deferred { at } => {
                Some(at)
            }
        }
    }

    /// Whether a claim of it has not been ended, its lease lasting or not.
    #[must_use]
    pub const fn is_claimed(&self) -> bool {
        match self.state {
            State::Claimed { .. } => true,
            State::Waiting | State::Retrying { .. } | State::Deferred { .. } => false,
        }
    }

    /// What follows when that happens. Every change of an entry's state is one of these.
    #[must_use]
    pub fn after(self, happening: Happening) -> Step {
        match happening {
            Happening::Claim { now, .. } if self.due() > Some(now) => Step::Refused,
            Happening::Claim { fence, until, .. } => {
                Step::GoesOn(Self { state: State::Claimed { until }, fence, ..self })
            }
            // A claim ends once: a settle that is repeated must not count a second attempt.
            Happening::Settle { fence, .. } if !self.is_claimed() || fence != self.fence => {
                Step::Refused
            }
            Happening::Settle { fate, .. } => self.settled(fate),
            Happening::Acknowledge => Step::Ends(End::Delivered { unusual_status: None }),
            Happening::Report(error) => self.dies(DeadLetterReason::Reported(error), self.tried()),
            // What is on its way to the receiver may yet arrive.
            Happening::ExceedLimit { now, .. } if self.is_claimed() && self.due() > Some(now) => {
                Step::Refused
            }
            Happening::ExceedLimit { limit, .. } => {
                self.dies(DeadLetterReason::HeldLimit { limit }, self.attempts)
            }
            Happening::Discard(rule) => Step::Ends(End::Discarded(rule)),
            Happening::Restart if self.is_claimed() => Step::Refused,
            Happening::Restart => {
                Step::GoesOn(Self { state: State::Waiting, failed_with_stream: false, ..self })
            }
        }
    }

    fn settled(self, fate: Fate) -> Step {
        match fate {
            Fate::Delivered { unusual_status } => Step::Ends(End::Delivered { unusual_status }),
            Fate::Retry(at) => self.retries(at, self.signature),
            Fate::SignAnew(at) => self.retries(at, Signature::OfCurrentKey),
            Fate::Defer(at) => Step::GoesOn(Self {
                state: State::Deferred { at },
                failed_with_stream: true,
                ..self
            }),
            Fate::Return => Step::GoesOn(Self { state: State::Waiting, ..self }),
            Fate::Dead(reason) => self.dies(reason, self.tried()),
        }
    }

    fn retries(self, at: Timestamp, signature: Signature) -> Step {
        let state = State::Retrying { at };
        Step::GoesOn(Self { state, attempts: self.tried(), signature, ..self })
    }

    fn dies(self, reason: DeadLetterReason, attempts: u32) -> Step {
        Step::Ends(End::Dead { reason, attempts })
    }

    const fn tried(self) -> u32 {
        self.attempts.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::backoff::Jitter;
    use super::super::dead::{Revival, revival};
    use super::super::decide::{Attempt, decide};
    use super::super::entry::Lane;
    use super::super::outcome::{Answer, Outcome, TransportFailure};
    use super::super::policy::OutcomePolicy;
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1000);
    const PAST: Timestamp = Timestamp::from_seconds(900);
    const LATER: Timestamp = Timestamp::from_seconds(1100);

    fn in_state(state: State) -> Life {
        Life { state, fence: Fence(1), ..Life::default() }
    }

    fn claimed(until: Timestamp) -> Life {
        in_state(State::Claimed { until })
    }

    fn settle(fence: u64, fate: Fate) -> Happening {
        Happening::Settle { fence: Fence(fence), fate }
    }

    fn claim(now: Timestamp) -> Happening {
        Happening::Claim { fence: Fence(2), now, until: now.after(Duration::from_secs(60)) }
    }

    fn expired() -> DeadLetterReason {
        DeadLetterReason::AnnouncementExpired
    }

    fn over_limit() -> Happening {
        Happening::ExceedLimit { limit: HeldLimit::Age, now: NOW }
    }

    #[test]
    fn an_entry_is_claimed_when_its_time_has_come_and_not_before() {
        for waits in [
            State::Claimed { until: LATER },
            State::Retrying { at: LATER },
            State::Deferred { at: LATER },
        ] {
            assert_eq!(in_state(waits).after(claim(NOW)), Step::Refused, "{waits:?}");
            let Step::GoesOn(life) = in_state(waits).after(claim(LATER)) else {
                panic!("{waits:?} can be claimed later");
            };
            assert_eq!((life.is_claimed(), life.fence), (true, Fence(2)));
        }
    }

    #[test]
    fn a_claim_ends_once_and_only_for_its_holder() {
        let delivered = Fate::Delivered { unusual_status: None };
        let waiting = in_state(State::Waiting);
        assert_eq!(claimed(LATER).after(settle(0, delivered.clone())), Step::Refused);
        assert_eq!(waiting.after(settle(1, delivered.clone())), Step::Refused);
        let end = End::Delivered { unusual_status: None };
        // Also after its lease, as long as nobody else claimed it.
        assert_eq!(claimed(PAST).after(settle(1, delivered)), Step::Ends(end));
    }

    #[test]
    fn only_a_judged_set_spends_an_attempt() {
        for (fate, attempts) in [
            (Fate::Retry(LATER), 1),
            (Fate::SignAnew(LATER), 1),
            (Fate::Defer(LATER), 0),
            (Fate::Return, 0),
        ] {
            let Step::GoesOn(life) = claimed(LATER).after(settle(1, fate.clone())) else {
                panic!("{fate:?} ends nothing");
            };
            assert_eq!(life.attempts, attempts, "{fate:?}");
        }
        let dead = End::Dead { reason: expired(), attempts: 1 };
        assert_eq!(claimed(LATER).after(settle(1, Fate::Dead(expired()))), Step::Ends(dead));
    }

    #[test]
    fn a_held_limit_leaves_what_is_on_its_way() {
        assert_eq!(claimed(LATER).after(over_limit()), Step::Refused);
        let reason = DeadLetterReason::HeldLimit { limit: HeldLimit::Age };
        for life in [claimed(PAST), in_state(State::Waiting)] {
            let dead = End::Dead { reason: reason.clone(), attempts: 0 };
            assert_eq!(life.after(over_limit()), Step::Ends(dead));
        }
    }

    #[test]
    fn a_restart_lets_wait_no_longer_but_calls_nothing_back() {
        let deferred = Life { failed_with_stream: true, ..in_state(State::Deferred { at: LATER }) };
        assert_eq!(deferred.after(Happening::Restart), Step::GoesOn(in_state(State::Waiting)));
        assert_eq!(claimed(LATER).after(Happening::Restart), Step::Refused);
    }

    /// All that can happen, once each, with the words of the diagram.
    fn happenings() -> Vec<(&'static str, Happening)> {
        vec![
            ("claim", claim(NOW)),
            ("delivered", settle(1, Fate::Delivered { unusual_status: None })),
            ("retry", settle(1, Fate::Retry(LATER))),
            ("sign anew", settle(1, Fate::SignAnew(LATER))),
            ("defer", settle(1, Fate::Defer(LATER))),
            ("return", settle(1, Fate::Return)),
            ("give up", settle(1, Fate::Dead(expired()))),
            ("acknowledge", Happening::Acknowledge),
            ("report", Happening::Report(PollError::new("invalid_key".to_owned(), None))),
            ("held limit", over_limit()),
            ("discard", Happening::Discard(Discard::StreamDeleted)),
            ("restart", Happening::Restart),
        ]
    }

    fn name(state: State) -> &'static str {
        match state {
            State::Waiting => "waiting",
            State::Claimed { .. } => "claimed",
            State::Retrying { .. } => "retrying",
            State::Deferred { .. } => "deferred",
        }
    }

    /// The states and the ways between them, each asked of the code.
    fn diagram() -> String {
        let states = [
            State::Waiting,
            State::Claimed { until: PAST },
            State::Retrying { at: PAST },
            State::Deferred { at: PAST },
        ];
        let mut edges: BTreeMap<(usize, &str), Vec<&str>> = BTreeMap::new();
        for (number, state) in states.into_iter().enumerate() {
            for (label, happening) in happenings() {
                let to = match in_state(state).after(happening) {
                    Step::Refused => continue,
                    Step::GoesOn(life) => name(life.state),
                    Step::Ends(End::Delivered { .. }) => "delivered",
                    Step::Ends(End::Dead { .. }) => "dead",
                    Step::Ends(End::Discarded(_)) => "discarded",
                };
                // A restart of what waits already changes nothing.
                if (label, to) != ("restart", name(state)) {
                    edges.entry((number, to)).or_default().push(label);
                }
            }
        }
        let mut lines = vec!["stateDiagram-v2".to_owned(), "[*] --> waiting: emit".to_owned()];
        for ((from, to), labels) in edges {
            lines.push(format!("{} --> {to}: {}", name(states[from]), labels.join(", ")));
        }
        assert_ne!(revival(Lane::Ordinary, &expired(), 1), Revival::Never);
        lines.push("dead --> waiting: redrive".to_owned());
        lines.extend(["delivered", "discarded"].map(|end| format!("{end} --> [*]")));
        lines.join("\n    ") + "\n"
    }

    #[test]
    fn the_diagram_in_the_documents_is_that_of_the_code() {
        let documents = include_str!("../../docs/delivery.md");
        let (_, rest) = documents.split_once("```mermaid\n").unwrap();
        assert_eq!(rest.split("```").next().unwrap(), diagram(), "print it anew");
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        let status = prop_oneof![
            Just(202),
            Just(200),
            Just(400),
            Just(413),
            Just(422),
            Just(429),
            Just(503),
            Just(401)
        ];
        let err = prop_oneof![
            Just("invalid_request"),
            Just("invalid_key"),
            Just("access_denied"),
            Just("else")
        ];
        prop_oneof![
            status.prop_map(|status| Outcome::Answered(Answer::new(status))),
            err.prop_map(|err| {
                let err = Some(err.to_owned());
                Outcome::Answered(Answer { err, ..Answer::new(400) })
            }),
            Just(Outcome::Failed(TransportFailure::Timeout)),
            Just(Outcome::Cancelled),
        ]
    }

    /// What happens between two attempts.
    fn between() -> impl Strategy<Value = Option<Happening>> {
        prop_oneof![
            6 => Just(None),
            1 => Just(Some(Happening::Restart)),
            1 => Just(Some(settle(0, Fate::Delivered { unusual_status: None }))),
        ]
    }

    proptest! {
        // P6, P7: whatever receivers answer, an entry ends once, as the table says, and a SET at
        // fault ends after its attempts however often its stream fails meanwhile.
        #[test]
        fn any_sequence_of_outcomes_ends_in_one_end_or_goes_on(
            attempts in prop::collection::vec((outcome(), between(), any::<u64>()), 1..60),
        ) {
            let policy = OutcomePolicy::default();
            let (mut life, mut now, mut judged) = (Life::default(), NOW, 0);
            for (number, (outcome, between, bits)) in (1..).zip(attempts) {
                now = life.due().unwrap_or(now).max(now);
                let until = now.after(Duration::from_secs(60));
                let fence = Fence(number);
                let Step::GoesOn(claimed) = life.after(Happening::Claim { fence, now, until })
                else {
                    panic!("its time has come");
                };
                prop_assert_eq!(claimed.attempts, judged);
                let attempt = Attempt {
                    lane: Lane::Ordinary,
                    earlier: claimed.attempts,
                    emitted_at: NOW,
                    announces_stop: false,
                };
                let fate = decide(&attempt, &outcome, &policy, now, Jitter::from_bits(bits)).fate;
                judged += u32::from(matches!(fate, Fate::Retry(_) | Fate::SignAnew(_)));
                match claimed.after(Happening::Settle { fence, fate: fate.clone() }) {
                    Step::GoesOn(on) => {
                        prop_assert!(on.due().is_none_or(|due| due > now), "{:?}", on);
                        prop_assert!(judged < 5);
                        // The same settle a second time finds nothing to end.
                        let again = on.after(Happening::Settle { fence, fate });
                        prop_assert_eq!(again, Step::Refused);
                        life = on;
                    }
                    Step::Ends(End::Delivered { .. }) => {
                        let delivered = matches!(&outcome, Outcome::Answered(a) if a.status < 300);
                        prop_assert!(delivered);
                        return Ok(());
                    }
                    Step::Ends(End::Dead { attempts, .. }) => {
                        prop_assert_eq!(attempts, judged + 1);
                        return Ok(());
                    }
                    other => panic!("an attempt does not lead to {other:?}"),
                }
                if let Some(Step::GoesOn(on)) = between.map(|happening| life.after(happening)) {
                    life = on;
                }
            }
        }
    }
}
