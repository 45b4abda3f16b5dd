//! Webhooks: events go to the endpoints of apps' back ends, each endpoint by a task of its own, so
//! that one that is slow or gone delays no other.
//!
//! ```text
//!   an event is committed ──rings──▶ endpoint's task ──▶ a page: due again, not tried yet
//!                                         ▲                        │ signed, POST, all at once
//!                                         │                        ▼
//!                                         └──── settle: cursor, one row for each event
//! ```
//!
//! When an event is tried again and when an endpoint is left in peace, `domain::webhook` decides.
//! Does not: keep an order. Events of one page go out together; `number` and `sequence` tell.

mod endpoint;
mod sign;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::webhook::{Endpoint, Pauses};
use domain::{AppId, EventSet, EventType, Time, WebhookId};
use providers::outbound::{Client, NoAnswer};
use store::model::{Webhook, WebhookState};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::node::Node;
use crate::remembered::Remembered;

pub use sign::generate_secret;

/// The endpoints that this node serves.
pub struct Webhooks {
    client: Client,
    pauses: Pauses,
    running: Mutex<HashMap<WebhookId, Running>>,
    /// Which frequent events apps keep.
    wanted: Remembered<EventSet>,
}

/// An endpoint that is served.
#[derive(Debug)]
struct Running {
    /// Ends its task.
    stop: CancellationToken,
    health: Arc<Health>,
}

/// How an endpoint is doing, and what makes its task look anew.
#[derive(Debug, Default)]
struct Health {
    endpoint: Mutex<Endpoint>,
    look: Notify,
}

impl Health {
    fn with<T>(&self, change: impl FnOnce(&mut Endpoint) -> T) -> T {
        change(&mut self.endpoint.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

impl Webhooks {
    /// None is served yet.
    pub fn new(client: Client, pauses: Pauses) -> Self {
        Self { client, pauses, running: Mutex::default(), wanted: Remembered::default() }
    }

    /// Whether a URL may be called, as far as can be seen without calling it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to do.
    pub fn check(&self, url: &str) -> Result<(), NoAnswer> {
        self.client.check(url)
    }

    /// Until when an endpoint is left in peace, if it is.
    pub fn paused_until(&self, webhook: WebhookId, now: Time) -> Option<Time> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let health = &running.get(&webhook)?.health;
        health.with(|endpoint| endpoint.paused_until()).filter(|until| *until > now)
    }

    /// Something is to be sent at once: a test, or a replay. A pause is over by it.
    pub fn look(&self, webhook: WebhookId) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Running { health, .. }) = running.get(&webhook) {
            health.with(|endpoint| *endpoint = Endpoint::default());
            health.look.notify_one();
        }
    }

    /// Forgets which frequent events an app keeps: its webhooks or settings have changed.
    pub fn forget_wanted(&self, app: AppId) {
        self.wanted.forget(app);
    }

    /// Serves no longer: it was removed.
    pub fn forget(&self, webhook: WebhookId) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Running { stop, .. }) = running.remove(&webhook) {
            stop.cancel();
        }
    }
}

impl Node {
    /// Whether an app keeps events of this kind, so that they are worth writing down.
    pub async fn wants_event(&self, app: AppId, event: EventType) -> bool {
        if !event.is_frequent() {
            return true;
        }
        let asked = match self.webhooks.wanted.look(app) {
            Ok(known) => return known.has(event),
            Err(asked) => asked,
        };
        match self.store.wanted_events(app).await {
            Ok(types) => {
                self.webhooks.wanted.keep(app, asked, types);
                types.has(event)
            }
            // The store asks once more where it writes.
            Err(_) => true,
        }
    }
}

/// Serves every endpoint there is.
///
/// # Errors
///
/// When the store cannot be read.
pub async fn start(node: &Arc<Node>) -> Result<(), store::Error> {
    for webhook in node.store.webhooks(None).await? {
        serve(node, webhook);
    }
    Ok(())
}

/// Serves an endpoint as it is now, from its cursor on; the task that served it before ends.
pub fn serve(node: &Arc<Node>, webhook: Webhook) {
    node.webhooks.forget(webhook.id);
    node.webhooks.forget_wanted(webhook.app);
    if webhook.state != WebhookState::On {
        return;
    }
    let (stop, health) = (CancellationToken::new(), Arc::new(Health::default()));
    let served = Running { stop: stop.clone(), health: Arc::clone(&health) };
    {
        let mut running = node.webhooks.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(webhook.id, served);
    }
    let runner = Arc::clone(node);
    node.tasks.start("webhook", async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = runner.tasks.stopped() => {}
            () = endpoint::run(&runner, webhook, &health) => {}
        }
    });
}
