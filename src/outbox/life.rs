//! The life of an entry: its states, and every way from one to the next.

use super::dead::DeadLetterReason;
use super::decide::Fate;
use super::entry::{Fence, PollError};
use super::held::HeldLimit;
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
