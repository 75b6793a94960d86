//! Security Event Tokens: their claims and their JWS form (RFC 8417, SSF 1.0 §4).

mod claims;
mod jws;

pub use claims::{MAX_EVENT_BYTES, SetBody, SetError};
pub use jws::{Algorithm, HeaderSegment, SigningInput};
