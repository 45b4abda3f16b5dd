//! From which address a request comes: its connection's, or the one that the operator's own proxy
//! in front of this server says.
//!
//! ```text
//!   X-Forwarded-For: 6.6.6.6, 9.9.9.9, 10.0.0.7      connection from 10.0.0.8
//!                    └─ said by  └─ the  └─ trusted ◀── trusted ◀┘
//!                       anybody     client
//! ```
//!
//! Each proxy writes whom it heard from behind what it was given. So the list is read from its end,
//! and the first address that is no trusted proxy's is the client's: what stands before it is only
//! what the client said.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use providers::outbound::Network;

/// Whom each proxy heard from.
const FORWARDED: &str = "x-forwarded-for";

/// The other end of the connection that a request came over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Whoever sent a request, as far as can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl ClientAddress {
    /// Reads it; the header counts for nothing unless a trusted proxy has sent it.
    pub(crate) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let lines = headers.get_all(FORWARDED).iter().rev();
        // By its bytes: the client's own part may be no text at all.
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut client = peer.to_canonical();
        for entry in entries {
            if !trusted.iter().any(|network| network.has(client)) {
                break;
            }
            // What is no address was written by no proxy of the operator's.
            let Some(address) = address(entry.trim_ascii()) else { break };
            client = address;
        }
        Self(client)
    }
}

/// An address, as proxies write it: some with the port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = str::from_utf8(entry).ok()?;
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    let plain = bare.parse::<IpAddr>().ok();
    let address = plain.or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is the client of a connection from `peer` with these header lines.
    fn check(trusted: &[&str], peer: &str, lines: &[&str], expected: &str) {
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, line.parse().unwrap());
        }
        let client = ClientAddress::of(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(client.0, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
    }

    #[test]
    fn the_right_most_address_that_is_no_trusted_proxy_is_the_client() {
        let proxies = &["10.0.0.0/8", "fd00::/8"][..];
        for (trusted, peer, lines, expected) in [
            // Nobody is trusted: the connection alone counts, whatever is said.
            (&[][..], "9.9.9.9", &[][..], "9.9.9.9"),
            (&[], "9.9.9.9", &["1.1.1.1"], "9.9.9.9"),
            (&[], "10.0.0.1", &["1.1.1.1"], "10.0.0.1"),
            // Somebody came around the proxy, and says what they like.
            (proxies, "9.9.9.9", &["10.0.0.1, 1.1.1.1"], "9.9.9.9"),
            (proxies, "10.0.0.1", &["1.1.1.1"], "1.1.1.1"),
            // What the client itself said stands before it.
            (proxies, "10.0.0.1", &["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
            (proxies, "10.0.0.1", &["10.0.0.9, 1.1.1.1"], "1.1.1.1"),
            (proxies, "10.0.0.1", &["nonsense, 1.1.1.1"], "1.1.1.1"),
            // Two proxies, in one line or two.
            (proxies, "10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
            (proxies, "10.0.0.1", &["6.6.6.6, 1.1.1.1", "10.0.0.2"], "1.1.1.1"),
            (proxies, "fd00::1", &["2001:db8::7"], "2001:db8::7"),
            // Spellings.
            (proxies, "::ffff:10.0.0.1", &["::ffff:1.1.1.1"], "1.1.1.1"),
            (proxies, "10.0.0.1", &["1.1.1.1:5353"], "1.1.1.1"),
            (proxies, "10.0.0.1", &["[2001:db8::7]:5353"], "2001:db8::7"),
            (proxies, "10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            (proxies, "10.0.0.1", &["  1.1.1.1 "], "1.1.1.1"),
            // The proxy says nothing, or nothing that is an address: it is the one to count.
            (proxies, "10.0.0.1", &[], "10.0.0.1"),
            (proxies, "10.0.0.1", &["unknown"], "10.0.0.1"),
            (proxies, "10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1"),
            (proxies, "10.0.0.1", &[""], "10.0.0.1"),
            // From inside: the farthest that can be known.
            (proxies, "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            check(trusted, peer, lines, expected);
        }
    }

    #[test]
    fn whatever_a_client_says_it_stays_the_address_its_proxy_saw() {
        for said in
            ["", ",", ",,", "10.0.0.9", "::", "[", "]:1", "1.1.1.1:99999", "\u{e4}", ";for=x"]
        {
            check(&["10.0.0.0/8"], "10.0.0.1", &[&format!("{said}, 1.1.1.1")], "1.1.1.1");
        }
    }
}
