//! The short way, for push handlers: a notification extension has seconds and no room for a
//! WebSocket.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::{Epoch, Offset};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use store::model::{Acked, InboxRead};
use wire::http::{AckPost, InboxPage, TargetPut};
use wire::limits;

use super::auth::{Me, Named};
use super::body::{Body, Params};
use super::problem::{Problem, ProblemCode};
use super::users;
use crate::accept::storage_problem;
use crate::node::Node;
use crate::{from_wire, targets, to_wire};

/// Where to read from.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct From {
    /// Of the position held.
    epoch: Option<i64>,
    /// Of the position held.
    after: Option<i64>,
    /// Entries at most.
    limit: Option<usize>,
}

/// `GET /v1/me/inbox`: what waits behind the cursor, or behind a position of the same epoch. The
/// device's wake waits for the ack meanwhile, once.
pub(super) async fn inbox(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Params(from): Params<From>,
) -> Result<Json<InboxPage>, Problem> {
    let limit = from.limit.unwrap_or(limits::PAGE);
    if !(1..=limits::PAGE).contains(&limit) {
        return Err(Problem::invalid_field("limit", format!("give 1 to {}", limits::PAGE)));
    }
    let now = node.clock.now();
    let read = |after| node.store.read(device.inbox, after, limit, now);
    let gone = || Problem::new(ProblemCode::NotFound, "the user is gone");
    let mut after = device.cursor;
    let mut page = read(after).await.map_err(storage_problem)?.ok_or_else(gone)?;
    if let (Some(epoch), Some(held)) = (from.epoch, from.after) {
        let same = Epoch::from_number(epoch) == page.epoch;
        let held = Offset::from_number(held);
        if same && held > after && held <= page.head {
            after = held;
            page = read(after).await.map_err(storage_problem)?.ok_or_else(gone)?;
        }
    }
    let effects = node.store.fetched(device.device, now).await.map_err(storage_problem)?;
    node.carry_out(effects);
    Ok(Json(shown(page, after)))
}

fn shown(read: InboxRead, after: Offset) -> InboxPage {
    let gap = (read.floor > after).then(|| {
        wire::ServerFrame::from(wire::Gap { up_to: to_wire::position(read.epoch, read.floor) })
    });
    let entries = read.entries.into_iter().map(|entry| to_wire::entry(read.epoch, entry));
    InboxPage {
        entries: gap.into_iter().chain(entries).collect(),
        head: to_wire::position(read.epoch, read.head),
        more: read.read_to < read.head,
    }
}

/// `POST /v1/me/ack`: everything up to a position is held.
pub(super) async fn ack(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Body(body): Body<AckPost>,
) -> Result<Json<serde_json::Value>, Problem> {
    let held = from_wire::held(&body.position)?;
    let acked = node.store.ack(device.device, held, None, node.clock.now()).await;
    let (acked, effects) = acked.map_err(storage_problem)?;
    node.carry_out(effects);
    match acked {
        Acked::Progress(_) | Acked::Nothing => {
            Ok(Json(json!({ "position": to_wire::position(held.epoch, held.offset) })))
        }
        Acked::OtherEpoch => Err(Problem::new(
            ProblemCode::Conflict,
            "the position is of another epoch; read the inbox again and acknowledge that",
        )),
        Acked::Contradiction => Err(Problem::new(
            ProblemCode::AckAboveHead,
            "the position was not delivered, or with another entry; acknowledge only what was",
        )
        .with_field("position")),
        Acked::NoDevice => {
            Err(Problem::new(ProblemCode::NotFound, "this device was removed; connect again"))
        }
    }
}

/// `PUT /v1/me/targets/{kind}`.
pub(super) async fn put_target(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Path(kind): Named,
    Body(body): Body<TargetPut>,
) -> Result<Json<wire::PushTarget>, Problem> {
    users::set(&node, &device, &kind, body).await.map(Json)
}

/// `DELETE /v1/me/targets/{kind}`.
pub(super) async fn delete_target(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Path(kind): Named,
) -> Result<StatusCode, Problem> {
    users::remove(&node, &device, &kind).await
}

/// `DELETE /v1/me/device`: sign-out; nothing is pushed to it any more.
pub(super) async fn sign_out(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
) -> Result<StatusCode, Problem> {
    targets::remove(&node, device.device, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
