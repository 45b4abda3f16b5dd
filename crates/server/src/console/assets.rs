//! The files beside the pages: one style, one module. Embedded in the binary, named by their
//! content, so that a browser keeps them until a new version.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// A file.
struct Asset {
    name: String,
    media_type: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, media_type: &'static str, text: &'static str) -> Self {
        let sum = digest(&SHA256, text.as_bytes());
        let short: String = sum.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { name: format!("{stem}-{short}.{ending}"), media_type, text }
    }
}

/// The style of all pages.
static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../../assets/console/style.css");
    Asset::new("style", "css", "text/css; charset=utf-8", text)
});

/// For the templates: where the style is.
pub(super) fn style() -> &'static str {
    &STYLE.name
}

/// `GET /console/assets/{name}`.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let found = [&*STYLE].into_iter().find(|asset| asset.name == name);
    let Some(asset) = found else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(asset.media_type)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, asset.text).into_response()
}
