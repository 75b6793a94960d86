//! The identifiers of the library: each a type of its own, checked once, when it is made.

use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

/// Why a text is not the identifier it was meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// The text is longer than the identifier may be.
    #[error("must not be longer than {0} bytes")]
    TooLong(usize),
    /// The text holds a character the identifier may not hold.
    #[error("holds a character that is not allowed")]
    Character,
    /// The text is not an absolute URI.
    #[error("must be an absolute URI")]
    NotUri,
    /// The text is not an issuer URL: `https`, a host, no query, no fragment, no user information
    /// (`http` for loopback hosts only).
    #[error("must be an https URL without query, fragment or user information")]
    NotIssuer,
}

/// The text of an identifier is kept as it came and compared byte by byte: OpenID compares
/// identifiers without canonicalisation.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and makes the identifier.
            ///
            /// # Errors
            /// [`IdError`] when the text breaks a rule listed at the type.
            pub fn parse(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                let check: fn(&str) -> Result<(), IdError> = $check;
                check(text)?;
                Ok(Self(text.into()))
            }

            /// Makes the identifier of a text this library wrote itself; tests hold the texts
            /// against [`parse`](Self::parse).
            #[allow(dead_code, reason = "made by one macro for all identifiers")]
            pub(crate) fn trusted(text: &str) -> Self {
                Self(text.into())
            }

            /// The text as it came.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }
    };
}

identifier! {
    /// The identifier of an event stream (SSF 1.0 §8.1.1 `stream_id`).
    ///
    /// * 1 to 255 bytes;
    /// * unreserved characters of RFC 3986 only, so it needs no encoding in a URL.
    StreamId, |text| {
        length(text, 255)?;
        characters(text, |c| c.is_ascii_alphanumeric() || b"-._~".contains(&c))
    }
}

identifier! {
    /// The identifier of a receiver as an OAuth client.
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    ClientId, |text| visible(text, 255)
}

identifier! {
    /// The tenant (organisation) that a receiver belongs to.
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    TenantId, |text| visible(text, 255)
}

identifier! {
    /// The unique identifier of one SET (RFC 7519 §4.1.7 `jti`).
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    Jti, |text| visible(text, 255)
}

identifier! {
    /// The transaction that several SETs may have in common (RFC 8417 §2.2 `txn`).
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    Txn, |text| visible(text, 255)
}

identifier! {
    /// The intended recipient of a stream's SETs (RFC 7519 §4.1.3 `aud`), compared byte by byte.
    ///
    /// * 1 to 2,048 bytes;
    /// * no control characters.
    Audience, |text| visible(text, 2048)
}

identifier! {
    /// The identifier of a signing key (RFC 7517 §4.5 `kid`).
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    KeyId, |text| visible(text, 255)
}

identifier! {
    /// What entries of one stream must keep their order among themselves: usually one subject.
    ///
    /// * not empty;
    /// * at most 1,024 bytes.
    OrderKey, |text| length(text, 1024)
}

identifier! {
    /// A key under which a repeated emission returns the result of the first.
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    IdempotencyKey, |text| visible(text, 255)
}

identifier! {
    /// One identity, as the host's identity source calls it: an account, a person, a device.
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    IdentityId, |text| visible(text, 255)
}

identifier! {
    /// The identity profile: which kind of identity it is, such as `employees` or `contractors`.
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    ProfileName, |text| visible(text, 255)
}

identifier! {
    /// An event that a change of an identity means and that could not be made.
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    FailureId, |text| visible(text, 255)
}

identifier! {
    /// The name of a lifecycle condition.
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    ConditionName, |text| visible(text, 255)
}

identifier! {
    /// One OAuth scope (RFC 6749 §3.3 `scope-token`), compared byte by byte.
    ///
    /// * 1 to 255 bytes;
    /// * visible ASCII without `"` and `\`.
    Scope, |text| {
        length(text, 255)?;
        characters(text, |c| matches!(c, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    }
}

identifier! {
    /// What ties the answer to a refused request to the operator's log.
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    TrackingId, |text| visible(text, 255)
}

identifier! {
    /// A transmitter process, as the holder of leases.
    ///
    /// * 1 to 255 bytes;
    /// * no control characters.
    WorkerId, |text| visible(text, 255)
}

identifier! {
    /// The type of an event: an absolute URI (RFC 8417 §2.2), compared byte by byte.
    ///
    /// * 1 to 2,048 bytes;
    /// * a URI by the syntax of RFC 3986 with something after its scheme.
    EventType, |text| {
        visible(text, 2048)?;
        if is_uri(text) { Ok(()) } else { Err(IdError::NotUri) }
    }
}

identifier! {
    /// The issuer of SETs (SSF 1.0 §7.1 `issuer`), compared byte by byte.
    ///
    /// * at most 2,048 bytes;
    /// * an `https` URL with a host (`http` for loopback hosts, where tests live);
    /// * no query, no fragment, no user information.
    Issuer, |text| {
        length(text, 2048)?;
        let url = Url::parse(text).map_err(|_| IdError::NotIssuer)?;
        let plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let transport = match url.scheme() {
            "https" => url.host().is_some(),
            "http" => is_loopback(&url),
            _ => false,
        };
        if plain && transport { Ok(()) } else { Err(IdError::NotIssuer) }
    }
}

/// All events of an identity keep their order among themselves; its identifier fits.
impl From<&IdentityId> for OrderKey {
    fn from(identity: &IdentityId) -> Self {
        Self::trusted(identity.as_str())
    }
}

/// Who a stream belongs to: one client of one tenant. Every call that a receiver can cause names
/// its owner, and nothing of another owner can be reached through it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Owner {
    /// The tenant (organisation).
    pub tenant: TenantId,
    /// The receiver as an OAuth client.
    pub client: ClientId,
}

impl Owner {
    /// The client of that tenant.
    #[must_use]
    pub const fn new(tenant: TenantId, client: ClientId) -> Self {
        Self { tenant, client }
    }
}

fn length(text: &str, most: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > most {
        return Err(IdError::TooLong(most));
    }
    Ok(())
}

fn characters(text: &str, allowed: fn(u8) -> bool) -> Result<(), IdError> {
    if text.bytes().all(allowed) { Ok(()) } else { Err(IdError::Character) }
}

fn visible(text: &str, most: usize) -> Result<(), IdError> {
    length(text, most)?;
    if text.chars().any(char::is_control) { Err(IdError::Character) } else { Ok(()) }
}

/// Whether a text is a URI (RFC 3986 §3) with something after its scheme. Nothing is resolved,
/// decoded or repaired.
pub(crate) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_is_legal = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c));
    if !scheme_is_legal || rest.is_empty() {
        return false;
    }
    let (authority, rest) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let open = b":/?@";
    is_authority(authority) && are_legal(rest, open) && are_legal(fragment, open)
}

/// RFC 3986 §3.2: `[ userinfo "@" ] host [ ":" port ]`.
fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (host, ""),
    };
    let host_is_legal = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok(),
        None => are_legal(host, b""),
    };
    host_is_legal && are_legal(user, b":") && port.bytes().all(|c| c.is_ascii_digit())
}

/// Whether there are only unreserved characters, sub-delims, percent-encodings (RFC 3986 §2) and
/// those others.
fn are_legal(text: &str, others: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(c) = bytes.next() {
        let legal = match c {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            c => {
                c.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&c) || others.contains(&c)
            }
        };
        if !legal {
            return false;
        }
    }
    true
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_id_needs_no_encoding_in_a_url() {
        assert_eq!(StreamId::parse("a-._~9").map(String::from), Ok("a-._~9".to_owned()));
        assert_eq!(StreamId::parse("a b"), Err(IdError::Character));
        assert_eq!(StreamId::parse("a/b"), Err(IdError::Character));
        assert_eq!(StreamId::parse(""), Err(IdError::Empty));
        assert_eq!(StreamId::parse("x".repeat(256)), Err(IdError::TooLong(255)));
    }

    #[test]
    fn an_issuer_is_an_https_url_kept_as_it_came() {
        for good in
            ["https://tr.example.com", "https://tr.example.com/t1/", "http://127.0.0.1:8480"]
        {
            assert_eq!(Issuer::parse(good).map(String::from), Ok(good.to_owned()));
        }
        for bad in [
            "http://tr.example.com",
            "https://h?q=1",
            "https://h#f",
            "https://u:p@h",
            "ftp://h",
            "x",
            "",
        ] {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_event_type_is_an_absolute_uri() {
        for good in ["https://a.example/b", "urn:ietf:params:scim:event:feed:add", "spiffe://x"] {
            assert_eq!(EventType::parse(good).map(String::from), Ok(good.to_owned()));
        }
        for bad in ["session-revoked", "https:", ":x", "1x:y", "https://a b", "urn:x:\u{e9}"] {
            assert!(EventType::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_uri_has_the_syntax_of_rfc_3986_3() {
        for good in [
            "a:b",
            "https://h",
            "https://u:p@h:8443/a/b;c=1?q=%2F&x#f?/",
            "https://[::1]:8443/",
            "http://[2001:db8::1]",
            "mailto:a@b.example",
            "urn:x:y?+z?=w#q",
            "file:///etc/hosts",
            "x:///",
            "h://:/",
        ] {
            assert!(is_uri(good), "{good}");
        }
        for bad in [
            "a",
            "a:",
            ":b",
            "-a:b",
            "a_b:c",
            "a:\u{e9}",
            "a:b c",
            "a:<b>",
            "a:\"b\"",
            "a:b\\c",
            "a:{b}",
            "a:b|c",
            "a:b^c",
            "a:`b`",
            "a:%",
            "a:%2",
            "a:%2g",
            "a:b#c#d",
            "a:[b]",
            "https://h/[b]",
            "https://[::1",
            "https://::1]",
            "https://[h]",
            "https://h:8o",
            "https://u@v@h",
            "https://a:b:c",
        ] {
            assert!(!is_uri(bad), "{bad}");
        }
    }
}
