//! From the claims of a SET to its compact serialisation, beside the bare signature of the same
//! bytes. How to run and to read it: `benches/README.md`.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod josekit_path;
mod raw;
mod set;

use std::error::Error;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use ssf_transmitter::keys::local::SigningBackend;
use ssf_transmitter::{Algorithm, LocalKeys};

use josekit_path::JosekitPath;
use raw::Raw;
use set::{Fixed, Maker, generate, local_keys};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const BACKENDS: [SigningBackend; 2] = [SigningBackend::OpenSsl, SigningBackend::AwsLc];

const ALGORITHMS: [(Algorithm, u32); 6] = [
    (Algorithm::Rs256, 2048),
    (Algorithm::Rs256, 3072),
    (Algorithm::Ps256, 2048),
    (Algorithm::Es256, 0),
    (Algorithm::Es384, 0),
    (Algorithm::Ed25519, 0),
];

/// The most SETs that the default configuration pushes at once.
const BATCH: usize = 64;

fn main() -> Result<()> {
    let test = std::env::args().any(|argument| argument == "--test");
    let turns = if test { 2 } else { 41 };
    let time = Duration::from_secs(1);
    let mut criterion =
        Criterion::default().measurement_time(time).warm_up_time(time / 2).configure_from_args();
    overhead(turns)?;
    for backend in BACKENDS {
        for (algorithm, bits) in ALGORITHMS {
            let mut case = Case::new(backend, algorithm, bits)?;
            case.compare(turns)?;
            case.time(&mut criterion);
        }
    }
    criterion.final_summary();
    Ok(())
}

/// What a SET costs without its signature, against the fastest signature there is here: ES256 by
/// AWS-LC.
fn overhead(turns: usize) -> Result<()> {
    let key = generate(Algorithm::Es256, 0)?;
    let maker = Maker::new(Algorithm::Es256)?;
    let input = maker.inputs(1)?.pop().ok_or("no input")?;
    let mut raw = Raw::new(SigningBackend::AwsLc, Algorithm::Es256, &key)?;
    let fixed = Fixed::new(64)?;
    let [signature, set, whole] = in_turns(turns, || {
        Ok([
            each(BATCH, || (0..BATCH).try_for_each(|_| raw.sign(input.as_bytes())))?,
            each(BATCH, || maker.sets(&fixed, BATCH).map(drop))?,
            each(BATCH, || (0..BATCH).try_for_each(|_| maker.event().map(drop)))?,
        ])
    })?;
    let percent = |time: Duration| 100.0 * ratio(time, signature);
    println!(
        "everything but the signature: {set:?} a SET, {:.1} % of one ES256 signature by AWS-LC \
         ({signature:?}); the claims all SETs of an event share: {whole:?}, {:.1} %",
        percent(set),
        percent(whole),
    );
    Ok(())
}

/// One algorithm in the hands of one library.
struct Case {
    name: String,
    maker: Maker,
    /// What signs with one thread, and what with two.
    keys: [LocalKeys; 2],
    raw: [Raw; 2],
    josekit: JosekitPath,
    input: Vec<u8>,
}

impl Case {
    fn new(backend: SigningBackend, algorithm: Algorithm, bits: u32) -> Result<Self> {
        let key = generate(algorithm, bits)?;
        let maker = Maker::new(algorithm)?;
        let input = maker.inputs(1)?.pop().ok_or("no input")?.as_bytes().to_vec();
        let keys = |threads: usize| -> Result<LocalKeys> {
            let threads = NonZeroUsize::new(threads).ok_or("no thread")?;
            let keys = local_keys(algorithm, &key)?.signed_by(backend)?;
            Ok(keys.with_signing_threads(threads))
        };
        let bits = if bits == 0 { String::new() } else { format!(" {bits}") };
        Ok(Self {
            name: format!("{backend:?} {algorithm}{bits}"),
            keys: [keys(1)?, keys(2)?],
            raw: [Raw::new(backend, algorithm, &key)?, Raw::new(backend, algorithm, &key)?],
            josekit: JosekitPath::new(algorithm, &key, &maker)?,
            maker,
            input,
        })
    }

    /// Prints medians and their ratios, taken in turns so that a busy machine slows all sides.
    fn compare(&mut self, turns: usize) -> Result<()> {
        let Self { name, maker, keys: [one, two], raw, josekit, input } = self;
        let (maker, two) = (&*maker, &*two);
        let [bare, set, other, bare_2, set_2] = in_turns(turns, || {
            let [raw_1, raw_2] = &mut *raw;
            let sign = |raw: &mut Raw| (0..BATCH).try_for_each(|_| raw.sign(input));
            Ok([
                each(BATCH, || sign(raw_1))?,
                each(BATCH, || maker.sets(one, BATCH).map(drop))?,
                each(BATCH, || (0..BATCH).try_for_each(|_| josekit.set().map(drop)))?,
                each(2 * BATCH, || at_once(|| sign(raw_1), || sign(raw_2)))?,
                each(2 * BATCH, || {
                    let batch = || maker.sets(two, BATCH).map(drop);
                    at_once(batch, batch)
                })?,
            ])
        })?;
        println!(
            "{name}: bare signature {bare:?}, SET {set:?}: {:.3} of the bare rate (two threads \
             {:.3}); two threads make {:.2} times what one does (bare {:.2}); josekit's own way \
             takes {:.2} times as long",
            ratio(bare, set),
            ratio(bare_2, set_2),
            ratio(set, set_2),
            ratio(bare, bare_2),
            ratio(other, set),
        );
        Ok(())
    }

    /// Lets criterion time each on its own.
    fn time(&mut self, criterion: &mut Criterion) {
        let Self { name, maker, keys: [one, _], raw: [raw, _], input, .. } = self;
        let mut group = criterion.benchmark_group(&*name);
        group.bench_function("bare signature", |bencher| bencher.iter(|| raw.sign(input)));
        group.bench_function("one SET", |bencher| bencher.iter(|| maker.sets(one, 1)));
        group.bench_function("batch of 64", |bencher| bencher.iter(|| maker.sets(one, BATCH)));
        group.finish();
    }
}

/// How many times the second the first is.
fn ratio(first: Duration, second: Duration) -> f64 {
    first.as_secs_f64() / second.as_secs_f64()
}

/// The time of one of `count` that the work does.
fn each(count: usize, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed() / u32::try_from(count)?)
}

/// Does two works on two threads at once.
fn at_once(
    first: impl FnOnce() -> Result<()> + Send,
    second: impl FnOnce() -> Result<()> + Send,
) -> Result<()> {
    thread::scope(|scope| {
        let first = scope.spawn(first);
        second()?;
        first.join().map_err(|_| "a thread panicked")?
    })
}

/// The medians of what each turn measured.
fn in_turns<const N: usize>(
    turns: usize,
    mut turn: impl FnMut() -> Result<[Duration; N]>,
) -> Result<[Duration; N]> {
    let turns: Vec<_> = (0..turns).map(|_| turn()).collect::<Result<_>>()?;
    Ok(std::array::from_fn(|side| {
        let mut times: Vec<_> = turns.iter().map(|times| times[side]).collect();
        times.sort_unstable();
        times[times.len() / 2]
    }))
}
