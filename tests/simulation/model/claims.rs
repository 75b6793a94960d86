//! Claims and kept tokens (P1 to P5, P7).

use std::collections::BTreeSet;

use ssf_transmitter::id::{Jti, KeyId};
use ssf_transmitter::outbox::{KeptToken, Lane};
use ssf_transmitter::store::{ClaimRequest, Claimed, Claims, KeepToken, Kept, StoreError, Tokens};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::timestamp::Timestamp;

use super::streams::route;
use super::wire::payload;
use super::{Claim, Entry, Model, Process, Stream, Try};
use crate::rules::may_leave;

impl Model {
    pub(crate) fn claimed(
        &mut self,
        by: Process,
        request: &ClaimRequest,
        result: &Result<Claims, StoreError>,
    ) {
        let Ok(Claims { entries: claimed, .. }) = result else { return };
        if !claimed.is_empty() {
            self.next_moment();
        }
        self.hold(claimed.len() <= request.most, || "a claim returned more than it was asked for");
        for one in claimed {
            let fence = one.fence.0;
            self.note(|| format!("{} {by:?} claim {} fence {fence}", request.now, one.jti));
            if let Err(broken) = self.may_be_claimed(one, request) {
                self.break_promise(format!("{broken}: claim of {}", one.jti));
            }
            self.last_fence = fence;
            self.count_claim(one, request);
            if let Some(entry) = self.entries.get_mut(&one.jti) {
                let until = request.lease_until;
                entry.claim = Some(Claim { fence, until, held: true });
                entry.ever_claimed = true;
            }
        }
    }

    fn count_claim(&mut self, one: &Claimed, request: &ClaimRequest) {
        let Some(entry) = self.entries.get(&one.jti) else { return };
        let lapsed = entry.claim.is_some_and(|claim| claim.held);
        let (anew, redriven) = (entry.anew, entry.redriven);
        let (stopped, unasked) = (one.route.status != StreamStatus::Enabled, entry.unasked);
        let probe =
            self.streams.get(&entry.stream).is_some_and(|stream| stream.health.is_failing());
        self.happened_if(lapsed, "a lease ran out");
        self.happened_if(probe, "a probe was claimed");
        self.happened_if(anew, "what is signed anew was claimed");
        self.happened_if(redriven, "a redriven entry was claimed");
        self.happened_if(stopped, "the announcement of a stop was claimed");
        self.happened_if(unasked, "a verification of the transmitter's own was claimed");
        let signed = matches!(request.tokens, Tokens::SignedBy(_));
        self.happened_if(signed, "a signed entry was claimed while the keys rested");
    }

    fn may_be_claimed(&self, one: &Claimed, request: &ClaimRequest) -> Result<(), &'static str> {
        let now = request.now;
        let entry = self.entries.get(&one.jti).ok_or("P6: it was never accepted")?;
        let stream = self.streams.get(&entry.stream).ok_or("P9: its stream is unknown")?;
        let holds = |kept: bool, what: &'static str| if kept { Ok(()) } else { Err(what) };
        holds(entry.ended.is_none(), "P6: it has ended")?;
        holds(!stream.gone, "P9: its stream is gone")?;
        holds(route(&stream.record.delivery).is_some(), "P1: it is polled, not pushed")?;
        holds(may_leave(&stream.record, entry.lane), "P5: its stream is stopped")?;
        holds(!entry.held_at(now), "P3: somebody holds it")?;
        holds(one.fence.0 > self.last_fence, "P3: its fence is not new")?;
        let present = one.route.generation == stream.record.generation
            && route(&one.route.delivery) == route(&stream.record.delivery);
        holds(present, "P1: its route is not the present one")?;
        holds(entry.may_be_sent_as(&request.tokens), "P2: it has no token of those keys")?;
        holds(one.attempts == entry.attempts, "P7: its attempts are counted wrong")?;
        holds(one.token.as_ref() == entry.tokens.last(), "P2: it lost its token")?;
        holds(entry.not_before.is_none_or(|at| at <= now), "P7: its time has not come")?;
        holds(!stream.health.rests(now), "P7: its receiver asked for a later time")?;
        if entry.lane.is_control() {
            self.control_may_be_claimed(entry, stream, now)
        } else {
            self.ordinary_may_be_claimed(entry, stream, request)
        }
    }

    fn control_may_be_claimed(
        &self,
        entry: &Entry,
        stream: &Stream,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let fronts = self.control_fronts(stream);
        if fronts.iter().all(|front| front.number != entry.number) {
            return Err("P5: an older control entry of its kind waits");
        }
        let mut older = fronts.iter().filter(|front| front.number < entry.number);
        if older.any(|older| older.goes_at_once(now)) {
            return Err("P5: an older control entry waits");
        }
        let control = self.control(stream);
        if control.iter().any(|other| other.held_at(now)) {
            return Err("P5: another control entry is under way");
        }
        if entry.waits_for_breaker && stream.health.is_open(now) {
            return Err("P5: it was the probe and failed");
        }
        Ok(())
    }

    fn ordinary_may_be_claimed(
        &self,
        entry: &Entry,
        stream: &Stream,
        request: &ClaimRequest,
    ) -> Result<(), &'static str> {
        let now = request.now;
        let waiting = self.waiting(&entry.stream);
        let ordinary = || waiting.iter().map(|(_, entry)| *entry).filter(|e| !e.lane.is_control());
        let first = ordinary().find(|other| other.key == entry.key);
        if first.is_some_and(|first| first.number != entry.number) {
            return Err("P4: an older one of its order key waits");
        }
        if stream.health.is_open(now) {
            return Err("P7: the breaker is open");
        }
        let held = ordinary().filter(|other| other.held_at(now)).count();
        if held >= request.most_per_stream {
            return Err("more entries of its stream are held than may be");
        }
        if held > 0 && stream.health.is_failing() {
            return Err("P7: a stream that fails has one probe");
        }
        let control = self.control(stream);
        if control.iter().any(|other| other.held_at(now)) {
            return Err("P5: a control entry is under way");
        }
        for front in self.control_fronts(stream) {
            // What failed with its stream may be the probe again, and an announcement must be.
            if front.waits_for_breaker && front.lane == Lane::StreamUpdated {
                return Err("P5: an announcement that failed was overtaken");
            }
            if front.goes_at_once(now) && front.may_be_sent_as(&request.tokens) {
                return Err("P5: a control entry waits");
            }
        }
        Ok(())
    }

    /// An ordinary entry that may be pushed for certain at that time.
    pub(crate) fn certainly_due(&self, now: Timestamp, most_per_stream: usize) -> Option<Jti> {
        self.living().find_map(|(id, stream)| {
            let rests = stream.health.rests(now) || stream.health.may_be_open(now);
            let pushed = route(&stream.record.delivery).is_some();
            if rests || !pushed || stream.record.status != StreamStatus::Enabled {
                return None;
            }
            let waiting = self.waiting(id);
            let held = waiting.iter().filter(|(_, entry)| entry.held_at(now)).count();
            let control = waiting.iter().any(|(_, entry)| entry.lane.is_control());
            if control || held >= most_per_stream || (held > 0 && stream.health.is_failing()) {
                return None;
            }
            let mut keys = BTreeSet::new();
            let heads = waiting.into_iter().filter(|(_, entry)| keys.insert(&entry.key));
            let due = |(_, entry): &(&Jti, &Entry)| {
                !entry.held_at(now) && entry.not_before.is_none_or(|at| at <= now)
            };
            heads.into_iter().find(due).map(|(jti, _)| jti.clone())
        })
    }

    /// The control entries of a stream that may leave, in the order written.
    pub(super) fn control(&self, stream: &Stream) -> Vec<&Entry> {
        let waiting = self.waiting(&stream.record.stream_id).into_iter().map(|(_, entry)| entry);
        waiting.filter(|e| e.lane.is_control() && may_leave(&stream.record, e.lane)).collect()
    }

    /// The first control entry of either kind, in the order written.
    fn control_fronts(&self, stream: &Stream) -> Vec<&Entry> {
        let mut fronts: Vec<&Entry> = Vec::new();
        for entry in self.control(stream) {
            if fronts.iter().all(|front| front.lane != entry.lane) {
                fronts.push(entry);
            }
        }
        fronts
    }

    /// `retired` says whether receivers can no longer verify what a key signed.
    pub(crate) fn kept(
        &mut self,
        by: Process,
        tokens: &[KeepToken],
        result: &Result<Vec<Kept>, StoreError>,
        retired: impl Fn(&KeyId) -> bool,
    ) {
        self.next_moment();
        let Ok(kept) = result else { return };
        self.hold(kept.len() == tokens.len(), || "P2: a token was kept for nobody");
        for (asked, kept) in tokens.iter().zip(kept) {
            let gone = self.cannot_keep(asked);
            match kept {
                Kept::Token { token, route: now } => {
                    self.hold(!gone, || format!("P2: a token of {} was kept too late", asked.jti));
                    let present = self.streams.get(&asked.stream_id).is_some_and(|stream| {
                        route(&stream.record.delivery) == route(&now.delivery)
                            && stream.record.generation == now.generation
                    });
                    self.hold(present, || format!("P1: {} got an old route", asked.jti));
                    self.keep(by, asked, token, &retired);
                }
                _ => {
                    self.happened("a token came too late to be kept");
                    self.hold(gone, || format!("P2: a token of {} was refused", asked.jti));
                }
            }
        }
    }

    fn cannot_keep(&self, asked: &KeepToken) -> bool {
        let stream = self.streams.get(&asked.stream_id).filter(|stream| !stream.gone);
        let entry = self.entries.get(&asked.jti).filter(|entry| {
            entry.stream == asked.stream_id
                && entry.ended.is_none()
                && entry.fence() == asked.fence.0
        });
        !stream.zip(entry).is_some_and(|(stream, entry)| may_leave(&stream.record, entry.lane))
    }

    /// P2: the first token wins, and is replaced only when nobody can verify it any more.
    fn keep(
        &mut self,
        by: Process,
        asked: &KeepToken,
        token: &KeptToken,
        retired: &impl Fn(&KeyId) -> bool,
    ) {
        let Some(entry) = self.entries.get_mut(&asked.jti) else { return };
        let first = entry.tokens.last();
        let broken = match first {
            Some(first) if first == token => None,
            Some(first) if entry.is_good(first, token, retired) => {
                Some("P2: a good token was replaced")
            }
            Some(first) if payload(&first.compact) != payload(&token.compact) => {
                Some("P2: a token was replaced by one with other claims")
            }
            _ if *token != asked.token => Some("P2: an unknown token was kept"),
            Some(first) => {
                self.totals.tokens_replaced += 1;
                let same = first.kid == token.kid;
                self.happenings.count("a token was replaced", if same { "by its key" } else { "" });
                None
            }
            None => None,
        };
        if first != Some(token) {
            entry.tokens.push(token.clone());
        }
        if let (Some(claim), Some(stream)) = (entry.claim, self.streams.get(&asked.stream_id)) {
            let record = &stream.record;
            entry.tries.entry(claim.fence).or_insert(Try {
                by,
                until: claim.until,
                token: token.clone(),
                route: route(&record.delivery),
                generation: record.generation,
                stopped: record.status != StreamStatus::Enabled,
                request: None,
                header: None,
                renewed: false,
                ending: None,
            });
        }
        if let Some(broken) = broken {
            self.break_promise(format!("{broken}: {}", asked.jti));
        }
    }
}

impl Entry {
    /// Whether a control entry need not wait, be it for its own sake or with its stream.
    fn goes_at_once(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|at| at <= now) && !self.waits_for_breaker
    }

    /// Whether it is one of those that a claim is for: any, or those that these keys signed.
    fn may_be_sent_as(&self, tokens: &Tokens) -> bool {
        match tokens {
            Tokens::SignedBy(keys) => {
                let kid = self.tokens.last().map(|token| &token.kid);
                !self.anew && kid.is_some_and(|kid| keys.contains(kid))
            }
            _ => true,
        }
    }

    /// Whether a token must not give way to that one.
    fn is_good(
        &self,
        token: &KeptToken,
        to: &KeptToken,
        retired: &impl Fn(&KeyId) -> bool,
    ) -> bool {
        let refused = self.anew && token.kid != to.kid;
        !refused && !retired(&token.kid)
    }

    fn fence(&self) -> u64 {
        self.claim.map_or(0, |claim| claim.fence)
    }
}
