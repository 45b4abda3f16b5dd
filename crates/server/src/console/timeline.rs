//! What became of a message or a call: the steps of the way, with times and reason words.

use askama::Template;
use axum::Extension;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use store::log::Step;
use wire::http::{Page, Record, Timeline};

use super::api::Api;
use super::frame::{Frame, Here, page, refused};
use super::link::{asking, escaped};
use super::records::{RecordRow, instant, later};
use super::section::Section;
use super::session::Visitor;

/// A step as ARCHITECTURE.md draws it: number, name, and what is done there.
const STEPS: [(&str, &str, &str); 5] = [
    ("1", "Accepted", "taken in and stored"),
    ("2", "Routed", "live, or asleep and owed a wake"),
    ("3a", "Delivered", "over a session, or fetched; a call rings"),
    ("3b", "Woken", "pushed to a sleeping device"),
    ("4", "Settled", "acknowledged, or over"),
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
    let app = match api.app(visitor, app).await {
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
        (number, name, about): (&'static str, &'static str, &'static str),
        records: &[Record],
        start: Option<Timestamp>,
    ) -> Self {
        let own = records.iter().filter(|record| belongs(number, record));
        let first = own.clone().next();
        let after = first.zip(start).map(|(record, start)| later(start, record.at));
        let mut reasons: Vec<String> = Vec::new();
        for reason in own.map(|record| word(number, record)) {
            if !reasons.iter().any(|known| known == reason) {
                reasons.push(reason.to_owned());
            }
        }
        Self { number, name, about, after, reasons }
    }
}

/// Whether a record says something of a step.
///
/// That somebody was found live or asleep leaves no record of its own: it shows in what was done
/// first, writing to a session or opening a wake.
fn belongs(number: &str, record: &Record) -> bool {
    let Some(step) = Step::parse(&record.step) else { return false };
    let is_closed = || record.detail.as_ref().is_some_and(|detail| detail["closed"] == true);
    match (number, step) {
        ("1", Step::Accept) | ("2", Step::Route) | ("3b", Step::Push) | ("4", Step::Settle) => true,
        ("2", Step::Session) => ["delivered", "ringing"].contains(&&*record.reason),
        ("2" | "3b", Step::Wake) => !is_closed(),
        ("3a", Step::Session) => record.reason != "acked",
        ("4", Step::Session) => record.reason == "acked",
        ("4", Step::Wake) => is_closed(),
        _ => false,
    }
}

/// The word for what a record says of a step.
fn word<'a>(number: &str, record: &'a Record) -> &'a str {
    match (number, Step::parse(&record.step)) {
        ("2", Some(Step::Session)) => "live",
        ("2", Some(Step::Wake)) => "asleep",
        _ => &record.reason,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn steps(records: &[(&str, &str, bool)]) -> Vec<(Option<String>, Vec<String>)> {
        let records: Vec<Record> = (0..)
            .zip(records)
            .map(|(ms, (step, reason, closed))| {
                let at = Timestamp::from_millisecond(1_800_000_000_000 + ms).expect("a time");
                let detail = json!({ "closed": closed });
                let record = json!({ "at": at, "step": step, "reason": reason, "detail": detail });
                serde_json::from_value(record).expect("a record")
            })
            .collect();
        let start = records.first().map(|record| record.at);
        let rows = STEPS.map(|row| StepRow::of(row, &records, start));
        rows.into_iter().map(|row| (row.after, row.reasons)).collect()
    }

    fn at(ms: u32, reasons: &[&str]) -> (Option<String>, Vec<String>) {
        (Some(format!("+{ms} ms")), reasons.iter().map(|&reason| reason.to_owned()).collect())
    }

    #[test]
    fn the_steps_of_a_message_to_somebody_asleep_and_to_somebody_live() {
        let asleep = [
            ("accept", "accepted", false),
            ("wake", "claimed", false),
            ("push", "accepted", false),
            ("wake", "climbing", false),
            ("session", "woken", false),
            ("session", "delivered", false),
            ("session", "acked", false),
            ("wake", "acked", true),
        ];
        let expected = [
            at(0, &["accepted"]),
            at(1, &["asleep", "live"]),
            at(4, &["woken", "delivered"]),
            at(1, &["claimed", "accepted", "climbing"]),
            at(6, &["acked"]),
        ];
        assert_eq!(steps(&asleep), expected);
        let live = [
            ("accept", "accepted", false),
            ("session", "delivered", false),
            ("session", "acked", false),
        ];
        let none = (None, Vec::new());
        let expected = [
            at(0, &["accepted"]),
            at(1, &["live"]),
            at(1, &["delivered"]),
            none,
            at(2, &["acked"]),
        ];
        assert_eq!(steps(&live), expected);
    }
}
