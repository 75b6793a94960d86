//! Which addresses may be called: the guard against receivers that name targets inside our own
//! network (SSRF).
//!
//! A URL is checked twice: when a receiver configures it ([`EgressPolicy::check_url`], without any
//! name lookup, since an answer that depended on one would map the inner network), and before
//! every request, with every address its name resolves to by then ([`EgressPolicy::check_answer`]).

use std::fmt;
use std::net::IpAddr;

use url::Host;

use crate::stream::EndpointUrl;
use address::{Kind, inner, kind};

mod address;
mod network;

pub use network::{HostSuffix, HostSuffixError, Network, NetworkError};

/// Which push endpoints may be called.
///
/// [`public`](Self::public) is for receivers on the Internet. Where some live in networks of the
/// operator's own, it says so:
///
/// ```
/// use ssf_transmitter::egress::{EgressPolicy, HostSuffix};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = EgressPolicy::public()
///     // Inner networks of public addresses, and NAT64 under a prefix of your own, too.
///     .with_blocked_network("203.0.114.0/24".parse()?)
///     // Receivers at these addresses, whatever their names.
///     .with_allowed_network("10.20.0.0/16".parse()?)
///     // Receivers of these names, in whatever inner network.
///     .with_allowed_hosts(HostSuffix::parse("receivers.corp.example")?)
///     .with_ports([443, 8443]);
/// # let _ = policy;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    reach: Reach,
    blocked_networks: Vec<Network>,
    allowed_networks: Vec<Network>,
    allowed_hosts: Vec<HostSuffix>,
    /// Any but 0, if there are none.
    ports: Vec<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// The address is not public, and not allowed otherwise.
    Address(IpAddr),
    /// The port is none of those that may be called.
    Port(u16),
}

/// Who names an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// A name that the operator allows to lead inside.
    ByAllowedHost,
    /// Any other name, or the address itself.
    ByAnybody,
}

impl EgressPolicy {
    /// Only `https`, only to public addresses. The default.
    #[must_use]
    pub const fn public() -> Self {
        Self::reaching(Reach::Public)
    }

    /// Also plain `http`, and any address.
    ///
    /// # Security
    /// For tests only: it lets every receiver send requests to this machine and to the network it
    /// is in.
    #[must_use]
    pub const fn allow_private() -> Self {
        Self::reaching(Reach::Anywhere)
    }

    const fn reaching(reach: Reach) -> Self {
        Self {
            reach,
            blocked_networks: Vec::new(),
            allowed_networks: Vec::new(),
            allowed_hosts: Vec::new(),
            ports: Vec::new(),
        }
    }

    /// Nothing in that network is called, though it is public: for inner networks that use public
    /// addresses. It goes before everything that is allowed.
    #[must_use]
    pub fn with_blocked_network(mut self, network: Network) -> Self {
        self.blocked_networks.push(network);
        self
    }

    /// Everything in that network may be called, be it private or this machine.
    ///
    /// # Security
    /// Every receiver may name an address in it: allow networks of receivers only.
    #[must_use]
    pub fn with_allowed_network(mut self, network: Network) -> Self {
        self.allowed_networks.push(network);
        self
    }

    /// Names at and below that one may lead to private addresses (RFC 1918, RFC 4193); not to this
    /// machine, its link or a metadata service.
    ///
    /// # Security
    /// Whoever controls a name below it decides what is called: allow names of your own only.
    #[must_use]
    pub fn with_allowed_hosts(mut self, suffix: HostSuffix) -> Self {
        self.allowed_hosts.push(suffix);
        self
    }

    /// Only these ports are called. Without it, or with none: any.
    #[must_use]
    pub fn with_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports.extend(ports);
        self
    }

    /// Checks what a URL tells without a lookup: its scheme, its port, a literal address in
    /// whatever spelling, a name that stands for this machine.
    ///
    /// # Errors
    /// [`EgressError`] when it may not be called.
    pub fn check_url(&self, endpoint: &EndpointUrl) -> Result<(), EgressError> {
        if self.reach == Reach::Anywhere {
            return Ok(());
        }
        let url = endpoint.url();
        if url.scheme() != "https" {
            return Err(EgressError::Scheme);
        }
        // `https` has a port, named or not.
        let port = url.port_or_known_default().unwrap_or_default();
        if !self.ports.is_empty() && !self.ports.contains(&port) {
            return Err(EgressError::Port(port));
        }
        // The URL parser has turned every spelling of an address (`0x7f.1`, `2130706433`, digits
        // of other scripts) into the address it means.
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into(), Named::ByAnybody),
            Some(Host::Ipv6(address)) => self.check(address.into(), Named::ByAnybody),
            Some(Host::Domain(name)) if !is_localhost(name) => Ok(()),
            Some(Host::Domain(_)) | None => Err(EgressError::LocalName),
        }
    }

    /// Checks all addresses that a name resolved to. If one of them is refused, none may be called:
    /// an answer that mixes public and private addresses is an attack, not a choice.
    ///
    /// # Errors
    /// [`EgressError::Address`] with the first address that may not be called.
    pub fn check_answer(&self, name: &str, addresses: &[IpAddr]) -> Result<(), EgressError> {
        let allowed = self.allowed_hosts.iter().any(|suffix| suffix.matches(name));
        let named = if allowed { Named::ByAllowedHost } else { Named::ByAnybody };
        addresses.iter().try_for_each(|address| self.check(*address, named))
    }

    fn check(&self, address: IpAddr, named: Named) -> Result<(), EgressError> {
        // An address and the IPv4 address it leads to are one target.
        let among = |networks: &[Network]| {
            networks.iter().any(|network| {
                network.contains(address) || inner(address).is_some_and(|v4| network.contains(v4))
            })
        };
        let allowed = match self.reach {
            Reach::Anywhere => true,
            Reach::Public if among(&self.blocked_networks) => false,
            Reach::Public if among(&self.allowed_networks) => true,
            Reach::Public => match kind(address) {
                Kind::Public => true,
                Kind::Private => named == Named::ByAllowedHost,
                Kind::Special => false,
            },
        };
        if allowed { Ok(()) } else { Err(EgressError::Address(address)) }
    }
}

/// Whether the address is one of the public Internet: of none of the special-purpose ranges
/// (RFC 6890 and the IANA registries), no cloud's metadata service, no tunnel to such an address.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    kind(address) == Kind::Public
}

impl fmt::Display for EgressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a public https endpoint")
    }
}

impl std::error::Error for EgressError {}

/// RFC 6761 §6.3: these names always mean this machine, however they are written.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn checked(url: &str) -> Result<(), EgressError> {
        EgressPolicy::public().check_url(&EndpointUrl::parse(url).unwrap())
    }

    fn answer(policy: &EgressPolicy, name: &str, addresses: &[&str]) -> Result<(), EgressError> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        policy.check_answer(name, &addresses)
    }

    fn blocked(address: &str) -> Result<(), EgressError> {
        Err(EgressError::Address(address.parse().unwrap()))
    }

    #[test]
    fn a_literal_address_is_seen_through_every_spelling() {
        let loopback = Err(EgressError::Address(Ipv4Addr::LOCALHOST.into()));
        for url in [
            "https://127.0.0.1/e",
            "https://127.0.0.1./e",
            "https://127.1/e",
            "https://127.0.1/e",
            "https://0x7f.1/e",
            "https://0X7F.0x0.0x0.0x1/e",
            "https://0177.0.0.1/e",
            "https://0000177.1/e",
            "https://2130706433/e",
            "https://017700000001/e",
            "https://0x7f000001:8443/e",
            "https://%31%32%37.0.0.1/e",
            "https://%E2%91%A0%E2%91%A1%E2%91%A6.0.0.1/e",
            "https://%EF%BC%91%EF%BC%92%EF%BC%97.%EF%BC%90.%EF%BC%90.%EF%BC%91/e",
            "https://%EF%BC%91%EF%BC%92%EF%BC%97%E3%80%820%E3%80%820%E3%80%821/e",
        ] {
            assert_eq!(checked(url), loopback, "{url}");
        }
        for url in [
            "https://[::1]/",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::FFFF:A9FE:A9FE]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::127.0.0.1]/",
            "https://[64:ff9b:1::8.8.8.8]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:0:808:808::f7f7:f7f7]/",
            "https://[fd00:ec2::254]/",
        ] {
            assert!(matches!(checked(url), Err(EgressError::Address(IpAddr::V6(_)))), "{url}");
        }
        for url in ["https://0/", "https://0.0.0.0/", "https://169.254.169.254/", "https://10.1/"] {
            assert!(matches!(checked(url), Err(EgressError::Address(IpAddr::V4(_)))), "{url}");
        }
    }

    #[test]
    fn a_zone_or_a_number_that_is_no_address_makes_no_url() {
        for url in [
            "https://[fe80::1%25eth0]/",
            "https://[fe80::1%eth0]/",
            "https://256.0.0.1/",
            "https://1.2.3.4.5/",
            "https://4294967296/",
            "https://0x100000000/",
            "https://127.0.0.1.2/",
            "https://[::1]x/",
            "https://[::ffff:127.1]/",
        ] {
            assert!(EndpointUrl::parse(url).is_err(), "{url}");
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
            "https://%EF%BD%8C%EF%BD%8F%EF%BD%83%EF%BD%81%EF%BD%8C%EF%BD%88%EF%BD%8F%EF%BD%93%EF%BD%94/",
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
    fn one_blocked_address_refuses_the_whole_answer() {
        let policy = EgressPolicy::public();
        assert_eq!(answer(&policy, "rp.example", &["8.8.8.8", "2606:4700::1111"]), Ok(()));
        for addresses in [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"]] {
            assert_eq!(answer(&policy, "rp.example", &addresses), blocked("10.0.0.1"));
        }
    }

    #[test]
    fn an_allowed_network_may_be_called_in_every_form_and_its_neighbours_may_not() {
        let policy = EgressPolicy::public()
            .with_allowed_network("10.20.0.0/16".parse().unwrap())
            .with_allowed_network("fd12:3456::/32".parse().unwrap());
        for allowed in ["10.20.0.1", "::ffff:10.20.0.1", "64:ff9b::10.20.0.1", "fd12:3456::1"] {
            assert_eq!(answer(&policy, "rp.example", &[allowed]), Ok(()), "{allowed}");
        }
        for other in ["10.21.0.1", "::ffff:10.21.0.1", "fd12:3457::1", "127.0.0.1"] {
            assert_eq!(answer(&policy, "rp.example", &[other]), blocked(other));
        }
        let literal = |url| policy.check_url(&EndpointUrl::parse(url).unwrap());
        assert_eq!(literal("https://10.20.0.1/e"), Ok(()));
        assert_eq!(literal("http://10.20.0.1/e"), Err(EgressError::Scheme));
    }

    #[test]
    fn an_allowed_name_may_lead_to_private_addresses_and_to_nothing_worse() {
        let suffix = HostSuffix::parse("corp.example").unwrap();
        let policy = EgressPolicy::public().with_allowed_hosts(suffix);
        for address in ["10.1.2.3", "172.16.0.1", "192.168.0.1", "fd12::1", "::ffff:10.1.2.3"] {
            assert_eq!(answer(&policy, "rp.corp.example", &[address]), Ok(()), "{address}");
            assert_eq!(answer(&policy, "badcorp.example", &[address]), blocked(address));
        }
        for address in
            ["127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "100.100.100.200", "224.0.0.1"]
        {
            assert_eq!(answer(&policy, "rp.corp.example", &[address]), blocked(address));
        }
        let literal = EndpointUrl::parse("https://10.1.2.3/e").unwrap();
        assert_eq!(policy.check_url(&literal), blocked("10.1.2.3"));
    }

    #[test]
    fn a_blocked_network_goes_before_everything_that_is_allowed() {
        let policy = EgressPolicy::public()
            .with_allowed_network("10.0.0.0/8".parse().unwrap())
            .with_allowed_hosts(HostSuffix::parse("corp.example").unwrap())
            .with_blocked_network("10.9.0.0/16".parse().unwrap())
            .with_blocked_network("8.8.8.0/24".parse().unwrap());
        assert_eq!(answer(&policy, "rp.corp.example", &["10.8.0.1"]), Ok(()));
        for address in ["10.9.0.1", "::ffff:10.9.0.1", "8.8.8.8", "64:ff9b::8.8.8.8"] {
            assert_eq!(answer(&policy, "rp.corp.example", &[address]), blocked(address));
        }
    }

    #[test]
    fn only_the_ports_of_the_list_are_called_if_there_is_one() {
        let policy = EgressPolicy::public().with_ports([443, 8443]);
        let checked = |url| policy.check_url(&EndpointUrl::parse(url).unwrap());
        assert_eq!(checked("https://rp.example/"), Ok(()));
        assert_eq!(checked("https://rp.example:8443/"), Ok(()));
        assert_eq!(checked("https://rp.example:22/"), Err(EgressError::Port(22)));
        assert_eq!(
            EgressPolicy::public()
                .check_url(&EndpointUrl::parse("https://rp.example:22/").unwrap()),
            Ok(())
        );
    }

    #[test]
    fn tests_may_allow_plain_http_and_any_address() {
        let policy = EgressPolicy::allow_private();
        for url in ["http://127.0.0.1:9000/e", "http://localhost:9000/e", "https://[::1]/"] {
            assert_eq!(policy.check_url(&EndpointUrl::parse(url).unwrap()), Ok(()), "{url}");
        }
        assert_eq!(answer(&policy, "rp.example", &["127.0.0.1"]), Ok(()));
    }

    #[test]
    fn the_default_is_public_only() {
        assert_eq!(EgressPolicy::default(), EgressPolicy::public());
    }

    #[test]
    fn the_text_of_a_refusal_tells_nothing_of_the_network() {
        let address = EgressError::Address(Ipv4Addr::LOCALHOST.into());
        for error in [EgressError::Scheme, EgressError::LocalName, address, EgressError::Port(22)] {
            assert_eq!(error.to_string(), "must be a public https endpoint");
        }
    }

    proptest! {
        #[test]
        fn a_url_with_a_literal_is_as_public_as_the_address(bits: u32) {
            let allowed = checked(&format!("https://{bits}/")).is_ok();
            prop_assert_eq!(allowed, is_public(Ipv4Addr::from_bits(bits).into()));
        }
    }
}
