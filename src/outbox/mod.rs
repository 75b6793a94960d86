//! The rules of the outbox: what may leave when, what an outcome means, who waits how long.
//!
//! Everything here is a function of its arguments. [`decide`] is the one place that decides what
//! happens to a SET after an attempt, [`Life::after`] what that and all else makes of its entry, and
//! [`Health::record`] when a stream is tried again.

mod backoff;
mod dead;
mod decide;
mod due;
mod echo;
mod entry;
mod health;
mod held;
mod http_date;
mod life;
mod outcome;
mod places;
mod policy;

pub use backoff::{Backoff, Jitter};
pub use dead::{DeadLetterKind, DeadLetterReason, Revival, revival};
pub use decide::{Attempt, Decision, Fate, StreamReport, decide};
pub(crate) use due::{Backlog, Due, Sender, Waiting};
pub(crate) use echo::Echo;
pub use entry::{Fence, KeptToken, Lane, PollError, may_leave};
pub use health::{Breaker, BreakerPolicy, Health, RoundTrip, StreamError, Verdict};
pub use held::{BeyondLimit, Held, HeldLimits, holds};
pub use life::{Discard, End, Happening, Life, Signature, State, Step};
pub(crate) use outcome::clean;
pub use outcome::{Answer, Hindrance, Outcome, RetryAfter, TransportFailure};
pub use places::{Pace, PlaceLimits, Places};
pub use policy::{Action, Matches, OutcomePolicy, Row};

pub use crate::stream::HeldLimit;
