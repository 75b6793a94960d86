//! What the stores in SQL databases promise beyond the contract of stores.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fan_out;
mod host;
mod identities;
mod leftovers;
#[path = "../support/reporters.rs"]
mod reporters;
#[path = "../support/host.rs"]
mod scenarios;
mod subjects;
mod world;
