//! Prints a push in the server's log, for an app whose settings ask for it.
//!
//! Headers and field names as they are, tokens as their hash (the record has no other), texts as
//! their length unless the app asks for them too. Of an answer the push service's own words stay:
//! they say what became of the push.

use providers::Exchange;
use serde_json::{Value, json};
use store::model::Settings;

use super::request;

/// Prints what was sent and what came back.
pub fn push(app: domain::AppId, settings: &Settings, exchange: &Exchange) {
    if !settings.print_push_logs {
        return;
    }
    let (request, answer) = shown(exchange, settings.log_payloads);
    tracing::info!(app.id = %app, %request, %answer, "push");
}

/// A request and its answer, with the texts in their bodies or without.
fn shown(exchange: &Exchange, payloads: bool) -> (Value, Value) {
    let mut answer = json!(exchange.answer);
    if payloads {
        return (json!(exchange.request), answer);
    }
    if let Some(seen) = &exchange.answer {
        answer["body"] = request::answer_body(&seen.body);
    }
    (request::masked(&exchange.request), answer)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use domain::Outcome;
    use providers::{AnswerRecord, RequestRecord};

    use super::*;

    fn exchange(body: &str, answer: Option<&'static str>) -> Exchange {
        Exchange {
            request: RequestRecord {
                host: Arc::from("api.push.apple.com"),
                path: Arc::from("/3/device/"),
                path_token: None,
                headers: Vec::new(),
                body: body.to_owned().into(),
            },
            answer: answer.map(|body| AnswerRecord {
                status: http::StatusCode::OK,
                headers: http::HeaderMap::new(),
                body: body.into(),
            }),
            outcome: Outcome::Withdrawn,
            queued: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn texts_are_shown_as_their_length_and_names_as_they_are() {
        let body = json!({ "aps": { "alert": { "title": "Bob", "body": "Noon?" } }, "n": 1 });
        let sent = exchange(&body.to_string(), Some(r#"{"name":"a/b"}"#));
        let (request, answer) = shown(&sent, false);
        assert_eq!(
            request["body"],
            json!({ "aps": { "alert": { "title": "(3 bytes)", "body": "(5 bytes)" } }, "n": 1 })
        );
        assert_eq!(request["path"], "/3/device/");
        assert_eq!(answer["body"], json!({ "name": "a/b" }));
        let (_, answer) = shown(&exchange("{}", Some("<html>")), false);
        assert_eq!(answer["body"], "(6 bytes)");
        assert_eq!(shown(&exchange("{}", None), false).1, Value::Null);
    }

    #[test]
    fn an_app_that_asks_for_the_texts_gets_them() {
        let body = json!({ "aps": { "alert": "Noon?" } }).to_string();
        let (request, answer) = shown(&exchange(&body, Some("<html>")), true);
        assert_eq!((&request["body"], &answer["body"]), (&json!(body), &json!("<html>")));
    }
}
