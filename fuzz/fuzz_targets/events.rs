//! The members of events, for every type the library knows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use ssf_transmitter::SimpleSubject;
use ssf_transmitter::event::{check, types};

fuzz_target!(|bytes: &[u8]| {
    let Ok(Value::Object(members)) = serde_json::from_slice(bytes) else { return };
    let subject = SimpleSubject::email("user@example.com").expect("an address").into();
    for event_type in types::caep_and_risc().into_iter().chain(types::scim()) {
        let _ = check(&event_type, &members, &subject);
    }
});
