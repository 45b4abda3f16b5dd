//! Who is signed in, by a cookie; and that what a form does was asked for by one of our pages.
//!
//! The cookie holds 32 random bytes, the store their hash. It is `HttpOnly` and `SameSite=Strict`.
//! Beside it every form has a second word made from the same bytes, which no other site can read,
//! and what the browser says of where the request comes from must be this site.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, HOST, ORIGIN, REFERER};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use store::model::{ConsoleLimits, ConsoleVisit, Digest};

use super::link::escaped_path;
use super::routes::is_page;
use crate::http::client_address::{ClientAddress, Peer};
use crate::node::Node;

/// The cookie's name.
const NAME: &str = "reveille_console";

/// How long somebody stays signed in.
pub(super) const LIMITS: ConsoleLimits = ConsoleLimits {
    idle: Duration::from_secs(12 * 3_600),
    longest: Duration::from_secs(7 * 86_400),
};

/// Whoever looks at a page of the console and is signed in.
#[derive(Clone)]
pub(super) struct Visitor {
    /// From where.
    pub(super) address: IpAddr,
    token: Token,
}

/// What a browser holds.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token([u8; 32]);

impl std::fmt::Debug for Visitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visitor").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Visitor {
    /// The word that every form of theirs has.
    pub(super) fn csrf(&self) -> String {
        self.token.csrf()
    }

    /// Their session, for the store.
    pub(super) fn session(&self) -> Digest {
        self.token.hash()
    }
}

impl Token {
    /// A new one that nobody can guess.
    pub(super) fn generate() -> Self {
        Self(rand::random())
    }

    /// What the store keeps.
    pub(super) fn hash(&self) -> Digest {
        hashed(b"session", &self.0)
    }

    fn csrf(&self) -> String {
        URL_SAFE_NO_PAD.encode(hashed(b"csrf", &self.0))
    }

    /// The header that hands it to the browser.
    pub(super) fn cookie(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let text = URL_SAFE_NO_PAD.encode(self.0);
        let longest = LIMITS.longest.as_secs();
        let secure = if is_https(headers) { "; Secure" } else { "" };
        let cookie = format!(
            "{NAME}={text}; Path=/console; Max-Age={longest}; HttpOnly; SameSite=Strict{secure}"
        );
        let mut value = HeaderValue::try_from(cookie).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn of(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let text = cookies.flat_map(|line| line.split(';')).find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == NAME).then_some(value)
        })?;
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

/// The header that takes the cookie back.
pub(super) const FORGET: HeaderValue = HeaderValue::from_static(
    "reveille_console=; Path=/console; Max-Age=0; HttpOnly; SameSite=Strict",
);

impl FromRequestParts<Arc<Node>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Response> {
        let address = address(parts, node);
        if let Some(token) = Token::of(&parts.headers) {
            let (visit, now) = (visit(&parts.headers), node.clock.now());
            match node.store.console_session(token.hash(), LIMITS, visit, now).await {
                Ok(true) => return Ok(Self { address, token }),
                Ok(false) => {}
                Err(error) => {
                    return Err(crate::accept::storage_problem(error).into_response());
                }
            }
        }
        let back = back(parts);
        Err(Redirect::to(&format!("/console/login?to={}", escaped_path(back))).into_response())
    }
}

/// Where whoever has to sign in goes on: what they asked for; for a form, which is not sent again,
/// the page that it stands on. What stands there behind the `?` may say that something was done,
/// and this was not.
fn back(parts: &Parts) -> &str {
    if parts.method == Method::GET {
        return parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    }
    let said = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let page = said(REFERER).and_then(|page| page.split_once("://")).zip(said(HOST));
    page.and_then(|((_, page), host)| page.strip_prefix(host))
        .map(|page| page.split(['?', '#']).next().unwrap_or(page))
        .filter(|path| is_page(path))
        .unwrap_or("")
}

/// Whether somebody asks or a script of a page, as the browser says (Fetch Metadata): an overview
/// left open on a wall is no reason to stay signed in.
fn visit(headers: &HeaderMap) -> ConsoleVisit {
    match headers.get("sec-fetch-dest").map(HeaderValue::as_bytes) {
        Some(b"empty") => ConsoleVisit::Page,
        _ => ConsoleVisit::Person,
    }
}

/// From where a request comes.
pub(super) fn address(parts: &Parts, node: &Node) -> IpAddr {
    let peer = parts.extensions.get::<Peer>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(address)| *address);
    ClientAddress::of(peer, &parts.headers, &node.config().trusted_proxies).0
}

/// Whether a form came from a page of this site, as far as the browser says; it says so of every
/// form (Fetch Metadata, or `Origin`).
pub(crate) fn is_ours(headers: &HeaderMap) -> bool {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = said("sec-fetch-site") {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (said(ORIGIN.as_str()), said(HOST.as_str())) else {
        return false;
    };
    origin.split_once("://").is_some_and(|(_, from)| from == host)
}

/// Whether a form has the word of its visitor's session.
pub(super) fn is_theirs(visitor: &Visitor, word: &str) -> bool {
    verify_slices_are_equal(visitor.csrf().as_bytes(), word.as_bytes()).is_ok()
}

/// Whether the browser's own connection is TLS, as the proxy in front says.
fn is_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
}

fn hashed(purpose: &[u8], bytes: &[u8; 32]) -> Digest {
    let sum = digest(&SHA256, &[purpose, b"\0", &bytes[..]].concat());
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(sum.as_ref()) {
        *to = *from;
    }
    out
}
