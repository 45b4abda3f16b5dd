//! An app's webhooks: kept, changed, tried out, and what became of their events.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::{AppId, EventId, EventType, WebhookId};
use http::StatusCode;
use serde::Deserialize;
use store::model::{
    ChangeWebhook, DeliveryFilter, DeliveryStateAt, NewWebhook, Replay, Subscription, WebhookState,
};
use wire::http::{
    Event, Page, Webhook, WebhookAnswer, WebhookChange, WebhookCreate, WebhookDelivery,
    WebhookDeliveryState, WebhookReplay, WebhookReplayed, WebhookRotate, WebhookStateName,
};
use wire::limits;

use super::auth::OwnApp;
use super::body::{Body, Params, Part, page};
use super::path::Named;
use super::problem::{Problem, ProblemCode};
use crate::accept::storage_problem;
use crate::from_wire;
use crate::node::Node;
use crate::seal::SealError;
use crate::to_wire;
use crate::webhooks::{self, generate_secret};

/// What stands for all events but those that have to be named.
const ALL: &str = "*";

/// Seconds for which an old secret signs too, when nothing is said, and at most.
const KEEP_OLD: (u32, u32) = (86_400, 604_800);

/// `POST /v1/apps/{app}/webhooks`: it gets what happens from now on; its secret is shown once.
pub(super) async fn create(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Body(body): Body<WebhookCreate>,
) -> Result<impl IntoResponse, Problem> {
    check_url(&node, &body.url)?;
    let description = body.description.unwrap_or_default();
    check_description(&description)?;
    let events = body.events.as_deref().map_or(Ok(Subscription::All), subscription)?;
    let kept = node.store.webhooks(Some(app)).await.map_err(storage_problem)?.len();
    if kept >= limits::WEBHOOKS {
        return Err(Problem::new(
            ProblemCode::Conflict,
            format!("the app has {kept} webhooks, the most there can be; delete one"),
        ));
    }
    let (text, secret) = generate_secret(&node.master_key, app).map_err(|error| sealing(&error))?;
    let now = node.clock.now();
    let new = NewWebhook { app, url: body.url, description, events, secret, now };
    let webhook = node.store.add_webhook(new).await.map_err(storage_problem)?;
    let webhook = webhook
        .ok_or_else(|| Problem::new(ProblemCode::NotFound, "no such app for this webhook"))?;
    webhooks::serve(&node, webhook.clone());
    let secret = Some(text.expose().clone());
    Ok((StatusCode::CREATED, Json(Webhook { secret, ..shown(&node, webhook).await? })))
}

/// `GET /v1/apps/{app}/webhooks`: oldest first.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
) -> Result<Json<Page<Webhook>>, Problem> {
    let mut items = Vec::new();
    for webhook in node.store.webhooks(Some(app)).await.map_err(storage_problem)? {
        items.push(shown(&node, webhook).await?);
    }
    Ok(Json(Page { items, next: None }))
}

/// `GET /v1/apps/{app}/webhooks/{webhook}`.
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, webhook)): Named<(String, String)>,
) -> Result<Json<Webhook>, Problem> {
    let webhook = found(&node, app, &webhook).await?;
    shown(&node, webhook).await.map(Json)
}

/// `PATCH /v1/apps/{app}/webhooks/{webhook}`: takes effect at once.
pub(super) async fn change(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, webhook)): Named<(String, String)>,
    Body(body): Body<WebhookChange>,
) -> Result<Json<Webhook>, Problem> {
    let id = parse(&webhook)?;
    if let Some(url) = &body.url {
        check_url(&node, url)?;
    }
    if let Some(description) = &body.description {
        check_description(description)?;
    }
    if body.enabled == Some(true) && found(&node, app, &webhook).await?.secret.is_empty() {
        let detail = "its secret was lost with the master key; give it another with POST …/rotate";
        return Err(Problem::invalid_field("enabled", detail));
    }
    let change = ChangeWebhook {
        url: body.url,
        description: body.description,
        events: body.events.as_deref().map(subscription).transpose()?,
        on: body.enabled,
    };
    let changed = node.store.change_webhook(app, id, change).await.map_err(storage_problem)?;
    let webhook = changed.ok_or_else(unknown)?;
    webhooks::serve(&node, webhook.clone());
    shown(&node, webhook).await.map(Json)
}

/// `DELETE /v1/apps/{app}/webhooks/{webhook}`: what waits for it is forgotten.
pub(super) async fn delete(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, webhook)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id = parse(&webhook)?;
    if !node.store.remove_webhook(app, id).await.map_err(storage_problem)? {
        return Err(unknown());
    }
    node.webhooks.forget(id);
    node.webhooks.forget_wanted(app);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/apps/{app}/webhooks/{webhook}/rotate`: another secret, shown once; the one before
/// signs as well for a while.
pub(super) async fn rotate(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, webhook)): Named<(String, String)>,
    body: Option<Body<WebhookRotate>>,
) -> Result<Json<Webhook>, Problem> {
    let id = parse(&webhook)?;
    let (usual, most) = KEEP_OLD;
    let seconds = body.and_then(|Body(body)| body.keep_old_for).unwrap_or(usual);
    if seconds > most {
        return Err(Problem::invalid_field("keep_old_for", format!("give 0 to {most} seconds")));
    }
    let (text, secret) = generate_secret(&node.master_key, app).map_err(|error| sealing(&error))?;
    let until = node.clock.now().plus(Duration::from_secs(u64::from(seconds)));
    let rotated = node.store.rotate_webhook(app, id, secret, until).await;
    let webhook = rotated.map_err(storage_problem)?.ok_or_else(unknown)?;
    webhooks::serve(&node, webhook.clone());
    let secret = Some(text.expose().clone());
    Ok(Json(Webhook { secret, ..shown(&node, webhook).await? }))
}

/// `POST /v1/apps/{app}/webhooks/{webhook}/test`: an event for this endpoint alone, sent at once.
pub(super) async fn test(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, webhook)): Named<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    let id = parse(&webhook)?;
    let body = serde_json::json!({ "webhook": id.to_string() });
    let event = node.store.test_webhook(app, id, body, node.clock.now()).await;
    let event = event.map_err(storage_problem)?.ok_or_else(unknown)?;
    node.webhooks.look(id);
    Ok((StatusCode::ACCEPTED, Json::<Event>(to_wire::event(&node.ids, &event))))
}

/// `POST /v1/apps/{app}/webhooks/{webhook}/replay`: one event, or what happened in a time.
pub(super) async fn replay(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, webhook)): Named<(String, String)>,
    Body(body): Body<WebhookReplay>,
) -> Result<impl IntoResponse, Problem> {
    let id = parse(&webhook)?;
    let replay = wanted(&node, &body)?;
    let replayed = node.store.replay_webhook(app, id, replay, node.clock.now()).await;
    let events = replayed.map_err(storage_problem)?.ok_or_else(unknown)?;
    if events == 0 && body.event.is_some() {
        return Err(no_event());
    }
    node.webhooks.look(id);
    Ok((StatusCode::ACCEPTED, Json(WebhookReplayed { events })))
}

/// What is to be sent again.
fn wanted(node: &Node, body: &WebhookReplay) -> Result<Replay, Problem> {
    match (&body.event, body.from) {
        (Some(event), None) if body.to.is_none() && body.parked_only.is_none() => {
            let id = EventId::parse(event).ok_or_else(no_event)?;
            i64::try_from(id.bits() >> 64).map(Replay::One).map_err(|_| no_event())
        }
        (None, Some(from)) => {
            let from = from_wire::time(from);
            let to = body.to.map_or_else(|| node.clock.now(), from_wire::time);
            if to < from {
                return Err(Problem::invalid_field("to", "give a time that is not before `from`"));
            }
            Ok(Replay::Between { from, to, parked_only: body.parked_only.unwrap_or(false) })
        }
        _ => Err(Problem::invalid_field(
            "event",
            "give either `event`, or `from` with `to` and `parked_only` as you like",
        )),
    }
}

/// What behind the `?` chooses deliveries.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    state: Option<WebhookDeliveryState>,
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /v1/apps/{app}/webhooks/{webhook}/deliveries`: newest first.
pub(super) async fn deliveries(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, webhook)): Named<(String, String)>,
    Params(asked): Params<Asked>,
) -> Result<Json<Page<WebhookDelivery>>, Problem> {
    let webhook = found(&node, app, &webhook).await?;
    let part = Part { limit: asked.limit, after: asked.after };
    let limit = part.limit()?;
    let before = part.after.as_ref().map(|_| part.after_number()).transpose()?;
    let filter = match asked.state {
        None => DeliveryFilter::All,
        Some(WebhookDeliveryState::Waiting) => DeliveryFilter::Waiting,
        Some(WebhookDeliveryState::Delivered) => DeliveryFilter::Delivered,
        Some(WebhookDeliveryState::Parked) => DeliveryFilter::Parked,
    };
    let found = node.store.webhook_deliveries(webhook.id, filter, before, limit + 1).await;
    let found = found.map_err(storage_problem)?;
    let shown = |delivery| shown_delivery(&node, delivery);
    Ok(Json(page(found, limit, shown, |last| last.event.number.to_string())))
}

fn shown_delivery(node: &Node, delivery: store::model::WebhookDelivery) -> WebhookDelivery {
    let (state, due_at) = match delivery.state {
        DeliveryStateAt::Waiting(due) => (WebhookDeliveryState::Waiting, Some(to_wire::time(due))),
        DeliveryStateAt::Delivered => (WebhookDeliveryState::Delivered, None),
        DeliveryStateAt::Parked => (WebhookDeliveryState::Parked, None),
    };
    let answer = delivery.answer.map(|answer| WebhookAnswer {
        at: to_wire::time(answer.at),
        took_ms: u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX),
        status: answer.status,
        body: answer.body,
        problem: answer.problem,
    });
    let event = to_wire::event(&node.ids, &delivery.event);
    WebhookDelivery { event, state, tries: delivery.tries, due_at, answer }
}

async fn shown(node: &Node, webhook: store::model::Webhook) -> Result<Webhook, Problem> {
    let now = node.clock.now();
    let counts = node.store.webhook_counts(webhook.id).await.map_err(storage_problem)?;
    let events = match webhook.events {
        Subscription::All => vec![ALL.to_owned()],
        Subscription::Named(types) => types.iter().map(|it| it.as_str().to_owned()).collect(),
    };
    let old_until = webhook.old_secret.map(|(_, until)| until).filter(|until| *until > now);
    Ok(Webhook {
        id: webhook.id.to_string(),
        url: webhook.url,
        events,
        description: webhook.description,
        state: match webhook.state {
            WebhookState::On => WebhookStateName::On,
            WebhookState::Off => WebhookStateName::Off,
            WebhookState::Gone => WebhookStateName::Gone,
        },
        waiting: counts.waiting,
        parked: counts.parked,
        paused_until: node.webhooks.paused_until(webhook.id, now).map(to_wire::time),
        secret: None,
        old_secret_until: old_until.map(to_wire::time),
        created_at: to_wire::time(webhook.created_at),
    })
}

async fn found(node: &Node, app: AppId, id: &str) -> Result<store::model::Webhook, Problem> {
    let id = parse(id)?;
    let webhooks = node.store.webhooks(Some(app)).await.map_err(storage_problem)?;
    webhooks.into_iter().find(|webhook| webhook.id == id).ok_or_else(unknown)
}

fn parse(id: &str) -> Result<WebhookId, Problem> {
    WebhookId::parse(id).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::new(ProblemCode::NotFound, "the app has no such webhook")
}

fn no_event() -> Problem {
    Problem::invalid_field("event", "the app has no such event; events are kept for 30 days")
}

fn check_url(node: &Node, url: &str) -> Result<(), Problem> {
    node.webhooks.check(url).map_err(|why| Problem::invalid_field("url", why.to_string()))
}

fn check_description(text: &str) -> Result<(), Problem> {
    if text.len() <= limits::NAME_BYTES {
        return Ok(());
    }
    Err(Problem::invalid_field("description", format!("at most {} bytes", limits::NAME_BYTES)))
}

/// Which events are meant by words.
fn subscription(words: &[String]) -> Result<Subscription, Problem> {
    if words == [ALL] {
        return Ok(Subscription::All);
    }
    let read = |word: &String| {
        let named = EventType::parse(word).filter(|event| *event != EventType::WebhookTest);
        named.ok_or_else(|| {
            let all = EventType::ALL.into_iter().filter(|event| *event != EventType::WebhookTest);
            let all = all.map(EventType::as_str).collect::<Vec<_>>().join(", ");
            Problem::invalid_field("events", format!("give `*` alone, or some of {all}"))
        })
    };
    if words.is_empty() {
        return Err(Problem::invalid_field("events", "give at least one, or `*`"));
    }
    words.iter().map(read).collect::<Result<_, _>>().map(Subscription::Named)
}

fn sealing(error: &SealError) -> Problem {
    tracing::error!(%error, "a webhook's secret could not be sealed");
    Problem::internal()
}
