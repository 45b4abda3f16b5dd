//! Whom a request says it is for. A web page can have its own name lead to 127.0.0.1 (DNS
//! rebinding), and its requests are then of the same origin to its browser; only the name gives
//! them away.

use std::net::IpAddr;

use http::{HeaderMap, Uri, header::HOST, uri::Authority};

/// Whether all that names a host names this machine: `localhost`, a loopback address, or the
/// address that was bound. The port is not looked at, as it may be forwarded.
pub(super) fn is_ours(uri: &Uri, headers: &HeaderMap, bound: IpAddr) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
    let is_ours = |authority: &Authority| names_us(authority.host(), bound);
    host.as_ref().is_some_and(is_ours) && uri.authority().is_none_or(is_ours)
}

fn names_us(host: &str, bound: IpAddr) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address == bound,
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_this_machine_is_ours() {
        let check = |target: &str, hosts: &[&str], expected: bool| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_str(host).unwrap());
            }
            let bound = IpAddr::from([192, 0, 2, 7]);
            let uri: Uri = target.parse().unwrap();
            assert_eq!(is_ours(&uri, &headers, bound), expected, "{target} {hosts:?}");
        };
        for good in [
            "127.0.0.1:2196",
            "127.0.0.1",
            "127.8.9.10:1",
            "localhost:2196",
            "LocalHost",
            "[::1]:2196",
            "192.0.2.7:2196",
        ] {
            check("/", &[good], true);
        }
        for bad in [
            "",
            "rebound.example:2196",
            "127.0.0.1.example",
            "localhost.example",
            "192.0.2.8",
            "[::2]",
            "0.0.0.0:2196",
            "127.0.0.1:2196, rebound.example",
        ] {
            check("/", &[bad], false);
        }
        check("/", &[], false);
        check("/", &["localhost", "rebound.example"], false);
        check("http://127.0.0.1/trouble", &["127.0.0.1"], true);
        check("http://rebound.example/trouble", &["127.0.0.1"], false);
    }
}
