//! Keys in this process: the first [`KeyProvider`].
//!
//! A host makes or reads a [`SigningKey`], gives it to [`LocalKeys`], and stores what
//! [`LocalKeys::private_jwk_set`] returns where only it can read it.

use std::future::poll_fn;
use std::mem;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;

use async_trait::async_trait;

use self::pool::SigningPool;
use self::schedule::Schedule;
use super::{KeyError, KeyProvider, KeySet, SignBatch, Signed};
use crate::secret::Secret;
use crate::set::Algorithm;
use crate::timestamp::Timestamp;

mod jwk_set;
mod key;
mod material;
mod pool;
mod schedule;
mod signer;

pub use self::jwk_set::JwkSetError;
pub use self::key::{KeyMaterialError, SigningKey};
pub use self::schedule::{ANNOUNCEMENT, RETIREMENT, ScheduleError, ScheduledKey};
pub use self::signer::SigningBackend;

/// Private keys in the memory of this process.
///
/// RSA signatures are made on threads of its own, by default as many as the machine runs at once,
/// started with the first batch; all others where the caller is, with a chance for other tasks
/// after each. It reads no clock and so ignores the deadline of a batch; whoever drops the future
/// stops the work.
///
/// ```
/// use ssf_transmitter::id::KeyId;
/// use ssf_transmitter::keys::local::{LocalKeys, SigningKey};
/// use ssf_transmitter::set::Algorithm;
/// use ssf_transmitter::timestamp::Timestamp;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = LocalKeys::new(SigningKey::generate(Algorithm::Es256, KeyId::parse("a")?)?);
///
/// // Later, once a year: announce the next key, store the set, then use it. The other processes
/// // read the stored set within `ANNOUNCEMENT`, and all of them switch together.
/// let now = Timestamp::from_seconds(1_795_000_000);
/// let next = SigningKey::generate(Algorithm::Es256, KeyId::parse("b")?)?;
/// let rotated = keys.rotate(next, now)?;
/// let to_store = rotated.private_jwk_set();
/// keys.replace(&LocalKeys::from_jwk_set(to_store.expose())?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LocalKeys {
    schedule: RwLock<Arc<Schedule>>,
    pool: SigningPool,
}

impl LocalKeys {
    /// One key that signs from the beginning.
    #[must_use]
    pub fn new(key: SigningKey) -> Self {
        Self::scheduled(Schedule::single(key))
    }

    /// Keys with times of their own.
    ///
    /// # Errors
    /// [`ScheduleError`] when there is none, a `kid` comes twice, or their times leave receivers
    /// with a token they cannot verify.
    pub fn with_keys(keys: impl IntoIterator<Item = ScheduledKey>) -> Result<Self, ScheduleError> {
        Ok(Self::scheduled(Schedule::new(keys.into_iter().collect())?))
    }

    /// Reads a private JWK set (RFC 7517 §5). The members `published_from`, `signs_from` and
    /// `published_until` of a key, in whole seconds since the epoch, are its times; a key without
    /// the first two is published and signs from the beginning.
    ///
    /// # Errors
    /// [`JwkSetError`] when one of its keys cannot sign SETs or their times do not fit together.
    pub fn from_jwk_set(text: &str) -> Result<Self, JwkSetError> {
        Ok(Self::scheduled(jwk_set::parse(text)?))
    }

    /// These keys and a new one, which is published from `now` and signs from [`ANNOUNCEMENT`]
    /// later; the others stay published for [`RETIREMENT`] after that. Keys at their end are left
    /// out. Nothing changes here: store the result, then [`replace`](Self::replace) these keys by
    /// it.
    ///
    /// # Errors
    /// [`ScheduleError`] when the `kid` is taken or an earlier rotation is under way.
    pub fn rotate(&self, key: SigningKey, now: Timestamp) -> Result<Self, ScheduleError> {
        Ok(Self::scheduled(self.current().rotate(key, now)?))
    }

    /// The same keys, all of them signing by that library. Without it, OpenSSL signs; keys that
    /// are read or added later do so too, until they are told otherwise.
    ///
    /// # Errors
    /// [`KeyMaterialError`] when the library does not take one of the keys.
    pub fn signed_by(&self, backend: SigningBackend) -> Result<Self, KeyMaterialError> {
        let schedule = RwLock::new(Arc::new(self.current().signed_by(backend)?));
        Ok(Self { schedule, pool: SigningPool::new(self.pool.most()) })
    }

    /// Makes RSA signatures on that many threads. Without it: as many as the machine runs at once.
    #[must_use]
    pub fn with_signing_threads(self, threads: NonZeroUsize) -> Self {
        Self { pool: SigningPool::new(Some(threads)), ..self }
    }

    /// Uses other keys from here on: those of a rotation, or of a stored set that another process
    /// rotated.
    pub fn replace(&self, keys: &Self) {
        let next = keys.current();
        *self.schedule.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// The private JWK set, for the host to store; [`from_jwk_set`](Self::from_jwk_set) takes it
    /// back.
    ///
    /// # Security
    /// Whoever has it can sign as this transmitter.
    #[must_use]
    pub fn private_jwk_set(&self) -> Secret {
        jwk_set::write(&self.current())
    }

    fn scheduled(schedule: Schedule) -> Self {
        Self { schedule: RwLock::new(Arc::new(schedule)), pool: SigningPool::new(None) }
    }

    fn current(&self) -> Arc<Schedule> {
        Arc::clone(&self.schedule.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl KeyProvider for LocalKeys {
    async fn key_set(&self) -> Result<Arc<KeySet>, KeyError> {
        Ok(Arc::clone(&self.current().set))
    }

    async fn sign(&self, batch: SignBatch) -> Result<Vec<Signed>, KeyError> {
        let SignBatch { kid, inputs, deadline: _ } = batch;
        let Some(key) = self.current().key(&kid) else {
            return Err(KeyError::UnknownKey(kid));
        };
        match key.algorithm() {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                self.pool.sign(move |input| key.sign(input), inputs)?.await
            }
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa | Algorithm::Ed25519 => {
                let mut signed = Vec::with_capacity(inputs.len());
                for input in inputs {
                    let signature = key.sign(input.as_bytes()).map_err(KeyError::Unavailable)?;
                    signed.push(Signed::new(input, signature));
                    give_way().await;
                }
                Ok(signed)
            }
        }
    }
}

/// Lets the executor run other tasks.
async fn give_way() {
    let mut done = false;
    poll_fn(|context| {
        if mem::replace(&mut done, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::id::{Audience, Issuer, Jti, KeyId};
    use crate::set::{HeaderSegment, SetBody, SigningInput};

    const ALL: [Algorithm; 6] = [
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
        Algorithm::Ed25519,
    ];

    fn id(kid: &str) -> KeyId {
        KeyId::parse(kid).unwrap()
    }

    const BACKENDS: [SigningBackend; 2] = [SigningBackend::OpenSsl, SigningBackend::AwsLc];

    fn local(algorithm: Algorithm) -> LocalKeys {
        LocalKeys::new(SigningKey::generate(algorithm, id("k")).unwrap())
    }

    /// One key of every algorithm, in the hands of every library.
    fn all_keys() -> impl Iterator<Item = (Algorithm, LocalKeys)> {
        let by = |algorithm| {
            let keys = local(algorithm);
            BACKENDS.map(|backend| (algorithm, keys.signed_by(backend).unwrap()))
        };
        ALL.into_iter().flat_map(by)
    }

    fn batch(kid: &str, count: usize) -> SignBatch {
        let header = HeaderSegment::new(Algorithm::Rs256, &id(kid));
        let issuer = Issuer::parse("https://tr.example.com").unwrap();
        let audience = Audience::parse("rp").unwrap();
        let body = SetBody::from_stored("{}".into());
        let input = |index: usize| {
            let jti = Jti::parse(index.to_string()).unwrap();
            SigningInput::new(&header, &issuer, &jti, &audience, &body, &mut Vec::new())
        };
        SignBatch::new(id(kid), (0..count).map(input).collect(), Timestamp::default())
    }

    async fn public(keys: &LocalKeys) -> super::super::PublicKey {
        let set = keys.key_set().await.unwrap();
        set.current(Timestamp::from_seconds(1)).unwrap().clone()
    }

    #[tokio::test]
    async fn signatures_verify_with_the_published_jwk_in_the_order_of_the_inputs() {
        for (algorithm, keys) in all_keys() {
            let mut jwk = public(&keys).await.jwk;
            assert_eq!(jwk.remove("alg"), Some(algorithm.as_str().into()));
            let verifier = material::verifier(algorithm, jwk).unwrap();
            let signed = keys.sign(batch("k", 5)).await.unwrap();
            let inputs: Vec<_> = signed.iter().map(|signed| signed.input.clone()).collect();
            assert_eq!(inputs, batch("k", 5).inputs, "{algorithm}");
            for Signed { input, signature } in signed {
                verifier.verify(input.as_bytes(), &signature).unwrap();
                verifier.verify(b"something else", &signature).unwrap_err();
            }
        }
    }

    #[tokio::test]
    async fn an_ecdsa_signature_is_two_integers_of_fixed_length_rfc_7518_3_4() {
        for (algorithm, keys) in all_keys() {
            let length = match algorithm {
                Algorithm::Rs256 | Algorithm::Ps256 => continue,
                Algorithm::Es384 => 96,
                Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Ed25519 => 64,
            };
            // Small integers have to be padded: enough signatures to meet some.
            let signed = keys.sign(batch("k", 300)).await.unwrap();
            let lengths: BTreeSet<_> = signed.iter().map(|signed| signed.signature.len()).collect();
            assert_eq!(lengths, BTreeSet::from([length]), "{algorithm}");
        }
    }

    #[tokio::test]
    async fn signatures_on_many_threads_at_once_verify() {
        for (algorithm, keys) in all_keys() {
            let mut jwk = public(&keys).await.jwk;
            jwk.remove("alg");
            let verifier = material::verifier(algorithm, jwk).unwrap();
            let keys = Arc::new(keys);
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let keys = Arc::clone(&keys);
                    std::thread::spawn(move || {
                        crate::testkit::block_on(keys.sign(batch("k", 4))).unwrap()
                    })
                })
                .collect();
            for Signed { input, signature } in threads.into_iter().flat_map(|t| t.join().unwrap()) {
                verifier.verify(input.as_bytes(), &signature).unwrap();
            }
        }
    }

    #[test]
    fn a_key_stays_the_same_in_the_hands_of_another_library() {
        for (algorithm, keys) in all_keys() {
            let again = LocalKeys::from_jwk_set(keys.private_jwk_set().expose()).unwrap();
            assert_eq!(again.current().set, keys.current().set, "{algorithm}");
        }
    }

    #[tokio::test]
    async fn the_published_jwk_has_its_public_members_and_no_others_rfc_7517_4() {
        for algorithm in ALL {
            let jwk = public(&local(algorithm)).await.jwk;
            let members: BTreeSet<_> = jwk.keys().map(String::as_str).collect();
            let own: &[_] = match algorithm {
                Algorithm::Rs256 | Algorithm::Ps256 => &["e", "n"],
                Algorithm::Es256 | Algorithm::Es384 => &["crv", "x", "y"],
                Algorithm::EdDsa | Algorithm::Ed25519 => &["crv", "x"],
            };
            let expected: BTreeSet<_> = ["kty", "kid", "alg", "use"].iter().chain(own).collect();
            assert_eq!(members.iter().collect::<BTreeSet<_>>(), expected, "{algorithm}");
            assert_eq!((&jwk["kid"], &jwk["use"]), (&"k".into(), &"sig".into()));
        }
    }

    #[tokio::test]
    async fn an_unknown_kid_is_an_error() {
        let error = local(Algorithm::Es256).sign(batch("x", 1)).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, KeyError::UnknownKey(kid) if kid == id("x")));
    }

    #[tokio::test]
    async fn a_dropped_future_leaves_the_provider_working() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
            let keys = local(algorithm);
            {
                let mut dropped = pin!(keys.sign(batch("k", 64)));
                let first = dropped.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(first.is_pending(), "{algorithm}");
            }
            let signed = keys.sign(batch("k", 3)).await.unwrap();
            assert_eq!(signed.len(), 3, "{algorithm}");
        }
    }

    #[tokio::test]
    async fn a_stored_rotation_is_taken_over_while_running() {
        let keys = local(Algorithm::Es256);
        let next = SigningKey::generate(Algorithm::EdDsa, id("next")).unwrap();
        let rotated = keys.rotate(next, Timestamp::from_seconds(1000)).unwrap();
        let stored = rotated.private_jwk_set();
        assert_eq!(keys.key_set().await.unwrap().published(at(1000)).count(), 1);

        keys.replace(&LocalKeys::from_jwk_set(stored.expose()).unwrap());
        let set = keys.key_set().await.unwrap();
        assert_eq!(set, rotated.key_set().await.unwrap());
        assert_eq!(set.current(at(1599)).map(|key| key.kid.as_str()), Some("k"));
        assert_eq!(set.current(at(1600)).map(|key| key.kid.as_str()), Some("next"));
        for kid in ["k", "next"] {
            assert_eq!(keys.sign(batch(kid, 1)).await.map(|signed| signed.len()).unwrap(), 1);
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_private_keys() {
        let keys = local(Algorithm::Ed25519);
        let set: serde_json::Value = serde_json::from_str(keys.private_jwk_set().expose()).unwrap();
        let private = set["keys"][0]["d"].as_str().unwrap();
        let debug = format!("{keys:?}");
        assert!(debug.contains("SigningKey(k, Ed25519)") && !debug.contains(private), "{debug}");
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }
}
