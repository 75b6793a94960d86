//! The box that seals the secrets of receivers, and the tokens for those that have none: both fail
//! and dawdle, and tokens go stale.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::{AuthorizeError, PushAuthorization, PushTarget, Renewal};
use ssf_transmitter::id::StreamId;
use ssf_transmitter::secret_box::{SecretBox, SecretBoxError, SecretPlace};
use ssf_transmitter::stream::{AuthorizationHeader, SealedSecret, StoredAuthorization};
use ssf_transmitter::testkit::VirtualClock;
use ssf_transmitter::timestamp::Timestamp;

use crate::model::{Process, Shared};
use crate::time::let_others_go_first;

/// What is asked when a push needs its `Authorization`. Clones are handles of the same.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    truth: VirtualClock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    /// The number of the box's key.
    key: u32,
    /// How many tokens there were.
    tokens: u64,
    /// The token of each stream that has no secret of its own.
    token_of: BTreeMap<StreamId, String>,
    /// Tokens that receivers take no more.
    stale: BTreeSet<String>,
}

/// How box and tokens are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    Fail,
    /// It takes longer than a push may.
    Hang,
}

impl Secrets {
    pub(crate) fn new(truth: VirtualClock) -> Self {
        Self { truth, state: Arc::default() }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// The box has a new key, and opens what the old ones sealed.
    pub(crate) fn rotate(&self) {
        self.state().key += 1;
    }

    /// No receiver takes the tokens that there are any more.
    pub(crate) fn expire(&self) {
        let mut state = self.state();
        let tokens: Vec<_> = state.token_of.values().cloned().collect();
        state.stale.extend(tokens);
    }

    pub(crate) fn is_stale(&self, header: Option<&AuthorizationHeader>) -> bool {
        header.is_some_and(|header| self.state().stale.contains(header.expose()))
    }

    /// Fails or dawdles, if that is the mood. The rest of the work needs no time.
    async fn doing(&self, mood: Mood) -> Result<(), &'static str> {
        let_others_go_first().await;
        match mood {
            Mood::Well => Ok(()),
            Mood::Fail => Err("out of reach"),
            Mood::Hang => {
                let late = self.truth.now().after(Duration::from_secs(20));
                self.truth.sleep_until(late).await;
                Ok(())
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new_token(&mut self, stream: &StreamId) -> String {
        self.tokens += 1;
        let token = format!("Bearer access-{} for {stream}", self.tokens);
        self.token_of.insert(stream.clone(), token.clone());
        token
    }
}

/// The stream that a token is for, if it is a token.
pub(crate) fn stream_of(header: &str) -> Option<&str> {
    header.strip_prefix("Bearer access-")?.split_once(" for ").map(|(_, stream)| stream)
}

/// The secret that a store keeps, opened.
pub(crate) fn opened(stored: &StoredAuthorization) -> Option<&str> {
    match stored {
        StoredAuthorization::Plain(header) => Some(header.expose()),
        StoredAuthorization::Sealed(sealed) => sealed.as_str().splitn(3, '|').nth(2),
        _ => None,
    }
}

/// Both as one process has them.
#[derive(Clone, Debug)]
pub(crate) struct SecretsOfProcess {
    pub(crate) secrets: Secrets,
    pub(crate) model: Shared,
    pub(crate) process: Process,
}

/// A question of a push; one that comes to nothing hinders it.
struct Asking<'a> {
    asks: &'a SecretsOfProcess,
    stream: &'a StreamId,
    answered: bool,
}

impl SecretsOfProcess {
    fn asks<'a>(&'a self, stream: &'a StreamId) -> Asking<'a> {
        self.model.lock().asks();
        Asking { asks: self, stream, answered: false }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let Self { asks: SecretsOfProcess { model, process, .. }, stream, answered } = self;
        model.lock().asked(*process, stream, *answered);
    }
}

#[async_trait]
impl SecretBox for SecretsOfProcess {
    async fn seal(
        &self,
        place: SecretPlace<'_>,
        secret: &AuthorizationHeader,
    ) -> Result<SealedSecret, SecretBoxError> {
        let_others_go_first().await;
        let state = self.secrets.state();
        if state.mood == Mood::Fail {
            return Err(SecretBoxError::Unavailable("out of reach".into()));
        }
        let text = format!("key-{}|{}|{}", state.key, place.stream, secret.expose());
        SealedSecret::parse(&text).map_err(|_| SecretBoxError::Unreadable)
    }

    async fn open(
        &self,
        place: SecretPlace<'_>,
        sealed: &SealedSecret,
    ) -> Result<AuthorizationHeader, SecretBoxError> {
        let mut asking = self.asks(place.stream);
        let mood = self.secrets.state().mood;
        let done = self.secrets.doing(mood).await;
        done.map_err(|error| SecretBoxError::Unavailable(error.into()))?;
        let mut parts = sealed.as_str().splitn(3, '|').skip(1);
        if parts.next() != Some(place.stream.as_str()) {
            self.model.lock().break_promise("P13: a secret was to be opened in another place");
        }
        let secret = parts.next().and_then(|secret| AuthorizationHeader::parse(secret).ok());
        asking.answered = true;
        secret.ok_or(SecretBoxError::Unreadable)
    }

    fn is_current(&self, sealed: &SealedSecret) -> bool {
        let key = format!("key-{}|", self.secrets.state().key);
        sealed.as_str().starts_with(&key)
    }
}

#[async_trait]
impl PushAuthorization for SecretsOfProcess {
    async fn authorize(
        &self,
        target: &PushTarget,
        _now: Timestamp,
    ) -> Result<Option<AuthorizationHeader>, AuthorizeError> {
        if let Some(own) = &target.own {
            return Ok(Some(own.clone()));
        }
        let mut asking = self.asks(&target.stream_id);
        // Decided at once: what `refused` promised is kept.
        let mood = self.secrets.state().mood;
        self.secrets.doing(mood).await.map_err(AuthorizeError::new)?;
        let token = {
            let mut state = self.secrets.state();
            let known = state.token_of.get(&target.stream_id).cloned();
            known.unwrap_or_else(|| state.new_token(&target.stream_id))
        };
        asking.answered = true;
        Ok(AuthorizationHeader::parse(&token).ok())
    }

    async fn refused(
        &self,
        target: &PushTarget,
        header: &AuthorizationHeader,
        _now: Timestamp,
    ) -> Renewal {
        let_others_go_first().await;
        let mut state = self.secrets.state();
        if state.mood != Mood::Well || !state.stale.contains(header.expose()) {
            return Renewal::Same;
        }
        // Another push may have renewed it.
        if state.token_of.get(&target.stream_id).is_some_and(|token| token == header.expose()) {
            state.new_token(&target.stream_id);
        }
        drop(state);
        self.model.lock().renewed(header.expose());
        Renewal::Another
    }
}
