//! A rate limiter in the memory of this process: so many requests per receiver and operation.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;

use super::{Admission, RateLimiter};
use crate::id::Owner;
use crate::protocol::Operation;
use crate::timestamp::Timestamp;

/// So many requests in so much time, per receiver and operation: at once, if need be, and then one
/// more whenever its part of the time has passed (the generic cell rate algorithm). Several
/// processes count each for itself.
pub struct Quota {
    cells: governor::RateLimiter<Cell, HashMapStateStore<Cell>, Elapsed, Middleware>,
    elapsed: Elapsed,
    state: Mutex<State>,
}

type Cell = (Owner, Operation);
type Middleware = NoOpMiddleware<Duration>;

/// The time that has passed since the first request, in milliseconds.
#[derive(Clone, Debug, Default)]
struct Elapsed(Arc<AtomicU64>);

impl Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Acquire))
    }
}

#[derive(Debug)]
struct State {
    /// The time of the last request.
    last: Option<Timestamp>,
    /// With so many cells, those that are full again are forgotten.
    tidy_at: usize,
}

/// Fewer cells than this are not worth tidying.
const FEW: usize = 1024;

impl Quota {
    /// So many `requests` in the time `per`. `None`: the time is too short to be divided so.
    #[must_use]
    pub fn new(requests: NonZeroU32, per: Duration) -> Option<Self> {
        let each = per / requests.get();
        let quota = governor::Quota::with_period(each)?.allow_burst(requests);
        let elapsed = Elapsed::default();
        let cells = governor::RateLimiter::hashmap_with_clock(quota, elapsed.clone());
        let state = Mutex::new(State { last: None, tidy_at: FEW });
        Some(Self { cells, elapsed, state })
    }

    /// Lets time pass up to `now`. A clock that is set forward and back again grants some requests
    /// and refuses none.
    fn pass(&self, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = state.last.map_or(Duration::ZERO, |last| now.since(last));
        state.last = Some(now);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        self.elapsed.0.fetch_add(millis, Ordering::AcqRel);
        if self.cells.len() >= state.tidy_at {
            self.cells.retain_recent();
            state.tidy_at = FEW.max(2 * self.cells.len());
        }
    }
}

#[async_trait]
impl RateLimiter for Quota {
    async fn admit(&self, owner: &Owner, operation: Operation, now: Timestamp) -> Admission {
        self.pass(now);
        match self.cells.check_key(&(owner.clone(), operation)) {
            Ok(()) => Admission::Admitted,
            Err(not_yet) => Admission::RetryAfter(not_yet.wait_time_from(self.elapsed.now())),
        }
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota").field("cells", &self.cells.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::id::{ClientId, TenantId};

    fn owner(client: &str) -> Owner {
        Owner::new(TenantId::parse("t").unwrap(), ClientId::parse(client).unwrap())
    }

    fn quota(requests: u32, per: Duration) -> Quota {
        Quota::new(NonZeroU32::new(requests).unwrap(), per).unwrap()
    }

    fn ask(quota: &Quota, client: &str, operation: Operation, millis: i64) -> Admission {
        let (owner, now) = (owner(client), Timestamp::from_millis(millis));
        let mut admission = pin!(quota.admit(&owner, operation, now));
        match admission.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(admission) => admission,
            Poll::Pending => panic!("it waits for nothing"),
        }
    }

    fn retry_after(millis: u64) -> Admission {
        Admission::RetryAfter(Duration::from_millis(millis))
    }

    #[test]
    fn so_many_requests_come_at_once_and_then_one_whenever_its_part_of_the_time_has_passed() {
        let quota = quota(4, Duration::from_secs(2));
        for _ in 0..4 {
            assert_eq!(ask(&quota, "a", Operation::Poll, 1000), Admission::Admitted);
        }
        assert_eq!(ask(&quota, "a", Operation::Poll, 1000), retry_after(500));
        assert_eq!(ask(&quota, "a", Operation::Poll, 1499), retry_after(1));
        assert_eq!(ask(&quota, "a", Operation::Poll, 1500), Admission::Admitted);
        assert_eq!(ask(&quota, "a", Operation::Poll, 1500), retry_after(500));
        for _ in 0..4 {
            assert_eq!(ask(&quota, "a", Operation::Poll, 3500), Admission::Admitted);
        }
    }

    #[test]
    fn every_receiver_and_operation_counts_for_itself() {
        let quota = quota(1, Duration::from_secs(1));
        for client in ["a", "b"] {
            for operation in [Operation::Poll, Operation::Verify] {
                assert_eq!(ask(&quota, client, operation, 0), Admission::Admitted);
                assert_eq!(ask(&quota, client, operation, 0), retry_after(1000));
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_there_and_back_locks_nobody_out() {
        let quota = quota(1, Duration::from_secs(1));
        assert_eq!(ask(&quota, "a", Operation::Poll, 0), Admission::Admitted);
        assert_eq!(ask(&quota, "a", Operation::Poll, 1_000_000_000), Admission::Admitted);
        assert_eq!(ask(&quota, "a", Operation::Poll, 10), retry_after(1000));
        assert_eq!(ask(&quota, "a", Operation::Poll, 1010), Admission::Admitted);
    }

    #[test]
    fn receivers_that_are_quiet_are_forgotten() {
        let quota = quota(1, Duration::from_secs(1));
        for nth in 0..FEW {
            ask(&quota, &nth.to_string(), Operation::Poll, 0);
        }
        assert_eq!(quota.cells.len(), FEW);
        ask(&quota, "late", Operation::Poll, 60_000);
        assert_eq!(quota.cells.len(), 1);
    }

    #[test]
    fn a_time_that_cannot_be_divided_is_no_quota() {
        assert!(Quota::new(NonZeroU32::MAX, Duration::from_nanos(1)).is_none());
    }
}
