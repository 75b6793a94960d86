//! One owner cannot reach what is another's, and one issuer nothing of another's (P10).

#![allow(missing_docs, reason = "a case is named by what it says")]

use super::bench::{
    Bench, at, delivered, fails, id, jti, jtis, keep, new_control, owner, rp, settlement, subject,
    token,
};
use crate::id::{ClientId, Owner, StreamId, TenantId};
use crate::outbox::{BreakerPolicy, HeldLimits, Jitter, Lane, PollError};
use crate::store::{
    Acknowledgement, Activity, CandidateQuery, Claimed, GiveUpHeld, HandOutRequest, HealthChange,
    Kept, LetterPlace, LetterQuery, NewVerification, Queue, Redrive, RedriveLetter, SettleBatch,
    Settled, StoreError, StreamUpdate, SubjectChange, SweepRequest,
};
use crate::stream::{StatusSetBy, StreamRecord, StreamStatus};

/// Streams `s`, polled, with `waiting` and the dead letter `dead`, and `p`, pushed to, with
/// `pushed`.
async fn populate(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    bench.streams(&["p"]).await;
    for (stream, set) in [("s", "waiting"), ("s", "dead"), ("p", "pushed")] {
        bench.emit(stream, set, "k", at(0)).await;
    }
    bench.refuse("s", "dead", at(0)).await;
}

/// All that there is to see of it, for comparison.
async fn seen(bench: &Bench) -> String {
    let overviews = bench.store.list_overviews(&bench.issuer, None, 99).await.unwrap();
    let letters = bench.letters("s").await;
    let polled = bench.poll("s").await;
    let interested = bench.interested(&subject("x")).await;
    let held = bench.store.held_streams(&bench.issuer, None, 9).await.unwrap();
    let idle = bench.store.idle_streams(&bench.issuer, at(99), 99).await.unwrap();
    let overdue = bench.store.unverified_streams(&bench.issuer, at(99), 99).await.unwrap();
    let totals = bench.totals().await;
    format!(
        "{overviews:?} {letters:?} {polled:?} {interested:?} {held:?} {idle:?} {overdue:?} {totals:?}"
    )
}

/// Every call of the receiver face, and what it answered.
async fn every_call(
    bench: &Bench,
    owner: &Owner,
    stream: &StreamId,
) -> Vec<Result<(), StoreError>> {
    let (issuer, store) = (&bench.issuer, &bench.store);
    let mut record: StreamRecord = bench.record_of(owner, stream.as_str());
    record.description = Some("theirs".to_owned());
    let mut update = StreamUpdate::new(record, 1);
    update.queue = Queue::Discard;
    update.announce = Some(new_control(Lane::StreamUpdated, "u", at(0)));
    let control = new_control(Lane::Verification, "v", at(0));
    let verification = NewVerification::new(control, <_>::default());
    let error = PollError::new("invalid_key".to_owned(), None);
    let acknowledgement = Acknowledgement {
        acks: vec![jti("waiting")],
        errors: vec![(jti("waiting"), error)],
        now: at(0),
    };
    let change = SubjectChange::Remove(subject("x"));
    let poll = HandOutRequest::new(9, at(0));
    let activity = Activity::new(stream.clone(), at(98));
    vec![
        store.read_stream(issuer, owner, stream).await.map(drop),
        store.update_stream(update).await.map(drop),
        store.delete_stream(issuer, owner, stream).await.map(drop),
        store.change_subject(issuer, owner, stream, change, 9).await,
        store.queue_verification(issuer, owner, stream, verification).await.map(drop),
        store.acknowledge(issuer, owner, stream, acknowledgement).await.map(drop),
        store.hand_out(issuer, owner, stream, poll).await.map(drop),
        store.keep_polled(issuer, owner, stream, Vec::new(), Some(at(9))).await.map(drop),
        store.touch(issuer, owner, activity).await,
    ]
}

pub async fn all_faces_5_a_foreign_stream_is_answered_like_one_that_does_not_exist(bench: &Bench) {
    populate(bench).await;
    let before = seen(bench).await;
    let same_client = Owner::new(TenantId::parse("t2").unwrap(), rp().client);
    let alike = Owner::new(rp().tenant, ClientId::parse("RP").unwrap());
    for stranger in [owner("stranger"), same_client, alike] {
        for stream in [id("s"), id("nothing"), id("S")] {
            for (call, answer) in every_call(bench, &stranger, &stream).await.iter().enumerate() {
                let refused = matches!(answer, Err(StoreError::NotFound));
                assert!(refused, "call {call} of {stranger:?} on {stream}: {answer:?}");
            }
        }
        assert_eq!(bench.store.list_streams(&bench.issuer, &stranger).await.unwrap().len(), 0);
    }
    assert_eq!(seen(bench).await, before, "nothing happened to anything");
}

pub async fn all_faces_4_no_receiver_of_another_issuer_reaches_anything(bench: &Bench) {
    populate(bench).await;
    let before = seen(bench).await;
    let other = bench.afresh();
    for (call, answer) in every_call(&other, &rp(), &id("s")).await.iter().enumerate() {
        assert!(matches!(answer, Err(StoreError::NotFound)), "call {call}: {answer:?}");
    }
    assert_eq!(other.store.list_streams(&other.issuer, &rp()).await.unwrap().len(), 0);
    assert_eq!(seen(bench).await, before, "nothing happened to anything");
}

pub async fn all_faces_4_no_worker_of_another_issuer_reaches_anything(bench: &Bench) {
    populate(bench).await;
    let held = bench.claim(at(0)).await;
    let before = seen(bench).await;
    let other = bench.afresh();
    let (issuer, store) = (&other.issuer, &other.store);
    other.assert_due(at(0), None).await;
    assert_eq!(jtis(&other.claim(at(99)).await), [""; 0]);
    let kept = store.keep_tokens(issuer, vec![keep(&held[0], token("t", "k"))]).await.unwrap();
    assert!(matches!(kept[..], [Kept::Gone]));
    let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
    batch.settlements.push(settlement(&held[0], delivered()));
    batch.health.push(HealthChange::new(id("p"), fails(), Jitter::NONE));
    let report = store.settle(issuer, batch).await.unwrap();
    assert_eq!((report.settled, report.verdicts), (vec![Settled::Gone], vec![]));
    let sweep = SweepRequest::new(issuer.clone(), at(99), at(99), 99);
    assert_eq!(store.sweep(sweep).await.unwrap(), <_>::default());
    assert_eq!(store.idle_streams(issuer, at(99), 9).await.unwrap().streams.len(), 0);
    assert_eq!(store.unverified_streams(issuer, at(99), 9).await.unwrap().streams.len(), 0);
    assert_eq!(store.held_streams(issuer, None, 9).await.unwrap(), []);
    let limits = HeldLimits { entries: 0, ..HeldLimits::default() };
    let request = GiveUpHeld::new(id("s"), limits, at(0), 9);
    assert_eq!(store.give_up_held(issuer, request).await.unwrap(), 0);
    assert_eq!(seen(bench).await, before, "nothing happened to anything");
    let kept = bench.store.keep_tokens(&bench.issuer, vec![keep(&held[0], token("t", "k"))]).await;
    assert!(matches!(&kept.unwrap()[..], [Kept::Token { .. }]), "the claim lasts");
}

pub async fn all_faces_4_no_operator_of_another_issuer_reaches_anything(bench: &Bench) {
    populate(bench).await;
    let before = seen(bench).await;
    let other = bench.afresh();
    let (issuer, store) = (&other.issuer, &other.store);
    let stream = id("s");
    let letter = RedriveLetter::new(LetterPlace::new(at(0), jti("dead")), None);
    let redrive = Redrive::new(vec![letter], at(1));
    let (about, query) = (subject("x"), LetterQuery::new(9));
    for answer in [
        store.find_stream(issuer, &stream).await.map(drop),
        store.overview(issuer, &stream).await.map(drop),
        store.interest(issuer, &stream, &about, at(0)).await.map(drop),
        store.dead_letters(issuer, &stream, &query).await.map(drop),
        store.redrive(issuer, &stream, redrive).await.map(drop),
    ] {
        assert!(matches!(answer, Err(StoreError::NotFound)), "{answer:?}");
    }
    assert_eq!(store.list_overviews(issuer, None, 9).await.unwrap().len(), 0);
    assert_eq!(other.totals().await, <_>::default());
    store.suspend(issuer, &rp()).await.unwrap();
    bench.streams(&["new"]).await;
    bench.delete("new").await;
    assert_eq!(seen(bench).await, before, "nothing happened to anything");
}

pub async fn all_faces_4_no_emission_of_another_issuer_reaches_anything(bench: &Bench) {
    populate(bench).await;
    let before = seen(bench).await;
    let other = bench.afresh();
    assert_eq!(other.interested(&subject("x")).await, [""; 0]);
    let appended = other.append(other.event(&[("s", "theirs")], "k", at(0))).await;
    assert_eq!((appended.accepted.len(), appended.skipped), (0, vec![id("s")]));
    let types = crate::event::types::session_revoked();
    let query = CandidateQuery::new(other.issuer.clone(), types, subject("x"), at(0));
    assert_eq!(other.store.outbox().candidates(&query).await.unwrap(), []);
    assert_eq!(seen(bench).await, before, "nothing happened to anything");
}

/// Two issuers with the same names of everything.
pub async fn all_faces_4_issuers_with_the_same_names_do_not_meet(bench: &Bench) {
    let other = bench.afresh();
    populate(bench).await;
    populate(&other).await;
    assert_eq!(seen(bench).await.replace(bench.issuer.as_str(), ""), {
        seen(&other).await.replace(other.issuer.as_str(), "")
    });
    let ours: Vec<Claimed> = bench.claim(at(0)).await;
    let theirs = other.claim(at(0)).await;
    assert_eq!((jtis(&ours), jtis(&theirs)), (vec!["pushed"], vec!["pushed"]));
    assert_eq!(bench.settle(&ours[0], delivered(), at(0)).await, Settled::Done);
    bench.acknowledge("s", &["waiting"]).await;
    bench.set_status("p", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.delete("s").await;
    let totals = other.totals().await;
    assert_eq!((totals.delivered, totals.waiting, totals.dead), (0, 2, 1));
    assert_eq!(other.settle(&theirs[0], delivered(), at(0)).await, Settled::Done);
    assert_eq!(jtis(&other.poll("s").await), ["waiting"]);
    assert_eq!(other.letters("s").await.len(), 1);
}
