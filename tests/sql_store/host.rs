//! Transactions of a host that keeps its tables in the same SQLite file.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Sqlite, SqlitePool, Transaction};
use ssf_transmitter::store::Outbox;
use ssf_transmitter::store::sqlite::SqliteStore;

use crate::scenarios::{self, Host};
use crate::world::Folder;

struct SqliteHost {
    store: Arc<SqliteStore>,
    own: SqlitePool,
    _folder: Folder,
}

impl SqliteHost {
    async fn new() -> Self {
        let folder = Folder::new();
        let store = Arc::new(folder.open().await);
        let options = SqliteConnectOptions::new().filename(folder.file());
        let options = options.busy_timeout(Duration::from_secs(5));
        let own = SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
        let accounts = "CREATE TABLE accounts (enabled INTEGER); INSERT INTO accounts VALUES (1)";
        sqlx::raw_sql(accounts).execute(&own).await.unwrap();
        Self { store, own, _folder: folder }
    }
}

#[async_trait]
impl Host for SqliteHost {
    type Store = SqliteStore;
    type Transaction = Transaction<'static, Sqlite>;

    fn store(&self) -> &Arc<SqliteStore> {
        &self.store
    }

    async fn begin(&self) -> Self::Transaction {
        self.own.begin_with("BEGIN IMMEDIATE").await.unwrap()
    }

    fn within<'a>(
        store: &'a SqliteStore,
        transaction: &'a mut Self::Transaction,
    ) -> Box<dyn Outbox + 'a> {
        Box::new(store.within(transaction))
    }

    async fn disable(transaction: &mut Self::Transaction) {
        let disable = sqlx::query("UPDATE accounts SET enabled = 0");
        disable.execute(&mut **transaction).await.unwrap();
    }

    async fn commit(transaction: Self::Transaction) {
        transaction.commit().await.unwrap();
    }

    async fn roll_back(transaction: Self::Transaction) {
        transaction.rollback().await.unwrap();
    }

    async fn is_enabled(&self) -> bool {
        sqlx::query_scalar("SELECT enabled FROM accounts").fetch_one(&self.own).await.unwrap()
    }

    async fn rows(&self) -> i64 {
        let count = "SELECT (SELECT count(*) FROM ssf_events) \
            + (SELECT count(*) FROM ssf_entries) + (SELECT count(*) FROM ssf_emissions)";
        sqlx::query_scalar(count).fetch_one(&self.own).await.unwrap()
    }
}

#[tokio::test]
async fn rolled_back_leaves_no_trace() {
    scenarios::rolled_back_leaves_no_trace(&SqliteHost::new().await).await;
}

#[tokio::test]
async fn committed_is_delivered() {
    scenarios::committed_is_delivered(&SqliteHost::new().await).await;
}

#[tokio::test]
async fn an_unclear_commit_that_is_retried_yields_one_event() {
    scenarios::an_unclear_commit_that_is_retried_yields_one_event(&SqliteHost::new().await).await;
}

#[tokio::test]
async fn a_failed_append_leaves_the_transaction_as_it_was() {
    scenarios::a_failed_append_leaves_the_transaction_as_it_was(&SqliteHost::new().await).await;
}
