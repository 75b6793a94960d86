//! The outbox of the store of vectors.

use std::collections::HashSet;

use async_trait::async_trait;
use ssf_transmitter::routing::Interest;
use ssf_transmitter::store::{
    Append, Appended, Candidate, CandidateQuery, NewEntry, Outbox, Repeated, StoreError,
};

use super::VecStore;
use super::state::{FirstResult, IssuerState};
use super::stream::Stream;

/// Commits each append on its own.
#[derive(Debug)]
pub(super) struct VecOutbox<'a>(pub(super) &'a VecStore);

#[async_trait]
impl Outbox for VecOutbox<'_> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        let interested = |stream: &mut Stream| {
            stream.takes_entries()
                && stream.record.events_delivered.contains(&query.event_type)
                && stream.interest(&query.subject, query.now) == Interest::Wanted
        };
        let candidate = |Stream { record, .. }: &Stream| {
            let (id, owner) = (record.stream_id.clone(), record.owner.clone());
            Candidate::new(id, owner)
        };
        Ok(self.0.of(&query.issuer, |state| {
            let mut found = Vec::new();
            for stream in &mut state.streams {
                if interested(stream) {
                    found.push(candidate(stream));
                }
            }
            found
        }))
    }

    async fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        self.0.of(&append.issuer.clone(), |state| state.append(append))
    }
}

impl IssuerState {
    fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let key = append.idempotency_key;
        if let Some(first) =
            self.first_results.iter().find(|first| Some(&first.key) == key.as_ref())
        {
            let mut appended = first.appended.clone();
            appended.repeated = Repeated::Yes;
            return Ok(appended);
        }
        let (accepted, skipped): (Vec<_>, Vec<_>) = append.entries.into_iter().partition(|entry| {
            self.find(&entry.stream_id).is_some_and(|stream| stream.takes_entries())
        });
        let mut jtis = HashSet::new();
        for entry in &accepted {
            self.check_unused(&entry.jti)?;
            if !jtis.insert(&entry.jti) {
                return Err(StoreError::IdTaken);
            }
        }
        for NewEntry { stream_id, jti, .. } in &accepted {
            if let Some(stream) = self.find(stream_id) {
                let (order_key, body) = (append.order_key.clone(), append.body.clone());
                stream.accept(jti.clone(), order_key, body, append.now);
            }
        }
        let skipped = skipped.into_iter().map(|entry| entry.stream_id).collect();
        let appended = Appended::new(append.txn, accepted.into(), skipped);
        if let Some(key) = key {
            let appended = appended.clone();
            self.first_results.push(FirstResult { key, at: append.now, appended });
        }
        Ok(appended)
    }
}
