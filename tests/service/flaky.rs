//! A store that fails when it is told to and knows nothing of other processes.

use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ssf_transmitter::Subject;
use ssf_transmitter::id::{Issuer, Owner, StreamId};
use ssf_transmitter::routing::Interest;
use ssf_transmitter::store::memory::MemoryStore;
use ssf_transmitter::store::{
    Acknowledged, Acknowledgement, Activity, Append, Appended, Candidate, CandidateQuery, Change,
    ChangeMark, ClaimRequest, Claims, DeadLetter, Deleted, GiveUpHeld, HandOut, HandOutRequest,
    HeldStream, KeepToken, Kept, LetterQuery, NewVerification, OperatorStore, Outbox, Overdue,
    ReceiverStore, Redrive, Redriven, SettleBatch, SettleReport, StoreError, StreamOverview,
    StreamStore, StreamUpdate, SubjectChange, SweepRequest, Swept, Totals, VerificationQueued,
    Watched, WorkerStore,
};
use ssf_transmitter::stream::{StreamQuota, StreamRecord};
use ssf_transmitter::timestamp::Timestamp;

/// A store in memory behind a connection that comes and goes. It counts its calls, and its
/// `wait_for_change` cannot tell, unless it is told to.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlakyStore(Arc<State>);

/// What somebody does.
type Act = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    inner: MemoryStore,
    calls: AtomicUsize,
    failing: Mutex<Option<Call>>,
    failing_once: Mutex<Option<Call>>,
    hanging: Mutex<Option<Call>>,
    /// Whether there are other processes, and how many changes they made.
    elsewhere: Mutex<Elsewhere>,
    after_look: Mutex<(usize, Option<Act>)>,
    after: Mutex<Option<(Call, Act)>>,
    conflicting: AtomicBool,
    losing: AtomicBool,
    /// A call that is done and gets no answer.
    silent: Mutex<Option<Call>>,
}

/// What the store says of other processes.
#[derive(Clone, Copy, Debug, Default)]
enum Elsewhere {
    #[default]
    CannotTell,
    Nobody,
    Changes(u64),
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

/// A call that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Claim,
    Keep,
    Settle,
    HandOut,
    Idle,
    Held,
    Verify,
    Redrive,
    Append,
    Sweep,
}

impl FlakyStore {
    /// From now on that call fails, and no other.
    pub(crate) fn fail(&self, call: Call) {
        *lock(&self.0.failing) = Some(call);
    }

    /// The next such call fails.
    pub(crate) fn fail_once(&self, call: Call) {
        *lock(&self.0.failing_once) = Some(call);
    }

    pub(crate) fn mend(&self) {
        *lock(&self.0.failing) = None;
    }

    /// The next change of a stream finds that another one came first.
    pub(crate) fn conflict_once(&self) {
        self.0.conflicting.store(true, Ordering::Relaxed);
    }

    /// The next change of a stream is committed, and the answer gets lost.
    pub(crate) fn lose_answer_once(&self) {
        self.0.losing.store(true, Ordering::Relaxed);
    }

    /// From now on that call gets no answer.
    pub(crate) fn hang(&self, call: Call) {
        *lock(&self.0.hanging) = Some(call);
    }

    /// From now on that call is done, and nobody is told.
    pub(crate) fn silence(&self, call: Call) {
        *lock(&self.0.silent) = Some(call);
    }

    async fn told<T>(&self, call: Call, answer: T) -> T {
        if *lock(&self.0.silent) == Some(call) {
            pending::<()>().await;
        }
        answer
    }

    /// There are no other processes.
    pub(crate) fn alone(&self) {
        *lock(&self.0.elsewhere) = Elsewhere::Nobody;
    }

    /// There are others, and the store tells of what they change: by `change`, right after the
    /// look for SETs of that number.
    pub(crate) fn change_after_look(&self, look: usize, change: impl FnOnce() + Send + 'static) {
        *lock(&self.0.elsewhere) = Elsewhere::Changes(0);
        *lock(&self.0.after_look) = (look, Some(Box::new(change)));
    }

    /// Before the answer to the next such call arrives, somebody does that.
    pub(crate) fn after(&self, call: Call, act: impl FnOnce() + Send + 'static) {
        *lock(&self.0.after) = Some((call, Box::new(act)));
    }

    fn answered<T>(&self, call: Call, answer: T) -> T {
        let act = lock(&self.0.after).take_if(|(awaited, _)| *awaited == call);
        if let Some((_, act)) = act {
            act();
        }
        answer
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::Relaxed)
    }

    fn inner(&self) -> &MemoryStore {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        &self.0.inner
    }

    async fn check(&self, call: Call) -> Result<(), StoreError> {
        if *lock(&self.0.hanging) == Some(call) {
            pending::<()>().await;
        }
        let once = lock(&self.0.failing_once).take_if(|failing| *failing == call);
        if once.is_some() || *lock(&self.0.failing) == Some(call) {
            return Err(StoreError::Unavailable("connection refused".into()));
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ReceiverStore for FlakyStore {
    async fn create_stream(
        &self,
        record: StreamRecord,
        quota: StreamQuota,
    ) -> Result<(), StoreError> {
        self.inner().create_stream(record, quota).await
    }

    async fn read_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        self.inner().read_stream(issuer, owner, stream).await
    }

    async fn list_streams(
        &self,
        issuer: &Issuer,
        owner: &Owner,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        self.inner().list_streams(issuer, owner).await
    }

    async fn update_stream(&self, update: StreamUpdate) -> Result<StreamRecord, StoreError> {
        if self.0.conflicting.swap(false, Ordering::Relaxed) {
            return Err(StoreError::Conflict);
        }
        let result = self.inner().update_stream(update).await;
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
        self.inner().delete_stream(issuer, owner, stream).await
    }

    async fn change_subject(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        change: SubjectChange,
        most: u32,
    ) -> Result<(), StoreError> {
        self.inner().change_subject(issuer, owner, stream, change, most).await
    }

    async fn queue_verification(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        verification: NewVerification,
    ) -> Result<VerificationQueued, StoreError> {
        let queued = self.inner().queue_verification(issuer, owner, stream, verification).await;
        self.told(Call::Verify, queued).await
    }

    async fn acknowledge(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        acknowledgement: Acknowledgement,
    ) -> Result<Acknowledged, StoreError> {
        self.inner().acknowledge(issuer, owner, stream, acknowledgement).await
    }

    async fn hand_out(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        request: HandOutRequest,
    ) -> Result<HandOut, StoreError> {
        self.check(Call::HandOut).await?;
        let out = self.inner().hand_out(issuer, owner, stream, request).await;
        let change = {
            let (look, change) = &mut *lock(&self.0.after_look);
            *look = look.wrapping_sub(1);
            if *look == 0 { change.take() } else { None }
        };
        if let Some(change) = change {
            change();
            *lock(&self.0.elsewhere) = Elsewhere::Changes(1);
        }
        out
    }

    async fn keep_polled(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        tokens: Vec<KeepToken>,
        hide: Option<Timestamp>,
    ) -> Result<Vec<Kept>, StoreError> {
        self.inner().keep_polled(issuer, owner, stream, tokens, hide).await
    }

    async fn touch(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        activity: Activity,
    ) -> Result<(), StoreError> {
        self.inner().touch(issuer, owner, activity).await
    }

    fn change_mark(&self) -> ChangeMark {
        match *lock(&self.0.elsewhere) {
            Elsewhere::Changes(changes) => ChangeMark(changes),
            Elsewhere::CannotTell | Elsewhere::Nobody => ChangeMark::default(),
        }
    }

    async fn wait_for_change(&self, _: &Issuer, _: Watched<'_>, since: ChangeMark) -> Change {
        let elsewhere = *lock(&self.0.elsewhere);
        match elsewhere {
            Elsewhere::CannotTell => Change::CannotTell,
            Elsewhere::Nobody => Change::NeverHappens,
            Elsewhere::Changes(changes) if ChangeMark(changes) > since => Change::Happened,
            Elsewhere::Changes(_) => pending().await,
        }
    }
}

#[async_trait]
impl WorkerStore for FlakyStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.check(Call::Claim).await?;
        self.inner().claim(request).await
    }

    async fn keep_tokens(
        &self,
        issuer: &Issuer,
        tokens: Vec<KeepToken>,
    ) -> Result<Vec<Kept>, StoreError> {
        self.check(Call::Keep).await?;
        self.inner().keep_tokens(issuer, tokens).await
    }

    async fn settle(
        &self,
        issuer: &Issuer,
        batch: SettleBatch,
    ) -> Result<SettleReport, StoreError> {
        self.check(Call::Settle).await?;
        let report = self.inner().settle(issuer, batch).await;
        self.answered(Call::Settle, report)
    }

    async fn sweep(&self, request: SweepRequest) -> Result<Swept, StoreError> {
        self.check(Call::Sweep).await?;
        self.inner().sweep(request).await
    }

    async fn idle_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        let idle = self.inner().idle_streams(issuer, since, most).await;
        self.answered(Call::Idle, idle)
    }

    async fn unverified_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        self.inner().unverified_streams(issuer, since, most).await
    }

    async fn held_streams(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<HeldStream>, StoreError> {
        let held = self.inner().held_streams(issuer, after, most).await;
        self.answered(Call::Held, held)
    }

    async fn give_up_held(&self, issuer: &Issuer, request: GiveUpHeld) -> Result<u64, StoreError> {
        self.inner().give_up_held(issuer, request).await
    }
}

#[async_trait]
impl OperatorStore for FlakyStore {
    async fn find_stream(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        self.inner().find_stream(issuer, stream).await
    }

    async fn list_overviews(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<StreamOverview>, StoreError> {
        self.inner().list_overviews(issuer, after, most).await
    }

    async fn overview(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamOverview, StoreError> {
        self.inner().overview(issuer, stream).await
    }

    async fn interest(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Interest, StoreError> {
        self.inner().interest(issuer, stream, subject, now).await
    }

    async fn suspend(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        self.inner().suspend(issuer, owner).await
    }

    async fn resume(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        self.inner().resume(issuer, owner).await
    }

    async fn dead_letters(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        query: &LetterQuery,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.inner().dead_letters(issuer, stream, query).await
    }

    async fn redrive(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        redrive: Redrive,
    ) -> Result<Vec<Redriven>, StoreError> {
        let redriven = self.inner().redrive(issuer, stream, redrive).await;
        self.told(Call::Redrive, redriven).await
    }

    async fn totals(&self, issuer: &Issuer) -> Result<Totals, StoreError> {
        self.inner().totals(issuer).await
    }
}

impl StreamStore for FlakyStore {
    fn outbox(&self) -> Box<dyn Outbox + '_> {
        Box::new(FlakyOutbox { store: self, inner: self.inner().outbox() })
    }
}

struct FlakyOutbox<'a> {
    store: &'a FlakyStore,
    inner: Box<dyn Outbox + 'a>,
}

#[async_trait]
impl Outbox for FlakyOutbox<'_> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        self.inner.candidates(query).await
    }

    async fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let appended = self.inner.append(append).await;
        self.store.told(Call::Append, appended).await
    }
}
