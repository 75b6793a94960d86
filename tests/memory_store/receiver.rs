//! The receiver face.

use std::time::Duration;

use ssf_transmitter::id::{Owner, TenantId};
use ssf_transmitter::outbox::{
    BreakerPolicy, DeadLetterReason, Health, HeldLimits, Jitter, Lane, Pace, PollError, RetryAfter,
    StreamReport,
};
use ssf_transmitter::protocol::More;
use ssf_transmitter::routing::Interest;
use ssf_transmitter::store::{
    Acknowledged, Acknowledgement, Activity, HandOutRequest, HealthChange, Kept, LetterQuery,
    NewVerification, OperatorStore, Provided, Queue, ReceiverStore, SettleBatch, Settled,
    StoreError, StreamUpdate, SubjectChange, SweepRequest, Swept, VerificationQueued, WorkerStore,
};
use ssf_transmitter::stream::{
    DefaultSubjects, Delivery, EndpointUrl, PushDelivery, StatusSetBy, StreamQuota, StreamRecord,
    StreamStatus,
};
use ssf_transmitter::subject::Subject;

use crate::bench::{
    Bench, at, delivered, id, issuer, jti, jtis, keep, new_control, owner, poll_record, push,
    record, rp, subject, token,
};

// Receiver 1.
#[tokio::test]
async fn an_owner_has_at_most_so_many_streams() {
    let bench = Bench::new();
    bench.store.create_stream(record("s1"), StreamQuota::new(1)).await.unwrap();
    let error = bench.store.create_stream(record("s2"), StreamQuota::new(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::StreamLimit), "{error}");
    let mut other = record("s2");
    other.owner = owner("other");
    bench.store.create_stream(other, StreamQuota::new(1)).await.unwrap();
    bench.store.delete_stream(&issuer(), &rp(), &id("s1")).await.unwrap();
    bench.store.create_stream(record("s3"), StreamQuota::new(1)).await.unwrap();
}

// Receiver 1.
#[tokio::test]
async fn the_owners_of_a_tenant_together_have_at_most_so_many_streams() {
    let bench = Bench::new();
    let quota = StreamQuota::new(2).with_tenant(3);
    let of = |owner: &Owner, stream: &str| {
        let mut record = record(stream);
        record.owner = owner.clone();
        record
    };
    let (first, second) = (owner("first"), owner("second"));
    let elsewhere = Owner::new(TenantId::parse("elsewhere").unwrap(), first.client.clone());
    for (owner, stream) in [(&first, "a"), (&first, "b"), (&second, "c"), (&elsewhere, "d")] {
        bench.store.create_stream(of(owner, stream), quota).await.unwrap();
    }
    let error = bench.store.create_stream(of(&first, "e"), quota).await.unwrap_err();
    assert!(matches!(error, StoreError::StreamLimit), "{error}");
    let error = bench.store.create_stream(of(&second, "e"), quota).await.unwrap_err();
    assert!(matches!(error, StoreError::TenantStreamLimit), "{error}");
    bench.store.create_stream(of(&second, "e"), StreamQuota::new(2)).await.unwrap();
    for (owner, stream) in [(&second, "e"), (&first, "a")] {
        bench.store.delete_stream(&issuer(), owner, &id(stream)).await.unwrap();
    }
    bench.store.create_stream(of(&second, "f"), quota).await.unwrap();
}

// Receiver 1.
#[tokio::test]
async fn an_identifier_is_given_once_whoever_the_owner_is() {
    let bench = Bench::with(&["s"]).await;
    let mut other = record("s");
    other.owner = owner("other");
    let error = bench.store.create_stream(other, StreamQuota::new(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::IdTaken), "{error}");
    assert_eq!(bench.read("s").await.owner, rp());
}

// Receiver 2.
#[tokio::test]
async fn streams_are_listed_in_the_order_of_creation() {
    let bench = Bench::with(&["b", "c", "a"]).await;
    bench.change("c", |record| record.description = Some("changed".to_owned())).await;
    let list = bench.store.list_streams(&issuer(), &rp()).await.unwrap();
    let ids: Vec<_> = list.iter().map(|record| record.stream_id.as_str()).collect();
    assert_eq!(ids, ["b", "c", "a"]);
    assert_eq!(list[1].description.as_deref(), Some("changed"));
}

// Receiver 3.
#[tokio::test]
async fn a_change_is_committed_only_on_the_version_it_was_decided_on() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.change("s", |record| record.version = 99).await;
    assert_eq!(bench.read("s").await.version, 2);

    let mut late = StreamUpdate::new(record("s"), 1);
    late.queue = Queue::Discard;
    late.announce = Some(new_control(Lane::StreamUpdated, "u", at(0)));
    let error = bench.store.update_stream(late).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict), "{error}");
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
}

// All faces 2; receiver 3.
#[tokio::test]
async fn an_announcement_under_a_taken_identifier_changes_nothing() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let announce = new_control(Lane::StreamUpdated, "a", at(0));
    let pause = |record: &mut StreamRecord| record.status = StreamStatus::Paused;
    let error = bench.update("s", Queue::Keep, Some(announce), pause).await.unwrap_err();
    assert!(matches!(error, StoreError::IdTaken), "{error}");
    assert_eq!(bench.read("s").await.status, StreamStatus::Enabled);
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
}

// Receiver 3.
#[tokio::test]
async fn a_change_is_committed_only_if_what_it_was_decided_on_is_still_so() {
    let bench = Bench::new();
    bench.create(poll_record("s")).await;
    bench.store.touch(&issuer(), &rp(), Activity::new(id("s"), at(10))).await.unwrap();
    bench.emit("s", "a", "k", at(0)).await;
    let mut limits = HeldLimits::default();
    let mut room = limits;
    (limits.entries, room.entries) = (0, 1);
    let provided = [
        (Provided::IdleSince(at(9)), false),
        (Provided::IdleSince(at(10)), true),
        (Provided::Exceeds(room, at(10)), false),
        (Provided::Exceeds(limits, at(10)), true),
    ];
    for (provided, is_so) in provided {
        let record = bench.read("s").await;
        let mut update = StreamUpdate::new(record.clone(), record.version);
        update.provided = provided;
        match bench.store.update_stream(update).await {
            Ok(_) => assert!(is_so, "{provided:?}"),
            Err(error) => {
                assert!(matches!(error, StoreError::Conflict) && !is_so, "{provided:?} {error}");
                assert_eq!(bench.read("s").await.version, record.version);
            }
        }
    }
}

// Receiver 3.
#[tokio::test]
async fn what_a_receiver_asked_for_and_its_pace_outlast_a_stop_and_not_a_move() {
    let asked = |health: &Health| (health.not_before, health.pace);
    let elsewhere = EndpointUrl::parse("https://rp.example.net/elsewhere").unwrap();
    let elsewhere = Delivery::Push(PushDelivery::new(elsewhere, None));
    for (delivery, after) in
        [(push(), (Some(at(30)), Pace::Slow)), (elsewhere, (None, Pace::Unknown))]
    {
        let bench = Bench::with(&["s"]).await;
        let retry_after = Some(RetryAfter::In(Duration::from_secs(30)));
        let what = "429".to_owned();
        let report = StreamReport::Fails { what, refuses: false, retry_after };
        let mut change = HealthChange::new(id("s"), report, Jitter::NONE);
        change.pace = Pace::Slow;
        let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
        batch.health.push(change);
        bench.store.settle(&issuer(), batch).await.unwrap();
        bench.set_status("s", StreamStatus::Paused, StatusSetBy::Transmitter).await;
        let changed = |record: &mut StreamRecord| {
            (record.status, record.delivery) = (StreamStatus::Enabled, delivery);
            record.generation += 1;
        };
        bench.change("s", changed).await;
        let health = bench.overview("s").await.health;
        assert_eq!((asked(&health), health.failures), (after, 0));
    }
}

// Receiver 4; P6.
#[tokio::test]
async fn disabling_discards_what_waits_but_not_the_announcement() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "held", "k1", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.emit("s", "waiting", "k2", at(0)).await;
    bench.verify("s", "v", at(0)).await;
    let announce = new_control(Lane::StreamUpdated, "u", at(0));
    bench
        .update("s", Queue::Discard, Some(announce), |record| {
            record.status = StreamStatus::Disabled;
            record.status_set_by = StatusSetBy::Transmitter;
        })
        .await
        .unwrap();
    let totals = bench.overview("s").await.totals;
    assert_eq!((totals.accepted, totals.discarded_disabled, totals.waiting), (4, 3, 1));
    assert_eq!(bench.settle(&held[0], delivered(), at(0)).await, Settled::Gone);
    let kept = bench.store.keep_tokens(&issuer(), vec![keep(&held[0], token("t", "k"))]).await;
    assert!(matches!(kept.unwrap()[..], [Kept::Gone]));
    assert_eq!(jtis(&bench.claim(at(0)).await), ["u"]);
}

// Receiver 5; P6, P9.
#[tokio::test]
async fn deleting_a_stream_removes_everything_of_it() {
    let bench = Bench::with(&["s"]).await;
    bench.change_subject("s", SubjectChange::Remove(subject("x"))).await;
    for (set, key) in [("held", "k1"), ("dead", "k2"), ("waiting", "k1")] {
        bench.emit("s", set, key, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    bench.acknowledge_error("s", "dead").await;
    let deleted = bench.store.delete_stream(&issuer(), &rp(), &id("s")).await.unwrap();
    assert_eq!(deleted.discarded, 2);
    assert_eq!(bench.settle(&held[0], delivered(), at(0)).await, Settled::Gone);
    assert_eq!(bench.next_due(at(0)).await, None);
    let totals = bench.store.totals(&issuer()).await.unwrap();
    assert_eq!((totals.accepted, totals.dead, totals.discarded_deleted), (3, 1, 2));

    let sweep = SweepRequest::new(issuer(), at(9), at(9), 9);
    assert_eq!(bench.store.sweep(sweep).await.unwrap(), Swept::default());

    // A stream that gets the same identifier later inherits nothing.
    bench.create(record("s")).await;
    assert_eq!(bench.interested(&subject("x")).await, ["s"]);
    assert_eq!(
        bench.store.dead_letters(&issuer(), &id("s"), &LetterQuery::new(9)).await.unwrap().len(),
        0
    );
    assert_eq!(bench.overview("s").await.totals.accepted, 0);
}

// Receiver 6; SSF 1.0 §8.1.3.
#[tokio::test]
async fn on_a_stream_with_all_subjects_a_removal_excludes_until_it_is_cancelled() {
    let bench = Bench::with(&["s"]).await;
    for _ in 0..2 {
        bench.change_subject("s", SubjectChange::Remove(subject("x"))).await;
        assert_eq!(bench.interested(&subject("x")).await, [""; 0]);
        assert_eq!(bench.interested(&subject("y")).await, ["s"]);
    }
    for _ in 0..2 {
        bench.change_subject("s", SubjectChange::Add(subject("x"))).await;
        assert_eq!(bench.interested(&subject("x")).await, ["s"]);
    }
}

// Receiver 6; SSF 1.0 §8.1.3.
#[tokio::test]
async fn on_a_stream_without_subjects_an_addition_includes_until_it_is_deleted() {
    let bench = Bench::new();
    let mut record = record("s");
    record.default_subjects = DefaultSubjects::None;
    bench.create(record).await;
    for _ in 0..2 {
        bench.change_subject("s", SubjectChange::Add(subject("x"))).await;
        assert_eq!(bench.interested(&subject("x")).await, ["s"]);
    }
    for _ in 0..2 {
        bench.change_subject("s", SubjectChange::Remove(subject("x"))).await;
        assert_eq!(bench.interested(&subject("x")).await, [""; 0]);
    }
}

// Receiver 6.
#[tokio::test]
async fn a_stream_lists_at_most_so_many_subjects() {
    let bench = Bench::new();
    for (stream, default) in [("all", DefaultSubjects::All), ("none", DefaultSubjects::None)] {
        let mut record = record(stream);
        record.default_subjects = default;
        bench.create(record).await;
    }
    let add = SubjectChange::Add as fn(Subject) -> SubjectChange;
    let remove = SubjectChange::Remove as fn(Subject) -> SubjectChange;
    let later = |subject| SubjectChange::RemoveLater { subject, at: at(1_000) };
    let changed = async |stream, change| {
        let changed = bench.store.change_subject(&issuer(), &rp(), &id(stream), change, 2).await;
        assert!(matches!(changed, Ok(()) | Err(StoreError::SubjectLimit)), "{changed:?}");
        changed.is_ok()
    };
    for (stream, list, unlist) in [("none", add, remove), ("all", remove, add)] {
        assert!(changed(stream, list(subject("x"))).await);
        assert!(changed(stream, list(subject("y"))).await);
        assert!(!changed(stream, list(subject("z"))).await, "{stream} is full");
        assert!(changed(stream, list(subject("x"))).await, "{stream} lists it already");
        assert!(changed(stream, unlist(subject("z"))).await, "{stream} lists no more by that");
        assert!(changed(stream, unlist(subject("x"))).await);
        assert!(changed(stream, list(subject("z"))).await, "{stream} has room again");
    }
    assert_eq!(bench.interested(&subject("x")).await, ["all"]);
    assert_eq!(bench.interested(&subject("z")).await, ["none"]);
    // What is to be removed later has its room from now on, and takes no second.
    assert!(!changed("all", later(subject("x"))).await);
    assert!(changed("all", add(subject("y"))).await);
    assert!(changed("all", later(subject("x"))).await && changed("all", later(subject("x"))).await);
    assert!(
        changed("all", later(subject("z"))).await && !changed("all", remove(subject("y"))).await
    );
    assert!(changed("all", remove(subject("x"))).await);
    assert!(
        changed("none", later(subject("z"))).await && !changed("none", add(subject("x"))).await
    );
}

// Receiver 6; SSF 1.0 §8.1.3.3.
#[tokio::test]
async fn a_later_removal_of_what_was_never_added_is_nothing() {
    let bench = Bench::new();
    let mut record = record("s");
    record.default_subjects = DefaultSubjects::None;
    bench.create(record).await;
    bench
        .change_subject("s", SubjectChange::RemoveLater { subject: subject("x"), at: at(10) })
        .await;
    bench.change_subject("s", SubjectChange::Add(subject("y"))).await;
    let wanted = async |text, now| {
        bench.store.interest(&issuer(), &id("s"), &subject(text), at(now)).await.unwrap()
    };
    assert_eq!(wanted("x", 10).await, Interest::NotWanted);
    bench.change_subject("s", SubjectChange::Add(subject("x"))).await;
    assert_eq!([wanted("x", 20).await, wanted("y", 20).await], [Interest::Wanted; 2]);
}

// Receiver 6; SSF 1.0 §8.1.4.1: control SETs have the stream as their subject.
#[tokio::test]
async fn the_subject_of_the_stream_itself_cannot_be_removed() {
    let bench = Bench::with(&["s"]).await;
    let own = Subject::of_stream(&id("s"));
    bench.change_subject("s", SubjectChange::Remove(own.clone())).await;
    assert_eq!(bench.interested(&own).await, ["s"]);
}

// Receiver 7.
#[tokio::test]
async fn verifications_keep_their_distance() {
    let bench = Bench::with(&["s"]).await;
    let ask = async |set: &str, now: i64| {
        let control = new_control(Lane::Verification, set, at(now));
        let verification = NewVerification::new(control, Duration::from_secs(60));
        bench.store.queue_verification(&issuer(), &rp(), &id("s"), verification).await.unwrap()
    };
    assert_eq!(ask("v1", 0).await, VerificationQueued::Queued);
    assert_eq!(ask("v2", 59).await, VerificationQueued::TooSoon(at(60)));
    assert_eq!(jtis(&bench.claim(at(59)).await), ["v1"]);
    assert_eq!(ask("v3", 60).await, VerificationQueued::Queued);
}

// Receiver 7; P5, P6.
#[tokio::test]
async fn a_newer_verification_replaces_an_unsettled_one_though_it_is_held() {
    let bench = Bench::with(&["s"]).await;
    bench.verify("s", "v1", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.verify("s", "v2", at(1)).await;
    assert_eq!(bench.settle(&held[0], delivered(), at(1)).await, Settled::Gone);
    let next = bench.claim(at(1)).await;
    assert_eq!(jtis(&next), ["v2"]);
    bench.settle(&next[0], delivered(), at(1)).await;
    let totals = bench.overview("s").await.totals;
    assert_eq!((totals.accepted, totals.delivered, totals.discarded_replaced), (2, 1, 1));
}

// Receiver 7; P5: held while paused, dropped while disabled.
#[tokio::test]
async fn a_verification_is_held_on_a_paused_stream_and_dropped_on_a_disabled_one() {
    let bench = Bench::with(&["s"]).await;
    bench.set_status("s", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    bench.verify("s", "dropped", at(0)).await;
    let totals = bench.overview("s").await.totals;
    assert_eq!((totals.accepted, totals.discarded_disabled, totals.waiting), (1, 1, 0));
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    bench.verify("s", "kept", at(1)).await;
    assert_eq!(jtis(&bench.claim(at(1)).await), [""; 0]);
    bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    assert_eq!(jtis(&bench.claim(at(1)).await), ["kept"]);
}

// Receiver 8; RFC 8936 §2.2, §2.4.
#[tokio::test]
async fn acknowledged_sets_are_delivered_and_never_come_again() {
    let bench = Bench::with_poll(&["s", "other"]).await;
    for (stream, set) in [("s", "a"), ("s", "b"), ("other", "c")] {
        bench.emit(stream, set, "k", at(0)).await;
    }
    // Twice, with an unknown one and one of another stream.
    for _ in 0..2 {
        bench.acknowledge("s", &["a", "never-emitted", "c"]).await;
    }
    assert_eq!(jtis(&bench.poll("s").await), ["b"]);
    assert_eq!(jtis(&bench.poll("other").await), ["c"]);
    let totals = bench.overview("s").await.totals;
    assert_eq!((totals.delivered, totals.waiting), (1, 1));
}

// Receiver 8; RFC 8936 §2.6.
#[tokio::test]
async fn a_set_named_both_ways_ends_as_a_dead_letter() {
    let bench = Bench::with_poll(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.emit("s", "b", "k", at(0)).await;
    let error = PollError::new("invalid_key".to_owned(), Some("no kid".to_owned()));
    let mut both = Acknowledgement::default();
    both.acks = vec![jti("a"), jti("b")];
    both.errors = vec![(jti("a"), error.clone()), (jti("never-emitted"), error.clone())];
    both.now = at(9);
    let again = both.clone();
    let settled = bench.store.acknowledge(&issuer(), &rp(), &id("s"), both).await.unwrap();
    assert_eq!(settled, Acknowledged::new(1, vec![(jti("a"), Lane::Ordinary)]));
    let settled = bench.store.acknowledge(&issuer(), &rp(), &id("s"), again).await.unwrap();
    assert_eq!(settled, Acknowledged::default(), "all of it was settled before");
    let letters =
        bench.store.dead_letters(&issuer(), &id("s"), &LetterQuery::new(9)).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].jti, letters[0].dead_at), (&jti("a"), at(9)));
    assert_eq!(letters[0].reason, DeadLetterReason::Reported(error));
}

// Receiver 8.
#[tokio::test]
async fn acknowledging_works_in_every_status_and_by_every_delivery() {
    for status in [StreamStatus::Enabled, StreamStatus::Paused] {
        for delivery in [push(), Delivery::Poll] {
            let bench = Bench::with(&["s"]).await;
            bench.emit("s", "a", "k", at(0)).await;
            let held = bench.claim(at(0)).await;
            bench
                .change("s", |record| {
                    record.status = status;
                    record.delivery = delivery;
                })
                .await;
            bench.acknowledge("s", &["a"]).await;
            assert_eq!(bench.overview("s").await.totals.delivered, 1, "{status:?}");
            assert_eq!(bench.settle(&held[0], delivered(), at(0)).await, Settled::Gone);
        }
    }
}

// Receiver 9; RFC 8936 §2.4.
#[tokio::test]
async fn a_poll_gets_control_first_then_the_oldest_and_again_until_acknowledged() {
    let bench = Bench::with_poll(&["s"]).await;
    for set in ["a", "b", "c"] {
        bench.emit("s", set, "one-key", at(0)).await;
    }
    bench.verify("s", "v", at(0)).await;
    bench.announce("s", "u", at(0)).await;
    let ask = async |most| {
        let request = HandOutRequest::new(most, at(0));
        bench.store.hand_out(&issuer(), &rp(), &id("s"), request).await.unwrap()
    };
    for _ in 0..2 {
        let some = ask(3).await;
        assert_eq!((jtis(&some.entries), some.more), (vec!["v", "u", "a"], More::Available));
    }
    let all = ask(100).await;
    assert_eq!((jtis(&all.entries), all.more), (vec!["v", "u", "a", "b", "c"], More::None));
    let none = ask(0).await;
    assert_eq!((jtis(&none.entries), none.more), (vec![], More::Available));
}

// Receiver 9; SSF 1.0 §8.1.2.1, §8.1.5.
#[tokio::test]
async fn a_poll_of_a_stopped_stream_gets_only_the_announcement_of_the_stop() {
    let bench = Bench::with_poll(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.verify("s", "v", at(0)).await;
    bench.announce("s", "u", at(0)).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Transmitter).await;
    assert_eq!(jtis(&bench.poll("s").await), ["u"]);
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    let request = HandOutRequest::new(9, at(0));
    let nothing = bench.store.hand_out(&issuer(), &rp(), &id("s"), request).await.unwrap();
    assert_eq!((nothing.entries.len(), nothing.more), (0, More::None));
}

// Receiver 9.
#[tokio::test]
async fn a_push_stream_cannot_be_polled() {
    let bench = Bench::with(&["s"]).await;
    let request = HandOutRequest::new(9, at(0));
    let error = bench.store.hand_out(&issuer(), &rp(), &id("s"), request).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error}");
}

// Receiver 10; P2.
#[tokio::test]
async fn the_first_token_of_a_polled_set_wins() {
    let bench = Bench::with_poll(&["s", "other"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let handed = bench.poll("s").await;
    let ask = async |stream: &str, named: &str, compact: &str| {
        let mut keep = keep(&handed[0], token(compact, "kid"));
        keep.stream_id = id(named);
        let kept = bench.store.keep_polled(&issuer(), &rp(), &id(stream), vec![keep], None).await;
        match kept.unwrap().remove(0) {
            Kept::Token { token, .. } => Some(token.compact.to_string()),
            _ => None,
        }
    };
    assert_eq!(ask("s", "s", "first").await.as_deref(), Some("first"));
    assert_eq!(ask("s", "s", "second").await.as_deref(), Some("first"));
    for (stream, named) in [("other", "other"), ("other", "s"), ("s", "other")] {
        assert_eq!(ask(stream, named, "third").await, None, "{stream} {named}");
    }
    assert_eq!(bench.poll("s").await[0].token, Some(token("first", "kid")));
    bench.acknowledge("s", &["a"]).await;
    assert_eq!(ask("s", "s", "fourth").await, None);
}

// Receiver 11; SSF 1.0 §8.1.1 `inactivity_timeout`.
#[tokio::test]
async fn a_touch_notes_the_latest_activity() {
    let bench = Bench::new();
    bench.create(poll_record("s")).await;
    for now in [10, 5] {
        let activity = Activity::new(id("s"), at(now));
        bench.store.touch(&issuer(), &rp(), activity).await.unwrap();
    }
    let idle = async |since| {
        bench.store.idle_streams(&issuer(), at(since), 9).await.unwrap().streams.len()
    };
    assert_eq!((idle(9).await, idle(10).await), (0, 1));
}

impl Bench {
    async fn acknowledge_error(&self, stream: &str, set: &str) {
        let mut refusal = Acknowledgement::default();
        refusal.errors = vec![(jti(set), PollError::new("invalid_request".to_owned(), None))];
        self.store.acknowledge(&issuer(), &rp(), &id(stream), refusal).await.unwrap();
    }
}

// Receiver 8.
#[tokio::test]
async fn an_acknowledgement_is_a_success_of_the_stream() {
    let bench = Bench::with(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    for (jti, last_success) in [("unknown", None), ("a", Some(at(0)))] {
        bench.acknowledge("s", &[jti]).await;
        assert_eq!(bench.overview("s").await.health.last_success, last_success, "{jti}");
    }
}
