//! Why a push does not arrive.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::MessageId;
use serde::Deserialize;
use wire::http::Explanation;

use super::auth::AppKey;
use super::body::Params;
use super::problem::Problem;
use crate::explain::{self, Subject};
use crate::node::Node;

/// What is asked about: one of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    user: Option<String>,
    device: Option<String>,
    message: Option<String>,
}

/// `GET /v1/explain`: what would happen to a push now, or what happened to a message.
pub(super) async fn explain(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Params(asked): Params<Asked>,
) -> Result<Json<Explanation>, Problem> {
    let subject = match asked {
        Asked { user: Some(user), device: None, message: None } => Subject::User(user),
        Asked { user: None, device: Some(device), message: None } => Subject::Device(device),
        Asked { user: None, device: None, message: Some(text) } => {
            let message = MessageId::parse(&text)
                .ok_or_else(|| Problem::invalid_field("message", "give a message's id, `msg_…`"))?;
            Subject::Message(message)
        }
        _ => {
            return Err(Problem::invalid_field(
                "user",
                "give one of `user`, `device` and `message`, and no other",
            ));
        }
    };
    explain::explain(&node, key.app, subject).await.map(Json)
}
