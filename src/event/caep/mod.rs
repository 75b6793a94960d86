//! The events of CAEP 1.0: sessions, tokens, credentials, assurance, devices, risk.
//!
//! The interoperability profile asks for a `reason_admin` in three of them; their `new` takes it,
//! their `without_reason` leaves it out, as CAEP itself allows.
//!
//! ```
//! use ssf_transmitter::event::caep::{ChangeType, CredentialChange, CredentialType};
//! use ssf_transmitter::event::{Event, LocalizedText};
//! use ssf_transmitter::subject::SimpleSubject;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let reason = LocalizedText::new("en", "Reset by the help desk")?;
//! let change = CredentialChange::new(CredentialType::Password, ChangeType::Update, reason)
//!     .with_friendly_name("Work password");
//! let event = Event::of(&change, SimpleSubject::iss_sub("https://idp.example.com/", "u-4711")?)?;
//! assert_eq!(event.members()["change_type"], "update");
//! # Ok(()) }
//! ```

mod credential;
mod device;
mod level;
mod session;

pub use credential::{ChangeType, CredentialChange, CredentialType, TokenClaimsChange};
pub use device::{ComplianceStatus, DeviceComplianceChange};
pub use level::{
    AssuranceLevelChange, AssuranceNamespace, ChangeDirection, RiskLevel, RiskLevelChange,
    RiskPrincipal,
};
pub use session::{SessionEstablished, SessionPresented, SessionRevoked};

use super::define::closed_list;

closed_list! {
    /// Who or what invoked an event (CAEP 1.0 §2 `initiating_entity`).
    InitiatingEntity {
        /// An administrator.
        Admin = "admin",
        /// An end user.
        User = "user",
        /// The evaluation of a policy.
        Policy = "policy",
        /// A system or platform.
        System = "system",
    }
}

/// An event with the members that all events of CAEP 1.0 may have (§2).
macro_rules! caep_event {
    (
        $(#[$doc:meta])*
        $name:ident = $uri:ident;
        $(#[$new_doc:meta])*
        fn $new:ident;
        required { $($required:tt)* }
        optional { $($optional:tt)* }
    ) => {
        crate::event::define::event! {
            $(#[$doc])*
            $name = $uri;
            $(#[$new_doc])*
            fn $new;
            required { $($required)* }
            optional {
                $($optional)*
                /// When it happened.
                event_timestamp, with_event_timestamp: crate::event::EventTimestamp
                    = "event_timestamp";
                /// Who or what invoked it.
                initiating_entity, with_initiating_entity: crate::event::caep::InitiatingEntity
                    = "initiating_entity";
                /// Why, for administrators: for logs and audits.
                reason_admin, with_reason_admin: crate::event::LocalizedText = "reason_admin";
                /// Why, to be shown to the end user.
                reason_user, with_reason_user: crate::event::LocalizedText = "reason_user";
            }
        }
    };
}
use caep_event;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::{EventKind, EventTimestamp, LocalizedText, types};
    use crate::id::EventType;

    fn reason() -> LocalizedText {
        LocalizedText::new("en", "x").unwrap()
    }

    #[track_caller]
    fn assert_wire(event: &impl EventKind, event_type: &EventType, members: &Value) {
        assert_eq!(event.event_type(), *event_type);
        assert_eq!(&Value::Object(event.members()), members);
    }

    #[test]
    fn the_profile_s_events_take_their_reason_caep_interop_1_0() {
        assert_wire(
            &SessionRevoked::new(reason()),
            &types::session_revoked(),
            &json!({"reason_admin": {"en": "x"}}),
        );
        assert_wire(
            &CredentialChange::new(CredentialType::Fido2Roaming, ChangeType::Create, reason()),
            &types::credential_change(),
            &json!({
                "credential_type": "fido2-roaming",
                "change_type": "create",
                "reason_admin": {"en": "x"}
            }),
        );
        let (before, now) = (ComplianceStatus::Compliant, ComplianceStatus::NotCompliant);
        assert_wire(
            &DeviceComplianceChange::new(before, now, reason()),
            &types::device_compliance_change(),
            &json!({
                "previous_status": "compliant",
                "current_status": "not-compliant",
                "reason_admin": {"en": "x"}
            }),
        );
    }

    #[test]
    fn an_absent_member_is_absent_not_null_caep_1_0_2() {
        assert_wire(&SessionRevoked::without_reason(), &types::session_revoked(), &json!({}));
        assert_wire(&SessionPresented::new(), &types::session_presented(), &json!({}));
    }

    #[test]
    fn every_event_may_have_the_common_members_caep_1_0_2() {
        let event = RiskLevelChange::new(RiskPrincipal::User, RiskLevel::High)
            .with_risk_reason("PASSWORD_FOUND_IN_DATA_BREACH")
            .with_previous_level(RiskLevel::Low)
            .with_event_timestamp(EventTimestamp::from_seconds(1_794_999_990).unwrap())
            .with_initiating_entity(InitiatingEntity::Policy)
            .with_reason_admin(reason())
            .with_reason_user(reason());
        let members = json!({
            "principal": "USER",
            "current_level": "HIGH",
            "risk_reason": "PASSWORD_FOUND_IN_DATA_BREACH",
            "previous_level": "LOW",
            "event_timestamp": 1_794_999_990,
            "initiating_entity": "policy",
            "reason_admin": {"en": "x"},
            "reason_user": {"en": "x"}
        });
        assert_wire(&event, &types::risk_level_change(), &members);
        assert_eq!(event.initiating_entity(), Some(&InitiatingEntity::Policy));
        assert_eq!(event.current_level(), &RiskLevel::High);
    }
}
