//! The receiver face: the subjects of a stream (SSF 1.0 §8.1.3).

#![allow(missing_docs, reason = "a case is named by what it says")]

use super::bench::{Bench, at, id, rp, subject};
use crate::routing::Interest;
use crate::store::{StoreError, SubjectChange};
use crate::stream::DefaultSubjects;
use crate::subject::Subject;

fn later(text: &str, seconds: i64) -> SubjectChange {
    SubjectChange::RemoveLater { subject: subject(text), at: at(seconds) }
}

/// A stream that began with no subjects.
async fn without_subjects(bench: &Bench, stream: &str) {
    let mut record = bench.record(stream);
    record.default_subjects = DefaultSubjects::None;
    bench.create(record).await;
}

pub async fn receiver_6_on_a_stream_with_all_subjects_a_removal_excludes_until_it_is_cancelled(
    bench: &Bench,
) {
    bench.streams(&["s"]).await;
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

pub async fn receiver_6_on_a_stream_without_subjects_an_addition_includes_until_it_is_deleted(
    bench: &Bench,
) {
    without_subjects(bench, "s").await;
    for _ in 0..2 {
        bench.change_subject("s", SubjectChange::Add(subject("x"))).await;
        assert_eq!(bench.interested(&subject("x")).await, ["s"]);
        assert_eq!(bench.interested(&subject("y")).await, [""; 0]);
    }
    for _ in 0..2 {
        bench.change_subject("s", SubjectChange::Remove(subject("x"))).await;
        assert_eq!(bench.interested(&subject("x")).await, [""; 0]);
    }
}

pub async fn receiver_6_a_change_concerns_one_stream(bench: &Bench) {
    bench.streams(&["s", "t"]).await;
    bench.change_subject("s", SubjectChange::Remove(subject("x"))).await;
    assert_eq!(bench.interested(&subject("x")).await, ["t"]);
    without_subjects(bench, "u").await;
    without_subjects(bench, "v").await;
    bench.change_subject("v", SubjectChange::Add(subject("y"))).await;
    assert_eq!(bench.interested(&subject("y")).await, ["s", "t", "v"]);
}

pub async fn receiver_6_a_stream_lists_at_most_so_many_subjects(bench: &Bench) {
    bench.streams(&["all"]).await;
    without_subjects(bench, "none").await;
    let add = SubjectChange::Add as fn(Subject) -> SubjectChange;
    let remove = SubjectChange::Remove as fn(Subject) -> SubjectChange;
    let later = |text| later(text, 1_000);
    let changed = async |stream, change| {
        let (issuer, stream) = (&bench.issuer, id(stream));
        let changed = bench.store.change_subject(issuer, &rp(), &stream, change, 2).await;
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
    assert!(!changed("all", later("x")).await);
    assert!(changed("all", add(subject("y"))).await);
    assert!(changed("all", later("x")).await && changed("all", later("x")).await);
    assert!(changed("all", later("z")).await && !changed("all", remove(subject("y"))).await);
    assert!(changed("all", remove(subject("x"))).await);
    assert!(changed("none", later("z")).await && !changed("none", add(subject("x"))).await);
}

/// SSF 1.0 §8.1.3.3.
pub async fn receiver_6_a_later_removal_of_what_was_never_added_is_nothing(bench: &Bench) {
    without_subjects(bench, "s").await;
    bench.change_subject("s", later("x", 10)).await;
    bench.change_subject("s", SubjectChange::Add(subject("y"))).await;
    assert_eq!(bench.interested_at(&subject("x"), at(10)).await, [""; 0]);
    bench.change_subject("s", SubjectChange::Add(subject("x"))).await;
    for about in ["x", "y"] {
        assert_eq!(bench.interested_at(&subject(about), at(20)).await, ["s"]);
    }
}

/// What differs in its case or its spaces is another subject.
pub async fn receiver_6_a_subject_is_compared_as_it_is(bench: &Bench) {
    bench.streams(&["s"]).await;
    let alike = ["x", "X", "x ", "%", "_", "'", "\u{e9}", "e\u{301}"];
    for removed in alike {
        bench.change_subject("s", SubjectChange::Remove(subject(removed))).await;
        for other in alike.iter().filter(|other| **other != removed) {
            assert_eq!(bench.interested(&subject(other)).await, ["s"], "{removed:?} {other:?}");
        }
        bench.change_subject("s", SubjectChange::Add(subject(removed))).await;
    }
}

/// SSF 1.0 §8.1.4.1: control SETs have the stream as their subject.
pub async fn receiver_6_the_subject_of_the_stream_itself_cannot_be_removed(bench: &Bench) {
    bench.streams(&["s"]).await;
    let own = Subject::of_stream(&id("s"));
    bench.change_subject("s", SubjectChange::Remove(own.clone())).await;
    assert_eq!(bench.interested(&own).await, ["s"]);
}

/// SSF 1.0 §9.3.
pub async fn receiver_6_a_later_removal_takes_effect_at_its_time(bench: &Bench) {
    bench.streams(&["all"]).await;
    without_subjects(bench, "none").await;
    bench.change_subject("none", SubjectChange::Add(subject("x"))).await;
    for stream in ["all", "none"] {
        bench.change_subject(stream, later("x", 10)).await;
    }
    assert_eq!(bench.interested_at(&subject("x"), at(9)).await, ["all", "none"]);
    assert_eq!(bench.interested_at(&subject("x"), at(10)).await, [""; 0]);
    assert_eq!(bench.interested_at(&subject("y"), at(10)).await, ["all"]);
}

/// SSF 1.0 §9.3.
pub async fn receiver_6_an_addition_meanwhile_cancels_a_later_removal(bench: &Bench) {
    bench.streams(&["all"]).await;
    without_subjects(bench, "none").await;
    for stream in ["all", "none"] {
        bench.change_subject(stream, SubjectChange::Add(subject("x"))).await;
        bench.change_subject(stream, later("x", 10)).await;
        bench.change_subject(stream, SubjectChange::Add(subject("x"))).await;
    }
    assert_eq!(bench.interested_at(&subject("x"), at(10)).await, ["all", "none"]);
}

pub async fn receiver_6_an_addition_after_a_later_removal_took_effect_counts(bench: &Bench) {
    bench.streams(&["all"]).await;
    without_subjects(bench, "none").await;
    for stream in ["all", "none"] {
        bench.change_subject(stream, SubjectChange::Add(subject("x"))).await;
        bench.change_subject(stream, later("x", 10)).await;
    }
    assert_eq!(bench.interested_at(&subject("x"), at(11)).await, [""; 0]);
    for stream in ["all", "none"] {
        bench.change_subject(stream, SubjectChange::Add(subject("x"))).await;
    }
    assert_eq!(bench.interested_at(&subject("x"), at(12)).await, ["all", "none"]);
}

pub async fn operator_3_interest_says_what_an_emission_at_that_time_finds(bench: &Bench) {
    bench.streams(&["all"]).await;
    without_subjects(bench, "none").await;
    bench.change_subject("all", SubjectChange::Remove(subject("x"))).await;
    bench.change_subject("none", SubjectChange::Add(subject("x"))).await;
    bench.change_subject("none", later("x", 10)).await;
    let interest = async |stream: &str, about: &Subject, now| {
        bench.store.interest(&bench.issuer, &id(stream), about, at(now)).await.unwrap()
    };
    let (x, y) = (subject("x"), subject("y"));
    for (stream, about, now, expected) in [
        ("all", &x, 0, Interest::NotWanted),
        ("all", &y, 0, Interest::Wanted),
        ("none", &x, 9, Interest::Wanted),
        ("none", &y, 9, Interest::NotWanted),
        ("none", &x, 10, Interest::NotWanted),
    ] {
        assert_eq!(interest(stream, about, now).await, expected, "{stream} {about:?} {now}");
    }
    let own = Subject::of_stream(&id("none"));
    assert_eq!(interest("none", &own, 0).await, Interest::Wanted);
    // Whatever its status: this says what its receiver chose.
    let gone = bench.store.interest(&bench.issuer, &id("gone"), &x, at(0)).await;
    assert!(matches!(gone, Err(StoreError::NotFound)), "{gone:?}");
}
