//! The outbox of the store in memory.

use std::collections::HashSet;

use async_trait::async_trait;

use super::MemoryStore;
use super::interest::takes_entries;
use super::state::IssuerState;
use super::streams::StreamNumber;
use crate::id::StreamId;
use crate::store::{
    Append, Appended, Candidate, CandidateQuery, NewEntry, Outbox, Repeated, StoreError,
};

/// Commits each append on its own.
#[derive(Debug)]
pub(super) struct MemoryOutbox<'a> {
    store: &'a MemoryStore,
    /// The candidates it named last, with their numbers: an append finds their streams by these.
    named: Vec<(StreamId, StreamNumber)>,
}

impl<'a> MemoryOutbox<'a> {
    pub(super) fn new(store: &'a MemoryStore) -> Self {
        Self { store, named: Vec::new() }
    }
}

#[async_trait]
impl Outbox for MemoryOutbox<'_> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        let candidates = self.store.lock().of(&query.issuer).candidates(query);
        let named = candidates.iter().map(|(number, found)| (found.stream_id.clone(), *number));
        self.named = named.collect();
        Ok(candidates.into_iter().map(|(_, candidate)| candidate).collect())
    }

    async fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        self.store.lock().of(&append.issuer.clone()).append(append, &self.named)
    }
}

/// An entry that is accepted, and the number of its stream.
type Accepted = (StreamNumber, NewEntry);

impl IssuerState {
    fn candidates(&mut self, query: &CandidateQuery) -> Vec<(StreamNumber, Candidate)> {
        self.interests.settle(query.now);
        let own = query.subject.as_stream().and_then(|own| self.streams.number(&own));
        self.interests.candidates(&query.event_type, &query.subject, own)
    }

    /// Stores an event and its entries; `named` are candidates of late, in their order.
    pub(super) fn append(
        &mut self,
        append: Append,
        named: &[(StreamId, StreamNumber)],
    ) -> Result<Appended, StoreError> {
        let key = append.idempotency_key;
        if let Some(first) = key.as_ref().and_then(|key| self.first_results.by_key.get(key)) {
            return Ok(Appended { repeated: Repeated::Yes, ..first.clone() });
        }
        let (accepted, skipped) = self.accepting(append.entries, named)?;
        for (number, NewEntry { jti, .. }) in &accepted {
            if let Some(stream) = self.streams.at_mut(*number) {
                stream.accept(jti.clone(), &append.order_key, append.body.clone(), append.now);
                self.changed_at(*number);
            }
        }
        let accepted = accepted.into_iter().map(|(_, entry)| entry).collect();
        let appended = Appended::new(append.txn, accepted, skipped);
        if let Some(key) = key {
            self.first_results.by_time.insert((append.now, key.clone()));
            self.first_results.by_key.insert(key, appended.clone());
        }
        Ok(appended)
    }

    /// Divides entries into those that are accepted and the streams that accept none.
    fn accepting(
        &self,
        entries: Vec<NewEntry>,
        named: &[(StreamId, StreamNumber)],
    ) -> Result<(Vec<Accepted>, Vec<StreamId>), StoreError> {
        let (mut accepted, mut skipped) = (Vec::with_capacity(entries.len()), Vec::new());
        let mut seen = HashSet::with_capacity(entries.len());
        let mut named = named.iter();
        for entry in entries {
            // Entries come in the order of the candidates; a stream may have gone since.
            let known = named.find(|(id, _)| *id == entry.stream_id).map(|(_, number)| *number);
            let number = known
                .filter(|number| self.is_at(*number, &entry.stream_id))
                .or_else(|| self.streams.number(&entry.stream_id));
            let stream = number.and_then(|number| Some((number, self.streams.at(number)?)));
            match stream.filter(|(_, stream)| takes_entries(&stream.record)) {
                None => skipped.push(entry.stream_id),
                Some((number, stream)) => {
                    stream.check_unused(&entry.jti)?;
                    if !seen.insert(entry.jti.clone()) {
                        return Err(StoreError::IdTaken);
                    }
                    accepted.push((number, entry));
                }
            }
        }
        Ok((accepted, skipped))
    }

    fn is_at(&self, number: StreamNumber, id: &StreamId) -> bool {
        self.streams.at(number).is_some_and(|stream| stream.record.stream_id == *id)
    }
}
