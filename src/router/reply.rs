//! Responses: one form for answers, one for refusals.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};
use serde::Serialize;

use super::diagnosis::Diagnosis;
use crate::protocol::{Profile, Refusal};

/// An answer with a JSON body. It is the receiver's own and not to be kept by caches.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let mut response = empty(status);
            set(&mut response, CONTENT_TYPE, "application/json");
            *response.body_mut() = body.into();
            response
        }
        // What the library writes is JSON; if it ever were not, nothing half-written leaves.
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// A refusal. `resource_metadata` is where the resource describes itself (RFC 9728 §5.1).
pub(super) fn refusal(
    profile: &Profile,
    diagnosis: Diagnosis,
    resource_metadata: Option<String>,
) -> Response<Bytes> {
    let Diagnosis { refusal, tracking_id, operation, .. } = &diagnosis;
    let answer = profile.answer(refusal, *operation);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &(profile.render_error)(&answer, tracking_id));
    if let Some(mut challenge) = refusal.challenge() {
        if let Some(url) = resource_metadata {
            challenge.push_str(&format!(", resource_metadata=\"{url}\""));
        }
        set(&mut response, WWW_AUTHENTICATE, &challenge);
    }
    if let Refusal::MethodNotAllowed { allow } = refusal {
        set(&mut response, ALLOW, allow);
    }
    if let Some(seconds) = refusal.retry_after() {
        set(&mut response, RETRY_AFTER, &seconds.to_string());
    }
    response.extensions_mut().insert(diagnosis);
    response
}

/// Sets a header. A value that cannot be one is left out: nothing of ours is.
pub(super) fn set(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
