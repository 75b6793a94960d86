//! Reports: what a source says an identity is like.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::scim;
use crate::id::{IdError, IdentityId, ProfileName};

/// What a source says an identity is like now.
///
/// ```
/// use serde_json::json;
/// use ssf_transmitter::lifecycle::Report;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let line = json!({"id": "u-1", "version": "2026-11-24T10:00:00Z", "attributes": {"status": "active"}});
/// let report = Report::parse(&line)?;
/// assert_eq!(report.identity.as_str(), "u-1");
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The identity.
    pub identity: IdentityId,
    /// Its profile.
    pub profile: Option<ProfileName>,
    /// The version of this state, such as a counter or milliseconds since 1970: a state that is not
    /// newer than the last one is ignored.
    pub version: Option<i64>,
    /// What it is like.
    pub state: State,
}

/// What an identity is like.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// It has these attributes, all of them.
    Present(Map<String, Value>),
    /// It is gone: every attribute is missing.
    Removed,
}

/// Why a JSON value is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{member}` {problem}")]
#[non_exhaustive]
pub struct ReportError {
    /// The member at fault.
    pub member: String,
    /// What is wrong with it.
    pub problem: ReportProblem,
}

/// What is wrong with a member of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportProblem {
    /// It must be there.
    #[error("is required")]
    Missing,
    /// A value of the wrong JSON type.
    #[error("must be {0}")]
    Type(&'static str),
    /// Not an identifier of its kind.
    #[error("{0}")]
    Id(IdError),
    /// A member that has no meaning.
    #[error("is not a member of a report")]
    Unknown,
    /// What is removed has no attributes.
    #[error("must not stand beside `removed`")]
    Removed,
}

impl Report {
    /// An identity with these attributes, without profile and version.
    #[must_use]
    pub const fn new(identity: IdentityId, attributes: Map<String, Value>) -> Self {
        Self { identity, profile: None, version: None, state: State::Present(attributes) }
    }

    /// An identity that is gone.
    #[must_use]
    pub const fn removed(identity: IdentityId) -> Self {
        Self { identity, profile: None, version: None, state: State::Removed }
    }

    /// Of that profile.
    #[must_use]
    pub fn with_profile(mut self, profile: ProfileName) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Under that version.
    #[must_use]
    pub const fn with_version(mut self, version: i64) -> Self {
        self.version = Some(version);
        self
    }

    /// Reads a report: `{"id", "profile"?, "version"?, "attributes"}`, or `{"id", "removed": true}`,
    /// where a version is a whole number or a time of RFC 3339; or a SCIM user, which is known by its
    /// `schemas` (RFC 7643 §4.1).
    ///
    /// # Errors
    /// [`ReportError`] naming the member at fault.
    pub fn parse(value: &Value) -> Result<Self, ReportError> {
        let map = value
            .as_object()
            .ok_or_else(|| ReportError::new("", ReportProblem::Type("a JSON object")))?;
        if map.contains_key("schemas") {
            return scim::user(map);
        }
        let known = ["id", "profile", "version", "attributes", "removed"];
        if let Some(name) = map.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(ReportError::new(name, ReportProblem::Unknown));
        }
        let identity = text(map, "id")?
            .ok_or_else(|| ReportError::new("id", ReportProblem::Missing))
            .and_then(|id| IdentityId::parse(id).map_err(|e| ReportError::id("id", e)))?;
        let profile = text(map, "profile")?
            .map(|name| ProfileName::parse(name).map_err(|e| ReportError::id("profile", e)))
            .transpose()?;
        let state = match (map.get("removed"), map.get("attributes")) {
            (None | Some(Value::Bool(false)), Some(Value::Object(attributes))) => {
                State::Present(attributes.clone())
            }
            (None | Some(Value::Bool(false)), None) => {
                return Err(ReportError::new("attributes", ReportProblem::Missing));
            }
            (None | Some(Value::Bool(false)), Some(_)) => {
                return Err(ReportError::new("attributes", ReportProblem::Type("a JSON object")));
            }
            (Some(Value::Bool(true)), None) => State::Removed,
            (Some(Value::Bool(true)), Some(_)) => {
                return Err(ReportError::new("attributes", ReportProblem::Removed));
            }
            (Some(_), _) => {
                return Err(ReportError::new("removed", ReportProblem::Type("true or false")));
            }
        };
        let version = map.get("version").map(version).transpose()?;
        Ok(Self { identity, profile, version, state })
    }
}

/// Says nothing of the attributes: they are personal.
impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report")
            .field("identity", &self.identity)
            .field("profile", &self.profile)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Present(_) => "Present([hidden])",
            Self::Removed => "Removed",
        })
    }
}

impl ReportError {
    pub(super) fn new(member: impl Into<String>, problem: ReportProblem) -> Self {
        Self { member: member.into(), problem }
    }

    pub(super) fn id(member: &str, error: IdError) -> Self {
        Self::new(member, ReportProblem::Id(error))
    }
}

pub(super) fn text<'a>(
    map: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, ReportError> {
    match map.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ReportError::new(name, ReportProblem::Type("a string"))),
    }
}

fn version(value: &Value) -> Result<i64, ReportError> {
    let version = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => millis(text),
        _ => None,
    };
    let problem = ReportProblem::Type("a whole number or a time of RFC 3339");
    version.ok_or_else(|| ReportError::new("version", problem))
}

/// The milliseconds since 1970 of a time of RFC 3339.
pub(super) fn millis(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}
