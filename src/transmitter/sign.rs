//! Signing what is about to leave.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};

use super::Core;
use crate::clock::Slept;
use crate::error::Error;
use crate::id::KeyId;
use crate::keys::{KeyError, KeySet, PublicKey, SignBatch, Signed};
use crate::outbox::{Backoff, KeptToken};
use crate::set::{HeaderSegment, SigningInput};
use crate::store::{Claimed, KeepToken};
use crate::timestamp::Timestamp;

/// What signing remembers: the header of each key, and how the keys are doing.
#[derive(Debug, Default)]
pub(super) struct Signer {
    headers: Mutex<HashMap<KeyId, HeaderSegment>>,
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
        self.signer.trouble().until.filter(|until| now < *until)
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
        let result = self.sign_entries(entries, now).await;
        if result.is_err() {
            let mut trouble = self.signer.trouble();
            trouble.failures = trouble.failures.saturating_add(1);
            let wait = KEY_BACKOFF.wait(trouble.failures, self.jitter());
            trouble.until = Some(now.after(wait));
        }
        result
    }

    async fn sign_entries(
        &self,
        entries: &[Claimed],
        now: Timestamp,
    ) -> Result<Vec<KeepToken>, Error> {
        let keys = self.keys.key_set().await?;
        let unsigned: Vec<_> =
            entries.iter().filter(|entry| verifiable(entry, &keys, now).is_none()).collect();
        let mut fresh = Vec::new().into_iter();
        let mut kid = None;
        if !unsigned.is_empty() {
            let key = keys.current(now).ok_or(KeyError::NoCurrentKey)?;
            kid = Some(key.kid.clone());
            fresh = self.signatures(key, &unsigned, now).await?.into_iter();
            // Only a signature shows that the keys work: kept tokens need none.
            *self.signer.trouble() = Trouble::default();
        }
        let mut tokens = Vec::with_capacity(entries.len());
        for entry in entries {
            let token = match (verifiable(entry, &keys, now), &kid) {
                (Some(token), _) => token.clone(),
                (None, Some(kid)) => {
                    let signed = fresh.next().ok_or(KeyError::NoCurrentKey)?;
                    KeptToken::new(signed.into(), kid.clone())
                }
                (None, None) => return Err(KeyError::NoCurrentKey.into()),
            };
            let stream_id = entry.route.stream_id.clone();
            let mut keep = KeepToken::new(stream_id, entry.jti.clone(), entry.fence, token);
            // A stored token whose key has left the published set is replaced by ours.
            keep.replaces = entry
                .token
                .as_ref()
                .map(|old| old.kid.clone())
                .filter(|old| *old != keep.token.kid);
            tokens.push(keep);
        }
        Ok(tokens)
    }

    /// The compact serialisations of entries, signed by that key, by the deadline.
    async fn signatures(
        &self,
        key: &PublicKey,
        entries: &[&Claimed],
        now: Timestamp,
    ) -> Result<Vec<Arc<str>>, Error> {
        let header = self.signer.header(key);
        let mut buffer = Vec::new();
        let inputs = entries.iter().map(|entry| {
            let (jti, aud) = (&entry.jti, &entry.route.audience);
            SigningInput::new(&header, &self.issuer, jti, aud, &entry.body, &mut buffer)
        });
        let inputs: Vec<_> = inputs.collect();
        let deadline = now.after(self.config.sign_deadline);
        let signing = self.keys.sign(SignBatch::new(key.kid.clone(), inputs, deadline));
        let signed = match select(signing, self.clock.sleep_until(deadline)).await {
            Either::Left((signed, _)) => signed?,
            Either::Right((Slept::Reached, _)) => return Err(KeyError::Deadline.into()),
            // Without a clock that sleeps, the provider alone minds the deadline.
            Either::Right((Slept::Unsupported, signing)) => signing.await?,
        };
        let token = |signed: Signed| signed.input.with_signature(&signed.signature).into();
        Ok(signed.into_iter().map(token).collect())
    }
}

impl Signer {
    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The header segment of a key, encoded once.
    fn header(&self, key: &PublicKey) -> HeaderSegment {
        let mut headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded = || HeaderSegment::new(key.algorithm, &key.kid);
        headers.entry(key.kid.clone()).or_insert_with(encoded).clone()
    }
}

/// The entry's token, if receivers can still verify it.
fn verifiable<'e>(entry: &'e Claimed, keys: &KeySet, now: Timestamp) -> Option<&'e KeptToken> {
    entry.token.as_ref().filter(|token| keys.is_published(&token.kid, now))
}
