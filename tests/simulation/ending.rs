//! How a run ends: the weather clears, receivers are well, and everything accepted must end (P6).

use std::time::Duration;

use ssf_transmitter::clock::Clock;
use ssf_transmitter::id::StreamId;
use ssf_transmitter::stream::{Delivery, StreamStatus};

use crate::calls::PollHabits;
use crate::keys::Mood;
use crate::secrets::Mood as SecretMood;
use crate::world::{World, caller};

/// Long enough for all that is under way to come to its end: a push, a lease, a slow line.
const AFTERMATH: Duration = Duration::from_secs(150);
/// Retention that lasts longer is not waited for.
const LONGEST: Duration = Duration::from_secs(3600);

impl World {
    pub(crate) fn epilogue(&mut self) {
        self.clear_up();
        self.pass(AFTERMATH);
        let age = self.scene.config.held.age.saturating_add(self.scene.slack());
        if age < LONGEST && self.random.percent(30) {
            // What is held becomes too old.
            self.pass(age);
        }
        self.hold_limits();
        self.enable_all();
        let patience = self.scene.patience();
        let mut waited = 0;
        let last = self.model.lock().moment();
        // Looks more and more seldom: long waits are for the first of each stream only.
        while !self.is_broken() && self.waiting(last) > 0 {
            if waited > patience {
                return self.name_what_waits(last);
            }
            let mut before = usize::MAX;
            // A poll may get no more than one SET, and has to wait for what is hidden.
            while self.waiting(last) < before && !self.is_broken() {
                before = self.waiting(last);
                self.fetch_all();
                self.pass(Duration::from_millis(500));
            }
            let longest = self.scene.config.inactivity_timeout.map_or(120, |t| t.as_secs() / 3);
            let pause = (waited / 8).clamp(2, longest.min(120));
            self.pass(Duration::from_secs(pause));
            self.show_presence();
            waited += pause;
        }
        self.check_dead_letters();
        self.silence();
    }

    /// Receivers that push are active, too.
    fn show_presence(&mut self) {
        for id in self.streams(|_, _| true) {
            if let Some(at) = self.any_process() {
                self.read_status(&at, &id);
            }
        }
    }

    /// No stream holds more than it may.
    fn hold_limits(&self) {
        if !self.scene.all_push {
            // What other processes emit is looked at once an hour.
            return;
        }
        // What became too old by the clock that is behind.
        let aged = self.truth.now().before(self.scene.slack());
        let mut limits = self.scene.config.held;
        // Each process knows how much room there was and what it emitted itself.
        let processes = self.seats.len() as u64;
        (limits.entries, limits.bytes) = (limits.entries * processes, limits.bytes * processes);
        self.model.lock().hold_limits(&limits, aged);
    }

    /// From here on no receiver does anything: upkeep comes when it is due, and comes to an end.
    fn silence(&mut self) {
        let (config, slack) = (self.scene.config.clone(), self.scene.slack());
        if self.is_broken() {
            return;
        }
        let lapse = config.keep_dead_letters * 9 / 8;
        let times = [config.verification_interval, config.inactivity_timeout];
        let lapses = (lapse < LONGEST).then_some(lapse);
        let longest = times.into_iter().flatten().chain(lapses).max();
        let Some(longest) = longest else { return };
        let longest = longest.saturating_add(slack);
        if config.inactivity_timeout.is_none() && config.verification_interval.is_some() {
            self.wait_for_verifications(longest);
        } else {
            self.pass(longest);
        }
        let now = self.truth.now().before(slack);
        let verified = config.verification_interval.map(|interval| now.before(interval));
        self.model.lock().hold_upkeep(now.before(lapse), verified);
        if config.inactivity_timeout.is_none() || self.is_broken() {
            return;
        }
        if !self.streams(|_, status| status == StreamStatus::Enabled).is_empty() {
            let broken = "SSF 1.0 8.1.1: a stream is enabled though nobody is there";
            return self.model.lock().break_promise(broken);
        }
        // They are told, by push or when they come.
        self.pass(AFTERMATH);
        for _ in 0..3 {
            self.fetch_all();
            self.pass(Duration::from_secs(40));
        }
        self.model.lock().hold_announced();
    }

    fn clear_up(&mut self) {
        self.set_weather(0, 0);
        self.keys.set(Mood::Sign);
        self.receivers.recover();
        self.secrets.set(SecretMood::Well);
        self.spare_all();
        self.becomes_calm();
        self.model.lock().note(|| "the weather clears".to_owned());
    }

    /// Streams that were stopped go on, those of suspended receivers too. Upkeep may stop one in
    /// the same moment, but not again and again.
    fn enable_all(&mut self) {
        for _ in 0..3 {
            self.enable_stopped();
        }
        let stopped = self.streams(|_, status| status != StreamStatus::Enabled).len();
        if stopped > 0 && !self.is_broken() {
            self.model.lock().break_promise("a stream could not be enabled");
        }
    }

    fn enable_stopped(&mut self) {
        let Some(at) = self.any_process() else { return };
        self.show_presence();
        for number in 0..2 {
            self.resume(&at, caller(number));
        }
        self.pass(Duration::from_secs(1));
        for id in self.streams(|_, status| status != StreamStatus::Enabled) {
            self.set_status(&at, &id, StreamStatus::Enabled);
        }
        self.pass(Duration::from_secs(1));
    }

    /// All receivers that poll fetch and acknowledge.
    fn fetch_all(&mut self) {
        self.poll_all(PollHabits { acks: 100, errors: 0, waits: 0, lost: 0, most: None });
    }

    fn poll_all(&mut self, habits: PollHabits) {
        for id in self.streams(|delivery, _| matches!(delivery, Delivery::Poll)) {
            if let Some(at) = self.any_process() {
                self.poll(&at, &id, habits);
            }
        }
    }

    fn streams(&self, like: impl Fn(&Delivery, StreamStatus) -> bool) -> Vec<StreamId> {
        let model = self.model.lock();
        let streams = model.living();
        let streams = streams.filter(|(_, s)| like(&s.record.delivery, s.record.status));
        streams.map(|(id, _)| id.clone()).collect()
    }

    /// How many entries wait of those that were there at that moment.
    fn waiting(&self, moment: u64) -> usize {
        self.model.lock().waiting_since(moment).count()
    }

    fn name_what_waits(&self, moment: u64) {
        let mut model = self.model.lock();
        let waits = model.waiting_since(moment);
        let waits: Vec<_> = waits.map(|(jti, entry)| format!("{jti}: {entry:?}")).collect();
        model.break_promise(format!("P6: these never end: {waits:#?}"));
    }

    /// Receivers that poll wait for what the transmitter sends by itself.
    fn wait_for_verifications(&mut self, time: Duration) {
        let end = self.truth.now().after(time);
        let habits = PollHabits { acks: 100, errors: 0, waits: 100, lost: 0, most: None };
        while self.truth.now() < end && !self.is_broken() {
            self.poll_all(habits);
            self.pass(Duration::from_secs(24).max(time / 8));
        }
    }

    /// The dead letters of each stream are those that died.
    fn check_dead_letters(&self) {
        for id in self.streams(|_, _| true) {
            let letters = self.dead_letters(&id).into_iter();
            let mut letters: Vec<_> = letters.map(|l| (l.jti, l.attempts)).collect();
            letters.sort();
            let mut model = self.model.lock();
            let dead =
                model.entries.iter().filter(|(_, entry)| entry.stream == id && entry.is_letter());
            let dead: Vec<_> = dead.map(|(jti, entry)| (jti.clone(), entry.attempts)).collect();
            if letters != dead {
                model
                    .break_promise(format!("P6: the dead letters of {id} are not those that died"));
            }
        }
    }
}
