//! Metrics, over the `metrics` facade. Their names are in `docs/diagnostics.md`. A label has few
//! values, and none of them comes from outside.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::{Push, Told, outcome};
use crate::hooks::Notice;
use crate::outbox::{DeadLetterKind, Fate, Lane};
use crate::store::{Settled, Totals};

const REQUESTS: &str = "ssf_requests_total";
const REQUEST: &str = "ssf_request_duration_seconds";
const EVENTS_EMITTED: &str = "ssf_events_emitted_total";
const SETS_EMITTED: &str = "ssf_sets_emitted_total";
const PUSHES: &str = "ssf_pushes_total";
const UNUSUAL: &str = "ssf_pushes_accepted_unusually_total";
const DELIVERY_AGE: &str = "ssf_delivery_age_seconds";
const ACKNOWLEDGED: &str = "ssf_polled_sets_acknowledged_total";
const DEAD_LETTERS: &str = "ssf_dead_letters_total";
const VERIFIED: &str = "ssf_verification_round_trip_seconds";
const VERIFICATIONS_FAILED: &str = "ssf_verifications_failed_total";
const BREAKER: &str = "ssf_breaker_changes_total";
const HELD_DISABLED: &str = "ssf_streams_disabled_by_held_limit_total";
const PAUSED: &str = "ssf_streams_paused_total";
const SIGNATURES: &str = "ssf_signatures_total";
const SIGNING: &str = "ssf_signing_duration_seconds";
const NOT_SIGNED: &str = "ssf_signing_failures_total";
const TROUBLE: &str = "ssf_worker_failures_total";
const POLLS_WAITING: &str = "ssf_polls_waiting";
const STREAMS: &str = "ssf_streams";
const BREAKERS_OPEN: &str = "ssf_breakers_open";
const BACKLOG: &str = "ssf_backlog_sets";
const BACKLOG_AGE: &str = "ssf_backlog_age_seconds";
const LETTERS_KEPT: &str = "ssf_dead_letters_kept";
const SETS: &str = "ssf_sets";

/// Says what every metric means, for exporters that pass it on.
pub(crate) fn describe() {
    let counters = [
        (REQUESTS, "Requests answered, by operation and status"),
        (EVENTS_EMITTED, "Events emitted"),
        (SETS_EMITTED, "SETs that emitted events became, one per interested stream"),
        (PUSHES, "Attempts to push a SET, by what became of it"),
        (UNUSUAL, "Pushes that were accepted with a status other than 202"),
        (ACKNOWLEDGED, "SETs that receivers polled and acknowledged"),
        (DEAD_LETTERS, "SETs given up, by reason"),
        (VERIFICATIONS_FAILED, "Verification SETs given up"),
        (BREAKER, "Breakers of streams that opened or closed"),
        (HELD_DISABLED, "Streams disabled because they held more than they may"),
        (PAUSED, "Streams paused, by cause"),
        (SIGNATURES, "SETs signed"),
        (NOT_SIGNED, "Batches that could not be signed"),
        (TROUBLE, "Failures of store or keys that the worker met and outlived"),
    ];
    for (name, text) in counters {
        describe_counter!(name, Unit::Count, text);
    }
    describe_histogram!(REQUEST, Unit::Seconds, "Time to answer a request; polls may wait");
    describe_histogram!(DELIVERY_AGE, Unit::Seconds, "From emission to acceptance of a push");
    describe_histogram!(VERIFIED, Unit::Seconds, "From queueing a verification SET to its receipt");
    describe_histogram!(SIGNING, Unit::Seconds, "Time to sign a batch of SETs");
    describe_gauge!(POLLS_WAITING, Unit::Count, "Polls that wait for a SET in this process");
    describe_gauge!(STREAMS, Unit::Count, "Streams, by status");
    describe_gauge!(BREAKERS_OPEN, Unit::Count, "Streams whose breaker is open or half open");
    describe_gauge!(BACKLOG, Unit::Count, "SETs that wait");
    describe_gauge!(BACKLOG_AGE, Unit::Seconds, "How long the oldest of them has waited");
    describe_gauge!(LETTERS_KEPT, Unit::Count, "Dead letters kept");
    describe_gauge!(SETS, Unit::Count, "What became of all SETs in the store, by end");
}

/// Counts what happened.
pub(super) fn count(told: Told<'_>) {
    match told {
        Told::Answered { operation, status, took } => {
            counter!(REQUESTS, "operation" => operation, "status" => status.to_string())
                .increment(1);
            histogram!(REQUEST, "operation" => operation).record(took);
        }
        Told::Acknowledged { delivered, verified, .. } => {
            counter!(ACKNOWLEDGED).increment(delivered);
            if let Some(round_trip) = verified {
                histogram!(VERIFIED).record(round_trip.took());
            }
        }
        Told::Emitted { sets, .. } => {
            counter!(EVENTS_EMITTED).increment(1);
            counter!(SETS_EMITTED).increment(sets as u64);
        }
        Told::Noticed(notice) => count_notice(notice),
        Told::Pushed(push) => count_push(push),
        Told::Signed { algorithm, sets, took } => {
            counter!(SIGNATURES, "algorithm" => algorithm.as_str()).increment(sets as u64);
            histogram!(SIGNING, "algorithm" => algorithm.as_str()).record(took);
        }
        Told::NotSigned => counter!(NOT_SIGNED).increment(1),
        // Counted when it is answered.
        Told::NotSent { .. } | Told::Refused { .. } => {}
        Told::Trouble(_) => counter!(TROUBLE).increment(1),
    }
}

fn count_push(push: Push<'_>) {
    counter!(PUSHES, "outcome" => outcome(push)).increment(1);
    if let (Settled::Done, Fate::Delivered { unusual_status }) = (push.settled, push.fate) {
        histogram!(DELIVERY_AGE).record(push.age);
        if push.lane == Lane::Verification {
            histogram!(VERIFIED).record(push.age);
        }
        if unusual_status.is_some() {
            counter!(UNUSUAL).increment(1);
        }
    }
}

fn count_notice(notice: &Notice) {
    match notice {
        Notice::BreakerClosed { .. } => counter!(BREAKER, "to" => "closed").increment(1),
        Notice::BreakerOpened { .. } => counter!(BREAKER, "to" => "open").increment(1),
        Notice::DeadLettered { reason: why, .. } => {
            counter!(DEAD_LETTERS, "reason" => why.kind().as_str()).increment(1);
        }
        Notice::HeldDisabled { limit, .. } => {
            counter!(HELD_DISABLED, "limit" => limit.as_str()).increment(1);
        }
        Notice::HeldGivenUp { entries, .. } => {
            counter!(DEAD_LETTERS, "reason" => DeadLetterKind::HeldLimit.as_str())
                .increment(*entries);
        }
        Notice::StreamPaused { cause, .. } => {
            counter!(PAUSED, "cause" => cause.as_str()).increment(1);
        }
        Notice::VerificationFailed { .. } => counter!(VERIFICATIONS_FAILED).increment(1),
    }
}

/// One poll more waits, or one fewer.
pub(super) fn poll_waits(change: f64) {
    gauge!(POLLS_WAITING).increment(change);
}

/// What the gauges show: the streams and their backlog at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) enabled: u64,
    pub(crate) paused: u64,
    pub(crate) disabled: u64,
    pub(crate) breakers_open: u64,
    pub(crate) backlog: u64,
    pub(crate) oldest_age: Duration,
    pub(crate) dead_letters: u64,
    pub(crate) totals: Totals,
}

/// Sets the gauges.
pub(crate) fn set_gauges(gauges: &Gauges) {
    let set = |name: &'static str, value: u64| gauge!(name).set(float(value));
    set(BREAKERS_OPEN, gauges.breakers_open);
    set(BACKLOG, gauges.backlog);
    set(LETTERS_KEPT, gauges.dead_letters);
    gauge!(BACKLOG_AGE).set(gauges.oldest_age);
    for (status, streams) in
        [("enabled", gauges.enabled), ("paused", gauges.paused), ("disabled", gauges.disabled)]
    {
        gauge!(STREAMS, "status" => status).set(float(streams));
    }
    let totals = &gauges.totals;
    for (end, sets) in [
        ("waiting", totals.waiting),
        ("delivered", totals.delivered),
        ("dead_lettered", totals.dead),
        ("discarded_stream_disabled", totals.discarded_disabled),
        ("discarded_stream_deleted", totals.discarded_deleted),
        ("discarded_replaced", totals.discarded_replaced),
    ] {
        gauge!(SETS, "end" => end).set(float(sets));
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody reads the last digits of so many")]
fn float(value: u64) -> f64 {
    value as f64
}
