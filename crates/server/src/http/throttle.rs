//! From which address a request comes, and no more answers for one that shows too many keys that
//! are not good.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;

use super::audit::{Noted, answered};
use super::auth::DEVICE_SECRET;
use super::client_address::{ClientAddress, Peer};
use super::problem::ProblemCode;
use crate::node::Node;

/// Serves one request; its handler finds the [`ClientAddress`] among the extensions, and what asks
/// who it is [`Noted`].
pub(super) async fn throttle(
    State(node): State<Arc<Node>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(address)| *address);
    let headers = request.headers();
    let client = ClientAddress::of(peer, headers, &node.config().trusted_proxies);
    let shows_a_key = headers.contains_key(AUTHORIZATION) || headers.contains_key(DEVICE_SECRET);
    let noted = Noted::default();
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(noted.clone());
    let response = next.run(request).await;
    answered(&node, &noted, response.status().as_u16()).await;
    let refused = response.extensions().get() == Some(&ProblemCode::Unauthorized);
    if !refused || !shows_a_key {
        return response;
    }
    let held = node.failures.count(client.0, node.clock.now());
    held.map_or(response, IntoResponse::into_response)
}
