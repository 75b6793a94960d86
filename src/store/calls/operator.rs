//! What comes out of the calls of the operator face.

use crate::id::Jti;
use crate::outbox::{DeadLetterReason, Health};
use crate::set::SetBody;
use crate::stream::StreamRecord;
use crate::timestamp::Timestamp;

/// A SET that was given up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The SET.
    pub jti: Jti,
    /// The claims all SETs of its event share.
    pub body: SetBody,
    /// Why.
    pub reason: DeadLetterReason,
    /// When it was emitted.
    pub emitted_at: Timestamp,
    /// When it was given up.
    pub dead_at: Timestamp,
}

impl DeadLetter {
    /// A SET that was given up.
    #[must_use]
    pub const fn new(
        jti: Jti,
        body: SetBody,
        reason: DeadLetterReason,
        emitted_at: Timestamp,
        dead_at: Timestamp,
    ) -> Self {
        Self { jti, body, reason, emitted_at, dead_at }
    }
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
    pub backlog: u64,
    /// When the oldest of them was emitted.
    pub oldest_pending: Option<Timestamp>,
    /// When the next push is due.
    pub next_attempt: Option<Timestamp>,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// What became of its entries.
    pub totals: Totals,
}

impl StreamOverview {
    /// A stream without entries.
    #[must_use]
    pub fn new(record: StreamRecord, health: Health) -> Self {
        Self {
            record,
            health,
            backlog: 0,
            oldest_pending: None,
            next_attempt: None,
            dead_letters: 0,
            totals: Totals::default(),
        }
    }
}

/// What became of entries. `accepted` is the sum of those that wait, are delivered, dead or
/// discarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Entries that were accepted.
    pub accepted: u64,
    /// Those not yet settled.
    pub waiting: u64,
    /// Delivered.
    pub delivered: u64,
    /// Delivered with a status other than 202; part of `delivered`.
    pub delivered_unusually: u64,
    /// Given up.
    pub dead: u64,
    /// Discarded because the stream was disabled.
    pub discarded_disabled: u64,
    /// Discarded because the stream was deleted.
    pub discarded_deleted: u64,
    /// Verifications replaced by a newer one.
    pub discarded_replaced: u64,
    /// Tokens signed anew because their key was no longer published; the entries are counted above.
    pub tokens_replaced: u64,
}
