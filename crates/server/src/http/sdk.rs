//! The client for browsers, `clients/js`, embedded in the binary: an app needs nobody else's
//! registry to have the one that fits its server.
//!
//! The files are public and the same for everybody, so a page of any origin may load them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use crate::console::assets::sum;

/// A file.
struct File {
    text: &'static str,
    media_type: &'static str,
    /// Tells its content from any other.
    sum: u64,
}

impl File {
    const fn new(text: &'static str, media_type: &'static str) -> Self {
        Self { text, media_type, sum: sum(text.as_bytes()) }
    }
}

/// What the table says of them too.
pub(super) const SCRIPT: &str = "text/javascript";
pub(super) const TYPES: &str = "application/typescript";

static CLIENT: File = File::new(include_str!("../../../../clients/js/reveille.js"), SCRIPT);
static CLIENT_TYPES: File = File::new(include_str!("../../../../clients/js/reveille.d.ts"), TYPES);
static WORKER: File = File::new(include_str!("../../../../clients/js/reveille-sw.js"), SCRIPT);

/// `GET /sdk/reveille.js`.
pub(super) async fn client(headers: HeaderMap) -> Response {
    sent(&CLIENT, &headers)
}

/// `GET /sdk/reveille.d.ts`.
pub(super) async fn types(headers: HeaderMap) -> Response {
    sent(&CLIENT_TYPES, &headers)
}

/// `GET /sdk/reveille-sw.js`.
pub(super) async fn worker(headers: HeaderMap) -> Response {
    sent(&WORKER, &headers)
}

/// What a page of ours loads from beside itself: a file by its name.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    match name {
        "reveille.js" => Some(CLIENT.text),
        "reveille-sw.js" => Some(WORKER.text),
        _ => None,
    }
}

/// A file, or the word that the browser has it already. Their names stay the same over versions,
/// so a browser asks each time.
fn sent(file: &File, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:016x}\"", file.sum);
    let common = [
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("cross-origin"),
        ),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    let mut response = if has(headers, &tag) {
        (StatusCode::NOT_MODIFIED, common).into_response()
    } else {
        let media_type = format!("{}; charset=utf-8", file.media_type);
        (common, [(CONTENT_TYPE, media_type)], file.text).into_response()
    };
    let tag = HeaderValue::try_from(tag);
    response.headers_mut().extend(tag.ok().map(|tag| (ETAG, tag)));
    response
}

/// RFC 9110, 13.1.2: a list of tags, compared weakly, or `*`. A proxy that compresses makes a tag
/// weak.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|list| list.to_str().ok());
    let mut given = lists.flat_map(|list| list.split(',')).map(str::trim);
    given.any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_has_it_says_so_in_many_ways() {
        for (given, expected) in [
            (&["\"a\""][..], true),
            (&["W/\"a\""], true),
            (&["*"], true),
            (&["\"b\", \"a\""], true),
            (&["\"b\"", "\"a\""], true),
            (&["\"b\""], false),
            (&["a"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for list in given {
                headers.append(IF_NONE_MATCH, HeaderValue::from_static(list));
            }
            assert_eq!(has(&headers, "\"a\""), expected, "{given:?}");
        }
    }
}
