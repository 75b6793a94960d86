//! The public documents: metadata, keys, and what protected resources say of themselves.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::reply::{json, set};
use crate::error::Error;
use crate::keys::JWKS_MAX_AGE;
use crate::protocol::{Endpoint, Refusal, Validation};
use crate::transmitter::Receivers;

/// Answers a request for a public document. Credentials are not looked at: a bad token does not
/// spoil what everybody may see.
pub(super) async fn answer(
    receivers: &Receivers,
    endpoint: &Endpoint,
    request: &Request<Option<Bytes>>,
) -> Result<Response<Bytes>, Error> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Refusal::MethodNotAllowed { allow: "GET, HEAD" }.into());
    }
    let document = json(StatusCode::OK, &document(receivers, endpoint).await?);
    Ok(cacheable(document, request, receivers.profile().validation))
}

/// What is asked for at a public endpoint, in a word for logs and metrics.
pub(super) fn name(endpoint: &Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::Metadata => Some("read_metadata"),
        Endpoint::Jwks => Some("read_keys"),
        Endpoint::ResourceMetadata(_) => Some("read_resource_metadata"),
        Endpoint::Configuration
        | Endpoint::Status
        | Endpoint::AddSubject
        | Endpoint::RemoveSubject
        | Endpoint::Verification
        | Endpoint::Poll(_) => None,
    }
}

async fn document(receivers: &Receivers, endpoint: &Endpoint) -> Result<Value, Error> {
    match endpoint {
        Endpoint::Jwks => receivers.jwks().await,
        Endpoint::ResourceMetadata(path) => Ok(resource_metadata(receivers, path)),
        _ => serde_json::to_value(receivers.metadata()).map_err(|_| Refusal::Internal.into()),
    }
}

/// The metadata of the protected resource at that path (RFC 9728 §2). It names exactly that
/// resource: a client compares it with the URL it called (§3.3).
fn resource_metadata(receivers: &Receivers, path: &str) -> Value {
    let mut document = json!({
        "resource": receivers.paths().resource(path),
        "bearer_methods_supported": ["header"],
    });
    // RFC 9728 §2: arrays without elements are left out.
    let scopes = receivers.profile().access.scopes();
    if !scopes.is_empty() {
        document["scopes_supported"] = json!(scopes);
    }
    document
}

/// A document that caches may keep as long as a key set, with a validator (RFC 9110 §8.8.3).
fn cacheable(
    mut response: Response<Bytes>,
    request: &Request<Option<Bytes>>,
    validation: Validation,
) -> Response<Bytes> {
    let digest = openssl::sha::sha256(response.body());
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest));
    set(&mut response, CACHE_CONTROL, &format!("public, max-age={}", JWKS_MAX_AGE.as_secs()));
    set(&mut response, ETAG, &tag);
    let known = request.headers().get_all(IF_NONE_MATCH).into_iter();
    let known = known.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    // RFC 9110 §13.1.2: compared weakly; the list may come in several headers (§5.3).
    let same = |one: &str| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag;
    if validation == Validation::NotModified && known.map(str::trim).any(same) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Bytes::new();
    }
    response
}
