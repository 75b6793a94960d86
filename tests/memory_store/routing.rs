//! Random histories of streams and subjects, while time goes on: the candidates are those that the
//! rules name, applied to every stream in turn, and so is the interest of each stream.
//!
//! The rules are written down here a second time, over JSON, for the index to be held against.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Map, Value, json};
use ssf_transmitter::event::types;
use ssf_transmitter::id::EventType;
use ssf_transmitter::routing::Interest;
use ssf_transmitter::routing::keys::MOST_OWN_PATTERNS;
use ssf_transmitter::store::{Candidate, CandidateQuery, Outbox, ReceiverStore, SubjectChange};
use ssf_transmitter::stream::{DefaultSubjects, StatusSetBy, StreamStatus};
use ssf_transmitter::subject::Subject;
use ssf_transmitter::testkit::block_on;

use crate::bench::{Bench, at, id, issuer, record, rp};

const STREAMS: [&str; 3] = ["s1", "s2", "s3"];

/// The stream that uses up the places for names of the receivers' own.
const CROWDING: &str = "s4";

#[derive(Clone, Debug)]
enum Step {
    Create {
        stream: &'static str,
        default: DefaultSubjects,
        types: Vec<EventType>,
    },
    Delete(&'static str),
    Add(&'static str, Value),
    Remove(&'static str, Value),
    /// Removes it so many seconds later.
    RemoveLater(&'static str, Value, i64),
    /// Time goes on, by so many seconds.
    Wait(i64),
    /// Undoes an earlier change.
    TakeBack(&'static str, Index),
    DeliverTypes(&'static str, Vec<EventType>),
    SetStatus(&'static str, StreamStatus),
    Emit(EventType, Value),
}

fn step() -> impl Strategy<Value = Step> {
    let stream = || select(&STREAMS[..]);
    let default = select(vec![DefaultSubjects::All, DefaultSubjects::None]);
    let status = select(vec![StreamStatus::Enabled, StreamStatus::Paused, StreamStatus::Disabled]);
    prop_oneof![
        3 => (stream(), default, delivered())
            .prop_map(|(stream, default, types)| Step::Create { stream, default, types }),
        1 => stream().prop_map(Step::Delete),
        6 => (stream(), subject()).prop_map(|(stream, subject)| Step::Add(stream, subject)),
        3 => (stream(), subject()).prop_map(|(stream, subject)| Step::Remove(stream, subject)),
        2 => (stream(), subject(), 0..20_i64)
            .prop_map(|(stream, subject, delay)| Step::RemoveLater(stream, subject, delay)),
        2 => (0..20_i64).prop_map(Step::Wait),
        2 => (stream(), any::<Index>()).prop_map(|(stream, n)| Step::TakeBack(stream, n)),
        1 => (stream(), delivered()).prop_map(|(stream, types)| Step::DeliverTypes(stream, types)),
        1 => (stream(), status).prop_map(|(stream, status)| Step::SetStatus(stream, status)),
        8 => (select(event_types()), subject()).prop_map(|(of, about)| Step::Emit(of, about)),
    ]
}

fn event_types() -> Vec<EventType> {
    vec![types::session_revoked(), types::credential_change()]
}

fn delivered() -> impl Strategy<Value = Vec<EventType>> {
    prop_oneof![3 => Just(event_types()), 1 => subsequence(event_types(), 0..=2)]
}

/// Subjects of few values, so that they often meet; complex ones have one to eight members, some
/// under names of the receivers' own.
fn subject() -> impl Strategy<Value = Value> {
    let aliases = prop::collection::vec(simple(), 1..4);
    let names = vec![
        "application",
        "branch",
        "device",
        "group",
        "org_unit",
        "session",
        "tenant",
        "user",
        "x",
        "y",
    ];
    let member = prop_oneof![5 => Just(json!({"format": "opaque", "id": "1"})), 1 => simple()];
    let members = prop::collection::btree_map(select(names), member, 1..9);
    prop_oneof![
        2 => simple(),
        1 => aliases.prop_map(|all| {
            let mut different: Vec<Value> = Vec::new();
            for identifier in all {
                if !different.iter().any(|other| identical(other, &identifier)) {
                    different.push(identifier);
                }
            }
            json!({"format": "aliases", "identifiers": different})
        }),
        5 => members.prop_map(complex),
    ]
}

fn complex<N: AsRef<str>>(members: impl IntoIterator<Item = (N, Value)>) -> Value {
    let mut object = json!({"format": "complex"});
    for (name, member) in members {
        object[name.as_ref()] = member;
    }
    object
}

fn simple() -> impl Strategy<Value = Value> {
    let opaque = |id: &str| json!({"format": "opaque", "id": id});
    let addresses = |all: &[&str]| json!({"format": "ip-addresses", "ip-addresses": all});
    prop_oneof![
        6 => select(vec![opaque("1"), opaque("2")]),
        // What the SETs of the streams themselves are about.
        1 => select(STREAMS.map(opaque).to_vec()),
        2 => select(vec![
            json!({"format": "email", "email": "user@example.com"}),
            json!({"format": "email", "email": "user@EXAMPLE.com"}),
            json!({"format": "iss_sub", "iss": "https://idp.example.com/", "sub": "1"}),
            json!({"format": "x:y", "id": "1"}),
            addresses(&["10.0.0.1", "2001:0db8::1"]),
            addresses(&["2001:db8::1", "10.0.0.1", "10.0.0.1"]),
        ]),
    ]
}

/// One stream as the rules see it.
struct Expected {
    default: DefaultSubjects,
    types: Vec<EventType>,
    status: StreamStatus,
    /// What was removed from a stream that began with all, or added to one that began with none.
    listed: Vec<Value>,
    /// What is removed later, and when.
    later: Vec<(i64, Value)>,
}

impl Expected {
    fn add(&mut self, subject: &Value) {
        self.later.retain(|(_, later)| !identical(later, subject));
        match self.default {
            DefaultSubjects::None => self.list(subject),
            _ => self.unlist(subject),
        }
    }

    fn remove(&mut self, subject: &Value) {
        self.later.retain(|(_, later)| !identical(later, subject));
        match self.default {
            DefaultSubjects::None => self.unlist(subject),
            _ => self.list(subject),
        }
    }

    /// What is to be removed already keeps its time.
    fn remove_later(&mut self, subject: &Value, at: i64) {
        if !self.later.iter().any(|(_, later)| identical(later, subject)) {
            self.later.push((at, subject.clone()));
        }
    }

    fn settle(&mut self, now: i64) {
        let due = self.later.extract_if(.., |(at, _)| *at <= now).collect::<Vec<_>>();
        due.iter().for_each(|(_, subject)| self.remove(subject));
    }

    fn list(&mut self, subject: &Value) {
        if !self.listed.iter().any(|listed| identical(listed, subject)) {
            self.listed.push(subject.clone());
        }
    }

    fn unlist(&mut self, subject: &Value) {
        self.listed.retain(|listed| !identical(listed, subject));
    }

    /// Whether the stream has the subject among its own.
    fn has(&self, name: &str, about: &Value) -> bool {
        match self.default {
            // A stream always has its own subject (SSF 1.0 §8.1.4.1).
            _ if identical(about, &own_subject(name)) => true,
            DefaultSubjects::None => self.listed.iter().any(|added| includes(added, about)),
            _ => !self.listed.iter().any(|removed| excludes(removed, about)),
        }
    }

    /// Outbox 1.
    fn wants(&self, name: &str, event_type: &EventType, about: &Value) -> bool {
        let takes = self.status != StreamStatus::Disabled && self.types.contains(event_type);
        takes && self.has(name, about)
    }
}

fn own_subject(stream: &str) -> Value {
    json!({"format": "opaque", "id": stream})
}

/// SSF 1.0 §8.1.3.1, with the erratum of issue 312: two complex subjects have something in common.
fn includes(added: &Value, event: &Value) -> bool {
    match (members(added), members(event)) {
        (Some(added), Some(event)) => {
            let mut both = added.iter().filter_map(|(name, one)| Some((*one, *event.get(name)?)));
            both.clone().count() > 0 && both.all(|(one, other)| identical(one, other))
        }
        (None, None) => meet(added, event),
        _ => false,
    }
}

/// A removal silences the events that have all that was removed.
fn excludes(removed: &Value, event: &Value) -> bool {
    match (members(removed), members(event)) {
        (Some(removed), Some(event)) => removed
            .iter()
            .all(|(name, one)| event.get(name).is_some_and(|other| identical(one, other))),
        (None, None) => meet(removed, event),
        _ => false,
    }
}

fn members(subject: &Value) -> Option<BTreeMap<&str, &Value>> {
    let object = subject.as_object().filter(|object| object["format"] == "complex")?;
    let members = object.iter().filter(|(name, _)| *name != "format");
    Some(members.map(|(name, member)| (name.as_str(), member)).collect())
}

/// Whether two subjects that are not complex have an identifier in common.
fn meet(one: &Value, other: &Value) -> bool {
    let others = identifiers(other);
    identifiers(one).iter().any(|one| others.iter().any(|other| identical(one, other)))
}

fn identifiers(subject: &Value) -> Vec<&Value> {
    match subject["identifiers"].as_array() {
        Some(identifiers) => identifiers.iter().collect(),
        None => vec![subject],
    }
}

/// Identical byte by byte, addresses as a set of addresses, whatever the order of members.
fn identical(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) if is_addresses(one) && is_addresses(other) => {
            addresses(one) == addresses(other)
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| {
                    other.get(name).is_some_and(|other| identical(value, other))
                })
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, two)| identical(one, two))
        }
        _ => one == other,
    }
}

fn is_addresses(object: &Map<String, Value>) -> bool {
    object.get("format").is_some_and(|format| format == "ip-addresses")
}

fn addresses(object: &Map<String, Value>) -> BTreeSet<IpAddr> {
    let texts = object["ip-addresses"].as_array().unwrap().iter();
    texts.map(|text| text.as_str().unwrap().parse().unwrap()).collect()
}

/// The store, and what its streams should want.
struct World {
    bench: Bench,
    streams: BTreeMap<&'static str, Expected>,
    now: i64,
}

impl World {
    async fn take(&mut self, step: Step) {
        match step {
            Step::Create { stream, default, types } => self.create(stream, default, types).await,
            Step::Delete(stream) => {
                let deleted = self.bench.store.delete_stream(&issuer(), &rp(), &id(stream)).await;
                assert_eq!(deleted.is_ok(), self.streams.remove(stream).is_some());
            }
            Step::Add(stream, subject) => self.add(stream, subject).await,
            Step::Remove(stream, subject) => self.remove(stream, subject).await,
            Step::RemoveLater(stream, subject, delay) => {
                self.remove_later(stream, subject, self.now + delay).await;
            }
            Step::Wait(seconds) => {
                self.now += seconds;
                self.streams.values_mut().for_each(|stream| stream.settle(self.now));
            }
            Step::TakeBack(stream, nth) => {
                let Some(Expected { default, listed, .. }) = self.streams.get(stream) else {
                    return;
                };
                if listed.is_empty() {
                    return;
                }
                let subject = nth.get(listed).clone();
                match default {
                    DefaultSubjects::None => self.remove(stream, subject).await,
                    _ => self.add(stream, subject).await,
                }
            }
            Step::DeliverTypes(stream, types) => {
                let Some(expected) = self.streams.get_mut(stream) else { return };
                expected.types.clone_from(&types);
                self.bench.change(stream, |record| record.events_delivered = types).await;
            }
            Step::SetStatus(stream, status) => {
                let Some(expected) = self.streams.get_mut(stream) else { return };
                expected.status = status;
                self.bench.set_status(stream, status, StatusSetBy::Receiver).await;
            }
            Step::Emit(event_type, about) => self.emit(event_type, &about).await,
        }
    }

    async fn create(
        &mut self,
        stream: &'static str,
        default: DefaultSubjects,
        types: Vec<EventType>,
    ) {
        if self.streams.contains_key(stream) {
            return;
        }
        let mut record = record(stream);
        record.default_subjects = default;
        record.events_delivered.clone_from(&types);
        self.bench.create(record).await;
        let status = StreamStatus::Enabled;
        let (listed, later) = (Vec::new(), Vec::new());
        let expected = Expected { default, types, status, listed, later };
        self.streams.insert(stream, expected);
    }

    async fn add(&mut self, stream: &'static str, subject: Value) {
        let Some(expected) = self.streams.get_mut(stream) else { return };
        expected.add(&subject);
        let added = Subject::parse(&subject).unwrap();
        self.bench.change_subject(stream, SubjectChange::Add(added)).await;
    }

    async fn remove(&mut self, stream: &'static str, subject: Value) {
        let Some(expected) = self.streams.get_mut(stream) else { return };
        // The subject of the stream itself cannot be refused.
        if subject != own_subject(stream) {
            expected.remove(&subject);
        }
        let removed = Subject::parse(&subject).unwrap();
        self.bench.change_subject(stream, SubjectChange::Remove(removed)).await;
    }

    async fn remove_later(&mut self, stream: &'static str, subject: Value, time: i64) {
        let Some(expected) = self.streams.get_mut(stream) else { return };
        if subject != own_subject(stream) {
            expected.remove_later(&subject, time);
            expected.settle(self.now);
        }
        let subject = Subject::parse(&subject).unwrap();
        let change = SubjectChange::RemoveLater { subject, at: at(time) };
        self.bench.change_subject(stream, change).await;
    }

    async fn emit(&self, event_type: EventType, about: &Value) {
        let (store, now) = (&self.bench.store, at(self.now));
        let subject = Subject::parse(about).unwrap();
        let query = CandidateQuery::new(issuer(), event_type.clone(), subject.clone(), now);
        let mut found = store.outbox().candidates(&query).await.unwrap();
        found.sort_by(|one, other| one.stream_id.cmp(&other.stream_id));
        let wanting = self.streams.iter().filter(|(name, s)| s.wants(name, &event_type, about));
        let candidate = |stream| Candidate::new(id(stream), rp());
        let expected: Vec<_> = wanting.map(|(stream, _)| candidate(stream)).collect();
        assert_eq!(found, expected, "about {about}");
        for (stream, expected) in &self.streams {
            let interest = store.interest(&issuer(), &id(stream), &subject, now).await.unwrap();
            let has = interest == Interest::Wanted;
            assert_eq!(has, expected.has(stream, about), "{stream} about {about}");
        }
    }

    /// Lets a stream list subjects under so many sets of names of its own that no further set gets a
    /// place in the index.
    async fn crowd(&mut self, default: DefaultSubjects) {
        self.create(CROWDING, default, event_types()).await;
        for nth in 0..MOST_OWN_PATTERNS {
            let names = ["tenant".to_owned(), format!("name-{nth}")];
            let one = || json!({"format": "opaque", "id": "1"});
            let subject = complex(names.map(|name| (name, one())));
            match default {
                DefaultSubjects::None => self.add(CROWDING, subject).await,
                _ => self.remove(CROWDING, subject).await,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_candidates_are_those_that_the_rules_name(
        default in select(vec![DefaultSubjects::All, DefaultSubjects::None]),
        crowded in prop::bool::weighted(0.05),
        steps in prop::collection::vec(step(), 1..16),
        last in subject(),
    ) {
        block_on(async {
            let mut world = World { bench: Bench::new(), streams: BTreeMap::new(), now: 0 };
            if crowded {
                world.crowd(default).await;
            }
            world.create("s1", default, event_types()).await;
            for step in steps {
                world.take(step).await;
            }
            world.emit(types::session_revoked(), &last).await;
        });
    }
}
