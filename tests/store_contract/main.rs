//! The contract of stores, held against what ships and what broke.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broken;
mod memory;
