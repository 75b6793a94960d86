//! What a snapshot costs that changes nothing relevant, beside one ES256 signature. How to run and
//! to read it: `benches/README.md`.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use criterion::{BatchSize, Criterion};
use serde_json::{Map, json};
use ssf_transmitter::id::{IdentityId, Issuer, KeyId};
use ssf_transmitter::lifecycle::{Conditions, Mode, Report, presets};
use ssf_transmitter::monitor::{IdentityMonitor, Outcome};
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::{Algorithm, LocalKeys, MemoryStore, SigningKey, Transmitter};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many identities are known.
const IDENTITIES: usize = 10_000;

fn main() -> Result<()> {
    let test = std::env::args().any(|argument| argument == "--test");
    let turns = if test { 2 } else { 5_000 };
    let mut criterion =
        Criterion::default().measurement_time(Duration::from_secs(2)).configure_from_args();
    let bench = Bench::new()?;

    let (mut signatures, mut snapshots) = (Vec::new(), Vec::new());
    for turn in 0..turns {
        signatures.push(timed(|| bench.signature())?);
        let report = Bench::report(turn % IDENTITIES, turn)?;
        snapshots.push(timed(|| bench.snapshot(report))?);
    }
    let [signature, snapshot] = [&mut signatures, &mut snapshots].map(|times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    let ratio = snapshot.as_secs_f64() / signature.as_secs_f64();
    println!("ES256 signature {signature:?}, irrelevant snapshot {snapshot:?}, ratio {ratio:.2}");

    let mut group = criterion.benchmark_group("lifecycle");
    group.bench_function("ES256 signature", |bencher| bencher.iter(|| bench.signature()));
    let mut turn = 0;
    group.bench_function("irrelevant snapshot", |bencher| {
        bencher.iter_batched(
            || {
                turn += 1;
                Bench::report(turn % IDENTITIES, turn)
            },
            |report| report.and_then(|report| bench.snapshot(report)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// A monitor that watches five attributes of identities with twenty, and a key.
struct Bench {
    monitor: IdentityMonitor,
    key: EcdsaKeyPair,
}

impl Bench {
    fn new() -> Result<Self> {
        let store = Arc::new(MemoryStore::new());
        let keys = LocalKeys::new(SigningKey::generate(Algorithm::Es256, KeyId::parse("k")?)?);
        let issuer = Issuer::parse("https://tr.example.com")?;
        let transmitter = Transmitter::builder(issuer, Arc::clone(&store), keys).build()?;
        let monitor = IdentityMonitor::new(transmitter, store);

        let user = json!({"format": "email", "email": {"$from": "email", "$of": "last"}});
        let document = json!({"version": 1, "conditions": [
            presets::leaver("status", &json!(["terminated", "retired"]), &user),
            presets::account_disabled("status", &json!(["locked"]), &user),
            presets::email_change("email"),
            presets::device_out_of_compliance("/device/compliant", &json!(true), &user),
            presets::risk_level("risk", &user),
            presets::credential_change("/password/changed", "password", &user),
        ]});
        let conditions = Conditions::parse(&document)?;
        assert_eq!(conditions.attributes().len(), 5);
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let bench = Self { monitor, key };
        block_on(async {
            bench.monitor.replace_conditions(0, conditions).await?;
            let mut import = bench.monitor.import(Mode::Baseline);
            for identity in 0..IDENTITIES {
                import.push(Self::report(identity, 0)?).await?;
            }
            import.finish().await?;
            Ok::<_, Box<dyn Error>>(bench)
        })
    }

    /// The same identity with another value of an attribute that nobody watches.
    fn report(identity: usize, turn: usize) -> Result<Report> {
        let mut attributes = Map::new();
        for other in 0..15 {
            attributes.insert(format!("attribute-{other}"), format!("value {turn}").into());
        }
        attributes.insert("status".to_owned(), "active".into());
        attributes.insert("email".to_owned(), format!("user{identity}@example.com").into());
        attributes.insert("risk".to_owned(), "LOW".into());
        attributes.insert("device".to_owned(), json!({"compliant": true}));
        attributes.insert("password".to_owned(), json!({"changed": "2026-01-01T00:00:00Z"}));
        Ok(Report::new(IdentityId::parse(format!("user-{identity}"))?, attributes))
    }

    fn snapshot(&self, report: Report) -> Result<()> {
        let observed = block_on(self.monitor.upsert(report))?;
        assert_eq!(observed.outcome, Outcome::Unchanged);
        Ok(())
    }

    fn signature(&self) -> Result<()> {
        black_box(self.key.sign(&SystemRandom::new(), &[0; 600])?);
        Ok(())
    }
}
