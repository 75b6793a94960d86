//! Settled claims: what an attempt came to, and what follows from it (P3, P6, P7).

use std::time::Duration;

use ssf_transmitter::id::Jti;
use ssf_transmitter::outbox::{DeadLetterReason, Fate, TransportFailure};
use ssf_transmitter::store::{SettleBatch, SettleReport, Settled, Settlement, StoreError};
use ssf_transmitter::timestamp::Timestamp;

use super::{End, Model, Process};
use crate::rules::{
    ANNOUNCEMENT, ANNOUNCEMENT_SECONDS, DEFERRAL, Ending, Fault, Tries, Waits, Wish,
};
use crate::secrets::stream_of;

/// What should become of an entry.
enum Due {
    Delivered {
        unusual: bool,
    },
    Dead(DeadLetterReason),
    Retry {
        earliest: Timestamp,
        latest: Timestamp,
    },
    SignAnew {
        earliest: Timestamp,
        latest: Timestamp,
    },
    /// Another try, or the end, if the next would come too late.
    RetryInTime {
        earliest: Timestamp,
        latest: Timestamp,
        last: Timestamp,
    },
    Defer {
        earliest: Timestamp,
        latest: Timestamp,
    },
    Return,
}

impl Model {
    pub(crate) fn settled(
        &mut self,
        by: Process,
        batch: &SettleBatch,
        result: &Result<SettleReport, StoreError>,
    ) {
        self.next_moment();
        let Ok(report) = result else { return };
        self.hold(report.settled.len() == batch.settlements.len(), || "P3: a settling got lost");
        for (settlement, settled) in batch.settlements.iter().zip(&report.settled) {
            self.note(|| {
                let Settlement { jti, fence, fate, .. } = settlement;
                format!("{} {by:?} settle {jti} fence {} {fate:?} {settled:?}", batch.now, fence.0)
            });
            self.settle(by, settlement, *settled, batch.now);
        }
        for settlement in &batch.settlements {
            self.record_health(settlement, batch.now);
        }
    }

    fn settle(&mut self, by: Process, settlement: &Settlement, settled: Settled, now: Timestamp) {
        let Settlement { jti, fence, fate, .. } = settlement;
        let holds = self.entries.get(jti).is_some_and(|entry| {
            entry.ended.is_none()
                && entry.claim.is_some_and(|claim| claim.held && claim.fence == fence.0)
        });
        self.hinder(by, jti, fence.0, fate);
        self.hold((settled == Settled::Done) == holds, || {
            format!("P3: a settling of {jti} under fence {} was {settled:?}", fence.0)
        });
        if !holds {
            self.happened("a settling came too late");
            return;
        }
        if *fate == Fate::Return {
            self.call_off_if_late(jti, fence.0);
        }
        let due = self.due(jti, fence.0, now);
        if !due.is_met_by(fate) {
            self.break_promise(format!(
                "P7: {jti} came to {fate:?}, which its attempt does not say"
            ));
        }
        self.happenings.count("an attempt ended", kind(fate));
        let Some(entry) = self.entries.get_mut(jti) else { return };
        if let Some(claim) = &mut entry.claim {
            claim.held = false;
        }
        entry.not_before = None;
        match fate {
            Fate::Delivered { unusual_status } => {
                self.totals.delivered_unusually += u64::from(unusual_status.is_some());
                self.end(jti, End::Delivered);
            }
            Fate::Dead(reason) => {
                entry.attempts += 1;
                entry.judged |= matches!(reason, DeadLetterReason::Rejected { .. });
                self.die(jti, now);
            }
            Fate::Retry(at) | Fate::SignAnew(at) => {
                entry.attempts += 1;
                entry.judged = true;
                entry.not_before = Some(*at);
                if matches!(fate, Fate::SignAnew(_)) {
                    entry.anew = true;
                    entry.refused = entry.tokens.last().map(|token| token.kid.clone());
                }
            }
            Fate::Defer(at) => {
                entry.waits_for_breaker = true;
                entry.not_before = Some(*at);
            }
            _ => {}
        }
    }

    /// A request that was let go when its time was up was perhaps called off in the same moment, and
    /// one that was to be made again was perhaps called off before.
    fn call_off_if_late(&mut self, jti: &Jti, fence: u64) {
        let Some(entry) = self.entries.get_mut(jti) else { return };
        let Some(stream) = self.streams.get(&entry.stream) else { return };
        let Some(attempt) = entry.tries.get_mut(&fence) else { return };
        let again = matches!(attempt.ending, Some(Ending::Answered { status: 401, .. }))
            && attempt.header.as_deref().is_some_and(|header| stream_of(header).is_some())
            && !attempt.renewed;
        let late = matches!(attempt.ending, Some(Ending::Broke(TransportFailure::Timeout)));
        let raised = || stream.raised.iter().any(|raised| raised.generation > attempt.generation);
        if again || late && raised() {
            attempt.ending = Some(Ending::Dropped);
        }
    }

    /// What follows from the attempt that was made under that fence.
    fn due(&self, jti: &Jti, fence: u64, now: Timestamp) -> Due {
        let Some(entry) = self.entries.get(jti) else { return Due::Return };
        let attempt = entry.tries.get(&fence);
        let Some((attempt, ending)) = attempt.and_then(|a| Some((a, a.ending.as_ref()?))) else {
            return Due::Return;
        };
        if matches!(ending, Ending::Dropped) {
            return Due::Return;
        }
        let tries = entry.attempts + 1;
        let span = |waits: Waits, failures: u32| {
            let (shortest, longest) = waits.after(failures);
            (now.after(shortest), now.after(longest))
        };
        match self.rules.fault(ending) {
            Fault::Nobody { unusual } => Due::Delivered { unusual },
            Fault::Set => Due::Dead(rejected(ending)),
            Fault::SetMayPass(Tries { most, .. }) | Fault::Key(Tries { most, .. })
                if tries >= most =>
            {
                Due::Dead(rejected(ending))
            }
            Fault::SetMayPass(Tries { waits, .. }) => {
                let (earliest, latest) = span(waits, tries);
                let wish = wish(ending).map_or(now, |wish| wish.until(now, 3600));
                Due::Retry { earliest: earliest.max(wish), latest: latest.max(wish) }
            }
            Fault::Key(Tries { waits, .. }) => {
                let (earliest, latest) = span(waits, tries);
                Due::SignAnew { earliest, latest }
            }
            Fault::Stream { .. } | Fault::StreamStops | Fault::Ours
                if attempt.stopped && tries >= ANNOUNCEMENT.most =>
            {
                Due::Dead(DeadLetterReason::AnnouncementExpired)
            }
            Fault::Stream { .. } | Fault::StreamStops | Fault::Ours if attempt.stopped => {
                let (earliest, latest) = span(ANNOUNCEMENT.waits, tries);
                let last = entry.emitted_at.after(Duration::from_secs(ANNOUNCEMENT_SECONDS));
                Due::RetryInTime { earliest, latest, last }
            }
            Fault::Stream { .. } | Fault::StreamStops | Fault::Ours => {
                let (earliest, latest) = span(DEFERRAL, 1);
                Due::Defer { earliest, latest }
            }
        }
    }

    /// What the attempt says about its stream, if that is still the stream it was made on.
    fn record_health(&mut self, settlement: &Settlement, now: Timestamp) {
        let entry = self.entries.get(&settlement.jti);
        let Some(attempt) = entry.and_then(|entry| entry.tries.get(&settlement.fence.0)) else {
            return;
        };
        let Some(ending) = attempt.ending.as_ref().filter(|e| !matches!(e, Ending::Dropped)) else {
            return;
        };
        let Some(stream) = self.streams.get_mut(&settlement.stream_id) else { return };
        if stream.gone || stream.record.generation != attempt.generation {
            return;
        }
        let fault = self.rules.fault(ending);
        stream.health.record(fault, wish(ending), &self.rules, now);
        let overdue = stream.health.overdue;
        self.hold(overdue < MOST_OVERDUE, || "P7: a stream that refuses was never paused");
    }
}

/// A verdict may get lost with its process or with the store, and the next one with the next; not
/// so many.
const MOST_OVERDUE: u32 = 12;

fn wish(ending: &Ending) -> Option<Wish> {
    match ending {
        Ending::Answered { wish, .. } => *wish,
        Ending::Broke(_) | Ending::Hindered | Ending::Dropped => None,
    }
}

/// What an attempt came to, in a word.
fn kind(fate: &Fate) -> &'static str {
    match fate {
        Fate::Delivered { unusual_status: None } => "delivered",
        Fate::Delivered { .. } => "delivered with another status",
        Fate::Retry(_) => "to be tried again",
        Fate::SignAnew(_) => "to be signed anew",
        Fate::Defer(_) => "deferred",
        Fate::Return => "handed back",
        Fate::Dead(DeadLetterReason::AnnouncementExpired) => "dead: announcement expired",
        Fate::Dead(_) => "dead",
        _ => "otherwise",
    }
}

/// The receiver judged the SET.
fn rejected(ending: &Ending) -> DeadLetterReason {
    let mut reason = DeadLetterReason::AnnouncementExpired;
    if let Ending::Answered { status, err, .. } = ending {
        let err = err.map(str::to_owned);
        reason = DeadLetterReason::Rejected { status: *status, err, description: None };
    }
    reason
}

impl Due {
    fn is_met_by(&self, fate: &Fate) -> bool {
        let within = |at: &Timestamp, earliest: &Timestamp, latest: &Timestamp| {
            earliest <= at && at <= latest
        };
        match (self, fate) {
            (Self::Delivered { unusual }, Fate::Delivered { unusual_status }) => {
                *unusual == unusual_status.is_some()
            }
            (Self::Dead(due), Fate::Dead(reason)) => due == reason,
            (Self::Retry { earliest, latest }, Fate::Retry(at))
            | (Self::SignAnew { earliest, latest }, Fate::SignAnew(at))
            | (Self::Defer { earliest, latest }, Fate::Defer(at)) => within(at, earliest, latest),
            (Self::RetryInTime { earliest, latest, last }, Fate::Retry(at)) => {
                within(at, earliest, latest) && at <= last
            }
            (Self::RetryInTime { latest, last, .. }, Fate::Dead(reason)) => {
                *reason == DeadLetterReason::AnnouncementExpired && latest > last
            }
            (Self::Return, Fate::Return) => true,
            _ => false,
        }
    }
}
