//! The app's back end, which a webhook tells of every event: its own trouble, and what it got.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sim::trouble::Scripted;
use sim::world::World;
use sim::{SeenPush, WebhookSink, sink};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use wire::http::{Event, Page, WebhookDelivery};

use crate::evidence::{Events, Told};

/// Between two troubles of the back end.
const TROUBLE_GAP: Duration = Duration::from_millis(700);
/// How long the back end keeps everybody waiting.
const HELD: Duration = Duration::from_millis(300);
/// Between two looks at whether all has come.
const LOOK: Duration = Duration::from_millis(250);

/// The types of events, all that a webhook may name; the frequent ones are not in `*`.
const TYPES: [&str; 14] = [
    "call.missed",
    "credential.expiring",
    "credential.failed",
    "credential.recovered",
    "device.removed",
    "device.target_moved",
    "device.token_dropped",
    "device.woken",
    "message.offline",
    "push.failed",
    "push.sent",
    "user.connected",
    "user.disconnected",
    "wake.exhausted",
];

/// The back end and its webhook.
pub(super) struct BackEnd {
    world: Arc<World>,
    /// The webhook in the API.
    path: String,
    secret: String,
    /// The newest event when the webhook was made.
    after: i64,
    trouble: JoinSet<()>,
}

impl BackEnd {
    /// Makes the webhook, and begins the trouble.
    pub(super) async fn start(world: &Arc<World>) -> Result<Self> {
        let sink = sink(world)?;
        let webhooks = format!("/v1/apps/{}/webhooks", world.app_id());
        let body = json!({ "url": sink.url("/events"), "events": TYPES });
        let made: Value = world.call(Method::POST, &webhooks, Some(&body)).await?;
        let id = made["id"].as_str().context("the webhook has no id")?;
        let secret = made["secret"].as_str().context("the webhook has no secret")?;
        let newest: Page<Event> = world.call(Method::GET, "/v1/events?after=newest", None).await?;
        let after = newest.next.context("the events have no end")?.parse()?;
        let mut trouble = JoinSet::new();
        trouble.spawn(make_trouble(Arc::clone(world)));
        let path = format!("{webhooks}/{id}");
        Ok(Self { world: Arc::clone(world), path, secret: secret.to_owned(), after, trouble })
    }

    /// The back end is well from now on.
    pub(super) async fn calm(&mut self) -> Result<()> {
        self.trouble.shutdown().await;
        let trouble = sink(&self.world)?.trouble();
        trouble.release();
        trouble.clear();
        Ok(())
    }

    /// Waits until every event has come or is parked, or nothing has moved for `patience`; returns
    /// how it stands.
    pub(super) async fn over(&self, patience: Duration) -> Result<Events> {
        let mut listed: Vec<Event> = Vec::new();
        let mut moved = (usize::MAX, Instant::now());
        loop {
            // What came is looked at first: all of it has to be in the list.
            let seen = sink(&self.world)?.seen();
            let after = listed.last().map_or(self.after, |event| event.number);
            listed.extend(self.events(after).await?);
            let events = self.events_of(&seen, listed.clone(), self.parked().await?);
            let missing = events.missing().count();
            if missing < moved.0 {
                moved = (missing, Instant::now());
            }
            if missing == 0 || moved.1.elapsed() > patience {
                return Ok(events);
            }
            sleep(LOOK).await;
        }
    }

    /// The events behind a number.
    async fn events(&self, mut after: i64) -> Result<Vec<Event>> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let path = format!("/v1/events?after={after}&limit=1000");
            let page: Page<Event> = self.world.call(Method::GET, &path, None).await?;
            let Some(last) = page.items.last() else { return Ok(events) };
            after = last.number;
            events.extend(page.items);
        }
    }

    async fn parked(&self) -> Result<HashSet<String>> {
        let path = format!("{}/deliveries?state=parked", self.path);
        let page: Page<WebhookDelivery> = self.world.call(Method::GET, &path, None).await?;
        Ok(page.items.into_iter().map(|parked| parked.event.id).collect())
    }

    fn events_of(&self, seen: &[SeenPush], listed: Vec<Event>, parked: HashSet<String>) -> Events {
        let (taken, refused): (Vec<_>, Vec<_>) =
            seen.iter().partition(|seen| seen.status.is_success());
        let told = taken.into_iter().map(|seen| Told {
            at: seen.at,
            id: seen.header("webhook-id").unwrap_or_default().to_owned(),
            event: serde_json::from_slice(&seen.payload).ok(),
            signed: sink::is_signed(seen, &self.secret),
        });
        Events { told: told.collect(), refused: refused.len(), listed, parked }
    }
}

fn sink(world: &World) -> Result<&WebhookSink> {
    world.back_end().context("there is no back end")
}

/// One trouble after the other, for as long as it is let.
async fn make_trouble(world: Arc<World>) {
    let Some(sink) = world.back_end() else { return };
    let trouble = sink.trouble();
    let answer = |status| Scripted::status(status);
    loop {
        sleep(TROUBLE_GAP).await;
        trouble.answer_next(8, &answer(StatusCode::SERVICE_UNAVAILABLE));
        sleep(TROUBLE_GAP).await;
        // It has stored what it was told, and cannot say so.
        trouble.close_after_processing(3);
        sleep(TROUBLE_GAP).await;
        trouble.answer_next(4, &answer(StatusCode::FOUND));
        sleep(TROUBLE_GAP).await;
        trouble.hold();
        sleep(HELD).await;
        trouble.release();
        sleep(TROUBLE_GAP).await;
        trouble.close_next(2);
        trouble.close_connections(1);
    }
}
