//! Users, as their app's back end sees them: tokens, devices, push targets.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::TargetKind;
use domain::policy::Router;
use http::StatusCode;
use serde::Deserialize;
use store::model::{DeviceIdentity, OpenWake, UserListed, UsersQuery};
use wire::CloseCode;
use wire::http::{
    Device, Page, Routes, Target, TargetPut, TestPush, User, UserToken, UserTokenCreate, WakeState,
};

use super::auth::AppKey;
use super::body::{Body, Params, Part, page};
use super::path::Named;
use super::problem::{Problem, ProblemCode};
use super::test_push;
use crate::accept::{check_name, storage_problem};
use crate::node::Node;
use crate::secret::{KeyKind, KeyText};
use crate::session::TAKEN_BACK;
use crate::{from_wire, targets, to_wire};

/// How long a user token is good for when nothing is said: one day.
const TOKEN_TTL: u32 = 86_400;
/// The longest: 90 days.
const LONGEST_TOKEN_TTL: u32 = 90 * 86_400;

/// `POST /v1/users/{user}/tokens`: a token for the user's app; makes the user if it is new.
pub(super) async fn create_token(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(user): Named<String>,
    body: Option<Body<UserTokenCreate>>,
) -> Result<impl IntoResponse, Problem> {
    check_name("user", &user)?;
    let body = body.map(|Body(body)| body).unwrap_or_default();
    let ttl = body.ttl.unwrap_or(TOKEN_TTL);
    if !(1..=LONGEST_TOKEN_TTL).contains(&ttl) {
        return Err(Problem::invalid_field(
            "ttl",
            format!("give 1 to {LONGEST_TOKEN_TTL} seconds (90 days)"),
        ));
    }
    let now = node.clock.now();
    let inbox =
        node.store.ensure_user(key.app, user.clone(), now).await.map_err(storage_problem)?;
    let inbox = inbox.ok_or_else(Problem::internal)?;
    let token = KeyText::generate(KeyKind::User);
    let expires_at = now.plus(Duration::from_secs(u64::from(ttl)));
    let may_send = from_wire::may_send(body.may_send);
    let hash = *token.hash().as_bytes();
    let kept = node.store.add_user_token(hash, inbox, may_send, expires_at).await;
    kept.map_err(storage_problem)?;
    let shown =
        UserToken { token: token.expose().to_owned(), user, expires_at: to_wire::time(expires_at) };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// `DELETE /v1/users/{user}/tokens`: all tokens of the user issued up to now are good no more, and
/// their sessions end at once.
pub(super) async fn revoke_tokens(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(user): Named<String>,
) -> Result<StatusCode, Problem> {
    let inbox = node.store.user(key.app, user).await.map_err(storage_problem)?;
    let inbox = inbox.ok_or_else(unknown_user)?;
    node.store.revoke_user_tokens(inbox, node.clock.now()).await.map_err(storage_problem)?;
    node.hub.revoked(inbox, TAKEN_BACK);
    Ok(StatusCode::NO_CONTENT)
}

/// Which users are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    prefix: Option<String>,
    device: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /v1/users`: by their names.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Params(asked): Params<Asked>,
) -> Result<Json<Page<User>>, Problem> {
    let Asked { prefix, device, limit, after } = asked;
    // No name is longer, so nothing longer finds one.
    for (field, given) in [("prefix", &prefix), ("device", &device), ("after", &after)] {
        if let Some(given) = given.as_deref().filter(|given| !given.is_empty()) {
            check_name(field, given)?;
        }
    }
    let limit = Part { limit, after: None }.limit()?;
    let query = UsersQuery {
        app: key.app,
        prefix: prefix.unwrap_or_default(),
        device,
        after,
        limit: limit + 1,
    };
    let found = node.store.users(query).await.map_err(storage_problem)?;
    Ok(Json(page(found, limit, shown_user, |last| last.user.clone())))
}

/// `GET /v1/users/{user}/devices`: live or asleep, push targets masked, open wakes.
pub(super) async fn devices(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(user): Named<String>,
) -> Result<Json<Page<Device>>, Problem> {
    let inbox = node.store.user(key.app, user).await.map_err(storage_problem)?;
    let inbox = inbox.ok_or_else(unknown_user)?;
    let devices = node.store.devices(inbox).await.map_err(storage_problem)?;
    let settings = node.settings(key.app).await.map_err(storage_problem)?;
    let ios = settings.policy.ios_route;
    let router = Router { ios, apns: node.clients.has_apns(key.app) };
    let items = devices.into_iter().map(|device| shown(device, router)).collect();
    Ok(Json(Page { items, next: None }))
}

/// `PUT /v1/users/{user}/devices/{device}/targets/{kind}`.
pub(super) async fn put_target(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((user, device, kind)): Named<(String, String, String)>,
    Body(body): Body<TargetPut>,
) -> Result<Json<wire::PushTarget>, Problem> {
    let device = find(&node, &key, &user, device).await?;
    set(&node, &device, &kind, body).await.map(Json)
}

/// `DELETE /v1/users/{user}/devices/{device}/targets/{kind}`.
pub(super) async fn delete_target(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((user, device, kind)): Named<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let device = find(&node, &key, &user, device).await?;
    remove(&node, &device, &kind).await
}

/// `DELETE /v1/users/{user}/devices/{device}`: its secret is good no more, its sessions end at once,
/// nothing is pushed to it.
pub(super) async fn remove_device(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((user, device)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let device = find(&node, &key, &user, device).await?;
    let removed = node.store.remove_device(device.device, node.clock.now()).await;
    let (sessions, effects) = removed.map_err(storage_problem)?;
    for session in sessions {
        let why = "the device was taken back; connect with a user token as a new device";
        node.hub.close(device.inbox, session, CloseCode::Forbidden, why);
    }
    node.carry_out(effects);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/users/{user}/devices/{device}/test-push`: as its user may ask for it.
pub(super) async fn send_test(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((user, device)): Named<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    let device = find(&node, &key, &user, device).await?;
    test_push::sent(&node, &device).await
}

/// `GET /v1/users/{user}/devices/{device}/test-push/{push}`: where it is.
pub(super) async fn show_test(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((user, device, push)): Named<(String, String, String)>,
) -> Result<Json<TestPush>, Problem> {
    let device = find(&node, &key, &user, device).await?;
    test_push::found(&node, &device, &push).await.map(Json)
}

/// Sets a push target of a device.
pub(super) async fn set(
    node: &Arc<Node>,
    device: &DeviceIdentity,
    kind: &str,
    body: TargetPut,
) -> Result<wire::PushTarget, Problem> {
    let wanted = targets::Wanted {
        kind: parse_kind(kind)?,
        token: body.token,
        environment: body.environment.map(from_wire::environment),
        app_id: body.app_id,
    };
    targets::set(node, device.app, device.device, wanted).await
}

/// Removes a push target of a device; one that is gone already (a push service said so, perhaps)
/// is removed as well.
pub(super) async fn remove(
    node: &Arc<Node>,
    device: &DeviceIdentity,
    kind: &str,
) -> Result<StatusCode, Problem> {
    targets::remove(node, device.device, Some(parse_kind(kind)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse_kind(kind: &str) -> Result<TargetKind, Problem> {
    TargetKind::parse(kind).ok_or_else(|| {
        Problem::invalid_field("kind", "give `fcm`, `apns`, `apns_voip` or `webpush`")
    })
}

async fn find(
    node: &Node,
    key: &AppKey,
    user: &str,
    device: String,
) -> Result<DeviceIdentity, Problem> {
    let found = node.store.device_by_name(key.app, device).await.map_err(storage_problem)?;
    found.filter(|device| device.user == user).ok_or_else(|| {
        Problem::new(
            ProblemCode::NotFound,
            "the user has no such device; it must have connected once",
        )
    })
}

fn shown(device: store::model::Device, router: Router) -> Device {
    let kinds: Vec<TargetKind> = device.targets.iter().map(|target| target.kind).collect();
    let platform = device.platform;
    Device {
        routes: Routes {
            messages: router.messages(platform, &kinds).map(to_wire::target_kind),
            calls: router.call(platform, &kinds).map(to_wire::target_kind),
        },
        id: device.name,
        platform: to_wire::platform(device.platform),
        live: device.live,
        cursor: to_wire::position(device.epoch, device.cursor),
        last_seen_at: Some(to_wire::time(device.last_seen_at)),
        targets: device.targets.into_iter().map(shown_target).collect(),
        wakes: device.wakes.into_iter().map(shown_wake).collect(),
    }
}

fn shown_user(listed: UserListed) -> User {
    let UserListed { user, created_at, devices, live } = listed;
    User { user, created_at: to_wire::time(created_at), devices, live }
}

fn shown_target(target: store::model::Target) -> Target {
    Target {
        kind: to_wire::target_kind(target.kind),
        token_hash: targets::hash(target.kind, &target.token),
        app_id: target.app_id,
        environment: target.environment.or(target.learned).map(to_wire::environment),
        registered_at: to_wire::time(target.registered_at),
    }
}

fn shown_wake(open: OpenWake) -> WakeState {
    WakeState {
        id: open.id.to_string(),
        kind: if open.call { "call" } else { "message" }.to_owned(),
        rung: open.wake.rung.as_str().to_owned(),
        reason: open.wake.reason.as_str().to_owned(),
        due_at: open.wake.due().map(to_wire::time),
    }
}

/// The app has no such user.
pub(super) fn unknown_user() -> Problem {
    Problem::new(
        ProblemCode::UnknownUser,
        "the app has no such user; make a user token for them first",
    )
}
