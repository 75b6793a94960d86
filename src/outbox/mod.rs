//! The rules of the outbox: what may leave when, what an outcome means, who waits how long.
//!
//! Everything here is a function of its arguments. [`decide`] is the one place that decides what
//! happens to a SET after an attempt; [`Health::record`] the one that decides when a stream is
//! tried again.

mod backoff;
mod decide;
mod entry;
mod health;
mod outcome;
mod policy;

pub use backoff::{Backoff, Jitter};
pub use decide::{Attempt, Decision, Fate, StreamReport, decide};
pub use entry::{DeadLetterReason, Fence, KeptToken, Lane, PollError, may_leave};
pub use health::{Breaker, BreakerPolicy, Health, StreamError, Verdict};
pub(crate) use outcome::clean;
pub use outcome::{Answer, Outcome, RetryAfter, TransportFailure};
pub use policy::{Action, Matches, OutcomePolicy, Row};
