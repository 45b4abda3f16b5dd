//! Credentials: files come in, facts go out, never the files.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::CredentialId;
use domain::circuit::Open;
use http::StatusCode;
use wire::http::{CircuitName, CredentialPlace, CredentialUpload, Page, WebpushKey};

use super::auth::{AnyKey, OwnApp};
use super::body::Body;
use super::path::Named;
use super::problem::{Problem, ProblemCode};
use crate::accept::storage_problem;
use crate::circuits::Place;
use crate::node::Node;
use crate::to_wire;

/// `POST /v1/apps/{app}/credentials`: parsed, checked, sealed; pushes that waited for it go.
pub(super) async fn upload(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Body(body): Body<CredentialUpload>,
) -> Result<impl IntoResponse, Problem> {
    let taken = crate::credentials::upload(&node, app, body).await?;
    let (warnings, probes) = (taken.warnings, taken.probes);
    let shown = wire::http::Credential { warnings, probes, ..shown(&node, taken.credential)? };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// `GET /v1/apps/{app}/credentials`: newest first.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
) -> Result<Json<Page<wire::http::Credential>>, Problem> {
    let credentials = node.store.credentials(Some(app)).await.map_err(storage_problem)?;
    let items = credentials.into_iter().map(|credential| shown(&node, credential));
    let items = items.collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: None }))
}

/// `DELETE /v1/apps/{app}/credentials/{credential}`: pushes on their way end with it.
pub(super) async fn delete(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, credential)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "the app has no such credential");
    let credential = CredentialId::parse(&credential).ok_or_else(unknown)?;
    let removed = node.store.remove_credential(app, credential, node.clock.now()).await;
    let (removed, effects) = removed.map_err(storage_problem)?;
    if !removed {
        return Err(unknown());
    }
    node.clients.reload(&node, app).await.map_err(storage_problem)?;
    node.carry_out(effects);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/apps/{app}/credentials/{credential}/probe`: whether the push service believes it.
pub(super) async fn probe(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, credential)): Named<(String, String)>,
) -> Result<Json<wire::http::Credential>, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "the app has no such credential");
    let id = CredentialId::parse(&credential).ok_or_else(unknown)?;
    let credentials = node.store.credentials(Some(app)).await.map_err(storage_problem)?;
    let found = credentials.into_iter().find(|credential| credential.id == id);
    let found = found.ok_or_else(unknown)?;
    let probes = crate::credentials::probe_places(&node, app, id).await;
    Ok(Json(wire::http::Credential { probes, ..shown(&node, found)? }))
}

/// `GET /v1/webpush-key`: what a browser subscribes with.
pub(super) async fn webpush_key(
    State(node): State<Arc<Node>>,
    AnyKey(app): AnyKey,
) -> Result<Json<WebpushKey>, Problem> {
    let public_key = node.clients.webpush_key(app).ok_or_else(|| {
        Problem::new(
            ProblemCode::NotFound,
            "the app has no VAPID key pair; its back end makes one with a credential of the kind webpush_vapid",
        )
    })?;
    Ok(Json(WebpushKey { public_key }))
}

/// Of the places of one credential so many are shown: whoever registers a browser names its push
/// service.
const PLACES: usize = 16;

fn shown(
    node: &Node,
    credential: store::model::Credential,
) -> Result<wire::http::Credential, Problem> {
    let damaged = |_| {
        tracing::error!(credential.id = %credential.id, "a credential's facts are no JSON");
        Problem::internal()
    };
    let word = serde_json::Value::String(credential.kind.clone());
    Ok(wire::http::Credential {
        id: credential.id.to_string(),
        kind: serde_json::from_value(word).map_err(damaged)?,
        facts: serde_json::from_str(&credential.facts).map_err(damaged)?,
        warnings: Vec::new(),
        probes: Vec::new(),
        places: node.circuits.used(credential.id, PLACES).into_iter().map(place).collect(),
        created_at: to_wire::time(credential.created_at),
        ends_at: credential.not_after.map(to_wire::time),
        believed_at: credential.believed_at.map(to_wire::time),
    })
}

fn place((place, open): (Place, Option<Open>)) -> CredentialPlace {
    CredentialPlace {
        place: place.name(),
        circuit: if open.is_some() { CircuitName::Open } else { CircuitName::Closed },
        code: open.map(|open| open.diagnosis.code()),
        open_since: open.map(|open| to_wire::time(open.since)),
        probe_at: open.map(|open| to_wire::time(open.probe_at)),
    }
}
