//! Emission: an event becomes one entry per interested stream.

use super::commit::Committing;
use super::upkeep::Noted;
use super::{Transmitter, mint};
use crate::diagnostics::{self, Told};
use crate::error::Error;
use crate::event::{self, Event};
use crate::hooks::Sharing;
use crate::id::{FailureId, Jti, StreamId, Txn};
use crate::routing;
use crate::set::SetBody;
use crate::store::{Append, Appended, CandidateQuery, NewEntry, Outbox, Repeated};
use crate::timestamp::Timestamp;

/// What an emission did. When it is returned by [`Transmitter::emit`], it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Emission {
    /// The transaction that all SETs of the event name.
    pub txn: Txn,
    /// The SETs, one per interested stream.
    pub sets: Vec<EmittedSet>,
    /// Streams that were interested but went or were disabled meanwhile; they get nothing.
    pub skipped: Vec<StreamId>,
    /// Whether this is the result of an earlier emission under the same idempotency key.
    pub repeated: Repeated,
}

/// One SET of an emission.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmittedSet {
    /// The stream it goes to.
    pub stream_id: StreamId,
    /// Its identifier.
    pub jti: Jti,
}

impl Transmitter {
    /// Emits an event: every stream that wants it gets a SET, delivered at least once under one
    /// `jti`. When this returns, the SETs are committed.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`] when the event breaks the definition of its type, [`Error::Event`]
    /// when it is too large, [`Error::Store`] when the store failed. After
    /// [`StoreError::Unavailable`](crate::store::StoreError::Unavailable) it is not known whether
    /// the event was accepted; an idempotency key makes it safe to emit it again.
    pub async fn emit(&self, event: Event) -> Result<Emission, Error> {
        let mut outbox = self.store.outbox();
        let committing = self.committing();
        let emission = committing.over(self.emit_in(&mut *outbox, event).await)?;
        self.wake(&emission);
        Ok(emission)
    }

    /// Emits an event into an outbox of the host's choice, such as one that shares the host's own
    /// transaction. The SETs are committed when that is; call [`wake`](Self::wake) then.
    ///
    /// An idempotency key counts from here: a transaction that lasts longer than
    /// [`Config::keep_idempotency_keys`](super::Config::keep_idempotency_keys) commits a key that is
    /// about to be removed, and its repetition would be a second event.
    ///
    /// # Errors
    /// Like [`emit`](Self::emit).
    pub async fn emit_in(&self, outbox: &mut dyn Outbox, event: Event) -> Result<Emission, Error> {
        let append = self.plan(outbox, &event, self.now()).await?;
        let emission = outbox.append(append).await?.into();
        if event.idempotency_key().is_some() {
            // Upkeep since the plan has not seen the key.
            self.core.note(Noted::IdempotencyKey, self.now());
        }
        Ok(emission)
    }

    /// What an emission stores: the claims of the event, and one entry per stream that wants it.
    pub(crate) async fn plan(
        &self,
        outbox: &mut dyn Outbox,
        event: &Event,
        now: Timestamp,
    ) -> Result<Append, Error> {
        let core = &self.core;
        let (txn, body) = self.body_of(event, now)?;
        let query = CandidateQuery::new(
            core.issuer.clone(),
            event.event_type().clone(),
            event.subject().clone(),
            now,
        );
        if event.idempotency_key().is_some() {
            core.note(Noted::IdempotencyKey, now);
        }
        let candidates = outbox.candidates(&query).await?;
        let entry = |stream_id| NewEntry::new(stream_id, mint::jti(now, core.entropy.bits()));
        let entries: Vec<_> = candidates
            .into_iter()
            .filter(|found| match core.sharing.decide(event, &found.stream_id, &found.owner) {
                Sharing::Allow => true,
                Sharing::Veto => false,
            })
            .map(|found| entry(found.stream_id))
            .collect();
        if !entries.is_empty() {
            core.held.grown(body.as_str().len() as u64, &core.config.held, now);
        }
        Ok(Append {
            issuer: core.issuer.clone(),
            body,
            txn,
            event_type: event.event_type().clone(),
            order_key: event
                .order_key()
                .cloned()
                .unwrap_or_else(|| routing::order_key(event.subject())),
            entries,
            idempotency_key: event.idempotency_key().cloned(),
            now,
        })
    }

    /// To be held while SETs are committed.
    pub(crate) fn committing(&self) -> Committing<'_> {
        self.core.committing()
    }

    /// The transaction of an event and its claims, if it may be emitted at all.
    pub(super) fn body_of(&self, event: &Event, now: Timestamp) -> Result<(Txn, SetBody), Error> {
        event::check(event.event_type(), event.members(), event.subject())?;
        let txn = event.txn().cloned().unwrap_or_else(|| self.new_txn(now));
        let body = SetBody::new(now, &txn, event.subject(), event.event_type(), event.members())?;
        Ok((txn, body))
    }

    /// The outbox that commits each append on its own.
    pub(crate) fn outbox(&self) -> Box<dyn Outbox + '_> {
        self.store.outbox()
    }

    /// The time, as the transmitter's clock has it.
    pub(crate) fn now(&self) -> Timestamp {
        self.core.clock.now()
    }

    /// A new transaction, for the SETs of several events.
    pub(crate) fn new_txn(&self, now: Timestamp) -> Txn {
        mint::txn(now, self.core.entropy.bits())
    }

    /// A new identifier of an event that could not be made.
    pub(crate) fn new_failure_id(&self, now: Timestamp) -> FailureId {
        mint::failure_id(now, self.core.entropy.bits())
    }

    /// Wakes the pusher and the polls that wait for these SETs. [`emit`](Self::emit) does it
    /// itself; after [`emit_in`](Self::emit_in) the host does it once its transaction is committed.
    pub fn wake(&self, emission: &Emission) {
        if emission.repeated == Repeated::No {
            diagnostics::tell(Told::Emitted { txn: &emission.txn, sets: emission.sets.len() });
        }
        if !emission.sets.is_empty() {
            // A look since the plan has not seen these SETs.
            self.core.held.committed(&self.core.config.held, self.now());
        }
        self.core.wakes.wake(emission.sets.iter().map(|set| &set.stream_id));
    }
}

impl From<Appended> for Emission {
    fn from(appended: Appended) -> Self {
        let Appended { txn, accepted, skipped, repeated } = appended;
        let set = |entry: &NewEntry| EmittedSet {
            stream_id: entry.stream_id.clone(),
            jti: entry.jti.clone(),
        };
        Self { txn, sets: accepted.iter().map(set).collect(), skipped, repeated }
    }
}
