//! All apps: list and make.

use askama::Template;
use axum::Extension;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use http::Method;
use wire::Problem;
use wire::http::{App, AppCreate, Page};

use super::api::Api;
use super::frame::{Asked, Done, Frame, Here, Sent, page, refused};
use super::section::Section;
use super::session::Visitor;

#[derive(Template)]
#[template(path = "console/apps.html")]
struct Apps {
    frame: Frame,
    apps: Vec<App>,
    name: String,
    problem: Option<Problem>,
}

#[derive(Template)]
#[template(path = "console/app_made.html")]
struct Made {
    frame: Frame,
    app: App,
    key: String,
}

/// `GET /console/apps`.
pub(super) async fn list(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&visitor, &api, StatusCode::OK, asked.done(), String::new(), None).await
}

async fn shown(
    visitor: &Visitor,
    api: &Api,
    status: StatusCode,
    done: Option<Done>,
    name: String,
    problem: Option<Problem>,
) -> Response {
    let apps = match api.get::<Page<App>>(visitor, "/v1/apps").await {
        Ok(apps) => apps.items,
        Err(problem) => return refused(visitor, &problem),
    };
    let frame = Frame::of(visitor, "Apps", Here::Apps).after(done);
    page(status, &Apps { frame, apps, name, problem })
}

/// `POST /console/apps`: makes one, and shows its first key, this once.
pub(super) async fn create(Extension(api): Extension<Api>, sent: Sent) -> Response {
    let Sent { visitor, fields } = sent;
    let name = fields.get("name").to_owned();
    let body = AppCreate { name: name.clone() };
    match api.send::<App>(&visitor, Method::POST, "/v1/apps", Some(&body)).await {
        Ok(mut app) => {
            let key = app.key.take().unwrap_or_default();
            let frame =
                Frame::of(&visitor, app.name.clone(), Here::In(Section::Overview)).about(&app);
            page(StatusCode::CREATED, &Made { frame, app, key })
        }
        Err(problem) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            shown(&visitor, &api, status, None, name, Some(problem)).await
        }
    }
}
