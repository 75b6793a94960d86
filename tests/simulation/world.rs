//! The world of a run: processes over one store, their clocks, lines, keys and receivers, and the
//! time that passes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::select;
use ssf_transmitter::auth::Caller;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::id::{Audience, ClientId, Issuer, Jti, Owner, Scope, StreamId, TenantId};
use ssf_transmitter::store::{DeadLetter, LetterQuery, StreamStore};
use ssf_transmitter::testkit::{SeededEntropy, VirtualClock};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::{Receivers as ReceiverCalls, Transmitter};
use tokio::sync::oneshot;

use crate::bell::Bell;
use crate::broken::Fault;
use crate::changes::Changes;
use crate::connection::{Connection, Line};
use crate::keys::Keys;
use crate::model::{Process, Shared, Tracing};
use crate::random::Random;
use crate::receiver::{Receivers, Wire};
use crate::scene::{Scene, Workers};
use crate::secrets::{Secrets, SecretsOfProcess};
use crate::tasks::{Kind, Tasks, at_most};
use crate::time::ProcessClock;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// How often a host with a loop of its own looks what other processes did.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// More steps than this without the time moving are a spin.
const MOST_STEPS: usize = 20_000;

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) scene: Scene,
    pub(crate) truth: VirtualClock,
    pub(crate) model: Shared,
    pub(crate) keys: Keys,
    pub(crate) secrets: Secrets,
    pub(crate) receivers: Receivers,
    pub(crate) line: Line,
    pub(crate) tasks: Tasks,
    pub(crate) inboxes: Inboxes,
    pub(crate) seats: Vec<Seat>,
    pub(crate) store: Arc<dyn StreamStore>,
    changes: Option<Changes>,
    fault: Fault,
    pub(crate) issuer: Issuer,
    /// Since when nothing fails but receivers, if nothing does.
    pub(crate) calm_since: Option<Timestamp>,
    /// Since when something has waited to be pushed though nobody is busy.
    pub(crate) owed_since: Option<Timestamp>,
    /// Which process dies after how many more of its steps.
    doomed: Option<(usize, u64)>,
    /// Whether nobody dies or hangs up.
    is_spared: bool,
    checked: u64,
    counter: u64,
}

/// What receivers got by polling and have not acknowledged yet.
pub(crate) type Inboxes = Arc<Mutex<BTreeMap<StreamId, Vec<Jti>>>>;

/// The place of a process: who lives there now.
pub(crate) struct Seat {
    pub(crate) clock: ProcessClock,
    life: u32,
    pub(crate) living: Option<Living>,
    back_at: Option<Timestamp>,
}

/// A process that lives.
#[derive(Clone)]
pub(crate) struct Living {
    pub(crate) process: Process,
    pub(crate) transmitter: Transmitter,
    pub(crate) calls: ReceiverCalls,
    pub(crate) connection: Arc<Connection>,
    bell: Bell,
    /// Whether it pushes, or leaves that to others.
    pub(crate) has_worker: bool,
    stop: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Living {
    /// Whether its worker claims nothing more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.lock().unwrap().is_none()
    }
}

impl World {
    pub(crate) fn new(
        seed: u64,
        store: Arc<dyn StreamStore>,
        fault: Fault,
        tracing: Tracing,
    ) -> Self {
        let random = Random::new(seed);
        let scene = Scene::draw(&random);
        let truth = VirtualClock::new(START);
        let line = Line {
            random: random.clone(),
            truth: truth.clone(),
            failing: Arc::new(AtomicU64::new(0)),
            slow: Arc::new(AtomicU64::new(0)),
            longest: 0,
        };
        let seat = |_| Seat {
            clock: ProcessClock::new(truth.clone()),
            life: 0,
            living: None,
            back_at: None,
        };
        let mut world = Self {
            model: Shared::new(&scene, tracing),
            keys: Keys::new(truth.clone()),
            secrets: Secrets::new(truth.clone()),
            receivers: Receivers::new(random.clone(), truth.clone(), scene.wishes),
            line: Line { longest: random.pick(&[50, 2_000, 20_000, 45_000]), ..line },
            tasks: Tasks::default(),
            inboxes: Inboxes::default(),
            seats: (0..scene.processes).map(seat).collect(),
            store,
            changes: scene.tells.then(Changes::default),
            fault,
            issuer: Issuer::parse("https://tr.example.com").unwrap(),
            calm_since: (!scene.breaks_lines() && !scene.fails_keys()).then_some(START),
            owed_since: None,
            doomed: None,
            is_spared: !scene.kills(),
            checked: 0,
            counter: 0,
            random,
            scene,
            truth,
        };
        let scene = &world.scene;
        world.model.lock().note(|| format!("{scene:#?}"));
        for index in 0..world.seats.len() {
            world.set_clock(index);
            world.start(index);
        }
        world
    }

    /// Another number with every call.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// One of the processes that live, if any does.
    pub(crate) fn any_process(&self) -> Option<Living> {
        let living: Vec<&Living> = self.seats.iter().filter_map(|s| s.living.as_ref()).collect();
        self.random.pick_one(&living).cloned()
    }

    /// Sets the clock of a process somewhere within the bounds of the scene.
    pub(crate) fn set_clock(&mut self, index: usize) {
        let most = self.scene.most_ahead();
        let ahead = self.random.between(0, 2 * most).cast_signed() - most.cast_signed();
        self.seats[index].clock.set_ahead(ahead);
        // Whoever sleeps then may sleep for longer.
        let sleeps = self.truth.now().after(Duration::from_millis(2 * most + 3_000));
        self.calm_since = self.calm_since.max(Some(sleeps)).filter(|_| self.calm_since.is_some());
    }

    /// Starts a process where none lives.
    pub(crate) fn start(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if seat.living.is_some() {
            return;
        }
        seat.life += 1;
        seat.back_at = None;
        let process = Process { index, life: seat.life };
        let connection = Arc::new(Connection {
            store: Arc::clone(&self.store),
            line: self.line.clone(),
            model: self.model.clone(),
            process,
            clock: seat.clock.clone(),
            keys: self.keys.clone(),
            changes: self.changes.clone(),
            fault: self.fault.clone(),
        });
        let wire = Wire {
            receivers: self.receivers.clone(),
            model: self.model.clone(),
            process,
            clock: seat.clock.clone(),
            keys: self.keys.clone(),
            secrets: self.secrets.clone(),
        };
        let secrets =
            SecretsOfProcess { secrets: self.secrets.clone(), model: self.model.clone(), process };
        let store = Arc::clone(&connection);
        let mut transmitter = Transmitter::builder(self.issuer.clone(), store, self.keys.clone());
        if self.scene.seals {
            transmitter = transmitter.with_secret_box(secrets.clone());
        }
        if self.scene.has_tokens {
            transmitter = transmitter.with_push_authorization(secrets);
        }
        let transmitter = transmitter
            .with_deliverer(wire)
            .with_clock(seat.clock.clone())
            .with_entropy(SeededEntropy::new(self.random.bits()))
            .with_config(self.scene.config.clone())
            .with_profile(self.scene.profile.clone())
            .build()
            .unwrap();
        let (stop, stopped) = oneshot::channel();
        let bell = Bell::default();
        let living = Living {
            process,
            calls: transmitter.receivers(),
            transmitter: transmitter.clone(),
            connection,
            bell: bell.clone(),
            has_worker: index == 0 || self.scene.all_push,
            stop: Arc::new(Mutex::new(Some(stop))),
        };
        let clock = seat.clock.clone();
        let has_worker = living.has_worker;
        seat.living = Some(living);
        self.model.lock().note(|| format!("{process:?} starts"));
        if !has_worker {
            return;
        }
        match self.scene.workers {
            Workers::Steps => {
                // What others do, such a host learns only by looking.
                let looks = (self.seats.len() > 1).then_some(LOOK_AGAIN);
                self.tasks.spawn(process, Kind::Worker, steps(transmitter, clock, bell, looks));
            }
            Workers::Loops => self.tasks.spawn(process, Kind::Worker, async move {
                let stopped = async { drop(stopped.await) };
                drop(transmitter.run(stopped, Duration::from_secs(3), |_| {}).await);
            }),
        }
    }

    /// Somebody calls something in a process.
    pub(crate) fn call(&mut self, at: &Living, call: impl Future<Output = ()> + Send + 'static) {
        let bell = at.bell.when_over();
        let hangs_up = !self.is_spared && self.random.percent(25);
        let longest = self.random.pick(&[4, 10, 25]);
        let steps = if hangs_up { self.random.between(1, longest) } else { u64::MAX };
        self.tasks.spawn(at.process, Kind::Call, async move {
            let _bell = bell;
            at_most(steps, call).await;
        });
    }

    /// The worker of a process ends in good order; its calls go on.
    pub(crate) fn stop(&self, living: &Living) {
        self.model.lock().note(|| format!("{:?} stops", living.process));
        let stop = living.stop.lock().unwrap().take();
        drop(stop);
    }

    /// A process dies where it is, with all its futures, and comes back some time later.
    pub(crate) fn kill(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        let Some(Living { process, .. }) = seat.living.take() else { return };
        let pause = self.random.pick(&[0, 1_000, 5_000, 70_000]);
        seat.back_at = Some(self.truth.now().after(Duration::from_millis(pause)));
        self.model.lock().note(|| format!("{process:?} dies"));
        self.tasks.kill(process);
    }

    /// That process dies after so many more steps of its own.
    pub(crate) fn doom(&mut self, index: usize, steps: u64) {
        self.doomed = Some((index, steps));
    }

    /// Nobody dies any more, and the dead come back.
    pub(crate) fn spare_all(&mut self) {
        (self.doomed, self.is_spared) = (None, true);
        for index in 0..self.seats.len() {
            if let Some(living) = self.seats[index].living.clone()
                && living.is_stopping()
            {
                self.kill(index);
            }
            self.start(index);
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.model.lock().broken().is_some()
    }

    /// One step of one future. `false`: all wait.
    pub(crate) fn step(&mut self) -> bool {
        let Some(process) = self.tasks.step(&self.random) else { return false };
        self.check_totals();
        if let Some((index, steps)) = &mut self.doomed
            && *index == process.index
        {
            *steps = steps.saturating_sub(1);
            if *steps == 0 {
                let index = *index;
                self.doomed = None;
                self.kill(index);
            }
        }
        true
    }

    /// Steps until all wait for the time.
    fn settle(&mut self) {
        let mut steps = 0;
        while !self.is_broken() && self.step() {
            steps += 1;
            if steps > MOST_STEPS {
                return self.model.lock().break_promise("there is always something to do at once");
            }
        }
        self.model.lock().at_rest();
    }

    /// Lets time pass, from one event to the next.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.truth.now().after(time);
        loop {
            self.come_back();
            self.settle();
            self.hold_wakes();
            if self.is_broken() {
                return;
            }
            let back = self.seats.iter().filter_map(|seat| seat.back_at).min();
            let next = self.truth.next_sleep().into_iter().chain(back).min();
            match next.filter(|next| *next <= end) {
                Some(next) => self.truth.set(next),
                None => break,
            }
        }
        self.truth.set(end);
        self.come_back();
    }

    fn come_back(&mut self) {
        let now = self.truth.now();
        for index in 0..self.seats.len() {
            if self.seats[index].back_at.is_some_and(|at| at <= now) {
                self.start(index);
            }
        }
    }

    /// P6: after every step, the store counts what the reference counts.
    fn check_totals(&mut self) {
        let mut model = self.model.lock();
        if model.moment() == self.checked {
            return;
        }
        self.checked = model.moment();
        let totals = self.store.totals(&self.issuer).now_or_never().unwrap().unwrap();
        if totals != model.totals {
            let expected = model.totals;
            model.break_promise(format!("P6: {totals:?} and not {expected:?}"));
        }
    }

    pub(crate) fn set_weather(&mut self, failing: u64, slow: u64) {
        self.line.failing.store(failing, Ordering::Relaxed);
        self.line.slow.store(slow, Ordering::Relaxed);
    }

    /// The dead letters of a stream, as the store lists them.
    pub(crate) fn dead_letters(&self, stream: &StreamId) -> Vec<DeadLetter> {
        let query = LetterQuery::new(usize::MAX);
        let letters = self.store.dead_letters(&self.issuer, stream, &query);
        letters.now_or_never().unwrap().unwrap_or_default()
    }
}

/// A host's own loop around `run_once`.
async fn steps(transmitter: Transmitter, clock: ProcessClock, bell: Bell, looks: Option<Duration>) {
    loop {
        let done = transmitter.run_once().await;
        let now = clock.now();
        let due = match done {
            Ok(progress) => progress.next_due,
            Err(_) => Some(now.after(Duration::from_secs(1))),
        };
        let due = due.into_iter().chain(looks.map(|after| now.after(after))).min();
        let soon = now.after(Duration::from_millis(100));
        match due {
            Some(due) => drop(select(bell.rung().boxed(), clock.sleep_until(due.max(soon))).await),
            None => bell.rung().await,
        }
    }
}

/// The receiver of that number.
pub(crate) fn caller(number: usize) -> Caller {
    let client = ClientId::parse(format!("client-{number}")).unwrap();
    let owner = Owner::new(TenantId::parse("acme").unwrap(), client);
    let audience = Audience::parse(format!("https://client-{number}.example")).unwrap();
    Caller::new(owner, audience, [Scope::parse("ssf.manage").unwrap()])
}
