//! The adapter: hyper in, the library's router, hyper out. There is no framework between.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use example_host::{App, Stop};
use http::{Request, Response};
use http_body_util::{BodyDataStream, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

/// How long to wait after a connection could not be accepted: there may be too many.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// Serves connections until it is time to stop; then those with a request under way may end it.
pub(crate) async fn serve(listener: TcpListener, app: App, mut stop: Stop) -> io::Result<()> {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => serve_one(stream, app.clone(), &connections),
            Err(_) => tokio::time::sleep(AFTER_TROUBLE).await,
        }
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

/// Serves one connection beside the others. When its client goes away, hyper drops the request
/// under way, and with it everything that request holds.
fn serve_one(stream: TcpStream, app: App, connections: &GracefulShutdown) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| handle(app.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    // How a connection ends is its client's affair.
    tokio::spawn(async move { drop(connection.await) });
}

async fn handle(app: App, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    if app.takes_stream(&parts) {
        return Ok(app.handle_stream(&parts, BodyDataStream::new(body)).await.map(Full::new));
    }
    let limit = app.body_limit(parts.uri.path());
    let response = match example_host::read(BodyDataStream::new(body), limit).await {
        Ok(body) => app.handle(Request::from_parts(parts, body)).await,
        Err(_) => app.handle_broken(Request::from_parts(parts, ())).await,
    };
    Ok(response.map(Full::new))
}
