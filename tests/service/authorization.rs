//! Where the `Authorization` of a push comes from, and whose trouble it is when there is none.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use ssf_transmitter::deliver::{
    AuthorizeError, PushAuthorization, PushResponse, PushTarget, Renewal,
};
use ssf_transmitter::hooks::{Notice, PauseCause};
use ssf_transmitter::protocol::CreateStream;
use ssf_transmitter::store::{Backlog, StreamOverview};
use ssf_transmitter::stream::{AuthorizationHeader, StatusSetBy, StreamRecord, StreamStatus};
use ssf_transmitter::testkit::VirtualClock;
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::Config;

use crate::drive::{Task, ready};
use crate::paper::logged;
use crate::world::{ISSUER, ONE, TWO, World, caller, push_to, seconds};

/// Gives out tokens in a row, and says that a refused one can be replaced while there are more.
#[derive(Clone, Debug, Default)]
struct Tokens(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    tokens: VecDeque<&'static str>,
    hangs: bool,
    asked: Vec<PushTarget>,
    refused: Vec<String>,
}

impl Tokens {
    fn of(tokens: impl IntoIterator<Item = &'static str>) -> Self {
        let tokens = tokens.into_iter().collect();
        Self(Arc::new(Mutex::new(State { tokens, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl PushAuthorization for Tokens {
    async fn authorize(
        &self,
        target: &PushTarget,
        _now: Timestamp,
    ) -> Result<Option<AuthorizationHeader>, AuthorizeError> {
        if self.state().hangs {
            pending::<()>().await;
        }
        let mut state = self.state();
        state.asked.push(target.clone());
        if target.own.is_some() {
            return Ok(target.own.clone());
        }
        let token = *state.tokens.front().ok_or_else(|| AuthorizeError::new("out of tokens"))?;
        Ok(AuthorizationHeader::parse(token).ok())
    }

    async fn refused(
        &self,
        _target: &PushTarget,
        header: &AuthorizationHeader,
        _now: Timestamp,
    ) -> Renewal {
        let mut state = self.state();
        state.refused.push(header.expose().to_owned());
        state.tokens.pop_front();
        if state.tokens.is_empty() { Renewal::Same } else { Renewal::Another }
    }
}

/// A transmitter that takes its tokens there, and a stream without a secret of its own.
fn world(tokens: &Tokens) -> World {
    let mut world = World::new();
    let notices = world.notices.clone();
    world.restart(|builder| builder.with_push_authorization(tokens.clone()).with_observer(notices));
    let request = CreateStream::new(push_to(ONE, None));
    ready(world.receivers.create_stream(&caller(), request)).unwrap();
    world
}

/// The stream whose SETs wait.
fn hindered(world: &World) -> StreamOverview {
    let streams = ready(world.transmitter.streams(None, 10)).unwrap();
    streams.into_iter().find(|overview| overview.backlog != Backlog::Exactly(0)).unwrap()
}

fn headers(world: &World) -> Vec<Option<String>> {
    let pushes = world.pushes_to(ONE).into_iter();
    pushes.map(|push| push.authorization.map(|header| header.expose().to_owned())).collect()
}

fn some(header: &str) -> Option<String> {
    Some(header.to_owned())
}

#[test]
fn a_stream_without_a_secret_gets_no_authorization_header_unless_the_host_has_one() {
    let world = World::new();
    let request = CreateStream::new(push_to(ONE, None));
    ready(world.receivers.create_stream(&caller(), request)).unwrap();
    world.emit("user", "a");
    world.run_once();
    assert_eq!(headers(&world), [None]);

    let tokens = Tokens::of(["Bearer t1"]);
    let world = self::world(&tokens);
    world.emit("user", "a");
    world.run_once();
    assert_eq!(headers(&world), [some("Bearer t1")]);
    let asked = tokens.state().asked.remove(0);
    assert_eq!((asked.issuer.as_str(), asked.owner), (ISSUER, caller().owner));
    assert_eq!((asked.endpoint.as_str(), asked.own.is_none()), (ONE, true));
}

#[test]
fn a_streams_own_secret_is_handed_to_the_port_ssf_6_1_1() {
    let tokens = Tokens::of(["Bearer t1"]);
    let world = world(&tokens);
    world.push_stream(TWO);
    world.emit("user", "a");
    world.run_once();
    let own = world.pushes_to(TWO).remove(0).authorization.unwrap();
    assert_eq!(own.expose(), "Bearer one");
}

#[test]
fn a_401_renews_the_authorization_once_within_the_same_attempt() {
    let tokens = Tokens::of(["Bearer t1", "Bearer t2", "Bearer t3"]);
    let world = world(&tokens);
    world.receiver.then(ONE, Ok(PushResponse::new(401)));
    world.emit("user", "a");
    assert_eq!(world.run_once().delivered, 1);
    assert_eq!(headers(&world), [some("Bearer t1"), some("Bearer t2")]);
    let pushes = world.pushes_to(ONE);
    assert_eq!(pushes[0].token, pushes[1].token, "it is the same SET, and the same attempt");
    assert_eq!(tokens.state().refused, ["Bearer t1"]);
}

#[test]
fn a_second_401_is_the_receivers_word() {
    let tokens = Tokens::of(["Bearer t1", "Bearer t2", "Bearer t3"]);
    let world = world(&tokens);
    world.receiver.then(ONE, Ok(PushResponse::new(401)));
    world.receiver.then(ONE, Ok(PushResponse::new(401)));
    world.emit("user", "a");
    world.run_once();
    assert_eq!(headers(&world).len(), 2);
    let health = world.overview_of_only().health;
    assert_eq!((health.failures, health.refusals), (1, 1));
    assert_eq!(health.last_error.unwrap().what, "401");
}

#[test]
fn a_401_that_changes_nothing_is_answered_by_no_second_request() {
    let tokens = Tokens::of(["Bearer t1"]);
    let world = world(&tokens);
    world.receiver.then(ONE, Ok(PushResponse::new(401)));
    world.emit("user", "a");
    world.run_once();
    assert_eq!(headers(&world), [some("Bearer t1")]);
    assert_eq!(world.overview_of_only().health.refusals, 1);
}

#[test]
fn while_no_authorization_is_to_be_had_sets_wait_unsent_and_nobody_is_blamed() {
    let tokens = Tokens::of([]);
    let world = world(&tokens);
    world.push_stream(TWO);
    world.emit("user", "a");
    world.run_for(seconds(3600));
    assert_eq!((world.pushes_to(ONE).len(), world.pushes_to(TWO).len()), (0, 1));
    let waiting = hindered(&world);
    let error = waiting.health.last_error.as_ref().map(|error| error.what.as_str());
    assert_eq!(error, Some("not sent: no authorization"));
    assert_eq!((waiting.record.status, waiting.dead_letters), (StreamStatus::Enabled, 0));

    tokens.state().tokens.push_back("Bearer t1");
    world.run_for(seconds(61));
    assert_eq!(headers(&world), [some("Bearer t1")]);
}

#[test]
fn a_stream_whose_sets_cannot_be_sent_for_a_day_is_paused_and_holds_them_within_limits() {
    let tokens = Tokens::of([]);
    let world = world(&tokens);
    world.push_stream(TWO);
    world.emit("user", "a");
    world.run_once();
    world.advance(seconds(24 * 3600));
    world.run_once();
    let StreamRecord { status, reason, status_set_by, .. } = hindered(&world).record;
    let reason = reason.unwrap();
    assert_eq!((status, status_set_by), (StreamStatus::Paused, StatusSetBy::Transmitter));
    assert_eq!(reason, "SETs could not be sent, through no fault of the receiver");
    let stream_id = hindered(&world).record.stream_id;
    let paused = Notice::StreamPaused { stream_id, cause: PauseCause::Hindered };
    assert!(world.notices.take().contains(&paused));
    // What is held now is bounded; its announcement could not be sent either.
    world.advance(Config::default().held.age);
    world.run_for(seconds(60));
    assert_eq!(ready(world.transmitter.totals()).unwrap().dead_by_held_limit, 1);
}

/// One that takes a while, in which somebody does something.
#[derive(Clone)]
struct Slow(VirtualClock, Duration, Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slow").field(&self.1).finish_non_exhaustive()
    }
}

#[async_trait]
impl PushAuthorization for Slow {
    async fn authorize(
        &self,
        _target: &PushTarget,
        now: Timestamp,
    ) -> Result<Option<AuthorizationHeader>, AuthorizeError> {
        (self.2)();
        self.0.set(now.after(self.1));
        Ok(None)
    }
}

// P3: the lease was checked before; by now it may be over.
#[test]
fn nothing_is_sent_whose_time_is_over_when_its_authorization_comes() {
    let mut world = World::new();
    let slow = Slow(world.clock.clone(), seconds(15), Arc::new(|| ()));
    world.restart(|builder| builder.with_push_authorization(slow));
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    let ((), log) = logged(|| assert_eq!(world.run_once().returned, 1));
    assert_eq!(world.pushes_to(ONE).len(), 0);
    let error = world.overview(&stream).health.last_error.unwrap();
    assert_eq!(error.what, "not sent: no authorization");
    // The operator finds the cause in the log.
    let logged = log.lines().find(|line| line.contains("SET not sent")).unwrap();
    assert!(logged.contains("it took longer than a push may"), "{logged}");
}

// P1, P9: the route was read before.
#[test]
fn nothing_is_sent_where_the_stream_has_left_while_its_authorization_came() {
    for (change, sent) in [(true, 0), (false, 1)] {
        let mut world = World::new();
        let elsewhere = world.second_process();
        let stream = world.push_stream(ONE);
        let moved = stream.clone();
        let meanwhile = move || {
            let stopped = elsewhere.set_status(&moved, StreamStatus::Paused, None);
            if change {
                ready(stopped).unwrap();
            }
        };
        let slow = Slow(world.clock.clone(), seconds(2), Arc::new(meanwhile));
        world.restart(|builder| builder.with_push_authorization(slow));
        world.emit("user", "a");
        ready(world.transmitter.run_once()).unwrap();
        assert_eq!(world.pushes_to(ONE).len(), sent);
        assert_eq!(world.totals().waiting, if change { 2 } else { 0 });
    }
}

#[test]
fn an_authorization_that_hangs_ends_with_the_time_of_the_push() {
    let tokens = Tokens::of(["Bearer t1"]);
    let world = world(&tokens);
    tokens.state().hangs = true;
    world.emit("user", "a");
    let mut run = Task::start(world.transmitter.run_once());
    world.pass(seconds(15), &mut run);
    assert_eq!(run.output().unwrap().returned, 1);
    assert_eq!(headers(&world), []);
    let error = world.overview_of_only().health.last_error.unwrap();
    assert_eq!(error.what, "not sent: no authorization");
}
