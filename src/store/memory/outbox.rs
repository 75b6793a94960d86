//! The outbox of the store in memory.

use std::collections::HashSet;

use async_trait::async_trait;

use super::MemoryStore;
use super::interest::takes_entries;
use super::state::IssuerState;
use crate::id::StreamId;
use crate::store::{
    Append, Appended, Candidate, CandidateQuery, NewEntry, Outbox, Repeated, StoreError,
};

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
        self.interests.candidates(&query.event_type, &query.subject)
    }

    pub(super) fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let key = append.idempotency_key;
        if let Some(first) = key.as_ref().and_then(|key| self.first_results.by_key.get(key)) {
            return Ok(Appended { repeated: Repeated::Yes, ..first.clone() });
        }
        let (accepted, skipped) = self.accepting(append.entries)?;
        for NewEntry { stream_id, jti } in accepted.iter().cloned() {
            if let Some(stream) = self.streams.get_mut(&stream_id) {
                stream.accept(jti, &append.order_key, append.body.clone(), append.now);
                self.changed(&stream_id);
            }
        }
        let appended = Appended::new(append.txn, accepted.into(), skipped);
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
    ) -> Result<(Vec<NewEntry>, Vec<StreamId>), StoreError> {
        let (mut accepted, mut skipped) = (Vec::with_capacity(entries.len()), Vec::new());
        let mut seen = HashSet::with_capacity(entries.len());
        for entry in entries {
            let stream = self.streams.get(&entry.stream_id);
            match stream.filter(|stream| takes_entries(&stream.record)) {
                None => skipped.push(entry.stream_id),
                Some(stream) => {
                    stream.check_unused(&entry.jti)?;
                    if !seen.insert(entry.jti.clone()) {
                        return Err(StoreError::IdTaken);
                    }
                    accepted.push(entry);
                }
            }
        }
        Ok((accepted, skipped))
    }
}
