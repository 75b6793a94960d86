//! The time of one SET beside `jsonwebtoken` over AWS-LC, one thread each. How to read it:
//! `benches/README.md`.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::time::{Duration, Instant};

use criterion::Criterion;
use peers::{Jsonwebtoken, Ours, Result, generate};
use ssf_transmitter::Algorithm;
use ssf_transmitter::keys::local::SigningBackend;

const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519];
const BATCH: usize = 64;

fn main() -> Result<()> {
    let test = std::env::args().any(|argument| argument == "--test");
    let turns = if test { 2 } else { 41 };
    let mut criterion =
        Criterion::default().measurement_time(Duration::from_secs(1)).configure_from_args();
    for algorithm in ALGORITHMS {
        let key = generate(algorithm)?;
        let openssl = Ours::new(algorithm, &key, SigningBackend::OpenSsl)?;
        let aws_lc = Ours::new(algorithm, &key, SigningBackend::AwsLc)?;
        let jsonwebtoken = Jsonwebtoken::new(algorithm, &key, &openssl)?;
        let turns: Vec<_> = (0..turns)
            .map(|_| {
                Ok([
                    each(|| openssl.sets(BATCH))?,
                    each(|| aws_lc.sets(BATCH))?,
                    each(|| jsonwebtoken.sets(BATCH))?,
                ])
            })
            .collect::<Result<_>>()?;
        let [by_openssl, by_aws_lc, by_jsonwebtoken] = medians(&turns);
        println!(
            "{algorithm}: OpenSSL {by_openssl:?}, AWS-LC {by_aws_lc:?}, jsonwebtoken over AWS-LC \
             {by_jsonwebtoken:?}: {:.2} and {:.2} times as fast",
            by_jsonwebtoken.as_secs_f64() / by_openssl.as_secs_f64(),
            by_jsonwebtoken.as_secs_f64() / by_aws_lc.as_secs_f64(),
        );
        let mut group = criterion.benchmark_group(algorithm.as_str());
        group.bench_function("jsonwebtoken", |bencher| bencher.iter(|| jsonwebtoken.sets(1)));
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

/// The time of one of a batch.
fn each(sets: impl FnOnce() -> Result<Vec<String>>) -> Result<Duration> {
    let start = Instant::now();
    sets()?;
    Ok(start.elapsed() / u32::try_from(BATCH)?)
}

/// The medians of what each turn measured.
fn medians<const N: usize>(turns: &[[Duration; N]]) -> [Duration; N] {
    std::array::from_fn(|side| {
        let mut times: Vec<_> = turns.iter().map(|times| times[side]).collect();
        times.sort_unstable();
        times[times.len() / 2]
    })
}
