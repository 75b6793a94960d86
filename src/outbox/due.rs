//! When the next entry of a stream can be claimed.

use super::entry::{Lane, may_leave};
use super::health::Health;
use super::life::Life;
use crate::stream::{StatusSetBy, StreamStatus};
use crate::timestamp::Timestamp;

/// When something can be claimed. The earlier of two is their `min`; what waits for both, their
/// `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// Whatever the time is.
    AtOnce,
    /// From that time on.
    At(Timestamp),
    /// Not before something changes.
    Never,
}

impl Due {
    /// Whether the time has come.
    pub(crate) fn has_come(self, now: Timestamp) -> bool {
        self <= Self::At(now)
    }

    /// The time meant, as it is `now`.
    pub(crate) fn time(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::AtOnce => Some(now),
            Self::At(at) => Some(at.max(now)),
            Self::Never => None,
        }
    }
}

impl From<Option<Timestamp>> for Due {
    /// No time to wait for means at once.
    fn from(not_before: Option<Timestamp>) -> Self {
        not_before.map_or(Self::AtOnce, Self::At)
    }
}

/// An entry that waits.
pub(crate) trait Waiting {
    /// Its lane.
    fn lane(&self) -> Lane;
    /// Where it is in its life.
    fn life(&self) -> Life;
}

/// The entries of a stream, as far as they decide when it is due.
pub(crate) trait Backlog {
    /// Its entries.
    type Entry: Waiting;

    /// The oldest stream-updated entry and the verification, the older first.
    fn control_fronts(&self) -> impl Iterator<Item = &Self::Entry>;
    /// When no control entry is held.
    fn control_free(&self) -> Due;
    /// When fewer than `most` ordinary entries are held.
    fn ordinary_free(&self, most: usize) -> Due;
    /// Whether there is a head of an order key that was never tried.
    fn has_untried(&self) -> bool;
}

/// What of a stream decides when it is due.
#[derive(Debug)]
pub(crate) struct Sender<'a, B> {
    /// Whether its SETs are pushed.
    pub(crate) pushed: bool,
    /// Its status.
    pub(crate) status: StreamStatus,
    /// Who gave it that status.
    pub(crate) set_by: StatusSetBy,
    /// How its receiver is doing.
    pub(crate) health: &'a Health,
    /// Its entries.
    pub(crate) backlog: &'a B,
}

impl<'a, B: Backlog> Sender<'a, B> {
    /// Whether entries of that lane may leave now.
    pub(crate) fn may_leave(&self, lane: Lane) -> bool {
        may_leave(self.status, self.set_by, lane)
    }

    /// The first control entries of either kind that may leave, the older first: the stream-updated
    /// SETs keep their order, and the verification goes in line with them.
    fn control_fronts(&self) -> impl Iterator<Item = &'a B::Entry> {
        self.backlog.control_fronts().filter(|entry| self.may_leave(entry.lane()))
    }

    /// The control entry whose turn it is: one that waits does not hold up one of the other kind.
    pub(crate) fn next_control(&self, now: Timestamp) -> Option<&'a B::Entry> {
        self.control_fronts().find(|entry| self.turn_of_control(*entry).has_come(now))
    }

    /// When it is a control entry's turn. It waits for the breaker only once it failed with the
    /// stream: then it may be the probe again. A verification leaves that to an ordinary entry, if
    /// there is one that was never tried.
    fn turn_of_control(&self, entry: &B::Entry) -> Due {
        let life = entry.life();
        let own = Due::from(life.due());
        let Some(breaker) = self.health.open_until.filter(|_| life.failed_with_stream) else {
            return own;
        };
        let untried = self.may_leave(Lane::Ordinary) && self.backlog.has_untried();
        if entry.lane() == Lane::Verification && untried {
            return Due::Never;
        }
        own.max(Due::At(breaker)).max(self.backlog.ordinary_free(1))
    }

    /// When one of those control entries can be claimed.
    pub(crate) fn control_due(&self, of: impl Fn(&B::Entry) -> bool) -> Due {
        let turns = self.control_fronts().filter(|entry| self.pushed && of(*entry));
        let first = turns.map(|entry| self.turn_of_control(entry)).min();
        first
            .unwrap_or(Due::Never)
            .max(self.backlog.control_free())
            .max(self.health.not_before.into())
    }

    /// When ordinary entries overtake no announcement: one that failed with the stream is the first
    /// that the receiver gets when it is back.
    fn announced(&self) -> Due {
        let mut fronts = self.control_fronts();
        let update = fronts.find(|entry| entry.lane() == Lane::StreamUpdated).map(Waiting::life);
        update.filter(|life| life.failed_with_stream).and_then(|life| life.due()).into()
    }

    /// When a head of an order key that is due then can be claimed, if at most `most_held` ordinary
    /// entries are held at once.
    pub(crate) fn ordinary_due(&self, most_held: usize, head: Due) -> Due {
        if !self.pushed || !self.may_leave(Lane::Ordinary) {
            return Due::Never;
        }
        // Once the breaker has opened, one entry goes alone, as the probe.
        let most_held = self.health.open_until.map_or(most_held, |_| most_held.min(1));
        head.max(self.backlog.ordinary_free(most_held))
            // What a control entry announces, the receiver learns before all that comes after it.
            .max(self.backlog.control_free())
            .max(self.announced())
            .max(self.health.ordinary_from().into())
    }
}
