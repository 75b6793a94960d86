//! What hosts, operators and receivers call, each as a future of a process.

use std::sync::Arc;

use serde_json::{Value, json};
use ssf_transmitter::auth::Caller;
use ssf_transmitter::error::Error;
use ssf_transmitter::event::{Event, types};
use ssf_transmitter::id::{IdempotencyKey, Jti, OrderKey, StreamId, Txn};
use ssf_transmitter::outbox::{DeadLetterKind, PollError};
use ssf_transmitter::protocol::{
    CreateStream, PatchStream, PollRequest, RequestedDelivery, StatusRequest, SubjectRequest,
    VerificationRequest, Wait,
};
use ssf_transmitter::store::LetterFilter;
use ssf_transmitter::stream::{AuthorizationHeader, EndpointUrl, PushDelivery, StreamStatus};
use ssf_transmitter::subject::{SimpleSubject, Subject};

use crate::model::Polling;
use crate::time::let_others_go_first;
use crate::transaction::Transaction;
use crate::world::{Living, World, caller};

/// An event that is emitted, perhaps more than once.
#[derive(Clone, Debug)]
pub(crate) struct Emission {
    pub(crate) user: usize,
    pub(crate) order_key: Option<OrderKey>,
    pub(crate) idempotency_key: Option<IdempotencyKey>,
}

impl Emission {
    /// What its SETs keep their order with.
    fn order(&self) -> String {
        let host = self.order_key.as_ref().map(|key| format!("key {}", key.as_str()));
        host.unwrap_or_else(|| format!("user {}", self.user))
    }
}

impl World {
    pub(crate) fn emit(&mut self, at: &Living, emission: &Emission) {
        let (txn, event) = self.event(emission);
        let order = emission.order();
        let (model, transmitter) = (self.model.clone(), at.transmitter.clone());
        self.call(at, async move {
            model.lock().emission_called(txn, order);
            let result = transmitter.emit(event).await;
            model.lock().emission_returned(&result);
        });
    }

    pub(crate) fn create(&mut self, at: &Living, caller: Caller, delivery: RequestedDelivery) {
        let calls = at.calls.clone();
        self.call(at, async move {
            drop(calls.create_stream(&caller, CreateStream::new(delivery)).await);
        });
    }

    /// Emits in a transaction of the host's own, which is committed or not.
    pub(crate) fn emit_in_transaction(&mut self, at: &Living, emission: &Emission) {
        let (txn, event) = self.event(emission);
        let order = emission.order();
        let commits = self.random.percent(75);
        let (model, transmitter) = (self.model.clone(), at.transmitter.clone());
        let connection = Arc::clone(&at.connection);
        self.call(at, async move {
            model.lock().emission_called(txn, order);
            let mut transaction = Transaction::begin(&connection);
            let Ok(emission) = transmitter.emit_in(&mut transaction, event).await else { return };
            let_others_go_first().await;
            if !commits {
                return model.lock().happened("a transaction was rolled back");
            }
            let committed = transaction.commit(&transmitter, &emission).await;
            model.lock().happened("a transaction was committed");
            model.lock().emission_returned(&committed.map_err(Error::from));
        });
    }

    fn event(&mut self, emission: &Emission) -> (Txn, Event) {
        let txn = Txn::parse(format!("t-{}", self.next_number())).unwrap();
        let mut event = Event::new(types::session_revoked(), user(emission.user));
        event = event.with_txn(txn.clone());
        if let Some(key) = emission.order_key.clone() {
            event = event.with_order_key(key);
        }
        if let Some(key) = emission.idempotency_key.clone() {
            event = event.with_idempotency_key(key);
        }
        (txn, event)
    }

    /// A push to a new endpoint, or to one that is known.
    pub(crate) fn push(&mut self) -> RequestedDelivery {
        let endpoint = EndpointUrl::parse(&self.endpoint()).unwrap();
        RequestedDelivery::Push(PushDelivery::new(endpoint, self.secret()))
    }

    pub(crate) fn endpoint(&mut self) -> String {
        format!("https://rp-{}.example/events", self.random.below(3))
    }

    fn secret(&mut self) -> Option<AuthorizationHeader> {
        let number = self.next_number();
        let secret = AuthorizationHeader::parse(&format!("Bearer secret-{number}")).unwrap();
        self.random.percent(80).then_some(secret)
    }

    /// Another endpoint, another secret, none, or another method altogether.
    pub(crate) fn patch_delivery(&mut self, at: &Living, stream: &StreamId) {
        let endpoint = self.endpoint();
        let secret = format!("Bearer secret-{}", self.next_number());
        let push = "urn:ietf:rfc:8935";
        let delivery = match self.random.below(6) {
            0 | 1 => json!({"method": push, "endpoint_url": endpoint}),
            2 => json!({"method": push, "endpoint_url": endpoint, "authorization_header": secret}),
            3 => json!({"authorization_header": secret}),
            4 => json!({"authorization_header": null}),
            _ => json!({"method": "urn:ietf:rfc:8936"}),
        };
        self.patch(at, stream, &json!({"delivery": delivery}));
    }

    fn patch(&mut self, at: &Living, stream: &StreamId, members: &Value) {
        let mut body = members.clone();
        body["stream_id"] = stream.as_str().into();
        let body = body.to_string();
        // What does not fit the stream's method is refused, here or there.
        let (profile, egress) = (at.calls.profile(), at.calls.egress());
        let Ok(request) = PatchStream::parse(body.as_bytes(), profile, egress) else { return };
        let (calls, caller) = (at.calls.clone(), self.owner(stream));
        self.call(at, async move {
            drop(calls.update_stream(&caller, &request).await);
        });
    }

    /// The receiver sets the status.
    pub(crate) fn ask_status(&mut self, at: &Living, stream: &StreamId, status: StreamStatus) {
        let request = StatusRequest::new(stream.clone(), status, None);
        let (calls, caller) = (at.calls.clone(), self.owner(stream));
        self.call(at, async move {
            drop(calls.update_status(&caller, &request).await);
        });
    }

    /// The transmitter sets the status.
    pub(crate) fn set_status(&mut self, at: &Living, stream: &StreamId, status: StreamStatus) {
        let (transmitter, stream) = (at.transmitter.clone(), stream.clone());
        self.call(at, async move {
            drop(transmitter.set_status(&stream, status, Some("maintenance".to_owned())).await);
        });
    }

    pub(crate) fn suspend(&mut self, at: &Living, caller: Caller) {
        let (model, transmitter) = (self.model.clone(), at.transmitter.clone());
        self.call(at, async move {
            if transmitter.suspend_client(&caller.owner, None).await.is_ok() {
                model.lock().hold_suspended(&caller.owner);
            }
        });
    }

    pub(crate) fn resume(&mut self, at: &Living, caller: Caller) {
        let transmitter = at.transmitter.clone();
        self.call(at, async move {
            drop(transmitter.resume_client(&caller.owner).await);
        });
    }

    pub(crate) fn delete(&mut self, at: &Living, stream: &StreamId) {
        let (calls, caller, stream) = (at.calls.clone(), self.owner(stream), stream.clone());
        self.call(at, async move {
            drop(calls.delete_stream(&caller, &stream).await);
        });
    }

    pub(crate) fn verify(&mut self, at: &Living, stream: &StreamId) {
        let state = format!("state-{}", self.next_number());
        self.model.lock().verification_asked(stream, state.clone());
        let request = VerificationRequest::new(stream.clone(), Some(state));
        let (calls, caller) = (at.calls.clone(), self.owner(stream));
        self.call(at, async move {
            drop(calls.verify(&caller, request).await);
        });
    }

    pub(crate) fn add_subject(&mut self, at: &Living, stream: &StreamId, number: usize) {
        let request = SubjectRequest::new(stream.clone(), user(number));
        let (calls, caller) = (at.calls.clone(), self.owner(stream));
        self.call(at, async move {
            drop(calls.add_subject(&caller, request).await);
        });
    }

    pub(crate) fn remove_subject(&mut self, at: &Living, stream: &StreamId, number: usize) {
        let request = SubjectRequest::new(stream.clone(), user(number));
        let (calls, caller) = (at.calls.clone(), self.owner(stream));
        self.call(at, async move {
            drop(calls.remove_subject(&caller, request).await);
        });
    }

    /// A poll: acknowledges some of what the receiver got, and perhaps waits for more. A lost
    /// reply leaves and does not arrive.
    pub(crate) fn poll(&mut self, at: &Living, stream: &StreamId, habits: PollHabits) {
        let inboxes = self.inboxes.clone();
        let mut request = PollRequest::default();
        for jti in inboxes.lock().unwrap().get(stream).into_iter().flatten() {
            if self.random.percent(habits.errors) {
                let error = PollError::new("invalid_request".to_owned(), None);
                request.errors.push((jti.clone(), error));
            } else if self.random.percent(habits.acks) {
                request.acks.push(jti.clone());
            }
        }
        request.wait = if self.random.percent(habits.waits) { Wait::ForEvents } else { Wait::Not };
        request.max_events = habits.most;
        let arrives = !self.random.percent(habits.lost);
        let (calls, caller, id) = (at.calls.clone(), self.owner(stream), stream.clone());
        let (model, process) = (self.model.clone(), at.process);
        let mut done = request.acks.clone();
        done.extend(request.errors.iter().map(|(jti, _)| jti.clone()));
        self.call(at, async move {
            let waits = (request.wait == Wait::ForEvents && request.max_events != Some(0))
                .then(|| Polling::begin(&model, process, &id));
            let reply = calls.poll(&caller, &id, request).await;
            drop(waits);
            let Ok(reply) = reply else { return };
            model.lock().hold_acknowledged(&id, &done);
            model.lock().poll_answered(process, &id, &reply, arrives);
            if arrives {
                let mut inboxes = inboxes.lock().unwrap();
                let inbox = inboxes.entry(id).or_default();
                inbox.retain(|jti| !done.contains(jti));
                let new = reply.sets.into_iter().map(|(jti, _)| jti);
                let new: Vec<Jti> = new.filter(|jti| !inbox.contains(jti)).collect();
                inbox.extend(new);
            }
        });
    }

    /// The dead letters of a stream are given another life.
    pub(crate) fn redrive(&mut self, at: &Living, stream: &StreamId) {
        let mut filter = LetterFilter::default();
        if self.random.percent(30) {
            let kinds = [
                DeadLetterKind::Rejected,
                DeadLetterKind::Reported,
                DeadLetterKind::HeldLimit,
                DeadLetterKind::AnnouncementExpired,
            ];
            filter.kind = Some(self.random.pick(&kinds));
        }
        let (transmitter, stream) = (at.transmitter.clone(), stream.clone());
        self.call(at, async move {
            drop(transmitter.redrive(&stream, filter).await);
        });
    }

    /// The receiver asks how its stream is doing.
    pub(crate) fn read_status(&mut self, at: &Living, stream: &StreamId) {
        let (calls, caller, stream) = (at.calls.clone(), self.owner(stream), stream.clone());
        self.call(at, async move {
            drop(calls.read_status(&caller, &stream).await);
        });
    }

    /// Secrets are sealed with the newest key of the box.
    pub(crate) fn reseal(&mut self, at: &Living) {
        let (model, transmitter) = (self.model.clone(), at.transmitter.clone());
        self.call(at, async move {
            if transmitter.reseal().await.is_ok_and(|sealed| sealed > 0) {
                model.lock().happened("secrets were sealed anew");
            }
        });
    }

    /// Somebody polls and acknowledges on a stream of another receiver: to him there is none.
    pub(crate) fn trespass(&mut self, at: &Living, stream: &StreamId) {
        let owner = self.owner(stream).owner;
        let other = [caller(0), caller(1)].into_iter().find(|caller| caller.owner != owner);
        let (Some(other), calls, id) = (other, at.calls.clone(), stream.clone()) else { return };
        let mut request = PollRequest::default();
        request.wait = Wait::Not;
        let model = self.model.clone();
        request.acks = model.lock().entries.keys().cloned().collect();
        self.call(at, async move {
            if calls.poll(&other, &id, request).await.is_ok() {
                model.lock().break_promise("P10: somebody polled a stream of another receiver");
            }
        });
    }

    fn owner(&self, stream: &StreamId) -> Caller {
        let owner = self.model.lock().streams.get(stream).map(|s| s.record.owner.clone());
        let callers = [caller(0), caller(1)];
        callers.into_iter().find(|caller| Some(&caller.owner) == owner.as_ref()).unwrap()
    }
}

/// How a receiver polls: what it does in so many of a hundred cases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollHabits {
    pub(crate) acks: u64,
    pub(crate) errors: u64,
    pub(crate) waits: u64,
    pub(crate) lost: u64,
    pub(crate) most: Option<usize>,
}

fn user(number: usize) -> Subject {
    SimpleSubject::opaque(format!("user-{number}")).unwrap().into()
}
