//! Which addresses may be called: the guard against receivers that name targets inside our own
//! network (SSRF).
//!
//! A URL is checked twice: when a receiver configures it ([`EgressPolicy::check_url`], without any
//! name lookup, since an answer that depended on one would map the inner network), and before
//! every request, with every address its name resolved to ([`EgressPolicy::check_address`]).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use crate::stream::EndpointUrl;

/// Which push endpoints may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy(Reach);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Reach {
    /// Secure default: everything else is somebody's inner network.
    #[default]
    Public,
    Anywhere,
}

/// Why an endpoint may not be called.
///
/// `Display` is the same text for all, and the only one a receiver may see: it tells nothing of
/// what is reachable from here. The variant is for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EgressError {
    /// The scheme is not `https`.
    Scheme,
    /// The name stands for this machine (RFC 6761 §6.3).
    LocalName,
    /// The address is not public.
    Address(IpAddr),
}

impl EgressPolicy {
    /// Only `https`, only to public addresses. The default.
    #[must_use]
    pub const fn public() -> Self {
        Self(Reach::Public)
    }

    /// Also plain `http`, and any address.
    ///
    /// # Security
    /// For tests only: it lets every receiver send requests to this machine and to the network it
    /// is in.
    #[must_use]
    pub const fn allow_private() -> Self {
        Self(Reach::Anywhere)
    }

    /// Checks what a URL tells without a lookup: its scheme, a literal address in whatever
    /// spelling, a name that stands for this machine.
    ///
    /// # Errors
    /// [`EgressError`] when it may not be called.
    pub fn check_url(&self, endpoint: &EndpointUrl) -> Result<(), EgressError> {
        if self.0 == Reach::Anywhere {
            return Ok(());
        }
        let url = endpoint.url();
        if url.scheme() != "https" {
            return Err(EgressError::Scheme);
        }
        // The URL parser has turned every spelling of an address (`0x7f.1`, `2130706433`, digits
        // of other scripts) into the address it means.
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(name)) if !is_localhost(name) => Ok(()),
            Some(Host::Domain(_)) | None => Err(EgressError::LocalName),
        }
    }

    /// Checks one address that a name resolved to. If one of several is refused, none of them may
    /// be called.
    ///
    /// # Errors
    /// [`EgressError::Address`] when it may not be called.
    pub fn check_address(&self, address: IpAddr) -> Result<(), EgressError> {
        if self.0 == Reach::Anywhere || is_public(address) {
            Ok(())
        } else {
            Err(EgressError::Address(address))
        }
    }
}

/// Whether the address is one of the public Internet: of none of the special-purpose ranges
/// (RFC 6890 and the IANA registries), no cloud's metadata service, no tunnel to such an address.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !V4_BLOCKED.iter().any(|(network, prefix)| {
            u32::from(address) >> (32 - prefix) == u32::from(*network) >> (32 - prefix)
        }),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public(inner.into()),
            None => {
                within(address, V6_GLOBAL)
                    && !V6_BLOCKED.iter().any(|network| within(address, *network))
            }
        },
    }
}

impl fmt::Display for EgressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a public https endpoint")
    }
}

impl std::error::Error for EgressError {}

const V4_BLOCKED: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // "this network"
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared by carriers; a cloud's metadata service
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // a cloud's inner service, in a public range
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local; metadata services
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, broadcast
];

/// All that has been assigned to the Internet so far. Outside of it are loopback, discard
/// (100::/64), local NAT64 (64:ff9b:1::/48), segment routing (5f00::/16), unique local
/// (fc00::/7, with a cloud's metadata service at fd00:ec2::254), link-local (fe80::/10),
/// site-local (fec0::/10) and multicast (ff00::/8).
const V6_GLOBAL: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What inside of [`V6_GLOBAL`] is not public.
const V6_BLOCKED: [(Ipv6Addr, u32); 6] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32), // Teredo
    (Ipv6Addr::new(0x2001, 0x2, 0, 0, 0, 0, 0, 0), 48), // benchmarking
    (Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0), 28), // ORCHID
    (Ipv6Addr::new(0x2001, 0x20, 0, 0, 0, 0, 0, 0), 28), // ORCHIDv2
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// The IPv4 address that an IPv6 address leads to.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        // IPv4-compatible (RFC 4291 §2.5.5.1; `::` and `::1` fall into 0.0.0.0/8 by this),
        // IPv4-mapped (§2.5.5.2), NAT64 (RFC 6052 §2.1).
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        // 6to4 (RFC 3056 §2).
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

fn within(address: Ipv6Addr, (network, prefix): (Ipv6Addr, u32)) -> bool {
    address.to_bits() >> (128 - prefix) == network.to_bits() >> (128 - prefix)
}

/// RFC 6761 §6.3: these names always mean this machine, however they are written.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    fn checked(url: &str) -> Result<(), EgressError> {
        EgressPolicy::public().check_url(&EndpointUrl::parse(url).unwrap())
    }

    #[test]
    fn every_blocked_ipv4_range_is_blocked_from_its_first_to_its_last_address() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("168.63.129.16", "168.63.129.16"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.254"),
            ("255.255.255.255", "255.255.255.255"),
        ] {
            assert!(!public(first) && !public(last), "{first} {last}");
        }
    }

    #[test]
    fn the_neighbours_of_blocked_ipv4_ranges_are_public() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
        ] {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn the_metadata_services_of_clouds_are_blocked() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn every_blocked_ipv6_range_is_blocked_from_its_first_to_its_last_address() {
        for (first, last) in [
            ("::", "::"),
            ("::1", "::1"),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
            ("100::", "100::ffff:ffff:ffff:ffff"),
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"),
            ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            assert!(!public(first) && !public(last), "{first} {last}");
        }
    }

    #[test]
    fn public_ipv6_addresses_are_public() {
        for address in [
            "2000::1",
            "2001:1::1",
            "2001:3::1",
            "2001:30::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe:ffff::1",
            "3fff:1000::1",
        ] {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn an_ipv6_address_is_as_public_as_the_ipv4_address_in_it() {
        for (form, name) in
            [("::ffff:{}", "mapped"), ("::{}", "compatible"), ("64:ff9b::{}", "NAT64")]
        {
            for inner in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "224.0.0.1"] {
                assert!(!public(&form.replace("{}", inner)), "{name} {inner}");
            }
            assert!(public(&form.replace("{}", "8.8.8.8")), "{name}");
        }
        for (address, expected) in [
            ("2002:7f00:1::", false),
            ("2002:a00:1::1", false),
            ("2002:a9fe:a9fe::", false),
            ("2002:808:808::1", true),
        ] {
            assert_eq!(public(address), expected, "6to4 {address}");
        }
    }

    #[test]
    fn a_literal_address_is_seen_through_every_spelling() {
        let loopback = Err(EgressError::Address(Ipv4Addr::LOCALHOST.into()));
        for url in [
            "https://127.0.0.1/e",
            "https://127.0.0.1./e",
            "https://127.1/e",
            "https://0x7f.1/e",
            "https://0177.0.0.1/e",
            "https://2130706433/e",
            "https://0x7f000001:8443/e",
            "https://%31%32%37.0.0.1/e",
            "https://%E2%91%A0%E2%91%A1%E2%91%A6.0.0.1/e",
            "https://%EF%BC%91%EF%BC%92%EF%BC%97%E3%80%820%E3%80%820%E3%80%821/e",
        ] {
            assert_eq!(checked(url), loopback, "{url}");
        }
        for url in ["https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/"] {
            assert!(matches!(checked(url), Err(EgressError::Address(IpAddr::V6(_)))), "{url}");
        }
    }

    #[test]
    fn a_name_that_means_this_machine_is_refused_rfc_6761_6_3() {
        for url in [
            "https://localhost/",
            "https://LOCALHOST:8443/",
            "https://localhost./",
            "https://a.localhost/",
            "https://a.b.localhost./",
        ] {
            assert_eq!(checked(url), Err(EgressError::LocalName), "{url}");
        }
    }

    #[test]
    fn other_names_are_left_to_the_check_of_their_addresses() {
        for url in ["https://rp.example.com/e", "https://notlocalhost/", "https://8.8.8.8:8443/e"] {
            assert_eq!(checked(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn only_https_is_called() {
        assert_eq!(checked("http://rp.example.com/e"), Err(EgressError::Scheme));
    }

    #[test]
    fn tests_may_allow_plain_http_and_any_address() {
        let policy = EgressPolicy::allow_private();
        for url in ["http://127.0.0.1:9000/e", "http://localhost:9000/e", "https://[::1]/"] {
            assert_eq!(policy.check_url(&EndpointUrl::parse(url).unwrap()), Ok(()), "{url}");
        }
        assert_eq!(policy.check_address(Ipv4Addr::LOCALHOST.into()), Ok(()));
    }

    #[test]
    fn the_default_is_public_only() {
        assert_eq!(EgressPolicy::default(), EgressPolicy::public());
    }

    #[test]
    fn the_text_of_a_refusal_tells_nothing_of_the_network() {
        let address = EgressError::Address(Ipv4Addr::LOCALHOST.into());
        for error in [EgressError::Scheme, EgressError::LocalName, address] {
            assert_eq!(error.to_string(), "must be a public https endpoint");
        }
    }

    proptest! {
        #[test]
        fn a_url_with_a_literal_is_as_public_as_the_address(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let allowed = checked(&format!("https://{bits}/")).is_ok();
            prop_assert_eq!(allowed, is_public(address.into()));
            prop_assert_eq!(allowed, is_public(address.to_ipv6_mapped().into()));
        }
    }
}
