//! The short way, for push handlers: a notification extension has seconds and no room for a
//! WebSocket.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{Epoch, Offset};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use store::model::{Acked, DeviceIdentity, InboxRead};
use wire::http::{AckPost, InboxPage, ReadPost, TargetPut};
use wire::limits;

use super::auth::Me;
use super::body::{Body, Params, limit};
use super::path::Named;
use super::problem::{Problem, ProblemCode};
use super::users;
use crate::accept::storage_problem;
use crate::node::Node;
use crate::report::SessionReport;
use crate::{from_wire, reading, targets, to_wire};

/// Where to read from.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct From {
    /// Epoch of the position held.
    epoch: Option<i64>,
    /// Offset of the position held.
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
    let limit = limit(from.limit, (limits::PAGE, limits::PAGE))?;
    let held = held(&from)?;
    let now = node.clock.now();
    let (after, page) = read(&node, &device, held, limit).await?;
    let effects = node.store.fetched(device.device, now).await.map_err(storage_problem)?;
    node.carry_out(effects);
    let page = shown(page, after);
    if !page.entries.is_empty() {
        node.metrics.delivered(device.app, page.entries.len());
        report(&node, device, "delivered", None);
    }
    Ok(Json(page))
}

/// The position that the device says it holds.
fn held(from: &From) -> Result<Option<(Epoch, Offset)>, Problem> {
    match (from.epoch, from.after) {
        (None, None) => Ok(None),
        (Some(epoch), Some(after)) if after >= 0 => {
            Ok(Some((Epoch::from_number(epoch), Offset::from_number(after))))
        }
        (Some(_), Some(_)) => Err(Problem::invalid_field("after", "give 0 or more")),
        (Some(_), None) => Err(Problem::invalid_field("after", "give it together with `epoch`")),
        (None, Some(_)) => Err(Problem::invalid_field("epoch", "give it together with `after`")),
    }
}

/// Reads behind the position held, or behind the cursor where the position is of another history:
/// of another epoch, or above the head. Returns where the reading began.
async fn read(
    node: &Node,
    device: &DeviceIdentity,
    held: Option<(Epoch, Offset)>,
    limit: usize,
) -> Result<(Offset, InboxRead), Problem> {
    let now = node.clock.now();
    let read = async |after| {
        let read = node.store.read(device.inbox, after, limit, now).await;
        let gone = || Problem::new(ProblemCode::NotFound, "the user is gone");
        read.map_err(storage_problem)?.ok_or_else(gone)
    };
    let (mut after, mut page) = match held {
        None => (device.cursor, read(device.cursor).await?),
        Some((epoch, after)) => {
            let page = read(after).await?;
            if epoch == page.epoch && after <= page.head {
                (after, page)
            } else {
                (device.cursor, read(device.cursor).await?)
            }
        }
    };
    // A page of nothing but expired entries would leave the client where it is, for ever.
    while page.entries.is_empty() && page.floor <= after && page.read_to < page.head {
        after = page.read_to;
        page = read(after).await?;
    }
    Ok((after, page))
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
) -> Result<Json<wire::http::Acked>, Problem> {
    let held = from_wire::held(&body.position)?;
    let acked = node.store.ack(device.device, held, None, node.clock.now()).await;
    let (acked, effects) = acked.map_err(storage_problem)?;
    node.carry_out(effects);
    let cursor = match acked {
        Acked::Progress(offset) => {
            let before = device.cursor.min(offset);
            report(&node, device, "acked", Some((before, offset)));
            offset
        }
        // The cursor was there before, or beyond.
        Acked::Nothing => device.cursor.max(held.offset),
        Acked::OtherEpoch => {
            return Err(Problem::new(
                ProblemCode::Conflict,
                "the position is of another epoch; read the inbox again and acknowledge that",
            )
            .with_field("position"));
        }
        Acked::Contradiction => {
            return Err(Problem::new(
                ProblemCode::AckAboveHead,
                "the position was not delivered, or with another entry; acknowledge only what was",
            )
            .with_field("position"));
        }
        Acked::NoDevice => {
            return Err(Problem::new(
                ProblemCode::NotFound,
                "this device was removed; connect again",
            ));
        }
    };
    Ok(Json(wire::http::Acked { position: to_wire::position(held.epoch, cursor) }))
}

/// `POST /v1/me/read`: what the user has read, from the action of a notification perhaps.
pub(super) async fn read_mark(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Body(body): Body<ReadPost>,
) -> Result<StatusCode, Problem> {
    let ReadPost { thread, up_to, messages } = body;
    let read = wire::Read { thread, up_to, messages };
    reading::read(&node, &session_report(device), read).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a device did the short way, for the push log: the same words as over the WebSocket.
fn report(
    node: &Node,
    device: DeviceIdentity,
    reason: &'static str,
    covered: Option<(Offset, Offset)>,
) {
    session_report(device).write(node, reason, covered, Some(json!({ "by": "http" })));
}

pub(super) fn session_report(device: DeviceIdentity) -> SessionReport {
    SessionReport {
        app: device.app,
        inbox: device.inbox,
        user: Arc::from(device.user),
        device: device.device,
        device_name: Arc::from(device.name),
    }
}

/// `PUT /v1/me/targets/{kind}`.
pub(super) async fn put_target(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(kind): Named<String>,
    Body(body): Body<TargetPut>,
) -> Result<Json<wire::PushTarget>, Problem> {
    users::set(&node, &device, &kind, body).await.map(Json)
}

/// `DELETE /v1/me/targets/{kind}`.
pub(super) async fn delete_target(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(kind): Named<String>,
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
