//! What happened, for whoever asks later.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use wire::http::{Event, Page};

use super::auth::AppKey;
use super::body::{Params, Part, page};
use super::problem::Problem;
use crate::accept::storage_problem;
use crate::node::Node;
use crate::to_wire;

/// `GET /v1/events`: in the order in which they happened.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Params(part): Params<Part>,
) -> Result<Json<Page<Event>>, Problem> {
    let (limit, after) = (part.limit()?, part.after_number()?);
    let found = node.store.events(key.app, after, limit + 1).await.map_err(storage_problem)?;
    let shown = |event| to_wire::event(&node.ids, &event);
    Ok(Json(page(found, limit, shown, |last| last.number.to_string())))
}
