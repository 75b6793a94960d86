//! The monitor: one change fires once, whoever reports it and whatever breaks.

use std::sync::atomic::Ordering;
use std::thread;

use serde_json::{Map, Value, json};
use ssf_transmitter::Secret;
use ssf_transmitter::id::{IdentityId, Issuer};
use ssf_transmitter::lifecycle::{Conditions, DigestKey, Mode, Report};
use ssf_transmitter::monitor::{BATCH, IdentityMonitor, MonitorError, Outcome, Retried};
use ssf_transmitter::routing::{Explanation, StoppedBy};
use ssf_transmitter::store::{IdentityStore, StoreError};
use ssf_transmitter::testkit::block_on;

use crate::world::{World, conditions_of, enters, on_s, report};

fn state(s: &str) -> Value {
    json!({"id": "u", "s": s})
}

#[test]
fn entering_fires_once_and_again_after_leaving() {
    let world = World::new(&[enters("left", "gone")]);
    let first = world.upsert("u", state("here"));
    assert_eq!((first.outcome, first.events.len()), (Outcome::Recorded, 0));
    let entered = world.upsert("u", state("gone"));
    assert_eq!(entered.events[0].condition.as_str(), "left");
    assert_eq!(entered.events[0].emission.sets[0].stream_id, world.stream);
    assert_eq!(world.upsert("u", state("gone")).outcome, Outcome::Unchanged);
    assert_eq!(world.upsert("u", state("here")).events.len(), 0);
    assert_eq!(world.upsert("u", state("gone")).events.len(), 1);
    assert_eq!(world.events(), ["u left", "u left"]);
}

#[test]
fn what_no_condition_names_is_no_change() {
    let world = World::new(&[enters("left", "gone")]);
    world.upsert("u", json!({"id": "u", "s": "here", "x": 1}));
    let commits = world.store.commits.load(Ordering::SeqCst);
    let seen = world.upsert("u", json!({"id": "u", "s": "here", "x": 2}));
    assert_eq!(seen.outcome, Outcome::Unchanged);
    assert_eq!(world.store.commits.load(Ordering::SeqCst), commits);
}

#[test]
fn one_change_that_meets_several_conditions_has_one_txn_and_their_order() {
    let leaves = on_s("second", &json!({"leaves": {"equals": "here"}}));
    let world = World::new(&[enters("first", "gone"), leaves, enters("third", "gone")]);
    world.upsert("u", state("here"));
    let observed = world.upsert("u", state("gone"));
    let txn = &observed.events[0].emission.txn;
    assert!(observed.events.iter().all(|event| event.emission.txn == *txn));
    let claims = world.claims();
    let labels: Vec<_> = claims
        .iter()
        .map(|claims| {
            claims["events"].as_object().unwrap().values().next().unwrap()["label"].clone()
        })
        .collect();
    assert_eq!(labels, ["first", "second", "third"]);
    assert!(claims.iter().all(|claims| claims["txn"] == txn.as_str()));
}

#[test]
fn a_snapshot_that_is_not_newer_is_ignored() {
    let world = World::new(&[enters("left", "gone")]);
    let take = |version: i64, s: &str| {
        let report = report("u", state(s)).with_version(version);
        block_on(world.monitor.upsert(report)).unwrap().outcome
    };
    assert_eq!(take(5, "here"), Outcome::Recorded);
    assert_eq!(take(4, "gone"), Outcome::Stale);
    assert_eq!(take(5, "gone"), Outcome::Stale);
    assert_eq!(take(6, "here"), Outcome::Recorded);
    assert_eq!(take(7, "gone"), Outcome::Recorded);
    assert_eq!(take(6, "here"), Outcome::Stale);
    // Without a version it is taken as it comes.
    assert_eq!(world.upsert("u", state("gone")).outcome, Outcome::Unchanged);
    assert_eq!(world.events(), ["u left"]);
}

#[test]
fn removal_fires_and_a_return_does_and_what_is_forgotten_is_unknown() {
    let gone = on_s("removed", &json!({"leaves": {"is": "present"}}));
    let world = World::new(&[gone, enters("left", "gone")]);
    world.upsert("u", state("here"));
    assert_eq!(world.remove("u").events.len(), 1);
    assert_eq!(world.remove("u").outcome, Outcome::Unchanged);
    world.upsert("u", state("gone"));
    assert_eq!(world.events(), ["u removed", "u left"]);
    block_on(world.monitor.forget(&IdentityId::parse("u").unwrap())).unwrap();
    world.upsert("u", state("gone"));
    assert_eq!(world.events(), Vec::<String>::new());
}

#[test]
fn both_sides_of_a_change_told_twice_fire_once() {
    let world = World::new(&[enters("left", "gone")]);
    let before = || state("here").as_object().unwrap().clone();
    let tell = || block_on(world.monitor.change(before(), report("u", state("gone")))).unwrap();
    assert_eq!(tell().events.len(), 1);
    assert_eq!(tell().outcome, Outcome::Unchanged);
    assert_eq!(world.events(), ["u left"]);
}

#[test]
fn of_two_reporters_of_one_change_one_fires() {
    let world = World::new(&[enters("left", "gone")]);
    let other = world.second_process();
    for trial in 0..1_000 {
        let id = format!("u{trial}");
        let attributes = |s: &str| json!({"id": id, "s": s});
        world.upsert(&id, attributes("here"));
        let fired: usize = thread::scope(|scope| {
            let reporters = [&world.monitor, &other].map(|monitor| {
                let gone = report(&id, attributes("gone"));
                scope.spawn(move || block_on(monitor.upsert(gone)).unwrap().events.len())
            });
            reporters.into_iter().map(|reporter| reporter.join().unwrap()).sum()
        });
        assert_eq!(fired, 1, "trial {trial}");
    }
    assert_eq!(world.events().len(), 1_000);
}

#[test]
fn a_crash_on_either_side_of_the_commit_leaves_exactly_one_event() {
    for (before, after) in [(1, 0), (0, 1)] {
        let world = World::new(&[enters("left", "gone")]);
        world.upsert("u", state("here"));
        world.store.fail_before.store(before, Ordering::SeqCst);
        world.store.fail_after.store(after, Ordering::SeqCst);
        let crashed = block_on(world.monitor.upsert(report("u", state("gone"))));
        assert!(matches!(crashed, Err(MonitorError::Transmitter(_))));
        // The source reports again, to another process.
        let again = block_on(world.second_process().upsert(report("u", state("gone")))).unwrap();
        assert_eq!(again.events.len(), before);
        assert_eq!(world.events(), ["u left"]);
    }
}

#[test]
fn an_event_that_cannot_be_made_is_kept_until_it_can() {
    let world = World::new(&[enters("left", "gone")]);
    world.upsert("u", json!({"s": "here"}));
    let observed = world.upsert("u", json!({"s": "gone"}));
    assert_eq!((observed.events.len(), observed.failures.len()), (0, 1));
    assert_eq!(world.events(), Vec::<String>::new());
    let failure = world.failures().remove(0);
    assert_eq!(&*failure.reason, "the attribute /id is missing before and after the change");
    assert_eq!((failure.identity.as_str(), failure.condition.as_str()), ("u", "left"));

    // It is not reported again, and trying it does not help yet.
    assert_eq!(world.upsert("u", json!({"s": "gone"})).outcome, Outcome::Unchanged);
    let retry = || block_on(world.monitor.retry(&failure.id)).unwrap();
    assert!(matches!(retry(), Retried::Failed(_)));

    // The source mends it; the operator tries again.
    world.upsert("u", json!({"id": "late", "s": "gone"}));
    assert!(matches!(retry(), Retried::Emitted(_)));
    assert!(matches!(retry(), Retried::NoFailure));
    assert_eq!(world.events(), ["late left"]);
    assert!(world.failures().is_empty());
}

#[test]
fn a_failure_can_be_dismissed_and_goes_with_its_identity() {
    let world = World::new(&[enters("left", "gone")]);
    for id in ["u", "v"] {
        world.upsert(id, json!({"s": "here"}));
        world.upsert(id, json!({"s": "gone"}));
    }
    let failures = world.failures();
    assert!(block_on(world.monitor.dismiss(&failures[0].id)).unwrap());
    assert!(!block_on(world.monitor.dismiss(&failures[0].id)).unwrap());
    assert_eq!(world.failures().len(), 1);
    block_on(world.monitor.forget(&failures[1].identity)).unwrap();
    assert!(world.failures().is_empty());
}

#[test]
fn an_event_that_is_too_large_is_a_failure_and_the_others_are_not() {
    let mut large = enters("large", "gone");
    large["emit"]["members"]["note"] = json!({"$from": "note"});
    let world = World::new(&[large, enters("left", "gone")]);
    world.upsert("u", state("here"));
    let note = "x".repeat(70_000);
    let observed = world.upsert("u", json!({"id": "u", "s": "gone", "note": note}));
    assert_eq!(observed.events.len(), 1);
    assert!(observed.failures[0].reason.contains("larger than 65536"));
    assert_eq!(world.events(), ["u left"]);
}

#[test]
fn conditions_are_replaced_by_compare_and_set_and_every_process_follows() {
    let world = World::new(&[enters("left", "gone")]);
    let other = world.second_process();
    block_on(other.upsert(report("u", json!({"id": "u", "s": "here", "t": "b"})))).unwrap();
    let on_t = |name: &str| {
        let mut condition = enters(name, "b");
        condition["when"]["attribute"] = json!("t");
        condition
    };
    let list = [enters("left", "gone"), on_t("moved")];
    assert_eq!(world.set(1, &list), 2);
    let stale = block_on(world.monitor.replace_conditions(1, conditions_of(&list)));
    let Err(MonitorError::Transmitter(error)) = stale else { panic!("it is out of date") };
    assert!(matches!(error, ssf_transmitter::Error::Store(StoreError::Conflict)));

    // `t` was not watched before: where it stands is unknown, and nothing fires for it.
    let tell = |t: &str, s: &str| {
        block_on(other.upsert(report("u", json!({"id": "u", "s": s, "t": t}))))
            .unwrap()
            .events
            .len()
    };
    assert_eq!(tell("b", "here"), 0);
    assert_eq!(tell("a", "here"), 0);
    assert_eq!(tell("b", "gone"), 2);
    assert_eq!(world.events(), ["u left", "u moved"]);
}

#[test]
fn conditions_that_are_replaced_meanwhile_decide() {
    let world = World::new(&[enters("old", "gone")]);
    world.upsert("u", state("here"));
    let new = conditions_of(&[enters("new", "gone")]);
    *world.store.replaced.lock().unwrap() = Some(new);
    let observed = world.upsert("u", state("gone"));
    assert_eq!(observed.events[0].condition.as_str(), "new");
    assert_eq!(world.events(), ["u new"]);
}

fn imported(world: &World, mode: Mode, lines: &[(&str, &str)]) -> (u64, u64, u64) {
    let mut import = world.monitor.import(mode);
    block_on(async {
        for (id, s) in lines {
            import.push(report(id, json!({"id": id, "s": s}))).await.unwrap();
        }
        let done = import.finish().await.unwrap();
        assert_eq!(done.read, lines.len() as u64);
        (done.recorded, done.unchanged, done.events)
    })
}

#[test]
fn a_baseline_fires_nothing_and_changes_nothing_that_is_known() {
    let world = World::new(&[enters("left", "gone")]);
    world.upsert("c", json!({"id": "c", "s": "gone"}));
    let lines = [("a", "here"), ("b", "gone"), ("c", "here")];
    assert_eq!(imported(&world, Mode::Baseline, &lines), (2, 1, 0));
    assert_eq!(imported(&world, Mode::Baseline, &lines), (0, 3, 0));
    assert_eq!(world.events(), Vec::<String>::new());
    let day_two = [("a", "gone"), ("b", "gone"), ("c", "gone"), ("d", "gone")];
    assert_eq!(imported(&world, Mode::Changes, &day_two), (2, 2, 1));
    assert_eq!(world.events(), ["a left"]);
}

#[test]
fn an_import_may_take_who_is_unknown_for_new() {
    let world = World::new(&[enters("joined", "here")]);
    let lines = [("a", "here"), ("b", "gone")];
    assert_eq!(imported(&world, Mode::ChangesAndNew, &lines), (2, 0, 1));
    assert_eq!(world.events(), ["a joined"]);
}

#[test]
fn an_import_keeps_the_order_of_one_identity_and_commits_in_batches() {
    let world = World::new(&[enters("left", "gone"), enters("back", "here")]);
    let lines = [("a", "here"), ("b", "here"), ("a", "gone"), ("a", "here"), ("b", "gone")];
    assert_eq!(imported(&world, Mode::Changes, &lines).2, 3);
    assert_eq!(world.events(), ["a left", "a back", "b left"]);

    let commits = || world.store.commits.load(Ordering::SeqCst);
    let before = commits();
    let ids: Vec<_> = (0..=3 * BATCH).map(|n| format!("n{n}")).collect();
    let many: Vec<_> = ids.iter().map(|id| (id.as_str(), "here")).collect();
    assert_eq!(imported(&world, Mode::Baseline, &many).0, 3 * BATCH as u64 + 1);
    assert_eq!(commits() - before, 4);
}

#[test]
fn an_import_that_broke_off_is_repeated_and_fires_once() {
    let world = World::new(&[enters("left", "gone")]);
    let (read, all) = (BATCH + 100, 2 * BATCH);
    let ids: Vec<_> = (0..all).map(|n| format!("n{n}")).collect();
    let lines = |s: &'static str| ids.iter().map(move |id| (id.as_str(), s)).collect::<Vec<_>>();
    imported(&world, Mode::Baseline, &lines("here"));
    let mut broken = world.monitor.import(Mode::Changes);
    block_on(async {
        for (id, s) in &lines("gone")[..read] {
            broken.push(report(id, json!({"id": id, "s": s}))).await.unwrap();
        }
    });
    let committed = BATCH as u64;
    assert_eq!(broken.progress().recorded, committed);
    drop(broken);
    let left = all as u64 - committed;
    assert_eq!(imported(&world, Mode::Changes, &lines("gone")), (left, committed, left));
    assert_eq!(world.events().len(), all);
}

#[test]
fn a_dry_run_says_what_would_be_sent_to_whom_and_does_nothing() {
    let world = World::new(&[]);
    let conditions = || conditions_of(&[enters("left", "gone"), enters("other", "else")]);
    let run = |before: &Value, after: Value| {
        let before: Map<String, Value> = before.as_object().unwrap().clone();
        block_on(world.monitor.dry_run(conditions(), before, &report("u", after))).unwrap()
    };
    let runs = run(&state("here"), state("gone"));
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].condition.as_str(), "left");
    assert_eq!(runs[0].event.as_ref().unwrap().members()["label"], "left");
    assert_eq!(runs[0].streams, [(world.stream.clone(), Explanation::Delivered)]);
    assert!(run(&state("gone"), state("gone")).is_empty());

    let stop = ssf_transmitter::stream::StreamStatus::Disabled;
    block_on(world.transmitter.set_status(&world.stream, stop, None)).unwrap();
    let stopped = Explanation::Stopped(StoppedBy::Status);
    assert_eq!(run(&state("here"), state("gone"))[0].streams, [(world.stream.clone(), stopped)]);
    assert!(run(&json!({"s": "here"}), json!({"s": "gone"}))[0].event.is_err());

    // Nothing is known afterwards, and nothing was kept.
    let first = world.upsert("u", state("gone"));
    assert_eq!((first.outcome, first.events.len()), (Outcome::Recorded, 0));
    assert!(world.failures().is_empty());
}

#[test]
fn what_is_to_be_a_digest_needs_a_key_and_is_not_stored() {
    let world = World::new(&[]);
    let mut condition = enters("cleared", "none");
    condition["emit"]["subject"]["id"] = json!("x");
    let document = json!({"version": 1, "digests": ["s"], "conditions": [condition]});
    let conditions = Conditions::parse(&document).unwrap();
    let refused = block_on(world.monitor.replace_conditions(1, conditions.clone()));
    assert!(matches!(refused, Err(MonitorError::NoDigestKey)));

    let key = DigestKey::new(&Secret::new("k".repeat(32))).unwrap();
    let monitor = world.monitor.clone().with_digest_key(key);
    block_on(monitor.replace_conditions(1, conditions)).unwrap();
    let tell = |s: &str| block_on(monitor.upsert(report("u", json!({"s": s})))).unwrap();
    tell("top-secret");
    let issuer = Issuer::parse("https://tr.example.com").unwrap();
    let id = [IdentityId::parse("u").unwrap()];
    let read = block_on(world.store.read_identities(&issuer, &id)).unwrap();
    let stored = serde_json::to_string(&*read.records[0].as_ref().unwrap().snapshot).unwrap();
    assert!(!stored.contains("top-secret"), "{stored}");
    assert_eq!(tell("none").events.len(), 1);
}

#[test]
fn futures_of_the_monitor_may_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let world = World::new(&[]);
    let monitor: &IdentityMonitor = &world.monitor;
    is_send(monitor.upsert(report("u", json!({}))));
    is_send(monitor.import(Mode::Baseline).finish());
    let removed = Report::removed(IdentityId::parse("u").unwrap());
    is_send(monitor.change(Map::new(), removed));
}
