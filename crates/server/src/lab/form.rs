//! A form of the lab, read to its last field, and how it is answered: a script gets the state, a
//! page without one is sent back to the wall.

use axum::Json;
use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use http::header::ACCEPT;
use http::request::Parts;

use super::page;
use super::wall::Lab;
use crate::http::problem::{Problem, ProblemCode};

/// The fields of a form, as they came.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields, of which there may be none but these.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        let strange = self.0.iter().find(|(name, _)| !known.contains(&name.as_str()));
        match strange {
            None => Ok(self),
            Some((name, _)) => {
                let detail = format!("the form has no such field; it has {}", known.join(", "));
                Err(Problem::invalid_field(name.as_str(), detail))
            }
        }
    }

    /// A field that has to be there.
    pub(super) fn get(&self, name: &str) -> Result<&str, Problem> {
        let field = self.0.iter().find(|(field, _)| field == name);
        let value = field.map(|(_, value)| value.as_str());
        value.ok_or_else(|| Problem::invalid_field(name, "the field is missing; give it"))
    }

    /// A field that may be left out; empty then.
    pub(super) fn find(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let wants = Wants::of(request.headers());
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        form.map(|Form(fields)| Self(fields)).map_err(|rejection| {
            let detail = format!("{}; send a form of at most 16 KiB", rejection.body_text());
            wants.refusal(Problem::new(ProblemCode::UnsupportedMediaType, detail))
        })
    }
}

/// What a request wants to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// A page.
    Page,
    /// The state, as JSON.
    State,
}

impl Wants {
    fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        if accept.is_some_and(|accept| accept.contains("application/json")) {
            Self::State
        } else {
            Self::Page
        }
    }

    /// The answer to what was done.
    pub(super) fn answer(self, lab: &Lab, done: Result<String, Problem>) -> Response {
        match (done, self) {
            (Err(problem), _) => self.refusal(problem),
            (Ok(place), Self::Page) => Redirect::to(&format!("/lab{place}")).into_response(),
            (Ok(_), Self::State) => Json(lab.state()).into_response(),
        }
    }

    /// The answer to what cannot be done.
    pub(super) fn refusal(self, problem: Problem) -> Response {
        match self {
            Self::Page => page::refused(problem),
            Self::State => problem.into_response(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wants {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}
