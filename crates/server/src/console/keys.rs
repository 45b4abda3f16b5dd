//! The keys of an app's back end.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use wire::Problem;
use wire::http::{App, Key, KeyCreate, KeyScopeName, Page};

use super::api::Api;
use super::frame::{Asked, Done, Frame, Here, Sent, page, refused};
use super::link::api_path;
use super::records::minute;
use super::section::Section;
use super::session::Visitor;

/// What a key may be good for, in the order of the page.
const SCOPES: [(KeyScopeName, &str, &str); 3] = [
    (KeyScopeName::Send, "send", "send messages and pushes"),
    (KeyScopeName::Read, "read", "read what the app has"),
    (KeyScopeName::Admin, "admin", "change the app, its users and their devices"),
];

#[derive(Template)]
#[template(path = "console/keys.html")]
struct Shown {
    frame: Frame,
    app: App,
    keys: Vec<KeyRow>,
    /// A key that was made just now.
    made: Option<Key>,
    problem: Option<Problem>,
    scopes: [(&'static str, &'static str); 3],
}

/// A key as the page has it.
struct KeyRow {
    id: String,
    name: String,
    scopes: String,
    created: String,
    used: String,
}

/// `GET /console/apps/{app}/keys`.
pub(super) async fn show(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&visitor, &api, &app, StatusCode::OK, asked.done(), None, None).await
}

async fn shown(
    visitor: &Visitor,
    api: &Api,
    app: &str,
    status: StatusCode,
    done: Option<Done>,
    made: Option<Key>,
    problem: Option<Problem>,
) -> Response {
    let (path, keys) = (api_path(&["apps", app]), api_path(&["apps", app, "keys"]));
    let found =
        tokio::try_join!(api.get::<App>(visitor, &path), api.get::<Page<Key>>(visitor, &keys));
    let (app, keys) = match found {
        Ok(found) => found,
        Err(problem) => return refused(visitor, &problem),
    };
    let frame = Frame::of(visitor, "Keys", Here::In(Section::Keys)).about(&app).after(done);
    let keys = keys.items.iter().map(KeyRow::of).collect();
    let scopes = SCOPES.map(|(_, word, about)| (word, about));
    page(status, &Shown { frame, app, keys, made, problem, scopes })
}

impl KeyRow {
    fn of(key: &Key) -> Self {
        let scopes = SCOPES.iter().filter(|(scope, ..)| key.scopes.contains(scope));
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            scopes: scopes.map(|(_, word, _)| *word).collect::<Vec<_>>().join(", "),
            created: minute(key.created_at),
            used: key.last_used_at.map_or_else(|| "never".to_owned(), minute),
        }
    }
}

/// `POST /console/apps/{app}/keys`: makes one, and shows it, this once.
pub(super) async fn create(
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    sent: Sent,
) -> Response {
    let Sent { visitor, fields } = sent;
    let ticked = fields.all("scope");
    let scopes = SCOPES.iter().filter(|(_, word, _)| ticked.contains(word));
    let body = KeyCreate {
        name: fields.get("name").to_owned(),
        scopes: Some(scopes.map(|(scope, ..)| *scope).collect()),
    };
    let path = api_path(&["apps", &app, "keys"]);
    let (status, made, problem) =
        match api.send::<Key>(&visitor, Method::POST, &path, Some(&body)).await {
            Ok(key) => (StatusCode::CREATED, Some(key), None),
            Err(problem) => (StatusCode::UNPROCESSABLE_ENTITY, None, Some(problem)),
        };
    shown(&visitor, &api, &app, status, None, made, problem).await
}

/// `POST /console/apps/{app}/keys/{key}/delete`: takes it back.
pub(super) async fn delete(
    Extension(api): Extension<Api>,
    Path((app, key)): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let path = api_path(&["apps", &app, "keys", &key]);
    match api.send::<()>(&sent.visitor, Method::DELETE, &path, None::<&()>).await {
        Ok(()) => {
            let done = Done::KeyDeleted.as_str();
            Redirect::to(&format!("/console/apps/{app}/keys?done={done}")).into_response()
        }
        Err(problem) => refused(&sent.visitor, &problem),
    }
}
