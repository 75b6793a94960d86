//! Histories of states against the events they mean.

use serde_json::{Map, Value, json};
use ssf_transmitter::id::{IdentityId, ProfileName};
use ssf_transmitter::lifecycle::{Conditions, Snapshot, evaluate};
use ssf_transmitter::timestamp::Timestamp;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// A condition that emits a session-revoked event about the identity.
pub(crate) fn condition(name: &str, rest: Value) -> Value {
    let mut condition = json!({
        "name": name,
        "emit": {"event_type": REVOKED, "subject": {"format": "opaque", "id": "x"}}
    });
    let Value::Object(rest) = rest else { panic!("a condition is an object") };
    condition.as_object_mut().unwrap().extend(rest);
    condition
}

pub(crate) fn conditions(list: &[Value]) -> Conditions {
    Conditions::parse(&json!({"version": 1, "conditions": list})).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn identity() -> IdentityId {
    IdentityId::parse("i-1").unwrap()
}

/// One state of an identity; `profile` is its profile, `removed` that it is gone.
pub(crate) fn snapshot(conditions: &Conditions, state: &Value) -> Snapshot {
    let mut attributes: Map<String, Value> = state.as_object().unwrap().clone();
    let profile = attributes.remove("profile");
    let profile = profile.map(|name| ProfileName::parse(name.as_str().unwrap()).unwrap());
    if attributes.contains_key("removed") {
        return conditions.absent(profile);
    }
    conditions.snapshot(&identity(), profile, &attributes)
}

/// What fires at each state of a history; of the first one nothing was known before.
fn fired(conditions: &Conditions, history: &[Value]) -> Vec<(usize, String)> {
    let mut fired = Vec::new();
    let mut before = Snapshot::unknown();
    for (step, state) in history.iter().enumerate() {
        let after = snapshot(conditions, state);
        let planned = evaluate(conditions, &identity(), &before, &after, NOW);
        fired.extend(planned.iter().map(|planned| (step, planned.condition.to_string())));
        before = after;
    }
    fired
}

/// A row: what it shows, the condition, the history, and the steps at which the condition fires.
type Row = (&'static str, Value, Vec<Value>, Vec<usize>);

#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<Row> {
    let status = |values: &[Value]| values.iter().map(|v| json!({"s": v})).collect::<Vec<_>>();
    let (a, b, c) = (json!("a"), json!("b"), json!("c"));
    let none = json!({});
    let gone = json!({"removed": true});
    let when = |transition: Value| {
        let mut when = json!({"attribute": "s"});
        when.as_object_mut().unwrap().extend(transition.as_object().unwrap().clone());
        json!({"when": when})
    };
    let enters = |test: Value| when(json!({"enters": test}));
    let leaves = |test: Value| when(json!({"leaves": test}));
    let changes = |sides: Value| when(json!({"changes": sides}));
    let is_b = || enters(json!({"equals": "b"}));
    let and = |condition: Value, more: Value| {
        let mut condition = condition;
        condition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        condition
    };
    let holds = |attribute: &str, test: Value| json!({"attribute": attribute, "holds": test});
    let two = |s: &str, t: Value| json!({"s": s, "t": t});
    vec![
        // Entering.
        ("entering fires", is_b(), status(&[a.clone(), b.clone()]), vec![1]),
        ("staying is silent", is_b(), status(&[a.clone(), b.clone(), b.clone()]), vec![1]),
        (
            "leaving and entering again fires again",
            is_b(),
            status(&[a.clone(), b.clone(), a.clone(), b.clone()]),
            vec![1, 3],
        ),
        ("the first sight fires nothing", is_b(), status(&[b.clone(), b.clone()]), vec![]),
        ("leaving is not entering", is_b(), status(&[b.clone(), a.clone()]), vec![]),
        (
            "moving inside a set is staying",
            enters(json!({"one_of": ["b", "c"]})),
            status(&[a.clone(), b.clone(), c.clone()]),
            vec![1],
        ),
        (
            "entering a set by any of its values",
            enters(json!({"one_of": ["b", "c"]})),
            status(&[a.clone(), c.clone(), a.clone(), b.clone()]),
            vec![1, 3],
        ),
        ("entering from missing", is_b(), vec![none.clone(), json!({"s": "b"})], vec![1]),
        ("entering from null", is_b(), status(&[json!(null), b.clone()]), vec![1]),
        (
            "entering what is missing",
            enters(json!({"is": "missing"})),
            vec![json!({"s": "a"}), none.clone(), none.clone()],
            vec![1],
        ),
        (
            "null is not missing",
            enters(json!({"is": "missing"})),
            status(&[a.clone(), json!(null)]),
            vec![],
        ),
        (
            "removal makes every attribute missing",
            enters(json!({"is": "missing"})),
            vec![json!({"s": "a"}), gone.clone(), gone.clone()],
            vec![1],
        ),
        (
            "coming back after removal enters",
            is_b(),
            vec![json!({"s": "b"}), gone.clone(), json!({"s": "b"})],
            vec![2],
        ),
        (
            "what is not a value includes what is missing",
            enters(json!({"not": {"equals": "a"}})),
            vec![json!({"s": "a"}), none.clone(), json!({"s": "b"})],
            vec![1],
        ),
        // Case and type.
        ("case counts", is_b(), status(&[a.clone(), json!("B")]), vec![]),
        (
            "case is ignored when it is said",
            enters(json!({"equals": "b", "case": "ignored"})),
            status(&[a.clone(), json!("B"), b.clone()]),
            vec![1],
        ),
        (
            "a text is no boolean",
            enters(json!({"equals": true})),
            status(&[json!(false), json!("true"), json!(true)]),
            vec![2],
        ),
        (
            "a text is no number",
            enters(json!({"equals": 1})),
            status(&[json!(0), json!("1"), json!(1)]),
            vec![2],
        ),
        (
            "numbers are numbers",
            enters(json!({"equals": 1})),
            status(&[json!(0), json!(1.0), json!(1)]),
            vec![1],
        ),
        (
            "objects are compared whole",
            enters(json!({"equals": {"x": 1, "y": [2]}})),
            status(&[json!({"x": 1}), json!({"y": [2], "x": 1})]),
            vec![1],
        ),
        // Numbers and lists.
        (
            "crossing a bound upwards",
            enters(json!({"at_least": 80})),
            status(&[json!(10), json!(79), json!(80), json!(95), json!(20), json!(81)]),
            vec![2, 5],
        ),
        (
            "crossing a bound downwards",
            enters(json!({"below": 80})),
            status(&[json!(90), json!(80), json!(79.9)]),
            vec![2],
        ),
        (
            "a range",
            enters(json!({"all": [{"at_least": 1}, {"below": 9}]})),
            status(&[json!(0), json!(5), json!(9), json!(8)]),
            vec![1, 3],
        ),
        (
            "what is no number is beyond no bound",
            enters(json!({"at_least": 80})),
            status(&[json!(10), json!("90"), json!(null)]),
            vec![],
        ),
        (
            "a group is joined",
            enters(json!({"contains": "admins"})),
            status(&[json!(["x"]), json!(["admins", "x"]), json!(["admins"])]),
            vec![1],
        ),
        (
            "a group is left",
            leaves(json!({"contains": "admins"})),
            status(&[json!(["admins", "x"]), json!(["x"]), json!([])]),
            vec![1],
        ),
        // Leaving.
        ("leaving fires", leaves(json!({"equals": "a"})), status(&[a.clone(), b.clone()]), vec![1]),
        (
            "having left is silent",
            leaves(json!({"equals": "a"})),
            status(&[a.clone(), b.clone(), c.clone()]),
            vec![1],
        ),
        (
            "going missing is leaving",
            leaves(json!({"equals": "a"})),
            vec![json!({"s": "a"}), none.clone()],
            vec![1],
        ),
        (
            "leaving what is present",
            leaves(json!({"is": "present"})),
            vec![json!({"s": "a"}), json!({"s": "b"}), none.clone()],
            vec![2],
        ),
        (
            "removal is leaving",
            leaves(json!({"equals": "a"})),
            vec![json!({"s": "a"}), gone.clone()],
            vec![1],
        ),
        // Changing.
        (
            "every change",
            changes(json!({})),
            status(&[a.clone(), b.clone(), b.clone(), c.clone()]),
            vec![1, 3],
        ),
        (
            "a change from and to",
            changes(json!({"from": {"equals": "a"}, "to": {"equals": "b"}})),
            status(&[a.clone(), b.clone(), c.clone(), b.clone(), a.clone(), b.clone()]),
            vec![1, 5],
        ),
        (
            "a change inside a set",
            changes(json!({"from": {"one_of": ["a", "b"]}, "to": {"one_of": ["a", "b"]}})),
            status(&[a.clone(), b.clone(), c.clone(), a.clone()]),
            vec![1],
        ),
        (
            "a change to missing",
            changes(json!({"to": {"is": "missing"}})),
            vec![json!({"s": "a"}), none.clone()],
            vec![1],
        ),
        (
            "from missing to null is a change",
            changes(json!({})),
            vec![none.clone(), json!({"s": null}), json!({"s": null})],
            vec![1],
        ),
        (
            "1 and 1.0 are no change",
            changes(json!({})),
            status(&[json!(1), json!(1.0), json!([1]), json!([1.0])]),
            vec![2],
        ),
        (
            "members in another order are no change",
            changes(json!({})),
            status(&[json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1})]),
            vec![],
        ),
        // While.
        (
            "while another attribute holds",
            and(is_b(), json!({"while": [holds("t", json!({"equals": 1}))]})),
            vec![two("a", json!(1)), two("b", json!(1)), two("a", json!(2)), two("b", json!(2))],
            vec![1],
        ),
        (
            "what begins to hold later fires nothing",
            and(is_b(), json!({"while": [holds("t", json!({"equals": 1}))]})),
            vec![two("a", json!(2)), two("b", json!(2)), two("b", json!(1))],
            vec![],
        ),
        (
            "what begins to hold at once counts",
            and(is_b(), json!({"while": [holds("t", json!({"equals": 1}))]})),
            vec![two("a", json!(2)), two("b", json!(1))],
            vec![1],
        ),
        (
            "all of several",
            and(
                is_b(),
                json!({"while": [
                    holds("t", json!({"equals": 1})), holds("u", json!({"is": "missing"})),
                ]}),
            ),
            vec![
                two("a", json!(1)),
                json!({"s": "b", "t": 1, "u": 0}),
                two("a", json!(1)),
                two("b", json!(1)),
            ],
            vec![3],
        ),
        (
            "as it was before",
            and(
                is_b(),
                json!({"while": [
                    {"attribute": "t", "of": "before", "holds": {"equals": 1}},
                ]}),
            ),
            vec![two("a", json!(1)), two("b", json!(2)), two("a", json!(2)), two("b", json!(1))],
            vec![1],
        ),
        (
            "as it last was, for who is removed",
            and(
                leaves(json!({"is": "present"})),
                json!({"while": [
                    {"attribute": "t", "of": "last", "holds": {"equals": 1}},
                ]}),
            ),
            vec![two("a", json!(1)), gone.clone(), two("a", json!(2)), gone.clone()],
            vec![1],
        ),
        // Profiles.
        (
            "only for its profile",
            and(is_b(), json!({"profile": "staff"})),
            vec![json!({"s": "a", "profile": "staff"}), json!({"s": "b", "profile": "staff"})],
            vec![1],
        ),
        (
            "not for another profile, nor for none",
            and(is_b(), json!({"profile": "staff"})),
            vec![
                json!({"s": "a", "profile": "guests"}),
                json!({"s": "b", "profile": "guests"}),
                json!({"s": "a"}),
                json!({"s": "b"}),
            ],
            vec![],
        ),
        (
            "the profile after the change counts",
            and(is_b(), json!({"profile": "staff"})),
            vec![json!({"s": "a", "profile": "guests"}), json!({"s": "b", "profile": "staff"})],
            vec![1],
        ),
        // Pointers.
        (
            "a nested attribute",
            json!({"when": {"attribute": "/x/0/y", "enters": {"equals": "b"}}}),
            vec![json!({"x": [{"y": "a"}]}), json!({"x": [{"y": "b"}]}), json!({"x": []})],
            vec![1],
        ),
    ]
}

#[test]
fn every_history_means_the_events_of_the_table() {
    let table = table();
    assert!(table.len() >= 40, "{} rows", table.len());
    for (name, rest, history, expected) in table {
        let conditions = conditions(&[condition("c", rest)]);
        let steps: Vec<_> = fired(&conditions, &history).iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, expected, "{name}");
    }
}

#[test]
fn several_conditions_fire_in_their_order() {
    let enters_b = |name: &str| {
        condition(name, json!({"when": {"attribute": "s", "enters": {"equals": "b"}}}))
    };
    let leaves_a = condition("m", json!({"when": {"attribute": "s", "leaves": {"equals": "a"}}}));
    let conditions = conditions(&[enters_b("z"), leaves_a, enters_b("a")]);
    let fired = fired(&conditions, &[json!({"s": "a"}), json!({"s": "b"})]);
    let names: Vec<_> = fired.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["z", "m", "a"]);
}

#[test]
fn a_condition_that_watches_another_attribute_fires_only_once_its_value_is_known() {
    let on = |attribute: &str| {
        condition(attribute, json!({"when": {"attribute": attribute, "enters": {"equals": "b"}}}))
    };
    let first = conditions(&[on("s")]);
    let before = snapshot(&first, &json!({"s": "b", "t": "a"}));
    let second = conditions(&[on("s"), on("t")]);
    let after = snapshot(&second, &json!({"s": "b", "t": "b"}));
    assert!(evaluate(&second, &identity(), &before, &after, NOW).is_empty());
    let back = snapshot(&second, &json!({"s": "b", "t": "a"}));
    assert!(evaluate(&second, &identity(), &after, &back, NOW).is_empty());
    assert_eq!(evaluate(&second, &identity(), &back, &after, NOW).len(), 1);
}

#[test]
fn only_attributes_that_conditions_name_are_kept() {
    let conditions = conditions(&[condition(
        "c",
        json!({
            "when": {"attribute": "s", "changes": {}},
            "while": [{"attribute": "/w/x", "holds": {"is": "present"}}],
            "emit": {
                "event_type": REVOKED,
                "subject": {"format": "email", "email": {"$from": "mail", "$of": "before"}},
                "members": {"note": {"$concat": ["n", {"$from": "/n"}]}}
            }
        }),
    )]);
    let kept: Vec<_> = conditions.attributes().iter().map(ToString::to_string).collect();
    assert_eq!(kept, ["/mail", "/n", "/s", "/w/x"]);
    let state = json!({"s": 1, "w": {"x": 2, "z": 3}, "secret": "s3cret"});
    let stored = serde_json::to_string(&snapshot(&conditions, &state)).unwrap();
    assert!(!stored.contains("s3cret") && !stored.contains('3'), "{stored}");
    let read: Snapshot = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, snapshot(&conditions, &state));
}
