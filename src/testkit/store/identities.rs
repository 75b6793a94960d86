//! The identities face: what is known of identities, the conditions, and what failed.

#![allow(missing_docs, reason = "a case is named by what it says")]

use std::sync::Arc;

use serde_json::json;

use super::bench::{IdentityBench, at, jti, jtis, sorted};
use super::dropped::{assert_atomic, seen};
use crate::id::{ConditionName, FailureId, IdempotencyKey, IdentityId, Jti};
use crate::lifecycle::Snapshot;
use crate::store::{
    Append, Committed, FailedEvent, IdentityCommit, IdentityWrite, Repeated, StoreError,
};

fn identity(text: &str) -> IdentityId {
    IdentityId::parse(text).unwrap()
}

fn failure_id(text: &str) -> FailureId {
    FailureId::parse(text).unwrap()
}

/// A snapshot of somebody of that name.
fn named(name: &str) -> Arc<Snapshot> {
    let known = json!({"/name": {"value": name}, "/left": "missing"});
    let snapshot = json!({"profile": "employees", "known": known});
    Arc::new(serde_json::from_value::<Snapshot>(snapshot).unwrap())
}

/// A first write, of an identity that nothing is known of.
fn write(of: &str, name: &str) -> IdentityWrite {
    IdentityWrite::new(identity(of), None, Some(7), named(name))
}

fn failure(id: &str, of: &str) -> FailedEvent {
    let condition = ConditionName::parse("left").unwrap();
    let (before, after) = (named("before"), named("after"));
    FailedEvent::new(failure_id(id), identity(of), condition, "why".into(), at(5), (before, after))
}

impl IdentityBench {
    /// An event for the poll stream `s`.
    fn event(&self, set: &str) -> Append {
        self.bench.event(&[("s", set)], "k", at(0))
    }

    async fn commit(&self, writes: Vec<IdentityWrite>) -> Result<Vec<Committed>, StoreError> {
        let commit = IdentityCommit::new(self.conditions().await, writes);
        self.store.commit_identities(&self.bench.issuer, commit).await
    }

    /// Commits one write that must be done.
    async fn put(&self, write: IdentityWrite) {
        let committed = self.commit(vec![write]).await.unwrap();
        assert!(matches!(committed[..], [Committed::Done(_)]), "{committed:?}");
    }

    /// The revision of the conditions.
    async fn conditions(&self) -> u64 {
        self.store.read_identities(&self.bench.issuer, &[]).await.unwrap().conditions
    }

    /// The revision and the snapshot of an identity, as JSON.
    async fn known(&self, of: &str) -> Option<(u64, String)> {
        let read = self.store.read_identities(&self.bench.issuer, &[identity(of)]).await.unwrap();
        let record = read.records.into_iter().next().flatten()?;
        Some((record.revision, serde_json::to_string(&*record.snapshot).unwrap()))
    }

    async fn revision(&self, of: &str) -> Option<u64> {
        self.known(of).await.map(|(revision, _)| revision)
    }

    async fn failures(&self) -> Vec<String> {
        let failures = self.store.list_failures(&self.bench.issuer, None, 99).await.unwrap();
        failures.iter().map(|failure| failure.id.to_string()).collect()
    }
}

pub async fn identities_1_identities_are_read_in_the_order_given(bench: &IdentityBench) {
    bench.put(write("a", "Ann")).await;
    bench.put(write("b", "Bob")).await;
    let names = ["b", "nobody", "a", "b"].map(identity);
    let read = bench.store.read_identities(&bench.bench.issuer, &names).await.unwrap();
    let found: Vec<_> = read.records.iter().map(|record| record.as_ref()).collect();
    assert!(matches!(found[..], [Some(_), None, Some(_), Some(_)]), "{found:?}");
    assert_eq!(*found[0].unwrap().snapshot, *named("Bob"));
    assert_eq!(*found[2].unwrap().snapshot, *named("Ann"));
    assert_eq!((found[2].unwrap().version, read.conditions), (Some(7), 0));
}

pub async fn identities_1_the_revision_of_the_conditions_is_read_with_them(bench: &IdentityBench) {
    let (store, issuer) = (&bench.store, &bench.bench.issuer);
    assert!(store.stored_conditions(issuer).await.unwrap().is_none());
    let revision = store.replace_conditions(issuer, 0, "[]".into()).await.unwrap();
    assert_eq!(bench.conditions().await, revision);
    let stored = store.stored_conditions(issuer).await.unwrap().unwrap();
    assert_eq!((stored.revision, &*stored.document), (revision, "[]"));
}

pub async fn identities_2_a_commit_under_other_conditions_does_nothing(bench: &IdentityBench) {
    bench.bench.poll_streams(&["s"]).await;
    let (store, issuer) = (&bench.store, &bench.bench.issuer);
    let revision = store.replace_conditions(issuer, 0, "[]".into()).await.unwrap();
    for conditions in [0, revision + 1] {
        let mut write = write("a", "Ann");
        write.appends = vec![bench.event("x")];
        write.failures = vec![failure("f", "a")];
        let commit = IdentityCommit::new(conditions, vec![write]);
        let error = store.commit_identities(issuer, commit).await;
        assert!(matches!(error, Err(StoreError::Conflict)), "{error:?}");
    }
    assert_eq!((bench.known("a").await, bench.failures().await.len()), (None, 0));
    assert_eq!(bench.bench.totals().await.accepted, 0);
}

pub async fn identities_3_a_write_happens_on_the_revision_it_was_decided_on(bench: &IdentityBench) {
    bench.bench.poll_streams(&["s"]).await;
    bench.put(write("a", "Ann")).await;
    let revision = bench.revision("a").await.unwrap();
    let mut late = write("a", "late");
    late.appends = vec![bench.event("late")];
    late.failures = vec![failure("f", "a")];
    let mut wrong = write("b", "wrong");
    wrong.expected = Some(revision);
    let right = write("c", "Cid");
    let committed = bench.commit(vec![late, wrong, right]).await.unwrap();
    assert!(
        matches!(committed[..], [Committed::Conflict, Committed::Conflict, Committed::Done(_)]),
        "{committed:?}"
    );
    assert_eq!(bench.revision("a").await, Some(revision));
    assert_eq!((bench.revision("b").await, bench.failures().await.len()), (None, 0));
    assert!(bench.revision("c").await.is_some(), "the other writes are not concerned");
    assert_eq!(bench.bench.totals().await.accepted, 0);
    let mut next = write("a", "Anne");
    next.expected = Some(revision);
    bench.put(next).await;
    let (now, snapshot) = bench.known("a").await.unwrap();
    assert!(now != revision && snapshot.contains("Anne"), "{now} {snapshot}");
}

pub async fn identities_3_of_writes_at_once_on_one_revision_one_happens(bench: &IdentityBench) {
    for _ in 0..5 {
        let bench = bench.afresh();
        bench.bench.poll_streams(&["s"]).await;
        let put = |n: usize| {
            let bench = bench.clone();
            async move {
                let mut write = write("a", &n.to_string());
                write.appends = vec![bench.event(&format!("j{n}"))];
                let commit = IdentityCommit::new(0, vec![write]);
                bench.store.commit_identities(&bench.bench.issuer, commit).await.unwrap()
            }
        };
        let results = bench.bench.together((0..6).map(put)).await.concat();
        let done = results.iter().filter(|result| matches!(result, Committed::Done(_)));
        assert_eq!(done.count(), 1, "{results:?}");
        assert_eq!(bench.bench.totals().await.accepted, 1);
    }
}

pub async fn identities_4_a_write_stores_what_it_means_in_its_order(bench: &IdentityBench) {
    bench.bench.poll_streams(&["s"]).await;
    let mut write = write("a", "Ann");
    let mut keyed = bench.event("one");
    keyed.idempotency_key = Some(IdempotencyKey::parse("once").unwrap());
    let skipped = bench.bench.event(&[("gone", "skipped")], "k", at(0));
    write.appends = vec![keyed.clone(), skipped, bench.event("two")];
    write.failures = vec![failure("f2", "a"), failure("f1", "a")];
    let committed = bench.commit(vec![write]).await.unwrap();
    let Some(Committed::Done(appended)) = committed.first() else {
        assert_eq!(format!("{committed:?}"), "done");
        return;
    };
    let accepted: Vec<usize> = appended.iter().map(|done| done.accepted.len()).collect();
    assert_eq!((accepted, appended[1].skipped.len()), (vec![1, 0, 1], 1));
    assert_eq!(jtis(&bench.bench.poll("s").await), ["one", "two"]);
    assert_eq!(bench.failures().await, ["f1", "f2"]);
    // Idempotency keys hold as they do for every append.
    let again = bench.bench.append(keyed).await;
    assert_eq!(again.repeated, Repeated::Yes);
}

/// All faces 2 too.
pub async fn identities_4_a_write_is_all_or_nothing(bench: &IdentityBench) {
    bench.bench.poll_streams(&["s"]).await;
    bench.bench.emit("s", "taken", "k", at(0)).await;
    let mut write = write("a", "Ann");
    write.appends = vec![bench.event("new"), bench.event("taken")];
    write.failures = vec![failure("f", "a")];
    let error = bench.commit(vec![write]).await;
    assert!(matches!(error, Err(StoreError::IdTaken)), "{error:?}");
    assert_eq!((bench.known("a").await, bench.failures().await.len()), (None, 0));
    assert_eq!(jtis(&bench.bench.poll("s").await), ["taken"]);
}

/// Nobody is taken for who was there before.
pub async fn identities_5_no_revision_comes_twice(bench: &IdentityBench) {
    let mut seen = Vec::new();
    for n in 0..6 {
        let mut write = write("a", &n.to_string());
        write.expected = bench.revision("a").await;
        bench.put(write).await;
        let revision = bench.revision("a").await.unwrap();
        assert!(!seen.contains(&revision), "{revision} after {seen:?}");
        seen.push(revision);
        if n % 2 == 1 {
            bench.store.forget_identity(&bench.bench.issuer, &identity("a")).await.unwrap();
        }
    }
}

/// Each in a transaction of its own, all at once, and each happens.
pub async fn identities_6_writes_of_different_identities_go_beside_each_other(
    bench: &IdentityBench,
) {
    bench.bench.poll_streams(&["s"]).await;
    let put = |n: usize| {
        let bench = bench.clone();
        async move {
            for i in 0..5 {
                let name = format!("{n}-{i}");
                let mut write = write(&name, &name);
                write.appends = vec![bench.event(&name)];
                bench.put(write).await;
            }
        }
    };
    bench.bench.together((0..6).map(put)).await;
    assert_eq!(bench.bench.poll("s").await.len(), 30);
    for n in 0..6 {
        assert!(bench.known(&format!("{n}-4")).await.is_some());
    }
}

pub async fn identities_7_conditions_are_replaced_by_compare_and_set(bench: &IdentityBench) {
    let (store, issuer) = (&bench.store, &bench.bench.issuer);
    let replace =
        async |expected, text: &str| store.replace_conditions(issuer, expected, text.into()).await;
    assert!(matches!(replace(1, "none").await, Err(StoreError::Conflict)));
    let first = replace(0, "one").await.unwrap();
    assert!(first > 0);
    assert!(matches!(replace(0, "late").await, Err(StoreError::Conflict)));
    let second = replace(first, "two \u{e9}'%").await.unwrap();
    assert!(second > first);
    assert!(matches!(replace(first, "late").await, Err(StoreError::Conflict)));
    let stored = store.stored_conditions(issuer).await.unwrap().unwrap();
    assert_eq!((stored.revision, &*stored.document), (second, "two \u{e9}'%"));
}

pub async fn identities_7_of_replacements_at_once_one_happens(bench: &IdentityBench) {
    let replace = |n: usize| {
        let bench = bench.clone();
        let document = n.to_string().into();
        async move { bench.store.replace_conditions(&bench.bench.issuer, 0, document).await }
    };
    let results = bench.bench.together((0..6).map(replace)).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
}

/// In the order of the bytes of their identifiers.
pub async fn identities_8_failures_come_in_pages(bench: &IdentityBench) {
    let ids = ["B", "a", "a-", "\u{e9}", "b", "%"];
    let mut write = write("x", "X");
    write.failures = ids.iter().map(|id| failure(id, "x")).collect();
    bench.put(write).await;
    let mut all: Vec<String> = Vec::new();
    for _ in 0..99 {
        let after = all.last().map(|last| failure_id(last));
        let (store, issuer) = (&bench.store, &bench.bench.issuer);
        let page = store.list_failures(issuer, after.as_ref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        all.extend(page.iter().map(|failure| failure.id.to_string()));
    }
    assert_eq!(all, ["%", "B", "a", "a-", "b", "\u{e9}"]);
}

pub async fn identities_8_a_failure_is_read_as_it_was_written(bench: &IdentityBench) {
    let (store, issuer) = (&bench.store, &bench.bench.issuer);
    let mut write = write("x", "X");
    write.failures = vec![failure("f", "x")];
    bench.put(write).await;
    let listed = store.list_failures(issuer, None, 9).await.unwrap().remove(0);
    let read = store.read_failure(issuer, &failure_id("f")).await.unwrap().unwrap();
    for found in [listed, read] {
        assert_eq!((found.identity, found.at), (identity("x"), at(5)));
        assert_eq!((found.condition.as_str(), &*found.reason), ("left", "why"));
        assert_eq!((&*found.before, &*found.after), (&*named("before"), &*named("after")));
    }
    assert!(store.read_failure(issuer, &failure_id("F")).await.unwrap().is_none());
}

pub async fn identities_9_the_end_of_a_failure_stores_its_events(bench: &IdentityBench) {
    bench.bench.poll_streams(&["s"]).await;
    let mut write = write("x", "X");
    write.failures = vec![failure("f", "x"), failure("g", "x")];
    bench.put(write).await;
    let (store, issuer) = (&bench.store, &bench.bench.issuer);
    let end = async |id: &str, sets: &[&str]| {
        let appends = sets.iter().map(|set| bench.event(set)).collect();
        let ended = store.end_failure(issuer, &failure_id(id), appends).await;
        ended.map(|ended| ended.map(|appended| appended.len()))
    };
    assert_eq!(end("never", &["x"]).await.unwrap(), None);
    assert_eq!(end("f", &["one", "two"]).await.unwrap(), Some(2));
    assert_eq!(end("f", &["again"]).await.unwrap(), None, "somebody was there first");
    assert!(matches!(end("g", &["one"]).await, Err(StoreError::IdTaken)));
    assert_eq!(bench.failures().await, ["g"], "nothing is done by halves");
    assert_eq!(jtis(&bench.bench.poll("s").await), ["one", "two"]);
    assert_eq!(end("g", &[]).await.unwrap(), Some(0));
    assert_eq!(bench.failures().await, [""; 0]);
}

pub async fn identities_9_of_ends_at_once_one_happens(bench: &IdentityBench) {
    bench.bench.poll_streams(&["s"]).await;
    let mut write = write("x", "X");
    write.failures = vec![failure("f", "x")];
    bench.put(write).await;
    let end = |n: usize| {
        let bench = bench.clone();
        async move {
            let appends = vec![bench.event(&format!("j{n}"))];
            let (store, issuer) = (&bench.store, &bench.bench.issuer);
            store.end_failure(issuer, &failure_id("f"), appends).await.unwrap()
        }
    };
    let results = bench.bench.together((0..6).map(end)).await;
    assert_eq!(results.iter().filter(|result| result.is_some()).count(), 1, "{results:?}");
    assert_eq!(bench.bench.totals().await.accepted, 1);
}

pub async fn identities_10_a_forgotten_identity_leaves_nothing(bench: &IdentityBench) {
    for of in ["a", "A"] {
        let mut write = write(of, of);
        write.failures = vec![failure(&format!("of {of}"), of)];
        bench.put(write).await;
    }
    for _ in 0..2 {
        bench.store.forget_identity(&bench.bench.issuer, &identity("a")).await.unwrap();
        assert_eq!(bench.known("a").await, None);
        assert_eq!(bench.failures().await, ["of A"]);
    }
    assert!(bench.known("A").await.is_some());
}

/// All faces 4 too: issuers with the same names do not meet.
pub async fn identities_11_nothing_of_another_issuer_is_reached(bench: &IdentityBench) {
    let (other, store) = (bench.afresh(), &bench.store);
    let mut ours = write("a", "Ann");
    ours.failures = vec![failure("f", "a")];
    bench.put(ours).await;
    store.replace_conditions(&bench.bench.issuer, 0, "ours".into()).await.unwrap();
    let issuer = &other.bench.issuer;
    assert_eq!((other.known("a").await, other.conditions().await), (None, 0));
    assert!(store.stored_conditions(issuer).await.unwrap().is_none());
    assert_eq!(other.failures().await.len(), 0);
    assert!(store.read_failure(issuer, &failure_id("f")).await.unwrap().is_none());
    assert_eq!(store.end_failure(issuer, &failure_id("f"), vec![]).await.unwrap(), None);
    store.forget_identity(issuer, &identity("a")).await.unwrap();
    let mut theirs = write("a", "theirs");
    theirs.failures = vec![failure("f", "a")];
    other.put(theirs).await;
    assert!(bench.known("a").await.unwrap().1.contains("Ann"));
    store.forget_identity(issuer, &identity("a")).await.unwrap();
    assert_eq!(bench.failures().await, ["f"]);
    assert!(bench.conditions().await > 0);
}

pub async fn identities_11_no_debug_form_shows_values(bench: &IdentityBench) {
    let mut write = write("a", "Hildegard");
    write.failures = vec![failure("f", "a")];
    bench.put(write).await;
    let (store, issuer) = (&bench.store, &bench.bench.issuer);
    let read = store.read_identities(issuer, &[identity("a")]).await.unwrap();
    let failures = store.list_failures(issuer, None, 9).await.unwrap();
    let shown = format!("{store:?} {read:?} {failures:?}");
    assert!(!shown.contains("Hildegard") && !shown.contains("before\""), "{shown}");
}

/// An identity with a failure, and a stream for events.
async fn one_known(bench: &IdentityBench) {
    bench.bench.poll_streams(&["s"]).await;
    let mut write = write("x", "X");
    write.failures = vec![failure("f", "x")];
    bench.put(write).await;
}

/// All that there is to see. Revisions are the store's own.
async fn all_known(bench: &IdentityBench) -> String {
    let mut known = Vec::new();
    for of in ["a", "x"] {
        known.push(bench.known(of).await.map(|(_, snapshot)| snapshot));
    }
    let conditions = bench.store.stored_conditions(&bench.bench.issuer).await.unwrap();
    let document = conditions.map(|stored| stored.document);
    let streams = seen(&bench.bench).await;
    format!("{known:?} {:?} {document:?} {streams}", bench.failures().await)
}

pub async fn all_faces_2_commit_identities_is_atomic(bench: &IdentityBench) {
    let commit = async |bench: &IdentityBench, ()| {
        let mut write = write("a", "Ann");
        write.appends = vec![bench.event("one"), bench.event("two")];
        write.failures = vec![failure("g", "a")];
        bench.put(write).await;
    };
    assert_atomic(bench, one_known, commit, all_known).await;
}

pub async fn all_faces_2_replace_conditions_is_atomic(bench: &IdentityBench) {
    let replace = async |bench: &IdentityBench, ()| {
        bench.store.replace_conditions(&bench.bench.issuer, 0, "new".into()).await.unwrap();
    };
    assert_atomic(bench, one_known, replace, all_known).await;
}

pub async fn all_faces_2_end_failure_is_atomic(bench: &IdentityBench) {
    let end = async |bench: &IdentityBench, ()| {
        let appends = vec![bench.event("one"), bench.event("two")];
        bench.store.end_failure(&bench.bench.issuer, &failure_id("f"), appends).await.unwrap();
    };
    assert_atomic(bench, one_known, end, all_known).await;
}

pub async fn all_faces_2_forget_identity_is_atomic(bench: &IdentityBench) {
    let forget = async |bench: &IdentityBench, ()| {
        bench.store.forget_identity(&bench.bench.issuer, &identity("x")).await.unwrap();
    };
    assert_atomic(bench, one_known, forget, all_known).await;
}

/// An emission and a commit at once do not lose each other.
pub async fn identities_4_commits_and_emissions_at_once_all_count(bench: &IdentityBench) {
    bench.bench.poll_streams(&["s"]).await;
    let act = |n: usize| {
        let bench = bench.clone();
        async move {
            for i in 0..5 {
                let set = format!("{n}-{i}");
                if n.is_multiple_of(2) {
                    bench.bench.emit("s", &set, "k", at(0)).await;
                } else {
                    let mut write = write(&set, &set);
                    write.appends = vec![bench.event(&set)];
                    bench.put(write).await;
                }
            }
        }
    };
    bench.bench.together((0..4).map(act)).await;
    let polled = bench.bench.poll("s").await;
    let mut expected: Vec<Jti> =
        (0..4).flat_map(|n| (0..5).map(move |i| jti(&format!("{n}-{i}")))).collect();
    expected.sort();
    assert_eq!(sorted(&polled), expected.iter().map(Jti::as_str).collect::<Vec<_>>());
}
