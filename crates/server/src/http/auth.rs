//! Who asks: keys show their kind, and the wrong kind is named.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams};
use domain::{AppId, KeyId, KeyScopes};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use store::model::{ApiKey, DeviceIdentity};

use super::audit;
use super::problem::{Problem, ProblemCode};
use super::routes::Caller;
use crate::accept::storage_problem;
use crate::node::Node;
use crate::secret::{KeyKind, KeyText, SecretError};
use crate::users;

/// The header that proves a device beside its user's token.
pub(super) const DEVICE_SECRET: &str = "reveille-device-secret";

/// How often the use of a key is noted.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// Among a request's extensions: it comes from the console, which has asked who its visitor is. No
/// request from outside has it, since extensions are not read from the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator {
    /// The app whose back end the operator stands in for, on routes that do not name one.
    pub(crate) acts_for: Option<AppId>,
}

impl Operator {
    fn of(parts: &Parts) -> Option<Self> {
        parts.extensions.get().copied()
    }
}

/// The operator of the server.
pub(super) struct Admin;

/// The back end of an app.
pub(super) struct AppKey {
    /// Its app.
    pub(super) app: AppId,
    /// What it is known by.
    pub(super) asker: Asker,
}

/// Who speaks for an app. As text it is what the ids of its messages and pushes are made from, so
/// that the same id from two askers is two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Its back end, by this key.
    Key(KeyId),
    /// The operator, in the console.
    Operator,
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key}"),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// The app named in the path, asked for by its own back end or by the operator.
pub(super) struct OwnApp(pub(super) AppId);

/// Whoever has a key of an app: its back end, a user or a device.
pub(super) struct AnyKey(pub(super) AppId);

/// A device, by its secret alone or beside its user's token.
pub(super) struct Me {
    /// The device.
    pub(super) device: DeviceIdentity,
}

impl FromRequestParts<Arc<Node>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        if Operator::of(parts).is_some() {
            audit::act(node, parts, None, None).await?;
            return Ok(Self);
        }
        let key = bearer(&parts.headers)?;
        expect_kind(&key, KeyKind::Admin)?;
        check_admin(node, &key)?;
        audit::act(node, parts, None, None).await?;
        Ok(Self)
    }
}

impl FromRequestParts<Arc<Node>> for AppKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        if let Some(operator) = Operator::of(parts) {
            let OwnApp(app) = operators(parts, node, operator.acts_for).await?;
            return Ok(Self { app, asker: Asker::Operator });
        }
        let key = bearer(&parts.headers)?;
        expect_kind(&key, KeyKind::App)?;
        let found = app_key(node, &key).await?;
        check_scope(parts, found.scopes)?;
        Ok(Self { app: found.app, asker: Asker::Key(found.id) })
    }
}

impl FromRequestParts<Arc<Node>> for OwnApp {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, node).await;
        let named = params.ok().and_then(|params| {
            params.iter().find(|(name, _)| *name == "app").and_then(|(_, id)| AppId::parse(id))
        });
        // An app of somebody else's and one that does not exist look the same.
        let unknown = || Problem::new(ProblemCode::NotFound, "no such app for this key");
        if Operator::of(parts).is_some() {
            return operators(parts, node, named).await;
        }
        let key = bearer(&parts.headers)?;
        match key.kind() {
            KeyKind::App => {
                let found = app_key(node, &key).await?;
                check_scope(parts, found.scopes)?;
                let own = named.filter(|app| *app == found.app).ok_or_else(unknown)?;
                audit::act(node, parts, Some(found.id), Some(own)).await?;
                Ok(Self(own))
            }
            KeyKind::Admin => {
                check_admin(node, &key)?;
                operators(parts, node, named).await
            }
            given @ (KeyKind::User | KeyKind::Device) => Err(wrong_kind(given, KeyKind::App)),
        }
    }
}

/// Any app there is, for the operator.
async fn operators(parts: &Parts, node: &Node, named: Option<AppId>) -> Result<OwnApp, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "no such app");
    let app = named.ok_or_else(unknown)?;
    let found = node.store.app(app).await.map_err(storage_problem)?;
    let app = found.ok_or_else(unknown)?.id;
    audit::act(node, parts, None, Some(app)).await?;
    Ok(OwnApp(app))
}

impl FromRequestParts<Arc<Node>> for AnyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let text = bearer_text(&parts.headers)?;
        if users::is_signed(text) {
            return users::authenticate(node, text).await.map(|speaker| Self(speaker.app));
        }
        let key = parsed(text)?;
        match key.kind() {
            KeyKind::App => Ok(Self(app_key(node, &key).await?.app)),
            KeyKind::User => users::authenticate(node, text).await.map(|speaker| Self(speaker.app)),
            KeyKind::Device => Ok(Self(Me::from_request_parts(parts, node).await?.device.app)),
            given @ KeyKind::Admin => Err(wrong_kind(given, KeyKind::App)),
        }
    }
}

impl FromRequestParts<Arc<Node>> for Me {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let bearer = match parts.headers.get(AUTHORIZATION) {
            None => None,
            Some(_) => Some(Bearer::of(&parts.headers)?),
        };
        let beside = match parts.headers.get(DEVICE_SECRET) {
            None => None,
            Some(value) => {
                let text = value.to_str().unwrap_or_default();
                let key = KeyText::parse_kind(text, KeyKind::Device);
                Some(key.map_err(|error| Problem::from(&error))?)
            }
        };
        let secret = match (&bearer, beside) {
            (_, Some(secret)) => secret,
            (Some(Bearer::Device(secret)), None) => secret.clone(),
            (Some(Bearer::User(_)) | None, None) => {
                return Err(Problem::new(
                    ProblemCode::Unauthorized,
                    "send the device secret in the header `Reveille-Device-Secret`; \
                     a device gets it when it first connects",
                ));
            }
        };
        let device = node.store.device_by_secret(*secret.hash().as_bytes()).await;
        let device = device.map_err(storage_problem)?.ok_or_else(|| {
            Problem::new(
                ProblemCode::Unauthorized,
                "the device secret is unknown; connect with a user token to get a new one",
            )
        })?;
        if let Some(Bearer::User(token)) = bearer {
            let speaker = users::authenticate(node, token).await?;
            if speaker.inbox != device.inbox {
                return Err(Problem::new(
                    ProblemCode::Forbidden,
                    "the user token and the device secret belong to different users",
                ));
            }
        }
        Ok(Self { device })
    }
}

/// What a device shows in `Authorization`.
enum Bearer<'a> {
    /// Its own secret.
    Device(KeyText),
    /// Its user's token, not checked yet.
    User(&'a str),
}

impl<'a> Bearer<'a> {
    fn of(headers: &'a HeaderMap) -> Result<Self, Problem> {
        let text = bearer_text(headers)?;
        if users::is_signed(text) {
            return Ok(Self::User(text));
        }
        let key = parsed(text)?;
        match key.kind() {
            KeyKind::Device => Ok(Self::Device(key)),
            KeyKind::User => Ok(Self::User(text)),
            given @ (KeyKind::Admin | KeyKind::App) => Err(wrong_kind(given, KeyKind::Device)),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<KeyText, Problem> {
    parsed(bearer_text(headers)?)
}

fn bearer_text(headers: &HeaderMap) -> Result<&str, Problem> {
    let value = headers.get(AUTHORIZATION).ok_or_else(|| {
        Problem::new(ProblemCode::Unauthorized, "send a key in `Authorization: Bearer …`")
    })?;
    let text = value.to_str().ok().and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    text.ok_or_else(|| {
        Problem::new(ProblemCode::Unauthorized, "the header must read `Authorization: Bearer …`")
    })
}

fn parsed(text: &str) -> Result<KeyText, Problem> {
    KeyText::parse(text).map_err(|error| Problem::from(&error))
}

fn expect_kind(key: &KeyText, wanted: KeyKind) -> Result<(), Problem> {
    if key.kind() == wanted { Ok(()) } else { Err(wrong_kind(key.kind(), wanted)) }
}

fn wrong_kind(given: KeyKind, wanted: KeyKind) -> Problem {
    Problem::from(&SecretError::WrongKind { given, wanted })
}

fn check_admin(node: &Node, key: &KeyText) -> Result<(), Problem> {
    if key.hash() == node.admin_key {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::Unauthorized,
        "this is not the admin key of this server; it is in the file admin.key of the data folder",
    ))
}

async fn app_key(node: &Node, key: &KeyText) -> Result<ApiKey, Problem> {
    let found = node.store.key_by_hash(*key.hash().as_bytes()).await.map_err(storage_problem)?;
    let found = found.ok_or_else(|| {
        Problem::new(ProblemCode::Unauthorized, "the key is unknown, or was taken back")
    })?;
    let now = node.clock.now();
    // Whoever asks in the same moment notes it as well: the later time stays.
    if found.last_used_at.is_none_or(|at| now.since(at) >= NOTED_EVERY) {
        let store = node.store.clone();
        node.tasks.start("key use", async move {
            if let Err(error) = store.note_key_use(found.id, now).await {
                tracing::debug!(%error, "the use of a key could not be noted");
            }
        });
    }
    Ok(found)
}

/// Whether a key is good for the route that it was shown to.
fn check_scope(parts: &Parts, scopes: KeyScopes) -> Result<(), Problem> {
    let needed = match parts.extensions.get::<Caller>() {
        Some(Caller::App(scope) | Caller::OwnApp(scope)) => *scope,
        // Not reached: only such routes ask for a key of an app alone.
        Some(
            Caller::Admin | Caller::AnyKey | Caller::Anybody | Caller::Device | Caller::FirstFrame,
        )
        | None => return Err(Problem::internal()),
    };
    if scopes.has(needed) {
        return Ok(());
    }
    let needed = needed.as_str();
    Err(Problem::new(
        ProblemCode::Forbidden,
        format!("the key lacks the scope `{needed}`; use a key of the app that has it"),
    ))
}
