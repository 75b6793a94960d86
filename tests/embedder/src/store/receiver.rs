//! The receiver face of the store of vectors.

use async_trait::async_trait;
use ssf_transmitter::id::{Issuer, Owner, StreamId};
use ssf_transmitter::outbox::{Discard, Happening, Lane, RoundTrip, Step};
use ssf_transmitter::routing::Interest;
use ssf_transmitter::store::{
    Acknowledged, Acknowledgement, Activity, Change, ChangeMark, Deleted, HandOut, HandOutRequest,
    KeepToken, Kept, NewVerification, Queue, ReceiverStore, Settled, StartedBy, StoreError,
    StreamUpdate, SubjectChange, VerificationQueued, Watched,
};
use ssf_transmitter::stream::{DefaultSubjects, StreamQuota, StreamRecord, StreamStatus};
use ssf_transmitter::subject::Subject;
use ssf_transmitter::timestamp::Timestamp;

use super::VecStore;
use super::state::IssuerState;
use super::stream::Stream;

#[async_trait]
impl ReceiverStore for VecStore {
    async fn create_stream(
        &self,
        record: StreamRecord,
        quota: StreamQuota,
    ) -> Result<(), StoreError> {
        self.of(&record.issuer.clone(), |state| state.create(record, quota))
    }

    async fn read_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        self.owned(issuer, owner, stream, |stream| Ok(stream.record.clone()))
    }

    async fn list_streams(
        &self,
        issuer: &Issuer,
        owner: &Owner,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        Ok(self.of(issuer, |state| {
            let records = state.streams.iter().map(|stream| &stream.record);
            records.filter(|record| record.owner == *owner).cloned().collect()
        }))
    }

    async fn update_stream(&self, update: StreamUpdate) -> Result<StreamRecord, StoreError> {
        self.of(&update.record.issuer.clone(), |state| state.update(update))
    }

    async fn delete_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<Deleted, StoreError> {
        self.of(issuer, |state| state.delete(owner, stream))
    }

    async fn change_subject(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        change: SubjectChange,
        most: u32,
    ) -> Result<(), StoreError> {
        self.owned(issuer, owner, stream, |stream| stream.change_subject(change, most))
    }

    async fn queue_verification(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        verification: NewVerification,
    ) -> Result<VerificationQueued, StoreError> {
        self.of(issuer, |state| {
            state.owned(owner, stream)?;
            state.check_unused(&verification.control.jti)?;
            Ok(state.owned(owner, stream)?.queue_verification(verification))
        })
    }

    async fn acknowledge(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        acknowledgement: Acknowledgement,
    ) -> Result<Acknowledged, StoreError> {
        let Acknowledgement { acks, errors, now, .. } = acknowledgement;
        self.owned(issuer, owner, stream, |stream| {
            let mut done = Acknowledged::default();
            // Errors first: what is named both ways ends as a dead letter.
            for (jti, error) in errors {
                let lane = stream.entry(&jti).map(|entry| entry.lane);
                stream.happen(&jti, Happening::Report(error), now);
                done.dead.extend(lane.map(|lane| (jti, lane)));
            }
            for jti in &acks {
                let entry = stream.entry(jti).filter(|entry| entry.lane == Lane::Verification);
                let queued_at = entry.map(|entry| entry.queued_at);
                if stream.happen(jti, Happening::Acknowledge, now) == Settled::Done {
                    stream.health.last_success = Some(now);
                    done.delivered += 1;
                    let round_trip = queued_at.map(|queued_at| RoundTrip::new(queued_at, now));
                    done.verified = round_trip.or(done.verified);
                }
            }
            Ok(done)
        })
    }

    async fn hand_out(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        request: HandOutRequest,
    ) -> Result<HandOut, StoreError> {
        self.owned(issuer, owner, stream, |stream| {
            if stream.is_push() {
                return Err(StoreError::NotFound);
            }
            Ok(stream.hand_out(request))
        })
    }

    async fn keep_polled(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        tokens: Vec<KeepToken>,
        hide: Option<Timestamp>,
    ) -> Result<Vec<Kept>, StoreError> {
        self.owned(issuer, owner, stream, |stream| Ok(stream.keep_polled(tokens, hide)))
    }

    async fn touch(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        activity: Activity,
    ) -> Result<(), StoreError> {
        self.owned(issuer, owner, &activity.stream_id, |stream| {
            stream.active_at = stream.active_at.max(activity.at);
            Ok(())
        })
    }

    async fn wait_for_change(&self, _: &Issuer, _: Watched<'_>, _: ChangeMark) -> Change {
        Change::NeverHappens
    }
}

impl IssuerState {
    fn create(&mut self, record: StreamRecord, quota: StreamQuota) -> Result<(), StoreError> {
        if self.suspended.contains(&record.owner) {
            return Err(StoreError::Suspended);
        }
        let owned = self.streams.iter().filter(|stream| stream.record.owner == record.owner);
        if owned.count() >= quota.receiver as usize {
            return Err(StoreError::StreamLimit);
        }
        let tenant = |stream: &&Stream| stream.record.owner.tenant == record.owner.tenant;
        let in_tenant = self.streams.iter().filter(tenant).count();
        if quota.tenant.is_some_and(|most| in_tenant >= most as usize) {
            return Err(StoreError::TenantStreamLimit);
        }
        if self.find(&record.stream_id).is_some() {
            return Err(StoreError::IdTaken);
        }
        self.streams.push(Stream::new(record));
        Ok(())
    }

    fn update(&mut self, update: StreamUpdate) -> Result<StreamRecord, StoreError> {
        let StreamUpdate { mut record, expected_version, queue, announce, provided, .. } = update;
        let stream = self.owned(&record.owner, &record.stream_id)?;
        if stream.record.version != expected_version || !stream.is(provided) {
            return Err(StoreError::Conflict);
        }
        if let Some(control) = &announce {
            self.check_unused(&control.jti)?;
        }
        let suspended = self.suspended.contains(&record.owner);
        let stream = self.owned(&record.owner, &record.stream_id)?;
        let enabled = |record: &StreamRecord| record.status == StreamStatus::Enabled;
        if suspended && enabled(&record) && !enabled(&stream.record) {
            return Err(StoreError::Suspended);
        }
        record.version = expected_version.saturating_add(1);
        let started =
            stream.record.status != record.status && record.status == StreamStatus::Enabled;
        if started || stream.record.generation != record.generation {
            if stream.record.delivery.goes_where(&record.delivery) {
                stream.health.forget_failures();
            } else {
                stream.health.forget_receiver();
            }
            for entry in stream.entries.iter_mut().filter(|entry| entry.lane.is_control()) {
                if let Step::GoesOn(life) = entry.life.after(Happening::Restart) {
                    entry.life = life;
                }
            }
            for entry in &mut stream.entries {
                entry.hidden_until = None;
            }
        }
        if started {
            stream.active_at = stream.active_at.max(record.updated_at);
        }
        stream.record = record.clone();
        if queue == Queue::Discard {
            stream.discard(Discard::StreamDisabled);
        }
        if let Some(control) = announce {
            stream.accept_control(control);
        }
        Ok(record)
    }

    fn delete(&mut self, owner: &Owner, id: &StreamId) -> Result<Deleted, StoreError> {
        let ours =
            |stream: &Stream| stream.record.owner == *owner && stream.record.stream_id == *id;
        let at = self.streams.iter().position(ours).ok_or(StoreError::NotFound)?;
        let mut stream = self.streams.remove(at);
        let discarded = stream.discard(Discard::StreamDeleted);
        self.departed += stream.totals();
        Ok(Deleted::new(discarded))
    }
}

impl Stream {
    fn change_subject(&mut self, change: SubjectChange, most: u32) -> Result<(), StoreError> {
        self.has_room_for(&change, most)?;
        match change {
            SubjectChange::Add(subject) => {
                self.removals.retain(|(_, other)| *other != subject);
                self.list(subject, DefaultSubjects::None);
            }
            SubjectChange::Remove(subject) => {
                self.removals.retain(|(_, other)| *other != subject);
                self.list(subject, DefaultSubjects::All);
            }
            SubjectChange::RemoveLater { subject, at } => {
                if self.removals.iter().all(|(_, other)| *other != subject) {
                    self.removals.push((at, subject));
                }
            }
            _ => return Err(StoreError::Unavailable("no such change of a subject".into())),
        }
        Ok(())
    }

    fn has_room_for(&self, change: &SubjectChange, most: u32) -> Result<(), StoreError> {
        let (subject, on) = match change {
            SubjectChange::Add(subject) => (subject, DefaultSubjects::None),
            SubjectChange::Remove(subject) | SubjectChange::RemoveLater { subject, .. } => {
                (subject, DefaultSubjects::All)
            }
            _ => return Ok(()),
        };
        if self.record.default_subjects != on {
            return Ok(());
        }
        // What is to be removed from a stream that began with all will be listed.
        let later = self
            .removals
            .iter()
            .map(|(_, later)| later)
            .filter(|later| on == DefaultSubjects::All && !self.subjects.contains(later));
        let listed: Vec<&Subject> = self.subjects.iter().chain(later).collect();
        if listed.contains(&subject) || listed.len() < most as usize {
            return Ok(());
        }
        Err(StoreError::SubjectLimit)
    }

    /// Lists a subject on a stream that began so, and takes it off the list of one that did not.
    fn list(&mut self, subject: Subject, on: DefaultSubjects) {
        self.subjects.retain(|other| *other != subject);
        if self.record.default_subjects == on {
            self.subjects.push(subject);
        }
    }

    /// Whether the stream has the subject among its own, once due removals have taken effect.
    pub(super) fn interest(&mut self, subject: &Subject, now: Timestamp) -> Interest {
        let (due, later) = self.removals.drain(..).partition(|(at, _)| *at <= now);
        self.removals = later;
        let due: Vec<(Timestamp, Subject)> = due;
        for (_, removed) in due {
            self.list(removed, DefaultSubjects::All);
        }
        Interest::of(&self.record, &self.subjects, subject)
    }

    fn queue_verification(&mut self, verification: NewVerification) -> VerificationQueued {
        let NewVerification { control, min_interval, started_by, .. } = verification;
        let asked = started_by == StartedBy::Receiver;
        let last = if asked { self.verified_at } else { Some(self.verification_at) };
        if let Some(earliest) = last.map(|last| last.after(min_interval))
            && control.now < earliest
        {
            return VerificationQueued::TooSoon(earliest);
        }
        self.verification_at = control.now;
        if asked {
            self.verified_at = Some(control.now);
        } else if self.entries.iter().any(|entry| entry.lane == Lane::Verification) {
            return VerificationQueued::Unsettled;
        }
        if self.takes_entries() {
            self.accept_control(control);
        } else {
            self.totals.accepted += 1;
            self.totals.discard(Discard::StreamDisabled, 1);
        }
        VerificationQueued::Queued
    }
}
