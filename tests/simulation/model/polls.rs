//! What polls are answered (P4, P5; RFC 8936).

use ssf_transmitter::id::StreamId;
use ssf_transmitter::protocol::{More, PollReply};
use ssf_transmitter::store::{HandOut, HandOutRequest, StoreError};

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
        // Control entries first, then oldest first.
        let mut due: Vec<_> = self.waiting(id);
        due.retain(|(_, entry)| may_leave(&stream.record, entry.lane));
        due.sort_by_key(|(_, entry)| !entry.lane.is_control());
        let more = if due.len() > request.most { More::Available } else { More::None };
        let due: Vec<_> = due.iter().take(request.most).map(|(jti, _)| (*jti).clone()).collect();
        let entries: Vec<_> = out.entries.iter().map(|entry| entry.jti.clone()).collect();
        self.hold(!pushed, || "P1: a push stream was polled");
        self.hold(entries == due, || format!("P5: a poll got {entries:?} and not {due:?}"));
        self.hold(out.more == more, || "RFC 8936: what remains is counted wrong");
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
