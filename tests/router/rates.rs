//! The rate limiter: who is asked, when, and what a receiver that calls too often is told.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::id::Owner;
use ssf_transmitter::limit::quota::Quota;
use ssf_transmitter::limit::{Admission, RateLimiter};
use ssf_transmitter::protocol::Operation;
use ssf_transmitter::timestamp::Timestamp;

use super::world::{NOTHING, OTHER, OWN, UNKNOWN, World, get, operations_on, post};

/// Remembers what it is asked and refuses everything.
#[derive(Clone, Debug, Default)]
struct Nothing(Arc<Mutex<Vec<(String, Operation, Timestamp)>>>);

#[async_trait]
impl RateLimiter for Nothing {
    async fn admit(&self, owner: &Owner, operation: Operation, now: Timestamp) -> Admission {
        self.0.lock().unwrap().push((owner.client.as_str().to_owned(), operation, now));
        Admission::RetryAfter(Duration::from_millis(1500))
    }
}

fn world(limiter: impl RateLimiter) -> World {
    let mut world = World::new();
    world.router = world.router.with_rate_limiter(limiter);
    world
}

#[test]
fn a_receiver_that_calls_too_often_is_told_when_to_come_again_rfc_6585_4() {
    let world = world(Nothing::default());
    for call in operations_on(UNKNOWN) {
        let answer = world.ask(&call);
        assert_eq!(answer.refusal(), (429, "too_many_requests".to_owned()), "{call:?}");
        assert_eq!(answer.headers["retry-after"], "2", "{call:?}");
    }
}

#[test]
fn the_limiter_is_asked_once_with_receiver_operation_and_time() {
    let limiter = Nothing::default();
    let world = world(limiter.clone());
    world.ask(&get("/ssf/streams"));
    world.ask(&post(format!("/ssf/poll/{UNKNOWN}"), &json!({})).token(OTHER));
    let now = world.clock.now();
    let asked = [
        ("rp-1".to_owned(), Operation::ReadStream, now),
        ("rp-2".to_owned(), Operation::Poll, now),
    ];
    assert_eq!(*limiter.0.lock().unwrap(), asked);
}

#[test]
fn the_limiter_is_asked_after_authentication_and_scope_and_before_the_body() {
    let limiter = Nothing::default();
    let world = world(limiter.clone());
    let create = post("/ssf/streams", &json!({}));
    assert_eq!(world.ask(&create.clone().token("wrong")).status, 401);
    assert_eq!(world.ask(&create.clone().token(NOTHING)).status, 403);
    assert_eq!(world.ask(&create.clone().method("TRACE")).status, 405);
    for public in ["/.well-known/ssf-configuration", "/jwks.json"] {
        assert_eq!(world.ask(&get(public)).status, 200);
    }
    assert_eq!(limiter.0.lock().unwrap().len(), 0);
    let broken = create.body("{").header("content-type", "text/plain");
    assert_eq!(world.ask(&broken).status, 429);
}

#[test]
fn a_quota_holds_per_receiver_and_operation_and_comes_back_with_time() {
    let quota = Quota::new(NonZeroU32::new(2).unwrap(), Duration::from_secs(10)).unwrap();
    let world = world(quota);
    let list = get("/ssf/streams");
    let statuses = |token: &str| -> Vec<u16> {
        (0..3).map(|_| world.ask(&list.clone().token(token)).status).collect()
    };
    assert_eq!(statuses(OWN), [200, 200, 429]);
    assert_eq!(statuses(OTHER), [200, 200, 429], "every receiver has its own");
    assert_eq!(world.ask(&get(format!("/ssf/status?stream_id={UNKNOWN}"))).status, 404);
    assert_eq!(world.ask(&list).headers["retry-after"], "5");
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(statuses(OWN), [200, 429, 429]);
}
