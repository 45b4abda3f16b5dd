//! Calls, for push handlers: the same as the frames `call.ringing`, `call.answer` and so on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::SessionId;
use domain::call::CallInput;
use http::StatusCode;
use serde::Deserialize;
use store::model::DeviceIdentity;
use wire::http::{CallAnswerPost, CallRejectPost, CallShown, CallSignalPost};
use wire::{RejectReason, ServerFrame};

use super::auth::Me;
use super::body::{Body, Params};
use super::path::Named;
use super::problem::Problem;
use crate::calls::{self, Caller};
use crate::node::Node;

/// Which signals to show.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Behind {
    /// The sequence of the last signal that the device has.
    after: i64,
}

/// `GET /v1/me/calls/{call}`: how the call stands, and what the other side sent.
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(call): Named<String>,
    Params(behind): Params<Behind>,
) -> Result<Json<CallShown>, Problem> {
    if behind.after < 0 {
        return Err(Problem::invalid_field("after", "give 0 or more"));
    }
    let who = (device.app, device.device, device.inbox);
    Ok(Json(calls::show(&node, who, &call, behind.after).await?))
}

/// `POST /v1/me/calls/{call}/signal`: opaque signalling to the other side.
pub(super) async fn signal(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(call): Named<String>,
    Body(signal): Body<CallSignalPost>,
) -> Result<Response, Problem> {
    Ok(told(calls::signal(&node, &caller(device), &call, signal.body).await?))
}

/// `POST /v1/me/calls/{call}/ringing`: this device rings.
pub(super) async fn ringing(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(call): Named<String>,
) -> Result<Response, Problem> {
    Ok(told(calls::ringing(&node, &caller(device), &call).await?))
}

/// `POST /v1/me/calls/{call}/answer`: this device takes the call.
pub(super) async fn answer(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(call): Named<String>,
    body: Option<Body<CallAnswerPost>>,
) -> Result<Response, Problem> {
    let answer = body.and_then(|Body(body)| body.answer);
    let text = answer.map(|answer| String::from(Box::<str>::from(answer)));
    let input = CallInput::Answer(device.device);
    Ok(told(calls::step(&node, &caller(device), &call, input, text).await?))
}

/// `POST /v1/me/calls/{call}/reject`: the callee does not want the call.
pub(super) async fn reject(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(call): Named<String>,
    body: Option<Body<CallRejectPost>>,
) -> Result<Response, Problem> {
    let input = match body.map(|Body(body)| body.reason).unwrap_or_default() {
        RejectReason::Declined => CallInput::Decline,
        RejectReason::Busy => CallInput::Busy,
    };
    Ok(told(calls::step(&node, &caller(device), &call, input, None).await?))
}

/// `POST /v1/me/calls/{call}/cancel`: the caller gives up before an answer.
pub(super) async fn cancel(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(call): Named<String>,
) -> Result<Response, Problem> {
    Ok(told(calls::step(&node, &caller(device), &call, CallInput::Cancel, None).await?))
}

/// `POST /v1/me/calls/{call}/end`: either side hangs up.
pub(super) async fn end(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(call): Named<String>,
) -> Result<Response, Problem> {
    let input = CallInput::End(device.device);
    Ok(told(calls::step(&node, &caller(device), &call, input, None).await?))
}

fn caller(device: DeviceIdentity) -> Caller {
    Caller {
        app: device.app,
        device: device.device,
        inbox: device.inbox,
        // It has none; nothing of a call depends on it.
        session: SessionId::from_bits(0),
        user: Arc::from(device.user),
        device_name: Arc::from(device.name),
    }
}

/// What the device should know, as a frame: how the call stands, where that is not as it wished.
fn told(frame: Option<ServerFrame>) -> Response {
    match frame {
        Some(frame) => Json(frame).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}
