//! Direct pushes of a back end, and what became of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::delivery::{End, PushKind};
use domain::{DeviceNumber, PushId};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use store::model::{Audience, DeliveryRecord, Listing, PushFault, PushState};
use wire::http::{
    AudienceName, DeliveryState, Page, Push, PushCounts, PushCreate, PushDelivery, PushFailed,
    PushKindName, PushStateName,
};

use super::auth::AppKey;
use super::body::{Body, Params, Part, not_a_next, page};
use super::messages::client_id;
use super::path::Named;
use super::problem::{Problem, ProblemCode};
use crate::accept::storage_problem;
use crate::node::Node;
use crate::pushes;
use crate::pushes::address::Address;
use crate::to_wire;

/// `POST /v1/pushes`: answered once it is stored.
pub(super) async fn create(
    State(node): State<Arc<Node>>,
    key: AppKey,
    headers: HeaderMap,
    body: Result<Body<PushCreate>, Problem>,
) -> Result<impl IntoResponse, Problem> {
    let Body(mut body) = body.map_err(Problem::of_push)?;
    let client_id = client_id(&headers, body.id.take()).map_err(Problem::of_push)?;
    let taken = pushes::accept::accept(&node, key.app, key.asker, &client_id, body).await;
    let taken = taken.map_err(Problem::of_push)?;
    let failed = taken.failed.into_iter().map(shown_fault).collect();
    let push = Push { failed, ..shown(taken.push) };
    Ok((StatusCode::ACCEPTED, Json(push)))
}

/// Which pushes are wanted, and which page of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    broadcasts: bool,
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /v1/pushes`: newest first.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Page<Push>>, Problem> {
    let Wanted { broadcasts, limit, after } = wanted;
    let limit = Part { limit, after: None }.limit()?;
    let listing = if broadcasts { Listing::Broadcasts } else { Listing::All };
    let before = match &after {
        None => None,
        Some(text) => {
            let push = PushId::parse(text).ok_or_else(not_a_next)?;
            node.store
                .push(key.app, push)
                .await
                .map_err(storage_problem)?
                .ok_or_else(not_a_next)?;
            Some(push)
        }
    };
    // One more than asked for tells whether there is a next page.
    let found = node.store.pushes(key.app, listing, before, limit + 1).await;
    let found = found.map_err(storage_problem)?;
    Ok(Json(page(found, limit, shown, |last| last.id.clone())))
}

/// `GET /v1/pushes/{push}`.
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(push): Named<String>,
) -> Result<Json<Push>, Problem> {
    find(&node, &key, &push).await.map(|push| Json(shown(push)))
}

/// `GET /v1/pushes/{push}/deliveries`: by number.
pub(super) async fn deliveries(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(push): Named<String>,
    Params(part): Params<Part>,
) -> Result<Json<Page<PushDelivery>>, Problem> {
    let (limit, after) = (part.limit()?, part.after_number()?);
    let push = find(&node, &key, &push).await?;
    let found = node.store.deliveries(push.id, after, limit + 1).await.map_err(storage_problem)?;
    Ok(Json(page(found, limit, shown_delivery, |last| last.number.to_string())))
}

/// `POST /v1/pushes/{push}/cancel`: what was not sent is not sent.
pub(super) async fn cancel(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(push): Named<String>,
) -> Result<Json<Push>, Problem> {
    let push = parse(&push)?;
    pushes::cancel(&node, key.app, push).await.map(|push| Json(shown(push)))
}

/// `POST /v1/pushes/{push}/pause`: a broadcast stands still.
pub(super) async fn pause(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(push): Named<String>,
) -> Result<Json<Push>, Problem> {
    let push = parse(&push)?;
    pushes::pause(&node, key.app, push).await.map(|push| Json(shown(push)))
}

/// `POST /v1/pushes/{push}/resume`: a broadcast goes on.
pub(super) async fn resume(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(push): Named<String>,
) -> Result<Json<Push>, Problem> {
    let push = parse(&push)?;
    pushes::resume(&node, key.app, push).await.map(|push| Json(shown(push)))
}

async fn find(node: &Node, key: &AppKey, push: &str) -> Result<store::model::Push, Problem> {
    let push = node.store.push(key.app, parse(push)?).await.map_err(storage_problem)?;
    push.ok_or_else(unknown)
}

fn parse(push: &str) -> Result<PushId, Problem> {
    PushId::parse(push).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::new(ProblemCode::NotFound, "the app has no such push")
}

fn shown<C>(push: store::model::Push<C>) -> Push {
    let (audience, topic) = match push.audience {
        Audience::All => (AudienceName::All, None),
        Audience::Listed => (AudienceName::Listed, None),
        Audience::Topic(name) => (AudienceName::Topic, Some(name).filter(|name| !name.is_empty())),
    };
    let counts = push.counts;
    let progress = push.bound.map(|bound| progress(push.first, push.cursor, bound));
    Push {
        id: push.id.to_string(),
        kind: match push.kind {
            PushKind::Alert => PushKindName::Alert,
            PushKind::Background => PushKindName::Background,
            PushKind::Voip => PushKindName::Voip,
        },
        state: match push.state {
            PushState::Cancelled => PushStateName::Cancelled,
            PushState::Done => PushStateName::Done,
            PushState::Open => PushStateName::Open,
            PushState::Paused => PushStateName::Paused,
        },
        audience,
        topic,
        rate: push.rate,
        created_at: to_wire::time(push.created_at),
        send_at: to_wire::time(push.send_at),
        expires_at: to_wire::time(push.expires_at),
        started_at: push.started_at.map(to_wire::time),
        ended_at: push.ended_at.map(to_wire::time),
        progress,
        counts: PushCounts {
            devices: counts.devices,
            waiting: counts.waiting,
            accepted: counts.accepted,
            refused: counts.refused,
            expired: counts.expired,
            cancelled: counts.cancelled,
            skipped: counts.skipped,
        },
        // Written by the store as JSON.
        codes: serde_json::from_str(&push.codes).unwrap_or_default(),
        failed: Vec::new(),
    }
}

/// How far a cursor is on its way from the first device to the last, in percent. Counting the
/// devices that are left would read all of them, each time that somebody looks; numbers lie close
/// enough together.
fn progress(first: Option<DeviceNumber>, cursor: DeviceNumber, bound: DeviceNumber) -> u8 {
    let before = first.map_or(0, |first| first.number() - 1);
    let (done, all) = (cursor.number() - before, bound.number() - before);
    if done >= all {
        return 100;
    }
    let percent = done.max(0).saturating_mul(100).checked_div(all).unwrap_or(100);
    u8::try_from(percent).unwrap_or(100)
}

fn shown_fault((name, fault): (String, PushFault)) -> PushFailed {
    PushFailed { name, code: fault.as_str().to_owned() }
}

/// Where a delivery is.
pub(super) const fn state(delivery: &DeliveryRecord) -> DeliveryState {
    match (delivery.ended, delivery.claimed) {
        (Some(End::Accepted), _) => DeliveryState::Accepted,
        (Some(End::Cancelled), _) => DeliveryState::Cancelled,
        (Some(End::Expired), _) => DeliveryState::Expired,
        (Some(End::Refused), _) => DeliveryState::Refused,
        (None, true) => DeliveryState::Sending,
        (None, false) => DeliveryState::Waiting,
    }
}

fn shown_delivery(delivery: DeliveryRecord) -> PushDelivery {
    let state = state(&delivery);
    let target = delivery.target.as_deref().and_then(Address::from_json);
    PushDelivery {
        number: delivery.number,
        device: delivery.device,
        target: target.map(|address| address.shown()),
        state,
        due_at: delivery.due.map(to_wire::time),
        refused: delivery.refused,
        settled_at: delivery.settled_at.map(to_wire::time),
        code: delivery.code,
        reason: delivery.reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broadcast_comes_from_its_first_device_to_its_last() {
        let at = DeviceNumber::from_number;
        for (first, cursor, bound, expected) in [
            // The numbers are those of every app's devices: this one's are the last of a million.
            (Some(990_001), 0, 1_000_000, 0),
            (Some(990_001), 990_000, 1_000_000, 0),
            (Some(990_001), 995_000, 1_000_000, 50),
            (Some(990_001), 999_999, 1_000_000, 99),
            (Some(990_001), 1_000_000, 1_000_000, 100),
            (Some(1), 1, 4, 25),
            // Nobody was there; all are gone by now; so are the last ones.
            (None, 0, 0, 100),
            (None, 4, 4, 100),
            (Some(9), 4, 4, 100),
        ] {
            let progress = progress(first.map(at), at(cursor), at(bound));
            assert_eq!(progress, expected, "{first:?} {cursor} {bound}");
        }
    }
}
