//! An import takes no more memory for many identities than for few.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use peak_alloc::PeakAlloc;
use serde_json::{Map, json};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{IdentityId, Issuer, KeyId};
use ssf_transmitter::lifecycle::{Conditions, Mode, Report};
use ssf_transmitter::monitor::{BATCH, IdentityMonitor};
use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};
use ssf_transmitter::{Algorithm, LocalKeys, SigningKey, Transmitter};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How much more the longer import may take: much less than a byte for each of its identities.
const TOLERANCE: usize = 1024 * 1024;

fn monitor(store: Arc<SqliteStore>) -> IdentityMonitor {
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k").unwrap()).unwrap();
    let issuer = Issuer::parse("https://tr.example.com").unwrap();
    let builder = Transmitter::builder(issuer, Arc::clone(&store), LocalKeys::new(key));
    IdentityMonitor::new(builder.build().unwrap(), store)
}

/// An identity with ten attributes of a kilobyte together.
fn report(identity: usize) -> Report {
    let attribute = |n| (format!("a{n}"), json!(format!("{n:>90} of {identity}")));
    let attributes: Map<_, _> = (0..10).map(attribute).collect();
    Report::new(IdentityId::parse(format!("identity-{identity}")).unwrap(), attributes)
}

/// The most that an import of these identities takes beside what was there before.
async fn peak(monitor: &IdentityMonitor, identities: std::ops::Range<usize>) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let mut import = monitor.import(Mode::Baseline);
    let wanted = identities.len() as u64;
    for identity in identities {
        import.push(report(identity)).await.unwrap();
    }
    assert_eq!(import.finish().await.unwrap().recorded, wanted);
    MEMORY.peak_usage() - before
}

#[tokio::test]
async fn an_import_takes_no_more_memory_for_many_identities_than_for_few() {
    let folder = std::env::temp_dir().join(format!("ssf-import-memory-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = SqliteStore::open(folder.join("t.db"), SqliteOptions::default()).await.unwrap();
    let monitor = monitor(Arc::new(store));
    let conditions: Vec<_> = (0..10)
        .map(|n| {
            json!({
                "name": format!("{n}"),
                "when": {"attribute": format!("a{n}"), "enters": {"is": "missing"}},
                "emit": {
                    "event_type": types::session_revoked(),
                    "subject": {"format": "opaque", "id": "x"}
                }
            })
        })
        .collect();
    let conditions = Conditions::parse(&json!({"version": 1, "conditions": conditions})).unwrap();
    monitor.replace_conditions(0, conditions).await.unwrap();

    let few = 2 * BATCH;
    // What is made once is there before it counts.
    peak(&monitor, 0..few).await;
    let short = peak(&monitor, few..2 * few).await;
    let long = peak(&monitor, 2 * few..6 * few).await;
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(long < short + TOLERANCE, "{long} bytes for {}, {short} for {few}", 4 * few);
    assert!(short > BATCH * 1_000, "a batch was seen: {short}");
}
