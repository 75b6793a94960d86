//! The outbox: from an event to its entries.

#![allow(missing_docs, reason = "a case is named by what it says")]

use super::bench::{Bench, at, delivered, id, jti, jtis, owner, rp, sorted, subject};
use crate::event::types;
use crate::id::{IdempotencyKey, Jti, StreamId, Txn};
use crate::store::{
    Append, Appended, Candidate, CandidateQuery, NewEntry, Repeated, StoreError, SubjectChange,
    SweepRequest,
};
use crate::stream::{DefaultSubjects, StatusSetBy, StreamStatus};

fn keyed(bench: &Bench, entries: &[(&str, &str)], key: &str, now: i64) -> Append {
    let mut append = bench.event(entries, "k", at(now));
    append.idempotency_key = Some(IdempotencyKey::parse(key).unwrap());
    append
}

/// What was accepted, sorted.
fn accepted(appended: &Appended) -> Vec<NewEntry> {
    let mut accepted = appended.accepted.to_vec();
    accepted.sort_by(|one, other| one.jti.cmp(&other.jti));
    accepted
}

/// What was skipped, sorted.
fn skipped(appended: &Appended) -> Vec<StreamId> {
    let mut skipped = appended.skipped.clone();
    skipped.sort();
    skipped
}

pub async fn outbox_1_candidates_are_the_streams_that_deliver_the_type(bench: &Bench) {
    bench.streams(&["wants"]).await;
    bench.create(bench.record_of(&owner("also"), "also-wants")).await;
    let mut other = bench.record("other");
    other.events_delivered = vec![types::credential_change()];
    bench.create(other).await;
    let issuer = bench.issuer.clone();
    let query = CandidateQuery::new(issuer, types::session_revoked(), subject("x"), at(0));
    let mut candidates = bench.store.outbox().candidates(&query).await.unwrap();
    candidates.sort_by(|one, other| one.stream_id.cmp(&other.stream_id));
    let also = Candidate::new(id("also-wants"), owner("also"));
    assert_eq!(candidates, [also, Candidate::new(id("wants"), rp())]);
}

/// SSF 1.0 §8.1.2.1.
pub async fn outbox_1_a_paused_stream_is_a_candidate_and_a_disabled_one_is_not(bench: &Bench) {
    bench.streams(&["enabled", "paused", "disabled"]).await;
    bench.set_status("paused", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.set_status("disabled", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    assert_eq!(bench.interested(&subject("x")).await, ["enabled", "paused"]);
    bench.set_status("disabled", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    assert_eq!(bench.interested(&subject("x")).await, ["disabled", "enabled", "paused"]);
}

pub async fn outbox_1_a_change_of_the_types_delivered_changes_the_candidates(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.change("s", |record| record.events_delivered = Vec::new()).await;
    assert_eq!(bench.interested(&subject("x")).await, [""; 0]);
    bench.change("s", |r| r.events_delivered = vec![types::session_revoked()]).await;
    assert_eq!(bench.interested(&subject("x")).await, ["s"]);
    bench.delete("s").await;
    assert_eq!(bench.interested(&subject("x")).await, [""; 0]);
}

/// SSF 1.0 §8.1.3.
pub async fn outbox_1_a_stream_that_began_with_none_is_a_candidate_for_what_it_added(
    bench: &Bench,
) {
    for (stream, types) in [("delivers", vec![types::session_revoked()]), ("does-not", Vec::new())]
    {
        let mut record = bench.record(stream);
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

pub async fn outbox_2_each_stream_gets_an_entry_of_the_event(bench: &Bench) {
    bench.poll_streams(&["s1", "s2"]).await;
    let appended = bench.append(bench.event(&[("s1", "a"), ("s2", "b")], "k", at(7))).await;
    let both = [NewEntry::new(id("s1"), jti("a")), NewEntry::new(id("s2"), jti("b"))];
    assert_eq!((accepted(&appended), appended.repeated), (both.to_vec(), Repeated::No));
    assert_eq!((skipped(&appended), appended.txn.as_str()), (vec![], "txn"));
    for (stream, set) in [("s1", "a"), ("s2", "b")] {
        let entry = bench.poll(stream).await.remove(0);
        assert_eq!((entry.jti, entry.body.as_str()), (jti(set), "{}"));
        assert_eq!((entry.emitted_at, entry.attempts, entry.token), (at(7), 0, None));
    }
}

/// The entries of one event are delivered each for itself.
pub async fn outbox_2_the_body_stays_until_the_last_entry_has_ended(bench: &Bench) {
    bench.poll_streams(&["s1", "s2", "s3"]).await;
    let entries = [("s1", "a"), ("s2", "b"), ("s3", "c")];
    bench.append(bench.event(&entries, "k", at(0))).await;
    bench.acknowledge("s1", &["a"]).await;
    bench.refuse("s3", "c", at(1)).await;
    assert_eq!(bench.poll("s2").await[0].body.as_str(), "{}");
    bench.acknowledge("s2", &["b"]).await;
    let sweep = SweepRequest::new(bench.issuer.clone(), at(0), at(0), 9);
    bench.store.sweep(sweep).await.unwrap();
    assert_eq!(bench.letters("s3").await[0].body.as_str(), "{}");
}

/// All faces 2 too: nothing of a refused call remains.
pub async fn outbox_2_an_append_is_all_or_nothing(bench: &Bench) {
    bench.streams(&["s1", "s2"]).await;
    bench.emit("s2", "taken", "k", at(0)).await;
    for entries in [[("s1", "new"), ("s2", "taken")], [("s1", "new"), ("s1", "new")]] {
        let mut refused = keyed(bench, &entries, "once", 0);
        refused.txn = Txn::parse("refused").unwrap();
        let error = bench.store.outbox().append(refused).await.unwrap_err();
        assert!(matches!(error, StoreError::IdTaken), "{error}");
    }
    assert_eq!(jtis(&bench.claim(at(0)).await), ["taken"]);
    assert_eq!(bench.totals().await.accepted, 1);
    // Nor does it use the key up.
    let appended = bench.append(keyed(bench, &[("s1", "new")], "once", 0)).await;
    assert_eq!((appended.repeated, appended.txn.as_str()), (Repeated::No, "txn"));
}

pub async fn outbox_3_a_stream_that_is_gone_or_disabled_since_is_skipped_and_reported(
    bench: &Bench,
) {
    bench.streams(&["good", "disabled", "paused"]).await;
    bench.set_status("disabled", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    bench.set_status("paused", StreamStatus::Paused, StatusSetBy::Receiver).await;
    let entries = [("gone", "a"), ("good", "b"), ("disabled", "c"), ("paused", "d")];
    let appended = bench.append(bench.event(&entries, "k", at(0))).await;
    assert_eq!(skipped(&appended), [id("disabled"), id("gone")]);
    let taken = [NewEntry::new(id("good"), jti("b")), NewEntry::new(id("paused"), jti("d"))];
    assert_eq!(accepted(&appended), taken);
    assert_eq!(bench.totals().await.accepted, 2);
}

/// P6: what an emission says was accepted is there, whatever happens to streams meanwhile.
pub async fn outbox_3_emissions_and_changes_of_the_stream_at_once_add_up(bench: &Bench) {
    bench.streams(&["s"]).await;
    let emit = |n: usize| {
        let bench = bench.process(n);
        async move {
            let mut accepted = 0;
            for i in 0..10 {
                let event = bench.event(&[("s", &format!("{n}-{i}"))], &n.to_string(), at(0));
                accepted += bench.append(event).await.accepted.len() as u64;
            }
            accepted
        }
    };
    let change = |n: usize| {
        let bench = bench.process(n);
        async move {
            for status in [StreamStatus::Disabled, StreamStatus::Enabled].iter().cycle().take(8) {
                bench.set_status("s", *status, StatusSetBy::Receiver).await;
            }
            0
        }
    };
    let tasks: Vec<std::pin::Pin<Box<dyn Future<Output = u64> + Send>>> =
        vec![Box::pin(emit(0)), Box::pin(change(1)), Box::pin(emit(1)), Box::pin(emit(2))];
    let accepted: u64 = bench.together(tasks).await.iter().sum();
    let totals = bench.totals().await;
    assert_eq!(totals.accepted, accepted, "{totals:?}");
    assert_eq!(totals.waiting + totals.discarded_disabled, accepted, "{totals:?}");
    assert_eq!(bench.delete("s").await, totals.waiting);
}

pub async fn outbox_4_a_repeated_key_stores_nothing_and_returns_the_first_result(bench: &Bench) {
    bench.streams(&["s"]).await;
    let first = bench.append(keyed(bench, &[("s", "a"), ("gone", "b")], "once", 0)).await;
    assert_eq!(first.repeated, Repeated::No);
    let mut second = keyed(bench, &[("s", "c")], "once", 1);
    second.txn = Txn::parse("another").unwrap();
    let second = bench.append(second).await;
    assert_eq!((second.repeated, &second.txn), (Repeated::Yes, &first.txn));
    assert_eq!(accepted(&second), accepted(&first));
    assert_eq!(skipped(&second), skipped(&first));
    let held = bench.claim(at(1)).await;
    assert_eq!(jtis(&held), ["a"]);
    // Also when its entries have ended, and its stream is gone.
    bench.settle(&held[0], delivered(), at(1)).await;
    bench.delete("s").await;
    let third = bench.append(keyed(bench, &[("s", "d")], "once", 2)).await;
    assert_eq!((third.repeated, accepted(&third)), (Repeated::Yes, accepted(&first)));
}

pub async fn outbox_4_a_key_is_one_of_its_issuer_and_compared_as_it_is(bench: &Bench) {
    bench.streams(&["s"]).await;
    let other = bench.afresh();
    other.streams(&["s"]).await;
    bench.append(keyed(bench, &[("s", "a")], "once", 0)).await;
    let theirs = other.append(keyed(&other, &[("s", "a")], "once", 0)).await;
    assert_eq!(theirs.repeated, Repeated::No);
    for (n, key) in ["ONCE", "once ", "onc_", "%", "\u{f6}nce"].into_iter().enumerate() {
        let appended = bench.append(keyed(bench, &[("s", &n.to_string())], key, 0)).await;
        assert_eq!(appended.repeated, Repeated::No, "{key:?}");
    }
}

/// An unclear commit that is repeated while the first is under way (P8).
pub async fn outbox_4_of_appends_at_once_with_one_key_one_stores(bench: &Bench) {
    for _ in 0..5 {
        let bench = bench.afresh();
        bench.streams(&["s", "t"]).await;
        let append = |n: usize| {
            let bench = bench.process(n);
            async move {
                let (one, other) = (format!("s{n}"), format!("t{n}"));
                let mut append = keyed(&bench, &[("s", &one), ("t", &other)], "once", 0);
                append.txn = Txn::parse(format!("txn{n}")).unwrap();
                bench.append(append).await
            }
        };
        let results = bench.together((0..6).map(append)).await;
        let new = results.iter().filter(|result| result.repeated == Repeated::No);
        assert_eq!(new.count(), 1, "{results:?}");
        for result in &results {
            assert_eq!((&result.txn, accepted(result)), (&results[0].txn, accepted(&results[0])));
        }
        assert_eq!(bench.totals().await.accepted, 2);
        let mut stored: Vec<Jti> = results[0].accepted.iter().map(|e| e.jti.clone()).collect();
        stored.sort();
        let held = bench.claim(at(0)).await;
        assert_eq!(sorted(&held), stored.iter().map(Jti::as_str).collect::<Vec<_>>());
    }
}

/// Worker 8 too.
pub async fn outbox_4_keys_are_kept_until_they_are_swept(bench: &Bench) {
    bench.streams(&["s"]).await;
    for (key, now) in [("k1", 1), ("k2", 2), ("k3", 3)] {
        bench.append(keyed(bench, &[("s", key)], key, now)).await;
    }
    let sweep = async |most| {
        let request = SweepRequest::new(bench.issuer.clone(), at(0), at(3), most);
        bench.store.sweep(request).await.unwrap()
    };
    let swept = sweep(1).await;
    assert_eq!((swept.idempotency_keys, swept.oldest_key.is_some()), (1, true));
    let swept = sweep(100).await;
    assert_eq!((swept.idempotency_keys, swept.oldest_key), (1, Some(at(3))));
    for (key, repeated) in [("k1", Repeated::No), ("k2", Repeated::No), ("k3", Repeated::Yes)] {
        assert_eq!(bench.append(keyed(bench, &[], key, 4)).await.repeated, repeated, "{key}");
    }
    assert_eq!(bench.totals().await.accepted, 3);
}

pub async fn outbox_5_an_entry_is_accepted_when_append_returns(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.assert_due(at(5), None).await;
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(bench.next_due(at(5)).await, Some(at(5)));
    assert_eq!(bench.totals().await.waiting, 1);
}
