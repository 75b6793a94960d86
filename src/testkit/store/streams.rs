//! The receiver face: streams, created, read, changed and deleted.

#![allow(missing_docs, reason = "a case is named by what it says")]

use std::time::Duration;

use super::bench::{
    Bench, at, delivered, fails, id, jti, jtis, keep, new_control, owner, push_to, rp, sorted,
    subject, token,
};
use crate::event::types;
use crate::id::{Audience, Owner, TenantId};
use crate::outbox::{
    BreakerPolicy, Fate, Health, HeldLimits, Jitter, Lane, Pace, RetryAfter, StreamReport,
};
use crate::store::{
    Activity, HealthChange, Kept, Provided, Queue, SettleBatch, Settled, StoreError, StreamUpdate,
    SubjectChange, SweepRequest, Swept,
};
use crate::stream::{
    AuthorizationHeader, DefaultSubjects, Delivery, EndpointUrl, PushDelivery, SealedSecret,
    StatusSetBy, StoredAuthorization, StreamQuota, StreamRecord, StreamStatus,
};

pub async fn receiver_1_an_owner_has_at_most_so_many_streams(bench: &Bench) {
    let one = StreamQuota::new(1);
    bench.store.create_stream(bench.record("s1"), one).await.unwrap();
    let error = bench.store.create_stream(bench.record("s2"), one).await.unwrap_err();
    assert!(matches!(error, StoreError::StreamLimit), "{error}");
    bench.store.create_stream(bench.record_of(&owner("other"), "s2"), one).await.unwrap();
    bench.delete("s1").await;
    bench.store.create_stream(bench.record("s3"), one).await.unwrap();
}

pub async fn receiver_1_the_owners_of_a_tenant_together_have_at_most_so_many_streams(
    bench: &Bench,
) {
    let quota = StreamQuota::new(9).with_tenant(3);
    let (first, second) = (owner("first"), owner("second"));
    let elsewhere = Owner::new(TenantId::parse("elsewhere").unwrap(), first.client.clone());
    for (owner, stream) in [(&first, "a"), (&first, "b"), (&second, "c"), (&elsewhere, "d")] {
        bench.store.create_stream(bench.record_of(owner, stream), quota).await.unwrap();
    }
    let third = bench.record_of(&owner("third"), "e");
    let error = bench.store.create_stream(third, quota).await.unwrap_err();
    assert!(matches!(error, StoreError::TenantStreamLimit), "{error}");
    let without = StreamQuota::new(9);
    bench.store.create_stream(bench.record_of(&second, "e"), without).await.unwrap();
    for (owner, stream) in [(&second, "e"), (&first, "a")] {
        bench.store.delete_stream(&bench.issuer, owner, &id(stream)).await.unwrap();
    }
    bench.store.create_stream(bench.record_of(&second, "f"), quota).await.unwrap();
}

pub async fn receiver_1_streams_are_counted_within_the_issuer(bench: &Bench) {
    let (elsewhere, one) = (bench.afresh(), StreamQuota::new(1).with_tenant(1));
    bench.store.create_stream(bench.record("s"), one).await.unwrap();
    elsewhere.store.create_stream(elsewhere.record("s"), one).await.unwrap();
    let error = elsewhere.store.create_stream(elsewhere.record("t"), one).await.unwrap_err();
    assert!(matches!(error, StoreError::StreamLimit | StoreError::TenantStreamLimit), "{error}");
}

pub async fn receiver_1_an_identifier_is_given_once_whoever_the_owner_is(bench: &Bench) {
    bench.streams(&["s"]).await;
    let other = bench.record_of(&owner("other"), "s");
    let error = bench.store.create_stream(other, StreamQuota::new(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::IdTaken), "{error}");
    assert_eq!(bench.read("s").await.owner, rp());
}

/// Two creations at once never exceed the quota.
pub async fn receiver_1_of_creations_at_once_as_many_succeed_as_there_may_be(bench: &Bench) {
    for quota in [StreamQuota::new(2), StreamQuota::new(9).with_tenant(2)] {
        for _ in 0..5 {
            let bench = bench.afresh();
            let create = |n: usize| {
                let record = bench.record_of(&owner("rp"), &format!("s{n}"));
                let store = bench.store.clone();
                async move { store.create_stream(record, quota).await }
            };
            let results = bench.together((0..6).map(create)).await;
            let created = results.iter().filter(|result| result.is_ok()).count();
            assert_eq!(created, 2, "{results:?}");
            let list = bench.store.list_streams(&bench.issuer, &rp()).await.unwrap();
            assert_eq!(list.len(), 2);
        }
    }
}

/// Also when the clock went backwards meanwhile.
pub async fn receiver_2_streams_are_listed_in_the_order_of_creation(bench: &Bench) {
    for (stream, created_at) in [("b", 5), ("c", 3), ("a", 3)] {
        let mut record = bench.record(stream);
        (record.created_at, record.updated_at) = (at(created_at), at(created_at));
        bench.create(record).await;
    }
    bench.change("c", |record| record.description = Some("changed".to_owned())).await;
    let list = bench.store.list_streams(&bench.issuer, &rp()).await.unwrap();
    let ids: Vec<_> = list.iter().map(|record| record.stream_id.as_str()).collect();
    assert_eq!(ids, ["b", "c", "a"]);
    assert_eq!(list[1].description.as_deref(), Some("changed"));
}

/// P13: the secret, which no `Debug` form shows, too.
pub async fn receiver_2_a_record_is_read_as_it_was_written(bench: &Bench) {
    let odd = "d\u{e9}j\u{e0} vu: 100%_'\"\\ \u{1f980}";
    let endpoint = || EndpointUrl::parse("https://rp.example.net:8443/e?x=%2F&y='").unwrap();
    let open = AuthorizationHeader::parse("Bearer s3cret; \"quoted\"").unwrap();
    let sealed = SealedSecret::parse("v1.k1.AAAA").unwrap();
    let secrets =
        [None, Some(StoredAuthorization::Plain(open)), Some(StoredAuthorization::Sealed(sealed))];
    for (n, secret) in secrets.into_iter().enumerate() {
        let mut record = bench.record(&format!("s{n}"));
        record.audience = Audience::parse(format!("urn:x:{odd}")).unwrap();
        record.delivery = Delivery::Push(PushDelivery::stored(endpoint(), secret));
        record.events_requested =
            [None, Some(vec![]), Some(vec![types::session_revoked()])].into_iter().nth(n).flatten();
        record.events_delivered = vec![types::credential_change(), types::session_revoked()];
        record.description =
            [None, Some(String::new()), Some(odd.to_owned())].into_iter().nth(n).flatten();
        record.default_subjects = [DefaultSubjects::All, DefaultSubjects::None][n % 2];
        record.reason = (n > 0).then(|| odd.to_owned());
        record.created_at = at(-7);
        record.updated_at = at(9);
        bench.create(record.clone()).await;
        let read = bench.store.read_stream(&bench.issuer, &rp(), &record.stream_id).await.unwrap();
        assert_same(&read, &record);

        record.delivery = Delivery::Poll;
        record.status = StreamStatus::Paused;
        record.status_set_by = StatusSetBy::Suspension;
        record.generation = 7;
        record.updated_at = at(8);
        let update = StreamUpdate::new(record.clone(), 1);
        let updated = bench.store.update_stream(update).await.unwrap();
        record.version = 2;
        assert_same(&updated, &record);
        assert_same(&bench.read(record.stream_id.as_str()).await, &record);
    }
}

/// Whether two records are the same, their secrets too.
fn assert_same(one: &StreamRecord, other: &StreamRecord) {
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    assert_eq!(secret(&one.delivery), secret(&other.delivery));
}

/// The endpoint and the secret of a delivery.
fn secret(delivery: &Delivery) -> Option<(String, Option<String>)> {
    match delivery {
        Delivery::Push(push) => {
            let secret = push.authorization.as_ref().map(StoredAuthorization::to_text);
            let secret = secret.map(|secret| secret.expose().to_owned());
            Some((push.endpoint.as_str().to_owned(), secret))
        }
        Delivery::Poll => None,
    }
}

pub async fn receiver_3_a_change_is_committed_only_on_the_version_it_was_decided_on(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.change("s", |record| record.version = 99).await;
    assert_eq!(bench.read("s").await.version, 2);

    for version in [1, 3] {
        let mut late = StreamUpdate::new(bench.record("s"), version);
        late.record.description = Some("late".to_owned());
        late.queue = Queue::Discard;
        late.announce = Some(new_control(Lane::StreamUpdated, "u", at(0)));
        let error = bench.store.update_stream(late).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict), "{error}");
    }
    let record = bench.read("s").await;
    assert_eq!((record.version, record.description), (2, None));
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
}

pub async fn receiver_3_of_changes_at_once_on_one_version_one_is_committed(bench: &Bench) {
    for _ in 0..5 {
        let bench = bench.afresh();
        bench.streams(&["s"]).await;
        let change = |n: usize| {
            let mut update = StreamUpdate::new(bench.record("s"), 1);
            update.record.description = Some(n.to_string());
            let announced = format!("u{n}");
            update.announce = Some(new_control(Lane::StreamUpdated, &announced, at(0)));
            let store = bench.store.clone();
            async move { store.update_stream(update).await }
        };
        let results = bench.together((0..6).map(change)).await;
        let committed: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        assert_eq!(committed.len(), 1, "{results:?}");
        assert_eq!(bench.read("s").await.description, committed[0].description);
        assert_eq!(bench.totals().await.accepted, 1, "one announcement");
    }
}

pub async fn receiver_3_an_announcement_is_queued_with_the_change(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let announce = new_control(Lane::StreamUpdated, "u", at(3));
    let changed = |record: &mut StreamRecord| record.reason = Some("maintenance".to_owned());
    let record = bench.update("s", Queue::Keep, Some(announce), changed).await.unwrap();
    assert_eq!((record.version, record.reason.as_deref()), (2, Some("maintenance")));
    let held = bench.claim(at(3)).await;
    assert_eq!(jtis(&held), ["u"]);
    assert_eq!((held[0].lane, held[0].emitted_at), (Lane::StreamUpdated, at(3)));
}

/// All faces 2 too.
pub async fn receiver_3_an_announcement_under_a_taken_identifier_changes_nothing(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let announce = new_control(Lane::StreamUpdated, "a", at(0));
    let pause = |record: &mut StreamRecord| record.status = StreamStatus::Paused;
    let error = bench.update("s", Queue::Keep, Some(announce), pause).await.unwrap_err();
    assert!(matches!(error, StoreError::IdTaken), "{error}");
    assert_eq!(bench.read("s").await.status, StreamStatus::Enabled);
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
}

pub async fn receiver_3_a_stream_that_starts_again_has_not_failed_yet(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.report("s", fails(), at(0)).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    assert_eq!(bench.overview("s").await.health.failures, 1);
    bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
    let health = bench.overview("s").await.health;
    assert_eq!((health.failures, health.open_until), (0, None));
    assert_eq!(health.last_error.map(|error| error.at), Some(at(0)));
}

pub async fn receiver_3_a_changed_delivery_has_not_failed_yet(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    bench.report("s", fails(), at(0)).await;
    bench.change("s", |record| record.description = Some("no other delivery".to_owned())).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), [""; 0]);
    bench.deliver_by("s", push_to("other.example")).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["a"]);
}

pub async fn receiver_3_control_entries_wait_no_longer_when_a_stream_starts_anew(bench: &Bench) {
    for restart in ["status", "generation"] {
        let bench = bench.afresh();
        bench.streams(&["s"]).await;
        bench.verify("s", "v", at(0)).await;
        bench.emit("s", "a", "k", at(0)).await;
        for set in ["v", "a"] {
            let held = bench.claim(at(0)).await;
            assert_eq!(jtis(&held), [set]);
            bench.settle(&held[0], Fate::Retry(at(50)), at(0)).await;
        }
        match restart {
            "status" => {
                bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
                bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
            }
            _ => bench.deliver_by("s", push_to("other.example")).await,
        }
        // The ordinary one waits on: its own retry was asked for of itself.
        let held = bench.claim(at(0)).await;
        assert_eq!((jtis(&held), held[0].attempts), (vec!["v"], 1), "{restart}");
        bench.settle(&held[0], delivered(), at(0)).await;
        assert_eq!(jtis(&bench.claim(at(49)).await), [""; 0]);
    }
}

/// Nobody calls back what is on its way.
pub async fn receiver_3_a_control_entry_that_is_held_stays_held_when_a_stream_starts_anew(
    bench: &Bench,
) {
    bench.streams(&["s"]).await;
    bench.verify("s", "v", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.deliver_by("s", push_to("other.example")).await;
    assert_eq!(jtis(&bench.claim(at(59)).await), [""; 0]);
    assert_eq!(bench.settle(&held[0], delivered(), at(59)).await, Settled::Done);
}

/// SSF 1.0 §8.1.1 `inactivity_timeout`.
pub async fn receiver_3_a_stream_that_becomes_enabled_counts_as_active(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    let enable = |record: &mut StreamRecord| {
        record.status = StreamStatus::Enabled;
        record.updated_at = at(50);
    };
    bench.change("s", enable).await;
    let idle = async |since| {
        bench.store.idle_streams(&bench.issuer, at(since), 9).await.unwrap().streams.len()
    };
    assert_eq!((idle(49).await, idle(50).await), (0, 1));
    // A change of what is enabled already is no activity of the receiver.
    bench.change("s", |record| record.updated_at = at(70)).await;
    assert_eq!(idle(60).await, 1);
    let activity = Activity::new(id("s"), at(80));
    bench.store.touch(&bench.issuer, &rp(), activity).await.unwrap();
    assert_eq!(idle(79).await, 0);
}

pub async fn receiver_3_a_change_is_committed_only_if_what_it_was_decided_on_is_still_so(
    bench: &Bench,
) {
    bench.poll_streams(&["s"]).await;
    let activity = Activity::new(id("s"), at(10));
    bench.store.touch(&bench.issuer, &rp(), activity).await.unwrap();
    bench.emit("s", "a", "k", at(0)).await;
    let limits = |entries| HeldLimits { entries, ..HeldLimits::default() };
    for (provided, is_so) in [
        (Provided::IdleSince(at(9)), false),
        (Provided::IdleSince(at(10)), true),
        (Provided::Exceeds(limits(1), at(10)), false),
        (Provided::Exceeds(limits(0), at(10)), true),
    ] {
        let record = bench.read("s").await;
        let mut update = StreamUpdate::new(record.clone(), record.version);
        update.provided = provided;
        update.announce = Some(new_control(Lane::StreamUpdated, &format!("{provided:?}"), at(0)));
        match bench.store.update_stream(update).await {
            Ok(_) => assert!(is_so, "{provided:?}"),
            Err(error) => {
                assert!(matches!(error, StoreError::Conflict) && !is_so, "{provided:?} {error}");
                assert_eq!(bench.read("s").await.version, record.version);
            }
        }
    }
    assert_eq!(bench.totals().await.accepted, 3, "what was refused announced nothing");
}

/// What it asked for, and its pace.
pub async fn receiver_3_what_is_known_of_a_receiver_outlasts_a_stop_and_not_a_move(bench: &Bench) {
    let asked = |health: &Health| (health.not_before, health.pace);
    for (delivery, after) in [
        (push_to("rp.example.net"), (Some(at(30)), Pace::Slow)),
        (push_to("other.example"), (None, Pace::Unknown)),
    ] {
        let bench = bench.afresh();
        bench.streams(&["s"]).await;
        let retry_after = Some(RetryAfter::In(Duration::from_secs(30)));
        let report = StreamReport::Fails { what: "429".to_owned(), refuses: false, retry_after };
        let mut change = HealthChange::new(id("s"), report, Jitter::NONE);
        change.pace = Pace::Slow;
        let mut batch = SettleBatch::new(BreakerPolicy::default(), at(0));
        batch.health.push(change);
        bench.store.settle(&bench.issuer, batch).await.unwrap();
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

/// P6.
pub async fn receiver_4_disabling_discards_what_waits_but_not_the_announcement(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "held", "k1", at(0)).await;
    let held = bench.claim(at(0)).await;
    bench.emit("s", "waiting", "k2", at(0)).await;
    bench.verify("s", "v", at(0)).await;
    let announce = new_control(Lane::StreamUpdated, "u", at(0));
    let disable = |record: &mut StreamRecord| {
        record.status = StreamStatus::Disabled;
        record.status_set_by = StatusSetBy::Transmitter;
    };
    bench.update("s", Queue::Discard, Some(announce), disable).await.unwrap();
    let totals = bench.overview("s").await.totals;
    assert_eq!((totals.accepted, totals.discarded_disabled, totals.waiting), (4, 3, 1));
    assert_eq!(bench.settle(&held[0], delivered(), at(0)).await, Settled::Gone);
    let kept = bench.store.keep_tokens(&bench.issuer, vec![keep(&held[0], token("t", "k"))]).await;
    assert!(matches!(kept.unwrap()[..], [Kept::Gone]));
    assert_eq!(jtis(&bench.claim(at(0)).await), ["u"]);
}

/// Its claims, tokens and retries are gone too.
pub async fn receiver_4_what_is_discarded_leaves_nothing_for_what_comes_later(bench: &Bench) {
    bench.streams(&["s"]).await;
    for set in ["held", "retried"] {
        bench.emit("s", set, set, at(0)).await;
    }
    for entry in &bench.claim(at(0)).await {
        let tokens = vec![keep(entry, token("old", "k"))];
        bench.store.keep_tokens(&bench.issuer, tokens).await.unwrap();
        if entry.jti == jti("retried") {
            bench.settle(entry, Fate::Retry(at(50)), at(0)).await;
        }
    }
    bench.set_status("s", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    assert_eq!(bench.next_due(at(0)).await, None);
    // The same names again: nothing of the old ones is left.
    for set in ["held", "retried"] {
        bench.emit("s", set, set, at(1)).await;
    }
    let again = bench.claim(at(1)).await;
    assert_eq!(sorted(&again), ["held", "retried"]);
    assert!(again.iter().all(|entry| entry.token.is_none() && entry.attempts == 0));
}

pub async fn receiver_4_no_stopped_stream_of_a_suspended_owner_is_enabled(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Suspension).await;
    bench.store.suspend(&bench.issuer, &rp()).await.unwrap();
    let enable = |record: &mut StreamRecord| record.status = StreamStatus::Enabled;
    let error = bench.update("s", Queue::Keep, None, enable).await.unwrap_err();
    assert!(matches!(error, StoreError::Suspended), "{error}");
    assert_eq!(bench.read("s").await.version, 2);
    // Everything else goes.
    bench.change("s", |record| record.description = Some("new".to_owned())).await;
    bench.store.resume(&bench.issuer, &rp()).await.unwrap();
    bench.change("s", enable).await;
    assert_eq!(bench.read("s").await.status, StreamStatus::Enabled);
}

/// P6, P9.
pub async fn receiver_5_deleting_a_stream_removes_everything_of_it(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.change_subject("s", SubjectChange::Remove(subject("x"))).await;
    let later = SubjectChange::RemoveLater { subject: subject("y"), at: at(5) };
    bench.change_subject("s", later).await;
    for (set, key) in [("held", "k1"), ("dead", "k2"), ("waiting", "k1")] {
        bench.emit("s", set, key, at(0)).await;
    }
    let held = bench.claim(at(0)).await;
    bench.refuse("s", "dead", at(0)).await;
    bench.report("s", fails(), at(0)).await;
    assert_eq!(bench.delete("s").await, 2);
    let first = held.iter().find(|entry| entry.jti == jti("held")).unwrap();
    assert_eq!(bench.settle(first, delivered(), at(0)).await, Settled::Gone);
    assert_eq!(bench.next_due(at(0)).await, None);
    let totals = bench.totals().await;
    assert_eq!((totals.accepted, totals.dead, totals.discarded_deleted), (3, 1, 2));
    let sweep = SweepRequest::new(bench.issuer.clone(), at(9), at(9), 9);
    assert_eq!(bench.store.sweep(sweep).await.unwrap(), Swept::default());
    let error = bench.store.find_stream(&bench.issuer, &id("s")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error}");
}

pub async fn receiver_5_a_stream_that_gets_the_identifier_later_inherits_nothing(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.change_subject("s", SubjectChange::Remove(subject("x"))).await;
    let later = SubjectChange::RemoveLater { subject: subject("y"), at: at(5) };
    bench.change_subject("s", later).await;
    bench.verify("s", "v", at(0)).await;
    for set in ["waiting", "dead"] {
        bench.emit("s", set, set, at(0)).await;
    }
    bench.refuse("s", "dead", at(0)).await;
    bench.report("s", fails(), at(0)).await;
    bench.delete("s").await;
    bench.streams(&["s"]).await;
    for about in ["x", "y"] {
        assert_eq!(bench.interested_at(&subject(about), at(9)).await, ["s"]);
    }
    assert_eq!(bench.letters("s").await.len(), 0);
    let overview = bench.overview("s").await;
    assert_eq!((overview.totals.accepted, overview.health.failures), (0, 0));
    assert_eq!(overview.dead_letters, 0);
    assert_eq!(bench.next_due(at(0)).await, None);
    bench.emit("s", "waiting", "waiting", at(0)).await;
    assert_eq!(jtis(&bench.claim(at(0)).await), ["waiting"]);
}
