//! Keys from a URL (RFC 8414 §2 `jwks_uri`), fetched seldom and kept.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::{Jwks, JwksError, JwksSource};
use crate::auth::AuthError;
use crate::https::{ExchangeError, TrustedUrl};
use crate::timestamp::Timestamp;

/// The longest document that is read, in bytes.
const BODY_CAP: usize = 256 * 1024;
/// The age from which keys are fetched anew, unless set.
const MAX_AGE: Duration = Duration::from_secs(600);
/// The age from which keys are not used, whatever the URL does, unless set.
const MAX_STALE: Duration = Duration::from_secs(24 * 3600);
/// While there are keys, the least time between two fetches: anybody can invent a `kid`.
const REFETCH: Duration = Duration::from_secs(60);
/// While there are none, the least time between two fetches.
const RETRY: Duration = Duration::from_secs(5);

/// The keys that an issuer publishes at a URL.
///
/// They are fetched with the first token, and again when they are older than the greatest age or
/// lack the `kid` of a token, but at most once a minute, and never twice at a time. While the URL
/// fails, the keys of the last success stay in use, and what they cannot decide is
/// [`AuthError::Unavailable`]; so is everything before the first success, and after the greatest
/// stale age: a key that its issuer withdrew does not live on because the URL is dead.
pub struct JwksUrl {
    url: TrustedUrl,
    ages: Ages,
    cache: Mutex<Cache>,
    /// The fetch under way, if there is one; whoever holds the lock drives it. It stays here when
    /// a request is dropped that drove it, and the next one goes on with it: whoever sends a
    /// request and hangs up can neither cause a second fetch nor keep the first from ending.
    fetch: tokio::sync::Mutex<Option<BoxFuture<'static, Result<Jwks, FetchError>>>>,
}

/// How old keys may be.
#[derive(Clone, Copy, Debug)]
struct Ages {
    /// Until they are fetched anew.
    fresh: Duration,
    /// Until they are not used, though they cannot be fetched.
    stale: Duration,
}

#[derive(Debug, Default)]
struct Cache {
    /// The keys of the last success, and when that was.
    held: Option<(Jwks, Timestamp)>,
    /// When the last fetch ended.
    tried: Option<Timestamp>,
    /// Why the last fetch failed, if it did.
    failure: Option<Arc<FetchError>>,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the key set could not be fetched")]
    Exchange(#[source] ExchangeError),
    #[error("what was fetched is no key set")]
    Jwks(#[source] JwksError),
}

/// What to do about a token.
enum Step {
    Use(Jwks),
    /// Fetch; if somebody else does that already, these will do.
    Fetch(Option<Jwks>),
}

impl JwksUrl {
    /// The keys behind that URL, which may be 10 minutes old, and 24 hours while the URL fails.
    #[must_use]
    pub fn new(url: TrustedUrl) -> Self {
        let (cache, fetch) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { url, ages: Ages { fresh: MAX_AGE, stale: MAX_STALE }, cache, fetch }
    }

    /// How old the keys may be.
    #[must_use]
    pub const fn with_max_age(mut self, max_age: Duration) -> Self {
        self.ages.fresh = max_age;
        self
    }

    /// How old the keys may be while the URL fails. No older ones are ever used.
    #[must_use]
    pub const fn with_max_stale_age(mut self, max_stale_age: Duration) -> Self {
        self.ages.stale = max_stale_age;
        self
    }

    fn step(&self, kid: Option<&str>, now: Timestamp) -> Result<Step, AuthError> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.step(kid, self.ages, now)
    }
}

#[async_trait]
impl JwksSource for JwksUrl {
    async fn keys(&self, kid: Option<&str>, now: Timestamp) -> Result<Jwks, AuthError> {
        loop {
            let meanwhile = match self.step(kid, now)? {
                Step::Use(keys) => return Ok(keys),
                Step::Fetch(meanwhile) => meanwhile,
            };
            let mut fetch = match (self.fetch.try_lock(), meanwhile) {
                (Ok(fetch), _) => fetch,
                (Err(_), Some(keys)) => return Ok(keys),
                (Err(_), None) => self.fetch.lock().await,
            };
            // Somebody else may have fetched while this request waited.
            if let Step::Use(keys) = self.step(kid, now)? {
                return Ok(keys);
            }
            let url = self.url.clone();
            let fetched = fetch.get_or_insert_with(|| Box::pin(fetched(url))).await;
            *fetch = None;
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.record(fetched, now);
        }
    }
}

impl fmt::Debug for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksUrl")
            .field("url", &self.url)
            .field("ages", &self.ages)
            .finish_non_exhaustive()
    }
}

impl Cache {
    fn step(&self, kid: Option<&str>, ages: Ages, now: Timestamp) -> Result<Step, AuthError> {
        let held = self.held.as_ref().filter(|(_, at)| now.since(*at) < ages.stale);
        let rest = if held.is_some() { REFETCH } else { RETRY };
        let wait = self.tried.map_or(Duration::ZERO, |tried| rest.saturating_sub(now.since(tried)));
        let fresh = held.is_some_and(|(_, at)| now.since(*at) < ages.fresh);
        let keys = held.map(|(keys, _)| keys.clone());
        let known = keys.clone().filter(|keys| kid.is_none_or(|kid| keys.has(kid)));
        match (known, keys, &self.failure) {
            (Some(known), _, _) if fresh => Ok(Step::Use(known)),
            (known, _, _) if wait.is_zero() => Ok(Step::Fetch(known)),
            (Some(known), _, _) => Ok(Step::Use(known)),
            // Just fetched: the issuer does not know the key.
            (None, Some(keys), None) => Ok(Step::Use(keys)),
            (None, None, None) => Ok(Step::Fetch(None)),
            (None, _, Some(failure)) => Err(AuthError::Unavailable {
                retry_after: wait,
                source: Arc::clone(failure).into(),
            }),
        }
    }

    fn record(&mut self, fetched: Result<Jwks, FetchError>, now: Timestamp) {
        self.tried = Some(now);
        self.failure = match fetched {
            Ok(keys) => {
                self.held = Some((keys, now));
                None
            }
            Err(error) => Some(Arc::new(error)),
        };
    }
}

async fn fetched(url: TrustedUrl) -> Result<Jwks, FetchError> {
    let document = url.get(BODY_CAP).await.map_err(FetchError::Exchange)?;
    Jwks::parse(document).map_err(FetchError::Jwks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A P-256 key from RFC 7515, appendix A.3.1, under that `kid`.
    fn keys(kid: &str) -> Jwks {
        let key = r#""kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
        Jwks::parse(format!("{{\"keys\": [{{{key}, \"kid\": \"{kid}\"}}]}}")).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn step(cache: &Cache, kid: Option<&str>, now: i64) -> String {
        match cache.step(kid, Ages { fresh: MAX_AGE, stale: MAX_STALE }, at(now)) {
            Ok(Step::Use(keys)) => format!("use {keys:?}"),
            Ok(Step::Fetch(None)) => "fetch".to_owned(),
            Ok(Step::Fetch(Some(_))) => "fetch or use".to_owned(),
            Err(AuthError::Unavailable { retry_after, .. }) => format!("wait {retry_after:?}"),
            Err(error) => error.to_string(),
        }
    }

    const USE_A: &str = r#"use [("a", Es256)]"#;

    fn failed() -> Result<Jwks, FetchError> {
        Err(FetchError::Exchange(ExchangeError::Status(500)))
    }

    #[test]
    fn keys_are_fetched_first_and_kept_until_they_are_too_old() {
        let mut cache = Cache::default();
        assert_eq!(step(&cache, Some("a"), 0), "fetch");
        cache.record(Ok(keys("a")), at(0));
        assert_eq!(step(&cache, Some("a"), 599), USE_A);
        assert_eq!(step(&cache, None, 599), USE_A);
        assert_eq!(step(&cache, Some("a"), 600), "fetch or use");
    }

    #[test]
    fn an_unknown_kid_causes_a_fetch_at_most_once_a_minute() {
        let mut cache = Cache::default();
        cache.record(Ok(keys("a")), at(0));
        assert_eq!(step(&cache, Some("b"), 59), USE_A);
        assert_eq!(step(&cache, Some("b"), 60), "fetch");
        cache.record(Ok(keys("a")), at(60));
        assert_eq!(step(&cache, Some("b"), 119), USE_A);
    }

    #[test]
    fn while_the_url_fails_old_keys_stay_in_use_and_the_unknown_waits() {
        let mut cache = Cache::default();
        cache.record(Ok(keys("a")), at(0));
        cache.record(failed(), at(600));
        assert_eq!(step(&cache, Some("a"), 601), USE_A);
        assert_eq!(step(&cache, Some("b"), 601), "wait 59s");
        assert_eq!(step(&cache, Some("a"), 660), "fetch or use");
        assert_eq!(step(&cache, Some("b"), 660), "fetch");
    }

    #[test]
    fn a_url_that_fails_for_a_day_leaves_no_keys_to_use() {
        let day = 24 * 3600;
        let mut cache = Cache::default();
        cache.record(Ok(keys("a")), at(0));
        cache.record(failed(), at(day - 2));
        assert_eq!(step(&cache, Some("a"), day - 1), USE_A);
        for kid in [None, Some("a"), Some("b")] {
            assert_eq!(step(&cache, kid, day), "wait 3s");
        }
        assert_eq!(step(&cache, Some("a"), day + 3), "fetch");
        cache.record(Ok(keys("a")), at(day + 3));
        assert_eq!(step(&cache, Some("a"), day + 4), USE_A);
    }

    #[test]
    fn before_the_first_success_everything_waits() {
        let mut cache = Cache::default();
        cache.record(failed(), at(0));
        assert_eq!(step(&cache, None, 1), "wait 4s");
        assert_eq!(step(&cache, None, 5), "fetch");
    }

    #[test]
    fn a_clock_that_goes_backwards_only_delays_fetches() {
        let mut cache = Cache::default();
        cache.record(Ok(keys("a")), at(1000));
        assert_eq!(step(&cache, Some("a"), 0), USE_A);
        assert_eq!(step(&cache, Some("b"), 0), USE_A);
    }
}
