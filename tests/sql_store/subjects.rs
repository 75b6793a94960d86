//! Which streams want an event: the keys find what the rules say.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use ssf_transmitter::id::Issuer;
use ssf_transmitter::routing::{Interest, selects};
use ssf_transmitter::store::sqlite::SqliteStore;
use ssf_transmitter::store::{
    CandidateQuery, OperatorStore, ReceiverStore, StreamStore, SubjectChange,
};
use ssf_transmitter::stream::DefaultSubjects;
use ssf_transmitter::subject::{SimpleSubject, Subject};

use crate::world::{Folder, at, create, event_type, id, issuer, owner, record};

#[derive(Clone, Debug)]
enum Step {
    Add(usize, Subject),
    Remove(usize, Subject),
    RemoveLater(usize, Subject, i64),
    Look(Subject),
}

/// What a stream lists, from when and until when it counts.
#[derive(Clone, Debug)]
struct Listed {
    subject: Subject,
    from: i64,
    until: i64,
}

/// The streams, with the subjects they began with.
const STREAMS: [(&str, DefaultSubjects); 4] = [
    ("a", DefaultSubjects::All),
    ("b", DefaultSubjects::All),
    ("n", DefaultSubjects::None),
    ("o", DefaultSubjects::None),
];

fn simple() -> impl Strategy<Value = SimpleSubject> {
    (0..3).prop_map(|n| SimpleSubject::opaque(format!("{n}")).unwrap())
}

fn subject() -> impl Strategy<Value = Subject> {
    let names = ["user", "tenant", "device", "session", "group", "x", "y", "z"];
    let complex = prop::sample::subsequence(names.to_vec(), 1..=7).prop_flat_map(|names| {
        prop::collection::vec(simple(), names.len())
            .prop_map(move |values| Subject::complex(names.iter().copied().zip(values)).unwrap())
    });
    prop_oneof![
        2 => simple().prop_map(Subject::from),
        1 => prop::sample::subsequence(vec!["0", "1", "2"], 1..=2).prop_map(|ids| {
            Subject::aliases(ids.iter().map(|id| SimpleSubject::opaque(id).unwrap())).unwrap()
        }),
        4 => complex,
    ]
}

/// Steps over few subjects, so that they meet.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(subject(), 2..6).prop_flat_map(|subjects| {
        let subject = || prop::sample::select(subjects.clone());
        let stream = || 0..STREAMS.len();
        let step = prop_oneof![
            3 => (stream(), subject()).prop_map(|(stream, it)| Step::Add(stream, it)),
            2 => (stream(), subject()).prop_map(|(stream, it)| Step::Remove(stream, it)),
            2 => (stream(), subject(), 0..40_i64).prop_map(|(s, it, at)| Step::RemoveLater(s, it, at)),
            3 => prop_oneof![subject().boxed(), self::subject().boxed()].prop_map(Step::Look),
        ];
        prop::collection::vec(step, 1..40)
    })
}

/// What the lists become, by the words of the port.
fn change(lists: &mut [Vec<Listed>], stream: usize, change: &SubjectChange, now: i64) {
    let list = &mut lists[stream];
    // What has ended is gone.
    list.retain(|listed| listed.until > now);
    let (SubjectChange::Add(subject)
    | SubjectChange::Remove(subject)
    | SubjectChange::RemoveLater { subject, .. }) = change
    else {
        panic!("another change")
    };
    let listed = list.iter().position(|listed| listed.subject == *subject);
    let always = Listed { subject: subject.clone(), from: i64::MIN, until: i64::MAX };
    match (change, STREAMS[stream].1) {
        (SubjectChange::Add(_), DefaultSubjects::All)
        | (SubjectChange::Remove(_), DefaultSubjects::None) => {
            list.retain(|listed| listed.subject != *subject);
        }
        (SubjectChange::Add(_), DefaultSubjects::None)
        | (SubjectChange::Remove(_), DefaultSubjects::All) => {
            list.retain(|listed| listed.subject != *subject);
            list.push(always);
        }
        (SubjectChange::RemoveLater { at, .. }, DefaultSubjects::All) if listed.is_none() => {
            list.push(Listed { from: at.as_seconds(), ..always });
        }
        (SubjectChange::RemoveLater { at, .. }, DefaultSubjects::None) => {
            if let Some(listed) =
                listed.map(|place| &mut list[place]).filter(|l| l.until == i64::MAX)
            {
                listed.until = at.as_seconds();
            }
        }
        _ => {}
    }
}

fn wants(stream: usize, lists: &[Vec<Listed>], event: &Subject, now: i64) -> bool {
    let counts = |listed: &&Listed| listed.from <= now && now < listed.until;
    let listed = lists[stream].iter().filter(counts).map(|listed| &listed.subject);
    selects(STREAMS[stream].1, listed, event)
}

async fn run(store: &SqliteStore, issuer: &Issuer, steps: Vec<Step>) {
    for (name, began_with) in STREAMS {
        create(store, record(issuer, name, began_with)).await;
    }
    let mut lists = vec![Vec::new(); STREAMS.len()];
    for (now, step) in (0..).zip(steps) {
        let (stream, changed) = match step {
            Step::Add(stream, subject) => (stream, SubjectChange::Add(subject)),
            Step::Remove(stream, subject) => (stream, SubjectChange::Remove(subject)),
            Step::RemoveLater(stream, subject, when) => {
                // The transmitter lets none wait for a time that is over.
                (stream, SubjectChange::RemoveLater { subject, at: at(now + 1 + when) })
            }
            Step::Look(event) => {
                let query =
                    CandidateQuery::new(issuer.clone(), event_type(), event.clone(), at(now));
                let found = store.outbox().candidates(&query).await.unwrap();
                let found: BTreeSet<_> =
                    found.iter().map(|found| found.stream_id.as_str()).collect();
                let all = 0..STREAMS.len();
                let wanted: BTreeSet<_> = all
                    .clone()
                    .filter(|stream| wants(*stream, &lists, &event, now))
                    .map(|stream| STREAMS[stream].0)
                    .collect();
                assert_eq!(found, wanted, "{event:?} among {lists:?} at {now}");
                for stream in all {
                    let name = STREAMS[stream].0;
                    let interest =
                        store.interest(issuer, &id(name), &event, at(now)).await.unwrap();
                    assert_eq!(interest == Interest::Wanted, wanted.contains(name), "{event:?}");
                }
                continue;
            }
        };
        change(&mut lists, stream, &changed, now);
        store.change_subject(issuer, &owner(), &id(STREAMS[stream].0), changed, 100).await.unwrap();
    }
}

#[test]
fn an_event_finds_the_streams_that_the_rules_name() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = Folder::new();
    let store = runtime.block_on(folder.open());
    let case = AtomicU32::new(0);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) };
    proptest!(config, |(steps in steps())| {
        let issuer = issuer(&format!("i{}", case.fetch_add(1, Ordering::Relaxed)));
        runtime.block_on(run(&store, &issuer, steps));
    });
}

#[tokio::test]
async fn beyond_64_patterns_of_receivers_own_names_subjects_are_found_all_the_same() {
    let folder = Folder::new();
    let (store, issuer) = (folder.open().await, issuer("i"));
    create(&store, record(&issuer, "n", DefaultSubjects::None)).await;
    let of = |name: &str| {
        let member = SimpleSubject::opaque("1").unwrap();
        Subject::complex([(name.to_owned(), member)]).unwrap()
    };
    for n in 0..70 {
        let change = SubjectChange::Add(of(&format!("own-{n}")));
        store.change_subject(&issuer, &owner(), &id("n"), change, 100).await.unwrap();
    }
    for (name, found) in [("own-0", 1), ("own-69", 1), ("own-70", 0)] {
        let query = CandidateQuery::new(issuer.clone(), event_type(), of(name), at(1));
        assert_eq!(store.outbox().candidates(&query).await.unwrap().len(), found, "{name}");
    }
}
