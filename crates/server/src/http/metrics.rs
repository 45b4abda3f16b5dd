//! `GET /metrics`, on the internal address.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::problem::Problem;
use crate::metrics::{self, MEDIA_TYPE};
use crate::node::Node;

/// Shows every metric as it is now.
pub(super) async fn show(State(node): State<Arc<Node>>) -> Result<Response, Problem> {
    let page = metrics::page(&node).await.map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Problem::internal()
    })?;
    let media_type = (CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Ok(([media_type], page).into_response())
}
