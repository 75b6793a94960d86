//! Identity lifecycle: which change of an identity means which events.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod documents;
mod histories;
mod monitor;
mod properties;
mod sources;
mod templates;
mod world;
