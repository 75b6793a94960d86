//! From flags to a transmitter, and from start to stop.

use std::error::Error;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use ssf_transmitter::id::Issuer;
use ssf_transmitter::monitor::IdentityMonitor;
use ssf_transmitter::{Config, EgressPolicy, PushClient, TokioClock, Transmitter, Worker};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::flags::Flags;
use crate::{keyfile, telemetry};

/// How long pushes and polls under way have when the server stops.
pub const GRACE: Duration = Duration::from_secs(5);

/// Ready when the server is to stop.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The transmitter that the flags ask for, and a monitor of identities over the same store. Its
/// issuer, if they name none, is `url`. From here on there is a log.
///
/// # Errors
/// When a file cannot be read, the store cannot be opened, or a flag contradicts another.
pub async fn transmitter(
    flags: &Flags,
    url: &str,
) -> Result<(Transmitter, IdentityMonitor), Box<dyn Error>> {
    telemetry::log(flags.log);
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
    config.inactivity_timeout = flags.inactivity_timeout;
    config.poll_timeout = flags.poll_timeout;
    config.visibility_window = flags.visibility_window;
    config.verification_interval = flags.verification_interval;
    config.removal_grace = flags.removal_grace;
    config.held = flags.held();
    config.lease = flags.lease;
    config.push_deadline = flags.push_deadline;
    let margin = flags.lease.saturating_sub(flags.push_deadline);
    config.clock_difference = flags.store.clock_difference(margin);

    let issuer = match &flags.issuer {
        Some(issuer) => issuer.clone(),
        None => Issuer::parse(url)?,
    };
    let signing_key = flags.store.signing_key(flags.signing_key.as_deref())?;
    let (streams, identities) = flags.store.open(config.clock_difference).await?;
    let keys = keyfile::load(signing_key.as_deref())?;
    let transmitter = Transmitter::builder(issuer, streams, keys)
        .with_clock(TokioClock)
        .with_deliverer(client.build()?)
        .with_config(config)
        .with_profile(flags.profile())
        .build()?;
    let monitor = IdentityMonitor::new(transmitter.clone(), identities);
    Ok((transmitter, monitor))
}

/// Pushes, and serves what `serve` begins, until SIGTERM or SIGINT: then waiting polls are
/// answered, and requests under way have a grace period. A worker that ends by itself ends the
/// server too: SETs would be accepted and never pushed.
///
/// # Errors
/// When the server or the worker fails.
pub async fn run<S>(
    transmitter: Transmitter,
    serve: impl FnOnce(Stop) -> S,
) -> Result<(), Box<dyn Error>>
where
    S: Future<Output = io::Result<()>>,
{
    let receivers = transmitter.receivers();
    // What troubles the worker is in the log.
    let mut worker = Worker::spawn(transmitter, GRACE, |_| ());
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (stopping, stopped) = oneshot::channel();
    let stop = Box::pin(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        receivers.end_polls();
        let _ = stopping.send(());
    });
    let overdue = async move {
        if stopped.await.is_ok() {
            tokio::time::sleep(GRACE).await;
        } else {
            pending::<()>().await;
        }
    };
    tokio::select! {
        result = serve(stop) => result?,
        () = overdue => {}
        ended = worker.ended() => ended?,
    }
    worker.stop().await?;
    Ok(())
}
