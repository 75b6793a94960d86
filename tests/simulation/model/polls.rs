//! What polls are answered (P4, P5; RFC 8936).

use ssf_transmitter::id::{KeyId, OrderKey, StreamId};
use ssf_transmitter::protocol::{More, PollReply};
use ssf_transmitter::store::{HandOut, HandOutRequest, KeepToken, Kept, StoreError};
use ssf_transmitter::timestamp::Timestamp;

use super::streams::route;
use super::{Model, Process};
use crate::rules::may_leave;

impl Model {
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
        // Control entries first, then oldest first; nothing that is hidden or stands behind it.
        let record = stream.record.clone();
        self.show_due(id, request.now);
        let hidden = self.hidden(id);
        let mut due: Vec<_> = self.waiting(id);
        due.retain(|(_, entry)| may_leave(&record, entry.lane) && !hidden.contains(&entry.key));
        due.sort_by_key(|(_, entry)| !entry.lane.is_control());
        let more = if due.len() > request.most { More::Available } else { More::None };
        let due: Vec<_> = due.iter().take(request.most).map(|(jti, _)| (*jti).clone()).collect();
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
        if let Some(now) = tokens.iter().map(|token| token.at).max() {
            self.show_due(id, now);
        }
        let hidden = self.hidden(id);
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
                self.hold(gone, || format!("P4: {} was answered to two polls", token.jti));
            } else {
                ours.push(token.clone());
                theirs.push(kept.clone());
            }
        }
        for (token, kept) in ours.iter().zip(&theirs) {
            if let (Kept::Token { .. }, Some(entry)) = (kept, self.entries.get_mut(&token.jti)) {
                entry.hidden_until = hide;
            }
        }
        self.kept(by, &ours, &Ok(theirs), retired);
    }

    fn show_due(&mut self, id: &StreamId, now: Timestamp) {
        let ours = self.entries.values_mut().filter(|entry| entry.stream == *id);
        ours.for_each(|entry| entry.hidden_until = entry.hidden_until.filter(|until| *until > now));
    }

    /// The order keys of what is hidden; control entries have none and stand for each other.
    fn hidden(&self, id: &StreamId) -> Vec<Option<OrderKey>> {
        let waiting = self.waiting(id).into_iter();
        let hidden = waiting.filter(|(_, entry)| entry.hidden_until.is_some());
        hidden.map(|(_, entry)| entry.key.clone()).collect()
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
            if arrives {
                self.seen(jti);
            }
        }
    }
}
