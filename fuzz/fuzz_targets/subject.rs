//! Subjects: what is read is written as it came, the index finds it again, and of several it finds
//! those that the rules name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use ssf_transmitter::event;
use ssf_transmitter::id::EventType;
use ssf_transmitter::routing::{SubjectIndex, excludes, includes, order_key};
use ssf_transmitter::subject::Subject;

fuzz_target!(|bytes: &[u8]| {
    // Several subjects stand in lines: the last is that of an event, the others are listed.
    let lines = bytes.split(|byte| *byte == b'\n');
    let values = lines.filter_map(|line| serde_json::from_slice(line).ok());
    let read = |value: Value| Subject::parse(&value).ok().map(|subject| (subject, value));
    let mut subjects: Vec<_> = values.filter_map(read).collect();
    subjects.iter().for_each(|(subject, value)| is_kept_and_found(subject, value));
    if let Some((event, _)) = subjects.pop() {
        are_found(&subjects.into_iter().map(|(subject, _)| subject).collect::<Vec<_>>(), &event);
    }
});

/// Each is listed by a stream of its own.
fn are_found(listed: &[Subject], event: &Subject) {
    let mut index = SubjectIndex::new();
    listed.iter().enumerate().for_each(|(stream, subject)| index.insert(&stream, subject));
    let by = |rule: fn(&Subject, &Subject) -> bool| -> Vec<usize> {
        let all = listed.iter().enumerate();
        all.filter(|(_, subject)| rule(subject, event)).map(|(stream, _)| stream).collect()
    };
    assert_eq!(index.including(event), by(includes));
    assert_eq!(index.excluding(event), by(excludes));
}

fn is_kept_and_found(subject: &Subject, value: &Value) {
    assert_eq!(serde_json::to_value(subject).ok().as_ref(), Some(value));
    let canonical = subject.canonical();
    let read = serde_json::from_str(&canonical).ok().and_then(|value| Subject::parse(&value).ok());
    assert_eq!(read.as_ref(), Some(subject));
    // A subject that no event may be about matches nothing.
    let Ok(event_type) = EventType::parse("https://events.example/own") else { return };
    let sendable = event::check(&event_type, &Map::new(), subject).is_ok();
    assert_eq!(includes(subject, subject), sendable);
    assert_eq!(excludes(subject, subject), sendable);
    let _ = order_key(subject);

    let mut index = SubjectIndex::new();
    index.insert(&1, subject);
    assert_eq!(index.including(subject) == [1], sendable);
    assert_eq!(index.excluding(subject) == [1], sendable);
    index.remove(&1, subject);
    assert_eq!(index.including(subject), [0; 0]);
}
