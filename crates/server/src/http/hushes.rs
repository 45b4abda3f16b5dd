//! What a user does not want to hear of: muted threads and blocked users. By the user's own devices
//! under `/v1/me`, by the back end under `/v1/users/{user}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::InboxId;
use http::StatusCode;
use store::model::{Hush, HushKind, Hushed};
use wire::http::{Block, Mute, Page};

use super::auth::{AppKey, Me};
use super::path::Named;
use super::problem::{Problem, ProblemCode};
use super::users::unknown_user;
use crate::accept::{check_name, storage_problem};
use crate::node::Node;
use crate::to_wire;

/// `GET /v1/me/mutes`: by name.
pub(super) async fn my_mutes(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
) -> Result<Json<Page<Mute>>, Problem> {
    mutes(&node, device.inbox).await
}

/// `PUT /v1/me/mutes/{thread}`; `*` mutes all.
pub(super) async fn mute_mine(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(thread): Named<String>,
) -> Result<StatusCode, Problem> {
    put(&node, device.inbox, HushKind::Mute, thread).await
}

/// `DELETE /v1/me/mutes/{thread}`.
pub(super) async fn unmute_mine(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(thread): Named<String>,
) -> Result<StatusCode, Problem> {
    take(&node, device.inbox, HushKind::Mute, thread).await
}

/// `GET /v1/me/blocks`: by name.
pub(super) async fn my_blocks(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
) -> Result<Json<Page<Block>>, Problem> {
    blocks(&node, device.inbox).await
}

/// `PUT /v1/me/blocks/{user}`: whoever is blocked is not told so.
pub(super) async fn block_mine(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(user): Named<String>,
) -> Result<StatusCode, Problem> {
    put(&node, device.inbox, HushKind::Block, user).await
}

/// `DELETE /v1/me/blocks/{user}`.
pub(super) async fn unblock_mine(
    State(node): State<Arc<Node>>,
    Me { device }: Me,
    Named(user): Named<String>,
) -> Result<StatusCode, Problem> {
    take(&node, device.inbox, HushKind::Block, user).await
}

/// `GET /v1/users/{user}/mutes`.
pub(super) async fn user_mutes(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(user): Named<String>,
) -> Result<Json<Page<Mute>>, Problem> {
    mutes(&node, inbox_of(&node, &key, user).await?).await
}

/// `PUT /v1/users/{user}/mutes/{thread}`.
pub(super) async fn mute(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((user, thread)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    put(&node, inbox_of(&node, &key, user).await?, HushKind::Mute, thread).await
}

/// `DELETE /v1/users/{user}/mutes/{thread}`.
pub(super) async fn unmute(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((user, thread)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    take(&node, inbox_of(&node, &key, user).await?, HushKind::Mute, thread).await
}

/// `GET /v1/users/{user}/blocks`.
pub(super) async fn user_blocks(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named(user): Named<String>,
) -> Result<Json<Page<Block>>, Problem> {
    blocks(&node, inbox_of(&node, &key, user).await?).await
}

/// `PUT /v1/users/{user}/blocks/{blocked}`.
pub(super) async fn block(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((user, blocked)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    put(&node, inbox_of(&node, &key, user).await?, HushKind::Block, blocked).await
}

/// `DELETE /v1/users/{user}/blocks/{blocked}`.
pub(super) async fn unblock(
    State(node): State<Arc<Node>>,
    key: AppKey,
    Named((user, blocked)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    take(&node, inbox_of(&node, &key, user).await?, HushKind::Block, blocked).await
}

async fn inbox_of(node: &Node, key: &AppKey, user: String) -> Result<InboxId, Problem> {
    let inbox = node.store.user(key.app, user).await.map_err(storage_problem)?;
    inbox.ok_or_else(unknown_user)
}

async fn mutes(node: &Node, inbox: InboxId) -> Result<Json<Page<Mute>>, Problem> {
    let shown =
        |Hush { name, created_at }| Mute { thread: name, created_at: to_wire::time(created_at) };
    let found = node.store.hushes(inbox, HushKind::Mute).await.map_err(storage_problem)?;
    Ok(Json(Page { items: found.into_iter().map(shown).collect(), next: None }))
}

async fn blocks(node: &Node, inbox: InboxId) -> Result<Json<Page<Block>>, Problem> {
    let shown =
        |Hush { name, created_at }| Block { user: name, created_at: to_wire::time(created_at) };
    let found = node.store.hushes(inbox, HushKind::Block).await.map_err(storage_problem)?;
    Ok(Json(Page { items: found.into_iter().map(shown).collect(), next: None }))
}

async fn put(
    node: &Node,
    inbox: InboxId,
    kind: HushKind,
    name: String,
) -> Result<StatusCode, Problem> {
    let field = match kind {
        HushKind::Mute => "thread",
        HushKind::Block => "user",
    };
    check_name(field, &name)?;
    let hushed = node.store.hush(inbox, kind, name, node.clock.now()).await;
    match hushed.map_err(storage_problem)? {
        Hushed::Stands => Ok(StatusCode::NO_CONTENT),
        Hushed::TooMany => Err(Problem::new(
            ProblemCode::Conflict,
            "the user has 1000 of these already; take some back first",
        )
        .with_field(field)),
    }
}

/// One that is gone already is taken back as well.
async fn take(
    node: &Arc<Node>,
    inbox: InboxId,
    kind: HushKind,
    name: String,
) -> Result<StatusCode, Problem> {
    let taken = node.store.unhush(inbox, kind, name, node.clock.now()).await;
    let (_, effects) = taken.map_err(storage_problem)?;
    node.carry_out(effects);
    Ok(StatusCode::NO_CONTENT)
}
