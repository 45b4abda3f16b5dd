//! Messages from a back end, and what became of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::MessageId;
use http::HeaderMap;
use store::model::Sender;
use wire::http::{MessageAccepted, MessageCreate, Timeline};

use super::auth::AppKey;
use super::body::Body;
use super::path::Named;
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
    body: Result<Body<MessageCreate>, Problem>,
) -> Result<Json<MessageAccepted>, Problem> {
    let Body(body) = body.map_err(|problem| {
        let of_push = problem.field().is_some_and(|field| field.starts_with("push"));
        if of_push { problem.of_push() } else { problem }
    })?;
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
    // The same id from another user is another message. An asker's text holds no space.
    let sender_key = match &sender {
        None => key.asker.to_string(),
        Some(sender) => format!("{} {}", key.asker, sender.user),
    };
    let incoming = Incoming {
        app: key.app,
        sender,
        sender_key,
        client_id,
        to: body.to,
        makes_users: false,
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
    Named(message): Named<String>,
) -> Result<Json<Timeline>, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "the app has no such message on record");
    let id = MessageId::parse(&message).ok_or_else(unknown)?;
    node.log.flush().await;
    let records = node.log.timeline(key.app, id).await.map_err(storage_problem)?;
    if records.is_empty() {
        let stored = node.store.find_message(key.app, id).await.map_err(storage_problem)?;
        stored.ok_or_else(unknown)?;
    }
    Ok(Json(Timeline { id: message, items: records.into_iter().map(shown).collect() }))
}

/// The back end's own id: in the body, or in the header `Idempotency-Key`; without one the
/// message or push cannot be sent again as the same.
///
/// The header's draft (draft-ietf-httpapi-idempotency-key-header, 2.1) has the key in quotation
/// marks, most clients send it without; both are the same key.
pub(super) fn client_id(headers: &HeaderMap, id: Option<String>) -> Result<String, Problem> {
    let header = match headers.get("idempotency-key") {
        None => None,
        Some(value) => Some(value.to_str().map_err(|_| {
            Problem::invalid_field("Idempotency-Key", "give 1 to 128 printable ASCII characters")
        })?),
    };
    let header = header
        .map(|text| text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_in_the_body_or_in_the_header() {
        let given = |id: Option<&str>, header: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert("idempotency-key", header.parse().unwrap());
            }
            client_id(&headers, id.map(str::to_owned))
        };
        for (id, header) in [
            (Some("a-1"), None),
            (None, Some("a-1")),
            (None, Some("\"a-1\"")),
            (Some("a-1"), Some("a-1")),
            (Some("a-1"), Some("\"a-1\"")),
        ] {
            assert_eq!(given(id, header).unwrap(), "a-1", "{id:?} {header:?}");
        }
        let problem: wire::Problem = given(Some("a-1"), Some("a-2")).unwrap_err().into();
        assert_eq!(
            (problem.code.as_str(), problem.field.as_deref()),
            ("invalid_field", Some("id"))
        );
        assert_eq!(given(None, Some("\"")).unwrap(), "\"");
        assert_ne!(given(None, None).unwrap(), given(None, None).unwrap());
    }
}
