//! An account is disabled and its sessions are revoked in one transaction of the host's own SQLite
//! file: when it rolls back, nothing of either has happened; when it commits, a receiver hears of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Sqlite, SqlitePool, Transaction};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{
    Audience, ClientId, IdempotencyKey, Issuer, KeyId, Owner, Scope, TenantId,
};
use ssf_transmitter::protocol::{CreateStream, PollRequest, RequestedDelivery, Wait};
use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};
use ssf_transmitter::transmitter::Emission;
use ssf_transmitter::{
    Algorithm, Caller, Event, LocalKeys, SigningKey, SimpleSubject, TokioClock, Transmitter,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("ssf-transaction-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let ended = run(&folder.join("host.db")).await;
    std::fs::remove_dir_all(&folder)?;
    ended
}

async fn run(file: &Path) -> Result<()> {
    // One file for the host's tables and the transmitter's, which begin with `ssf_`.
    let store = Arc::new(SqliteStore::open(file, SqliteOptions::default()).await?);
    let host = Host::open(file, store).await?;

    // A receiver that polls.
    let owner = Owner::new(TenantId::parse("default")?, ClientId::parse("receiver")?);
    let audience = Audience::parse("https://receiver.example")?;
    let caller = Caller::new(owner, audience, [Scope::parse("ssf.manage")?]);
    let receivers = host.transmitter.receivers();
    let stream = CreateStream::new(RequestedDelivery::Poll);
    let stream = receivers.create_stream(&caller, stream).await?.stream_id;
    let heard = async || -> Result<usize> {
        let mut poll = PollRequest::default();
        poll.wait = Wait::Not;
        Ok(receivers.poll(&caller, &stream, poll).await?.sets.len())
    };

    // The host thinks again: the account stays, and nobody hears of anything.
    let (transaction, _) = host.disable("jane@example.com", "ticket-1").await?;
    transaction.rollback().await?;
    println!("rolled back: enabled {}, SETs {}", host.is_enabled().await?, heard().await?);

    // This time it means it.
    let (transaction, emission) = host.disable("jane@example.com", "ticket-1").await?;
    transaction.commit().await?;
    host.transmitter.wake(&emission);
    println!("committed: enabled {}, SETs {}", host.is_enabled().await?, heard().await?);
    Ok(())
}

/// A service with accounts, and a transmitter in it.
struct Host {
    accounts: SqlitePool,
    store: Arc<SqliteStore>,
    transmitter: Transmitter,
}

impl Host {
    async fn open(file: &Path, store: Arc<SqliteStore>) -> Result<Self> {
        // Connections of the host's own: it waits for the transmitter's short transactions, and they
        // for its own.
        let options =
            SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(5));
        let accounts = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        sqlx::raw_sql("CREATE TABLE accounts (email TEXT PRIMARY KEY, enabled INTEGER NOT NULL)")
            .execute(&accounts)
            .await?;
        sqlx::query("INSERT INTO accounts VALUES ($1, 1)")
            .bind("jane@example.com")
            .execute(&accounts)
            .await?;
        let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("transaction")?)?;
        let issuer = Issuer::parse("https://tr.example.com")?;
        let builder = Transmitter::builder(issuer, Arc::clone(&store), LocalKeys::new(key));
        Ok(Self { accounts, store, transmitter: builder.with_clock(TokioClock).build()? })
    }

    /// Disables an account, and says that its sessions end. Neither has happened before the
    /// transaction commits. When a commit is unclear, the same again does no harm: under its
    /// idempotency key the event is emitted once.
    async fn disable(
        &self,
        email: &str,
        ticket: &str,
    ) -> Result<(Transaction<'static, Sqlite>, Emission)> {
        // IMMEDIATE takes the lock of the file at once: one that begins by reading may find that
        // somebody else has written since, and would have to begin again.
        let mut transaction = self.accounts.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("UPDATE accounts SET enabled = 0 WHERE email = $1")
            .bind(email)
            .execute(&mut *transaction)
            .await?;
        let event = Event::new(types::session_revoked(), SimpleSubject::email(email)?)
            .with_member("initiating_entity", "admin")
            .with_idempotency_key(IdempotencyKey::parse(ticket)?);
        let mut outbox = self.store.within(&mut transaction);
        let emission = self.transmitter.emit_in(&mut outbox, event).await?;
        drop(outbox);
        Ok((transaction, emission))
    }

    async fn is_enabled(&self) -> Result<bool> {
        let enabled = sqlx::query_scalar("SELECT enabled FROM accounts");
        Ok(enabled.fetch_one(&self.accounts).await?)
    }
}
