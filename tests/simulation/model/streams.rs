//! Changes of streams (P5, P6, P9, P10).

use ssf_transmitter::id::{Jti, Owner, StreamId, Txn};
use ssf_transmitter::outbox::Lane;
use ssf_transmitter::store::{
    Acknowledged, Acknowledgement, Deleted, NewControl, NewVerification, Queue, StartedBy,
    StoreError, StreamUpdate, SubjectChange, VerificationQueued,
};
use ssf_transmitter::stream::{
    DefaultSubjects, Delivery, StatusSetBy, StoredAuthorization, StreamRecord, StreamStatus,
};

use super::health::Health;
use super::upkeep::INACTIVE;
use super::{End, Entry, Model, Process, Raised, Route, Stream};
use crate::secrets::opened;

/// Why a stream is paused whose SETs we could not send.
const UNSENDABLE: &str = "SETs could not be sent, through no fault of the receiver";

impl Model {
    pub(crate) fn created(&mut self, record: &StreamRecord, result: &Result<(), StoreError>) {
        let moment = self.next_moment();
        self.note(|| format!("{moment} create {} {result:?}", record.stream_id));
        if result.is_err() {
            return;
        }
        let suspended = self.suspended.contains(&record.owner);
        self.hold(!suspended, || "P10: a suspended receiver got a stream");
        let stream = Stream {
            record: record.clone(),
            listed: [].into(),
            health: Health::default(),
            raised: Vec::new(),
            states: [].into(),
            asked_at: None,
            active_at: record.created_at,
            verified_at: record.created_at,
            leaving: [].into(),
            gone: false,
        };
        self.hold_sealed(record);
        self.streams.insert(record.stream_id.clone(), stream);
    }

    pub(crate) fn updated(
        &mut self,
        by: Process,
        update: &StreamUpdate,
        result: &Result<StreamRecord, StoreError>,
    ) {
        let moment = self.next_moment();
        let id = update.record.stream_id.clone();
        self.note(|| {
            let (record, route) = (&update.record, route(&update.record.delivery));
            let (status, set_by) = (record.status, record.status_set_by);
            let version = update.expected_version;
            format!("{moment} {by:?} update {id} v{version} {status:?} by {set_by:?} {route:?} {result:?}",
                result = result.as_ref().map(|record| record.generation))
        });
        let Ok(record) = result else { return };
        let Some(stream) = self.streams.get(&id).filter(|stream| !stream.gone) else {
            return self.break_promise("P9: a stream that is gone was changed");
        };
        let old = stream.record.clone();
        let may_be_paused = stream.health.may_be_paused();
        let hindered_for_long = stream.health.was_hindered_for_long();
        let enabled = |record: &StreamRecord| record.status == StreamStatus::Enabled;
        let right = old.version == update.expected_version
            && record.version == old.version + 1
            && record.owner == old.owner;
        self.hold(right, || "a change was not decided on the present version");
        self.hold_sealed(record);
        let lifted = enabled(record) && !enabled(&old);
        let suspended = self.suspended.contains(&record.owner);
        self.hold(!(lifted && suspended), || "P10: a suspended receiver's stream was enabled");
        let stopped = enabled(&old) && !enabled(record);
        let moved = route(&old.delivery) != route(&record.delivery);
        self.hold(
            !(stopped || moved) || record.generation > old.generation,
            || "P9: a change that ends deliveries did not raise the generation",
        );
        let announces =
            old.status != record.status && record.status_set_by != StatusSetBy::Receiver;
        let announced = update.announce.as_ref().map(|control| control.lane);
        self.hold(
            announced == announces.then_some(Lane::StreamUpdated),
            || "P5: a change of status is announced if and only if the transmitter made it",
        );
        let disabled = |record: &StreamRecord| record.status == StreamStatus::Disabled;
        let discards = disabled(record) && !disabled(&old);
        self.hold(
            (update.queue == Queue::Discard) == discards,
            || "P6: a queue is discarded if and only if its stream becomes disabled",
        );
        let undeliverable = stopped
            && record.status_set_by == StatusSetBy::Transmitter
            && record.reason.as_deref() == Some("SETs could not be delivered");
        self.hold(!undeliverable || may_be_paused, || "P7: a stream was paused too early");
        let unsendable = stopped
            && record.status_set_by == StatusSetBy::Transmitter
            && record.reason.as_deref() == Some(UNSENDABLE);
        self.hold(!unsendable || hindered_for_long, || "P7: a stream was paused too early");
        self.happened_if(unsendable, "a stream was paused because we could not send");
        let inactive = stopped
            && record.status_set_by == StatusSetBy::Transmitter
            && record.reason.as_deref().is_some_and(|reason| reason.starts_with(INACTIVE));
        self.hold(self.is_provided(&id, update.provided), || {
            format!("a change of {id} was not decided on what is: {:?}", update.provided)
        });
        self.hold(!inactive || self.is_idle(&id, record.updated_at), || {
            format!("SSF 1.0 8.1.1: {id} was paused though its receiver was there")
        });
        let sending = self.requests.values().any(|request| request.stream == id);
        self.happened_if(undeliverable, "a stream was paused because it failed");
        self.happened_if(inactive, "a stream was paused because nobody was there");
        self.happened_if(sending && stopped, "a stream was stopped while a push was under way");
        self.happened_if(sending && moved, "a delivery was changed while a push was under way");
        self.happened_if(discards, "a stream was disabled");
        self.replace(by, record);
        if discards {
            self.totals.discarded_disabled += self.discard(&id);
        }
        if let Some(control) = &update.announce {
            self.accept_control(&id, control, moment);
        }
    }

    /// What a new record means for what waits.
    fn replace(&mut self, by: Process, record: &StreamRecord) {
        let Some(stream) = self.streams.get_mut(&record.stream_id) else { return };
        let started =
            record.status != stream.record.status && record.status == StreamStatus::Enabled;
        let raised = stream.record.generation != record.generation;
        let endpoint = |delivery| route(delivery).map(|(endpoint, _)| endpoint);
        let elsewhere = endpoint(&stream.record.delivery) != endpoint(&record.delivery);
        if raised {
            stream.raised.push(Raised { generation: record.generation, by, over: false });
        }
        stream.record = record.clone();
        if started {
            stream.active_at = stream.active_at.max(record.updated_at);
        }
        if !(started || raised) {
            return;
        }
        let ours = |entry: &&mut Entry| entry.stream == record.stream_id;
        self.entries.values_mut().filter(ours).for_each(|entry| entry.hidden_until = None);
        if let Some(stream) = self.streams.get_mut(&record.stream_id) {
            if elsewhere { stream.health.move_on() } else { stream.health.start_again() }
        }
        let waiting = self.entries.values_mut().filter(|entry| {
            entry.stream == record.stream_id
                && entry.lane.is_control()
                && !entry.claim.is_some_and(|claim| claim.held)
        });
        for entry in waiting {
            entry.not_before = None;
            entry.waits_for_breaker = false;
        }
    }

    pub(crate) fn deleted(
        &mut self,
        by: Process,
        id: &StreamId,
        result: &Result<Deleted, StoreError>,
    ) {
        let moment = self.next_moment();
        self.note(|| format!("{moment} {by:?} delete {id} {result:?}"));
        let Ok(deleted) = result else { return };
        let sending = self.requests.values().any(|request| request.stream == *id);
        self.happened_if(sending, "a stream was deleted while a push was under way");
        let discarded = self.discard(id);
        self.totals.discarded_deleted += discarded;
        self.hold(deleted.discarded == discarded, || "P6: a deletion discarded other entries");
        if let Some(stream) = self.streams.get_mut(id) {
            stream.gone = true;
            let generation = stream.record.generation + 1;
            stream.raised.push(Raised { generation, by, over: false });
        }
    }

    /// The call that changed a stream is over, whether it was answered or not.
    pub(crate) fn over(&mut self, by: Process, id: &StreamId) {
        if let Some(stream) = self.streams.get_mut(id) {
            for raised in stream.raised.iter_mut().filter(|raised| raised.by == by) {
                raised.over = true;
            }
        }
    }

    pub(crate) fn subject_changed(
        &mut self,
        id: &StreamId,
        change: &SubjectChange,
        result: &Result<(), StoreError>,
    ) {
        self.next_moment();
        let (Ok(()), Some(stream)) = (result, self.streams.get_mut(id)) else { return };
        let at_once = matches!(change, SubjectChange::Remove(_));
        let all = stream.record.default_subjects == DefaultSubjects::All;
        if let SubjectChange::Add(subject) | SubjectChange::Remove(subject) = change {
            stream.leaving.remove(&subject.canonical());
        }
        match change {
            SubjectChange::RemoveLater { subject, at } => {
                stream.leaving.entry(subject.canonical()).or_insert(*at);
            }
            SubjectChange::Add(subject) if all => {
                stream.listed.remove(&subject.canonical());
            }
            SubjectChange::Add(subject) => {
                stream.listed.insert(subject.canonical());
            }
            SubjectChange::Remove(subject) if all => {
                stream.listed.insert(subject.canonical());
            }
            SubjectChange::Remove(subject) => {
                stream.listed.remove(&subject.canonical());
            }
            _ => self.break_promise("an unknown change of subjects"),
        }
        self.hold(!at_once || self.grace.is_zero(), || "SSF 1.0 9.3: a removal had no grace");
    }

    pub(crate) fn verification_asked(&mut self, id: &StreamId, state: String) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.states.insert(state);
        }
    }

    pub(crate) fn verification_queued(
        &mut self,
        id: &StreamId,
        verification: &NewVerification,
        result: &Result<VerificationQueued, StoreError>,
    ) {
        let moment = self.next_moment();
        self.note(|| format!("{moment} verify {id} {} {result:?}", verification.control.jti));
        let (Ok(queued), Some(stream)) = (result, self.streams.get_mut(id)) else { return };
        let now = verification.control.now;
        let by_receiver = verification.started_by == StartedBy::Receiver;
        let last = stream.asked_at.filter(|_| by_receiver);
        let too_soon = last.is_some_and(|last| now.since(last) < verification.min_interval);
        if by_receiver && !too_soon {
            stream.asked_at = Some(now);
        }
        let disabled = stream.record.status == StreamStatus::Disabled;
        let since = now.since(stream.verified_at);
        let last = self.waiting(id).into_iter().any(|(_, entry)| entry.lane == Lane::Verification);
        let due = match verification.started_by {
            StartedBy::Receiver if too_soon => "too soon",
            StartedBy::Receiver => "queued",
            _ if since < verification.min_interval => "too soon",
            _ if last => "unsettled",
            _ => "queued",
        };
        let came_to = match queued {
            VerificationQueued::Queued => "queued",
            VerificationQueued::TooSoon(_) => "too soon",
            VerificationQueued::Unsettled => "unsettled",
            _ => "otherwise",
        };
        self.hold(due == came_to, || {
            format!("SSF 1.0 8.1.4: a verification was {came_to} and not {due}")
        });
        let who = if by_receiver { "a receiver's verification" } else { "a verification of ours" };
        self.happenings.count(who, came_to);
        if let (Some(stream), "queued" | "unsettled") = (self.streams.get_mut(id), due) {
            stream.verified_at = now;
        }
        if *queued != VerificationQueued::Queued {
            return;
        }
        if disabled {
            self.totals.accepted += 1;
            self.totals.discarded_disabled += 1;
            return;
        }
        let waiting = self.waiting(id);
        let old = waiting.iter().find(|(_, entry)| entry.lane == Lane::Verification);
        if let Some(old) = old.map(|(jti, _)| (*jti).clone()) {
            self.end(&old, End::Discarded);
            self.totals.discarded_replaced += 1;
        }
        self.accept_control(id, &verification.control, moment);
        if let Some(entry) = self.entries.get_mut(&verification.control.jti) {
            entry.unasked = !by_receiver;
        }
    }

    /// P6: what a receiver acknowledges ends, whatever it is doing.
    pub(crate) fn acknowledged(
        &mut self,
        id: &StreamId,
        acknowledgement: &Acknowledgement,
        result: &Result<Acknowledged, StoreError>,
    ) {
        let moment = self.next_moment();
        self.note(|| format!("{moment} acknowledge {id} {acknowledgement:?} {result:?}"));
        let Ok(acknowledged) = result else { return };
        let mut expected = Acknowledged::default();
        for (jti, _) in &acknowledgement.errors {
            if let Some(entry) = self.waits_in(id, jti) {
                entry.attempts += 1;
                entry.judged = true;
                expected.dead.push((jti.clone(), entry.lane));
                self.die(jti, acknowledgement.now);
            }
        }
        for jti in &acknowledgement.acks {
            if self.waits_in(id, jti).is_some() {
                expected.delivered += 1;
                self.end(jti, End::Delivered);
            }
        }
        let same =
            acknowledged.delivered == expected.delivered && acknowledged.dead == expected.dead;
        self.hold(same, || "P6: other SETs ended than were acknowledged");
    }

    /// An entry that waits in that stream.
    fn waits_in(&mut self, id: &StreamId, jti: &Jti) -> Option<&mut Entry> {
        self.entries.get_mut(jti).filter(|entry| entry.stream == *id && entry.ended.is_none())
    }

    pub(crate) fn suspended(&mut self, owner: &Owner) {
        self.suspended.insert(owner.clone());
    }

    /// P10: once a receiver's suspension is done, no stream of his goes on until it is lifted.
    pub(crate) fn hold_suspended(&mut self, owner: &Owner) {
        let goes_on = self.living().any(|(_, stream)| {
            stream.record.owner == *owner && stream.record.status == StreamStatus::Enabled
        });
        let suspended = self.suspended.contains(owner);
        self.hold(!(goes_on && suspended), || "P10: a stream of a suspended receiver goes on");
    }

    pub(crate) fn resumed(&mut self, owner: &Owner) {
        self.suspended.remove(owner);
    }

    fn accept_control(&mut self, id: &StreamId, control: &NewControl, moment: u64) {
        let txn = Txn::parse(control.jti.as_str()).unwrap();
        let entry = Entry::new(id.clone(), control.lane, moment, txn, control.now);
        self.accept(control.jti.clone(), entry);
    }

    /// P13: where secrets are sealed, none is stored in the clear.
    fn hold_sealed(&mut self, record: &StreamRecord) {
        let plain = match &record.delivery {
            Delivery::Push(push) => {
                matches!(push.authorization, Some(StoredAuthorization::Plain(_)))
            }
            _ => false,
        };
        self.hold(!(plain && self.is_sealed), || "P13: a secret was stored in the clear");
    }

    fn discard(&mut self, id: &StreamId) -> u64 {
        let waiting: Vec<Jti> = self.waiting(id).into_iter().map(|(jti, _)| jti.clone()).collect();
        for jti in &waiting {
            self.end(jti, End::Discarded);
        }
        waiting.len() as u64
    }
}

/// Where SETs are pushed to, and with which secret; none for a poll.
pub(super) fn route(delivery: &Delivery) -> Route {
    match delivery {
        Delivery::Push(push) => {
            let secret = push.authorization.as_ref();
            let secret = secret.map(|stored| opened(stored).unwrap_or_default().to_owned());
            Some((push.endpoint.as_str().to_owned(), secret))
        }
        _ => None,
    }
}
