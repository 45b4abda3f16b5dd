//! The description of the API: OpenAPI 3.1 for programs, and a page made of it for people.
//!
//! ```text
//!   routes/table.rs ──┐
//!   wire (schemars) ──┼─▶ document ─▶ GET /v1/openapi.json
//!   problem/code.rs ──┤      └─▶ page ─▶ GET /v1/reference
//!   docs/api.md ──────┘
//! ```
//!
//! What is said of a route has one place each: who may ask, what goes in and out and what is refused
//! stands in the table, the fields stand in the types, and prose and examples in `docs/api.md`,
//! whose examples the tests run.

mod document;
mod examples;
mod guide;
mod page;
mod parameters;
mod responses;
mod schemas;

use std::sync::{Arc, OnceLock};

use axum::Extension;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

use document::document;

/// Both, as they are sent: made when the first is asked for, since most servers never are.
#[derive(Clone, Debug, Default)]
pub(super) struct Served(Arc<OnceLock<Made>>);

#[derive(Debug)]
struct Made {
    document: Bytes,
    page: Bytes,
    /// What a browser may load for the page: nothing but its own style.
    policy: HeaderValue,
}

impl Served {
    fn made(&self) -> &Made {
        self.0.get_or_init(|| {
            let document = document();
            let page = page::page(&document);
            let policy = page.policy.try_into().unwrap_or(NOTHING_AT_ALL);
            Made { document: document.to_string().into(), page: page.text.into(), policy }
        })
    }
}

/// A policy that is right for every page, however it looks then.
const NOTHING_AT_ALL: HeaderValue = HeaderValue::from_static("default-src 'none'");

/// `GET /v1/openapi.json`.
pub(super) async fn openapi(Extension(served): Extension<Served>) -> Response {
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (json, served.made().document.clone()).into_response()
}

/// `GET /v1/reference`: the same for people.
pub(super) async fn reference(Extension(served): Extension<Served>) -> Response {
    let made = served.made();
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, made.policy.clone()),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, made.page.clone()).into_response()
}
