//! What an operator is told at once: after it is committed, and without a say in it.

use std::sync::{Arc, Mutex};

use serde_json::json;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::hooks::{Notice, Observer, PauseCause};
use ssf_transmitter::id::{Jti, StreamId};
use ssf_transmitter::outbox::{BeyondLimit, DeadLetterReason, HeldLimit, PollError};
use ssf_transmitter::stream::StreamStatus;

use crate::drive::ready;
use crate::world::{ONE, World, caller, jtis, seconds};

/// Remembers what it is told, and may panic over it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notices(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    notices: Vec<Notice>,
    panics: bool,
}

impl Notices {
    /// What was told since the last time.
    pub(crate) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.0.lock().unwrap().notices)
    }

    fn panic_from_now_on(&self) {
        self.0.lock().unwrap().panics = true;
    }
}

impl Observer for Notices {
    fn observe(&self, notice: &Notice) {
        let mut told = self.0.lock().unwrap();
        told.notices.push(notice.clone());
        let panics = told.panics;
        drop(told);
        assert!(!panics, "the observer is broken");
    }
}

/// The receiver answers the next push like this.
fn answer(world: &World, status: u16, body: &str) {
    world.receiver.then(ONE, Ok(PushResponse::new(status).with_body(body)));
}

fn dead_letter(stream_id: &StreamId, jti: &Jti, reason: DeadLetterReason) -> Notice {
    Notice::DeadLettered { stream_id: stream_id.clone(), jti: jti.clone(), reason }
}

fn paused(stream_id: &StreamId, cause: PauseCause) -> Notice {
    Notice::StreamPaused { stream_id: stream_id.clone(), cause }
}

#[test]
fn a_set_that_a_receiver_refuses_is_told_with_the_reason_of_its_dead_letter() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    let jti = world.emit("user", "a").sets[0].jti.clone();
    answer(&world, 400, r#"{"err":"invalid_audience"}"#);
    world.run_once();
    let letters = world.dead_letters(&stream);
    assert_eq!(world.notices.take(), [dead_letter(&stream, &jti, letters[0].reason.clone())]);
    // What is delivered is no news.
    world.emit("user", "b");
    world.run_once();
    assert_eq!(world.notices.take(), []);
}

#[test]
fn an_error_that_a_receiver_reports_is_told_once_rfc_8936_2_6() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    let jti = &jtis(&world.poll(&stream, json!({})))[0];
    let report = json!({"setErrs": {jti.as_str(): {"err": "invalid_key"}, "no-set": {"err": "x"}}});
    world.poll(&stream, report.clone());
    let reason = DeadLetterReason::Reported(PollError::new("invalid_key".to_owned(), None));
    assert_eq!(world.notices.take(), [dead_letter(&stream, jti, reason)]);
    world.poll(&stream, report);
    assert_eq!(world.notices.take(), [], "it was settled before");
}

#[test]
fn a_verification_that_fails_is_told_as_such_ssf_1_0_8_1_4() {
    let world = World::new();
    let (pushed, polled) = (world.push_stream(ONE), world.poll_stream());
    world.verify(&pushed, "s").unwrap();
    answer(&world, 400, r#"{"err":"invalid_issuer"}"#);
    world.run_once();
    let [Notice::DeadLettered { jti, reason, .. }, failed] = &world.notices.take()[..] else {
        panic!("a dead letter and a failed verification");
    };
    let (stream_id, jti, reason) = (pushed, jti.clone(), reason.clone());
    assert_eq!(*failed, Notice::VerificationFailed { stream_id, jti, reason });

    world.verify(&polled, "s").unwrap();
    let jti = jtis(&world.poll(&polled, json!({})))[0].clone();
    world.poll(&polled, json!({"setErrs": {jti.as_str(): {"err": "invalid_key"}}}));
    let reason = DeadLetterReason::Reported(PollError::new("invalid_key".to_owned(), None));
    let failed = Notice::VerificationFailed { stream_id: polled, jti, reason };
    assert_eq!(world.notices.take()[1..], [failed]);
}

#[test]
fn a_breaker_is_told_when_it_opens_and_when_it_closes_and_not_in_between() {
    let world = World::new();
    let stream_id = world.push_stream(ONE);
    for _ in 0..3 {
        answer(&world, 503, "");
    }
    world.emit("user", "a");
    world.run_once();
    let error = "503".to_owned();
    let opened = Notice::BreakerOpened { stream_id: stream_id.clone(), error };
    assert_eq!(world.notices.take(), [opened]);
    world.run_for(seconds(60));
    assert_eq!(world.sent(), ["a"; 4]);
    assert_eq!(world.notices.take(), [Notice::BreakerClosed { stream_id }]);
}

#[test]
fn a_pause_is_told_with_its_cause_ssf_1_0_8_1_2() {
    let world = World::with(|config| config.breaker.pause_after_refusals = 1);
    let stream = world.push_stream(ONE);
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    assert_eq!(world.notices.take(), [paused(&stream, PauseCause::Receiver)]);
    world.stop(&stream, StreamStatus::Paused);
    assert_eq!(world.notices.take(), [], "it was paused before");
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    world.stop(&stream, StreamStatus::Paused);
    assert_eq!(world.notices.take(), [paused(&stream, PauseCause::Operator)]);
    world.stop(&stream, StreamStatus::Enabled);
    let owner = caller().owner;
    ready(world.transmitter.suspend_client(&owner, None)).unwrap();
    assert_eq!(world.notices.take(), [paused(&stream, PauseCause::Suspension)]);
    ready(world.transmitter.resume_client(&owner)).unwrap();
    answer(&world, 401, "");
    world.emit("user", "a");
    world.run_for(seconds(1));
    assert_eq!(world.notices.take(), [paused(&stream, PauseCause::Undeliverable)]);
}

#[test]
fn a_pause_for_inactivity_is_told_ssf_1_0_8_1_1() {
    let world = World::with(|config| config.inactivity_timeout = Some(seconds(60)));
    let stream = world.poll_stream();
    world.run_for(seconds(100));
    assert_eq!(world.status(&stream), StreamStatus::Paused);
    assert_eq!(world.notices.take(), [paused(&stream, PauseCause::Inactivity)]);
}

#[test]
fn an_observer_that_panics_breaks_nothing() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.notices.panic_from_now_on();
    answer(&world, 400, r#"{"err":"invalid_audience"}"#);
    world.emit("user", "a");
    world.emit("another", "b");
    world.run_for(seconds(10));
    assert_eq!((world.totals().dead, world.totals().delivered), (1, 1));
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    assert_eq!(world.status(&stream), StreamStatus::Paused);
    assert_eq!(world.notices.take().len(), 2);
}

#[test]
fn what_a_held_limit_gives_up_is_told_by_number_and_a_stream_it_disables_by_name() {
    for (beyond, told) in [(BeyondLimit::GiveUpOldest, 3), (BeyondLimit::DisableStream, 0)] {
        let world = World::with(|config| (config.held.entries, config.held.beyond) = (0, beyond));
        let stream_id = world.poll_stream();
        for label in ["a", "b", "c"] {
            world.emit("user", label);
        }
        world.run_once();
        let limit = HeldLimit::Entries;
        let expected = match beyond {
            BeyondLimit::GiveUpOldest => Notice::HeldGivenUp { stream_id, limit, entries: told },
            _ => Notice::HeldDisabled { stream_id, limit },
        };
        assert_eq!(world.notices.take(), [expected]);
    }
}
