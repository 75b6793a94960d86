//! The example transmitter: the library's router mounted in axum, with an admin API beside it.
//! Not a product: receivers are given by flags.

mod adapter;
mod tls;

use std::error::Error;
use std::path::PathBuf;

use axum::serve::ListenerExt;
use clap::Parser;
use example_host::{Admin, App, Flags};
use tokio::net::TcpListener;

use tls::TlsListener;

/// An example SSF 1.0 transmitter.
#[derive(Debug, Parser)]
#[command(name = "axum-server")]
struct Server {
    #[command(flatten)]
    flags: Flags,

    /// The certificate chain to serve TLS with, in PEM.
    #[arg(long, env = "SSF_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM.
    #[arg(long, env = "SSF_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Server { flags, tls_cert, tls_key } = Server::parse();
    let listener = TcpListener::bind(flags.listen).await?;
    let scheme = if tls_cert.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr()?);

    let (transmitter, monitor) = example_host::transmitter(&flags, &url).await?;
    let router = example_host::router(&transmitter, &flags)?;
    let app = App::new(router, Admin::of(&transmitter, &monitor, &flags)?);
    let service = adapter::service(app);

    let Some((cert, key)) = tls_cert.zip(tls_key) else {
        let listener = listener.tap_io(|io| drop(io.set_nodelay(true)));
        println!("listening on {url}");
        return example_host::run(transmitter, |stop| {
            axum::serve(listener, service).with_graceful_shutdown(stop).into_future()
        })
        .await;
    };
    let listener = TlsListener::new(listener, &cert, &key)?;
    println!("listening on {url}");
    example_host::run(transmitter, |stop| {
        axum::serve(listener, service).with_graceful_shutdown(stop).into_future()
    })
    .await
}
