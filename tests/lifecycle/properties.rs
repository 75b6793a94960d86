//! Whatever way the same snapshots come in, the same events follow.

use proptest::prelude::*;
use serde_json::json;
use ssf_transmitter::lifecycle::{Mode, Report};
use ssf_transmitter::testkit::block_on;

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
