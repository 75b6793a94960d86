//! The example transmitter: the library's router mounted in axum, with an admin API beside it.
//! Not a product: receivers are given by flags, and the store is in memory.

mod access;
mod adapter;
mod admin;
mod flags;
mod keyfile;
mod tls;

use std::error::Error;
use std::time::Duration;

use axum::serve::ListenerExt;
use clap::Parser;
use ssf_transmitter::id::Issuer;
use ssf_transmitter::transmitter::Receivers;
use ssf_transmitter::{
    Config, EgressPolicy, MemoryStore, PushClient, Router, TokioClock, Transmitter, Worker,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use flags::Flags;
use tls::TlsListener;

/// How long pushes and polls under way have when the server stops.
const GRACE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    let listener = TcpListener::bind(flags.listen).await?;
    let scheme = if flags.tls_cert.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr()?);

    let transmitter = transmitter(&flags, &url)?;
    let receivers = transmitter.receivers();
    let router = Router::new(receivers.clone(), access::authenticator(&flags)?);
    let mut app = adapter::service(router);
    app = app.merge(admin::routes(&transmitter, flags.admin_token.as_ref()));

    let mut worker = Worker::spawn(transmitter, GRACE, |trouble| {
        eprintln!("push worker: {}", chain(trouble));
    });
    let stop = stop(receivers)?;
    match (&flags.tls_cert, &flags.tls_key) {
        (Some(cert), Some(key)) => {
            let listener = TlsListener::new(listener, cert, key)?;
            println!("listening on {url}");
            serve(listener, app, stop, &mut worker).await?;
        }
        _ => {
            let listener = listener.tap_io(|io| drop(io.set_nodelay(true)));
            println!("listening on {url}");
            serve(listener, app, stop, &mut worker).await?;
        }
    }
    worker.stop().await?;
    Ok(())
}

fn transmitter(flags: &Flags, url: &str) -> Result<Transmitter, Box<dyn Error>> {
    let egress = if flags.allow_private_push {
        EgressPolicy::allow_private()
    } else {
        EgressPolicy::public()
    };
    let mut client = PushClient::builder(egress.clone()).with_exchange_timeout(flags.push_deadline);
    if let Some(path) = &flags.push_ca {
        client = client.with_extra_roots_pem(&std::fs::read(path)?);
    }
    let mut config = Config::default();
    config.egress = egress;
    config.default_subjects = flags.default_subjects;
    config.min_verification_interval = flags.min_verification_interval;
    config.inactivity_timeout = flags.inactivity_timeout;
    config.poll_timeout = flags.poll_timeout;
    config.lease = flags.lease;
    config.push_deadline = flags.push_deadline;

    let issuer = match &flags.issuer {
        Some(issuer) => issuer.clone(),
        None => Issuer::parse(url)?,
    };
    let keys = keyfile::load(flags.signing_key.as_deref())?;
    Ok(Transmitter::builder(issuer, MemoryStore::new(), keys)
        .with_clock(TokioClock)
        .with_deliverer(client.build()?)
        .with_config(config)
        .build()?)
}

/// Ready at SIGTERM or SIGINT, after waiting polls have been answered.
fn stop(receivers: Receivers) -> Result<impl Future<Output = ()> + Send, std::io::Error> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        receivers.end_polls();
    })
}

/// Serves until it is told to stop; then requests under way have a grace period. A worker that
/// ends by itself ends the server too: SETs would be accepted and never pushed.
async fn serve<L>(
    listener: L,
    app: axum::Router,
    stop: impl Future<Output = ()> + Send + 'static,
    worker: &mut Worker,
) -> Result<(), Box<dyn Error>>
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let stop = async move {
        stop.await;
        let _ = stopping.send(());
    };
    let server = axum::serve(listener, app).with_graceful_shutdown(stop);
    let overdue = async move {
        if stopped.await.is_ok() {
            tokio::time::sleep(GRACE).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        result = server => result?,
        () = overdue => {}
        ended = worker.ended() => ended?,
    }
    Ok(())
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
