//! The push log: filtered, page by page, and as it is written.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Diagnosis;
use serde::Deserialize;
use wire::Problem;
use wire::http::{App, Page, Record};

use super::api::Api;
use super::frame::{Frame, Here, page, refused};
use super::link::asking;
use super::records::RecordRow;
use super::section::Section;
use super::session::Visitor;
use super::staying::while_signed_in;
use crate::node::Node;

/// Which records are wanted; what is empty does not matter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    user: String,
    device: String,
    message: String,
    call: String,
    push: String,
    wake: String,
    code: String,
    step: String,
    after: String,
}

impl Wanted {
    /// As the API is asked for it, without the page.
    fn filters(&self) -> [(&'static str, &str); 8] {
        [
            ("user", self.user.trim()),
            ("device", self.device.trim()),
            ("message", self.message.trim()),
            ("call", self.call.trim()),
            ("push", self.push.trim()),
            ("wake", self.wake.trim()),
            ("code", &self.code),
            ("step", &self.step),
        ]
    }

    fn asking(&self, after: &str) -> String {
        let mut pairs = self.filters().to_vec();
        pairs.push(("after", after));
        asking(&pairs)
    }
}

#[derive(Template)]
#[template(path = "console/push_log.html")]
struct Shown {
    frame: Frame,
    app: App,
    wanted: Wanted,
    records: Vec<RecordRow>,
    problem: Option<Problem>,
    /// Where the older ones are.
    older: Option<String>,
    /// Where new ones come from; `None` on pages of older ones.
    live: Option<String>,
    steps: [&'static str; 6],
    codes: Vec<(String, &'static str)>,
}

/// `GET /console/apps/{app}/push-log`.
pub(super) async fn show(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let app = match api.app(&visitor, &app).await {
        Ok(app) => app,
        Err(problem) => return refused(&visitor, &problem),
    };
    let path = format!("/v1/push-log{}", wanted.asking(&wanted.after));
    let found = api.in_place_of(&app.id).get::<Page<Record>>(&visitor, &path).await;
    let (status, found, problem) = match found {
        Ok(found) => (StatusCode::OK, found, None),
        // A filter that nothing can be: said beside the filters.
        Err(problem) => {
            let nothing = Page { items: Vec::new(), next: None };
            (StatusCode::UNPROCESSABLE_ENTITY, nothing, Some(problem))
        }
    };
    let of_app = format!("/console/apps/{}", app.id);
    let older = found.next.map(|next| format!("{of_app}/push-log{}", wanted.asking(&next)));
    let live = (wanted.after.is_empty() && problem.is_none())
        .then(|| format!("{of_app}/push-log/live{}", wanted.asking("")));
    let frame = Frame::of(&visitor, "Push log", Here::In(Section::PushLog)).about(&app);
    let records = found.items.into_iter().map(|record| RecordRow::of(&app.id, record)).collect();
    let steps = store::log::Step::ALL.map(store::log::Step::as_str);
    let codes = Diagnosis::ALL.map(|code| (code.code().to_string(), code.meaning())).into();
    let shown = Shown { frame, app, wanted, records, problem, older, live, steps, codes };
    page(status, &shown)
}

/// `GET /console/apps/{app}/push-log/live`: server-sent events.
pub(super) async fn live(
    State(node): State<Arc<Node>>,
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let path = format!("/v1/push-log/live{}", wanted.asking(""));
    match api.in_place_of(&app).stream(&visitor, &path).await {
        Ok(events) => while_signed_in(node, visitor, events),
        Err(problem) => refused(&visitor, &problem),
    }
}
