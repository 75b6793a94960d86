//! The clock port, and the one place that reads the system's.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::timestamp::Timestamp;

/// Where the library gets the time from. It is read once per public operation; rules and stores
/// get the time as an argument.
///
/// # Contract
/// 1. `now` never blocks.
/// 2. `now` may go backwards; nothing breaks, things only happen later.
/// 3. `sleep_until` returns [`Slept::Reached`] no earlier than `now` would say `until`.
/// 4. A clock that cannot sleep returns [`Slept::Unsupported`] at once. A transmitter over it
///    answers every poll at once.
/// 5. Dropping the future of `sleep_until` ends the sleep and leaves nothing behind.
///
/// # Example
/// ```
/// use ssf_transmitter::clock::{Clock, Slept};
/// use ssf_transmitter::timestamp::Timestamp;
///
/// /// A clock that stands still.
/// #[derive(Debug)]
/// struct Stopped(Timestamp);
///
/// #[async_trait::async_trait]
/// impl Clock for Stopped {
///     fn now(&self) -> Timestamp {
///         self.0
///     }
///     async fn sleep_until(&self, _until: Timestamp) -> Slept {
///         Slept::Unsupported
///     }
/// }
/// ```
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Waits until that time.
    async fn sleep_until(&self, until: Timestamp) -> Slept;
}

#[async_trait]
impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    async fn sleep_until(&self, until: Timestamp) -> Slept {
        (**self).sleep_until(until).await
    }
}

#[async_trait]
impl<T: Clock + ?Sized> Clock for Box<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    async fn sleep_until(&self, until: Timestamp) -> Slept {
        (**self).sleep_until(until).await
    }
}

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slept {
    /// The time has come.
    Reached,
    /// This clock cannot sleep.
    Unsupported,
}

/// The system's clock. It cannot sleep: for that it needs a runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The system's time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn read() -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Self::read()
    }

    async fn sleep_until(&self, _until: Timestamp) -> Slept {
        Slept::Unsupported
    }
}
