//! CAEP 1.0 §3.2, §3.3: the claims of tokens, and credentials.

use super::caep_event;
use crate::event::define::{closed_list, open_list};
use crate::event::{Claims, LocalizedText};

caep_event! {
    /// Claims of a token changed (CAEP 1.0 §3.2). The subject names the token.
    TokenClaimsChange = TOKEN_CLAIMS_CHANGE;
    /// The event with its required members.
    fn new;
    required {
        /// The claims with their new values.
        claims: Claims = "claims";
    }
    optional {}
}

open_list! {
    /// The kind of a credential (CAEP 1.0 §3.3 `credential_type`).
    CredentialType {
        /// A password.
        Password = "password",
        /// A PIN.
        Pin = "pin",
        /// An X.509 certificate.
        X509 = "x509",
        /// A FIDO2 authenticator that is part of a device.
        Fido2Platform = "fido2-platform",
        /// A FIDO2 authenticator that goes from device to device.
        Fido2Roaming = "fido2-roaming",
        /// A FIDO U2F token.
        FidoU2f = "fido-u2f",
        /// A verifiable credential.
        VerifiableCredential = "verifiable-credential",
        /// Telephone calls.
        PhoneVoice = "phone-voice",
        /// Text messages.
        PhoneSms = "phone-sms",
        /// An app.
        App = "app",
    }
}

closed_list! {
    /// What happened to a credential (CAEP 1.0 §3.3 `change_type`).
    ChangeType {
        /// It was created.
        Create = "create",
        /// It was revoked.
        Revoke = "revoke",
        /// It was changed.
        Update = "update",
        /// It was deleted.
        Delete = "delete",
    }
}

caep_event! {
    /// A credential was created, changed, revoked or deleted (CAEP 1.0 §3.3).
    CredentialChange = CREDENTIAL_CHANGE;
    /// The event without a reason, which the interoperability profile requires.
    fn without_reason;
    required {
        /// The kind of the credential.
        credential_type: CredentialType = "credential_type";
        /// What happened to it.
        change_type: ChangeType = "change_type";
    }
    optional {
        /// The name that people know the credential by.
        friendly_name, with_friendly_name: String = "friendly_name";
        /// The issuer of the certificate (RFC 5280); CAEP fixes no form, RFC 4514 is usual.
        x509_issuer, with_x509_issuer: String = "x509_issuer";
        /// The serial number of the certificate (RFC 5280), in the transmitter's own spelling.
        x509_serial, with_x509_serial: String = "x509_serial";
        /// The AAGUID of the authenticator (WebAuthn).
        fido2_aaguid, with_fido2_aaguid: String = "fido2_aaguid";
    }
}

impl CredentialChange {
    /// The event with the reason that the interoperability profile requires.
    #[must_use]
    pub fn new(
        credential_type: CredentialType,
        change_type: ChangeType,
        reason_admin: LocalizedText,
    ) -> Self {
        Self::without_reason(credential_type, change_type).with_reason_admin(reason_admin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventProblem;

    #[test]
    fn the_types_of_credentials_are_open_caep_1_0_3_3() {
        assert_eq!(CredentialType::parse("fido-u2f"), Ok(CredentialType::FidoU2f));
        let own = CredentialType::parse("retinal-scan").unwrap();
        assert!(matches!(&own, CredentialType::Other(word) if word.as_str() == "retinal-scan"));
        assert_eq!(own.as_str(), "retinal-scan");
        assert_eq!(CredentialType::parse(""), Err(EventProblem::Empty));
    }

    #[test]
    fn the_types_of_changes_are_closed_caep_1_0_3_3() {
        assert_eq!(ChangeType::parse("revoke"), Ok(ChangeType::Revoke));
        let list = &["create", "revoke", "update", "delete"];
        assert_eq!(ChangeType::parse("rotated"), Err(EventProblem::NotOneOf(list)));
        assert_eq!(ChangeType::parse("Revoke"), Err(EventProblem::NotOneOf(list)));
    }
}
