//! Random choices that repeat.

use crate::entropy::Entropy;
use crate::testkit::SeededEntropy;

/// Chooses the same for the same seed.
#[derive(Debug)]
pub(super) struct Dice(SeededEntropy);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number below that one; 0 below 0.
    pub(super) fn below(&self, number: usize) -> usize {
        let number = u128::try_from(number.max(1)).unwrap_or(1);
        usize::try_from((self.0.bits() >> 64) % number).unwrap_or(0)
    }

    pub(super) fn flip(&self) -> bool {
        self.below(2) == 1
    }

    /// One of several, by their weights.
    pub(super) fn weighted(&self, weights: &[usize]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (choice, weight) in weights.iter().enumerate() {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return choice,
            }
        }
        0
    }
}
