//! The clocks of the processes: each is some way ahead of the true time, or behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use ssf_transmitter::clock::{Clock, Slept};
use ssf_transmitter::testkit::VirtualClock;
use ssf_transmitter::timestamp::Timestamp;

/// The clock of one process.
#[derive(Clone, Debug)]
pub(crate) struct ProcessClock {
    truth: VirtualClock,
    /// By how many milliseconds it is ahead of the true time.
    ahead: Arc<AtomicI64>,
}

impl ProcessClock {
    pub(crate) fn new(truth: VirtualClock) -> Self {
        Self { truth, ahead: Arc::new(AtomicI64::new(0)) }
    }

    /// Somebody sets the clock.
    pub(crate) fn set_ahead(&self, millis: i64) {
        self.ahead.store(millis, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::Relaxed);
        Timestamp::from_millis(self.truth.now().as_millis() + ahead)
    }

    async fn sleep_until(&self, until: Timestamp) -> Slept {
        while self.now() < until {
            let ahead = self.ahead.load(Ordering::Relaxed);
            let truly = Timestamp::from_millis(until.as_millis().saturating_sub(ahead));
            self.truth.sleep_until(truly).await;
        }
        Slept::Reached
    }
}

/// Lets everybody else go first, once.
pub(crate) async fn let_others_go_first() {
    let mut gone = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut gone, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
