//! A clock that moves when it is told to.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{Clock, Slept};
use crate::timestamp::Timestamp;

/// A [`Clock`] that stands still until it is moved. Clones are handles of the same clock. Sleeping
/// works in any executor.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    /// The number of the last sleeper.
    last: u64,
    sleepers: BTreeMap<u64, Sleeper>,
}

#[derive(Debug)]
struct Sleeper {
    until: Timestamp,
    waker: Waker,
}

impl VirtualClock {
    /// A clock that stands at that time.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State { now, last: 0, sleepers: BTreeMap::new() })))
    }

    /// Moves the clock later and wakes every sleeper whose time has come.
    pub fn advance(&self, by: Duration) {
        self.step(|now| now.after(by));
    }

    /// Moves the clock to that time, which may be earlier, and wakes every sleeper whose time has
    /// come.
    pub fn set(&self, now: Timestamp) {
        self.step(|_| now);
    }

    /// When the next sleeper wants to wake, later than now; `None` when nobody does. A sleeper
    /// counts once its future was polled and until it is dropped or its time has come.
    #[must_use]
    pub fn next_sleep(&self) -> Option<Timestamp> {
        let state = self.state();
        let times = state.sleepers.values().map(|sleeper| sleeper.until);
        times.filter(|until| *until > state.now).min()
    }

    fn step(&self, to: impl FnOnce(Timestamp) -> Timestamp) {
        let due: Vec<Waker> = {
            let mut state = self.state();
            state.now = to(state.now);
            let due = state.sleepers.values().filter(|sleeper| sleeper.until <= state.now);
            due.map(|sleeper| sleeper.waker.clone()).collect()
        };
        // Without the lock: a waker may run its task at once.
        due.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    async fn sleep_until(&self, until: Timestamp) -> Slept {
        Sleep { clock: self, until, number: None }.await
    }
}

struct Sleep<'a> {
    clock: &'a VirtualClock,
    until: Timestamp,
    /// Its number among the sleepers, once it is one.
    number: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = Slept;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Slept> {
        let until = self.until;
        let mut state = self.clock.state();
        if until <= state.now {
            return Poll::Ready(Slept::Reached);
        }
        let number = self.number.unwrap_or_else(|| {
            state.last += 1;
            state.last
        });
        let replaced = state.sleepers.insert(number, Sleeper { until, waker: cx.waker().clone() });
        drop(state);
        // Without the lock: the last waker of a task drops the task, which may hold a sleep.
        drop(replaced);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let removed = self.clock.state().sleepers.remove(&number);
            // Without the lock, as above.
            drop(removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn it_stands_still_until_it_is_moved() {
        let clock = VirtualClock::new(at(100));
        assert_eq!((clock.now(), clock.now()), (at(100), at(100)));
        clock.clone().advance(Duration::from_secs(5));
        assert_eq!(clock.now(), at(105));
        clock.set(at(7));
        assert_eq!(clock.now(), at(7));
    }

    #[test]
    fn a_sleeper_is_woken_when_its_time_has_come_and_not_before() {
        let clock = VirtualClock::new(at(100));
        let counter = Arc::new(Counter::default());
        let waker = Waker::from(counter.clone());
        let mut cx = Context::from_waker(&waker);
        let mut sleep = pin!(clock.sleep_until(at(110)));
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Pending);
        clock.advance(Duration::from_millis(9_999));
        assert_eq!(counter.0.load(Ordering::Relaxed), 0);
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Pending);
        clock.advance(Duration::from_millis(1));
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Ready(Slept::Reached));
    }

    #[test]
    fn a_time_that_has_come_already_needs_no_sleep() {
        let clock = VirtualClock::new(at(100));
        let mut cx = Context::from_waker(Waker::noop());
        let mut sleep = pin!(clock.sleep_until(at(100)));
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Ready(Slept::Reached));
    }

    #[test]
    fn the_next_sleep_is_the_earliest_and_a_dropped_one_leaves_nothing_behind() {
        let clock = VirtualClock::new(at(100));
        let mut cx = Context::from_waker(Waker::noop());
        let mut late = Box::pin(clock.sleep_until(at(120)));
        let mut early = Box::pin(clock.sleep_until(at(110)));
        assert_eq!(clock.next_sleep(), None);
        assert_eq!(late.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(early.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(early.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(clock.next_sleep(), Some(at(110)));
        drop(early);
        assert_eq!(clock.next_sleep(), Some(at(120)));
        clock.set(at(120));
        assert_eq!(clock.next_sleep(), None);
        assert_eq!(late.as_mut().poll(&mut cx), Poll::Ready(Slept::Reached));
        drop(late);
        assert_eq!(clock.next_sleep(), None);
    }
}
