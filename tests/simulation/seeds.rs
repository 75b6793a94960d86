//! The seeds that are run.

use std::env;
use std::ops::Range;

use crate::broken::Fault;
use crate::model::Tracing;
use crate::run::{Outcome, memory, run, run_and_tell};

/// What is run unless `SIMULATION` says otherwise.
const SEEDS: Range<u64> = 0..2000;

#[test]
fn seeds() {
    let mut sum = Outcome::default();
    for seed in wanted() {
        let outcome = run_and_tell(seed);
        sum.accepted += outcome.accepted;
        sum.redriven += outcome.redriven;
        sum.delivered += outcome.delivered;
        sum.dead += outcome.dead;
        sum.discarded += outcome.discarded;
        sum.moments += outcome.moments;
    }
    println!("{sum:?}");
    assert!(sum.delivered > 0 || wanted().count() < 100, "nothing was delivered");
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
