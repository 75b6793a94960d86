//! One stream: its entries, whose turn it is, and what became of the others.

use std::collections::HashSet;
use std::sync::Arc;

use ssf_transmitter::id::{Jti, OrderKey};
use ssf_transmitter::outbox::{
    Discard, End, Fence, Happening, Health, Held, KeptToken, Lane, Life, RoundTrip, Signature,
    Step, holds, may_leave,
};
use ssf_transmitter::protocol::More;
use ssf_transmitter::set::SetBody;
use ssf_transmitter::store::{
    ClaimRequest, Claimed, DeadLetter, HandOut, HandOutRequest, KeepToken, Kept, LetterPlace,
    NewControl, Provided, RedriveLetter, Redriven, Route, Settled, Tokens, Totals,
};
use ssf_transmitter::stream::{Delivery, StreamRecord, StreamStatus};
use ssf_transmitter::subject::Subject;
use ssf_transmitter::timestamp::Timestamp;

/// When something may be claimed: from that time on, or at once, which comes before every time.
pub(super) type Due = Option<Timestamp>;

/// A stream and everything of it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) record: StreamRecord,
    pub(super) health: Health,
    /// What the receiver removed from all subjects, or added to none.
    pub(super) subjects: Vec<Subject>,
    /// Removals that take effect at a time.
    pub(super) removals: Vec<(Timestamp, Subject)>,
    /// The unsettled entries, in the order in which they were accepted.
    pub(super) entries: Vec<Entry>,
    pub(super) dead_letters: Vec<DeadLetter>,
    /// What became of entries; those that wait are counted where they are.
    pub(super) totals: Totals,
    pub(super) active_at: Timestamp,
    /// When the receiver last asked for a verification.
    pub(super) verified_at: Option<Timestamp>,
    /// When a verification was last queued, or else the stream created.
    pub(super) verification_at: Timestamp,
}

/// An entry that is not settled yet.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) jti: Jti,
    pub(super) lane: Lane,
    /// Absent for control entries: they keep their order with each other.
    order_key: Option<OrderKey>,
    body: SetBody,
    pub(super) emitted_at: Timestamp,
    /// When its present life began: when it was emitted, or redriven.
    pub(super) queued_at: Timestamp,
    first_attempt: Option<Timestamp>,
    token: Option<KeptToken>,
    pub(super) life: Life,
    /// Until when no other poll gets it.
    pub(super) hidden_until: Option<Timestamp>,
}

impl Stream {
    pub(super) fn new(record: StreamRecord) -> Self {
        Self {
            active_at: record.created_at,
            verification_at: record.created_at,
            record,
            health: Health::default(),
            subjects: Vec::new(),
            removals: Vec::new(),
            entries: Vec::new(),
            dead_letters: Vec::new(),
            totals: Totals::default(),
            verified_at: None,
        }
    }

    /// A disabled stream holds nothing (SSF 1.0 §8.1.2.1).
    pub(super) fn takes_entries(&self) -> bool {
        self.record.status != StreamStatus::Disabled
    }

    pub(super) fn is_push(&self) -> bool {
        matches!(self.record.delivery, Delivery::Push(_))
    }

    /// What became of its entries.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = self.totals;
        totals.waiting = self.entries.len() as u64;
        totals
    }

    pub(super) fn entry(&mut self, jti: &Jti) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.jti == *jti)
    }

    /// Accepts an ordinary entry.
    pub(super) fn accept(&mut self, jti: Jti, key: OrderKey, body: SetBody, now: Timestamp) {
        self.totals.accepted += 1;
        self.entries.push(Entry::new(jti, Lane::Ordinary, Some(key), body, now));
    }

    /// Accepts a control entry; a verification replaces an unsettled older one.
    pub(super) fn accept_control(&mut self, control: NewControl) {
        let NewControl { lane, jti, body, now, .. } = control;
        self.totals.accepted += 1;
        if lane == Lane::Verification {
            let before = self.entries.len();
            self.entries.retain(|entry| entry.lane != Lane::Verification);
            let replaced = before - self.entries.len();
            self.totals.discard(Discard::Replaced, replaced as u64);
        }
        self.entries.push(Entry::new(jti, lane, None, body, now));
    }

    /// Discards all entries and says how many there were.
    pub(super) fn discard(&mut self, rule: Discard) -> u64 {
        let discarded = self.entries.drain(..).count() as u64;
        self.totals.discard(rule, discarded);
        discarded
    }

    /// Lets something happen to an entry.
    pub(super) fn happen(&mut self, jti: &Jti, happening: Happening, now: Timestamp) -> Settled {
        let Some(entry) = self.entry(jti) else { return Settled::Gone };
        match entry.life.after(happening) {
            Step::GoesOn(life) => {
                entry.life = life;
                Settled::Done
            }
            Step::Ends(end) => {
                self.end(jti, end, now);
                Settled::Done
            }
            // What a later library adds leaves the entry as it was: nothing is lost.
            _ => Settled::Gone,
        }
    }

    fn end(&mut self, jti: &Jti, end: End, now: Timestamp) {
        let Some(at) = self.entries.iter().position(|entry| entry.jti == *jti) else { return };
        let entry = self.entries.remove(at);
        self.totals.count(&end);
        if matches!(end, End::Delivered { .. }) && entry.lane == Lane::Verification {
            self.health.verified = Some(RoundTrip::new(entry.queued_at, now));
        }
        if let End::Dead { reason, attempts, .. } = end {
            let Entry { jti, body, emitted_at, .. } = entry;
            let mut letter = DeadLetter::new(jti, entry.order_key, body, reason, emitted_at, now);
            letter.lane = entry.lane;
            letter.token = entry.token;
            letter.attempts = attempts;
            letter.first_attempt = entry.first_attempt;
            self.dead_letters.push(letter);
            self.dead_letters.sort_by_key(DeadLetter::place);
        }
    }

    /// Where a dead letter is in the list.
    pub(super) fn letter(&self, place: &LetterPlace) -> Option<usize> {
        self.dead_letters.iter().position(|letter| letter.place() == *place)
    }

    /// Gives a dead letter another life, behind all that waits.
    pub(super) fn redrive(&mut self, redrive: RedriveLetter, now: Timestamp) -> Redriven {
        let Some(at) = self.letter(&redrive.place) else { return Redriven::Gone };
        if self.dead_letters[at].lane.is_control() {
            return Redriven::Refused;
        }
        let letter = self.dead_letters.remove(at);
        self.totals.redriven += 1;
        let token = letter.token.filter(|_| redrive.new_jti.is_none());
        let jti = redrive.new_jti.unwrap_or(letter.jti);
        let entry = Entry::new(jti, letter.lane, letter.order_key, letter.body, now);
        self.entries.push(Entry { token, emitted_at: letter.emitted_at, ..entry });
        Redriven::Done
    }

    /// What it holds that nobody is being sent, if it is a stream of that kind.
    pub(super) fn held(&self) -> Option<Held> {
        let holds = holds(self.record.status, &self.record.delivery);
        let ordinary = self.entries.iter().filter(|entry| entry.lane == Lane::Ordinary);
        let bytes = ordinary.clone().map(|entry| entry.body.as_str().len() as u64).sum();
        let oldest = ordinary.clone().next().filter(|_| holds)?.queued_at;
        Some(Held::new(ordinary.count() as u64, bytes, oldest))
    }

    /// Whether it is as a change was decided on.
    pub(super) fn is(&self, provided: Provided) -> bool {
        match provided {
            Provided::Nothing => true,
            Provided::IdleSince(since) => self.active_at <= since,
            Provided::Exceeds(limits, now) => {
                self.held().is_some_and(|held| limits.exceeded(&held, now).is_some())
            }
            // What it does not know it cannot promise.
            _ => false,
        }
    }

    /// What a poll gets, control entries first.
    pub(super) fn hand_out(&self, request: HandOutRequest) -> HandOut {
        let route = self.route();
        let hidden = self.hidden(request.now);
        let leaving = self.entries.iter().filter(|entry| self.may_leave(entry.lane));
        let shown = leaving.filter(|entry| !hidden.contains(&entry.order_key));
        let (control, ordinary): (Vec<_>, Vec<_>) =
            shown.partition(|entry| entry.lane.is_control());
        let all: Vec<_> = control.into_iter().chain(ordinary).collect();
        let more = if all.len() > request.most { More::Available } else { More::None };
        let handed = all.into_iter().take(request.most);
        let mut out = HandOut::new(handed.map(|entry| entry.hand_over(&route)).collect(), more);
        let until = self.entries.iter().filter_map(|entry| entry.hidden_until);
        out.hidden_until = until.filter(|until| *until > request.now).min();
        out
    }

    /// Keeps the tokens of what was handed out, and hides it until that time. What another poll
    /// was answered with meanwhile, or stands behind that, is not this one's any more.
    pub(super) fn keep_polled(
        &mut self,
        tokens: Vec<KeepToken>,
        hide: Option<Timestamp>,
    ) -> Vec<Kept> {
        let hidden = tokens.iter().map(|token| token.at).max().map(|now| self.hidden(now));
        let keep = |token: KeepToken| {
            let entry = self.entry(&token.jti);
            let is_hidden =
                entry.zip(hidden.as_ref()).is_some_and(|(e, h)| h.contains(&e.order_key));
            if is_hidden || token.stream_id != self.record.stream_id {
                return Kept::Gone;
            }
            let jti = token.jti.clone();
            let kept = self.keep(token);
            if let (Kept::Token { .. }, Some(entry)) = (&kept, self.entry(&jti)) {
                entry.hidden_until = hide;
            }
            kept
        };
        tokens.into_iter().map(keep).collect()
    }

    /// The order keys of what is hidden; that of control entries is none.
    fn hidden(&self, now: Timestamp) -> HashSet<Option<OrderKey>> {
        let hidden = self.entries.iter().filter(|entry| entry.hidden_until > Some(now));
        hidden.map(|entry| entry.order_key.clone()).collect()
    }

    /// The host of its endpoint.
    pub(super) fn host(&self) -> String {
        match &self.record.delivery {
            Delivery::Push(push) => push.endpoint.host().to_owned(),
            _ => String::new(),
        }
    }

    /// The entries of a lane, or of all control lanes, whose turn it is, in the order in which they
    /// go, each with the time from which it may be claimed: the first control entry, or the oldest
    /// entry of each order key.
    pub(super) fn turns(&self, lane: Lane, most_held: usize) -> Vec<(Due, &Entry)> {
        let mut turns = Vec::new();
        if !self.is_push() {
            return turns;
        }
        // One control entry is held at a time, and nothing else of the stream beside it.
        let control_free = self.leases(|lane| lane.is_control()).first().copied();
        if lane.is_control() {
            // Those of a kind keep their order; one that waits holds up none of the other kind.
            let mut kinds = HashSet::new();
            let control = |e: &&Entry| e.lane.is_control() && self.may_leave(e.lane);
            for entry in self.entries.iter().filter(control) {
                if kinds.insert(entry.lane)
                    && let Some(turn) = self.turn_of_control(entry)
                {
                    turns.push((turn.max(control_free).max(self.health.not_before), entry));
                }
            }
            return turns;
        }
        // Once the breaker has opened, one entry goes alone, as the probe.
        let most_held = self.health.open_until.map_or(most_held, |_| most_held.min(1));
        let Some(others) = most_held.checked_sub(1) else { return turns };
        if self.may_leave(Lane::Ordinary) {
            let free = self.leases(|lane| lane == Lane::Ordinary).get(others).copied();
            let announced = self.first_update().filter(|entry| entry.life.failed_with_stream);
            let announced = announced.and_then(|entry| entry.life.due());
            let stream_due = control_free.max(free).max(announced).max(self.health.ordinary_from());
            let mut heads = self.heads();
            if self.health.open_until.is_some() {
                // The probe is one that was never tried, or the one that was tried longest ago.
                heads.sort_by_key(|entry| entry.life.due());
            }
            let due = |entry: &Entry| entry.life.due().max(stream_due);
            turns.extend(heads.into_iter().map(|entry| (due(entry), entry)));
        }
        turns
    }

    /// When it is the turn of a control entry. One that failed with the stream waits for the breaker
    /// and is the probe then; a verification leaves that to an entry that was never tried.
    fn turn_of_control(&self, entry: &Entry) -> Option<Due> {
        let own = entry.life.due();
        let Some(breaker) = self.health.open_until.filter(|_| entry.life.failed_with_stream) else {
            return Some(own);
        };
        let held = self.leases(|lane| lane == Lane::Ordinary).first().copied();
        let yields = entry.lane == Lane::Verification
            && self.may_leave(Lane::Ordinary)
            && self.heads().iter().any(|head| head.life.due().is_none());
        (!yields).then(|| own.max(Some(breaker)).max(held))
    }

    /// The first announcement that waits and may leave.
    fn first_update(&self) -> Option<&Entry> {
        let update = |e: &&Entry| e.lane == Lane::StreamUpdated && self.may_leave(e.lane);
        self.entries.iter().find(update)
    }

    /// The oldest entry of each order key.
    fn heads(&self) -> Vec<&Entry> {
        let mut keys = HashSet::new();
        let ordinary = self.entries.iter().filter(|entry| entry.order_key.is_some());
        ordinary.filter(|entry| keys.insert(&entry.order_key)).collect()
    }

    /// Whether it is the turn of a control entry, which no other entry overtakes, though no key can
    /// sign it.
    fn has_control(&self, now: Timestamp) -> bool {
        self.turns(Lane::Verification, usize::MAX).iter().any(|(due, _)| *due <= Some(now))
    }

    /// Claims the first entry of a lane, or of all control lanes, whose turn and time it is.
    pub(super) fn claim(
        &mut self,
        lane: Lane,
        request: &ClaimRequest,
        fence: Fence,
    ) -> Option<Claimed> {
        if lane == Lane::Ordinary && self.has_control(request.now) {
            return None;
        }
        let turns = self.turns(lane, request.most_per_stream).into_iter();
        let mut turns = turns.filter(|(due, _)| *due <= Some(request.now));
        let is_for = |(_, entry): &(Due, &Entry)| entry.is_for(&request.tokens);
        let next = if lane.is_control() { turns.next().filter(is_for) } else { turns.find(is_for) };
        let jti = next.map(|(_, entry)| entry.jti.clone())?;
        let (route, pace) = (self.route(), self.health.pace);
        let claim = Happening::Claim { fence, now: request.now, until: request.lease_until };
        self.happen(&jti, claim, request.now);
        let mut claimed = self.entry(&jti)?.hand_over(&route);
        claimed.pace = pace;
        Some(claimed)
    }

    /// Keeps a token, unless an earlier one counts.
    pub(super) fn keep(&mut self, new: KeepToken) -> Kept {
        let route = self.route();
        let Some(entry) = self.entry(&new.jti) else { return Kept::Gone };
        let leaves = may_leave(route.status, route.status_set_by, entry.lane);
        if entry.life.fence != new.fence || !leaves {
            return Kept::Gone;
        }
        entry.first_attempt.get_or_insert(new.at);
        let before = entry.token.take();
        let had = before.is_some();
        let earlier = before.filter(|token| Some(&token.kid) != new.replaces.as_ref());
        let replaced = had && earlier.is_none();
        let token = entry.token.insert(earlier.unwrap_or(new.token)).clone();
        self.totals.tokens_replaced += u64::from(replaced);
        Kept::Token { token, route }
    }

    fn may_leave(&self, lane: Lane) -> bool {
        may_leave(self.record.status, self.record.status_set_by, lane)
    }

    fn route(&self) -> Arc<Route> {
        Arc::new(Route::of(&self.record))
    }

    /// When the leases in those lanes end, the last first.
    fn leases(&self, lanes: fn(Lane) -> bool) -> Vec<Timestamp> {
        let claimed = |entry: &&Entry| entry.life.is_claimed() && lanes(entry.lane);
        let held = self.entries.iter().filter(claimed);
        let mut ends: Vec<_> = held.filter_map(|entry| entry.life.due()).collect();
        ends.sort_unstable_by(|one, other| other.cmp(one));
        ends
    }
}

impl Entry {
    fn new(
        jti: Jti,
        lane: Lane,
        order_key: Option<OrderKey>,
        body: SetBody,
        now: Timestamp,
    ) -> Self {
        Self {
            jti,
            lane,
            order_key,
            body,
            emitted_at: now,
            queued_at: now,
            first_attempt: None,
            token: None,
            life: Life::default(),
            hidden_until: None,
        }
    }

    /// Whether it is one of those that a claim is for.
    pub(super) fn is_for(&self, tokens: &Tokens) -> bool {
        match tokens {
            Tokens::SignedBy(keys) => {
                let kept = self.life.signature == Signature::Kept;
                kept && self.token.as_ref().is_some_and(|token| keys.contains(&token.kid))
            }
            _ => true,
        }
    }

    fn hand_over(&self, route: &Arc<Route>) -> Claimed {
        let (jti, body) = (self.jti.clone(), self.body.clone());
        let mut claimed =
            Claimed::new(jti, self.lane, body, self.emitted_at, self.life.fence, Arc::clone(route));
        claimed.attempts = self.life.attempts;
        claimed.signature = self.life.signature;
        claimed.token = self.token.clone();
        claimed
    }
}
