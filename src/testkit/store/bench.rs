//! A store under test with an issuer of its own, and short words for what the cases do to it.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::event::types;
use crate::id::{
    Audience, ClientId, Issuer, Jti, KeyId, OrderKey, Owner, StreamId, TenantId, Txn, WorkerId,
};
use crate::outbox::{BreakerPolicy, Fate, Jitter, KeptToken, Lane, PollError, StreamReport};
use crate::set::SetBody;
use crate::store::{
    Acknowledgement, Append, Appended, CandidateQuery, ClaimRequest, Claimed, DeadLetter, HandOut,
    HandOutRequest, HealthChange, IdentityStore, KeepToken, LetterQuery, NewControl, NewEntry,
    NewVerification, Queue, SettleBatch, SettleReport, Settled, Settlement, StoreError,
    StreamOverview, StreamStore, StreamUpdate, SubjectChange, Totals, VerificationQueued,
};
use crate::stream::{
    Delivery, EndpointUrl, PushDelivery, StatusSetBy, StreamQuota, StreamRecord, StreamStatus,
};
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// Something to do.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The end of a task: whether it panicked, and with what.
pub type Ended = Pin<Box<dyn Future<Output = std::thread::Result<()>> + Send>>;

/// Starts a task at once, beside all others.
pub type Spawn = fn(Task) -> Ended;

/// How long a claim lasts.
pub const LEASE: Duration = Duration::from_secs(60);

/// A store under test. Each case has an issuer of its own, so that many may share a store.
#[derive(Clone)]
#[non_exhaustive]
pub struct Bench {
    /// The store.
    pub store: Arc<dyn StreamStore>,
    /// The issuer of everything that is not said to be of another.
    pub issuer: Issuer,
    /// How many random histories a case runs.
    pub histories: u32,
    /// The same store as other processes have it.
    others: Vec<Arc<dyn StreamStore>>,
    spawn: Spawn,
}

/// A store under test that keeps identities too.
#[derive(Clone)]
#[non_exhaustive]
pub struct IdentityBench {
    /// Its faces for streams.
    pub bench: Bench,
    /// Its face for identities.
    pub store: Arc<dyn IdentityStore>,
}

impl IdentityBench {
    /// A store under test; `store` is the same as that of `bench`.
    #[must_use]
    pub const fn new(bench: Bench, store: Arc<dyn IdentityStore>) -> Self {
        Self { bench, store }
    }

    /// The same store for another issuer.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self { bench: self.bench.afresh(), store: Arc::clone(&self.store) }
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for IdentityBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityBench").field("bench", &self.bench).finish_non_exhaustive()
    }
}

/// That many seconds after the epoch.
#[must_use]
pub const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

/// That client of the one tenant.
#[must_use]
pub fn owner(client: &str) -> Owner {
    Owner::new(TenantId::parse("t1").unwrap(), ClientId::parse(client).unwrap())
}

/// The owner of all streams that are not said to have another.
#[must_use]
pub fn rp() -> Owner {
    owner("rp")
}

/// The identifier of a stream.
#[must_use]
pub fn id(stream: &str) -> StreamId {
    StreamId::parse(stream).unwrap()
}

/// The identifier of a SET.
#[must_use]
pub fn jti(text: &str) -> Jti {
    Jti::parse(text).unwrap()
}

/// An opaque subject.
#[must_use]
pub fn subject(text: &str) -> Subject {
    Subject::parse(&json!({"format": "opaque", "id": text})).unwrap()
}

/// Some claims.
#[must_use]
pub fn body() -> SetBody {
    SetBody::from_stored("{}".into())
}

/// A delivery by push to that host.
#[must_use]
pub fn push_to(host: &str) -> Delivery {
    let endpoint = EndpointUrl::parse(&format!("https://{host}/events")).unwrap();
    Delivery::Push(PushDelivery::new(endpoint, None))
}

/// A delivery by push.
#[must_use]
pub fn push() -> Delivery {
    push_to("rp.example.net")
}

/// A control entry.
#[must_use]
pub fn new_control(lane: Lane, text: &str, now: Timestamp) -> NewControl {
    NewControl::new(lane, jti(text), body(), now)
}

/// The report of a receiver that cannot be reached.
#[must_use]
pub fn fails() -> StreamReport {
    StreamReport::Fails { what: "503".to_owned(), refuses: false, retry_after: None }
}

/// The fate of a SET that was taken.
#[must_use]
pub const fn delivered() -> Fate {
    Fate::Delivered { unusual_status: None }
}

/// The SETs, in order.
#[must_use]
pub fn jtis(entries: &[Claimed]) -> Vec<&str> {
    entries.iter().map(|entry| entry.jti.as_str()).collect()
}

/// The SETs, sorted: for where the contract leaves the order open.
#[must_use]
pub fn sorted(entries: &[Claimed]) -> Vec<&str> {
    let mut sets = jtis(entries);
    sets.sort_unstable();
    sets
}

/// The SETs of dead letters, in order.
#[must_use]
pub fn dead_sets(letters: &[DeadLetter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.jti.as_str()).collect()
}

/// What happens to a claimed entry.
#[must_use]
pub fn settlement(entry: &Claimed, fate: Fate) -> Settlement {
    Settlement::new(entry.route.stream_id.clone(), entry.jti.clone(), entry.fence, fate)
}

/// A token signed by that key.
#[must_use]
pub fn token(compact: &str, kid: &str) -> KeptToken {
    KeptToken::new(compact.into(), KeyId::parse(kid).unwrap())
}

/// A token to be kept for an entry, which leaves at 0.
#[must_use]
pub fn keep(entry: &Claimed, token: KeptToken) -> KeepToken {
    KeepToken::new(entry.route.stream_id.clone(), entry.jti.clone(), entry.fence, token, at(0))
}

/// Benches of this process, for issuers that no other case has.
static BENCHES: AtomicU64 = AtomicU64::new(0);

impl Bench {
    /// A store under test, for the case of that name, with what other processes have of it.
    #[must_use]
    pub fn new(
        store: Arc<dyn StreamStore>,
        others: Vec<Arc<dyn StreamStore>>,
        case: &str,
        histories: u32,
        spawn: Spawn,
    ) -> Self {
        let number = BENCHES.fetch_add(1, Ordering::Relaxed);
        let issuer = format!("https://tr.example.com/{case}/{}-{number}", std::process::id());
        Self { store, issuer: Issuer::parse(issuer).unwrap(), histories, others, spawn }
    }

    /// The same store for another issuer.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let (store, others) = (Arc::clone(&self.store), self.others.clone());
        Self::new(store, others, "afresh", self.histories, self.spawn)
    }

    /// The same issuer in another store, which no other process has.
    #[must_use]
    pub fn over(&self, store: Arc<dyn StreamStore>) -> Self {
        Self { store, others: Vec::new(), ..self.clone() }
    }

    /// The same for one of the processes that share the store, if there are several; number 0 is
    /// this one.
    #[must_use]
    pub fn process(&self, number: usize) -> Self {
        let all = self.others.len() + 1;
        let other = (number % all).checked_sub(1).and_then(|other| self.others.get(other));
        Self { store: Arc::clone(other.unwrap_or(&self.store)), ..self.clone() }
    }

    /// Does all this at the same time.
    pub async fn together<T, F>(&self, tasks: impl IntoIterator<Item = F>) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let start = |task: F| {
            let place = Arc::new(Mutex::new(None));
            let result = Arc::clone(&place);
            let task = async move {
                let done = task.await;
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            };
            ((self.spawn)(Box::pin(task)), result)
        };
        let started: Vec<_> = tasks.into_iter().map(start).collect();
        let mut results = Vec::new();
        for (ended, result) in started {
            assert!(ended.await.is_ok(), "a task beside others failed");
            results.extend(result.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        results
    }

    /// A push stream that wants session-revoked about everybody, created at 0.
    #[must_use]
    pub fn record(&self, stream: &str) -> StreamRecord {
        let audience = Audience::parse("https://rp.example.net").unwrap();
        let issuer = self.issuer.clone();
        let mut record = StreamRecord::new(issuer, rp(), id(stream), audience, push(), at(0));
        record.events_delivered = vec![types::session_revoked()];
        record
    }

    /// The same, polled.
    #[must_use]
    pub fn poll_record(&self, stream: &str) -> StreamRecord {
        let mut record = self.record(stream);
        record.delivery = Delivery::Poll;
        record
    }

    /// The same as [`record`](Self::record), of another owner.
    #[must_use]
    pub fn record_of(&self, owner: &Owner, stream: &str) -> StreamRecord {
        let mut record = self.record(stream);
        record.owner = owner.clone();
        record
    }

    /// Creates a stream.
    pub async fn create(&self, record: StreamRecord) {
        self.store.create_stream(record, StreamQuota::new(u32::MAX)).await.unwrap();
    }

    /// Creates these push streams.
    pub async fn streams(&self, streams: &[&str]) {
        for stream in streams {
            self.create(self.record(stream)).await;
        }
    }

    /// Creates these poll streams.
    pub async fn poll_streams(&self, streams: &[&str]) {
        for stream in streams {
            self.create(self.poll_record(stream)).await;
        }
    }

    /// Reads a stream, whoever its owner is.
    pub async fn read(&self, stream: &str) -> StreamRecord {
        self.store.find_stream(&self.issuer, &id(stream)).await.unwrap()
    }

    /// Changes the record of a stream and nothing else.
    pub async fn change(&self, stream: &str, change: impl FnOnce(&mut StreamRecord)) {
        self.update(stream, Queue::Keep, None, change).await.unwrap();
    }

    /// Changes a stream.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn update(
        &self,
        stream: &str,
        queue: Queue,
        announce: Option<NewControl>,
        change: impl FnOnce(&mut StreamRecord),
    ) -> Result<StreamRecord, StoreError> {
        let mut record = self.read(stream).await;
        let version = record.version;
        change(&mut record);
        let mut update = StreamUpdate::new(record, version);
        update.queue = queue;
        update.announce = announce;
        self.store.update_stream(update).await
    }

    /// Gives a stream a status; a disabled one is emptied.
    pub async fn set_status(&self, stream: &str, status: StreamStatus, by: StatusSetBy) {
        let queue = if status == StreamStatus::Disabled { Queue::Discard } else { Queue::Keep };
        let set = |record: &mut StreamRecord| {
            record.status = status;
            record.status_set_by = by;
        };
        self.update(stream, queue, None, set).await.unwrap();
    }

    /// Gives a stream another delivery, and so another generation.
    pub async fn deliver_by(&self, stream: &str, delivery: Delivery) {
        let change = |record: &mut StreamRecord| {
            record.generation += 1;
            record.delivery = delivery;
        };
        self.change(stream, change).await;
    }

    /// Deletes a stream; says how many entries waited.
    pub async fn delete(&self, stream: &str) -> u64 {
        self.store.delete_stream(&self.issuer, &rp(), &id(stream)).await.unwrap().discarded
    }

    /// Adds a subject to a stream or removes it.
    pub async fn change_subject(&self, stream: &str, change: SubjectChange) {
        let (issuer, stream) = (&self.issuer, id(stream));
        self.store.change_subject(issuer, &rp(), &stream, change, 1_000).await.unwrap();
    }

    /// An event with entries `(stream, jti)` under one order key.
    #[must_use]
    pub fn event(&self, entries: &[(&str, &str)], key: &str, now: Timestamp) -> Append {
        let mut append = Append::new(
            self.issuer.clone(),
            body(),
            Txn::parse("txn").unwrap(),
            types::session_revoked(),
            OrderKey::parse(key).unwrap(),
            now,
        );
        append.entries = entries.iter().map(|(s, j)| NewEntry::new(id(s), jti(j))).collect();
        append
    }

    /// Stores an event.
    pub async fn append(&self, append: Append) -> Appended {
        self.store.outbox().append(append).await.unwrap()
    }

    /// Stores an event for one stream.
    pub async fn emit(&self, stream: &str, set: &str, key: &str, now: Timestamp) {
        let appended = self.append(self.event(&[(stream, set)], key, now)).await;
        assert_eq!(appended.accepted.len(), 1, "{set} of {stream} was accepted");
    }

    /// Which streams want session-revoked about that subject.
    pub async fn interested(&self, about: &Subject) -> Vec<String> {
        self.interested_at(about, at(0)).await
    }

    /// Which streams want session-revoked about that subject at that time.
    pub async fn interested_at(&self, about: &Subject, now: Timestamp) -> Vec<String> {
        let (issuer, about) = (self.issuer.clone(), about.clone());
        let query = CandidateQuery::new(issuer, types::session_revoked(), about, now);
        let candidates = self.store.outbox().candidates(&query).await.unwrap();
        let mut ids: Vec<_> = candidates.iter().map(|c| c.stream_id.to_string()).collect();
        ids.sort();
        ids
    }

    /// Queues a verification, of the receiver's, whenever the last was.
    pub async fn verify(&self, stream: &str, set: &str, now: Timestamp) {
        let control = new_control(Lane::Verification, set, now);
        let new = NewVerification::new(control, Duration::ZERO);
        let queued = self.store.queue_verification(&self.issuer, &rp(), &id(stream), new).await;
        assert_eq!(queued.unwrap(), VerificationQueued::Queued);
    }

    /// Queues a stream-updated entry.
    pub async fn announce(&self, stream: &str, set: &str, now: Timestamp) {
        let control = new_control(Lane::StreamUpdated, set, now);
        self.update(stream, Queue::Keep, Some(control), |_| {}).await.unwrap();
    }

    /// A claim by the worker `w1` that lasts a minute.
    #[must_use]
    pub fn claim_request(&self, now: Timestamp, most: usize, per_stream: usize) -> ClaimRequest {
        let worker = WorkerId::parse("w1").unwrap();
        let until = now.after(LEASE);
        ClaimRequest::new(self.issuer.clone(), worker, now, until, most, per_stream)
    }

    /// Claims up to 100 entries, 10 of each stream.
    pub async fn claim(&self, now: Timestamp) -> Vec<Claimed> {
        self.claim_most(now, 100, 10).await
    }

    /// Claims up to so many entries, so many of each stream.
    pub async fn claim_most(&self, now: Timestamp, most: usize, per_stream: usize) -> Vec<Claimed> {
        let request = self.claim_request(now, most, per_stream);
        self.store.claim(request).await.unwrap().entries
    }

    /// When there is next something to claim, 10 entries of each stream at most.
    pub async fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.store.claim(self.claim_request(now, 0, 10)).await.unwrap().next_due
    }

    /// Ends a claim.
    pub async fn settle(&self, entry: &Claimed, fate: Fate, now: Timestamp) -> Settled {
        let mut batch = SettleBatch::new(BreakerPolicy::default(), now);
        batch.settlements.push(settlement(entry, fate));
        self.store.settle(&self.issuer, batch).await.unwrap().settled[0]
    }

    /// Ends a claim and reports something about its stream, without jitter.
    pub async fn settle_with(
        &self,
        entry: &Claimed,
        fate: Fate,
        report: StreamReport,
        now: Timestamp,
    ) -> SettleReport {
        let mut batch = SettleBatch::new(BreakerPolicy::default(), now);
        batch.settlements.push(settlement(entry, fate));
        let stream = entry.route.stream_id.clone();
        batch.health.push(HealthChange::new(stream, report, Jitter::NONE));
        self.store.settle(&self.issuer, batch).await.unwrap()
    }

    /// Defers an entry and reports that its stream failed.
    pub async fn fail(&self, entry: &Claimed, now: Timestamp) -> SettleReport {
        self.settle_with(entry, Fate::Defer(now), fails(), now).await
    }

    /// Reports something about a stream, without jitter.
    pub async fn report(&self, stream: &str, report: StreamReport, now: Timestamp) -> SettleReport {
        let mut batch = SettleBatch::new(BreakerPolicy::default(), now);
        batch.health.push(HealthChange::new(id(stream), report, Jitter::NONE));
        self.store.settle(&self.issuer, batch).await.unwrap()
    }

    /// Acknowledges SETs at 0.
    pub async fn acknowledge(&self, stream: &str, acks: &[&str]) {
        let acks = acks.iter().map(|text| jti(text)).collect();
        let acknowledgement = Acknowledgement { acks, ..Acknowledgement::default() };
        let (issuer, stream) = (&self.issuer, id(stream));
        self.store.acknowledge(issuer, &rp(), &stream, acknowledgement).await.unwrap();
    }

    /// Reports an error of a SET at that time, which makes it a dead letter.
    pub async fn refuse(&self, stream: &str, set: &str, now: Timestamp) {
        let errors = vec![(jti(set), PollError::new("invalid_request".to_owned(), None))];
        let refusal = Acknowledgement { errors, now, ..Acknowledgement::default() };
        let (issuer, stream) = (&self.issuer, id(stream));
        self.store.acknowledge(issuer, &rp(), &stream, refusal).await.unwrap();
    }

    /// What a look for so many SETs gets.
    pub async fn look(&self, stream: &str, most: usize, now: Timestamp) -> HandOut {
        let request = HandOutRequest::new(most, now);
        self.store.hand_out(&self.issuer, &rp(), &id(stream), request).await.unwrap()
    }

    /// What a poll for 100 SETs gets at 0.
    pub async fn poll(&self, stream: &str) -> Vec<Claimed> {
        self.look(stream, 100, at(0)).await.entries
    }

    /// A stream as its operator sees it.
    pub async fn overview(&self, stream: &str) -> StreamOverview {
        self.store.overview(&self.issuer, &id(stream)).await.unwrap()
    }

    /// The first 100 dead letters of a stream.
    pub async fn letters(&self, stream: &str) -> Vec<DeadLetter> {
        let query = LetterQuery::new(100);
        self.store.dead_letters(&self.issuer, &id(stream), &query).await.unwrap()
    }

    /// What became of all entries of the issuer.
    pub async fn totals(&self) -> Totals {
        self.store.totals(&self.issuer).await.unwrap()
    }

    /// Follows `next_due` as a worker does that goes to sleep at `now` with nothing more to claim:
    /// it must be woken at `due`, never after it, and at most three times before it (worker 10).
    pub async fn assert_due(&self, now: Timestamp, due: Option<Timestamp>) {
        self.assert_due_for(&self.claim_request(now, 100, 10), due).await;
    }

    /// The same for any claim that gets nothing before `due`.
    pub async fn assert_due_for(&self, request: &ClaimRequest, due: Option<Timestamp>) {
        let mut request = request.clone();
        for _ in 0..4 {
            // At the time itself the claim would get something; who asks for none takes none.
            if due.is_some_and(|due| due <= request.now) {
                request.most = 0;
            }
            let claims = self.store.claim(request.clone()).await.unwrap();
            assert_eq!(jtis(&claims.entries), [""; 0], "nothing is due at {}", request.now);
            if claims.next_due == due {
                return;
            }
            let early = claims.next_due.filter(|early| due.is_none_or(|due| *early < due));
            assert!(early.is_some(), "next due {:?} at {}, not {due:?}", early, request.now);
            request.now = early.unwrap_or(request.now).max(request.now);
        }
        assert_eq!(None, due, "it is due earlier again and again");
    }
}
