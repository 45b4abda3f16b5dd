//! Entry points for what stands between us and a push service: URLs, lists of hosts, authorities, a
//! proxy's answers, debug data, dates.

use domain::Time;
use http::HeaderMap;
use http::header::{HeaderValue, RETRY_AFTER};
use rustls::RootCertStore;

use super::goaway::debug_data_of;
use super::proxy::Proxy;
use super::{Guard, Hosts, proxy, roots};
use crate::error::Error;
use crate::fuzz::NOW;
use crate::origin::Origin;
use crate::retry_after::{http_date, retry_after};
use crate::upload::FileKind;

/// The longest text that says what is wrong with a file of authorities, in characters.
const LONGEST_ROOTS_ERROR: usize = 300;

/// What `h2` says of a GOAWAY.
pub(crate) fn goaway(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(debug_data_of(&text).is_none_or(|data| data.len() <= text.len()));
    let printed =
        format!("connection error received: x ({:?})", bytes::Bytes::copy_from_slice(bytes));
    assert_eq!(debug_data_of(&printed).as_deref(), Some(bytes));
}

/// A header `Retry-After`, and a date.
pub(crate) fn date(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = http_date(&text);
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers = HeaderMap::from_iter([(RETRY_AFTER, value)]);
    for now in [NOW, Time::EPOCH, Time::from_micros(i64::MAX), Time::from_micros(i64::MIN)] {
        let pause = retry_after(&headers, now);
        assert!(pause.is_none_or(|pause| !pause.is_zero() && pause.as_secs() <= 86_400));
    }
}

/// The URL of a proxy, and the exceptions from it.
pub(crate) fn proxy_of(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Proxy::parse(&text) {
        Ok(proxy) => {
            let shown = format!("{proxy} {proxy:?}");
            assert!(!shown.contains('@'), "no user and no password in {shown}");
            match proxy.except(text.split(',')) {
                Ok(proxy) => drop(proxy.serves(&text)),
                Err(error) => check_setting(&error, "outbound.no_proxy"),
            }
        }
        Err(error) => {
            check_setting(&error, "outbound.proxy_url");
            let secret = text.len() > 40 && error.to_string().contains(&*text);
            assert!(!secret, "the URL may hold a password: {error}");
        }
    }
}

/// A proxy's answer to CONNECT.
pub(crate) fn proxied(bytes: &[u8]) {
    use proxy::Answer;
    match Answer::of(bytes) {
        Answer::Whole(_) => {
            // However it is cut on its way, it is not taken for another one.
            let cut = bytes.get(..bytes.len() / 2).map(Answer::of);
            assert!(cut.is_some_and(|cut| cut == Answer::Incomplete || cut == Answer::of(bytes)));
        }
        Answer::Incomplete => {}
        Answer::Not(problem) => assert!(!problem.is_empty()),
    }
}

/// Lists of hosts that an operator writes.
pub(crate) fn hosts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let entries = || text.split(',');
    match Hosts::push_services().and(entries()) {
        // What was written out is in the list.
        Ok(hosts) => {
            for host in entries().map(str::trim).filter(|host| !host.contains('*')) {
                assert!(hosts.has(&host.to_ascii_lowercase()), "{host}");
            }
        }
        Err(error) => check_setting(&error, "webpush.allowed_hosts"),
    }
    match Guard::allowing(entries()) {
        Ok(guard) => drop(guard.check_unresolved(&text, 443)),
        Err(error) => check_setting(&error, "outbound.allow_private"),
    }
    drop(Guard::default().check_unresolved(&text, 443));
}

/// A URL of somebody else's choosing.
pub(crate) fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok((origin, path)) = Origin::split(&text) else { return };
    let again = format!("{origin}{path}");
    let (same, same_path) = Origin::split(&again).expect("what it comes to is one itself");
    assert_eq!((same, same_path), (origin.clone(), path), "{again}");
    assert_eq!(origin.host(), origin.host().to_ascii_lowercase());
}

/// Authorities beside the system's.
pub(crate) fn authorities(bytes: &[u8]) {
    let mut store = RootCertStore::empty();
    match roots::add(&mut store, bytes) {
        Ok(()) => assert!(!store.is_empty()),
        Err(error) => {
            check_setting(&error, "extra_roots_pem");
            let length = error.to_string().chars().count();
            assert!(length <= LONGEST_ROOTS_ERROR, "{length} characters: {error}");
        }
    }
}

/// An uploaded file, by its first look.
pub(crate) fn file(bytes: &[u8]) {
    assert!(!FileKind::of(bytes).name().is_empty());
}

/// An error of the configuration names its setting and what to give instead.
fn check_setting(error: &Error, expected: &str) {
    match error {
        Error::Config { setting, problem, remedy } => {
            assert_eq!(*setting, expected);
            assert!(!problem.is_empty() && !remedy.is_empty());
        }
        Error::Credential(fault) => panic!("{fault}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, entry: fn(&[u8]), examples: &[&str]) {
        fuzz::run(name, entry, examples.iter().map(|text| text.as_bytes().to_vec()).collect());
    }

    #[test]
    fn goaway_text() {
        let example = r#"connection error received: not a result of an error (b"{\"reason\":\"Shutdown\"}\x00")"#;
        run("goaway_text", goaway, &[example, r#"{"reason":"Shutdown"}"#]);
    }

    #[test]
    fn dates() {
        let examples = [
            "120",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 31 Dec 9999 23:59:60 +2359",
        ];
        run("dates", date, &examples);
    }

    #[test]
    fn proxy_url() {
        let examples = [
            "http://proxy.example:3128",
            "http://user:p%40ss@proxy.example:3128",
            "http://[::1]:1/",
        ];
        run("proxy_url", proxy_of, &examples);
    }

    #[test]
    fn proxy_answer() {
        let examples = [
            "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
            "HTTP/1.0 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno",
        ];
        run("proxy_answer", proxied, &examples);
    }

    #[test]
    fn host_lists() {
        let examples = [
            "push.example.org, *.example.org,*",
            "10.1.0.0/16,192.168.1.7,push.internal:8443,[2001:db8::1]:443,fd00::/8",
            "localhost,127.1,0x7f.1,2130706433",
        ];
        run("host_lists", hosts, &examples);
    }

    #[test]
    fn foreign_url() {
        let examples = [
            "https://push.example.org/wpush/v2/gAAA?a=b&c#d",
            "https://[2001:db8:0:0:0:0:0:1]:8443/",
            "https://EXAMPLE.org:443",
            "https://127.0.0.1:1/x",
        ];
        run("foreign_url", url, &examples);
    }

    #[test]
    fn extra_roots() {
        let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let (one, other) = (made().cert.pem(), made().cert.pem());
        run("extra_roots", authorities, &[&one, &format!("# two\n{one}{other}")]);
    }

    #[test]
    fn file_kind() {
        let examples = [
            "-----BEGIN CERTIFICATE-----",
            r#"{"type":"service_account"}"#,
            "AAAAabc:APA91bxyz",
            "0\u{3}\u{2}\u{1}\u{3}",
            "<?xml version=\"1.0\"?><plist/>",
        ];
        run("file_kind", file, &examples);
    }
}
