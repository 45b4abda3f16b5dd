//! What happened, for whoever asks later, or waits for it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::AppId;
use serde::Deserialize;
use wire::http::{Event, Page};

use super::auth::AppKey;
use super::body::{Params, Part, page};
use super::problem::Problem;
use crate::accept::storage_problem;
use crate::node::Node;
use crate::to_wire;

/// What stands for the number of the newest event.
const NEWEST: &str = "newest";

/// The longest that one request waits for an event, in seconds.
const LONGEST_WAIT: u32 = 30;

/// Which events are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    limit: Option<usize>,
    /// The number of an event, or `newest`.
    after: Option<String>,
    /// Seconds to wait for one, if there is none yet.
    wait: Option<u32>,
}

/// `GET /v1/events`: in the order in which they happened.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Params(asked): Params<Asked>,
) -> Result<Json<Page<Event>>, Problem> {
    let wait = asked.wait.unwrap_or(0);
    if wait > LONGEST_WAIT {
        return Err(Problem::invalid_field("wait", format!("give 0 to {LONGEST_WAIT} seconds")));
    }
    if asked.after.as_deref() == Some(NEWEST) {
        let newest = node.store.newest_event(key.app).await.map_err(storage_problem)?;
        return Ok(Json(Page { items: Vec::new(), next: Some(newest.to_string()) }));
    }
    let part = Part { limit: asked.limit, after: asked.after };
    let (limit, after) = (part.limit()?, part.after_number()?);
    let found = found(&node, key.app, after, limit + 1, wait).await?;
    let shown = |event| to_wire::event(&node.ids, &event);
    Ok(Json(page(found, limit, shown, |last| last.number.to_string())))
}

/// Events behind a number; waits for one if there is none yet.
async fn found(
    node: &Node,
    app: AppId,
    after: i64,
    limit: usize,
    wait: u32,
) -> Result<Vec<store::model::Event>, Problem> {
    let over = tokio::time::sleep(Duration::from_secs(u64::from(wait)));
    tokio::pin!(over);
    let mut news = node.store.new_events(app);
    loop {
        news.mark_unchanged();
        let found = node.store.events(app, after, limit).await.map_err(storage_problem)?;
        if !found.is_empty() || wait == 0 {
            return Ok(found);
        }
        tokio::select! {
            told = news.changed() => if told.is_err() { return Ok(found) },
            () = &mut over => return Ok(found),
            () = node.tasks.stopped() => return Ok(found),
        }
    }
}
