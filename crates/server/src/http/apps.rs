//! Apps and their API keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::{AppId, KeyId, KeyScopes};
use http::StatusCode;
use serde::Deserialize;
use wire::http::{App, AppCreate, Key, KeyCreate, Page};

use super::auth::{Admin, OwnApp};
use super::body::{Body, Params};
use super::path::Named;
use super::problem::{Problem, ProblemCode};
use crate::accept::{check_name, storage_problem};
use crate::node::Node;
use crate::secret::{KeyKind, KeyText};
use crate::{deletion, from_wire, to_wire};

/// The name of the key that comes with an app.
const FIRST_KEY: &str = "first";

/// `POST /v1/apps`: an app with its first key, which is shown this once.
pub(super) async fn create(
    State(node): State<Arc<Node>>,
    _: Admin,
    Body(body): Body<AppCreate>,
) -> Result<impl IntoResponse, Problem> {
    check_name("name", &body.name)?;
    let now = node.clock.now();
    let app = node.store.add_app(body.name, now).await.map_err(storage_problem)?;
    let (_, key) = add_key(&node, app.id, FIRST_KEY.to_owned(), KeyScopes::ALL).await?;
    let shown = App { key: Some(key.expose().to_owned()), ..shown(app) };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// `GET /v1/apps`: all apps, oldest first.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    _: Admin,
) -> Result<Json<Page<App>>, Problem> {
    let apps = node.store.apps().await.map_err(storage_problem)?;
    Ok(Json(Page { items: apps.into_iter().map(shown).collect(), next: None }))
}

/// `GET /v1/apps/{app}`.
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
) -> Result<Json<App>, Problem> {
    let app = node.store.app(app).await.map_err(storage_problem)?;
    app.map(|app| Json(shown(app))).ok_or_else(no_app)
}

/// What has to be said to delete an app.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Confirmed {
    /// Its name.
    name: Option<String>,
}

/// `DELETE /v1/apps/{app}`: with everything it has, for whoever says its name too.
pub(super) async fn delete(
    State(node): State<Arc<Node>>,
    _: Admin,
    Named(app): Named<String>,
    Params(confirmed): Params<Confirmed>,
) -> Result<StatusCode, Problem> {
    let no_app = || Problem::new(ProblemCode::NotFound, "no such app");
    let app = AppId::parse(&app).ok_or_else(no_app)?;
    let found = node.store.app(app).await.map_err(storage_problem)?.ok_or_else(no_app)?;
    if confirmed.name.as_deref() != Some(found.name.as_str()) {
        return Err(Problem::invalid_field(
            "name",
            "give the app's own name: it goes with all its users and their messages, and does not \
             come back",
        ));
    }
    let deleted = deletion::delete(&node, app).await.map_err(storage_problem)?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(no_app()) }
}

/// `POST /v1/apps/{app}/keys`: another key, shown this once.
pub(super) async fn create_key(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Body(body): Body<KeyCreate>,
) -> Result<impl IntoResponse, Problem> {
    check_name("name", &body.name)?;
    let scopes = match body.scopes {
        None => KeyScopes::ALL,
        Some(scopes) if scopes.is_empty() => {
            let detail = "give at least one of `admin`, `read` and `send`, or leave it out for all";
            return Err(Problem::invalid_field("scopes", detail));
        }
        Some(scopes) => scopes.into_iter().map(from_wire::key_scope).collect(),
    };
    let (kept, key) = add_key(&node, app, body.name, scopes).await?;
    let shown = Key { key: Some(key.expose().to_owned()), ..shown_key(kept) };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// `GET /v1/apps/{app}/keys`: without the keys themselves.
pub(super) async fn list_keys(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
) -> Result<Json<Page<Key>>, Problem> {
    let keys = node.store.keys(app).await.map_err(storage_problem)?;
    Ok(Json(Page { items: keys.into_iter().map(shown_key).collect(), next: None }))
}

/// `DELETE /v1/apps/{app}/keys/{key}`: works no more from now on.
pub(super) async fn delete_key(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, key)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let no_key = || Problem::new(ProblemCode::NotFound, "the app has no such key");
    let key = KeyId::parse(&key).ok_or_else(no_key)?;
    let removed = node.store.remove_key(app, key).await.map_err(storage_problem)?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(no_key()) }
}

async fn add_key(
    node: &Node,
    app: AppId,
    name: String,
    scopes: KeyScopes,
) -> Result<(store::model::ApiKey, KeyText), Problem> {
    let key = KeyText::generate(KeyKind::App);
    let (hash, now) = (*key.hash().as_bytes(), node.clock.now());
    let kept = node.store.add_key(app, name, scopes, hash, now).await;
    let kept = kept.map_err(storage_problem)?.ok_or_else(no_app)?;
    Ok((kept, key))
}

fn shown(app: store::model::App) -> App {
    App {
        id: app.id.to_string(),
        name: app.name,
        created_at: to_wire::time(app.created_at),
        key: None,
    }
}

fn shown_key(key: store::model::ApiKey) -> Key {
    Key {
        id: key.id.to_string(),
        name: key.name,
        scopes: key.scopes.iter().map(to_wire::key_scope).collect(),
        created_at: to_wire::time(key.created_at),
        last_used_at: key.last_used_at.map(to_wire::time),
        key: None,
    }
}

fn no_app() -> Problem {
    Problem::new(ProblemCode::NotFound, "no such app for this key")
}
