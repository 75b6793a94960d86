//! How the SETs of a stream travel (SSF 1.0 §6).

use std::fmt;

use url::Url;

use super::sealed::StoredAuthorization;
use crate::id::is_uri;
use crate::secret::Secret;

/// The delivery method URI of push (RFC 8935, SSF 1.0 §6.1.1).
pub const PUSH_METHOD: &str = "urn:ietf:rfc:8935";
/// The delivery method URI of poll (RFC 8936, SSF 1.0 §6.1.2).
pub const POLL_METHOD: &str = "urn:ietf:rfc:8936";

/// The delivery of a stream, as the receiver configured it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Delivery {
    /// The transmitter posts each SET to the receiver.
    Push(PushDelivery),
    /// The receiver fetches SETs; the transmitter names the endpoint.
    Poll,
}

/// Where and with what credentials SETs are pushed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PushDelivery {
    /// Where to.
    pub endpoint: EndpointUrl,
    /// The complete value of the `Authorization` header of every push, if there is to be one.
    pub authorization: Option<StoredAuthorization>,
}

impl PushDelivery {
    /// Pushes to that endpoint, with that `Authorization` header.
    #[must_use]
    pub fn new(endpoint: EndpointUrl, authorization: Option<AuthorizationHeader>) -> Self {
        Self::stored(endpoint, authorization.map(StoredAuthorization::from))
    }

    /// Pushes to that endpoint, with what a store kept of the secret.
    #[must_use]
    pub const fn stored(endpoint: EndpointUrl, kept: Option<StoredAuthorization>) -> Self {
        Self { endpoint, authorization: kept }
    }
}

impl Delivery {
    /// The delivery method URI.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Push(_) => PUSH_METHOD,
            Self::Poll => POLL_METHOD,
        }
    }

    /// Whether SETs go where they would go by another delivery. What authorizes them there may
    /// differ.
    #[must_use]
    pub fn goes_where(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Push(one), Self::Push(other)) => one.endpoint == other.endpoint,
            (Self::Poll, Self::Poll) => true,
            (Self::Push(_), Self::Poll) | (Self::Poll, Self::Push(_)) => false,
        }
    }
}

/// The URL of a push endpoint. Syntax only; which addresses may be called is decided by
/// [`egress`](crate::egress), when the URL is accepted and again before every request.
///
/// * a URI by the syntax of RFC 3986 with a host, at most 2,048 bytes;
/// * scheme `https` or `http`;
/// * no user information, no fragment, port not 0.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    text: Box<str>,
    url: Url,
}

/// Why a text is not the URL of a push endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not an absolute URL with a host, or too long.
    #[error("must be an absolute https URL with a host, at most 2048 bytes long")]
    NotUrl,
    /// A scheme that is not http(s).
    #[error("must be an https URL")]
    Scheme,
    /// User information in the URL.
    #[error("must not hold user information")]
    UserInfo,
    /// A fragment in the URL.
    #[error("must not hold a fragment")]
    Fragment,
    /// Port 0.
    #[error("must not name port 0")]
    Port,
}

impl EndpointUrl {
    /// Checks the text and makes the URL.
    ///
    /// # Errors
    /// [`EndpointError`] naming the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        // The URL parser repairs what is no URI, `https:host` and `https:///host`, and another one
        // may repair it differently: the host that is vetted must be the host that is called.
        let authority = text.split_once("://").map(|(_, rest)| rest);
        let is_uri = text.len() <= 2048 && is_uri(text);
        if !is_uri || authority.is_none_or(|rest| rest.starts_with('/')) {
            return Err(EndpointError::NotUrl);
        }
        let url = Url::parse(text).map_err(|_| EndpointError::NotUrl)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(EndpointError::Scheme);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(EndpointError::NotUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(EndpointError::Fragment);
        }
        if url.port() == Some(0) {
            return Err(EndpointError::Port);
        }
        Ok(Self { text: text.into(), url })
    }

    /// The URL as the receiver wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, in its one canonical form.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The URL in its parts, hosts in their one canonical form (WHATWG URL).
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The query may hold a capability; the origin is enough to recognise the endpoint.
        write!(f, "EndpointUrl({})", self.url.origin().ascii_serialization())
    }
}

/// The complete value of an `Authorization` header, scheme included (SSF 1.0 §6.1.1).
///
/// * 1 to 8,192 bytes;
/// * visible ASCII, spaces and tabs: no CR, LF or NUL can reach a request;
/// * no white space at either end.
#[derive(Clone, Debug)]
pub struct AuthorizationHeader(Secret);

/// Why a text is not the value of an `Authorization` header. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// Empty or longer than 8,192 bytes.
    #[error("must be 1 to 8192 bytes long")]
    Length,
    /// A character that a header value may not hold.
    #[error("must hold visible ASCII characters only, with single lines and no surrounding space")]
    Character,
}

impl AuthorizationHeader {
    /// Checks the text and makes the header value.
    ///
    /// # Errors
    /// [`AuthorizationError`] naming the rule that is broken, never the text.
    pub fn parse(text: &str) -> Result<Self, AuthorizationError> {
        if text.is_empty() || text.len() > 8192 {
            return Err(AuthorizationError::Length);
        }
        let legal = text.bytes().all(|b| matches!(b, b' ' | b'\t' | 0x21..=0x7e));
        if !legal || text.trim() != text {
            return Err(AuthorizationError::Character);
        }
        Ok(Self(Secret::new(text)))
    }

    /// The header value itself.
    ///
    /// # Security
    /// It is the receiver's secret: send it to the stream's own endpoint and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_absolute_url_without_user_information_or_fragment() {
        assert_eq!(
            EndpointUrl::parse("https://rp.example/e?x=1").map(|u| u.as_str().to_owned()),
            Ok("https://rp.example/e?x=1".to_owned())
        );
        for (text, problem) in [
            ("/events", EndpointError::NotUrl),
            ("ftp://rp.example", EndpointError::Scheme),
            ("https://u:p@rp.example", EndpointError::UserInfo),
            ("https://u@rp.example", EndpointError::UserInfo),
            ("https://rp.example/#f", EndpointError::Fragment),
            ("https://rp.example:0/", EndpointError::Port),
            ("https://rp.example/\r\nx", EndpointError::NotUrl),
            ("https:rp.example", EndpointError::NotUrl),
            ("https:///rp.example", EndpointError::NotUrl),
            ("https://rp.example\\@127.0.0.1/", EndpointError::NotUrl),
            ("https://①②⑦.0.0.1/e", EndpointError::NotUrl),
            ("https://rp.example/%zz", EndpointError::NotUrl),
        ] {
            assert_eq!(EndpointUrl::parse(text), Err(problem), "{text}");
        }
    }

    #[test]
    fn an_authorization_header_is_one_line_of_visible_ascii() {
        for (text, problem) in [
            ("", AuthorizationError::Length),
            ("Bearer a\r\nX: y", AuthorizationError::Character),
            ("Bearer a\0", AuthorizationError::Character),
            (" Bearer a", AuthorizationError::Character),
            ("Bearer ü", AuthorizationError::Character),
        ] {
            assert_eq!(AuthorizationHeader::parse(text).err(), Some(problem), "{text:?}");
        }
    }

    #[test]
    fn neither_debug_form_shows_the_secret_or_the_query() {
        let endpoint = EndpointUrl::parse("https://rp.example/e?cap=s3cret").ok();
        let authorization = AuthorizationHeader::parse("Bearer s3cret").ok();
        assert!(!format!("{endpoint:?} {authorization:?}").contains("s3cret"));
    }
}
