//! The WebSocket's door, and the two questions of whoever watches over the process.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocket;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{State, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Uri};
use wire::http::Health;
use wire::limits;

use super::client_address::ClientAddress;
use super::cross_origin::may_connect;
use super::problem::{Problem, ProblemCode};
use crate::node::Node;

/// What a WebSocket reads ahead: small, because most sessions are idle.
const READ_BUFFER: usize = 512;

/// How long a session may take to say goodbye when the node stops.
const GOODBYE: Duration = Duration::from_secs(2);

/// `GET /v1/connect`: becomes a session. Tokens come in its first frame, never in a URL.
pub(super) async fn connect(
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    State(node): State<Arc<Node>>,
    Extension(client): Extension<ClientAddress>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(error) => return no_upgrade(&error),
    };
    if let Err(origin) = may_connect(&node, &headers, &uri) {
        let detail = format!(
            "pages of {origin} may not connect; its operator can add it to `allowed_origins`"
        );
        return Problem::new(ProblemCode::Forbidden, detail).into_response();
    }
    upgrade
        .protocols([wire::SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        // Twice the limit, so that what is a little too large is told so in a frame.
        .max_message_size(2 * limits::FRAME_BYTES)
        .max_frame_size(2 * limits::FRAME_BYTES)
        .on_upgrade(async move |socket| {
            // The node's own task: counted, and waited for at the end.
            node.tasks.start("session", session(Arc::clone(&node), Box::new(socket), client));
        })
}

/// Serves a session. When the node stops, whoever was greeted is told so and leaves; a client that
/// has not yet said who it is has no reason to, and is not waited for.
async fn session(node: Arc<Node>, socket: Box<WebSocket>, client: ClientAddress) {
    let mut serving = pin!(crate::session::serve(Arc::clone(&node), socket, client.0));
    tokio::select! {
        () = &mut serving => return,
        () = node.tasks.stopped() => {}
    }
    // A session that is cut here is ended by the next start.
    let _ = Box::pin(tokio::time::timeout(GOODBYE, serving)).await;
}

/// `GET /healthz`: the process runs.
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// `GET /readyz`: it takes requests. A server that stops still answers what is under way, and
/// should get nothing new.
pub(super) async fn ready(State(node): State<Arc<Node>>) -> Result<Json<Health>, Problem> {
    if node.tasks.is_stopping() {
        return Err(Problem::unavailable("the server is stopping", Duration::from_secs(1)));
    }
    Ok(health().await)
}

/// RFC 9110, 15.5.22: a 426 says to which protocol.
fn no_upgrade(error: &WebSocketUpgradeRejection) -> Response {
    let detail = format!("connect with a WebSocket client: {}", error.body_text());
    let mut response = Problem::new(ProblemCode::UpgradeRequired, detail).into_response();
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response
}
