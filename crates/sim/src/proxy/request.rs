//! The head of a request to a proxy: what it asks for and who asks (RFC 9110, RFC 9112).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::ProxyUser;

/// The largest head that is read, in bytes.
pub(super) const LARGEST_HEAD: usize = 8 * 1024;

/// A request that can be granted.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Connect {
    /// `host:port`.
    pub(super) target: String,
    /// Who asks, if somebody says so and is believed.
    pub(super) user: Option<String>,
}

/// A request that cannot.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    /// What was asked for, as far as it could be read.
    pub(super) target: String,
    pub(super) status: u16,
    /// A sentence for the body.
    pub(super) why: &'static str,
}

/// The length of the head at the start of `bytes`, its empty line included.
pub(super) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads a whole head; `user` is who may use the proxy.
pub(super) fn read(head: &[u8], user: Option<&ProxyUser>) -> Result<Connect, Refusal> {
    let refuse = |target: &str, status, why| Refusal { target: target.to_owned(), status, why };
    let text = std::str::from_utf8(head).map_err(|_| refuse("", 400, "the head is no text"))?;
    let mut lines = text.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, version] = words[..] else {
        return Err(refuse("", 400, "the request line has not three words"));
    };
    let bad = |why| refuse(target, 400, why);
    if method != "CONNECT" {
        return Err(refuse(target, 405, "this proxy opens tunnels only"));
    }
    if version != "HTTP/1.1" {
        return Err(refuse(target, 505, "this proxy speaks HTTP/1.1"));
    }
    if !is_authority(target) {
        return Err(bad("the target is not host:port"));
    }
    let (mut host, mut credentials) = (None, None);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a header has no colon"))?;
        let place = match name.to_ascii_lowercase().as_str() {
            "host" => &mut host,
            "proxy-authorization" => &mut credentials,
            "content-length" | "transfer-encoding" => {
                return Err(bad("a CONNECT has no body"));
            }
            _ => continue,
        };
        if place.replace(value.trim()).is_some() {
            return Err(bad("a header that may come once comes twice"));
        }
    }
    // RFC 9112, section 3.2: every request has it; for CONNECT it is the target.
    if host.is_none_or(|host| !host.eq_ignore_ascii_case(target)) {
        return Err(bad("the header Host is missing or is not the target"));
    }
    match (user, credentials) {
        (None, _) => Ok(Connect { target: target.to_owned(), user: None }),
        (Some(user), Some(given)) if is(user, given) => {
            Ok(Connect { target: target.to_owned(), user: Some(user.name.clone()) })
        }
        (Some(_), _) => Err(refuse(target, 407, "this proxy wants a user and a password")),
    }
}

/// `host:port`, the host a name, an IPv4 address or an IPv6 address in brackets.
fn is_authority(target: &str) -> bool {
    let Some((host, port)) = target.rsplit_once(':') else { return false };
    let port = port.parse().is_ok_and(|port: u16| port > 0);
    let host = match host.strip_prefix('[') {
        Some(rest) => {
            rest.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())
        }
        None => {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
            !host.is_empty() && host.bytes().all(letter)
        }
    };
    host && port
}

/// Whether `Basic …` names this user (RFC 7617, section 2).
fn is(user: &ProxyUser, given: &str) -> bool {
    let Some((scheme, encoded)) = given.split_once(' ') else { return false };
    let expected = format!("{}:{}", user.name, user.password);
    scheme.eq_ignore_ascii_case("basic")
        && STANDARD.decode(encoded.trim()).is_ok_and(|bytes| bytes == expected.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";

    #[test]
    fn a_good_request_is_read() {
        let connect = Connect { target: "a.example:443".to_owned(), user: None };
        assert_eq!(read(GOOD.as_bytes(), None), Ok(connect));
        assert_eq!(head_length(format!("{GOOD}rest").as_bytes()), Some(GOOD.len()));
        assert_eq!(head_length(&GOOD.as_bytes()[..GOOD.len() - 1]), None);
    }

    #[test]
    fn a_bad_request_is_refused() {
        let check = |from: &str, to: &str, status: u16| {
            let refusal = read(GOOD.replace(from, to).as_bytes(), None).unwrap_err();
            assert_eq!(refusal.status, status, "{to}: {}", refusal.why);
        };
        check("CONNECT", "GET", 405);
        check("HTTP/1.1", "HTTP/1.0", 505);
        check(" HTTP/1.1", "", 400);
        check("a.example:443", "a.example", 400);
        check("a.example:443", "a.example:0", 400);
        check("a.example:443", "a.example:65536", 400);
        check("a.example:443", "https://a.example:443", 400);
        check("a.example:443", ":443", 400);
        check("a.example:443", "[::g]:443", 400);
        check("Host: a.example:443\r\n", "", 400);
        check("Host: a", "Host: b", 400);
        check("\r\n\r\n", "\r\nHost: a.example:443\r\n\r\n", 400);
        check("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n", 400);
        check("\r\n\r\n", "\r\nno colon\r\n\r\n", 400);
        assert_eq!(read(b"CONNECT \xff HTTP/1.1\r\n\r\n", None).unwrap_err().status, 400);
    }

    #[test]
    fn a_user_is_asked_for_and_believed() {
        let user = ProxyUser { name: "alice".to_owned(), password: "pass:word".to_owned() };
        let check = |header: &str, expected: Result<Option<&str>, u16>| {
            let head = GOOD.replace("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"));
            let read = read(head.as_bytes(), Some(&user));
            let read = read.map(|connect| connect.user).map_err(|refusal| refusal.status);
            assert_eq!(read, expected.map(|name| name.map(str::to_owned)), "{header}");
        };
        let basic = |text: &str| format!("Proxy-Authorization: Basic {}", STANDARD.encode(text));
        check(&basic("alice:pass:word"), Ok(Some("alice")));
        check(&basic("alice:password"), Err(407));
        check(&basic("bob:pass:word"), Err(407));
        check("Proxy-Authorization: Bearer abc", Err(407));
        check("Proxy-Authorization: Basic", Err(407));
        check("Authorization: Basic YWxpY2U6cGFzczp3b3Jk", Err(407));
        check("X-Other: a", Err(407));
    }
}
