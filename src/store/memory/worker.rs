//! The worker face of the store in memory.

use std::collections::BTreeSet;
use std::ops::Bound;

use async_trait::async_trait;

use super::MemoryStore;
use super::schedule::Due;
use super::state::IssuerState;
use crate::id::{Issuer, StreamId};
use crate::outbox::{Fence, Happening, Held, Verdict};
use crate::store::{
    ClaimRequest, Claimed, GiveUpHeld, HealthChange, HeldStream, KeepToken, Kept, SettleBatch,
    SettleReport, Settled, Settlement, StoreError, SweepRequest, Swept, WorkerStore,
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

    async fn held_streams(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<HeldStream>, StoreError> {
        let mut state = self.lock();
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = state.of(issuer);
        let page = state.holding.range::<StreamId, _>((after, Bound::Unbounded)).take(most);
        let held =
            |id: &StreamId| Some(HeldStream::new(id.clone(), state.streams.get(id)?.held()?));
        Ok(page.filter_map(held).collect())
    }

    async fn give_up_held(&self, issuer: &Issuer, request: GiveUpHeld) -> Result<u64, StoreError> {
        Ok(self.lock().of(issuer).give_up_held(&request))
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
            let Settlement { stream_id, jti, fence, fate } = settlement;
            let happening = Happening::Settle { fence, fate };
            settled.push(self.happen(&stream_id, &jti, happening, batch.now));
            touched.insert(stream_id);
        }
        let mut verdicts: Vec<(StreamId, Verdict)> = Vec::new();
        for HealthChange { stream_id, generation, report, jitter } in &batch.health {
            let Some(stream) = self.streams.get_mut(stream_id) else { continue };
            if generation.is_some_and(|generation| generation != stream.record.generation) {
                continue;
            }
            touched.insert(stream_id.clone());
            let verdict = stream.health.record(report, &batch.policy, batch.now, *jitter);
            let verdict = (stream_id.clone(), verdict);
            if verdict.1 != Verdict::GoOn && !verdicts.contains(&verdict) {
                verdicts.push(verdict);
            }
        }
        for id in touched {
            self.changed(&id);
        }
        SettleReport::new(settled, verdicts)
    }

    /// Gives up the oldest of what a stream holds, while it is more than it may be.
    fn give_up_held(&mut self, request: &GiveUpHeld) -> u64 {
        let GiveUpHeld { stream_id, limits, now, most } = request;
        let Some(stream) = self.streams.get(stream_id) else { return 0 };
        let oldest = stream.backlog.ordinary().take(*most);
        let oldest: Vec<_> = oldest.map(|entry| (entry.jti.clone(), entry.queued_at)).collect();
        let mut given_up = 0;
        for (jti, queued_at) in oldest {
            let held = self.streams.get(stream_id).and_then(|stream| stream.held());
            let held = held.map(|held| Held { oldest: queued_at, ..held });
            let Some(limit) = held.and_then(|held| limits.exceeded(&held, *now)) else { break };
            let happening = Happening::ExceedLimit { limit, now: *now };
            given_up += u64::from(self.happen(stream_id, &jti, happening, *now) == Settled::Done);
        }
        self.changed(stream_id);
        given_up
    }

    fn sweep(&mut self, request: &SweepRequest) -> Swept {
        let mut swept = Swept::default();
        while swept.dead_letters < request.most as u64
            && let Some((place, id)) = self.graves.first().cloned()
            && place.dead_at < request.dead_before
        {
            self.graves.pop_first();
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.dead_letters.remove(&place);
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
