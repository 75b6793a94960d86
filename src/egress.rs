//! Which addresses may be called.

use std::net::IpAddr;

use url::Host;

use crate::stream::EndpointUrl;

/// Which endpoints may be called.
#[derive(Clone, Debug)]
pub struct EgressPolicy {
    private: bool,
}

/// Why an endpoint may not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// Plain http.
    #[error("must be an https URL")]
    Scheme,
    /// An address that is not public.
    #[error("address may not be called")]
    Address,
}

impl EgressPolicy {
    /// Public addresses only.
    #[must_use]
    pub const fn public() -> Self {
        Self { private: false }
    }

    /// Private addresses too.
    #[must_use]
    pub const fn allow_private() -> Self {
        Self { private: true }
    }

    /// Checks scheme and literal.
    ///
    /// # Errors
    /// [`EgressError`].
    pub fn check_url(&self, endpoint: &EndpointUrl) -> Result<(), EgressError> {
        if !self.private && endpoint.url().scheme() != "https" {
            return Err(EgressError::Scheme);
        }
        match endpoint.url().host() {
            Some(Host::Ipv4(ip)) => self.check_address(ip.into()),
            Some(Host::Ipv6(ip)) => self.check_address(ip.into()),
            Some(Host::Domain("localhost")) if !self.private => Err(EgressError::Address),
            _ => Ok(()),
        }
    }

    /// Checks an address.
    ///
    /// # Errors
    /// [`EgressError`].
    pub fn check_address(&self, address: IpAddr) -> Result<(), EgressError> {
        let private = match address.to_canonical() {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
        };
        if private && !self.private { Err(EgressError::Address) } else { Ok(()) }
    }
}
