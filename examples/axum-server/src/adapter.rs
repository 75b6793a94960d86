//! The adapter: axum in, the library's router, axum out.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use ssf_transmitter::router::Router;

/// Everything the transmitter serves. Mount it as the fallback of an axum router.
pub(crate) fn service(router: Router) -> axum::Router {
    axum::Router::new().fallback(handle).with_state(router)
}

async fn handle(State(router): State<Router>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match read(body, router.body_limit(parts.uri.path())).await {
        Some(body) => router.handle(http::Request::from_parts(parts, body)).await.map(Body::from),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// Reads a body until it is more than `limit` bytes long; the router refuses what is longer.
/// `None`: the body broke off.
async fn read(mut body: Body, limit: usize) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            bytes.extend_from_slice(&data[..data.len().min(limit + 1 - bytes.len())]);
        }
        if bytes.len() > limit {
            break;
        }
    }
    Some(bytes.freeze())
}
