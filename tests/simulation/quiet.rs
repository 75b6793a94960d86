//! That nobody sleeps over what is to be done: lost wakes, wrong due times, upkeep that never comes.

use std::time::Duration;

use futures_util::FutureExt;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::id::WorkerId;
use ssf_transmitter::store::ClaimRequest;
use ssf_transmitter::timestamp::Timestamp;

use crate::scene::Workers;
use crate::world::World;

/// How soon whoever sleeps and is not woken looks by himself: every second, and what follows.
const SOON: Duration = Duration::from_millis(2_500);
/// How soon a host with a loop of its own sees what another process did.
const NEXT_LOOK: Duration = Duration::from_millis(6_000);
/// How long what failed before the weather cleared still keeps somebody away.
const ALL_CLEAR: Duration = Duration::from_secs(100);

impl World {
    /// From here on nothing fails any more but receivers.
    pub(crate) fn becomes_calm(&mut self) {
        self.calm_since.get_or_insert(self.truth.now().after(ALL_CLEAR));
    }

    /// When all wait for the time and no push is under way, nothing may wait to be pushed for long:
    /// somebody should have been woken, or should have slept less. The same for polls.
    pub(crate) fn hold_wakes(&mut self) {
        let now = self.truth.now();
        let alone = self.seats.len() == 1;
        let patience =
            if self.scene.workers == Workers::Steps && !alone { NEXT_LOOK } else { SOON };
        let calm = self.calm_since.is_some_and(|since| since <= now);
        let works = self.works_somewhere();
        let Some(slowest) = self.slowest_clock().filter(|_| calm) else {
            self.owed_since = None;
            return self.model.lock().forgive_waiting_polls();
        };
        self.model.lock().hold_waiting_polls(now, slowest, SOON);
        let due = self.is_something_due(slowest);
        let owed = self.model.lock().certainly_due(slowest, self.scene.config.pushes_per_stream);
        if let Some(jti) = owed.filter(|_| !due) {
            let broken = format!("P6: the store holds {jti} back, which may leave");
            return self.model.lock().break_promise(broken);
        }
        if !works || self.model.lock().is_sending() || !due {
            self.owed_since = None;
        } else if now.since(*self.owed_since.get_or_insert(now)) > patience {
            self.model.lock().break_promise("a wake got lost: nobody pushes what is due");
        }
    }

    /// Whether a process lives whose worker goes on.
    fn works_somewhere(&self) -> bool {
        let mut living = self.seats.iter().filter_map(|seat| seat.living.as_ref());
        living.any(|living| living.has_worker && !living.is_stopping())
    }

    /// The time by the clock that is furthest behind, and may have been set back since somebody
    /// went to sleep.
    fn slowest_clock(&self) -> Option<Timestamp> {
        let set = Duration::from_millis(2 * self.scene.most_ahead());
        let clocks = self.seats.iter().filter(|seat| seat.living.is_some());
        clocks.map(|seat| seat.clock.now().before(set)).min()
    }

    /// Whether the store has something to push at that time, were there places without end.
    fn is_something_due(&self, now: Timestamp) -> bool {
        let worker = WorkerId::parse("auditor").unwrap();
        let per_stream = self.scene.config.pushes_per_stream;
        let look = ClaimRequest::new(self.issuer.clone(), worker, now, now, 0, per_stream);
        let claims = self.store.claim(look).now_or_never().unwrap().unwrap();
        claims.next_due.is_some_and(|due| due <= now)
    }
}
