//! The worker face of the store of vectors.

use async_trait::async_trait;
use ssf_transmitter::id::{Issuer, StreamId};
use ssf_transmitter::outbox::{Fence, Happening, Held, Lane, Verdict};
use ssf_transmitter::store::{
    ClaimRequest, Claims, GiveUpHeld, HealthChange, HeldStream, KeepToken, Kept, Overdue,
    SettleBatch, SettleReport, Settled, Settlement, StoreError, SweepRequest, Swept, WorkerStore,
};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::timestamp::Timestamp;

use super::VecStore;
use super::state::IssuerState;
use super::stream::Stream;

#[async_trait]
impl WorkerStore for VecStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Claims, StoreError> {
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
    ) -> Result<Overdue, StoreError> {
        Ok(self.of(issuer, |state| state.overdue(|stream| stream.active_at, since, most)))
    }

    async fn unverified_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        Ok(self.of(issuer, |state| state.overdue(|stream| stream.verification_at, since, most)))
    }

    async fn held_streams(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<HeldStream>, StoreError> {
        Ok(self.of(issuer, |state| {
            let held = |stream: &Stream| {
                Some(HeldStream::new(stream.record.stream_id.clone(), stream.held()?))
            };
            let mut streams: Vec<_> = state.streams.iter().filter_map(held).collect();
            streams.sort_by(|one, other| one.stream_id.cmp(&other.stream_id));
            streams.retain(|stream| after < Some(&stream.stream_id));
            streams.truncate(most);
            streams
        }))
    }

    async fn give_up_held(&self, issuer: &Issuer, request: GiveUpHeld) -> Result<u64, StoreError> {
        Ok(self.of(issuer, |state| state.give_up_held(&request)))
    }
}

impl IssuerState {
    /// Control entries go before all others; then each stream in turn gives one entry, and again,
    /// until nothing more is to be had.
    fn claim(&mut self, request: &ClaimRequest) -> Claims {
        let mut places = request.places.clone();
        let mut entries = Vec::new();
        let count = self.streams.len();
        for lane in [Lane::Verification, Lane::Ordinary] {
            loop {
                let before = entries.len();
                for at in (self.turn..count).chain(0..self.turn.min(count)) {
                    let Some(stream) = self.streams.get_mut(at) else { continue };
                    let (pace, host) = (stream.health.pace, stream.host());
                    if entries.len() == request.most || !places.has(lane, pace, &host) {
                        continue;
                    }
                    let fence = Fence(self.last_fence + 1);
                    let Some(entry) = stream.claim(lane, request, fence) else { continue };
                    (self.last_fence, self.turn) = (fence.0, at + 1);
                    places.take(lane, pace, &host);
                    entries.push(entry);
                }
                if entries.len() == before {
                    break;
                }
            }
        }
        let due = |lane: Lane, stream: &Stream| {
            let open = places.has(lane, stream.health.pace, &stream.host());
            let turns = stream.turns(lane, request.most_per_stream).into_iter();
            let signed = turns.filter(|(_, entry)| entry.is_for(&request.tokens));
            let due = signed.map(|(due, _)| due.map_or(request.now, |due| due.max(request.now)));
            due.min().filter(|_| open)
        };
        let lanes = [Lane::Verification, Lane::Ordinary];
        let next = lanes.iter().flat_map(|lane| self.streams.iter().map(|s| due(*lane, s)));
        let next_due = next.flatten().min();
        Claims::new(entries, next_due)
    }

    /// The enabled streams whose time is `since` or before, and the time of the next.
    fn overdue(
        &self,
        time: impl Fn(&Stream) -> Timestamp,
        since: Timestamp,
        most: usize,
    ) -> Overdue {
        let enabled = |stream: &&Stream| stream.record.status == StreamStatus::Enabled;
        let mut streams: Vec<_> = self.streams.iter().filter(enabled).collect();
        streams.sort_by_key(|stream| time(stream));
        let due = streams.iter().take(most).take_while(|stream| time(stream) <= since).count();
        let next = streams.get(due).map(|stream| time(stream));
        streams.truncate(due);
        Overdue::new(streams.into_iter().map(|stream| stream.record.clone()).collect(), next)
    }

    fn settle(&mut self, batch: SettleBatch) -> SettleReport {
        let mut settled = Vec::new();
        for settlement in batch.settlements {
            let Settlement { stream_id, jti, fence, fate, .. } = settlement;
            settled.push(match self.find(&stream_id) {
                Some(stream) => stream.happen(&jti, Happening::Settle { fence, fate }, batch.now),
                None => Settled::Gone,
            });
        }
        let mut verdicts: Vec<(StreamId, Verdict)> = Vec::new();
        for HealthChange { stream_id, generation, report, jitter, pace, .. } in &batch.health {
            let Some(stream) = self.find(stream_id) else { continue };
            if generation.is_some_and(|generation| generation != stream.record.generation) {
                continue;
            }
            let verdict = stream.health.record(report, &batch.policy, batch.now, *jitter);
            stream.health.note_pace(*pace);
            let verdict = (stream_id.clone(), verdict);
            if verdict.1 != Verdict::GoOn && !verdicts.contains(&verdict) {
                verdicts.push(verdict);
            }
        }
        SettleReport::new(settled, verdicts)
    }

    /// Gives up the oldest of what a stream holds, while it is more than it may be.
    fn give_up_held(&mut self, request: &GiveUpHeld) -> u64 {
        let Some(stream) = self.find(&request.stream_id) else { return 0 };
        let (now, mut given_up) = (request.now, 0);
        let ordinary = stream.entries.iter().filter(|entry| entry.lane == Lane::Ordinary);
        let shown = ordinary.filter(|entry| entry.hidden_until <= Some(now));
        let oldest = shown.take(request.most).map(|entry| (entry.jti.clone(), entry.queued_at));
        for (jti, queued_at) in oldest.collect::<Vec<_>>() {
            let Some(held) = stream.held() else { break };
            let held = Held::new(held.entries, held.bytes, queued_at);
            let Some(limit) = request.limits.exceeded(&held, now) else { break };
            let settled = stream.happen(&jti, Happening::ExceedLimit { limit, now }, now);
            given_up += u64::from(settled == Settled::Done);
        }
        given_up
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
        let letters = self.streams.iter().flat_map(|stream| &stream.dead_letters);
        swept.oldest_dead = letters.map(|letter| letter.dead_at).min();
        swept.oldest_key = self.first_results.iter().map(|first| first.at).min();
        swept
    }
}
