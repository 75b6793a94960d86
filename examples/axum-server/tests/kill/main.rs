//! Servers over one database are killed at random moments, 200 times in all, and every SET still
//! arrives: at the right receiver, in order per subject, again only when a process was killed while
//! it sent it, and then under the same `jti`.
//!
//! `KILLS` says how often, `KILL_SEED` when.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod chance;
mod emitters;
mod fleet;
mod pollers;
mod receiver;
mod verdict;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cases, Server};
use ssf_transmitter::id::Issuer;
use ssf_transmitter::store::postgres::{PostgresOptions, PostgresStore};
use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};
use ssf_transmitter::store::{OperatorStore, Totals};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::chance::Chance;
use crate::emitters::Emitters;
use crate::fleet::{Fleet, ISSUER, POLLED};
use crate::pollers::Poller;
use crate::receiver::Receiver;

/// How long the rest may take to arrive when nobody is killed any more.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    Cases::new()
        .with("two_servers_over_postgres_are_killed_and_every_set_arrives", postgres)
        .without_server("a_server_over_sqlite_is_killed_and_every_set_arrives", sqlite)
        .main()
}

/// How often, if not as often as usual.
fn kills(of_two_hundred: u32) -> u32 {
    let all: u32 = env::var("KILLS").map_or(200, |kills| kills.parse().unwrap());
    all * of_two_hundred / 200
}

async fn postgres(server: Arc<Server>) {
    let (schema, folder) = (server.new_schema(), folder("postgres"));
    let url = server.url_in(&schema).await;
    let store = format!("--store={url}");
    let keys = format!("--signing-key={}", folder.join("keys.json").display());
    let (run, mut fleet) = live(&[&store, &keys], 2, kills(140)).await;
    fleet.stop().await;
    let store = PostgresStore::open(&url, PostgresOptions::default()).await.unwrap();
    run.judge(totals(&store).await);
    server.drop_schema(&schema).await;
    std::fs::remove_dir_all(folder).unwrap();
}

async fn sqlite() {
    let folder = folder("sqlite");
    let path = folder.join("transmitter.db");
    let store = format!("--store=sqlite:{}", path.display());
    let (run, mut fleet) = live(&[&store], 1, kills(60)).await;
    fleet.stop().await;
    let store = SqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
    run.judge(totals(&store).await);
    std::fs::remove_dir_all(folder).unwrap();
}

fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("ssf-kill-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn totals(store: &impl OperatorStore) -> Totals {
    store.totals(&Issuer::parse(ISSUER).unwrap()).await.unwrap()
}

/// Lets so many servers live and be killed, until all that was emitted has arrived.
async fn live(flags: &[&str], servers: usize, kills: u32) -> (verdict::Run, Fleet) {
    let mut chance = Chance::new();
    let receiver = Receiver::start().await;
    let mut fleet = Fleet::start(flags, servers).await;
    let streams = fleet.create_streams(&receiver).await;
    let (stop, stopped) = watch::channel(false);
    let emitters = Emitters::start(&fleet);
    let poll = |(client, stream)| Poller::start(&fleet, client, stream, &stopped);
    let pollers: Vec<_> = POLLED
        .into_iter()
        .zip(&streams)
        .map(|(client, stream)| poll((client, stream.as_str())))
        .collect();
    for _ in 0..kills {
        sleep(chance.between(Duration::from_millis(200), Duration::from_millis(1_400))).await;
        fleet.kill(chance.below(servers)).await;
    }
    sleep(Duration::from_millis(500)).await;
    let emitted = emitters.stop().await;
    // All arrive, and then nothing that has arrived comes again.
    let all = async {
        while !receiver.has(&emitted) || !pollers.iter().all(|poller| poller.is_done(&emitted)) {
            sleep(Duration::from_millis(100)).await;
        }
        fleet.until_nothing_waits().await;
    };
    let arrived = timeout(PATIENCE, all).await;
    let settled = Duration::from_secs(3);
    sleep(settled).await;
    stop.send_replace(true);
    let polled = pollers.into_iter().map(Poller::polled).collect();
    let run = verdict::Run { emitted, pushed: receiver.pushed(), polled, kills: fleet.kills() };
    assert!(arrived.is_ok(), "not all arrived: {}", run.missing());
    (run, fleet)
}
