//! What polls are answered (P4, P5; RFC 8936).

use std::time::Duration;

use ssf_transmitter::id::{Jti, KeyId, OrderKey, StreamId};
use ssf_transmitter::protocol::{More, PollReply};
use ssf_transmitter::store::{HandOut, HandOutRequest, KeepToken, Kept, StoreError};
use ssf_transmitter::timestamp::Timestamp;

use super::streams::route;
use super::{Model, Process, Shared};
use crate::rules::may_leave;

/// A poll that waits.
#[derive(Debug)]
pub(super) struct Poll {
    by: Process,
    pub(super) stream: StreamId,
    /// Whether its receiver was noted as active since it began.
    pub(super) touched: bool,
    /// Since when there has been something for it.
    owed_since: Option<Timestamp>,
}

/// A poll between its beginning and its end.
pub(crate) struct Polling {
    model: Shared,
    number: u64,
}

impl Polling {
    pub(crate) fn begin(model: &Shared, by: Process, stream: &StreamId) -> Self {
        let mut state = model.lock();
        let number = state.next_moment();
        let poll = Poll { by, stream: stream.clone(), touched: false, owed_since: None };
        state.polls.insert(number, poll);
        drop(state);
        Self { model: model.clone(), number }
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.model.lock().polls.remove(&self.number);
    }
}

impl Model {
    /// Whoever waits is answered soon once there is something for him. Asked when everybody waits
    /// for the time; `slowest` is the time by the clock that is furthest behind.
    pub(crate) fn hold_waiting_polls(
        &mut self,
        now: Timestamp,
        slowest: Timestamp,
        patience: Duration,
    ) {
        let owed: Vec<u64> = self
            .polls
            .iter()
            .filter(|(_, poll)| !self.due_for_poll(&poll.stream, slowest).is_empty())
            .map(|(number, _)| *number)
            .collect();
        let mut slept = None;
        for (number, poll) in &mut self.polls {
            if !owed.contains(number) {
                poll.owed_since = None;
            } else if now.since(*poll.owed_since.get_or_insert(now)) > patience {
                slept = Some(format!("{:?} waits on {} though there is", poll.by, poll.stream));
            }
        }
        if let Some(slept) = slept {
            self.break_promise(format!("a wake got lost: a poll in {slept} something for it"));
        }
    }

    /// No poll waits any more for what is owed, as far as is known.
    pub(crate) fn forgive_waiting_polls(&mut self) {
        self.polls.values_mut().for_each(|poll| poll.owed_since = None);
    }

    /// What a poll gets at that time: control entries first, then oldest first; nothing that is
    /// hidden or stands behind it.
    fn due_for_poll(&self, id: &StreamId, now: Timestamp) -> Vec<Jti> {
        let Some(stream) = self.streams.get(id).filter(|stream| !stream.gone) else {
            return Vec::new();
        };
        if route(&stream.record.delivery).is_some() {
            return Vec::new();
        }
        let hidden = self.hidden(id, now);
        let mut due: Vec<_> = self.waiting(id);
        due.retain(|(_, entry)| {
            may_leave(&stream.record, entry.lane) && !hidden.contains(&entry.key)
        });
        due.sort_by_key(|(_, entry)| !entry.lane.is_control());
        due.into_iter().map(|(jti, _)| jti.clone()).collect()
    }

    pub(crate) fn handed_out(
        &mut self,
        id: &StreamId,
        request: HandOutRequest,
        result: &Result<HandOut, StoreError>,
    ) {
        let Ok(out) = result else { return };
        let Some(stream) = self.streams.get(id).filter(|stream| !stream.gone) else {
            return self.break_promise("P9: a stream that is gone was polled");
        };
        let pushed = route(&stream.record.delivery).is_some();
        self.show_due(id, request.now);
        let hides = !self.hidden(id, request.now).is_empty();
        let mut due = self.due_for_poll(id, request.now);
        let more = if due.len() > request.most { More::Available } else { More::None };
        due.truncate(request.most);
        self.happened_if(hides, "a poll found something hidden");
        let entries: Vec<_> = out.entries.iter().map(|entry| entry.jti.clone()).collect();
        self.hold(!pushed, || "P1: a push stream was polled");
        self.hold(entries == due, || format!("P5: a poll got {entries:?} and not {due:?}"));
        self.hold(out.more == more, || "RFC 8936: what remains is counted wrong");
    }

    /// The tokens of a reply are kept, and what it holds is hidden until a time. What another poll
    /// hid meanwhile, or stands behind that, is not this one's any more.
    pub(crate) fn polled(
        &mut self,
        by: Process,
        id: &StreamId,
        (tokens, hide): (&[KeepToken], Option<Timestamp>),
        result: &Result<Vec<Kept>, StoreError>,
        retired: impl Fn(&KeyId) -> bool,
    ) {
        let now = tokens.iter().map(|token| token.at).max().unwrap_or_default();
        self.show_due(id, now);
        let due = self.window.map(|window| now.after(window));
        self.hold(tokens.is_empty() || hide == due, || "P4: an answer is not hidden for its time");
        let hidden = self.hidden(id, now);
        let waits = |jti| self.entries.get(jti).filter(|entry| entry.ended.is_none());
        let behind: Vec<_> = tokens
            .iter()
            .map(|token| waits(&token.jti).is_some_and(|entry| hidden.contains(&entry.key)))
            .collect();
        let Ok(kept) = result else { return self.kept(by, tokens, result, retired) };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for ((token, kept), behind) in tokens.iter().zip(kept).zip(behind) {
            if behind {
                let gone = !matches!(kept, Kept::Token { .. });
                self.happened("two polls looked at the same");
                self.hold(gone, || format!("P4: {} was answered to two polls", token.jti));
            } else {
                ours.push(token.clone());
                theirs.push(kept.clone());
            }
        }
        for (token, kept) in ours.iter().zip(&theirs) {
            if let (Kept::Token { .. }, Some(entry)) = (kept, self.entries.get_mut(&token.jti)) {
                entry.hidden_until = hide;
                *entry.answers.entry(by).or_default() += 1;
            }
        }
        self.kept(by, &ours, &Ok(theirs), retired);
    }

    fn show_due(&mut self, id: &StreamId, now: Timestamp) {
        let ours = self.entries.values_mut().filter(|entry| entry.stream == *id);
        ours.for_each(|entry| entry.hidden_until = entry.hidden_until.filter(|until| *until > now));
    }

    /// The order keys of what is hidden; control entries have none and stand for each other.
    fn hidden(&self, id: &StreamId, now: Timestamp) -> Vec<Option<OrderKey>> {
        let waiting = self.waiting(id).into_iter();
        let hidden = waiting.filter(|(_, entry)| entry.hidden_until > Some(now));
        hidden.map(|(_, entry)| entry.key.clone()).collect()
    }

    /// P6: whatever a poll that was answered acknowledged or reported has ended.
    pub(crate) fn hold_acknowledged(&mut self, id: &StreamId, done: &[Jti]) {
        let waits = done.iter().find(|jti| {
            let entry = self.entries.get(*jti);
            entry.is_some_and(|entry| {
                entry.stream == *id && entry.ended.is_none() && !entry.redriven
            })
        });
        if let Some(jti) = waits.cloned() {
            self.break_promise(format!("P6: {jti} was acknowledged and waits"));
        }
    }

    /// A reply leaves; `arrives` says whether the receiver gets it.
    pub(crate) fn poll_answered(
        &mut self,
        by: Process,
        id: &StreamId,
        reply: &PollReply,
        arrives: bool,
    ) {
        self.next_moment();
        self.note(|| {
            let sets: Vec<_> = reply.sets.iter().map(|(jti, _)| jti).collect();
            format!("{by:?} polled {id} {sets:?} {}", if arrives { "arrives" } else { "is lost" })
        });
        let place = |model: &Self, jti| {
            model.entries.get(jti).map(|entry| (!entry.lane.is_control(), entry.number))
        };
        let places: Vec<_> = reply.sets.iter().map(|(jti, _)| place(self, jti)).collect();
        self.hold(places.is_sorted(), || format!("P4: the reply of {id} is out of order"));
        for (jti, token) in &reply.sets {
            let ours = self.entries.get(jti).is_some_and(|entry| entry.stream == *id);
            self.hold(ours, || format!("P10: {jti} is not of {id}"));
            self.check_token(jti, token);
            let answers = self.entries.get_mut(jti).and_then(|entry| entry.answers.get_mut(&by));
            let allowed = answers.is_some_and(|answers| {
                let allowed = *answers > 0;
                *answers = answers.saturating_sub(1);
                allowed
            });
            self.hold(allowed, || format!("P2: {jti} was answered before its token was kept"));
            let again = self.entries.get(jti).is_some_and(|entry| entry.seen.is_some());
            self.happened_if(again, "a poll was answered with the same again");
            if arrives {
                self.seen(jti);
            }
        }
    }
}
