//! Requests for verification (SSF 1.0 §8.1.4.2).

use super::json::{self, Members};
use super::profile::Profile;
use super::refusal::{Problem, Refusal};
use super::stream::required_stream_id;
use crate::id::StreamId;

/// A request for a verification SET.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerificationRequest {
    /// The stream.
    pub stream_id: StreamId,
    /// What the SET has to echo, byte for byte.
    pub state: Option<String>,
}

/// The longest `state`, in bytes: it is stored and signed.
const MOST_STATE: usize = 1024;

impl VerificationRequest {
    /// A verification of that stream, with that state to echo.
    #[must_use]
    pub const fn new(stream_id: StreamId, state: Option<String>) -> Self {
        Self { stream_id, state }
    }

    /// Reads a request body.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming the member at fault, or [`Refusal::UnknownStream`].
    pub fn parse(body: &[u8], profile: &Profile) -> Result<Self, Refusal> {
        let map = json::object(body)?;
        let members = Members::of(&map);
        members.only(profile, &[&["stream_id", "state"]])?;
        let state = members.string("state")?;
        if state.is_some_and(|state| state.len() > MOST_STATE) {
            return Err(members.fault("state", Problem::TooLong(MOST_STATE)).into());
        }
        let state = state.map(str::to_owned);
        Ok(Self { state, stream_id: required_stream_id(&members)? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(body: &Value) -> Result<VerificationRequest, Refusal> {
        VerificationRequest::parse(body.to_string().as_bytes(), &Profile::ssf())
    }

    #[test]
    fn the_state_is_kept_byte_for_byte_ssf_1_0_8_1_4_1() {
        let request = parse(&json!({"stream_id": "s", "state": " \u{e9}\n"}));
        assert_eq!(request.map(|r| r.state), Ok(Some(" \u{e9}\n".to_owned())));
    }

    #[test]
    fn a_wrong_member_is_named() {
        for (body, member) in [
            (json!({}), "stream_id"),
            (json!({"stream_id": ""}), "stream_id"),
            (json!({"stream_id": 1}), "stream_id"),
            (json!({"stream_id": "s", "state": 1}), "state"),
            (json!({"stream_id": "s", "state": "x".repeat(1025)}), "state"),
            // 400 comes before 404: the body is judged first.
            (json!({"stream_id": "no such/id", "state": 1}), "state"),
        ] {
            let Err(Refusal::Invalid(invalid)) = parse(&body) else { panic!("{body}") };
            assert_eq!(invalid.member, member, "{body}");
        }
    }

    #[test]
    fn an_identifier_that_no_stream_can_have_is_an_unknown_stream() {
        assert_eq!(parse(&json!({"stream_id": "a/b"})), Err(Refusal::UnknownStream));
    }
}
