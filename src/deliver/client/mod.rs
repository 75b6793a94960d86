//! The push client: RFC 8935 over reqwest and rustls, with the address guard built in.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};

use crate::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};
use crate::egress::EgressPolicy;
use crate::https::{self, SetupFault};
use crate::outbox::TransportFailure;
use crate::stream::EndpointUrl;
use pools::Pools;
use url::Host;

mod failure;
mod pools;
mod resolver;

pub use resolver::{Resolver, SystemResolver};

/// The most that is read of an answer's body, in bytes. The error body of RFC 8935 §2.3 needs a
/// few hundred; a receiver gains nothing by sending more.
pub const BODY_CAP: usize = 64 * 1024;

/// Delivers by HTTP POST (RFC 8935 §2) and trusts the endpoint with nothing.
///
/// * The URL is checked before every request, and a name is resolved and vetted before every
///   request: one refused address refuses the whole answer, and the connection is made to an
///   address of that answer. A connection is used again only while its name resolves to the same
///   addresses. The policy never changes: another policy is another client, with connections of
///   its own.
/// * No redirects, no proxy, no cookies, no compression, no `User-Agent`, no `Referer`; HTTP/1.1.
/// * TLS 1.2 and 1.3 (RFC 9325) by rustls with its *ring* provider, whatever provider the process
///   has installed or not. Certificates are always checked.
///
/// It needs a tokio runtime with time and I/O enabled. A clone shares the connections.
///
/// A proxy would hide from the guard where a connection leads, so there is none. A host that must
/// push through one brings a [`Deliverer`] of its own, and the proxy must refuse inner addresses.
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
pub struct PushClient(Arc<Inner>);

struct Inner {
    policy: EgressPolicy,
    resolver: Arc<dyn Resolver>,
    connect_timeout: Duration,
    exchange_timeout: Duration,
    pools: Pools,
}

/// The options of a [`PushClient`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PushClientBuilder {
    policy: EgressPolicy,
    extra_roots: Vec<Vec<u8>>,
    connect_timeout: Duration,
    exchange_timeout: Duration,
    resolver: Arc<dyn Resolver>,
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
            resolver: Arc::new(SystemResolver),
        }
    }

    async fn exchange(&self, request: PushRequest) -> Result<PushResponse, DeliverError> {
        let mut post = self
            .route(&request.endpoint)
            .await?
            .post(request.endpoint.url().clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/secevent+jwt"))
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &request.authorization {
            // No such value fails: what a header may hold is checked when it is parsed.
            let value = https::sensitive(authorization.expose())
                .ok_or_else(|| DeliverError::new(TransportFailure::Exchange))?;
            post = post.header(AUTHORIZATION, value);
        }
        let answer = post.body(request.token.as_bytes().to_vec()).send().await;
        let mut answer = answer.map_err(failure::from_reqwest)?;
        let mut response = PushResponse::new(answer.status().as_u16());
        if let Some(Ok(value)) = answer.headers().get(RETRY_AFTER).map(HeaderValue::to_str) {
            response = response.with_retry_after(value);
        }
        Ok(response.with_body(read_capped(&mut answer).await?))
    }

    /// The client that leads to the endpoint, and nowhere else.
    async fn route(&self, endpoint: &EndpointUrl) -> Result<reqwest::Client, DeliverError> {
        let pools = &self.0.pools;
        match endpoint.url().host() {
            Some(Host::Domain(name)) => {
                let vetted = self.vetted(name).await?;
                pools.named(name, vetted).map_err(failure::from_reqwest)
            }
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => Ok(pools.literals().clone()),
        }
    }

    /// All addresses of a name, if every one of them may be called.
    async fn vetted(&self, name: &str) -> Result<Vec<IpAddr>, DeliverError> {
        let Inner { policy, resolver, connect_timeout, .. } = &*self.0;
        let addresses = tokio::time::timeout(*connect_timeout, resolver.resolve(name))
            .await
            .map_err(|elapsed| DeliverError::new(TransportFailure::Timeout).with_source(elapsed))?
            .map_err(|error| DeliverError::new(TransportFailure::Resolve).with_source(error))?;
        if addresses.is_empty() {
            return Err(DeliverError::new(TransportFailure::Resolve));
        }
        policy
            .check_answer(name, &addresses)
            .map_err(|error| DeliverError::new(TransportFailure::Blocked).with_source(error))?;
        Ok(addresses)
    }
}

impl PushClientBuilder {
    /// Trusts the certificates of these PEM texts as roots, beside the machine's own. May be
    /// called several times.
    pub fn with_extra_roots_pem(mut self, pem: &[u8]) -> Self {
        self.extra_roots.push(pem.to_vec());
        self
    }

    /// Where the addresses of names come from. Without it: from the operating system.
    pub fn with_resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// The longest time for the resolution of a name, and again from there to the end of the TLS
    /// handshake; 5 s unless set.
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
        let Self { policy, extra_roots, connect_timeout, exchange_timeout, resolver } = self;
        let tls = https::client_config(&extra_roots)?;
        let pools = Pools::new(tls, connect_timeout)
            .map_err(|error| PushClientError::Setup(error.into()))?;
        let inner = Inner { policy, resolver, connect_timeout, exchange_timeout, pools };
        Ok(PushClient(Arc::new(inner)))
    }
}

#[async_trait]
impl Deliverer for PushClient {
    async fn deliver(&self, request: PushRequest) -> Result<PushResponse, DeliverError> {
        // Literal addresses never reach the resolver, so this is where they are vetted.
        self.0
            .policy
            .check_url(&request.endpoint)
            .map_err(|error| DeliverError::new(TransportFailure::Blocked).with_source(error))?;
        let within = request.within.min(self.0.exchange_timeout);
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
            .field("policy", &self.0.policy)
            .field("exchange_timeout", &self.0.exchange_timeout)
            .finish_non_exhaustive()
    }
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
