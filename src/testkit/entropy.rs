//! Randomness that repeats.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::entropy::Entropy;

/// An [`Entropy`] that gives the same bits in the same order for the same seed (SplitMix64).
/// Anybody can guess them: for tests only.
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

/// SplitMix64 steps by the golden ratio: odd, so that every state is reached.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl SeededEntropy {
    /// The sequence of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn bits(&self) -> u128 {
        let state = self.0.fetch_add(STEP.wrapping_mul(2), Ordering::Relaxed);
        let first = mix(state.wrapping_add(STEP));
        let second = mix(state.wrapping_add(STEP.wrapping_mul(2)));
        u128::from(first) << 64 | u128::from(second)
    }
}

const fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        // The published first outputs for the seed 1234567.
        assert_eq!(
            SeededEntropy::new(1_234_567).bits(),
            6_457_827_717_110_365_317_u128 << 64 | 3_203_168_211_198_807_973
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_and_no_bits_come_twice() {
        let draw = |seed| {
            let entropy = SeededEntropy::new(seed);
            [entropy.bits(), entropy.bits(), entropy.bits()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let [first, second, third] = draw(7);
        assert!(first != second && second != third && first != third);
    }
}
