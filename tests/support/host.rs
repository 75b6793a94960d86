//! A host with tables and transactions of its own: what it emits there counts with its own change,
//! or not at all. The same over every database.

use std::sync::Arc;

use async_trait::async_trait;
use ssf_transmitter::event::types;
use ssf_transmitter::id::{
    Audience, ClientId, EventType, IdempotencyKey, Issuer, Jti, KeyId, OrderKey, Owner, Scope,
    StreamId, TenantId, Txn,
};
use ssf_transmitter::protocol::{CreateStream, PollRequest, RequestedDelivery, Wait};
use ssf_transmitter::set::SetBody;
use ssf_transmitter::store::{Append, NewEntry, Outbox, Repeated, StoreError, StreamStore};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::{Emission, Receivers};
use ssf_transmitter::{
    Algorithm, Caller, Event, LocalKeys, SigningKey, SimpleSubject, TokioClock, Transmitter,
};

/// A host over some database.
#[async_trait]
pub(crate) trait Host: Sync {
    type Store: StreamStore;
    type Transaction: Send;

    /// The store, in the same database.
    fn store(&self) -> &Arc<Self::Store>;

    async fn begin(&self) -> Self::Transaction;

    /// The store's outbox in a transaction.
    fn within<'a>(
        store: &'a Self::Store,
        transaction: &'a mut Self::Transaction,
    ) -> Box<dyn Outbox + 'a>;

    /// Disables the one account.
    async fn disable(transaction: &mut Self::Transaction);

    async fn commit(transaction: Self::Transaction);

    async fn roll_back(transaction: Self::Transaction);

    /// Whether the account is enabled.
    async fn is_enabled(&self) -> bool;

    /// How many rows there are that emissions write.
    async fn rows(&self) -> i64;
}

/// A transmitter in the host, and a receiver that polls.
struct World<'h, H: Host> {
    host: &'h H,
    transmitter: Transmitter,
    receivers: Receivers,
    caller: Caller,
    stream: StreamId,
}

impl<'h, H: Host> World<'h, H> {
    async fn new(host: &'h H) -> Self {
        let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k").unwrap()).unwrap();
        let issuer = Issuer::parse("https://tr.example.com").unwrap();
        let builder = Transmitter::builder(issuer, Arc::clone(host.store()), LocalKeys::new(key));
        let transmitter = builder.with_clock(TokioClock).build().unwrap();
        let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap());
        let audience = Audience::parse("https://rp.example.com").unwrap();
        let caller = Caller::new(owner, audience, [Scope::parse("ssf.manage").unwrap()]);
        let receivers = transmitter.receivers();
        let stream = CreateStream::new(RequestedDelivery::Poll);
        let stream = receivers.create_stream(&caller, stream).await.unwrap().stream_id;
        Self { host, transmitter, receivers, caller, stream }
    }

    /// Disables the account and emits that its sessions end, in one transaction.
    async fn disable(&self) -> (H::Transaction, Emission) {
        let mut transaction = self.host.begin().await;
        H::disable(&mut transaction).await;
        let subject = SimpleSubject::email("jane@example.com").unwrap();
        let event = Event::new(types::session_revoked(), subject)
            .with_idempotency_key(IdempotencyKey::parse("ticket-1").unwrap());
        let mut outbox = H::within(self.host.store(), &mut transaction);
        let emission = self.transmitter.emit_in(&mut *outbox, event).await.unwrap();
        drop(outbox);
        (transaction, emission)
    }

    /// What a poll hands out now.
    async fn poll(&self) -> Vec<Jti> {
        let mut poll = PollRequest::default();
        poll.wait = Wait::Not;
        let reply = self.receivers.poll(&self.caller, &self.stream, poll).await.unwrap();
        reply.sets.into_iter().map(|(jti, _)| jti).collect()
    }
}

/// What is rolled back never was: not the host's change, not the event, not its key.
pub(crate) async fn rolled_back_leaves_no_trace(host: &impl Host) {
    let world = World::new(host).await;
    let (transaction, emission) = world.disable().await;
    assert_eq!(emission.sets.len(), 1);
    rollback(host, transaction).await;
    assert!(host.is_enabled().await);
    assert_eq!(host.rows().await, 0);
    assert_eq!(world.poll().await, []);
    assert_eq!(world.transmitter.totals().await.unwrap().accepted, 0);
    // Its key is still to be had.
    let (transaction, again) = world.disable().await;
    assert_eq!(again.repeated, Repeated::No);
    rollback(host, transaction).await;
}

async fn rollback<H: Host>(_: &H, transaction: H::Transaction) {
    H::roll_back(transaction).await;
}

async fn commit<H: Host>(_: &H, transaction: H::Transaction) {
    H::commit(transaction).await;
}

/// What is committed is delivered, and not before.
pub(crate) async fn committed_is_delivered(host: &impl Host) {
    let world = World::new(host).await;
    let (transaction, emission) = world.disable().await;
    assert_eq!(world.poll().await, []);
    commit(host, transaction).await;
    world.transmitter.wake(&emission);
    assert!(!host.is_enabled().await);
    assert_eq!(world.poll().await, [emission.sets[0].jti.clone()]);
    assert_eq!(world.transmitter.totals().await.unwrap().accepted, 1);
}

/// Who does not know whether a commit happened does it again under the same key: there is one event,
/// whether it had happened or not.
pub(crate) async fn an_unclear_commit_that_is_retried_yields_one_event(host: &impl Host) {
    let world = World::new(host).await;
    let (lost, _) = world.disable().await;
    rollback(host, lost).await;
    let (done, first) = world.disable().await;
    commit(host, done).await;
    let (again, second) = world.disable().await;
    commit(host, again).await;
    assert_eq!((first.repeated, second.repeated), (Repeated::No, Repeated::Yes));
    assert_eq!(first.sets, second.sets);
    assert_eq!(world.poll().await.len(), 1);
    assert_eq!(world.transmitter.totals().await.unwrap().accepted, 1);
}

/// An append that fails does nothing, and the host's transaction goes on.
pub(crate) async fn a_failed_append_leaves_the_transaction_as_it_was<H: Host>(host: &H) {
    let world = World::new(host).await;
    let mut transaction = host.begin().await;
    H::disable(&mut transaction).await;
    let mut outbox = H::within(host.store(), &mut transaction);
    let append = || {
        let mut append = Append::new(
            world.transmitter.issuer().clone(),
            SetBody::from_stored("{}".into()),
            Txn::parse("t").unwrap(),
            EventType::parse("urn:example:event").unwrap(),
            OrderKey::parse("k").unwrap(),
            Timestamp::from_seconds(1),
        );
        append.entries = vec![NewEntry::new(world.stream.clone(), Jti::parse("j").unwrap())];
        append
    };
    outbox.append(append()).await.unwrap();
    assert!(matches!(outbox.append(append()).await, Err(StoreError::IdTaken)));
    drop(outbox);
    commit(host, transaction).await;
    assert!(!host.is_enabled().await);
    assert_eq!(host.rows().await, 2, "one event with one entry");
}
