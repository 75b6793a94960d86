//! Everything the store holds, by issuer, and the indexes over it.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::interest::Interests;
use super::schedule::Schedule;
use super::stream::{Death, Stream};
use crate::id::{IdempotencyKey, Issuer, Jti, Owner, StreamId};
use crate::outbox::DeadLetterReason;
use crate::store::{Appended, StoreError, Totals};
use crate::stream::{StreamRecord, StreamStatus};
use crate::timestamp::Timestamp;

/// All issuers.
#[derive(Debug, Default)]
pub(super) struct State {
    issuers: HashMap<Issuer, IssuerState>,
}

impl State {
    /// What belongs to one issuer.
    pub(super) fn of(&mut self, issuer: &Issuer) -> &mut IssuerState {
        self.issuers.entry(issuer.clone()).or_default()
    }
}

/// What belongs to one issuer. Whoever changes a stream calls [`changed`](Self::changed) last.
#[derive(Debug, Default)]
pub(super) struct IssuerState {
    /// Boxed, so that looking one up touches little memory and room for growth costs little.
    pub(super) streams: HashMap<StreamId, Box<Stream>>,
    /// The streams in the order in which they are listed to the operator.
    pub(super) listing: BTreeSet<StreamId>,
    /// The streams of each owner, in the order of their creation.
    pub(super) owners: HashMap<Owner, Vec<StreamId>>,
    pub(super) suspended: HashSet<Owner>,
    pub(super) interests: Interests,
    pub(super) schedule: Schedule,
    /// The enabled streams, by the time their receivers were last active.
    pub(super) active: BTreeSet<(Timestamp, StreamId)>,
    pub(super) graves: BTreeSet<(Death, StreamId)>,
    pub(super) first_results: FirstResults,
    /// What became of the entries of streams that were deleted.
    pub(super) departed: Totals,
    pub(super) last_fence: u64,
    /// How many entries of a stream the last claim wanted held at once.
    pub(super) most_per_stream: Option<usize>,
}

/// What the first emission under each idempotency key did.
#[derive(Debug, Default)]
pub(super) struct FirstResults {
    pub(super) by_key: HashMap<IdempotencyKey, Appended>,
    pub(super) by_time: BTreeSet<(Timestamp, IdempotencyKey)>,
}

impl IssuerState {
    /// A stream of that owner.
    pub(super) fn owned(
        &mut self,
        owner: &Owner,
        id: &StreamId,
    ) -> Result<&mut Stream, StoreError> {
        let stream = self.streams.get_mut(id).filter(|stream| stream.record.owner == *owner);
        stream.map(Box::as_mut).ok_or(StoreError::NotFound)
    }

    /// Takes a new stream up.
    pub(super) fn insert(&mut self, record: StreamRecord) {
        let id = record.stream_id.clone();
        self.owners.entry(record.owner.clone()).or_default().push(id.clone());
        self.interests.add(&record);
        let stream = Stream::new(record);
        list_active(&mut self.active, &stream);
        self.listing.insert(id.clone());
        self.streams.insert(id, stream.into());
    }

    /// Takes a stream and everything of it out.
    pub(super) fn remove(&mut self, id: &StreamId) -> Option<Box<Stream>> {
        let stream = self.streams.remove(id)?;
        self.listing.remove(id);
        if let Some(streams) = self.owners.get_mut(&stream.record.owner) {
            streams.retain(|other| other != id);
            if streams.is_empty() {
                self.owners.remove(&stream.record.owner);
            }
        }
        self.interests.remove(&stream.record);
        self.interests.forget_subjects(id);
        self.schedule.remove(id);
        self.active.remove(&(stream.active_at, id.clone()));
        for death in stream.dead_letters.keys() {
            self.graves.remove(&(*death, id.clone()));
        }
        Some(stream)
    }

    /// Puts another record in the place of a stream's.
    pub(super) fn replace(&mut self, record: StreamRecord) -> Option<&mut Stream> {
        let stream = self.streams.get_mut(&record.stream_id)?.as_mut();
        self.interests.remove(&stream.record);
        self.interests.add(&record);
        stream.replace_record(record);
        list_active(&mut self.active, stream);
        Some(stream)
    }

    /// Ends an entry as a dead letter.
    pub(super) fn bury(
        &mut self,
        id: &StreamId,
        jti: &Jti,
        reason: DeadLetterReason,
        now: Timestamp,
    ) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if let Some(death) = stream.bury(jti, reason, now) {
            self.graves.insert((death, id.clone()));
        }
    }

    /// Notes that a receiver was active; an earlier time changes nothing.
    pub(super) fn touch(&mut self, id: &StreamId, at: Timestamp) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        self.active.remove(&(stream.active_at, id.clone()));
        stream.active_at = stream.active_at.max(at);
        list_active(&mut self.active, stream);
    }

    /// Enters in the schedule when a stream that changed is due.
    pub(super) fn changed(&mut self, id: &StreamId) {
        if let Some(stream) = self.streams.get(id) {
            self.schedule.set(id, stream.due(usize::MAX));
        }
    }
}

fn list_active(active: &mut BTreeSet<(Timestamp, StreamId)>, stream: &Stream) {
    let row = (stream.active_at, stream.record.stream_id.clone());
    match stream.record.status {
        StreamStatus::Enabled => active.insert(row),
        StreamStatus::Paused | StreamStatus::Disabled => active.remove(&row),
    };
}

/// Adds what became of some entries to what became of others.
pub(super) fn add(sum: &mut Totals, more: Totals) {
    sum.accepted += more.accepted;
    sum.waiting += more.waiting;
    sum.delivered += more.delivered;
    sum.delivered_unusually += more.delivered_unusually;
    sum.dead += more.dead;
    sum.discarded_disabled += more.discarded_disabled;
    sum.discarded_deleted += more.discarded_deleted;
    sum.discarded_replaced += more.discarded_replaced;
    sum.tokens_replaced += more.tokens_replaced;
}
