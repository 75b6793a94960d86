//! The event types of CAEP 1.0, RISC 1.0 and SSF 1.0, by name.

use crate::id::EventType;

macro_rules! event_types {
    ($base:literal: $($(#[$doc:meta])* $name:ident = $suffix:literal;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name() -> EventType {
            EventType::trusted(concat!($base, $suffix))
        })*
    };
}

event_types! { "https://schemas.openid.net/secevent/caep/event-type/":
    /// CAEP 1.0 §3.1.
    session_revoked = "session-revoked";
    /// CAEP 1.0 §3.2.
    token_claims_change = "token-claims-change";
    /// CAEP 1.0 §3.3.
    credential_change = "credential-change";
    /// CAEP 1.0 §3.4.
    assurance_level_change = "assurance-level-change";
    /// CAEP 1.0 §3.5.
    device_compliance_change = "device-compliance-change";
    /// CAEP 1.0 §3.6.
    session_established = "session-established";
    /// CAEP 1.0 §3.7.
    session_presented = "session-presented";
    /// CAEP 1.0 §3.8.
    risk_level_change = "risk-level-change";
}

event_types! { "https://schemas.openid.net/secevent/risc/event-type/":
    /// RISC 1.0 §2, `account-credential-change-required`.
    account_credential_change_required = "account-credential-change-required";
    /// RISC 1.0 §2, `account-purged`.
    account_purged = "account-purged";
    /// RISC 1.0 §2, `account-disabled`.
    account_disabled = "account-disabled";
    /// RISC 1.0 §2, `account-enabled`.
    account_enabled = "account-enabled";
    /// RISC 1.0 §2, `identifier-changed`.
    identifier_changed = "identifier-changed";
    /// RISC 1.0 §2, `identifier-recycled`.
    identifier_recycled = "identifier-recycled";
    /// RISC 1.0 §2, `credential-compromise`.
    credential_compromise = "credential-compromise";
    /// RISC 1.0 §2, `opt-in`.
    opt_in = "opt-in";
    /// RISC 1.0 §2, `opt-out-initiated`.
    opt_out_initiated = "opt-out-initiated";
    /// RISC 1.0 §2, `opt-out-cancelled`.
    opt_out_cancelled = "opt-out-cancelled";
    /// RISC 1.0 §2, `opt-out-effective`.
    opt_out_effective = "opt-out-effective";
    /// RISC 1.0 §2, `recovery-activated`.
    recovery_activated = "recovery-activated";
    /// RISC 1.0 §2, `recovery-information-changed`.
    recovery_information_changed = "recovery-information-changed";
}

event_types! { "https://schemas.openid.net/secevent/ssf/event-type/":
    /// SSF 1.0 §8.1.4: a control event, never among the supported ones.
    verification = "verification";
    /// SSF 1.0 §8.1.5: a control event, never among the supported ones.
    stream_updated = "stream-updated";
}

/// Every current event type of CAEP 1.0 and RISC 1.0, in the order of the specifications. RISC's
/// deprecated `sessions-revoked` is not among them: new transmitters must use CAEP's
/// `session-revoked`.
#[must_use]
pub fn caep_and_risc() -> Vec<EventType> {
    vec![
        session_revoked(),
        token_claims_change(),
        credential_change(),
        assurance_level_change(),
        device_compliance_change(),
        session_established(),
        session_presented(),
        risk_level_change(),
        account_credential_change_required(),
        account_purged(),
        account_disabled(),
        account_enabled(),
        identifier_changed(),
        identifier_recycled(),
        credential_compromise(),
        opt_in(),
        opt_out_initiated(),
        opt_out_cancelled(),
        opt_out_effective(),
        recovery_activated(),
        recovery_information_changed(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_an_event_type() {
        let all = caep_and_risc();
        assert_eq!(all.len(), 21);
        for event_type in all.iter().chain(&[verification(), stream_updated()]) {
            assert_eq!(EventType::parse(event_type.as_str()).as_ref(), Ok(event_type));
        }
    }
}
