//! CAEP 1.0 §3.1, §3.6, §3.7: sessions.

use super::caep_event;
use crate::event::LocalizedText;

caep_event! {
    /// A session was revoked (CAEP 1.0 §3.1). With a complex subject: every session that matches
    /// all of its members together.
    SessionRevoked = SESSION_REVOKED;
    /// The event without a reason, which the interoperability profile requires.
    fn without_reason;
    required {}
    optional {}
}

impl SessionRevoked {
    /// The event with the reason that the interoperability profile requires.
    #[must_use]
    pub fn new(reason_admin: LocalizedText) -> Self {
        Self::without_reason().with_reason_admin(reason_admin)
    }
}

caep_event! {
    /// A session was established (CAEP 1.0 §3.6).
    #[derive(Default)]
    SessionEstablished = SESSION_ESTABLISHED;
    /// The event with no members yet.
    fn new;
    required {}
    optional {
        /// The fingerprint of the user agent, as the transmitter computed it.
        fp_ua, with_fp_ua: String = "fp_ua";
        /// The authentication context class, as in an ID Token.
        acr, with_acr: String = "acr";
        /// The authentication methods, as in an ID Token.
        amr, with_amr: Vec<String> = "amr";
        /// The external identifier that correlates the session.
        ext_id, with_ext_id: String = "ext_id";
    }
}

caep_event! {
    /// A session was seen at the transmitter (CAEP 1.0 §3.7).
    #[derive(Default)]
    SessionPresented = SESSION_PRESENTED;
    /// The event with no members yet.
    fn new;
    required {}
    optional {
        /// The fingerprint of the user agent, as the transmitter computed it.
        fp_ua, with_fp_ua: String = "fp_ua";
        /// The external identifier that correlates the session.
        ext_id, with_ext_id: String = "ext_id";
    }
}
