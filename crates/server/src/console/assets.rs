//! The files beside the pages, embedded in the binary. Each is named by its content, so that a
//! browser keeps it until there is another one.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// The style of all pages.
pub(crate) const STYLE: &str = include_str!("../../assets/console/style.css");

/// A file.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its name without its end.
    name: &'static str,
    end: &'static str,
    kind: &'static str,
    text: &'static str,
    sum: u64,
}

impl Asset {
    const fn script(name: &'static str, text: &'static str) -> Self {
        let sum = sum(text.as_bytes());
        Self { name, end: "js", kind: "text/javascript; charset=utf-8", text, sum }
    }

    /// For the templates: what it is called.
    pub(super) fn file(&self) -> String {
        format!("{}-{:016x}.{}", self.name, self.sum, self.end)
    }
}

/// The style of all pages.
pub(super) static CSS: Asset = Asset {
    name: "style",
    end: "css",
    kind: "text/css; charset=utf-8",
    text: STYLE,
    sum: sum(STYLE.as_bytes()),
};
/// Follows the push log.
pub(super) static LIVE: Asset = Asset::script(
    "live",
    concat!(
        include_str!("../../assets/console/look.js"),
        include_str!("../../assets/console/live.js"),
    ),
);
/// Looks again while something is under way.
pub(super) static WATCH: Asset = Asset::script(
    "watch",
    concat!(
        include_str!("../../assets/console/become.js"),
        include_str!("../../assets/console/look.js"),
        include_str!("../../assets/console/watch.js"),
    ),
);

/// Every file.
static ALL: [&Asset; 3] = [&CSS, &LIVE, &WATCH];

/// `GET /console/assets/{name}`.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let Some(asset) = ALL.into_iter().find(|asset| asset.file() == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    kept(asset.kind, asset.text)
}

/// A file that a browser keeps: its name is another one when its text is.
pub(crate) fn kept(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, text).into_response()
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
