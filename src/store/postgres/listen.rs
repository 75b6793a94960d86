//! How a process hears that another emitted something: `LISTEN`, on a connection of its own.
//!
//! It is tested when it begins and then at an interval, by a notification to itself through the pool
//! that the statements go through. While it does not work nobody relies on it: whoever waits is told
//! that the store cannot tell, and looks at an interval.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::store::{Change, ChangeMark};

/// How often it is tested.
const TEST_EVERY: Duration = Duration::from_secs(30);
/// How long a test may take.
const TEST_WITHIN: Duration = Duration::from_secs(5);
/// How long after a failure the next attempt is made.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What was heard, and who waits to hear.
#[derive(Clone, Debug)]
pub(super) struct Wakes(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    count: AtomicU64,
    alive: AtomicBool,
    changed: Notify,
}

impl Wakes {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Whether what others do is heard.
    pub(super) fn are_alive(&self) -> bool {
        self.0.alive.load(Ordering::Acquire)
    }

    pub(super) fn mark(&self) -> ChangeMark {
        ChangeMark(self.0.count.load(Ordering::Acquire))
    }

    pub(super) async fn wait(&self, since: ChangeMark) -> Change {
        loop {
            // Registered before the look: what is heard in between ends the wait.
            let changed = self.0.changed.notified();
            if self.mark() > since {
                return Change::Happened;
            }
            if !self.are_alive() {
                return Change::CannotTell;
            }
            changed.await;
        }
    }

    fn hear(&self) {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        self.0.changed.notify_waiters();
    }

    /// A test went well. What happened before it may have been missed, so everybody looks once.
    fn works(&self) {
        self.0.alive.store(true, Ordering::Release);
        self.hear();
    }

    /// From now on it is not heard.
    fn end(&self) -> bool {
        let was = self.0.alive.swap(false, Ordering::AcqRel);
        self.0.changed.notify_waiters();
        was
    }
}

/// The task that listens; dropping it ends it.
#[derive(Debug)]
pub(super) struct Ears(JoinHandle<()>);

impl Drop for Ears {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Ears {
    /// Listens on a channel, until it is dropped.
    pub(super) fn open(
        connect: PgConnectOptions,
        pool: PgPool,
        channel: String,
        wakes: &Wakes,
    ) -> Self {
        let listening = Listening { connect, pool, channel, wakes: wakes.clone() };
        Self(tokio::spawn(listening.forever()))
    }
}

struct Listening {
    connect: PgConnectOptions,
    /// What the notifications of this process go through.
    pool: PgPool,
    channel: String,
    wakes: Wakes,
}

/// Why nothing is heard.
#[derive(Debug, thiserror::Error)]
enum Deaf {
    #[error("the database cannot be listened to")]
    Driver(#[from] sqlx::Error),
    #[error("a notification to itself did not come back")]
    NothingHeard,
}

impl Listening {
    async fn forever(self) {
        let mut told = false;
        loop {
            let Err(deaf) = self.listen(&mut told).await;
            // Said once, and again when it worked meanwhile.
            if self.wakes.end() || !told {
                told = true;
                warn(&deaf);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Listens until it does not work any more.
    async fn listen(&self, told: &mut bool) -> Result<std::convert::Infallible, Deaf> {
        // A pool of its own: the listener holds its connection for good.
        let own = PoolOptions::new().max_connections(1).acquire_timeout(TEST_WITHIN);
        let own = own.connect_with(self.connect.clone()).await?;
        let mut listener = PgListener::connect_with(&own).await?;
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        loop {
            self.test(&mut listener).await?;
            self.wakes.works();
            *told = false;
            if let Ok(deaf) = timeout(TEST_EVERY, self.hear_on(&mut listener)).await {
                return Err(deaf);
            }
        }
    }

    /// Hears until nothing is heard any more, and says why.
    async fn hear_on(&self, listener: &mut PgListener) -> Deaf {
        loop {
            if let Err(deaf) = self.hear(listener).await {
                return deaf;
            }
        }
    }

    /// Hears one notification and returns what it says; that of an emission says nothing.
    async fn hear(&self, listener: &mut PgListener) -> Result<String, Deaf> {
        let heard = listener.try_recv().await?.ok_or(Deaf::NothingHeard)?;
        if heard.payload().is_empty() {
            self.wakes.hear();
        }
        Ok(heard.payload().to_owned())
    }

    /// Whether a notification comes back that goes out as those of emissions do.
    async fn test(&self, listener: &mut PgListener) -> Result<(), Deaf> {
        let test = async {
            let draw = sqlx::query_scalar("SELECT gen_random_uuid()::text");
            let question: String = draw.fetch_one(&self.pool).await?;
            let ask = sqlx::query("SELECT pg_notify($1, $2)").bind(&self.channel).bind(&question);
            ask.execute(&self.pool).await?;
            while self.hear(listener).await? != question {}
            Ok(())
        };
        timeout(TEST_WITHIN, test).await.unwrap_or(Err(Deaf::NothingHeard))
    }
}

#[cfg(feature = "tracing")]
fn warn(deaf: &Deaf) {
    tracing::warn!(
        error = deaf as &dyn std::error::Error,
        "not told of what other processes emit; looking at an interval"
    );
}

#[cfg(not(feature = "tracing"))]
const fn warn(_: &Deaf) {}
