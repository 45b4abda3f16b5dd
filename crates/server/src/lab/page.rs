//! The wall as a page, and the parts of it that change.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::State as Of;
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::assets::Asset;
use super::raw::RawPush;
use super::sending::{BURST, LONGEST};
use super::state::{PhoneState, ServiceState, State};
use super::strip::Strip;
use super::wall::Lab;
use crate::http::problem::Problem;

/// `GET /`.
pub(super) async fn start() -> Redirect {
    Redirect::to("/lab")
}

#[derive(Template)]
#[template(path = "lab/wall.html")]
struct WallPage {
    state: State,
    server: String,
    burst: usize,
    longest: usize,
    /// The parts, as a stream of changes has them.
    strip: String,
    phones: Vec<String>,
    pushes: String,
    services: String,
}

#[derive(Template)]
#[template(path = "lab/phone.html")]
struct PhonePart<'a> {
    phone: &'a PhoneState,
}

#[derive(Template)]
#[template(path = "lab/strip.html")]
struct StripPart<'a> {
    strip: Option<&'a Strip>,
}

#[derive(Template)]
#[template(path = "lab/pushes.html")]
struct PushesPart<'a> {
    pushes: &'a [RawPush],
}

#[derive(Template)]
#[template(path = "lab/services.html")]
struct ServicesPart<'a> {
    services: &'a [ServiceState],
}

#[derive(Template)]
#[template(path = "lab/problem.html")]
struct Refused {
    problem: wire::Problem,
}

/// `GET /lab`.
pub(super) async fn wall(Of(lab): Of<Arc<Lab>>) -> Response {
    let state = lab.state();
    let parts = Parts::of(&state).and_then(|parts| {
        let page = WallPage {
            server: lab.world().address().to_string(),
            burst: BURST,
            longest: LONGEST,
            strip: parts.strip,
            phones: parts.phones.into_iter().map(|(_, html)| html).collect(),
            pushes: parts.pushes,
            services: parts.services,
            state,
        };
        page.render()
    });
    answer(parts)
}

/// `GET /lab/state`.
pub(super) async fn state(Of(lab): Of<Arc<Lab>>) -> Response {
    Json(lab.state()).into_response()
}

/// The page of a refusal.
pub(super) fn refused(problem: Problem) -> Response {
    let status = problem.code().status();
    let page = Refused { problem: problem.into() }.render();
    (status, answer(page)).into_response()
}

/// The parts of the page that change, as HTML, each by the id of its element.
pub(super) struct Parts {
    strip: String,
    phones: Vec<(String, String)>,
    pushes: String,
    services: String,
}

impl Parts {
    /// The parts of a state.
    pub(super) fn of(state: &State) -> askama::Result<Self> {
        let phones = state
            .phones
            .iter()
            .map(|phone| Ok((format!("phone-{}", phone.id), PhonePart { phone }.render()?)));
        Ok(Self {
            strip: StripPart { strip: state.strip.as_ref() }.render()?,
            phones: phones.collect::<askama::Result<_>>()?,
            pushes: PushesPart { pushes: &state.pushes }.render()?,
            services: ServicesPart { services: &state.services }.render()?,
        })
    }

    /// All of them.
    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        let named = [("strip", self.strip), ("pushes", self.pushes), ("services", self.services)];
        let named = named.into_iter().map(|(id, html)| (id.to_owned(), html));
        self.phones.into_iter().chain(named).collect()
    }
}

fn answer(page: askama::Result<String>) -> Response {
    match page {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            Problem::internal().into_response()
        }
    }
}
