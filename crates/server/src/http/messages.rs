//! Messages from a back end, and what became of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::MessageId;
use http::HeaderMap;
use store::model::Sender;
use wire::http::{MessageAccepted, MessageCreate, Timeline};

use super::auth::{AppKey, Named};
use super::body::Body;
use super::problem::{Problem, ProblemCode};
use super::push_log::shown;
use crate::accept::{Incoming, accept, check_name, storage_problem};
use crate::node::Node;
use crate::to_wire;

/// `POST /v1/messages`: answered once it is stored.
pub(super) async fn create(
    State(node): State<Arc<Node>>,
    key: AppKey,
    headers: HeaderMap,
    Body(body): Body<MessageCreate>,
) -> Result<Json<MessageAccepted>, Problem> {
    let client_id = client_id(&headers, body.id)?;
    let sender = match body.from {
        None => None,
        Some(user) => {
            check_name("from", &user)?;
            let inbox = node.store.user(key.app, user.clone()).await.map_err(storage_problem)?;
            let inbox = inbox.ok_or_else(|| {
                Problem::new(ProblemCode::UnknownUser, "the app has no such user")
                    .with_field("from")
            })?;
            Some(Sender { inbox, user, device: None })
        }
    };
    let incoming = Incoming {
        app: key.app,
        sender,
        sender_key: key.key.to_string(),
        client_id,
        to: body.to,
        thread: body.thread,
        body: body.body,
        ttl: body.ttl,
        urgency: body.urgency,
        push: body.push,
    };
    let taken = accept(&node, incoming).await?;
    Ok(Json(MessageAccepted {
        id: taken.message.to_string(),
        at: to_wire::time(taken.at),
        failed: taken.failed,
        live: taken.live,
    }))
}

/// `GET /v1/messages/{message}/timeline`: every step and decision, in order.
pub(super) async fn timeline(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Path(message): Named,
) -> Result<Json<Timeline>, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "the app has no such message on record");
    let id = MessageId::parse(&message).ok_or_else(unknown)?;
    node.log.flush().await;
    let records = node.log.timeline(key.app, id).await.map_err(storage_problem)?;
    if records.is_empty() {
        let stored = node.store.find_message(key.app, id).await.map_err(storage_problem)?;
        stored.ok_or_else(unknown)?;
    }
    Ok(Json(Timeline { id: message, records: records.into_iter().map(shown).collect() }))
}

/// The back end's own id: in the body, or in the header `Idempotency-Key`; without one the
/// message cannot be sent again as the same.
fn client_id(headers: &HeaderMap, id: Option<String>) -> Result<String, Problem> {
    let header = match headers.get("idempotency-key") {
        None => None,
        Some(value) => Some(value.to_str().map_err(|_| {
            Problem::invalid_field("Idempotency-Key", "give 1 to 128 printable ASCII characters")
        })?),
    };
    match (id, header) {
        (Some(id), Some(header)) if id != header => Err(Problem::invalid_field(
            "id",
            "`id` and the header `Idempotency-Key` differ; give one of them, or both the same",
        )),
        (Some(id), _) => Ok(id),
        (None, Some(header)) => Ok(header.to_owned()),
        (None, None) => Ok(uuid::Uuid::now_v7().to_string()),
    }
}
