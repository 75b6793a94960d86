//! Subjects: what parses is written back so that it parses to the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::Subject;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    let Ok(subject) = Subject::parse(&value) else { return };
    let written = serde_json::to_value(&subject).expect("a subject is JSON");
    assert_eq!(Subject::parse(&written).as_ref(), Ok(&subject));
    assert!(ssf_transmitter::routing::includes(&subject, &subject));
});
