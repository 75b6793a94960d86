//! The port that seals the secrets of receivers, so that a store holds none in the clear.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::id::{Issuer, StreamId};
use crate::stream::{AuthorizationHeader, SealedSecret};

pub mod aes_gcm;

/// Where a secret belongs: sealed there, it opens there and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretPlace<'a> {
    /// The transmitter's issuer.
    pub issuer: &'a Issuer,
    /// The stream.
    pub stream: &'a StreamId,
}

impl<'a> SecretPlace<'a> {
    /// That stream of that issuer.
    #[must_use]
    pub const fn new(issuer: &'a Issuer, stream: &'a StreamId) -> Self {
        Self { issuer, stream }
    }

    /// The place as bytes, to be authenticated along with the secret. No two places have the same.
    #[must_use]
    pub fn associated_data(&self) -> Vec<u8> {
        // Neither identifier holds a control character, so the zeros tell the parts apart.
        let parts = ["authorization_header", self.issuer.as_str(), self.stream.as_str()];
        parts.join("\0").into_bytes()
    }
}

/// Seals a stream's `authorization_header` before it is stored, and opens it for each push.
///
/// # Contract
/// 1. `open` gives what `seal` was given, for the same place; for another place it fails. The
///    binding is cryptographic ([`SecretPlace::associated_data`]), not a comparison.
/// 2. What `seal` gives is text that says nothing of the secret but its length. It names the key,
///    so that keys can be replaced: what was sealed with an older key opens as long as the box has
///    that key.
/// 3. `is_current` says whether a new seal would use the same key. It does not block.
/// 4. Errors and `Debug` forms show neither secret nor key.
/// 5. `open` is called for every push and should take microseconds: a box whose key lies in a KMS
///    unwraps it once and keeps it. A future that is dropped leaves nothing behind.
///
/// A secret that does not open is never sent, and nothing is sent in its place: the SETs of the
/// stream wait, and the operator sees why.
#[async_trait]
pub trait SecretBox: fmt::Debug + Send + Sync + 'static {
    /// Seals a secret for a place.
    async fn seal(
        &self,
        place: SecretPlace<'_>,
        secret: &AuthorizationHeader,
    ) -> Result<SealedSecret, SecretBoxError>;

    /// Opens what was sealed for that place.
    async fn open(
        &self,
        place: SecretPlace<'_>,
        sealed: &SealedSecret,
    ) -> Result<AuthorizationHeader, SecretBoxError>;

    /// Whether it was sealed with the key that seals now.
    fn is_current(&self, sealed: &SealedSecret) -> bool;
}

#[async_trait]
impl<T: SecretBox + ?Sized> SecretBox for Arc<T> {
    async fn seal(
        &self,
        place: SecretPlace<'_>,
        secret: &AuthorizationHeader,
    ) -> Result<SealedSecret, SecretBoxError> {
        (**self).seal(place, secret).await
    }

    async fn open(
        &self,
        place: SecretPlace<'_>,
        sealed: &SealedSecret,
    ) -> Result<AuthorizationHeader, SecretBoxError> {
        (**self).open(place, sealed).await
    }

    fn is_current(&self, sealed: &SealedSecret) -> bool {
        (**self).is_current(sealed)
    }
}

/// Why a secret was not sealed or opened. Nothing of it is for the receiver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretBoxError {
    /// The secret is sealed and the transmitter was built without a box.
    #[error("there is no box to open the secret with")]
    NoBox,
    /// The text is not what the box writes.
    #[error("the sealed secret cannot be read")]
    Unreadable,
    /// It was sealed with a key that the box does not have.
    #[error("the secret was sealed with an unknown key")]
    UnknownKey,
    /// It was changed, or sealed for another place.
    #[error("the sealed secret is not authentic")]
    NotAuthentic,
    /// The box is out of reach; the same call may work later.
    #[error("the box is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_have_the_same_associated_data() {
        let issuer = |text| Issuer::parse(text).unwrap();
        let stream = |text| StreamId::parse(text).unwrap();
        let data = |i, s| SecretPlace::new(&issuer(i), &stream(s)).associated_data();
        let one = data("https://a.example", "s");
        assert_eq!(one, b"authorization_header\0https://a.example\0s");
        assert_ne!(one, data("https://a.example", "t"));
        assert_ne!(one, data("https://b.example", "s"));
    }
}
