//! What goes into and comes out of the calls of the worker face.

use std::sync::Arc;

use crate::id::{Audience, Issuer, Jti, KeyId, Owner, StreamId, WorkerId};
use crate::outbox::{
    BreakerPolicy, Fate, Fence, Held, HeldLimits, Jitter, KeptToken, Lane, Pace, PlaceLimits,
    Places, Signature, StreamReport, Verdict,
};
use crate::set::SetBody;
use crate::stream::{Delivery, StatusSetBy, StreamRecord, StreamStatus};
use crate::timestamp::Timestamp;

/// Where the SETs of a stream go and whether they may, at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route {
    /// The stream.
    pub stream_id: StreamId,
    /// The receiver it belongs to.
    pub owner: Owner,
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

/// Streams that are overdue for something, those that waited longest first.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Overdue {
    /// The streams.
    pub streams: Vec<StreamRecord>,
    /// The time that the next one, which is not among them, counts from.
    pub next: Option<Timestamp>,
}

impl Overdue {
    /// These streams, and the next counts from that time.
    #[must_use]
    pub const fn new(streams: Vec<StreamRecord>, next: Option<Timestamp>) -> Self {
        Self { streams, next }
    }
}

impl Route {
    /// The route of a stream as its record has it.
    #[must_use]
    pub fn of(record: &StreamRecord) -> Self {
        Self {
            stream_id: record.stream_id.clone(),
            owner: record.owner.clone(),
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
    /// At most so many entries. None: to learn only when there is next something to claim.
    pub most: usize,
    /// At most so many ordinary entries of one stream held at once.
    pub most_per_stream: usize,
    /// The places for pushes, those taken that are under way.
    pub places: Places,
    /// Which entries, by their tokens.
    pub tokens: Tokens,
}

/// Which entries a claim is for, by the tokens that are kept for them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tokens {
    /// All, signed or not.
    Any,
    /// Those that were tried before and whose token one of these keys signed: for when nothing can
    /// be signed.
    SignedBy(Vec<KeyId>),
}

impl ClaimRequest {
    /// A claim of at most `most` entries, wherever they go, signed or not.
    #[must_use]
    pub fn new(
        issuer: Issuer,
        worker: WorkerId,
        now: Timestamp,
        lease_until: Timestamp,
        most: usize,
        most_per_stream: usize,
    ) -> Self {
        let places = Places::new(PlaceLimits::any(usize::MAX));
        let tokens = Tokens::Any;
        Self { issuer, worker, now, lease_until, most, most_per_stream, places, tokens }
    }
}

/// What a claim got.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Claims {
    /// The entries.
    pub entries: Vec<Claimed>,
    /// The first time, the time of the claim or later, at which the same claim could get more;
    /// absent when only a change from outside or a place that becomes free could cause it.
    pub next_due: Option<Timestamp>,
}

impl Claims {
    /// These entries, and more from that time on.
    #[must_use]
    pub const fn new(entries: Vec<Claimed>, next_due: Option<Timestamp>) -> Self {
        Self { entries, next_due }
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
    /// Whether that token is to be sent, or one of the key that signs now.
    pub signature: Signature,
    /// The stream's route at the claim; entries of one stream share it.
    pub route: Arc<Route>,
    /// The pace of its stream: which places a push of it takes.
    pub pace: Pace,
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
        Self {
            jti,
            lane,
            body,
            emitted_at,
            attempts: 0,
            fence,
            token: None,
            signature: Signature::Kept,
            route,
            pace: Pace::Unknown,
        }
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
    /// A key that is no longer published or was refused: a token it signed is replaced.
    pub replaces: Option<KeyId>,
    /// When the SET is about to leave. The first time is that of the entry's first attempt.
    pub at: Timestamp,
}

impl KeepToken {
    /// That token for that claimed entry, about to leave at that time.
    #[must_use]
    pub const fn new(
        stream_id: StreamId,
        jti: Jti,
        fence: Fence,
        token: KeptToken,
        at: Timestamp,
    ) -> Self {
        Self { stream_id, jti, fence, token, replaces: None, at }
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
    pub fate: Fate,
}

impl Settlement {
    /// That fate for that claimed entry.
    #[must_use]
    pub const fn new(stream_id: StreamId, jti: Jti, fence: Fence, fate: Fate) -> Self {
        Self { stream_id, jti, fence, fate }
    }
}

/// Something learnt about a stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HealthChange {
    /// The stream.
    pub stream_id: StreamId,
    /// The generation it was learnt of; absent: whatever generation the stream has.
    pub generation: Option<u64>,
    /// What was learnt.
    pub report: StreamReport,
    /// The jitter of the wait that may follow.
    pub jitter: Jitter,
    /// How long the receiver took; unknown: nothing was learnt of it.
    pub pace: Pace,
}

impl HealthChange {
    /// That report about that stream.
    #[must_use]
    pub const fn new(stream_id: StreamId, report: StreamReport, jitter: Jitter) -> Self {
        Self { stream_id, generation: None, report, jitter, pace: Pace::Unknown }
    }
}

/// What a settling did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettleReport {
    /// Per settlement, in the order given.
    pub settled: Vec<Settled>,
    /// What the batch means for streams as a whole, beyond [`Verdict::GoOn`].
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
    /// From when the oldest dead letter that stays is.
    pub oldest_dead: Option<Timestamp>,
    /// From when the oldest idempotency key that stays is.
    pub oldest_key: Option<Timestamp>,
}

/// A stream that holds entries nobody is being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldStream {
    /// The stream.
    pub stream_id: StreamId,
    /// What it holds.
    pub held: Held,
}

impl HeldStream {
    /// That stream, which holds that.
    #[must_use]
    pub const fn new(stream_id: StreamId, held: Held) -> Self {
        Self { stream_id, held }
    }
}

/// Asks to give up the oldest of what a stream holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GiveUpHeld {
    /// The stream.
    pub stream_id: StreamId,
    /// What it may hold.
    pub limits: HeldLimits,
    /// The time.
    pub now: Timestamp,
    /// At most so many entries.
    pub most: usize,
}

impl GiveUpHeld {
    /// Gives up what is beyond those limits at that time, at most that many entries.
    #[must_use]
    pub const fn new(stream_id: StreamId, limits: HeldLimits, now: Timestamp, most: usize) -> Self {
        Self { stream_id, limits, now, most }
    }
}
