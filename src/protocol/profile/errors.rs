//! The bodies of refusals.

use serde_json::{Value, json};

use crate::id::TrackingId;
use crate::protocol::refusal::Answer;

/// Makes the JSON body of a refusal. The tracking identifier is that of the refusal in the
/// operator's log.
pub type RenderError = fn(&Answer, &TrackingId) -> Value;

/// `error` and `error_description`, as in RFC 6749 §5.2, and the `member` at fault, if there is
/// one.
#[must_use]
pub fn oauth_error(answer: &Answer, _: &TrackingId) -> Value {
    let mut body = json!({"error": answer.error, "error_description": answer.description});
    if let Some(member) = &answer.member {
        body["member"] = member.as_str().into();
    }
    body
}

/// The error bodies of SailPoint's API: `error` for 401, `message` for 429, and else a code, the
/// tracking identifier, a general message and the particular cause.
#[must_use]
pub fn sailpoint_error(answer: &Answer, tracking_id: &TrackingId) -> Value {
    let text = |text: &str| json!([{"locale": "en-US", "localeOrigin": "DEFAULT", "text": text}]);
    let (code, message) = match answer.status {
        401 => return json!({"error": answer.description}),
        429 => return json!({"message": answer.description}),
        400 => ("400.1 Bad Request Content", "The request breaks a rule of this API."),
        403 => ("403 Forbidden", "The server understood the request but refuses to authorize it."),
        404 => ("404 Not Found", "There is no such resource."),
        405 => ("405 Method Not Allowed", "The resource does not know the method."),
        500 => ("500.0 Internal Fault", "An internal fault occurred."),
        _ => ("", "The request was refused."),
    };
    let code = if code.is_empty() { answer.status.to_string() } else { code.to_owned() };
    json!({
        "detailCode": code,
        "trackingId": tracking_id,
        "messages": text(message),
        "causes": text(&answer.description),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::{InvalidRequest, Operation, Problem, Profile, Refusal};

    fn body(profile: &Profile, refusal: &Refusal) -> Value {
        let answer = profile.answer(refusal, Some(Operation::CreateStream));
        (profile.render_error)(&answer, &TrackingId::parse("t-1").unwrap())
    }

    fn invalid() -> Refusal {
        InvalidRequest::new("delivery", Problem::Missing).into()
    }

    #[test]
    fn the_body_of_an_oauth_error_names_the_member_rfc_6749_5_2() {
        let expected = json!({
            "error": "invalid_request",
            "error_description": "`delivery` is required",
            "member": "delivery",
        });
        assert_eq!(body(&Profile::ssf(), &invalid()), expected);
    }

    #[test]
    fn a_sailpoint_error_has_code_tracking_id_message_and_cause() {
        let text = |text: &str| json!({"locale": "en-US", "localeOrigin": "DEFAULT", "text": text});
        let expected = json!({
            "detailCode": "400.1 Bad Request Content",
            "trackingId": "t-1",
            "messages": [text("The request breaks a rule of this API.")],
            "causes": [text("`delivery` is required")],
        });
        assert_eq!(body(&Profile::sailpoint(), &invalid()), expected);
        for (refusal, code) in [
            (Refusal::StreamLimit, "403 Forbidden"),
            (Refusal::UnknownStream, "404 Not Found"),
            (Refusal::MethodNotAllowed { allow: "GET" }, "405 Method Not Allowed"),
            (Refusal::Internal, "500.0 Internal Fault"),
        ] {
            assert_eq!(body(&Profile::sailpoint(), &refusal)["detailCode"], code);
        }
    }

    #[test]
    fn sailpoint_has_bodies_of_their_own_for_401_and_429() {
        let sailpoint = Profile::sailpoint();
        let expected = json!({"error": "the access token is not valid"});
        assert_eq!(body(&sailpoint, &Refusal::InvalidToken), expected);
        let expected = json!({"message": "verification was requested too early"});
        assert_eq!(body(&sailpoint, &Refusal::TooSoon(Duration::ZERO)), expected);
    }
}
