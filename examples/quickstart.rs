//! A transmitter and a receiver in one process, over real HTTP: discovery, a push and a poll stream,
//! verification of both; then an account is disabled, and a signed event arrives on each.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use josekit::{jwk::JwkSet, jws};
use serde_json::{Value, json};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, ClientId, Issuer, KeyId, Owner, Scope, TenantId};
use ssf_transmitter::{
    Algorithm, Caller, Config, EgressPolicy, Event, LocalKeys, MemoryStore, PushClient, Router,
    Secret, SigningKey, SimpleSubject, StaticTokens, TokioClock, Transmitter, Worker,
};
use tokio::{net::TcpListener, sync::mpsc, time::Duration};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
const TOKEN: &str = "the-token-of-the-receiver";
const AUDIENCE: &str = "https://receiver.example";

#[tokio::main]
async fn main() -> Result<()> {
    // The transmitter, with a worker that pushes, and its router mounted in axum.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let issuer = format!("http://{}", listener.local_addr()?);
    let transmitter = transmitter(&issuer)?;
    let worker = Worker::spawn(transmitter.clone(), Duration::from_secs(1), |e| eprintln!("{e}"));
    let owner = Owner::new(TenantId::parse("default")?, ClientId::parse("receiver")?);
    let caller = Caller::new(owner, Audience::parse(AUDIENCE)?, [Scope::parse("ssf.manage")?]);
    let tokens = StaticTokens::new().with_receiver(&Secret::new(TOKEN), caller)?;
    let router = Router::new(transmitter.receivers(), tokens);
    let app = axum::Router::new().fallback(move |request: Request<Body>| async move {
        let (parts, body) = request.into_parts();
        let limit = router.body_limit(parts.uri.path());
        let body = to_bytes(body, limit).await.unwrap_or_else(|_| vec![0; limit + 1].into());
        router.handle(Request::from_parts(parts, body)).await.map(Body::from)
    });
    tokio::spawn(async { axum::serve(listener, app).await });

    // The receiver: an endpoint that accepts pushed SETs (RFC 8935 §2.2), and two streams, created
    // with what discovery tells it.
    let (inbox, mut pushed) = mpsc::channel(16);
    let mut pushed = async || tokio::time::timeout(Duration::from_secs(30), pushed.recv()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}/events", listener.local_addr()?);
    let app = axum::Router::new().fallback(move |set: String| async move {
        inbox.send(set).await.map_or(StatusCode::SERVICE_UNAVAILABLE, |()| StatusCode::ACCEPTED)
    });
    tokio::spawn(async { axum::serve(listener, app).await });
    let receiver = Receiver::discover(&issuer).await?;
    let delivery = json!({"method": "urn:ietf:rfc:8935", "endpoint_url": endpoint});
    let push = receiver.post("configuration_endpoint", json!({"delivery": delivery})).await?;
    let poll = receiver.post("configuration_endpoint", json!({})).await?;

    // Verification: each stream delivers the state it was asked to echo.
    for stream in [&push, &poll] {
        let request = json!({"stream_id": stream["stream_id"], "state": "hello"});
        receiver.post("verification_endpoint", request).await?;
    }
    for token in [pushed().await?.unwrap_or_default(), receiver.poll(&poll).await?] {
        let event = receiver.check(&token, types::verification().as_str())?;
        ensure("the state is echoed", event["state"] == "hello")?;
    }

    // What it is all for: an account is disabled, so its sessions must end.
    let subject = SimpleSubject::email("former.employee@example.com")?;
    let event = Event::new(types::session_revoked(), subject)
        .with_member("initiating_entity", "admin")
        .with_member("reason_admin", json!({"en": "The account was disabled"}));
    transmitter.emit(event).await?;
    for token in [pushed().await?.unwrap_or_default(), receiver.poll(&poll).await?] {
        receiver.check(&token, types::session_revoked().as_str())?;
    }
    worker.stop().await?;
    println!("every check passed");
    Ok(())
}

fn transmitter(issuer: &str) -> Result<Transmitter> {
    let key = SigningKey::generate(Algorithm::Rs256, KeyId::parse("quickstart")?)?;
    let (issuer, keys) = (Issuer::parse(issuer)?, LocalKeys::new(key));
    // The receiver lives on loopback; the default policy allows public hosts only.
    let mut config = Config::default();
    config.egress = EgressPolicy::allow_private();
    let client = PushClient::builder(config.egress.clone()).build()?;
    let builder = Transmitter::builder(issuer, MemoryStore::new(), keys).with_clock(TokioClock);
    Ok(builder.with_deliverer(client).with_config(config).build()?)
}

/// A receiver's client, with the transmitter's metadata and keys.
struct Receiver(Client<HttpConnector, Body>, Value, JwkSet);

impl Receiver {
    async fn discover(issuer: &str) -> Result<Self> {
        let http = Client::builder(TokioExecutor::new()).build_http();
        let mut receiver = Self(http, Value::Null, JwkSet::new());
        let well_known = json!(format!("{issuer}/.well-known/ssf-configuration"));
        receiver.1 = receiver.send("GET", &well_known, "").await?;
        ensure("the issuer is the one asked for", receiver.1["issuer"] == issuer)?;
        let keys = receiver.send("GET", &receiver.1["jwks_uri"], "").await?;
        receiver.2 = JwkSet::from_bytes(keys.to_string())?;
        Ok(receiver)
    }

    async fn post(&self, endpoint: &str, body: Value) -> Result<Value> {
        self.send("POST", &self.1[endpoint], &body.to_string()).await
    }

    /// Polls one SET (RFC 8936 §2.4) and acknowledges it.
    async fn poll(&self, stream: &Value) -> Result<String> {
        let url = &stream["delivery"]["endpoint_url"];
        let reply = self.send("POST", url, r#"{"maxEvents":1}"#).await?;
        let (jti, token) =
            reply["sets"].as_object().and_then(|s| s.iter().next()).ok_or("no SET")?;
        self.send("POST", url, &json!({"ack": [jti], "maxEvents": 0}).to_string()).await?;
        Ok(token.as_str().unwrap_or_default().to_owned())
    }

    async fn send(&self, method: &str, url: &Value, body: &str) -> Result<Value> {
        let request = Request::builder().method(method).uri(url.as_str().ok_or("no such URL")?);
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        let request = request.header("content-type", "application/json");
        let response = self.0.request(request.body(Body::from(body.to_owned()))?).await?;
        ensure(&format!("{method} {url} succeeds"), response.status().is_success())?;
        let body = to_bytes(Body::new(response.into_body()), 1 << 20).await?;
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Checks a SET as a receiver must, prints it, and returns its event.
    fn check(&self, token: &str, event_type: &str) -> Result<Value> {
        let key = self.2.keys().into_iter().next().ok_or("no key is published")?;
        let verified = jws::deserialize_compact(token, &jws::RS256.verifier_from_jwk(key)?);
        ensure("the signature is the transmitter's", verified.is_ok())?;
        let (claims, header) = verified?;
        let claims: Value = serde_json::from_slice(&claims)?;
        ensure("the type is secevent+jwt", header.token_type() == Some("secevent+jwt"))?;
        ensure("the issuer is the transmitter", claims["iss"] == self.1["issuer"])?;
        ensure("the audience is the receiver", claims["aud"] == AUDIENCE)?;
        ensure(&format!("the event is {event_type}"), claims["events"].get(event_type).is_some())?;
        println!("{claims:#}");
        Ok(claims["events"][event_type].clone())
    }
}

fn ensure(what: &str, holds: bool) -> Result<()> {
    println!("[{}] {what}", if holds { "ok" } else { "FAILED" });
    if holds { Ok(()) } else { Err(what.into()) }
}
