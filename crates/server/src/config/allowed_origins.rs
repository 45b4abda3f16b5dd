//! The origins whose pages may be clients of this server.

use std::str::FromStr;

use http::Uri;

/// Origins of pages, as browsers name them in the header `Origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Pages of any.
    Any,
    /// Pages of these; none: nobody has said.
    Listed(Vec<String>),
}

impl Default for AllowedOrigins {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl AllowedOrigins {
    /// Whether nobody has said which.
    pub fn are_unset(&self) -> bool {
        matches!(self, Self::Listed(listed) if listed.is_empty())
    }

    /// Whether pages of an origin are among them.
    pub fn include(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.iter().any(|one| one == origin),
        }
    }
}

/// Commas between them. The error names the first that is none, and follows the option's name.
impl FromStr for AllowedOrigins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entries: Vec<&str> = text.split(',').map(str::trim).collect();
        for entry in entries.iter().filter(|entry| **entry != "*") {
            check(entry)?;
        }
        if entries.contains(&"*") {
            return Ok(Self::Any);
        }
        Ok(Self::Listed(entries.into_iter().map(str::to_owned).collect()))
    }
}

/// An entry is compared with what browsers send, letter by letter: one that no browser would ever
/// send is refused.
fn check(entry: &str) -> Result<(), String> {
    if entry.contains('@') {
        // Not shown: it may hold a password.
        return Err("has an origin with a user name or a password".to_owned());
    }
    let fault = |why: &str| Err(format!("has {entry:?}, {why}"));
    let Some((scheme, rest)) = entry.split_once("://") else {
        return fault("which does not begin with https:// or another scheme");
    };
    if entry.contains(char::is_whitespace) {
        return fault("with a space in it; commas go between origins");
    }
    if rest.contains(['/', '?', '#']) {
        return fault("with something behind the host; an origin ends there, without a slash");
    }
    if rest.contains('*') {
        return fault("with a star in the host; name each host");
    }
    if entry.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return fault("with capitals; browsers write it in small letters");
    }
    let Ok(uri) = entry.parse::<Uri>() else {
        return fault("which is no scheme and host; names beyond ASCII begin with xn--");
    };
    let host = uri.host().filter(|host| !host.is_empty());
    let Some(behind) = host.and_then(|host| rest.strip_prefix(host)) else {
        return fault("without a host");
    };
    let port = behind.strip_prefix(':').map(str::parse::<u16>);
    match (scheme, port) {
        (_, Some(Err(_))) => fault("with a port that is none"),
        ("https", Some(Ok(443))) | ("http", Some(Ok(80))) => {
            fault("with its scheme's own port, which browsers leave out")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        let listed: AllowedOrigins =
            "https://app.example.com, http://[::1]:8080,capacitor://localhost".parse().unwrap();
        for (origin, is_in) in [
            ("https://app.example.com", true),
            ("http://[::1]:8080", true),
            ("capacitor://localhost", true),
            ("http://app.example.com", false),
            ("https://app.example.com:8443", false),
            ("https://app.example.com.evil.example", false),
            ("https://evil.example/https://app.example.com", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(listed.include(origin), is_in, "{origin}");
            assert!("*".parse::<AllowedOrigins>().unwrap().include(origin), "{origin}");
            assert!(!AllowedOrigins::default().include(origin), "{origin}");
        }
        assert!(AllowedOrigins::default().are_unset());
        assert!(!AllowedOrigins::Any.are_unset() && !listed.are_unset());
    }

    #[test]
    fn what_no_browser_would_send_is_refused_by_name() {
        for (text, why) in [
            ("", "has \"\", which does not begin with https://"),
            ("https://a.example,", "has \"\", which does not begin"),
            ("app.example.com", "does not begin with https://"),
            ("null", "does not begin with https://"),
            ("https://a.example/", "ends there, without a slash"),
            ("https://a.example/chat", "something behind the host"),
            ("https://a.example?x", "something behind the host"),
            ("https://", "no scheme and host"),
            ("https://:8443", "has \"https://:8443\""),
            ("https://*.example.com", "a star in the host"),
            ("https://App.example.com", "small letters"),
            ("https://bücher.example", "xn--"),
            ("https://a.example:443", "leave out"),
            ("http://a.example:80", "leave out"),
            ("https://a.example:99999", "port that is none"),
            ("https://a.example:", "port that is none"),
            ("https://me:hidden@a.example", "a user name or a password"),
            ("https://a.example https://b.example", "commas go between"),
        ] {
            let refused = text.parse::<AllowedOrigins>().expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
            assert!(!refused.contains("hidden"), "{refused}");
        }
    }
}
