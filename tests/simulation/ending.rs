//! How a run ends: the weather clears, receivers are well, and everything accepted must end (P6).

use std::time::Duration;

use ssf_transmitter::id::StreamId;
use ssf_transmitter::stream::{Delivery, StreamStatus};

use crate::calls::PollHabits;
use crate::keys::Mood;
use crate::model::End;
use crate::world::{World, caller};

/// Long enough for all that is under way to come to its end: a push, a lease, a slow line.
const AFTERMATH: Duration = Duration::from_secs(150);

impl World {
    pub(crate) fn epilogue(&mut self) {
        self.clear_up();
        self.pass(AFTERMATH);
        self.enable_all();
        let patience = self.scene.patience();
        let mut waited = 0;
        // Looks more and more seldom: long waits are for the first of each stream only.
        while !self.is_broken() && self.waiting() > 0 {
            if waited > patience {
                return self.name_what_waits();
            }
            let mut before = u64::MAX;
            // A poll may get no more than one SET.
            while self.waiting() < before && !self.is_broken() {
                before = self.waiting();
                self.fetch_all();
                self.pass(Duration::from_millis(500));
            }
            let pause = (waited / 8).clamp(2, 120);
            self.pass(Duration::from_secs(pause));
            waited += pause;
        }
        self.check_dead_letters();
    }

    fn clear_up(&mut self) {
        self.set_weather(0, 0);
        self.keys.set(Mood::Sign);
        self.receivers.recover();
        self.spare_all();
        self.model.lock().note(|| "the weather clears".to_owned());
    }

    /// Streams that were stopped go on, those of suspended receivers too.
    fn enable_all(&mut self) {
        let Some(at) = self.any_process() else { return };
        for number in 0..2 {
            self.resume(&at, caller(number));
        }
        self.pass(Duration::from_secs(1));
        for id in self.streams(|_, status| status != StreamStatus::Enabled) {
            self.set_status(&at, &id, StreamStatus::Enabled);
        }
        self.pass(Duration::from_secs(1));
        let stopped = self.streams(|_, status| status != StreamStatus::Enabled).len();
        if stopped > 0 && !self.is_broken() {
            self.model.lock().break_promise("a stream could not be enabled");
        }
    }

    /// All receivers that poll fetch and acknowledge.
    fn fetch_all(&mut self) {
        let habits = PollHabits { acks: 100, errors: 0, waits: 0, lost: 0, most: None };
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

    fn waiting(&self) -> u64 {
        self.model.lock().totals.waiting
    }

    fn name_what_waits(&self) {
        let mut model = self.model.lock();
        let waits = model.entries.iter().filter(|(_, entry)| entry.ended.is_none());
        let waits: Vec<_> = waits.map(|(jti, entry)| format!("{jti}: {entry:?}")).collect();
        model.break_promise(format!("P6: these never end: {waits:#?}"));
    }

    /// The dead letters of each stream are those that died.
    fn check_dead_letters(&self) {
        for id in self.streams(|_, _| true) {
            let letters = self.dead_letters(&id).into_iter();
            let mut letters: Vec<_> = letters.map(|l| (l.jti, l.attempts)).collect();
            letters.sort();
            let mut model = self.model.lock();
            let dead = model.entries.iter().filter(|(_, entry)| {
                entry.stream == id && entry.ended == Some(End::Dead) && !entry.renewed
            });
            let dead: Vec<_> = dead.map(|(jti, entry)| (jti.clone(), entry.attempts)).collect();
            if letters != dead {
                model
                    .break_promise(format!("P6: the dead letters of {id} are not those that died"));
            }
        }
    }
}
