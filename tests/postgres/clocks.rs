//! Processes whose clock is not the database's.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cases, Server};
use ssf_transmitter::clock::SystemClock;
use ssf_transmitter::id::{Issuer, WorkerId};
use ssf_transmitter::store::{ClaimRequest, StoreError, WorkerStore};
use ssf_transmitter::timestamp::Timestamp;

use crate::world::{ISSUER, World};

pub(super) fn cases(cases: Cases) -> Cases {
    cases.with("a_process_whose_clock_is_too_far_off_claims_nothing", too_far)
}

fn claim(now: Timestamp) -> ClaimRequest {
    let until = now.after(Duration::from_secs(60));
    let worker = WorkerId::parse("w").unwrap();
    ClaimRequest::new(Issuer::parse(ISSUER).unwrap(), worker, now, until, 10, 10)
}

async fn too_far(server: Arc<Server>) {
    let world = World::new(server);
    let store = world.store().await;
    assert_eq!(store.clock_gap(), None);
    store.claim(claim(SystemClock::read())).await.unwrap();
    let gap = store.clock_gap().unwrap();
    assert!(gap.abs() < 5_000, "{gap}");

    let late = SystemClock::read().before(Duration::from_secs(3_600));
    let refused = store.claim(claim(late)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(refused.source().unwrap().to_string().contains("clock"), "{refused:?}");
    assert!(store.clock_gap().unwrap() > 3_500_000);
    store.claim(claim(SystemClock::read())).await.unwrap();
    world.end().await;
}
