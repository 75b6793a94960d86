//! Putting a transmitter together.

use std::sync::Arc;

use super::config::{Config, ConfigError};
use super::held::HeldSchedule;
use super::sign::Signer;
use super::upkeep::Schedule;
use super::wakes::Wakes;
use super::{Core, Transmitter, mint};
use crate::clock::{Clock, SystemClock};
use crate::deliver::{Deliverer, OwnSecret, PushAuthorization};
use crate::diagnostics::Diagnostics;
use crate::entropy::{Entropy, SystemEntropy};
use crate::event::types;
use crate::hooks::{Observer, ShareAll, SharingPolicy, SupportedEvents, Unobserved};
use crate::id::Issuer;
use crate::keys::KeyProvider;
use crate::protocol::{Paths, Profile};
use crate::secret_box::SecretBox;
use crate::store::StreamStore;
use crate::timestamp::whole_seconds;

/// A transmitter in the making.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct TransmitterBuilder {
    issuer: Issuer,
    store: Arc<dyn StreamStore>,
    keys: Arc<dyn KeyProvider>,
    deliverer: Option<Arc<dyn Deliverer>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    events: Arc<dyn SupportedEvents>,
    sharing: Arc<dyn SharingPolicy>,
    observer: Arc<dyn Observer>,
    profile: Profile,
    secrets: Option<Arc<dyn SecretBox>>,
    authorization: Arc<dyn PushAuthorization>,
    config: Config,
}

impl TransmitterBuilder {
    pub(super) fn new(
        issuer: Issuer,
        store: Arc<dyn StreamStore>,
        keys: Arc<dyn KeyProvider>,
    ) -> Self {
        Self {
            issuer,
            store,
            keys,
            deliverer: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            events: Arc::new(types::caep_and_risc()),
            sharing: Arc::new(ShareAll),
            observer: Arc::new(Unobserved),
            profile: Profile::ssf(),
            secrets: None,
            authorization: Arc::new(OwnSecret),
            config: Config::default(),
        }
    }

    /// How SETs are pushed. Without it nothing is: push streams wait.
    pub fn with_deliverer(mut self, deliverer: impl Deliverer) -> Self {
        self.deliverer = Some(Arc::new(deliverer));
        self
    }

    /// What seals the `authorization_header` of streams before it is stored. Without it: nothing
    /// does, and the store holds it in the clear.
    pub fn with_secret_box(mut self, secrets: impl SecretBox) -> Self {
        self.secrets = Some(Arc::new(secrets));
        self
    }

    /// Where the `Authorization` of a push comes from. Without it: from the stream's own
    /// `authorization_header` and from nowhere else.
    pub fn with_push_authorization(mut self, authorization: impl PushAuthorization) -> Self {
        self.authorization = Arc::new(authorization);
        self
    }

    /// Where the time comes from. Without it: the system's clock, which cannot sleep, so that
    /// polls do not wait.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where randomness comes from. Without it: the operating system.
    pub fn with_entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }

    /// Which event types receivers may have. Without it: all of CAEP 1.0 and RISC 1.0.
    pub fn with_supported_events(mut self, events: impl SupportedEvents) -> Self {
        self.events = Arc::new(events);
        self
    }

    /// Which events may be shared with whom. Without it: all that are wanted.
    pub fn with_sharing_policy(mut self, policy: impl SharingPolicy) -> Self {
        self.sharing = Arc::new(policy);
        self
    }

    /// Who is told at once what an operator should know. Without it: nobody.
    pub fn with_observer(mut self, observer: impl Observer) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// How receivers are spoken with over HTTP. Without it: [`Profile::ssf`].
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The numbers to go by.
    pub fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The transmitter.
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration or the profile contradicts itself.
    pub fn build(mut self) -> Result<Transmitter, ConfigError> {
        self.config.check()?;
        if !self.profile.locations.are_sound() {
            return Err(ConfigError::Locations);
        }
        // What receivers are told in whole seconds is kept to: nobody's time is up before.
        let timeout = &mut self.config.inactivity_timeout;
        *timeout = timeout.map(whole_seconds);
        let interval = &mut self.profile.min_verification_interval;
        *interval = whole_seconds(*interval);
        let core = Core {
            worker: mint::worker_id(self.entropy.bits()),
            paths: Paths::new(&self.issuer, &self.profile),
            issuer: self.issuer,
            signer: Signer::default(),
            wakes: Arc::new(Wakes::default()),
            upkeep: Schedule::new(&self.config),
            diagnostics: Diagnostics::new(self.observer),
            profile: self.profile,
            held: HeldSchedule::default(),
            clock: self.clock,
            entropy: self.entropy,
            keys: self.keys,
            events: self.events,
            sharing: self.sharing,
            secrets: self.secrets,
            authorization: self.authorization,
            config: self.config,
        };
        Ok(Transmitter { core: Arc::new(core), store: self.store, deliverer: self.deliverer })
    }
}
