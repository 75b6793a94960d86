//! The worker face of the store in memory.

use std::collections::BTreeSet;
use std::ops::Bound;

use async_trait::async_trait;

use super::MemoryStore;
use super::schedule::Line;
use super::state::{IssuerState, overdue};
use super::stream::Turn;
use crate::id::{Issuer, StreamId};
use crate::outbox::{Due, Fence, Happening, Held, Verdict};
use crate::store::{
    ClaimRequest, Claimed, Claims, GiveUpHeld, HealthChange, HeldStream, KeepToken, Kept, Overdue,
    SettleBatch, SettleReport, Settled, Settlement, StoreError, SweepRequest, Swept, WorkerStore,
};
use crate::timestamp::Timestamp;

#[async_trait]
impl WorkerStore for MemoryStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Claims, StoreError> {
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
    ) -> Result<Overdue, StoreError> {
        let mut state = self.lock();
        let state = state.of(issuer);
        Ok(overdue(&state.active, &state.streams, since, most))
    }

    async fn unverified_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        let mut state = self.lock();
        let state = state.of(issuer);
        Ok(overdue(&state.verified, &state.streams, since, most))
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
    /// Control entries go before all others; then each stream in turn gives one entry.
    fn claim(&mut self, request: &ClaimRequest) -> Claims {
        let mut places = request.places.clone();
        let (mut entries, mut due) = (Vec::new(), Due::Never);
        for turn in [Turn::Control, Turn::Ordinary] {
            let lane = turn.lane();
            let mut passed = Vec::new();
            self.schedule(turn).advance(request.now);
            while let Some(id) = self.schedule(turn).first(
                |pace| places.free(lane, pace) > 0,
                |pace, host| places.free_at(lane, pace, host) > 0,
            ) {
                if entries.len() == request.most
                    && self.due(turn, &id, request).has_come(request.now)
                {
                    due = Due::AtOnce;
                    break;
                }
                self.schedule(turn).remove(&id);
                match self.claim_one(turn, &id, request, &entries) {
                    Some((entry, line)) => {
                        places.take(lane, line.pace, &line.host);
                        entries.push(entry);
                        // Who is served goes to the end of the row.
                        self.changed(&id);
                    }
                    None => passed.push(id),
                }
            }
            due = due.min(self.schedule(turn).next(|pace| places.free(lane, pace) > 0));
            for id in passed {
                due = due.min(self.due(turn, &id, request));
                self.changed(&id);
            }
        }
        Claims::new(entries, due.time(request.now))
    }

    /// Claims one entry of a stream, if more are wanted and there is one.
    fn claim_one(
        &mut self,
        turn: Turn,
        id: &StreamId,
        request: &ClaimRequest,
        claimed: &[Claimed],
    ) -> Option<(Claimed, Line)> {
        if claimed.len() >= request.most {
            return None;
        }
        let stream = self.streams.get_mut(id)?;
        let fence = Fence(self.last_fence.saturating_add(1));
        let entry = stream.claim(turn, request, fence)?;
        self.last_fence = fence.0;
        Some((entry, stream.line()))
    }

    /// When a claim gets an entry of a stream.
    fn due(&self, turn: Turn, id: &StreamId, request: &ClaimRequest) -> Due {
        self.streams.get(id).map_or(Due::Never, |stream| stream.due_for(turn, request))
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
        for HealthChange { stream_id, generation, report, jitter, pace } in &batch.health {
            let Some(stream) = self.streams.get_mut(stream_id) else { continue };
            if generation.is_some_and(|generation| generation != stream.record.generation) {
                continue;
            }
            touched.insert(stream_id.clone());
            let verdict = stream.health.record(report, &batch.policy, batch.now, *jitter);
            stream.health.note_pace(*pace);
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
        let hidden = stream.backlog.hidden_at(*now);
        let oldest = stream.backlog.ordinary().filter(|entry| !hidden.contains(&entry.jti));
        let oldest = oldest.take(*most);
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
        swept.oldest_dead = self.graves.first().map(|(place, _)| place.dead_at);
        swept.oldest_key = self.first_results.by_time.first().map(|(at, _)| *at);
        swept
    }
}
