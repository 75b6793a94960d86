//! The adapter: actix-web in, the library's router, actix-web out.

use std::io;
use std::net::TcpListener;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpServer};
use bytes::Bytes;
use example_host::{App, GRACE, Stop};
use futures_util::stream::empty;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};

/// Serves until it is time to stop; then requests under way may end.
pub(crate) async fn serve(listener: TcpListener, app: App, stop: Stop) -> io::Result<()> {
    let app = Data::new(app);
    let service =
        move || actix_web::App::new().app_data(Data::clone(&app)).default_service(web::to(handle));
    let server = HttpServer::new(service)
        // A client that goes away ends its request, and with it everything that request holds.
        // Without this a poll would go on waiting for nobody.
        .h1_allow_half_closed(false)
        .disable_signals()
        .shutdown_timeout(GRACE.as_secs())
        .listen(listener)?
        .run();
    let handle = server.handle();
    tokio::spawn(async move {
        stop.await;
        handle.stop(true).await;
    });
    server.await
}

#[expect(clippy::future_not_send, reason = "a request of actix-web stays on its thread")]
async fn handle(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let Some(head) = convert(&request) else {
        return HttpResponse::BadRequest().finish();
    };
    if app.takes_stream(&head) {
        return answer(app.handle_stream(&head, payload).await);
    }
    let limit = app.body_limit(request.path());
    answer(match example_host::read(payload, limit).await {
        Ok(body) => app.handle(Request::from_parts(head, body)).await,
        Err(_) => app.handle_broken(Request::from_parts(head, ())).await,
    })
}

/// The request, without its body, in the types of today's `http` crate: actix-web has those of 0.2.
/// Both crates know the same methods, targets and headers, so nothing is lost; `None` is for the day
/// they do not.
fn convert(request: &HttpRequest) -> Option<Parts> {
    let mut converted = Request::new(());
    *converted.method_mut() = Method::from_bytes(request.method().as_str().as_bytes()).ok()?;
    *converted.uri_mut() = request.uri().to_string().parse::<Uri>().ok()?;
    for (name, value) in request.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        converted.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    Some(converted.into_parts().0)
}

/// The response in the types of actix-web.
fn answer(response: Response<Bytes>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16());
    let mut answer = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in &parts.headers {
        answer.append_header((name.as_str(), value.as_bytes()));
    }
    match left_out(&parts.headers) {
        Some(length) => answer.body(SizedStream::new(length, empty::<io::Result<Bytes>>())),
        None => answer.body(body),
    }
}

/// The length of the content that the answer to a HEAD leaves out. Without it actix-web would say
/// that the content is 0 bytes long.
fn left_out(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
