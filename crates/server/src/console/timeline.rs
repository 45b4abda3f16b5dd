//! What became of a message or a call: the steps of the way, with times and reason words.

use askama::Template;
use axum::Extension;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use store::log::Step;
use wire::http::{App, Page, Record, Timeline};

use super::api::Api;
use super::frame::{Frame, Here, page, refused};
use super::link::{asking, escaped};
use super::records::{RecordRow, instant, later};
use super::section::Section;
use super::session::Visitor;

/// The steps as ARCHITECTURE.md draws them: number, name, what is done there, and which steps of
/// the log they are.
const STEPS: [(&str, &str, &str, &[Step]); 5] = [
    ("1", "Accepted", "taken in and stored", &[Step::Accept]),
    ("2", "Routed", "decided who gets it, and how", &[Step::Route]),
    ("3a", "Delivered", "over a living session, acknowledged", &[Step::Session]),
    ("3b", "Woken", "pushed to a sleeping device", &[Step::Wake, Step::Push]),
    ("4", "Settled", "what a push came to", &[Step::Settle]),
];

/// A step of the way.
struct StepRow {
    number: &'static str,
    name: &'static str,
    about: &'static str,
    /// When it began, since the first step; `None`: it was not taken.
    after: Option<String>,
    /// Its reason words, each once, in order.
    reasons: Vec<String>,
}

#[derive(Template)]
#[template(path = "console/timeline.html")]
struct Shown {
    frame: Frame,
    id: String,
    began: String,
    steps: Vec<StepRow>,
    records: Vec<RecordRow>,
    log: String,
}

/// `GET /console/apps/{app}/messages/{message}`.
pub(super) async fn message(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path((app, message)): Path<(String, String)>,
) -> Response {
    let path = format!("/v1/messages/{}/timeline", escaped(&message));
    let timeline = match api.in_place_of(&app).get::<Timeline>(&visitor, &path).await {
        Ok(timeline) => timeline,
        Err(problem) => return refused(&visitor, &problem),
    };
    shown(&visitor, &api, &app, ("Message", "message", &message), timeline.items).await
}

/// `GET /console/apps/{app}/calls/{call}`.
pub(super) async fn call(
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path((app, call)): Path<(String, String)>,
) -> Response {
    let path = format!("/v1/push-log{}", asking(&[("call", &call), ("limit", "1000")]));
    let records = match api.in_place_of(&app).get::<Page<Record>>(&visitor, &path).await {
        Ok(found) => found.items.into_iter().rev().collect(),
        Err(problem) => return refused(&visitor, &problem),
    };
    shown(&visitor, &api, &app, ("Call", "call", &call), records).await
}

async fn shown(
    visitor: &Visitor,
    api: &Api,
    app: &str,
    (title, field, id): (&str, &str, &str),
    records: Vec<Record>,
) -> Response {
    let app = match api.get::<App>(visitor, &format!("/v1/apps/{app}")).await {
        Ok(app) => app,
        Err(problem) => return refused(visitor, &problem),
    };
    let frame = Frame::of(visitor, title, Here::In(Section::PushLog)).about(&app);
    let start = records.first().map(|record| record.at);
    let steps = STEPS.map(|row| StepRow::of(row, &records, start)).into();
    let log = format!("/console/apps/{}/push-log{}", app.id, asking(&[(field, id)]));
    let records = records.into_iter().map(|record| {
        let start = start.unwrap_or(record.at);
        RecordRow::since(&app.id, record, start)
    });
    let records = records.collect();
    let began = start.map(instant).unwrap_or_default();
    page(StatusCode::OK, &Shown { frame, id: id.to_owned(), began, steps, records, log })
}

impl StepRow {
    fn of(
        (number, name, about, steps): (&'static str, &'static str, &'static str, &[Step]),
        records: &[Record],
        start: Option<Timestamp>,
    ) -> Self {
        let own = |record: &&Record| steps.iter().any(|step| step.as_str() == record.step);
        let first = records.iter().find(own);
        let after = first.zip(start).map(|(record, start)| later(start, record.at));
        let mut reasons: Vec<String> = Vec::new();
        for record in records.iter().filter(own) {
            if !reasons.contains(&record.reason) {
                reasons.push(record.reason.clone());
            }
        }
        Self { number, name, about, after, reasons }
    }
}
