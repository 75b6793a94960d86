//! What goes into and comes out of the calls of a store.

use std::sync::Arc;
use std::time::Duration;

use crate::id::{Audience, Issuer, Jti, KeyId, StreamId, WorkerId};
use crate::outbox::{
    BreakerPolicy, DeadLetterReason, Fence, Health, Jitter, KeptToken, Lane, PollError,
    StreamReport, Verdict,
};
use crate::set::SetBody;
use crate::stream::{Delivery, StatusSetBy, StreamRecord, StreamStatus};
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
    /// What happens to what was learnt about the receiver.
    pub health: PastHealth,
    /// A control entry to queue with the change, before all that waits: stream-updated.
    pub announce: Option<NewControl>,
}

impl StreamUpdate {
    /// A change to that record, decided on that version, that leaves the queue alone.
    #[must_use]
    pub const fn new(record: StreamRecord, expected_version: u64) -> Self {
        let (queue, health) = (Queue::Keep, PastHealth::Keep);
        Self { record, expected_version, queue, health, announce: None }
    }
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

/// What a change does to what was learnt about the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PastHealth {
    /// It counts on.
    Keep,
    /// It is void: the stream is enabled again, or points elsewhere.
    Forget,
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
    /// The least time between two that the receiver asks for.
    pub min_interval: Duration,
}

impl NewVerification {
    /// That entry, unless the last is younger than that interval.
    #[must_use]
    pub const fn new(control: NewControl, min_interval: Duration) -> Self {
        Self { control, min_interval }
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
    /// How many more could be handed out.
    pub remaining: usize,
}

impl HandOut {
    /// These entries, and that many more.
    #[must_use]
    pub const fn new(entries: Vec<Claimed>, remaining: usize) -> Self {
        Self { entries, remaining }
    }
}

/// Where the SETs of a stream go and whether they may, at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route {
    /// The stream.
    pub stream_id: StreamId,
    /// Its audience.
    pub audience: Audience,
    /// Its delivery.
    pub delivery: Delivery,
    /// Its status.
    pub status: StreamStatus,
    /// Who gave it that status.
    pub status_set_by: StatusSetBy,
    /// Its generation.
    pub generation: u64,
}

impl Route {
    /// The route of a stream as its record has it.
    #[must_use]
    pub fn of(record: &StreamRecord) -> Self {
        Self {
            stream_id: record.stream_id.clone(),
            audience: record.audience.clone(),
            delivery: record.delivery.clone(),
            status: record.status,
            status_set_by: record.status_set_by,
            generation: record.generation,
        }
    }
}

/// Asks for entries to push.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// The transmitter's issuer.
    pub issuer: Issuer,
    /// Who claims.
    pub worker: WorkerId,
    /// The time of the claim.
    pub now: Timestamp,
    /// When the claim runs out.
    pub lease_until: Timestamp,
    /// At most so many entries.
    pub most: usize,
    /// At most so many ordinary entries of one stream held at once.
    pub most_per_stream: usize,
}

impl ClaimRequest {
    /// A claim of at most `most` entries.
    #[must_use]
    pub const fn new(
        issuer: Issuer,
        worker: WorkerId,
        now: Timestamp,
        lease_until: Timestamp,
        most: usize,
        most_per_stream: usize,
    ) -> Self {
        Self { issuer, worker, now, lease_until, most, most_per_stream }
    }
}

/// An entry in somebody's hands: claimed for a push, or handed out for a poll.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Claimed {
    /// The identifier of the SET.
    pub jti: Jti,
    /// Its lane.
    pub lane: Lane,
    /// The shared claims.
    pub body: SetBody,
    /// When it was emitted.
    pub emitted_at: Timestamp,
    /// Attempts that counted, so far.
    pub attempts: u32,
    /// The number of the claim.
    pub fence: Fence,
    /// The token of an earlier attempt.
    pub token: Option<KeptToken>,
    /// The stream's route at the claim; entries of one stream share it.
    pub route: Arc<Route>,
}

impl Claimed {
    /// An entry that was never tried.
    #[must_use]
    pub const fn new(
        jti: Jti,
        lane: Lane,
        body: SetBody,
        emitted_at: Timestamp,
        fence: Fence,
        route: Arc<Route>,
    ) -> Self {
        Self { jti, lane, body, emitted_at, attempts: 0, fence, token: None, route }
    }
}

/// A signed token to be kept for an entry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeepToken {
    /// The stream.
    pub stream_id: StreamId,
    /// The SET.
    pub jti: Jti,
    /// The claim.
    pub fence: Fence,
    /// The token.
    pub token: KeptToken,
    /// A key that is no longer published: a token it signed is replaced.
    pub replaces: Option<KeyId>,
}

impl KeepToken {
    /// That token for that claimed entry.
    #[must_use]
    pub const fn new(stream_id: StreamId, jti: Jti, fence: Fence, token: KeptToken) -> Self {
        Self { stream_id, jti, fence, token, replaces: None }
    }
}

/// What became of a token that was to be kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Kept {
    /// This token counts, and this is the route now.
    Token {
        /// The first token, which may be an earlier one.
        token: KeptToken,
        /// The stream's route now.
        route: Arc<Route>,
    },
    /// The entry is settled, gone, claimed by somebody else, or may no longer leave.
    Gone,
}

/// Claims to be ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SettleBatch {
    /// What happens to entries.
    pub settlements: Vec<Settlement>,
    /// What was learnt about streams.
    pub health: Vec<HealthChange>,
    /// How health is judged.
    pub policy: BreakerPolicy,
    /// The time of the settling.
    pub now: Timestamp,
}

impl SettleBatch {
    /// An empty batch.
    #[must_use]
    pub const fn new(policy: BreakerPolicy, now: Timestamp) -> Self {
        Self { settlements: Vec::new(), health: Vec::new(), policy, now }
    }
}

/// What happens to one entry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settlement {
    /// The stream.
    pub stream_id: StreamId,
    /// The SET.
    pub jti: Jti,
    /// The claim.
    pub fence: Fence,
    /// What happens.
    pub fate: crate::outbox::Fate,
}

impl Settlement {
    /// That fate for that claimed entry.
    #[must_use]
    pub const fn new(
        stream_id: StreamId,
        jti: Jti,
        fence: Fence,
        fate: crate::outbox::Fate,
    ) -> Self {
        Self { stream_id, jti, fence, fate }
    }
}

/// Something learnt about a stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HealthChange {
    /// The stream.
    pub stream_id: StreamId,
    /// What was learnt.
    pub report: StreamReport,
    /// The jitter of the wait that may follow.
    pub jitter: Jitter,
}

impl HealthChange {
    /// That report about that stream.
    #[must_use]
    pub const fn new(stream_id: StreamId, report: StreamReport, jitter: Jitter) -> Self {
        Self { stream_id, report, jitter }
    }
}

/// What a settling did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettleReport {
    /// Per settlement, in the order given.
    pub settled: Vec<Settled>,
    /// Streams that should be paused, and why.
    pub verdicts: Vec<(StreamId, Verdict)>,
}

impl SettleReport {
    /// What became of the settlements and the streams.
    #[must_use]
    pub const fn new(settled: Vec<Settled>, verdicts: Vec<(StreamId, Verdict)>) -> Self {
        Self { settled, verdicts }
    }
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It is done.
    Done,
    /// The entry is settled, gone or claimed by somebody else: nothing changed.
    Gone,
}

/// Asks for the removal of what retention no longer asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SweepRequest {
    /// The transmitter's issuer.
    pub issuer: Issuer,
    /// Dead letters that died before this time go.
    pub dead_before: Timestamp,
    /// Idempotency keys from before this time go.
    pub keys_before: Timestamp,
    /// At most so many rows of each kind.
    pub most: usize,
}

impl SweepRequest {
    /// Removes what is older than these times, at most `most` rows of each kind.
    #[must_use]
    pub const fn new(
        issuer: Issuer,
        dead_before: Timestamp,
        keys_before: Timestamp,
        most: usize,
    ) -> Self {
        Self { issuer, dead_before, keys_before, most }
    }
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Dead letters removed.
    pub dead_letters: u64,
    /// Idempotency keys removed.
    pub idempotency_keys: u64,
}

/// A SET that was given up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The SET.
    pub jti: Jti,
    /// The claims all SETs of its event share.
    pub body: SetBody,
    /// Why.
    pub reason: DeadLetterReason,
    /// When it was emitted.
    pub emitted_at: Timestamp,
    /// When it was given up.
    pub dead_at: Timestamp,
}

impl DeadLetter {
    /// A SET that was given up.
    #[must_use]
    pub const fn new(
        jti: Jti,
        body: SetBody,
        reason: DeadLetterReason,
        emitted_at: Timestamp,
        dead_at: Timestamp,
    ) -> Self {
        Self { jti, body, reason, emitted_at, dead_at }
    }
}

/// A stream as its operator sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamOverview {
    /// The stream.
    pub record: StreamRecord,
    /// How its receiver is doing.
    pub health: Health,
    /// Entries that wait.
    pub backlog: u64,
    /// When the oldest of them was emitted.
    pub oldest_pending: Option<Timestamp>,
    /// When the next push is due.
    pub next_attempt: Option<Timestamp>,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// What became of its entries.
    pub totals: Totals,
}

impl StreamOverview {
    /// A stream without entries.
    #[must_use]
    pub fn new(record: StreamRecord, health: Health) -> Self {
        Self {
            record,
            health,
            backlog: 0,
            oldest_pending: None,
            next_attempt: None,
            dead_letters: 0,
            totals: Totals::default(),
        }
    }
}

/// What became of entries. `accepted` is the sum of all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Entries that were accepted.
    pub accepted: u64,
    /// Those not yet settled.
    pub waiting: u64,
    /// Delivered.
    pub delivered: u64,
    /// Delivered with a status other than 202; part of `delivered`.
    pub delivered_unusually: u64,
    /// Given up.
    pub dead: u64,
    /// Discarded because the stream was disabled.
    pub discarded_disabled: u64,
    /// Discarded because the stream was deleted.
    pub discarded_deleted: u64,
    /// Verifications replaced by a newer one.
    pub discarded_replaced: u64,
}
