//! Signing what is about to leave.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};

use super::Core;
use crate::clock::Slept;
use crate::diagnostics::{self, Told};
use crate::error::Error;
use crate::id::KeyId;
use crate::keys::{KeyError, KeySet, PublicKey, SignBatch, Signed};
use crate::outbox::{Backoff, Jitter, KeptToken, Signature};
use crate::set::{Algorithm, HeaderSegment, SigningInput};
use crate::store::{Claimed, KeepToken};
use crate::timestamp::Timestamp;

/// What signing remembers: the header of each key, the last key set, and how the keys are doing.
#[derive(Debug, Default)]
pub(super) struct Signer {
    headers: Mutex<HashMap<(KeyId, Algorithm), HeaderSegment>>,
    known: Mutex<Arc<KeySet>>,
    trouble: Mutex<Trouble>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    failures: u32,
    until: Option<Timestamp>,
}

/// Keys that failed are left alone for a while.
const KEY_BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

impl Core {
    /// Until when the keys are left alone because they failed.
    pub(super) fn keys_rest_until(&self, now: Timestamp) -> Option<Timestamp> {
        let trouble = self.signer.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.until.filter(|until| now < *until)
    }

    /// The tokens of entries, signed where there is none that can still be verified. In the order
    /// given.
    ///
    /// # Errors
    /// [`Error::Keys`] when the keys failed. That is no delivery attempt: the entries go back
    /// untouched, and the keys rest for a while.
    pub(super) async fn sign(
        &self,
        entries: &[Claimed],
        now: Timestamp,
    ) -> Result<Vec<KeepToken>, Error> {
        let keys = match self.keys.key_set().await {
            Ok(keys) => self.signer.remember(keys),
            Err(error) => {
                self.signer.note(Signing::Failed, now, self.jitter());
                return Err(error.into());
            }
        };
        let signed_before = |entry: &Claimed| verifiable(entry, &keys, now).cloned();
        let unsigned: Vec<_> =
            entries.iter().filter(|entry| signed_before(entry).is_none()).collect();
        let fresh = if unsigned.is_empty() {
            Vec::new()
        } else {
            self.signatures(&keys, &unsigned, now).await?
        };
        let mut fresh = fresh.into_iter();
        let token = |entry| Some(keep(entry, signed_before(entry).or_else(|| fresh.next())?, now));
        let tokens: Option<_> = entries.iter().map(token).collect();
        // There are as many fresh tokens as entries without one.
        tokens.ok_or_else(|| KeyError::NoCurrentKey.into())
    }

    /// The tokens of those entries that an earlier attempt signed and that can be verified, as far
    /// as is known. Asks no keys: for when they are out of reach.
    pub(super) fn signed_before(&self, entries: &[Claimed], now: Timestamp) -> Vec<KeepToken> {
        let keys = self.signer.known();
        kept_tokens(entries, &keys, now)
    }

    /// The keys that are published, as far as is known.
    pub(super) fn published_keys(&self, now: Timestamp) -> Vec<KeyId> {
        self.signer.known().published(now).map(|key| key.kid.clone()).collect()
    }

    /// The compact serialisations of entries, signed by the current key, by the deadline.
    async fn signatures(
        &self,
        keys: &KeySet,
        entries: &[&Claimed],
        now: Timestamp,
    ) -> Result<Vec<KeptToken>, Error> {
        if self.keys_rest_until(now).is_some() {
            return Err(KeyError::Resting.into());
        }
        let signed = match keys.current(now) {
            Some(key) => self.sign_with(key, entries, now).await,
            None => Err(KeyError::NoCurrentKey),
        };
        if signed.is_err() {
            diagnostics::tell(Told::NotSigned);
        }
        let outcome = if signed.is_ok() { Signing::Worked } else { Signing::Failed };
        self.signer.note(outcome, now, self.jitter());
        Ok(signed?)
    }

    async fn sign_with(
        &self,
        key: &PublicKey,
        entries: &[&Claimed],
        now: Timestamp,
    ) -> Result<Vec<KeptToken>, KeyError> {
        let header = self.signer.header(key);
        let mut buffer = Vec::new();
        let inputs = entries.iter().map(|entry| {
            let (jti, aud) = (&entry.jti, &entry.route.audience);
            SigningInput::new(&header, &self.issuer, jti, aud, &entry.body, &mut buffer)
        });
        let inputs: Vec<_> = inputs.collect();
        let (began, deadline) = (self.clock.now(), now.after(self.config.sign_deadline));
        let signing = self.keys.sign(SignBatch::new(key.kid.clone(), inputs, deadline));
        let signed = match select(signing, self.clock.sleep_until(deadline)).await {
            Either::Left((signed, _)) => signed?,
            Either::Right((Slept::Reached, _)) => return Err(KeyError::Deadline),
            // Without a clock that sleeps, the provider alone minds the deadline.
            Either::Right((Slept::Unsupported, signing)) => signing.await?,
        };
        if signed.len() != entries.len() {
            return Err(KeyError::Unavailable("not as many signatures as inputs".into()));
        }
        let took = self.clock.now().since(began);
        diagnostics::tell(Told::Signed { algorithm: key.algorithm, sets: signed.len(), took });
        let token = |signed: Signed| {
            let compact = signed.input.with_signature(&signed.signature);
            KeptToken::new(compact.into(), key.kid.clone())
        };
        Ok(signed.into_iter().map(token).collect())
    }
}

/// How signing went.
#[derive(Clone, Copy)]
enum Signing {
    Worked,
    Failed,
}

impl Signer {
    /// Notes how signing went: after a failure the keys rest, longer after each.
    fn note(&self, signing: Signing, now: Timestamp, jitter: Jitter) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match signing {
            Signing::Worked => *trouble = Trouble::default(),
            Signing::Failed => {
                trouble.failures = trouble.failures.saturating_add(1);
                trouble.until = Some(now.after(KEY_BACKOFF.wait(trouble.failures, jitter)));
            }
        }
    }

    /// The header segment of a key, encoded once.
    fn header(&self, key: &PublicKey) -> HeaderSegment {
        let mut headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded = || HeaderSegment::new(key.algorithm, &key.kid);
        headers.entry((key.kid.clone(), key.algorithm)).or_insert_with(encoded).clone()
    }

    /// Remembers the key set for when it cannot be had.
    fn remember(&self, keys: Arc<KeySet>) -> Arc<KeySet> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone_from(&keys);
        keys
    }

    fn known(&self) -> Arc<KeySet> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The entry's token, if receivers can still verify it and did not refuse its key.
fn verifiable<'e>(entry: &'e Claimed, keys: &KeySet, now: Timestamp) -> Option<&'e KeptToken> {
    let token = entry.token.as_ref().filter(|token| keys.is_published(&token.kid, now))?;
    match entry.signature {
        Signature::Kept => Some(token),
        // The receiver refused its key: it does only as long as no other signs.
        Signature::OfCurrentKey => {
            keys.current(now).is_none_or(|key| key.kid == token.kid).then_some(token)
        }
    }
}

/// The tokens of those entries that have one that can be verified.
fn kept_tokens<'e>(
    entries: impl IntoIterator<Item = &'e Claimed>,
    keys: &KeySet,
    now: Timestamp,
) -> Vec<KeepToken> {
    let token = |entry| Some(keep(entry, verifiable(entry, keys, now)?.clone(), now));
    entries.into_iter().filter_map(token).collect()
}

/// Asks the store to keep a token for an entry. A stored token whose key has left the published
/// set, or was refused, is replaced by it.
fn keep(entry: &Claimed, token: KeptToken, now: Timestamp) -> KeepToken {
    let stream_id = entry.route.stream_id.clone();
    let mut keep = KeepToken::new(stream_id, entry.jti.clone(), entry.fence, token, now);
    let old = entry.token.as_ref().map(|old| old.kid.clone());
    keep.replaces = old.filter(|old| *old != keep.token.kid);
    keep
}
