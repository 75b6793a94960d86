//! The store port: what a transmitter needs of its memory.
//!
//! A [`StreamStore`] has three faces, so that each part of the library holds only what it needs:
//!
//! * [`ReceiverStore`]: what a receiver's request can cause. Every call names an [`Owner`]; nothing
//!   of another owner can be reached.
//! * [`WorkerStore`]: what the delivery of SETs needs: claim, keep, settle, sweep.
//! * [`OperatorStore`]: what the operator may see and do, across owners.
//!
//! Emission goes through the narrow [`Outbox`]. Identity lifecycle has a face of its own,
//! [`IdentityStore`], which a store may leave out.
//!
//! # Contract of all faces
//! 1. Time is an argument; a store reads no clock. It may go backwards.
//! 2. Every call is atomic: it happens wholly or not at all, also when its future is dropped.
//! 3. Calls are linearisable per stream: what one call committed, the next one sees.
//! 4. Every row carries the issuer. Nothing of another issuer can be reached.
//! 5. A stream of another owner or issuer is answered exactly like one that does not exist:
//!    [`StoreError::NotFound`].
//! 6. [`StoreError::Unavailable`] means that the call may be repeated; an unclear commit is safe to
//!    repeat for every call but [`ReceiverStore::create_stream`] and [`Outbox::append`], which has
//!    idempotency keys for that.
//! 7. The order of entries is the order in which their [`Outbox::append`] committed. Those whose
//!    appends overlapped in time may stand in any order.
//! 8. Secrets are stored and returned, never printed: no `Debug` form shows them.
//!
#![doc = include_str!("../../docs/implementing-a-store.md")]

mod calls;
mod emission;
mod forward;
mod identities;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::fmt;

use async_trait::async_trait;

use crate::id::{Issuer, Owner, StreamId};
use crate::routing::Interest;
use crate::stream::{StreamQuota, StreamRecord};
use crate::subject::Subject;
use crate::timestamp::Timestamp;

pub use calls::{
    Acknowledged, Acknowledgement, Activity, Backlog, ClaimRequest, Claimed, Claims, DeadLetter,
    Deleted, GiveUpHeld, HandOut, HandOutRequest, HealthChange, HeldStream, KeepToken, Kept,
    LetterFilter, LetterPlace, LetterQuery, NewControl, NewVerification, Overdue, Provided, Queue,
    Redrive, RedriveLetter, Redriven, Route, SettleBatch, SettleReport, Settled, Settlement,
    StartedBy, StreamOverview, StreamUpdate, SubjectChange, SweepRequest, Swept, Tokens, Totals,
    VerificationQueued,
};
pub use emission::{Append, Appended, Candidate, CandidateQuery, NewEntry, Outbox, Repeated};
pub use identities::{
    Committed, FailedEvent, IdentityCommit, IdentityRead, IdentityRecord, IdentityStore,
    IdentityWrite, StoredConditions,
};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::SqlStore;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such stream for this owner and issuer.
    #[error("no such stream")]
    NotFound,
    /// The record changed since it was read: read it again and decide anew.
    #[error("the stream changed meanwhile")]
    Conflict,
    /// The owner has as many streams as it may have.
    #[error("the receiver has as many streams as it may have")]
    StreamLimit,
    /// The owners of the tenant together have as many streams as they may have.
    #[error("the tenant has as many streams as it may have")]
    TenantStreamLimit,
    /// The stream lists as many subjects as it may.
    #[error("the stream has as many subjects as it may have")]
    SubjectLimit,
    /// The owner is suspended.
    #[error("the receiver is suspended")]
    Suspended,
    /// The stream is disabled: it takes no entries.
    #[error("the stream is disabled, so it takes no SETs")]
    StreamDisabled,
    /// The identifier is taken; draw another.
    #[error("the identifier is taken")]
    IdTaken,
    /// The event is for more streams than one transaction of this store takes.
    #[error("the event is for {streams} streams, and one transaction takes {most}")]
    FanOut {
        /// How many streams want it.
        streams: usize,
        /// How many entries one transaction takes.
        most: usize,
    },
    /// The store is out of reach or overloaded; the same call may work later.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was stored cannot be read.
    #[error("stored data cannot be read")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The receiver face: what a receiver's request can cause.
///
/// # Contract
/// 1. `create_stream` stores the record unless the owner already has `quota.receiver` streams
///    ([`StoreError::StreamLimit`]), the owners of its tenant together have `quota.tenant`
///    ([`StoreError::TenantStreamLimit`]), the owner is suspended, or the identifier is taken. Both
///    are counted within the issuer and checked atomically: two creations at once never exceed one.
/// 2. `read_stream` and `list_streams` return records as last committed; the list is in the order
///    of creation.
/// 3. `update_stream` commits `update.record` if the stored version is `update.expected_version`
///    and what `update.provided` names is so ([`StoreError::Conflict`] otherwise, checked
///    atomically), together with what `update.queue` and `update.announce` say, in one transaction.
///    The new record's version is one higher. When the generation changes or the stream becomes
///    enabled, its control entries wait no longer and its health forgets failures
///    ([`Health::forget_failures`]), or, when SETs go elsewhere from then on
///    ([`Delivery::goes_where`]), the receiver ([`Health::forget_receiver`]); when it becomes
///    enabled, its receiver counts as active.
/// 4. `update_stream` with [`Queue::Discard`] removes all unsettled entries but a newly announced
///    control entry and counts them as discarded by disabling. A discarded entry is gone: its
///    claims, tokens and retries too.
///    An update that enables a stopped stream of a suspended owner is [`StoreError::Suspended`].
/// 5. `delete_stream` removes the stream and everything of it: entries, dead letters, subjects,
///    health. Unsettled entries are counted as discarded by deletion.
/// 6. `change_subject` records an addition or a removal; see [`SubjectChange`]. Both are idempotent.
///    One that would let the stream list more than `most` subjects changes nothing
///    ([`StoreError::SubjectLimit`]). A removal that is recorded for later counts as soon as it is
///    recorded, on a stream that began with all subjects.
/// 7. `queue_verification` queues a verification entry unless the last one the receiver asked for
///    is younger than `min_interval` (checked and noted atomically). A newer verification replaces
///    an older unsettled one, which is counted as discarded by replacement. One that the transmitter
///    starts is not queued when the last of either side is younger than `min_interval`, or while one
///    is unsettled ([`VerificationQueued::Unsettled`], which counts as queued for
///    [`WorkerStore::unverified_streams`]); it does not count for the receiver's interval.
/// 8. `acknowledge` releases each named entry that was ever emitted to this stream and is not yet
///    settled; it ends as delivered, which is a success of the stream, and the round trip of a
///    verification is noted in the stream's health. Those with errors end as dead letters. Named both
///    ways: dead letter. Unknown, settled and foreign identifiers are ignored. It works in every
///    status, and is idempotent. What is returned is what this call settled.
/// 9. `hand_out` returns unsettled entries of a poll stream that may leave ([`may_leave`]), control
///    entries first, then oldest first, at most `most`. It claims nothing: the same entries are
///    returned again until they are acknowledged. A push stream is [`StoreError::NotFound`].
///    Nor does it return an entry that is hidden, any younger entry of the order key of a hidden
///    one, or, while a control entry is hidden, a younger control entry; they do not count for
///    `more` either.
/// 10. `keep_polled` is [`WorkerStore::keep_tokens`] for handed-out entries: the first token wins
///     and is returned; entries that are gone or whose fence is old are returned as [`Kept::Gone`].
///     With `hide`, entries whose token is kept are hidden until then; those that another call has
///     hidden meanwhile, or that stand behind one it has, are [`Kept::Gone`]. A stream that starts
///     again or whose generation changes hides nothing any more.
/// 11. `touch` notes that the receiver was active, for `inactivity_timeout`.
/// 12. `wait_for_change` returns when another process may have emitted to what is watched, or
///     changed it, since the mark; or at once when the store knows that none can or cannot tell.
///     Whoever waits takes `change_mark`, then looks, then waits with that mark: what commits after
///     the look ends the wait, also when it commits before the wait begins. A mark costs no I/O.
///     Waiting holds no lock and no connection, and dropping it leaves nothing behind. It may
///     return although nothing changed.
///
/// [`may_leave`]: crate::outbox::may_leave
/// [`Health::forget_failures`]: crate::outbox::Health::forget_failures
/// [`Health::forget_receiver`]: crate::outbox::Health::forget_receiver
/// [`Delivery::goes_where`]: crate::stream::Delivery::goes_where
#[async_trait]
pub trait ReceiverStore: fmt::Debug + Send + Sync + 'static {
    /// Stores a new stream.
    async fn create_stream(
        &self,
        record: StreamRecord,
        quota: StreamQuota,
    ) -> Result<(), StoreError>;

    /// Reads one stream.
    async fn read_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError>;

    /// Reads all streams of an owner.
    async fn list_streams(
        &self,
        issuer: &Issuer,
        owner: &Owner,
    ) -> Result<Vec<StreamRecord>, StoreError>;

    /// Changes a stream by compare-and-set.
    async fn update_stream(&self, update: StreamUpdate) -> Result<StreamRecord, StoreError>;

    /// Deletes a stream.
    async fn delete_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<Deleted, StoreError>;

    /// Adds or removes a subject; a stream lists at most `most`.
    async fn change_subject(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        change: SubjectChange,
        most: u32,
    ) -> Result<(), StoreError>;

    /// Queues the verification SET that a receiver asked for.
    async fn queue_verification(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        verification: NewVerification,
    ) -> Result<VerificationQueued, StoreError>;

    /// Settles what a receiver acknowledged or reported.
    async fn acknowledge(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        acknowledgement: Acknowledgement,
    ) -> Result<Acknowledged, StoreError>;

    /// Returns entries for a poll.
    async fn hand_out(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        request: HandOutRequest,
    ) -> Result<HandOut, StoreError>;

    /// Keeps the tokens of handed-out entries, and hides them from other polls until a time.
    async fn keep_polled(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        tokens: Vec<KeepToken>,
        hide: Option<Timestamp>,
    ) -> Result<Vec<Kept>, StoreError>;

    /// Notes that the receiver was active.
    async fn touch(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        activity: Activity,
    ) -> Result<(), StoreError>;

    /// Where the changes by other processes have got to.
    fn change_mark(&self) -> ChangeMark {
        ChangeMark::default()
    }

    /// Waits until another process may have emitted or changed something since the mark.
    async fn wait_for_change(
        &self,
        _issuer: &Issuer,
        _watched: Watched<'_>,
        _since: ChangeMark,
    ) -> Change {
        Change::CannotTell
    }
}

/// The worker face: what delivering SETs needs. All calls take batches.
///
/// # Contract
/// 1. `claim` marks entries of push streams with an owner, an expiry and a fence higher than any
///    before, and returns them, at most `most`. No entry is held by two claims whose leases both
///    last at `now`.
/// 2. Per stream and order key, `claim` returns only the oldest unsettled entry, and nothing while
///    one of that key is held. Control entries are returned before all others, of their stream in
///    the order written, one at a time; while one is held, nothing else of the stream is returned.
///    One whose time has not come, for its own sake or the breaker's, holds up those of its kind
///    (stream-updated, verification) and none of the other kind: the verification by which a
///    receiver sees whether it is back does not wait for an announcement that failed.
///    An entry is returned only if there is a place for it ([`Places::has`], by its lane, the pace
///    in its stream's health and the host of its endpoint), and takes that place
///    ([`Places::take`]). Streams are served in turn: none gets a second ordinary entry while one
///    that could get its first goes without.
/// 3. `claim` returns only entries that may leave ([`may_leave`]) and whose time has come: the
///    entry's own retry time, the stream's breaker for ordinary entries (while it is half open one
///    entry is returned, the probe, and no other while the lease of an ordinary entry of the stream
///    lasts, whoever holds it), the stream's `not_before` for all. The probe is an entry that was
///    never tried, if there is one: one that fails with every stream must not be the only one that
///    is tried. A control entry does not wait for the breaker until it has been deferred
///    ([`Fate::Defer`]): it was the probe then. From then on, while the breaker is half open, the
///    oldest stream-updated entry is the probe before all others, and ordinary entries wait until
///    its own time, too, has come; a verification is it only if no ordinary entry can be that was
///    never tried; and neither while the lease of an ordinary entry of the stream lasts.
/// 4. The cost of `claim` does not depend on entries that wait behind a head or for a retry, nor on
///    streams that are stopped or that there is no place for.
/// 5. `keep_tokens` is compare-and-set per entry: the first token wins and is returned, together
///    with the route as it is now. A stored token is replaced only when its key is named in
///    `KeepToken::replaces`, and that is counted. An entry that is gone, or whose fence is not the
///    given one, or that may no longer leave, is [`Kept::Gone`]. The time of the first token kept
///    is that of the entry's first attempt.
/// 6. `settle` ends claims as [`Life::after`] has it: delivered, retry, deferred, dead letter or
///    released as it was. An old fence, a settled entry or a stream that is gone changes nothing
///    and is [`Settled::Gone`].
///    Health changes are applied with [`Health::record`] and [`Health::note_pace`], unless they name
///    another generation than the stream has now, and written at most once per stream and batch,
///    together with the round trip of a verification that is delivered. Every verdict but
///    [`Verdict::GoOn`] is returned, once.
/// 7. An expired lease makes its entry claimable again, unchanged.
/// 8. `sweep` removes, in bounded batches, what retention no longer asks for, and tells how old the
///    oldest is that stays.
/// 9. `idle_streams` returns enabled streams whose receiver has not been active since a time, the
///    longest idle first.
/// 10. `next_due` of a claim is the first time, `now` or later, at which the same claim could return
///     something it does not return now: for want of `most`, the end of a wait, or the end of a
///     lease, whoever holds it; `None` when only a change from outside or a place that becomes free
///     could cause it. It may be earlier than that, but not earlier again and again.
/// 11. `held_streams` pages through the streams that hold ordinary entries nobody is being sent:
///     those that are paused, and those that are polled and not disabled. In the order of their
///     identifiers, those after `after`, at most `most`. What it says comes from counters that the
///     store maintains, so its cost does not depend on how many entries are held; the counters may
///     lag behind emissions that commit meanwhile.
/// 12. `give_up_held` moves the oldest ordinary entries of such a stream to dead letters, one by
///     one, while [`HeldLimits::exceeded`] names a limit, at most `most`, and says how many. An
///     entry in a claim that lasts, or hidden from polls, is left where it is. A stream that is
///     gone or holds nothing of the kind has none. It takes no lock that an emission could wait for.
/// 13. `unverified_streams` returns enabled streams for which no verification was queued, by either
///     side, since a time, those first that waited longest. A stream that never had one counts from
///     its creation.
/// 14. With [`Tokens::SignedBy`], `claim` returns only entries that have been tried and whose kept
///     token is to be sent again and was signed by one of those keys; they need not wait until a key
///     signs again. Ordinary entries do not overtake a control entry of their stream whose turn it
///     is.
///
/// [`HeldLimits::exceeded`]: crate::outbox::HeldLimits::exceeded
/// [`Life::after`]: crate::outbox::Life::after
/// [`may_leave`]: crate::outbox::may_leave
/// [`Health::record`]: crate::outbox::Health::record
/// [`Verdict::GoOn`]: crate::outbox::Verdict::GoOn
/// [`Health::note_pace`]: crate::outbox::Health::note_pace
/// [`Places::has`]: crate::outbox::Places::has
/// [`Places::take`]: crate::outbox::Places::take
/// [`Fate::Defer`]: crate::outbox::Fate::Defer
#[async_trait]
pub trait WorkerStore: fmt::Debug + Send + Sync + 'static {
    /// Claims entries for pushing.
    async fn claim(&self, request: ClaimRequest) -> Result<Claims, StoreError>;

    /// Keeps signed tokens; returns the winners and the present routes, in the order given.
    async fn keep_tokens(
        &self,
        issuer: &Issuer,
        tokens: Vec<KeepToken>,
    ) -> Result<Vec<Kept>, StoreError>;

    /// Ends claims.
    async fn settle(&self, issuer: &Issuer, batch: SettleBatch)
    -> Result<SettleReport, StoreError>;

    /// Removes what retention no longer asks for.
    async fn sweep(&self, request: SweepRequest) -> Result<Swept, StoreError>;

    /// Enabled streams whose receiver has not been active since `since`, at most `most`.
    async fn idle_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError>;

    /// Enabled streams for which no verification was queued since `since`, at most `most`.
    async fn unverified_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError>;

    /// A page of the streams that hold entries nobody is being sent.
    async fn held_streams(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<HeldStream>, StoreError>;

    /// Gives up the oldest of what a stream holds beyond its limits; says how many entries.
    async fn give_up_held(&self, issuer: &Issuer, request: GiveUpHeld) -> Result<u64, StoreError>;
}

/// The operator face: across owners, never reachable by a receiver.
///
/// # Contract
/// 1. `find_stream` reads a stream of any owner.
/// 2. `list_overviews` pages through all streams in a stable order: those after `after`; `overview`
///    shows one. The cost per stream does not depend on how many entries and dead letters it has:
///    the number of those that wait is exact up to [`Backlog::COUNTED`] and may be a maintained
///    estimate beyond, which is marked.
/// 3. `interest` says whether a stream has a subject among its own at `now`, by
///    [`Interest::of`](crate::routing::Interest::of) over what its receiver added or removed.
/// 4. `suspend` marks an owner: no new stream for it and none enabled, until `resume`. Both are
///    idempotent.
/// 5. `dead_letters` lists those of one stream that [`LetterFilter::matches`], in the order of
///    their [`LetterPlace`]s, those behind `after`, at most `most`.
/// 6. `redrive` gives dead letters another life: each leaves the dead letters and waits as the
///    newest entry of its stream, with its order key, its claims, the time of its emission and no
///    attempts; as the same SET with its kept token, or under a new `jti` without one. All or
///    nothing, but one that is gone is [`Redriven::Gone`] and a control SET [`Redriven::Refused`].
///    On a stream that is disabled it is [`StoreError::StreamDisabled`].
/// 7. `totals` are exact: accepted + redriven = delivered + dead + discarded + waiting, where dead
///    letters that retention removed still count as dead and what a deleted stream had still
///    counts.
#[async_trait]
pub trait OperatorStore: fmt::Debug + Send + Sync + 'static {
    /// Reads one stream of any owner.
    async fn find_stream(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError>;

    /// A page of all streams.
    async fn list_overviews(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<StreamOverview>, StoreError>;

    /// One stream.
    async fn overview(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamOverview, StoreError>;

    /// Whether a stream has a subject among its own.
    async fn interest(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Interest, StoreError>;

    /// Marks an owner as suspended.
    async fn suspend(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError>;

    /// Lifts a suspension.
    async fn resume(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError>;

    /// A page of the dead letters of a stream.
    async fn dead_letters(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        query: &LetterQuery,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// Gives dead letters another life; says what became of each, in the order given.
    async fn redrive(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        redrive: Redrive,
    ) -> Result<Vec<Redriven>, StoreError>;

    /// What became of all entries.
    async fn totals(&self, issuer: &Issuer) -> Result<Totals, StoreError>;
}

/// A store: all faces, and the outbox.
///
/// # Contract
/// 1. `outbox` gives an [`Outbox`] that commits each append on its own.
#[async_trait]
pub trait StreamStore: ReceiverStore + WorkerStore + OperatorStore {
    /// The way in for events.
    fn outbox(&self) -> Box<dyn Outbox + '_>;
}

/// How far the changes by other processes have got that a store knows of. One that comes later
/// has another mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeMark(pub u64);

/// Whose changes somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Watched<'a> {
    /// Those of one stream.
    Stream(&'a StreamId),
    /// Those of any.
    AllStreams,
}

/// What a store knows of changes by other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Something may have changed.
    Happened,
    /// There are no other processes: the store lives in this one.
    NeverHappens,
    /// The store cannot tell; look again after an interval.
    CannotTell,
}
