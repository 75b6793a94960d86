//! RISC 1.0 §2.11: what only older transmitters send.

#![expect(deprecated, reason = "this is where the deprecated event is defined")]

use super::bare_event;

bare_event! {
    /// All sessions of the account were revoked (RISC 1.0 §2.11).
    #[deprecated(note = "new transmitters must send `caep::SessionRevoked` (RISC 1.0 §2.11)")]
    SessionsRevoked = SESSIONS_REVOKED;
}
