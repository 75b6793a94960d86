//! The receiver face of the broken store.

use std::time::Duration;

use async_trait::async_trait;
use ssf_transmitter::id::{ClientId, Issuer, Owner, StreamId};
use ssf_transmitter::protocol::More;
use ssf_transmitter::store::{
    Acknowledged, Acknowledgement, Activity, Change, ChangeMark, Deleted, HandOut, HandOutRequest,
    KeepToken, Kept, NewVerification, OperatorStore, Provided, Queue, ReceiverStore, StoreError,
    StreamUpdate, SubjectChange, VerificationQueued, Watched,
};
use ssf_transmitter::stream::{Delivery, StreamQuota, StreamRecord};
use ssf_transmitter::timestamp::Timestamp;

use super::store::{Broken, Fault};

impl Broken {
    /// The owner as the store takes it.
    fn owner(&self, owner: &Owner) -> Owner {
        if !self.does(Fault::TakesNamesInAnyCase) {
            return owner.clone();
        }
        let client = ClientId::parse(owner.client.as_str().to_lowercase()).unwrap();
        Owner::new(owner.tenant.clone(), client)
    }

    async fn create(&self, mut record: StreamRecord, quota: StreamQuota) -> Result<(), StoreError> {
        record.owner = self.owner(&record.owner);
        let mut quota = quota;
        if self.does(Fault::IgnoresTheQuota) {
            quota.receiver = u32::MAX;
        }
        if self.does(Fault::IgnoresTheTenantsQuota) {
            quota.tenant = None;
        }
        if self.does(Fault::ChecksTheQuotaBefore) && quota.receiver < 100 {
            let streams = self.store.list_streams(&record.issuer, &record.owner).await?;
            self.company().await;
            if streams.len() >= quota.receiver as usize {
                return Err(StoreError::StreamLimit);
            }
            quota.receiver = u32::MAX;
        }
        let (issuer, owner, stream) =
            (record.issuer.clone(), record.owner.clone(), record.stream_id.clone());
        if let Delivery::Push(push) = &record.delivery {
            let secret = push.authorization.as_ref().map(|kept| kept.to_text());
            let secrets = secret.iter().filter(|_| self.does(Fault::ShowsSecrets));
            self.remembered().secrets.extend(secrets.map(|secret| secret.expose().to_owned()));
        }
        self.store.create_stream(record, quota).await?;
        if self.does(Fault::KeepsSubjectsOfTheDeleted) {
            let changes =
                self.remembered().subjects.get(&(issuer.clone(), stream.clone())).cloned();
            for change in changes.into_iter().flatten() {
                self.store.change_subject(&issuer, &owner, &stream, change, 1_000).await?;
            }
        }
        Ok(())
    }

    async fn update(&self, mut update: StreamUpdate) -> Result<StreamRecord, StoreError> {
        let (issuer, owner) = (update.record.issuer.clone(), update.record.owner.clone());
        let stream = update.record.stream_id.clone();
        if self.does(Fault::IgnoresTheVersion) {
            let stored = self.store.read_stream(&issuer, &owner, &stream).await?;
            update.expected_version = stored.version;
        }
        if self.does(Fault::IgnoresWhatIsProvided) {
            update.provided = Provided::Nothing;
        }
        if self.does(Fault::LosesTheAnnouncement) {
            update.announce = None;
        }
        if self.does(Fault::KeepsTheQueueOfTheDisabled) {
            update.queue = Queue::Keep;
        }
        let again = update.clone();
        match self.store.update_stream(update).await {
            Err(StoreError::Conflict) if self.does(Fault::EmptiesOnConflict) => {
                let stored = self.store.read_stream(&issuer, &owner, &stream).await?;
                let version = stored.version;
                let mut empty = StreamUpdate::new(stored, version);
                empty.queue = Queue::Discard;
                self.store.update_stream(empty).await?;
                Err(StoreError::Conflict)
            }
            Err(StoreError::Suspended) if self.does(Fault::EnablesForTheSuspended) => {
                self.store.resume(&issuer, &owner).await?;
                let done = self.store.update_stream(again).await;
                self.store.suspend(&issuer, &owner).await?;
                done
            }
            result => result,
        }
    }

    /// What it made of an acknowledgement.
    async fn acknowledged(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        mut named: Acknowledgement,
    ) -> Result<Acknowledged, StoreError> {
        if self.does(Fault::PrefersAcknowledgements) {
            let acks = named.acks.clone();
            named.errors.retain(|(jti, _)| !acks.contains(jti));
        }
        let done = self.store.acknowledge(issuer, owner, stream, named.clone()).await?;
        if self.does(Fault::AcknowledgesForeignSets) {
            for other in self.store.list_streams(issuer, owner).await? {
                self.store.acknowledge(issuer, owner, &other.stream_id, named.clone()).await?;
            }
        }
        Ok(done)
    }

    fn handed_out(&self, issuer: &Issuer, most: usize, mut handed: HandOut) -> HandOut {
        if self.does(Fault::PollsNewestFirst) {
            handed.entries.reverse();
        }
        if self.does(Fault::HandsOutOnce) {
            let mut remembered = self.remembered();
            let once = |jti: &_| (issuer.clone(), Clone::clone(jti));
            handed.entries.retain(|entry| !remembered.handed.contains(&once(&entry.jti)));
            handed.entries.truncate(most);
            remembered.handed.extend(handed.entries.iter().map(|entry| once(&entry.jti)));
        }
        if self.does(Fault::NeverHasMore) {
            handed.more = More::None;
        }
        handed
    }
}

#[async_trait]
impl ReceiverStore for Broken {
    async fn create_stream(
        &self,
        record: StreamRecord,
        quota: StreamQuota,
    ) -> Result<(), StoreError> {
        self.create(record, quota).await
    }

    async fn read_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        if self.does(Fault::ForgetsTheOwner) {
            return self.store.find_stream(issuer, stream).await;
        }
        self.store.read_stream(issuer, &self.owner(owner), stream).await
    }

    async fn list_streams(
        &self,
        issuer: &Issuer,
        owner: &Owner,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        let mut list = self.store.list_streams(issuer, &self.owner(owner)).await?;
        if self.does(Fault::ListsByTime) {
            list.sort_by_key(|record| record.created_at);
        }
        Ok(list)
    }

    async fn update_stream(&self, mut update: StreamUpdate) -> Result<StreamRecord, StoreError> {
        update.record.owner = self.owner(&update.record.owner);
        self.update(update).await
    }

    async fn delete_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<Deleted, StoreError> {
        self.store.delete_stream(issuer, &self.owner(owner), stream).await
    }

    async fn change_subject(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        change: SubjectChange,
        most: u32,
    ) -> Result<(), StoreError> {
        let most = if self.does(Fault::ListsAnyNumberOfSubjects) { u32::MAX } else { most };
        let change = match change {
            SubjectChange::Remove(_) if self.does(Fault::LosesRemovals) => return Ok(()),
            SubjectChange::RemoveLater { subject, .. } if self.does(Fault::RemovesAtOnce) => {
                SubjectChange::Remove(subject)
            }
            change => change,
        };
        let key = (issuer.clone(), stream.clone());
        self.remembered().subjects.entry(key).or_default().push(change.clone());
        self.store.change_subject(issuer, &self.owner(owner), stream, change, most).await
    }

    async fn queue_verification(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        mut verification: NewVerification,
    ) -> Result<VerificationQueued, StoreError> {
        if self.does(Fault::IgnoresTheInterval) {
            verification.min_interval = Duration::ZERO;
        }
        self.store.queue_verification(issuer, &self.owner(owner), stream, verification).await
    }

    async fn acknowledge(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        acknowledgement: Acknowledgement,
    ) -> Result<Acknowledged, StoreError> {
        self.acknowledged(issuer, &self.owner(owner), stream, acknowledgement).await
    }

    async fn hand_out(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        request: HandOutRequest,
    ) -> Result<HandOut, StoreError> {
        let most = request.most;
        let handed = self.store.hand_out(issuer, &self.owner(owner), stream, request).await?;
        Ok(self.handed_out(issuer, most, handed))
    }

    async fn keep_polled(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        tokens: Vec<KeepToken>,
        hide: Option<Timestamp>,
    ) -> Result<Vec<Kept>, StoreError> {
        let hide = hide.filter(|_| !self.does(Fault::HidesNothing));
        self.store.keep_polled(issuer, &self.owner(owner), stream, tokens, hide).await
    }

    async fn touch(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        activity: Activity,
    ) -> Result<(), StoreError> {
        if self.does(Fault::IgnoresActivity) {
            return self.read_stream(issuer, owner, &activity.stream_id).await.map(drop);
        }
        self.store.touch(issuer, &self.owner(owner), activity).await
    }

    fn change_mark(&self) -> ChangeMark {
        self.store.change_mark()
    }

    async fn wait_for_change(
        &self,
        issuer: &Issuer,
        watched: Watched<'_>,
        since: ChangeMark,
    ) -> Change {
        self.store.wait_for_change(issuer, watched, since).await
    }
}
