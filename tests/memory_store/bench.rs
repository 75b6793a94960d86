//! A store with one owner, and short words for what the tests do to it.

use std::sync::Arc;
use std::time::Duration;

use ssf_transmitter::event::types;
use ssf_transmitter::id::{
    Audience, ClientId, Issuer, Jti, OrderKey, Owner, StreamId, TenantId, Txn, WorkerId,
};

use ssf_transmitter::set::SetBody;
use ssf_transmitter::store::memory::MemoryStore;
use ssf_transmitter::store::{
    Append, ClaimRequest, NewControl, NewEntry, OperatorStore, Queue, ReceiverStore, StoreError,
    StreamStore, StreamUpdate, SubjectChange, WorkerStore,
};
use ssf_transmitter::stream::{
    Delivery, EndpointUrl, PushDelivery, StatusSetBy, StreamQuota, StreamRecord, StreamStatus,
};
use ssf_transmitter::timestamp::Timestamp;

pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// The store is reached through both pointers, so every test also tests the forwarding.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub(crate) store: Arc<Box<dyn StreamStore>>,
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

pub(crate) fn issuer() -> Issuer {
    Issuer::parse("https://tr.example.com").unwrap()
}

pub(crate) fn owner(client: &str) -> Owner {
    Owner::new(TenantId::parse("t1").unwrap(), ClientId::parse(client).unwrap())
}

/// The owner of all streams that are not said to have another.
pub(crate) fn rp() -> Owner {
    owner("rp")
}

pub(crate) fn id(stream: &str) -> StreamId {
    StreamId::parse(stream).unwrap()
}

pub(crate) fn jti(text: &str) -> Jti {
    Jti::parse(text).unwrap()
}

pub(crate) fn body() -> SetBody {
    SetBody::from_stored("{}".into())
}

pub(crate) fn push() -> Delivery {
    let endpoint = EndpointUrl::parse("https://rp.example.net/events").unwrap();
    Delivery::Push(PushDelivery::new(endpoint, None))
}

/// A push stream that wants session-revoked about everybody, created at 0.
pub(crate) fn record(stream: &str) -> StreamRecord {
    let audience = Audience::parse("https://rp.example.net").unwrap();
    let mut record = StreamRecord::new(issuer(), rp(), id(stream), audience, push(), at(0));
    record.events_delivered = vec![types::session_revoked()];
    record
}

/// An append of entries `(stream, jti)` under one order key.
pub(crate) fn append(entries: &[(&str, &str)], key: &str, now: Timestamp) -> Append {
    let mut append = Append::new(
        issuer(),
        body(),
        Txn::parse("txn").unwrap(),
        types::session_revoked(),
        OrderKey::parse(key).unwrap(),
        now,
    );
    append.entries = entries.iter().map(|(s, j)| NewEntry::new(id(s), jti(j))).collect();
    append
}

pub(crate) fn claim_request(now: Timestamp, most: usize, per_stream: usize) -> ClaimRequest {
    let worker = WorkerId::parse("w1").unwrap();
    ClaimRequest::new(issuer(), worker, now, now.after(LEASE), most, per_stream)
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { store: Arc::new(Box::new(MemoryStore::new())) }
    }

    /// A store with these push streams.
    pub(crate) async fn with(streams: &[&str]) -> Self {
        let bench = Self::new();
        for stream in streams {
            bench.create(record(stream)).await;
        }
        bench
    }

    pub(crate) async fn create(&self, record: StreamRecord) {
        self.store.create_stream(record, StreamQuota::new(u32::MAX)).await.unwrap();
    }

    pub(crate) async fn read(&self, stream: &str) -> StreamRecord {
        self.store.find_stream(&issuer(), &id(stream)).await.unwrap()
    }

    pub(crate) async fn change_subject(&self, stream: &str, change: SubjectChange) {
        self.store.change_subject(&issuer(), &rp(), &id(stream), change, 1_000).await.unwrap();
    }

    /// Changes the record of a stream and nothing else.
    pub(crate) async fn change(&self, stream: &str, change: impl FnOnce(&mut StreamRecord)) {
        self.update(stream, Queue::Keep, None, change).await.unwrap();
    }

    pub(crate) async fn update(
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

    pub(crate) async fn set_status(&self, stream: &str, status: StreamStatus, by: StatusSetBy) {
        let queue = if status == StreamStatus::Disabled { Queue::Discard } else { Queue::Keep };
        let set = |record: &mut StreamRecord| {
            record.status = status;
            record.status_set_by = by;
        };
        self.update(stream, queue, None, set).await.unwrap();
    }

    pub(crate) async fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.store.claim(claim_request(now, 0, 10)).await.unwrap().next_due
    }
}
