//! The event types of CAEP 1.0, RISC 1.0, SSF 1.0 and RFC 9967, by name.

use crate::id::EventType;

macro_rules! event_types {
    ($base:literal: $($(#[$doc:meta])* $name:ident, $uri:ident = $suffix:literal;)*) => {
        $(pub(super) const $uri: &str = concat!($base, $suffix);

        $(#[$doc])*
        #[must_use]
        pub fn $name() -> EventType {
            EventType::trusted($uri)
        })*
    };
}

event_types! { "https://schemas.openid.net/secevent/caep/event-type/":
    /// CAEP 1.0 §3.1.
    session_revoked, SESSION_REVOKED = "session-revoked";
    /// CAEP 1.0 §3.2.
    token_claims_change, TOKEN_CLAIMS_CHANGE = "token-claims-change";
    /// CAEP 1.0 §3.3.
    credential_change, CREDENTIAL_CHANGE = "credential-change";
    /// CAEP 1.0 §3.4.
    assurance_level_change, ASSURANCE_LEVEL_CHANGE = "assurance-level-change";
    /// CAEP 1.0 §3.5.
    device_compliance_change, DEVICE_COMPLIANCE_CHANGE = "device-compliance-change";
    /// CAEP 1.0 §3.6.
    session_established, SESSION_ESTABLISHED = "session-established";
    /// CAEP 1.0 §3.7.
    session_presented, SESSION_PRESENTED = "session-presented";
    /// CAEP 1.0 §3.8.
    risk_level_change, RISK_LEVEL_CHANGE = "risk-level-change";
}

event_types! { "https://schemas.openid.net/secevent/risc/event-type/":
    /// RISC 1.0 §2, `account-credential-change-required`.
    account_credential_change_required, ACCOUNT_CREDENTIAL_CHANGE_REQUIRED = "account-credential-change-required";
    /// RISC 1.0 §2, `account-purged`.
    account_purged, ACCOUNT_PURGED = "account-purged";
    /// RISC 1.0 §2, `account-disabled`.
    account_disabled, ACCOUNT_DISABLED = "account-disabled";
    /// RISC 1.0 §2, `account-enabled`.
    account_enabled, ACCOUNT_ENABLED = "account-enabled";
    /// RISC 1.0 §2, `identifier-changed`.
    identifier_changed, IDENTIFIER_CHANGED = "identifier-changed";
    /// RISC 1.0 §2, `identifier-recycled`.
    identifier_recycled, IDENTIFIER_RECYCLED = "identifier-recycled";
    /// RISC 1.0 §2, `credential-compromise`.
    credential_compromise, CREDENTIAL_COMPROMISE = "credential-compromise";
    /// RISC 1.0 §2, `opt-in`.
    opt_in, OPT_IN = "opt-in";
    /// RISC 1.0 §2, `opt-out-initiated`.
    opt_out_initiated, OPT_OUT_INITIATED = "opt-out-initiated";
    /// RISC 1.0 §2, `opt-out-cancelled`.
    opt_out_cancelled, OPT_OUT_CANCELLED = "opt-out-cancelled";
    /// RISC 1.0 §2, `opt-out-effective`.
    opt_out_effective, OPT_OUT_EFFECTIVE = "opt-out-effective";
    /// RISC 1.0 §2, `recovery-activated`.
    recovery_activated, RECOVERY_ACTIVATED = "recovery-activated";
    /// RISC 1.0 §2, `recovery-information-changed`.
    recovery_information_changed, RECOVERY_INFORMATION_CHANGED = "recovery-information-changed";
    /// RISC 1.0 §2, `sessions-revoked`.
    #[deprecated(note = "new transmitters must use `session_revoked` of CAEP (RISC 1.0 §2)")]
    sessions_revoked, SESSIONS_REVOKED = "sessions-revoked";
}

event_types! { "https://schemas.openid.net/secevent/ssf/event-type/":
    /// SSF 1.0 §8.1.4: a control event, never among the supported ones.
    verification, VERIFICATION = "verification";
    /// SSF 1.0 §8.1.5: a control event, never among the supported ones.
    stream_updated, STREAM_UPDATED = "stream-updated";
}

/// Whether the transmitter alone sends events of that type: control SETs, whose subject is the stream
/// they go to (SSF 1.0 §8.1.4.1, §8.1.5).
///
/// No stream delivers such a type, even where a host supports it: an emission of one reaches nobody.
#[must_use]
pub fn is_control(event_type: &EventType) -> bool {
    [VERIFICATION, STREAM_UPDATED].contains(&event_type.as_str())
}

event_types! { "urn:ietf:params:scim:event:":
    /// RFC 9967 §2.3.1.
    feed_add, FEED_ADD = "feed:add";
    /// RFC 9967 §2.3.2.
    feed_remove, FEED_REMOVE = "feed:remove";
    /// RFC 9967 §2.4.1.
    create_notice, CREATE_NOTICE = "prov:create:notice";
    /// RFC 9967 §2.4.1.
    create_full, CREATE_FULL = "prov:create:full";
    /// RFC 9967 §2.4.2.
    patch_notice, PATCH_NOTICE = "prov:patch:notice";
    /// RFC 9967 §2.4.2.
    patch_full, PATCH_FULL = "prov:patch:full";
    /// RFC 9967 §2.4.3.
    put_notice, PUT_NOTICE = "prov:put:notice";
    /// RFC 9967 §2.4.3.
    put_full, PUT_FULL = "prov:put:full";
    /// RFC 9967 §2.4.4.
    delete, DELETE = "prov:delete";
    /// RFC 9967 §2.4.5.
    activate, ACTIVATE = "prov:activate";
    /// RFC 9967 §2.4.6.
    deactivate, DEACTIVATE = "prov:deactivate";
    /// RFC 9967 §2.5.
    async_response, ASYNC_RESPONSE = "misc:asyncresp";
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

/// Every event type of RFC 9967, in its order.
#[must_use]
pub fn scim() -> Vec<EventType> {
    vec![
        feed_add(),
        feed_remove(),
        create_notice(),
        create_full(),
        patch_notice(),
        patch_full(),
        put_notice(),
        put_full(),
        delete(),
        activate(),
        deactivate(),
        async_response(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_an_event_type() {
        let all = caep_and_risc();
        assert_eq!(all.len(), 21);
        assert_eq!(scim().len(), 12);
        let control = [verification(), stream_updated()];
        for event_type in all.iter().chain(&scim()).chain(&control) {
            assert_eq!(EventType::parse(event_type.as_str()).as_ref(), Ok(event_type));
        }
    }
}
