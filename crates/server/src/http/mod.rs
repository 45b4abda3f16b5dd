//! The HTTP API under `/v1`, and the WebSocket's door.
//!
//! ```text
//!   request ─▶ [guard] ─▶ [throttle] ─▶ [routes] ─▶ [auth: who asks] ─▶ [path, body: checked] ─▶ verb
//!                 ▲           ▲                         └─────────── Problem ◀──────────────────┘
//!                 └───────────┴────────────────────────────────────────┘
//! ```
//!
//! Between guard and throttle, `cross_origin` lets browsers read answers for pages of the origins
//! that the operator has listed.
//!
//! Every refusal is a [`problem::Problem`]; no other module knows an HTTP status.

mod apps;
mod audit;
pub(crate) mod auth;
mod body;
mod calls;
pub(crate) mod client_address;
mod connect;
mod credentials;
mod cross_origin;
mod description;
mod doctor;
mod events;
mod explain;
#[cfg(test)]
mod fuzz;
mod guard;
mod hushes;
mod me;
mod messages;
mod metrics;
mod path;
pub mod problem;
mod push_log;
mod pushes;
pub mod routes;
pub(crate) mod sdk;
mod settings;
mod statistics;
mod test_push;
mod throttle;
mod token_keys;
mod topics;
mod users;
mod webhooks;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use wire::limits;

use crate::node::Node;
use problem::{Problem, ProblemCode};

pub(crate) use push_log::shown;

/// Every route of the table.
pub fn router(node: Arc<Node>) -> Router {
    routes::router()
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(Extension(settings::Turn::default()))
        .layer(Extension(description::Served::default()))
        .layer(DefaultBodyLimit::max(limits::HTTP_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(&node), throttle::throttle))
        .layer(from_fn_with_state(Arc::clone(&node), cross_origin::cross_origin))
        .layer(from_fn_with_state(guard::Guard::of(&node), guard::guard))
        .with_state(node)
}

/// Every route of the internal address; the console asks `api`, the [`router`] that the public
/// address serves too: what it remembers and locks is one.
pub fn internal_router(node: Arc<Node>, api: Router) -> Router {
    routes::internal_router()
        .merge(crate::console::routes::router(api))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(limits::HTTP_BODY_BYTES))
        .layer(from_fn_with_state(guard::Guard::of(&node), guard::guard))
        .with_state(node)
}

async fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound, "no such path; docs/api.md lists them all")
}

async fn method_not_allowed() -> Problem {
    Problem::new(ProblemCode::MethodNotAllowed, "the path takes other methods, see `Allow`")
}
