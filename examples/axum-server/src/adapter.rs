//! The adapter: axum in, the library's router, axum out.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use example_host::App;

/// Everything the transmitter serves. Mount it as the fallback of an axum router.
pub(crate) fn service(app: App) -> axum::Router {
    axum::Router::new().fallback(handle).with_state(app)
}

async fn handle(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if app.takes_stream(&parts) {
        return app.handle_stream(&parts, body.into_data_stream()).await.map(Body::from);
    }
    let limit = app.body_limit(parts.uri.path());
    let response = match example_host::read(body.into_data_stream(), limit).await {
        Ok(body) => app.handle(http::Request::from_parts(parts, body)).await,
        Err(_) => app.handle_broken(http::Request::from_parts(parts, ())).await,
    };
    response.map(Body::from)
}
