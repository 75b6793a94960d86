//! Requests to add and remove subjects (SSF 1.0 §8.1.3).

use super::json::{self, Members};
use super::profile::Profile;
use super::refusal::{InvalidRequest, Problem, Refusal};
use super::stream::required_stream_id;
use crate::id::StreamId;
use crate::subject::{Subject, SubjectError};

/// A request to add or to remove a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubjectRequest {
    /// The stream.
    pub stream_id: StreamId,
    /// The subject.
    pub subject: Subject,
}

impl SubjectRequest {
    /// That subject, of that stream.
    #[must_use]
    pub const fn new(stream_id: StreamId, subject: Subject) -> Self {
        Self { stream_id, subject }
    }

    /// Reads the body of a request to add a subject. Its `verified` member must be a boolean when
    /// it is there (SSF 1.0 §8.1.3.2); this transmitter treats verified and unverified subjects
    /// alike.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming the member at fault, or [`Refusal::UnknownStream`].
    pub fn parse_add(body: &[u8], profile: &Profile) -> Result<Self, Refusal> {
        let map = json::object(body)?;
        let members = Members::of(&map);
        members.only(profile, &[&["stream_id", "subject", "verified"]])?;
        members.boolean("verified")?;
        Self::read(&members)
    }

    /// Reads the body of a request to remove a subject (SSF 1.0 §8.1.3.3).
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming the member at fault, or [`Refusal::UnknownStream`].
    pub fn parse_remove(body: &[u8], profile: &Profile) -> Result<Self, Refusal> {
        let map = json::object(body)?;
        let members = Members::of(&map);
        members.only(profile, &[&["stream_id", "subject"]])?;
        Self::read(&members)
    }

    fn read(members: &Members<'_>) -> Result<Self, Refusal> {
        let value =
            members.get("subject").ok_or_else(|| members.fault("subject", Problem::Missing))?;
        let subject = Subject::parse(value).map_err(|error| invalid(&error))?;
        Ok(Self { subject, stream_id: required_stream_id(members)? })
    }
}

fn invalid(error: &SubjectError) -> InvalidRequest {
    let member = if error.member.is_empty() {
        "subject".to_owned()
    } else {
        format!("subject.{}", error.member)
    };
    InvalidRequest::new(member, Problem::Subject(error.problem))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn add(body: &Value) -> Result<SubjectRequest, Refusal> {
        SubjectRequest::parse_add(body.to_string().as_bytes(), &Profile::ssf())
    }

    #[test]
    fn a_subject_is_read_ssf_1_0_8_1_3_2() {
        let subject = json!({"format": "opaque", "id": "x"});
        let request =
            add(&json!({"stream_id": "s", "subject": subject, "verified": false})).unwrap();
        assert_eq!(request.subject, Subject::parse(&subject).unwrap());
        assert_eq!(request.stream_id.as_str(), "s");
    }

    #[test]
    fn a_wrong_member_is_named() {
        let subject = json!({"format": "opaque", "id": "x"});
        for (body, member) in [
            (json!({"stream_id": "s"}), "subject"),
            (json!({"stream_id": "s", "subject": "x"}), "subject"),
            (json!({"stream_id": "s", "subject": null}), "subject"),
            (json!({"stream_id": "s", "subject": subject, "verified": "no"}), "verified"),
            (json!({"subject": subject}), "stream_id"),
        ] {
            let Err(Refusal::Invalid(invalid)) = add(&body) else { panic!("{body}") };
            assert_eq!(invalid.member, member, "{body}");
        }
    }
}
