//! A test push: a device's user asks for it, to see whether pushes arrive, and its push handler says
//! that it has.
//!
//! ```text
//!   POST /v1/me/test-push ─▶ a direct push to this device, awake or not ─▶ push service ─▶ handler
//!   GET  /v1/me/test-push/{push} ◀── what became of it ◀── POST …/received ◀───────────────┘
//! ```
//!
//! It is a direct push like any other and goes the way of all. What tells it apart is its kind in
//! the `reveille` object, and that the app's own code runs for it on every platform: on an iPhone
//! the notification service extension, on Android the message handler, in a browser the worker.

use std::sync::Arc;

use domain::{Platform, PushId};
use serde_json::json;
use store::log::{DeviceName, Query, Record, Step};
use store::model::{Audience, DeliveryRecord, DeviceIdentity, Push};

use super::accept::accept_test;
use super::content::Content;
use crate::accept::storage_problem;
use crate::http::problem::{Problem, ProblemCode};
use crate::node::Node;
use crate::rates::Counted;

/// The reason word of a test that has arrived.
pub const ARRIVED: &str = "test_acked";

/// How long a test is of use.
const TTL_S: u32 = 300;

/// Pushes to a device, at its own wish.
///
/// # Errors
///
/// A [`Problem`]: `no_target`, `rate_limited`, or whatever keeps the app from pushing.
pub async fn send(node: &Arc<Node>, device: &DeviceIdentity) -> Result<Push, Problem> {
    let now = node.clock.now();
    node.rates.take(Counted::TestPushes, device.app, &device.user, 1, now)?;
    let devices = node.store.devices(device.inbox).await.map_err(storage_problem)?;
    let found = devices.into_iter().find(|found| found.number == device.device);
    let platform = found.map_or(Platform::Other, |found| found.platform);
    let to = json!({ "devices": [device.name] });
    let create = match platform {
        // A notification of FCM's is shown by the system, and the app does not run for it.
        Platform::Android | Platform::Other => {
            json!({ "to": to, "kind": "background", "priority": "high", "ttl": TTL_S })
        }
        Platform::Ios | Platform::Web => json!({
            "to": to, "ttl": TTL_S,
            "title": "Test", "body": "Push notifications reach this device.",
        }),
    };
    let create = serde_json::from_value(create).map_err(|_| Problem::internal())?;
    accept_test(node, device.app, create).await.map(|taken| taken.push)
}

/// What became of a test.
#[derive(Debug)]
pub struct Found {
    /// The delivery to its device.
    pub delivery: DeliveryRecord,
    /// The record of its arrival.
    pub arrived: Option<Record>,
    /// Whether the time is over in which it is of use.
    pub is_over: bool,
}

/// What became of a test of this device.
///
/// # Errors
///
/// A [`Problem`] when it is none of this device's tests, or the store fails.
pub async fn find(node: &Node, device: &DeviceIdentity, push: PushId) -> Result<Found, Problem> {
    let stored = node.store.push(device.app, push).await.map_err(storage_problem)?;
    let stored = stored.filter(|stored| stored.audience == Audience::Listed).ok_or_else(unknown)?;
    let content: Content = serde_json::from_str(&stored.content).unwrap_or_default();
    let deliveries = node.store.deliveries(push, 0, 1).await.map_err(storage_problem)?;
    let delivery = deliveries.into_iter().next().ok_or_else(unknown)?;
    if !content.test || delivery.device.as_deref() != Some(device.name.as_str()) {
        return Err(unknown());
    }
    let query =
        Query { push: Some(push), steps: vec![Step::Session], limit: 1, ..Query::of(device.app) };
    let records = node.log.query(query).await.map_err(storage_problem)?.records;
    let is_over = node.clock.now() >= stored.expires_at;
    Ok(Found { delivery, arrived: records.into_iter().next(), is_over })
}

/// This device has no such test.
pub fn unknown() -> Problem {
    Problem::new(ProblemCode::NotFound, "this device has no such test push")
}

/// The push handler of the device says that its test has arrived; said again it is the same.
///
/// # Errors
///
/// As [`find`].
pub async fn received(node: &Node, device: DeviceIdentity, push: PushId) -> Result<(), Problem> {
    if find(node, &device, push).await?.arrived.is_some() {
        return Ok(());
    }
    let now = node.clock.now();
    let mut record = Record::new(now, device.app, device.inbox, Step::Session, ARRIVED);
    record.user = Some(Arc::from(device.user));
    record.device = Some(DeviceName { number: device.device, id: Arc::from(device.name) });
    record.push = Some(push);
    node.report(record);
    Ok(())
}
