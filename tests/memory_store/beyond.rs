//! What the store in memory promises beyond the contract.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use ssf_transmitter::id::IdempotencyKey;
use ssf_transmitter::store::memory::MemoryStore;
use ssf_transmitter::store::{
    Change, HandOutRequest, Outbox, ReceiverStore, StreamStore, Watched, WorkerStore,
};
use ssf_transmitter::stream::{Delivery, StreamQuota};

use crate::bench::{Bench, append, at, claim_request, id, issuer, record, rp};

// All faces 2: a dropped future has done all of its work or none, because nothing in it waits.
#[tokio::test]
async fn one_poll_is_all_it_takes() {
    let bench = Bench::with(&["s"]).await;
    drop(bench.store.outbox().append(append(&[("s", "unpolled")], "k", at(0))));
    assert_eq!(bench.next_due(at(0)).await, None);
    let mut outbox = bench.store.outbox();
    let mut polled = outbox.append(append(&[("s", "polled")], "k", at(0)));
    let ready = pin!(&mut polled).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    drop(polled);
    assert!(ready);
    assert_eq!(bench.next_due(at(0)).await, Some(at(0)));
}

// All faces 8.
#[tokio::test]
async fn debug_says_nothing_of_what_is_stored() {
    let store = MemoryStore::new();
    store.create_stream(record("hidden"), StreamQuota::new(1)).await.unwrap();
    assert_eq!(format!("{store:?}"), "MemoryStore { .. }");
}

// Receiver 12.
#[tokio::test]
async fn no_other_process_can_change_a_store_in_memory() {
    let store = Bench::new().store;
    for watched in [Watched::AllStreams, Watched::Stream(&id("s"))] {
        let waited = store.wait_for_change(&issuer(), watched, store.change_mark()).await;
        assert_eq!(waited, Change::NeverHappens);
    }
}

// Outbox 2, 4.
#[tokio::test]
async fn the_entries_of_one_event_share_its_body_and_its_repetitions_the_result() {
    let bench = Bench::new();
    for stream in ["s1", "s2"] {
        let mut record = record(stream);
        record.delivery = Delivery::Poll;
        bench.create(record).await;
    }
    let mut event = append(&[("s1", "a"), ("s2", "b")], "k", at(0));
    event.idempotency_key = Some(IdempotencyKey::parse("once").unwrap());
    let mut outbox = bench.store.outbox();
    let first = outbox.append(event.clone()).await.unwrap();
    let second = outbox.append(event).await.unwrap();
    assert!(Arc::ptr_eq(&first.accepted, &second.accepted));
    let poll = async |stream| {
        let request = HandOutRequest::new(1, at(0));
        bench.store.hand_out(&issuer(), &rp(), &id(stream), request).await.unwrap()
    };
    let (one, other) = (poll("s1").await, poll("s2").await);
    assert!(std::ptr::eq(one.entries[0].body.as_str(), other.entries[0].body.as_str()));
}

// Decision 3: ports are held as trait objects by several threads.
#[test]
fn the_store_and_its_futures_can_be_sent() {
    fn check<T: Send>(value: T) -> T {
        value
    }
    let store = MemoryStore::new();
    let mut outbox = check(store.outbox());
    drop(check(outbox.append(append(&[], "k", at(0)))));
    drop(check(store.claim(claim_request(at(0), 1, 1))));
}
