//! From a report to what it changes: what is known from now on, and the events that means.

use serde_json::{Map, Value};

use super::condition::Conditions;
use super::evaluate::{Planned, evaluate};
use super::report::{Report, State};
use super::snapshot::Snapshot;
use crate::timestamp::Timestamp;

/// What a report of an identity may cause.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Only what is not known yet is taken up; nothing that is known changes, and nothing fires.
    Baseline,
    /// What changes fires. Of an identity that was never seen, the earlier state is unknown, and
    /// nothing fires.
    #[default]
    Changes,
    /// What changes fires. An identity that was never seen is new: every attribute was missing.
    ChangesAndNew,
    /// What changes fires. Where the earlier state is unknown, it was this.
    Since(Map<String, Value>),
}

/// What is known of an identity.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Known<'a> {
    /// The version of the last report.
    pub version: Option<i64>,
    /// The last snapshot.
    pub snapshot: &'a Snapshot,
}

impl<'a> Known<'a> {
    /// That snapshot, of that version.
    #[must_use]
    pub const fn new(version: Option<i64>, snapshot: &'a Snapshot) -> Self {
        Self { version, snapshot }
    }
}

/// What a report changes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Observation {
    /// Nothing: a report of the same version or of a newer one came before.
    Stale,
    /// Nothing: it says what is known.
    Unchanged,
    /// Something.
    Changed {
        /// What was known before.
        before: Snapshot,
        /// What is known now.
        after: Snapshot,
        /// Of which version.
        version: Option<i64>,
        /// The events that means, in the order of the conditions.
        planned: Vec<Planned>,
    },
}

/// What a report changes, given what is known of its identity. `now` is the time of the evaluation.
#[must_use]
pub fn observe(
    conditions: &Conditions,
    known: Option<Known<'_>>,
    report: &Report,
    mode: &Mode,
    now: Timestamp,
) -> Observation {
    let last = known.and_then(|known| known.version);
    if last.zip(report.version).is_some_and(|(last, version)| version <= last) {
        return Observation::Stale;
    }
    let identity = &report.identity;
    let reported = match &report.state {
        State::Present(attributes) => {
            conditions.snapshot(identity, report.profile.clone(), attributes)
        }
        State::Removed => {
            // Of what profile it was decides which conditions concern its removal.
            let last = known.and_then(|known| known.snapshot.profile().cloned());
            conditions.absent(report.profile.clone().or(last))
        }
    };
    let before = match (known, mode) {
        (Some(known), Mode::Since(earlier)) => {
            known.snapshot.clone().or(&conditions.snapshot(identity, None, earlier))
        }
        (Some(known), _) => known.snapshot.clone(),
        (None, Mode::Since(earlier)) => conditions.snapshot(identity, None, earlier),
        (None, Mode::ChangesAndNew) => conditions.absent(None),
        (None, Mode::Baseline | Mode::Changes) => Snapshot::unknown(),
    };
    let (after, version) = match (mode, known) {
        // What is known stays as it is, of its version.
        (Mode::Baseline, Some(known)) => (reported.preferring(known.snapshot), known.version),
        _ => (reported, report.version.or(last)),
    };
    if known.is_some_and(|known| after.same(known.snapshot) && known.version == version) {
        return Observation::Unchanged;
    }
    let planned = match mode {
        Mode::Baseline => Vec::new(),
        Mode::Changes | Mode::ChangesAndNew | Mode::Since(_) => {
            evaluate(conditions, identity, &before, &after, now)
        }
    };
    Observation::Changed { before, after, version, planned }
}
