//! What happened to an app over time, in numbers.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::Time;
use serde::Deserialize;
use store::log;
use wire::http::Statistics;

use super::auth::OwnApp;
use super::body::{Params, time};
use super::problem::Problem;
use crate::accept::storage_problem;
use crate::node::Node;
use crate::{statistics, to_wire};

/// How long a step may be, in seconds: five minutes, an hour, a day. Each is a whole number of the
/// log's slots and part of a whole day, so that a step is always the same one.
const STEPS: [u32; 3] = [300, 3_600, 86_400];

/// The most steps of one answer.
const MOST: i64 = 1_000;

/// What is asked about when nothing is said.
const USUAL: Duration = Duration::from_secs(86_400);

/// Which time, in which steps.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    since: Option<String>,
    until: Option<String>,
    step: Option<u32>,
}

/// `GET /v1/apps/{app}/statistics`: in whole steps.
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Statistics>, Problem> {
    let step = wanted.step.unwrap_or(3_600);
    if !STEPS.contains(&step) {
        return Err(Problem::invalid_field("step", "give 300, 3600 or 86400 seconds"));
    }
    let until = time("until", wanted.until)?.unwrap_or_else(|| node.clock.now());
    let since = time("since", wanted.since)?.unwrap_or_else(|| until.minus(USUAL));
    if since >= until {
        return Err(Problem::invalid_field("since", "give a time before `until`"));
    }
    let seconds = i64::from(step);
    let first = since.as_seconds().div_euclid(seconds);
    // A step that has begun is in it.
    let steps = until.minus(Duration::from_micros(1)).as_seconds().div_euclid(seconds) + 1 - first;
    if steps > MOST {
        let detail = format!(
            "that are {steps} steps, {MOST} are given at most; give a longer `step` or less time"
        );
        return Err(Problem::invalid_field("step", detail));
    }
    let whole = |steps: i64| Time::from_millis(steps.saturating_mul(seconds).saturating_mul(1_000));
    let (since, until) = (whole(first), whole(first + steps));
    let length = Duration::from_secs(u64::from(step));
    let wanted = log::Wanted { app, since, until, step: length };
    let counted = node.log.figures(wanted).await.map_err(storage_problem)?;
    let steps = usize::try_from(steps).unwrap_or_default();
    let (total, items) = statistics::add_up(counted, since, length, steps);
    let (since, until) = (to_wire::time(since), to_wire::time(until));
    Ok(Json(Statistics { since, until, step, total, items }))
}
