//! The randomness port, and the one place that draws from the system's.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// Where the library gets random bits from: for identifiers and for jitter.
///
/// # Contract
/// 1. Every call returns at least 122 fresh bits that nobody can guess.
/// 2. It never blocks for long and never fails.
///
/// Tests replace it by a seeded generator:
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use ssf_transmitter::entropy::Entropy;
///
/// #[derive(Debug, Default)]
/// struct Counting(AtomicU64);
///
/// impl Entropy for Counting {
///     fn bits(&self) -> u128 {
///         u128::from(self.0.fetch_add(1, Ordering::Relaxed))
///     }
/// }
/// ```
pub trait Entropy: fmt::Debug + Send + Sync + 'static {
    /// Random bits.
    fn bits(&self) -> u128;
}

impl<T: Entropy + ?Sized> Entropy for Arc<T> {
    fn bits(&self) -> u128 {
        (**self).bits()
    }
}

impl<T: Entropy + ?Sized> Entropy for Box<T> {
    fn bits(&self) -> u128 {
        (**self).bits()
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that draws randomness")]
    fn bits(&self) -> u128 {
        // Six bits of a version 4 UUID are fixed; two of them make no guess easier.
        let [first, second] = [Uuid::new_v4().as_u128(), Uuid::new_v4().as_u128()];
        first ^ second.rotate_left(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bit_is_fixed() {
        let (mut ones, mut zeros) = (0, 0);
        for _ in 0..64 {
            let bits = SystemEntropy.bits();
            ones |= bits;
            zeros |= !bits;
        }
        assert_eq!((ones, zeros), (u128::MAX, u128::MAX));
    }
}
