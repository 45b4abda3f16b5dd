//! Keeps requests to URLs of others' choosing out of the operator's own network.
//!
//! Tenants and users choose URLs that this server calls: a webhook, a key set, a browser's push
//! endpoint. Without a guard each of them could make the server knock on what only it can reach
//! (server-side request forgery). So the name is resolved once, every address that is not public
//! is struck out, and the connection goes to one of those left, not to whatever the name resolves
//! to a moment later.
//!
//! Any port is allowed: the guard is about hosts, receivers of webhooks listen where they like,
//! and what answers on a public host's other ports is anybody's to ask.
//!
//! Behind a proxy the name is the proxy's to resolve. Then only what can be seen in the URL is
//! checked here, and the proxy must keep requests out of its own network.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::address::{Network, inside};
use super::failure::Failure;
use crate::error::Error;

/// Which hosts a request to a URL of somebody else's choosing may reach: public ones, and the
/// exceptions that the operator made. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Guard(Arc<[Exception]>);

/// What may be reached though it is not public.
#[derive(Clone, PartialEq, Eq)]
enum Exception {
    /// A name on one port, wherever it leads.
    Name {
        /// The name, in lower case.
        host: String,
        /// The port.
        port: u16,
    },
    /// A network, on any port.
    Network(Network),
    /// An address on one port.
    Socket(SocketAddr),
}

impl Guard {
    /// Public hosts and these exceptions: networks (`10.1.0.0/16`), addresses (`192.168.1.7`), or
    /// one port of a host (`push.internal:8443`).
    ///
    /// # Errors
    ///
    /// [`Error::Config`] naming `outbound.allow_private` and the entry that is none of these.
    pub fn allowing<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let read = |entry: &'a str| {
            Exception::parse(entry.trim()).ok_or_else(|| Error::Config {
                setting: "outbound.allow_private",
                problem: format!("{entry:?} is neither a network nor a host with a port"),
                remedy: "give networks as 10.1.0.0/16 and hosts as push.internal:8443",
            })
        };
        Ok(Self(entries.into_iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Of the addresses a name resolved to, those that may be connected to.
    ///
    /// # Errors
    ///
    /// [`Failure::Blocked`] if there are addresses and none may be.
    pub(super) fn reachable(
        &self,
        host: &str,
        addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let Some(first) = addresses.first().copied() else { return Ok(addresses) };
        let may = |address: &SocketAddr| self.allows(host, *address);
        let left: Vec<_> = addresses.into_iter().filter(may).collect();
        if left.is_empty() {
            let what = inside(first.ip()).unwrap_or("not a public");
            return Err(Failure::Blocked(
                format!("{host} is at {}, {what} address", first.ip()).into(),
            ));
        }
        Ok(left)
    }

    /// Checks a host that the proxy will resolve, by what can be seen of it: an address, a name
    /// that always means this machine, or digits that a resolver takes for an address.
    ///
    /// # Errors
    ///
    /// [`Failure::Blocked`] if it is not public.
    pub(crate) fn check_unresolved(&self, host: &str, port: u16) -> Result<(), Failure> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.reachable(host, vec![SocketAddr::new(address, port)]).map(drop);
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let last = name.rsplit('.').next().unwrap_or_default();
        // RFC 6761, section 6.3; and the rule by which browsers know an address
        // (https://url.spec.whatwg.org/#ends-in-a-number-checker): 127.1, 0x7f.1, 2130706433.
        let local = last == "localhost";
        let number = last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit());
        if (!local && !number) || self.allows_name(&name, port) {
            return Ok(());
        }
        let what = if local { "this machine" } else { "an address in disguise" };
        Err(Failure::Blocked(format!("{host} is {what}").into()))
    }

    /// Whether the host, at this address, may be reached.
    fn allows(&self, host: &str, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        inside(ip).is_none()
            || self.allows_name(&host.to_ascii_lowercase(), address.port())
            || self.0.iter().any(|exception| match exception {
                Exception::Network(network) => network.has(ip),
                Exception::Socket(socket) => *socket == SocketAddr::new(ip, address.port()),
                Exception::Name { .. } => false,
            })
    }

    /// Whether the operator has named this host and port.
    fn allows_name(&self, name: &str, port: u16) -> bool {
        self.0.iter().any(|exception| match exception {
            Exception::Name { host, port: own } => host == name && *own == port,
            Exception::Network(_) | Exception::Socket(_) => false,
        })
    }
}

impl Exception {
    /// Reads an entry of the list.
    fn parse(entry: &str) -> Option<Self> {
        if let Ok(network) = entry.parse() {
            return Some(Self::Network(network));
        }
        if let Ok(socket) = entry.parse::<SocketAddr>() {
            return Some(Self::Socket(SocketAddr::new(socket.ip().to_canonical(), socket.port())));
        }
        let (host, port) = entry.rsplit_once(':')?;
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if host.is_empty() || !host.bytes().all(good) {
            return None;
        }
        Some(Self::Name { host: host.to_ascii_lowercase(), port: port.parse().ok()? })
    }
}

impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Socket(socket) => socket.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guard(entries: &[&str]) -> Guard {
        Guard::allowing(entries.iter().copied()).expect("good entries")
    }

    /// Which of these addresses may be connected to.
    fn check(entries: &[&str], host: &str, addresses: &[&str], expected: Result<&[&str], &str>) {
        let read = |text: &&str| text.parse::<SocketAddr>().expect("a socket address");
        let addresses = addresses.iter().map(read).collect();
        match (guard(entries).reachable(host, addresses), expected) {
            (Ok(left), Ok(expected)) => {
                assert_eq!(left, expected.iter().map(read).collect::<Vec<_>>());
            }
            (Err(failure), Err(expected)) => {
                assert!(matches!(failure, Failure::Blocked(_)), "{failure:?}");
                assert!(failure.to_string().contains(expected), "{failure}");
            }
            (is, expected) => panic!("{is:?} should be {expected:?}"),
        }
    }

    #[test]
    fn only_public_addresses_are_left() {
        check(&[], "a.example", &["8.8.8.8:443"], Ok(&["8.8.8.8:443"]));
        let mixed = ["10.0.0.1:443", "8.8.8.8:443", "[::1]:443", "[2a00::1]:443"];
        check(&[], "a.example", &mixed, Ok(&["8.8.8.8:443", "[2a00::1]:443"]));
        let loopback = Err("a.example is at 127.0.0.1, a loopback address");
        check(&[], "a.example", &["127.0.0.1:443", "10.0.0.1:443"], loopback);
        check(&[], "a.example", &["[::ffff:169.254.169.254]:443"], Err("a link-local address"));
        check(&[], "a.example", &[], Ok(&[]));
    }

    #[test]
    fn exceptions_are_as_narrow_as_they_are_written() {
        let allow = ["10.1.0.0/16", "192.168.1.7:8443", "Push.Internal:443", "[::1]:9443"];
        check(&allow, "a.example", &["10.1.2.3:443"], Ok(&["10.1.2.3:443"]));
        check(&allow, "a.example", &["10.2.2.3:443"], Err("a private"));
        check(&allow, "a.example", &["192.168.1.7:8443"], Ok(&["192.168.1.7:8443"]));
        check(&allow, "a.example", &["192.168.1.7:443"], Err("a private"));
        check(&allow, "push.internal", &["127.0.0.1:443"], Ok(&["127.0.0.1:443"]));
        check(&allow, "push.internal", &["127.0.0.1:444"], Err("a loopback"));
        check(&allow, "other.internal", &["127.0.0.1:443"], Err("a loopback"));
        check(&allow, "::1", &["[::1]:9443"], Ok(&["[::1]:9443"]));
        check(&allow, "::1", &["[::1]:443"], Err("a loopback"));
        check(&["0.0.0.0/0"], "a.example", &["127.0.0.1:1"], Ok(&["127.0.0.1:1"]));
    }

    #[test]
    fn an_entry_that_is_neither_is_named() {
        for bad in ["", "push.internal", "10.0.0.0/40", "a b:1", "host:port", "host:99999", ":1"] {
            let error = Guard::allowing([bad]).expect_err("a bad entry").to_string();
            assert!(error.starts_with("outbound.allow_private: "), "{error}");
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn behind_a_proxy_what_is_plain_to_see_is_refused() {
        let check = |entries: &[&str], host, port, expected: bool| {
            let result = guard(entries).check_unresolved(host, port);
            assert_eq!(result.is_ok(), expected, "{host}: {result:?}");
        };
        for host in ["hooks.example.com", "8.8.8.8", "2a00::1", "1.example", "localhost.example"] {
            check(&[], host, 443, true);
        }
        for host in [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0177.0.0.01",
        ] {
            check(&[], host, 443, false);
        }
        check(&["localhost:8443"], "localhost", 8443, true);
        check(&["localhost:8443"], "localhost", 443, false);
        check(&["127.0.0.0/8"], "127.0.0.1", 443, true);
    }

    proptest! {
        #[test]
        fn reading_entries_and_hosts_never_panics(text in ".*", port: u16) {
            let _ = Guard::allowing([text.as_str()]);
            let _ = Guard::default().check_unresolved(&text, port);
        }
    }
}
