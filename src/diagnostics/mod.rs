//! What happens, told to whoever wants to know: the log (feature `tracing`), metrics (feature
//! `metrics`) and the host's observer. Nothing here can fail, and nothing that is told can be
//! changed by it.

#[cfg(feature = "tracing")]
mod log;
#[cfg(feature = "metrics")]
mod meter;

use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::hooks::{Notice, Observer};
use crate::id::{Jti, Owner, StreamId, TrackingId, Txn};
use crate::outbox::{DeadLetterReason, Fate, Hindrance, Lane, RoundTrip};
use crate::set::Algorithm;
use crate::store::Settled;

#[cfg(feature = "metrics")]
pub(crate) use meter::{Gauges, describe, set_gauges};

/// Something that happened.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(all(feature = "metrics", feature = "tracing")),
    allow(dead_code, reason = "who wants to know less reads less")
)]
pub(crate) enum Told<'a> {
    /// A request was answered.
    Answered { operation: &'static str, status: u16, took: Duration },
    /// A receiver acknowledged SETs that it had polled, a verification perhaps among them.
    Acknowledged { stream_id: &'a StreamId, delivered: u64, verified: Option<RoundTrip> },
    /// An event was emitted and is committed.
    Emitted { txn: &'a Txn, sets: usize },
    /// Something an operator should know.
    Noticed(&'a Notice),
    /// An attempt to push a SET is settled.
    Pushed(Push<'a>),
    /// A request was refused: why is the cause.
    Refused {
        tracking_id: &'a TrackingId,
        caller: Option<&'a Owner>,
        method: &'a str,
        path: &'a str,
        operation: &'static str,
        status: u16,
        cause: &'a (dyn StdError + 'static),
    },
    /// Something of ours kept a SET from being sent: why is the cause, which holds no secret.
    NotSent { stream_id: &'a StreamId, what: Hindrance, cause: &'a (dyn StdError + 'static) },
    /// SETs were signed.
    Signed { algorithm: Algorithm, sets: usize, took: Duration },
    /// Signing failed.
    NotSigned,
    /// The worker met a failure and goes on.
    Trouble(&'a Error),
}

/// An attempt to push a SET, and what became of it.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(all(feature = "metrics", feature = "tracing")),
    allow(dead_code, reason = "who wants to know less reads less")
)]
pub(crate) struct Push<'a> {
    pub(crate) stream_id: &'a StreamId,
    pub(crate) jti: &'a Jti,
    pub(crate) lane: Lane,
    pub(crate) fate: &'a Fate,
    pub(crate) settled: Settled,
    /// From the emission to the settling.
    pub(crate) age: Duration,
}

/// Tells the log and the metrics.
pub(crate) fn tell(told: Told<'_>) {
    #[cfg(feature = "tracing")]
    log::write(told);
    #[cfg(feature = "metrics")]
    meter::count(told);
    let _ = told;
}

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
        tell(Told::Noticed(notice));
        // The host's code runs in the middle of ours: its panic must not end a delivery.
        let observed = catch_unwind(AssertUnwindSafe(|| self.observer.observe(notice)));
        drop(observed);
    }

    /// An attempt to push a SET is settled.
    pub(crate) fn pushed(&self, push: Push<'_>) {
        tell(Told::Pushed(push));
        if let (Settled::Done, Fate::Dead(reason)) = (push.settled, push.fate) {
            self.dead_lettered(push.stream_id, push.jti, push.lane, reason);
        }
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

/// A poll waits, until this is dropped.
#[derive(Debug)]
pub(crate) struct PollWaits(());

impl PollWaits {
    pub(crate) fn begin() -> Self {
        #[cfg(feature = "metrics")]
        meter::poll_waits(1.0);
        Self(())
    }
}

impl Drop for PollWaits {
    fn drop(&mut self) {
        #[cfg(feature = "metrics")]
        meter::poll_waits(-1.0);
    }
}

/// What became of a push, in a word.
#[cfg(any(feature = "metrics", feature = "tracing"))]
fn outcome(push: Push<'_>) -> &'static str {
    match (push.settled, push.fate) {
        (Settled::Gone, _) => "gone",
        (Settled::Done, Fate::Delivered { .. }) => "delivered",
        (Settled::Done, Fate::Retry(_) | Fate::SignAnew(_)) => "retried",
        (Settled::Done, Fate::Defer(_)) => "deferred",
        (Settled::Done, Fate::Return) => "returned",
        (Settled::Done, Fate::Dead(_)) => "dead_lettered",
    }
}
