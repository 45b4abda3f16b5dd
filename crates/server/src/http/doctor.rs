//! Whether all is as it should be, for the operator.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use wire::http::Examination;

use super::auth::Admin;
use super::problem::Problem;
use crate::accept::storage_problem;
use crate::doctor;
use crate::node::Node;

/// `GET /v1/doctor`: takes as long as the slowest push service.
pub(super) async fn examine(
    State(node): State<Arc<Node>>,
    _: Admin,
) -> Result<Json<Examination>, Problem> {
    doctor::examine(&node).await.map(Json).map_err(storage_problem)
}
