//! Lists of host names, as operators write them.

use std::fmt;
use std::net::Ipv6Addr;

use crate::error::Error;

/// Hosts that Web Push endpoints may be at: names, all names below one (`*.example.org`), or any
/// (`*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(Vec<Pattern>);

/// One entry of a list.
#[derive(Clone, PartialEq, Eq)]
enum Pattern {
    /// Any host.
    Any,
    /// Every host below this name, at any depth, and not the name itself.
    Below(String),
    /// This host.
    Host(String),
}

impl Hosts {
    /// The push services of the browsers: Google's, Mozilla's, Apple's and Microsoft's.
    ///
    /// Apple names its hosts in "Sending web push notifications in web apps and browsers",
    /// <https://developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers>;
    /// the others' are the hosts that their browsers give out.
    pub fn push_services() -> Self {
        let host = |name: &str| Pattern::Host(name.to_owned());
        let below = |name: &str| Pattern::Below(name.to_owned());
        Self(vec![
            host("fcm.googleapis.com"),
            host("updates.push.services.mozilla.com"),
            below("push.apple.com"),
            below("notify.windows.com"),
        ])
    }

    /// These and more: `push.example.org`, `*.example.org`, or `*` for any host.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] naming `webpush.allowed_hosts` and the entry that is none of these.
    pub fn and<'a>(mut self, entries: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        for entry in entries {
            self.0.push(Pattern::parse(entry.trim()).ok_or_else(|| Error::Config {
                setting: "webpush.allowed_hosts",
                problem: format!("{entry:?} is not a host name"),
                remedy: "give names as push.example.org or *.example.org, or * for any host",
            })?);
        }
        Ok(self)
    }

    /// Whether the host, in lower case, is in the list.
    pub fn has(&self, host: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Any => true,
            Pattern::Below(name) => is_below(host, name),
            Pattern::Host(name) => host == name,
        })
    }
}

/// Whether the host is below the name in the tree of names.
pub(super) fn is_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name).and_then(|rest| rest.strip_suffix('.')).is_some_and(|s| !s.is_empty())
}

/// Whether a text can be a host: a name or an address, without port, path or brackets.
pub(super) fn is_host(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let name = (1..=253).contains(&text.len()) && text.bytes().all(good) && !text.starts_with('.');
    name || text.parse::<Ipv6Addr>().is_ok()
}

impl Pattern {
    /// Reads an entry.
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return Some(Self::Any);
        }
        match entry.strip_prefix("*.") {
            Some(name) => is_host(name).then(|| Self::Below(name.to_owned())),
            None => is_host(&entry).then_some(Self::Host(entry)),
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Host(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_hold_what_they_say() {
        let hosts = |entries: &[&str]| {
            Hosts::push_services().and(entries.iter().copied()).expect("good entries")
        };
        let check = |entries: &[&str], host, expected| {
            assert_eq!(hosts(entries).has(host), expected, "{host} in {entries:?}");
        };
        check(&[], "fcm.googleapis.com", true);
        check(&[], "updates.push.services.mozilla.com", true);
        check(&[], "web.push.apple.com", true);
        check(&[], "wns2-am3p.notify.windows.com", true);
        check(&[], "push.apple.com", false);
        check(&[], "evilpush.apple.com", false);
        check(&[], "web.push.apple.com.example.org", false);
        check(&[], "fcm.googleapis.com.example.org", false);
        check(&[], "x.fcm.googleapis.com", false);
        check(&[], "push.example.org", false);
        check(&["push.example.org"], "push.example.org", true);
        check(&["Push.Example.org"], "push.example.org", true);
        check(&["push.example.org"], "a.push.example.org", false);
        check(&["*.example.org"], "a.b.example.org", true);
        check(&["*.example.org"], "example.org", false);
        check(&["*.example.org"], "badexample.org", false);
        check(&["*"], "anything", true);
        check(&["::1"], "::1", true);
    }

    #[test]
    fn an_entry_that_is_no_host_is_named() {
        for bad in [
            "",
            "https://push.example.org",
            "a b",
            "*.",
            "**",
            "a/b",
            ".example.org",
            "a.example:443",
        ] {
            let error = Hosts::push_services().and([bad]).expect_err("a bad entry").to_string();
            assert!(error.starts_with("webpush.allowed_hosts: "), "{error}");
        }
    }
}
