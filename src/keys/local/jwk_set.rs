//! Private JWK sets (RFC 7517 §5): how a host stores its keys and their times.

use serde_json::{Value, json};

use super::key::{KeyMaterialError, SigningKey};
use super::material::Members;
use super::schedule::{Schedule, ScheduleError, ScheduledKey};
use crate::secret::Secret;
use crate::timestamp::Timestamp;

/// Our own members of a JWK, in seconds since the epoch. RFC 7517 §4 lets readers ignore them.
const PUBLISHED_FROM: &str = "published_from";
const SIGNS_FROM: &str = "signs_from";
const PUBLISHED_UNTIL: &str = "published_until";

/// Why a text is not a private JWK set to sign with. Says nothing of the keys themselves.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwkSetError {
    /// Not a JSON object with an array `keys`.
    #[error("not a JWK set")]
    NotJwkSet,
    /// An element of `keys` is not a key that can sign SETs.
    #[error("the key at index {index} cannot sign SETs")]
    Key {
        /// Its place in `keys`, counted from 0.
        index: usize,
        /// What is wrong with it.
        source: KeyMaterialError,
    },
    /// A time that is not a whole number of seconds, or one of `published_from` and `signs_from`
    /// without the other.
    #[error("the times of the key at index {index} are not complete")]
    Times {
        /// Its place in `keys`, counted from 0.
        index: usize,
    },
    /// The times of the keys do not fit together.
    #[error("the times of the keys do not fit together")]
    Schedule(#[from] ScheduleError),
}

/// Reads a private JWK set.
pub(super) fn parse(text: &str) -> Result<Schedule, JwkSetError> {
    // Into a value first: errors of a typed parse quote what they found.
    let value: Value = serde_json::from_str(text).map_err(|_| JwkSetError::NotJwkSet)?;
    let jwks = value.get("keys").and_then(Value::as_array).ok_or(JwkSetError::NotJwkSet)?;
    let keys = jwks.iter().enumerate().map(|(index, jwk)| {
        let failed = |source| JwkSetError::Key { index, source };
        let jwk = jwk.as_object().ok_or_else(|| failed(KeyMaterialError::NotJwk))?;
        let key = SigningKey::from_members(jwk).map_err(failed)?;
        scheduled(key, jwk).ok_or(JwkSetError::Times { index })
    });
    Ok(Schedule::new(keys.collect::<Result<_, _>>()?)?)
}

/// Writes a private JWK set.
pub(super) fn write(schedule: &Schedule) -> Secret {
    let keys: Vec<_> = schedule.keys.iter().map(private_jwk).collect();
    Secret::new(json!({ "keys": keys }).to_string())
}

/// The key with the times its JWK names; `None` when they are malformed or not complete.
fn scheduled(key: SigningKey, jwk: &Members) -> Option<ScheduledKey> {
    let time = |name| match jwk.get(name) {
        None => Some(None),
        Some(seconds) => Some(Some(Timestamp::from_seconds(seconds.as_i64()?))),
    };
    let scheduled = match (time(PUBLISHED_FROM)?, time(SIGNS_FROM)?) {
        (None, None) => ScheduledKey::first(key),
        (Some(published), Some(signs)) => ScheduledKey::announced(key, published, signs),
        _ => return None,
    };
    Some(match time(PUBLISHED_UNTIL)? {
        Some(until) => scheduled.until(until),
        None => scheduled,
    })
}

fn private_jwk(scheduled: &ScheduledKey) -> Members {
    let mut jwk = scheduled.key.private_members().clone();
    let mut insert =
        |name: &str, at: Timestamp| jwk.insert(name.to_owned(), at.as_seconds().into());
    insert(PUBLISHED_FROM, scheduled.published_from);
    insert(SIGNS_FROM, scheduled.signs_from);
    if let Some(until) = scheduled.published_until {
        insert(PUBLISHED_UNTIL, until);
    }
    jwk
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::id::KeyId;
    use crate::set::Algorithm;

    fn jwk(kid: &str, algorithm: Algorithm) -> Value {
        let key = SigningKey::generate(algorithm, KeyId::parse(kid).unwrap()).unwrap();
        serde_json::from_str(key.private_jwk().expose()).unwrap()
    }

    fn with(mut jwk: Value, times: &[(&str, i64)]) -> Value {
        for (name, seconds) in times {
            jwk[*name] = (*seconds).into();
        }
        jwk
    }

    fn read(keys: &[Value]) -> Result<Schedule, JwkSetError> {
        parse(&json!({ "keys": keys }).to_string())
    }

    #[test]
    fn a_set_comes_back_as_it_was_written() {
        let keys = [
            with(
                jwk("a", Algorithm::Es256),
                &[("published_from", 0), ("signs_from", 0), ("published_until", 99_999)],
            ),
            with(jwk("b", Algorithm::Ed25519), &[("published_from", 1000), ("signs_from", 1600)]),
        ];
        let schedule = read(&keys).unwrap();
        let written: Value = serde_json::from_str(write(&schedule).expose()).unwrap();
        assert_eq!(written, json!({ "keys": keys }));
    }

    #[test]
    fn a_key_without_times_signs_from_the_beginning() {
        let schedule = read(&[jwk("a", Algorithm::EdDsa)]).unwrap();
        let key = schedule.set.current(Timestamp::default()).unwrap();
        assert_eq!((key.kid.as_str(), key.published_until), ("a", None));
    }

    #[test]
    fn times_are_whole_and_complete() {
        let key = jwk("a", Algorithm::EdDsa);
        let mut fraction = with(key.clone(), &[("published_from", 0)]);
        fraction["signs_from"] = json!(0.5);
        for bad in [fraction, with(key, &[("signs_from", 0)])] {
            assert!(matches!(read(&[bad]), Err(JwkSetError::Times { index: 0 })));
        }
    }

    #[test]
    fn what_is_not_a_private_key_is_refused_by_its_place() {
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#""hunter2""#] {
            let error = parse(text).map(|_| ()).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.source().is_none()),
                ("not a JWK set", true)
            );
        }
        let key = jwk("a", Algorithm::EdDsa);
        let refused = read(&[key, json!({"kty": "oct", "k": "c2VjcmV0"})]).map(|_| ()).unwrap_err();
        assert!(matches!(
            refused,
            JwkSetError::Key { index: 1, source: KeyMaterialError::UnsupportedType }
        ));
    }

    #[test]
    fn times_that_do_not_fit_together_are_refused() {
        let twice = read(&[jwk("a", Algorithm::EdDsa), jwk("b", Algorithm::EdDsa)]);
        assert!(matches!(twice, Err(JwkSetError::Schedule(ScheduleError::SameStart(..)))));
    }
}
