//! The transmitter configuration document (SSF 1.0 §7.1).

use serde::Serialize;

use crate::id::Issuer;

/// What a transmitter says of itself at its well-known location. Members with nothing in them are
/// left out (SSF 1.0 §7.2.2: "Claims with zero elements MUST be omitted").
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TransmitterMetadata {
    /// The version of the specification: the string `1_0`.
    pub spec_version: &'static str,
    /// The issuer of every SET.
    pub issuer: Issuer,
    /// Where the public keys are.
    pub jwks_uri: String,
    /// The delivery methods a stream may use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delivery_methods_supported: Vec<&'static str>,
    /// Where streams are created and managed.
    pub configuration_endpoint: String,
    /// Where the status of a stream is read and set.
    pub status_endpoint: String,
    /// Where subjects are added, if receivers may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_subject_endpoint: Option<String>,
    /// Where subjects are removed, if receivers may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_subject_endpoint: Option<String>,
    /// Where a verification SET is asked for.
    pub verification_endpoint: String,
    /// Members of complex subjects that a receiver must understand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub critical_subject_members: Vec<String>,
    /// How receivers authorise themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_schemes: Vec<AuthorizationScheme>,
    /// Which subjects a new stream begins with. Who can change none is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_subjects: Option<&'static str>,
}

/// One way to authorise requests to the management API (SSF 1.0 §7.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuthorizationScheme {
    /// A URN of the specification that defines the scheme.
    pub spec_urn: String,
}

impl AuthorizationScheme {
    /// The scheme that the specification with this URN defines.
    #[must_use]
    pub fn new(spec_urn: impl Into<String>) -> Self {
        Self { spec_urn: spec_urn.into() }
    }
}
