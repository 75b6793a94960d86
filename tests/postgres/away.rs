//! The database goes away in mid-run, by an answer or in silence, and comes back.

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cluster::{Cases, Line, Proxy, Server};
use http::Request;
use ssf_transmitter::id::Jti;
use ssf_transmitter::router::Router;
use ssf_transmitter::store::postgres::PostgresStore;
use ssf_transmitter::{Secret, StaticTokens, Worker};
use tokio::time::{sleep, timeout};

use crate::world::{World, caller, event, jti, push, stream, transmitter};

const AWAY: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);
const TOKEN: &str = "t0ken";

pub(super) fn cases(cases: Cases) -> Cases {
    cases
        .with("the_database_is_cut_off_for_ten_seconds_and_nothing_is_lost", |server| {
            outage(server, Line::Cut)
        })
        .with("the_database_is_silent_for_ten_seconds_and_nothing_is_lost", |server| {
            outage(server, Line::Silent)
        })
}

/// Emits all the time; what was accepted.
async fn emit(
    transmitter: ssf_transmitter::Transmitter,
    stop: tokio::sync::watch::Receiver<bool>,
) -> (HashSet<Jti>, u32) {
    let (mut accepted, mut refused) = (HashSet::new(), 0);
    let mut count = 0_u32;
    while !*stop.borrow() {
        count += 1;
        match transmitter.emit(event(&format!("user{}", count % 50))).await {
            Ok(emission) => accepted.extend(emission.sets.iter().map(|set| set.jti.clone())),
            Err(error) => {
                assert!(error.source().is_some(), "{error}");
                refused += 1;
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
    (accepted, refused)
}

async fn outage(server: Arc<Server>, how: Line) {
    let world = World::new(server);
    let line = Proxy::to(&world.server).await;
    let mut options = world.options();
    options.patience = Duration::from_secs(1);
    options.statement_timeout = Duration::from_secs(1);
    let store = Arc::new(PostgresStore::open(line.url(), options).await.unwrap());
    let (transmitter, receiver) = transmitter(store);
    stream(&transmitter, push()).await;
    let tokens = StaticTokens::new().with_receiver(&Secret::new(TOKEN), caller()).unwrap();
    let router = Router::new(transmitter.receivers(), tokens);
    let troubles = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&troubles);
    let worker = Worker::spawn(transmitter.clone(), Duration::from_secs(1), move |_| {
        told.fetch_add(1, Ordering::Relaxed);
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let emitting = tokio::spawn(emit(transmitter.clone(), stopped));
    sleep(Duration::from_secs(2)).await;
    assert!(!receiver.pushes().is_empty());

    line.set(how);
    let before = troubles.load(Ordering::Relaxed);
    let ask = || {
        let request =
            Request::get("/ssf/streams").header("authorization", format!("Bearer {TOKEN}"));
        router.handle(request.body(bytes::Bytes::new()).unwrap())
    };
    sleep(AWAY / 2).await;
    let answer = ask().await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
    sleep(AWAY / 2).await;
    let troubles = troubles.load(Ordering::Relaxed) - before;
    assert!((1..60).contains(&troubles), "the worker backs off: {troubles}");
    line.set(Line::Through);

    let back = async {
        while ask().await.status() != 200 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, back).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    stop.send_replace(true);
    let (accepted, refused) = emitting.await.unwrap();
    assert!(refused > 0 && accepted.len() > 20, "{refused} refused, {} accepted", accepted.len());
    let all = async {
        loop {
            let totals = transmitter.totals().await.unwrap();
            if totals.waiting == 0 {
                return totals;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let totals = timeout(PATIENCE * 2, all).await.unwrap();
    worker.stop().await.unwrap();
    // One that was committed while its answer was lost is among them, too.
    assert_eq!(totals.accepted, totals.delivered);
    assert!(totals.accepted >= accepted.len() as u64);
    let pushed: HashSet<_> = receiver.pushes().into_iter().map(|push| jti(&push.token)).collect();
    assert_eq!(pushed.len() as u64, totals.delivered);
    assert!(accepted.is_subset(&pushed), "nothing is lost");
    world.end().await;
}
