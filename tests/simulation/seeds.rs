//! The seeds that are run.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, iter, thread};

use crate::broken::Fault;
use crate::model::Tracing;
use crate::run::{Outcome, memory, run, run_seed, tell};

/// What is run unless `SIMULATION` says otherwise.
const SEEDS: Range<u64> = 0..2000;

#[test]
fn seeds() {
    let next = AtomicU64::new(wanted().start);
    let run_some = || {
        let (mut sum, mut broken) = (Outcome::default(), Vec::new());
        let mut seeds = iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        for seed in seeds.by_ref().take_while(|seed| *seed < wanted().end) {
            match run_seed(seed) {
                Ok(outcome) => sum.add(&outcome),
                Err(promise) => broken.push((seed, promise)),
            }
        }
        (sum, broken)
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let (mut sum, mut broken) = (Outcome::default(), Vec::new());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run_some)).collect();
        for (some, others) in threads.into_iter().map(|thread| thread.join().unwrap()) {
            sum.add(&some);
            broken.extend(others);
        }
    });
    broken.sort();
    if let Some((first, _)) = broken.first() {
        panic!("{}\nall that break one: {broken:#?}", tell(*first));
    }
    println!("{sum:#?}");
    if wanted() == SEEDS {
        assert_eq!(sum.happenings.missing(), [""; 0], "the seeds do not meet enough of it");
    }
}

/// The seeds of `SIMULATION`: a number, or a first and an end.
fn wanted() -> Range<u64> {
    let Ok(text) = env::var("SIMULATION") else { return SEEDS };
    let number = |text: &str| text.trim().parse::<u64>().expect("SIMULATION is 17 or 0..100");
    match text.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(&text)..number(&text) + 1,
    }
}

#[test]
fn a_seed_replays() {
    for seed in 0..20 {
        let [first, again] =
            [(); 2].map(|()| run(seed, memory(), Fault::default(), Tracing::Off).ok());
        assert_eq!(first, again, "seed {seed}");
    }
}
