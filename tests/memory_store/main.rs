//! The contract of the store port, sentence by sentence, held against the store in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod all_faces;
mod bench;
mod operator;
mod outbox;
mod polled;
mod random;
mod receiver;
mod routing;
mod worker;
mod worker_breaker;
mod worker_places;
