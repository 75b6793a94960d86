//! What the status of a stream says of the limits of what it may hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// One of the limits of what a stream may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HeldLimit {
    /// Too many entries.
    Entries,
    /// The oldest entry waited too long.
    Age,
    /// Too many bytes.
    Bytes,
}

impl HeldLimit {
    /// A word for status reasons and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Age => "age",
            Self::Bytes => "bytes",
        }
    }
}

/// That a stream holds more than it may, so that SETs are given up or were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldExceeded {
    /// The limit that was exceeded first.
    pub limit: HeldLimit,
    /// Since when.
    pub since: Timestamp,
}

impl HeldExceeded {
    /// That limit, since that time.
    #[must_use]
    pub const fn new(limit: HeldLimit, since: Timestamp) -> Self {
        Self { limit, since }
    }
}

/// As status reasons say it.
impl fmt::Display for HeldExceeded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "held_limit ({}) exceeded since {}", self.limit.as_str(), self.since)
    }
}
