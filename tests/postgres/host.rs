//! Transactions of a host that keeps its tables in the same database.

use std::sync::Arc;

use async_trait::async_trait;
use cluster::{Cases, Server};
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use ssf_transmitter::store::Outbox;
use ssf_transmitter::store::postgres::PostgresStore;

use crate::scenarios::{self, Host};
use crate::world::options;

pub(super) fn cases(cases: Cases) -> Cases {
    cases
        .with("rolled_back_leaves_no_trace", async |server| {
            let host = PostgresHost::new(&server).await;
            scenarios::rolled_back_leaves_no_trace(&host).await;
            host.end(&server).await;
        })
        .with("committed_is_delivered", async |server| {
            let host = PostgresHost::new(&server).await;
            scenarios::committed_is_delivered(&host).await;
            host.end(&server).await;
        })
        .with("an_unclear_commit_that_is_retried_yields_one_event", async |server| {
            let host = PostgresHost::new(&server).await;
            scenarios::an_unclear_commit_that_is_retried_yields_one_event(&host).await;
            host.end(&server).await;
        })
        .with("a_failed_append_leaves_the_transaction_as_it_was", async |server| {
            let host = PostgresHost::new(&server).await;
            scenarios::a_failed_append_leaves_the_transaction_as_it_was(&host).await;
            host.end(&server).await;
        })
}

struct PostgresHost {
    store: Arc<PostgresStore>,
    own: PgPool,
    schema: String,
}

impl PostgresHost {
    async fn new(server: &Arc<Server>) -> Self {
        let schema = server.new_schema();
        let store = PostgresStore::open(server.url(), options(&schema)).await.unwrap();
        let own = PgPool::connect(server.url()).await.unwrap();
        let accounts = format!(
            "CREATE TABLE {schema}.accounts (enabled BOOLEAN); \
             INSERT INTO {schema}.accounts VALUES (true)"
        );
        sqlx::raw_sql(AssertSqlSafe(accounts)).execute(&own).await.unwrap();
        Self { store: Arc::new(store), own, schema }
    }

    async fn end(self, server: &Server) {
        self.own.close().await;
        server.drop_schema(&self.schema).await;
    }
}

/// A transaction, and where its tables are.
struct Begun(Transaction<'static, Postgres>, String);

#[async_trait]
impl Host for PostgresHost {
    type Store = PostgresStore;
    type Transaction = Begun;

    fn store(&self) -> &Arc<PostgresStore> {
        &self.store
    }

    async fn begin(&self) -> Begun {
        Begun(self.own.begin().await.unwrap(), self.schema.clone())
    }

    fn within<'a>(store: &'a PostgresStore, transaction: &'a mut Begun) -> Box<dyn Outbox + 'a> {
        Box::new(store.within(&mut transaction.0))
    }

    async fn disable(Begun(transaction, schema): &mut Begun) {
        let disable = format!("UPDATE {schema}.accounts SET enabled = false");
        sqlx::query(AssertSqlSafe(disable)).execute(&mut **transaction).await.unwrap();
    }

    async fn commit(transaction: Begun) {
        transaction.0.commit().await.unwrap();
    }

    async fn roll_back(transaction: Begun) {
        transaction.0.rollback().await.unwrap();
    }

    async fn is_enabled(&self) -> bool {
        let select = format!("SELECT enabled FROM {}.accounts", self.schema);
        sqlx::query_scalar(AssertSqlSafe(select)).fetch_one(&self.own).await.unwrap()
    }

    async fn rows(&self) -> i64 {
        let schema = &self.schema;
        let count = format!(
            "SELECT (SELECT count(*) FROM {schema}.ssf_events) \
             + (SELECT count(*) FROM {schema}.ssf_entries) \
             + (SELECT count(*) FROM {schema}.ssf_emissions)"
        );
        sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&self.own).await.unwrap()
    }
}
