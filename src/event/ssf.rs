//! The events of SSF 1.0 about streams themselves.
//!
//! The transmitter sends them on its own account, as control SETs of a stream; a host needs them to
//! read what it was sent, or to compare. One that a host emits is checked like any other and reaches
//! nobody: it would be about a stream, and at most that stream may get it (SSF 1.0 §8.1.4.1, §8.1.5).

use super::define::event;
use crate::stream::StreamStatus;

event! {
    /// The stream works (SSF 1.0 §8.1.4.1).
    #[derive(Default)]
    Verification = VERIFICATION;
    /// A verification that nobody asked for, which has no `state`.
    fn new;
    subject ["opaque"];
    excluded ["subject"];
    required {}
    optional {
        /// What the receiver gave with its request, echoed byte for byte.
        state, with_state: String = "state";
    }
}

event! {
    /// The transmitter changed the status of the stream (SSF 1.0 §8.1.5).
    StreamUpdated = STREAM_UPDATED;
    /// The event with its required members.
    fn new;
    subject ["opaque"];
    excluded ["subject"];
    required {
        /// The status now.
        status: StreamStatus = "status";
    }
    optional {
        /// Why, in a few words.
        reason, with_reason: String = "reason";
    }
}
