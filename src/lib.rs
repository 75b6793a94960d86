//! An embeddable OpenID Shared Signals Framework (SSF) 1.0 transmitter.
//!
//! Receivers create and manage event streams over HTTP; when something happens to a subject (a
//! session must end, a credential changed, an account was disabled), the library signs a Security
//! Event Token (SET, RFC 8417) per interested stream and gets it there, by push (RFC 8935) or poll
//! (RFC 8936): at least once under one `jti`, in order per subject.
//!
//! It owns no web framework, no database and no runtime. A host brings them through traits:
//!
//! | port | what it is | what ships |
//! |---|---|---|
//! | [`StreamStore`](store::StreamStore) | streams, subjects, the outbox | [`MemoryStore`] |
//! | [`KeyProvider`](keys::KeyProvider) | signatures, and which keys receivers may trust when | [`LocalKeys`] |
//! | [`Deliverer`](deliver::Deliverer) | how a SET gets to a push endpoint | `PushClient`, feature `reqwest` |
//! | [`PushAuthorization`](deliver::PushAuthorization) | the `Authorization` of a push | the stream's own secret |
//! | [`SecretBox`](secret_box::SecretBox) | seals the secrets of receivers in the store | [`secret_box::aes_gcm`] |
//! | [`Authenticator`](auth::Authenticator) | which receiver a bearer token stands for | [`StaticTokens`], [`auth::jwt`], `auth::introspection` |
//! | [`RateLimiter`](limit::RateLimiter) | how often a receiver may call | `limit::quota`, feature `governor` |
//! | [`Observer`](hooks::Observer) | who is told what an operator should look at | |
//! | [`Clock`](clock::Clock) | the time, and how to wait for it | `TokioClock`, feature `tokio` |
//!
//! # An event, from one end to the other
//!
//! ```
//! use serde_json::json;
//! use ssf_transmitter::event::types;
//! use ssf_transmitter::id::{Audience, ClientId, Issuer, KeyId, Owner, Scope, TenantId};
//! use ssf_transmitter::protocol::{CreateStream, PollRequest, RequestedDelivery};
//! use ssf_transmitter::{
//!     Algorithm, Caller, Event, LocalKeys, MemoryStore, SigningKey, SimpleSubject, Transmitter,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # ssf_transmitter::testkit::block_on(async {
//! let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("2026-11")?)?;
//! let issuer = Issuer::parse("https://tr.example.com")?;
//! let transmitter =
//!     Transmitter::builder(issuer, MemoryStore::new(), LocalKeys::new(key)).build()?;
//!
//! // A receiver has a stream. Usually it creates it itself, through the router.
//! let owner = Owner::new(TenantId::parse("acme")?, ClientId::parse("crm")?);
//! let caller = Caller::new(owner, Audience::parse("https://crm.example")?, [Scope::parse("ssf.manage")?]);
//! let receivers = transmitter.receivers();
//! let stream = receivers.create_stream(&caller, CreateStream::new(RequestedDelivery::Poll)).await?;
//!
//! // Something happens.
//! let subject = SimpleSubject::email("user@example.com")?;
//! let event = Event::new(types::session_revoked(), subject)
//!     .with_member("reason_admin", json!({"en": "The account was disabled"}));
//! let emission = transmitter.emit(event).await?;
//!
//! // The receiver polls and gets the signed SET.
//! let reply = receivers.poll(&caller, &stream.stream_id, PollRequest::default()).await?;
//! let (jti, token) = &reply.sets[0];
//! assert_eq!(*jti, emission.sets[0].jti);
//! assert_eq!(token.split('.').count(), 3);
//! # Ok(()) })
//! # }
//! ```
//!
//! # Where to read on
//!
//! * [`Transmitter`]: emission, pushing, operation.
//! * `router::Router` (feature `http`): the management API and polling over the types of the
//!   `http` crate.
//! * [`protocol::Profile`]: how it speaks over HTTP, as data: SSF 1.0, the contract of SailPoint's SSF
//!   API, or what a host makes of either.
//! * [`store`]: the contract of stores, in numbered sentences.
//!
//! # Features
//!
//! None is on by default; features only add.
//!
//! | feature | adds |
//! |---|---|
//! | `http` | `router`: `http::Request<Bytes>` in, `http::Response<Bytes>` out |
//! | `reqwest` | `deliver::client::PushClient`: the push client, with the address guard built in; token introspection and key sets from a URL |
//! | `tokio` | `worker`: a clock that can sleep, and the push worker |
//! | `aws-lc-rs` | signatures by AWS-LC ([`keys::local::SigningBackend`]) |
//! | `metrics` | counters, histograms and gauges; `Transmitter::update_gauges` |
//! | `tracing` | a log of refused requests and of what an operator should look at |
//! | `governor` | [`limit`]`::quota::Quota`: a rate limiter per receiver and operation |
//! | `testkit` | `testkit`: virtual time, scripted receivers, the contract of stores as test cases; exempt from semver |
//! | `vendored-openssl` | builds OpenSSL from source |

#![cfg_attr(docsrs, feature(doc_cfg))]

// Floor 0: vocabulary.
pub mod id;
pub mod secret;
pub mod timestamp;

// Floor 1: domain.
pub mod event;
pub mod stream;
pub mod subject;

// Floor 2: rules.
pub mod egress;
pub mod lifecycle;
pub mod outbox;
pub mod protocol;
pub mod routing;
pub mod set;

// Floor 3: ports.
pub mod auth;
pub mod clock;
pub mod deliver;
pub mod entropy;
pub mod hooks;
pub mod keys;
pub mod limit;
pub mod secret_box;
pub mod store;

// Floor 4: service.
mod diagnostics;
pub mod error;
pub mod monitor;
pub mod transmitter;

// Floor 5: adapters. Those of a port live beside it; `https` is what those that call out share.
#[cfg(feature = "reqwest")]
pub mod https;
#[cfg(feature = "http")]
pub mod router;
#[cfg(feature = "tokio")]
pub mod worker;

// Floor 6: proof.
#[cfg(feature = "testkit")]
pub mod testkit;

// The paved path: what nearly every host names.
pub use auth::Caller;
pub use auth::tokens::StaticTokens;
#[cfg(feature = "reqwest")]
pub use deliver::client::PushClient;
pub use egress::EgressPolicy;
pub use error::Error;
pub use event::Event;
pub use keys::local::{LocalKeys, SigningKey};
#[cfg(feature = "http")]
pub use router::Router;
pub use secret::Secret;
pub use set::Algorithm;
pub use store::memory::MemoryStore;
pub use subject::{SimpleSubject, Subject};
pub use transmitter::{Config, Transmitter};
#[cfg(feature = "tokio")]
pub use worker::{TokioClock, Worker};
