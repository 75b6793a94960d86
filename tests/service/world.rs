//! A transmitter with everything around it under the test's control.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use ssf_transmitter::auth::Caller;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::PushRequest;
use ssf_transmitter::error::Error;
use ssf_transmitter::event::{Event, types};
use ssf_transmitter::id::{
    Audience, ClientId, Issuer, Jti, KeyId, Owner, Scope, StreamId, TenantId,
};
use ssf_transmitter::keys::local::{LocalKeys, SigningKey};
use ssf_transmitter::keys::{KeyError, KeyProvider, KeySet, SignBatch, Signed};
use ssf_transmitter::protocol::{
    CreateStream, PatchStream, PollReply, PollRequest, Profile, Refusal, RequestedDelivery,
    StatusRequest, SubjectRequest, VerificationRequest,
};
use ssf_transmitter::set::Algorithm;
use ssf_transmitter::store::memory::MemoryStore;
use ssf_transmitter::store::{DeadLetter, LetterQuery, StreamOverview, Totals};
use ssf_transmitter::stream::{AuthorizationHeader, EndpointUrl, PushDelivery, StreamStatus};
use ssf_transmitter::subject::{SimpleSubject, Subject};
use ssf_transmitter::testkit::{ScriptedDeliverer, SeededEntropy, VirtualClock};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::{
    Config, Emission, Progress, Receivers, Transmitter, TransmitterBuilder,
};

use crate::drive::{Task, ready};
use crate::notices::Notices;

pub(crate) const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const ONE: &str = "https://one.example/events";
pub(crate) const TWO: &str = "https://two.example/events";
pub(crate) const ISSUER: &str = "https://tr.example.com";

/// A transmitter over the store in memory, a clock that is moved by hand, keys that fail when they
/// are told to and receivers that answer from a script.
pub(crate) struct World {
    pub(crate) clock: VirtualClock,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) keys: ScriptedKeys,
    pub(crate) receiver: ScriptedDeliverer,
    pub(crate) notices: Notices,
    pub(crate) transmitter: Transmitter,
    pub(crate) receivers: Receivers,
    config: Config,
    profile: Profile,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        Self::build(config, Profile::ssf())
    }

    pub(crate) fn with_profile(profile: Profile) -> Self {
        Self::build(Config::default(), profile)
    }

    fn build(config: Config, profile: Profile) -> Self {
        let clock = VirtualClock::new(START);
        let store = Arc::new(MemoryStore::new());
        let keys = ScriptedKeys::new("k-1", clock.clone());
        let receiver = ScriptedDeliverer::new();
        let notices = Notices::default();
        let with = (&config, &profile);
        let transmitter = transmitter(&store, &keys, &receiver, with, 1, clock.clone())
            .with_observer(notices.clone())
            .build()
            .unwrap();
        let receivers = transmitter.receivers();
        Self { clock, store, keys, receiver, notices, transmitter, receivers, config, profile }
    }

    /// A second process over the same store.
    pub(crate) fn second_process(&self) -> Transmitter {
        let Self { clock, store, keys, receiver, config, profile, .. } = self;
        transmitter(store, keys, receiver, (config, profile), 2, clock.clone()).build().unwrap()
    }

    /// The process starts anew over the same store, built otherwise.
    pub(crate) fn restart(
        &mut self,
        change: impl FnOnce(TransmitterBuilder) -> TransmitterBuilder,
    ) {
        let Self { clock, store, keys, receiver, config, profile, .. } = self;
        let builder = transmitter(store, keys, receiver, (config, profile), 3, clock.clone());
        self.transmitter = change(builder).build().unwrap();
        self.receivers = self.transmitter.receivers();
    }

    pub(crate) fn push_stream(&self, endpoint: &str) -> StreamId {
        let request = CreateStream::new(push_to(endpoint, Some("Bearer one")));
        ready(self.receivers.create_stream(&caller(), request)).unwrap().stream_id
    }

    pub(crate) fn poll_stream(&self) -> StreamId {
        let request = CreateStream::new(RequestedDelivery::Poll);
        ready(self.receivers.create_stream(&caller(), request)).unwrap().stream_id
    }

    /// Emits an event about that user; `label` is what [`labels`] and [`World::sent`] know it by.
    pub(crate) fn emit(&self, user: &str, label: &str) -> Emission {
        ready(self.transmitter.emit(event(user, label))).unwrap()
    }

    pub(crate) fn run_once(&self) -> Progress {
        ready(self.transmitter.run_once()).unwrap()
    }

    /// Runs whenever something is due, for that time.
    pub(crate) fn run_for(&self, time: Duration) {
        let end = self.clock.now().after(time);
        let mut turns = 0;
        while let Some(due) = self.run_once().next_due.filter(|due| *due <= end) {
            turns += 1;
            assert!(turns < 1000, "there is always something due");
            self.clock.set(due.max(self.clock.now()));
        }
        self.clock.set(end);
        self.run_once();
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Lets time pass, from one sleep to the next, and drives the task meanwhile.
    pub(crate) fn pass<T>(&self, by: Duration, task: &mut Task<'_, T>) {
        let end = self.clock.now().after(by);
        task.step();
        while let Some(next) = self.clock.next_sleep()
            && next > self.clock.now()
            && next <= end
        {
            self.clock.set(next);
            task.step();
        }
        self.clock.set(end);
        task.step();
    }

    /// The labels of all pushes so far, in the order they began.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.receiver.pushes().iter().map(|push| label(&push.token)).collect()
    }

    /// The pushes to one endpoint.
    pub(crate) fn pushes_to(&self, endpoint: &str) -> Vec<PushRequest> {
        let mut pushes = self.receiver.pushes();
        pushes.retain(|push| push.endpoint.as_str() == endpoint);
        pushes
    }

    /// A poll that does not wait.
    pub(crate) fn poll(&self, stream: &StreamId, mut body: Value) -> PollReply {
        body["returnImmediately"] = true.into();
        self.try_poll(stream, &body).unwrap()
    }

    pub(crate) fn try_poll(&self, stream: &StreamId, body: &Value) -> Result<PollReply, Error> {
        ready(self.receivers.poll(&caller(), stream, poll_request(body)))
    }

    /// A poll that waits, as far as it gets.
    pub(crate) fn long_poll<'w>(
        &'w self,
        stream: &'w StreamId,
    ) -> Task<'w, Result<PollReply, Error>> {
        Task::start(
            async move { self.receivers.poll(&caller(), stream, PollRequest::default()).await },
        )
    }

    /// The worker loop, as far as it gets. It has no end, and no trouble.
    pub(crate) fn running(&self) -> Task<'_, Result<(), Error>> {
        Task::start(self.transmitter.run(std::future::pending(), seconds(1), |trouble| {
            panic!("{trouble}");
        }))
    }

    /// The labels of what a poll gets now.
    pub(crate) fn polled(&self, stream: &StreamId) -> Vec<String> {
        labels(&self.poll(stream, json!({})))
    }

    /// The receiver sets the status.
    pub(crate) fn set_status(
        &self,
        stream: &StreamId,
        status: StreamStatus,
    ) -> Result<StreamStatus, Refusal> {
        let request = StatusRequest::new(stream.clone(), status, None);
        ready(self.receivers.update_status(&caller(), &request))
            .map(|view| view.status)
            .map_err(|error| error.refusal())
    }

    /// The transmitter sets the status.
    pub(crate) fn stop(&self, stream: &StreamId, status: StreamStatus) {
        ready(self.transmitter.set_status(stream, status, Some("maintenance".to_owned()))).unwrap();
    }

    pub(crate) fn status(&self, stream: &StreamId) -> StreamStatus {
        ready(self.receivers.read_status(&caller(), stream)).unwrap().status
    }

    pub(crate) fn patch(&self, stream: &StreamId, mut body: Value) {
        body["stream_id"] = stream.as_str().into();
        let request = PatchStream::parse(
            body.to_string().as_bytes(),
            self.receivers.profile(),
            self.receivers.egress(),
        )
        .unwrap();
        ready(self.receivers.update_stream(&caller(), &request)).unwrap();
    }

    pub(crate) fn delete(&self, stream: &StreamId) {
        ready(self.receivers.delete_stream(&caller(), stream)).unwrap();
    }

    pub(crate) fn verify(&self, stream: &StreamId, state: &str) -> Result<(), Refusal> {
        let request = VerificationRequest::new(stream.clone(), Some(state.to_owned()));
        ready(self.receivers.verify(&caller(), request)).map_err(|error| error.refusal())
    }

    pub(crate) fn add_subject(&self, stream: &StreamId, user: &str) {
        let request = SubjectRequest::new(stream.clone(), subject(user));
        ready(self.receivers.add_subject(&caller(), request)).unwrap();
    }

    pub(crate) fn remove_subject(&self, stream: &StreamId, user: &str) {
        let request = SubjectRequest::new(stream.clone(), subject(user));
        ready(self.receivers.remove_subject(&caller(), request)).unwrap();
    }

    pub(crate) fn overview(&self, stream: &StreamId) -> StreamOverview {
        ready(self.transmitter.overview(stream)).unwrap()
    }

    /// The overview of the one stream there is.
    pub(crate) fn overview_of_only(&self) -> StreamOverview {
        let mut streams = ready(self.transmitter.streams(None, 100)).unwrap();
        assert_eq!(streams.len(), 1);
        streams.remove(0)
    }

    pub(crate) fn dead_letters(&self, stream: &StreamId) -> Vec<DeadLetter> {
        ready(self.transmitter.dead_letters(stream, &LetterQuery::new(100))).unwrap()
    }

    pub(crate) fn totals(&self) -> Totals {
        ready(self.transmitter.totals()).unwrap()
    }
}

/// Every accepted event ends in exactly one way (design promise P6), whatever a test did.
impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let t = self.totals();
            let discarded = t.discarded_disabled + t.discarded_deleted + t.discarded_replaced;
            let lives = t.accepted + t.redriven;
            assert_eq!(lives, t.waiting + t.delivered + t.dead + discarded, "{t:?}");
        }
    }
}

fn transmitter(
    store: &Arc<MemoryStore>,
    keys: &ScriptedKeys,
    receiver: &ScriptedDeliverer,
    (config, profile): (&Config, &Profile),
    seed: u64,
    clock: impl Clock,
) -> TransmitterBuilder {
    Transmitter::builder(Issuer::parse(ISSUER).unwrap(), Arc::clone(store), keys.clone())
        .with_deliverer(receiver.clone())
        .with_clock(clock)
        .with_entropy(SeededEntropy::new(seed))
        .with_config(config.clone())
        .with_profile(profile.clone())
}

pub(crate) fn caller() -> Caller {
    caller_of("acme", "crm")
}

pub(crate) fn caller_of(tenant: &str, client: &str) -> Caller {
    let owner = Owner::new(TenantId::parse(tenant).unwrap(), ClientId::parse(client).unwrap());
    let audience = Audience::parse(format!("https://{client}.example")).unwrap();
    Caller::new(owner, audience, [Scope::parse("ssf.manage").unwrap()])
}

pub(crate) fn push_to(endpoint: &str, authorization: Option<&str>) -> RequestedDelivery {
    let authorization = authorization.map(|text| AuthorizationHeader::parse(text).unwrap());
    RequestedDelivery::Push(PushDelivery::new(EndpointUrl::parse(endpoint).unwrap(), authorization))
}

pub(crate) fn subject(user: &str) -> Subject {
    SimpleSubject::opaque(user).unwrap().into()
}

pub(crate) fn event(user: &str, label: &str) -> Event {
    Event::new(types::session_revoked(), subject(user)).with_member("label", label)
}

pub(crate) fn poll_request(body: &Value) -> PollRequest {
    PollRequest::parse(body.to_string().as_bytes()).unwrap()
}

/// The claims of a SET, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The key that a SET says it was signed with.
pub(crate) fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// What a SET is known by: the label of its event, or what a control SET says.
pub(crate) fn label(token: &str) -> String {
    let claims = claims(token);
    let (event_type, members) = claims["events"].as_object().unwrap().iter().next().unwrap();
    let name = event_type.rsplit('/').next().unwrap();
    let text = |member: &str| members[member].as_str().unwrap_or("-").to_owned();
    match name {
        "verification" => format!("verification {}", text("state")),
        "stream-updated" => format!("stream-updated {}", text("status")),
        _ => text("label"),
    }
}

pub(crate) fn labels(reply: &PollReply) -> Vec<String> {
    reply.sets.iter().map(|(_, token)| label(token)).collect()
}

pub(crate) fn jtis(reply: &PollReply) -> Vec<Jti> {
    reply.sets.iter().map(|(jti, _)| jti.clone()).collect()
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Keys on ES256, whose signatures are randomised, that fail when they are told to.
#[derive(Clone, Debug)]
pub(crate) struct ScriptedKeys(Arc<KeysState>);

#[derive(Debug)]
struct KeysState {
    local: LocalKeys,
    clock: VirtualClock,
    mood: Mutex<Mood>,
    asked: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Signs,
    SignsAfter(Duration),
    Fails,
}

impl ScriptedKeys {
    fn new(kid: &str, clock: VirtualClock) -> Self {
        let (local, mood) = (LocalKeys::new(es256(kid)), Mutex::new(Mood::Signs));
        Self(Arc::new(KeysState { local, clock, mood, asked: AtomicUsize::new(0) }))
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.0.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// Announces another key now, to sign and retire as [`LocalKeys::rotate`] says.
    pub(crate) fn rotate(&self, kid: &str, now: Timestamp) {
        self.0.local.replace(&self.0.local.rotate(es256(kid), now).unwrap());
    }

    /// How often signatures were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::Relaxed)
    }
}

fn es256(kid: &str) -> SigningKey {
    SigningKey::generate(Algorithm::Es256, KeyId::parse(kid).unwrap()).unwrap()
}

#[async_trait]
impl KeyProvider for ScriptedKeys {
    async fn key_set(&self) -> Result<Arc<KeySet>, KeyError> {
        self.0.local.key_set().await
    }

    async fn sign(&self, batch: SignBatch) -> Result<Vec<Signed>, KeyError> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let mood = *self.0.mood.lock().unwrap_or_else(PoisonError::into_inner);
        match mood {
            Mood::Signs => self.0.local.sign(batch).await,
            Mood::Fails => Err(KeyError::Unavailable("the module is rebooting".into())),
            Mood::SignsAfter(time) => {
                self.0.clock.sleep_until(self.0.clock.now().after(time)).await;
                self.0.local.sign(batch).await
            }
        }
    }
}
