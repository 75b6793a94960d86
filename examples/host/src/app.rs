//! All that a server answers: the library's router, and the operator's API beside it.

use bytes::Bytes;
use futures_util::stream::Stream;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use ssf_transmitter::router::Router;

use crate::admin::{self, Admin};

/// Requests in, responses out, in the types of the `http` crate. It has the methods of
/// [`Router`]: a host without an operator's API mounts that in its place.
#[derive(Clone, Debug)]
pub struct App {
    router: Router,
    admin: Option<Admin>,
}

impl App {
    /// The router, and the operator's API if there is one.
    #[must_use]
    pub fn new(router: Router, admin: Option<Admin>) -> Self {
        Self { router, admin }
    }

    /// The largest body that a request to that path may have.
    #[must_use]
    pub fn body_limit(&self, path: &str) -> usize {
        match &self.admin {
            Some(_) if Admin::has(path) => admin::BODY,
            _ => self.router.body_limit(path),
        }
    }

    /// Whether the body of that request is taken as it comes, whatever its size: an import.
    #[must_use]
    pub fn takes_stream(&self, head: &Parts) -> bool {
        self.admin.is_some() && head.method == Method::POST && head.uri.path() == admin::IMPORT
    }

    /// Answers a request whose body is taken as it comes.
    pub async fn handle_stream<E>(
        &self,
        head: &Parts,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Response<Bytes> {
        match &self.admin {
            Some(admin) => admin.import(head, body).await,
            None => admin::json(StatusCode::NOT_FOUND, &json!({"error": "not_found"})),
        }
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        match &self.admin {
            Some(admin) if Admin::has(path) => admin.handle(&request).await,
            _ if path == "/healthz" && request.method() == Method::GET => {
                admin::json(StatusCode::OK, &json!({"status": "ok"}))
            }
            _ => self.router.handle(request).await,
        }
    }

    /// Answers a request whose body broke off.
    pub async fn handle_broken(&self, request: Request<()>) -> Response<Bytes> {
        match &self.admin {
            Some(admin) if Admin::has(request.uri().path()) => {
                admin.handle_broken(request.headers()).await
            }
            _ => self.router.handle_broken(request).await,
        }
    }
}
