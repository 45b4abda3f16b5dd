//! Calls, for push handlers: the same as the frames `call.ringing`, `call.answer` and so on.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use domain::SessionId;
use domain::call::CallInput;
use http::StatusCode;

use super::auth::Me;
use super::problem::{Problem, ProblemCode};
use crate::calls::{self, Caller};
use crate::node::Node;

/// `POST /v1/me/calls/{call}/{verb}`: answers what the device should know (how the call stands),
/// or nothing.
pub(super) async fn step(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Path((call, verb)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let caller = Caller {
        app: device.app,
        device: device.device,
        inbox: device.inbox,
        // It has none; nothing of a call depends on it.
        session: SessionId::from_bits(0),
        user: Arc::from(device.user.as_str()),
    };
    let input = match verb.as_str() {
        "ringing" => return answer(calls::ringing(&node, &caller, &call).await?),
        "answer" => CallInput::Answer(caller.device),
        "reject" => CallInput::Decline,
        "busy" => CallInput::Busy,
        "cancel" => CallInput::Cancel,
        "end" => CallInput::End(caller.device),
        _ => {
            return Err(Problem::new(
                ProblemCode::NotFound,
                "no such step of a call; there are ringing, answer, reject, busy, cancel and end",
            ));
        }
    };
    answer(calls::step(&node, &caller, &call, input, None).await?)
}

fn answer(told: Option<wire::ServerFrame>) -> Result<Response, Problem> {
    Ok(match told {
        Some(frame) => Json(frame).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}
