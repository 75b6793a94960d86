//! The router: HTTP requests in, HTTP responses out, in the types of the `http` crate. Mounting it
//! in a web framework takes a handler of a few lines.
//!
//! A request walks through [`Router::handle`] from top to bottom: find the endpoint, authenticate,
//! check the scope, ask the rate limiter, check method and body, parse, ask the service, answer.

mod diagnosis;
mod documents;
mod reply;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use url::form_urlencoded;

use crate::auth::{Authenticator, Caller};
use crate::diagnostics::{self, Told};
use crate::id::Owner;
use crate::limit::{Admission, RateLimiter, Unlimited};
use crate::protocol::{
    CreateStream, Credentials, Endpoint, InvalidRequest, Operation, PatchStream, PollRequest,
    Problem, Refusal, ReplaceStream, StatusRequest, StreamsQuery, SubjectRequest,
    VerificationRequest, bearer_token,
};
use crate::transmitter::Receivers;

pub use diagnosis::Diagnosis;

use diagnosis::Failure;
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
    limiter: Arc<dyn RateLimiter>,
}

/// What became clear of a request before it was answered.
#[derive(Debug, Default)]
struct Asked {
    resource: Option<String>,
    caller: Option<Owner>,
    operation: Option<Operation>,
    /// What path and method mean, in a word for logs and metrics, whoever asked.
    meant: Option<&'static str>,
}

impl Asked {
    fn word(&self) -> &'static str {
        self.meant.unwrap_or("unclear")
    }
}

impl Router {
    /// Serves these receivers, as this authenticator knows them.
    #[must_use]
    pub fn new(receivers: Receivers, authenticator: impl Authenticator) -> Self {
        let limiter = Arc::new(Unlimited);
        Self { receivers, authenticator: Arc::new(authenticator), limiter }
    }

    /// Lets receivers call as often as that limiter says. Without it: as often as they like.
    #[must_use]
    pub fn with_rate_limiter(mut self, limiter: impl RateLimiter) -> Self {
        self.limiter = Arc::new(limiter);
        self
    }

    /// The largest body that a request to that path may have. Whoever reads the body stops one
    /// byte later and hands over what was read: the router then refuses it, with 413 unless the
    /// profile says otherwise, if the sender may know.
    #[must_use]
    pub fn body_limit(&self, path: &str) -> usize {
        match self.receivers.paths().find(path) {
            Some(Endpoint::Poll(_)) => POLL_BODY,
            _ => MANAGEMENT_BODY,
        }
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.respond(request.map(Some)).await
    }

    /// Answers a request whose body broke off or could not be read. It is refused as one whose body
    /// is no JSON, if its sender may make it, and nothing is done; public documents are answered.
    pub async fn handle_broken(&self, request: Request<()>) -> Response<Bytes> {
        self.respond(request.map(|()| None)).await
    }

    /// Answers a request; one without a body is one whose body broke off.
    async fn respond(&self, request: Request<Option<Bytes>>) -> Response<Bytes> {
        let (began, mut asked) = (self.receivers.now(), Asked::default());
        let mut response = self.answer(&request, &mut asked).await;
        let (operation, status) = (asked.word(), response.status().as_u16());
        let took = self.receivers.now().since(began);
        diagnostics::tell(Told::Answered { operation, status, took });
        // RFC 9110 §9.3.2: HEAD is answered as GET is, without the content; §8.6: its length is that
        // of the content left out. A 304 has left it out already, and its length is not known.
        if request.method() == Method::HEAD && !response.body().is_empty() {
            let length = std::mem::take(response.body_mut()).len();
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        response
    }

    async fn answer(&self, request: &Request<Option<Bytes>>, asked: &mut Asked) -> Response<Bytes> {
        let path = request.uri().path();
        let answer = match self.receivers.paths().find(path) {
            None => Err(Refusal::NoSuchPath.into()),
            Some(
                public @ (Endpoint::Metadata | Endpoint::Jwks | Endpoint::ResourceMetadata(_)),
            ) => {
                asked.meant = documents::name(&public);
                documents::answer(&self.receivers, &public, request).await.map_err(Failure::from)
            }
            Some(protected) => {
                asked.resource = self.resource(&protected, path);
                asked.operation = meant(&protected, request.method());
                asked.meant = asked.operation.map(Operation::as_str);
                self.protected(&protected, request, asked).await
            }
        };
        answer.unwrap_or_else(|failure| self.refuse(failure, request, asked))
    }

    /// The answer to a request that failed, as the profile says it looks.
    fn refuse(
        &self,
        failure: Failure,
        request: &Request<Option<Bytes>>,
        asked: &mut Asked,
    ) -> Response<Bytes> {
        let diagnosis = Diagnosis {
            tracking_id: self.receivers.tracking_id(),
            refusal: failure.refusal(),
            operation: asked.operation,
            caller: asked.caller.take(),
            cause: failure.into_cause(),
        };
        let answer = self.receivers.profile().answer(&diagnosis.refusal, diagnosis.operation);
        diagnostics::tell(Told::Refused {
            tracking_id: &diagnosis.tracking_id,
            caller: diagnosis.caller.as_ref(),
            method: request.method().as_str(),
            // Not the query: a token may be in it.
            path: request.uri().path(),
            operation: asked.word(),
            status: answer.status,
            cause: &*diagnosis.cause,
        });
        refusal(self.receivers.profile(), diagnosis, asked.resource.take())
    }

    /// Authentication, then authorisation, then everything else: a request that may not be made is
    /// told nothing about itself.
    async fn protected(
        &self,
        endpoint: &Endpoint,
        request: &Request<Option<Bytes>>,
        asked: &mut Asked,
    ) -> Result<Response<Bytes>, Failure> {
        let caller = self.authenticate(request.headers(), request.uri().query()).await?;
        asked.caller = Some(caller.owner.clone());
        let operation = self.authorize(endpoint, request.method(), &caller)?;
        self.admit(&caller, operation).await?;
        let receivers = &self.receivers;
        let (profile, egress) = (receivers.profile(), receivers.egress());
        // Nothing is done for half a request, not even what needs no body.
        let sent = request.body().as_ref().ok_or(InvalidRequest::new("", Problem::NotJson))?;
        let query = || StreamsQuery::parse(request.uri().query(), profile);
        let body = || json_body(request.headers(), sent, self.body_limit(request.uri().path()));
        match operation {
            Operation::CreateStream => {
                let command = CreateStream::parse(body()?, profile, egress)?;
                let stream = receivers.create_stream(&caller, command).await?;
                Ok(json(StatusCode::CREATED, &stream))
            }
            Operation::ReadStream => {
                let query = query()?;
                if let Some(stream) = &query.stream_id {
                    let stream = receivers.read_stream(&caller, stream).await?;
                    return Ok(json(StatusCode::OK, &stream));
                }
                let mut streams = receivers.list_streams(&caller).await?;
                streams.retain(|stream| query.admits(stream));
                Ok(json(StatusCode::OK, &streams))
            }
            Operation::UpdateStream => {
                let command = PatchStream::parse(body()?, profile, egress)?;
                Ok(json(StatusCode::OK, &receivers.update_stream(&caller, &command).await?))
            }
            Operation::ReplaceStream => {
                let command = ReplaceStream::parse(body()?, profile, egress)?;
                Ok(json(StatusCode::OK, &receivers.replace_stream(&caller, &command).await?))
            }
            Operation::DeleteStream => {
                receivers.delete_stream(&caller, &query()?.required()?).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            Operation::ReadStatus => {
                let status = receivers.read_status(&caller, &query()?.required()?).await?;
                Ok(json(StatusCode::OK, &status))
            }
            Operation::UpdateStatus => {
                let command = StatusRequest::parse(body()?, profile)?;
                Ok(json(StatusCode::OK, &receivers.update_status(&caller, &command).await?))
            }
            Operation::AddSubject => {
                let command = SubjectRequest::parse_add(body()?, profile)?;
                receivers.add_subject(&caller, command).await?;
                Ok(empty(StatusCode::OK))
            }
            Operation::RemoveSubject => {
                let command = SubjectRequest::parse_remove(body()?, profile)?;
                receivers.remove_subject(&caller, command).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            Operation::Verify => {
                let command = VerificationRequest::parse(body()?, profile)?;
                receivers.verify(&caller, command).await?;
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

    async fn authenticate(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Caller, Failure> {
        let values = headers.get_all(AUTHORIZATION).into_iter().map(http::HeaderValue::as_bytes);
        let token = match bearer_token(values) {
            Credentials::Absent => return Err(Refusal::NoCredentials.into()),
            Credentials::Several => return Err(Refusal::SeveralCredentials.into()),
            _ if has_token(query) => return Err(Refusal::SeveralCredentials.into()),
            Credentials::Malformed => return Err(Refusal::InvalidToken.into()),
            Credentials::Token(token) => token,
        };
        let now = self.receivers.now();
        self.authenticator.authenticate(&token, now).await.map_err(Failure::Auth)
    }

    /// Lets the request go on, unless the caller calls too often.
    async fn admit(&self, caller: &Caller, operation: Operation) -> Result<(), Refusal> {
        match self.limiter.admit(&caller.owner, operation, self.receivers.now()).await {
            Admission::Admitted => Ok(()),
            Admission::RetryAfter(wait) => Err(Refusal::RateLimited(wait)),
        }
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
            self.receivers.profile().access.check(*operation, &caller.scopes).map(|()| *operation)
        };
        if let Some(operation) = meant(endpoint, method) {
            return check(&operation);
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
            _ => self.receivers.paths().url(&Endpoint::ResourceMetadata(path.to_owned())),
        }
    }
}

/// The operation that the method means at the endpoint.
fn meant(endpoint: &Endpoint, method: &Method) -> Option<Operation> {
    // RFC 9110 §9.3.2: HEAD reads what GET reads.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let (operations, _) = operations(endpoint);
    operations.iter().find(|(known, _)| known == method).map(|(_, operation)| *operation)
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

/// Whether a token is in the query. Alone it is no credential of ours; beside another it is one too
/// many (RFC 6750 §2).
fn has_token(query: Option<&str>) -> bool {
    let mut members = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    members.any(|(name, _)| name == "access_token")
}

/// The body, if it is not too large and is said to be JSON.
fn json_body<'a>(headers: &HeaderMap, body: &'a [u8], most: usize) -> Result<&'a [u8], Refusal> {
    if body.len() > most {
        return Err(Refusal::BodyTooLarge(most));
    }
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::UnsupportedMediaType);
    }
    Ok(body)
}
