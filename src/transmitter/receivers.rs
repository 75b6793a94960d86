//! What a receiver's request can cause (SSF 1.0 §8.1).

use super::commit::{Before, CHANGE_TRIES, Deliveries};
use super::upkeep::Noted;
use super::{Core, Receivers, mint};
use crate::auth::Caller;
use crate::error::Error;
use crate::hooks::PauseCause;
use crate::id::{Owner, StreamId};
use crate::protocol::{
    CreateStream, PatchStream, Refusal, ReplaceStream, StatusRequest, StatusView, StreamView,
    SubjectRequest, VerificationRequest, change_status,
};
use crate::store::{
    Activity, NewVerification, ReceiverStore, StoreError, SubjectChange, VerificationQueued,
};
use crate::stream::{StatusSetBy, StreamRecord};
use crate::timestamp::Timestamp;

impl Receivers {
    /// Creates a stream (SSF 1.0 §8.1.1.1).
    ///
    /// # Errors
    /// [`Refusal::StreamLimit`] when the receiver has as many as it may have,
    /// [`Refusal::TenantStreamLimit`] when its tenant has, [`Refusal::Suspended`] when its operator stopped it, or an error of the store.
    pub async fn create_stream(
        &self,
        caller: &Caller,
        request: CreateStream,
    ) -> Result<StreamView, Error> {
        let now = self.core.clock.now();
        let record = self.core.create(&*self.store, caller, request, now).await?;
        Ok(self.core.view(&record))
    }

    /// Reads one stream (SSF 1.0 §8.1.1.2).
    ///
    /// # Errors
    /// [`Refusal::UnknownStream`], or an error of the store.
    pub async fn read_stream(
        &self,
        caller: &Caller,
        stream: &StreamId,
    ) -> Result<StreamView, Error> {
        let record = self.read(caller, stream).await?;
        Ok(self.core.view(&record))
    }

    /// Reads all streams of a receiver (SSF 1.0 §8.1.1.2).
    ///
    /// # Errors
    /// An error of the store.
    pub async fn list_streams(&self, caller: &Caller) -> Result<Vec<StreamView>, Error> {
        let records = self.store.list_streams(&self.core.issuer, &caller.owner).await?;
        Ok(records.iter().map(|record| self.core.view(record)).collect())
    }

    /// Changes some members of a stream (SSF 1.0 §8.1.1.3).
    ///
    /// # Errors
    /// [`Refusal::Invalid`], [`Refusal::UnknownStream`], or an error of the store.
    pub async fn update_stream(
        &self,
        caller: &Caller,
        request: &PatchStream,
    ) -> Result<StreamView, Error> {
        let (core, now) = (&self.core, self.core.clock.now());
        let change = |record| {
            core.with_context(&caller.owner, |context| {
                Ok(request.clone().apply(record, context, &core.config.egress, now)?)
            })
        };
        let record = self.change(caller, &request.stream_id, now, change).await?;
        Ok(core.changed_view(&record))
    }

    /// Replaces the configuration of a stream (SSF 1.0 §8.1.1.4).
    ///
    /// # Errors
    /// [`Refusal::Invalid`], [`Refusal::UnknownStream`], or an error of the store.
    pub async fn replace_stream(
        &self,
        caller: &Caller,
        request: &ReplaceStream,
    ) -> Result<StreamView, Error> {
        let (core, now) = (&self.core, self.core.clock.now());
        let change = |record| {
            core.with_context(&caller.owner, |context| {
                Ok(request.clone().apply(record, context, now)?)
            })
        };
        let record = self.change(caller, &request.stream_id, now, change).await?;
        Ok(core.changed_view(&record))
    }

    /// Deletes a stream (SSF 1.0 §8.1.1.5): its queue, its retries and its running deliveries end
    /// with it.
    ///
    /// # Errors
    /// [`Refusal::UnknownStream`], or an error of the store.
    pub async fn delete_stream(&self, caller: &Caller, stream: &StreamId) -> Result<(), Error> {
        let changing = self.core.changing(stream, Deliveries::End);
        let deletion = self.store.delete_stream(&self.core.issuer, &caller.owner, stream);
        changing.over(deletion.await)?;
        Ok(())
    }

    /// Reads the status of a stream (SSF 1.0 §8.1.2.2).
    ///
    /// # Errors
    /// [`Refusal::UnknownStream`], or an error of the store.
    pub async fn read_status(
        &self,
        caller: &Caller,
        stream: &StreamId,
    ) -> Result<StatusView, Error> {
        let record = self.read(caller, stream).await?;
        Ok(StatusView::of(&record, &self.core.profile))
    }

    /// Changes the status of a stream (SSF 1.0 §8.1.2.3). The answer tells the receiver, so no
    /// event does (§8.1.5).
    ///
    /// # Errors
    /// [`Refusal::UnknownStream`], [`Refusal::Suspended`], or an error of the store.
    pub async fn update_status(
        &self,
        caller: &Caller,
        request: &StatusRequest,
    ) -> Result<StatusView, Error> {
        let now = self.core.clock.now();
        let StatusRequest { stream_id, status, reason } = request;
        let change = |record| {
            Ok(change_status(record, *status, reason.clone(), StatusSetBy::Receiver, now)?)
        };
        let record = self.change(caller, stream_id, now, change).await?;
        Ok(StatusView::of(&record, &self.core.profile))
    }

    /// Adds a subject (SSF 1.0 §8.1.3.2). The answer is the same whether or not the subject exists
    /// (§9.1).
    ///
    /// # Errors
    /// [`Refusal::UnknownStream`], [`Refusal::SubjectLimit`], or an error of the store.
    pub async fn add_subject(&self, caller: &Caller, request: SubjectRequest) -> Result<(), Error> {
        self.change_subject(caller, &request.stream_id, SubjectChange::Add(request.subject)).await
    }

    /// Removes a subject (SSF 1.0 §8.1.3.3).
    ///
    /// # Errors
    /// [`Refusal::UnknownStream`], [`Refusal::SubjectLimit`], or an error of the store.
    pub async fn remove_subject(
        &self,
        caller: &Caller,
        request: SubjectRequest,
    ) -> Result<(), Error> {
        let (subject, grace) = (request.subject, self.core.config.removal_grace);
        let change = if grace.is_zero() {
            SubjectChange::Remove(subject)
        } else {
            SubjectChange::RemoveLater { subject, at: self.core.clock.now().after(grace) }
        };
        self.change_subject(caller, &request.stream_id, change).await
    }

    /// Queues a verification SET (SSF 1.0 §8.1.4.2).
    ///
    /// # Errors
    /// [`Refusal::TooSoon`], [`Refusal::UnknownStream`], or an error of the store.
    pub async fn verify(&self, caller: &Caller, request: VerificationRequest) -> Result<(), Error> {
        let (core, now) = (&self.core, self.core.clock.now());
        let VerificationRequest { stream_id, state } = request;
        let control = core.verification(&stream_id, state, now)?;
        let verification = NewVerification::new(control, core.profile.min_verification_interval);
        // Who waits for it looks, also when the caller hangs up meanwhile.
        let queueing = core.changing(&stream_id, Deliveries::GoOn);
        let queued =
            self.store.queue_verification(&core.issuer, &caller.owner, &stream_id, verification);
        let queued = queueing.over(queued.await)?;
        self.touch(&caller.owner, &stream_id, now).await?;
        match queued {
            VerificationQueued::Queued | VerificationQueued::Unsettled => Ok(()),
            VerificationQueued::TooSoon(next) => Err(Refusal::TooSoon(next.since(now)).into()),
        }
    }

    async fn read(&self, caller: &Caller, stream: &StreamId) -> Result<StreamRecord, Error> {
        let record = self.store.read_stream(&self.core.issuer, &caller.owner, stream).await?;
        self.touch(&caller.owner, stream, self.core.clock.now()).await?;
        Ok(record)
    }

    async fn change(
        &self,
        caller: &Caller,
        stream: &StreamId,
        now: Timestamp,
        change: impl Fn(StreamRecord) -> Result<StreamRecord, Error>,
    ) -> Result<StreamRecord, Error> {
        let record = self.core.change(&*self.store, &caller.owner, stream, change).await?;
        self.touch(&caller.owner, stream, now).await?;
        Ok(record)
    }

    async fn change_subject(
        &self,
        caller: &Caller,
        stream: &StreamId,
        change: SubjectChange,
    ) -> Result<(), Error> {
        let (issuer, owner) = (&self.core.issuer, &caller.owner);
        let most = self.core.profile.subjects_per_stream;
        self.store.change_subject(issuer, owner, stream, change, most).await?;
        self.touch(owner, stream, self.core.clock.now()).await
    }

    /// Notes that the receiver is active, where anybody asks (SSF 1.0 §8.1.1
    /// `inactivity_timeout`).
    pub(super) async fn touch(
        &self,
        owner: &Owner,
        stream: &StreamId,
        now: Timestamp,
    ) -> Result<(), Error> {
        if self.core.config.inactivity_timeout.is_some() {
            let activity = Activity::new(stream.clone(), now);
            self.store.touch(&self.core.issuer, owner, activity).await?;
            self.core.note(Noted::Stream, now);
        }
        Ok(())
    }
}

impl Core {
    /// Stores a new stream.
    pub(super) async fn create(
        &self,
        store: &dyn ReceiverStore,
        caller: &Caller,
        request: CreateStream,
        now: Timestamp,
    ) -> Result<StreamRecord, Error> {
        let mut record = StreamRecord::new(
            self.issuer.clone(),
            caller.owner.clone(),
            mint::stream_id(self.entropy.bits()),
            caller.audience.clone(),
            request.delivery.into_delivery(),
            now,
        );
        record.default_subjects = self.config.default_subjects;
        record.description = request.description;
        record.events_delivered = self.with_context(&caller.owner, |context| {
            context.delivered(request.events_requested.as_deref())
        });
        record.events_requested = request.events_requested;
        self.seal_secret(&mut record).await?;
        store.create_stream(record.clone(), self.profile.quota).await?;
        self.note(Noted::Stream, now);
        Ok(record)
    }

    /// Changes a stream by compare-and-set: reads it, decides, commits; decides anew when it
    /// changed meanwhile.
    async fn change(
        &self,
        store: &dyn ReceiverStore,
        owner: &Owner,
        stream: &StreamId,
        change: impl Fn(StreamRecord) -> Result<StreamRecord, Error>,
    ) -> Result<StreamRecord, Error> {
        for _ in 0..CHANGE_TRIES {
            let record = store.read_stream(&self.issuer, owner, stream).await?;
            let before = Before::of(&record);
            let mut record = change(record)?;
            self.seal_secret(&mut record).await?;
            match self.commit(store, before, record, None, PauseCause::Receiver).await {
                Ok(record) => return Ok(record),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }
}
