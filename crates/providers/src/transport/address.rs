//! Which IP addresses belong to the public internet, and which to somebody's inside.
//!
//! From IANA's registries of special-purpose addresses,
//! <https://www.iana.org/assignments/iana-ipv4-special-registry> and
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>, read 2026-11-23, stricter than
//! they are where nobody serves HTTPS anyway.
//!
//! A NAT64 prefix of a network's own choosing (RFC 6052, section 2.2) cannot be told from any
//! other prefix; only the well-known ones are.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Whether the address is one that anybody on the internet may be sent to.
///
/// Loopback, private, link-local, multicast, unspecified, documentation, benchmark and reserved
/// addresses are not, nor is any IPv6 address that stands for such an IPv4 address: mapped
/// (`::ffff:0:0/96`), NAT64 (`64:ff9b::/96`) or 6to4 (`2002::/16`).
pub fn address_is_public(address: IpAddr) -> bool {
    inside(address).is_none()
}

/// What an address is, if it is not a public one: "a private", "a loopback", to be followed by
/// "address".
pub(super) fn inside(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => inside_v4(address),
        IpAddr::V6(address) => inside_v6(address),
    }
}

/// IPv4 networks that are not public, each with what its addresses are.
const INSIDE_V4: &[(Ipv4Addr, u8, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "an unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a carrier's private"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "a loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "a link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "a protocol's own"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "a documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay's"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "a benchmark"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "a documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "a documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "a reserved"),
];

/// What an IPv4 address is, if not public.
fn inside_v4(address: Ipv4Addr) -> Option<&'static str> {
    INSIDE_V4
        .iter()
        .find(|(network, length, _)| {
            Network::new(IpAddr::V4(*network), *length).has(address.into())
        })
        .map(|(.., what)| *what)
}

/// IPv6 networks inside `2000::/3` that are not public. Outside of it nothing is.
const INSIDE_V6: &[(Ipv6Addr, u8, &str)] = &[
    // Teredo, ORCHID, benchmarks, protocols' own.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "a protocol's own"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "a documentation"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "a documentation"),
];

/// What an IPv6 address is, if not public. Forms that carry an IPv4 address are what that one is.
fn inside_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    match [a, b, c, d, e, f] {
        // Mapped: what the system makes of it is a connection to the IPv4 address.
        [0, 0, 0, 0, 0, 0xffff] => return inside_v4(v4(g, h)),
        // NAT64 by its well-known prefix (RFC 6052, section 2.1).
        [0x64, 0xff9b, 0, 0, 0, 0] => return inside_v4(v4(g, h)),
        // 6to4 (RFC 3056, section 2).
        [0x2002, high, low, ..] => return inside_v4(v4(high, low)),
        _ => {}
    }
    match address {
        Ipv6Addr::UNSPECIFIED => Some("an unspecified"),
        Ipv6Addr::LOCALHOST => Some("a loopback"),
        _ if address.is_multicast() => Some("a multicast"),
        _ if address.is_unique_local() => Some("a private"),
        _ if address.is_unicast_link_local() => Some("a link-local"),
        _ if a & 0xe000 != 0x2000 => Some("a reserved"),
        _ => INSIDE_V6
            .iter()
            .find(|(network, length, _)| {
                Network::new(IpAddr::V6(*network), *length).has(address.into())
            })
            .map(|(.., what)| *what),
    }
}

/// The IPv4 address in two groups of an IPv6 address.
fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// A network: `10.1.0.0/16`, `fd00::/8`, or one address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Any address in it.
    address: IpAddr,
    /// How many leading bits its addresses share; at most the address's bits.
    length: u8,
}

impl Network {
    /// The addresses that share `length` leading bits with this one.
    pub(super) fn new(address: IpAddr, length: u8) -> Self {
        Self { address, length: length.min(bits(address)) }
    }

    /// The address alone.
    pub(super) fn of(address: IpAddr) -> Self {
        Self::new(address, bits(address))
    }

    /// Whether the address is in it. A mapped address (`::ffff:…`) counts as the IPv4 address it
    /// leads to.
    pub fn has(self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.length)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.length)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = ();

    /// Reads `address/length` or an address alone.
    fn from_str(text: &str) -> Result<Self, ()> {
        let Some((address, length)) = text.split_once('/') else {
            return Ok(Self::of(text.parse::<IpAddr>().map_err(drop)?.to_canonical()));
        };
        let address: IpAddr = address.parse().map_err(drop)?;
        let length: u8 = length.parse().map_err(drop)?;
        // `::ffff:10.0.0.0/104` says `10.0.0.0/8` in a way nobody means to.
        if length > bits(address) || address != address.to_canonical() {
            return Err(());
        }
        Ok(Self { address, length })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// How many bits an address has.
const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests;
