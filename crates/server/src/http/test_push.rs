//! The end user's own button: does a push reach this device?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::{Diagnosis, PushId};
use http::StatusCode;
use store::model::DeviceIdentity;
use wire::http::{DeliveryState, TestPush, TestPushState};

use super::auth::Me;
use super::path::Named;
use super::problem::Problem;
use super::pushes::state;
use crate::node::Node;
use crate::pushes::test::{self, Found};
use crate::to_wire;

/// `POST /v1/me/test-push`: a push goes out, also to a device that is awake.
pub(super) async fn send(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
) -> Result<impl IntoResponse, Problem> {
    sent(&node, &device).await
}

/// Sends one.
pub(super) async fn sent(
    node: &Arc<Node>,
    device: &DeviceIdentity,
) -> Result<(StatusCode, Json<TestPush>), Problem> {
    let sent = test::send(node, device).await?;
    let waiting = TestPush {
        push: sent.id.to_string(),
        state: TestPushState::Waiting,
        received_at: None,
        code: None,
        text: None,
    };
    Ok((StatusCode::ACCEPTED, Json(waiting)))
}

/// `GET /v1/me/test-push/{push}`: where it is.
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(push): Named<String>,
) -> Result<Json<TestPush>, Problem> {
    found(&node, &device, &push).await.map(Json)
}

/// What became of a device's test.
pub(super) async fn found(
    node: &Node,
    device: &DeviceIdentity,
    push: &str,
) -> Result<TestPush, Problem> {
    let push = parse(push)?;
    Ok(shown(push, test::find(node, device, push).await?))
}

/// `POST /v1/me/test-push/{push}/received`: the push handler has it.
pub(super) async fn received(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(push): Named<String>,
) -> Result<StatusCode, Problem> {
    test::received(&node, device, parse(&push)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(push: &str) -> Result<PushId, Problem> {
    PushId::parse(push).ok_or_else(test::unknown)
}

fn shown(push: PushId, found: Found) -> TestPush {
    let Found { delivery, arrived, is_over } = found;
    let state = match (&arrived, state(&delivery)) {
        (Some(_), _) => TestPushState::Received,
        (None, DeliveryState::Waiting | DeliveryState::Sending) => TestPushState::Waiting,
        // Whoever waits for it need not any longer.
        (None, DeliveryState::Accepted) if is_over => TestPushState::Expired,
        (None, DeliveryState::Accepted) => TestPushState::Accepted,
        (None, DeliveryState::Refused) => TestPushState::Refused,
        (None, DeliveryState::Expired | DeliveryState::Cancelled) => TestPushState::Expired,
    };
    let diagnosis = delivery.code.and_then(Diagnosis::from_code);
    TestPush {
        push: push.to_string(),
        state,
        received_at: arrived.map(|record| to_wire::time(record.at)),
        code: delivery.code,
        text: diagnosis.map(|diagnosis| diagnosis.meaning().to_owned()),
    }
}
