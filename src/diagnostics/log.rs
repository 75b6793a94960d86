//! The log, over `tracing`. No secret and no word of a receiver goes into it: what receivers write
//! in their answers is in dead letters and in the overview of their streams.

use std::error::Error as StdError;
use std::fmt;

use tracing::{debug, error, info, warn};

use super::{Told, outcome};
use crate::hooks::Notice;

/// What subscribers filter by.
const TARGET: &str = "ssf_transmitter";

/// Writes down what happened.
pub(super) fn write(told: Told<'_>) {
    match told {
        Told::Acknowledged { stream_id, delivered } => {
            debug!(target: TARGET, %stream_id, delivered, "SETs acknowledged");
        }
        Told::Emitted { txn, sets } => debug!(target: TARGET, %txn, sets, "event emitted"),
        Told::Noticed(notice) => write_notice(notice),
        Told::Pushed(push) => {
            let (stream_id, jti, outcome) = (push.stream_id, push.jti, outcome(push));
            debug!(target: TARGET, %stream_id, %jti, outcome, age_ms = millis(push.age), "SET pushed");
        }
        Told::Signed { algorithm, sets, took } => {
            debug!(target: TARGET, %algorithm, sets, took_ms = millis(took), "SETs signed");
        }
        Told::NotSigned => warn!(target: TARGET, "signing failed: the keys rest for a while"),
        Told::Trouble(trouble) => {
            error!(target: TARGET, cause = %Chain(trouble), "the worker goes on after")
        }
    }
}

fn write_notice(notice: &Notice) {
    match notice {
        Notice::BreakerClosed { stream_id } => info!(target: TARGET, %stream_id, "breaker closed"),
        Notice::BreakerOpened { stream_id, error } => {
            warn!(target: TARGET, %stream_id, ?error, "breaker opened");
        }
        Notice::DeadLettered { stream_id, jti, reason: why } => {
            warn!(target: TARGET, %stream_id, %jti, reason = why.kind().as_str(), "SET given up");
        }
        Notice::StreamPaused { stream_id, cause } => {
            warn!(target: TARGET, %stream_id, cause = cause.as_str(), "stream paused");
        }
        Notice::VerificationFailed { stream_id, jti, reason: why } => {
            warn!(target: TARGET, %stream_id, %jti, reason = why.kind().as_str(), "verification failed");
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An error with its sources, on one line.
struct Chain<'a>(&'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut source = self.0.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        // A line break in it would look like another entry.
        text.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => write!(f, "{c}"),
        })
    }
}
