//! Streams that lose very much at once: what they had counts as gone at once, and is removed in
//! pieces.

use ssf_transmitter::id::{Issuer, Jti, WorkerId};
use ssf_transmitter::store::sqlite::SqliteStore;
use ssf_transmitter::store::{
    ClaimRequest, NewEntry, OperatorStore, Queue, ReceiverStore, StreamStore, StreamUpdate,
    SweepRequest, WorkerStore,
};
use ssf_transmitter::stream::{DefaultSubjects, StreamStatus};
use ssf_transmitter::timestamp::Timestamp;

use crate::world::{Folder, append, at, create, id, issuer, owner, record};

const MANY: usize = 3_500;

/// A stream with that many entries, all taken in, and three that are not.
async fn fill(store: &SqliteStore, issuer: &Issuer) {
    create(store, record(issuer, "s", DefaultSubjects::All)).await;
    let emit = async |name: &str, entries: usize| {
        let mut append = append(issuer, name, &[]);
        let jti = |n| Jti::parse(format!("{name}-{n}")).unwrap();
        append.entries = (0..entries).map(|n| NewEntry::new(id("s"), jti(n))).collect();
        store.outbox().append(append).await.unwrap();
    };
    emit("many", MANY).await;
    take_in(store, issuer).await;
    emit("late", 3).await;
}

/// Lets everything be taken in that was emitted.
async fn take_in(store: &SqliteStore, issuer: &Issuer) {
    for _ in 0..MANY / 100 {
        let worker = WorkerId::parse("w").unwrap();
        let claim = ClaimRequest::new(issuer.clone(), worker, at(2), at(60), 0, 0);
        store.claim(claim).await.unwrap();
    }
}

async fn set(store: &SqliteStore, issuer: &Issuer, status: StreamStatus, queue: Queue) {
    let mut record = store.find_stream(issuer, &id("s")).await.unwrap();
    let version = record.version;
    record.status = status;
    let mut update = StreamUpdate::new(record, version);
    update.queue = queue;
    store.update_stream(update).await.unwrap();
}

/// Everything that is left in the file, of tables that hold what streams have.
async fn rows(folder: &Folder) -> i64 {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.file());
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let count = "SELECT (SELECT count(*) FROM ssf_entries) + (SELECT count(*) FROM ssf_events) \
        + (SELECT count(*) FROM ssf_subjects) + (SELECT count(*) FROM ssf_subject_keys) \
        + (SELECT count(*) FROM ssf_leftovers)";
    sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_stream_that_is_disabled_and_enabled_again_has_nothing_of_what_it_held() {
    let folder = Folder::new();
    let (store, issuer) = (folder.open().await, issuer("i"));
    fill(&store, &issuer).await;
    set(&store, &issuer, StreamStatus::Disabled, Queue::Discard).await;
    let many = MANY as u64;
    let totals = store.totals(&issuer).await.unwrap();
    assert_eq!((totals.accepted, totals.discarded_disabled), (many + 3, many));
    assert_eq!(totals.waiting, 3, "who takes them in discards them");
    set(&store, &issuer, StreamStatus::Enabled, Queue::Keep).await;
    take_in(&store, &issuer).await;
    let totals = store.totals(&issuer).await.unwrap();
    assert_eq!((totals.accepted, totals.discarded_disabled), (many + 3, many + 3));
    assert_eq!(totals.waiting, 0);
    assert_eq!(rows(&folder).await, 0);

    let again = store.outbox().append(append(&issuer, "new", &["s"])).await.unwrap();
    assert_eq!(again.accepted.len(), 1);
    assert_eq!(store.totals(&issuer).await.unwrap().waiting, 1);
}

#[tokio::test]
async fn a_stream_that_is_deleted_leaves_nothing() {
    let folder = Folder::new();
    let (store, issuer) = (folder.open().await, issuer("i"));
    fill(&store, &issuer).await;
    let deleted = store.delete_stream(&issuer, &owner(), &id("s")).await.unwrap();
    assert_eq!(deleted.discarded, MANY as u64);
    take_in(&store, &issuer).await;
    let totals = store.totals(&issuer).await.unwrap();
    let all = MANY as u64 + 3;
    assert_eq!((totals.accepted, totals.discarded_deleted, totals.waiting), (all, all, 0));
    assert_eq!(rows(&folder).await, 0);
}

#[tokio::test]
async fn what_nobody_removed_in_time_a_sweep_removes() {
    let folder = Folder::new();
    let (store, issuer) = (folder.open().await, issuer("i"));
    fill(&store, &issuer).await;
    {
        // The caller hangs up when the stream is gone, before the rest is.
        let (owner, stream) = (owner(), id("s"));
        let mut deletion = Box::pin(store.delete_stream(&issuer, &owner, &stream));
        while store.find_stream(&issuer, &stream).await.is_ok() {
            tokio::select! { biased; _ = &mut deletion => break, () = tokio::task::yield_now() => {} }
        }
    }
    assert!(rows(&folder).await > 3, "there is something left");
    let never = Timestamp::from_seconds(0);
    for _ in 0..10 {
        store.sweep(SweepRequest::new(issuer.clone(), never, never, 100)).await.unwrap();
    }
    take_in(&store, &issuer).await;
    assert_eq!(rows(&folder).await, 0);
}
