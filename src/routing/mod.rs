//! Which stream gets which event: matching of subjects, order keys (SSF 1.0 §8.1.3.1).
//!
//! [`includes`], [`excludes`] and [`selects`] are the rules; [`SubjectIndex`] answers the same
//! questions for many streams at once, by the [`keys`] that any store can use.

mod explain;
mod index;
pub mod keys;
mod matches;
mod order_key;
mod pattern;
mod postings;

pub use explain::{Explanation, Interest, StoppedBy, explain};
pub use index::SubjectIndex;
pub use matches::{excludes, includes, selects};
pub use order_key::order_key;
