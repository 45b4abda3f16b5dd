//! Where an `https` URL leads.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use rustls_pki_types::ServerName;

use crate::upload::shown;

/// The longest URL taken from somebody else. Browsers' push endpoints have some 250 characters.
pub(crate) const LONGEST_URL: usize = 2048;

/// Scheme, host and port of an `https` URL (RFC 6454, section 4): what connections belong to, what
/// a VAPID token is good for, and what a circuit should be kept for where users choose the push
/// service. Shown as `https://host`, with the port if it is not 443.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// `host[:port]` in lower case, without the default port.
    authority: Authority,
    /// The host as a certificate names it.
    server_name: ServerName<'static>,
}

impl Origin {
    /// Where a URL leads.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words that do not repeat it.
    pub fn of_url(url: &str) -> Result<Self, String> {
        Self::split(url).map(|(origin, _)| origin)
    }

    /// The host in lower case, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(443)
    }

    /// `host[:port]` as it goes into `:authority`.
    pub(crate) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The name the certificate must have.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.server_name.clone()
    }

    /// Splits an `https` URL into where it leads and what to ask for there.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words that do not repeat it: the path of a push endpoint or a
    /// webhook is a secret.
    pub(crate) fn split(url: &str) -> Result<(Self, PathAndQuery), String> {
        if url.len() > LONGEST_URL {
            return Err(format!("{} bytes, at most {LONGEST_URL} are taken", url.len()));
        }
        let uri: Uri = url.parse().map_err(|_| "not a URL".to_owned())?;
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return Err("not an https URL".to_owned());
        }
        let authority = uri.authority().ok_or_else(|| "there is no host in it".to_owned())?;
        if authority.as_str().contains('@') {
            return Err("there is a user name in it".to_owned());
        }
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        // A query right behind the host is one of the path `/` (RFC 9113, section 8.3.1), which
        // the parser leaves out.
        let path = if path.starts_with('/') { path.parse() } else { format!("/{path}").parse() };
        let path = path.map_err(|_| "not a URL".to_owned())?;
        Ok((Self::of(authority)?, path))
    }

    /// Brings host and port into their one form.
    fn of(given: &Authority) -> Result<Self, String> {
        let host = given.host().to_ascii_lowercase();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            // An address has many spellings and one origin.
            Some(address) => match address.parse::<Ipv6Addr>() {
                Ok(address) => format!("[{address}]"),
                Err(_) => return Err(format!("{} is not an IPv6 address", shown(&host))),
            },
            None => host,
        };
        if host.ends_with('.') {
            return Err(format!("the host {} ends in a dot", shown(&host)));
        }
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let server_name = match name.parse::<IpAddr>() {
            Ok(address) => ServerName::IpAddress(address.into()),
            Err(_) => ServerName::try_from(name)
                .map_err(|error| format!("the host {} is no host name: {error}", shown(&host)))?,
        };
        // `Authority::port` takes a number that is too large for none at all.
        let rest = given.as_str().strip_prefix(given.host()).unwrap_or_default();
        let text = match rest.strip_prefix(':') {
            None | Some("" | "443") => host,
            Some(port) => match port.parse::<u16>() {
                Ok(0) | Err(_) => return Err(format!("{} is no port", shown(port))),
                Ok(443) => host,
                Ok(port) => format!("{host}:{port}"),
            },
        };
        let authority = text.parse().map_err(|_| "there is no host in it".to_owned())?;
        Ok(Self { authority, server_name })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_split_into_origin_and_path() {
        let check = |url: &str, shown: &str, host: &str, port: u16, path: &str| {
            let (origin, rest) = Origin::split(url).expect(url);
            assert_eq!((origin.to_string().as_str(), origin.host()), (shown, host), "{url}");
            assert_eq!((origin.port(), rest.as_str()), (port, path), "{url}");
        };
        check("https://a.example/x?y=z", "https://a.example", "a.example", 443, "/x?y=z");
        check("https://A.Example:443/x", "https://a.example", "a.example", 443, "/x");
        check("https://a.example:/x", "https://a.example", "a.example", 443, "/x");
        check("https://a.example:08443", "https://a.example:8443", "a.example", 8443, "/");
        check("https://a.example/x#part", "https://a.example", "a.example", 443, "/x");
        check("https://a.example?token=x", "https://a.example", "a.example", 443, "/?token=x");
        check("https://a.example#part", "https://a.example", "a.example", 443, "/");
        check("https://[0:0::1]:444/", "https://[::1]:444", "::1", 444, "/");
        check("https://127.0.0.1/", "https://127.0.0.1", "127.0.0.1", 443, "/");
        check("HTTPS://a_b.example/", "https://a_b.example", "a_b.example", 443, "/");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_path() {
        for bad in [
            "",
            "secret",
            "/secret",
            "http://a.example/secret",
            "https:///secret",
            "https://user@a.example/secret",
            "https://user:pass@a.example/secret",
            "https://a.example./secret",
            "https://a..example/secret",
            "https://[::g]/secret",
            "https://a b/secret",
            "https://a.example:0/secret",
            "https://a.example:99999/secret",
            "https://a.example:x/secret",
            "https://ä.example/secret",
            &format!("https://a.example/secret{}", "x".repeat(LONGEST_URL)),
            &format!("https://[{}]/secret", "1".repeat(1_000)),
            &format!("https://{}/secret", "a".repeat(1_000)),
            &format!("https://a.example:{}/secret", "1".repeat(1_000)),
        ] {
            let problem = Origin::split(bad).expect_err(bad);
            assert!(!problem.contains("secret") && problem.len() < 200, "{problem}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*") {
            let _ = Origin::split(&text);
            let _ = Origin::split(&format!("https://{text}"));
        }
    }
}
