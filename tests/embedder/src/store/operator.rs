//! The operator face of the store of vectors.

use async_trait::async_trait;
use ssf_transmitter::id::{Issuer, Owner, StreamId};
use ssf_transmitter::outbox::Lane;
use ssf_transmitter::routing::Interest;
use ssf_transmitter::store::{
    Backlog, DeadLetter, LetterQuery, OperatorStore, Redrive, RedriveLetter, Redriven, StoreError,
    StreamOverview, Totals,
};
use ssf_transmitter::stream::StreamRecord;
use ssf_transmitter::subject::Subject;
use ssf_transmitter::timestamp::Timestamp;

use super::VecStore;
use super::state::IssuerState;
use super::stream::Stream;

#[async_trait]
impl OperatorStore for VecStore {
    async fn find_stream(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        self.of(issuer, |state| {
            state.find(stream).map(|found| found.record.clone()).ok_or(StoreError::NotFound)
        })
    }

    async fn list_overviews(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<StreamOverview>, StoreError> {
        Ok(self.of(issuer, |state| {
            // By identifier: a page goes on where it was, also when streams come and go.
            let mut streams: Vec<_> = state.streams.iter().collect();
            streams.sort_by_key(|stream| &stream.record.stream_id);
            let beyond = streams.into_iter().filter(|s| after < Some(&s.record.stream_id));
            beyond.take(most).map(overview).collect()
        }))
    }

    async fn overview(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamOverview, StoreError> {
        self.of(issuer, |state| {
            state.find(stream).map(|found| overview(found)).ok_or(StoreError::NotFound)
        })
    }

    async fn interest(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Interest, StoreError> {
        self.of(issuer, |state| {
            let found = state.streams.iter_mut().find(|other| other.record.stream_id == *stream);
            Ok(found.ok_or(StoreError::NotFound)?.interest(subject, now))
        })
    }

    async fn suspend(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        self.of(issuer, |state| {
            if !state.suspended.contains(owner) {
                state.suspended.push(owner.clone());
            }
        });
        Ok(())
    }

    async fn resume(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        self.of(issuer, |state| state.suspended.retain(|suspended| suspended != owner));
        Ok(())
    }

    async fn dead_letters(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        query: &LetterQuery,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.of(issuer, |state| {
            let stream = state.find(stream).ok_or(StoreError::NotFound)?;
            let behind = |letter: &&DeadLetter| query.after < Some(letter.place());
            let letters = stream.dead_letters.iter().filter(behind);
            let meant = letters.filter(|letter| query.filter.matches(letter));
            Ok(meant.take(query.most).cloned().collect())
        })
    }

    async fn redrive(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        redrive: Redrive,
    ) -> Result<Vec<Redriven>, StoreError> {
        self.of(issuer, |state| state.redrive(stream, redrive))
    }

    async fn totals(&self, issuer: &Issuer) -> Result<Totals, StoreError> {
        Ok(self.of(issuer, |state| {
            let mut totals = state.departed;
            for stream in &state.streams {
                totals += stream.totals();
            }
            totals
        }))
    }
}

impl IssuerState {
    fn redrive(&mut self, id: &StreamId, redrive: Redrive) -> Result<Vec<Redriven>, StoreError> {
        let stream = self.find(id).ok_or(StoreError::NotFound)?;
        if !stream.takes_entries() {
            return Err(StoreError::StreamDisabled);
        }
        let dead = |letter: &&RedriveLetter| stream.letter(&letter.place).is_some();
        let living = redrive.letters.iter().filter(dead);
        let jtis: Vec<_> =
            living.map(|l| l.new_jti.as_ref().unwrap_or(&l.place.jti).clone()).collect();
        for (at, jti) in jtis.iter().enumerate() {
            self.check_unused(jti)?;
            if jtis[..at].contains(jti) {
                return Err(StoreError::IdTaken);
            }
        }
        let stream = self.find(id).ok_or(StoreError::NotFound)?;
        let again = |letter| stream.redrive(letter, redrive.now);
        Ok(redrive.letters.into_iter().map(again).collect())
    }
}

fn overview(stream: &Stream) -> StreamOverview {
    let mut overview = StreamOverview::new(stream.record.clone(), stream.health.clone());
    overview.totals = stream.totals();
    overview.backlog = Backlog::Exactly(overview.totals.waiting);
    overview.oldest_pending = stream.entries.first().map(|entry| entry.emitted_at);
    // What may go at once has been due since it was emitted.
    let lanes = [Lane::Verification, Lane::Ordinary].into_iter();
    let turns = lanes.flat_map(|lane| stream.turns(lane, usize::MAX));
    let next = turns.map(|(due, _)| due).min();
    overview.next_attempt = next.and_then(|due| due.or(overview.oldest_pending));
    overview.dead_letters = stream.dead_letters.len() as u64;
    overview
}
