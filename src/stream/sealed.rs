//! What a store keeps of a receiver's secret: the secret, or what the host's box made of it.

use std::fmt;

use super::delivery::{AuthorizationError, AuthorizationHeader};
use crate::secret::Secret;

/// A secret as a [`SecretBox`](crate::secret_box::SecretBox) sealed it: text that only the box
/// understands.
///
/// * 1 to 32,768 bytes;
/// * no control characters.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret(Box<str>);

/// The text is empty, longer than 32,768 bytes, or holds a control character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 32768 bytes long and hold no control characters")]
#[non_exhaustive]
pub struct SealedSecretError;

impl SealedSecret {
    /// Checks the text and takes it as sealed.
    ///
    /// # Errors
    /// [`SealedSecretError`] when the text breaks a rule listed at the type.
    pub fn parse(text: &str) -> Result<Self, SealedSecretError> {
        let legal = !text.is_empty() && text.len() <= 32_768 && !text.chars().any(char::is_control);
        if legal { Ok(Self(text.into())) } else { Err(SealedSecretError) }
    }

    /// The sealed text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Sealed or not, nobody needs to see it.
impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

/// The `authorization_header` of a stream, as its record holds it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoredAuthorization {
    /// As the receiver gave it: the host has no box.
    Plain(AuthorizationHeader),
    /// As the host's box sealed it.
    Sealed(SealedSecret),
}

/// The text is no [`StoredAuthorization`]. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredAuthorizationError {
    /// Neither of the two marks is in front.
    #[error("begins with neither `plain:` nor `sealed:`")]
    Mark,
    /// What follows `plain:` is no header value.
    #[error("holds no header value")]
    Plain(#[source] AuthorizationError),
    /// What follows `sealed:` is no sealed secret.
    #[error("holds no sealed secret")]
    Sealed(#[source] SealedSecretError),
}

impl StoredAuthorization {
    /// One text for one column: `plain:` or `sealed:`, and what it is.
    ///
    /// # Security
    /// A plain one is the receiver's secret: write it into the store and nowhere else.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        match self {
            Self::Plain(header) => Secret::new(format!("plain:{}", header.expose())),
            Self::Sealed(sealed) => Secret::new(format!("sealed:{}", sealed.as_str())),
        }
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    /// [`StoredAuthorizationError`] when it did not write that.
    pub fn parse(text: &str) -> Result<Self, StoredAuthorizationError> {
        match text.split_once(':') {
            Some(("plain", header)) => AuthorizationHeader::parse(header)
                .map(Self::Plain)
                .map_err(StoredAuthorizationError::Plain),
            Some(("sealed", sealed)) => SealedSecret::parse(sealed)
                .map(Self::Sealed)
                .map_err(StoredAuthorizationError::Sealed),
            Some(_) | None => Err(StoredAuthorizationError::Mark),
        }
    }

    /// Whether both are known to mean the same header. A sealed one is compared by its text: the
    /// same secret sealed twice is not known to be the same.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(two)) => one.expose() == two.expose(),
            (Self::Sealed(one), Self::Sealed(two)) => one == two,
            (Self::Plain(_), Self::Sealed(_)) | (Self::Sealed(_), Self::Plain(_)) => false,
        }
    }
}

impl From<AuthorizationHeader> for StoredAuthorization {
    fn from(header: AuthorizationHeader) -> Self {
        Self::Plain(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> StoredAuthorization {
        AuthorizationHeader::parse(text).unwrap().into()
    }

    #[test]
    fn both_forms_survive_their_text_and_are_never_taken_for_each_other() {
        // A receiver may well choose a secret that looks sealed.
        let tricky = plain("sealed:v1.abc");
        assert_eq!(tricky.to_text().expose(), "plain:sealed:v1.abc");
        let again = StoredAuthorization::parse(tricky.to_text().expose()).unwrap();
        assert!(matches!(&again, StoredAuthorization::Plain(h) if h.expose() == "sealed:v1.abc"));

        let sealed = StoredAuthorization::Sealed(SealedSecret::parse("v1.abc").unwrap());
        let again = StoredAuthorization::parse(sealed.to_text().expose()).unwrap();
        assert!(matches!(&again, StoredAuthorization::Sealed(s) if s.as_str() == "v1.abc"));
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, problem) in [
            ("", StoredAuthorizationError::Mark),
            ("Bearer x", StoredAuthorizationError::Mark),
            ("basic:x", StoredAuthorizationError::Mark),
            ("plain:", StoredAuthorizationError::Plain(AuthorizationError::Length)),
            ("sealed:", StoredAuthorizationError::Sealed(SealedSecretError)),
            ("sealed:a\nb", StoredAuthorizationError::Sealed(SealedSecretError)),
        ] {
            assert_eq!(StoredAuthorization::parse(text).err(), Some(problem), "{text:?}");
        }
    }

    #[test]
    fn a_plain_and_a_sealed_secret_are_never_known_to_be_the_same() {
        let sealed = StoredAuthorization::Sealed(SealedSecret::parse("Bearer x").unwrap());
        assert!(plain("Bearer x").is_same_as(&plain("Bearer x")));
        assert!(!plain("Bearer x").is_same_as(&plain("Bearer y")));
        assert!(sealed.is_same_as(&sealed.clone()));
        assert!(!sealed.is_same_as(&plain("Bearer x")) && !plain("Bearer x").is_same_as(&sealed));
    }

    #[test]
    fn no_debug_form_shows_anything() {
        let sealed = StoredAuthorization::Sealed(SealedSecret::parse("s3cret").unwrap());
        let shown = format!("{:?} {sealed:?} {:?}", plain("s3cret"), sealed.to_text());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
