//! What happens, told to whoever wants to know. Nothing here can fail, and nothing that is told can
//! be changed by it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::hooks::{Notice, Observer};
use crate::id::{Jti, StreamId};
use crate::outbox::{DeadLetterReason, Lane};

/// Where the service tells what it did, after it is committed.
#[derive(Debug)]
pub(crate) struct Diagnostics {
    observer: Arc<dyn Observer>,
}

impl Diagnostics {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Self { observer }
    }

    /// Something happened that an operator should know.
    pub(crate) fn notice(&self, notice: &Notice) {
        // The host's code runs in the middle of ours: its panic must not end a delivery.
        let observed = catch_unwind(AssertUnwindSafe(|| self.observer.observe(notice)));
        drop(observed);
    }

    /// A SET was given up.
    pub(crate) fn dead_lettered(
        &self,
        stream_id: &StreamId,
        jti: &Jti,
        lane: Lane,
        reason: &DeadLetterReason,
    ) {
        let parts = || (stream_id.clone(), jti.clone(), reason.clone());
        let (stream_id, jti, reason) = parts();
        self.notice(&Notice::DeadLettered { stream_id, jti, reason });
        if lane == Lane::Verification {
            let (stream_id, jti, reason) = parts();
            self.notice(&Notice::VerificationFailed { stream_id, jti, reason });
        }
    }
}
