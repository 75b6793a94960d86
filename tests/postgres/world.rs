//! A transmitter over a schema of its own.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cluster::Server;
use ssf_transmitter::event::types;
use ssf_transmitter::id::{
    Audience, ClientId, Issuer, Jti, KeyId, Owner, Scope, StreamId, TenantId,
};
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery};
use ssf_transmitter::store::postgres::{PostgresOptions, PostgresStore, SqlName};
use ssf_transmitter::stream::{EndpointUrl, PushDelivery};
use ssf_transmitter::testkit::ScriptedDeliverer;
use ssf_transmitter::{
    Algorithm, Caller, Config, Event, LocalKeys, SigningKey, SimpleSubject, TokioClock, Transmitter,
};

pub(crate) const ISSUER: &str = "https://tr.example.com";
pub(crate) const ENDPOINT: &str = "https://rp.example.com/events";

/// Options for a schema of that name.
pub(crate) fn options(schema: &str) -> PostgresOptions {
    let mut options = PostgresOptions::default();
    options.schema = Some(SqlName::parse(schema).unwrap());
    options
}

/// A schema that is removed with `end`.
pub(crate) struct World {
    pub(crate) server: Arc<Server>,
    pub(crate) schema: String,
}

impl World {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        let schema = server.new_schema();
        Self { server, schema }
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        options(&self.schema)
    }

    /// The store as one process has it.
    pub(crate) async fn store(&self) -> Arc<PostgresStore> {
        let store = PostgresStore::open(self.server.url(), self.options()).await.unwrap();
        Arc::new(store)
    }

    pub(crate) async fn end(self) {
        self.server.drop_schema(&self.schema).await;
    }
}

/// A transmitter of a process, and the receiver that it pushes to.
pub(crate) fn transmitter(store: Arc<PostgresStore>) -> (Transmitter, ScriptedDeliverer) {
    let receiver = ScriptedDeliverer::new();
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k").unwrap()).unwrap();
    let transmitter =
        Transmitter::builder(Issuer::parse(ISSUER).unwrap(), store, LocalKeys::new(key))
            .with_clock(TokioClock)
            .with_deliverer(receiver.clone())
            .with_config(Config::default())
            .build()
            .unwrap();
    (transmitter, receiver)
}

pub(crate) fn caller() -> Caller {
    let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("rp").unwrap());
    let scopes = [Scope::parse("ssf.manage").unwrap()];
    Caller::new(owner, Audience::parse("https://rp.example.com").unwrap(), scopes)
}

/// Creates a stream.
pub(crate) async fn stream(transmitter: &Transmitter, delivery: RequestedDelivery) -> StreamId {
    let request = CreateStream::new(delivery);
    transmitter.receivers().create_stream(&caller(), request).await.unwrap().stream_id
}

pub(crate) fn push() -> RequestedDelivery {
    RequestedDelivery::Push(PushDelivery::new(EndpointUrl::parse(ENDPOINT).unwrap(), None))
}

pub(crate) fn event(user: &str) -> Event {
    let subject = SimpleSubject::email(format!("{user}@example.com")).unwrap();
    Event::new(types::session_revoked(), subject)
}

/// The `jti` of a SET.
pub(crate) fn jti(token: &str) -> Jti {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    Jti::parse(claims["jti"].as_str().unwrap()).unwrap()
}
