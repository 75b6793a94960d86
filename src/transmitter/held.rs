//! Held limits: what a stream holds beyond them is given up, or the stream is disabled.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::commit::{Before, CHANGE_TRIES};
use super::upkeep::Noted;
use super::{Core, Transmitter};
use crate::error::Error;
use crate::hooks::{Notice, PauseCause};
use crate::id::StreamId;
use crate::outbox::{BeyondLimit, Held, HeldLimit, HeldLimits, holds};
use crate::set::MAX_EVENT_BYTES;
use crate::store::{GiveUpHeld, Provided, StoreError};
use crate::stream::{HeldExceeded, StreamRecord, StreamStatus};
use crate::timestamp::Timestamp;

/// What the held limits did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldReport {
    /// Entries that went to dead letters.
    pub given_up: u64,
    /// Streams that were disabled.
    pub disabled: u64,
}

/// When this process last looked at what streams hold, and when it looks next.
#[derive(Debug, Default)]
pub(super) struct HeldSchedule(Mutex<Looks>);

/// As long as there is room for what is emitted, no look is needed: an event adds one entry to a
/// stream at most.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    last: Timestamp,
    next: Timestamp,
    /// The first look that was asked for since the last began: that one may have come too early.
    noted: Timestamp,
    /// The room there was when the last look saw it: in the fullest stream for entries, in the
    /// largest for bytes.
    room: Room,
    /// What of it was taken since that look began.
    taken: Room,
    /// Events for which room was taken since then and that are not committed, as far as is known.
    under_way: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Room {
    entries: u64,
    bytes: u64,
}

/// A limit is the host's: what it does to a stream's status is on the host's account.
const LIMIT: PauseCause = PauseCause::Operator;
/// However much is emitted, it looks no more often than this.
const APART: Duration = Duration::from_secs(10);
/// Emissions of other processes are theirs to look after; this is for those without a worker.
const SELDOM: Duration = Duration::from_secs(3600);
/// As long as nothing is held, no look is needed.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
/// The most streams or entries that one call handles, and the most calls for one stream or all.
const BATCH: usize = 1000;
const ROUNDS: usize = 1000;

impl HeldSchedule {
    /// An event of that many bytes is about to be committed.
    pub(super) fn grown(&self, bytes: u64, limits: &HeldLimits, now: Timestamp) {
        self.change(|looks| {
            looks.under_way += 1;
            looks.fill(bytes, limits, now);
        });
    }

    /// What was emitted may be there now. It was counted before, unless a look since has made room
    /// anew and not seen it: then it counts again, with as many bytes as an event may have.
    pub(super) fn committed(&self, limits: &HeldLimits, now: Timestamp) {
        self.change(|looks| match looks.under_way.checked_sub(1) {
            Some(rest) => {
                looks.under_way = rest;
                looks.note(limits.due(&Held::new(1, 0, now)));
            }
            None => looks.fill(MAX_EVENT_BYTES as u64, limits, now),
        });
    }

    /// A stream may hold more than when this process last looked.
    pub(super) fn changed(&self) {
        self.change(|looks| looks.note(looks.last.after(APART)));
    }

    /// Another process may have emitted.
    pub(super) fn elsewhere(&self) {
        self.change(|looks| looks.note(looks.last.after(SELDOM)));
    }

    /// A stream holds that much, so there is room for no more than the rest.
    fn has_room(&self, held: &Held, limits: &HeldLimits) {
        self.change(|looks| {
            let Room { entries, bytes } = &mut looks.room;
            *entries = limits.entries.saturating_sub(held.entries).min(*entries);
            *bytes = limits.bytes.saturating_sub(held.bytes).min(*bytes);
            looks.note_overflow();
        });
    }

    fn change(&self, change: impl FnOnce(&mut Looks)) -> Looks {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut looks);
        *looks
    }
}

impl Looks {
    /// An event takes room.
    fn fill(&mut self, bytes: u64, limits: &HeldLimits, now: Timestamp) {
        self.taken.entries = self.taken.entries.saturating_add(1);
        self.taken.bytes = self.taken.bytes.saturating_add(bytes);
        self.note(limits.due(&Held::new(1, 0, now)));
        self.note_overflow();
    }

    /// A look is due when more was taken than there was.
    fn note_overflow(&mut self) {
        if self.taken.entries > self.room.entries || self.taken.bytes > self.room.bytes {
            self.note(self.last.after(APART));
        }
    }

    fn note(&mut self, at: Timestamp) {
        self.next = self.next.min(at);
        self.noted = self.noted.min(at);
    }
}

impl Transmitter {
    /// Looks at what streams hold, if that is due, and says what came of it. When it is due again,
    /// [`Core::upkeep_due`] knows.
    pub(super) async fn limit_held(&self) -> Result<HeldReport, Error> {
        let now = self.core.clock.now();
        let mut report = HeldReport::default();
        if self.core.held_due().is_none_or(|due| now < due) {
            return Ok(report);
        }
        // Written first: what fails is tried again in its time, not all the time.
        let limits = &self.core.config.held;
        let (next, mut due) = (now.after(APART), NEVER);
        let room = Room { entries: limits.entries, bytes: limits.bytes };
        let begun = Looks { last: now, next, noted: NEVER, room, ..Looks::default() };
        self.core.held.change(|looks| *looks = begun);
        let (mut after, mut result) = (None, Ok(()));
        for _ in 0..ROUNDS {
            let page = self.store.held_streams(&self.core.issuer, after.as_ref(), BATCH).await?;
            for stream in &page {
                let Some(limit) = limits.exceeded(&stream.held, now) else {
                    due = due.min(limits.due(&stream.held));
                    self.core.held.has_room(&stream.held, limits);
                    continue;
                };
                // What it holds then, the next look tells.
                due = due.min(next);
                let beyond = self.beyond_limit(&stream.stream_id, limit, now, &mut report).await;
                // One stream that fails leaves the others their turn.
                result = result.and(beyond);
            }
            match page.last() {
                Some(last) if page.len() == BATCH => after = Some(last.stream_id.clone()),
                _ => break,
            }
        }
        // What was noted meanwhile may be earlier.
        self.core.held.change(|looks| looks.next = looks.noted.min(due.max(next)));
        result.map(|()| report)
    }

    /// Does to a stream what is to be done beyond a limit, and says so in its status.
    async fn beyond_limit(
        &self,
        stream: &StreamId,
        limit: HeldLimit,
        now: Timestamp,
        report: &mut HeldReport,
    ) -> Result<(), Error> {
        let (core, limits) = (&self.core, self.core.config.held);
        match limits.beyond {
            BeyondLimit::GiveUpOldest => {
                // Said first: what is given up is never without its reason.
                self.note_limit(stream, limit, now).await?;
                let mut entries = 0;
                for _ in 0..ROUNDS {
                    let request = GiveUpHeld::new(stream.clone(), limits, now, BATCH);
                    core.note(Noted::DeadLetter, now);
                    let given_up = self.store.give_up_held(&core.issuer, request).await?;
                    report.given_up += given_up;
                    entries += given_up;
                    if given_up < BATCH as u64 {
                        break;
                    }
                }
                if entries > 0 {
                    let stream_id = stream.clone();
                    core.diagnostics.notice(&Notice::HeldGivenUp { stream_id, limit, entries });
                }
                Ok(())
            }
            BeyondLimit::DisableStream => {
                if self.disable_holder(stream, limit, now).await? {
                    report.disabled += 1;
                    let stream_id = stream.clone();
                    core.diagnostics.notice(&Notice::HeldDisabled { stream_id, limit });
                }
                Ok(())
            }
        }
    }

    /// Says in the status of a stream that a limit is exceeded.
    async fn note_limit(
        &self,
        stream: &StreamId,
        limit: HeldLimit,
        now: Timestamp,
    ) -> Result<(), Error> {
        for _ in 0..CHANGE_TRIES {
            let Some(mut record) = self.holder(stream).await? else { return Ok(()) };
            if record.held_exceeded.is_some() {
                return Ok(());
            }
            let before = Before::of(&record);
            record.held_exceeded = Some(HeldExceeded::new(limit, now));
            match self.core.commit(&*self.store, before, record, None, LIMIT).await {
                Ok(_) | Err(StoreError::NotFound) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Disables a stream if it still holds too much; says whether it did.
    async fn disable_holder(
        &self,
        stream: &StreamId,
        limit: HeldLimit,
        now: Timestamp,
    ) -> Result<bool, Error> {
        for _ in 0..CHANGE_TRIES {
            let Some(record) = self.holder(stream).await? else { return Ok(false) };
            let reason = Some(HeldExceeded::new(limit, now).to_string());
            let (status, provided) =
                (StreamStatus::Disabled, Provided::Exceeds(self.core.config.held, now));
            match self.try_status(record, status, reason, LIMIT, provided).await {
                Ok(_) => return Ok(true),
                Err(Error::Store(StoreError::NotFound)) => return Ok(false),
                Err(Error::Store(StoreError::Conflict)) => {}
                Err(error) => return Err(error),
            }
        }
        // Its receiver fetched, or it changes all the time: the next look tells.
        Ok(false)
    }

    /// The record of a stream, if it still is one that holds what nobody is being sent.
    async fn holder(&self, stream: &StreamId) -> Result<Option<StreamRecord>, Error> {
        let record = match self.store.find_stream(&self.core.issuer, stream).await {
            Ok(record) => record,
            Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(record).filter(|record| holds(record.status, &record.delivery)))
    }
}

impl Core {
    /// When what streams hold is next to be looked at.
    pub(super) fn held_due(&self) -> Option<Timestamp> {
        Some(self.held.change(|_| ()).next).filter(|next| *next < NEVER)
    }
}
