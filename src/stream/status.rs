//! The status of a stream (SSF 1.0 §8.1.2).

use serde::{Deserialize, Serialize};

/// Whether a stream transmits (SSF 1.0 §8.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StreamStatus {
    /// SETs are transmitted.
    Enabled,
    /// Nothing is transmitted; SETs are held for later.
    Paused,
    /// Nothing is transmitted and nothing is held.
    Disabled,
}

impl StreamStatus {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

/// Who gave a stream its present status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StatusSetBy {
    /// The receiver, by a status request. It was told by the answer, so no event announces it.
    Receiver,
    /// The transmitter, on its own or its operator's account: a stream-updated event announces it
    /// (SSF 1.0 §8.1.5).
    Transmitter,
    /// The operator, by suspending the client: the receiver cannot enable the stream again.
    Suspension,
}
