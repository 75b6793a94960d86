//! How a process hears what another did.

use std::sync::Arc;
use std::time::Duration;

use cluster::{Cases, Line, Proxy, Server};
use serde_json::json;
use ssf_transmitter::id::Issuer;
use ssf_transmitter::protocol::{PollRequest, RequestedDelivery};
use ssf_transmitter::secret::Secret;
use ssf_transmitter::store::postgres::{Notifications, PostgresStore};
use ssf_transmitter::store::{Change, ReceiverStore, Watched};
use tokio::time::timeout;

use crate::world::{ISSUER, World, caller, event, stream, transmitter};

/// What takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn cases(cases: Cases) -> Cases {
    cases
        .with("an_emission_in_one_process_ends_a_wait_in_another", emission)
        .with("a_long_poll_in_one_process_is_answered_by_an_emission_in_another", long_poll)
        .with("what_was_announced_before_the_wait_began_ends_it", before)
        .with("without_notifications_no_process_can_tell", without)
        .with("whoever_cannot_listen_looks_and_listens_again_when_it_can", cut)
}

async fn wait(store: &PostgresStore, since: ssf_transmitter::store::ChangeMark) -> Change {
    let issuer = Issuer::parse(ISSUER).unwrap();
    let wait = store.wait_for_change(&issuer, Watched::AllStreams, since);
    timeout(PATIENCE, wait).await.unwrap()
}

/// Waits until the store hears, or does not.
async fn until_it_hears(store: &PostgresStore, hears: bool) {
    let until = async {
        while store.hears() != hears {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, until).await.unwrap();
}

async fn emission(server: Arc<Server>) {
    let world = World::new(server);
    let (here, there) = (world.store().await, world.store().await);
    let (transmitter, _) = transmitter(there);
    stream(&transmitter, RequestedDelivery::Poll).await;
    until_it_hears(&here, true).await;
    let mark = here.change_mark();
    let emit = transmitter.emit(event("a"));
    let (change, emitted) = tokio::join!(wait(&here, mark), emit);
    assert_eq!((change, emitted.unwrap().sets.len()), (Change::Happened, 1));
    world.end().await;
}

async fn long_poll(server: Arc<Server>) {
    let world = World::new(server);
    let (here, there) = (world.store().await, world.store().await);
    until_it_hears(&here, true).await;
    let ((here, _), (there, _)) = (transmitter(here), transmitter(there));
    let polled = stream(&there, RequestedDelivery::Poll).await;
    let receivers = here.receivers();
    let request = PollRequest::parse(json!({}).to_string().as_bytes()).unwrap();
    let caller = caller();
    let poll = receivers.poll(&caller, &polled, request);
    let emit = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        there.emit(event("a")).await.unwrap()
    };
    let both = async { tokio::join!(poll, emit) };
    let (reply, emission) = timeout(PATIENCE, both).await.unwrap();
    let sets: Vec<_> = reply.unwrap().sets.into_iter().map(|(jti, _)| jti).collect();
    assert_eq!(sets, [emission.sets[0].jti.clone()]);
    world.end().await;
}

async fn before(server: Arc<Server>) {
    let world = World::new(server);
    let (here, there) = (world.store().await, world.store().await);
    let (transmitter, _) = transmitter(there);
    stream(&transmitter, RequestedDelivery::Poll).await;
    until_it_hears(&here, true).await;
    let mark = here.change_mark();
    transmitter.emit(event("a")).await.unwrap();
    assert_eq!(wait(&here, mark).await, Change::Happened);
    // And again at once: the mark is what counts, not who waited.
    assert_eq!(wait(&here, mark).await, Change::Happened);
    world.end().await;
}

async fn without(server: Arc<Server>) {
    let world = World::new(server);
    let mut options = world.options();
    options.notifications = Notifications::Off;
    let store = PostgresStore::open(world.server.url(), options).await.unwrap();
    assert!(!store.hears());
    assert_eq!(wait(&store, store.change_mark()).await, Change::CannotTell);
    world.end().await;
}

/// The line that it listens on is another than the one its statements take.
async fn cut(server: Arc<Server>) {
    let world = World::new(server);
    let line = Proxy::to(&world.server).await;
    let mut options = world.options();
    options.listen_url = Some(Secret::new(line.url()));
    let store = PostgresStore::open(world.server.url(), options).await.unwrap();
    until_it_hears(&store, true).await;
    let mark = store.change_mark();
    let cut = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        line.set(Line::Cut);
    };
    let (change, ()) = tokio::join!(wait(&store, mark), cut);
    assert_eq!(change, Change::CannotTell);
    assert!(!store.hears());
    line.set(Line::Through);
    until_it_hears(&store, true).await;
    let (transmitter, _) = transmitter(world.store().await);
    stream(&transmitter, RequestedDelivery::Poll).await;
    let mark = store.change_mark();
    let (change, emitted) = tokio::join!(wait(&store, mark), transmitter.emit(event("a")));
    assert_eq!((change, emitted.unwrap().sets.len()), (Change::Happened, 1));
    world.end().await;
}
