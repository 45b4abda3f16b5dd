//! The keys by which an app's back end signs user tokens itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::{AppId, TokenKeyId};
use http::StatusCode;
use store::model::{NewTokenKey, TokenKeySource};
use wire::http::{Page, TokenAlgorithm, TokenKey, TokenKeyCreate};
use wire::limits;

use super::auth::OwnApp;
use super::body::Body;
use super::path::Named;
use super::problem::{Problem, ProblemCode};
use crate::accept::{check_name, storage_problem};
use crate::node::Node;
use crate::to_wire;
use crate::users::jwt;

/// `POST /v1/apps/{app}/token-keys`: its tokens are good from now on.
pub(super) async fn create(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Body(body): Body<TokenKeyCreate>,
) -> Result<impl IntoResponse, Problem> {
    check_name("name", &body.name)?;
    check_name("audience", &body.audience)?;
    let kept = node.store.token_keys(app).await.map_err(storage_problem)?.len();
    if kept >= limits::TOKEN_KEYS {
        return Err(Problem::new(
            ProblemCode::Conflict,
            format!("the app has {kept} token keys, the most there can be; delete an old one"),
        ));
    }
    let source = source(&node, app, &body).await?;
    let new = NewTokenKey {
        app,
        name: body.name,
        algorithm: body.algorithm.as_str().to_owned(),
        audience: body.audience,
        source,
        now: node.clock.now(),
    };
    let key = node.store.add_token_key(new).await.map_err(storage_problem)?;
    let key = key.ok_or_else(|| Problem::new(ProblemCode::NotFound, "no such app for this key"))?;
    node.token_keys.forget(app);
    Ok((StatusCode::CREATED, Json(shown(key)?)))
}

/// `GET /v1/apps/{app}/token-keys`: without their secrets.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
) -> Result<Json<Page<TokenKey>>, Problem> {
    let keys = node.store.token_keys(app).await.map_err(storage_problem)?;
    let items = keys.into_iter().map(shown).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: None }))
}

/// `DELETE /v1/apps/{app}/token-keys/{key}`: no token of it is taken from now on.
pub(super) async fn delete(
    State(node): State<Arc<Node>>,
    OwnApp(app): OwnApp,
    Named((_, key)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let no_key = || Problem::new(ProblemCode::NotFound, "the app has no such token key");
    let key = TokenKeyId::parse(&key).ok_or_else(no_key)?;
    let removed = node.store.remove_token_key(app, key).await.map_err(storage_problem)?;
    node.token_keys.forget(app);
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(no_key()) }
}

/// Checks the key, or looks whether there is one at the URL.
async fn source(node: &Node, app: AppId, body: &TokenKeyCreate) -> Result<TokenKeySource, Problem> {
    let is_shared = body.algorithm == TokenAlgorithm::Hs256;
    match (&body.public_key, &body.secret, &body.jwks_url) {
        (Some(pem), None, None) if !is_shared => {
            let read = jwt::public_key(pem, body.algorithm);
            read.map_err(|what| Problem::invalid_field("public_key", what))?;
            Ok(TokenKeySource::PublicKey(pem.clone()))
        }
        (None, Some(secret), None) if is_shared => {
            let (least, most) = (jwt::SHORTEST_SECRET, limits::TOKEN_SECRET_BYTES);
            if !(least..=most).contains(&secret.len()) {
                let length = secret.len();
                return Err(Problem::invalid_field(
                    "secret",
                    format!("{length} bytes; give {least} to {most} that nobody can guess"),
                ));
            }
            let context = store::token_key_context(app);
            let sealed = node.master_key.seal(&context, secret.as_bytes());
            sealed.map(TokenKeySource::Secret).map_err(|error| {
                tracing::error!(%error, "a secret could not be sealed");
                Problem::internal()
            })
        }
        (None, None, Some(url)) if !is_shared => {
            if url.len() > limits::URL_BYTES {
                let most = limits::URL_BYTES;
                return Err(Problem::invalid_field("jwks_url", format!("at most {most} bytes")));
            }
            let fetched = node.token_keys.fetch(url, body.algorithm).await;
            fetched.map_err(|why| {
                Problem::invalid_field("jwks_url", format!("no key set is to be had there: {why}"))
            })?;
            Ok(TokenKeySource::JwksUrl(url.clone()))
        }
        _ if is_shared => {
            Err(Problem::invalid_field("secret", "HS256 needs `secret` and nothing beside it"))
        }
        _ => Err(Problem::invalid_field(
            "public_key",
            format!(
                "{} needs one of `public_key` and `jwks_url`, and no `secret`",
                body.algorithm.as_str()
            ),
        )),
    }
}

fn shown(key: store::model::TokenKey) -> Result<TokenKey, Problem> {
    let (public_key, jwks_url) = match key.source {
        TokenKeySource::PublicKey(pem) => (Some(pem), None),
        TokenKeySource::Secret(_) => (None, None),
        TokenKeySource::JwksUrl(url) => (None, Some(url)),
    };
    Ok(TokenKey {
        id: key.id.to_string(),
        name: key.name,
        algorithm: TokenAlgorithm::parse(&key.algorithm).ok_or_else(Problem::internal)?,
        audience: key.audience,
        public_key,
        jwks_url,
        created_at: to_wire::time(key.created_at),
    })
}
