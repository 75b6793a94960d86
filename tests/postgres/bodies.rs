//! The body of an event goes with its last SET, whoever settles that.

use std::sync::Arc;

use cluster::{Cases, Server};
use sqlx::PgPool;
use ssf_transmitter::id::{Issuer, Jti, StreamId};
use ssf_transmitter::protocol::RequestedDelivery;
use ssf_transmitter::store::postgres::PostgresStore;
use ssf_transmitter::store::{Acknowledgement, ReceiverStore};

use crate::world::{ISSUER, World, caller, event, stream, transmitter};

pub(super) fn cases(cases: Cases) -> Cases {
    cases.with("of_two_that_settle_the_last_sets_of_an_event_at_once_one_removes_its_body", at_once)
}

async fn acknowledge(store: &PostgresStore, stream: &StreamId, jti: &Jti) -> u64 {
    let issuer = Issuer::parse(ISSUER).unwrap();
    let mut acknowledgement = Acknowledgement::default();
    acknowledgement.acks.push(jti.clone());
    let done = store.acknowledge(&issuer, &caller().owner, stream, acknowledgement).await;
    done.unwrap().delivered
}

async fn at_once(server: Arc<Server>) {
    let world = World::new(server);
    let (here, there) = (world.store().await, world.store().await);
    let (transmitter, _) = transmitter(Arc::clone(&here));
    for _ in 0..2 {
        stream(&transmitter, RequestedDelivery::Poll).await;
    }
    for n in 0..50 {
        let sets = transmitter.emit(event(&n.to_string())).await.unwrap().sets;
        let settled = tokio::join!(
            acknowledge(&here, &sets[0].stream_id, &sets[0].jti),
            acknowledge(&there, &sets[1].stream_id, &sets[1].jti),
        );
        assert_eq!(settled, (1, 1));
    }
    let pool = PgPool::connect(world.server.url()).await.unwrap();
    let left = format!("SELECT count(*) FROM {}.ssf_events", world.schema);
    let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(left)).fetch_one(&pool).await.unwrap();
    assert_eq!(left, 0, "bodies that nothing refers to");
    pool.close().await;
    world.end().await;
}
