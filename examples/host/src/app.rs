//! All that a server answers: the library's router, and the operator's API beside it.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use ssf_transmitter::router::Router;

use crate::admin::{self, Admin};

/// Requests in, responses out, in the types of the `http` crate. It has the two methods of
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
            Some(_) if path.starts_with(admin::PREFIX) => admin::BODY,
            _ => self.router.body_limit(path),
        }
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        match &self.admin {
            Some(admin) if path.starts_with(admin::PREFIX) => admin.handle(&request).await,
            _ if path == "/healthz" && request.method() == Method::GET => {
                admin::json(StatusCode::OK, &json!({"status": "ok"}))
            }
            _ => self.router.handle(request).await,
        }
    }
}
