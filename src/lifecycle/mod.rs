//! Identity lifecycle: an identity changes, and conditions say which events that means.
//!
//! A host tells what its identities look like; [`Conditions`], read from a JSON document, say which
//! change means which event; [`evaluate`] is the whole of it, without I/O, clock or randomness.
//! `IdentityMonitor`, in the room `monitor`, keeps the last [`Snapshot`] of each identity and emits.
//!
#![doc = include_str!("../../docs/lifecycle.md")]

mod condition;
mod digest;
mod evaluate;
mod mistake;
mod observe;
mod path;
pub mod presets;
mod probe;
mod report;
pub mod scim;
mod snapshot;
mod template;
mod test;

pub use condition::{Conditions, SCHEMA};
pub use digest::{Digest, DigestKey, DigestKeyError};
pub use evaluate::{Planned, evaluate, plan};
pub use mistake::{DocumentProblem, Mistake, Mistakes};
pub use observe::{Known, Mode, Observation, observe};
pub use path::{AttributePath, PathError};
pub use report::{Report, ReportError, ReportProblem, State};
pub use snapshot::{Kept, Snapshot};
pub use template::{Of, TemplateError};
