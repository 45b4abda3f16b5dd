use proptest::prelude::*;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().expect("test addresses are addresses")
}

/// The first and the last address of every network that is not public, and the public neighbours
/// on both sides.
#[test]
fn what_is_inside_is_not_public() {
    let rows = [
        ("0.0.0.0", "an unspecified"),
        ("0.255.255.255", "an unspecified"),
        ("10.0.0.0", "a private"),
        ("10.255.255.255", "a private"),
        ("100.64.0.0", "a carrier's private"),
        ("100.127.255.255", "a carrier's private"),
        ("127.0.0.1", "a loopback"),
        ("127.255.255.255", "a loopback"),
        ("169.254.0.0", "a link-local"),
        ("169.254.169.254", "a link-local"),
        ("169.254.255.255", "a link-local"),
        ("172.16.0.0", "a private"),
        ("172.31.255.255", "a private"),
        ("192.0.0.0", "a protocol's own"),
        ("192.0.0.255", "a protocol's own"),
        ("192.0.2.0", "a documentation"),
        ("192.0.2.255", "a documentation"),
        ("192.88.99.1", "a 6to4 relay's"),
        ("192.168.0.0", "a private"),
        ("192.168.255.255", "a private"),
        ("198.18.0.0", "a benchmark"),
        ("198.19.255.255", "a benchmark"),
        ("198.51.100.7", "a documentation"),
        ("203.0.113.7", "a documentation"),
        ("224.0.0.0", "a multicast"),
        ("239.255.255.255", "a multicast"),
        ("240.0.0.0", "a reserved"),
        ("255.255.255.255", "a reserved"),
        ("::", "an unspecified"),
        ("::1", "a loopback"),
        ("::2", "a reserved"),
        // IPv4-compatible (RFC 4291, section 2.5.5.1), long gone.
        ("::127.0.0.1", "a reserved"),
        ("::8.8.8.8", "a reserved"),
        ("::ffff:127.0.0.1", "a loopback"),
        ("::ffff:10.1.2.3", "a private"),
        ("::ffff:169.254.169.254", "a link-local"),
        ("::ffff:0.0.0.0", "an unspecified"),
        ("64:ff9b::10.0.0.1", "a private"),
        ("64:ff9b::7f00:1", "a loopback"),
        ("64:ff9b:1::8.8.8.8", "a reserved"),
        ("100::1", "a reserved"),
        ("2001::1", "a protocol's own"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "a protocol's own"),
        ("2001:10::1", "a protocol's own"),
        ("2001:1ff:ffff::1", "a protocol's own"),
        ("2001:db8::1", "a documentation"),
        ("2002:7f00:1::1", "a loopback"),
        ("2002:a00:1::", "a private"),
        ("2002:c0a8:1::1", "a private"),
        ("3fff::1", "a documentation"),
        ("3fff:fff::1", "a documentation"),
        ("4000::1", "a reserved"),
        ("5f00::1", "a reserved"),
        ("fc00::1", "a private"),
        ("fdff:ffff::1", "a private"),
        ("fe80::1", "a link-local"),
        ("febf::1", "a link-local"),
        ("fec0::1", "a reserved"),
        ("ff02::1", "a multicast"),
        ("ff0e::1", "a multicast"),
    ];
    for (text, what) in rows {
        assert_eq!(inside(address(text)), Some(what), "{text}");
        assert!(!address_is_public(address(text)), "{text}");
    }
}

#[test]
fn neighbours_of_the_inside_are_public() {
    let rows = [
        "1.0.0.0",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "17.188.166.1",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
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
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7:ffff::1",
        "2001:db9::1",
        "2002:808:808::1",
        "2620:149:af0::10",
        "2a00:1450:4001::1",
        "3ffe:ffff::1",
        "3fff:1000::1",
    ];
    for text in rows {
        assert_eq!(inside(address(text)), None, "{text}");
        assert!(address_is_public(address(text)), "{text}");
    }
}

#[test]
fn networks_hold_their_addresses() {
    let check = |network: &str, text: &str, expected| {
        let network: Network = network.parse().expect("a network");
        assert_eq!(network.has(address(text)), expected, "{text} in {network:?}");
    };
    check("10.1.0.0/16", "10.1.255.255", true);
    check("10.1.0.0/16", "10.2.0.0", false);
    check("10.1.2.3/16", "10.1.0.0", true);
    check("10.1.0.0/16", "::ffff:10.1.2.3", true);
    check("192.168.1.7", "192.168.1.7", true);
    check("192.168.1.7", "192.168.1.8", false);
    check("::ffff:192.168.1.7", "192.168.1.7", true);
    check("0.0.0.0/0", "255.1.2.3", true);
    check("0.0.0.0/0", "fd00::1", false);
    check("::/0", "fd00::1", true);
    check("::/0", "1.2.3.4", false);
    check("fd00::/8", "fdff::1", true);
    check("fd00::/8", "fe00::1", false);
    check("::1/128", "::1", true);
    check("::1/128", "::2", false);
    for bad in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "::ffff:10.0.0.0/104"]
    {
        assert!(bad.parse::<Network>().is_err(), "{bad}");
    }
}

proptest! {
    /// An address in another's clothes is never more public than that one.
    #[test]
    fn an_embedded_address_is_judged_as_itself(bits: u32, tail: u64) {
        let inner = Ipv4Addr::from_bits(bits);
        let public = address_is_public(inner.into());
        let [high, low] = [(bits >> 16) as u16, bits as u16];
        let [a, b, c, d] = std::array::from_fn(|n| (tail >> (16 * n)) as u16);
        for outer in [
            inner.to_ipv6_mapped(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, a, b, c, d),
        ] {
            prop_assert_eq!(address_is_public(outer.into()), public, "{}", outer);
        }
    }

    #[test]
    fn nothing_outside_global_unicast_is_public(bits: u128) {
        let address = Ipv6Addr::from_bits(bits);
        let embeds = address.to_ipv4_mapped().is_some() || bits >> 32 == 0x64_ff9b << 64;
        prop_assert!(bits >> 125 == 1 || embeds || !address_is_public(address.into()));
    }

    #[test]
    fn reading_a_network_never_panics(text in ".*") {
        if let Ok(network) = text.parse::<Network>() {
            let _ = (network.has(IpAddr::from([1, 2, 3, 4])), format!("{network:?}"));
        }
    }
}
