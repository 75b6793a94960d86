//! How much a stream may hold that nobody is being sent.

use std::time::Duration;

use crate::stream::{Delivery, HeldLimit, StreamStatus};
use crate::timestamp::Timestamp;

/// What a stream may hold while nobody is being sent anything: while it is paused, or because its
/// receiver polls and does not come. Control SETs do not count and are never given up for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldLimits {
    /// The most entries. Default: 1,000,000.
    pub entries: u64,
    /// The longest that an entry waits, from the time it was queued. Default: 30 days.
    pub age: Duration,
    /// The most bytes of claims, counted once per entry. Default: 1 GiB.
    pub bytes: u64,
    /// What happens beyond them. Default: the oldest go to dead letters.
    pub beyond: BeyondLimit,
}

/// What happens to a stream that holds more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BeyondLimit {
    /// The oldest entries go to dead letters until the rest is within the limits.
    GiveUpOldest,
    /// The stream is disabled, which discards all that waits, and its receiver is told by a
    /// stream-updated SET (SSF 1.0 §8.1.5).
    DisableStream,
}

/// The ordinary entries that a stream holds, as counters that its store maintains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// How many they are.
    pub entries: u64,
    /// The bytes of their claims.
    pub bytes: u64,
    /// When the first of them was queued.
    pub oldest: Timestamp,
}

impl Held {
    /// That many entries of that many bytes, the first queued at that time.
    #[must_use]
    pub const fn new(entries: u64, bytes: u64, oldest: Timestamp) -> Self {
        Self { entries, bytes, oldest }
    }
}

/// Whether the ordinary entries of a stream wait for somebody to come: the stream is paused, or it
/// is polled. What is pushed waits for nobody, and a disabled stream holds nothing.
#[must_use]
pub const fn holds(status: StreamStatus, delivery: &Delivery) -> bool {
    match (status, delivery) {
        (StreamStatus::Paused, _) | (StreamStatus::Enabled, Delivery::Poll) => true,
        (StreamStatus::Enabled, Delivery::Push(_)) | (StreamStatus::Disabled, _) => false,
    }
}

impl Default for HeldLimits {
    fn default() -> Self {
        Self {
            entries: 1_000_000,
            age: Duration::from_secs(30 * 24 * 3600),
            bytes: 1 << 30,
            beyond: BeyondLimit::GiveUpOldest,
        }
    }
}

impl HeldLimits {
    /// Which limit is exceeded; while one is, the oldest entry goes.
    #[must_use]
    pub fn exceeded(&self, held: &Held, now: Timestamp) -> Option<HeldLimit> {
        if held.entries > self.entries {
            Some(HeldLimit::Entries)
        } else if held.bytes > self.bytes {
            Some(HeldLimit::Bytes)
        } else if now >= self.due(held) {
            Some(HeldLimit::Age)
        } else {
            None
        }
    }

    /// When the oldest entry will have waited too long.
    #[must_use]
    pub fn due(&self, held: &Held) -> Timestamp {
        held.oldest.after(self.age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn limits() -> HeldLimits {
        HeldLimits { entries: 3, age: Duration::from_secs(60), bytes: 100, ..HeldLimits::default() }
    }

    #[test]
    fn what_is_within_the_limits_stays() {
        let held = Held::new(3, 100, Timestamp::from_seconds(941));
        assert_eq!(limits().exceeded(&held, NOW), None);
    }

    #[test]
    fn each_limit_is_named_when_it_is_exceeded() {
        for (held, limit) in [
            (Held::new(4, 1, NOW), HeldLimit::Entries),
            (Held::new(1, 101, NOW), HeldLimit::Bytes),
            (Held::new(1, 1, Timestamp::from_seconds(940)), HeldLimit::Age),
        ] {
            assert_eq!(limits().exceeded(&held, NOW), Some(limit));
        }
    }

    #[test]
    fn the_longest_age_never_comes() {
        let limits = HeldLimits { age: Duration::MAX, ..limits() };
        assert_eq!(limits.exceeded(&Held::new(1, 1, Timestamp::default()), NOW), None);
    }
}
