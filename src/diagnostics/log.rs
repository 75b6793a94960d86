//! The log, over `tracing`. No secret goes into it, and of what receivers write only method,
//! path and the names of members that are at fault: error codes and descriptions are in dead letters and in the overview
//! of their streams.

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
        Told::Answered { operation, status, took } => {
            debug!(target: TARGET, operation, status, took_ms = millis(took), "request answered");
        }
        Told::Acknowledged { stream_id, delivered, .. } => {
            debug!(target: TARGET, %stream_id, delivered, "SETs acknowledged");
        }
        Told::Emitted { txn, sets } => debug!(target: TARGET, %txn, sets, "event emitted"),
        Told::Noticed(notice) => write_notice(notice),
        Told::Pushed(push) => {
            let (stream_id, jti, outcome) = (push.stream_id, push.jti, outcome(push));
            debug!(target: TARGET, %stream_id, %jti, outcome, age_ms = millis(push.age), "SET pushed");
        }
        Told::Refused { tracking_id, caller, method, path, operation, status, cause } => {
            let (tenant, client) = match caller {
                Some(owner) => (owner.tenant.as_str(), owner.client.as_str()),
                None => ("", ""),
            };
            let (method, path, cause) = (Sent(method), Sent(path), Chain(cause));
            if status < 500 {
                info!(target: TARGET, %tracking_id, tenant, client, %method, %path, operation, status, %cause, "request refused");
            } else {
                error!(target: TARGET, %tracking_id, tenant, client, %method, %path, operation, status, %cause, "request failed");
            }
        }
        Told::NotSent { stream_id, what, cause } => {
            let (what, cause) = (what.as_str(), Chain(cause));
            warn!(target: TARGET, %stream_id, what, %cause, "SET not sent");
        }
        Told::Signed { algorithm, sets, took } => {
            debug!(target: TARGET, %algorithm, sets, took_ms = millis(took), "SETs signed");
        }
        Told::NotSigned => warn!(target: TARGET, "signing failed: the keys rest for a while"),
        Told::Trouble(trouble) => {
            error!(target: TARGET, cause = %Chain(trouble), "the worker met a failure and goes on")
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
        Notice::HeldDisabled { stream_id, limit } => {
            warn!(target: TARGET, %stream_id, limit = limit.as_str(), "stream disabled: it held too much");
        }
        Notice::HeldGivenUp { stream_id, limit, entries } => {
            warn!(target: TARGET, %stream_id, limit = limit.as_str(), entries, "held SETs given up");
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
        plain(text.chars(), f)
    }
}

/// A part of a request, as far as it fits.
struct Sent<'a>(&'a str);

impl Sent<'_> {
    /// How many characters of it are shown.
    const MOST: usize = 256;
}

impl fmt::Display for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        plain(self.0.chars().take(Self::MOST), f)
    }
}

/// Writes ASCII that shows, and escapes all else: what breaks a line would look like another entry,
/// and what turns its direction like another text.
fn plain(mut text: impl Iterator<Item = char>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.try_for_each(|c| match c {
        ' '..='~' => write!(f, "{c}"),
        _ => write!(f, "{}", c.escape_default()),
    })
}
