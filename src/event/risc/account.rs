//! RISC 1.0 §2.1 to §2.4, §2.7, §2.9, §2.10: accounts and what gives access to them.

use super::bare_event;
use crate::event::caep::CredentialType;
use crate::event::define::{event, open_list};
use crate::event::{EventTimestamp, LocalizedText};

bare_event! {
    /// The account was required to change a credential (RISC 1.0 §2.1).
    AccountCredentialChangeRequired = ACCOUNT_CREDENTIAL_CHANGE_REQUIRED;
}

bare_event! {
    /// The account was deleted for good (RISC 1.0 §2.2).
    AccountPurged = ACCOUNT_PURGED;
}

open_list! {
    /// Why an account was disabled (RISC 1.0 §2.3 `reason`).
    DisabledReason {
        /// Somebody else had taken it over.
        Hijacking = "hijacking",
        /// It was one of many made for abuse.
        BulkAccount = "bulk-account",
    }
}

event! {
    /// The account was disabled (RISC 1.0 §2.3). It may be enabled again.
    #[derive(Default)]
    AccountDisabled = ACCOUNT_DISABLED;
    /// The event with no members yet.
    fn new;
    required {}
    optional {
        /// Why.
        reason, with_reason: DisabledReason = "reason";
    }
}

bare_event! {
    /// The account was enabled (RISC 1.0 §2.4).
    AccountEnabled = ACCOUNT_ENABLED;
}

event! {
    /// A credential of the subject was found to be compromised (RISC 1.0 §2.7).
    CredentialCompromise = CREDENTIAL_COMPROMISE;
    /// The event with its required members.
    fn new;
    required {
        /// The kind of the credential.
        credential_type: CredentialType = "credential_type";
    }
    optional {
        /// When the transmitter discovered it, not when it happened.
        event_timestamp, with_event_timestamp: EventTimestamp = "event_timestamp";
        /// Why the event was made, for administrators.
        reason_admin, with_reason_admin: LocalizedText = "reason_admin";
        /// Why the event was made, for end users.
        reason_user, with_reason_user: LocalizedText = "reason_user";
    }
}

bare_event! {
    /// The user started to recover the account (RISC 1.0 §2.9).
    RecoveryActivated = RECOVERY_ACTIVATED;
}

bare_event! {
    /// What the account can be recovered with changed, such as an email address (RISC 1.0 §2.10).
    RecoveryInformationChanged = RECOVERY_INFORMATION_CHANGED;
}
