//! Secrets are planted wherever the transmitter takes some, everything is done that it can do, and
//! whatever it shows to anybody is searched for them (design promise P13).

#![expect(clippy::unwrap_used, reason = "a world that cannot be set up has failed")]

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use metrics_util::debugging::DebuggingRecorder;
use serde_json::{Value, json};
use ssf_transmitter::deliver::{
    AuthorizeError, PushAuthorization, PushResponse, PushTarget, Renewal,
};
use ssf_transmitter::event::types;
use ssf_transmitter::hooks::{Notice, Observer};
use ssf_transmitter::id::{Audience, ClientId, Issuer, KeyId, Owner, Scope, TenantId};
use ssf_transmitter::secret_box::aes_gcm::{AesGcmBox, SealingKey};
use ssf_transmitter::store::LetterQuery;
use ssf_transmitter::stream::{AuthorizationHeader, Delivery, StoredAuthorization, StreamStatus};
use ssf_transmitter::testkit::{ScriptedDeliverer, SeededEntropy, VirtualClock, block_on};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::{
    Algorithm, Caller, Event, LocalKeys, MemoryStore, Router, Secret, SigningKey, SimpleSubject,
    StaticTokens, Transmitter,
};
use tracing::Level;

/// The credentials of the `authorization_header` of a stream.
const RECEIVERS: &str = "pl4nted+of/the=receiver";
/// The access token that pushes to streams without a secret carry.
const PUSH_TOKEN: &str = "pl4nted-access-token";
/// The token that the receiver calls with.
const STATIC_TOKEN: &str = "pl4nted-static-token";
/// The bytes of the key that seals.
const SEALING_KEY: [u8; 32] = *b"pl4nted-key-that-seals-32-bytes!";

const OWN_SECRET: &str = "https://own.example/e";
const NO_SECRET: &str = "https://none.example/e";

fn issuer() -> Issuer {
    Issuer::parse("https://tr.example.com").unwrap()
}

#[derive(Debug)]
struct Token;

#[async_trait]
impl PushAuthorization for Token {
    async fn authorize(
        &self,
        target: &PushTarget,
        _now: Timestamp,
    ) -> Result<Option<AuthorizationHeader>, AuthorizeError> {
        let token = AuthorizationHeader::parse(&format!("Bearer {PUSH_TOKEN}")).unwrap();
        Ok(Some(target.own.clone().unwrap_or(token)))
    }

    async fn refused(
        &self,
        _target: &PushTarget,
        _header: &AuthorizationHeader,
        _now: Timestamp,
    ) -> Renewal {
        Renewal::Another
    }
}

/// All that was shown to anybody: to receivers, to the operator, in logs and metrics.
#[derive(Clone, Debug, Default)]
struct Shown(Arc<Mutex<Vec<u8>>>);

impl Shown {
    fn add(&self, what: impl std::fmt::Debug) {
        let mut text = String::new();
        writeln!(text, "{what:?}\n{what:#?}").unwrap();
        self.0.lock().unwrap().extend(text.into_bytes());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Observer for Shown {
    fn observe(&self, notice: &Notice) {
        self.add(notice);
    }
}

struct World {
    shown: Shown,
    store: Arc<MemoryStore>,
    clock: VirtualClock,
    receiver: ScriptedDeliverer,
    transmitter: Transmitter,
    router: Router,
    private_key: Secret,
}

impl World {
    fn new() -> Self {
        let shown = Shown::default();
        let clock = VirtualClock::new(Timestamp::from_seconds(1_795_000_000));
        let receiver = ScriptedDeliverer::new();
        let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k-1").unwrap()).unwrap();
        let private_key = key.private_jwk();
        shown.add(&key);
        let secrets = AesGcmBox::new(SealingKey::new(KeyId::parse("s-1").unwrap(), SEALING_KEY));
        let store = Arc::new(MemoryStore::new());
        let builder = Transmitter::builder(issuer(), Arc::clone(&store), LocalKeys::new(key))
            .with_clock(clock.clone())
            .with_entropy(SeededEntropy::new(7))
            .with_deliverer(receiver.clone())
            .with_observer(shown.clone())
            .with_secret_box(secrets)
            .with_push_authorization(Token);
        shown.add(&builder);
        let transmitter = builder.build().unwrap();
        let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap());
        let scopes = [Scope::parse("ssf.manage").unwrap()];
        let caller = Caller::new(owner, Audience::parse("https://rp.example").unwrap(), scopes);
        let tokens = StaticTokens::new().with_receiver(&Secret::new(STATIC_TOKEN), caller).unwrap();
        let router = Router::new(transmitter.receivers(), tokens);
        Self { shown, store, clock, receiver, transmitter, router, private_key }
    }

    fn ask(&self, method: &str, uri: &str, token: &str, body: &Value) -> Value {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        let answer = block_on(self.router.handle(request));
        self.shown.add(answer.headers());
        self.shown.add(String::from_utf8_lossy(answer.body()));
        serde_json::from_slice(answer.body()).unwrap_or_default()
    }

    fn manage(&self, method: &str, uri: &str, body: &Value) -> Value {
        self.ask(method, uri, STATIC_TOKEN, body)
    }

    fn emit(&self, user: &str) {
        let subject = SimpleSubject::opaque(user).unwrap();
        let event = Event::new(types::session_revoked(), subject);
        self.shown.add(block_on(self.transmitter.emit(event)).unwrap());
    }

    /// Pushes for a while, and looks at all that the operator can see.
    fn run(&self) {
        for _ in 0..20 {
            self.shown.add(block_on(self.transmitter.run_once()).unwrap());
            self.clock.advance(Duration::from_secs(90));
        }
        let streams = block_on(self.transmitter.streams(None, 100)).unwrap();
        for overview in &streams {
            let letters = LetterQuery::new(100);
            let stream = &overview.record.stream_id;
            self.shown.add(block_on(self.transmitter.dead_letters(stream, &letters)).unwrap());
        }
        self.shown.add(&streams);
        self.shown.add(block_on(self.transmitter.totals()).unwrap());
        self.shown.add((&self.transmitter, &self.router));
    }
}

fn delivery(endpoint: &str, secret: Option<&str>) -> Value {
    let mut delivery = json!({"method": "urn:ietf:rfc:8935", "endpoint_url": endpoint});
    if let Some(secret) = secret {
        delivery["authorization_header"] = format!("Bearer {secret}").into();
    }
    delivery
}

/// Answers of receivers that repeat what they were sent.
fn echoes(secret: &str) -> Vec<PushResponse> {
    let encoded: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let escaped: String = secret.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let header = format!("Bearer {secret}");
    let (first, last) = secret.split_at(7);
    let mut answers: Vec<_> = [
        header.clone(),
        secret.to_owned(),
        encoded,
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(&header),
        format!("{first} {last}"),
        format!("{first}\u{200b}\n{last}"),
        format!("{}{secret}", "x".repeat(1020)),
    ]
    .iter()
    .map(|echo| json!({"err": "invalid_request", "description": echo}).to_string())
    .map(|body| PushResponse::new(400).with_body(body))
    .collect();
    answers.push(PushResponse::new(400).with_body(json!({"err": secret}).to_string()));
    let escaped = format!(r#"{{"err":"{escaped}","description":"{escaped}"}}"#);
    answers.push(PushResponse::new(400).with_body(escaped));
    for status in [200, 401, 403, 404, 429, 500, 302] {
        let echo = PushResponse::new(status).with_body(header.clone()).with_retry_after(secret);
        answers.push(echo);
    }
    answers
}

fn everything(world: &World) {
    let streams = "/ssf/streams";
    let mut ids = Vec::new();
    for (endpoint, secret) in [(OWN_SECRET, Some(RECEIVERS)), (NO_SECRET, None)] {
        let created =
            world.manage("POST", streams, &json!({"delivery": delivery(endpoint, secret)}));
        let id = created["stream_id"].as_str().unwrap().to_owned();
        let mut body = json!({"stream_id": id, "delivery": delivery(endpoint, secret)});
        world.manage("PATCH", streams, &body);
        world.manage("PUT", streams, &body);
        // Refusals, with the secret in the middle.
        body["delivery"]["authorization_header"] = format!("Bearer {RECEIVERS}\n").into();
        world.manage("PATCH", streams, &body);
        world.manage("PUT", streams, &json!({"stream_id": id, "delivery": RECEIVERS}));
        world.manage("GET", streams, &Value::Null);
        world.manage("GET", &format!("/ssf/status?stream_id={id}"), &Value::Null);
        world.manage("POST", "/ssf/verify", &json!({"stream_id": id, "state": "s"}));
        ids.push(id);
    }
    for id in &ids {
        let wrong = format!("{STATIC_TOKEN}x");
        world.ask("GET", &format!("{streams}?stream_id={id}"), &wrong, &Value::Null);
        let query = format!("{streams}?access_token={STATIC_TOKEN}");
        world.ask("GET", &query, STATIC_TOKEN, &Value::Null);
    }
    for (endpoint, secret) in [(OWN_SECRET, RECEIVERS), (NO_SECRET, PUSH_TOKEN)] {
        for answer in echoes(secret) {
            world.receiver.then(endpoint, Ok(answer));
        }
    }
    for number in 0..20 {
        world.emit(&format!("user-{number}"));
    }
    world.run();
    world.ask("GET", "/jwks.json", "", &Value::Null);
    world.ask("GET", "/.well-known/ssf-configuration", "", &Value::Null);
    world.shown.add(block_on(world.transmitter.reseal()).unwrap());
    hinder(world);
}

/// A process that cannot open what is stored says why.
fn hinder(world: &World) {
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k-2").unwrap()).unwrap();
    let other = SealingKey::new(KeyId::parse("s-2").unwrap(), [7; 32]);
    let hindered = Transmitter::builder(issuer(), Arc::clone(&world.store), LocalKeys::new(key))
        .with_clock(world.clock.clone())
        .with_entropy(SeededEntropy::new(8))
        .with_deliverer(world.receiver.clone())
        .with_observer(world.shown.clone())
        .with_secret_box(AesGcmBox::new(other))
        .build()
        .unwrap();
    for overview in block_on(hindered.streams(None, 100)).unwrap() {
        let (stream, enabled) = (overview.record.stream_id, StreamStatus::Enabled);
        world.shown.add(block_on(hindered.set_status(&stream, enabled, None)).unwrap());
    }
    world.emit("user");
    for _ in 0..20 {
        world.clock.advance(Duration::from_secs(3600));
        world.shown.add(block_on(hindered.run_once()).unwrap());
    }
    world.shown.add(block_on(hindered.streams(None, 100)).unwrap());
}

/// The secret, and what it may be disguised as.
fn disguises(secret: &[u8]) -> Vec<String> {
    let mut disguises = vec![STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret)];
    if let Ok(text) = std::str::from_utf8(secret) {
        let encoded: String = secret.iter().map(|byte| format!("%{byte:02X}")).collect();
        let header = URL_SAFE_NO_PAD.encode(format!("Bearer {text}"));
        disguises.extend([text.to_owned(), text.to_uppercase(), encoded, header]);
        // What is left of one that was cut or split.
        disguises.push(text[..7].to_owned());
    }
    // How `Debug` shows bytes.
    disguises.push(format!("{secret:?}").trim_matches(['[', ']']).to_owned());
    disguises
}

#[test]
fn no_planted_secret_is_found_in_anything_that_anybody_is_shown() {
    let world = World::new();
    let recorder = DebuggingRecorder::new();
    let metrics = recorder.snapshotter();
    let log = world.shown.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer(move || log.clone())
        .finish();
    metrics::with_local_recorder(&recorder, || {
        tracing::subscriber::with_default(subscriber, || everything(&world));
    });
    world.shown.add(metrics.snapshot().into_vec());
    for overview in block_on(world.transmitter.streams(None, 100)).unwrap() {
        let Delivery::Push(push) = overview.record.delivery else { panic!("a push stream") };
        let Some(stored) = push.authorization else { continue };
        assert!(matches!(stored, StoredAuthorization::Sealed(_)));
        // What a store would write down.
        world.shown.add(stored.to_text().expose());
    }
    let shown = world.shown.text();

    // The control: all was used, and all was seen.
    let sent: Vec<_> = world.receiver.pushes();
    for secret in [RECEIVERS, PUSH_TOKEN] {
        let header = format!("Bearer {secret}");
        let with = sent
            .iter()
            .filter(|push| push.authorization.as_ref().is_some_and(|sent| sent.expose() == header));
        assert!(with.count() > 15, "{header}");
    }
    for seen in [
        "[redacted]",
        "invalid_request",
        "DeadLettered",
        "ssf_requests_total",
        "SET pushed",
        "SET not sent",
        "sealed:",
    ] {
        assert!(shown.contains(seen), "{seen}");
    }

    let private: Value = serde_json::from_str(world.private_key.expose()).unwrap();
    let private = URL_SAFE_NO_PAD.decode(private["d"].as_str().unwrap()).unwrap();
    for planted in [
        RECEIVERS.as_bytes(),
        PUSH_TOKEN.as_bytes(),
        STATIC_TOKEN.as_bytes(),
        &SEALING_KEY,
        &private,
    ] {
        for disguise in disguises(planted) {
            let found = shown.find(&disguise);
            let around = found.map(|at| shown[..at].chars().rev().take(200).collect::<String>());
            assert_eq!(around, None, "{disguise}");
        }
    }
}
