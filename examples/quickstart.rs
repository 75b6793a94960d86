//! A transmitter and a receiver in one process, over real HTTP with real signatures.
//!
//! The receiver discovers the transmitter, creates a push stream and a poll stream and verifies
//! both; then an account is disabled, and the receiver gets a signed event on each.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use josekit::jwk::JwkSet;
use josekit::jws::{self, RS256};
use serde_json::{Value, json};
use ssf_transmitter::auth::{Caller, tokens::StaticTokens};
use ssf_transmitter::deliver::client::PushClient;
use ssf_transmitter::egress::EgressPolicy;
use ssf_transmitter::event::{Event, types};
use ssf_transmitter::id::{Audience, ClientId, Issuer, KeyId, Owner, Scope, TenantId};
use ssf_transmitter::keys::local::{LocalKeys, SigningKey};
use ssf_transmitter::router::Router;
use ssf_transmitter::secret::Secret;
use ssf_transmitter::set::Algorithm;
use ssf_transmitter::store::memory::MemoryStore;
use ssf_transmitter::subject::Subject;
use ssf_transmitter::transmitter::{Config, Transmitter};
use ssf_transmitter::worker::{TokioClock, Worker};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TOKEN: &str = "the-token-of-the-receiver";
const AUDIENCE: &str = "https://receiver.example";

#[tokio::main]
async fn main() -> Result<()> {
    // The transmitter. Its issuer is where it listens.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let issuer = format!("http://{}", listener.local_addr()?);
    let transmitter = transmitter(&issuer)?;
    let worker = Worker::spawn(transmitter.clone(), Duration::from_secs(1), |trouble| {
        eprintln!("push worker: {trouble}");
    });
    let router = Router::new(transmitter.receivers(), receivers()?);
    let app = axum::Router::new().fallback(move |request: Request<Body>| async move {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, router.body_limit(parts.uri.path()) + 1).await;
        let request = Request::from_parts(parts, body.unwrap_or_default());
        router.handle(request).await.map(Body::from)
    });
    tokio::spawn(async { axum::serve(listener, app).await });

    // The receiver: an endpoint for pushed SETs, and a client of the management API.
    let (inbox, mut pushed) = mpsc::channel(16);
    let endpoint = push_endpoint(inbox).await?;
    let receiver = Receiver::discover(&issuer).await?;
    let push = json!({"method": "urn:ietf:rfc:8935", "endpoint_url": endpoint});
    let push = receiver.post("configuration_endpoint", json!({"delivery": push})).await?;
    let poll = json!({"method": "urn:ietf:rfc:8936"});
    let poll = receiver.post("configuration_endpoint", json!({"delivery": poll})).await?;
    println!("created a push stream and a poll stream");

    // Verification: each stream delivers the state it was asked to echo.
    for stream in [&push, &poll] {
        let request = json!({"stream_id": stream["stream_id"], "state": "hello"});
        receiver.post("verification_endpoint", request).await?;
    }
    let by_push = pushed.recv().await.ok_or("no push came")?;
    let by_poll = receiver.poll(&poll).await?;
    for token in [by_push, by_poll] {
        let event = receiver.check(&token, types::verification().as_str())?;
        ensure("the state is echoed", event["state"] == "hello")?;
    }

    // What it is all for: an account is disabled, so its sessions must end.
    let subject = json!({"format": "email", "email": "former.employee@example.com"});
    let event = Event::new(types::session_revoked(), Subject::parse(&subject)?)
        .with_member("initiating_entity", "admin")
        .with_member("reason_admin", json!({"en": "The account was disabled"}));
    transmitter.emit(event).await?;
    let by_push = pushed.recv().await.ok_or("no push came")?;
    let by_poll = receiver.poll(&poll).await?;
    for token in [by_push, by_poll] {
        receiver.check(&token, types::session_revoked().as_str())?;
    }
    worker.stop().await?;
    println!("every check passed");
    Ok(())
}

fn transmitter(issuer: &str) -> Result<Transmitter> {
    let key = SigningKey::generate(Algorithm::Rs256, KeyId::parse("quickstart")?)?;
    // The receiver lives on loopback; in production the default policy allows public hosts only.
    let egress = EgressPolicy::allow_private();
    let mut config = Config::default();
    config.egress = egress.clone();
    Ok(Transmitter::builder(Issuer::parse(issuer)?, MemoryStore::new(), LocalKeys::new(key))
        .with_clock(TokioClock)
        .with_deliverer(PushClient::builder(egress).build()?)
        .with_config(config)
        .build()?)
}

fn receivers() -> Result<StaticTokens> {
    let owner = Owner::new(TenantId::parse("default")?, ClientId::parse("receiver")?);
    let caller = Caller::new(owner, Audience::parse(AUDIENCE)?, [Scope::parse("ssf.manage")?]);
    Ok(StaticTokens::new().with_receiver(&Secret::new(TOKEN), caller)?)
}

/// Accepts pushed SETs (RFC 8935 §2.2) and puts them into the inbox.
async fn push_endpoint(inbox: mpsc::Sender<String>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/events", listener.local_addr()?);
    let app = axum::Router::new().fallback(move |body: Bytes| async move {
        let _ = inbox.send(String::from_utf8_lossy(&body).into_owned()).await;
        StatusCode::ACCEPTED
    });
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(url)
}

/// What a receiver knows of its transmitter.
struct Receiver {
    http: Client<HttpConnector, Body>,
    metadata: Value,
    keys: JwkSet,
}

impl Receiver {
    async fn discover(issuer: &str) -> Result<Self> {
        let http = Client::builder(TokioExecutor::new()).build_http();
        let mut receiver = Self { http, metadata: Value::Null, keys: JwkSet::new() };
        let well_known = format!("{issuer}/.well-known/ssf-configuration");
        receiver.metadata = receiver.send("GET", &well_known, Body::empty()).await?;
        ensure("the issuer is the one asked for", receiver.metadata["issuer"] == issuer)?;
        let jwks = receiver.metadata["jwks_uri"].as_str().ok_or("no jwks_uri")?.to_owned();
        let jwks = receiver.send("GET", &jwks, Body::empty()).await?;
        receiver.keys = JwkSet::from_bytes(jwks.to_string())?;
        Ok(receiver)
    }

    /// Posts to an endpoint that the metadata names.
    async fn post(&self, endpoint: &str, body: Value) -> Result<Value> {
        let url = self.metadata[endpoint].as_str().ok_or("no such endpoint")?;
        self.send("POST", url, Body::from(body.to_string())).await
    }

    /// Polls one SET (RFC 8936 §2.4) and acknowledges it.
    async fn poll(&self, stream: &Value) -> Result<String> {
        let url = stream["delivery"]["endpoint_url"].as_str().ok_or("no poll endpoint")?;
        let reply = self.send("POST", url, Body::from(json!({"maxEvents": 1}).to_string())).await?;
        let (jti, token) =
            reply["sets"].as_object().and_then(|sets| sets.iter().next()).ok_or("no SET")?;
        let ack = json!({"ack": [jti], "maxEvents": 0}).to_string();
        self.send("POST", url, Body::from(ack)).await?;
        Ok(token.as_str().ok_or("a SET is a string")?.to_owned())
    }

    async fn send(&self, method: &str, url: &str, body: Body) -> Result<Value> {
        let request = Request::builder().method(method).uri(url);
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        let request = request.header("content-type", "application/json").body(body)?;
        let response = self.http.request(request).await?;
        ensure(&format!("{method} {url} succeeds"), response.status().is_success())?;
        let body = axum::body::to_bytes(Body::new(response.into_body()), 1 << 20).await?;
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? })
    }

    /// Checks a SET as a receiver must, prints it, and returns its event.
    fn check(&self, token: &str, event_type: &str) -> Result<Value> {
        // There is one key; with several, the `kid` of the header says which.
        let key = self.keys.keys().into_iter().next().ok_or("no key is published")?;
        let verified = jws::deserialize_compact(token, &RS256.verifier_from_jwk(key)?);
        ensure("the signature is the transmitter's", verified.is_ok())?;
        let (claims, header) = verified?;
        let claims: Value = serde_json::from_slice(&claims)?;
        ensure("the type is secevent+jwt", header.token_type() == Some("secevent+jwt"))?;
        ensure("the issuer is the transmitter", claims["iss"] == self.metadata["issuer"])?;
        ensure("the audience is the receiver", claims["aud"] == AUDIENCE)?;
        ensure(&format!("the event is {event_type}"), claims["events"].get(event_type).is_some())?;
        println!("{}", serde_json::to_string_pretty(&claims)?);
        Ok(claims["events"][event_type].clone())
    }
}

fn ensure(what: &str, holds: bool) -> Result<()> {
    println!("[{}] {what}", if holds { "ok" } else { "FAILED" });
    if holds { Ok(()) } else { Err(what.into()) }
}
