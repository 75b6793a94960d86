//! A store that fails when it is told to and knows nothing of other processes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ssf_transmitter::Subject;
use ssf_transmitter::id::{Issuer, Owner, StreamId};
use ssf_transmitter::routing::Interest;
use ssf_transmitter::store::memory::MemoryStore;
use ssf_transmitter::store::{
    Acknowledged, Acknowledgement, Activity, Change, ChangeMark, ClaimRequest, Claims, DeadLetter,
    Deleted, GiveUpHeld, HandOut, HandOutRequest, HeldStream, KeepToken, Kept, LetterQuery,
    NewVerification, OperatorStore, Outbox, Overdue, ReceiverStore, Redrive, Redriven, SettleBatch,
    SettleReport, StoreError, StreamOverview, StreamStore, StreamUpdate, SubjectChange,
    SweepRequest, Swept, Totals, VerificationQueued, Watched, WorkerStore,
};
use ssf_transmitter::stream::{StreamQuota, StreamRecord};
use ssf_transmitter::timestamp::Timestamp;

/// A store in memory behind a connection that comes and goes. Its `wait_for_change` cannot tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlakyStore(Arc<State>);

#[derive(Debug, Default)]
struct State {
    inner: MemoryStore,
    failing: Mutex<Option<Call>>,
    conflicting: AtomicBool,
    losing: AtomicBool,
}

/// A call that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Claim,
    Keep,
    Settle,
    HandOut,
}

impl FlakyStore {
    /// From now on that call fails, and no other.
    pub(crate) fn fail(&self, call: Call) {
        *self.0.failing.lock().unwrap_or_else(PoisonError::into_inner) = Some(call);
    }

    pub(crate) fn mend(&self) {
        *self.0.failing.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The next change of a stream finds that another one came first.
    pub(crate) fn conflict_once(&self) {
        self.0.conflicting.store(true, Ordering::Relaxed);
    }

    /// The next change of a stream is committed, and the answer gets lost.
    pub(crate) fn lose_answer_once(&self) {
        self.0.losing.store(true, Ordering::Relaxed);
    }

    fn check(&self, call: Call) -> Result<(), StoreError> {
        let failing = *self.0.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing == Some(call) {
            return Err(StoreError::Unavailable("connection refused".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl ReceiverStore for FlakyStore {
    async fn create_stream(
        &self,
        record: StreamRecord,
        quota: StreamQuota,
    ) -> Result<(), StoreError> {
        self.0.inner.create_stream(record, quota).await
    }

    async fn read_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        self.0.inner.read_stream(issuer, owner, stream).await
    }

    async fn list_streams(
        &self,
        issuer: &Issuer,
        owner: &Owner,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        self.0.inner.list_streams(issuer, owner).await
    }

    async fn update_stream(&self, update: StreamUpdate) -> Result<StreamRecord, StoreError> {
        if self.0.conflicting.swap(false, Ordering::Relaxed) {
            return Err(StoreError::Conflict);
        }
        let result = self.0.inner.update_stream(update).await;
        if self.0.losing.swap(false, Ordering::Relaxed) {
            return Err(StoreError::Unavailable("connection reset".into()));
        }
        result
    }

    async fn delete_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<Deleted, StoreError> {
        self.0.inner.delete_stream(issuer, owner, stream).await
    }

    async fn change_subject(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        change: SubjectChange,
    ) -> Result<(), StoreError> {
        self.0.inner.change_subject(issuer, owner, stream, change).await
    }

    async fn queue_verification(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        verification: NewVerification,
    ) -> Result<VerificationQueued, StoreError> {
        self.0.inner.queue_verification(issuer, owner, stream, verification).await
    }

    async fn acknowledge(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        acknowledgement: Acknowledgement,
    ) -> Result<Acknowledged, StoreError> {
        self.0.inner.acknowledge(issuer, owner, stream, acknowledgement).await
    }

    async fn hand_out(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        request: HandOutRequest,
    ) -> Result<HandOut, StoreError> {
        self.check(Call::HandOut)?;
        self.0.inner.hand_out(issuer, owner, stream, request).await
    }

    async fn keep_polled(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        tokens: Vec<KeepToken>,
    ) -> Result<Vec<Kept>, StoreError> {
        self.0.inner.keep_polled(issuer, owner, stream, tokens).await
    }

    async fn touch(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        activity: Activity,
    ) -> Result<(), StoreError> {
        self.0.inner.touch(issuer, owner, activity).await
    }

    async fn wait_for_change(&self, _: &Issuer, _: Watched<'_>, _: ChangeMark) -> Change {
        Change::CannotTell
    }
}

#[async_trait]
impl WorkerStore for FlakyStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.check(Call::Claim)?;
        self.0.inner.claim(request).await
    }

    async fn keep_tokens(
        &self,
        issuer: &Issuer,
        tokens: Vec<KeepToken>,
    ) -> Result<Vec<Kept>, StoreError> {
        self.check(Call::Keep)?;
        self.0.inner.keep_tokens(issuer, tokens).await
    }

    async fn settle(
        &self,
        issuer: &Issuer,
        batch: SettleBatch,
    ) -> Result<SettleReport, StoreError> {
        self.check(Call::Settle)?;
        self.0.inner.settle(issuer, batch).await
    }

    async fn sweep(&self, request: SweepRequest) -> Result<Swept, StoreError> {
        self.0.inner.sweep(request).await
    }

    async fn idle_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        self.0.inner.idle_streams(issuer, since, most).await
    }

    async fn unverified_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        self.0.inner.unverified_streams(issuer, since, most).await
    }

    async fn held_streams(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<HeldStream>, StoreError> {
        self.0.inner.held_streams(issuer, after, most).await
    }

    async fn give_up_held(&self, issuer: &Issuer, request: GiveUpHeld) -> Result<u64, StoreError> {
        self.0.inner.give_up_held(issuer, request).await
    }
}

#[async_trait]
impl OperatorStore for FlakyStore {
    async fn find_stream(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        self.0.inner.find_stream(issuer, stream).await
    }

    async fn list_overviews(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<StreamOverview>, StoreError> {
        self.0.inner.list_overviews(issuer, after, most).await
    }

    async fn overview(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamOverview, StoreError> {
        self.0.inner.overview(issuer, stream).await
    }

    async fn interest(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Interest, StoreError> {
        self.0.inner.interest(issuer, stream, subject, now).await
    }

    async fn suspend(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        self.0.inner.suspend(issuer, owner).await
    }

    async fn resume(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        self.0.inner.resume(issuer, owner).await
    }

    async fn dead_letters(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        query: &LetterQuery,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.0.inner.dead_letters(issuer, stream, query).await
    }

    async fn redrive(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        redrive: Redrive,
    ) -> Result<Vec<Redriven>, StoreError> {
        self.0.inner.redrive(issuer, stream, redrive).await
    }

    async fn totals(&self, issuer: &Issuer) -> Result<Totals, StoreError> {
        self.0.inner.totals(issuer).await
    }
}

impl StreamStore for FlakyStore {
    fn outbox(&self) -> Box<dyn Outbox + '_> {
        self.0.inner.outbox()
    }
}
