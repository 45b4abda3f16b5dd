//! The HTTP API under `/v1`, and the WebSocket's door.
//!
//! ```text
//!   request ─▶ [guard] ─▶ [auth: who asks] ─▶ [path, body: checked] ─▶ one verb ─▶ store, accept, …
//!                 ▲                └─────────── Problem ◀────────────────┘
//!                 └────────────────────────────────┘
//! ```
//!
//! Every refusal is a [`problem::Problem`]; no other module knows an HTTP status.

mod apps;
mod auth;
mod body;
mod calls;
mod connect;
mod credentials;
mod events;
#[cfg(test)]
mod fuzz;
mod guard;
mod hushes;
mod me;
mod messages;
mod path;
pub mod problem;
mod push_log;
mod pushes;
mod settings;
mod token_keys;
mod topics;
mod users;
mod webhooks;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};
use axum::{Extension, Router};
use wire::limits;

use crate::node::Node;
use problem::{Problem, ProblemCode};

/// Every route.
pub fn router(node: Arc<Node>) -> Router {
    without_parameters()
        .route_layer(from_fn(body::no_parameters))
        .merge(with_parameters())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(Extension(settings::Turn::default()))
        .layer(DefaultBodyLimit::max(limits::HTTP_BODY_BYTES))
        .layer(from_fn_with_state(node.tasks.clone(), guard::guard))
        .with_state(node)
}

/// The routes that read what stands behind the `?`, or leave it to whoever asks: what looks after
/// the process may add its own, and so may a browser's WebSocket.
fn with_parameters() -> Router<Arc<Node>> {
    Router::new()
        .route("/healthz", get(connect::health))
        .route("/readyz", get(connect::ready))
        .route(wire::CONNECT_PATH, get(connect::connect))
        .route("/v1/push-log", get(push_log::list))
        .route("/v1/pushes", get(pushes::list))
        .route("/v1/pushes/{push}/deliveries", get(pushes::deliveries))
        .route("/v1/topics", get(topics::list))
        .route("/v1/topics/{topic}/devices", get(topics::devices))
        .route("/v1/events", get(events::list))
        .route("/v1/apps/{app}/webhooks/{webhook}/deliveries", get(webhooks::deliveries))
        .route("/v1/me/inbox", get(me::inbox))
        .route("/v1/me/calls/{call}", get(calls::show))
}

/// The routes that take none: a misspelt one is not taken for its default there either.
fn without_parameters() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/apps", post(apps::create).get(apps::list))
        .route("/v1/apps/{app}", get(apps::show))
        .route("/v1/apps/{app}/keys", post(apps::create_key).get(apps::list_keys))
        .route("/v1/apps/{app}/keys/{key}", delete(apps::delete_key))
        .route("/v1/apps/{app}/token-keys", post(token_keys::create).get(token_keys::list))
        .route("/v1/apps/{app}/token-keys/{key}", delete(token_keys::delete))
        .route("/v1/apps/{app}/settings", get(settings::show).patch(settings::change))
        .route("/v1/apps/{app}/credentials", post(credentials::upload).get(credentials::list))
        .route("/v1/apps/{app}/credentials/{credential}", delete(credentials::delete))
        .route("/v1/apps/{app}/credentials/{credential}/probe", post(credentials::probe))
        .route("/v1/apps/{app}/webhooks", post(webhooks::create).get(webhooks::list))
        .route(
            "/v1/apps/{app}/webhooks/{webhook}",
            get(webhooks::show).patch(webhooks::change).delete(webhooks::delete),
        )
        .route("/v1/apps/{app}/webhooks/{webhook}/rotate", post(webhooks::rotate))
        .route("/v1/apps/{app}/webhooks/{webhook}/test", post(webhooks::test))
        .route("/v1/apps/{app}/webhooks/{webhook}/replay", post(webhooks::replay))
        .route("/v1/webpush-key", get(credentials::webpush_key))
        .route("/v1/users/{user}/tokens", post(users::create_token).delete(users::revoke_tokens))
        .route("/v1/users/{user}/devices", get(users::devices))
        .route("/v1/users/{user}/devices/{device}", delete(users::remove_device))
        .route(
            "/v1/users/{user}/devices/{device}/targets/{kind}",
            put(users::put_target).delete(users::delete_target),
        )
        .route("/v1/users/{user}/mutes", get(hushes::user_mutes))
        .route("/v1/users/{user}/mutes/{thread}", put(hushes::mute).delete(hushes::unmute))
        .route("/v1/users/{user}/blocks", get(hushes::user_blocks))
        .route("/v1/users/{user}/blocks/{blocked}", put(hushes::block).delete(hushes::unblock))
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/{message}/timeline", get(messages::timeline))
        .route("/v1/pushes", post(pushes::create))
        .route("/v1/pushes/{push}", get(pushes::show))
        .route("/v1/pushes/{push}/cancel", post(pushes::cancel))
        .route("/v1/pushes/{push}/pause", post(pushes::pause))
        .route("/v1/pushes/{push}/resume", post(pushes::resume))
        .route("/v1/topics/{topic}", delete(topics::delete))
        .route("/v1/topics/{topic}/devices", post(topics::add).delete(topics::remove))
        .route("/v1/topics/{topic}/devices/{device}", put(topics::put).delete(topics::take))
        .route("/v1/me/ack", post(me::ack))
        .route("/v1/me/read", post(me::read_mark))
        .route("/v1/me/mutes", get(hushes::my_mutes))
        .route("/v1/me/mutes/{thread}", put(hushes::mute_mine).delete(hushes::unmute_mine))
        .route("/v1/me/blocks", get(hushes::my_blocks))
        .route("/v1/me/blocks/{user}", put(hushes::block_mine).delete(hushes::unblock_mine))
        .route("/v1/me/targets/{kind}", put(me::put_target).delete(me::delete_target))
        .route("/v1/me/topics", get(topics::mine))
        .route("/v1/me/topics/{topic}", put(topics::put_me).delete(topics::take_me))
        .route("/v1/me/device", delete(me::sign_out))
        .route("/v1/me/calls/{call}/ringing", post(calls::ringing))
        .route("/v1/me/calls/{call}/signal", post(calls::signal))
        .route("/v1/me/calls/{call}/answer", post(calls::answer))
        .route("/v1/me/calls/{call}/reject", post(calls::reject))
        .route("/v1/me/calls/{call}/cancel", post(calls::cancel))
        .route("/v1/me/calls/{call}/end", post(calls::end))
}

async fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound, "no such path; docs/api.md lists them all")
}

async fn method_not_allowed() -> Problem {
    Problem::new(ProblemCode::MethodNotAllowed, "the path takes other methods, see `Allow`")
}
