//! Topics: named sets of devices, kept by the back end or by the devices themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{AppId, DeviceNumber};
use http::StatusCode;
use store::model::TopicChanged;
use wire::http::{Page, Topic, TopicChange, TopicDevice};
use wire::limits;

use super::auth::{AppKey, Me};
use super::body::{Body, Params, Part, page};
use super::path::Named;
use super::problem::{Problem, ProblemCode};
use crate::accept::{check_name, storage_problem};
use crate::node::Node;
use crate::to_wire;

/// `GET /v1/topics`: by name.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Params(part): Params<Part>,
) -> Result<Json<Page<Topic>>, Problem> {
    let limit = part.limit()?;
    let after = part.after.unwrap_or_default();
    let found = node.store.topics(key.app, after, limit + 1).await.map_err(storage_problem)?;
    let shown = |topic: store::model::Topic| Topic {
        name: topic.name,
        devices: topic.devices,
        created_at: to_wire::time(topic.created_at),
    };
    Ok(Json(page(found, limit, shown, |last| last.name.clone())))
}

/// `DELETE /v1/topics/{topic}`: its devices stay what they are.
pub(super) async fn delete(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(topic): Named<String>,
) -> Result<StatusCode, Problem> {
    let removed = node.store.remove_topic(key.app, topic).await.map_err(storage_problem)?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(no_topic()) }
}

/// `GET /v1/topics/{topic}/devices`: in the order in which the devices came to the app.
pub(super) async fn devices(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(topic): Named<String>,
    Params(part): Params<Part>,
) -> Result<Json<Page<TopicDevice>>, Problem> {
    let (limit, after) = (part.limit()?, part.after_number()?);
    let after = DeviceNumber::from_number(after);
    let found = node.store.topic_devices(key.app, topic, Some(after), limit + 1).await;
    let found = found.map_err(storage_problem)?.ok_or_else(no_topic)?;
    let Page { items, next } =
        page(found, limit, |found| found, |(number, _)| number.number().to_string());
    let items = items.into_iter().map(|(_, id)| TopicDevice { id }).collect();
    Ok(Json(Page { items, next }))
}

/// `POST /v1/topics/{topic}/devices`: puts devices in; the first one makes the topic.
pub(super) async fn add(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(topic): Named<String>,
    Body(body): Body<TopicChange>,
) -> Result<Json<wire::http::TopicChanged>, Problem> {
    check_name("topic", &topic)?;
    check(&body)?;
    let now = node.clock.now();
    let changed = node.store.subscribe(key.app, topic, body.devices, now).await;
    changed.map(shown).map(Json).map_err(storage_problem)
}

/// `DELETE /v1/topics/{topic}/devices`: takes devices out.
pub(super) async fn remove(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(topic): Named<String>,
    Body(body): Body<TopicChange>,
) -> Result<Json<wire::http::TopicChanged>, Problem> {
    check(&body)?;
    let changed = node.store.unsubscribe(key.app, topic, body.devices).await;
    let changed = changed.map_err(storage_problem)?.ok_or_else(no_topic)?;
    Ok(Json(shown(changed)))
}

/// `PUT /v1/topics/{topic}/devices/{device}`.
pub(super) async fn put(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((topic, device)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    join(&node, key.app, topic, device).await
}

/// `DELETE /v1/topics/{topic}/devices/{device}`.
pub(super) async fn take(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((topic, device)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    leave(&node, key.app, topic, device).await
}

/// `GET /v1/me/topics`: by name, without how many others are in them.
pub(super) async fn mine(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
) -> Result<Json<Page<wire::http::OwnTopic>>, Problem> {
    let names = node.store.topics_of_device(device.device).await.map_err(storage_problem)?;
    let items = names.into_iter().map(|name| wire::http::OwnTopic { name }).collect();
    Ok(Json(Page { items, next: None }))
}

/// `PUT /v1/me/topics/{topic}`: the device itself.
pub(super) async fn put_me(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(topic): Named<String>,
) -> Result<StatusCode, Problem> {
    // Two at once may both be the last one; a few more than the limit do no harm.
    let names = node.store.topics_of_device(device.device).await.map_err(storage_problem)?;
    let most = limits::TOPICS_OF_DEVICE;
    if names.len() >= most && !names.contains(&topic) {
        return Err(Problem::invalid_field(
            "topic",
            format!("the device is in {most} topics, as many as are allowed; leave one first"),
        ));
    }
    join(&node, device.app, topic, device.name).await
}

/// `DELETE /v1/me/topics/{topic}`: the device itself.
pub(super) async fn take_me(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(topic): Named<String>,
) -> Result<StatusCode, Problem> {
    leave(&node, device.app, topic, device.name).await
}

/// Puts one device in; it may have been in it before.
async fn join(
    node: &Node,
    app: AppId,
    topic: String,
    device: String,
) -> Result<StatusCode, Problem> {
    check_name("topic", &topic)?;
    let changed = node.store.subscribe(app, topic, vec![device], node.clock.now()).await;
    known(changed.map_err(storage_problem)?)
}

/// Takes one device out; it may not have been in it, nor need the topic be there.
async fn leave(
    node: &Node,
    app: AppId,
    topic: String,
    device: String,
) -> Result<StatusCode, Problem> {
    let changed = node.store.unsubscribe(app, topic, vec![device]).await;
    known(changed.map_err(storage_problem)?.unwrap_or_default())
}

fn known(changed: TopicChanged) -> Result<StatusCode, Problem> {
    if changed.unknown.is_empty() {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(
        ProblemCode::NotFound,
        "the app has no such device; it must have connected once",
    ))
}

fn check(change: &TopicChange) -> Result<(), Problem> {
    let (given, most) = (change.devices.len(), limits::TOPIC_DEVICES);
    if !(1..=most).contains(&given) {
        return Err(Problem::invalid_field(
            "devices",
            format!("{given} are given; give 1 to {most}"),
        ));
    }
    change.devices.iter().try_for_each(|device| check_name("devices", device))
}

fn shown(changed: TopicChanged) -> wire::http::TopicChanged {
    wire::http::TopicChanged { changed: changed.changed, unknown: changed.unknown }
}

fn no_topic() -> Problem {
    Problem::new(ProblemCode::NotFound, "the app has no such topic")
}
