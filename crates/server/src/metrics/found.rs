//! What is there when somebody asks.

use std::sync::Arc;

use domain::Time;
use store::model::{Credential, Standing, Waiting, WebhookStanding};

use super::labels::{Id, OfCircuit, OfCredential, OfQueue, OfState, OfVersion, OfWebhook, Whole};
use super::process::number;
use super::table::Found;
use crate::doctor::disk;
use crate::node::Node;

const SECONDS_A_DAY: f64 = 86_400.0;

/// Reads all of it.
pub(super) async fn look(node: &Arc<Node>, found: &Found) {
    let version = OfVersion { version: env!("CARGO_PKG_VERSION") };
    found.build_info.get_or_create(&version).set(1.0);
    let now = node.clock.now();
    let stored = match node.store.standing(now).await {
        Ok(standing) => node.store.credentials(None).await.map(|all| (standing, all)),
        Err(error) => Err(error),
    };
    let whole = Whole {};
    found.store_up.get_or_create(&whole).set(if stored.is_ok() { 1.0 } else { 0.0 });
    match stored {
        Ok((standing, credentials)) => {
            show_standing(found, node, &standing, now);
            for credential in credentials {
                show_credential(found, &credential, now);
            }
        }
        Err(error) => tracing::debug!(%error, "the store is not in the metrics"),
    }
    found.sessions.get_or_create(&whole).set(number(node.hub.sessions()));
    for (app, key, open) in node.circuits.places() {
        let circuit =
            OfCircuit { app: Id(app), credential: Id(key.credential), place: key.place.word() };
        // A place of Web Push is one of many services: those that are open are counted.
        found.circuits_open.get_or_create(&circuit).inc_by(if open { 1.0 } else { 0.0 });
    }
    if let Ok(free) = disk::free_space(&node.config().data_dir) {
        found.disk_free_bytes.get_or_create(&whole).set(number(free));
    }
    let written = node.store.written();
    found.store_commits.get_or_create(&whole).inc_by(written.commits);
    found.store_changes.get_or_create(&whole).inc_by(written.changes);
    found.store_busy_seconds.get_or_create(&whole).inc_by(written.busy.as_secs_f64());
    let queues = [("store", written.waiting), ("push_log", node.log.waiting())];
    for (queue, waiting) in queues {
        found.queue_depth.get_or_create(&OfQueue { queue }).set(number(waiting));
    }
    found.push_log_records_dropped.get_or_create(&whole).inc_by(node.log.dropped());
    found.task_panics.get_or_create(&whole).inc_by(node.tasks.panics());
}

fn show_standing(found: &Found, node: &Node, standing: &Standing, now: Time) {
    let whole = Whole {};
    show_waiting(&found.wakes_open, "message", standing.message_wakes, Parked::Some);
    show_waiting(&found.wakes_open, "call", standing.call_wakes, Parked::Some);
    show_waiting(&found.deliveries_open, "push", standing.deliveries, Parked::Never);
    found.broadcasts_open.get_or_create(&whole).set(number(standing.broadcasts));
    found.calls_open.get_or_create(&whole).set(number(standing.calls));
    found.database_size_bytes.get_or_create(&whole).set(number(standing.database_bytes));
    for WebhookStanding { app, webhook, waiting, parked } in &standing.webhooks {
        let endpoint = OfWebhook { app: Id(*app), webhook: Id(*webhook) };
        let paused = node.webhooks.paused_until(*webhook, now).is_some();
        found.webhook_paused.get_or_create(&endpoint).set(if paused { 1.0 } else { 0.0 });
        found.webhook_events_waiting.get_or_create(&endpoint).set(number(*waiting));
        found.webhook_events_parked.get_or_create(&endpoint).set(number(*parked));
    }
}

/// Whether something waits for other things than time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parked {
    Never,
    Some,
}

fn show_waiting(
    family: &super::table::Gauges<OfState>,
    subject: &'static str,
    waiting: Waiting,
    parked: Parked,
) {
    let Waiting { due, later, under_way, parked: count } = waiting;
    let states = [("due", due), ("later", later), ("under_way", under_way), ("parked", count)];
    for (state, count) in states {
        if (state, parked) != ("parked", Parked::Never) {
            family.get_or_create(&OfState { subject, state }).set(number(count));
        }
    }
}

fn show_credential(found: &Found, credential: &Credential, now: Time) {
    let Some(not_after) = credential.not_after else { return };
    let labels = OfCredential {
        app: Id(credential.app),
        credential: Id(credential.id),
        kind: credential.kind.clone(),
    };
    // Below zero once it has expired.
    let left = if not_after >= now {
        now.until(not_after).as_secs_f64()
    } else {
        -not_after.until(now).as_secs_f64()
    };
    found.credential_days_left.get_or_create(&labels).set(left / SECONDS_A_DAY);
}
