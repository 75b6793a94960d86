//! Joiners, movers and leavers: Monday's HR file is imported, Tuesday's is applied, and a receiver
//! on loopback prints whose sessions were revoked and why.

use std::sync::Arc;

use axum::http::StatusCode;
use josekit::{jwk::JwkSet, jws};
use serde_json::Value;
use ssf_transmitter::id::{Audience, ClientId, Issuer, KeyId, Owner, Scope, TenantId};
use ssf_transmitter::lifecycle::{Conditions, Mode, Report};
use ssf_transmitter::monitor::{IdentityMonitor, ImportProgress};
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery};
use ssf_transmitter::stream::{EndpointUrl, PushDelivery};
use ssf_transmitter::{
    Algorithm, Caller, Config, EgressPolicy, LocalKeys, MemoryStore, PushClient, SigningKey,
    TokioClock, Transmitter, Worker,
};
use tokio::{net::TcpListener, sync::mpsc, time::Duration};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    // A transmitter, and a monitor over the same store.
    let store = Arc::new(MemoryStore::new());
    let transmitter = transmitter(Arc::clone(&store))?;
    let monitor = IdentityMonitor::new(transmitter.clone(), store);
    let worker = Worker::spawn(transmitter.clone(), Duration::from_secs(1), |e| eprintln!("{e}"));

    // A receiver with a push stream (RFC 8935).
    let (inbox, mut pushed) = mpsc::channel(16);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}/events", listener.local_addr()?);
    let app = axum::Router::new().fallback(move |set: String| async move {
        inbox.send(set).await.map_or(StatusCode::SERVICE_UNAVAILABLE, |()| StatusCode::ACCEPTED)
    });
    tokio::spawn(async { axum::serve(listener, app).await });
    let owner = Owner::new(TenantId::parse("default")?, ClientId::parse("receiver")?);
    let audience = Audience::parse("https://receiver.example")?;
    let caller = Caller::new(owner, audience, [Scope::parse("ssf.manage")?]);
    let delivery = PushDelivery::new(EndpointUrl::parse(&endpoint)?, None);
    let stream = CreateStream::new(RequestedDelivery::Push(delivery));
    transmitter.receivers().create_stream(&caller, stream).await?;

    // Which change means which event.
    let conditions = serde_json::from_str::<Conditions>(include_str!("conditions.json"))?;
    monitor.replace_conditions(0, conditions).await?;

    // Monday is how things are: nothing happened yet. On Tuesday, who was not there is new.
    let monday = import(&monitor, Mode::Baseline, include_str!("monday.jsonl")).await?;
    println!("Monday:  {} people, {} events", monday.read, monday.events);
    let tuesday = import(&monitor, Mode::ChangesAndNew, include_str!("tuesday.jsonl")).await?;
    println!("Tuesday: {} people, {} events", tuesday.read, tuesday.events);

    // The receiver hears of each of them.
    let keys = JwkSet::from_bytes(transmitter.receivers().jwks().await?.to_string())?;
    for _ in 0..tuesday.events {
        let set = tokio::time::timeout(Duration::from_secs(30), pushed.recv()).await?;
        println!("{}", tell(&set.ok_or("the receiver is gone")?, &keys)?);
    }

    // The same file again says nothing new.
    let again = import(&monitor, Mode::ChangesAndNew, include_str!("tuesday.jsonl")).await?;
    println!("Tuesday again: {} people, {} events", again.read, again.events);
    worker.stop().await?;
    Ok(())
}

/// Imports a file of one person a line.
async fn import(monitor: &IdentityMonitor, mode: Mode, file: &str) -> Result<ImportProgress> {
    let mut import = monitor.import(mode);
    for line in file.lines() {
        import.push(Report::parse(&serde_json::from_str(line)?)?).await?;
    }
    Ok(import.finish().await?)
}

/// What the receiver makes of a SET, after checking its signature.
fn tell(set: &str, keys: &JwkSet) -> Result<String> {
    let key = keys.keys().into_iter().next().ok_or("no key is published")?;
    let (claims, _) = jws::deserialize_compact(set, &jws::ES256.verifier_from_jwk(key)?)?;
    let claims: Value = serde_json::from_slice(&claims)?;
    let who = claims["sub_id"]["email"].as_str().unwrap_or("somebody");
    let (event_type, event) =
        claims["events"].as_object().and_then(|events| events.iter().next()).ok_or("no event")?;
    let why = event["reason_admin"]["en"].as_str().unwrap_or("no reason given");
    Ok(match event_type.rsplit('/').next() {
        Some("session-revoked") => format!("  sessions of {who} are revoked: {why}"),
        Some("token-claims-change") => {
            format!("  claims of {who} are now {}: {why}", event["claims"])
        }
        Some("account-enabled") => format!("  account of {who} is enabled: {why}"),
        Some("identifier-changed") => format!("  {who} is now {}", event["new-value"]),
        _ => format!("  {who}: {event_type}"),
    })
}

fn transmitter(store: Arc<MemoryStore>) -> Result<Transmitter> {
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("lifecycle")?)?;
    // The receiver lives on loopback; the default policy allows public hosts only.
    let mut config = Config::default();
    config.egress = EgressPolicy::allow_private();
    let client = PushClient::builder(config.egress.clone()).build()?;
    let issuer = Issuer::parse("https://tr.example.com")?;
    let builder = Transmitter::builder(issuer, store, LocalKeys::new(key)).with_clock(TokioClock);
    Ok(builder.with_deliverer(client).with_config(config).build()?)
}
