//! One endpoint: sends what there is, page by page, and waits for more.

use std::time::Duration;

use bytes::Bytes;
use domain::Time;
use domain::webhook::{Delivery, Endpoint, Pace, Pauses, TRIED_FOR, Tried};
use futures_util::future::join_all;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use store::model::{Event, SettleWebhook, SettledTry, TryAnswer, Webhook, WebhookWork};
use tokio::sync::watch;
use wire::limits;

use super::Health;
use super::sign::Signer;
use crate::attempt::settled;
use crate::node::Node;
use crate::to_wire;

/// Events that are sent to one endpoint at once.
const PAGE: usize = 16;

/// Events that are parked in one transaction.
const PARK_PAGE: usize = 500;

/// The pause after the store failed.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// The longest wait: what nobody rang for is found by then.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

const USER_AGENT_VALUE: &str = concat!("Reveille/", env!("CARGO_PKG_VERSION"));

/// Serves an endpoint until whoever started this drops it, or the endpoint is gone.
pub(super) async fn run(node: &Node, mut webhook: Webhook, health: &Health) {
    let signer = match Signer::open(&node.master_key, &webhook) {
        Ok(signer) => signer,
        Err(error) => {
            tracing::error!(%error, webhook.id = %webhook.id, "a webhook cannot be signed for");
            return;
        }
    };
    let mut news = node.store.new_events(webhook.app);
    loop {
        news.mark_unchanged();
        match step(node, &mut webhook, health, &signer).await {
            Ok(Step::Again) => {}
            Ok(Step::Wait(until)) => wait(node, health, &mut news, until).await,
            Ok(Step::Over) => return,
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, webhook.id = %webhook.id, "events wait for the store");
                tokio::time::sleep(STORE_AGAIN).await;
            }
        }
    }
}

/// What comes after a step.
enum Step {
    /// There may be more.
    Again,
    /// Nothing before then, unless there is news.
    Wait(Wait),
    /// The endpoint is removed or gone.
    Over,
}

/// What an endpoint waits for.
#[derive(Clone, Copy)]
struct Wait {
    until: Option<Time>,
    /// It is left in peace until then, whatever happens.
    paused: bool,
}

async fn wait(node: &Node, health: &Health, news: &mut watch::Receiver<i64>, wait: Wait) {
    let now = node.clock.now();
    let pause = wait.until.map_or(LONGEST_WAIT, |until| now.until(until)).min(LONGEST_WAIT);
    tokio::select! {
        () = health.look.notified() => {}
        changed = news.changed(), if !wait.paused => {
            if changed.is_err() {
                // The store is closing; the node ends this task.
                tokio::time::sleep(pause).await;
            }
        }
        () = tokio::time::sleep(pause) => {}
    }
}

/// Sends one page, as far as the endpoint's pace allows, and settles it.
async fn step(
    node: &Node,
    webhook: &mut Webhook,
    health: &Health,
    signer: &Signer,
) -> Result<Step, store::Error> {
    let now = node.clock.now();
    let limit = match health.with(|endpoint| endpoint.pace(now)) {
        Pace::Full => PAGE,
        Pace::Probe => 1,
        Pace::Wait(until) => {
            park(node, webhook, now).await?;
            return Ok(Step::Wait(Wait { until: Some(until), paused: true }));
        }
    };
    let work = node.store.webhook_work(webhook.clone(), limit, now).await?;
    let WebhookWork { again, fresh, cursor, more, next_due } = work;
    if again.is_empty() && fresh.is_empty() {
        // Kept in memory alone: after a start the same events are passed over again.
        webhook.cursor = cursor;
        return Ok(Step::Wait(Wait { until: next_due, paused: false }));
    }
    let is_full = again.len() >= limit || more;
    let due = again.into_iter().map(|tried| (tried.event, tried.tries, tried.since));
    let fresh = fresh.into_iter().map(|event| {
        let at = event.at;
        (event, 0, at)
    });
    let events = due.chain(fresh);
    let (to, pauses): (&Webhook, _) = (webhook, node.webhooks.pauses);
    let sending = events.map(|(event, tries, since)| async move {
        let (tried, answer) = send(node, to, signer, &event).await;
        node.metrics.told(to, tried, answer.status);
        let ended = node.clock.now();
        let delivery = Delivery::after(tried, tries + 1, since, pauses, rand::random(), ended);
        (tried, SettledTry { event: event.number, delivery, tries: tries + 1, since, answer })
    });
    let ended = join_all(sending).await;
    let now = node.clock.now();
    let back = health.with(|endpoint| note(endpoint, &ended, pauses, now));
    let gone = ended.iter().any(|(tried, _)| *tried == Tried::Gone);
    let tries = ended.into_iter().map(|(_, tried)| tried).collect();
    let settle = SettleWebhook { webhook: webhook.id, cursor, tries, back, gone, now };
    // Until the store takes it: what was taken must not go out again for a moment's trouble with
    // the disk.
    let there = settled(node, || node.store.settle_webhook(settle.clone())).await;
    webhook.cursor = webhook.cursor.max(cursor);
    if gone {
        node.webhooks.forget_wanted(webhook.app);
        tracing::warn!(webhook.id = %webhook.id, "a webhook answered 410 and gets no more events");
    }
    match there == Some(true) && !gone {
        true if is_full || back => Ok(Step::Again),
        true => Ok(Step::Wait(Wait { until: Some(now), paused: false })),
        false => Ok(Step::Over),
    }
}

/// Tells the endpoint's state what became of a page; returns whether it is back by that.
fn note(endpoint: &mut Endpoint, ended: &[(Tried, SettledTry)], pauses: Pauses, now: Time) -> bool {
    let was_paused = endpoint.paused_until().is_some();
    // What it took comes last: one that takes anything is up.
    let (taken, failed): (Vec<_>, Vec<_>) =
        ended.iter().partition(|(tried, _)| *tried == Tried::Taken);
    for (tried, _) in failed.into_iter().chain(taken) {
        endpoint.observe(*tried, pauses, rand::random(), now);
    }
    was_paused && endpoint.paused_until().is_none()
}

/// Parks what has waited for a day: an endpoint that is away for longer gets it by a replay.
async fn park(node: &Node, webhook: &mut Webhook, now: Time) -> Result<(), store::Error> {
    let problem = "the endpoint took nothing for a day, so that this was not tried";
    loop {
        let before = webhook.cursor;
        webhook.cursor = node
            .store
            .park_events(webhook.clone(), now.minus(TRIED_FOR), PARK_PAGE, problem.to_owned())
            .await?;
        if webhook.cursor == before {
            return Ok(());
        }
    }
}

/// Sends one event.
async fn send(
    node: &Node,
    webhook: &Webhook,
    signer: &Signer,
    event: &Event,
) -> (Tried, TryAnswer) {
    let at = node.clock.now();
    let shown = to_wire::event(&node.ids, event);
    let Ok(body) = serde_json::to_string(&shown) else {
        // Not reached: it is made of what was JSON.
        return nothing(at, "the event cannot be written as JSON");
    };
    let Some(headers) = headers(&shown.id, &signer.header(&shown.id, &body, at), at) else {
        return nothing(at, "the event's headers cannot be written");
    };
    let answer = node.webhooks.client.post(&webhook.url, headers, Bytes::from(body)).await;
    let took = at.until(node.clock.now());
    match answer {
        Ok(answer) => {
            let pause = answer.retry_after(at.plus(took));
            let tried = Tried::of_status(answer.status, pause);
            let body = excerpt(&answer.body);
            let problem = match tried {
                Tried::Taken => None,
                Tried::Gone => Some("it answered 410 and gets no more events".to_owned()),
                Tried::Failed { .. } => {
                    Some("answer with any 2xx once the event is stored".to_owned())
                }
            };
            (tried, TryAnswer { at, took, status: Some(answer.status), body, problem })
        }
        Err(no_answer) => {
            // Where the URL leads is in it, not the URL.
            let problem = Some(no_answer.to_string());
            let answer = TryAnswer { at, took, status: None, body: None, problem };
            (Tried::Failed { retry_after: None }, answer)
        }
    }
}

fn nothing(at: Time, problem: &str) -> (Tried, TryAnswer) {
    let problem = Some(problem.to_owned());
    let answer = TryAnswer { at, took: Duration::ZERO, status: None, body: None, problem };
    (Tried::Failed { retry_after: None }, answer)
}

/// The headers of Standard Webhooks.
fn headers(id: &str, signature: &str, at: Time) -> Option<HeaderMap> {
    let ours = |name: &'static str| HeaderName::from_static(name);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
    headers.insert(ours("webhook-id"), HeaderValue::from_str(id).ok()?);
    headers.insert(ours("webhook-timestamp"), HeaderValue::from(at.as_seconds()));
    let mut signature = HeaderValue::from_str(signature).ok()?;
    signature.set_sensitive(true);
    headers.insert(ours("webhook-signature"), signature);
    Some(headers)
}

/// The beginning of an answer, as text.
fn excerpt(body: &[u8]) -> Option<String> {
    let cut = &body[..body.len().min(limits::WEBHOOK_ANSWER_BYTES)];
    (!cut.is_empty()).then(|| String::from_utf8_lossy(cut).into_owned())
}
