//! The audit log: whoever changes an app itself is written down before it is done, with what it was
//! answered with after.
//!
//! ```text
//!   throttle ─▶ [Noted] ─▶ auth: who ─▶ act() ─▶ a row ─▶ the verb ─▶ answered(): its status
//! ```
//!
//! Which acts those are follows from the route: what the operator, or a key with the scope `admin`,
//! changes below `/v1/apps`. What is done about one user (tokens, devices, mutes) is everyday
//! business of a back end and is not written down, but where the operator does it, in the console.
//! What a request says is not either: it may hold secrets.

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::State;
use domain::{AppId, KeyId, KeyScope};
use http::Method;
use http::request::Parts;
use serde::Deserialize;
use store::model::NewAct;
use wire::http::{Act, Page};
use wire::shortened;

use super::auth::Admin;
use super::body::{Params, Part, page};
use super::client_address::ClientAddress;
use super::problem::Problem;
use super::routes::Caller;
use crate::accept::storage_problem;
use crate::node::Node;
use crate::to_wire;

/// The longest path that is kept, in characters.
const LONGEST_PATH: usize = 300;

/// The row of the act that a request is, if it is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted(Arc<OnceLock<i64>>);

/// Which part of the log is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    app: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /v1/audit-log`: newest first.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    _: Admin,
    Params(asked): Params<Asked>,
) -> Result<Json<Page<Act>>, Problem> {
    let Asked { app, limit, after } = asked;
    let app = match app {
        None => None,
        Some(app) => {
            let no_id = || Problem::invalid_field("app", "give an app's id, `app_…`");
            Some(AppId::parse(&app).ok_or_else(no_id)?)
        }
    };
    let part = Part { limit, after };
    let limit = part.limit()?;
    let before = Some(part.after_number()?).filter(|number| *number > 0);
    let found = node.store.audit_log(app, before, limit + 1).await.map_err(storage_problem)?;
    Ok(Json(page(found, limit, shown, |last| last.number.to_string())))
}

/// Writes down that somebody who has proven who they are asks for something, if it is an act.
///
/// # Errors
///
/// When it cannot be written down: then it is not done.
pub(super) async fn act(
    node: &Node,
    parts: &Parts,
    key: Option<KeyId>,
    app: Option<AppId>,
) -> Result<(), Problem> {
    let caller = parts.extensions.get::<Caller>();
    let changes = ![Method::GET, Method::HEAD].contains(&parts.method);
    let is_act = match caller {
        Some(Caller::Admin | Caller::OwnApp(KeyScope::Admin)) => true,
        Some(Caller::App(_)) => key.is_none(),
        _ => false,
    };
    if !changes || !is_act {
        return Ok(());
    }
    let from = parts.extensions.get::<ClientAddress>();
    let act = NewAct {
        at: node.clock.now(),
        key,
        app,
        source: from.map(|ClientAddress(address)| address.to_string()).unwrap_or_default(),
        method: parts.method.to_string(),
        path: shortened(parts.uri.path(), LONGEST_PATH),
    };
    let number = node.store.audit(act).await.map_err(storage_problem)?;
    if let Some(Noted(noted)) = parts.extensions.get() {
        // Nobody else writes it: a request has one extractor that asks who it is.
        let _ = noted.set(number);
    }
    Ok(())
}

/// Notes what the act was answered with, if the request was one.
pub(super) async fn answered(node: &Node, Noted(noted): &Noted, status: u16) {
    let Some(number) = noted.get() else { return };
    if let Err(error) = node.store.audit_answered(*number, status).await {
        tracing::warn!(%error, "what an act was answered with is not in the audit log");
    }
}

fn shown(act: store::model::Act) -> Act {
    let store::model::Act { number, asked, status } = act;
    Act {
        number,
        at: to_wire::time(asked.at),
        by: asked.key.map_or_else(|| "operator".to_owned(), |key| key.to_string()),
        from: asked.source,
        app: asked.app.map(|app| app.to_string()),
        method: asked.method,
        path: asked.path,
        status,
    }
}
