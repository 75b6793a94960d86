//! The contract of stores. All cases share the tables, as transmitters may: each has an issuer of
//! its own.

use std::sync::Arc;

use async_trait::async_trait;
use cluster::{Cases, Server};
use ssf_transmitter::store::postgres::{PostgresOptions, PostgresStore};
use ssf_transmitter::testkit::store::{self, Ended, LONGEST, StoreFactory, Task, too_long};

use crate::world::options;

/// The schema of all cases.
fn schema() -> String {
    format!("ssf_contract_{}", std::process::id())
}

pub(super) fn cases(cases: Cases) -> Cases {
    let cases = cases.sharing(schema());
    let cases = store::cases().into_iter().fold(cases, |cases, case| {
        cases.with(case.name(), move |server| async move {
            store::run(&Postgres { server }, &case, spawn).await;
        })
    });
    store::identity_cases().into_iter().fold(cases, |cases, case| {
        cases.with(case.name(), move |server| async move {
            store::run_identity(&Postgres { server }, &case, spawn).await;
        })
    })
}

#[derive(Debug)]
struct Postgres {
    server: Arc<Server>,
}

impl Postgres {
    fn options() -> PostgresOptions {
        let mut options = options(&schema());
        options.connections = 6;
        // Cases make up the time.
        options.clock_difference = None;
        options
    }
}

#[async_trait]
impl StoreFactory for Postgres {
    type Store = PostgresStore;
    type Guard = ();

    async fn open(&self) -> (PostgresStore, ()) {
        (PostgresStore::open(self.server.url(), Self::options()).await.unwrap(), ())
    }

    async fn beside(&self, (): &()) -> Option<PostgresStore> {
        Some(PostgresStore::open(self.server.url(), Self::options()).await.unwrap())
    }

    /// Each commit is on the disk before the next begins.
    fn histories(&self) -> u32 {
        4
    }
}

fn spawn(task: Task) -> Ended {
    let task = tokio::spawn(task);
    Box::pin(async move {
        match tokio::time::timeout(LONGEST, task).await {
            Ok(ended) => ended.map_err(|failed| failed.into_panic()),
            Err(_) => too_long(),
        }
    })
}
