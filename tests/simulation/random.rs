//! The one source of chance of a run: everything random is drawn from here, in one order, so that
//! a seed replays.

use std::sync::{Arc, Mutex, PoisonError};

use ssf_transmitter::entropy::Entropy;
use ssf_transmitter::testkit::SeededEntropy;

/// A sequence of choices. Clones draw from the same sequence.
#[derive(Clone, Debug)]
pub(crate) struct Random(Arc<Mutex<SeededEntropy>>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(SeededEntropy::new(seed))))
    }

    pub(crate) fn bits(&self) -> u64 {
        let bits = self.0.lock().unwrap_or_else(PoisonError::into_inner).bits();
        u64::try_from(bits >> 64).unwrap()
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&self, end: usize) -> usize {
        usize::try_from(self.bits() % end as u64).unwrap()
    }

    /// A number of that range, both ends included.
    pub(crate) fn between(&self, first: u64, last: u64) -> u64 {
        first + self.bits() % (last - first + 1)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&self, percent: u64) -> bool {
        self.bits() % 100 < percent
    }

    pub(crate) fn pick<T: Clone>(&self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(crate) fn pick_one<T: Clone>(&self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(self.pick(from)) }
    }
}
