//! Events for many streams.

use ssf_transmitter::id::Jti;
use ssf_transmitter::store::{NewEntry, OperatorStore, StoreError, StreamStore};
use ssf_transmitter::stream::DefaultSubjects;

use crate::world::{Folder, append, create, id, issuer, record};

#[tokio::test]
async fn an_event_for_more_streams_than_one_transaction_takes_is_refused_and_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.open().await.with_max_inline_fanout(2);
    let issuer = issuer("i");
    for name in ["a", "b", "c"] {
        create(&store, record(&issuer, name, DefaultSubjects::All)).await;
    }
    let refused = store.outbox().append(append(&issuer, "e1", &["a", "b", "c"])).await;
    assert!(matches!(refused, Err(StoreError::FanOut { streams: 3, most: 2 })), "{refused:?}");
    assert_eq!(store.totals(&issuer).await.unwrap().accepted, 0);

    let store = store.with_max_inline_fanout(3);
    let appended = store.outbox().append(append(&issuer, "e1", &["a", "b", "c"])).await.unwrap();
    assert_eq!(appended.accepted.len(), 3);
    assert_eq!(store.totals(&issuer).await.unwrap().accepted, 3);
}

#[tokio::test]
async fn thousands_of_entries_are_stored_in_chunks_and_in_order() {
    let folder = Folder::new();
    let (store, issuer) = (folder.open().await, issuer("i"));
    let names = ["a", "b", "c"];
    for name in names {
        create(&store, record(&issuer, name, DefaultSubjects::All)).await;
    }
    let mut append = append(&issuer, "e1", &[]);
    let entry = |n: usize| NewEntry::new(id(names[n % 3]), Jti::parse(format!("j{n}")).unwrap());
    append.entries = (0..2_500).map(entry).collect();
    let entries = append.entries.clone();
    let appended = store.outbox().append(append).await.unwrap();
    assert_eq!(*appended.accepted, *entries);
    assert_eq!(store.totals(&issuer).await.unwrap().waiting, 2_500);
}
