//! What a policy names: networks, and the hosts below a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::Host;

/// A network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3), such as `10.20.0.0/16`,
/// `fd12:3456::/32`, or one address.
///
/// ```
/// use ssf_transmitter::egress::Network;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let network: Network = "10.20.0.0/16".parse()?;
/// assert!(network.contains("10.20.255.1".parse()?));
/// assert!("10.20.0.1/16".parse::<Network>().is_err(), "names a host, not a network");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u32,
}

/// Why a text is no [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Neither an address nor an address, `/` and the length of a prefix.
    #[error("must be an address, or an address, a slash and the length of a prefix")]
    Syntax,
    /// Bits beyond the prefix are set: the text names a host.
    #[error("must have no bits set beyond the prefix")]
    HostBits,
}

impl Network {
    pub(super) const fn v4(first: Ipv4Addr, prefix: u32) -> Self {
        Self { first: IpAddr::V4(first), prefix }
    }

    pub(super) const fn v6(first: Ipv6Addr, prefix: u32) -> Self {
        Self { first: IpAddr::V6(first), prefix }
    }

    /// Whether the address is in the network. One in another form of the same address, such as
    /// IPv4-mapped, is not.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
                first.to_bits() == address.to_bits() & mask
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                first.to_bits() == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| NetworkError::Syntax)?;
        let longest = if first.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            // `parse` would take `+8`.
            Some(prefix) if prefix.bytes().all(|b| b.is_ascii_digit()) => {
                prefix.parse().map_err(|_| NetworkError::Syntax)?
            }
            Some(_) => return Err(NetworkError::Syntax),
        };
        if prefix > longest {
            return Err(NetworkError::Syntax);
        }
        let network = Self { first, prefix };
        if network.contains(first) { Ok(network) } else { Err(NetworkError::HostBits) }
    }
}

/// A host name and all names below it: `example.com` is also `rp.example.com`, and is not
/// `badexample.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostSuffix(Box<str>);

/// The text is no host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a host name, without port, scheme or leading dot")]
#[non_exhaustive]
pub struct HostSuffixError;

impl HostSuffix {
    /// That name and all below it. Letters of either case and of any script are taken.
    ///
    /// # Errors
    /// [`HostSuffixError`] when the text is no host name.
    pub fn parse(text: &str) -> Result<Self, HostSuffixError> {
        match Host::parse(text) {
            Ok(Host::Domain(name)) if !name.starts_with('.') && !name.contains("..") => {
                let name = name.strip_suffix('.').unwrap_or(&name);
                if name.is_empty() { Err(HostSuffixError) } else { Ok(Self(name.into())) }
            }
            Ok(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => Err(HostSuffixError),
        }
    }

    /// Whether a name, as a URL has it, is this one or below it.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        match name.len().checked_sub(self.0.len()) {
            Some(0) => name.eq_ignore_ascii_case(&self.0),
            Some(above) => name.get(above - 1..).is_some_and(|tail| {
                tail.starts_with('.') && tail[1..].eq_ignore_ascii_case(&self.0)
            }),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_its_first_and_last_address_and_no_neighbour() {
        for (network, first, last, before, after) in [
            ("10.20.0.0/16", "10.20.0.0", "10.20.255.255", "10.19.255.255", "10.21.0.0"),
            ("192.0.2.4/30", "192.0.2.4", "192.0.2.7", "192.0.2.3", "192.0.2.8"),
            ("192.0.2.4", "192.0.2.4", "192.0.2.4", "192.0.2.3", "192.0.2.5"),
            ("fd12::/16", "fd12::", "fd12:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd11::", "fd13::"),
            ("2001:db8::7/128", "2001:db8::7", "2001:db8::7", "2001:db8::6", "2001:db8::8"),
        ] {
            assert!(contains(network, first) && contains(network, last), "{network}");
            assert!(!contains(network, before) && !contains(network, after), "{network}");
        }
        assert!(contains("0.0.0.0/0", "255.255.255.255") && contains("::/0", "ffff::1"));
        assert!(!contains("0.0.0.0/0", "::ffff:127.0.0.1") && !contains("::/0", "127.0.0.1"));
    }

    #[test]
    fn texts_that_are_no_networks_are_refused() {
        for text in ["", "10", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/+8", "a/8", "::/8/8"]
        {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Syntax), "{text}");
        }
        for text in ["10.0.0.1/8", "0.0.0.1/0", "fd12:3456::1/32"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::HostBits), "{text}");
        }
    }

    #[test]
    fn a_suffix_matches_at_a_label_boundary_only() {
        let suffix = HostSuffix::parse("Corp.Example.com").unwrap();
        for name in ["corp.example.com", "rp.corp.example.com", "a.b.corp.example.com."] {
            assert!(suffix.matches(name), "{name}");
        }
        for name in ["badcorp.example.com", "example.com", "corp.example.com.evil.example", "", "."]
        {
            assert!(!suffix.matches(name), "{name}");
        }
        assert!(HostSuffix::parse("bücher.example").unwrap().matches("a.xn--bcher-kva.example"));
    }

    #[test]
    fn texts_that_are_no_host_names_are_refused() {
        for text in ["", ".", ".example.com", "a..b", "10.0.0.1", "0x7f.1", "[::1]", "a/b", "a:1"] {
            assert_eq!(HostSuffix::parse(text), Err(HostSuffixError), "{text}");
        }
    }
}
