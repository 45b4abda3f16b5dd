//! The push log: what was done and why.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{Diagnosis, MessageId, PushId};
use serde::Deserialize;
use store::log::{Cursor, MAX_LIMIT, Order, Place, Query, Record, Step, Trace};
use wire::http::Page;

use super::auth::AppKey;
use super::body::{Params, limit};
use super::problem::{Problem, ProblemCode};
use crate::accept::storage_problem;
use crate::node::Node;
use crate::to_wire;

/// Records in one answer when nothing is said.
const LIMIT: usize = 100;

/// What records are wanted; all given must hold.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    user: Option<String>,
    device: Option<String>,
    message: Option<String>,
    push: Option<String>,
    code: Option<u16>,
    step: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /v1/push-log`: newest first.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Page<wire::http::Record>>, Problem> {
    let query = query(&node, &key, wanted).await?;
    node.log.flush().await;
    let page = node.log.query(query).await.map_err(storage_problem)?;
    Ok(Json(Page {
        items: page.records.into_iter().map(shown).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    }))
}

async fn query(node: &Node, key: &AppKey, wanted: Wanted) -> Result<Query, Problem> {
    let device = match wanted.device {
        None => None,
        Some(name) => {
            let found = node.store.device_by_name(key.app, name).await.map_err(storage_problem)?;
            let unknown = || Problem::new(ProblemCode::NotFound, "the app has no such device");
            Some(found.ok_or_else(|| unknown().with_field("device"))?.device)
        }
    };
    let (inbox, user) = match wanted.user {
        None => (None, None),
        Some(user) => {
            match node.store.user(key.app, user.clone()).await.map_err(storage_problem)? {
                Some(inbox) => (Some(inbox), None),
                // Gone from the store, perhaps not from the log.
                None => (None, Some(user)),
            }
        }
    };
    let trace = match wanted.message {
        None => None,
        Some(text) => Some(trace(node, key, &text).await?),
    };
    if wanted.code.is_some_and(|code| Diagnosis::from_code(code).is_none()) {
        return Err(Problem::invalid_field("code", "give a code from 901 to 905 or 911 to 913"));
    }
    let step = wanted.step.map(|word| {
        Step::parse(&word).ok_or_else(|| {
            let words = Step::ALL.map(Step::as_str).join(", ");
            Problem::invalid_field("step", format!("give one of {words}"))
        })
    });
    let after = wanted.after.map(|text| {
        Cursor::parse(&text)
            .ok_or_else(|| Problem::invalid_field("after", "give `next` of the page before"))
    });
    let limit = limit(wanted.limit, (LIMIT, MAX_LIMIT))?;
    let push = wanted.push.map(|text| {
        PushId::parse(&text)
            .ok_or_else(|| Problem::invalid_field("push", "give a direct push's id, `psh_…`"))
    });
    Ok(Query {
        app: key.app,
        inbox,
        user,
        device,
        wake: None,
        call: None,
        push: push.transpose()?,
        trace,
        code: wanted.code,
        steps: step.transpose()?.into_iter().collect(),
        since: None,
        until: None,
        after: after.transpose()?,
        limit,
        order: Order::NewestFirst,
    })
}

async fn trace(node: &Node, key: &AppKey, text: &str) -> Result<Trace, Problem> {
    let message = MessageId::parse(text)
        .ok_or_else(|| Problem::invalid_field("message", "give a message's id, `msg_…`"))?;
    let places = node.store.find_message(key.app, message).await.map_err(storage_problem)?;
    let places = places.unwrap_or_default();
    let places = places.into_iter().map(|(inbox, offset)| Place { inbox, offset }).collect();
    Ok(Trace { message, places })
}

/// A record as the API shows it.
pub(super) fn shown(record: Record) -> wire::http::Record {
    wire::http::Record {
        at: to_wire::time(record.at),
        step: record.step.as_str().to_owned(),
        reason: record.reason.into_owned(),
        user: record.user.map(|user| user.to_string()),
        device: record.device.map(|device| device.id.to_string()),
        wake: record.wake.map(|wake| wake.to_string()),
        attempt: record.attempt.map(|attempt| attempt.to_string()),
        message: record.message.map(|message| message.to_string()),
        call: record.call.map(to_wire::call_id),
        push: record.push.map(|push| push.to_string()),
        code: record.code,
        // Written here as JSON; a line that is not is shown without.
        detail: record.detail.and_then(|detail| serde_json::from_str(&detail).ok()),
    }
}
