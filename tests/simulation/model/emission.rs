//! Emissions (P1, P4, P8).

use std::collections::BTreeSet;

use ssf_transmitter::error::Error;
use ssf_transmitter::id::{StreamId, Txn};
use ssf_transmitter::outbox::Lane;
use ssf_transmitter::store::{
    Append, Appended, Candidate, CandidateQuery, NewEntry, Repeated, StoreError,
};
use ssf_transmitter::stream::{DefaultSubjects, StreamStatus};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::Emission as Emitted;

use super::{Emission, Entry, FirstResult, Model, Stream};

impl Model {
    /// `order` names what its SETs keep their order with: its user, or what the host says.
    pub(crate) fn emission_called(&mut self, txn: Txn, order: String) {
        let called = self.next_moment();
        self.note(|| format!("{called} emit {txn}"));
        self.emissions.insert(txn, Emission { called, returned: None, order });
    }

    /// From here on, what the emission wrote comes before all emissions that are called later.
    pub(crate) fn emission_returned(&mut self, result: &Result<Emitted, Error>) {
        let returned = self.next_moment();
        self.note(|| format!("{returned} emitted {result:?}"));
        let Ok(emitted) = result else { return };
        let known = emitted.sets.iter().all(|set| {
            self.entries
                .get(&set.jti)
                .is_some_and(|entry| entry.stream == set.stream_id && entry.txn == emitted.txn)
        });
        self.hold(known, || format!("P8: {} returned what was not committed", emitted.txn));
        if let Some(emission) = self.emissions.get_mut(&emitted.txn) {
            emission.returned.get_or_insert(returned);
        }
    }

    /// P8: routing finds the streams that want the event, and no others.
    pub(crate) fn candidates(
        &mut self,
        query: &CandidateQuery,
        result: &Result<Vec<Candidate>, StoreError>,
    ) {
        let Ok(found) = result else { return };
        let found: BTreeSet<&StreamId> = found.iter().map(|found| &found.stream_id).collect();
        let (user, asked_until) = (query.subject.canonical(), self.asked_until.max(query.now));
        self.asked_until = asked_until;
        let right = self.living().all(|(id, stream)| {
            stream
                .wants(query, &user, asked_until)
                .is_none_or(|wanted| wanted == found.contains(id))
        });
        let lingers = |(id, stream): (&StreamId, &Stream)| {
            found.contains(id) && stream.leaving.get(&user).is_some_and(|at| *at > query.now)
        };
        let lingers = self.living().any(lingers);
        self.hold(right, || "P8: routing found other streams than those that want the event");
        self.happened_if(lingers, "a subject was in the grace of its removal");
    }

    pub(crate) fn appended(&mut self, append: &Append, result: &Result<Appended, StoreError>) {
        let moment = self.next_moment();
        self.note(|| format!("{moment} append {} {result:?}", append.txn));
        let Ok(appended) = result else { return };
        let first = append.idempotency_key.as_ref().and_then(|key| self.first_results.get(key));
        if let Some(FirstResult { txn, sets, .. }) = first {
            let same = appended.repeated == Repeated::Yes
                && appended.txn == *txn
                && *appended.accepted == **sets;
            self.happened("an emission was repeated");
            self.hold(same, || "P8: a repeated emission did not return the first result");
            return;
        }
        let order = self.emissions.get(&append.txn).map(|emission| emission.order.clone());
        let key = self.order_keys.entry(order.unwrap_or_default());
        let same = *key.or_insert_with(|| append.order_key.clone()) == append.order_key;
        self.hold(same, || format!("P4: {} has another order key than its like", append.txn));
        let takes = |model: &Self, entry: &NewEntry| {
            model.streams.get(&entry.stream_id).is_some_and(Stream::takes_entries)
        };
        let (accepted, skipped): (Vec<_>, Vec<_>) =
            append.entries.iter().cloned().partition(|entry| takes(self, entry));
        let skipped: Vec<_> = skipped.into_iter().map(|entry| entry.stream_id).collect();
        let right = appended.repeated == Repeated::No
            && appended.txn == append.txn
            && *appended.accepted == *accepted
            && appended.skipped == skipped;
        self.happened_if(!skipped.is_empty(), "a stream went between routing and the commit");
        self.hold(right, || format!("P8: {} went to other streams than it should", append.txn));
        for NewEntry { stream_id, jti, .. } in accepted.iter().cloned() {
            let bytes = append.body.as_str().len() as u64;
            let key = Some(append.order_key.clone());
            let txn = append.txn.clone();
            let entry = Entry::new(stream_id, Lane::Ordinary, moment, txn, append.now);
            self.accept(jti, Entry { key, bytes, ..entry });
        }
        if let Some(key) = append.idempotency_key.clone() {
            let (at, txn) = (append.now, append.txn.clone());
            self.first_results.insert(key, FirstResult { at, txn, sets: accepted });
        }
    }

    /// Whether the emission of one entry had returned before that of the other was called (P4).
    pub(super) fn came_before(&self, earlier: &Entry, later: &Entry) -> bool {
        let earlier = self.emissions.get(&earlier.txn).and_then(|emission| emission.returned);
        let later = self.emissions.get(&later.txn).map(|emission| emission.called);
        earlier.zip(later).is_some_and(|(returned, called)| returned < called)
    }
}

impl Stream {
    fn takes_entries(&self) -> bool {
        !self.gone && self.record.status != StreamStatus::Disabled
    }

    /// Whether it wants the event. Whether a removal has taken effect that once had, by a clock
    /// that is ahead, is not said.
    fn wants(&self, query: &CandidateQuery, user: &str, asked_until: Timestamp) -> Option<bool> {
        let delivers = self.record.events_delivered.contains(&query.event_type);
        if !(self.takes_entries() && delivers) {
            return Some(false);
        }
        let listed = self.listed.contains(user);
        let subject = match self.record.default_subjects {
            DefaultSubjects::All => !listed,
            _ => listed,
        };
        match self.leaving.get(user) {
            Some(at) if *at <= query.now => Some(false),
            Some(at) if *at <= asked_until && subject => None,
            _ => Some(subject),
        }
    }
}
