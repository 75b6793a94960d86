//! Conditions that nearly every host wants, as parts of a document.
//!
//! Each function returns one condition; put them under `conditions`, changed or not. They take
//! where the attribute is, by name or JSON pointer, and the template of the subject.
//!
//! ```
//! use serde_json::json;
//! use ssf_transmitter::lifecycle::{Conditions, presets};
//!
//! let user = json!({"format": "email", "email": {"$from": "/email", "$of": "last"}});
//! let document = json!({
//!     "version": 1,
//!     "conditions": [
//!         presets::leaver("/status", &json!(["terminated", "retired"]), &user),
//!         presets::email_change("/email"),
//!     ]
//! });
//! assert!(Conditions::parse(&document).is_ok());
//! ```

use serde_json::{Value, json};

use crate::event::types;

/// Somebody leaves: the attribute becomes one of these values, or goes. Their sessions are revoked
/// by policy (CAEP 1.0 §3.1). The subject is best made of values `last` known: who is removed has
/// no others.
#[must_use]
pub fn leaver(attribute: &str, states: &Value, subject: &Value) -> Value {
    json!({
        "name": "leaver",
        "when": {
            "attribute": attribute,
            "enters": {"any": [{"one_of": states}, {"is": "missing"}]}
        },
        "emit": {
            "event_type": types::session_revoked(),
            "subject": subject,
            "members": {
                "initiating_entity": "policy",
                "event_timestamp": {"$now": "seconds"}
            },
            "reason": {"en": "No longer with the organisation"}
        }
    })
}

/// An account may no longer be used (RISC 1.0 §2.3): the attribute becomes one of these values.
#[must_use]
pub fn account_disabled(attribute: &str, states: &Value, subject: &Value) -> Value {
    json!({
        "name": "account-disabled",
        "when": {"attribute": attribute, "enters": {"one_of": states}},
        "emit": {"event_type": types::account_disabled(), "subject": subject}
    })
}

/// An account may be used again (RISC 1.0 §2.4): the attribute leaves these values.
#[must_use]
pub fn account_enabled(attribute: &str, states: &Value, subject: &Value) -> Value {
    json!({
        "name": "account-enabled",
        "when": {"attribute": attribute, "leaves": {"one_of": states}},
        "while": [{"attribute": attribute, "holds": {"is": "present"}}],
        "emit": {"event_type": types::account_enabled(), "subject": subject}
    })
}

/// A credential of that type changed (CAEP 1.0 §3.3): the attribute that says when it last did,
/// such as a time or a counter, changes.
#[must_use]
pub fn credential_change(attribute: &str, credential_type: &str, subject: &Value) -> Value {
    json!({
        "name": "credential-change",
        "when": {"attribute": attribute, "changes": {"to": {"is": "present"}}},
        "emit": {
            "event_type": types::credential_change(),
            "subject": subject,
            "members": {
                "credential_type": credential_type,
                "change_type": "update",
                "event_timestamp": {"$now": "seconds"}
            },
            "reason": {"en": "The credential was changed"}
        }
    })
}

/// An email address changed (RISC 1.0 §2.5). The subject is the old address, by which receivers
/// know the account.
#[must_use]
pub fn email_change(attribute: &str) -> Value {
    json!({
        "name": "email-change",
        "when": {
            "attribute": attribute,
            "changes": {"from": {"is": "present"}, "to": {"is": "present"}}
        },
        "emit": {
            "event_type": types::identifier_changed(),
            "subject": {"format": "email", "email": {"$from": attribute, "$of": "before"}},
            "members": {"new-value": {"$from": attribute}}
        }
    })
}

/// A device no longer complies (CAEP 1.0 §3.5): the attribute stops having that value.
#[must_use]
pub fn device_out_of_compliance(attribute: &str, compliant: &Value, subject: &Value) -> Value {
    json!({
        "name": "device-out-of-compliance",
        "when": {"attribute": attribute, "leaves": {"equals": compliant}},
        "emit": {
            "event_type": types::device_compliance_change(),
            "subject": subject,
            "members": {
                "previous_status": "compliant",
                "current_status": "not-compliant",
                "event_timestamp": {"$now": "seconds"}
            },
            "reason": {"en": "The device no longer complies"}
        }
    })
}

/// The risk of a user changed (CAEP 1.0 §3.8). The values of the attribute are those of the event:
/// `LOW`, `MEDIUM`, `HIGH`.
#[must_use]
pub fn risk_level(attribute: &str, subject: &Value) -> Value {
    json!({
        "name": "risk-level",
        "when": {"attribute": attribute, "changes": {"to": {"is": "present"}}},
        "emit": {
            "event_type": types::risk_level_change(),
            "subject": subject,
            "members": {
                "principal": "USER",
                "current_level": {"$from": attribute},
                "previous_level": {"$from": attribute, "$of": "before", "$optional": true},
                "event_timestamp": {"$now": "seconds"}
            }
        }
    })
}
