//! The outbox of the store in memory.

use std::collections::HashSet;

use async_trait::async_trait;

use super::MemoryStore;
use super::interest::{takes_entries, wants};
use super::state::IssuerState;
use crate::store::{
    Append, Appended, Candidate, CandidateQuery, NewEntry, Outbox, Repeated, StoreError,
};
use crate::stream::StreamRecord;

/// Commits each append on its own.
#[derive(Debug)]
pub(super) struct MemoryOutbox<'a>(&'a MemoryStore);

impl<'a> MemoryOutbox<'a> {
    pub(super) fn new(store: &'a MemoryStore) -> Self {
        Self(store)
    }
}

#[async_trait]
impl Outbox for MemoryOutbox<'_> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        Ok(self.0.lock().of(&query.issuer).candidates(query))
    }

    async fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        self.0.lock().of(&append.issuer.clone()).append(append)
    }
}

impl IssuerState {
    fn candidates(&mut self, query: &CandidateQuery) -> Vec<Candidate> {
        self.interests.settle(query.now);
        let ids = self.interests.candidates(&query.event_type, &query.subject);
        let streams: Vec<_> = ids.filter_map(|id| self.streams.get(&id)).collect();
        let mut found: Vec<Candidate> =
            streams.iter().filter_map(|stream| candidate(&stream.record, query)).collect();
        // A stream always has its own subject (SSF 1.0 §8.1.4.1), also where it added none.
        if let Some(own) = query.subject.as_stream()
            && found.iter().all(|candidate| candidate.stream_id != own)
        {
            found.extend(self.streams.get(&own).and_then(|own| candidate(&own.record, query)));
        }
        found
    }

    fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let key = append.idempotency_key;
        if let Some(first) = key.as_ref().and_then(|key| self.first_results.by_key.get(key)) {
            return Ok(Appended { repeated: Repeated::Yes, ..first.clone() });
        }
        let (accepted, skipped): (Vec<NewEntry>, Vec<NewEntry>) =
            append.entries.into_iter().partition(|entry| {
                let stream = self.streams.get(&entry.stream_id);
                stream.is_some_and(|stream| takes_entries(&stream.record))
            });
        self.check_unused(&accepted)?;
        for NewEntry { stream_id, jti } in accepted.iter().cloned() {
            if let Some(stream) = self.streams.get_mut(&stream_id) {
                stream.accept(jti, &append.order_key, append.body.clone(), append.now);
                self.changed(&stream_id);
            }
        }
        let skipped = skipped.into_iter().map(|entry| entry.stream_id).collect();
        let appended = Appended::new(append.txn, accepted.into(), skipped);
        if let Some(key) = key {
            self.first_results.by_time.insert((append.now, key.clone()));
            self.first_results.by_key.insert(key, appended.clone());
        }
        Ok(appended)
    }

    fn check_unused(&self, entries: &[NewEntry]) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        for entry in entries {
            if !seen.insert(&entry.jti) {
                return Err(StoreError::IdTaken);
            }
            if let Some(stream) = self.streams.get(&entry.stream_id) {
                stream.check_unused(&entry.jti)?;
            }
        }
        Ok(())
    }
}

/// The stream, if it wants events of the type.
fn candidate(record: &StreamRecord, query: &CandidateQuery) -> Option<Candidate> {
    let (owner, audience) = (&record.owner, &record.audience);
    let (id, wanted) = (&record.stream_id, wants(record, &query.event_type));
    wanted.then(|| Candidate::new(id.clone(), owner.clone(), audience.clone()))
}
