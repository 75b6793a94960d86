//! Activity of receivers, verifications and retention (SSF 1.0 §8.1.1, §8.1.4; P6).

use std::collections::BTreeSet;

use ssf_transmitter::id::{Jti, StreamId};
use ssf_transmitter::outbox::{Held, HeldLimits, Lane};
use ssf_transmitter::store::{
    Activity, HeldStream, Overdue, Provided, StoreError, SweepRequest, Swept,
};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::timestamp::Timestamp;

use super::streams::route;
use super::{Clocks, End, Entry, Model, Stream};

/// Why a stream is paused whose receiver is gone, as far as it is always the same.
pub(super) const INACTIVE: &str = "no activity for ";

impl Model {
    pub(crate) fn touched(&mut self, activity: &Activity, result: &Result<(), StoreError>) {
        if let (Ok(()), Some(stream)) = (result, self.streams.get_mut(&activity.stream_id)) {
            stream.active_at = stream.active_at.max(activity.at);
            let ours = self.polls.values_mut().filter(|poll| poll.stream == activity.stream_id);
            ours.for_each(|poll| poll.touched = true);
        }
    }

    pub(crate) fn idle_found(&mut self, since: Timestamp, result: &Result<Overdue, StoreError>) {
        let Ok(found) = result else { return };
        self.hold_overdue("idle", since, found, |stream| stream.active_at);
    }

    pub(crate) fn unverified_found(
        &mut self,
        since: Timestamp,
        result: &Result<Overdue, StoreError>,
    ) {
        let Ok(found) = result else { return };
        self.hold_overdue("unverified", since, found, |stream| stream.verified_at);
    }

    /// A look for streams finds all that are overdue, and when the next is.
    fn hold_overdue(
        &mut self,
        what: &str,
        since: Timestamp,
        found: &Overdue,
        at: impl Fn(&Stream) -> Timestamp,
    ) {
        let enabled =
            self.living().filter(|(_, stream)| stream.record.status == StreamStatus::Enabled);
        let (overdue, rest): (Vec<_>, Vec<_>) =
            enabled.partition(|(_, stream)| at(stream) <= since);
        let next = rest.into_iter().map(|(_, stream)| at(stream)).min();
        let overdue: BTreeSet<&StreamId> = overdue.into_iter().map(|(id, _)| id).collect();
        let streams: BTreeSet<&StreamId> = found.streams.iter().map(|r| &r.stream_id).collect();
        let same = overdue == streams && found.next == next;
        self.hold(same, || format!("others were found {what} than are"));
    }

    /// Whether a stream is as a change of it was decided on.
    pub(super) fn is_provided(&self, id: &StreamId, provided: Provided) -> bool {
        match provided {
            Provided::Nothing => true,
            Provided::IdleSince(since) => {
                self.streams.get(id).is_some_and(|stream| stream.active_at <= since)
            }
            Provided::Exceeds(limits, now) => self.exceeds(id, &limits, now),
            _ => false,
        }
    }

    /// Whether nobody has been there for as long as a stream may be idle at that time, by a clock
    /// that may have been set back since somebody looked.
    pub(super) fn is_idle(&self, id: &StreamId, now: Timestamp) -> bool {
        let latest = now.after(self.set_back).before(self.inactivity);
        // Whoever waits is there; only a line that dawdles keeps that from being known.
        let waits = self.polls.values().any(|poll| poll.stream == *id && poll.touched);
        self.streams.get(id).is_some_and(|stream| stream.active_at <= latest)
            && !(waits && self.lines_hold && self.clocks == Clocks::Agree)
    }

    /// `now` is the time of the call.
    pub(crate) fn swept(
        &mut self,
        request: &SweepRequest,
        now: Timestamp,
        result: &Result<Swept, StoreError>,
    ) {
        let (letters, keys) = self.kept;
        let latest = now.after(self.set_back);
        let in_time = request.dead_before <= latest.before(letters)
            && request.keys_before <= latest.before(keys);
        self.hold(in_time, || format!("retention was to remove too much: {request:?}"));
        let moment = self.next_moment();
        self.note(|| format!("{moment} sweep {request:?} {result:?}"));
        let Ok(swept) = result else { return };
        let most = request.most as u64;
        let mut letters = 0;
        for entry in self.entries.values_mut() {
            let buried = entry.is_letter() && entry.died_at < Some(request.dead_before);
            entry.swept |= buried;
            letters += u64::from(buried && !self.streams[&entry.stream].gone);
        }
        let keys = self.first_results.len();
        self.first_results.retain(|_, first| first.at >= request.keys_before);
        let keys = (keys - self.first_results.len()) as u64;
        let right =
            letters < most && swept.dead_letters == letters && swept.idempotency_keys == keys;
        self.hold(right, || format!("retention removed {swept:?} and not {letters}, {keys}"));
        for _ in 0..letters {
            self.happened("a dead letter was removed by retention");
        }
    }

    /// Letters that retention should have removed by then, and streams that should have had a
    /// verification, or a pause because nobody was there.
    pub(crate) fn hold_upkeep(&mut self, letters: Timestamp, verified: Option<Timestamp>) {
        let old = self.entries.iter().find(|(_, entry)| {
            entry.is_letter() && entry.died_at < Some(letters) && !self.streams[&entry.stream].gone
        });
        if let Some(jti) = old.map(|(jti, _)| jti.clone()) {
            self.break_promise(format!("the dead letter {jti} is kept for too long"));
        }
        let unverified = self.living().find(|(_, stream)| {
            stream.record.status == StreamStatus::Enabled && Some(stream.verified_at) < verified
        });
        if let Some(id) = unverified.map(|(id, _)| id.clone()) {
            self.break_promise(format!("SSF 1.0 8.1.4: {id} was not verified for too long"));
        }
    }
}

impl Model {
    /// P6: what a stream holds that nobody is being sent is within the limits.
    pub(crate) fn hold_limits(&mut self, limits: &HeldLimits, aged: Timestamp) {
        let beyond = self.living().find(|(id, _)| self.exceeds(id, limits, aged));
        if let Some(id) = beyond.map(|(id, _)| id.clone()) {
            self.break_promise(format!("P6: {id} holds more than it may"));
        }
    }

    /// A look at what streams hold finds all of them, and says how much it is. Everything is on one
    /// page.
    pub(crate) fn holders_found(
        &mut self,
        after: Option<&StreamId>,
        result: &Result<Vec<HeldStream>, StoreError>,
    ) {
        let Ok(found) = result else { return };
        self.note(|| format!("look at what is held: {found:?}"));
        let holders = self.living().filter(|(id, _)| after.is_none_or(|after| *id > after));
        let holders = holders.filter_map(|(id, _)| {
            let held = self.held(id);
            let (_, oldest) = held.first()?;
            let bytes = held.iter().map(|(_, entry)| entry.bytes).sum();
            let held = Held::new(held.len() as u64, bytes, oldest.queued_at);
            Some(HeldStream::new(id.clone(), held))
        });
        let same = holders.eq(found.iter().cloned());
        self.hold(same, || "P6: what streams hold is counted wrong");
    }

    fn exceeds(&self, id: &StreamId, limits: &HeldLimits, now: Timestamp) -> bool {
        let held = self.held(id);
        let bytes: u64 = held.iter().map(|(_, entry)| entry.bytes).sum();
        let age = held.first().map(|(_, entry)| entry.queued_at.after(limits.age));
        held.len() as u64 > limits.entries
            || bytes > limits.bytes
            || age.is_some_and(|age| age <= now)
    }

    /// The ordinary entries of a stream, the oldest first, if nobody is being sent them.
    pub(super) fn held(&self, id: &StreamId) -> Vec<(&Jti, &Entry)> {
        let Some(stream) = self.streams.get(id).filter(|stream| !stream.gone) else {
            return Vec::new();
        };
        let holds = match stream.record.status {
            StreamStatus::Enabled => route(&stream.record.delivery).is_none(),
            StreamStatus::Paused => true,
            _ => false,
        };
        let mut held = if holds { self.waiting(id) } else { Vec::new() };
        held.retain(|(_, entry)| !entry.lane.is_control());
        held
    }

    /// P5: every stop that the transmitter made was announced, or could not be.
    pub(crate) fn hold_announced(&mut self) {
        let silent = self
            .entries
            .iter()
            .find(|(_, entry)| entry.lane == Lane::StreamUpdated && entry.ended.is_none());
        if let Some(jti) = silent.map(|(jti, _)| jti.clone()) {
            self.break_promise(format!("P5: the announcement {jti} goes nowhere"));
        }
    }
}

impl Entry {
    /// Whether it is among the dead letters.
    pub(crate) fn is_letter(&self) -> bool {
        self.ended == Some(End::Dead) && !self.renewed && !self.swept
    }
}
