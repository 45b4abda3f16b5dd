//! What a phone says of the push that woke its app: it tells apart a push that never reached the
//! app, one that did while the app could not connect, and one that Google demoted.

use std::sync::Arc;
use std::time::Duration;

use domain::{Offset, WakeId};
use serde_json::json;
use store::model::{DeviceIdentity, WokenBy};

use crate::from_wire;
use crate::http::problem::Problem;
use crate::node::Node;
use crate::report::SessionReport;
use crate::secret::{KeyKind, KeyText};

/// A handler that ran longer ago than this could not connect at first.
const LATE: Duration = Duration::from_secs(30);

/// What the frame says; `None`: it names no wake of ours.
pub(super) fn by(woken: &wire::WokenBy) -> Option<WokenBy> {
    let demoted = match (&woken.priority, &woken.original_priority) {
        (Some(priority), Some(original)) => !priority.eq_ignore_ascii_case(original),
        _ => false,
    };
    Some(WokenBy {
        wake: WakeId::parse(&woken.wake)?,
        received_at: woken.received_at.map(from_wire::time),
        demoted,
    })
}

/// Writes how the wake that is open, if it is that one, reached its app.
pub(super) fn report(
    node: &Node,
    report: &SessionReport,
    woken: WokenBy,
    open: Option<WakeId>,
    (after, up_to): (Offset, Offset),
) {
    if open != Some(woken.wake) {
        return;
    }
    // By the phone's clock, which may be wrong: it is a hint and decides nothing.
    let waited = woken.received_at.map(|at| node.clock.now().since(at));
    let reason = match waited {
        _ if woken.demoted => "woken_demoted",
        Some(waited) if waited > LATE => "woken_late",
        Some(_) | None => "woken",
    };
    let detail = json!({
        "wake": woken.wake.to_string(),
        "received_ms_ago": waited.map(|waited| waited.as_millis()),
        "demoted": woken.demoted,
    });
    report.write(node, reason, (after < up_to).then_some((after, up_to)), Some(detail));
}

/// A woken app was not let in: its device stays asleep, and whoever asks why learns it here.
pub(super) async fn refused(node: &Arc<Node>, frame: &wire::Connect, problem: &Problem) {
    let Some(woken) = frame.woken_by.as_ref().and_then(by) else { return };
    let Some(device) = known(node, frame).await else { return };
    let Ok(devices) = node.store.devices(device.inbox).await else { return };
    let owed = devices.iter().any(|found| {
        found.name == device.name && found.wakes.iter().any(|wake| wake.id == woken.wake)
    });
    if !owed {
        return;
    }
    let head = node.store.read(device.inbox, device.cursor, 0, node.clock.now()).await;
    let head = head.ok().flatten().map_or(device.cursor, |read| read.head);
    let cursor = device.cursor;
    let report = SessionReport {
        app: device.app,
        inbox: device.inbox,
        user: Arc::from(device.user),
        device: device.device,
        device_name: Arc::from(device.name),
    };
    let detail = json!({ "wake": woken.wake.to_string(), "problem": problem.code().as_str() });
    report.write(
        node,
        "woken_but_refused",
        (cursor < head).then_some((cursor, head)),
        Some(detail),
    );
}

/// The device that the frame speaks of, as far as it proves it: by its secret, or by an opaque user
/// token that was good once.
async fn known(node: &Node, frame: &wire::Connect) -> Option<DeviceIdentity> {
    if let Some(secret) = &frame.device_secret {
        let key = KeyText::parse_kind(secret, KeyKind::Device).ok()?;
        return node.store.device_by_secret(*key.hash().as_bytes()).await.ok()?;
    }
    let key = KeyText::parse_kind(frame.token.as_deref()?, KeyKind::User).ok()?;
    let token = node.store.user_token(*key.hash().as_bytes()).await.ok()??;
    let device = node.store.device_by_name(token.app, frame.device.id.clone()).await.ok()??;
    (device.inbox == token.inbox).then_some(device)
}
