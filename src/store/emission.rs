//! The outbox: how an event gets into a store.

use std::sync::Arc;

use async_trait::async_trait;

use super::StoreError;
use crate::id::{EventType, IdempotencyKey, Issuer, Jti, OrderKey, Owner, StreamId, Txn};
use crate::set::SetBody;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// The narrow port of emission: two calls, and the rules run between them.
///
/// # Contract
/// 1. `candidates` returns the streams of the issuer that are not disabled, deliver the type and
///    have the subject among theirs by [`Interest::of`](crate::routing::Interest::of). They are found
///    by key: the cost does not depend on streams that are not interested.
/// 2. `append` stores the event's body once and one entry per stream, all or nothing. It only
///    inserts: it waits for no other emission.
/// 3. `append` looks at each stream again: one that is gone or disabled since is skipped and
///    reported; its entry was never accepted.
/// 4. With an idempotency key that was used before, `append` stores nothing and returns the result
///    of the first time, also when the two run at the same time. Keys are kept until
///    [`WorkerStore::sweep`](super::WorkerStore::sweep) removes them; they count from `append.now`,
///    also when the host's transaction commits much later.
/// 5. Entries are accepted when `append` commits: at once, or with the host's transaction.
#[async_trait]
pub trait Outbox: Send {
    /// Finds the interested streams.
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError>;

    /// Stores an event and its entries.
    async fn append(&mut self, append: Append) -> Result<Appended, StoreError>;
}

/// What an emission asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CandidateQuery {
    /// The transmitter's issuer.
    pub issuer: Issuer,
    /// The event's type.
    pub event_type: EventType,
    /// What the event is about.
    pub subject: Subject,
    /// The time of the emission.
    pub now: Timestamp,
}

impl CandidateQuery {
    /// Asks which streams want that event.
    #[must_use]
    pub const fn new(
        issuer: Issuer,
        event_type: EventType,
        subject: Subject,
        now: Timestamp,
    ) -> Self {
        Self { issuer, event_type, subject, now }
    }
}

/// A stream that wants an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// The stream.
    pub stream_id: StreamId,
    /// Its owner.
    pub owner: Arc<Owner>,
}

impl Candidate {
    /// That stream of that owner.
    #[must_use]
    pub fn new(stream_id: StreamId, owner: impl Into<Arc<Owner>>) -> Self {
        Self { stream_id, owner: owner.into() }
    }
}

/// An event and its entries, to be stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Append {
    /// The transmitter's issuer.
    pub issuer: Issuer,
    /// The shared claims of the SETs.
    pub body: SetBody,
    /// The transaction.
    pub txn: Txn,
    /// The event's type.
    pub event_type: EventType,
    /// What the entries keep their order with.
    pub order_key: OrderKey,
    /// One entry per stream.
    pub entries: Vec<NewEntry>,
    /// A key that makes a repetition return the first result.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The time of the emission.
    pub now: Timestamp,
}

impl Append {
    /// An event without entries and without an idempotency key.
    #[must_use]
    pub const fn new(
        issuer: Issuer,
        body: SetBody,
        txn: Txn,
        event_type: EventType,
        order_key: OrderKey,
        now: Timestamp,
    ) -> Self {
        Self {
            issuer,
            body,
            txn,
            event_type,
            order_key,
            entries: Vec::new(),
            idempotency_key: None,
            now,
        }
    }
}

/// An entry to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewEntry {
    /// The stream it goes to.
    pub stream_id: StreamId,
    /// The identifier of the SET; unique per issuer.
    pub jti: Jti,
}

impl NewEntry {
    /// An entry for that stream under that identifier.
    #[must_use]
    pub const fn new(stream_id: StreamId, jti: Jti) -> Self {
        Self { stream_id, jti }
    }
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The transaction: that of the first emission when the idempotency key was known.
    pub txn: Txn,
    /// The entries that were accepted.
    pub accepted: Arc<[NewEntry]>,
    /// The streams that were gone or disabled.
    pub skipped: Vec<StreamId>,
    /// Whether this is the result of an earlier emission under the same key.
    pub repeated: Repeated,
}

impl Appended {
    /// A first emission that did that.
    #[must_use]
    pub const fn new(txn: Txn, accepted: Arc<[NewEntry]>, skipped: Vec<StreamId>) -> Self {
        Self { txn, accepted, skipped, repeated: Repeated::No }
    }
}

/// Whether an emission repeated an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repeated {
    /// It is new.
    No,
    /// An earlier emission under the same idempotency key already did it.
    Yes,
}
