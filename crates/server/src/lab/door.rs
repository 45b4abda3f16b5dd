//! Who may ask: a browser on this machine, and of what changes something a page of the lab alone.
//!
//! The lab has no key. A page of any other site, open in the same browser, could reach it: under a
//! name of its own that leads to 127.0.0.1 (DNS rebinding), or by a form or a script that posts
//! here. The first shows in `Host`, the second in `Origin` and `Sec-Fetch-Site`.

use std::net::IpAddr;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method};

use crate::console::is_ours;
use crate::console::routes::keep_to_itself;
use crate::http::problem::{Problem, ProblemCode};

/// Lets through what may pass, and tells browsers to keep the pages to themselves.
pub(super) async fn guarded(request: Request, next: Next) -> Response {
    let authority = request.uri().authority().cloned();
    let mut response = match refusal(request.method(), authority, request.headers()) {
        None => next.run(request).await,
        Some(problem) => problem.into_response(),
    };
    keep_to_itself(response.headers_mut());
    response
}

fn refusal(method: &Method, authority: Option<Authority>, headers: &HeaderMap) -> Option<Problem> {
    let said = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = authority.or_else(|| said(HOST)?.parse().ok());
    if !host.is_some_and(|host| is_this_machine(host.host())) {
        return Some(Problem::new(
            ProblemCode::Forbidden,
            "the lab answers to the names of this machine alone; open it as http://127.0.0.1 or \
             http://localhost, with the port that `reveille demo` said",
        ));
    }
    let asks_only = matches!(*method, Method::GET | Method::HEAD);
    let ours = if asks_only && headers.get(ORIGIN).is_none() { true } else { is_ours(headers) };
    (!ours).then(|| {
        Problem::new(
            ProblemCode::Forbidden,
            "the request did not come from a page of the lab; a program says `Origin` with the \
             lab's own address",
        )
    })
}

/// Whether a name leads here and nowhere else.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_and_only_its_own_pages() {
        let lab = "127.0.0.1:7302";
        let check = |method: Method, headers: &[(&'static str, &str)], passes: bool| {
            let pairs = headers.iter().map(|(name, value)| {
                (name.parse().unwrap(), http::HeaderValue::from_str(value).unwrap())
            });
            let map: HeaderMap = pairs.collect();
            let refused = refusal(&method, None, &map);
            assert_eq!(refused.is_none(), passes, "{method} {headers:?}: {refused:?}");
        };
        check(Method::GET, &[], false);
        for (host, passes) in [
            (lab, true),
            ("localhost:7302", true),
            ("LOCALHOST", true),
            ("[::1]:7302", true),
            ("127.8.8.8", true),
            ("evil.example", false),
            ("localhost.evil.example:7302", false),
            ("127.0.0.1.evil.example", false),
            ("192.0.2.1:7302", false),
            ("0.0.0.0:7302", false),
        ] {
            check(Method::GET, &[("host", host)], passes);
        }
        let (own, other) = ("http://127.0.0.1:7302", "http://127.0.0.1:8000");
        check(Method::GET, &[("host", lab), ("origin", own)], true);
        check(Method::GET, &[("host", lab), ("origin", other)], false);
        check(Method::GET, &[("host", lab), ("sec-fetch-site", "cross-site")], true);
        check(Method::POST, &[("host", lab)], false);
        check(Method::POST, &[("host", lab), ("origin", own)], true);
        check(Method::POST, &[("host", lab), ("origin", "null")], false);
        check(Method::POST, &[("host", lab), ("origin", "http://evil.example")], false);
        check(Method::POST, &[("host", lab), ("sec-fetch-site", "same-origin")], true);
        for site in ["cross-site", "same-site", "none"] {
            check(Method::POST, &[("host", lab), ("origin", own), ("sec-fetch-site", site)], false);
        }
    }
}
