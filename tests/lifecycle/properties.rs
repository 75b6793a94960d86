//! Whatever way the same snapshots come in, the same events follow; and no JSON does harm.

use proptest::prelude::*;
use serde_json::{Value, json};
use ssf_transmitter::lifecycle::{Conditions, Mode, Report, evaluate, presets, scim};
use ssf_transmitter::testkit::block_on;

use crate::histories::{NOW, identity};
use crate::world::{World, enters, on_s, report};

/// Snapshots of three identities, in the order in which their source made them.
fn snapshots() -> impl Strategy<Value = Vec<(usize, &'static str)>> {
    prop::collection::vec((0..3_usize, prop::sample::select(vec!["a", "b", "c"])), 0..30)
}

fn world() -> World {
    let change = on_s("changed", &json!({"changes": {"to": {"one_of": ["b", "c"]}}}));
    World::new(&[enters("b", "b"), change, on_s("left-a", &json!({"leaves": {"equals": "a"}}))])
}

fn reports(snapshots: &[(usize, &str)]) -> Vec<Report> {
    let ids = ["x", "y", "z"];
    snapshots.iter().map(|(id, s)| report(ids[*id], json!({"id": ids[*id], "s": s}))).collect()
}

/// The events of snapshots that come one by one.
fn one_by_one(reports: impl IntoIterator<Item = Report>) -> Vec<String> {
    let world = world();
    for report in reports {
        block_on(world.monitor.upsert(report)).unwrap();
    }
    world.events()
}

/// JSON out of the words that documents, reports and messages are made of.
fn json_of_words() -> impl Strategy<Value = Value> {
    let words = || {
        prop::sample::select(
            "version conditions name when attribute enters leaves changes from to while holds of \
             equals one_of is at_least below contains not any all case emit event_type subject \
             format email members reason $from $of $optional $concat $now digests event_types \
             id attributes removed schemas Operations op path value replace add remove seconds \
             emails[type~eq~\"a\"].b a.b[ /a~ /a/0 urn:x:y[z~pr] before last missing ignored \
             https://schemas.openid.net/secevent/caep/event-type/session-revoked \
             urn:ietf:params:scim:api:messages:2.0:PatchOp \
             urn:ietf:params:scim:schemas:core:2.0:User"
                .split(' ')
                .map(|word| word.replace("~eq~", " eq ").replace("~pr", " pr"))
                .collect::<Vec<_>>(),
        )
    };
    let leaf = prop_oneof![
        8 => words().prop_map(Value::from),
        2 => (-1_i64..3).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::btree_map(words(), inner, 0..5)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A document with that in the place of one of its parts.
fn document(part: usize, value: &Value) -> Value {
    let user = json!({"format": "email", "email": {"$from": "/email"}});
    let mut document = json!({"version": 1, "digests": [], "conditions": [
        presets::leaver("s", &json!(["gone"]), &user), presets::risk_level("risk", &user)
    ]});
    let parts = [
        "/conditions/0/when",
        "/conditions/0/when/enters",
        "/conditions/0/emit/subject",
        "/conditions/0/emit/subject/email",
        "/conditions/1/emit/members",
        "/conditions/1/emit/members/current_level",
        "/conditions/0/emit/reason",
        "/digests",
    ];
    *document.pointer_mut(parts[part % parts.len()]).unwrap() = value.clone();
    document
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_json_makes_reading_panic(
        value in json_of_words(), part in 0..8_usize, state in json_of_words(),
    ) {
        for document in [value.clone(), document(part, &value)] {
            match Conditions::parse(&document) {
                Err(mistakes) => prop_assert!(!mistakes.list().is_empty()),
                // What is read is written as it came, and works on any state.
                Ok(conditions) => {
                    prop_assert_eq!(serde_json::to_value(&conditions).unwrap(), document);
                    let object = state.as_object().cloned().unwrap_or_default();
                    let after = conditions.snapshot(&identity(), None, &object);
                    let before = conditions.absent(None);
                    let _ = evaluate(&conditions, &identity(), &before, &after, NOW);
                }
            }
        }
        let _ = Report::parse(&value);
        let resource = state.as_object().cloned().unwrap_or_default();
        let operation = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [value]
        });
        let _ = scim::patch(&resource, &operation);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_snapshot_that_comes_twice_means_no_more(snapshots in snapshots()) {
        let once = one_by_one(reports(&snapshots));
        let twice = reports(&snapshots).into_iter().flat_map(|report| [report.clone(), report]);
        prop_assert_eq!(one_by_one(twice), once);
    }

    #[test]
    fn any_split_into_batches_means_the_same(
        snapshots in snapshots(),
        cuts in prop::collection::vec(any::<bool>(), 30),
    ) {
        let world = world();
        block_on(async {
            let mut import = world.monitor.import(Mode::Changes);
            for (report, cut) in reports(&snapshots).into_iter().zip(cuts) {
                import.push(report).await.unwrap();
                if cut {
                    import.finish().await.unwrap();
                    import = world.monitor.import(Mode::Changes);
                }
            }
            import.finish().await.unwrap();
        });
        prop_assert_eq!(world.events(), one_by_one(reports(&snapshots)));
    }

    #[test]
    fn versioned_snapshots_may_all_come_again(snapshots in snapshots()) {
        let versioned: Vec<_> =
            (1..).zip(reports(&snapshots)).map(|(version, report)| report.with_version(version)).collect();
        let again = versioned.iter().cloned().chain(versioned.iter().cloned());
        prop_assert_eq!(one_by_one(again), one_by_one(reports(&snapshots)));
    }
}
