//! The outbox of the broken store.

use async_trait::async_trait;
use ssf_transmitter::id::OrderKey;
use ssf_transmitter::store::{
    Append, Appended, Candidate, CandidateQuery, OperatorStore, Outbox, Repeated, StoreError,
    StreamStore,
};

use super::store::{Broken, Fault, others};

pub(super) struct BrokenOutbox<'a>(pub(super) &'a Broken);

#[async_trait]
impl Outbox for BrokenOutbox<'_> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        let Self(broken) = *self;
        let mut candidates = broken.store.outbox().candidates(query).await?;
        if broken.does(Fault::OffersDisabledStreams) {
            for overview in broken.store.list_overviews(&query.issuer, None, 99).await? {
                let record = overview.record;
                if !candidates.iter().any(|candidate| candidate.stream_id == record.stream_id)
                    && record.events_delivered.contains(&query.event_type)
                {
                    candidates.push(Candidate::new(record.stream_id, record.owner));
                }
            }
        }
        Ok(candidates)
    }

    async fn append(&mut self, mut append: Append) -> Result<Appended, StoreError> {
        let Self(broken) = *self;
        broken.remembered().issuers.push(append.issuer.clone());
        if broken.does(Fault::ForgetsKeys) {
            append.idempotency_key = None;
        }
        if let (true, Some(first)) = (broken.does(Fault::ForgetsOrderKeys), append.entries.first())
        {
            append.order_key = OrderKey::parse(&first.jti).unwrap();
        }
        if broken.does(Fault::LosesTheLastEntry) && append.entries.len() > 1 {
            append.entries.pop();
        }
        if broken.does(Fault::AppendsEntryByEntry) {
            return by_entry(broken, append).await;
        }
        if broken.does(Fault::ChecksKeysBefore) {
            return by_key(broken, append).await;
        }
        let mut appended = broken.store.outbox().append(append).await?;
        if broken.does(Fault::ReportsNothingSkipped) {
            appended.skipped.clear();
        }
        Ok(appended)
    }
}

/// Stores one entry after another, and lets others go first between them.
async fn by_entry(broken: &Broken, append: Append) -> Result<Appended, StoreError> {
    let mut all = Appended::new(append.txn.clone(), [].into(), Vec::new());
    let mut accepted = Vec::new();
    for entry in append.entries.clone() {
        let mut one = append.clone();
        one.entries = vec![entry];
        one.idempotency_key = None;
        let appended = broken.store.outbox().append(one).await?;
        accepted.extend(appended.accepted.iter().cloned());
        all.skipped.extend(appended.skipped);
        others().await;
    }
    all.accepted = accepted.into();
    Ok(all)
}

/// Looks whether the key was used, lets others go first, and stores.
async fn by_key(broken: &Broken, mut append: Append) -> Result<Appended, StoreError> {
    let Some(key) = append.idempotency_key.take() else {
        return broken.store.outbox().append(append).await;
    };
    let key = (append.issuer.clone(), key);
    if let Some(first) = broken.remembered().keys.get(&key) {
        let mut again = first.clone();
        again.repeated = Repeated::Yes;
        return Ok(again);
    }
    broken.company().await;
    let appended = broken.store.outbox().append(append).await?;
    broken.remembered().keys.insert(key, appended.clone());
    Ok(appended)
}
