//! The key port: who signs, and which keys receivers may trust when.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::id::KeyId;
use crate::set::{Algorithm, SigningInput};
use crate::timestamp::Timestamp;

pub mod local;

/// How long receivers may cache the key set: the `max-age` of its answer.
pub const JWKS_MAX_AGE: Duration = Duration::from_secs(300);

/// A key as receivers see it, with the times of its life: announced, current, retired.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PublicKey {
    /// Its identifier.
    pub kid: KeyId,
    /// The one algorithm it is used with (RFC 8725 §3.1).
    pub algorithm: Algorithm,
    /// Its public JWK (RFC 7517 §4): `kid`, `alg`, `use` and the public members, nothing else.
    pub jwk: Map<String, Value>,
    /// From when it is in the published set.
    pub published_from: Timestamp,
    /// From when it signs. At least [`JWKS_MAX_AGE`] and five minutes after it was first
    /// published, so that every cache has it.
    pub signs_from: Timestamp,
    /// Until when it is in the published set. At least a day and [`JWKS_MAX_AGE`] after it last
    /// signed. `None`: no end is planned.
    pub published_until: Option<Timestamp>,
}

impl PublicKey {
    /// A first key: no cache knows another one, so it is published and signs from the beginning,
    /// and no end is planned. Keys that follow it set their times.
    #[must_use]
    pub const fn new(kid: KeyId, algorithm: Algorithm, jwk: Map<String, Value>) -> Self {
        let beginning = Timestamp::from_millis(0);
        Self {
            kid,
            algorithm,
            jwk,
            published_from: beginning,
            signs_from: beginning,
            published_until: None,
        }
    }
}

/// All keys of a transmitter. The times are part of it, so that all processes switch together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeySet(Vec<PublicKey>);

/// Why a list of keys is not a key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Two keys with one identifier.
    #[error("two keys have the kid {0}")]
    DuplicateKid(KeyId),
    /// A JWK with a private or symmetric member.
    #[error("the JWK of key {0} has a private member")]
    Private(KeyId),
}

/// The members of a JWK that are secret (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl KeySet {
    /// The set of these keys.
    ///
    /// # Errors
    /// [`KeySetError`] when a `kid` comes twice or a JWK is not public.
    pub fn new(keys: Vec<PublicKey>) -> Result<Self, KeySetError> {
        for (index, key) in keys.iter().enumerate() {
            if keys.iter().take(index).any(|earlier| earlier.kid == key.kid) {
                return Err(KeySetError::DuplicateKid(key.kid.clone()));
            }
            if PRIVATE_MEMBERS.iter().any(|member| key.jwk.contains_key(*member)) {
                return Err(KeySetError::Private(key.kid.clone()));
            }
        }
        Ok(Self(keys))
    }

    /// The key that signs at `now`: of those published whose time to sign has come, the latest.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> Option<&PublicKey> {
        self.published(now).filter(|key| key.signs_from <= now).max_by_key(|key| key.signs_from)
    }

    /// The keys in the published set at `now`: announced, current and retired.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = &PublicKey> {
        self.0.iter().filter(move |key| {
            key.published_from <= now && key.published_until.is_none_or(|until| now < until)
        })
    }

    /// Whether a token signed by that key can be verified at `now`.
    #[must_use]
    pub fn is_published(&self, kid: &KeyId, now: Timestamp) -> bool {
        self.published(now).any(|key| key.kid == *kid)
    }

    /// The published set as a document (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self, now: Timestamp) -> Value {
        let keys: Vec<_> = self.published(now).map(|key| Value::Object(key.jwk.clone())).collect();
        json!({ "keys": keys })
    }
}

/// A batch of signing inputs for one key.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignBatch {
    /// The key to sign with.
    pub kid: KeyId,
    /// What to sign.
    pub inputs: Vec<SigningInput>,
    /// When an answer is of no more use.
    pub deadline: Timestamp,
}

impl SignBatch {
    /// A batch for that key, due by then.
    #[must_use]
    pub const fn new(kid: KeyId, inputs: Vec<SigningInput>, deadline: Timestamp) -> Self {
        Self { kid, inputs, deadline }
    }
}

/// Why keys could not be had or did not sign. Never holds key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no such key.
    #[error("no key {0} to sign with")]
    UnknownKey(KeyId),
    /// No key may sign at present.
    #[error("no key may sign at present")]
    NoCurrentKey,
    /// The keys failed a moment ago and are left alone for a while.
    #[error("keys failed a moment ago")]
    Resting,
    /// The deadline passed.
    #[error("signing did not finish by its deadline")]
    Deadline,
    /// The keys are out of reach or failed.
    #[error("keys are not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where a transmitter gets its signatures from: local keys, a KMS, an HSM.
///
/// # Contract
/// 1. `key_set` returns all keys with their times, quickly: it is called for every batch and every
///    request for the published set. A provider whose keys are far away caches.
/// 2. A key is published at least [`JWKS_MAX_AGE`] and five minutes before it signs and at least a
///    day and [`JWKS_MAX_AGE`] after it last signed. A first key has no caches to wait for and may
///    sign at once.
/// 3. The set never holds a private or symmetric member, nor a `kid` twice ([`KeySet::new`]).
/// 4. `sign` returns the JWS signatures (RFC 7518 §3: for ECDSA the two integers, not DER) of all
///    inputs in their order together with the inputs, or an error for the batch as a whole.
/// 5. `sign` accepts every key of the set whose time to sign has come.
/// 6. `sign` does not block its thread for longer than a signature on an elliptic curve takes;
///    longer work is done elsewhere.
/// 7. After `deadline` nobody waits for the answer any more; a provider should give up then.
/// 8. The future may be dropped at any time; nothing but time is lost.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use ssf_transmitter::keys::{KeyError, KeyProvider, KeySet, SignBatch, Signed};
///
/// /// A provider that has no keys (yet).
/// #[derive(Debug)]
/// struct NoKeys(Arc<KeySet>);
///
/// #[async_trait::async_trait]
/// impl KeyProvider for NoKeys {
///     async fn key_set(&self) -> Result<Arc<KeySet>, KeyError> {
///         Ok(Arc::clone(&self.0))
///     }
///     async fn sign(&self, batch: SignBatch) -> Result<Vec<Signed>, KeyError> {
///         Err(KeyError::UnknownKey(batch.kid))
///     }
/// }
/// ```
#[async_trait]
pub trait KeyProvider: fmt::Debug + Send + Sync + 'static {
    /// All keys, public parts only.
    async fn key_set(&self) -> Result<Arc<KeySet>, KeyError>;

    /// Signs a batch.
    async fn sign(&self, batch: SignBatch) -> Result<Vec<Signed>, KeyError>;
}

/// A signing input and its signature.
#[derive(Debug)]
#[non_exhaustive]
pub struct Signed {
    /// What was signed.
    pub input: SigningInput,
    /// The JWS signature of it.
    pub signature: Vec<u8>,
}

impl Signed {
    /// That signature of that input.
    #[must_use]
    pub const fn new(input: SigningInput, signature: Vec<u8>) -> Self {
        Self { input, signature }
    }
}

#[async_trait]
impl<T: KeyProvider + ?Sized> KeyProvider for Arc<T> {
    async fn key_set(&self) -> Result<Arc<KeySet>, KeyError> {
        (**self).key_set().await
    }
    async fn sign(&self, batch: SignBatch) -> Result<Vec<Signed>, KeyError> {
        (**self).sign(batch).await
    }
}

#[async_trait]
impl<T: KeyProvider + ?Sized> KeyProvider for Box<T> {
    async fn key_set(&self) -> Result<Arc<KeySet>, KeyError> {
        (**self).key_set().await
    }
    async fn sign(&self, batch: SignBatch) -> Result<Vec<Signed>, KeyError> {
        (**self).sign(batch).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str, published: i64, signs: i64, until: Option<i64>) -> PublicKey {
        let at = Timestamp::from_seconds;
        PublicKey {
            kid: KeyId::parse(kid).unwrap(),
            algorithm: Algorithm::Es256,
            jwk: Map::from_iter([("kid".to_owned(), kid.into())]),
            published_from: at(published),
            signs_from: at(signs),
            published_until: until.map(at),
        }
    }

    fn kids(set: &KeySet, now: i64) -> (Option<&str>, Vec<&str>) {
        let now = Timestamp::from_seconds(now);
        let published = set.published(now).map(|key| key.kid.as_str()).collect();
        (set.current(now).map(|key| key.kid.as_str()), published)
    }

    #[test]
    fn keys_are_announced_then_current_then_retired() {
        let set = KeySet::new(vec![key("a", 0, 0, Some(2000)), key("b", 500, 1000, None)]).unwrap();
        assert_eq!(kids(&set, 499), (Some("a"), vec!["a"]));
        assert_eq!(kids(&set, 500), (Some("a"), vec!["a", "b"]));
        assert_eq!(kids(&set, 1000), (Some("b"), vec!["a", "b"]));
        assert_eq!(kids(&set, 2000), (Some("b"), vec!["b"]));
    }

    #[test]
    fn a_kid_comes_once() {
        let twice = KeySet::new(vec![key("a", 0, 0, None), key("a", 1, 1, None)]);
        assert_eq!(twice, Err(KeySetError::DuplicateKid(KeyId::parse("a").unwrap())));
    }

    #[test]
    fn no_private_member_gets_in() {
        for member in PRIVATE_MEMBERS {
            let mut private = key("a", 0, 0, None);
            private.jwk.insert(member.to_owned(), "x".into());
            let refused = KeySet::new(vec![private]);
            assert_eq!(refused, Err(KeySetError::Private(KeyId::parse("a").unwrap())), "{member}");
        }
    }
}
