//! CAEP 1.0 §3.5: the compliance of devices.

use super::caep_event;
use crate::event::LocalizedText;
use crate::event::define::closed_list;

closed_list! {
    /// Whether a device follows the policy (CAEP 1.0 §3.5).
    ComplianceStatus {
        /// It does.
        Compliant = "compliant",
        /// It does not.
        NotCompliant = "not-compliant",
    }
}

caep_event! {
    /// The compliance of a device changed (CAEP 1.0 §3.5).
    DeviceComplianceChange = DEVICE_COMPLIANCE_CHANGE;
    /// The event without a reason, which the interoperability profile requires.
    fn without_reason;
    required {
        /// The status before.
        previous_status: ComplianceStatus = "previous_status";
        /// The status now.
        current_status: ComplianceStatus = "current_status";
    }
    optional {}
}

impl DeviceComplianceChange {
    /// The event with the reason that the interoperability profile requires.
    #[must_use]
    pub fn new(
        previous_status: ComplianceStatus,
        current_status: ComplianceStatus,
        reason_admin: LocalizedText,
    ) -> Self {
        Self::without_reason(previous_status, current_status).with_reason_admin(reason_admin)
    }
}
