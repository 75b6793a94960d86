//! What a listed subject costs in memory: a simple one less than 250 bytes, a complex one with k
//! members less than k times that, whatever their texts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use peak_alloc::PeakAlloc;
use ssf_transmitter::routing::SubjectIndex;
use ssf_transmitter::subject::{SimpleSubject, Subject};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most that a simple subject may cost, in bytes.
const MOST: usize = 250;

/// How many subjects there are.
const NUMBER: usize = 3_600;

/// How many of the subjects each stream lists.
const PER_STREAM: [usize; 3] = [1, 10, 10_000];

/// What each subject costs in bytes, when each stream lists so many of them. Streams
/// are numbers, as they are in the store in memory.
fn cost(per_stream: usize, subject: impl Fn(usize) -> Subject) -> usize {
    let before = MEMORY.current_usage();
    let mut index = SubjectIndex::new();
    for nth in 0..NUMBER {
        index.insert(&u32::try_from(nth / per_stream).unwrap(), &subject(nth));
    }
    let used = MEMORY.current_usage() - before;
    let stream = u32::try_from(7 / per_stream).unwrap();
    assert!(index.including(&subject(7)).contains(&stream), "it is listed");
    used / NUMBER
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

/// Names of the receivers' own, some or all of which only this subject has.
fn own_names(nth: usize, names: usize) -> Subject {
    let name = |position: usize| match position {
        0 => format!("own name {nth}"),
        odd if odd % 2 == 1 => format!("name {odd}"),
        even => format!("name {even} of {nth}"),
    };
    let member = |position| (name(position), opaque(format!("{position} {nth}")));
    Subject::complex((0..names).map(member)).unwrap()
}

#[test]
fn a_listed_subject_takes_few_bytes() {
    let standard = ["user", "tenant", "device", "session", "group", "application", "org_unit"];
    let mut costs = Vec::new();
    for per_stream in PER_STREAM {
        let how = format!("{per_stream} per stream");
        let simple = |nth| opaque(format!("user {nth}")).into();
        costs.push((cost(per_stream, simple), MOST, format!("simple, {how}")));
        let long = |nth| opaque(format!("{nth} {}", "x".repeat(500))).into();
        costs.push((cost(per_stream, long), MOST, format!("long, {how}")));
        for k in 1..=7 {
            let subject = |nth| complex(nth, &standard[..k]);
            let what = format!("complex with {k} members, {how}");
            costs.push((cost(per_stream, subject), k * MOST, what));
        }
        for k in [1, 2, 4, 5, 6, 12] {
            let subject = |nth| own_names(nth, k);
            let what = format!("complex with {k} names of its own, {how}");
            costs.push((cost(per_stream, subject), k * MOST, what));
        }
    }
    for (cost, most, what) in &costs {
        println!("{cost} of {most} bytes: {what}");
    }
    let over: Vec<_> = costs.iter().filter(|(cost, most, _)| cost >= most).collect();
    assert!(over.is_empty(), "{over:?}");
}
