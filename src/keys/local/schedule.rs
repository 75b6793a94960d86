//! When which key is published and signs, and how the next one takes over.

use std::sync::Arc;
use std::time::Duration;

use super::key::{KeyMaterialError, SigningKey};
use super::signer::SigningBackend;
use crate::id::KeyId;
use crate::keys::{JWKS_MAX_AGE, KeySet, KeySetError, PublicKey};
use crate::timestamp::Timestamp;

/// How long a key is published before it signs: every cache has expired, and five minutes more
/// for clocks that differ.
pub const ANNOUNCEMENT: Duration = JWKS_MAX_AGE.saturating_add(Duration::from_secs(5 * 60));

/// How long a key stays published after it last signed: receivers may be a day late.
pub const RETIREMENT: Duration = JWKS_MAX_AGE.saturating_add(Duration::from_secs(24 * 60 * 60));

/// A key with the times of its life.
#[derive(Clone, Debug)]
pub struct ScheduledKey {
    pub(super) key: Arc<SigningKey>,
    pub(super) published_from: Timestamp,
    pub(super) signs_from: Timestamp,
    pub(super) published_until: Option<Timestamp>,
}

/// Why keys with these times cannot serve receivers without a gap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// There is no key.
    #[error("there is no key")]
    NoKey,
    /// The keys are not a key set.
    #[error("the keys are not a key set")]
    KeySet(#[from] KeySetError),
    /// Two keys begin to sign at the same time, so that either could be the current one.
    #[error("the keys {0} and {1} begin to sign at the same time")]
    SameStart(KeyId, KeyId),
    /// A key signs before every receiver knows it: later than [`ANNOUNCEMENT`] after it was
    /// published is the rule, and the first key alone need not wait.
    #[error("the key {0} signs too soon after it is published")]
    SignsTooSoon(KeyId),
    /// A key is gone before [`RETIREMENT`] has passed since it last signed.
    #[error("the key {0} is gone too soon after it last signs")]
    GoneTooSoon(KeyId),
    /// The last key has an end, after which none would sign.
    #[error("no key follows the key {0} at its end")]
    NoSuccessor(KeyId),
    /// A key that was announced has yet to begin to sign; the next can be announced then.
    #[error("the key {0} is announced and does not sign yet")]
    RotationUnderWay(KeyId),
}

impl ScheduledKey {
    /// A first key: no cache knows another one, so it is published and signs from the beginning.
    #[must_use]
    pub fn first(key: SigningKey) -> Self {
        Self::announced(key, Timestamp::default(), Timestamp::default())
    }

    /// A key that is published from one time and signs from another, at least [`ANNOUNCEMENT`]
    /// later.
    #[must_use]
    pub fn announced(key: SigningKey, published_from: Timestamp, signs_from: Timestamp) -> Self {
        Self { key: Arc::new(key), published_from, signs_from, published_until: None }
    }

    /// This key, published until then: at least [`RETIREMENT`] after the next key begins to sign.
    #[must_use]
    pub fn until(mut self, published_until: Timestamp) -> Self {
        self.published_until = Some(published_until);
        self
    }

    fn public(&self) -> PublicKey {
        PublicKey {
            kid: self.key.kid().clone(),
            algorithm: self.key.algorithm(),
            jwk: self.key.public_members().clone(),
            published_from: self.published_from,
            signs_from: self.signs_from,
            published_until: self.published_until,
        }
    }
}

/// Keys whose times fit together, in the order in which they sign.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) keys: Vec<ScheduledKey>,
    pub(super) set: Arc<KeySet>,
}

impl Schedule {
    /// One key that signs from the beginning.
    pub(super) fn single(key: SigningKey) -> Self {
        let key = ScheduledKey::first(key);
        Self { set: Arc::new(KeySet(vec![key.public()])), keys: vec![key] }
    }

    /// Checks the times of these keys against each other.
    pub(super) fn new(mut keys: Vec<ScheduledKey>) -> Result<Self, ScheduleError> {
        keys.sort_by_key(|key| key.signs_from);
        let set = KeySet::new(keys.iter().map(ScheduledKey::public).collect())?;
        let kid = |key: &ScheduledKey| key.key.kid().clone();
        let starts_after = |key: &ScheduledKey, wait| {
            if key.signs_from < key.published_from.after(wait) {
                return Err(ScheduleError::SignsTooSoon(kid(key)));
            }
            Ok(())
        };
        let (first, last) = keys.first().zip(keys.last()).ok_or(ScheduleError::NoKey)?;
        starts_after(first, Duration::ZERO)?;
        if last.published_until.is_some() {
            return Err(ScheduleError::NoSuccessor(kid(last)));
        }
        for (earlier, later) in keys.iter().zip(keys.iter().skip(1)) {
            if earlier.signs_from == later.signs_from {
                return Err(ScheduleError::SameStart(kid(earlier), kid(later)));
            }
            starts_after(later, ANNOUNCEMENT)?;
            let least = later.signs_from.after(RETIREMENT);
            if earlier.published_until.is_some_and(|until| until < least) {
                return Err(ScheduleError::GoneTooSoon(kid(earlier)));
            }
        }
        Ok(Self { keys, set: Arc::new(set) })
    }

    /// The key with that identifier.
    pub(super) fn key(&self, kid: &KeyId) -> Option<Arc<SigningKey>> {
        let found = self.keys.iter().find(|key| key.key.kid() == kid)?;
        Some(Arc::clone(&found.key))
    }

    /// This schedule with every key signing by that library.
    pub(super) fn signed_by(&self, backend: SigningBackend) -> Result<Self, KeyMaterialError> {
        let signed_by = |key: &ScheduledKey| {
            Ok(ScheduledKey { key: Arc::new(key.key.signed_by(backend)?), ..key.clone() })
        };
        let keys = self.keys.iter().map(signed_by).collect::<Result<_, _>>()?;
        Ok(Self { keys, set: Arc::clone(&self.set) })
    }

    /// This schedule with another key that takes over as soon as it may, and without the keys
    /// that have come to their end by now.
    pub(super) fn rotate(&self, key: SigningKey, now: Timestamp) -> Result<Self, ScheduleError> {
        if let Some(coming) = self.keys.iter().find(|key| now < key.signs_from) {
            return Err(ScheduleError::RotationUnderWay(coming.key.kid().clone()));
        }
        // Stored schedules count in seconds. Rounded up, all processes see the same times and the
        // announcement is not too short.
        let published_from = Timestamp::from_seconds(now.before(ONE_MILLI).as_seconds() + 1);
        let signs_from = published_from.after(ANNOUNCEMENT);
        let staying = self.keys.iter().filter(|key| key.published_until.is_none_or(|t| now < t));
        let mut keys: Vec<_> = staying.cloned().collect();
        for key in &mut keys {
            key.published_until.get_or_insert(signs_from.after(RETIREMENT));
        }
        keys.push(ScheduledKey::announced(key, published_from, signs_from));
        Self::new(keys)
    }
}

const ONE_MILLI: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::Algorithm;

    const DAY: i64 = 86_400;

    fn id(kid: &str) -> KeyId {
        KeyId::parse(kid).unwrap()
    }

    fn key(kid: &str) -> SigningKey {
        SigningKey::generate(Algorithm::EdDsa, id(kid)).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn coming(kid: &str, published: i64, signs: i64) -> ScheduledKey {
        ScheduledKey::announced(key(kid), at(published), at(signs))
    }

    fn refused(keys: Vec<ScheduledKey>) -> ScheduleError {
        Schedule::new(keys).unwrap_err()
    }

    fn times(schedule: &Schedule) -> Vec<(&str, i64, i64, Option<i64>)> {
        let row = |key: &ScheduledKey| {
            let until = key.published_until.map(Timestamp::as_seconds);
            (key.published_from.as_seconds(), key.signs_from.as_seconds(), until)
        };
        let rows = schedule.keys.iter().map(|key| (key.key.kid().as_str(), row(key)));
        rows.map(|(kid, (from, signs, until))| (kid, from, signs, until)).collect()
    }

    #[test]
    fn a_key_is_published_ten_minutes_before_it_signs() {
        let late = vec![ScheduledKey::first(key("a")), coming("b", 1000, 1599)];
        assert_eq!(refused(late), ScheduleError::SignsTooSoon(id("b")));
        let just = vec![coming("b", 1000, 1600), ScheduledKey::first(key("a"))];
        let schedule = Schedule::new(just).unwrap();
        assert_eq!(times(&schedule), [("a", 0, 0, None), ("b", 1000, 1600, None)]);
    }

    #[test]
    fn a_key_stays_a_day_and_five_minutes_after_it_last_signs() {
        let set =
            |until| vec![ScheduledKey::first(key("a")).until(at(until)), coming("b", 1000, 1600)];
        let least = 1600 + DAY + 300;
        assert_eq!(refused(set(least - 1)), ScheduleError::GoneTooSoon(id("a")));
        assert_eq!(Schedule::new(set(least)).map(|schedule| schedule.keys.len()), Ok(2));
    }

    #[test]
    fn there_is_always_exactly_one_current_key() {
        assert_eq!(refused(vec![]), ScheduleError::NoKey);
        let ends = vec![ScheduledKey::first(key("a")).until(at(9 * DAY))];
        assert_eq!(refused(ends), ScheduleError::NoSuccessor(id("a")));
        let both = vec![ScheduledKey::first(key("a")), ScheduledKey::first(key("b"))];
        assert_eq!(refused(both), ScheduleError::SameStart(id("a"), id("b")));
        assert_eq!(refused(vec![coming("a", 2, 1)]), ScheduleError::SignsTooSoon(id("a")));
    }

    #[test]
    fn a_kid_comes_once() {
        let twice = vec![ScheduledKey::first(key("a")), coming("a", 0, 600)];
        assert_eq!(refused(twice), KeySetError::DuplicateKid(id("a")).into());
    }

    #[test]
    fn a_new_key_is_announced_takes_over_and_the_old_one_retires() {
        let first = Schedule::new(vec![ScheduledKey::first(key("a"))]).unwrap();
        let second = first.rotate(key("b"), Timestamp::from_millis(999_001)).unwrap();
        let end = 1600 + DAY + 300;
        assert_eq!(times(&second), [("a", 0, 0, Some(end)), ("b", 1000, 1600, None)]);
        let current = |t| second.set.current(at(t)).map(|key| key.kid.as_str().to_owned());
        assert_eq!((current(1599), current(1600)), (Some("a".into()), Some("b".into())));
        let published = |t| second.set.published(at(t)).count();
        assert_eq!([999, 1000, end - 1, end].map(published), [1, 2, 2, 1]);
    }

    #[test]
    fn a_rotation_waits_for_the_one_before_and_clears_what_has_ended() {
        let first = Schedule::new(vec![ScheduledKey::first(key("a"))]).unwrap();
        let second = first.rotate(key("b"), at(1000)).unwrap();
        let hasty = second.rotate(key("c"), at(1599)).map(|_| ()).unwrap_err();
        assert_eq!(hasty, ScheduleError::RotationUnderWay(id("b")));
        let third = second.rotate(key("c"), at(9 * DAY)).unwrap();
        let signs = 9 * DAY + 600;
        assert_eq!(
            times(&third),
            [("b", 1000, 1600, Some(signs + DAY + 300)), ("c", 9 * DAY, signs, None)]
        );
    }
}
