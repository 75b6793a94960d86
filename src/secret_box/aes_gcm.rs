//! A box whose keys lie in the memory of the process: AES-256-GCM by OpenSSL.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};

use super::{SecretBox, SecretBoxError, SecretPlace};
use crate::entropy::{Entropy, SystemEntropy};
use crate::id::KeyId;
use crate::secret::{Secret, wipe};
use crate::stream::{AuthorizationHeader, SealedSecret};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// What the text begins with: the form, should there ever be another.
const FORM: &str = "a256gcm";

/// A key that seals: 32 random bytes, and the name it goes by. `Debug` shows the name only, and
/// the bytes are overwritten when the last clone is dropped.
#[derive(Clone)]
pub struct SealingKey {
    id: KeyId,
    bytes: Arc<KeyBytes>,
}

struct KeyBytes([u8; KEY_BYTES]);

impl Drop for KeyBytes {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// The text is not the base64 of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the base64 of 32 random bytes")]
#[non_exhaustive]
pub struct SealingKeyError;

impl SealingKey {
    /// The key of these bytes. They must be random: no password, no hash of one.
    #[must_use]
    pub fn new(id: KeyId, bytes: [u8; KEY_BYTES]) -> Self {
        Self { id, bytes: Arc::new(KeyBytes(bytes)) }
    }

    /// The key of 32 random bytes in base64, such as `openssl rand -base64 32` prints.
    ///
    /// # Errors
    /// [`SealingKeyError`] when the text is something else.
    pub fn from_base64(id: KeyId, text: &Secret) -> Result<Self, SealingKeyError> {
        let mut decoded = STANDARD.decode(text.expose().trim()).map_err(|_| SealingKeyError)?;
        let bytes = decoded.as_slice().try_into();
        wipe(&mut decoded);
        Ok(Self::new(id, bytes.map_err(|_| SealingKeyError)?))
    }

    /// The name it goes by.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Seals with AES-256-GCM under the newest of its keys, with a random nonce for each secret, and
/// opens with whichever key the sealed text names.
///
/// The text is `a256gcm.`, the base64url of nonce, ciphertext and tag, `.`, and the key's name: so
/// an operator can count in the store what an old key still holds. One key is good for some
/// billions of seals.
///
/// To replace a key: begin with the new one and add the old one by
/// [`with_older`](Self::with_older) in every process, seal all secrets anew by
/// [`Transmitter::reseal`](crate::Transmitter::reseal), then leave the old one out.
///
/// # Example
/// ```
/// use ssf_transmitter::id::KeyId;
/// use ssf_transmitter::secret::Secret;
/// use ssf_transmitter::secret_box::aes_gcm::{AesGcmBox, SealingKey};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let from_the_host = Secret::new("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
/// let key = SealingKey::from_base64(KeyId::parse("2026-11")?, &from_the_host)?;
/// let secrets = AesGcmBox::new(key);
/// # let _ = secrets;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AesGcmBox {
    newest: SealingKey,
    older: Vec<SealingKey>,
}

impl AesGcmBox {
    /// A box that seals and opens with that key.
    #[must_use]
    pub const fn new(newest: SealingKey) -> Self {
        Self { newest, older: Vec::new() }
    }

    /// The same box that also opens what an older key sealed.
    #[must_use]
    pub fn with_older(mut self, key: SealingKey) -> Self {
        self.older.push(key);
        self
    }

    fn key(&self, id: &str) -> Option<&SealingKey> {
        std::iter::once(&self.newest).chain(&self.older).find(|key| key.id.as_str() == id)
    }
}

#[async_trait]
impl SecretBox for AesGcmBox {
    async fn seal(
        &self,
        place: SecretPlace<'_>,
        secret: &AuthorizationHeader,
    ) -> Result<SealedSecret, SecretBoxError> {
        // The system's randomness and no other: a nonce that came twice would give the key away.
        let random = SystemEntropy.bits().to_be_bytes();
        let nonce = &random[..NONCE_BYTES];
        let mut tag = [0; TAG_BYTES];
        let ciphertext = encrypt_aead(
            Cipher::aes_256_gcm(),
            &self.newest.bytes.0,
            Some(nonce),
            &place.associated_data(),
            secret.expose().as_bytes(),
            &mut tag,
        )
        .map_err(|error| SecretBoxError::Unavailable(error.into()))?;
        let bytes = [nonce, &ciphertext, &tag].concat();
        let text = format!("{FORM}.{}.{}", URL_SAFE_NO_PAD.encode(bytes), self.newest.id.as_str());
        SealedSecret::parse(&text).map_err(|error| SecretBoxError::Unavailable(error.into()))
    }

    async fn open(
        &self,
        place: SecretPlace<'_>,
        sealed: &SealedSecret,
    ) -> Result<AuthorizationHeader, SecretBoxError> {
        let parts = Parts::read(sealed).ok_or(SecretBoxError::Unreadable)?;
        let key = self.key(parts.key_id).ok_or(SecretBoxError::UnknownKey)?;
        let opened = decrypt_aead(
            Cipher::aes_256_gcm(),
            &key.bytes.0,
            Some(&parts.nonce),
            &place.associated_data(),
            &parts.ciphertext,
            &parts.tag,
        );
        // OpenSSL tells a wrong tag by an error without content.
        let mut opened = opened.map_err(|_| SecretBoxError::NotAuthentic)?;
        let text = std::str::from_utf8(&opened).ok();
        let header = text.and_then(|text| AuthorizationHeader::parse(text).ok());
        wipe(&mut opened);
        header.ok_or(SecretBoxError::Unreadable)
    }

    fn is_current(&self, sealed: &SealedSecret) -> bool {
        Parts::read(sealed).is_some_and(|parts| parts.key_id == self.newest.id.as_str())
    }
}

/// A sealed text, taken apart.
struct Parts<'a> {
    key_id: &'a str,
    nonce: [u8; NONCE_BYTES],
    ciphertext: Vec<u8>,
    tag: [u8; TAG_BYTES],
}

impl<'a> Parts<'a> {
    fn read(sealed: &'a SealedSecret) -> Option<Self> {
        // The name comes last because it may hold points.
        let (form, rest) = sealed.as_str().split_once('.')?;
        let (bytes, key_id) = rest.split_once('.').filter(|_| form == FORM)?;
        let bytes = URL_SAFE_NO_PAD.decode(bytes).ok()?;
        let (nonce, rest) = bytes.split_first_chunk()?;
        let (ciphertext, tag) = rest.split_last_chunk()?;
        Some(Self { key_id, nonce: *nonce, ciphertext: ciphertext.to_vec(), tag: *tag })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use futures_util::FutureExt;

    use super::*;
    use crate::id::{Issuer, StreamId};

    const SECRET: &str = "Bearer s3cret-of-the-receiver";

    fn key(id: &str, byte: u8) -> SealingKey {
        SealingKey::new(KeyId::parse(id).unwrap(), [byte; KEY_BYTES])
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().unwrap()
    }

    fn seal(secrets: &AesGcmBox, issuer: &str, stream: &str, secret: &str) -> SealedSecret {
        let (issuer, stream) = (Issuer::parse(issuer).unwrap(), StreamId::parse(stream).unwrap());
        let header = AuthorizationHeader::parse(secret).unwrap();
        now(secrets.seal(SecretPlace::new(&issuer, &stream), &header)).unwrap()
    }

    fn open(
        secrets: &AesGcmBox,
        issuer: &str,
        stream: &str,
        sealed: &SealedSecret,
    ) -> Result<String, SecretBoxError> {
        let (issuer, stream) = (Issuer::parse(issuer).unwrap(), StreamId::parse(stream).unwrap());
        let opened = now(secrets.open(SecretPlace::new(&issuer, &stream), sealed));
        opened.map(|header| header.expose().to_owned())
    }

    const A: &str = "https://a.example";

    #[test]
    fn what_was_sealed_opens_in_its_place_and_nowhere_else() {
        let secrets = AesGcmBox::new(key("1", 1));
        let sealed = seal(&secrets, A, "one", SECRET);
        assert_eq!(open(&secrets, A, "one", &sealed).unwrap(), SECRET);
        for (issuer, stream) in [(A, "two"), ("https://b.example", "one")] {
            let refused = open(&secrets, issuer, stream, &sealed).unwrap_err();
            assert!(matches!(refused, SecretBoxError::NotAuthentic), "{issuer} {stream}");
        }
    }

    #[test]
    fn the_text_shows_nothing_and_is_another_each_time() {
        let secrets = AesGcmBox::new(key("1", 1));
        let texts: HashSet<_> =
            (0..100).map(|_| seal(&secrets, A, "one", SECRET).as_str().to_owned()).collect();
        assert_eq!(texts.len(), 100);
        for text in texts {
            assert!(text.starts_with("a256gcm.") && text.ends_with(".1"), "{text}");
            let bytes = URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap();
            assert_eq!(bytes.len(), NONCE_BYTES + SECRET.len() + TAG_BYTES);
            assert!(!bytes.windows(6).any(|part| part == b"s3cret"));
        }
    }

    #[test]
    fn the_longest_header_can_be_sealed() {
        let secrets = AesGcmBox::new(key("1", 1));
        let longest = "x".repeat(8192);
        let sealed = seal(&secrets, A, "one", &longest);
        assert_eq!(open(&secrets, A, "one", &sealed).unwrap(), longest);
    }

    #[test]
    fn a_text_that_was_changed_anywhere_does_not_open() {
        let secrets = AesGcmBox::new(key("1", 1));
        let sealed = seal(&secrets, A, "one", "B x");
        let text = sealed.as_str().to_owned();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = SealedSecret::parse(&String::from_utf8(changed).unwrap()).unwrap();
            assert!(open(&secrets, A, "one", &changed).is_err(), "byte {at}");
        }
        for short in ["a256gcm", "a256gcm.", "a256gcm..1", "a256gcm.AAAA.1", "x.AAAA.1"] {
            let refused = open(&secrets, A, "one", &SealedSecret::parse(short).unwrap());
            assert!(matches!(refused, Err(SecretBoxError::Unreadable)), "{short}");
        }
    }

    #[test]
    fn the_newest_key_seals_and_older_ones_still_open() {
        let old = AesGcmBox::new(key("2025.12", 1));
        let sealed = seal(&old, A, "one", SECRET);
        let both = AesGcmBox::new(key("2026.12", 2)).with_older(key("2025.12", 1));
        assert_eq!(open(&both, A, "one", &sealed).unwrap(), SECRET);
        assert!(old.is_current(&sealed) && !both.is_current(&sealed));
        let again = seal(&both, A, "one", SECRET);
        assert!(both.is_current(&again) && again.as_str().ends_with(".2026.12"));
        assert!(matches!(open(&old, A, "one", &again), Err(SecretBoxError::UnknownKey)));
        // Another key under the same name is no key to it.
        let wrong = AesGcmBox::new(key("2025.12", 3));
        assert!(matches!(open(&wrong, A, "one", &sealed), Err(SecretBoxError::NotAuthentic)));
    }

    #[test]
    fn a_key_is_the_base64_of_32_bytes() {
        let read =
            |text: &str| SealingKey::from_base64(KeyId::parse("1").unwrap(), &Secret::new(text));
        let key = read(&format!("{}\n", STANDARD.encode([7; 32]))).unwrap();
        assert_eq!((key.bytes.0, key.id().as_str()), ([7; 32], "1"));
        for text in ["", "hunter2", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33])] {
            assert_eq!(read(text).err(), Some(SealingKeyError), "{text}");
        }
    }

    #[test]
    fn no_debug_form_shows_a_key() {
        let shown = format!("{:?}", AesGcmBox::new(key("1", 77)).with_older(key("2", 77)));
        assert!(!shown.contains("77"), "{shown}");
    }
}
