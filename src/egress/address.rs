//! What kind of address an address is: our own table, row by row.
//!
//! The rows are those of the IANA registries of special-purpose addresses (RFC 6890), of the
//! multicast ranges, and of the services that clouds offer their machines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Network;

/// What an address is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of the public Internet.
    Public,
    /// One of an inner network (RFC 1918, RFC 4193).
    Private,
    /// This machine, its link, a metadata service, a tunnel, documentation, multicast: nothing
    /// that a receiver could live at.
    Special,
}

/// The kind of an address; of one that only leads to an IPv4 address, the kind of that.
pub(super) fn kind(address: IpAddr) -> Kind {
    let address = inner(address).unwrap_or(address);
    let among = |rows: &[Network]| rows.iter().any(|row| row.contains(address));
    if among(&SPECIAL_V4) || among(&SPECIAL_V6) {
        Kind::Special
    } else if among(&PRIVATE) {
        Kind::Private
    } else if address.is_ipv4() || GLOBAL_V6.contains(address) {
        Kind::Public
    } else {
        Kind::Special
    }
}

/// The IPv4 address that an IPv6 address leads to.
pub(super) fn inner(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
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
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into())
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u32) -> Network {
    Network::v4(Ipv4Addr::new(a, b, c, d), prefix)
}

/// The first two, the third and the last segment are enough for every row.
const fn v6(a: u16, b: u16, c: u16, h: u16, prefix: u32) -> Network {
    Network::v6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, h), prefix)
}

const PRIVATE: [Network; 4] =
    [v4(10, 0, 0, 0, 8), v4(172, 16, 0, 0, 12), v4(192, 168, 0, 0, 16), v6(0xfc00, 0, 0, 0, 7)];

const SPECIAL_V4: [Network; 13] = [
    v4(0, 0, 0, 0, 8),        // "this network"
    v4(100, 64, 0, 0, 10),    // shared by carriers; a cloud's metadata service
    v4(127, 0, 0, 0, 8),      // loopback
    v4(168, 63, 129, 16, 32), // a cloud's inner service, in a public range
    v4(169, 254, 0, 0, 16),   // link-local; metadata services
    v4(192, 0, 0, 0, 24),     // protocol assignments
    v4(192, 0, 2, 0, 24),     // documentation
    v4(192, 88, 99, 0, 24),   // 6to4 relays
    v4(198, 18, 0, 0, 15),    // benchmarking
    v4(198, 51, 100, 0, 24),  // documentation
    v4(203, 0, 113, 0, 24),   // documentation
    v4(224, 0, 0, 0, 4),      // multicast
    v4(240, 0, 0, 0, 4),      // reserved, broadcast
];

/// All that has been assigned to the Internet so far. Outside of it and of unique local addresses
/// are loopback, discard (100::/64), local NAT64 (64:ff9b:1::/48), segment routing (5f00::/16),
/// link-local (fe80::/10), site-local (fec0::/10) and multicast (ff00::/8).
const GLOBAL_V6: Network = v6(0x2000, 0, 0, 0, 3);

/// What inside of [`GLOBAL_V6`], and of the unique local addresses, is something else.
const SPECIAL_V6: [Network; 9] = [
    v6(0x2001, 0, 0, 0, 32),         // Teredo
    v6(0x2001, 0x2, 0, 0, 48),       // benchmarking
    v6(0x2001, 0x10, 0, 0, 28),      // ORCHID
    v6(0x2001, 0x20, 0, 0, 28),      // ORCHIDv2
    v6(0x2001, 0xdb8, 0, 0, 32),     // documentation
    v6(0x3fff, 0, 0, 0, 20),         // documentation
    v6(0xfd00, 0xec2, 0, 0, 32),     // a cloud's services, the metadata at ::254 among them
    v6(0xfd20, 0xce, 0, 0x254, 128), // a cloud's metadata service
    v6(0xfd00, 0xc1, 0, 0, 32),      // a cloud's metadata service, at ::a9fe:a9fe
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind_of(address: &str) -> Kind {
        kind(address.parse().unwrap())
    }

    fn is_public(address: &str) -> bool {
        kind_of(address) == Kind::Public
    }

    /// Each row: the first and the last address, and the neighbours on both sides where those are
    /// public.
    const ROWS_V4: [(&str, &str, Option<&str>, Option<&str>); 18] = [
        ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
        ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0")),
        ("100.64.0.0", "100.127.255.255", Some("100.63.255.255"), Some("100.128.0.0")),
        ("127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0")),
        ("168.63.129.16", "168.63.129.16", Some("168.63.129.15"), Some("168.63.129.17")),
        ("169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0")),
        ("169.254.169.254", "169.254.170.2", None, None),
        ("172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0")),
        ("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0")),
        ("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0")),
        ("192.88.99.0", "192.88.99.255", Some("192.88.98.255"), Some("192.88.100.0")),
        ("192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0")),
        ("198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0")),
        ("198.51.100.0", "198.51.100.255", Some("198.51.99.255"), Some("198.51.101.0")),
        ("203.0.113.0", "203.0.113.255", Some("203.0.112.255"), Some("203.0.114.0")),
        ("224.0.0.0", "239.255.255.255", Some("223.255.255.255"), None),
        ("240.0.0.0", "255.255.255.254", None, None),
        ("255.255.255.255", "255.255.255.255", None, None),
    ];

    const ROWS_V6: [(&str, &str, Option<&str>, Option<&str>); 19] = [
        ("::", "::", None, None),
        ("::1", "::1", None, None),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", None, None),
        ("100::", "100::ffff:ffff:ffff:ffff", None, None),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Some("2000:ffff::1"), Some("2001:1::")),
        (
            "2001:2::",
            "2001:2:0:ffff:ffff:ffff:ffff:ffff",
            Some("2001:1:ffff::"),
            Some("2001:2:1::"),
        ),
        ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", Some("2001:f:ffff::"), None),
        ("2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", None, Some("2001:30::")),
        (
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            Some("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"),
            Some("2001:db9::"),
        ),
        (
            "2002:7f00::",
            "2002:7fff:ffff:ffff:ffff:ffff:ffff:ffff",
            Some("2002:7eff::"),
            Some("2002:8000::"),
        ),
        (
            "3fff::",
            "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
            Some("3ffe:ffff::1"),
            Some("3fff:1000::"),
        ),
        ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some("3fff:ffff::"), None),
        ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
        ("fd00:ec2::", "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
        ("::ffff:0:0:0", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, Some("2000::")),
    ];

    #[test]
    fn every_blocked_range_is_blocked_to_its_ends_and_its_public_neighbours_are_not() {
        for (first, last, before, after) in ROWS_V4.into_iter().chain(ROWS_V6) {
            assert!(!is_public(first) && !is_public(last), "{first} {last}");
            for neighbour in before.into_iter().chain(after) {
                assert!(is_public(neighbour), "{neighbour}");
            }
        }
    }

    #[test]
    fn inner_networks_are_private_and_all_else_that_is_blocked_is_special() {
        for private in ["10.0.0.1", "172.16.0.1", "192.168.255.255", "fc00::1", "fd12::1"] {
            assert_eq!(kind_of(private), Kind::Private, "{private}");
        }
        for special in ["127.0.0.1", "169.254.0.1", "100.64.0.1", "::1", "fe80::1", "ff02::1"] {
            assert_eq!(kind_of(special), Kind::Special, "{special}");
        }
    }

    #[test]
    fn the_metadata_services_of_clouds_are_special_also_in_private_ranges() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            assert_eq!(kind_of(address), Kind::Special, "{address}");
        }
    }

    #[test]
    fn an_ipv6_address_is_of_the_kind_of_the_ipv4_address_in_it() {
        for form in ["::ffff:{}", "::{}", "64:ff9b::{}"] {
            for inner in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "8.8.8.8"] {
                assert_eq!(kind_of(&form.replace("{}", inner)), kind_of(inner), "{form} {inner}");
            }
        }
        for (address, inner) in [
            ("2002:7f00:1::", "127.0.0.1"),
            ("2002:a00:1::1", "10.0.0.1"),
            ("2002:808:808::1", "8.8.8.8"),
        ] {
            assert_eq!(kind_of(address), kind_of(inner), "{address}");
        }
    }

    #[test]
    fn the_whole_of_teredo_and_of_local_nat64_is_blocked_whatever_is_in_it() {
        // Both with 8.8.8.8 inside, which would be public.
        for address in ["2001:0:808:808:0:0:f7f7:f7f7", "64:ff9b:1::808:808"] {
            assert_eq!(kind_of(address), Kind::Special, "{address}");
        }
    }

    #[test]
    fn addresses_that_are_in_use_are_public() {
        for address in ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450::1", "2c0f::1"] {
            assert!(is_public(address), "{address}");
        }
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_of_the_kind_of_the_address(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(kind(address.to_ipv6_mapped().into()), kind(address.into()));
        }
    }
}
