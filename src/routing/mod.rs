//! Which stream gets which event: matching of subjects, order keys (SSF 1.0 §8.1.3.1).

mod index;

pub use index::SubjectIndex;
