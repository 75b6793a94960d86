//! The contract of stores, held against what ships and what broke. The store in PostgreSQL is in
//! `tests/postgres`, with what else needs a server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broken;
mod memory;
mod sqlite;
