//! How long to wait between tries.

use std::time::Duration;

/// A random number in `0.0..1.0`, drawn by the caller: rules hold no randomness of their own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter(f64);

impl Jitter {
    /// No jitter: the longest wait.
    pub const NONE: Self = Self(0.0);

    /// The jitter made of random bits.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        // 53 bits are all that a double holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let fraction = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        Self(fraction)
    }
}

/// Exponential backoff: `first`, twice that, four times that, up to `most`, each shortened by up
/// to half at random so that streams that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl Backoff {
    /// A backoff from `first` up to `most`.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most }
    }

    /// How long to wait after the failure number `failures`, counted from 1.
    #[must_use]
    pub fn wait(&self, failures: u32, jitter: Jitter) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.most);
        full.mul_f64(1.0 - jitter.0 / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(3600));

    #[test]
    fn it_doubles_up_to_its_limit() {
        let waits: Vec<u64> =
            [1, 2, 3, 12, 13, 999].map(|n| BACKOFF.wait(n, Jitter::NONE).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 4, 2048, 3600, 3600]);
    }

    #[test]
    fn jitter_takes_off_at_most_half() {
        assert_eq!(BACKOFF.wait(1, Jitter::from_bits(0)), Duration::from_secs(1));
        let shortest = BACKOFF.wait(1, Jitter::from_bits(u64::MAX));
        assert!(shortest >= Duration::from_millis(500) && shortest < Duration::from_millis(501));
    }
}
