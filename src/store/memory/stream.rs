//! One stream: its record, its health, its entries and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::backlog::{Backlog, Entry};
use super::schedule::Line;
use crate::id::{Jti, OrderKey};
use crate::outbox::{
    Breaker, DeadLetterReason, Discard, Due, End, Fence, Happening, Health, Held, Lane, RoundTrip,
    Sender, Step, Waiting, holds, may_leave,
};
use crate::protocol::More;
use crate::set::SetBody;
use crate::store::{
    ClaimRequest, Claimed, DeadLetter, HandOut, HandOutRequest, KeepToken, Kept, LetterPlace,
    NewControl, Provided, RedriveLetter, Redriven, Route, StoreError, Tokens, Totals,
};
use crate::stream::{Delivery, StreamRecord, StreamStatus};
use crate::timestamp::Timestamp;

/// A stream and everything of it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) record: StreamRecord,
    /// The route of the record, shared by all entries that are handed out.
    route: Arc<Route>,
    /// The host of its endpoint; of a poll stream there is none.
    host: Arc<str>,
    pub(super) health: Health,
    pub(super) backlog: Backlog,
    pub(super) dead_letters: BTreeMap<LetterPlace, DeadLetter>,
    /// What became of entries; those that wait are counted by the backlog.
    totals: Totals,
    pub(super) active_at: Timestamp,
    /// When the receiver last asked for a verification.
    pub(super) verified_at: Option<Timestamp>,
    /// When a verification was last queued, or else the stream created.
    pub(super) verification_at: Timestamp,
    /// Whether it is listed among those that hold entries nobody is being sent.
    pub(super) listed_as_holding: bool,
}

/// Which of a stream's entries are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Control,
    Ordinary,
}

impl Turn {
    /// A lane of these entries.
    pub(super) const fn lane(self) -> Lane {
        match self {
            Self::Control => Lane::Verification,
            Self::Ordinary => Lane::Ordinary,
        }
    }
}

/// What came of what happened to an entry.
pub(super) enum Happened {
    /// It cannot happen, and changed nothing.
    Nothing,
    /// The entry lives on, or ended otherwise than dead.
    Done,
    /// The entry is a dead letter now.
    Died(LetterPlace),
}

impl Stream {
    pub(super) fn new(record: StreamRecord) -> Self {
        Self {
            route: Arc::new(Route::of(&record)),
            host: host(&record.delivery),
            active_at: record.created_at,
            verification_at: record.created_at,
            record,
            health: Health::default(),
            backlog: Backlog::default(),
            dead_letters: BTreeMap::new(),
            totals: Totals::default(),
            verified_at: None,
            listed_as_holding: false,
        }
    }

    /// Puts another record in place. A stream that starts again, or anew elsewhere, has not failed
    /// yet, and its receiver has been active now.
    pub(super) fn replace_record(&mut self, record: StreamRecord) {
        let started = self.record.status != record.status && record.status == StreamStatus::Enabled;
        if started || self.record.generation != record.generation {
            if self.record.delivery.goes_where(&record.delivery) {
                self.health.forget_failures();
            } else {
                self.health.forget_receiver();
            }
            self.backlog.restart_control();
            self.backlog.show_all();
        }
        if started {
            self.active_at = self.active_at.max(record.updated_at);
        }
        self.route = Arc::new(Route::of(&record));
        self.host = host(&record.delivery);
        self.record = record;
    }

    /// Which places a push of it takes.
    pub(super) fn line(&self) -> Line {
        Line { pace: self.health.pace, host: Arc::clone(&self.host) }
    }

    /// What became of its entries.
    pub(super) fn totals(&self) -> Totals {
        Totals { waiting: self.backlog.len() as u64, ..self.totals }
    }

    pub(super) fn is_push(&self) -> bool {
        match self.record.delivery {
            Delivery::Push(_) => true,
            Delivery::Poll => false,
        }
    }

    /// Whether a new entry may have that identifier.
    pub(super) fn check_unused(&self, jti: &Jti) -> Result<(), StoreError> {
        if self.backlog.contains(jti) { Err(StoreError::IdTaken) } else { Ok(()) }
    }

    /// Accepts an ordinary entry.
    pub(super) fn accept(&mut self, jti: Jti, key: &OrderKey, body: SetBody, now: Timestamp) {
        self.totals.accepted += 1;
        self.backlog.push(jti, key, body, now);
    }

    /// Accepts a control entry; a verification replaces an unsettled older one.
    pub(super) fn accept_control(&mut self, control: NewControl) {
        self.totals.accepted += 1;
        if control.lane == Lane::Verification && self.backlog.remove_verification().is_some() {
            self.totals.discard(Discard::Replaced, 1);
        }
        self.backlog.push_control(control);
    }

    /// Accepts and discards an entry of a disabled stream in one.
    pub(super) fn drop_unheld(&mut self) {
        self.totals.accepted += 1;
        self.totals.discard(Discard::StreamDisabled, 1);
    }

    /// Discards all that waits. Says how much it was.
    pub(super) fn discard(&mut self, rule: Discard) -> u64 {
        let discarded = self.backlog.clear();
        self.totals.discard(rule, discarded);
        discarded
    }

    /// Lets something happen to an entry.
    pub(super) fn happen(&mut self, jti: &Jti, happening: Happening, now: Timestamp) -> Happened {
        let Some(entry) = self.backlog.get(jti) else { return Happened::Nothing };
        match entry.life().after(happening) {
            Step::Refused => Happened::Nothing,
            Step::GoesOn(life) => {
                self.backlog.live_on(jti, life);
                Happened::Done
            }
            Step::Ends(end) => self.end(jti, end, now),
        }
    }

    fn end(&mut self, jti: &Jti, end: End, now: Timestamp) -> Happened {
        let Some(entry) = self.backlog.remove(jti) else { return Happened::Nothing };
        self.totals.count(&end);
        match end {
            End::Delivered { .. } => {
                if entry.lane == Lane::Verification {
                    self.health.verified = Some(RoundTrip::new(entry.queued_at, now));
                }
                Happened::Done
            }
            End::Discarded(_) => Happened::Done,
            End::Dead { reason, attempts } => {
                let letter = letter(entry, reason, attempts, now);
                let place = letter.place();
                self.dead_letters.insert(place.clone(), letter);
                Happened::Died(place)
            }
        }
    }

    /// Gives a dead letter another life, behind all that waits.
    pub(super) fn redrive(&mut self, redrive: RedriveLetter, now: Timestamp) -> Redriven {
        let RedriveLetter { place, new_jti } = redrive;
        let Some(letter) = self.dead_letters.get(&place) else { return Redriven::Gone };
        let Some(key) = letter.order_key.clone() else { return Redriven::Refused };
        let Some(letter) = self.dead_letters.remove(&place) else { return Redriven::Gone };
        self.totals.redriven += 1;
        let (jti, token) = match new_jti {
            Some(jti) => (jti, None),
            None => (letter.jti.clone(), letter.token.clone()),
        };
        self.backlog.push_again(jti, &key, token, letter, now);
        Redriven::Done
    }

    /// What it holds that nobody is being sent, if it is a stream of that kind.
    pub(super) fn held(&self) -> Option<Held> {
        let holds = holds(self.record.status, &self.record.delivery);
        let oldest = self.backlog.ordinary().next().filter(|_| holds)?.queued_at;
        let entries = self.backlog.ordinary_len() as u64;
        Some(Held::new(entries, self.backlog.ordinary_bytes(), oldest))
    }

    /// Whether it is as a change was decided on.
    pub(super) fn is(&self, provided: Provided) -> bool {
        match provided {
            Provided::Nothing => true,
            Provided::IdleSince(since) => self.active_at <= since,
            Provided::Exceeds(limits, now) => {
                self.held().is_some_and(|held| limits.exceeded(&held, now).is_some())
            }
        }
    }

    /// What of it decides when it is due.
    fn sender(&self) -> Sender<'_, Backlog> {
        Sender {
            pushed: self.is_push(),
            status: self.record.status,
            set_by: self.record.status_set_by,
            health: &self.health,
            backlog: &self.backlog,
        }
    }

    /// When the next of these entries can be claimed, if at most `most_held` ordinary ones are held
    /// at once.
    pub(super) fn due(&self, turn: Turn, most_held: usize) -> Due {
        match turn {
            Turn::Control => self.sender().control_due(|_| true),
            Turn::Ordinary => self.sender().ordinary_due(most_held, self.backlog.heads_due()),
        }
    }

    /// When a claim gets the next of these entries.
    pub(super) fn due_for(&self, turn: Turn, request: &ClaimRequest) -> Due {
        let most_held = request.most_per_stream;
        match (turn, &request.tokens) {
            (_, Tokens::Any) => self.due(turn, most_held),
            (Turn::Control, Tokens::SignedBy(_)) => {
                let signed = |entry: &Entry| entry.is_signed_as(&request.tokens);
                match self.sender().next_control(request.now) {
                    Some(next) if !signed(next) => Due::Never,
                    Some(_) | None => self.sender().control_due(signed),
                }
            }
            // A control entry whose turn it is is not overtaken, though no key can sign it.
            (Turn::Ordinary, Tokens::SignedBy(_))
                if self.sender().control_due(|_| true).has_come(request.now) =>
            {
                Due::Never
            }
            (Turn::Ordinary, Tokens::SignedBy(keys)) => {
                let first = self.backlog.first_signed(keys);
                let due = first.map_or(Due::Never, |entry| entry.life().due().into());
                self.sender().ordinary_due(most_held, due)
            }
        }
    }

    /// The one of these entries that a claim gets, if there is one whose time has come.
    fn next(&self, turn: Turn, request: &ClaimRequest) -> Option<&Entry> {
        let now = request.now;
        if !self.due_for(turn, request).has_come(now) {
            return None;
        }
        match (turn, &request.tokens) {
            (Turn::Control, _) => self.sender().next_control(now),
            (Turn::Ordinary, Tokens::SignedBy(keys)) => self.backlog.first_signed(keys),
            (Turn::Ordinary, Tokens::Any) => match self.health.breaker(now) {
                Breaker::Closed => self.backlog.next_head(now),
                Breaker::Open | Breaker::HalfOpen => self.backlog.next_probe(now),
            },
        }
    }

    /// Claims that entry.
    pub(super) fn claim(
        &mut self,
        turn: Turn,
        request: &ClaimRequest,
        fence: Fence,
    ) -> Option<Claimed> {
        let next = self.next(turn, request);
        let (jti, life) = next.map(|entry| (entry.jti.clone(), entry.life()))?;
        let claim = Happening::Claim { fence, now: request.now, until: request.lease_until };
        let Step::GoesOn(life) = life.after(claim) else { return None };
        let entry = self.backlog.live_on(&jti, life)?;
        Some(Claimed { pace: self.health.pace, ..hand(entry, &self.route) })
    }

    /// What a poll gets: control entries first, then the oldest.
    pub(super) fn hand_out(&mut self, request: HandOutRequest) -> HandOut {
        let (status, set_by) = (self.record.status, self.record.status_set_by);
        let leaves = |lane| may_leave(status, set_by, lane);
        self.backlog.show_due(request.now);
        let hidden = self.backlog.hidden();
        let control = self.backlog.control(leaves);
        let ordinary = self.backlog.ordinary().filter(|_| leaves(Lane::Ordinary));
        let all = control.into_iter().chain(ordinary);
        let mut shown = all.filter(|entry| !hidden.hides(entry));
        let handed: Vec<_> = shown.by_ref().take(request.most).collect();
        let more = if shown.next().is_some() { More::Available } else { More::None };
        let entries = handed.into_iter().map(|entry| hand(entry, &self.route)).collect();
        let hidden_until = self.backlog.first_shown();
        HandOut { hidden_until, ..HandOut::new(entries, more) }
    }

    /// Keeps the tokens of what was handed out, and hides it until that time. What another poll
    /// was answered with meanwhile, or stands behind that, is not this one's any more.
    pub(super) fn keep_polled(
        &mut self,
        tokens: Vec<KeepToken>,
        hide: Option<Timestamp>,
    ) -> Vec<Kept> {
        if let Some(now) = tokens.iter().map(|token| token.at).max() {
            self.backlog.show_due(now);
        }
        let hidden = self.backlog.hidden();
        let is_hidden = |token: &KeepToken| {
            self.backlog.get(&token.jti).is_some_and(|entry| hidden.hides(entry))
        };
        let gone: Vec<bool> = tokens
            .iter()
            .map(|token| token.stream_id != self.record.stream_id || is_hidden(token))
            .collect();
        let keep = |(token, gone): (KeepToken, bool)| {
            if gone {
                return Kept::Gone;
            }
            let jti = token.jti.clone();
            let kept = self.keep(token);
            if let (Kept::Token { .. }, Some(until)) = (&kept, hide) {
                self.backlog.hide(&jti, until);
            }
            kept
        };
        tokens.into_iter().zip(gone).map(keep).collect()
    }

    /// Keeps a token, unless an earlier one counts.
    pub(super) fn keep(&mut self, new: KeepToken) -> Kept {
        let (status, set_by) = (self.record.status, self.record.status_set_by);
        let Some(entry) = self.backlog.get(&new.jti) else { return Kept::Gone };
        if entry.life().fence != new.fence || !may_leave(status, set_by, entry.lane) {
            return Kept::Gone;
        }
        let kept = self.backlog.change(&new.jti, |entry| {
            entry.first_attempt.get_or_insert(new.at);
            let before = entry.token.take();
            let had = before.is_some();
            let earlier = before.filter(|token| Some(&token.kid) != new.replaces.as_ref());
            let replaced = had && earlier.is_none();
            let token = entry.token.insert(earlier.unwrap_or(new.token));
            (token.clone(), replaced)
        });
        let Some((token, replaced)) = kept else { return Kept::Gone };
        self.totals.tokens_replaced += u64::from(replaced);
        Kept::Token { token, route: Arc::clone(&self.route) }
    }
}

fn hand(entry: &Entry, route: &Arc<Route>) -> Claimed {
    let (jti, body, life) = (entry.jti.clone(), entry.body.clone(), entry.life());
    Claimed {
        attempts: life.attempts,
        token: entry.token.clone(),
        signature: life.signature,
        ..Claimed::new(jti, entry.lane, body, entry.emitted_at, life.fence, Arc::clone(route))
    }
}

fn host(delivery: &Delivery) -> Arc<str> {
    match delivery {
        Delivery::Push(push) => push.endpoint.host().into(),
        Delivery::Poll => "".into(),
    }
}

fn letter(entry: Entry, reason: DeadLetterReason, attempts: u32, now: Timestamp) -> DeadLetter {
    let Entry { jti, lane, order_key, body, emitted_at, first_attempt, token, .. } = entry;
    DeadLetter {
        jti,
        lane,
        order_key,
        body,
        token,
        reason,
        attempts,
        emitted_at,
        first_attempt,
        dead_at: now,
    }
}
