//! Subjects: what is read is written as it came, and the index finds it again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Map;
use ssf_transmitter::event;
use ssf_transmitter::id::EventType;
use ssf_transmitter::routing::{SubjectIndex, excludes, includes, order_key};
use ssf_transmitter::subject::Subject;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    let Ok(subject) = Subject::parse(&value) else { return };
    assert_eq!(serde_json::to_value(&subject).ok(), Some(value));
    let canonical = subject.canonical();
    let read = serde_json::from_str(&canonical).ok().and_then(|value| Subject::parse(&value).ok());
    assert_eq!(read.as_ref(), Some(&subject));
    // A subject that no event may be about matches nothing.
    let Ok(event_type) = EventType::parse("https://events.example/own") else { return };
    let sendable = event::check(&event_type, &Map::new(), &subject).is_ok();
    assert_eq!(includes(&subject, &subject), sendable);
    assert_eq!(excludes(&subject, &subject), sendable);
    let _ = order_key(&subject);

    let mut index = SubjectIndex::new();
    index.insert(&1, &subject);
    assert_eq!(index.including(&subject) == [1], sendable);
    assert_eq!(index.excluding(&subject) == [1], sendable);
    index.remove(&1, &subject);
    assert_eq!(index.including(&subject), [0; 0]);
});
