//! Receivers that hang, drip or are slow delay no others, in virtual time (design promise P7).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};
use ssf_transmitter::id::Issuer;
use ssf_transmitter::protocol::{CreateStream, Profile, VerificationRequest};
use ssf_transmitter::stream::StreamQuota;
use ssf_transmitter::testkit::{SeededEntropy, VirtualClock};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::{Config, Transmitter};

use crate::drive::{Task, ready};
use crate::world::{ISSUER, START, World, caller_of, event, label, push_to, seconds};

/// Receivers that take their time: by the first part of their host's name, `hang` never answers,
/// `drip` takes 14 seconds, and all others take as long as they are told.
#[derive(Clone, Debug)]
pub(crate) struct Timed(Arc<State>);

/// The label of a push, and when it began and ended.
type Ended = (String, Timestamp, Timestamp);

#[derive(Debug)]
struct State {
    clock: VirtualClock,
    takes: Duration,
    /// Whether all hang from now on.
    hangs: AtomicBool,
    /// When each push began and ended, by host and label.
    ended: Mutex<HashMap<String, Vec<Ended>>>,
    running: Mutex<HashMap<String, usize>>,
    most_running: Mutex<HashMap<String, usize>>,
}

impl Timed {
    pub(crate) fn new(clock: VirtualClock, takes: Duration) -> Self {
        Self(Arc::new(State {
            clock,
            takes,
            hangs: AtomicBool::new(false),
            ended: Mutex::default(),
            running: Mutex::default(),
            most_running: Mutex::default(),
        }))
    }
}

#[async_trait]
impl Deliverer for Timed {
    async fn deliver(&self, request: PushRequest) -> Result<PushResponse, DeliverError> {
        let (state, host) = (&self.0, request.endpoint.host().to_owned());
        let began = state.clock.now();
        let _running = Running::begin(state, host.clone());
        let hangs =
            state.hangs.load(Ordering::Relaxed) || request.endpoint.as_str().ends_with("/hang/");
        let takes = match host.split(['-', '.']).next() {
            _ if hangs => Duration::from_secs(3600),
            Some("hang") => Duration::from_secs(3600),
            Some("drip") => Duration::from_secs(14),
            _ => state.takes,
        };
        state.clock.sleep_until(began.after(takes)).await;
        let ended = (label(&request.token), began, state.clock.now());
        lock(&state.ended).entry(host).or_default().push(ended);
        Ok(PushResponse::new(202))
    }
}

struct Running<'s>(&'s State, String);

impl<'s> Running<'s> {
    fn begin(state: &'s State, host: String) -> Self {
        let mut running = lock(&state.running);
        let now = running.entry(host.clone()).or_default();
        *now += 1;
        let mut most = lock(&state.most_running);
        let before = most.entry(host.clone()).or_default();
        *before = (*before).max(*now);
        Self(state, host)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(now) = lock(&self.0.running).get_mut(&self.1) {
            *now -= 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A transmitter with receivers that take their time.
struct Fair {
    world: World,
    timed: Timed,
    transmitter: Transmitter,
}

impl Fair {
    fn new(takes: Duration, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let mut profile = Profile::ssf();
        profile.quota = StreamQuota::new(10_000);
        let world = World::new();
        let timed = Timed::new(world.clock.clone(), takes);
        let issuer = Issuer::parse(ISSUER).unwrap();
        let transmitter =
            Transmitter::builder(issuer, Arc::clone(&world.store), world.keys.clone())
                .with_deliverer(timed.clone())
                .with_clock(world.clock.clone())
                .with_entropy(SeededEntropy::new(1))
                .with_config(config)
                .with_profile(profile)
                .build()
                .unwrap();
        Self { world, timed, transmitter }
    }

    /// A stream of that client, pushed to that host.
    fn stream(&self, client: &str, host: &str) -> ssf_transmitter::id::StreamId {
        let request = CreateStream::new(push_to(&format!("https://{host}/"), None));
        let created = self.transmitter.receivers();
        ready(created.create_stream(&caller_of("acme", client), request)).unwrap().stream_id
    }

    fn verify(&self, client: &str, stream: &ssf_transmitter::id::StreamId) {
        let request = VerificationRequest::new(stream.clone(), Some("x".to_owned()));
        let receivers = self.transmitter.receivers();
        ready(receivers.verify(&caller_of("acme", client), request)).unwrap();
    }

    /// Emits one event to all streams every so often, and pushes meanwhile.
    fn emit_every(&self, every: Duration, times: usize, running: &mut Task<'_, ()>) {
        for n in 0..times {
            let (user, label) = (format!("user-{n}"), format!("{n}"));
            ready(self.transmitter.emit(event(&user, &label))).unwrap();
            self.world.pass(every, running);
        }
    }

    fn running(&self) -> Task<'_, ()> {
        Task::start(async {
            let run = self.transmitter.run(std::future::pending(), seconds(1), |trouble| {
                panic!("{trouble}");
            });
            run.await.unwrap();
        })
    }

    /// How many pushes ended at hosts of that name.
    fn delivered(&self, name: &str) -> usize {
        let ended = lock(&self.timed.0.ended);
        let ours = ended.iter().filter(|(host, _)| host.starts_with(name));
        ours.map(|(_, ended)| ended.len()).sum()
    }

    /// How long after their emission, `every` apart, the events began to be pushed to a host.
    fn delays(&self, host: &str, every: Duration) -> Vec<Duration> {
        let ended = lock(&self.timed.0.ended);
        let began = ended.get(host).into_iter().flatten().filter_map(|(label, began, _)| {
            let n: u32 = label.parse().ok()?;
            Some(began.since(START.after(every * n)))
        });
        began.collect()
    }
}

/// What 900 streams were delivered in two minutes, with so many others that hang.
fn healthy(hanging: usize) -> usize {
    let fair = Fair::new(Duration::from_millis(700), |_| ());
    for n in 0..900 {
        fair.stream("good", &format!("good-{n}.example"));
        // Among the others, not behind them.
        if n % 9 == 0 && n / 9 < hanging {
            fair.stream("bad", &format!("hang-{n}.example"));
        }
    }
    let mut running = fair.running();
    // 180 pushes a second, of some 250 that the places allow.
    fair.emit_every(seconds(5), 24, &mut running);
    fair.delivered("good")
}

#[test]
fn of_a_thousand_streams_a_hundred_hang_and_the_others_lose_next_to_nothing() {
    let (alone, beside) = (healthy(0), healthy(100));
    assert!(alone > 18_000, "{alone}");
    assert!(beside * 100 >= alone * 95, "{beside} of {alone}");
}

#[test]
fn one_owner_with_many_slow_streams_takes_no_place_of_another() {
    let every = seconds(2);
    let fair = Fair::new(Duration::from_millis(50), |config| config.pushes = 64);
    fair.stream("good", "good.example");
    let mut running = fair.running();
    fair.emit_every(every, 1, &mut running);
    let bad: Vec<_> = (0..100).map(|n| fair.stream("bad", &format!("hang-{n}.example"))).collect();
    let mut emitted = 1;
    for _ in 0..12 {
        for stream in &bad {
            fair.verify("bad", stream);
        }
        for _ in 0..6 {
            let (user, label) = (format!("user-{emitted}"), emitted.to_string());
            ready(fair.transmitter.emit(event(&user, &label))).unwrap();
            fair.world.pass(every, &mut running);
            emitted += 1;
        }
    }
    let delays = fair.delays("good.example", every);
    assert_eq!(delays.len(), emitted);
    let longest = delays.iter().max().unwrap();
    assert!(*longest <= Duration::from_millis(100), "{longest:?}");
}

#[test]
fn a_host_that_drips_for_many_streams_gets_its_share_and_no_more() {
    let every = seconds(2);
    let fair = Fair::new(Duration::from_millis(50), |config| config.pushes_per_host = 16);
    for _ in 0..300 {
        fair.stream("bad", "drip.example");
    }
    fair.stream("good", "good.example");
    let mut running = fair.running();
    fair.emit_every(every, 30, &mut running);
    let most = lock(&fair.timed.0.most_running).get("drip.example").copied();
    assert_eq!(most, Some(16));
    assert!(fair.delivered("drip") >= 16 * 4);
    let delays = fair.delays("good.example", every);
    assert_eq!(delays.len(), 30);
    assert!(*delays.iter().max().unwrap() <= Duration::from_millis(100), "{delays:?}");
}

#[test]
fn slow_streams_of_a_host_leave_its_places_to_those_that_answer() {
    let every = seconds(2);
    let fair = Fair::new(Duration::from_millis(50), |config| config.pushes_per_host = 16);
    let good = fair.stream("good", "both.example");
    let mut running = fair.running();
    fair.emit_every(every, 1, &mut running);
    for _ in 0..16 {
        fair.stream("bad", "both.example/hang");
    }
    // All of them hang once, and are known to be slow then.
    fair.emit_every(seconds(60), 1, &mut running);
    let mut emitted = Vec::new();
    for n in 2..32 {
        emitted.push((n.to_string(), fair.world.clock.now()));
        ready(fair.transmitter.emit(event(&format!("user-{n}"), &n.to_string()))).unwrap();
        fair.world.pass(every, &mut running);
    }
    let ended = lock(&fair.timed.0.ended);
    for (n, at) in &emitted {
        let (_, began, _) = ended["both.example"].iter().find(|(label, ..)| label == n).unwrap();
        assert!(began.since(*at) <= Duration::from_millis(100), "{n} of {good}");
    }
}

// P5, P7: those that were prompt until now may hang, all at once.
#[test]
fn streams_that_answered_and_begin_to_hang_leave_places_to_control_sets() {
    let fair = Fair::new(Duration::from_millis(50), |config| config.pushes = 64);
    for n in 0..200 {
        fair.stream("bad", &format!("later-{n}.example"));
    }
    let good = fair.stream("good", "good.example");
    let mut running = fair.running();
    fair.emit_every(seconds(10), 1, &mut running);
    fair.timed.0.hangs.store(true, Ordering::Relaxed);
    for n in 1..7 {
        ready(fair.transmitter.emit(event(&format!("user-{n}"), &n.to_string()))).unwrap();
    }
    // The first have gone on for long by then, and others took what that left.
    fair.world.pass(seconds(9), &mut running);
    let began = || lock(&fair.timed.0.running).values().sum::<usize>();
    assert_eq!(began(), 56);
    fair.verify("good", &good);
    fair.world.pass(seconds(1), &mut running);
    assert_eq!(began(), 57);
}

// P5: a verification is the probe, whatever else hangs.
#[test]
fn a_verification_of_a_stream_that_hangs_starts_within_a_second() {
    let fair = Fair::new(Duration::from_millis(50), |config| config.pushes = 64);
    let streams: Vec<_> =
        (0..50).map(|n| fair.stream("bad", &format!("hang-{n}.example"))).collect();
    let mut running = fair.running();
    fair.emit_every(seconds(60), 1, &mut running);
    // Known to be slow; as many as may be are under way again and hang.
    let began = |host: &str| lock(&fair.timed.0.running).get(host).copied().unwrap_or(0);
    let idle = (0..50).find(|n| began(&format!("hang-{n}.example")) == 0).unwrap();
    fair.verify("bad", &streams[idle]);
    fair.world.pass(seconds(1), &mut running);
    assert_eq!(began(&format!("hang-{idle}.example")), 1);
}
