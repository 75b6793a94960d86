//! What the clients of this library have in common: TLS, and the rules of a careful exchange.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, StatusCode};
use url::{Host, Url, form_urlencoded};

use crate::secret::Secret;

mod tls;

pub(crate) use tls::client_config;

/// The longest time for a whole exchange with a server of the operator's choice, from the
/// resolution of its name to the end of its answer.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// A URL that the operator chose, such as one of an authorization server, and what calls it.
///
/// * `https`, or `http` for loopback hosts, where tests live;
/// * a host, no user information, no fragment.
///
/// No redirects, no proxy, no cookies, no compression; TLS 1.2 and 1.3 (RFC 9325), certificates
/// always checked; one deadline of [`DEADLINE`] over each exchange; answers are read up to a cap.
/// No address is refused: receivers have no say in this URL. It needs a tokio runtime with time
/// and I/O enabled. A clone shares the connections.
///
/// ```
/// use ssf_transmitter::https::TrustedUrl;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = TrustedUrl::new("https://as.example.com/jwks", &[])?;
/// assert!(TrustedUrl::new("http://as.example.com/jwks", &[]).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TrustedUrl {
    url: Url,
    http: reqwest::Client,
}

/// Why a text is no [`TrustedUrl`], or cannot be called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedUrlError {
    /// The text breaks a rule listed at the type.
    #[error("must be an https URL without user information and fragment")]
    NotTrusted,
    /// The extra roots hold no certificate, or one that cannot be read.
    #[error("extra roots are no PEM certificates")]
    Roots(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The TLS or HTTP library refused its settings.
    #[error("the HTTP client could not be set up")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a client could not be set up; each client has its own public error for it.
#[derive(Debug)]
pub(crate) enum SetupFault {
    /// The extra roots hold no certificate, or one that cannot be read.
    Roots(Box<dyn std::error::Error + Send + Sync>),
    /// The TLS or HTTP library refused its settings.
    Setup(Box<dyn std::error::Error + Send + Sync>),
}

/// Why an exchange gave no answer that could be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The answer has another status than 200.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The answer is longer than it may be.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// No answer came, or not in time. The URL is left out: its query may hold a capability.
    #[error("the server did not answer")]
    Transport(#[source] reqwest::Error),
}

/// A client builder that follows nothing, uses no proxy, and asks for nothing but bytes.
pub(crate) fn client_builder(tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        // The host may have turned on any feature of reqwest.
        .http1_only()
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
}

/// A client's credentials as the value of an `Authorization` header (RFC 6749 §2.3.1): identifier
/// and secret are form-encoded before they are joined by a colon. None if no header can hold them.
pub(crate) fn client_basic(client_id: &str, secret: &Secret) -> Option<HeaderValue> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
    sensitive(&format!("Basic {}", STANDARD.encode(pair)))
}

/// A header value that no layer below prints. None if no header can hold the text.
pub(crate) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl TrustedUrl {
    /// That URL. The certificates of the PEM texts are trusted as roots, beside the machine's own,
    /// which are read from disk.
    ///
    /// # Errors
    /// [`TrustedUrlError`] when the text is no such URL or the roots cannot be read.
    pub fn new(url: &str, extra_roots_pem: &[&[u8]]) -> Result<Self, TrustedUrlError> {
        Self::with_deadline(url, extra_roots_pem, DEADLINE)
    }

    fn with_deadline(
        url: &str,
        extra_roots_pem: &[&[u8]],
        deadline: Duration,
    ) -> Result<Self, TrustedUrlError> {
        let url = Url::parse(url).map_err(|_| TrustedUrlError::NotTrusted)?;
        let plain =
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !plain || !protected(&url) {
            return Err(TrustedUrlError::NotTrusted);
        }
        let http = client_builder(client_config(extra_roots_pem)?)
            .timeout(deadline)
            .build()
            .map_err(|error| TrustedUrlError::Setup(error.into()))?;
        Ok(Self { url, http })
    }

    /// Gets the JSON at the URL, at most `cap` bytes.
    pub(crate) async fn get(&self, cap: usize) -> Result<Vec<u8>, ExchangeError> {
        exchange(self.http.get(self.url.clone()), cap).await
    }

    /// Posts a form to the URL and reads the JSON of the answer, at most `cap` bytes.
    pub(crate) async fn post_form(
        &self,
        authorization: &HeaderValue,
        form: String,
        cap: usize,
    ) -> Result<Vec<u8>, ExchangeError> {
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let post = self.http.post(self.url.clone());
        let post = post.header(CONTENT_TYPE, form_type).header(AUTHORIZATION, authorization);
        exchange(post.body(form), cap).await
    }
}

/// Without the query, which may hold a capability.
impl fmt::Debug for TrustedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        shown.set_query(None);
        write!(f, "TrustedUrl({shown})")
    }
}

impl From<SetupFault> for TrustedUrlError {
    fn from(fault: SetupFault) -> Self {
        match fault {
            SetupFault::Roots(cause) => Self::Roots(cause),
            SetupFault::Setup(cause) => Self::Setup(cause),
        }
    }
}

/// Whether what travels to the URL is protected, or never leaves the machine.
fn protected(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", host) => host.is_some(),
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(ip))) => ip.is_loopback(),
        ("http", Some(Host::Ipv6(ip))) => ip.is_loopback(),
        _ => false,
    }
}

async fn exchange(request: RequestBuilder, cap: usize) -> Result<Vec<u8>, ExchangeError> {
    let transport = |error: reqwest::Error| ExchangeError::Transport(error.without_url());
    let request = request.header(ACCEPT, HeaderValue::from_static("application/json"));
    let mut answer = request.send().await.map_err(transport)?;
    if answer.status() != StatusCode::OK {
        return Err(ExchangeError::Status(answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > cap {
            return Err(ExchangeError::TooLarge(cap));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_never_ends_is_given_up_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/?key=s3cret", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await?;
            connection.read_buf(&mut Vec::new()).await?;
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n").await?;
            let mut beat = tokio::time::interval(Duration::from_millis(20));
            loop {
                beat.tick().await;
                connection.write_all(b"x").await?;
            }
            #[expect(unreachable_code, reason = "names the type of the block")]
            std::io::Result::Ok(())
        });
        let deadline = Duration::from_millis(300);
        let url = TrustedUrl::with_deadline(&url, &[], deadline).unwrap();
        match url.get(1000).await {
            Err(ExchangeError::Transport(error)) => {
                assert!(error.is_timeout() && !format!("{error:?}").contains("s3cret"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_loopback_may_do_without_tls() {
        for good in [
            "https://as.example.com/jwks?tenant=1",
            "https://10.0.0.1/jwks",
            "http://localhost:8080/jwks",
            "http://127.0.0.1/jwks",
            "http://[::1]:1/jwks",
        ] {
            assert_eq!(TrustedUrl::new(good, &[]).map(|url| url.url.to_string()).unwrap(), good);
        }
        for bad in [
            "",
            "as.example.com",
            "http://as.example.com/jwks",
            "http://10.0.0.1/jwks",
            "http://localhost.example/jwks",
            "https://user@as.example.com/",
            "https://:password@as.example.com/",
            "https://as.example.com/#fragment",
            "file:///jwks",
        ] {
            let refused = TrustedUrl::new(bad, &[]).unwrap_err();
            assert!(matches!(refused, TrustedUrlError::NotTrusted), "{bad}");
        }
    }

    #[test]
    fn debug_leaves_the_query_out() {
        let url = TrustedUrl::new("https://as.example.com/jwks?key=s3cret", &[]).unwrap();
        assert_eq!(format!("{url:?}"), "TrustedUrl(https://as.example.com/jwks)");
    }

    #[test]
    fn roots_that_are_no_certificates_are_refused() {
        let refused = TrustedUrl::new("https://as.example.com/", &[b"no PEM"]).unwrap_err();
        assert!(matches!(refused, TrustedUrlError::Roots(_)));
    }
}
