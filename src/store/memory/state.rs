//! Everything the store holds, by issuer, and the indexes over it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::identities::Identities;
use super::interest::Interests;
use super::schedule::Schedule;
use super::stream::{Happened, Stream, Turn};
use super::streams::{StreamNumber, Streams};
use crate::id::{IdempotencyKey, Issuer, Jti, Owner, StreamId};
use crate::outbox::Happening;
use crate::store::{Appended, LetterPlace, Overdue, Settled, StoreError, Totals};
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
    pub(super) streams: Streams,
    /// The streams in the order in which they are listed to the operator.
    pub(super) listing: BTreeSet<StreamId>,
    /// The streams of each owner, in the order of their creation; the owners of a tenant lie beside
    /// each other.
    pub(super) owners: BTreeMap<Owner, Vec<StreamId>>,
    pub(super) suspended: HashSet<Owner>,
    pub(super) interests: Interests,
    /// The streams with control entries, and those with ordinary ones.
    control: Schedule,
    ordinary: Schedule,
    /// The enabled streams, by the time their receivers were last active.
    pub(super) active: BTreeSet<(Timestamp, StreamId)>,
    /// The enabled streams, by the time a verification was last queued for them.
    pub(super) verified: BTreeSet<(Timestamp, StreamId)>,
    pub(super) graves: BTreeSet<(LetterPlace, StreamId)>,
    /// The streams that hold ordinary entries nobody is being sent.
    pub(super) holding: BTreeSet<StreamId>,
    pub(super) first_results: FirstResults,
    pub(super) identities: Identities,
    /// What became of the entries of streams that were deleted.
    pub(super) departed: Totals,
    pub(super) last_fence: u64,
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
        stream.ok_or(StoreError::NotFound)
    }

    /// Takes a new stream up.
    pub(super) fn insert(&mut self, record: StreamRecord) {
        let id = record.stream_id.clone();
        self.owners.entry(record.owner.clone()).or_default().push(id.clone());
        self.listing.insert(id);
        let number = self.streams.insert(Stream::new(record));
        if let Some(stream) = self.streams.at(number) {
            self.interests.set(number, &stream.record);
            list(&mut self.active, stream.active_at, stream);
            list(&mut self.verified, stream.verification_at, stream);
        }
    }

    /// Takes a stream and everything of it out.
    pub(super) fn remove(&mut self, id: &StreamId) -> Option<Stream> {
        let (number, stream) = self.streams.remove(id)?;
        self.listing.remove(id);
        if let Some(streams) = self.owners.get_mut(&stream.record.owner) {
            streams.retain(|other| other != id);
            if streams.is_empty() {
                self.owners.remove(&stream.record.owner);
            }
        }
        self.interests.remove(number);
        self.control.remove(id);
        self.ordinary.remove(id);
        self.active.remove(&(stream.active_at, id.clone()));
        self.verified.remove(&(stream.verification_at, id.clone()));
        self.holding.remove(id);
        for place in stream.dead_letters.keys() {
            self.graves.remove(&(place.clone(), id.clone()));
        }
        Some(stream)
    }

    /// Puts another record in the place of a stream's.
    pub(super) fn replace(&mut self, record: StreamRecord) -> Option<&mut Stream> {
        let number = self.streams.number(&record.stream_id)?;
        self.interests.set(number, &record);
        let stream = self.streams.at_mut(number)?;
        stream.replace_record(record);
        list(&mut self.active, stream.active_at, stream);
        list(&mut self.verified, stream.verification_at, stream);
        Some(stream)
    }

    /// Lets something happen to an entry.
    pub(super) fn happen(
        &mut self,
        id: &StreamId,
        jti: &Jti,
        happening: Happening,
        now: Timestamp,
    ) -> Settled {
        let Some(stream) = self.streams.get_mut(id) else { return Settled::Gone };
        match stream.happen(jti, happening, now) {
            Happened::Nothing => Settled::Gone,
            Happened::Done => Settled::Done,
            Happened::Died(place) => {
                self.graves.insert((place, id.clone()));
                Settled::Done
            }
        }
    }

    /// Notes that a receiver was active; an earlier time changes nothing.
    pub(super) fn touch(&mut self, id: &StreamId, at: Timestamp) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        self.active.remove(&(stream.active_at, id.clone()));
        stream.active_at = stream.active_at.max(at);
        list(&mut self.active, stream.active_at, stream);
    }

    /// Notes that a verification was queued.
    pub(super) fn note_verification(&mut self, id: &StreamId, at: Timestamp) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        self.verified.remove(&(stream.verification_at, id.clone()));
        stream.verification_at = at;
        list(&mut self.verified, at, stream);
    }

    /// The streams with entries of that kind.
    pub(super) fn schedule(&mut self, turn: Turn) -> &mut Schedule {
        match turn {
            Turn::Control => &mut self.control,
            Turn::Ordinary => &mut self.ordinary,
        }
    }

    /// Enters in the schedule when a stream that changed is due, and whether it holds entries.
    pub(super) fn changed(&mut self, id: &StreamId) {
        if let Some(number) = self.streams.number(id) {
            self.changed_at(number);
        }
    }

    /// The same for the stream of that number.
    pub(super) fn changed_at(&mut self, number: StreamNumber) {
        let Some(stream) = self.streams.at_mut(number) else { return };
        let (id, line) = (&stream.record.stream_id, stream.line());
        self.control.set(id, &line, stream.due(Turn::Control, usize::MAX));
        self.ordinary.set(id, &line, stream.due(Turn::Ordinary, usize::MAX));
        let holds = stream.held().is_some();
        if holds != stream.listed_as_holding {
            stream.listed_as_holding = holds;
            if holds {
                self.holding.insert(id.clone());
            } else {
                self.holding.remove(id);
            }
        }
    }
}

/// Lists a stream by that time, as long as it is enabled.
fn list(by_time: &mut BTreeSet<(Timestamp, StreamId)>, at: Timestamp, stream: &Stream) {
    let row = (at, stream.record.stream_id.clone());
    match stream.record.status {
        StreamStatus::Enabled => by_time.insert(row),
        StreamStatus::Paused | StreamStatus::Disabled => by_time.remove(&row),
    };
}

/// The streams listed by a time up to `since`, and the time of the next.
pub(super) fn overdue(
    by_time: &BTreeSet<(Timestamp, StreamId)>,
    streams: &Streams,
    since: Timestamp,
    most: usize,
) -> Overdue {
    let mut overdue = Overdue::default();
    for (at, id) in by_time {
        if *at > since || overdue.streams.len() == most {
            overdue.next = Some(*at);
            break;
        }
        overdue.streams.extend(streams.get(id).map(|stream| stream.record.clone()));
    }
    overdue
}
