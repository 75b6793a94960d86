//! The receiver face of the store in memory.

use async_trait::async_trait;

use super::MemoryStore;
use super::interest::takes_entries;
use super::state::IssuerState;
use crate::id::{ClientId, Issuer, Owner, StreamId, TenantId};
use crate::outbox::{Discard, Happening, Lane, RoundTrip};
use crate::store::{
    Acknowledged, Acknowledgement, Activity, Change, ChangeMark, Deleted, HandOut, HandOutRequest,
    KeepToken, Kept, NewVerification, Queue, ReceiverStore, Settled, StartedBy, StoreError,
    StreamUpdate, SubjectChange, VerificationQueued, Watched,
};
use crate::stream::{StreamQuota, StreamRecord, StreamStatus};
use crate::timestamp::Timestamp;

#[async_trait]
impl ReceiverStore for MemoryStore {
    async fn create_stream(
        &self,
        record: StreamRecord,
        quota: StreamQuota,
    ) -> Result<(), StoreError> {
        self.lock().of(&record.issuer.clone()).create(record, quota)
    }

    async fn read_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        Ok(self.lock().of(issuer).owned(owner, stream)?.record.clone())
    }

    async fn list_streams(
        &self,
        issuer: &Issuer,
        owner: &Owner,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        let mut state = self.lock();
        let state = state.of(issuer);
        let ids = state.owners.get(owner).into_iter().flatten();
        Ok(ids.filter_map(|id| state.streams.get(id)).map(|s| s.record.clone()).collect())
    }

    async fn update_stream(&self, update: StreamUpdate) -> Result<StreamRecord, StoreError> {
        self.lock().of(&update.record.issuer.clone()).update(update)
    }

    async fn delete_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<Deleted, StoreError> {
        self.lock().of(issuer).delete(owner, stream)
    }

    async fn change_subject(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        change: SubjectChange,
        most: u32,
    ) -> Result<(), StoreError> {
        self.lock().of(issuer).change_subject(owner, stream, &change, most)
    }

    async fn queue_verification(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        verification: NewVerification,
    ) -> Result<VerificationQueued, StoreError> {
        self.lock().of(issuer).queue_verification(owner, stream, verification)
    }

    async fn acknowledge(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        acknowledgement: Acknowledgement,
    ) -> Result<Acknowledged, StoreError> {
        self.lock().of(issuer).acknowledge(owner, stream, acknowledgement)
    }

    async fn hand_out(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        request: HandOutRequest,
    ) -> Result<HandOut, StoreError> {
        let mut state = self.lock();
        let stream = state.of(issuer).owned(owner, stream)?;
        if stream.is_push() {
            return Err(StoreError::NotFound);
        }
        Ok(stream.hand_out(request))
    }

    async fn keep_polled(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        tokens: Vec<KeepToken>,
        hide: Option<Timestamp>,
    ) -> Result<Vec<Kept>, StoreError> {
        let mut state = self.lock();
        Ok(state.of(issuer).owned(owner, stream)?.keep_polled(tokens, hide))
    }

    async fn wait_for_change(&self, _: &Issuer, _: Watched<'_>, _: ChangeMark) -> Change {
        Change::NeverHappens
    }

    async fn touch(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        activity: Activity,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        let state = state.of(issuer);
        state.owned(owner, &activity.stream_id)?;
        state.touch(&activity.stream_id, activity.at);
        Ok(())
    }
}

impl IssuerState {
    fn create(&mut self, record: StreamRecord, quota: StreamQuota) -> Result<(), StoreError> {
        if self.suspended.contains(&record.owner) {
            return Err(StoreError::Suspended);
        }
        if self.owners.get(&record.owner).map_or(0, Vec::len) >= quota.receiver as usize {
            return Err(StoreError::StreamLimit);
        }
        if quota.tenant.is_some_and(|most| self.tenant_has(&record.owner.tenant, most as usize)) {
            return Err(StoreError::TenantStreamLimit);
        }
        if self.streams.number(&record.stream_id).is_some() {
            return Err(StoreError::IdTaken);
        }
        self.insert(record);
        Ok(())
    }

    /// Whether the owners of a tenant together have so many streams. Nobody is counted further.
    fn tenant_has(&self, tenant: &TenantId, most: usize) -> bool {
        let first = Owner::new(tenant.clone(), ClientId::trusted(""));
        let owners = self.owners.range(first..).take_while(|(owner, _)| owner.tenant == *tenant);
        let mut streams = owners.flat_map(|(_, streams)| streams);
        most == 0 || streams.nth(most - 1).is_some()
    }

    fn update(&mut self, update: StreamUpdate) -> Result<StreamRecord, StoreError> {
        let StreamUpdate { mut record, expected_version, queue, announce, provided } = update;
        let suspended = self.suspended.contains(&record.owner);
        let stream = self.owned(&record.owner, &record.stream_id)?;
        if stream.record.version != expected_version || !stream.is(provided) {
            return Err(StoreError::Conflict);
        }
        let enabled = |record: &StreamRecord| record.status == StreamStatus::Enabled;
        if suspended && enabled(&record) && !enabled(&stream.record) {
            return Err(StoreError::Suspended);
        }
        if let Some(control) = &announce {
            stream.check_unused(&control.jti)?;
        }
        record.version = expected_version.saturating_add(1);
        let stream = self.replace(record.clone()).ok_or(StoreError::NotFound)?;
        match queue {
            Queue::Keep => {}
            Queue::Discard => {
                stream.discard(Discard::StreamDisabled);
            }
        }
        if let Some(control) = announce {
            stream.accept_control(control);
        }
        self.changed(&record.stream_id);
        Ok(record)
    }

    fn delete(&mut self, owner: &Owner, id: &StreamId) -> Result<Deleted, StoreError> {
        self.owned(owner, id)?;
        let mut stream = self.remove(id).ok_or(StoreError::NotFound)?;
        let discarded = stream.discard(Discard::StreamDeleted);
        self.departed += stream.totals();
        Ok(Deleted::new(discarded))
    }

    fn change_subject(
        &mut self,
        owner: &Owner,
        id: &StreamId,
        change: &SubjectChange,
        most: u32,
    ) -> Result<(), StoreError> {
        self.owned(owner, id)?;
        let number = self.streams.number(id).ok_or(StoreError::NotFound)?;
        let stream = self.streams.at(number).ok_or(StoreError::NotFound)?;
        self.interests.change(number, &stream.record, change, most)
    }

    fn queue_verification(
        &mut self,
        owner: &Owner,
        id: &StreamId,
        verification: NewVerification,
    ) -> Result<VerificationQueued, StoreError> {
        let NewVerification { control, min_interval, started_by } = verification;
        let (stream, now) = (self.owned(owner, id)?, control.now);
        let last = match started_by {
            StartedBy::Receiver => stream.verified_at,
            StartedBy::Transmitter => Some(stream.verification_at),
        };
        if let Some(last) = last
            && now.since(last) < min_interval
        {
            return Ok(VerificationQueued::TooSoon(last.after(min_interval)));
        }
        stream.check_unused(&control.jti)?;
        match started_by {
            StartedBy::Receiver => stream.verified_at = Some(now),
            StartedBy::Transmitter if stream.backlog.has_verification() => {
                self.note_verification(id, now);
                return Ok(VerificationQueued::Unsettled);
            }
            StartedBy::Transmitter => {}
        }
        if takes_entries(&stream.record) {
            stream.accept_control(control);
        } else {
            stream.drop_unheld();
        }
        self.note_verification(id, now);
        self.changed(id);
        Ok(VerificationQueued::Queued)
    }

    fn acknowledge(
        &mut self,
        owner: &Owner,
        id: &StreamId,
        acknowledgement: Acknowledgement,
    ) -> Result<Acknowledged, StoreError> {
        let Acknowledgement { acks, errors, now } = acknowledgement;
        self.owned(owner, id)?;
        let mut done = Acknowledged::default();
        // Errors first: what is named both ways ends as a dead letter.
        for (jti, error) in errors {
            let lane = self.owned(owner, id)?.backlog.get(&jti).map(|entry| entry.lane);
            self.happen(id, &jti, Happening::Report(error), now);
            done.dead.extend(lane.map(|lane| (jti, lane)));
        }
        for jti in acks {
            let entry = self.owned(owner, id)?.backlog.get(&jti);
            let verification = entry.filter(|entry| entry.lane == Lane::Verification);
            let queued_at = verification.map(|entry| entry.queued_at);
            if self.happen(id, &jti, Happening::Acknowledge, now) == Settled::Done {
                done.delivered += 1;
                let round_trip = queued_at.map(|queued_at| RoundTrip::new(queued_at, now));
                done.verified = round_trip.or(done.verified);
            }
        }
        if done.delivered > 0 {
            self.owned(owner, id)?.health.last_success = Some(now);
        }
        self.changed(id);
        Ok(done)
    }
}
