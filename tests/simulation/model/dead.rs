//! Dead letters that live again, and entries that are given up because too many are held (P6).

use ssf_transmitter::id::{Jti, StreamId};
use ssf_transmitter::store::{GiveUpHeld, Redrive, Redriven, StoreError};
use ssf_transmitter::stream::StreamStatus;

use super::streams::route;
use super::{End, Entry, Model};

impl Model {
    pub(crate) fn redriven(
        &mut self,
        id: &StreamId,
        redrive: &Redrive,
        result: &Result<Vec<Redriven>, StoreError>,
    ) {
        let moment = self.next_moment();
        self.note(|| format!("{moment} redrive {id} {redrive:?} {result:?}"));
        let Ok(redriven) = result else { return };
        let takes = self
            .living()
            .any(|(living, stream)| living == id && stream.record.status != StreamStatus::Disabled);
        self.hold(takes, || "P6: letters of a stream that takes nothing were redriven");
        self.hold(redriven.len() == redrive.letters.len(), || "P6: a redrive lost a letter");
        for (letter, redriven) in redrive.letters.iter().zip(redriven) {
            let jti = &letter.place.jti;
            let dead = self.entries.get(jti).filter(|entry| {
                entry.stream == *id && entry.ended == Some(End::Dead) && !entry.renewed
            });
            let due = match dead {
                None => Redriven::Gone,
                Some(entry) if entry.lane.is_control() => Redriven::Refused,
                Some(_) => Redriven::Done,
            };
            self.hold(*redriven == due, || format!("P6: a redrive of {jti} was {redriven:?}"));
            if due == Redriven::Done {
                self.live_again(jti, letter.new_jti.as_ref(), redrive);
            }
        }
    }

    /// It waits behind all others, as the same SET or as a new one.
    fn live_again(&mut self, jti: &Jti, new: Option<&Jti>, redrive: &Redrive) {
        let moment = self.next_moment();
        let Some(old) = self.entries.get_mut(jti) else { return };
        let judged = old.judged;
        let entry = Entry {
            key: old.key.clone(),
            bytes: old.bytes,
            queued_at: redrive.now,
            redriven: true,
            ..Entry::new(old.stream.clone(), old.lane, moment, old.txn.clone(), old.emitted_at)
        };
        self.totals.redriven += 1;
        if let Some(new) = new {
            old.renewed = true;
            self.queue(new.clone(), entry);
        } else {
            let tokens = std::mem::take(&mut old.tokens);
            let tries = std::mem::take(&mut old.tries);
            let entry = Entry { tokens, tries, seen: old.seen, ..entry };
            self.entries.remove(jti);
            self.queue(jti.clone(), entry);
        }
        self.hold(judged == new.is_some(), || {
            format!("P6: {jti} lives again under the wrong jti: what was judged gets a new one")
        });
    }

    pub(crate) fn held_given_up(&mut self, request: &GiveUpHeld, result: &Result<u64, StoreError>) {
        let moment = self.next_moment();
        self.note(|| format!("{moment} give up held {request:?} {result:?}"));
        let Ok(given_up) = result else { return };
        let GiveUpHeld { stream_id, limits, now, most, .. } = request;
        let holds = self.living().any(|(id, stream)| {
            let polled = route(&stream.record.delivery).is_none();
            id == stream_id
                && match stream.record.status {
                    StreamStatus::Enabled => polled,
                    StreamStatus::Paused => true,
                    _ => false,
                }
        });
        let ordinary: Vec<(Jti, _, u64, bool)> = self
            .waiting(stream_id)
            .into_iter()
            .filter(|(_, entry)| !entry.lane.is_control() && holds)
            .map(|(jti, entry)| (jti.clone(), entry.queued_at, entry.bytes, entry.held_at(*now)))
            .collect();
        let mut entries = ordinary.len() as u64;
        let mut bytes: u64 = ordinary.iter().map(|(_, _, bytes, _)| bytes).sum();
        let mut expected = 0;
        for (jti, queued_at, size, held) in ordinary.into_iter().take(*most) {
            let within = entries <= limits.entries
                && bytes <= limits.bytes
                && *now < queued_at.after(limits.age);
            if within {
                break;
            }
            if !held {
                self.end(&jti, End::Dead);
                self.totals.dead_by_held_limit += 1;
                (entries, bytes, expected) = (entries - 1, bytes - size, expected + 1);
            }
        }
        self.hold(*given_up == expected, || {
            format!("P6: {given_up} held entries were given up and not {expected}")
        });
    }
}
