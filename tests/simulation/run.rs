//! One run from its seed to its end, and what it came to.

use std::sync::Arc;

use ssf_transmitter::store::StreamStore;
use ssf_transmitter::store::memory::MemoryStore;

use crate::broken::Fault;
use crate::model::Tracing;
use crate::world::World;

/// What a run came to that broke no promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) accepted: u64,
    pub(crate) redriven: u64,
    pub(crate) delivered: u64,
    pub(crate) dead: u64,
    pub(crate) discarded: u64,
    /// How many things happened.
    pub(crate) moments: u64,
}

/// A promise that a run broke.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) promise: String,
    /// What happened before, if it was written down.
    pub(crate) trace: Vec<String>,
}

/// Runs a seed over that store, reached over lines with that fault.
pub(crate) fn run(
    seed: u64,
    store: Arc<dyn StreamStore>,
    fault: Fault,
    tracing: Tracing,
) -> Result<Outcome, Broken> {
    let mut world = World::new(seed, store, fault, tracing);
    world.prologue();
    world.everything_happens();
    if !world.is_broken() {
        world.epilogue();
    }
    let model = world.model.lock();
    if let Some(promise) = model.broken() {
        let trace = model.trace().cloned().collect();
        return Err(Broken { promise: promise.to_owned(), trace });
    }
    let totals = model.totals;
    Ok(Outcome {
        accepted: totals.accepted,
        redriven: totals.redriven,
        delivered: totals.delivered,
        dead: totals.dead,
        discarded: totals.discarded_deleted + totals.discarded_disabled + totals.discarded_replaced,
        moments: model.moment(),
    })
}

pub(crate) fn memory() -> Arc<dyn StreamStore> {
    Arc::new(MemoryStore::new())
}

/// Runs a seed over the store in memory; one that breaks a promise is run again and told in full.
pub(crate) fn run_and_tell(seed: u64) -> Outcome {
    match run(seed, memory(), Fault::default(), Tracing::Off) {
        Ok(outcome) => outcome,
        Err(Broken { promise, .. }) => {
            let again = run(seed, memory(), Fault::default(), Tracing::On);
            let trace = again.err().map(|broken| broken.trace.join("\n")).unwrap_or_default();
            panic!(
                "seed {seed} breaks a promise:\n{trace}\n\n{promise}\n\nto replay it:\n    \
                 SIMULATION={seed} cargo test --test simulation seeds\n"
            );
        }
    }
}
