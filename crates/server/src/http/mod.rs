//! The HTTP API under `/v1`, and the WebSocket's door.
//!
//! ```text
//!   request ─▶ [auth: who asks] ─▶ [body: JSON, checked] ─▶ one verb ─▶ store, accept, targets, calls
//!                    └────────────────── Problem ◀──────────────────────┘
//! ```
//!
//! Every refusal is a [`problem::Problem`]; no other module knows an HTTP status.

mod apps;
mod auth;
mod body;
mod calls;
mod credentials;
mod me;
mod messages;
pub mod problem;
mod push_log;
mod settings;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use wire::limits;

use crate::node::Node;
use problem::{Problem, ProblemCode};

/// What a WebSocket reads ahead: small, because most sessions are idle.
const READ_BUFFER: usize = 4096;

/// Every route.
pub fn router(node: Arc<Node>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(health))
        .route(wire::CONNECT_PATH, get(connect))
        .route("/v1/apps", post(apps::create).get(apps::list))
        .route("/v1/apps/{app}", get(apps::show))
        .route("/v1/apps/{app}/keys", post(apps::create_key).get(apps::list_keys))
        .route("/v1/apps/{app}/keys/{key}", delete(apps::delete_key))
        .route("/v1/apps/{app}/settings", get(settings::show).patch(settings::change))
        .route("/v1/apps/{app}/credentials", post(credentials::upload).get(credentials::list))
        .route("/v1/apps/{app}/credentials/{credential}", delete(credentials::delete))
        .route("/v1/users/{user}/tokens", post(users::create_token))
        .route("/v1/users/{user}/devices", get(users::devices))
        .route(
            "/v1/users/{user}/devices/{device}/targets/{kind}",
            put(users::put_target).delete(users::delete_target),
        )
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/{message}/timeline", get(messages::timeline))
        .route("/v1/push-log", get(push_log::list))
        .route("/v1/me/inbox", get(me::inbox))
        .route("/v1/me/ack", post(me::ack))
        .route("/v1/me/targets/{kind}", put(me::put_target).delete(me::delete_target))
        .route("/v1/me/device", delete(me::sign_out))
        .route("/v1/me/calls/{call}/{verb}", post(calls::step))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(limits::HTTP_BODY_BYTES))
        .with_state(node)
}

async fn health() -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({ "status": "ok" }))
}

async fn connect(upgrade: WebSocketUpgrade, State(node): State<Arc<Node>>) -> Response {
    upgrade
        .protocols([wire::SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        // Twice the limit, so that what is a little too large is told so in a frame.
        .max_message_size(2 * limits::FRAME_BYTES)
        .max_frame_size(2 * limits::FRAME_BYTES)
        .on_upgrade(move |socket| crate::session::serve(node, socket))
        .into_response()
}

async fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound, "no such path; docs/api.md lists them all")
}

async fn method_not_allowed() -> Problem {
    Problem::new(ProblemCode::MethodNotAllowed, "the path takes other methods, see `Allow`")
}
