//! Which pages may be clients from a browser: those at the server's own origin, and those whose
//! origin the operator has listed in `allowed_origins`.
//!
//! Nothing here keeps a user's secrets: keys come in headers and frames that a page writes itself,
//! never in cookies that a browser adds, so a foreign page has no power of its own. The list says
//! whose pages may ask from a browser at all, by HTTP (the protocol of browsers is CORS, in the
//! Fetch standard) and over the WebSocket, to which that protocol does not apply.
//!
//! Written out rather than taken from a library: the ones that there are answer every `OPTIONS` of
//! anybody, also where no page is allowed and for paths that are not there.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Uri};

use crate::node::Node;

/// Every method of the routes that browsers ask about first; `GET` and `HEAD` among them are free.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// Every header of a request that some route reads, beyond those that any page may send.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, reveille-device-secret",
);

/// What a page may read of an answer beyond its body.
const EXPOSED: HeaderValue = HeaderValue::from_static("allow, retry-after, www-authenticate");

/// Two hours; browsers remember no longer, whatever they are told.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("7200");

/// Serves one request; a page of a listed origin may read the answer.
pub(super) async fn cross_origin(
    State(node): State<Arc<Node>>,
    request: Request,
    next: Next,
) -> Response {
    let config = node.config();
    let allowed = &config.allowed_origins;
    if allowed.are_unset() {
        return next.run(request).await;
    }
    let origin = request.headers().get(ORIGIN).cloned();
    let listed = origin.filter(|origin| origin.to_str().is_ok_and(|it| allowed.include(it)));
    let mut response = match &listed {
        Some(_) if is_preflight(&request) => preflight(),
        Some(_) | None => next.run(request).await,
    };
    let headers = response.headers_mut();
    // What a cache keeps for one origin is not for the next.
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = listed {
        // A file that is for everybody has said so.
        headers.entry(ACCESS_CONTROL_ALLOW_ORIGIN).or_insert(origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

/// Whether a WebSocket with these headers may be opened: by whatever is no page, by a page of the
/// server's own origin, and by those listed; where nothing is listed, by any.
///
/// # Errors
///
/// The origin whose pages may not.
pub(super) fn may_connect(node: &Node, headers: &HeaderMap, uri: &Uri) -> Result<(), String> {
    let config = node.config();
    let Some(origin) = headers.get(ORIGIN).filter(|_| !config.allowed_origins.are_unset()) else {
        return Ok(());
    };
    let origin = String::from_utf8_lossy(origin.as_bytes());
    if config.allowed_origins.include(&origin) || is_own(&origin, headers, uri) {
        return Ok(());
    }
    // A browser's is short; anything may stand there.
    Err(origin.chars().take(LONGEST_SHOWN).collect())
}

/// Letters of an origin in a refusal.
const LONGEST_SHOWN: usize = 128;

/// Whether a page was loaded from the host that it now asks. Its scheme is not known here: a proxy
/// ends TLS.
fn is_own(origin: &str, headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has it in the request line.
    let host = host.or_else(|| uri.authority().map(http::uri::Authority::as_str));
    let own = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    own.is_some_and(|own| host.is_some_and(|host| own.eq_ignore_ascii_case(host)))
}

fn is_preflight(request: &Request) -> bool {
    let asks = request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    request.method() == Method::OPTIONS && asks
}

/// What a browser asks before it sends something for a page.
fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
