//! Token introspection (RFC 7662): the authorization server is asked what a token stands for.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use openssl::sha::sha256;
use reqwest::header::HeaderValue;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::claims::numeric_date;
use super::{AuthError, Authenticator, Caller, TokenFault, TokenRules};
use crate::https::{ExchangeError, TrustedUrl, client_basic, sensitive};
use crate::secret::Secret;
use crate::timestamp::Timestamp;

/// The longest answer that is read, in bytes.
const BODY_CAP: usize = 64 * 1024;
/// How long an answer counts: what is revoked may be taken that long.
const KEPT: Duration = Duration::from_secs(60);
/// How many answers are kept of tokens that were taken.
const MOST_TAKEN: usize = 10_000;
/// How many of tokens that were refused: anybody can make those up.
const MOST_REFUSED: usize = 1_000;
/// How long a receiver should wait while the authorization server is out of reach.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How this transmitter authenticates to the introspection endpoint (RFC 7662 §2.1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientCredentials {
    /// As a client with a secret (RFC 6749 §2.3.1).
    Basic {
        /// The identifier of the client.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
    /// With a bearer token of its own.
    Bearer(Secret),
}

/// Asks the authorization server about every token, and remembers its answers for at most 60 s and
/// never past the token's `exp`. Answers are kept by the digest of the token, those that refuse in a
/// small room of their own, so that made-up tokens push out no good one.
///
/// A server out of reach, one that refuses this transmitter and one whose answer makes no sense
/// are all [`AuthError::Unavailable`]: none of that is the fault of the token.
///
/// ```
/// use ssf_transmitter::auth::TokenRules;
/// use ssf_transmitter::auth::introspection::{ClientCredentials, Introspection};
/// use ssf_transmitter::https::TrustedUrl;
/// use ssf_transmitter::id::Audience;
/// use ssf_transmitter::secret::Secret;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = TrustedUrl::new("https://as.example.com/introspect", &[])?;
/// let secret = Secret::new("s3cret");
/// let credentials = ClientCredentials::Basic { client_id: "transmitter".to_owned(), secret };
/// let rules = TokenRules::new(Audience::parse("https://tr.example.com")?);
/// let authenticator = Introspection::new(url, &credentials, rules)?;
/// # Ok(())
/// # }
/// ```
pub struct Introspection {
    url: TrustedUrl,
    authorization: HeaderValue,
    rules: TokenRules,
    answers: Mutex<Answers>,
}

/// The credentials hold a character that no header may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credentials hold a character that a header may not hold")]
#[non_exhaustive]
pub struct CredentialsError;

/// Why an introspection gave no answer that could be used.
#[derive(Debug, thiserror::Error)]
enum IntrospectionError {
    #[error("the token could not be introspected")]
    Exchange(#[source] ExchangeError),
    #[error(transparent)]
    NotResponse(NotResponse),
}

/// A body that is no introspection response (RFC 7662 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no introspection response")]
#[non_exhaustive]
pub struct NotResponse;

/// Reads the body of an introspection response (RFC 7662 §2.2): the claims of an active token,
/// `None` of any other. [`TokenRules::caller`] says what the claims mean.
///
/// # Errors
/// [`NotResponse`] when it is no JSON object or does not say whether the token is active.
pub fn active_claims(body: &[u8]) -> Result<Option<Map<String, Value>>, NotResponse> {
    let claims: Map<String, Value> = serde_json::from_slice(body).map_err(|_| NotResponse)?;
    match claims.get("active") {
        Some(Value::Bool(true)) => Ok(Some(claims)),
        Some(Value::Bool(false)) => Ok(None),
        _ => Err(NotResponse),
    }
}

impl Introspection {
    /// Asks the endpoint at that URL, and takes tokens that keep the rules.
    ///
    /// # Errors
    /// [`CredentialsError`] when the credentials do not fit into a header.
    pub fn new(
        url: TrustedUrl,
        credentials: &ClientCredentials,
        rules: TokenRules,
    ) -> Result<Self, CredentialsError> {
        let authorization = authorization(credentials)?;
        Ok(Self { url, authorization, rules, answers: Mutex::default() })
    }

    /// RFC 7662 §2.1: the claims of an active token, or `None`.
    async fn introspect(
        &self,
        token: &Secret,
    ) -> Result<Option<Map<String, Value>>, IntrospectionError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token.expose())
            .append_pair("token_type_hint", "access_token")
            .finish();
        let body = self.url.post_form(&self.authorization, form, BODY_CAP).await;
        let body = body.map_err(IntrospectionError::Exchange)?;
        active_claims(&body).map_err(IntrospectionError::NotResponse)
    }
}

#[async_trait]
impl Authenticator for Introspection {
    async fn authenticate(&self, token: &Secret, now: Timestamp) -> Result<Caller, AuthError> {
        let digest = sha256(token.expose().as_bytes());
        let known = || self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known().get(&digest, now) {
            return answer.map_err(AuthError::InvalidToken);
        }
        let claims = self.introspect(token).await.map_err(|error| AuthError::Unavailable {
            retry_after: RETRY_AFTER,
            source: error.into(),
        })?;
        let answer = match &claims {
            Some(claims) => self.rules.caller(claims, now),
            None => Err(TokenFault::Inactive),
        };
        let exp = claims.and_then(|claims| numeric_date(&claims, "exp").ok().flatten());
        known().keep(digest, answer.clone(), exp, now);
        answer.map_err(AuthError::InvalidToken)
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("url", &self.url)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

fn authorization(credentials: &ClientCredentials) -> Result<HeaderValue, CredentialsError> {
    let header = match credentials {
        ClientCredentials::Basic { client_id, secret } => client_basic(client_id, secret),
        ClientCredentials::Bearer(token) => sensitive(&format!("Bearer {}", token.expose())),
    };
    header.ok_or(CredentialsError)
}

/// The SHA-256 of a token.
type Digest = [u8; 32];

/// The answers so far.
struct Answers {
    taken: Room<Caller>,
    refused: Room<TokenFault>,
}

/// Answers of one kind, until each ends. A full room forgets first what ends first.
struct Room<T> {
    most: usize,
    answers: HashMap<Digest, (T, Timestamp)>,
    ends: BTreeSet<(Timestamp, Digest)>,
}

impl Default for Answers {
    fn default() -> Self {
        Self { taken: Room::new(MOST_TAKEN), refused: Room::new(MOST_REFUSED) }
    }
}

impl Answers {
    fn get(&self, digest: &Digest, now: Timestamp) -> Option<Result<Caller, TokenFault>> {
        // Where two requests were told different things, the token is refused.
        let refused = self.refused.get(digest, now).map(Err);
        refused.or_else(|| self.taken.get(digest, now).map(Ok))
    }

    fn keep(
        &mut self,
        digest: Digest,
        said: Result<Caller, TokenFault>,
        exp: Option<Timestamp>,
        now: Timestamp,
    ) {
        let soonest = now.after(KEPT);
        let until = exp.map_or(soonest, |exp| exp.min(soonest));
        match said {
            Ok(caller) => self.taken.keep(digest, caller, until, now),
            // These come right with time.
            Err(TokenFault::NotYetValid | TokenFault::IssuedInFuture) => {}
            Err(fault) => self.refused.keep(digest, fault, until, now),
        }
    }
}

impl<T: Clone> Room<T> {
    fn new(most: usize) -> Self {
        Self { most, answers: HashMap::new(), ends: BTreeSet::new() }
    }

    fn get(&self, digest: &Digest, now: Timestamp) -> Option<T> {
        let (said, _) = self.answers.get(digest).filter(|(_, until)| now < *until)?;
        Some(said.clone())
    }

    fn keep(&mut self, digest: Digest, said: T, until: Timestamp, now: Timestamp) {
        if let Some((_, before)) = self.answers.insert(digest, (said, until)) {
            self.ends.remove(&(before, digest));
        }
        self.ends.insert((until, digest));
        while let Some((end, first)) = self.ends.first().copied() {
            if now < end && self.ends.len() <= self.most {
                break;
            }
            self.ends.remove(&(end, first));
            self.answers.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::id::{Audience, ClientId, Owner, TenantId};
    use crate::subject::samples;

    #[test]
    fn a_response_says_whether_the_token_is_active_rfc_7662_2_2() {
        let read = |body: &Value| active_claims(body.to_string().as_bytes());
        let active = json!({"active": true, "client_id": "c"});
        assert_eq!(read(&active).map(|claims| claims.map(Value::from)), Ok(Some(active)));
        assert_eq!(read(&json!({"active": false, "client_id": "c"})), Ok(None));
        for bad in [json!({}), json!({"active": "true"}), json!({"active": null}), json!([true])] {
            assert_eq!(read(&bad), Err(NotResponse), "{bad}");
        }
        assert_eq!(active_claims(b"\xff"), Err(NotResponse));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn no_response_makes_it_panic(body: Vec<u8>, mut json in samples::json()) {
            prop_assert_eq!(active_claims(&body), Err(NotResponse));
            if let Some(members) = json.as_object_mut() {
                members.insert("active".to_owned(), true.into());
                let claims = active_claims(json.to_string().as_bytes());
                prop_assert_eq!(claims.map(|claims| claims.map(Value::from)), Ok(Some(json)));
            }
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn shown(credentials: &ClientCredentials) -> String {
        authorization(credentials).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn client_and_secret_are_form_encoded_and_joined_rfc_6749_2_3_1() {
        let basic = |client_id: &str, secret| ClientCredentials::Basic {
            client_id: client_id.to_owned(),
            secret: Secret::new(secret),
        };
        assert_eq!(shown(&basic("tr", "s3cret")), "Basic dHI6czNjcmV0");
        // `a:b` and `c d%` become `a%3Ab:c+d%25`.
        let expected = format!("Basic {}", STANDARD.encode("a%3Ab:c+d%25"));
        assert_eq!(shown(&basic("a:b", "c d%")), expected);
    }

    #[test]
    fn a_bearer_token_that_no_header_can_hold_is_refused() {
        assert_eq!(shown(&ClientCredentials::Bearer(Secret::new("abc"))), "Bearer abc");
        let broken = ClientCredentials::Bearer(Secret::new("a\r\nb"));
        assert_eq!(authorization(&broken).err(), Some(CredentialsError));
    }

    #[test]
    fn nothing_of_the_credentials_is_shown() {
        let url = TrustedUrl::new("https://as.example/introspect?key=s3cret", &[]).unwrap();
        let secret = Secret::new("s3cret");
        let credentials = ClientCredentials::Basic { client_id: "tr".to_owned(), secret };
        let rules = TokenRules::new(Audience::parse("https://tr.example").unwrap());
        let introspection = Introspection::new(url, &credentials, rules).unwrap();
        let shown = format!("{introspection:?} {credentials:?} {:?}", introspection.authorization);
        assert!(!shown.contains("s3cret") && !shown.contains("czNjcmV0"), "{shown}");
        assert!(shown.contains("https://as.example/introspect"), "{shown}");
    }

    #[test]
    fn an_answer_counts_60_s_but_never_past_the_end_of_its_token() {
        let kept = |exp| {
            let mut answers = Answers::default();
            answers.keep([1; 32], Err(TokenFault::Inactive), exp, at(100));
            (100..200).rev().find(|now| answers.get(&[1; 32], at(*now)).is_some())
        };
        assert_eq!(kept(None), Some(159));
        assert_eq!(kept(Some(at(1000))), Some(159));
        assert_eq!(kept(Some(at(130))), Some(129));
        assert_eq!(kept(Some(at(100))), None);
    }

    #[test]
    fn what_comes_right_with_time_is_not_kept() {
        let mut answers = Answers::default();
        for fault in [TokenFault::NotYetValid, TokenFault::IssuedInFuture] {
            answers.keep([1; 32], Err(fault), None, at(0));
        }
        assert!(answers.refused.answers.is_empty());
    }

    fn digest(number: usize) -> Digest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_ends_first_goes_first() {
        let mut answers = Answers::default();
        for number in 0..MOST_REFUSED {
            let exp = if number == 7 { Some(at(30)) } else { None };
            answers.keep(digest(number), Err(TokenFault::Inactive), exp, at(0));
        }
        answers.keep(digest(MOST_REFUSED), Err(TokenFault::Inactive), None, at(1));
        let kept = |answers: &Answers| (answers.refused.answers.len(), answers.refused.ends.len());
        assert_eq!(kept(&answers), (MOST_REFUSED, MOST_REFUSED));
        assert!(answers.get(&digest(7), at(1)).is_none());
        assert!(answers.get(&digest(8), at(1)).is_some());
        for _ in 0..2 {
            answers.keep(digest(MOST_REFUSED + 1), Err(TokenFault::Inactive), None, at(60));
            assert_eq!(kept(&answers), (2, 2));
        }
    }

    #[test]
    fn refused_tokens_push_out_none_that_was_taken() {
        let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("rp").unwrap());
        let caller = Caller::new(owner, Audience::parse("rp").unwrap(), []);
        let mut answers = Answers::default();
        answers.keep(digest(0), Ok(caller.clone()), None, at(0));
        for number in 1..=2 * MOST_TAKEN {
            answers.keep(digest(number), Err(TokenFault::Inactive), None, at(1));
        }
        assert_eq!(answers.get(&digest(0), at(2)), Some(Ok(caller)));
    }

    #[test]
    fn a_token_that_was_refused_meanwhile_is_refused() {
        let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("rp").unwrap());
        let caller = Caller::new(owner, Audience::parse("rp").unwrap(), []);
        let mut answers = Answers::default();
        answers.keep(digest(0), Err(TokenFault::Inactive), None, at(0));
        answers.keep(digest(0), Ok(caller), None, at(0));
        assert_eq!(answers.get(&digest(0), at(1)), Some(Err(TokenFault::Inactive)));
    }
}
