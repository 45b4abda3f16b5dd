//! The HTTP API, asked in this process on behalf of a visitor.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use domain::AppId;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::Problem;
use wire::http::App;

use super::link::api_path;
use super::session::Visitor;
use crate::http::auth::Operator;
use crate::http::client_address::Peer;

/// The API. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Api {
    router: Router,
    acts_for: Option<AppId>,
}

impl Api {
    /// The API that this router serves.
    pub(super) const fn new(router: Router) -> Self {
        Self { router, acts_for: None }
    }

    /// The same, asked in the place of an app's back end, for routes that do not name the app. An
    /// id that is none asks for no app, which is then refused as unknown.
    pub(super) fn in_place_of(&self, app: &str) -> Self {
        Self { router: self.router.clone(), acts_for: AppId::parse(app) }
    }

    /// Asks for something that comes bit by bit.
    pub(super) async fn stream(&self, visitor: &Visitor, path: &str) -> Result<Response, Problem> {
        let request = Request::builder().uri(path).body(Body::empty()).map_err(unreadable)?;
        let answer = self.answer(visitor, request).await;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let body = answer.into_body().collect().await.map_err(unreadable)?.to_bytes();
        Err(serde_json::from_slice(&body).unwrap_or_else(unreadable))
    }

    /// Asks what an app is.
    pub(super) async fn app(&self, visitor: &Visitor, app: &str) -> Result<App, Problem> {
        self.get(visitor, &api_path(&["apps", app])).await
    }

    /// Asks for something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        visitor: &Visitor,
        path: &str,
    ) -> Result<T, Problem> {
        self.send(visitor, Method::GET, path, None::<&()>).await
    }

    /// Changes something.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        visitor: &Visitor,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Problem> {
        let mut request = Request::builder().method(method).uri(path);
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request =
                    request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Body::from(serde_json::to_vec(body).map_err(unreadable)?)
            }
        };
        let request = request.body(body).map_err(unreadable)?;
        let answer = self.answer(visitor, request).await;
        let is_success = answer.status().is_success();
        let body = answer.into_body().collect().await.map_err(unreadable)?.to_bytes();
        if !is_success {
            return Err(serde_json::from_slice(&body).unwrap_or_else(unreadable));
        }
        // Nothing reads as `null`, which is `()`.
        let body = if body.is_empty() { &b"null"[..] } else { &body };
        serde_json::from_slice(body).map_err(unreadable)
    }

    async fn answer(&self, visitor: &Visitor, mut request: Request<Body>) -> Response {
        request.extensions_mut().insert(Operator { acts_for: self.acts_for });
        request.extensions_mut().insert(Peer(visitor.address));
        match TowerToHyperService::new(self.router.clone()).call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

/// Not reached: console and API are of one build.
fn unreadable(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "the console does not understand the API");
    crate::http::problem::Problem::internal().into()
}
