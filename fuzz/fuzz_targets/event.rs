//! Event objects: what fits the definition of its type is written into a SET as it came.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use ssf_transmitter::event::{self, types};
use ssf_transmitter::id::{EventType, Txn};
use ssf_transmitter::set::SetBody;
use ssf_transmitter::subject::{SimpleSubject, Subject};
use ssf_transmitter::timestamp::Timestamp;

/// Deprecated, and checked all the same.
#[expect(deprecated)]
fn sessions_revoked() -> EventType {
    types::sessions_revoked()
}

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (which, bytes) = input;
    let types: Vec<EventType> = types::caep_and_risc()
        .into_iter()
        .chain(types::scim())
        .chain([types::verification(), types::stream_updated(), sessions_revoked()])
        .collect();
    let Some(event_type) = types.get(usize::from(which) % types.len()) else { return };
    let Ok(members) = serde_json::from_slice::<Map<String, Value>>(&bytes) else { return };
    let subjects = [
        SimpleSubject::email("user@example.com"),
        SimpleSubject::opaque("1"),
        SimpleSubject::scim("/Users/1", Map::new()),
    ];
    for subject in subjects.into_iter().flatten().map(Subject::from) {
        if event::check(event_type, &members, &subject).is_err() {
            continue;
        }
        let Ok(txn) = Txn::parse("t") else { return };
        let now = Timestamp::default();
        let Ok(body) = SetBody::new(now, &txn, &subject, event_type, &members) else { return };
        let claims: Value = serde_json::from_str(body.as_str()).unwrap_or_default();
        assert_eq!(claims["events"][event_type.as_str()], Value::from(members.clone()));
    }
});
