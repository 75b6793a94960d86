//! What happened in runs, counted by kind: a simulation proves nothing of what it never meets.

use std::collections::BTreeMap;

/// A future was dropped in the midst of a call, before the store did it or after.
pub(crate) const DROPPED_BEFORE: &str = "dropped before the commit";
pub(crate) const DROPPED_AFTER: &str = "dropped after the commit";
/// The line to the store broke, before the store did it or after.
pub(crate) const BROKEN_BEFORE: &str = "broken before the commit";
pub(crate) const BROKEN_AFTER: &str = "broken after the commit";

/// How often things happened, by what it was and, where that matters, in which call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Happenings(BTreeMap<(&'static str, &'static str), u64>);

impl Happenings {
    pub(crate) fn count(&mut self, what: &'static str, call: &'static str) {
        *self.0.entry((what, call)).or_default() += 1;
    }

    pub(crate) fn add(&mut self, more: &Self) {
        for (kind, often) in &more.0 {
            *self.0.entry(*kind).or_default() += often;
        }
    }

    /// What did not happen as often as it does in so many runs that are well.
    pub(crate) fn missing(&self) -> Vec<String> {
        let calls = [DROPPED_BEFORE, DROPPED_AFTER, BROKEN_BEFORE, BROKEN_AFTER];
        let in_calls = calls
            .into_iter()
            .flat_map(|what| CALLS.into_iter().map(move |(call, least)| (what, call, least)));
        let others = OFTEN.iter().map(|(what, least)| (*what, "", *least));
        let others = others.chain(KINDS.iter().copied());
        let often = |what, call| self.0.get(&(what, call)).copied().unwrap_or_default();
        others
            .chain(in_calls)
            .filter(|(what, call, least)| often(what, call) < *least)
            .map(|(what, call, least)| {
                format!("{what} {call}: {} and not {least} times", often(what, call))
            })
            .collect()
    }
}

/// What 2,000 seeds meet, and how often at least.
const OFTEN: &[(&str, u64)] = &[
    ("a dead letter was removed by retention", 500),
    ("a delivery was changed while a push was under way", 60),
    ("a lease ran out", 300),
    ("a poll found something hidden", 200),
    ("a poll was answered with the same again", 150),
    ("a probe was claimed", 2_000),
    ("a push was hindered", 500),
    ("a push was made again with another authorization", 30),
    ("a redriven entry was claimed", 30),
    ("a request ended after its lease", 1),
    ("a settling came too late", 100),
    ("a signed entry was claimed while the keys rested", 8),
    ("a stream was deleted while a push was under way", 10),
    ("a stream was disabled", 300),
    ("a stream was paused because it failed", 80),
    ("a stream was paused because nobody was there", 800),
    ("a stream was paused because we could not send", 8),
    ("a stream was stopped while a push was under way", 80),
    ("a stream went between routing and the commit", 10),
    ("a subject was in the grace of its removal", 100),
    ("a token came too late to be kept", 30),
    ("a transaction was committed", 1_000),
    ("a transaction was rolled back", 400),
    ("a verification of the transmitter's own was claimed", 3_000),
    ("all places were taken", 4_000),
    ("an emission was repeated", 500),
    ("an entry was given up for a held limit", 900),
    ("secrets were sealed anew", 40),
    ("the announcement of a stop was claimed", 1_500),
    ("two polls looked at the same", 80),
    ("what is signed anew was claimed", 300),
];

/// The same of what comes in kinds.
const KINDS: &[(&str, &str, u64)] = &[
    ("a letter was redriven", "as a new SET", 12),
    ("a letter was redriven", "as the same SET", 60),
    ("a receiver's verification", "queued", 500),
    ("a receiver's verification", "too soon", 12),
    ("a request ended", "broken", 300),
    ("a request ended", "dropped", 120),
    ("a request ended", "with a wish to wait", 300),
    ("a request ended", "with its deadline", 500),
    ("a token was replaced", "", 150),
    ("a verification of ours", "queued", 3_000),
    ("a verification of ours", "too soon", 25),
    ("a verification of ours", "unsettled", 2_000),
    ("an attempt ended", "dead", 250),
    ("an attempt ended", "dead: announcement expired", 200),
    ("an attempt ended", "deferred", 1_500),
    ("an attempt ended", "delivered", 5_000),
    ("an attempt ended", "delivered with another status", 2_500),
    ("an attempt ended", "handed back", 1_500),
    ("an attempt ended", "to be signed anew", 200),
    ("an attempt ended", "to be tried again", 600),
];

/// The calls that break off, and how often each does in each of the four ways.
const CALLS: [(&str, u64); 9] = [
    ("acknowledge", 3),
    ("append", 30),
    ("claim", 80),
    ("hand_out", 8),
    ("keep_polled", 2),
    ("keep_tokens", 4),
    ("queue_verification", 3),
    ("settle", 4),
    ("update_stream", 5),
];
