//! The wall.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::Lab;
use super::assets::Asset;

/// `GET /`.
pub(super) async fn start() -> Redirect {
    Redirect::to("/lab")
}

#[derive(Template)]
#[template(path = "lab/wall.html")]
struct Wall {
    server: String,
}

/// `GET /lab`.
pub(super) async fn wall(State(lab): State<Arc<Lab>>) -> Response {
    page(&Wall { server: lab.world().address().to_string() })
}

fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            crate::http::problem::Problem::internal().into_response()
        }
    }
}
