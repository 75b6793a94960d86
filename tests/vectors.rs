//! The published vectors: every case in `tests/vectors/` holds. Adding a file adds its cases.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read the vectors has failed"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use ssf_transmitter::error::Error;
use ssf_transmitter::event::{self, Event, types};
use ssf_transmitter::id::{EventType, Issuer, KeyId};
use ssf_transmitter::subject::Subject;
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::{Algorithm, LocalKeys, MemoryStore, SigningKey, Transmitter};

/// What all cases have in common.
#[derive(Debug, Deserialize)]
struct Case<T> {
    case: String,
    clause: String,
    #[serde(flatten)]
    given: T,
    valid: bool,
    /// The member at fault.
    member: Option<String>,
}

#[derive(Debug, Deserialize)]
struct GivenEvent {
    event_type: EventType,
    subject: Value,
    event: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct GivenSubject {
    subject: Value,
}

/// The cases of all files of a directory, each with the name of its file.
fn cases<T: DeserializeOwned>(dir: &str) -> Vec<(String, Case<T>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(dir);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let cases: Vec<Case<T>> = serde_json::from_slice(&fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(!cases.is_empty(), "{file} has no cases");
        found.extend(cases.into_iter().map(|case| (file.clone(), case)));
    }
    found
}

/// What is wrong with a case: nothing, when the outcome is the one it states.
fn fault<T>(file: &str, case: &Case<T>, outcome: Result<(), &str>) -> Option<String> {
    let expected = match (case.valid, &case.member) {
        (true, None) => Ok(()),
        (false, Some(member)) => Err(member.as_str()),
        _ => return Some(format!("{file}: {}: `member` goes with what is invalid", case.case)),
    };
    (outcome != expected || case.clause.is_empty()).then(|| {
        format!("{file}: {} ({}): {outcome:?} instead of {expected:?}", case.case, case.clause)
    })
}

#[test]
fn every_event_is_what_its_case_says() {
    let cases = cases::<GivenEvent>("events");
    assert!(cases.len() > 350, "the vectors were found");
    let mut faults = Vec::new();
    for (file, case) in &cases {
        let GivenEvent { event_type, subject, event } = &case.given;
        let subject =
            Subject::parse(subject).unwrap_or_else(|e| panic!("{file}: {}: {e}", case.case));
        let outcome = event::check(event_type, event, &subject);
        faults.extend(fault(file, case, outcome.as_ref().copied().map_err(|e| e.member.as_str())));
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn an_event_that_breaks_its_definition_is_not_emitted() {
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k").unwrap()).unwrap();
    let issuer = Issuer::parse("https://tr.example.com").unwrap();
    let builder = Transmitter::builder(issuer, MemoryStore::new(), LocalKeys::new(key));
    let transmitter = builder.build().unwrap();
    for (file, case) in cases::<GivenEvent>("events") {
        let GivenEvent { event_type, subject, event } = case.given;
        let subject = Subject::parse(&subject).unwrap();
        let event = Event::new(event_type, subject).with_members(event);
        match (block_on(transmitter.emit(event)), case.member) {
            (Ok(emission), None) => assert_eq!(emission.sets, [], "{file}: {}", case.case),
            (Err(error @ Error::InvalidEvent(_)), Some(member)) => {
                // Whoever asked for it over HTTP is told the member at fault.
                let answer = error.refusal().answer();
                assert_eq!(answer.status, 400);
                let named = answer.description.starts_with(&format!("`{member}` "));
                assert!(named, "{file}: {}: {}", case.case, answer.description);
            }
            (other, _) => panic!("{file}: {}: {other:?}", case.case),
        }
    }
}

#[test]
fn every_subject_is_what_its_case_says() {
    let cases = cases::<GivenSubject>("subjects");
    assert!(cases.len() > 150, "the vectors were found");
    let mut faults = Vec::new();
    for (file, case) in &cases {
        let read = Subject::parse(&case.given.subject);
        if let Ok(subject) = &read {
            assert_eq!(serde_json::to_value(subject).unwrap(), case.given.subject, "{}", case.case);
        }
        let outcome = read.as_ref().map(|_| ()).map_err(|error| error.member.as_str());
        faults.extend(fault(file, case, outcome));
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
#[expect(deprecated, reason = "what is deprecated has vectors too")]
fn every_type_of_event_has_valid_and_invalid_cases() {
    let mut types: BTreeMap<EventType, (usize, usize)> = BTreeMap::new();
    for (_, case) in cases::<GivenEvent>("events") {
        let (valid, invalid) = types.entry(case.given.event_type).or_default();
        *if case.valid { valid } else { invalid } += 1;
    }
    let control = [types::verification(), types::stream_updated(), types::sessions_revoked()];
    for event_type in types::caep_and_risc().into_iter().chain(types::scim()).chain(control) {
        let (valid, invalid) = types.get(&event_type).copied().unwrap_or_default();
        assert!(valid > 0 && invalid > 0, "{event_type}: {valid} valid, {invalid} invalid");
    }
}

#[test]
fn every_format_of_subject_has_valid_and_invalid_cases() {
    let mut formats: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (_, case) in cases::<GivenSubject>("subjects") {
        if let Some(format) = case.given.subject.get("format").and_then(Value::as_str) {
            let (valid, invalid) = formats.entry(format.to_owned()).or_default();
            *if case.valid { valid } else { invalid } += 1;
        }
    }
    for format in [
        "account",
        "aliases",
        "complex",
        "did",
        "email",
        "ip-addresses",
        "iss_sub",
        "jwt_id",
        "opaque",
        "phone_number",
        "saml_assertion_id",
        "scim",
        "uri",
    ] {
        let (valid, invalid) = formats.get(format).copied().unwrap_or_default();
        assert!(valid > 0 && invalid > 0, "{format}: {valid} valid, {invalid} invalid");
    }
}
