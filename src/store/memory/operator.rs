//! The operator face of the store in memory.

use std::collections::HashSet;
use std::ops::Bound;

use async_trait::async_trait;

use super::MemoryStore;
use super::interest::takes_entries;
use super::state::IssuerState;
use super::stream::{Stream, Turn};
use crate::id::{Issuer, Owner, StreamId};
use crate::outbox::Due;
use crate::routing::Interest;
use crate::store::{
    Backlog, DeadLetter, LetterQuery, OperatorStore, Redrive, RedriveLetter, Redriven, StoreError,
    StreamOverview, Totals,
};
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
        Ok(page.filter_map(|id| state.streams.get(id)).map(overview).collect())
    }

    async fn overview(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamOverview, StoreError> {
        let mut state = self.lock();
        let stream = state.of(issuer).streams.get(stream).ok_or(StoreError::NotFound)?;
        Ok(overview(stream))
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
        let number = state.streams.number(stream).ok_or(StoreError::NotFound)?;
        let stream = state.streams.at(number).ok_or(StoreError::NotFound)?;
        Ok(state.interests.of(number, &stream.record, subject))
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
        query: &LetterQuery,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut state = self.lock();
        let stream = state.of(issuer).streams.get(stream).ok_or(StoreError::NotFound)?;
        let after = query.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let letters =
            stream.dead_letters.range((after, Bound::Unbounded)).map(|(_, letter)| letter);
        let meant = letters.filter(|letter| query.filter.matches(letter));
        Ok(meant.take(query.most).cloned().collect())
    }

    async fn redrive(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        redrive: Redrive,
    ) -> Result<Vec<Redriven>, StoreError> {
        self.lock().of(issuer).redrive(stream, redrive)
    }

    async fn totals(&self, issuer: &Issuer) -> Result<Totals, StoreError> {
        let mut state = self.lock();
        let state = state.of(issuer);
        let mut totals = state.departed;
        for stream in state.streams.iter() {
            totals += stream.totals();
        }
        Ok(totals)
    }
}

impl IssuerState {
    fn redrive(&mut self, id: &StreamId, redrive: Redrive) -> Result<Vec<Redriven>, StoreError> {
        let stream = self.streams.get_mut(id).ok_or(StoreError::NotFound)?;
        if !takes_entries(&stream.record) {
            return Err(StoreError::StreamDisabled);
        }
        let mut new = HashSet::new();
        let there = |letter: &&RedriveLetter| stream.dead_letters.contains_key(&letter.place);
        for letter in redrive.letters.iter().filter(there) {
            let jti = letter.new_jti.as_ref().unwrap_or(&letter.place.jti);
            stream.check_unused(jti)?;
            if !new.insert(jti) {
                return Err(StoreError::IdTaken);
            }
        }
        let mut redriven = Vec::with_capacity(redrive.letters.len());
        for letter in redrive.letters {
            let place = letter.place.clone();
            let outcome = stream.redrive(letter, redrive.now);
            if outcome == Redriven::Done {
                self.graves.remove(&(place, id.clone()));
            }
            redriven.push(outcome);
        }
        self.changed(id);
        Ok(redriven)
    }
}

fn overview(stream: &Stream) -> StreamOverview {
    let oldest_pending = stream.backlog.oldest().map(|entry| entry.emitted_at);
    let totals = stream.totals();
    StreamOverview {
        backlog: Backlog::Exactly(totals.waiting),
        oldest_pending,
        next_attempt: next_attempt(stream, oldest_pending),
        dead_letters: stream.dead_letters.len() as u64,
        totals,
        ..StreamOverview::new(stream.record.clone(), stream.health.clone())
    }
}

/// What is due at once has been due since it was emitted.
fn next_attempt(stream: &Stream, oldest_pending: Option<Timestamp>) -> Option<Timestamp> {
    let due = |turn| stream.due(turn, usize::MAX);
    match due(Turn::Control).min(due(Turn::Ordinary)) {
        Due::AtOnce => oldest_pending,
        Due::At(at) => Some(at),
        Due::Never => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::backlog::tests::READ;
    use super::*;
    use crate::id::{Audience, ClientId, Jti, OrderKey, TenantId};
    use crate::outbox::{DeadLetterReason, Fate, Fence, Happening, Lane};
    use crate::set::SetBody;
    use crate::store::NewControl;
    use crate::stream::{Delivery, EndpointUrl, PushDelivery, StreamStatus};

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    /// A stream with that many entries that wait, retry and are claimed, and as many dead letters.
    fn stream(delivery: Delivery, status: StreamStatus, entries: u32) -> Stream {
        let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap());
        let [issuer, audience] = ["https://tr.example.com", "https://rp.example.com"];
        let record = StreamRecord::new(
            Issuer::parse(issuer).unwrap(),
            owner,
            StreamId::parse("s").unwrap(),
            Audience::parse(audience).unwrap(),
            delivery,
            NOW,
        );
        let mut stream = Stream::new(StreamRecord { status, ..record });
        let body = || SetBody::from_stored("{}".into());
        for n in 0..entries {
            let [waits, retries, dies] =
                ["w", "r", "d"].map(|kind| Jti::parse(format!("{kind}{n}")).unwrap());
            let key = OrderKey::parse(format!("k{}", n % 100)).unwrap();
            for jti in [&waits, &retries, &dies] {
                stream.accept(jti.clone(), &key, body(), NOW);
            }
            let fates = [
                (retries, Fate::Retry(NOW)),
                (dies, Fate::Dead(DeadLetterReason::AnnouncementExpired)),
            ];
            for (jti, fate) in fates {
                let fence = Fence(1);
                stream.happen(&jti, Happening::Claim { fence, now: NOW, until: NOW }, NOW);
                stream.happen(&jti, Happening::Settle { fence, fate }, NOW);
            }
        }
        let jti = Jti::parse("control").unwrap();
        stream.accept_control(NewControl::new(Lane::StreamUpdated, jti, body(), NOW));
        stream
    }

    fn reads(look: impl FnOnce()) -> u64 {
        let before = READ.get();
        look();
        READ.get() - before
    }

    // Operator 2, Worker 11: how many entries are touched does not depend on how many there are.
    #[test]
    fn what_an_overview_touches_does_not_depend_on_the_backlog() {
        let endpoint = EndpointUrl::parse("https://rp.example.com/events").unwrap();
        let push = Delivery::Push(PushDelivery::new(endpoint, None));
        for delivery in [push, Delivery::Poll] {
            for status in [StreamStatus::Enabled, StreamStatus::Paused] {
                let touched = [1, 10_000].map(|entries| {
                    let stream = stream(delivery.clone(), status, entries);
                    let seen = overview(&stream);
                    assert_eq!(seen.backlog, Backlog::Exactly(2 * u64::from(entries) + 1));
                    assert_eq!(seen.dead_letters, u64::from(entries));
                    [reads(|| drop(overview(&stream))), reads(|| _ = stream.held())]
                });
                assert_eq!(touched[0], touched[1], "{delivery:?} {status:?}");
                assert!(touched[0][0] >= 1, "the oldest is looked at");
            }
        }
    }
}
