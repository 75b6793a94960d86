//! What the example servers share, whatever framework they are written in: flags, signing keys,
//! receivers, the operator's API, log and metrics, start and stop. What is left to a server is its
//! adapter.

mod access;
mod admin;
mod app;
mod body;
mod event;
mod explain;
mod flags;
mod identities;
mod import;
mod keyfile;
mod letters;
mod run;
mod store;
mod telemetry;

pub use access::router;
pub use admin::Admin;
pub use app::App;
pub use body::read;
pub use flags::{Flags, Receiver};
pub use run::{GRACE, Stop, run, transmitter};
pub use store::Kept;
