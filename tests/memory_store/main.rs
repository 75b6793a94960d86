//! The store in memory: what it promises beyond the contract, and histories that try it harder than
//! the cases of the contract do (`tests/store_contract`).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench;
mod beyond;
mod routing;
