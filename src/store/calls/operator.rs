//! What goes into and comes out of the calls of the operator face.

use std::ops::AddAssign;

use crate::id::{Jti, OrderKey};
use crate::outbox::{DeadLetterKind, DeadLetterReason, Discard, End, Health, KeptToken, Lane};
use crate::set::SetBody;
use crate::stream::StreamRecord;
use crate::timestamp::Timestamp;

/// A SET that was given up, with all that another life of it needs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The SET.
    pub jti: Jti,
    /// Its lane.
    pub lane: Lane,
    /// What it keeps its order with; control entries have none.
    pub order_key: Option<OrderKey>,
    /// The claims all SETs of its event share.
    pub body: SetBody,
    /// The token that was kept for it, if it was ever readied to leave.
    pub token: Option<KeptToken>,
    /// Why it was given up.
    pub reason: DeadLetterReason,
    /// Attempts that counted.
    pub attempts: u32,
    /// When it was emitted.
    pub emitted_at: Timestamp,
    /// When it was first readied to leave, by push or poll.
    pub first_attempt: Option<Timestamp>,
    /// When it was given up.
    pub dead_at: Timestamp,
}

impl DeadLetter {
    /// An ordinary SET that was given up before it was tried.
    #[must_use]
    pub const fn new(
        jti: Jti,
        order_key: Option<OrderKey>,
        body: SetBody,
        reason: DeadLetterReason,
        emitted_at: Timestamp,
        dead_at: Timestamp,
    ) -> Self {
        Self {
            jti,
            lane: Lane::Ordinary,
            order_key,
            body,
            token: None,
            reason,
            attempts: 0,
            emitted_at,
            first_attempt: None,
            dead_at,
        }
    }

    /// Where it stands among those of its stream.
    #[must_use]
    pub fn place(&self) -> LetterPlace {
        LetterPlace { dead_at: self.dead_at, jti: self.jti.clone() }
    }
}

/// Where a dead letter stands among those of its stream: they are listed by the time of their
/// death, those of one time by `jti`. A letter that lived again and died again stands elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct LetterPlace {
    /// When it was given up.
    pub dead_at: Timestamp,
    /// The SET.
    pub jti: Jti,
}

impl LetterPlace {
    /// The place of that SET, given up at that time.
    #[must_use]
    pub const fn new(dead_at: Timestamp, jti: Jti) -> Self {
        Self { dead_at, jti }
    }
}

/// Which dead letters are meant. Every member that is given narrows the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LetterFilter {
    /// This SET.
    pub jti: Option<Jti>,
    /// Those given up for a reason of this kind.
    pub kind: Option<DeadLetterKind>,
    /// Those whose receiver named this error code.
    pub err: Option<String>,
    /// Those given up at this time or later.
    pub dead_from: Option<Timestamp>,
    /// Those given up before this time.
    pub dead_before: Option<Timestamp>,
}

impl LetterFilter {
    /// Whether a dead letter is meant.
    #[must_use]
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        self.jti.as_ref().is_none_or(|jti| letter.jti == *jti)
            && self.kind.is_none_or(|kind| letter.reason.kind() == kind)
            && self.err.as_deref().is_none_or(|err| letter.reason.err() == Some(err))
            && self.dead_from.is_none_or(|from| letter.dead_at >= from)
            && self.dead_before.is_none_or(|before| letter.dead_at < before)
    }
}

/// Asks for a page of the dead letters of a stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LetterQuery {
    /// Which are meant.
    pub filter: LetterFilter,
    /// Those that stand behind this place.
    pub after: Option<LetterPlace>,
    /// At most so many.
    pub most: usize,
}

impl LetterQuery {
    /// The first of all, at most that many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { filter: LetterFilter::default(), after: None, most }
    }
}

/// Dead letters to live again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Redrive {
    /// Which, and as what.
    pub letters: Vec<RedriveLetter>,
    /// The time.
    pub now: Timestamp,
}

impl Redrive {
    /// Those letters, at that time.
    #[must_use]
    pub const fn new(letters: Vec<RedriveLetter>, now: Timestamp) -> Self {
        Self { letters, now }
    }
}

/// One dead letter to live again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedriveLetter {
    /// Where it stands.
    pub place: LetterPlace,
    /// The `jti` of the new SET; absent: it is the same SET, and its token is kept.
    pub new_jti: Option<Jti>,
}

impl RedriveLetter {
    /// That letter, as the same SET or under that new `jti`.
    #[must_use]
    pub const fn new(place: LetterPlace, new_jti: Option<Jti>) -> Self {
        Self { place, new_jti }
    }
}

/// What became of a dead letter that was to live again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Redriven {
    /// It waits, behind all others of its stream.
    Done,
    /// It is gone: redriven by somebody else, or removed by retention.
    Gone,
    /// It is a control SET and stays dead.
    Refused,
}

/// A stream as its operator sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamOverview {
    /// The stream.
    pub record: StreamRecord,
    /// How its receiver is doing.
    pub health: Health,
    /// Entries that wait.
    pub backlog: Backlog,
    /// When the oldest of them was emitted.
    pub oldest_pending: Option<Timestamp>,
    /// When the next push is due.
    pub next_attempt: Option<Timestamp>,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// What became of its entries. `waiting` and `accepted` are as exact as `backlog`.
    pub totals: Totals,
}

impl StreamOverview {
    /// A stream without entries.
    #[must_use]
    pub fn new(record: StreamRecord, health: Health) -> Self {
        Self {
            record,
            health,
            backlog: Backlog::Exactly(0),
            oldest_pending: None,
            next_attempt: None,
            dead_letters: 0,
            totals: Totals::default(),
        }
    }
}

/// How many entries wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backlog {
    /// So many.
    Exactly(u64),
    /// About so many: beyond [`Backlog::COUNTED`] a store may keep an estimate.
    About(u64),
}

impl Backlog {
    /// Up to here the number is exact.
    pub const COUNTED: u64 = 10_000;

    /// The number.
    #[must_use]
    pub const fn entries(self) -> u64 {
        match self {
            Self::Exactly(entries) | Self::About(entries) => entries,
        }
    }
}

/// What became of entries. Each begins a life when it is accepted, and another when it is redriven
/// from dead letters; each life ends in one way or waits. So `accepted + redriven` is the sum of
/// `waiting`, `delivered`, `dead` and the three discarded. Only `waiting` ever becomes less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Entries that were accepted.
    pub accepted: u64,
    /// Dead letters that were given another life.
    pub redriven: u64,
    /// Those not yet settled.
    pub waiting: u64,
    /// Delivered.
    pub delivered: u64,
    /// Delivered with a status other than 202; part of `delivered`.
    pub delivered_unusually: u64,
    /// Given up.
    pub dead: u64,
    /// Given up because their stream held more than it may; part of `dead`.
    pub dead_by_held_limit: u64,
    /// Discarded because the stream was disabled.
    pub discarded_disabled: u64,
    /// Discarded because the stream was deleted.
    pub discarded_deleted: u64,
    /// Verifications replaced by a newer one.
    pub discarded_replaced: u64,
    /// Tokens signed anew because their key was no longer published or was refused; the entries
    /// are counted above.
    pub tokens_replaced: u64,
}

impl Totals {
    /// Counts an end. What waits is for the store to count.
    pub fn count(&mut self, end: &End) {
        match end {
            End::Delivered { unusual_status } => {
                self.delivered += 1;
                self.delivered_unusually += u64::from(unusual_status.is_some());
            }
            End::Dead { reason, .. } => {
                self.dead += 1;
                let by_limit = reason.kind() == DeadLetterKind::HeldLimit;
                self.dead_by_held_limit += u64::from(by_limit);
            }
            End::Discarded(rule) => self.discard(*rule, 1),
        }
    }

    /// Counts that many entries that a rule discarded.
    pub fn discard(&mut self, rule: Discard, entries: u64) {
        match rule {
            Discard::StreamDisabled => self.discarded_disabled += entries,
            Discard::StreamDeleted => self.discarded_deleted += entries,
            Discard::Replaced => self.discarded_replaced += entries,
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, more: Self) {
        self.accepted += more.accepted;
        self.redriven += more.redriven;
        self.waiting += more.waiting;
        self.delivered += more.delivered;
        self.delivered_unusually += more.delivered_unusually;
        self.dead += more.dead;
        self.dead_by_held_limit += more.dead_by_held_limit;
        self.discarded_disabled += more.discarded_disabled;
        self.discarded_deleted += more.discarded_deleted;
        self.discarded_replaced += more.discarded_replaced;
        self.tokens_replaced += more.tokens_replaced;
    }
}
