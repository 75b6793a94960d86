//! Identities in a database that several processes share.

use std::sync::Arc;

use cluster::{Cases, Server};
use ssf_transmitter::store::postgres::PostgresStore;

use crate::reporters::{self, Reporter};
use crate::world::options;

pub(super) fn cases(cases: Cases) -> Cases {
    cases
        .with("two_reporters_of_one_change_fire_once_in_1000_trials", async |server| {
            let schema = server.new_schema();
            let reporters = [reporter(&server, &schema).await, reporter(&server, &schema).await];
            reporters::two_reporters_of_one_change_fire_once(reporters, 1_000).await;
            server.drop_schema(&schema).await;
        })
        .with("a_crash_at_any_point_fires_once", async |server| {
            let schema = server.new_schema();
            let reporter = reporter(&server, &schema).await;
            reporters::a_crash_at_any_point_fires_once(reporter).await;
            server.drop_schema(&schema).await;
        })
}

/// A process of its own, as far as the database can tell.
async fn reporter(server: &Server, schema: &str) -> Reporter {
    let store = PostgresStore::open(server.url(), options(schema)).await.unwrap();
    Reporter::new(&Arc::new(store))
}
