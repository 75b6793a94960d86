//! The operator face of the store in memory.

use std::ops::Bound;

use async_trait::async_trait;

use super::MemoryStore;
use super::schedule::Due;
use super::state::add;
use super::stream::Stream;
use crate::id::{Issuer, Owner, StreamId};
use crate::routing::Interest;
use crate::store::{DeadLetter, OperatorStore, StoreError, StreamOverview, Totals};
use crate::stream::StreamRecord;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

#[async_trait]
impl OperatorStore for MemoryStore {
    async fn find_stream(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        let mut state = self.lock();
        let stream = state.of(issuer).streams.get(stream).ok_or(StoreError::NotFound)?;
        Ok(stream.record.clone())
    }

    async fn list_overviews(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<StreamOverview>, StoreError> {
        let mut state = self.lock();
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = state.of(issuer);
        let page = state.listing.range::<StreamId, _>((after, Bound::Unbounded)).take(most);
        Ok(page.filter_map(|id| state.streams.get(id)).map(|stream| overview(stream)).collect())
    }

    async fn interest(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Interest, StoreError> {
        let mut state = self.lock();
        let state = state.of(issuer);
        state.interests.settle(now);
        let record = &state.streams.get(stream).ok_or(StoreError::NotFound)?.record;
        Ok(state.interests.of(record, subject))
    }

    async fn suspend(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        self.lock().of(issuer).suspended.insert(owner.clone());
        Ok(())
    }

    async fn resume(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        self.lock().of(issuer).suspended.remove(owner);
        Ok(())
    }

    async fn dead_letters(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        most: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut state = self.lock();
        let stream = state.of(issuer).streams.get(stream).ok_or(StoreError::NotFound)?;
        Ok(stream.dead_letters.values().take(most).cloned().collect())
    }

    async fn totals(&self, issuer: &Issuer) -> Result<Totals, StoreError> {
        let mut state = self.lock();
        let state = state.of(issuer);
        let mut totals = state.departed;
        for stream in state.streams.values() {
            add(&mut totals, stream.totals());
        }
        Ok(totals)
    }
}

fn overview(stream: &Stream) -> StreamOverview {
    let oldest_pending = stream.backlog.oldest().map(|entry| entry.emitted_at);
    let totals = stream.totals();
    StreamOverview {
        backlog: totals.waiting,
        oldest_pending,
        next_attempt: next_attempt(stream, oldest_pending),
        dead_letters: stream.dead_letters.len() as u64,
        totals,
        ..StreamOverview::new(stream.record.clone(), stream.health.clone())
    }
}

/// What is due at once has been due since it was emitted.
fn next_attempt(stream: &Stream, oldest_pending: Option<Timestamp>) -> Option<Timestamp> {
    match stream.due(usize::MAX) {
        Due::AtOnce => oldest_pending,
        Due::At(at) => Some(at),
        Due::Never => None,
    }
}
