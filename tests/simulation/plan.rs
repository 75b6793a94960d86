//! What happens in a run, at random.

use std::time::Duration;

use ssf_transmitter::id::{IdempotencyKey, OrderKey, StreamId};
use ssf_transmitter::protocol::RequestedDelivery;
use ssf_transmitter::stream::{Delivery, StreamStatus};

use crate::calls::{Emission, PollHabits};
use crate::keys::Mood as KeyMood;
use crate::receiver::{MOODS, Mood};
use crate::scene::Workers;
use crate::secrets::Mood as SecretMood;
use crate::world::{Living, World, caller};

/// Something that happens, and how often for each of the others.
type Row = (u64, fn(&mut World, &Living));

const EVERY_DAY: &[Row] = &[
    (30, |world, at| world.something_happens(at)),
    (14, |world, at| world.somebody_polls(at)),
    (12, |world, _| world.a_receiver_changes_its_mood()),
    (5, |world, at| on_a_stream(world, |world, id| world.verify(at, id))),
    (5, |world, at| on_a_stream(world, |world, id| world.patch_delivery(at, id))),
    (5, |world, at| {
        on_a_stream(world, |world, id| {
            let status = world.random.pick(&STATUSES);
            world.ask_status(at, id, status);
        });
    }),
    (4, |world, at| {
        on_a_stream(world, |world, id| {
            let status = world.random.pick(&STATUSES);
            world.set_status(at, id, status);
        });
    }),
    (2, |world, at| {
        let caller = caller(world.random.below(2));
        world.suspend(at, caller);
    }),
    (3, |world, at| {
        let caller = caller(world.random.below(2));
        world.resume(at, caller);
    }),
    (1, |world, at| on_a_stream(world, |world, id| world.delete(at, id))),
    (2, |world, at| world.a_stream_is_created(at)),
    (3, |world, at| {
        on_a_stream(world, |world, id| {
            let user = world.random.below(USERS);
            world.add_subject(at, id, user);
        });
    }),
    (3, |world, at| {
        on_a_stream(world, |world, id| {
            let user = world.random.below(USERS);
            world.remove_subject(at, id, user);
        });
    }),
    (1, |world, at| on_a_stream(world, |world, id| world.trespass(at, id))),
    (4, |world, at| on_a_stream(world, |world, id| world.redrive(at, id))),
    (4, |world, at| on_a_stream(world, |world, id| world.read_status(at, id))),
    (2, |world, _| {
        // Every process must know a key, by its own clock, before it signs.
        let announced = Duration::from_millis(2 * world.scene.most_ahead() + 1_000);
        let retired = Duration::from_secs(world.random.pick(&[0, 40]));
        world.keys.rotate(announced, retired);
    }),
    (2, |world, _| {
        let index = world.random.below(world.seats.len());
        world.set_clock(index);
    }),
];

const DEATHS: &[Row] = &[
    (14, |world, at| {
        let steps = world.random.between(1, 40);
        world.doom(at.process.index, steps);
    }),
    (3, |world, _| world.tasks.hang_up(&world.random)),
    (1, |world, at| world.stop(at)),
];

const LINES: &[Row] = &[(8, |world, _| {
    let failing = world.random.pick(&[0, 0, 5, 20, 60]);
    let slow = world.random.pick(&[0, 0, 5, 30]);
    world.set_weather(failing, slow);
})];

const KEYS: &[Row] = &[(6, |world, _| {
    let slowly = KeyMood::SignAfter(Duration::from_millis(world.random.between(0, 12_000)));
    let mood = [KeyMood::Sign, KeyMood::Sign, slowly, KeyMood::Fail, KeyMood::Gone];
    world.keys.set(world.random.pick(&mood));
})];

/// Where secrets are sealed, or tokens had.
const SECRETS: &[Row] = &[
    (6, |world, _| {
        let moods = [SecretMood::Well, SecretMood::Well, SecretMood::Fail, SecretMood::Hang];
        world.secrets.set(world.random.pick(&moods));
    }),
    (4, |world, _| world.secrets.expire()),
    (2, |world, at| {
        world.secrets.rotate();
        world.reseal(at);
    }),
];

const STATUSES: [StreamStatus; 7] = [
    StreamStatus::Enabled,
    StreamStatus::Enabled,
    StreamStatus::Enabled,
    StreamStatus::Paused,
    StreamStatus::Paused,
    StreamStatus::Paused,
    StreamStatus::Disabled,
];
const USERS: usize = 3;

impl World {
    /// Streams there are from the beginning, so that there is something to do.
    pub(crate) fn prologue(&mut self) {
        for _ in 0..2 {
            self.a_receiver_changes_its_mood();
        }
        for _ in 0..self.random.pick(&[1, 2, 3]) {
            if let Some(at) = self.any_process() {
                self.a_stream_is_created(&at);
            }
        }
        self.pass(Duration::from_secs(1));
    }

    /// One thing after the other happens, and some time passes between them.
    pub(crate) fn everything_happens(&mut self) {
        let mut rows = EVERY_DAY.to_vec();
        rows.extend(self.scene.kills().then_some(DEATHS).into_iter().flatten());
        rows.extend(self.scene.breaks_lines().then_some(LINES).into_iter().flatten());
        rows.extend(self.scene.fails_keys().then_some(KEYS).into_iter().flatten());
        rows.extend(self.scene.asks().then_some(SECRETS).into_iter().flatten());
        for _ in 0..self.scene.actions {
            if let Some(at) = self.any_process() {
                self.draw(&rows)(self, &at);
            }
            self.a_while_passes();
            if self.is_broken() {
                return;
            }
        }
    }

    fn draw(&self, rows: &[Row]) -> fn(&mut Self, &Living) {
        let mut rest = self.random.between(1, rows.iter().map(|(often, _)| often).sum());
        for (often, happens) in rows {
            if rest <= *often {
                return *happens;
            }
            rest -= often;
        }
        |_, _| ()
    }

    fn a_while_passes(&mut self) {
        let looks = self.scene.workers == Workers::Loops && !self.scene.tells;
        let longest = if looks { 70_000 } else { 4_000_000 };
        let (first, last) = match self.random.below(100) {
            0..35 => {
                // No time at all: the next thing happens in the midst of this one.
                for _ in 0..self.random.below(40) {
                    self.step();
                }
                return;
            }
            35..60 => (0, 500),
            60..82 => (500, 5_000),
            82..97 => (5_000, 60_000),
            _ => (60_000, longest),
        };
        let time = self.random.between(first, last);
        self.pass(Duration::from_millis(time));
    }

    fn something_happens(&mut self, at: &Living) {
        let order_key = self.random.percent(20).then(|| OrderKey::parse("account").unwrap());
        let key = || IdempotencyKey::parse(format!("key-{}", self.random.below(4))).unwrap();
        let idempotency_key = self.random.percent(15).then(key);
        let emission = Emission { user: self.random.below(USERS), order_key, idempotency_key };
        // A key and the host's own transaction say the same of a repetition.
        let in_transaction = emission.idempotency_key.is_none() && self.random.percent(30);
        for _ in 0..self.random.pick(&[1, 1, 1, 2, 5]) {
            if in_transaction {
                self.emit_in_transaction(at, &emission);
            } else {
                self.emit(at, &emission);
            }
        }
    }

    fn somebody_polls(&mut self, at: &Living) {
        let polled: Vec<StreamId> = {
            let model = self.model.lock();
            let polled =
                model.living().filter(|(_, s)| matches!(s.record.delivery, Delivery::Poll));
            polled.map(|(id, _)| id.clone()).collect()
        };
        let habits = PollHabits {
            acks: self.random.pick(&[0, 50, 90]),
            errors: self.random.pick(&[0, 0, 20]),
            waits: 50,
            lost: self.random.pick(&[0, 30]),
            most: self.random.pick(&[None, None, Some(0), Some(1), Some(2)]),
        };
        if let Some(id) = self.random.pick_one(&polled) {
            for _ in 0..self.random.pick(&[1, 1, 2]) {
                self.poll(at, &id, habits);
            }
        }
    }

    fn a_receiver_changes_its_mood(&mut self) {
        let endpoint = self.endpoint();
        let mood: Mood = self.random.pick(&MOODS);
        self.model.lock().note(|| format!("{endpoint} is {mood:?}"));
        self.receivers.set(&endpoint, mood);
    }

    fn a_stream_is_created(&mut self, at: &Living) {
        let delivery = if self.random.percent(65) { self.push() } else { RequestedDelivery::Poll };
        let caller = caller(self.random.below(2));
        self.create(at, caller, delivery);
    }
}

fn on_a_stream(world: &mut World, happens: impl FnOnce(&mut World, &StreamId)) {
    let living: Vec<StreamId> = {
        let model = world.model.lock();
        model.living().map(|(id, _)| id.clone()).collect()
    };
    if let Some(id) = world.random.pick_one(&living) {
        happens(world, &id);
    }
}
