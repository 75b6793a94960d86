//! What is known of a stream's breaker: bounds, since the jitter of its waits is not known.

use std::time::Duration;

use ssf_transmitter::timestamp::Timestamp;

use crate::rules::{Fault, LONGEST_HINDRANCE, Rules, Waits, Wish};

/// The bounds of a stream's breaker.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Failures in a row that counted for certain, and those that may have.
    failures: (u32, u32),
    refusals: (u32, u32),
    failing_since: Option<Timestamp>,
    /// Until when it is open for certain, and until when it may be.
    open: Option<(Timestamp, Timestamp)>,
    /// Since when something of ours has kept SETs from being sent, and whether it ever did for so
    /// long that the stream may be paused for it.
    hindered_since: Option<Timestamp>,
    hindered_for_long: bool,
    /// What the receiver asked for.
    not_before: Option<Timestamp>,
    /// Whether it failed or refused so long that it may be paused for it.
    given_up: bool,
    /// Whether it had before it last started: the verdict of that time may still be under way.
    had_given_up: bool,
    /// How many failures came after it had to be paused for certain.
    pub(super) overdue: u32,
}

impl Health {
    /// Takes in how a request ended.
    pub(super) fn record(
        &mut self,
        fault: Fault,
        wish: Option<Wish>,
        rules: &Rules,
        now: Timestamp,
    ) {
        let refuses = match fault {
            Fault::Stream { refuses } => refuses,
            Fault::StreamStops => false,
            Fault::Ours => return self.hinder(rules, now),
            Fault::Nobody { .. } | Fault::Set | Fault::SetMayPass(_) | Fault::Key(_) => {
                let not_before = self.not_before.filter(|until| now < *until);
                let Self { given_up, had_given_up, hindered_for_long, .. } = *self;
                *self = Self {
                    not_before,
                    given_up,
                    had_given_up,
                    hindered_for_long,
                    ..Self::default()
                };
                return;
            }
        };
        if let Some(wish) = wish {
            self.not_before = self.not_before.max(Some(wish.until(now, rules.longest_wish)));
        }
        if fault == Fault::StreamStops {
            self.given_up = true;
            return;
        }
        if self.open.is_some_and(|(certain, _)| now < certain) {
            return;
        }
        let certain = self.open.is_none_or(|(_, possible)| now >= possible);
        let count = |(low, high): (u32, u32)| (low + u32::from(certain), high + 1);
        self.failures = count(self.failures);
        self.refusals = match (refuses, certain) {
            (true, _) => count(self.refusals),
            (false, true) => (0, 0),
            // Whether it counted is not known.
            (false, false) => (0, self.refusals.1),
        };
        let since = *self.failing_since.get_or_insert(now);
        self.open_again(rules.breaker, certain, now);
        let limit = rules.pause_after_refusals;
        self.given_up |=
            self.refusals.1 >= limit || now.since(since) >= Duration::from_secs(rules.pause_after);
        self.overdue += u32::from(certain && self.refusals.0 >= limit);
    }

    /// A push could not begin, for which nobody there is to blame.
    fn hinder(&mut self, rules: &Rules, now: Timestamp) {
        let waits = rules.breaker;
        self.failing_since = None;
        let since = *self.hindered_since.get_or_insert(now);
        self.hindered_for_long |= now.since(since) >= Duration::from_secs(rules.pause_after);
        if self.open.is_some_and(|(certain, _)| now < certain) {
            return;
        }
        let certain = self.open.is_none_or(|(_, possible)| now >= possible);
        self.failures = (self.failures.0 + u32::from(certain), self.failures.1 + 1);
        let longest = waits.longest.min(LONGEST_HINDRANCE);
        self.open_again(Waits { longest, ..waits }, certain, now);
    }

    fn open_again(&mut self, waits: Waits, certain: bool, now: Timestamp) {
        let (shortest, _) = waits.after(self.failures.0.max(1));
        let (_, longest) = waits.after(self.failures.1);
        self.open = Some(match self.open {
            Some((low, high)) if !certain => (low, high.max(now.after(longest))),
            _ => (now.after(shortest), now.after(longest)),
        });
    }

    /// The stream starts again: it has not failed yet. What its receiver asked for stays.
    pub(super) fn start_again(&mut self) {
        let (had_given_up, not_before) = (self.given_up, self.not_before);
        let hindered_for_long = self.hindered_for_long;
        *self = Self { had_given_up, not_before, hindered_for_long, ..Self::default() };
    }

    /// Its SETs go elsewhere: nothing is known of the receiver there.
    pub(super) fn move_on(&mut self) {
        self.start_again();
        self.not_before = None;
    }

    /// Whether the stream may be paused because of its receiver.
    pub(super) fn may_be_paused(&self) -> bool {
        self.given_up || self.had_given_up
    }

    /// Whether the stream may be paused because of us. The verdict of an earlier time may still be
    /// under way.
    pub(super) fn was_hindered_for_long(&self) -> bool {
        self.hindered_for_long
    }

    /// Whether ordinary entries wait for certain.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        self.open.is_some_and(|(certain, _)| now < certain)
    }

    /// Whether ordinary entries may have to wait.
    pub(super) fn may_be_open(&self, now: Timestamp) -> bool {
        self.open.is_some_and(|(_, possible)| now < possible)
    }

    /// Whether it failed and has not worked since: then one entry goes alone, as the probe.
    pub(super) fn is_failing(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the receiver asked not to be called yet.
    pub(super) fn rests(&self, now: Timestamp) -> bool {
        self.not_before.is_some_and(|until| now < until)
    }
}
