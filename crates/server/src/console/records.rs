//! Records of the push log as pages have them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use wire::http::Record;

use super::link::escaped;

/// A record, with request and answer apart from what else it says.
pub(super) struct RecordRow {
    /// What tells it from all others.
    pub(super) key: String,
    pub(super) at: String,
    /// Milliseconds since the first of its list, where that is of interest.
    pub(super) after: Option<String>,
    pub(super) step: String,
    pub(super) reason: String,
    pub(super) sentence: String,
    /// Name and link.
    pub(super) user: Option<(String, String)>,
    pub(super) device: Option<String>,
    /// Id and link.
    pub(super) about: Option<(String, String)>,
    pub(super) code: Option<u16>,
    pub(super) request: Option<String>,
    pub(super) answer: Option<String>,
    pub(super) rest: Option<String>,
}

impl RecordRow {
    /// A record of an app.
    pub(super) fn of(app: &str, record: Record) -> Self {
        let of_app = format!("/console/apps/{app}");
        let key = key(&record);
        let message = record.message.as_ref().map(|id| (id, "messages"));
        let about = message.or_else(|| record.call.as_ref().map(|id| (id, "calls")));
        let mut detail = match record.detail {
            Some(Value::Object(detail)) => detail,
            _ => Map::new(),
        };
        let mut part = |name| detail.remove(name).filter(|part| !part.is_null()).map(pretty);
        let (request, answer) = (part("request"), part("answer"));
        for (name, id) in
            [("wake", &record.wake), ("attempt", &record.attempt), ("push", &record.push)]
        {
            if let Some(id) = id {
                detail.insert(name.to_owned(), json!(id));
            }
        }
        Self {
            key,
            at: instant(record.at),
            after: None,
            step: record.step,
            reason: record.reason,
            sentence: record.sentence,
            user: record.user.map(|user| {
                let link = format!("{of_app}/users/{}", escaped(&user));
                (user, link)
            }),
            device: record.device,
            about: about.map(|(id, kind)| (id.clone(), format!("{of_app}/{kind}/{}", escaped(id)))),
            code: record.code,
            request,
            answer,
            rest: (!detail.is_empty()).then(|| pretty(Value::Object(detail))),
        }
    }

    /// The same, told how long after `start` it was.
    pub(super) fn since(app: &str, record: Record, start: Timestamp) -> Self {
        let after = Some(later(start, record.at));
        Self { after, ..Self::of(app, record) }
    }
}

/// What tells a record from all others: its time to the microsecond, and what it is about. A page
/// that follows the log makes the same (`live.js`).
fn key(record: &Record) -> String {
    let Record { at, step, reason, code, user, device, wake, attempt, message, call, push, .. } =
        record;
    let (at, code) = (at.to_string(), code.map(|code| code.to_string()));
    let about = [&code, user, device, wake, attempt, message, call, push];
    let about = about.map(|part| part.as_deref().unwrap_or_default());
    [&[&*at, step, reason][..], &about].concat().join(" ")
}

/// How long after `start` something was.
pub(super) fn later(start: Timestamp, at: Timestamp) -> String {
    let millis = at.duration_since(start).as_millis();
    match millis {
        ..10_000 => format!("+{millis} ms"),
        _ => format!("+{}.{} s", millis / 1_000, millis % 1_000 / 100),
    }
}

/// A time to the millisecond.
pub(super) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}

/// A time to the minute.
pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn pretty(value: Value) -> String {
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_and_answer_stand_apart_and_nothing_is_lost() {
        let record: Record = serde_json::from_value(json!({
            "at": "2026-03-01T06:30:00.5Z", "step": "push", "reason": "refused",
            "sentence": "Do this.", "user": "a/b", "device": "phone", "message": "msg_7",
            "wake": "wak_7", "code": 911,
            "detail": { "request": { "host": "x" }, "answer": { "status": 410 }, "took_ms": 12 },
        }))
        .expect("a record");
        let row = RecordRow::since("app_1", record, "2026-03-01T06:30:00Z".parse().expect("one"));
        let key = "2026-03-01T06:30:00.5Z push refused 911 a/b phone wak_7  msg_7  ";
        assert_eq!(row.key, key);
        assert_eq!((&*row.at, row.after.as_deref()), ("2026-03-01 06:30:00.500", Some("+500 ms")));
        let link = |it: Option<(String, String)>| it.map(|(_, link)| link);
        assert_eq!(link(row.user).as_deref(), Some("/console/apps/app_1/users/a%2Fb"));
        assert_eq!(link(row.about).as_deref(), Some("/console/apps/app_1/messages/msg%5F7"));
        assert_eq!(row.request.as_deref(), Some("{\n  \"host\": \"x\"\n}"));
        assert_eq!(row.answer.as_deref(), Some("{\n  \"status\": 410\n}"));
        let rest: Value = serde_json::from_str(&row.rest.expect("more")).expect("JSON");
        assert_eq!(rest, json!({ "took_ms": 12, "wake": "wak_7" }));
    }
}
