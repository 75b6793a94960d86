//! RISC 1.0 §2.5, §2.6: identifiers that change or change hands.
//!
//! The subject is the identifier itself. The text of RISC says `phone`; the registered name of that
//! format is `phone_number` (RFC 9493 §3.2.5), and no other is taken.

use crate::event::define::event;

event! {
    /// The identifier that is the subject, in its old value, changed (RISC 1.0 §2.5). Only the
    /// provider of the identifier should say so; others send
    /// [`RecoveryInformationChanged`](super::RecoveryInformationChanged).
    #[derive(Default)]
    IdentifierChanged = IDENTIFIER_CHANGED;
    /// The event with no members yet.
    fn new;
    subject ["email", "phone_number"];
    required {}
    optional {
        /// The new value of the identifier.
        new_value, with_new_value: String = "new-value";
    }
}

event! {
    /// The identifier that is the subject belongs to a new user (RISC 1.0 §2.6).
    #[derive(Default)]
    IdentifierRecycled = IDENTIFIER_RECYCLED;
    /// The event, which has no members.
    fn new;
    subject ["email", "phone_number"];
    required {}
    optional {}
}
