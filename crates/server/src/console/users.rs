//! The users of an app: found, and one with all devices.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use serde::Deserialize;
use wire::Problem;
use wire::http::{App, Device, Explanation, Mute, Page, User};

use super::api::Api;
use super::devices::DeviceCard;
use super::frame::{Asked, Done, Frame, Here, Sent, page, refused};
use super::link::{api_path, asking, escaped};
use super::records::minute;
use super::section::Section;
use super::session::Visitor;

/// Users on one page.
const PAGE: &str = "50";

/// Whom somebody looks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Search {
    q: String,
    after: String,
}

#[derive(Template)]
#[template(path = "console/users.html")]
struct Found {
    frame: Frame,
    app: App,
    q: String,
    users: Vec<UserRow>,
    /// Whether they were found by a device of theirs.
    by_device: bool,
    problem: Option<Problem>,
    more: Option<String>,
}

struct UserRow {
    name: String,
    link: String,
    since: String,
    devices: u32,
    live: u32,
}

/// `GET /console/apps/{app}/users`: by how their names begin; else by a device's id.
pub(super) async fn list(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    Query(search): Query<Search>,
) -> Response {
    let app = match api.app(&visitor, &app).await {
        Ok(app) => app,
        Err(problem) => return refused(&visitor, &problem),
    };
    let q = search.q.trim();
    let in_place = api.in_place_of(&app.id);
    let asked = async |pairs: &[(&str, &str)]| {
        let path = format!("/v1/users{}", asking(&[pairs, &[("limit", PAGE)]].concat()));
        in_place.get::<Page<User>>(&visitor, &path).await
    };
    let mut found = asked(&[("prefix", q), ("after", &search.after)]).await;
    let mut by_device = false;
    if !q.is_empty() && found.as_ref().is_ok_and(|found| found.items.is_empty()) {
        found = asked(&[("device", q)]).await;
        by_device = found.as_ref().is_ok_and(|found| !found.items.is_empty());
    }
    let (status, found, problem) = match found {
        Ok(found) => (StatusCode::OK, found, None),
        Err(problem) => {
            let nobody = Page { items: Vec::new(), next: None };
            (StatusCode::UNPROCESSABLE_ENTITY, nobody, Some(problem))
        }
    };
    let path = format!("/console/apps/{}/users", app.id);
    let more = found.next.map(|next| format!("{path}{}", asking(&[("q", q), ("after", &next)])));
    let users = found.items.into_iter().map(|user| UserRow {
        link: format!("{path}/{}", escaped(&user.user)),
        name: user.user,
        since: minute(user.created_at),
        devices: user.devices,
        live: user.live,
    });
    let users = users.collect();
    let frame = Frame::of(&visitor, "Users", Here::In(Section::Users)).about(&app);
    page(status, &Found { frame, app, q: q.to_owned(), users, by_device, problem, more })
}

#[derive(Template)]
#[template(path = "console/user.html")]
struct Shown {
    frame: Frame,
    user: String,
    /// This page.
    path: String,
    devices: Vec<DeviceCard>,
    mutes: Vec<Mute>,
    /// What would happen to a push now: verdict, and what to do.
    verdict: Option<(String, String, Option<String>)>,
    log: String,
    problem: Option<Problem>,
}

/// `GET /console/apps/{app}/users/{user}`.
pub(super) async fn show(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path((app, user)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&visitor, &api, &app, user, StatusCode::OK, asked.done(), None).await
}

async fn shown(
    visitor: &Visitor,
    api: &Api,
    app: &str,
    user: String,
    status: StatusCode,
    done: Option<Done>,
    problem: Option<Problem>,
) -> Response {
    let name = escaped(&user);
    let (of_app, of_user) = (api_path(&["apps", app]), format!("/v1/users/{name}"));
    let (devices, mutes) = (format!("{of_user}/devices"), format!("{of_user}/mutes"));
    let explain = format!("/v1/explain{}", asking(&[("user", &user)]));
    let in_place = api.in_place_of(app);
    let found = tokio::try_join!(
        api.get::<App>(visitor, &of_app),
        in_place.get::<Page<Device>>(visitor, &devices),
        in_place.get::<Page<Mute>>(visitor, &mutes),
        in_place.get::<Explanation>(visitor, &explain),
    );
    let (app, devices, mutes, explained) = match found {
        Ok(found) => found,
        Err(problem) => return refused(visitor, &problem),
    };
    let path = format!("/console/apps/{}/users/{name}", app.id);
    let log = format!("/console/apps/{}/push-log{}", app.id, asking(&[("user", &user)]));
    let conclusion = explained.conclusion;
    let verdict = (!devices.items.is_empty()).then_some((
        conclusion.verdict,
        conclusion.text,
        conclusion.remedy,
    ));
    let mut cards = Vec::new();
    for device in devices.items {
        let found = explained.devices.iter().find(|explained| explained.device == device.id);
        let findings = found.map(|found| found.findings.clone()).unwrap_or_default();
        match DeviceCard::of(visitor, &in_place, &app.id, &user, device, findings).await {
            Ok(card) => cards.push(card),
            Err(problem) => return refused(visitor, &problem),
        }
    }
    let frame = Frame::of(visitor, user.clone(), Here::In(Section::Users)).about(&app).after(done);
    let mutes = mutes.items;
    page(status, &Shown { frame, user, path, devices: cards, mutes, verdict, log, problem })
}

/// `POST /console/apps/{app}/users/{user}/mutes`: a thread wakes nobody.
pub(super) async fn mute(
    Extension(api): Extension<Api>,
    Path((app, user)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    hush(&api, app, user, sent, Method::PUT, Done::Muted).await
}

/// `POST /console/apps/{app}/users/{user}/unmute`: it does again.
pub(super) async fn unmute(
    Extension(api): Extension<Api>,
    Path((app, user)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    hush(&api, app, user, sent, Method::DELETE, Done::Unmuted).await
}

async fn hush(
    api: &Api,
    app: String,
    user: String,
    Sent { visitor, fields }: Sent,
    method: Method,
    done: Done,
) -> Response {
    let thread = match fields.get("thread").trim() {
        // An empty field of the form is all of them.
        "" => "*",
        thread => thread,
    };
    let path = format!("/v1/users/{}/mutes/{}", escaped(&user), escaped(thread));
    let in_place = api.in_place_of(&app);
    match in_place.send::<()>(&visitor, method, &path, None::<&()>).await {
        Ok(()) => back(&app, &user, done),
        Err(problem) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            shown(&visitor, api, &app, user, status, None, Some(problem)).await
        }
    }
}

/// `POST /console/apps/{app}/users/{user}/sign-out`: everywhere.
pub(super) async fn sign_out(
    Extension(api): Extension<Api>,
    Path((app, user)): Path<(String, String)>,
    Sent { visitor, .. }: Sent,
) -> Response {
    let path = format!("/v1/users/{}/tokens", escaped(&user));
    let in_place = api.in_place_of(&app);
    match in_place.send::<()>(&visitor, Method::DELETE, &path, None::<&()>).await {
        Ok(()) => back(&app, &user, Done::UserSignedOut),
        Err(problem) => refused(&visitor, &problem),
    }
}

/// Back to the page of a user, after something was done.
pub(super) fn back(app: &str, user: &str, done: Done) -> Response {
    let user = escaped(user);
    let done = done.as_str();
    Redirect::to(&format!("/console/apps/{app}/users/{user}?done={done}")).into_response()
}
