//! CAEP 1.0 §3.4, §3.8: levels of assurance and of risk.

use super::caep_event;
use crate::event::define::{closed_list, open_list};
use crate::subject::NonEmptyText;

open_list! {
    /// What the levels of assurance are taken from (CAEP 1.0 §3.4 `namespace`).
    AssuranceNamespace {
        /// Authentication methods of RFC 8176.
        Rfc8176 = "RFC8176",
        /// The registry of RFC 6711.
        Rfc6711 = "RFC6711",
        /// ISO/IEC 29115.
        IsoIec29115 = "ISO-IEC-29115",
        /// NIST SP 800-63A, identity assurance.
        NistIal = "NIST-IAL",
        /// NIST SP 800-63B, authenticator assurance.
        NistAal = "NIST-AAL",
        /// NIST SP 800-63C, federation assurance.
        NistFal = "NIST-FAL",
    }
}

closed_list! {
    /// Which way a level of assurance went (CAEP 1.0 §3.4 `change_direction`).
    ChangeDirection {
        /// Up.
        Increase = "increase",
        /// Down.
        Decrease = "decrease",
    }
}

caep_event! {
    /// The level of assurance of an authentication changed (CAEP 1.0 §3.4).
    AssuranceLevelChange = ASSURANCE_LEVEL_CHANGE;
    /// The event with its required members.
    fn new;
    required {
        /// What the levels are taken from.
        namespace: AssuranceNamespace = "namespace";
        /// The level now.
        current_level: NonEmptyText = "current_level";
    }
    optional {
        /// The level before; without it receivers must assume that it is not known.
        previous_level, with_previous_level: NonEmptyText = "previous_level";
        /// Which way the level went; it should be there when the level before is.
        change_direction, with_change_direction: ChangeDirection = "change_direction";
    }
}

open_list! {
    /// The kind of entity that a risk concerns (CAEP 1.0 §3.8 `principal`).
    RiskPrincipal {
        /// A user.
        User = "USER",
        /// A device.
        Device = "DEVICE",
        /// A session.
        Session = "SESSION",
        /// A tenant.
        Tenant = "TENANT",
        /// An organisational unit.
        OrgUnit = "ORG_UNIT",
        /// A group.
        Group = "GROUP",
    }
}

closed_list! {
    /// A level of risk (CAEP 1.0 §3.8).
    RiskLevel {
        /// Low.
        Low = "LOW",
        /// Medium.
        Medium = "MEDIUM",
        /// High.
        High = "HIGH",
    }
}

caep_event! {
    /// The level of risk of a principal changed (CAEP 1.0 §3.8).
    RiskLevelChange = RISK_LEVEL_CHANGE;
    /// The event with its required members. CAEP recommends a
    /// [`risk_reason`](Self::with_risk_reason) too.
    fn new;
    required {
        /// The kind of entity that the risk concerns.
        principal: RiskPrincipal = "principal";
        /// The level now.
        current_level: RiskLevel = "current_level";
    }
    optional {
        /// What contributed to the risk.
        risk_reason, with_risk_reason: String = "risk_reason";
        /// The level before; without it receivers must assume that it is not known.
        previous_level, with_previous_level: RiskLevel = "previous_level";
    }
}
