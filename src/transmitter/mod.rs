//! The service: loads, asks the rules, commits. It knows ports only, and no runtime.
//!
//! * [`Transmitter`] is what a host holds: emission, pushing, operation.
//! * [`Receivers`] is what the router holds: what a receiver's request can cause.

mod builder;
mod commit;
mod config;
mod emit;
mod explain;
#[cfg(feature = "metrics")]
mod gauges;
mod held;
mod mint;
mod operate;
mod poll;
mod pump;
mod push;
mod receivers;
mod redrive;
mod secrets;
mod send;
mod sign;
mod upkeep;
mod wakes;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::{Clock, Slept};
use crate::deliver::{Deliverer, PushAuthorization};
use crate::diagnostics::Diagnostics;
use crate::egress::EgressPolicy;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::event::types;
use crate::hooks::{SharingPolicy, SupportedEvents};
use crate::id::{EventType, Issuer, Owner, StreamId, TrackingId, WorkerId};
use crate::keys::KeyProvider;
use crate::outbox::{Jitter, Lane};
use crate::protocol::{Endpoint, Paths, Profile, StreamContext, StreamView};
use crate::secret_box::SecretBox;
use crate::set::SetBody;
use crate::store::{Change, ChangeMark, NewControl, ReceiverStore, StreamStore, Watched};
use crate::stream::{AuthorizationScheme, StreamRecord, TransmitterMetadata};
use crate::subject::Subject;
use crate::timestamp::Timestamp;

pub use builder::TransmitterBuilder;
pub use config::{Config, ConfigError};
pub use emit::{Emission, EmittedSet};
pub use held::HeldReport;
pub use push::Progress;
pub use redrive::RedriveReport;

use sign::Signer;
use wakes::Wakes;

/// A transmitter for one issuer. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Transmitter {
    core: Arc<Core>,
    store: Arc<dyn StreamStore>,
    deliverer: Option<Arc<dyn Deliverer>>,
}

/// The receiver-facing part of a transmitter: it holds the receiver face of the store and nothing
/// that reaches further. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Receivers {
    core: Arc<Core>,
    store: Arc<dyn ReceiverStore>,
}

/// What both parts share.
#[derive(Debug)]
struct Core {
    issuer: Issuer,
    worker: WorkerId,
    config: Config,
    paths: Paths,
    profile: Profile,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    keys: Arc<dyn KeyProvider>,
    events: Arc<dyn SupportedEvents>,
    sharing: Arc<dyn SharingPolicy>,
    secrets: Option<Arc<dyn SecretBox>>,
    authorization: Arc<dyn PushAuthorization>,
    signer: Signer,
    wakes: Arc<Wakes>,
    upkeep: upkeep::Schedule,
    diagnostics: Diagnostics,
    held: held::HeldSchedule,
}

impl Transmitter {
    /// Begins a transmitter for that issuer over that store, with those keys.
    pub fn builder(
        issuer: Issuer,
        store: impl StreamStore,
        keys: impl KeyProvider,
    ) -> TransmitterBuilder {
        TransmitterBuilder::new(issuer, Arc::new(store), Arc::new(keys))
    }

    /// The receiver-facing part, to be mounted behind authentication.
    #[must_use]
    pub fn receivers(&self) -> Receivers {
        let store: Arc<dyn ReceiverStore> = Arc::<dyn StreamStore>::clone(&self.store);
        Receivers { core: Arc::clone(&self.core), store }
    }

    /// The issuer of every SET.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.core.issuer
    }
}

impl Receivers {
    /// The transmitter configuration document (SSF 1.0 §7.2.2).
    #[must_use]
    pub fn metadata(&self) -> TransmitterMetadata {
        let Core { paths, profile, .. } = &*self.core;
        let url = |endpoint| paths.url(&endpoint).unwrap_or_default();
        let add_subject_endpoint = paths.url(&Endpoint::AddSubject);
        let remove_subject_endpoint = paths.url(&Endpoint::RemoveSubject);
        let choose_subjects = add_subject_endpoint.is_some() || remove_subject_endpoint.is_some();
        let default_subjects = self.core.config.default_subjects.as_str();
        let methods = profile.delivery_methods.iter().map(|method| method.as_str()).collect();
        TransmitterMetadata {
            spec_version: "1_0",
            issuer: self.core.issuer.clone(),
            jwks_uri: url(Endpoint::Jwks),
            delivery_methods_supported: methods,
            configuration_endpoint: url(Endpoint::Configuration),
            status_endpoint: url(Endpoint::Status),
            add_subject_endpoint,
            remove_subject_endpoint,
            verification_endpoint: url(Endpoint::Verification),
            critical_subject_members: Vec::new(),
            authorization_schemes: ["urn:ietf:rfc:6749", "urn:ietf:rfc:6750"]
                .map(AuthorizationScheme::new)
                .to_vec(),
            default_subjects: choose_subjects.then_some(default_subjects),
        }
    }

    /// The public keys (RFC 7517 §5), as they are published now.
    ///
    /// # Errors
    /// [`Error::Keys`] when the keys are out of reach.
    pub async fn jwks(&self) -> Result<Value, Error> {
        let now = self.core.clock.now();
        Ok(self.core.keys.key_set().await?.jwks(now))
    }

    /// Where everything is.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.core.paths
    }

    /// Which addresses may be pushed to.
    #[must_use]
    pub fn egress(&self) -> &EgressPolicy {
        &self.core.config.egress
    }

    /// How receivers are spoken with over HTTP.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.core.profile
    }

    /// A fresh identifier for one refused request.
    #[must_use]
    pub fn tracking_id(&self) -> TrackingId {
        mint::tracking_id(self.core.entropy.bits())
    }

    /// The time, as the transmitter's clock has it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.core.clock.now()
    }
}

/// How often waiters look again when the store cannot tell whether another process emitted.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Core {
    /// Waits until another process may have emitted or changed something since the mark.
    async fn change_elsewhere(
        &self,
        store: &dyn ReceiverStore,
        watched: Watched<'_>,
        since: ChangeMark,
    ) {
        match store.wait_for_change(&self.issuer, watched, since).await {
            Change::Happened => {}
            Change::NeverHappens => pending().await,
            Change::CannotTell => {
                match self.clock.sleep_until(self.clock.now().after(LOOK_AGAIN)).await {
                    Slept::Reached => {}
                    Slept::Unsupported => pending().await,
                }
            }
        }
    }

    fn jitter(&self) -> Jitter {
        // Truncation keeps 64 random bits of them.
        #[expect(clippy::cast_possible_truncation, reason = "any 64 random bits will do")]
        Jitter::from_bits(self.entropy.bits() as u64)
    }

    /// Runs `with` in the context that an owner's streams are shown and changed in.
    fn with_context<T>(&self, owner: &Owner, with: impl FnOnce(&StreamContext<'_>) -> T) -> T {
        let mut supported = self.events.supported_for(owner);
        supported.retain(|event_type| !types::is_control(event_type));
        let timeout = self.config.inactivity_timeout;
        with(&StreamContext::new(&self.profile, &self.paths, &supported, timeout))
    }

    fn view(&self, record: &StreamRecord) -> StreamView {
        self.with_context(&record.owner, |context| StreamView::of(record, context))
    }

    fn changed_view(&self, record: &StreamRecord) -> StreamView {
        self.with_context(&record.owner, |context| StreamView::of_changed(record, context))
    }

    /// A control SET about a stream: its subject is the stream itself (SSF 1.0 §8.1.4, §8.1.5).
    fn control(
        &self,
        lane: Lane,
        stream: &StreamId,
        event_type: &EventType,
        members: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<NewControl, Error> {
        let txn = mint::txn(now, self.entropy.bits());
        let subject = Subject::of_stream(stream);
        let body = SetBody::new(now, &txn, &subject, event_type, members)?;
        Ok(NewControl::new(lane, mint::jti(now, self.entropy.bits()), body, now))
    }

    /// A verification SET. `state` is echoed byte for byte; the transmitter's own have none.
    fn verification(
        &self,
        stream: &StreamId,
        state: Option<String>,
        now: Timestamp,
    ) -> Result<NewControl, Error> {
        let members = state.map(|state| ("state".to_owned(), state.into())).into_iter().collect();
        self.control(Lane::Verification, stream, &types::verification(), &members, now)
    }
}
