//! A store in a file of its own, and short words for what tests do to it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use ssf_transmitter::event::types;
use ssf_transmitter::id::{
    Audience, ClientId, EventType, Issuer, Jti, OrderKey, Owner, StreamId, TenantId, Txn,
};
use ssf_transmitter::set::SetBody;
use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};
use ssf_transmitter::store::{Append, NewEntry, ReceiverStore};
use ssf_transmitter::stream::{DefaultSubjects, Delivery, StreamQuota, StreamRecord};
use ssf_transmitter::timestamp::Timestamp;

/// A folder for one test, removed in the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ssf-sql-store-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("transmitter.db")
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        SqliteStore::open(self.file(), SqliteOptions::default()).await.unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn issuer(name: &str) -> Issuer {
    Issuer::parse(format!("https://{name}.example.com")).unwrap()
}

pub(crate) fn owner() -> Owner {
    Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap())
}

pub(crate) fn id(name: &str) -> StreamId {
    StreamId::parse(name).unwrap()
}

pub(crate) const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

pub(crate) fn event_type() -> EventType {
    types::session_revoked()
}

/// A polled stream that delivers the one type.
pub(crate) fn record(issuer: &Issuer, name: &str, began_with: DefaultSubjects) -> StreamRecord {
    let audience = Audience::parse("https://rp.example.com").unwrap();
    let record =
        StreamRecord::new(issuer.clone(), owner(), id(name), audience, Delivery::Poll, at(0));
    let mut record = record;
    record.events_delivered = vec![event_type()];
    record.default_subjects = began_with;
    record
}

pub(crate) async fn create(store: &SqliteStore, record: StreamRecord) {
    store.create_stream(record, StreamQuota::new(100_000)).await.unwrap();
}

/// An event for these streams, with a SET of its own for each.
pub(crate) fn append(issuer: &Issuer, name: &str, streams: &[&str]) -> Append {
    let mut append = Append::new(
        issuer.clone(),
        SetBody::from_stored("{\"iat\":1}".into()),
        Txn::parse(name).unwrap(),
        event_type(),
        OrderKey::parse("k").unwrap(),
        at(1),
    );
    let jti = |stream: &&str| Jti::parse(format!("{name}-{stream}")).unwrap();
    append.entries = streams.iter().map(|stream| NewEntry::new(id(stream), jti(stream))).collect();
    append
}
