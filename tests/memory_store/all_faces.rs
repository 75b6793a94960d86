//! The sentences that hold for all faces.

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use ssf_transmitter::id::Issuer;
use ssf_transmitter::outbox::Fate;
use ssf_transmitter::outbox::Lane;
use ssf_transmitter::store::memory::MemoryStore;
use ssf_transmitter::store::{
    Acknowledgement, Activity, Change, HandOutRequest, NewVerification, OperatorStore, Outbox,
    ReceiverStore, Settled, StoreError, StreamStore, StreamUpdate, SubjectChange, Watched,
    WorkerStore,
};
use ssf_transmitter::stream::StreamQuota;

use crate::bench::{
    Bench, append, at, body, claim_request, delivered, id, issuer, jtis, new_control, owner,
    poll_record, record, rp, subject,
};

// All faces 1.
#[tokio::test]
async fn time_may_go_backwards() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(100)).await;
    let held = bench.claim(at(50)).await;
    assert_eq!(jtis(&held), ["a"]);
    bench.settle(&held[0], Fate::Retry(at(40)), at(30)).await;
    assert_eq!(jtis(&bench.claim(at(20)).await), [""; 0]);
    assert_eq!(jtis(&bench.claim(at(40)).await), ["a"]);
}

// All faces 2.
#[tokio::test]
async fn a_call_whose_future_is_dropped_happened_wholly_or_not_at_all() {
    let bench = Bench::with(&["s"]).await;
    drop(bench.store.outbox().append(append(&[("s", "unpolled")], "k", at(0))));
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    let mut outbox = bench.store.outbox();
    let mut polled = outbox.append(append(&[("s", "polled")], "k", at(0)));
    // One poll is all it takes: nothing in it waits.
    let ready = pin!(&mut polled).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    drop(polled);
    assert!(ready);
    assert_eq!(jtis(&bench.claim(at(0)).await), ["polled"]);
}

// All faces 2: nothing of a refused call remains.
#[tokio::test]
async fn an_append_that_is_refused_stores_nothing() {
    let bench = Bench::with(&["s1", "s2"]).await;
    bench.emit("s2", "taken", "k", at(0)).await;
    let refused = append(&[("s1", "new"), ("s2", "taken")], "k", at(0));
    let error = bench.store.outbox().append(refused).await.unwrap_err();
    assert!(matches!(error, StoreError::IdTaken), "{error}");
    let twice = append(&[("s1", "new"), ("s1", "new")], "k", at(0));
    let error = bench.store.outbox().append(twice).await.unwrap_err();
    assert!(matches!(error, StoreError::IdTaken), "{error}");
    assert_eq!(jtis(&bench.claim(at(0)).await), ["taken"]);
    assert_eq!(bench.store.totals(&issuer()).await.unwrap().accepted, 1);
}

// All faces 3, worker 1: many threads, one store.
#[test]
fn what_one_call_committed_the_next_one_sees() {
    let bench = run(Bench::with(&["s"]));
    let claimed: Vec<String> = std::thread::scope(|threads| {
        let workers: Vec<_> = (0..4)
            .map(|thread| {
                let bench = bench.clone();
                threads.spawn(move || {
                    let mut mine = Vec::new();
                    for n in 0..50 {
                        let set = format!("{thread}-{n}");
                        run(bench.emit("s", &set, &set, at(0)));
                        let request = claim_request(at(0), 1, usize::MAX);
                        mine.extend(run(bench.store.claim(request)).unwrap().entries);
                    }
                    mine.into_iter().map(|entry| entry.jti.to_string()).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let distinct: HashSet<&String> = claimed.iter().collect();
    assert_eq!((claimed.len(), distinct.len()), (200, 200));
}

// All faces 4.
#[tokio::test]
async fn nothing_of_another_issuer_can_be_reached() {
    let bench = Bench::with(&["s"]).await;
    let other = Issuer::parse("https://other.example.com").unwrap();
    let mut theirs = record("s");
    theirs.issuer = other.clone();
    theirs.description = Some("theirs".to_owned());
    bench.create(theirs).await;
    bench.emit("s", "ours", "k", at(0)).await;

    let mut request = claim_request(at(0), 100, 100);
    request.issuer = other.clone();
    assert_eq!(jtis(&bench.store.claim(request).await.unwrap().entries), [""; 0]);
    assert_eq!(bench.store.totals(&other).await.unwrap().accepted, 0);
    let mut foreign = claim_request(at(0), 0, 1);
    foreign.issuer = other.clone();
    assert_eq!(bench.store.claim(foreign).await.unwrap().next_due, None);
    assert_eq!(bench.read("s").await.description, None);
    let held = bench.claim(at(0)).await;
    let mut batch = ssf_transmitter::store::SettleBatch::new(<_>::default(), at(0));
    batch.settlements.push(crate::bench::settlement(&held[0], delivered()));
    let report = bench.store.settle(&other, batch).await.unwrap();
    assert_eq!(report.settled, [Settled::Gone]);
}

// All faces 5; P10: a foreign stream is an unknown stream.
#[tokio::test]
async fn a_foreign_stream_is_answered_like_one_that_does_not_exist() {
    let bench = Bench::new();
    bench.create(poll_record("s")).await;
    bench.emit("s", "a", "k", at(0)).await;
    let (issuer, stranger, store) = (issuer(), owner("stranger"), &bench.store);
    for stream in [id("s"), id("nothing")] {
        let mut foreign = bench.read("s").await;
        foreign.owner = stranger.clone();
        foreign.stream_id = stream.clone();
        let version = foreign.version;
        let verification =
            NewVerification::new(new_control(Lane::Verification, "v", at(0)), <_>::default());
        let mut acknowledgement = Acknowledgement::default();
        acknowledgement.acks = vec![crate::bench::jti("a")];
        let change = SubjectChange::Remove(subject("x"));
        let poll = HandOutRequest::new(1, at(0));
        let activity = Activity::new(stream.clone(), at(9));
        for error in [
            store.read_stream(&issuer, &stranger, &stream).await.map(|_| ()),
            store.update_stream(StreamUpdate::new(foreign, version)).await.map(|_| ()),
            store.delete_stream(&issuer, &stranger, &stream).await.map(|_| ()),
            store.change_subject(&issuer, &stranger, &stream, change, 1_000).await,
            store.queue_verification(&issuer, &stranger, &stream, verification).await.map(|_| ()),
            store.acknowledge(&issuer, &stranger, &stream, acknowledgement).await.map(|_| ()),
            store.hand_out(&issuer, &stranger, &stream, poll).await.map(|_| ()),
            store.keep_polled(&issuer, &stranger, &stream, Vec::new(), None).await.map(|_| ()),
            store.touch(&issuer, &stranger, activity).await,
        ] {
            assert!(matches!(error, Err(StoreError::NotFound)), "{error:?}");
        }
    }
    assert_eq!(store.list_streams(&issuer, &stranger).await.unwrap().len(), 0);
    // And nothing happened to the stream.
    assert_eq!(bench.read("s").await.version, 1);
    assert_eq!(jtis(&bench.poll("s").await), ["a"]);
    assert_eq!(bench.interested(&subject("x")).await, ["s"]);
}

// All faces 6.
#[tokio::test]
async fn a_settle_may_be_repeated_and_counts_once() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    let retry = || Fate::Retry(at(5));
    assert_eq!(bench.settle(&held[0], retry(), at(0)).await, Settled::Done);
    assert_eq!(bench.settle(&held[0], retry(), at(0)).await, Settled::Gone);
    assert_eq!(bench.claim(at(5)).await[0].attempts, 1);
}

// All faces 7.
#[tokio::test]
async fn entries_are_in_the_order_in_which_they_were_appended() {
    let bench = Bench::with_poll(&["s"]).await;
    for (set, emitted_at) in [("c", 3), ("a", 1), ("b", 2)] {
        bench.emit("s", set, set, at(emitted_at)).await;
    }
    assert_eq!(jtis(&bench.poll("s").await), ["c", "a", "b"]);
}

// All faces 8.
#[tokio::test]
async fn debug_says_nothing_of_what_is_stored() {
    let store = MemoryStore::new();
    store.create_stream(record("hidden"), StreamQuota::new(1)).await.unwrap();
    assert_eq!(format!("{store:?}"), "MemoryStore { .. }");
}

// Store 2.
#[tokio::test]
async fn no_other_process_can_change_a_store_in_memory() {
    let store = Bench::new().store;
    for watched in [Watched::AllStreams, Watched::Stream(&id("s"))] {
        let waited = store.wait_for_change(&issuer(), watched, store.change_mark()).await;
        assert_eq!(waited, Change::NeverHappens);
    }
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
    assert_eq!(body().as_str(), "{}");
    assert_eq!(rp(), owner("rp"));
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
