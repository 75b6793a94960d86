//! Dead letters that live again, and entries that are given up because too many are held (P6).

use ssf_transmitter::id::{Jti, StreamId};
use ssf_transmitter::store::{GiveUpHeld, Redrive, Redriven, StoreError};
use ssf_transmitter::stream::StreamStatus;

use super::{Entry, Model};

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
            let entry = self.entries.get(jti);
            let dead = entry.filter(|entry| entry.stream == *id && entry.is_letter());
            let due = match dead {
                None => Redriven::Gone,
                Some(entry) if entry.lane.is_control() => Redriven::Refused,
                Some(_) => Redriven::Done,
            };
            self.happened_if(due == Redriven::Gone, "a letter was gone before its redrive");
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
        let kind = if new.is_some() { "as a new SET" } else { "as the same SET" };
        self.happenings.count("a letter was redriven", kind);
        let Some(old) = self.entries.get_mut(jti) else { return };
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
        let all = self.held(stream_id);
        let mut entries = all.len() as u64;
        let mut bytes: u64 = all.iter().map(|(_, entry)| entry.bytes).sum();
        let ordinary: Vec<(Jti, _, u64, bool)> = all
            .into_iter()
            .filter(|(_, entry)| entry.hidden_until <= Some(*now))
            .map(|(jti, entry)| (jti.clone(), entry.queued_at, entry.bytes, entry.held_at(*now)))
            .collect();
        let mut expected = 0;
        for (jti, queued_at, size, held) in ordinary.into_iter().take(*most) {
            let within = entries <= limits.entries
                && bytes <= limits.bytes
                && *now < queued_at.after(limits.age);
            if within {
                break;
            }
            if !held {
                self.die(&jti, *now);
                self.totals.dead_by_held_limit += 1;
                self.happened("an entry was given up for a held limit");
                (entries, bytes, expected) = (entries - 1, bytes - size, expected + 1);
            }
        }
        self.hold(*given_up == expected, || {
            format!("P6: {given_up} held entries were given up and not {expected}")
        });
    }
}
