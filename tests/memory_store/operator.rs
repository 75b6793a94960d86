//! The operator face.

use ssf_transmitter::outbox::{DeadLetterReason, Fate, Held};
use ssf_transmitter::store::{
    Backlog, HeldStream, LetterPlace, LetterQuery, OperatorStore, ReceiverStore, Redrive,
    RedriveLetter, Redriven, StoreError, SweepRequest, WorkerStore,
};
use ssf_transmitter::stream::StreamQuota;
use ssf_transmitter::stream::{StatusSetBy, StreamStatus};

use crate::bench::{
    Bench, at, body, claim_request, delivered, fails, id, issuer, jti, jtis, owner, poll_record,
    record, rp,
};

fn expired() -> Fate {
    Fate::Dead(DeadLetterReason::AnnouncementExpired)
}

// Operator 1.
#[tokio::test]
async fn a_stream_is_found_whoever_its_owner_is() {
    let bench = Bench::with(&["s"]).await;
    let mut other = record("t");
    other.owner = owner("other");
    bench.create(other).await;
    assert_eq!(bench.read("s").await.owner, rp());
    assert_eq!(bench.read("t").await.owner, owner("other"));
    let error = bench.store.find_stream(&issuer(), &id("u")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error}");
}

// Operator 2.
#[tokio::test]
async fn overviews_come_in_pages_of_a_stable_order() {
    let bench = Bench::with(&["c", "a", "d", "b"]).await;
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let page = bench.store.list_overviews(&issuer(), after.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.record.stream_id.clone());
        pages.push(page.iter().map(|o| o.record.stream_id.to_string()).collect::<String>());
    }
    assert_eq!(pages, ["ab", "cd"]);
}

// Operator 2.
#[tokio::test]
async fn an_overview_tells_what_waits_since_when_and_until_when() {
    let bench = Bench::with(&["s"]).await;
    let empty = bench.overview("s").await;
    assert_eq!((empty.backlog, empty.oldest_pending), (Backlog::Exactly(0), None));
    assert_eq!(empty.next_attempt, None);
    for (set, now) in [("a", 4), ("b", 5)] {
        bench.emit("s", set, set, at(now)).await;
    }
    let fresh = bench.overview("s").await;
    assert_eq!((fresh.backlog, fresh.oldest_pending), (Backlog::Exactly(2), Some(at(4))));
    assert_eq!(fresh.next_attempt, Some(at(4)));
    let held = bench.store.claim(claim_request(at(6), 1, 1)).await.unwrap().entries;
    bench.settle(&held[0], expired(), at(6)).await;
    bench.report("s", fails(), at(6)).await;
    let failing = bench.overview("s").await;
    assert_eq!((failing.backlog, failing.dead_letters), (Backlog::Exactly(1), 1));
    assert_eq!(failing.health.failures, 1);
    assert_eq!((failing.oldest_pending, failing.next_attempt), (Some(at(5)), Some(at(7))));
}

// Operator 3.
#[tokio::test]
async fn a_suspended_owner_gets_no_new_stream_until_it_is_resumed() {
    let bench = Bench::with(&["before"]).await;
    for _ in 0..2 {
        bench.store.suspend(&issuer(), &rp()).await.unwrap();
    }
    let error = bench.store.create_stream(record("s"), StreamQuota::new(9)).await.unwrap_err();
    assert!(matches!(error, StoreError::Suspended), "{error}");
    let mut other = record("other");
    other.owner = owner("other");
    bench.create(other).await;
    assert_eq!(bench.store.list_streams(&issuer(), &rp()).await.unwrap().len(), 1);
    for _ in 0..2 {
        bench.store.resume(&issuer(), &rp()).await.unwrap();
    }
    bench.create(record("s")).await;
}

// Operator 4.
#[tokio::test]
async fn dead_letters_are_listed_oldest_first() {
    let bench = Bench::with(&["s", "other"]).await;
    for (stream, set, died) in
        [("s", "second", 2), ("other", "not ours", 0), ("s", "first", 1), ("s", "third", 2)]
    {
        bench.emit(stream, set, "k", at(0)).await;
        let held = bench.claim(at(0)).await;
        bench.settle(&held[0], expired(), at(died)).await;
    }
    let list = async |most| {
        let letters =
            bench.store.dead_letters(&issuer(), &id("s"), &LetterQuery::new(most)).await.unwrap();
        letters.iter().map(|letter| letter.jti.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(9).await, ["first", "second", "third"]);
    assert_eq!(list(1).await, ["first"]);
    let error =
        bench.store.dead_letters(&issuer(), &id("gone"), &LetterQuery::new(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error}");
}

// Operator 5; P6.
#[tokio::test]
async fn totals_count_deleted_streams_and_add_up() {
    let bench = Bench::with(&["kept", "deleted"]).await;
    for stream in ["kept", "deleted"] {
        for set in ["delivered", "dead", "waiting"] {
            bench.emit(stream, &format!("{stream} {set}"), set, at(0)).await;
        }
        let held = bench.claim(at(0)).await;
        bench.settle(&held[0], delivered(), at(0)).await;
        bench.settle(&held[1], expired(), at(0)).await;
    }
    bench.store.delete_stream(&issuer(), &rp(), &id("deleted")).await.unwrap();
    let totals = bench.store.totals(&issuer()).await.unwrap();
    assert_eq!((totals.accepted, totals.delivered, totals.dead), (6, 2, 2));
    assert_eq!((totals.waiting, totals.discarded_deleted), (1, 1));
}

// Operator 6: somebody else may have been there first, and nothing is done by halves.
#[tokio::test]
async fn a_redrive_is_all_or_nothing_and_knows_what_is_gone() {
    let bench = Bench::with(&["s"]).await;
    for set in ["a", "b"] {
        bench.emit("s", set, set, at(0)).await;
    }
    for entry in bench.claim(at(0)).await {
        bench.settle(&entry, expired(), at(1)).await;
    }
    let place = |set| LetterPlace::new(at(1), jti(set));
    let redrive = async |letters| {
        bench.store.redrive(&issuer(), &id("s"), Redrive::new(letters, at(2))).await
    };
    bench.emit("s", "taken", "k", at(0)).await;
    let taken = RedriveLetter::new(place("b"), Some(jti("taken")));
    let letters = vec![RedriveLetter::new(place("a"), None), taken];
    assert!(matches!(redrive(letters).await, Err(StoreError::IdTaken)));
    let letters = || vec![RedriveLetter::new(place("a"), None)];
    assert_eq!(redrive(letters()).await.unwrap(), [Redriven::Done]);
    assert_eq!(redrive(letters()).await.unwrap(), [Redriven::Gone]);
    let overview = bench.overview("s").await;
    assert_eq!((overview.dead_letters, overview.totals.redriven), (1, 1));
    // What lives again is swept no more with the dead.
    let sweep = SweepRequest::new(issuer(), at(9), at(9), 9);
    assert_eq!(bench.store.sweep(sweep).await.unwrap().dead_letters, 1);
    assert_eq!(jtis(&bench.claim(at(2)).await), ["taken", "a"]);
}

// Worker 11.
#[tokio::test]
async fn streams_that_hold_entries_are_listed_page_by_page() {
    let bench = Bench::with(&["enabled", "paused", "stopped"]).await;
    bench.create(poll_record("polled")).await;
    bench.create(poll_record("silent")).await;
    for stream in ["enabled", "paused", "stopped", "polled"] {
        bench.emit(stream, stream, "k", at(3)).await;
    }
    bench.emit("polled", "second", "k", at(4)).await;
    bench.verify("silent", "v", at(0)).await;
    bench.set_status("paused", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.set_status("stopped", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    let bytes = body().as_str().len() as u64;
    let paused = HeldStream::new(id("paused"), Held::new(1, bytes, at(3)));
    let polled = HeldStream::new(id("polled"), Held::new(2, 2 * bytes, at(3)));
    let page = async |after: Option<&str>, most| {
        let after = after.map(id);
        bench.store.held_streams(&issuer(), after.as_ref(), most).await.unwrap()
    };
    assert_eq!(page(None, 9).await, [paused.clone(), polled.clone()]);
    assert_eq!(page(None, 1).await, [paused]);
    assert_eq!(page(Some("paused"), 9).await, [polled]);
    bench.acknowledge("polled", &["polled", "second"]).await;
    assert_eq!(page(Some("paused"), 9).await, []);
}
