//! Polling (RFC 8936).

use std::collections::HashMap;

use futures_util::future::{Either, select};

use super::Receivers;
use super::commit::{Before, Deliveries};
use super::upkeep::Noted;
use super::wakes::{Place, Woken};
use crate::auth::Caller;
use crate::clock::Slept;
use crate::diagnostics::{self, PollWaits, Told};
use crate::error::Error;
use crate::hooks::PauseCause;
use crate::id::{Jti, StreamId};
use crate::outbox::{DeadLetterReason, Lane, PollError};
use crate::protocol::{More, PollReply, PollRequest, Refusal, Wait};
use crate::store::{Acknowledged, Acknowledgement, ChangeMark, HandOutRequest, Kept, Watched};
use crate::stream::{Delivery, StreamRecord};
use crate::timestamp::Timestamp;

impl Receivers {
    /// Answers all waiting polls, and lets none wait from here on: the process is about to stop.
    pub fn end_polls(&self) {
        self.core.wakes.end_polls();
    }

    /// Answers a poll: acknowledgements first, then SETs, oldest first (RFC 8936 §2.4). Nothing is
    /// consumed by the answer: what is not acknowledged comes again with the same bytes.
    ///
    /// # Errors
    /// [`Refusal::UnknownStream`] also for a stream that is not polled, [`Error::Keys`] when
    /// nothing could be signed, or an error of the store.
    pub async fn poll(
        &self,
        caller: &Caller,
        stream: &StreamId,
        request: PollRequest,
    ) -> Result<PollReply, Error> {
        let (core, now) = (&self.core, self.core.clock.now());
        let PollRequest { acks, errors, max_events, wait } = request;
        let mut behind = None;
        if !acks.is_empty() || !errors.is_empty() || max_events == Some(0) {
            let record = self.store.read_stream(&core.issuer, &caller.owner, stream).await?;
            if !matches!(record.delivery, Delivery::Poll) {
                return Err(Refusal::UnknownStream.into());
            }
            behind = Some(record).filter(|record| record.held_exceeded.is_some());
            let acknowledgement = Acknowledgement { acks, errors: errors.clone(), now };
            if !errors.is_empty() {
                core.note(Noted::DeadLetter, now);
            }
            // What stood behind is shown to those that wait, however this ends.
            let window = core.config.visibility_window;
            let shown = window.map(|_| core.changing(stream, Deliveries::Shown));
            let done = self
                .store
                .acknowledge(&core.issuer, &caller.owner, stream, acknowledgement)
                .await?;
            drop(shown);
            self.tell_settled(stream, done, errors);
        }
        self.touch(&caller.owner, stream, now).await?;
        let most = max_events.unwrap_or(usize::MAX).min(core.config.poll_batch);
        if most == 0 {
            return Ok(PollReply::default());
        }
        let Sets { reply, .. } = self.sets(caller, stream, most, now).await?;
        if let (Some(record), More::None) = (behind, reply.more) {
            self.caught_up(record).await;
        }
        match wait {
            // The first look also shows that the stream is the caller's to poll: only then may this
            // poll take the place of one that waits.
            Wait::ForEvents if reply.sets.is_empty() => {
                self.wait_for_sets(caller, stream, most, now).await
            }
            Wait::ForEvents | Wait::Not => Ok(reply),
        }
    }

    /// The status of a stream says no longer that it holds more than it may. Whoever changes it
    /// meanwhile goes first; the next poll comes here again.
    async fn caught_up(&self, mut record: StreamRecord) {
        let before = Before::of(&record);
        record.held_exceeded = None;
        let committed = self.core.commit(&*self.store, before, record, None, PauseCause::Receiver);
        drop(committed.await);
    }

    /// Tells what an acknowledgement delivered, and which SETs its errors made dead letters.
    fn tell_settled(&self, stream: &StreamId, done: Acknowledged, errors: Vec<(Jti, PollError)>) {
        let (delivered, verified) = (done.delivered, done.verified);
        diagnostics::tell(Told::Acknowledged { stream_id: stream, delivered, verified });
        let mut dead: HashMap<Jti, Lane> = done.dead.into_iter().collect();
        for (jti, error) in errors {
            if let Some(lane) = dead.remove(&jti) {
                let reason = DeadLetterReason::Reported(error);
                self.core.diagnostics.dead_lettered(stream, &jti, lane, &reason);
            }
        }
    }

    async fn wait_for_sets(
        &self,
        caller: &Caller,
        stream: &StreamId,
        most: usize,
        now: Timestamp,
    ) -> Result<PollReply, Error> {
        let deadline = now.after(self.core.config.poll_timeout);
        // One poll waits per stream; of receivers that poll in parallel, a few.
        let window = self.core.config.visibility_window;
        let waiting = window.map_or(1, |_| PARALLEL_POLLS);
        // Taken before the next look, so that an emission in between is not missed.
        let place = self.core.wakes.poll_place(stream, waiting);
        let _waits = PollWaits::begin();
        let (mut now, mut active_at) = (now, now);
        loop {
            let mark = self.store.change_mark();
            let Sets { reply, shown_at } = self.sets(caller, stream, most, now).await?;
            if !reply.sets.is_empty() {
                return Ok(reply);
            }
            // A receiver that waits is active: that is noted again while it waits, however often it
            // looks meanwhile.
            let timeout = self.core.config.inactivity_timeout;
            let noted = timeout.map(|timeout| active_at.after(timeout / 2));
            let until = [noted, shown_at].into_iter().flatten().chain([deadline]).min();
            let until = until.unwrap_or(deadline);
            let look = self.change_on(&place, stream, mark, until).await;
            now = self.core.clock.now();
            match look {
                Look::Again => {}
                Look::TimeIsUp if until < deadline => {}
                Look::TimeIsUp | Look::NoMore => return Ok(PollReply::default()),
            }
            if noted.is_some_and(|noted| noted <= now) {
                self.touch(&caller.owner, stream, now).await?;
                active_at = now;
            }
        }
    }

    /// Waits until there may be a SET that there was not at the mark, or the time is up. No lock
    /// and no connection is held.
    async fn change_on(
        &self,
        place: &Place<'_>,
        stream: &StreamId,
        mark: ChangeMark,
        until: Timestamp,
    ) -> Look {
        let watched = Watched::Stream(stream);
        let elsewhere = Box::pin(self.core.change_elsewhere(&*self.store, watched, mark));
        let here = Box::pin(place.wait());
        let change = select(here, elsewhere);
        match select(self.core.clock.sleep_until(until), change).await {
            Either::Left((Slept::Reached, _)) => Look::TimeIsUp,
            Either::Left((Slept::Unsupported, _))
            | Either::Right((Either::Left((Woken::Replaced, _)), _)) => Look::NoMore,
            Either::Right(_) => Look::Again,
        }
    }

    /// What can be handed out now: entries, signed, kept, and still theirs.
    async fn sets(
        &self,
        caller: &Caller,
        stream: &StreamId,
        most: usize,
        now: Timestamp,
    ) -> Result<Sets, Error> {
        let (issuer, owner) = (&self.core.issuer, &caller.owner);
        let request = HandOutRequest::new(most, now);
        let out = self.store.hand_out(issuer, owner, stream, request).await?;
        let shown_at = out.hidden_until;
        if out.entries.is_empty() {
            return Ok(Sets { reply: PollReply::default(), shown_at });
        }
        let mut more = out.more;
        let tokens = match self.core.sign(&out.entries, now).await {
            Ok(tokens) => tokens,
            Err(error) => {
                // Without keys, what an earlier poll signed can still be answered.
                let tokens = self.core.signed_before(&out.entries, now);
                if tokens.is_empty() {
                    return Err(error);
                }
                if tokens.len() < out.entries.len() {
                    more = More::Available;
                }
                tokens
            }
        };
        let hidden_until = self.core.config.visibility_window.map(|window| now.after(window));
        let kept =
            self.store.keep_polled(issuer, owner, stream, tokens.clone(), hidden_until).await?;
        // What another poll was faster with is shown again when that one's time is over.
        let lost = kept.iter().any(|kept| matches!(kept, Kept::Gone));
        let shown_at = shown_at.into_iter().chain(hidden_until.filter(|_| lost)).min();
        let answered = tokens.into_iter().zip(kept).filter_map(|(asked, kept)| match kept {
            Kept::Token { token, .. } => Some((asked.jti, token.compact)),
            Kept::Gone => None,
        });
        Ok(Sets { reply: PollReply { sets: answered.collect(), more }, shown_at })
    }
}

/// The most polls that wait on a stream whose receiver polls in parallel.
const PARALLEL_POLLS: usize = 8;

/// What a look for SETs found.
struct Sets {
    reply: PollReply,
    /// When the first of those is shown that other polls were answered with.
    shown_at: Option<Timestamp>,
}

/// How a wait of a poll ended.
enum Look {
    /// There may be a SET.
    Again,
    /// The time is up.
    TimeIsUp,
    /// This poll waits no more.
    NoMore,
}
