//! How a database is opened: its schema, and processes that begin at once.

use std::sync::Arc;

use cluster::{Cases, Server};
use ssf_transmitter::store::postgres::{Migration, OpenError, PostgresStore, SchemaError};

use crate::world::options;

pub(super) fn cases(cases: Cases) -> Cases {
    cases
        .with("processes_that_begin_at_once_make_one_schema", at_once)
        .with("a_host_that_migrates_itself_is_told_what_is_missing", missing)
}

async fn at_once(server: Arc<Server>) {
    let schema = server.new_schema();
    let open = || PostgresStore::open(server.url(), options(&schema));
    let (a, b, c, d) = tokio::join!(open(), open(), open(), open());
    for store in [a, b, c, d] {
        store.unwrap().close().await;
    }
    server.drop_schema(&schema).await;
}

async fn missing(server: Arc<Server>) {
    let schema = server.new_schema();
    let mut checking = options(&schema);
    checking.migration = Migration::Check;
    let refused = PostgresStore::open(server.url(), checking.clone()).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::Schema(SchemaError::Missing { found: 0, wanted: 1 })),
        "{refused:?}"
    );
    PostgresStore::open(server.url(), options(&schema)).await.unwrap().close().await;
    PostgresStore::open(server.url(), checking).await.unwrap().close().await;
    server.drop_schema(&schema).await;
}
