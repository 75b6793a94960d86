//! Documents of conditions: good ones, and every mistake of bad ones by its place.

use serde_json::{Value, json};
use ssf_transmitter::lifecycle::{Conditions, SCHEMA, presets};

const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

fn good() -> Value {
    let user = json!({"format": "email", "email": {"$from": "/email", "$of": "last"}});
    json!({
        "version": 1,
        "description": "all there is",
        "event_types": ["https://events.example/badge-lost"],
        "digests": ["/clearance"],
        "conditions": [
            presets::leaver("status", &json!(["terminated", "retired"]), &user),
            presets::account_disabled("/status", &json!(["locked"]), &user),
            presets::account_enabled("/status", &json!(["locked"]), &user),
            presets::credential_change("/password/changed", "password", &user),
            presets::email_change("/email"),
            presets::device_out_of_compliance("/device/ok", &json!(true), &user),
            presets::risk_level("/risk", &user),
            {
                "name": "all of it",
                "description": "every member there is",
                "profile": "staff",
                "when": {"attribute": "clearance", "changes": {
                    "from": {"not": {"is": "missing"}}, "to": {"one_of": ["none", null]}}},
                "while": [
                    {"attribute": "/a~1b", "of": "before", "holds":
                        {"all": [{"at_least": 1}, {"below": 9.5}]}},
                    {"attribute": "groups", "holds":
                        {"any": [{"contains": "Admins", "case": "ignored"}, {"equals": []}]}}
                ],
                "emit": {
                    "event_type": "https://events.example/badge-lost",
                    "subject": {"format": "complex",
                        "user": {"format": "scim", "uri": {"$concat": ["/Users/", {"$from": "id"}]}},
                        "tenant": {"format": "opaque", "id": "t"}},
                    "members": {"at": {"$now": "seconds"}, "x": [{"y": {"$from": "/z"}}],
                        "maybe": {"$from": "/m", "$of": "before", "$optional": true}},
                    "reason": {"en": "x", "de": {"$from": "/why"}}
                }
            }
        ]
    })
}

/// A change of the good document, and the places of the mistakes it makes, with what they say.
type Breach = (&'static str, Value, Vec<(&'static str, &'static str)>);

/// Those that a JSON Schema sees as well.
#[expect(clippy::too_many_lines, reason = "a table")]
fn seen_by_the_schema() -> Vec<Breach> {
    const OPERATORS: &str = "one of equals, one_of, is, at_least, below, contains, not, any, all";
    let last = "/conditions/7";
    assert_eq!(good().pointer(last).unwrap()["name"], "all of it");
    vec![
        ("", json!([]), vec![("", "must be an object")]),
        ("/version", json!(2), vec![("/version", "must be 1, the version of the format")]),
        ("/conditions", json!({}), vec![("/conditions", "must be an array")]),
        (
            "/event_types/0",
            json!("badge-lost"),
            vec![
                ("/event_types/0", "must be an absolute URI"),
                ("/conditions/7/emit/event_type", "no event type of CAEP"),
            ],
        ),
        ("/digests/0", json!("/a~2"), vec![("/digests/0", "`~` is followed by 0 or 1")]),
        ("/more", json!(1), vec![("/more", "is not known here")]),
        ("/conditions/7/name", json!(""), vec![("/conditions/7/name", "must not be empty")]),
        ("/conditions/7/profile", json!(1), vec![("/conditions/7/profile", "must be a string")]),
        ("/conditions/7/wen", json!({}), vec![("/conditions/7/wen", "is not known here")]),
        (
            "/conditions/7/when",
            json!({"attribute": "s"}),
            vec![("/conditions/7/when", "exactly one of enters, leaves, changes")],
        ),
        (
            "/conditions/7/when/enters",
            json!({"equals": 1}),
            vec![("/conditions/7/when", "exactly one of enters, leaves, changes")],
        ),
        (
            "/conditions/7/when/attribute",
            json!("#/s"),
            vec![("/conditions/7/when/attribute", "a JSON pointer that begins with `/`")],
        ),
        (
            "/conditions/7/when/changes/to",
            json!({"equal": 1}),
            vec![("/conditions/7/when/changes/to/equal", "is no operator; there are equals")],
        ),
        (
            "/conditions/7/when/changes/to",
            json!({}),
            vec![("/conditions/7/when/changes/to", OPERATORS)],
        ),
        (
            "/conditions/7/when/changes/to/equals",
            json!(1),
            vec![("/conditions/7/when/changes/to", OPERATORS)],
        ),
        (
            "/conditions/7/when/changes/to/one_of",
            json!([]),
            vec![("/conditions/7/when/changes/to/one_of", "must not be empty")],
        ),
        (
            "/conditions/7/when/changes/from/not/is",
            json!("absent"),
            vec![("/conditions/7/when/changes/from/not/is", "one of missing, present")],
        ),
        (
            "/conditions/7/while/0/holds/all/1/below",
            json!("9"),
            vec![("/conditions/7/while/0/holds/all/1/below", "must be a number")],
        ),
        (
            "/conditions/7/while/0/of",
            json!("now"),
            vec![("/conditions/7/while/0/of", "one of after, before, last")],
        ),
        (
            "/conditions/7/while/1/holds/any/0/case",
            json!("folded"),
            vec![("/conditions/7/while/1/holds/any/0/case", "one of exact, ignored")],
        ),
        (
            "/conditions/7/while/0/holds/case",
            json!("exact"),
            vec![("/conditions/7/while/0/holds/case", "is not known here")],
        ),
        (
            "/conditions/7/emit/event_type",
            json!("session-revoked"),
            vec![("/conditions/7/emit/event_type", "must be an absolute URI")],
        ),
        (
            "/conditions/7/emit/subject/format",
            json!({"$from": "format"}),
            vec![("/conditions/7/emit/subject/format", "must be a string")],
        ),
        (
            "/conditions/7/emit/members/x/0/y/$from",
            json!("/~"),
            vec![("/conditions/7/emit/members/x/0/y/$from", "`~` is followed by 0 or 1")],
        ),
        (
            "/conditions/7/emit/members/x/0/y/$optional",
            json!(true),
            vec![(
                "/conditions/7/emit/members/x/0/y/$optional",
                "only as a member of the event object",
            )],
        ),
        (
            "/conditions/7/emit/members/at/$now",
            json!("millis"),
            vec![("/conditions/7/emit/members/at/$now", "one of seconds")],
        ),
        (
            "/conditions/7/emit/subject/user/uri/$concat/0",
            json!(1),
            vec![(
                "/conditions/7/emit/subject/user/uri/$concat/0",
                "a string or an object with `$from`",
            )],
        ),
        (
            "/conditions/7/emit/reason",
            json!("because"),
            vec![("/conditions/7/emit/reason", "must be an object")],
        ),
    ]
}

/// Those that only the library sees.
fn beyond_the_schema() -> Vec<Breach> {
    vec![
        ("/conditions/7/name", json!("leaver"), vec![("/conditions/7/name", "is there twice")]),
        // Unknown event types.
        (
            "/conditions/0/emit/event_type",
            json!("https://schemas.openid.net/secevent/caep/event-type/sessions-revoked"),
            vec![("/conditions/0/emit/event_type", "no event type of CAEP")],
        ),
        (
            "/conditions/0/emit/event_type",
            json!("https://schemas.openid.net/secevent/ssf/event-type/verification"),
            vec![("/conditions/0/emit/event_type", "only the transmitter sends")],
        ),
        // Impossible subjects.
        (
            "/conditions/0/emit/subject/format",
            json!("opaque"),
            vec![
                ("/conditions/0/emit/subject", "must have `id`"),
                ("/conditions/0/emit/subject/email", "is not a member of this format"),
            ],
        ),
        (
            "/conditions/0/emit/subject",
            json!({"format": "email", "email": "nobody"}),
            vec![("/conditions/0/emit/subject/email", "must be an email address")],
        ),
        (
            "/conditions/0/emit/subject/sub",
            json!("x"),
            vec![("/conditions/0/emit/subject/sub", "is not a member of this format")],
        ),
        (
            "/conditions/7/emit/subject/user/uri",
            json!("https://x.example"),
            vec![("/conditions/7/emit/subject/user/uri", "must be a relative path")],
        ),
        (
            "/conditions/7/emit/subject/tenant",
            json!({"format": "aliases"}),
            vec![("/conditions/7/emit/subject/tenant/format", "a simple subject")],
        ),
        // Impossible events.
        (
            "/conditions/4/emit/subject",
            json!({"format": "opaque", "id": {"$from": "id"}}),
            vec![("/conditions/4/emit/subject", "a subject of the format email or phone_number")],
        ),
        (
            "/conditions/0/emit/members/initiating_entity",
            json!("robot"),
            vec![(
                "/conditions/0/emit/members/initiating_entity",
                "one of admin, user, policy, system",
            )],
        ),
        (
            "/conditions/3/emit/members",
            json!({"change_type": "update"}),
            vec![("/conditions/3/emit/members", "must have `credential_type`")],
        ),
        (
            "/conditions/5/emit/members",
            json!({"previous_status": "fine"}),
            vec![
                ("/conditions/5/emit/members/previous_status", "one of compliant, not-compliant"),
                ("/conditions/5/emit/members", "must have `current_status`"),
            ],
        ),
        (
            "/conditions/0/emit/reason/en",
            json!(""),
            vec![("/conditions/0/emit/reason/en", "must not be empty")],
        ),
        (
            "/conditions/0/emit/reason/not a tag",
            json!("x"),
            vec![("/conditions/0/emit/reason/not a tag", "by a language tag")],
        ),
        (
            "/conditions/0/emit/members/reason_admin",
            json!({"en": "y"}),
            vec![("/conditions/0/emit/reason", "is given as well")],
        ),
        // Digests have no values.
        (
            "/digests/0",
            json!("/z"),
            vec![("/conditions/7/emit/members/x/0/y/$from", "kept as a digest")],
        ),
        (
            "/conditions/7/when/changes/to",
            json!({"at_least": 1}),
            vec![("/conditions/7/when/changes/to/at_least", "kept as a digest")],
        ),
        (
            "/conditions/7/when/changes/to",
            json!({"equals": "a", "case": "ignored"}),
            vec![("/conditions/7/when/changes/to/equals", "kept as a digest")],
        ),
    ]
}

/// The good document with that at that place.
fn with(pointer: &str, value: &Value) -> Value {
    let mut document = good();
    let Some((outer, name)) = pointer.rsplit_once('/') else { return value.clone() };
    match document.pointer_mut(outer).unwrap() {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
        outer => outer[name] = value.clone(),
    }
    document
}

#[test]
fn a_good_document_is_read_and_written_as_it_came() {
    let conditions = Conditions::parse(&good()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(serde_json::to_value(&conditions).unwrap(), good());
    let read: Conditions = serde_json::from_value(good()).unwrap();
    assert_eq!(read.names().count(), 8);
}

#[test]
fn every_mistake_is_named_by_its_place() {
    for (place, value, expected) in seen_by_the_schema().into_iter().chain(beyond_the_schema()) {
        let Err(mistakes) = Conditions::parse(&with(place, &value)) else {
            panic!("{value} at {place} is no mistake")
        };
        let found: Vec<_> = mistakes.list().iter().map(|one| one.pointer.as_str()).collect();
        let places: Vec<_> = expected.iter().map(|(place, _)| *place).collect();
        assert_eq!(found, places, "{value} at {place}: {mistakes}");
        for (mistake, (_, text)) in mistakes.list().iter().zip(expected) {
            assert!(mistake.problem.to_string().contains(text), "{mistake}");
        }
    }
}

#[test]
fn no_mistake_hides_behind_another() {
    let document = json!({
        "version": 0,
        "digests": [1],
        "conditions": [
            {"name": 1, "when": {"attribute": "", "enters": {"x": 1}}, "while": [{}, {"of": "x"}]},
            {"name": "ok", "emit": {"event_type": REVOKED, "subject": {}, "members": 1}}
        ]
    });
    let mistakes = Conditions::parse(&document).unwrap_err();
    let mut places: Vec<_> = mistakes.list().iter().map(|one| one.pointer.as_str()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "/conditions/0",
            "/conditions/0/name",
            "/conditions/0/when/attribute",
            "/conditions/0/when/enters/x",
            "/conditions/0/while/0",
            "/conditions/0/while/0",
            "/conditions/0/while/1",
            "/conditions/0/while/1",
            "/conditions/0/while/1/of",
            "/conditions/1",
            "/conditions/1/emit/members",
            "/conditions/1/emit/subject",
            "/digests/0",
            "/version",
        ]
    );
}

#[test]
fn the_published_schema_takes_what_the_library_takes() {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&good()).map(|e| e.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    for (place, value, _) in seen_by_the_schema() {
        assert!(!validator.is_valid(&with(place, &value)), "{value} at {place}");
    }
    // What only the library sees is well formed.
    for (place, value, _) in beyond_the_schema() {
        assert!(validator.is_valid(&with(place, &value)), "{value} at {place}");
    }
}

#[test]
fn tests_nested_too_deep_are_refused() {
    let mut test = json!({"equals": 1});
    for _ in 0..8 {
        test = json!({"not": test});
    }
    let mistakes = Conditions::parse(&with("/conditions/7/when/changes/to", &test)).unwrap_err();
    assert_eq!(mistakes.list()[0].problem.to_string(), "is nested deeper than 8 levels");
}
