//! One app as it is doing.

use askama::Template;
use axum::Extension;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use wire::http::App;

use super::api::Api;
use super::frame::{Frame, Here, page, refused};
use super::section::Section;
use super::session::Visitor;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct Shown {
    frame: Frame,
    app: App,
}

/// `GET /console/apps/{app}`.
pub(super) async fn show(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
) -> Response {
    let app = match api.get::<App>(&visitor, &format!("/v1/apps/{app}")).await {
        Ok(app) => app,
        Err(problem) => return refused(&visitor, &problem),
    };
    let frame = Frame::of(&visitor, app.name.clone(), Here::In(Section::Overview)).about(&app);
    page(StatusCode::OK, &Shown { frame, app })
}
