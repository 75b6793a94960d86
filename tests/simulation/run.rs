//! One run from its seed to its end, and what it came to.

use std::sync::Arc;

use ssf_transmitter::store::StreamStore;
use ssf_transmitter::store::memory::MemoryStore;

use crate::broken::Fault;
use crate::happenings::Happenings;
use crate::model::Tracing;
use crate::world::World;

/// What a run came to that broke no promise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) accepted: u64,
    pub(crate) redriven: u64,
    pub(crate) delivered: u64,
    pub(crate) dead: u64,
    pub(crate) discarded: u64,
    /// How many things happened.
    pub(crate) moments: u64,
    pub(crate) happenings: Happenings,
}

impl Outcome {
    pub(crate) fn add(&mut self, more: &Self) {
        self.accepted += more.accepted;
        self.redriven += more.redriven;
        self.delivered += more.delivered;
        self.dead += more.dead;
        self.discarded += more.discarded;
        self.moments += more.moments;
        self.happenings.add(&more.happenings);
    }
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
        happenings: model.happenings.clone(),
    })
}

pub(crate) fn memory() -> Arc<dyn StreamStore> {
    Arc::new(MemoryStore::new())
}

/// Runs a seed over the store in memory.
pub(crate) fn run_seed(seed: u64) -> Result<Outcome, String> {
    run(seed, memory(), Fault::default(), Tracing::Off).map_err(|broken| broken.promise)
}

/// Runs a seed again that broke a promise, and tells it in full.
pub(crate) fn tell(seed: u64) -> String {
    match run(seed, memory(), Fault::default(), Tracing::On) {
        Ok(_) => format!("seed {seed} does not replay"),
        Err(Broken { promise, trace }) => format!(
            "seed {seed} breaks a promise:\n{trace}\n\n{promise}\n\nto replay it:\n    \
             SIMULATION={seed} cargo test --test simulation seeds\n",
            trace = trace.join("\n")
        ),
    }
}
