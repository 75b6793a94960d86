//! The outbox: from an event to its entries.

use std::sync::Arc;

use ssf_transmitter::event::types;
use ssf_transmitter::id::{IdempotencyKey, Txn};
use ssf_transmitter::store::{
    Append, Candidate, CandidateQuery, NewEntry, OperatorStore, Outbox, Repeated, SubjectChange,
    SweepRequest, WorkerStore,
};
use ssf_transmitter::stream::{DefaultSubjects, StatusSetBy, StreamStatus};

use crate::bench::{Bench, append, at, id, issuer, jti, jtis, poll_record, record, rp, subject};

fn keyed(entries: &[(&str, &str)], key: &str, now: i64) -> Append {
    let mut append = append(entries, "k", at(now));
    append.idempotency_key = Some(IdempotencyKey::parse(key).unwrap());
    append
}

// Outbox 1.
#[tokio::test]
async fn candidates_are_the_streams_that_deliver_the_type() {
    let bench = Bench::with(&["wants"]).await;
    let mut other = record("other");
    other.events_delivered = vec![types::credential_change()];
    bench.create(other).await;
    let query = CandidateQuery::new(issuer(), types::session_revoked(), subject("x"), at(0));
    let candidates = bench.store.outbox().candidates(&query).await.unwrap();
    assert_eq!(candidates, [Candidate::new(id("wants"), rp())]);
}

// Outbox 1; SSF 1.0 §8.1.2.1.
#[tokio::test]
async fn a_paused_stream_is_a_candidate_and_a_disabled_one_is_not() {
    let bench = Bench::with(&["enabled", "paused", "disabled"]).await;
    bench.set_status("paused", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.set_status("disabled", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    assert_eq!(bench.interested(&subject("x")).await, ["enabled", "paused"]);
    bench.set_status("disabled", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    assert_eq!(bench.interested(&subject("x")).await, ["disabled", "enabled", "paused"]);
}

// Outbox 1.
#[tokio::test]
async fn a_change_of_the_types_delivered_changes_the_candidates() {
    let bench = Bench::with(&["s"]).await;
    bench.change("s", |record| record.events_delivered = Vec::new()).await;
    assert_eq!(bench.interested(&subject("x")).await, [""; 0]);
    bench.change("s", |r| r.events_delivered = vec![types::session_revoked()]).await;
    assert_eq!(bench.interested(&subject("x")).await, ["s"]);
}

// Outbox 1; SSF 1.0 §8.1.3.
#[tokio::test]
async fn a_stream_that_began_with_none_is_a_candidate_for_what_it_added() {
    let bench = Bench::new();
    for (stream, types) in [("delivers", vec![types::session_revoked()]), ("does-not", Vec::new())]
    {
        let mut record = record(stream);
        record.default_subjects = DefaultSubjects::None;
        record.events_delivered = types;
        bench.create(record).await;
        bench.change_subject(stream, SubjectChange::Add(subject("x"))).await;
    }
    assert_eq!(bench.interested(&subject("x")).await, ["delivers"]);
    assert_eq!(bench.interested(&subject("y")).await, [""; 0]);
    bench.set_status("delivers", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    assert_eq!(bench.interested(&subject("x")).await, [""; 0]);
}

// Outbox 2.
#[tokio::test]
async fn the_entries_of_one_event_share_its_body() {
    let bench = Bench::new();
    bench.create(poll_record("s1")).await;
    bench.create(poll_record("s2")).await;
    let appended = bench.append(append(&[("s1", "a"), ("s2", "b")], "k", at(7))).await;
    assert_eq!(
        (&*appended.accepted, appended.repeated),
        (&[NewEntry::new(id("s1"), jti("a")), NewEntry::new(id("s2"), jti("b"))][..], Repeated::No)
    );
    let (one, other) = (bench.poll("s1").await.remove(0), bench.poll("s2").await.remove(0));
    assert!(std::ptr::eq(one.body.as_str(), other.body.as_str()));
    assert_eq!((one.emitted_at, one.attempts, one.token), (at(7), 0, None));
}

// Outbox 3.
#[tokio::test]
async fn a_stream_that_is_gone_or_disabled_since_is_skipped_and_reported() {
    let bench = Bench::with(&["good", "disabled"]).await;
    bench.set_status("disabled", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    let entries = [("gone", "a"), ("good", "b"), ("disabled", "c")];
    let appended = bench.append(append(&entries, "k", at(0))).await;
    assert_eq!(appended.skipped, [id("gone"), id("disabled")]);
    assert_eq!(&*appended.accepted, [NewEntry::new(id("good"), jti("b"))]);
    assert_eq!(bench.store.totals(&issuer()).await.unwrap().accepted, 1);
}

// Outbox 4.
#[tokio::test]
async fn a_repeated_key_stores_nothing_and_returns_the_first_result() {
    let bench = Bench::with(&["s"]).await;
    let first = bench.append(keyed(&[("s", "a"), ("gone", "b")], "once", 0)).await;
    let mut second = keyed(&[("s", "c")], "once", 1);
    second.txn = Txn::parse("another").unwrap();
    let second = bench.append(second).await;
    assert_eq!((second.repeated, &second.txn), (Repeated::Yes, &first.txn));
    assert_eq!((&second.accepted, &second.skipped), (&first.accepted, &first.skipped));
    assert!(Arc::ptr_eq(&first.accepted, &second.accepted));
    assert_eq!(jtis(&bench.claim(at(1)).await), ["a"]);
}

// Outbox 4, worker 8.
#[tokio::test]
async fn keys_are_kept_until_they_are_swept() {
    let bench = Bench::with(&["s"]).await;
    for (key, now) in [("k1", 1), ("k2", 2), ("k3", 3)] {
        bench.append(keyed(&[("s", key)], key, now)).await;
    }
    let sweep = |most| bench.store.sweep(SweepRequest::new(issuer(), at(0), at(3), most));
    assert_eq!(sweep(1).await.unwrap().idempotency_keys, 1);
    assert_eq!(bench.append(keyed(&[("s", "again")], "k1", 4)).await.repeated, Repeated::No);
    assert_eq!(bench.append(keyed(&[], "k2", 4)).await.repeated, Repeated::Yes);
    assert_eq!(sweep(100).await.unwrap().idempotency_keys, 1);
    assert_eq!(bench.append(keyed(&[], "k3", 4)).await.repeated, Repeated::Yes);
}

// Outbox 5.
#[tokio::test]
async fn an_entry_is_accepted_when_append_returns() {
    let bench = Bench::with(&["s"]).await;
    assert_eq!(bench.next_due(at(5)).await, None);
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(bench.next_due(at(5)).await, Some(at(5)));
    assert_eq!(bench.store.totals(&issuer()).await.unwrap().waiting, 1);
}
