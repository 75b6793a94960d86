//! What a listed subject costs in memory: a simple one less than 250 bytes, a complex one with k
//! members less than k times that, whatever their texts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use peak_alloc::PeakAlloc;
use ssf_transmitter::id::StreamId;
use ssf_transmitter::routing::SubjectIndex;
use ssf_transmitter::subject::{SimpleSubject, Subject};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most that a simple subject may cost, in bytes.
const MOST: usize = 250;

/// Tables double when they are full, so the cost per subject depends on their number: the first
/// of these almost fills them, the second has just made them grow.
const NUMBERS: [usize; 2] = [3_500, 3_600];

/// How many of the subjects each stream lists.
const PER_STREAM: [usize; 3] = [1, 10, 10_000];

/// What each of so many subjects costs in bytes, when each stream lists so many of them and then
/// these events come.
fn cost(
    number: usize,
    per_stream: usize,
    subject: impl Fn(usize) -> Subject,
    events: &[Subject],
) -> usize {
    let streams: Vec<StreamId> = (0..=number / per_stream)
        .map(|stream| StreamId::parse(format!("stream-{stream}")).unwrap())
        .collect();
    let before = MEMORY.current_usage();
    let mut index = SubjectIndex::new();
    for nth in 0..number {
        index.insert(&streams[nth / per_stream], &subject(nth));
    }
    for event in events {
        assert!(!index.including(event).is_empty(), "it is listed");
    }
    (MEMORY.current_usage() - before) / number
}

fn opaque(text: String) -> SimpleSubject {
    SimpleSubject::opaque(text).unwrap()
}

/// One tenant for all; nothing else is shared.
fn complex(nth: usize, names: &[&str]) -> Subject {
    let value = |name: &str| {
        opaque(if name == "tenant" { "t".to_owned() } else { format!("{name} {nth}") })
    };
    Subject::complex(names.iter().map(|name| (*name, value(name)))).unwrap()
}

#[test]
fn a_listed_subject_takes_few_bytes() {
    let mut costs = Vec::new();
    for (number, per_stream) in NUMBERS.iter().flat_map(|n| PER_STREAM.map(|per| (*n, per))) {
        let how = format!("{number} subjects, {per_stream} per stream");
        let simple = |nth| opaque(format!("user {nth}")).into();
        costs.push((cost(number, per_stream, simple, &[]), MOST, format!("simple, {how}")));
        let long = |nth| opaque(format!("{nth} {}", "x".repeat(500))).into();
        costs.push((cost(number, per_stream, long, &[]), MOST, format!("long, {how}")));
        for names in [
            &["user"][..],
            &["tenant", "user"],
            &["device", "session", "user"],
            &["application", "device", "group", "org_unit", "session", "tenant", "user"],
        ] {
            let k = names.len();
            // An event with all members, and two with fewer.
            let events =
                [names, &names[..k.div_ceil(2)], &names[k / 2..]].map(|names| complex(7, names));
            let subject = |nth| complex(nth, names);
            let cost = cost(number, per_stream, subject, &events);
            costs.push((cost, k * MOST, format!("complex with {k} members, {how}")));
        }
    }
    for (cost, most, what) in &costs {
        println!("{cost} of {most} bytes: {what}");
    }
    let over: Vec<_> = costs.iter().filter(|(cost, most, _)| cost >= most).collect();
    assert!(over.is_empty(), "{over:?}");
}
