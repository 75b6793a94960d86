//! A monitor over a store in memory, and a receiver that polls.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use ssf_transmitter::auth::Caller;
use ssf_transmitter::id::{
    Audience, ClientId, FailureId, IdentityId, Issuer, KeyId, Owner, Scope, StreamId, TenantId,
};
use ssf_transmitter::lifecycle::{Conditions, Report};
use ssf_transmitter::monitor::{IdentityMonitor, Observed};
use ssf_transmitter::protocol::{CreateStream, PollRequest, RequestedDelivery};
use ssf_transmitter::store::{
    Append, Appended, Committed, FailedEvent, IdentityCommit, IdentityRead, IdentityStore,
    StoreError, StoredConditions,
};
use ssf_transmitter::testkit::{SeededEntropy, VirtualClock, block_on};
use ssf_transmitter::{Algorithm, LocalKeys, MemoryStore, SigningKey, Transmitter};

use crate::histories::NOW;

pub(crate) struct World {
    pub(crate) store: Arc<Scripted>,
    pub(crate) clock: VirtualClock,
    pub(crate) transmitter: Transmitter,
    pub(crate) monitor: IdentityMonitor,
    pub(crate) stream: StreamId,
    caller: Caller,
}

impl World {
    /// A world with one stream for everything, and these conditions.
    pub(crate) fn new(conditions: &[Value]) -> Self {
        let store = Arc::new(Scripted::default());
        let clock = VirtualClock::new(NOW);
        let transmitter = transmitter(&store.inner, &clock, 1);
        let monitor = IdentityMonitor::new(transmitter.clone(), Arc::clone(&store));
        let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap());
        let audience = Audience::parse("https://c.example").unwrap();
        let caller = Caller::new(owner, audience, [Scope::parse("ssf.manage").unwrap()]);
        let create = CreateStream::new(RequestedDelivery::Poll);
        let stream = block_on(transmitter.receivers().create_stream(&caller, create)).unwrap();
        let world = Self { store, clock, transmitter, monitor, stream: stream.stream_id, caller };
        world.set(0, conditions);
        world
    }

    /// Another process over the same store.
    pub(crate) fn second_process(&self) -> IdentityMonitor {
        let transmitter = transmitter(&self.store.inner, &self.clock, 2);
        IdentityMonitor::new(transmitter, Arc::clone(&self.store))
    }

    pub(crate) fn set(&self, expected: u64, conditions: &[Value]) -> u64 {
        let conditions = crate::histories::conditions(conditions);
        block_on(self.monitor.replace_conditions(expected, conditions)).unwrap()
    }

    pub(crate) fn upsert(&self, id: &str, attributes: Value) -> Observed {
        block_on(self.monitor.upsert(report(id, attributes))).unwrap()
    }

    pub(crate) fn remove(&self, id: &str) -> Observed {
        block_on(self.monitor.remove(IdentityId::parse(id).unwrap())).unwrap()
    }

    /// All SETs that were emitted since the last call: their claims.
    pub(crate) fn claims(&self) -> Vec<Value> {
        let receivers = self.transmitter.receivers();
        let mut claims = Vec::new();
        let mut acknowledged = Vec::new();
        loop {
            let request = json!({"ack": acknowledged, "maxEvents": 100, "returnImmediately": true});
            let request = PollRequest::parse(request.to_string().as_bytes()).unwrap();
            let reply = block_on(receivers.poll(&self.caller, &self.stream, request)).unwrap();
            if reply.sets.is_empty() {
                return claims;
            }
            acknowledged = reply.sets.iter().map(|(jti, _)| jti.to_string()).collect();
            claims.extend(reply.sets.iter().map(|(_, token)| {
                let payload = token.split('.').nth(1).unwrap();
                serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
            }));
        }
    }

    /// The events that were emitted since the last call: about whom, and the label.
    pub(crate) fn events(&self) -> Vec<String> {
        self.claims().iter().map(label).collect()
    }

    pub(crate) fn failures(&self) -> Vec<FailedEvent> {
        block_on(self.monitor.failures(None, 100)).unwrap()
    }
}

/// What a SET is known by: its opaque subject and the `label` of its event.
fn label(claims: &Value) -> String {
    let event = claims["events"].as_object().unwrap().values().next().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    format!("{} {}", text(&claims["sub_id"]["id"]), text(&event["label"]))
}

fn transmitter(store: &Arc<MemoryStore>, clock: &VirtualClock, seed: u64) -> Transmitter {
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k").unwrap()).unwrap();
    let issuer = Issuer::parse("https://tr.example.com").unwrap();
    Transmitter::builder(issuer, Arc::clone(store), LocalKeys::new(key))
        .with_clock(clock.clone())
        .with_entropy(SeededEntropy::new(seed))
        .build()
        .unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "a call reads better with what it makes")]
pub(crate) fn report(id: &str, attributes: Value) -> Report {
    Report::parse(&json!({"id": id, "attributes": attributes})).unwrap()
}

/// A condition on the attribute `s` that emits an event about `/id`, labelled by its name.
pub(crate) fn on_s(name: &str, transition: &Value) -> Value {
    let mut when = json!({"attribute": "s"});
    when.as_object_mut().unwrap().extend(transition.as_object().unwrap().clone());
    json!({
        "name": name,
        "when": when,
        "emit": {
            "event_type": "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
            "subject": {"format": "opaque", "id": {"$from": "id", "$of": "last"}},
            "members": {"label": name}
        }
    })
}

pub(crate) fn enters(name: &str, value: &str) -> Value {
    on_s(name, &json!({"enters": {"equals": value}}))
}

/// A store in memory that fails when it is told to.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    pub(crate) inner: Arc<MemoryStore>,
    /// Of the commits to come, how many fail before they are done.
    pub(crate) fail_before: AtomicUsize,
    /// Of the commits to come, how many are done and then said to have failed.
    pub(crate) fail_after: AtomicUsize,
    pub(crate) commits: AtomicUsize,
    /// Conditions that somebody else stores just before the next commit.
    pub(crate) replaced: Mutex<Option<Conditions>>,
}

impl Scripted {
    fn takes(counter: &AtomicUsize) -> bool {
        counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
    }

    fn lost() -> StoreError {
        StoreError::Unavailable("the connection is lost".into())
    }
}

#[async_trait]
impl IdentityStore for Scripted {
    async fn stored_conditions(
        &self,
        issuer: &Issuer,
    ) -> Result<Option<StoredConditions>, StoreError> {
        self.inner.stored_conditions(issuer).await
    }

    async fn replace_conditions(
        &self,
        issuer: &Issuer,
        expected: u64,
        document: Arc<str>,
    ) -> Result<u64, StoreError> {
        self.inner.replace_conditions(issuer, expected, document).await
    }

    async fn read_identities(
        &self,
        issuer: &Issuer,
        identities: &[IdentityId],
    ) -> Result<IdentityRead, StoreError> {
        let read = self.inner.read_identities(issuer, identities).await;
        // Whoever waits here lets others write meanwhile.
        std::thread::yield_now();
        read
    }

    async fn commit_identities(
        &self,
        issuer: &Issuer,
        commit: IdentityCommit,
    ) -> Result<Vec<Committed>, StoreError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let replaced = self.replaced.lock().unwrap().take();
        if let Some(conditions) = replaced {
            let document = conditions.document().to_string().into();
            self.inner.replace_conditions(issuer, commit.conditions, document).await?;
        }
        if Self::takes(&self.fail_before) {
            return Err(Self::lost());
        }
        let committed = self.inner.commit_identities(issuer, commit).await;
        if Self::takes(&self.fail_after) {
            return Err(Self::lost());
        }
        committed
    }

    async fn forget_identity(
        &self,
        issuer: &Issuer,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        self.inner.forget_identity(issuer, identity).await
    }

    async fn list_failures(
        &self,
        issuer: &Issuer,
        after: Option<&FailureId>,
        most: usize,
    ) -> Result<Vec<FailedEvent>, StoreError> {
        self.inner.list_failures(issuer, after, most).await
    }

    async fn read_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
    ) -> Result<Option<FailedEvent>, StoreError> {
        self.inner.read_failure(issuer, failure).await
    }

    async fn end_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
        appends: Vec<Append>,
    ) -> Result<Option<Vec<Appended>>, StoreError> {
        self.inner.end_failure(issuer, failure, appends).await
    }
}

pub(crate) fn conditions_of(list: &[Value]) -> Conditions {
    crate::histories::conditions(list)
}
