//! From the claims of a SET to its compact serialisation, beside the bare signature of the same
//! bytes. How to run and to read it: `benches/README.md`.

use std::error::Error;
use std::time::{Duration, Instant};

use criterion::Criterion;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::json;
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, Issuer, Jti, KeyId, Txn};
use ssf_transmitter::keys::{KeyProvider, SignBatch};
use ssf_transmitter::set::{HeaderSegment, SetBody, SigningInput};
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::{Algorithm, Event, LocalKeys, SigningKey, SimpleSubject};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519];

/// The most SETs that the default configuration pushes at once.
const BATCH: usize = 64;

fn main() -> Result<()> {
    let turns = if std::env::args().any(|argument| argument == "--test") { 2 } else { 1_000 };
    let mut criterion =
        Criterion::default().measurement_time(Duration::from_secs(2)).configure_from_args();
    for algorithm in ALGORITHMS {
        let bench = Bench::new(algorithm)?;
        let input = bench.input()?;
        let bare = || bare_signature(algorithm, &bench.key, input.as_bytes());
        compare(algorithm, turns, || timed(bare), || timed(|| bench.sets(1)))?;

        let mut group = criterion.benchmark_group(algorithm.as_str());
        group.bench_function("bare signature", |bencher| bencher.iter(bare));
        group.bench_function("one SET", |bencher| bencher.iter(|| bench.sets(1)));
        group.bench_function("batch of 64", |bencher| bencher.iter(|| bench.sets(BATCH)));
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

/// Prints the median time of a bare signature and of a SET, and how many times the first the second
/// is. They take turns, so that a busy machine slows both.
fn compare(
    algorithm: Algorithm,
    turns: usize,
    bare: impl Fn() -> Result<Duration>,
    set: impl Fn() -> Result<Duration>,
) -> Result<()> {
    let turns: Vec<_> = (0..turns).map(|_| Ok((bare()?, set()?))).collect::<Result<_>>()?;
    let (mut bare, mut set): (Vec<_>, Vec<_>) = turns.into_iter().unzip();
    let [bare, set] = [&mut bare, &mut set].map(|times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    let ratio = set.as_secs_f64() / bare.as_secs_f64();
    println!("{algorithm}: bare signature {bare:?}, SET {set:?}, ratio {ratio:.2}");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed<T>(work: impl Fn() -> Result<T>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// One key, in the library's hands and in OpenSSL's, and what a SET is made of.
struct Bench {
    key: PKey<Private>,
    keys: LocalKeys,
    kid: KeyId,
    header: HeaderSegment,
    issuer: Issuer,
    audience: Audience,
    txn: Txn,
    jti: Jti,
    event: Event,
}

impl Bench {
    fn new(algorithm: Algorithm) -> Result<Self> {
        let (key, kid) = (generate(algorithm)?, KeyId::parse("2026-11-a")?);
        let pem = key.private_key_to_pem_pkcs8()?;
        let subject = SimpleSubject::email("former.employee@example.com")?;
        Ok(Self {
            keys: LocalKeys::new(SigningKey::from_pem(pem, algorithm, kid.clone())?),
            header: HeaderSegment::new(algorithm, &kid),
            issuer: Issuer::parse("https://transmitter.example.com")?,
            audience: Audience::parse("https://receiver.example.com")?,
            txn: Txn::parse("019ab0f0-5c4e-7d3a-8f21-6b1f0a2c9e47")?,
            jti: Jti::parse("019ab0f0-5c4e-7d3a-8f21-6b1f0a2c9e48")?,
            event: Event::new(types::session_revoked(), subject)
                .with_member("reason_admin", json!({"en": "The account was disabled"})),
            key,
            kid,
        })
    }

    fn input(&self) -> Result<SigningInput> {
        let Self { header, issuer, audience, txn, jti, event, .. } = self;
        let (event_type, members) = (event.event_type(), event.members());
        let now = Timestamp::from_seconds(1_795_000_000);
        let body = SetBody::new(now, txn, event.subject(), event_type, members)?;
        Ok(SigningInput::new(header, issuer, jti, audience, &body, &mut Vec::new()))
    }

    /// That many SETs, the way the transmitter makes them.
    fn sets(&self, count: usize) -> Result<Vec<String>> {
        let inputs: Vec<_> = (0..count).map(|_| self.input()).collect::<Result<_>>()?;
        let batch = SignBatch::new(self.kid.clone(), inputs, Timestamp::default());
        let signed = block_on(self.keys.sign(batch))?;
        Ok(signed.into_iter().map(|set| set.input.with_signature(&set.signature)).collect())
    }
}

fn generate(algorithm: Algorithm) -> Result<PKey<Private>> {
    let ec = |curve| PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(curve)?)?);
    Ok(match algorithm {
        Algorithm::Es256 => ec(Nid::X9_62_PRIME256V1)?,
        Algorithm::Es384 => ec(Nid::SECP384R1)?,
        Algorithm::Ed25519 => PKey::generate_ed25519()?,
        _ => PKey::from_rsa(Rsa::generate(2048)?)?,
    })
}

/// What OpenSSL alone needs; for ECDSA it gives DER, which a JWS would still have to unpack.
fn bare_signature(algorithm: Algorithm, key: &PKey<Private>, input: &[u8]) -> Result<Vec<u8>> {
    let mut signer = match algorithm {
        Algorithm::Ed25519 => Signer::new_without_digest(key)?,
        Algorithm::Es384 => Signer::new(MessageDigest::sha384(), key)?,
        _ => Signer::new(MessageDigest::sha256(), key)?,
    };
    if algorithm == Algorithm::Ps256 {
        signer.set_rsa_padding(Padding::PKCS1_PSS)?;
        signer.set_rsa_mgf1_md(MessageDigest::sha256())?;
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
    }
    Ok(signer.sign_oneshot_to_vec(input)?)
}
