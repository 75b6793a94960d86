//! The router: HTTP requests in, HTTP responses out, in the types of the `http` crate. Mounting it
//! in a web framework takes a handler of a few lines.
//!
//! A request walks through [`Router::handle`] from top to bottom: find the endpoint, authenticate,
//! check the scope, check method and body, parse, ask the service, answer.

mod documents;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use url::form_urlencoded;

use crate::auth::{AuthError, Authenticator, Caller};
use crate::error::Error;
use crate::id::StreamId;
use crate::protocol::{
    CreateStream, Credentials, Endpoint, InvalidRequest, Operation, PatchStream, PollRequest,
    Problem, Refusal, ReplaceStream, StatusRequest, SubjectRequest, VerificationRequest,
    bearer_token, requested_stream_id,
};
use crate::transmitter::Receivers;

use reply::{empty, json, refusal};

/// The largest body of a management request, in bytes.
pub const MANAGEMENT_BODY: usize = 64 * 1024;
/// The largest body of a poll, in bytes: it may acknowledge many SETs.
pub const POLL_BODY: usize = 1024 * 1024;

/// The HTTP face of a transmitter. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Router {
    receivers: Receivers,
    authenticator: Arc<dyn Authenticator>,
}

impl Router {
    /// Serves these receivers, as this authenticator knows them.
    #[must_use]
    pub fn new(receivers: Receivers, authenticator: impl Authenticator) -> Self {
        Self { receivers, authenticator: Arc::new(authenticator) }
    }

    /// The largest body that a request to that path may have. Whoever reads the body stops one
    /// byte later and hands over what was read: the router then answers 413, if the sender may
    /// know.
    #[must_use]
    pub fn body_limit(&self, path: &str) -> usize {
        match self.receivers.paths().find(path) {
            Some(Endpoint::Poll(_)) => POLL_BODY,
            _ => MANAGEMENT_BODY,
        }
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let mut response = self.answer(&request).await;
        // RFC 9110 §9.3.2: HEAD is answered as GET is, without the content.
        if request.method() == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        response
    }

    async fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        let Some(endpoint) = self.receivers.paths().find(path) else {
            return refusal(&Refusal::NoSuchPath, None);
        };
        match endpoint {
            Endpoint::Metadata | Endpoint::Jwks | Endpoint::ResourceMetadata(_) => {
                documents::answer(&self.receivers, &endpoint, request).await
            }
            protected => match self.protected(&protected, request).await {
                Ok(response) => response,
                Err(error) => refusal(&error.refusal(), self.resource(&protected, path)),
            },
        }
    }

    /// Authentication, then authorisation, then everything else: a request that may not be made is
    /// told nothing about itself.
    async fn protected(
        &self,
        endpoint: &Endpoint,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Error> {
        let caller = self.authenticate(request.headers()).await?;
        let operation = self.authorize(endpoint, request.method(), &caller)?;
        let receivers = &self.receivers;
        let query = request.uri().query();
        no_token_in(query)?;
        let body = || json_body(request, self.body_limit(request.uri().path()));
        match operation {
            Operation::CreateStream => {
                let command = CreateStream::parse(body()?, receivers.egress())?;
                let stream = receivers.create_stream(&caller, command).await?;
                Ok(json(StatusCode::CREATED, &stream))
            }
            Operation::ReadStream => match requested_stream_id(query)? {
                Some(stream) => {
                    Ok(json(StatusCode::OK, &receivers.read_stream(&caller, &stream).await?))
                }
                None => Ok(json(StatusCode::OK, &receivers.list_streams(&caller).await?)),
            },
            Operation::UpdateStream => {
                let command = PatchStream::parse(body()?, receivers.egress())?;
                Ok(json(StatusCode::OK, &receivers.update_stream(&caller, &command).await?))
            }
            Operation::ReplaceStream => {
                let command = ReplaceStream::parse(body()?, receivers.egress())?;
                Ok(json(StatusCode::OK, &receivers.replace_stream(&caller, &command).await?))
            }
            Operation::DeleteStream => {
                receivers.delete_stream(&caller, &named(query)?).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            Operation::ReadStatus => {
                let status = receivers.read_status(&caller, &named(query)?).await?;
                Ok(json(StatusCode::OK, &status))
            }
            Operation::UpdateStatus => {
                let command = StatusRequest::parse(body()?)?;
                Ok(json(StatusCode::OK, &receivers.update_status(&caller, &command).await?))
            }
            Operation::AddSubject => {
                receivers.add_subject(&caller, SubjectRequest::parse_add(body()?)?).await?;
                Ok(empty(StatusCode::OK))
            }
            Operation::RemoveSubject => {
                receivers.remove_subject(&caller, SubjectRequest::parse_remove(body()?)?).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            Operation::Verify => {
                receivers.verify(&caller, VerificationRequest::parse(body()?)?).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            Operation::Poll => {
                let command = PollRequest::parse(body()?)?;
                let Endpoint::Poll(Some(stream)) = endpoint else {
                    return Err(Refusal::UnknownStream.into());
                };
                Ok(json(StatusCode::OK, &receivers.poll(&caller, stream, command).await?))
            }
        }
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let values = headers.get_all(AUTHORIZATION).into_iter().map(http::HeaderValue::as_bytes);
        let token = match bearer_token(values) {
            Credentials::Absent => return Err(Refusal::NoCredentials),
            Credentials::Malformed => return Err(Refusal::InvalidToken),
            Credentials::Token(token) => token,
        };
        let now = self.receivers.now();
        self.authenticator.authenticate(&token, now).await.map_err(|error| match error {
            AuthError::InvalidToken(_) => Refusal::InvalidToken,
            AuthError::Unavailable { retry_after, .. } => {
                Refusal::Unavailable(retry_after.max(Duration::from_secs(1)))
            }
        })
    }

    /// The operation that the method means at the endpoint, if the caller may do it.
    fn authorize(
        &self,
        endpoint: &Endpoint,
        method: &Method,
        caller: &Caller,
    ) -> Result<Operation, Refusal> {
        let (operations, allow) = operations(endpoint);
        let check = |operation: &Operation| {
            self.receivers.access().check(*operation, &caller.scopes).map(|()| *operation)
        };
        // RFC 9110 §9.3.2: HEAD reads what GET reads.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        if let Some((_, operation)) = operations.iter().find(|(known, _)| known == method) {
            return check(operation);
        }
        // 403 comes before 405: who may do nothing here is not told what there is to do.
        let checks = operations.iter().map(|(_, operation)| check(operation));
        match checks.reduce(|found, next| next.or(found)) {
            Some(Err(refusal)) => Err(refusal),
            Some(Ok(_)) | None => Err(Refusal::MethodNotAllowed { allow }),
        }
    }

    /// The URL of the metadata of the protected resource that was asked for (RFC 9728 §5.1).
    fn resource(&self, endpoint: &Endpoint, path: &str) -> Option<String> {
        match endpoint {
            // What is no stream could hold anything; it gets no place in a header.
            Endpoint::Poll(None) => None,
            _ => Some(self.receivers.paths().url(&Endpoint::ResourceMetadata(path.to_owned()))),
        }
    }
}

/// The operations of an endpoint with their methods, the one that needs least first, and the value
/// of `Allow`.
fn operations(endpoint: &Endpoint) -> (&'static [(Method, Operation)], &'static str) {
    match endpoint {
        Endpoint::Configuration => (
            &[
                (Method::GET, Operation::ReadStream),
                (Method::POST, Operation::CreateStream),
                (Method::PATCH, Operation::UpdateStream),
                (Method::PUT, Operation::ReplaceStream),
                (Method::DELETE, Operation::DeleteStream),
            ],
            "DELETE, GET, HEAD, PATCH, POST, PUT",
        ),
        Endpoint::Status => (
            &[(Method::GET, Operation::ReadStatus), (Method::POST, Operation::UpdateStatus)],
            "GET, HEAD, POST",
        ),
        Endpoint::AddSubject => (&[(Method::POST, Operation::AddSubject)], "POST"),
        Endpoint::RemoveSubject => (&[(Method::POST, Operation::RemoveSubject)], "POST"),
        Endpoint::Verification => (&[(Method::POST, Operation::Verify)], "POST"),
        Endpoint::Poll(_) => (&[(Method::POST, Operation::Poll)], "POST"),
        Endpoint::Metadata | Endpoint::Jwks | Endpoint::ResourceMetadata(_) => (&[], "GET, HEAD"),
    }
}

/// RFC 6750 §2: a request proves its sender by one method only. A token in the query alone is no
/// method of ours, and its sender was refused before.
fn no_token_in(query: Option<&str>) -> Result<(), Refusal> {
    let mut members = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    if members.any(|(name, _)| name == "access_token") {
        return Err(InvalidRequest::new("access_token", Problem::InQuery).into());
    }
    Ok(())
}

/// The `stream_id` that a query must have.
fn named(query: Option<&str>) -> Result<StreamId, Refusal> {
    let missing = || InvalidRequest::new("stream_id", Problem::Missing);
    Ok(requested_stream_id(query)?.ok_or_else(missing)?)
}

/// The body, if it is not too large and is said to be JSON.
fn json_body(request: &Request<Bytes>, most: usize) -> Result<&[u8], Refusal> {
    if request.body().len() > most {
        return Err(Refusal::BodyTooLarge(most));
    }
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::UnsupportedMediaType);
    }
    Ok(request.body())
}
