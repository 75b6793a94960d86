//! The store as one process reaches it: over a line that is slow, breaks before a call is committed
//! or after it, and tells the reference what was committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ssf_transmitter::Subject;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::id::{Issuer, Owner, StreamId};
use ssf_transmitter::routing::Interest;
use ssf_transmitter::store::{
    Acknowledged, Acknowledgement, Activity, Append, Appended, Candidate, CandidateQuery, Change,
    ChangeMark, ClaimRequest, Claims, DeadLetter, Deleted, GiveUpHeld, HandOut, HandOutRequest,
    HeldStream, KeepToken, Kept, LetterQuery, NewVerification, OperatorStore, Outbox, Overdue,
    ReceiverStore, Redrive, Redriven, SettleBatch, SettleReport, StoreError, StreamOverview,
    StreamStore, StreamUpdate, SubjectChange, SweepRequest, Swept, Totals, VerificationQueued,
    Watched, WorkerStore,
};
use ssf_transmitter::stream::{StreamQuota, StreamRecord};
use ssf_transmitter::testkit::VirtualClock;
use ssf_transmitter::timestamp::Timestamp;

use crate::broken::Fault;
use crate::changes::Changes;
use crate::happenings;
use crate::keys::Keys;
use crate::model::{Model, Process, Shared};
use crate::random::Random;
use crate::time::{ProcessClock, let_others_go_first};

/// A store over a line.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) store: Arc<dyn StreamStore>,
    pub(crate) line: Line,
    pub(crate) model: Shared,
    pub(crate) process: Process,
    pub(crate) clock: ProcessClock,
    pub(crate) keys: Keys,
    /// What the store tells of changes; absent: it cannot tell.
    pub(crate) changes: Option<Changes>,
    /// What is wrong with it, on purpose.
    pub(crate) fault: Fault,
}

/// What is between a process and its store. Clones are handles of the same weather.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) random: Random,
    pub(crate) truth: VirtualClock,
    /// So many of a hundred calls fail, half of them before the commit.
    pub(crate) failing: Arc<AtomicU64>,
    /// So many of a hundred calls take long.
    pub(crate) slow: Arc<AtomicU64>,
    /// How long is long, in milliseconds.
    pub(crate) longest: u64,
}

impl Line {
    async fn travel(&self) -> Result<(), StoreError> {
        if self.random.percent(50) {
            let_others_go_first().await;
        }
        if self.random.percent(self.slow.load(Ordering::Relaxed)) {
            let time = Duration::from_millis(self.random.between(1, self.longest));
            self.truth.sleep_until(self.truth.now().after(time)).await;
        }
        // Both ways of a call can fail: each half as often as a call does.
        if self.random.percent(self.failing.load(Ordering::Relaxed)) && self.random.percent(50) {
            return Err(StoreError::Unavailable("the line broke".into()));
        }
        Ok(())
    }
}

impl Connection {
    /// Makes a call that others may wait for.
    async fn changes_with<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, StoreError>> + Send,
        note: impl FnOnce(&mut Model, &Result<T, StoreError>) + Send,
    ) -> Result<T, StoreError> {
        self.through(name, call, |model, result| {
            note(model, result);
            if let (Some(changes), Ok(_)) = (&self.changes, result) {
                changes.happened(self.process.index);
            }
        })
        .await
    }

    fn change(&self, stream: &StreamId) -> Changing<'_> {
        Changing(self, stream.clone())
    }

    /// Makes a call, and tells the reference what was committed at the moment it was.
    async fn through<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, StoreError>> + Send,
        note: impl FnOnce(&mut Model, &Result<T, StoreError>) + Send,
    ) -> Result<T, StoreError> {
        let mut passage = Passage { model: &self.model, name, stage: Stage::Before };
        passage.survives(self.line.travel().await)?;
        // The store does it without waiting, so what is noted is what is committed.
        let result = call.await;
        note(&mut self.model.lock(), &result);
        passage.stage = Stage::After;
        if result.is_ok() {
            passage.survives(self.line.travel().await)?;
        }
        passage.stage = Stage::Over;
        result
    }
}

/// A call on its way, of which is counted where it breaks off.
struct Passage<'a> {
    model: &'a Shared,
    name: &'static str,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Nothing was committed yet.
    Before,
    /// Everything was.
    After,
    Over,
}

impl Passage<'_> {
    fn survives(&mut self, way: Result<(), StoreError>) -> Result<(), StoreError> {
        if way.is_err() {
            let what = match self.stage {
                Stage::Before => happenings::BROKEN_BEFORE,
                Stage::After | Stage::Over => happenings::BROKEN_AFTER,
            };
            self.model.lock().happened_in(what, self.name);
            self.stage = Stage::Over;
        }
        way
    }
}

/// The process died, or whoever waited for the answer waits no more.
impl Drop for Passage<'_> {
    fn drop(&mut self) {
        let what = match self.stage {
            Stage::Before => happenings::DROPPED_BEFORE,
            Stage::After => happenings::DROPPED_AFTER,
            Stage::Over => return,
        };
        self.model.lock().happened_in(what, self.name);
    }
}

/// By how much a clock may be set back between the choice of a token and its keeping.
const SET_BACK: Duration = Duration::from_secs(130);

/// A change of a stream that is being committed. When it is over, answered or not, its process has
/// to act as if it happened.
struct Changing<'a>(&'a Connection, StreamId);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.model.lock().over(self.0.process, &self.1);
    }
}

/// Nothing to note.
fn silent<T>(_: &mut Model, _: &T) {}

#[async_trait]
impl ReceiverStore for Connection {
    async fn create_stream(
        &self,
        record: StreamRecord,
        quota: StreamQuota,
    ) -> Result<(), StoreError> {
        let told = record.clone();
        let call = self.store.create_stream(record, quota);
        self.through("create_stream", call, move |model, result| model.created(&told, result)).await
    }

    async fn read_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        self.through("read_stream", self.store.read_stream(issuer, owner, stream), silent).await
    }

    async fn list_streams(
        &self,
        issuer: &Issuer,
        owner: &Owner,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        self.through("list_streams", self.store.list_streams(issuer, owner), silent).await
    }

    async fn update_stream(&self, update: StreamUpdate) -> Result<StreamRecord, StoreError> {
        let (told, by) = (update.clone(), self.process);
        let _change = self.change(&update.record.stream_id);
        let call = self.store.update_stream(self.fault.update(update));
        self.changes_with("update_stream", call, move |model, result| {
            model.updated(by, &told, result)
        })
        .await
    }

    async fn delete_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<Deleted, StoreError> {
        let by = self.process;
        let _change = self.change(stream);
        let call = self.store.delete_stream(issuer, owner, stream);
        self.changes_with("delete_stream", call, |model, result| model.deleted(by, stream, result))
            .await
    }

    async fn change_subject(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        change: SubjectChange,
        most: u32,
    ) -> Result<(), StoreError> {
        let told = change.clone();
        let call = self.store.change_subject(issuer, owner, stream, change, most);
        self.through("change_subject", call, |model, result| {
            model.subject_changed(stream, &told, result)
        })
        .await
    }

    async fn queue_verification(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        verification: NewVerification,
    ) -> Result<VerificationQueued, StoreError> {
        let told = verification.clone();
        let verification = self.fault.verification(verification);
        let call = self.store.queue_verification(issuer, owner, stream, verification);
        self.changes_with("queue_verification", call, |model, result| {
            model.verification_queued(stream, &told, result)
        })
        .await
    }

    async fn acknowledge(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        acknowledgement: Acknowledgement,
    ) -> Result<Acknowledged, StoreError> {
        let told = acknowledgement.clone();
        let acknowledgement = self.fault.acknowledge(acknowledgement);
        let call = self.store.acknowledge(issuer, owner, stream, acknowledgement);
        self.through("acknowledge", call, |model, result| model.acknowledged(stream, &told, result))
            .await
    }

    async fn hand_out(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        request: HandOutRequest,
    ) -> Result<HandOut, StoreError> {
        let call = async {
            let out = self.store.hand_out(issuer, owner, stream, request).await?;
            Ok(self.fault.handed_out(out))
        };
        self.through("hand_out", call, |model, result| model.handed_out(stream, request, result))
            .await
    }

    async fn keep_polled(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        tokens: Vec<KeepToken>,
        hide: Option<Timestamp>,
    ) -> Result<Vec<Kept>, StoreError> {
        let told = tokens.clone();
        let (by, keys, now) = (self.process, &self.keys, self.clock.now().after(SET_BACK));
        let call = async {
            let kept = self.store.keep_polled(issuer, owner, stream, tokens, hide).await?;
            Ok(self.fault.kept(&told, kept))
        };
        self.through("keep_polled", call, |model, result| {
            model.polled(by, stream, (&told, hide), result, |kid| keys.is_retired(kid, now));
        })
        .await
    }

    async fn touch(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        activity: Activity,
    ) -> Result<(), StoreError> {
        let told = activity.clone();
        let call = self.store.touch(issuer, owner, activity);
        self.through("touch", call, |model, result| model.touched(&told, result)).await
    }

    fn change_mark(&self) -> ChangeMark {
        let by_others = |changes: &Changes| changes.by_others(self.process.index);
        ChangeMark(self.changes.as_ref().map(by_others).unwrap_or_default())
    }

    async fn wait_for_change(&self, _: &Issuer, _: Watched<'_>, since: ChangeMark) -> Change {
        let Some(changes) = &self.changes else { return Change::CannotTell };
        changes.more_than(since.0, self.process.index).await;
        Change::Happened
    }
}

#[async_trait]
impl WorkerStore for Connection {
    async fn claim(&self, request: ClaimRequest) -> Result<Claims, StoreError> {
        let (told, by) = (request.clone(), self.process);
        let call = async {
            let claims = self.store.claim(self.fault.claim(request)).await?;
            self.fault.claimed(&claims);
            Ok(claims)
        };
        self.through("claim", call, move |model, result| model.claimed(by, &told, result)).await
    }

    async fn keep_tokens(
        &self,
        issuer: &Issuer,
        tokens: Vec<KeepToken>,
    ) -> Result<Vec<Kept>, StoreError> {
        let told = tokens.clone();
        let (by, keys, now) = (self.process, &self.keys, self.clock.now().after(SET_BACK));
        let call = async {
            let kept = self.store.keep_tokens(issuer, tokens).await?;
            Ok(self.fault.kept(&told, kept))
        };
        self.through("keep_tokens", call, |model, result| {
            model.kept(by, &told, result, |kid| keys.is_retired(kid, now));
        })
        .await
    }

    async fn settle(
        &self,
        issuer: &Issuer,
        batch: SettleBatch,
    ) -> Result<SettleReport, StoreError> {
        let (told, by) = (batch.clone(), self.process);
        let call = self.store.settle(issuer, self.fault.settle(batch));
        self.through("settle", call, move |model, result| model.settled(by, &told, result)).await
    }

    async fn sweep(&self, request: SweepRequest) -> Result<Swept, StoreError> {
        let (told, now) = (request.clone(), self.clock.now());
        self.through("sweep", self.store.sweep(request), |model, result| {
            model.swept(&told, now, result);
        })
        .await
    }

    async fn idle_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        let call = self.store.idle_streams(issuer, since, most);
        self.through("idle_streams", call, |model, result| model.idle_found(since, result)).await
    }

    async fn unverified_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        let call = self.store.unverified_streams(issuer, since, most);
        self.through("unverified_streams", call, |model, result| {
            model.unverified_found(since, result);
        })
        .await
    }

    async fn held_streams(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<HeldStream>, StoreError> {
        let call = self.store.held_streams(issuer, after, most);
        self.through("held_streams", call, |model, result| model.holders_found(after, result)).await
    }

    async fn give_up_held(&self, issuer: &Issuer, request: GiveUpHeld) -> Result<u64, StoreError> {
        let told = request.clone();
        let call = self.store.give_up_held(issuer, request);
        self.through("give_up_held", call, move |model, result| model.held_given_up(&told, result))
            .await
    }
}

#[async_trait]
impl OperatorStore for Connection {
    async fn find_stream(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        self.through("find_stream", self.store.find_stream(issuer, stream), silent).await
    }

    async fn list_overviews(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<StreamOverview>, StoreError> {
        self.through("list_overviews", self.store.list_overviews(issuer, after, most), silent).await
    }

    async fn overview(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamOverview, StoreError> {
        self.through("overview", self.store.overview(issuer, stream), silent).await
    }

    async fn interest(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Interest, StoreError> {
        self.through("interest", self.store.interest(issuer, stream, subject, now), silent).await
    }

    async fn suspend(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        let call = self.store.suspend(issuer, owner);
        self.through("suspend", call, |model, _| model.suspended(owner)).await
    }

    async fn resume(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        let call = self.store.resume(issuer, owner);
        self.through("resume", call, |model, _| model.resumed(owner)).await
    }

    async fn dead_letters(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        query: &LetterQuery,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.through("dead_letters", self.store.dead_letters(issuer, stream, query), silent).await
    }

    async fn redrive(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        redrive: Redrive,
    ) -> Result<Vec<Redriven>, StoreError> {
        let told = redrive.clone();
        let call = self.store.redrive(issuer, stream, redrive);
        self.changes_with("redrive", call, move |model, result| {
            model.redriven(stream, &told, result)
        })
        .await
    }

    async fn totals(&self, issuer: &Issuer) -> Result<Totals, StoreError> {
        self.through("totals", self.store.totals(issuer), silent).await
    }
}

impl StreamStore for Connection {
    fn outbox(&self) -> Box<dyn Outbox + '_> {
        Box::new(ConnectedOutbox(self))
    }
}

/// The outbox over the same line.
struct ConnectedOutbox<'a>(&'a Connection);

#[async_trait]
impl Outbox for ConnectedOutbox<'_> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        let mut outbox = self.0.store.outbox();
        let call = outbox.candidates(query);
        self.0.through("candidates", call, |model, result| model.candidates(query, result)).await
    }

    async fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let told = append.clone();
        let mut outbox = self.0.store.outbox();
        let call = outbox.append(self.0.fault.append(append));
        self.0
            .changes_with("append", call, move |model, result| model.appended(&told, result))
            .await
    }
}
