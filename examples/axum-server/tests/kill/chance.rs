//! Random moments, from a seed that is told.

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of random numbers (xorshift).
pub(crate) struct Chance(u64);

impl Chance {
    /// Of the seed that is given, or of another each time.
    pub(crate) fn new() -> Self {
        let given = env::var("KILL_SEED").ok().map(|seed| seed.parse().unwrap());
        #[expect(clippy::disallowed_methods, reason = "another run has another seed")]
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let seed: u64 = given.unwrap_or_else(|| u64::from(now()));
        println!("KILL_SEED={seed}");
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(crate) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from((to - from).as_micros()).unwrap();
        from + Duration::from_micros(self.next() % span)
    }
}
