//! The files beside the pages, embedded in the binary. Each is named by its content, so that a
//! browser keeps it until there is another one.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// The style of all pages.
pub(crate) const STYLE: &str = include_str!("../../assets/console/style.css");
const STYLE_SUM: u64 = sum(STYLE.as_bytes());

/// For the templates: where the style is.
pub(super) fn style() -> String {
    format!("style-{STYLE_SUM:016x}.css")
}

/// `GET /console/assets/{name}`.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    if name != style() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, STYLE).into_response()
}

/// FNV-1a: tells one version of a file from another, and is no secret.
pub(crate) const fn sum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325;
    let mut rest = bytes;
    while let [byte, behind @ ..] = rest {
        sum = (sum ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
        rest = behind;
    }
    sum
}
