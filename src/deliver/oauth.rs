//! Access tokens for pushes, by OAuth 2.0 client credentials (RFC 6749 §4.4).

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::{AuthorizeError, PushAuthorization, PushTarget, Renewal};
use crate::egress::HostSuffix;
use crate::https::{self, ExchangeError, TrustedUrl, client_basic};
use crate::id::{Owner, Scope};
use crate::outbox::{Backoff, Jitter};
use crate::secret::Secret;
use crate::stream::AuthorizationHeader;
use crate::timestamp::Timestamp;

/// The longest answer that is read, in bytes.
const BODY_CAP: usize = 64 * 1024;
/// How long a token counts whose answer does not say it.
const UNSAID_LIFETIME: Duration = Duration::from_secs(300);
/// How long before its end a token is replaced, at most.
const EARLY: Duration = Duration::from_secs(60);
/// How long the token endpoint is left alone after it failed: this, doubled with each failure in a
/// row, at most so long; and the time that asking may take, since it counts from the question.
const PAUSE: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));
/// A token that replaced a refused one and is refused within this time is not replaced again: the
/// receiver means us, not the token.
const NEWCOMER: Duration = Duration::from_secs(60);

/// Who may get the token. It is worth as much as a password, and receivers name their endpoints
/// themselves: nobody else gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recipients {
    /// The streams of one receiver, wherever they are pushed to.
    Receiver(Owner),
    /// Endpoints at and below that host name, whosever streams they are.
    Hosts(HostSuffix),
}

impl Recipients {
    fn include(&self, target: &PushTarget) -> bool {
        match self {
            Self::Receiver(owner) => *owner == target.owner,
            Self::Hosts(suffix) => {
                target.endpoint.url().domain().is_some_and(|name| suffix.matches(name))
            }
        }
    }
}

/// Yields an access token for the streams of its [`Recipients`] that have no secret of their own,
/// and the stream's own secret where there is one.
///
/// The token is fetched from a token endpoint of the operator's choice when it is first needed,
/// kept, and replaced before it ends and, once, when a receiver answers 401. Pushes that need one
/// at the same time wait for one request. While the endpoint is out of reach a token that still
/// counts stays in use, and without one pushes wait: neither the SET nor the receiver is blamed.
///
/// Several of them, each for other recipients, are one as a `Vec`: the first that is meant answers.
///
/// # Example
/// ```
/// use ssf_transmitter::deliver::oauth::{OAuthTokens, Recipients};
/// use ssf_transmitter::egress::HostSuffix;
/// use ssf_transmitter::https::TrustedUrl;
/// use ssf_transmitter::id::Scope;
/// use ssf_transmitter::secret::Secret;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = TrustedUrl::new("https://as.example.com/token", &[])?;
/// let recipients = Recipients::Hosts(HostSuffix::parse("receivers.example.com")?);
/// let tokens = OAuthTokens::new(url, "transmitter", &Secret::new("s3cret"), recipients)?
///     .with_scope(&[Scope::parse("events.push")?])
///     .with_parameter("audience", "https://receivers.example.com");
/// # let _ = tokens;
/// # Ok(())
/// # }
/// ```
pub struct OAuthTokens {
    endpoint: TrustedUrl,
    client: HeaderValue,
    parameters: Vec<(String, String)>,
    recipients: Recipients,
    /// Held while the token endpoint is asked, so that it is asked once.
    kept: Mutex<Kept>,
}

/// The client's identifier or secret holds a character that no header may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credentials hold a character that a header may not hold")]
#[non_exhaustive]
pub struct OAuthError;

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    /// How often the endpoint failed in a row, and until when it is left alone.
    failures: u32,
    rests_until: Option<Timestamp>,
    /// When a token was last replaced because it was refused.
    refused_at: Option<Timestamp>,
}

struct Token {
    header: AuthorizationHeader,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

/// Why the token endpoint gave no token. Shows nothing of what it answered.
#[derive(Debug, thiserror::Error)]
enum TokenError {
    #[error("the token endpoint gave no answer that could be used")]
    Exchange(#[source] ExchangeError),
    #[error("the answer of the token endpoint is no bearer token response")]
    NotResponse,
    #[error("the token endpoint failed a moment ago")]
    Resting,
}

/// RFC 6749 §5.1.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

impl OAuthTokens {
    /// Tokens for these recipients from that token endpoint, to which this transmitter
    /// authenticates by HTTP Basic (RFC 6749 §2.3.1).
    ///
    /// # Errors
    /// [`OAuthError`] when the credentials do not fit into a header.
    pub fn new(
        endpoint: TrustedUrl,
        client_id: &str,
        client_secret: &Secret,
        recipients: Recipients,
    ) -> Result<Self, OAuthError> {
        let client = client_basic(client_id, client_secret).ok_or(OAuthError)?;
        let parameters = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
        Ok(Self { endpoint, client, parameters, recipients, kept: Mutex::default() })
    }

    /// The same, asking for these scopes (RFC 6749 §3.3).
    #[must_use]
    pub fn with_scope(self, scopes: &[Scope]) -> Self {
        let scopes: Vec<_> = scopes.iter().map(Scope::as_str).collect();
        self.with_parameter("scope", &scopes.join(" "))
    }

    /// The same, with another parameter in the request, such as `audience` or `resource`
    /// (RFC 8707).
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The token as it is now, fetched if need be.
    async fn header(&self, now: Timestamp) -> Result<AuthorizationHeader, TokenError> {
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.token.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.header.clone());
        }
        let fetched = match kept.rests_until {
            Some(until) if now < until => Err(TokenError::Resting),
            Some(_) | None => self.fetch(now).await,
        };
        match fetched {
            Ok(token) => {
                let header = token.header.clone();
                (kept.failures, kept.rests_until) = (0, None);
                kept.token = Some(token);
                Ok(header)
            }
            Err(error) => {
                if !matches!(error, TokenError::Resting) {
                    kept.failures = kept.failures.saturating_add(1);
                    let pause = PAUSE.wait(kept.failures, Jitter::NONE);
                    kept.rests_until = Some(now.after(https::DEADLINE + pause));
                }
                // What still counts goes on: the endpoint may be back before it ends.
                let token = kept.token.as_ref().filter(|token| now < token.ends_at);
                token.map(|token| token.header.clone()).ok_or(error)
            }
        }
    }

    /// RFC 6749 §4.4.2, §4.4.3.
    async fn fetch(&self, now: Timestamp) -> Result<Token, TokenError> {
        let form =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.parameters).finish();
        let body = self.endpoint.post_form(&self.client, form, BODY_CAP).await;
        Token::read(&body.map_err(TokenError::Exchange)?, now).ok_or(TokenError::NotResponse)
    }
}

impl Token {
    fn read(body: &[u8], now: Timestamp) -> Option<Self> {
        let response: TokenResponse = serde_json::from_slice(body).ok()?;
        let access_token = Secret::new(response.access_token);
        // RFC 6749 §7.1: a token of a type that is not understood must not be used.
        if !response.token_type.eq_ignore_ascii_case("Bearer") || access_token.expose().is_empty() {
            return None;
        }
        let header = format!("Bearer {}", access_token.expose());
        let header = AuthorizationHeader::parse(Secret::new(header).expose()).ok()?;
        let lifetime = response.expires_in.map_or(UNSAID_LIFETIME, Duration::from_secs);
        let early = EARLY.min(lifetime / 5);
        Some(Self {
            header,
            renew_at: now.after(lifetime.saturating_sub(early)),
            ends_at: now.after(lifetime),
        })
    }
}

#[async_trait]
impl PushAuthorization for OAuthTokens {
    async fn authorize(
        &self,
        target: &PushTarget,
        now: Timestamp,
    ) -> Result<Option<AuthorizationHeader>, AuthorizeError> {
        if target.own.is_some() || !self.recipients.include(target) {
            return Ok(target.own.clone());
        }
        self.header(now).await.map(Some).map_err(AuthorizeError::new)
    }

    async fn refused(
        &self,
        target: &PushTarget,
        header: &AuthorizationHeader,
        now: Timestamp,
    ) -> Renewal {
        if target.own.is_some() || !self.recipients.include(target) {
            return Renewal::Same;
        }
        let mut kept = self.kept.lock().await;
        let Kept { token, rests_until, refused_at, .. } = &mut *kept;
        let Some(token) = token.as_mut().filter(|it| it.header.expose() == header.expose()) else {
            // Another push was refused before this one, and there is another token since.
            return Renewal::Another;
        };
        let resting = rests_until.is_some_and(|until| now < until);
        let newcomer = refused_at.is_some_and(|at| now < at.after(NEWCOMER));
        // One that is to be replaced is no newcomer: others were refused with it, too.
        if resting || (newcomer && now < token.renew_at) {
            return Renewal::Same;
        }
        *refused_at = Some(now);
        // Until there is another it goes on: one receiver does not take it from the others.
        token.renew_at = token.renew_at.min(now);
        Renewal::Another
    }
}

/// The first that is meant for the target answers.
#[async_trait]
impl PushAuthorization for Vec<OAuthTokens> {
    async fn authorize(
        &self,
        target: &PushTarget,
        now: Timestamp,
    ) -> Result<Option<AuthorizationHeader>, AuthorizeError> {
        match self.iter().find(|tokens| tokens.recipients.include(target)) {
            Some(tokens) => tokens.authorize(target, now).await,
            None => Ok(target.own.clone()),
        }
    }

    async fn refused(
        &self,
        target: &PushTarget,
        header: &AuthorizationHeader,
        now: Timestamp,
    ) -> Renewal {
        match self.iter().find(|tokens| tokens.recipients.include(target)) {
            Some(tokens) => tokens.refused(target, header, now).await,
            None => Renewal::Same,
        }
    }
}

impl fmt::Debug for OAuthTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthTokens")
            .field("endpoint", &self.endpoint)
            .field("recipients", &self.recipients)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn token(body: &str) -> Option<(String, Duration, Duration)> {
        let token = Token::read(body.as_bytes(), NOW)?;
        let header = token.header.expose().to_owned();
        Some((header, token.renew_at.since(NOW), token.ends_at.since(NOW)))
    }

    #[test]
    fn a_token_is_renewed_a_little_before_it_ends_rfc_6749_5_1() {
        for (expires_in, renew, end) in [(3600, 3540, 3600), (100, 80, 100), (0, 0, 0)] {
            let body = format!(
                r#"{{"access_token":"t1","token_type":"bearer","expires_in":{expires_in}}}"#
            );
            let seconds = Duration::from_secs;
            let expected = Some(("Bearer t1".to_owned(), seconds(renew), seconds(end)));
            assert_eq!(token(&body), expected);
        }
        let unsaid = token(r#"{"access_token":"t1","token_type":"Bearer"}"#).unwrap();
        assert_eq!(unsaid.2, UNSAID_LIFETIME);
    }

    #[test]
    fn what_is_no_bearer_token_is_refused_rfc_6749_7_1() {
        for body in [
            "",
            "{}",
            r#"{"access_token":"t1"}"#,
            r#"{"access_token":"t1","token_type":"mac"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"a\r\nX: y","token_type":"Bearer"}"#,
            r#"{"access_token":1,"token_type":"Bearer"}"#,
            r#"{"access_token":"t1","token_type":"Bearer","expires_in":-1}"#,
            r#"{"error":"invalid_client"}"#,
        ] {
            assert_eq!(token(body), None, "{body}");
        }
    }

    #[test]
    fn nothing_of_the_credentials_is_shown() {
        let url = TrustedUrl::new("https://as.example/token?key=s3cret", &[]).unwrap();
        let recipients = Recipients::Hosts(HostSuffix::parse("rp.example").unwrap());
        let tokens = OAuthTokens::new(url, "tr", &Secret::new("s3cret"), recipients).unwrap();
        let shown = format!("{tokens:?} {:?}", tokens.client);
        assert!(!shown.contains("s3cret") && !shown.contains("czNjcmV0"), "{shown}");
    }
}
