//! What an entry of the outbox is made of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::KeyId;
use crate::stream::{StatusSetBy, StreamStatus};

/// Which lane of a stream an entry travels in. Control entries go before all others, in the order
/// written, and no filter, order key or quota applies to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lane {
    /// Events about subjects.
    Ordinary,
    /// Control: a stream-updated SET (SSF 1.0 §8.1.5).
    StreamUpdated,
    /// Control: a verification SET (SSF 1.0 §8.1.4).
    Verification,
}

impl Lane {
    /// Whether this is one of the control lanes.
    #[must_use]
    pub const fn is_control(self) -> bool {
        match self {
            Self::Ordinary => false,
            Self::StreamUpdated | Self::Verification => true,
        }
    }
}

/// Whether an entry of that lane may go out while the stream has that status.
///
/// SSF 1.0 §8.1.2.1: nothing is transmitted on a paused or disabled stream. The one exception is
/// the stream-updated SET that announces a stop the transmitter decided (§8.1.5): it is due before
/// the stream stops, so it may still leave. The receiver that stopped the stream itself knows.
#[must_use]
pub const fn may_leave(status: StreamStatus, set_by: StatusSetBy, lane: Lane) -> bool {
    match (status, lane) {
        (StreamStatus::Enabled, _) => true,
        (StreamStatus::Paused | StreamStatus::Disabled, Lane::StreamUpdated) => match set_by {
            StatusSetBy::Receiver => false,
            StatusSetBy::Transmitter | StatusSetBy::Suspension => true,
        },
        (StreamStatus::Paused | StreamStatus::Disabled, Lane::Ordinary | Lane::Verification) => {
            false
        }
    }
}

/// The number of a claim: a later claim of the same entry has a higher one, and a settle with an
/// older one is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

/// The compact serialisation of a SET, kept so that every attempt sends the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptToken {
    /// The JWS compact serialisation.
    pub compact: Arc<str>,
    /// The key that signed it.
    pub kid: KeyId,
}

impl KeptToken {
    /// A token signed by that key.
    #[must_use]
    pub const fn new(compact: Arc<str>, kid: KeyId) -> Self {
        Self { compact, kid }
    }
}

/// An error that a receiver reported about a SET it had polled (RFC 8936 §2.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PollError {
    /// The error code.
    pub err: String,
    /// The receiver's words, cleaned and cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl PollError {
    /// An error with that code and description.
    #[must_use]
    pub const fn new(err: String, description: Option<String>) -> Self {
        Self { err, description }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANES: [Lane; 3] = [Lane::Ordinary, Lane::StreamUpdated, Lane::Verification];

    #[test]
    fn an_enabled_stream_sends_everything() {
        for lane in LANES {
            assert!(may_leave(StreamStatus::Enabled, StatusSetBy::Receiver, lane));
        }
    }

    #[test]
    fn a_stream_its_receiver_stopped_sends_nothing() {
        for status in [StreamStatus::Paused, StreamStatus::Disabled] {
            for lane in LANES {
                assert!(!may_leave(status, StatusSetBy::Receiver, lane), "{status:?} {lane:?}");
            }
        }
    }

    #[test]
    fn a_stream_the_transmitter_stopped_sends_only_the_announcement() {
        for status in [StreamStatus::Paused, StreamStatus::Disabled] {
            for set_by in [StatusSetBy::Transmitter, StatusSetBy::Suspension] {
                let leaving: Vec<_> =
                    LANES.into_iter().filter(|&lane| may_leave(status, set_by, lane)).collect();
                assert_eq!(leaving, [Lane::StreamUpdated]);
            }
        }
    }
}
