//! The way out through an HTTP proxy: `CONNECT` (RFC 9110, section 9.3.6).
//!
//! The proxy sees host and port; TLS runs through it from here to the push service. The wire to
//! the proxy itself is not encrypted, so its password is as secret as the network to it.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::address::Network;
use super::connect::dial;
use super::failure::Failure;
use super::hosts::{is_below, is_host};
use super::names::Names;
use crate::error::Error;

/// The most of a proxy's answer that is read; the answer to `CONNECT` has no body that matters.
const LARGEST_ANSWER: usize = 8 * 1024;

/// An HTTP proxy for outgoing connections. Cheap to clone; `Debug` shows host and port only.
#[derive(Clone)]
pub struct Proxy {
    /// The proxy itself.
    server: Arc<Server>,
    /// Who is reached without it.
    direct: Arc<[Direct]>,
}

/// The proxy itself.
struct Server {
    /// Its name or address.
    host: String,
    /// Its port.
    port: u16,
    /// The value of `Proxy-Authorization`, if it wants one.
    authorization: Option<Zeroizing<String>>,
}

/// Who is reached without the proxy.
#[derive(Clone)]
enum Direct {
    /// Everybody.
    All,
    /// A name and all below it.
    Name(String),
    /// The addresses of a network, where the URL has an address for a host.
    Network(Network),
}

impl Proxy {
    /// Reads `http://[user:password@]host:port`; special characters of user and password are
    /// percent-encoded.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] naming `outbound.proxy_url`. The message does not repeat the URL, which
    /// may hold a password.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let fault = |problem: &str| Error::Config {
            setting: "outbound.proxy_url",
            problem: problem.to_owned(),
            remedy: "give http://host:port or http://user:password@host:port, special characters as %XX",
        };
        let url: Uri = url.trim().parse().map_err(|_| fault("not a URL"))?;
        if url.scheme_str() != Some("http") {
            return Err(fault("not an http:// URL, which is the one way to speak to a proxy here"));
        }
        let authority = url.authority().ok_or_else(|| fault("no host in it"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if !is_host(host) {
            return Err(fault("no host in it"));
        }
        let port = authority.port_u16().ok_or_else(|| fault("no port in it"))?;
        if url.path() != "/" || url.query().is_some() {
            return Err(fault("there is something after the port"));
        }
        let authorization = match authority.as_str().rsplit_once('@') {
            Some((user, _)) => {
                let user = percent_decoded(user).ok_or_else(|| fault("a % without two digits"))?;
                // RFC 7617, section 2.
                Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(&*user))))
            }
            None => None,
        };
        let server = Server { host: host.to_ascii_lowercase(), port, authorization };
        Ok(Self { server: Arc::new(server), direct: Arc::new([]) })
    }

    /// The same proxy, but not for these: names with all names below them (`example.org`),
    /// networks (`10.0.0.0/8`), or `*` for everybody.
    ///
    /// A network is for URLs that have an address for a host. Names are not resolved to find out
    /// whether they lead into one: where a proxy is needed, often only the proxy can resolve them.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] naming `outbound.no_proxy` and the entry that is none of these.
    pub fn except<'a>(self, entries: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let read = |entry: &'a str| {
            Direct::parse(entry.trim()).ok_or_else(|| Error::Config {
                setting: "outbound.no_proxy",
                problem: format!("{entry:?} is neither a host name nor a network"),
                remedy: "give names as example.org, networks as 10.0.0.0/8, or * for everybody",
            })
        };
        let direct = entries.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { server: self.server, direct })
    }

    /// Whether connections to this host go through it.
    pub(super) fn serves(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        !self.direct.iter().any(|direct| match direct {
            Direct::All => true,
            Direct::Name(name) => host == *name || is_below(&host, name),
            Direct::Network(network) => address.is_some_and(|address| network.has(address)),
        })
    }

    /// A TCP connection to the host, through the proxy.
    ///
    /// `limit` is what all of connecting may take; a part of it is left for the TLS handshake, so
    /// that a proxy which does not answer is named before the whole is over.
    pub(super) async fn open(
        &self,
        names: &Names,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<TcpStream, Failure> {
        let limit = limit - limit / 4;
        let opened = timeout(limit, self.tunnel(names, host, port, limit)).await;
        opened
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
            .map_err(|problem| Failure::Proxy(format!("{self}: {problem}").into()))
    }

    /// Connects, asks for the tunnel and reads the answer.
    async fn tunnel(
        &self,
        names: &Names,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<TcpStream, String> {
        let Server { host: own, port: own_port, authorization } = &*self.server;
        let text = |error: io::Error| error.to_string();
        let addresses = names.resolve(own, *own_port).await.map_err(text)?;
        let mut tcp = dial(&addresses, limit).await?;
        let request = head(host, port, authorization.as_ref().map(|text| text.as_str()));
        tcp.write_all(request.as_bytes()).await.map_err(text)?;
        let mut read = Vec::with_capacity(256);
        loop {
            if tcp.read_buf(&mut read).await.map_err(text)? == 0 {
                return Err("it closed the connection instead of answering".to_owned());
            }
            match Answer::of(&read) {
                Answer::Incomplete if read.len() < LARGEST_ANSWER => {}
                Answer::Incomplete => return Err("its answer is too long".to_owned()),
                Answer::Not(problem) => return Err(problem.to_owned()),
                Answer::Whole(status) if status.is_success() => return Ok(tcp),
                Answer::Whole(status) => {
                    let to = authority(host, port);
                    return Err(format!("it answered {status} to CONNECT {to}"));
                }
            }
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&authority(&self.server.host, self.server.port))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl Direct {
    /// Reads an entry of the list. A leading dot or `*.` changes nothing: names mean all below
    /// them, as in other programs.
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::All);
        }
        if let Ok(network) = entry.parse() {
            return Some(Self::Network(network));
        }
        let name = entry.trim_start_matches('*').trim_matches('.').to_ascii_lowercase();
        is_host(&name).then_some(Self::Name(name))
    }
}

/// The request.
fn head(host: &str, port: u16, authorization: Option<&str>) -> Zeroizing<String> {
    let to = authority(host, port);
    let authorization = match authorization {
        Some(text) => Zeroizing::new(format!("Proxy-Authorization: {text}\r\n")),
        None => Zeroizing::default(),
    };
    Zeroizing::new(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{}\r\n", &*authorization))
}

/// `host:port`, brackets around an IPv6 address.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// What of a proxy's answer has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not yet all of it.
    Incomplete,
    /// Something else than an answer to `CONNECT`.
    Not(&'static str),
    /// All of it.
    Whole(StatusCode),
}

impl Answer {
    /// Looks at the bytes read so far.
    pub(super) fn of(read: &[u8]) -> Self {
        // What does not begin so will not become an answer however long one waits.
        let start = b"HTTP/1.";
        if read.iter().zip(start).any(|(is, should)| is != should) {
            return Self::Not("it does not speak HTTP/1.1");
        }
        let Some(end) = end_of_head(read) else { return Self::Incomplete };
        let line = read.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let Some(status) = status_of(line) else {
            return Self::Not("its answer has no status");
        };
        // The far side of a tunnel speaks TLS and waits for us; what comes before we spoke came
        // from somebody else.
        if status.is_success() && end < read.len() {
            return Self::Not("it sent more than its answer");
        }
        Self::Whole(status)
    }
}

/// The status in `HTTP/1.1 200 Connection established`.
fn status_of(line: &[u8]) -> Option<StatusCode> {
    let mut words = line.trim_ascii_end().split(|byte| *byte == b' ');
    let version = words.next()?;
    if version.len() != b"HTTP/1.1".len() {
        return None;
    }
    StatusCode::from_bytes(words.next()?).ok()
}

/// Where the empty line after the headers ends. A lone LF counts as a line's end (RFC 9112,
/// section 2.2).
fn end_of_head(read: &[u8]) -> Option<usize> {
    let find =
        |end: &[u8]| read.windows(end.len()).position(|at| at == end).map(|at| at + end.len());
    match (find(b"\r\n\r\n"), find(b"\n\n")) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Undoes percent-encoding (RFC 3986, section 2.1).
fn percent_decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            other => other,
        };
        decoded.push(byte);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proxy(url: &str) -> Proxy {
        Proxy::parse(url).expect("a good URL")
    }

    #[test]
    fn urls_give_host_port_and_user() {
        let check = |url: &str, shown: &str, user: Option<&str>| {
            let proxy = proxy(url);
            assert_eq!(proxy.to_string(), shown, "{url}");
            let expected = user.map(|user| format!("Basic {}", STANDARD.encode(user)));
            let is = proxy.server.authorization.as_ref().map(|text| text.to_string());
            assert_eq!(is, expected, "{url}");
        };
        check("http://proxy.example:3128", "proxy.example:3128", None);
        check("http://Proxy.Example:3128/", "proxy.example:3128", None);
        check("http://10.0.0.1:80", "10.0.0.1:80", None);
        check("http://[::1]:8080", "[::1]:8080", None);
        check("http://me:secret@proxy.example:3128", "proxy.example:3128", Some("me:secret"));
        check("http://me:p%40ss%3aword@p.example:1", "p.example:1", Some("me:p@ss:word"));
        check("http://me@p.example:1", "p.example:1", Some("me"));
    }

    #[test]
    fn a_bad_url_is_refused_without_its_password() {
        for bad in [
            "",
            "proxy.example:3128",
            "https://me:secret@proxy.example:3128",
            "socks5://me:secret@proxy.example:1080",
            "http://me:secret@proxy.example",
            "http://me:secret@:3128",
            "http://me:sec%ret@proxy.example:3128",
            "http://me:secret@proxy.example:3128/path",
            "http://me:secret@proxy.example:3128?x",
            "http://me:secret@proxy.example:99999",
            "http://me:secret@pro xy:1",
        ] {
            let error = Proxy::parse(bad).expect_err(bad).to_string();
            assert!(error.starts_with("outbound.proxy_url: "), "{error}");
            assert!(!error.contains("sec"), "{error}");
        }
        let shown = format!("{:?}", proxy("http://me:secret@proxy.example:3128"));
        assert_eq!(shown, "Proxy(proxy.example:3128)");
    }

    #[test]
    fn exceptions_go_direct() {
        let entries = ["example.org", ".internal", "*.corp", "10.0.0.0/8", "fd00::/8", "1.2.3.4"];
        let proxy = proxy("http://p:1").except(entries).expect("good entries");
        let check = |host, expected| assert_eq!(proxy.serves(host), expected, "{host}");
        check("example.com", true);
        check("badexample.org", true);
        check("8.8.8.8", true);
        check("2a00::1", true);
        check("example.org", false);
        check("Example.org.", false);
        check("a.b.example.org", false);
        check("push.internal", false);
        check("corp", false);
        check("a.corp", false);
        check("10.9.8.7", false);
        check("::ffff:10.9.8.7", false);
        check("fd00::7", false);
        check("1.2.3.4", false);
        assert!(!proxy.clone().except(["*"]).expect("a good entry").serves("example.com"));
        for bad in ["", "http://x", "10.0.0.0/40", "a b", "x:1"] {
            let error = proxy.clone().except([bad]).expect_err(bad).to_string();
            assert!(error.starts_with("outbound.no_proxy: "), "{error}");
        }
    }

    #[test]
    fn the_request_names_the_host_twice() {
        let check = |host, port, authorization, expected: &str| {
            assert_eq!(*head(host, port, authorization), expected);
        };
        check(
            "a.example",
            443,
            None,
            "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        );
        let with = "CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\nProxy-Authorization: Basic eA==\r\n\r\n";
        check("::1", 8443, Some("Basic eA=="), with);
    }

    #[test]
    fn answers_are_read_to_their_end_and_not_beyond() {
        let check = |bytes: &[u8], expected| {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(Answer::of(bytes), expected, "{text}");
        };
        let whole = |status| Answer::Whole(StatusCode::from_u16(status).expect("a status"));
        check(b"", Answer::Incomplete);
        check(b"HTT", Answer::Incomplete);
        check(b"HTTP/1.1 200 OK\r\n", Answer::Incomplete);
        check(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r", Answer::Incomplete);
        check(b"HTTP/1.1 200 Connection established\r\n\r\n", whole(200));
        check(b"HTTP/1.0 200\r\n\r\n", whole(200));
        check(b"HTTP/1.1 200 OK\n\n", whole(200));
        check(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno!",
            whole(407),
        );
        check(b"HTTP/1.1 200 OK\r\n\r\n\x16", Answer::Not("it sent more than its answer"));
        check(b"SSH-2.0-x", Answer::Not("it does not speak HTTP/1.1"));
        check(b"HTTP/2 200\r\n\r\n", Answer::Not("it does not speak HTTP/1.1"));
        for bad in [
            "HTTP/1.1\r\n\r\n",
            "HTTP/1.1 x\r\n\r\n",
            "HTTP/1.10 200\r\n\r\n",
            "HTTP/1.1 99\r\n\r\n",
        ] {
            check(bad.as_bytes(), Answer::Not("its answer has no status"));
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), url in ".*") {
            let _ = Answer::of(&bytes);
            let _ = Answer::of(&[b"HTTP/1.1 ".as_slice(), &bytes, b"\r\n\r\n"].concat());
            let _ = Proxy::parse(&url);
            let _ = Proxy::parse(&format!("http://{url}@p:1"));
        }

        /// However an answer is cut on its way, it is not taken for another one.
        #[test]
        fn a_prefix_of_an_answer_is_incomplete(cut in 0_usize..56) {
            let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\n\r\n";
            prop_assert_eq!(Answer::of(answer.split_at(cut).0), Answer::Incomplete);
        }
    }
}
