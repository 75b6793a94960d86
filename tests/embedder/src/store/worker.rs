//! The worker face of the store of vectors.

use async_trait::async_trait;
use ssf_transmitter::id::{Issuer, StreamId};
use ssf_transmitter::outbox::{Fate, Fence, Verdict};
use ssf_transmitter::store::{
    ClaimRequest, Claimed, HealthChange, KeepToken, Kept, SettleBatch, SettleReport, Settled,
    Settlement, StoreError, SweepRequest, Swept, WorkerStore,
};
use ssf_transmitter::stream::{StreamRecord, StreamStatus};
use ssf_transmitter::timestamp::Timestamp;

use super::VecStore;
use super::state::IssuerState;

#[async_trait]
impl WorkerStore for VecStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        Ok(self.of(&request.issuer, |state| state.claim(&request)))
    }

    async fn keep_tokens(
        &self,
        issuer: &Issuer,
        tokens: Vec<KeepToken>,
    ) -> Result<Vec<Kept>, StoreError> {
        Ok(self.of(issuer, |state| {
            let keep = |token: KeepToken| match state.find(&token.stream_id) {
                Some(stream) => stream.keep(token),
                None => Kept::Gone,
            };
            tokens.into_iter().map(keep).collect()
        }))
    }

    async fn settle(
        &self,
        issuer: &Issuer,
        batch: SettleBatch,
    ) -> Result<SettleReport, StoreError> {
        Ok(self.of(issuer, |state| state.settle(batch)))
    }

    async fn sweep(&self, request: SweepRequest) -> Result<Swept, StoreError> {
        Ok(self.of(&request.issuer, |state| state.sweep(&request)))
    }

    async fn idle_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        Ok(self.of(issuer, |state| {
            let enabled = |record: &StreamRecord| record.status == StreamStatus::Enabled;
            let idle = state.streams.iter().filter(|s| s.active_at <= since && enabled(&s.record));
            idle.take(most).map(|stream| stream.record.clone()).collect()
        }))
    }

    async fn next_due(
        &self,
        issuer: &Issuer,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.of(issuer, |state| {
            let most_held = state.most_per_stream.unwrap_or(usize::MAX);
            let turns = state.streams.iter().flat_map(|stream| stream.turns(most_held));
            turns.map(|(due, _)| due.unwrap_or(now)).min()
        }))
    }
}

impl IssuerState {
    fn claim(&mut self, request: &ClaimRequest) -> Vec<Claimed> {
        self.most_per_stream = Some(request.most_per_stream);
        let mut claimed = Vec::new();
        let count = self.streams.len();
        for at in (self.turn..count).chain(0..self.turn.min(count)) {
            let Some(stream) = self.streams.get_mut(at) else { continue };
            while claimed.len() < request.most
                && let Some(entry) = stream.claim(
                    request.most_per_stream,
                    request.now,
                    Fence(self.last_fence + 1),
                    request.lease_until,
                )
            {
                self.last_fence += 1;
                self.turn = at + 1;
                claimed.push(entry);
            }
        }
        claimed
    }

    fn settle(&mut self, batch: SettleBatch) -> SettleReport {
        let mut settled = Vec::new();
        for settlement in batch.settlements {
            settled.push(self.settle_one(settlement, batch.now));
        }
        let mut verdicts: Vec<(StreamId, Verdict)> = Vec::new();
        for HealthChange { stream_id, generation, report, jitter, .. } in &batch.health {
            let Some(stream) = self.find(stream_id) else { continue };
            if generation.is_some_and(|generation| generation != stream.record.generation) {
                continue;
            }
            let verdict = stream.health.record(report, &batch.policy, batch.now, *jitter);
            if verdict != Verdict::GoOn && verdicts.iter().all(|(id, _)| id != stream_id) {
                verdicts.push((stream_id.clone(), verdict));
            }
        }
        SettleReport::new(settled, verdicts)
    }

    /// Ends one claim.
    fn settle_one(&mut self, settlement: Settlement, now: Timestamp) -> Settled {
        let Settlement { stream_id, jti, fence, fate, .. } = settlement;
        let Some(stream) = self.find(&stream_id) else { return Settled::Gone };
        let Some(entry) = stream.entry(&jti).filter(|e| e.held && e.fence == fence) else {
            return Settled::Gone;
        };
        match fate {
            Fate::Delivered { unusual_status } => stream.deliver(&jti, unusual_status),
            Fate::Dead(reason) => stream.bury(&jti, reason, now),
            Fate::Retry(at) => {
                entry.attempts = entry.attempts.saturating_add(1);
                (entry.held, entry.due) = (false, Some(at));
            }
            Fate::Defer(at) => {
                entry.waits_for_breaker = true;
                (entry.held, entry.due) = (false, Some(at));
            }
            // A fate that a later library adds leaves the entry as it was: nothing is lost.
            _ => (entry.held, entry.due) = (false, None),
        }
        Settled::Done
    }

    fn sweep(&mut self, request: &SweepRequest) -> Swept {
        let mut swept = Swept::default();
        let most = request.most as u64;
        for stream in &mut self.streams {
            stream.dead_letters.retain(|letter| {
                let stays = letter.dead_at >= request.dead_before || swept.dead_letters >= most;
                swept.dead_letters += u64::from(!stays);
                stays
            });
        }
        self.first_results.retain(|first| {
            let stays = first.at >= request.keys_before || swept.idempotency_keys >= most;
            swept.idempotency_keys += u64::from(!stays);
            stays
        });
        swept
    }
}
