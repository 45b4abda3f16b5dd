//! An app is deleted, for whoever types its name.

use askama::Template;
use axum::Extension;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use wire::Problem;
use wire::http::App;

use super::api::Api;
use super::frame::{Done, Frame, Here, Sent, page, refused};
use super::link::{api_path, asking};
use super::section::Section;
use super::session::Visitor;

#[derive(Template)]
#[template(path = "console/delete.html")]
struct Shown {
    frame: Frame,
    app: App,
    name: String,
    problem: Option<Problem>,
}

/// `GET /console/apps/{app}/delete`: what it means.
pub(super) async fn show(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
) -> Response {
    shown(&visitor, &api, &app, StatusCode::OK, String::new(), None).await
}

/// `POST /console/apps/{app}/delete`: done, if the name is right.
pub(super) async fn delete(
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    Sent { visitor, fields }: Sent,
) -> Response {
    let name = fields.get("name").to_owned();
    let path = format!("{}{}", api_path(&["apps", &app]), asking(&[("name", &name)]));
    match api.send::<()>(&visitor, Method::DELETE, &path, None::<&()>).await {
        Ok(()) => {
            let done = Done::AppDeleted.as_str();
            Redirect::to(&format!("/console/apps?done={done}")).into_response()
        }
        Err(problem) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            shown(&visitor, &api, &app, status, name, Some(problem)).await
        }
    }
}

async fn shown(
    visitor: &Visitor,
    api: &Api,
    app: &str,
    status: StatusCode,
    name: String,
    problem: Option<Problem>,
) -> Response {
    let app = match api.app(visitor, app).await {
        Ok(app) => app,
        Err(problem) => return refused(visitor, &problem),
    };
    let frame = Frame::of(visitor, "Delete the app", Here::In(Section::Keys)).about(&app);
    page(status, &Shown { frame, app, name, problem })
}
