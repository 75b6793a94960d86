//! What goes into and comes out of the calls of the receiver face.

use std::time::Duration;

use super::worker::Claimed;
use crate::id::{Jti, StreamId};
use crate::outbox::{HeldLimits, Lane, PollError, RoundTrip};
use crate::protocol::More;
use crate::set::SetBody;
use crate::stream::StreamRecord;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// A change of a stream by compare-and-set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamUpdate {
    /// The record as it is to be; issuer, owner and identifier say which stream. Its version is
    /// set by the store.
    pub record: StreamRecord,
    /// The version the change was decided on.
    pub expected_version: u64,
    /// What happens to the entries that wait.
    pub queue: Queue,
    /// A control entry to queue with the change, before all that waits: stream-updated.
    pub announce: Option<NewControl>,
    /// What must be so still, besides the version.
    pub provided: Provided,
}

impl StreamUpdate {
    /// A change to that record, decided on that version, that leaves the queue alone.
    #[must_use]
    pub const fn new(record: StreamRecord, expected_version: u64) -> Self {
        Self {
            record,
            expected_version,
            queue: Queue::Keep,
            announce: None,
            provided: Provided::Nothing,
        }
    }
}

/// What a change was decided on that changes without the version of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provided {
    /// Nothing.
    Nothing,
    /// The receiver has not been active since that time.
    IdleSince(Timestamp),
    /// What the stream holds exceeds these limits, as of that time.
    Exceeds(HeldLimits, Timestamp),
}

/// What a change does to the entries that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Queue {
    /// They stay.
    Keep,
    /// They are discarded, because the stream is disabled.
    Discard,
}

/// A control entry to be queued.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewControl {
    /// Its lane.
    pub lane: Lane,
    /// The identifier of the SET.
    pub jti: Jti,
    /// The shared claims.
    pub body: SetBody,
    /// The time of the emission.
    pub now: Timestamp,
}

impl NewControl {
    /// A control entry of that lane.
    #[must_use]
    pub const fn new(lane: Lane, jti: Jti, body: SetBody, now: Timestamp) -> Self {
        Self { lane, jti, body, now }
    }
}

/// A verification entry to be queued.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewVerification {
    /// The entry.
    pub control: NewControl,
    /// The least time since the last that its starter started; since the last of either, when the
    /// transmitter starts it.
    pub min_interval: Duration,
    /// Who starts it.
    pub started_by: StartedBy,
}

/// Who starts a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartedBy {
    /// The receiver, by a request (SSF 1.0 §8.1.4).
    Receiver,
    /// The transmitter, of its own accord. It replaces nothing: the receiver waits for the one it
    /// asked for.
    Transmitter,
}

impl NewVerification {
    /// That entry, asked for by the receiver, unless the last is younger than that interval.
    #[must_use]
    pub const fn new(control: NewControl, min_interval: Duration) -> Self {
        Self { control, min_interval, started_by: StartedBy::Receiver }
    }
}

/// What became of a request for verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerificationQueued {
    /// It is queued (or, on a disabled stream, counted as discarded).
    Queued,
    /// It comes too early; the next may come at that time.
    TooSoon(Timestamp),
    /// The transmitter starts none while another is not settled.
    Unsettled,
}

/// A subject added to or removed from a stream (SSF 1.0 §8.1.3).
///
/// On a stream that began with all subjects, a removal records an exclusion and an addition cancels
/// the exclusion of the identical subject. On a stream that began with none, an addition records an
/// inclusion and a removal deletes the inclusion of the identical subject.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SubjectChange {
    /// The receiver wants events about it.
    Add(Subject),
    /// The receiver wants no more events about it.
    Remove(Subject),
    /// The same, but events go on until that time: a removal by somebody who took the receiver
    /// over is noticed before it does harm (SSF 1.0 §9.3). An addition meanwhile cancels it.
    RemoveLater {
        /// The subject.
        subject: Subject,
        /// When the removal takes effect.
        at: Timestamp,
    },
}

/// What a stream's deletion discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// How many entries were waiting.
    pub discarded: u64,
}

impl Deleted {
    /// A deletion that discarded that many.
    #[must_use]
    pub const fn new(discarded: u64) -> Self {
        Self { discarded }
    }
}

/// What a receiver says of SETs it polled (RFC 8936 §2.2).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Acknowledgement {
    /// SETs it has.
    pub acks: Vec<Jti>,
    /// SETs it refuses.
    pub errors: Vec<(Jti, PollError)>,
    /// The time of the request.
    pub now: Timestamp,
}

/// What an acknowledgement settled. What was settled before, or was never the stream's, is not in
/// it: this is for the operator, never for the receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acknowledged {
    /// How many SETs it delivered.
    pub delivered: u64,
    /// The SETs it made dead letters, each with its lane, in the order named.
    pub dead: Vec<(Jti, Lane)>,
    /// The round trip of the verification among those delivered.
    pub verified: Option<RoundTrip>,
}

impl Acknowledged {
    /// That many deliveries, and these dead letters.
    #[must_use]
    pub const fn new(delivered: u64, dead: Vec<(Jti, Lane)>) -> Self {
        Self { delivered, dead, verified: None }
    }
}

/// That the receiver of a stream was active (SSF 1.0 §8.1.1 `inactivity_timeout`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Activity {
    /// The stream.
    pub stream_id: StreamId,
    /// When.
    pub at: Timestamp,
}

impl Activity {
    /// The receiver of that stream was active at that time.
    #[must_use]
    pub const fn new(stream_id: StreamId, at: Timestamp) -> Self {
        Self { stream_id, at }
    }
}

/// Asks for entries to answer a poll with.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HandOutRequest {
    /// At most so many.
    pub most: usize,
    /// The time of the request.
    pub now: Timestamp,
}

impl HandOutRequest {
    /// At most that many, at that time.
    #[must_use]
    pub const fn new(most: usize, now: Timestamp) -> Self {
        Self { most, now }
    }
}

/// Entries to answer a poll with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandOut {
    /// The entries, in the order they should be dealt with.
    pub entries: Vec<Claimed>,
    /// Whether more could be handed out at once.
    pub more: More,
    /// When the first of those ends to be hidden that are hidden now.
    pub hidden_until: Option<Timestamp>,
}

impl HandOut {
    /// These entries, and more or not; none is hidden.
    #[must_use]
    pub const fn new(entries: Vec<Claimed>, more: More) -> Self {
        Self { entries, more, hidden_until: None }
    }
}
