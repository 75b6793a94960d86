//! The worker face of the store in memory.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::MemoryStore;
use super::schedule::Due;
use super::state::IssuerState;
use crate::id::{Issuer, StreamId};
use crate::outbox::{Fate, Fence, Verdict};
use crate::store::{
    ClaimRequest, Claimed, HealthChange, KeepToken, Kept, SettleBatch, SettleReport, Settled,
    Settlement, StoreError, SweepRequest, Swept, WorkerStore,
};
use crate::stream::StreamRecord;
use crate::timestamp::Timestamp;

#[async_trait]
impl WorkerStore for MemoryStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        Ok(self.lock().of(&request.issuer).claim(&request))
    }

    async fn keep_tokens(
        &self,
        issuer: &Issuer,
        tokens: Vec<KeepToken>,
    ) -> Result<Vec<Kept>, StoreError> {
        let mut state = self.lock();
        let streams = &mut state.of(issuer).streams;
        let keep = |token: KeepToken| match streams.get_mut(&token.stream_id) {
            Some(stream) => stream.keep(token),
            None => Kept::Gone,
        };
        Ok(tokens.into_iter().map(keep).collect())
    }

    async fn settle(
        &self,
        issuer: &Issuer,
        batch: SettleBatch,
    ) -> Result<SettleReport, StoreError> {
        Ok(self.lock().of(issuer).settle(batch))
    }

    async fn sweep(&self, request: SweepRequest) -> Result<Swept, StoreError> {
        Ok(self.lock().of(&request.issuer).sweep(&request))
    }

    async fn idle_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        let mut state = self.lock();
        let state = state.of(issuer);
        let idle = state.active.iter().take_while(|(active_at, _)| *active_at <= since).take(most);
        let streams = idle.filter_map(|(_, id)| state.streams.get(id));
        Ok(streams.map(|stream| stream.record.clone()).collect())
    }

    async fn next_due(
        &self,
        issuer: &Issuer,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(match self.lock().of(issuer).next_due() {
            Due::AtOnce => Some(now),
            Due::At(at) => Some(at),
            Due::Never => None,
        })
    }
}

impl IssuerState {
    fn claim(&mut self, request: &ClaimRequest) -> Vec<Claimed> {
        self.most_per_stream = Some(request.most_per_stream);
        self.schedule.advance(request.now);
        let mut claimed = Vec::new();
        let mut ticket = 0;
        while claimed.len() < request.most
            && let Some((next, id)) = self.schedule.next(ticket)
        {
            ticket = next;
            self.claim_of(&id, request, &mut claimed);
        }
        claimed
    }

    /// Claims what is to be had of one stream.
    fn claim_of(&mut self, id: &StreamId, request: &ClaimRequest, claimed: &mut Vec<Claimed>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let before = claimed.len();
        while claimed.len() < request.most
            && let Some(entry) = stream.claim(
                request.most_per_stream,
                request.now,
                Fence(self.last_fence.saturating_add(1)),
                request.lease_until,
            )
        {
            self.last_fence = entry.fence.0;
            claimed.push(entry);
        }
        if claimed.len() > before {
            // Who is served goes to the end of the row.
            self.schedule.remove(id);
        }
        self.changed(id);
    }

    fn settle(&mut self, batch: SettleBatch) -> SettleReport {
        let mut touched = BTreeSet::new();
        let mut settled = Vec::with_capacity(batch.settlements.len());
        for settlement in batch.settlements {
            touched.insert(settlement.stream_id.clone());
            settled.push(self.settle_one(settlement, batch.now));
        }
        let mut verdicts: Vec<(StreamId, Verdict)> = Vec::new();
        for HealthChange { stream_id, generation, report, jitter } in &batch.health {
            let Some(stream) = self.streams.get_mut(stream_id) else { continue };
            if generation.is_some_and(|generation| generation != stream.record.generation) {
                continue;
            }
            touched.insert(stream_id.clone());
            let verdict = stream.health.record(report, &batch.policy, batch.now, *jitter);
            if verdict != Verdict::GoOn && verdicts.iter().all(|(id, _)| id != stream_id) {
                verdicts.push((stream_id.clone(), verdict));
            }
        }
        for id in touched {
            self.changed(&id);
        }
        SettleReport::new(settled, verdicts)
    }

    /// Ends one claim.
    fn settle_one(&mut self, settlement: Settlement, now: Timestamp) -> Settled {
        let Settlement { stream_id, jti, fence, fate } = settlement;
        let Some(stream) = self.streams.get_mut(&stream_id) else { return Settled::Gone };
        let Some(entry) = stream.backlog.get_mut(&jti) else { return Settled::Gone };
        // A claim ends once: a settle that is repeated must not count a second attempt.
        if entry.fence != fence || !entry.is_held() {
            return Settled::Gone;
        }
        match fate {
            Fate::Delivered { unusual_status } => stream.deliver(&jti, unusual_status),
            Fate::Retry(at) => {
                entry.attempts = entry.attempts.saturating_add(1);
                stream.backlog.release(&jti, Due::At(at));
            }
            Fate::Defer(at) => {
                entry.waits_for_breaker = true;
                stream.backlog.release(&jti, Due::At(at));
            }
            Fate::Return => stream.backlog.release(&jti, Due::AtOnce),
            Fate::Dead(reason) => self.bury(&stream_id, &jti, reason, now),
        }
        Settled::Done
    }

    fn sweep(&mut self, request: &SweepRequest) -> Swept {
        let mut swept = Swept::default();
        while swept.dead_letters < request.most as u64
            && let Some((death, id)) = self.graves.first().cloned()
            && death.0 < request.dead_before
        {
            self.graves.pop_first();
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.dead_letters.remove(&death);
            }
            swept.dead_letters += 1;
        }
        while swept.idempotency_keys < request.most as u64
            && let Some((at, key)) = self.first_results.by_time.first().cloned()
            && at < request.keys_before
        {
            self.first_results.by_time.pop_first();
            self.first_results.by_key.remove(&key);
            swept.idempotency_keys += 1;
        }
        swept
    }

    /// When the next entry can be claimed. A stream that has as many entries held as it may is
    /// due when a lease of them ends: few streams are, so few are looked at.
    fn next_due(&self) -> Due {
        let mut next = Due::Never;
        for (scheduled, id) in self.schedule.iter() {
            if scheduled >= next {
                break;
            }
            if let Some(stream) = self.streams.get(id) {
                next = next.min(stream.due(self.most_per_stream.unwrap_or(usize::MAX)));
            }
        }
        next
    }
}
