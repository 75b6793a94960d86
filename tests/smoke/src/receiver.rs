//! A receiver of pushes (RFC 8935), and how SETs are read.

use std::convert::Infallible;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Takes every SET with 202.
pub(crate) struct PushReceiver {
    url: String,
    pushes: mpsc::UnboundedReceiver<Push>,
}

/// A push as it came.
pub(crate) struct Push {
    pub(crate) content_type: String,
    pub(crate) authorization: String,
    pub(crate) claims: Value,
}

impl PushReceiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/push", listener.local_addr().unwrap());
        let (came, pushes) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let came = came.clone();
                let take = service_fn(move |request| take(request, came.clone()));
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), take);
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Self { url, pushes }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn next(&mut self) -> Push {
        self.pushes.recv().await.unwrap()
    }
}

async fn take(
    request: Request<Incoming>,
    came: mpsc::UnboundedSender<Push>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let token = body.collect().await.unwrap().to_bytes();
    let push = Push {
        content_type: text(&parts.headers, "content-type"),
        authorization: text(&parts.headers, "authorization"),
        claims: claims(std::str::from_utf8(&token).unwrap()),
    };
    let _ = came.send(push);
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default().to_owned()
}

/// The claims of a SET in compact serialisation.
pub(crate) fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
