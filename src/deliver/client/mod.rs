//! The push client: RFC 8935 over reqwest and rustls, with the address guard built in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};

use crate::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};
use crate::egress::EgressPolicy;
use crate::https::{self, SetupFault};
use crate::outbox::TransportFailure;
use crate::stream::AuthorizationHeader;

mod failure;
mod resolver;

/// The most that is read of an answer's body, in bytes. The error body of RFC 8935 §2.3 needs a
/// few hundred; a receiver gains nothing by sending more.
pub const BODY_CAP: usize = 64 * 1024;

// A burst to one receiver reuses its connections; an idle transmitter holds none for long, so
// that a name is resolved and vetted again soon.
const IDLE_PER_HOST: usize = 16;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Delivers by HTTP POST (RFC 8935 §2) and trusts the endpoint with nothing.
///
/// * The URL is checked before every request. A name is resolved and vetted whenever a connection
///   is opened: one refused address refuses the whole answer, and the connection is made to an
///   address of that answer. A connection that is kept open leads to the address vetted for it.
/// * No redirects, no proxy, no cookies, no compression, no `User-Agent`, no `Referer`; HTTP/1.1.
/// * TLS 1.2 and 1.3 (RFC 9325) by rustls with its *ring* provider, whatever provider the process
///   has installed or not. Certificates are always checked.
///
/// It needs a tokio runtime with time and I/O enabled. A clone shares the connections.
///
/// # Example
/// ```
/// use ssf_transmitter::deliver::client::{PushClient, PushClientError};
/// use ssf_transmitter::egress::EgressPolicy;
///
/// # fn main() -> Result<(), PushClientError> {
/// let client = PushClient::builder(EgressPolicy::public()).build()?;
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PushClient {
    policy: EgressPolicy,
    exchange_timeout: Duration,
    http: reqwest::Client,
}

/// The options of a [`PushClient`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PushClientBuilder {
    policy: EgressPolicy,
    extra_roots: Vec<Vec<u8>>,
    connect_timeout: Duration,
    exchange_timeout: Duration,
    lookup: Arc<dyn resolver::Lookup>,
}

/// Why a [`PushClient`] could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushClientError {
    /// The extra roots hold no certificate, or one that cannot be read.
    #[error("extra roots are no PEM certificates")]
    Roots(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The TLS or HTTP library refused its settings.
    #[error("the HTTP client could not be set up")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<SetupFault> for PushClientError {
    fn from(fault: SetupFault) -> Self {
        match fault {
            SetupFault::Roots(cause) => Self::Roots(cause),
            SetupFault::Setup(cause) => Self::Setup(cause),
        }
    }
}

impl PushClient {
    /// A client that calls what the policy allows, with the default options.
    pub fn builder(policy: EgressPolicy) -> PushClientBuilder {
        PushClientBuilder {
            policy,
            extra_roots: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            exchange_timeout: Duration::from_secs(15),
            lookup: Arc::new(resolver::SystemLookup),
        }
    }

    async fn exchange(&self, request: PushRequest) -> Result<PushResponse, DeliverError> {
        let mut post = self
            .http
            .post(request.endpoint.url().clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/secevent+jwt"))
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &request.authorization {
            post = post.header(AUTHORIZATION, sensitive(authorization)?);
        }
        let answer = post.body(request.token.as_bytes().to_vec()).send().await;
        let mut answer = answer.map_err(failure::from_reqwest)?;
        let mut response = PushResponse::new(answer.status().as_u16());
        if let Some(Ok(value)) = answer.headers().get(RETRY_AFTER).map(HeaderValue::to_str) {
            response = response.with_retry_after(value);
        }
        Ok(response.with_body(read_capped(&mut answer).await?))
    }
}

impl PushClientBuilder {
    /// Trusts the certificates of these PEM texts as roots, beside the machine's own. May be
    /// called several times.
    pub fn with_extra_roots_pem(mut self, pem: &[u8]) -> Self {
        self.extra_roots.push(pem.to_vec());
        self
    }

    /// The longest time from the resolution of the name to the end of the TLS handshake; 5 s
    /// unless set.
    pub const fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest time for a whole exchange, the answer's body included, however late the
    /// deadline of a request is; 15 s unless set.
    pub const fn with_exchange_timeout(mut self, timeout: Duration) -> Self {
        self.exchange_timeout = timeout;
        self
    }

    /// Builds the client. Reads the machine's root certificates from disk: build it once. On a
    /// machine without any, only the extra roots are trusted.
    ///
    /// # Errors
    /// [`PushClientError`] when the extra roots cannot be read or the libraries refuse the
    /// settings.
    pub fn build(self) -> Result<PushClient, PushClientError> {
        let guard = resolver::VettingResolver::new(self.policy.clone(), self.lookup);
        let http = https::client_builder(&self.extra_roots)?
            .dns_resolver(guard)
            .connect_timeout(self.connect_timeout)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
            .map_err(|error| PushClientError::Setup(error.into()))?;
        Ok(PushClient { policy: self.policy, exchange_timeout: self.exchange_timeout, http })
    }
}

#[async_trait]
impl Deliverer for PushClient {
    async fn deliver(&self, request: PushRequest) -> Result<PushResponse, DeliverError> {
        // Literal addresses never reach the resolver, so this is where they are vetted.
        self.policy
            .check_url(&request.endpoint)
            .map_err(|error| DeliverError::new(TransportFailure::Blocked).with_source(error))?;
        let within = request.within.min(self.exchange_timeout);
        if within.is_zero() {
            return Err(DeliverError::new(TransportFailure::Timeout));
        }
        tokio::time::timeout(within, self.exchange(request))
            .await
            .unwrap_or_else(|_elapsed| Err(DeliverError::new(TransportFailure::Timeout)))
    }
}

impl fmt::Debug for PushClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushClient")
            .field("policy", &self.policy)
            .field("exchange_timeout", &self.exchange_timeout)
            .finish_non_exhaustive()
    }
}

/// Marked so that no layer below prints it.
fn sensitive(authorization: &AuthorizationHeader) -> Result<HeaderValue, DeliverError> {
    let mut value = HeaderValue::from_str(authorization.expose())
        .map_err(|error| DeliverError::new(TransportFailure::Exchange).with_source(error))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What lies beyond the cap is never read: the connection is closed instead.
async fn read_capped(answer: &mut reqwest::Response) -> Result<Vec<u8>, DeliverError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure::from_reqwest)? {
        let room = BODY_CAP - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == BODY_CAP {
            break;
        }
    }
    Ok(body)
}
