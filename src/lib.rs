//! An embeddable OpenID Shared Signals Framework (SSF) 1.0 transmitter.

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
pub mod outbox;
pub mod protocol;
pub mod routing;
pub mod set;

// Floor 3: ports.
pub mod auth;
pub mod clock;
pub mod deliver;
pub mod entropy;
pub mod keys;
pub mod store;

// Floor 6: proof.
#[cfg(feature = "testkit")]
pub mod testkit;
