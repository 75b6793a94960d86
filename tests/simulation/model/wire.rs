//! Requests and what receivers see (P1 to P4, P9).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use ssf_transmitter::deliver::PushRequest;
use ssf_transmitter::id::{Jti, KeyId, OrderKey, StreamId};
use ssf_transmitter::outbox::{Lane, TransportFailure};
use ssf_transmitter::timestamp::Timestamp;

use super::{Clocks, Model, Process, Try};
use crate::rules::Ending;

/// How far two clocks may be apart: each by five seconds from the store's.
const APART: Duration = Duration::from_secs(10);

/// A push under way.
#[derive(Debug)]
pub(super) struct Request {
    by: Process,
    pub(super) stream: StreamId,
    jti: Jti,
    key: Option<OrderKey>,
    host: String,
    fence: u64,
    generation: u64,
    until: Timestamp,
}

impl Model {
    /// A request begins. `verifiable` says whether receivers can verify what a key signed, and
    /// `other_signs` whether another has signed for a while.
    pub(crate) fn request_started(
        &mut self,
        by: Process,
        now: Timestamp,
        push: &PushRequest,
        verifiable: impl Fn(&KeyId) -> bool,
        other_signs: impl Fn(&KeyId) -> bool,
    ) -> u64 {
        self.next_moment();
        self.last_request += 1;
        let id = self.last_request;
        let claims = claims(&push.token);
        let jti = Jti::parse(claims["jti"].as_str().unwrap()).unwrap();
        self.note(|| format!("{now} {by:?} request {id}: {jti} to {}", push.endpoint.as_str()));
        self.check_token(&jti, &push.token);
        match self.permit(by, &jti, id, push) {
            Err(broken) => self.break_promise(format!("{broken}: {jti}")),
            Ok(request) => {
                // By the clock of any process that agrees as it must.
                let ends = now.after(push.within).after(APART);
                self.hold(ends <= request.until, || format!("P3: {jti} could outlive its lease"));
                self.hold(self.clocks == Clocks::Differ || !self.overlaps(&request), || {
                    format!("P4: {jti} is sent while another one of its order is under way")
                });
                self.hold_places(&request);
                self.requests.insert(id, request);
            }
        }
        let entry = self.entries.get(&jti);
        let kid = entry.and_then(|entry| entry.tokens.last()).map(|token| token.kid.clone());
        let known = kid.is_some_and(|kid| verifiable(&kid));
        self.hold(known, || format!("P2: nobody can verify {jti}"));
        let refused = self.entries.get(&jti).and_then(|entry| {
            let token = entry.tokens.last()?;
            entry.refused.as_ref().filter(|kid| **kid == token.kid)
        });
        let again = refused.is_some_and(other_signs);
        self.hold(!again, || format!("P2: the key that {jti} was refused for signed it again"));
        id
    }

    /// Whether a push is under way, or about to be.
    pub(crate) fn is_sending(&self) -> bool {
        self.asking > 0 || !self.requests.is_empty()
    }

    /// Each keeping of a token allows one request, on the route as it was then.
    fn permit(
        &mut self,
        by: Process,
        jti: &Jti,
        id: u64,
        push: &PushRequest,
    ) -> Result<Request, &'static str> {
        let entry = self.entries.get(jti).ok_or("P6: it was never accepted")?;
        let may_begin = |attempt: &Try| match &attempt.header {
            _ if attempt.by != by => false,
            None => attempt.request.is_none(),
            // Once more, since what it carried was refused and is replaced.
            Some(header) => {
                let refused = matches!(attempt.ending, Some(Ending::Answered { status: 401, .. }));
                refused && !attempt.renewed && self.renewed.contains(header)
            }
        };
        let allowed = entry.tries.iter().rev().find(|(_, attempt)| may_begin(attempt));
        let (fence, allowed) = allowed.ok_or("P2: it was sent before its token was kept")?;
        let (endpoint, secret) = allowed.route.as_ref().ok_or("P1: it is polled, not pushed")?;
        let carries = self.may_carry(&entry.stream, secret.as_deref(), push);
        if !carries || *endpoint != push.endpoint.as_str() {
            return Err("P1: it went another way than its stream's");
        }
        let (fence, renewed) = (*fence, allowed.request.is_some());
        self.happened_if(renewed, "a push was made again with another authorization");
        let entry = self.entries.get_mut(jti).ok_or("P6: it was never accepted")?;
        let allowed = entry.tries.get_mut(&fence).ok_or("P2: there is no such attempt")?;
        let header = push.authorization.as_ref().map(|header| header.expose().to_owned());
        allowed.request = Some(id);
        (allowed.header, allowed.renewed, allowed.ending) = (header, renewed, None);
        if allowed.token.compact != push.token {
            return Err("P2: another token than the kept one was sent");
        }
        Ok(Request {
            by,
            stream: entry.stream.clone(),
            jti: jti.clone(),
            key: entry.key.clone(),
            host: push.endpoint.host().to_owned(),
            fence,
            generation: allowed.generation,
            until: allowed.until,
        })
    }

    /// No process has more pushes under way than it may. A control entry may have a quarter more
    /// of a host, and one place of its stream.
    fn hold_places(&mut self, new: &Request) {
        let (most, most_per_host, most_per_stream) = self.most_pushes;
        let waits = |jti: &Jti| self.entries.get(jti).is_some_and(|entry| entry.ended.is_none());
        let ours = || {
            let others = self.requests.values().filter(|other| other.by == new.by);
            others.filter(|other| waits(&other.jti)).chain([new])
        };
        let ordinary = || ours().filter(|request| request.key.is_some());
        let at_host = || ours().filter(|request| request.host == new.host);
        let ordinary_at_host = ordinary().filter(|request| request.host == new.host).count();
        let of_stream = ordinary().filter(|request| request.stream == new.stream).count();
        let right = ours().count() <= most
            && at_host().count() <= most_per_host + most_per_host.div_ceil(4)
            && ordinary_at_host <= most_per_host
            && (self.clocks == Clocks::Differ || of_stream <= most_per_stream);
        let full = ours().count() == most || of_stream == most_per_stream;
        self.happened_if(full, "all places were taken");
        self.hold(right, || "P7: more pushes are under way than there are places");
    }

    /// Whether a request that it must not overtake is under way. One whose entry was discarded
    /// meanwhile had started before, and may arrive.
    fn overlaps(&self, new: &Request) -> bool {
        let waits = |jti: &Jti| self.entries.get(jti).is_some_and(|entry| entry.ended.is_none());
        let mut others = self.requests.values().filter(|other| {
            other.stream == new.stream && other.key == new.key && waits(&other.jti)
        });
        waits(&new.jti) && others.next().is_some()
    }

    /// The request is with the receiver.
    pub(crate) fn request_arrived(&mut self, id: u64) {
        self.next_moment();
        self.note(|| format!("request {id} arrives"));
        if let Some(jti) = self.requests.get(&id).map(|request| request.jti.clone()) {
            self.seen(&jti);
        }
    }

    pub(crate) fn request_ended(&mut self, id: u64, now: Timestamp, ending: Ending) {
        self.next_moment();
        self.note(|| format!("{now} request {id} ends: {ending:?}"));
        let Some(Request { jti, fence, until, .. }) = self.requests.remove(&id) else { return };
        self.hold(self.clocks == Clocks::Differ || now <= until, || {
            format!("P3: the request of {jti} ended after its lease")
        });
        self.happenings.count("a request ended", how(&ending));
        self.happened_if(now > until, "a request ended after its lease");
        let attempt = self.entries.get_mut(&jti).and_then(|entry| entry.tries.get_mut(&fence));
        if let Some(attempt) = attempt {
            attempt.ending = Some(ending);
        }
    }

    /// P9: once the call that changed a stream is over, its process has cancelled its own requests
    /// on the old route. Asked when everybody waits for the time.
    pub(crate) fn at_rest(&mut self) {
        let stale = self.requests.values().find(|request| {
            self.streams.get(&request.stream).is_some_and(|stream| {
                stream.raised.iter().any(|raised| {
                    raised.over && raised.by == request.by && raised.generation > request.generation
                })
            })
        });
        if let Some(jti) = stale.map(|request| request.jti.clone()) {
            self.break_promise(format!("P9: {jti} goes on although its stream changed"));
        }
    }

    /// P4: what came before it was seen before it, or will never be.
    pub(super) fn seen(&mut self, jti: &Jti) {
        let moment = self.moment;
        let Some(entry) = self.entries.get(jti) else { return };
        if entry.seen.is_some() {
            return;
        }
        let overtaken = self.entries.iter().find(|(_, other)| {
            other.stream == entry.stream
                && other.key.is_some()
                && other.key == entry.key
                && other.seen.is_none()
                && !other.redriven
                && other.ended.is_none()
                && self.came_before(other, entry)
        });
        if let Some(overtaken) = overtaken.map(|(jti, _)| jti.clone()) {
            self.break_promise(format!("P4: {jti} was seen before {overtaken}"));
        }
        if let Some(entry) = self.entries.get_mut(jti) {
            entry.seen = Some(moment);
        }
    }

    /// P1, P2: the token is one that was kept, and says what was emitted.
    pub(super) fn check_token(&mut self, jti: &Jti, token: &str) {
        let Some(entry) = self.entries.get(jti) else { return };
        let Some(stream) = self.streams.get(&entry.stream) else { return };
        let kept = entry.tokens.iter().any(|kept| *kept.compact == *token);
        let claims = claims(token);
        let (_, members) = claims["events"].as_object().unwrap().iter().next().unwrap();
        let own = claims["sub_id"]["id"].as_str() == Some(entry.stream.as_str());
        let says = match entry.lane {
            Lane::Verification => {
                let state = members["state"].as_str();
                own && state.map_or(entry.unasked, |state| stream.states.contains(state))
            }
            Lane::StreamUpdated => own && members["status"].is_string(),
            _ => claims["txn"].as_str() == Some(entry.txn.as_str()),
        };
        let right = claims["jti"].as_str() == Some(jti.as_str())
            && claims["aud"].as_str() == Some(stream.record.audience.as_str())
            && claims["iss"].as_str() == Some(stream.record.issuer.as_str())
            && claims["iat"].as_i64() == Some(entry.emitted_at.as_seconds());
        self.hold(kept, || format!("P2: a token of {jti} left that was not kept"));
        self.hold(says && right, || format!("P1: {jti} says {claims}"));
    }
}

fn how(ending: &Ending) -> &'static str {
    match ending {
        Ending::Answered { wish: Some(_), .. } => "with a wish to wait",
        Ending::Answered { .. } => "with an answer",
        Ending::Broke(TransportFailure::Timeout) => "with its deadline",
        Ending::Broke(_) => "broken",
        Ending::Hindered => "hindered",
        Ending::Dropped => "dropped",
    }
}

/// The middle segment of a compact serialisation.
pub(super) fn payload(token: &str) -> &str {
    token.split('.').nth(1).unwrap_or_default()
}

pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload(token)).unwrap()).unwrap()
}
